//! The values of one worker's actors on their way: into requests, and out of responses.
//!
//! Owns the variables and cookies of the actors, the filling in of requests, and what is read from
//! responses: extractions and checks, as inputs for the engine. Pure. Knows no connection; a scenario
//! without values, cookies, extractions and checks has none of it.
//!
//! Reading order: this file, `actors` (what is kept for whom), `sending` (the values of one request),
//! `rendering` (from values to bytes), `compiled` (what each request needs), `reading` (from a response to
//! values), `deciding` (conditions of steps), `hidden` (what of it is secret).

mod actors;
mod compiled;
mod deciding;
mod hidden;
mod reading;
mod rendering;
mod run_values;
mod sending;
#[cfg(feature = "reactor")]
mod shown;

use std::collections::VecDeque;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use z6_events::{
    Actor, ExchangeSlot, NoteKind, Phase, PlannedRequest, Population, RequestId, Step, TargetId,
    Tick, VariableId,
};
use z6_extract::List;
use z6_http::IdParts;
use z6_http::template::{FillError, Filled};
use z6_proto_http1::Keep;
use z6_scenario::{Plan, Region, Scenario, Scope};

use super::Output;
use super::hiding::{Hidden, hide};
use super::requests::Note;
use crate::engine::Input;
use crate::prepare::Prepared;
use crate::secrets::Secrets;
use crate::templates::{Templates, host_text};

#[cfg(feature = "reactor")]
pub(super) use shown::decoded;

use actors::{ActorState, Actors, Room};
use compiled::Compiled;
use deciding::Reads;
pub(super) use reading::Answered;
use rendering::Scratch;
pub use run_values::RunValues;
pub use sending::KnownValues;
use sending::{Sending, Sources};

/// Memory of bodies that is kept for the next ones, of each worker.
const SPARE_BODIES_MAX: usize = 64;
/// Memory of a body beyond this is not kept, bytes.
const SPARE_BODY_BYTES_MAX: usize = 64 << 10;

/// What is given from outside to the journeys of a run.
#[derive(Clone, Default)]
pub struct Given {
    /// The bytes of the secrets.
    pub secrets: Secrets,
    /// Key of the digests that the log holds in place of values; drawn for the run.
    pub digest_key: [u8; 32],
}

impl Given {
    /// The digest that the log holds in place of a value.
    #[must_use]
    pub fn digest(&self, value: &[u8]) -> [u8; 16] {
        keyed_digest(&self.digest_key, value)
    }
}

/// The first 16 bytes of HMAC-SHA-256 (RFC 2104).
fn keyed_digest(key: &[u8; 32], value: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    // The error is of keys of a wrong length, and HMAC takes any (RFC 2104 section 2).
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(value);
        let whole = mac.finalize().into_bytes();
        digest.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    }
    digest
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

