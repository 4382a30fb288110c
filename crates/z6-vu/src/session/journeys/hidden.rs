//! What is secret of an actor, to be kept out of texts that a log or a person is given.

use z6_events::{PlannedRequest, VariableId};
use z6_extract::Jar;
use z6_http::template::{Filled, Template, ValueId, Values as _};
use z6_scenario::{Auth, BodyPart, Rendering, ValueSource, Variable};

use super::actors::Variables;
use super::sending::Sending;
use super::{Journeys, Setup};
use crate::session::hiding::{
    Hidden, SOUGHT_BYTES_MIN, decodes_to, has_escapes, has_secret, hide, is_in, may_be_base64,
};

/// What is secret of one actor when a response is read; the secrets of the scenario apart.
pub(super) struct SecretsOf<'a> {
    pub(super) setup: &'a Setup,
    pub(super) variables: &'a Variables,
    /// Its cookies, unless they may be logged.
    pub(super) jar: Option<&'a Jar>,
    /// Secret columns, which are loaded.
    pub(super) columns: &'a [ValueId],
    pub(super) sending: &'a Sending,
}

impl SecretsOf<'_> {
    /// Whether one of them is in a value: as it is, or in another form in which it may have been sent.
    pub(super) fn are_in(&self, value: &[u8]) -> bool {
        let sought = self.all().map(<[u8]>::len).filter(|length| *length >= SOUGHT_BYTES_MIN);
        let Some(shortest) = sought.min() else { return false };
        self.all().any(|secret| is_in(value, secret))
            || (has_escapes(value) || may_be_base64(value, shortest))
                && decodes_to(value, self.all())
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> {
        let Setup { scenario, run, .. } = self.setup;
        let variables = &scenario.values.variables;
        let is_secret = |(_, variable): &(u16, &Variable)| variable.is_secret;
        let secret = (0..).zip(variables).filter(is_secret).map(|(id, _)| id);
        let kept = secret.flat_map(move |id| {
            let own = self.variables.get(usize::from(id), variables.len());
            [own, run.get(VariableId(id))].into_iter().flatten().map(|stored| stored.bytes)
        });
        let columns = self.columns.iter().filter_map(|id| self.sending.value(*id));
        kept.chain(self.jar.into_iter().flat_map(Jar::values))
            .chain(columns.map(|value| value.bytes))
    }
}

impl Journeys {
    /// All secret values that are set for the actor of a request, what the request makes of them, and its
    /// cookies: longest first.
    pub(in crate::session) fn hidden(&mut self, request: &PlannedRequest) -> Vec<Hidden> {
        let mut hidden = Vec::new();
        self.push_loaded(request, &mut hidden);
        self.push_kept(request, &mut hidden);
        self.push_rendered(request, &mut hidden);
        hidden.sort_by_key(|hidden| std::cmp::Reverse(hidden.bytes.len()));
        hidden
    }

    /// The same, and what is left of them where a URL is taken apart.
    pub(in crate::session) fn hidden_in_url(&mut self, request: &PlannedRequest) -> Vec<Hidden> {
        let mut hidden = self.hidden(request);
        let is_bound = |byte: &u8| b"/?#\\@:".contains(byte);
        let of = |Hidden { name, bytes }: &Hidden| {
            let parts = bytes.split(is_bound).filter(|part| part.len() >= SOUGHT_BYTES_MIN);
            let parts = parts.filter(|part| part.len() < bytes.len());
            parts
                .map(|part| Hidden { name: name.clone(), bytes: part.to_vec() })
                .collect::<Vec<_>>()
        };
        let parts: Vec<Hidden> = hidden.iter().flat_map(of).collect();
        hidden.extend(parts);
        hidden
    }

    /// What placeholders name.
    fn push_loaded(&mut self, request: &PlannedRequest, hidden: &mut Vec<Hidden>) {
        let count = u16::try_from(self.setup.scenario.values.sources.len()).unwrap_or(u16::MAX);
        for id in (0..count).map(ValueId) {
            let Some(name) = self.secret_name(id) else { continue };
            self.load(&[id], request);
            if let Some(value) = self.sending.value(id) {
                hide(&name, value.bytes, value.is_text, hidden);
            }
        }
    }

