//! Rows and values of requests: which row of each data file the plan gave it, and what its actor's variables
//! held once it had ended. Knows no filters and no formats.
//!
//! A request that extracts a variable shows what its own response gave, every other one what it was sent
//! with. Only what the log holds can be told: secret values are withheld, and long ones are digests.

use std::collections::BTreeMap;

use z6_events::{
    Actor, Event, ExchangeTable, LoggedValue, PlannedRequest, Population, RequestId, Step,
    VariableId,
};
use z6_metrics::{RequestRow, RowOutcome};
use z6_scenario::plan::{Plan, Region};
use z6_scenario::{Model, Scenario, Scope};

/// Actors whose values are kept at once. Beyond it those with the lowest numbers are forgotten: arrivals
/// that ended early.
const ACTORS_MAX: usize = 1_000_000;

type Key = (Population, Actor);

/// What a variable held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Held<'a> {
    /// It had no value.
    #[default]
    Unset,
    /// This value.
    Clear(&'a [u8]),
    /// A value that the log does not show: it is secret, or longer than what is logged in clear.
    Hidden,
}

/// One variable of one actor.
#[derive(Debug, Clone, Default)]
enum Kept {
    #[default]
    Unset,
    Clear(Box<[u8]>),
    Hidden,
}

/// One actor.
#[derive(Debug, Clone, Default)]
struct Holder {
    values: Vec<Kept>,
    iteration: Option<u64>,
}

/// What the responses to a request give.
#[derive(Debug, Clone, Default)]
struct Gives {
    /// Variables, and what they hold if the response does not say.
    variables: Vec<(VariableId, Option<Box<[u8]>>)>,
}

/// Follows rows and values through the events of a run.
#[derive(Debug)]
pub struct ValueTrack {
    plan: Plan,
    requests: Vec<Gives>,
    /// By variable: whether it ends with the iteration.
    is_short: Vec<bool>,
    holders: BTreeMap<Key, Holder>,
    /// The bytes that the next event names.
    bytes: Vec<u8>,
    /// Values that the log holds as digests.
    digests: u64,
    /// An actor that has ended, whose values the last row may still show.
    gone: Option<Key>,
}

/// The rows and values of one request.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowValues<'a> {
    track: Option<(&'a Plan, Actor, Step)>,
    held: &'a [Kept],
}

impl<'a> RowValues<'a> {
    /// The row of a data file, from 0, that the plan gives the request's step; none if it gives none.
    #[must_use]
    pub fn row(self, data: u16) -> Option<u64> {
        let (plan, actor, step) = self.track?;
        plan.row(data, actor, step)
    }

    /// What a variable held.
    #[must_use]
    pub fn variable(self, VariableId(id): VariableId) -> Held<'a> {
        match self.held.get(usize::from(id)) {
            None | Some(Kept::Unset) => Held::Unset,
            Some(Kept::Clear(bytes)) => Held::Clear(bytes),
            Some(Kept::Hidden) => Held::Hidden,
        }
    }
}

