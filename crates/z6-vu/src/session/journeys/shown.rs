//! The values of an actor for those who show requests to a person: with the names of secrets in place of
//! their bytes. No run needs it.

use std::borrow::Cow;

use z6_events::{PlannedRequest, VariableId};
use z6_http::template::{Filled, Template, ValueId, Values as _};
use z6_proto_http1::KeptResponse;
use z6_scenario::ValueSource;
use z6_scenario::expression::Body;

use super::Journeys;

/// A secret value.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::session) struct Hidden {
    /// Its name, as a placeholder has it.
    pub(in crate::session) name: String,
    pub(in crate::session) bytes: Vec<u8>,
}

/// What stands in place of a secret.
pub(in crate::session) fn mark(name: &str) -> String {
    format!("‹{name}›")
}

impl Journeys {
    /// The text that a template is filled in with for a request, secrets as their names; none if there is
    /// no secret in it.
    pub(in crate::session) fn masked(
        &mut self,
        template: &Template,
        request: &PlannedRequest,
    ) -> Option<Vec<u8>> {
        let ids: Vec<ValueId> = template.values().collect();
        self.load(&ids, request);
        let is_text = |id| self.sending.value(id).is_none_or(|value| value.is_text);
        let masked = template.masked(|id| Some((mark(&self.secret_name(id)?), is_text(id))));
        if masked == *template {
            return None;
        }
        self.load(&masked.values().collect::<Vec<_>>(), request);
        let (mut filled, mut out) = (Filled::default(), Vec::new());
        match masked.fill(&self.sending, &mut filled) {
            Ok(part) => masked.write(&filled, &part, &mut out),
            // It was sent: it can be filled in.
            Err(_) => out.extend_from_slice(mark("hidden").as_bytes()),
        }
        Some(out)
    }

    /// The text that a template without secrets is filled in with.
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

    /// All secret values that are set for the actor of a request, longest first.
    pub(in crate::session) fn hidden(&mut self, request: &PlannedRequest) -> Vec<Hidden> {
        let count = u16::try_from(self.setup.scenario.values.sources.len()).unwrap_or(u16::MAX);
        let ids: Vec<ValueId> = (0..count).map(ValueId).collect();
        let secrets: Vec<(ValueId, String)> =
            ids.into_iter().filter_map(|id| Some((id, self.secret_name(id)?))).collect();
        let mut hidden = Vec::new();
        for (id, name) in secrets {
            self.load(&[id], request);
            if let Some(value) = self.sending.value(id).filter(|value| !value.bytes.is_empty()) {
                hidden.push(Hidden { name, bytes: value.bytes.to_vec() });
            }
        }
        hidden.sort_by_key(|hidden| std::cmp::Reverse(hidden.bytes.len()));
        hidden
    }

    /// The value of a variable, and whether it is a text.
    pub(in crate::session) fn variable(
        &self,
        request: &PlannedRequest,
        VariableId(id): VariableId,
    ) -> Option<(Vec<u8>, bool)> {
        let count = self.setup.scenario.values.variables.len();
        let actor = self.actors.get((request.population, request.actor))?;
        let stored = actor.variables.get(usize::from(id), count)?;
        Some((stored.bytes.to_vec(), stored.is_text))
    }

    /// The name of a value, if it is a secret.
    fn secret_name(&self, id: ValueId) -> Option<String> {
        let values = &self.setup.scenario.values;
        let source: ValueSource = values.source(id)?;
        values.is_secret(source).then(|| values.name_of(source))
    }

    fn load(&mut self, ids: &[ValueId], request: &PlannedRequest) {
        let key = (request.population, request.actor);
        let sources = self.setup.sources(self.actors.get(key));
        self.sending.load(ids, &sources, request);
    }
}

/// The body of a response without its content codings; none if it cannot be had.
pub(in crate::session) fn decoded<'a>(kept: &KeptResponse<'a>) -> Option<Cow<'a, [u8]>> {
    let (body, state) = super::reading::content(kept);
    (state == Body::Whole).then_some(body)
}
