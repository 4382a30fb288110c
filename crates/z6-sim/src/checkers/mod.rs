//! What must hold of every simulated run, whatever happened in it.
//!
//! Each checker compares two accounts that do not know each other: the events as recorders gave them,
//! the log's bytes, the figures folded from them, and what the simulated server knows. They share
//! nothing with the engine but the plan.
//! Reading order: this file (what is checked, and with what), `account` (the requests of a
//! run, from its events), `requests`, `actors`, `turns`, `server`, `received`, `answers`, `streams`, `latency`, `log`.

mod account;
mod actors;
mod answers;
mod latency;
mod log;
mod received;
mod requests;
mod server;
mod streams;
mod turns;

use std::fmt;

use z6_events::{Event, LogDigest, LogHeader, Phase, StoppedBy, Tick};

use crate::spec::SimSpec;
use crate::truth::Truth;
use account::Account;

/// Violations of one checker that are kept.
const KEPT: usize = 10;

/// A law that every run must obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// The engine's own invariants, after each step.
    EngineInvariants,
    /// Engine, driver and world agree on which connections there are, after each step and at the end.
    ConnectionLeak,
    /// Slots of exchanges and connections are used one after the other: no end without its begin.
    Transitions,
    /// Each request has exactly one outcome; an actor's requests are its steps, none left out, until
    /// something ends it.
    OneOutcome,
    /// planned = sent + never sent, sent = succeeded + failed + in flight; and the figures are these
    /// counts.
    Conservation,
    /// What the log says of a request is what the server knows of it.
    Server,
    /// What the server received is, byte for byte, what the plan says was to be sent.
    Received,
    /// Redirects are followed to where they lead, as often as the request follows them, or fail it for
    /// the right reason.
    Redirects,
    /// Over HTTP/2 no more streams are open than the server allows, and a request is sent again only if the server
    /// did not process it, and no more often than the scenario says.
    Streams,
    /// What the log has of the values and checks of a response is what the server meant by it, and the
    /// request fails or succeeds for that reason.
    Answers,
    /// No more arrivals are alive than may be, and none is refused while there is room.
    Caps,
    /// The request that has waited longest for a connection gets one first; a stop of the schedule ends
    /// the VU it is for.
    Turns,
    /// Nothing fails without something in this world that can have made it fail.
    Cause,
    /// Latencies computed from the server's list and the driver's clock are those of the figures.
    Latency,
    /// Requests end at their timeout at the latest, and the run ends within its grace period.
    Liveness,
    /// The log read back is what the recorders gave, and its digest the receipt.
    ReadBack,
    /// The log replays to the last byte.
    Replay,
    /// The log is one that a run of its scenario and seed can have written: plan, limits, time.
    Plan,
}

impl Checker {
    /// All of them.
    pub const ALL: [Checker; 18] = [
        Checker::EngineInvariants,
        Checker::ConnectionLeak,
        Checker::Transitions,
        Checker::OneOutcome,
        Checker::Conservation,
        Checker::Server,
        Checker::Received,
        Checker::Redirects,
        Checker::Streams,
        Checker::Answers,
        Checker::Caps,
        Checker::Turns,
        Checker::Cause,
        Checker::Latency,
        Checker::Liveness,
        Checker::ReadBack,
        Checker::Replay,
        Checker::Plan,
    ];

    /// Its name: `one_outcome`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Checker::EngineInvariants => "engine_invariants",
            Checker::ConnectionLeak => "connection_leak",
            Checker::Transitions => "transitions",
            Checker::OneOutcome => "one_outcome",
            Checker::Conservation => "conservation",
            Checker::Server => "server",
            Checker::Received => "received",
            Checker::Redirects => "redirects",
            Checker::Streams => "streams",
            Checker::Answers => "answers",
            Checker::Caps => "caps",
            Checker::Turns => "turns",
            Checker::Cause => "cause",
            Checker::Latency => "latency",
            Checker::Liveness => "liveness",
            Checker::ReadBack => "read_back",
            Checker::Replay => "replay",
            Checker::Plan => "plan",
        }
    }
}

