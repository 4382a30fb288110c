//! The values of one sending: copied together from plan, secrets and variables before a request is filled
//! in, so that filling in looks nowhere else.

use z6_events::PlannedRequest;
use z6_http::template::{Value, ValueId, Values};
use z6_scenario::{Plan, PlannedValue, ValueSource, ValueTable};

use super::actors::ActorState;
use super::run_values::RunValues;
use crate::secrets::Secrets;

/// The values, by number. Those that were not loaded last mean nothing.
#[derive(Debug, Default)]
pub(super) struct Sending {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    start: usize,
    end: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Unset,
    Text,
    Literal,
}

/// Values that were copied, for those who look at a request from outside.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KnownValues(Vec<(ValueId, Vec<u8>, bool)>);

impl std::fmt::Debug for KnownValues {
    /// How many there are: some may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownValues").field("count", &self.0.len()).finish()
    }
}

impl KnownValues {
    /// These values of `from`, as far as they are set.
    pub fn copy(ids: impl IntoIterator<Item = ValueId>, from: &impl Values) -> KnownValues {
        let copy = |id| from.value(id).map(|value| (id, value.bytes.to_vec(), value.is_text));
        KnownValues(ids.into_iter().filter_map(copy).collect())
    }

    /// Sets one of them.
    pub fn set(&mut self, id: ValueId, bytes: Vec<u8>, is_text: bool) {
        self.0.retain(|(other, ..)| *other != id);
        self.0.push((id, bytes, is_text));
    }
}

impl Values for KnownValues {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        let (_, bytes, is_text) = self.0.iter().find(|(other, ..)| *other == id)?;
        Some(if *is_text { Value::text(bytes) } else { Value::literal(bytes) })
    }
}

/// Where values come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) table: &'a ValueTable,
    pub(super) plan: &'a Plan,
    pub(super) secrets: &'a Secrets,
    pub(super) run: &'a RunValues,
    pub(super) actor: Option<&'a ActorState>,
}

impl Sending {
    /// Loads these values as `request` has them.
    pub(super) fn load(&mut self, ids: &[ValueId], from: &Sources<'_>, request: &PlannedRequest) {
        self.bytes.clear();
        if self.slots.len() < from.table.sources.len() {
            self.slots.resize(from.table.sources.len(), Slot::default());
        }
        for id in ids {
            let start = self.bytes.len();
            let kind = self.push(from.table.source(*id), from, request);
            if let Some(slot) = self.slots.get_mut(usize::from(id.0)) {
                *slot = Slot { start, end: self.bytes.len(), kind };
            }
        }
    }

    fn push(
        &mut self,
        source: Option<ValueSource>,
        from: &Sources<'_>,
        request: &PlannedRequest,
    ) -> Kind {
        match source {
            None => Kind::Unset,
            Some(ValueSource::Secret(index)) => match from.secrets.bytes(index) {
                Some(bytes) => {
                    self.bytes.extend_from_slice(bytes);
                    Kind::Text
                }
                None => Kind::Unset,
            },
            Some(ValueSource::Run(id)) => {
                let Some(stored) = from.run.get(id) else { return Kind::Unset };
                self.bytes.extend_from_slice(stored.bytes);
                if stored.is_text { Kind::Text } else { Kind::Literal }
            }
            Some(ValueSource::Variable(id)) => {
                let count = from.table.variables.len();
                let stored = from.actor.and_then(|a| a.variables.get(usize::from(id.0), count));
                let Some(stored) = stored else { return Kind::Unset };
                self.bytes.extend_from_slice(stored.bytes);
                if stored.is_text { Kind::Text } else { Kind::Literal }
            }
            Some(source) => {
                let PlannedRequest { population, actor, step, planned, .. } = *request;
                let plan = from.plan.of(population);
                match plan.write_planned(source, actor, step, planned, &mut self.bytes) {
                    PlannedValue::Text => Kind::Text,
                    PlannedValue::Literal => Kind::Literal,
                    PlannedValue::NotPlanned => Kind::Unset,
                }
            }
        }
    }
}

impl Values for Sending {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        let slot = self.slots.get(usize::from(id.0))?;
        let bytes = self.bytes.get(slot.start..slot.end)?;
        match slot.kind {
            Kind::Unset => None,
            Kind::Text => Some(Value::text(bytes)),
            Kind::Literal => Some(Value::literal(bytes)),
        }
    }
}