fn bytes(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The secrets of a scenario by name.
fn hidden_of(scenario: &Scenario, secrets: &Secrets) -> Vec<Hidden> {
    let mut hidden = Vec::new();
    for (index, secret) in (0..).zip(&scenario.values.secrets) {
        hide(&secret.name, secrets.bytes(index).unwrap_or_default(), true, &mut hidden);
    }
    hidden
}

/// What one worker has of a limit of the process.
fn share(limit: u64, prepared: &Prepared) -> usize {
    bytes(limit / u64::from(prepared.workers()).max(1))
}

/// A request that cannot be made, in words; never the bytes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmade(pub(super) String);

/// What is the same for all actors of a run.
struct Setup {
    scenario: Arc<Scenario>,
    plan: Plan,
    secrets: Secrets,
    /// The same by name, to be found in values.
    hidden: Vec<Hidden>,
    digest_key: [u8; 32],
    epoch_ns: u64,
    /// What set-up has left.
    run: RunValues,
    hosts: Vec<HostOf>,
    /// Variables that live for an iteration.
    of_iteration: Vec<VariableId>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

/// How a target is named.
#[derive(Debug)]
struct HostOf {
    /// Without port; IPv6 without brackets.
    name: String,
    /// As in `Host`.
    authority: String,
    is_tls: bool,
}

/// The journeys of one worker's actors.
#[derive(Debug)]
pub struct Journeys {
    setup: Setup,
    compiled: Vec<Compiled>,
    actors: Actors,
    sending: Sending,
    scratch: Scratch,
    /// Outputs that wait to be told: those of one response.
    queue: VecDeque<Output>,
    /// The bytes that values in `queue` name.
    arena: Vec<u8>,
    /// For the values of extractions.
    filled: Filled,
    url: Vec<u8>,
    /// Memory for bodies.
    spare: Vec<Vec<u8>>,
    /// How much of it is in use, and how much may be, bytes.
    kept_bytes: usize,
    kept_bytes_max: usize,
    keeps_actors: bool,
    /// In set-up: what the actor leaves, once it has ended.
    left: Option<RunValues>,
    /// For values and cookies.
    room: Room,
    /// The values of a list.
    list: List,
    /// For each condition.
    conditions: Vec<Reads>,
}

impl Setup {
    fn host(&self, target: TargetId) -> &HostOf {
        &self.hosts[target.index()]
    }

    fn unix_ms(&self, at: Tick) -> i64 {
        i64::try_from(self.epoch_ns.saturating_add(at.0) / 1_000_000).unwrap_or(i64::MAX)
    }

    fn unix_seconds(&self, at: Tick) -> u64 {
        self.epoch_ns.saturating_add(at.0) / 1_000_000_000
    }

    fn sources<'a>(&'a self, actor: Option<&'a ActorState>) -> Sources<'a> {
        let Setup { scenario, plan, secrets, run, .. } = self;
        Sources { table: &scenario.values, plan, secrets, run, actor }
    }

    /// Why a text cannot be filled in, in words.
    fn unfilled(&self, place: &str, error: FillError) -> Unmade {
        let values = &self.scenario.values;
        let name = |id| values.source(id).map(|s| values.name_of(s)).unwrap_or_default();
        Unmade(match error {
            FillError::Missing { value } => format!("{place}: `{}` is not set", name(value)),
            FillError::Forbidden { value, offset } => {
                format!("{place}: byte {offset} of `{}` must not stand there", name(value))
            }
        })
    }
}

impl Journeys {
    /// Those of one worker of a run; none if the scenario needs none. `workers` is how many this process
    /// has.
    #[must_use]
    pub fn new(prepared: &Prepared, given: &Given) -> Option<Journeys> {
        let scenario = Arc::clone(prepared.scenario());
        let is_plain = |request: &z6_scenario::Request| {
            request.rendering.is_none() && request.reading.is_empty()
        };
        let has_conditions = !scenario.values.conditions.is_empty();
        if !scenario.keeps_cookies() && scenario.requests.iter().all(is_plain) && !has_conditions {
            return None;
        }
        let plan = prepared.plan.clone();
        let seed = plan.seed();
        let compiled = scenario.requests.iter().map(|r| Compiled::new(&scenario, r, seed));
        let hosts = scenario.targets.iter().zip(prepared.ports()).map(|(target, port)| HostOf {
            name: host_text(&target.base_url.host),
            authority: target.base_url.authority(*port),
            is_tls: target.is_tls(),
        });
        let variables = scenario.values.variables.iter().enumerate();
        let of_iteration = variables
            .filter(|(_, variable)| variable.scope == Scope::Iteration)
            .filter_map(|(i, _)| u16::try_from(i).ok().map(VariableId));
        Some(Journeys {
            compiled: compiled.collect(),
            actors: Actors::default(),
            sending: Sending::default(),
            scratch: Scratch::default(),
            queue: VecDeque::new(),
            arena: Vec::new(),
            filled: Filled::default(),
            url: Vec::new(),
            spare: Vec::new(),
            kept_bytes: 0,
            kept_bytes_max: share(scenario.limits.max_kept_bytes, prepared),
            room: Room::new(
                bytes(scenario.limits.max_vu_state_bytes),
                share(scenario.limits.max_state_bytes, prepared),
            ),
            list: List::new(),
            conditions: scenario.values.conditions.iter().map(Reads::new).collect(),
            keeps_actors: !scenario.values.variables.is_empty() || scenario.keeps_cookies(),
            left: (prepared.phase() == Phase::SetUp).then(RunValues::default),
            setup: Setup {
                run: RunValues::default(),
                hosts: hosts.collect(),
                of_iteration: of_iteration.collect(),
                hidden: hidden_of(&scenario, &given.secrets),
                secrets: given.secrets.clone(),
                digest_key: given.digest_key,
                epoch_ns: 0,
                plan,
                scenario,
            },
        })
    }

    /// Sets when tick 0 is.
    pub(super) fn set_epoch(&mut self, unix_ns: u64) {
        self.setup.epoch_ns = unix_ns;
        self.setup.plan.set_epoch(unix_ns);
    }

    /// Sets what set-up has left.
    pub(super) fn set_run_values(&mut self, values: RunValues) {
        self.setup.run = values;
    }

    /// What an actor of set-up leaves: the values of its variables as a next request would find them.
    pub(super) fn leave(&mut self, key: (Population, Actor)) -> RunValues {
        self.keep_left(key);
        self.left.take().unwrap_or_default()
    }

    fn keep_left(&mut self, key: (Population, Actor)) {
        let count = self.setup.scenario.values.variables.len();
        let (Some(left), Some(state)) = (&mut self.left, self.actors.get_mut(key)) else { return };
        let gives = state.last.map(|(_, last)| &self.compiled[usize::from(last)].gives);
        for VariableId(id) in gives.into_iter().flatten() {
            if !state.variables.take_fresh(usize::from(*id)) {
                state.variables.set(usize::from(*id), count, None);
            }
        }
        *left = RunValues::of(state, count);
    }

    /// What a request needs.
    fn compiled(&self, request: &PlannedRequest) -> &Compiled {
        &self.compiled[request.request.index()]
    }

    /// What is kept of the responses to a request.
    pub(super) fn keep(&self, request: &PlannedRequest) -> Keep {
        self.compiled(request).keep
    }

    /// A request is about to be sent for the first time: fills it in if it is one that is filled in.
    /// Returns whether it was.
    pub(super) fn begin(
        &mut self,
        request: &PlannedRequest,
        templates: &Templates,
        id: &IdParts,
        out: &mut Vec<u8>,
    ) -> Result<bool, Unmade> {
        self.turn_to(request);
        let Some(form) = templates.form(request.request, request.target) else { return Ok(false) };
        let scenario = Arc::clone(&self.setup.scenario);
        let Some(rendering) = scenario.request(request.request).rendering.as_deref() else {
            return Ok(false);
        };
        let made = self.render(rendering, form, request, id, out);
        if made.is_err() {
            self.unsent(request);
        }
        made.map(|()| true)
    }

    /// The values that checks and extractions of a request that was begun will read, as they are now.
    pub(super) fn known_values(&mut self, request: &PlannedRequest) -> KnownValues {
        if self.compiled(request).reads_after.is_empty() {
            return KnownValues::default();
        }
        self.load_for_reading(request);
        let ids = self.compiled(request).reads_after.iter().copied();
        KnownValues::copy(ids, &self.sending)
    }

    /// No byte of a request was sent: the values that its response should give stay as they are.
    pub(super) fn unsent(&mut self, request: &PlannedRequest) {
        if let Some(state) = self.actors.get_mut((request.population, request.actor)) {
            state.last = None;
        }
    }

    /// The actor goes on to this request: values that its last response should have given and did not are
    /// unset, and so is what lives for an iteration if another one begins. Nothing if the request is sent
    /// again.
    fn turn_to(&mut self, request: &PlannedRequest) {
        let key = (request.population, request.actor);
        self.arrive_at(key, request.step, Some(request.request));
    }

    /// The same; without a request, a condition is asked there.
    fn arrive_at(&mut self, key: (Population, Actor), step: Step, request: Option<RequestId>) {
        if !self.keeps_actors {
            return;
        }
        let (population, actor) = key;
        let Setup { scenario, plan, of_iteration, .. } = &self.setup;
        let count = scenario.values.variables.len();
        let state = self.actors.enter(key);
        if request.is_some() && state.last.is_some_and(|(last, _)| last == step) {
            return;
        }
        let before = state.bytes();
        if let Some((_, last)) = state.last {
            for VariableId(id) in &self.compiled[usize::from(last)].gives {
                if !state.variables.take_fresh(usize::from(*id)) {
                    state.variables.set(usize::from(*id), count, None);
                }
            }
        }
        state.last = request.map(|request| (step, request.0));
        // What lives for an iteration is gone at the end of the VU.
        let iteration = match plan.of(population).place(actor, step).region {
            Region::Iteration(number) => Some(number),
            Region::End => Some(u64::MAX),
            Region::Start | Region::Renewal(_) => None,
        };
        if iteration.is_some() && state.iteration != iteration {
            state.iteration = iteration;
            for VariableId(id) in of_iteration {
                state.variables.set(usize::from(*id), count, None);
            }
            if scenario.users(population).cookies == Some(Scope::Iteration) {
                state.jar.clear();
            }
        }
        self.room.changed(before, state.bytes());
    }

    /// Drops what is kept for an actor.
    pub(super) fn forget(&mut self, population: Population, actor: Actor) {
        let key = (population, actor);
        self.keep_left(key);
        let before = self.actors.get(key).map_or(0, ActorState::bytes);
        self.actors.forget(key);
        self.room.changed(before, 0);
    }

    /// The next output of a response.
    pub(super) fn next_output(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// Nothing more is said about an exchange.
    pub(super) fn cancel(&mut self, exchange: ExchangeSlot) {
        self.queue.retain(|output| match output {
            Output::Input(
                Input::Value { exchange: other, .. }
                | Input::ChecksFailed { exchange: other, .. }
                | Input::Done { exchange: other, .. },
            ) => *other != exchange,
            _ => true,
        });
    }

    /// The bytes that [`Input::Value`]s name.
    pub(super) fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Memory for a body.
    pub(super) fn take_memory(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Memory of a body that is not needed any more, of which `counted` bytes are known to be in use.
    pub(super) fn give_back(&mut self, memory: Vec<u8>, counted: usize) {
        self.kept_bytes = self.kept_bytes.saturating_sub(counted);
        let is_useful = (1..=SPARE_BODY_BYTES_MAX).contains(&memory.capacity());
        if is_useful && self.spare.len() < SPARE_BODIES_MAX {
            self.spare.push(memory);
        }
    }

    /// A body has grown by so many bytes: whether there is room for them.
    pub(super) fn take_room(&mut self, more: usize) -> bool {
        let fits = self.kept_bytes + more <= self.kept_bytes_max;
        self.kept_bytes += if fits { more } else { 0 };
        fits
    }

    /// Words about a value of an exchange, for the log.
    pub(super) fn note(exchange: ExchangeSlot, text: String) -> Note {
        Note { about: NoteKind::Value, exchange, text: super::requests::shortened(text) }
    }
}

#[cfg(test)]
mod tests;