    /// What no placeholder needs to name: secrets, variables, what set-up left, and cookies.
    fn push_kept(&self, request: &PlannedRequest, hidden: &mut Vec<Hidden>) {
        let values = &self.setup.scenario.values;
        let numbers = |count: usize| 0..u16::try_from(count).unwrap_or(u16::MAX);
        for index in numbers(values.secrets.len()) {
            if let Some(bytes) = self.setup.secrets.bytes(index) {
                hide(&values.name_of(ValueSource::Secret(index)), bytes, true, hidden);
            }
        }
        let state = self.actors.get((request.population, request.actor));
        let count = values.variables.len();
        for id in numbers(count).map(VariableId) {
            if !values.is_secret(ValueSource::Variable(id)) {
                continue;
            }
            let own = state.and_then(|state| state.variables.get(usize::from(id.0), count));
            let run = self.setup.run.get(id);
            for (source, stored) in [(ValueSource::Variable(id), own), (ValueSource::Run(id), run)]
            {
                if let Some(stored) = stored {
                    hide(&values.name_of(source), stored.bytes, stored.is_text, hidden);
                }
            }
        }
        for value in state.into_iter().flat_map(|state| state.jar.values()) {
            if value.len() >= SOUGHT_BYTES_MIN {
                hide("cookie", value, true, hidden);
            }
        }
    }

    /// What the placeholders of the request become, whatever filters they have.
    fn push_rendered(&mut self, request: &PlannedRequest, hidden: &mut Vec<Hidden>) {
        let scenario = std::sync::Arc::clone(&self.setup.scenario);
        let Some(rendering) = scenario.request(request.request).rendering.as_deref() else {
            return;
        };
        for slot in templates(rendering).flat_map(Template::placeholders) {
            self.load(&slot.values().collect::<Vec<_>>(), request);
            let name = slot.values().find_map(|id| self.hidden_name(id, hidden));
            let Some(name) = name else { continue };
            let bytes = self.text(&slot, request);
            if bytes.len() >= SOUGHT_BYTES_MIN {
                hide(&name, &bytes, true, hidden);
            }
        }
    }

    /// The text that a template is filled in with; empty if a value is missing.
    pub(in crate::session) fn text(
        &mut self,
        template: &Template,
        request: &PlannedRequest,
    ) -> Vec<u8> {
        self.load(&template.values().collect::<Vec<_>>(), request);
        let (mut filled, mut out) = (Filled::default(), Vec::new());
        if let Ok(part) = template.fill(&self.sending, &mut filled) {
            template.write(&filled, &part, &mut out);
        }
        out
    }

    /// The name of a value that is loaded, if it is a secret or has one of these in it.
    pub(super) fn hidden_name(&self, id: ValueId, hidden: &[Hidden]) -> Option<String> {
        let values = &self.setup.scenario.values;
        self.secret_name(id).or_else(|| {
            let value = self.sending.value(id)?;
            let source = values.source(id).filter(|_| has_secret(value.bytes, hidden))?;
            Some(values.name_of(source))
        })
    }

    /// The name of a value, if it is a secret.
    pub(super) fn secret_name(&self, id: ValueId) -> Option<String> {
        let values = &self.setup.scenario.values;
        let source: ValueSource = values.source(id)?;
        values.is_secret(source).then(|| values.name_of(source))
    }

    pub(super) fn load(&mut self, ids: &[ValueId], request: &PlannedRequest) {
        let key = (request.population, request.actor);
        let sources = self.setup.sources(self.actors.get(key));
        self.sending.load(ids, &sources, request);
    }
}

/// All that is filled in.
fn templates(rendering: &Rendering) -> impl Iterator<Item = &Template> {
    let headers = rendering.headers.iter().map(|(_, template)| template);
    let body = rendering.body.iter().flatten().filter_map(|part| match part {
        BodyPart::Text(template) => Some(template),
        BodyPart::Bytes(_) => None,
    });
    let auth: Vec<&Template> = match &rendering.auth {
        Some(Auth::Basic { user, password }) => vec![user, password],
        Some(Auth::AwsSigV4(keys)) => {
            let keys = &**keys;
            let own = [&keys.access_key, &keys.secret_key, &keys.region, &keys.service];
            own.into_iter().chain(&keys.session_token).collect()
        }
        None => Vec::new(),
    };
    std::iter::once(&rendering.path).chain(headers).chain(body).chain(auth)
}