impl ValueTrack {
    /// None for a scenario without data files and variables. `seed` is that of the run.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Option<ValueTrack> {
        let values = &scenario.values;
        if values.data.is_empty() && values.variables.is_empty() {
            return None;
        }
        let gives = |request: &z6_scenario::Request| Gives {
            variables: request
                .reading
                .extracts
                .iter()
                .map(|extract| (extract.variable, extract.default.clone().map(Into::into)))
                .collect(),
        };
        Some(ValueTrack {
            plan: Plan::new(scenario, seed),
            requests: scenario.requests.iter().map(gives).collect(),
            is_short: values.variables.iter().map(|v| v.scope == Scope::Iteration).collect(),
            holders: BTreeMap::new(),
            bytes: Vec::new(),
            digests: 0,
            gone: None,
        })
    }

    /// How many values the log holds as digests: what they were is not known.
    #[must_use]
    pub const fn digests(&self) -> u64 {
        self.digests
    }

    /// The bytes that the next event names, if it names any.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes what an event says, before the event is joined with those of its worker.
    pub(crate) fn follow(&mut self, exchanges: &ExchangeTable, event: &Event) {
        // What only the last row showed.
        if let Some(key) = self.gone.take() {
            self.holders.remove(&key);
        }
        match *event {
            Event::Sent { ref request, attempt: 0, .. } => self.sent(request),
            Event::Value { exchange, variable, value, .. } => {
                if let Some(sent) = exchanges.open_exchange(exchange) {
                    self.value(&sent.request, variable, value);
                }
            }
            Event::VuStopped { population, actor } => self.gone = Some((population, actor)),
            _ => {}
        }
    }

    /// The first exchange of a request was sent: what it extracts has no value from now on.
    fn sent(&mut self, asked: &PlannedRequest) {
        if self.is_short.is_empty() {
            return;
        }
        let key = (asked.population, asked.actor);
        if self.holders.len() >= ACTORS_MAX && !self.holders.contains_key(&key) {
            self.holders.pop_first();
        }
        let holder = self.holders.entry(key).or_default();
        holder.values.resize_with(self.is_short.len(), Kept::default);
        let plan = self.plan.of(asked.population);
        // What lives for an iteration is gone at the end of the VU.
        let iteration = match plan.place(asked.actor, asked.step).region {
            Region::Iteration(number) => Some(number),
            Region::End => Some(u64::MAX),
            Region::Start | Region::Renewal(_) => None,
        };
        if iteration.is_some() {
            if holder.iteration != iteration {
                let all = holder.values.iter_mut().zip(&self.is_short);
                all.filter(|(_, is_short)| **is_short).for_each(|(kept, _)| *kept = Kept::Unset);
            }
            holder.iteration = iteration;
        }
        for (VariableId(id), _) in gives(&self.requests, asked.request) {
            if let Some(kept) = holder.values.get_mut(usize::from(*id)) {
                *kept = Kept::Unset;
            }
        }
    }

    /// A value was taken from the response to a request, or was missing there.
    fn value(&mut self, asked: &PlannedRequest, variable: VariableId, value: LoggedValue) {
        let Some(holder) = self.holders.get_mut(&(asked.population, asked.actor)) else { return };
        let now = match value {
            LoggedValue::Clear(_) => Kept::Clear(self.bytes.as_slice().into()),
            LoggedValue::Digest { .. } => {
                self.digests += 1;
                Kept::Hidden
            }
            LoggedValue::Withheld => Kept::Hidden,
            LoggedValue::Missing => {
                let mut gives = gives(&self.requests, asked.request).iter();
                let default = gives.find(|(of, _)| *of == variable).and_then(|(_, d)| d.clone());
                default.map_or(Kept::Unset, Kept::Clear)
            }
        };
        if let Some(kept) = holder.values.get_mut(usize::from(variable.0)) {
            *kept = now;
        }
    }

    /// A request has ended. An arrival that has no further step is forgotten after it.
    pub(crate) fn ended(&mut self, row: &RequestRow) {
        let plan = self.plan.of(row.population);
        let is_last = || {
            matches!(row.outcome, RowOutcome::NeverSent(_))
                || plan.next(row.actor, row.step).is_none()
        };
        if plan.model() == Model::Open && is_last() {
            self.gone = Some((row.population, row.actor));
        }
    }

    /// The rows and values of a request that has just ended, or is still open.
    #[must_use]
    pub fn of(&self, row: &RequestRow) -> RowValues<'_> {
        let holder = self.holders.get(&(row.population, row.actor));
        RowValues {
            track: Some((self.plan.of(row.population), row.actor, row.step)),
            held: holder.map_or(&[], |holder| &holder.values),
        }
    }
}

/// What the responses to a request give.
fn gives(requests: &[Gives], RequestId(id): RequestId) -> &[(VariableId, Option<Box<[u8]>>)] {
    requests.get(usize::from(id)).map_or(&[], |gives| &gives.variables)
}