/// A law that a run broke: a bug in Z6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimViolation {
    /// Which law is broken.
    pub checker: Checker,
    /// Description of the violation.
    pub what: String,
}

impl SimViolation {
    /// A violation in words.
    #[must_use]
    pub fn new(checker: Checker, what: impl Into<String>) -> SimViolation {
        SimViolation { checker, what: what.into() }
    }

    /// The name of the law that is broken.
    #[must_use]
    pub const fn checker(&self) -> &'static str {
        self.checker.name()
    }
}

impl fmt::Display for SimViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker.name(), self.what)
    }
}

/// All accounts of one run that has ended, or of one phase of it.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What was simulated.
    pub spec: &'a SimSpec,
    /// The header given to the log.
    pub header: &'a LogHeader,
    /// All bytes of the log that were written.
    pub log: &'a [u8],
    /// Which phase of the run it is.
    pub phase: Phase,
    /// By worker: every event, as its recorder gave it. None if set-up kept the run from beginning.
    pub emitted: &'a [Vec<(Tick, Event)>],
    /// By worker: the bytes that its events name.
    pub arenas: &'a [Vec<u8>],
    /// What the simulated server knows.
    pub truth: &'a Truth,
    /// The receipt; none if the log has no footer.
    pub digest: Option<LogDigest>,
    /// Why the run ended.
    pub stopped_by: StoppedBy,
    /// Of the run itself: set-up and tear-down, as far as there are any, with the same log.
    pub aside: &'a [Evidence<'a>],
}

impl Evidence<'_> {
    /// Whether the log could be written to its end: only then has everything an end in it.
    fn is_whole(&self) -> bool {
        self.digest.is_some()
    }

    /// Whether there is any event of this phase. Each worker says at least that it has finished.
    fn has_begun(&self) -> bool {
        self.emitted.iter().any(|events| !events.is_empty())
    }
}

/// A worker whose loop is woken late, or waits for its log, ends this much later at most, nanoseconds.
const LATE_NS: u64 = 10_000_000_000;

/// The tick at which every run must have ended that plans nothing after `end_ns` and then waits for
/// `grace_ns`, nanoseconds. A run that only iterations end is given a day.
#[must_use]
pub fn latest_end(end_ns: Option<u64>, grace_ns: u64) -> Tick {
    const DAY_NS: u64 = 86_400_000_000_000;
    Tick(end_ns.unwrap_or(DAY_NS)).plus_ns(grace_ns).plus_ns(LATE_NS)
}

/// Runs every checker of the end.
#[must_use]
pub fn check_end(evidence: &Evidence<'_>) -> Vec<SimViolation> {
    let mut found = Found::default();
    let account = check_phase(evidence, &mut found);
    let aside: Vec<(Phase, Account)> =
        evidence.aside.iter().map(|phase| (phase.phase, check_phase(phase, &mut found))).collect();
    if let Some(metrics) = log::check(evidence, &mut found) {
        requests::figures(&metrics, &account, &mut found);
        for (phase, account) in &aside {
            requests::phase_figures(&metrics, *phase, account, &mut found);
        }
        latency::check(evidence, &metrics, &account, &mut found);
    }
    found.list
}

/// Checks the requests of one phase against what the server of its world knows.
fn check_phase(evidence: &Evidence<'_>, found: &mut Found) -> Account {
    let account = Account::new(evidence, found);
    if evidence.has_begun() {
        requests::check(evidence, &account, found);
        if evidence.is_whole() {
            actors::check(evidence, &account, found);
            turns::check(evidence, &account, found);
        }
    }
    server::check(evidence, &account, found);
    streams::check(evidence, &account, found);
    account
}

/// Violations found so far, at most [`KEPT`] of each checker.
#[derive(Debug, Default)]
struct Found {
    list: Vec<SimViolation>,
}

impl Found {
    fn add(&mut self, checker: Checker, what: impl FnOnce() -> String) {
        let known = self.list.iter().filter(|violation| violation.checker == checker).count();
        if known < KEPT {
            self.list.push(SimViolation::new(checker, what()));
        }
    }
}
