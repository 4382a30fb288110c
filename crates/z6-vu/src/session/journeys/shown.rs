//! The values of an actor for those who show requests to a person: with the names of secrets in place of
//! their bytes. No run needs it.

use std::borrow::Cow;

use z6_events::{PlannedRequest, VariableId};
use z6_http::template::{Filled, Template, ValueId, Values as _};
use z6_proto_http1::KeptResponse;
use z6_scenario::expression::Body;

use super::Journeys;
use crate::session::hiding::mark;

impl Journeys {
    /// The text that a template is filled in with for a request, secrets as their names; none if there is
    /// no secret in it.
    pub(in crate::session) fn masked(
        &mut self,
        template: &Template,
        request: &PlannedRequest,
    ) -> Option<Vec<u8>> {
        let ids: Vec<ValueId> = template.values().collect();
        let hidden = self.hidden(request);
        self.load(&ids, request);
        let is_text = |id| self.sending.value(id).is_none_or(|value| value.is_text);
        let masked =
            template.masked(|id| Some((mark(&self.hidden_name(id, &hidden)?), is_text(id))));
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
}

/// The body of a response without its content codings; none if it cannot be had.
pub(in crate::session) fn decoded<'a>(kept: &KeptResponse<'a>) -> Option<Cow<'a, [u8]>> {
    let (body, state) = super::reading::content(kept);
    (state == Body::Whole).then_some(body)
}
