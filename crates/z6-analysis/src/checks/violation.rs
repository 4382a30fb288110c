//! What a log can break, and the list of what it broke. Knows no events.

use std::fmt;
use z6_events::canary::is_planted;

use z6_events::{
    Actor, ConnectionSlot, ErrorKind, ExchangeSlot, RequestId, Step, TargetId, Tick, WorkerId,
};

use crate::loss::Loss;

/// A family of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Each request has exactly one end.
    Pairing,
    /// What was sent succeeded, failed, or was in flight at the stop.
    Conservation,
    /// Time of a worker never goes back.
    Time,
    /// planned <= sent <= first byte <= done, sent <= arrived <= done; timeouts when they are due.
    Instants,
    /// Actors start once, stop once, and do one step after another between.
    Lifecycle,
    /// Requests go only to connections that are ready.
    Connections,
    /// No limit is passed.
    Caps,
    /// What was done is what scenario and seed plan.
    Plan,
    /// A run that an assertion stopped was stopped when the assertion did not hold, and not before.
    StopReason,
}

impl Check {
    /// All of them.
    pub const ALL: [Check; 9] = [
        Check::Pairing,
        Check::Conservation,
        Check::Time,
        Check::Instants,
        Check::Lifecycle,
        Check::Connections,
        Check::Caps,
        Check::Plan,
        Check::StopReason,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Check::Pairing => "pairing",
            Check::Conservation => "conservation",
            Check::Time => "time",
            Check::Instants => "instants",
            Check::Lifecycle => "lifecycle",
            Check::Connections => "connections",
            Check::Caps => "caps",
            Check::Plan => "plan",
            Check::StopReason => "stop_reason",
        }
    }
}

/// Something that no run can have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Index of the event that shows it; for what is missing at the end, the number of events.
    pub event: u64,
    /// Its tick.
    pub at: Tick,
    /// Its worker.
    pub worker: WorkerId,
    /// The actor it is about, if it is about one.
    pub actor: Option<Actor>,
    /// What is wrong.
    pub kind: ViolationKind,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { event, at, worker, actor, kind } = self;
        write!(f, "{}: event {event}, w{worker} {at}", kind.check().name())?;
        if let Some(actor) = actor {
            write!(f, " vu{actor}")?;
        }
        write!(f, ": {kind}")
    }
}

macro_rules! violations {
    ($($(#[$doc:meta])* $check:ident, $name:ident { $($field:ident: $type:ty),* }, $text:literal;)*) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "fields are named in the words of the event log")]
        #[non_exhaustive]
        pub enum ViolationKind { $($(#[$doc])* $name { $($field: $type),* },)* }

        impl ViolationKind {
            /// The family it belongs to.
            #[must_use]
            pub const fn check(self) -> Check {
                match self { $(ViolationKind::$name { .. } => Check::$check,)* }
            }
        }

        impl fmt::Display for ViolationKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(ViolationKind::$name { $($field),* } => {
                        write!(f, $text, $($field = $field),*)
                    })*
                }
            }
        }
    };
}

violations! {
    /// An event of a worker that the header does not have.
    Pairing, UnknownWorker {}, "the header has no such worker";
    /// A request template that the scenario does not have.
    Pairing, UnknownRequest { request: RequestId }, "request {request} is not in the scenario";
    /// A target that the scenario does not have.
    Pairing, UnknownTarget { target: TargetId }, "target {target} is not in the scenario";
    /// A slot number larger than any run needs.
    Pairing, SlotTooLarge { slot: u32 }, "slot {slot} is larger than any run needs";
    /// `sent` in a slot that has not ended.
    Pairing, SentTwice { exchange: ExchangeSlot }, "x{exchange} is sent again before it ended";
    /// An exchange of a step that does not follow from the one before it and its redirect.
    Pairing, OtherAttempt { exchange: ExchangeSlot, expected: u8, found: u8 },
        "x{exchange} sends exchange {found} of its step; expected {expected}";
    /// What follows a redirect is another request, or goes to another target, or has another length.
    Pairing, OtherRedirect { exchange: ExchangeSlot },
        "x{exchange} sends a request that differs from its redirect";
    /// A redirect beyond those that the request allows.
    Caps, RedirectedTooOften { exchange: ExchangeSlot, limit: u8 },
        "x{exchange} is redirected more than {limit} times";
    /// The end of an exchange that was not sent.
    Pairing, EndedUnsent { exchange: ExchangeSlot }, "x{exchange} ends but is not open";
    /// A clean log ends, and this exchange has no end.
    Pairing, NeverEnded { exchange: ExchangeSlot }, "x{exchange} was sent and never ends";
    /// An unsent exchange failed, and no `not_on_wire` says which request that was.
    Pairing, MissingNotOnWire {}, "an unsent exchange failed, and no not_on_wire follows";
    /// `not_on_wire` without a failed attempt or exchange before it.
    Pairing, CauselessNotOnWire {}, "not_on_wire without a failure before it";
    /// `not_on_wire` gives another reason than the failure before it.
    Pairing, OtherReason { expected: &'static str, found: &'static str },
        "not_on_wire gives {found}; the failure before it was {expected}";
    /// A value that its exchange does not extract, or not now.
    Pairing, OtherValue { variable: u16 }, "variable {variable} gets a value, and its turn is not now";
    /// Checks that the request does not have, or not now.
    Pairing, OtherChecks { failed: u64 }, "checks {failed:#b} fail, and that cannot be now";
    /// What was read from a response is not what the request extracts, or not at the tick of its end.
    Pairing, OtherValues { taken: u64 }, "{taken} values were taken, not those that the request extracts";
    /// A connection that is neither closed nor released at a clean end.
    Pairing, LeftOpen { connection: ConnectionSlot }, "conn{connection} is never closed";

    /// sent = succeeded + failed + in flight.
    Conservation, Balance { sent: u64, succeeded: u64, failed: u64, in_flight: u64 },
        "{sent} sent is not {succeeded} succeeded + {failed} failed + {in_flight} in flight";

    /// A tick before the one before it.
    Time, WentBack { before: Tick }, "time goes back from {before}";

    /// A request went out before it was due.
    Instants, Early { planned: Tick }, "too early: planned for {planned}";
    /// The first byte of a response before the send, or after the end.
    Instants, FirstByteOutside { first_byte: Tick, sent: Tick },
        "first byte at {first_byte}, not between the send at {sent} and the end";
    /// A response that had arrived before its request was sent, and was believed.
    Instants, ArrivedBeforeSent { arrived: Tick, sent: Tick },
        "the response had arrived at {arrived}, before the send at {sent}";
    /// An attempt that began after it ended.
    Instants, ConnectedEarly { started: Tick }, "the attempt began after it ended, at {started}";
    /// More bytes than the request has.
    Instants, TooManyBytes { bytes: u64, request_bytes: u64 },
        "{bytes} bytes counted of a request of {request_bytes} bytes";
    /// An answer at or after the instant at which the request had timed out.
    Instants, PastTimeout { deadline: Tick }, "outcome after the timeout at {deadline}";
    /// A timeout before its time.
    Instants, TimedOutEarly { deadline: Tick }, "timed out before its timeout at {deadline}";

    /// An actor of another worker.
    Lifecycle, WrongWorker {}, "the actor belongs to another worker";
    /// A VU that had started before.
    Lifecycle, StartedTwice {}, "has already started";
    /// A request or a stop of an actor that has not started or has stopped.
    Lifecycle, NotAlive {}, "is not alive";
    /// A request or a stop while one request is open.
    Lifecycle, Busy {}, "its previous request has not ended";
    /// A step that does not follow the one before.
    Lifecycle, StepOutOfOrder { expected: Step, found: Step }, "step {found}; expected step {expected}";
    /// A stop for which neither the schedule, the iterations nor the end of the run is a reason.
    Lifecycle, StoppedEarly {}, "stopped without a reason";
    /// A VU that never stops.
    Lifecycle, NeverStopped {}, "never stops";
    /// Something planned for after the end tick.
    Lifecycle, PlannedAfterEnd { planned: Tick, end: Tick },
        "planned for {planned}, after the end at {end}";
    /// A request given up for the end of the run before that end.
    Lifecycle, GivenUpEarly {}, "given up before the end of the run";
    /// The end tick was reached before.
    Lifecycle, EndReachedTwice {}, "the end was already reached";
    /// An end tick later than the event that says so.
    Lifecycle, EndInFuture { end: Tick }, "the end tick {end} lies in the future";
    /// The run stopped for a reason that no event gave.
    Lifecycle, CauselessStop { by: &'static str }, "stopped by {by} without such a stop event";
    /// An event of a worker that had finished.
    Lifecycle, AfterFinished {}, "the worker had already finished";
    /// A worker of a complete log that never finished.
    Lifecycle, NotFinished {}, "the worker never finishes";

    /// An attempt in a slot that is in use.
    Connections, SlotInUse { connection: ConnectionSlot }, "conn{connection} is in use";
    /// An event of a connection that is not in the state for it.
    Connections, WrongState { connection: ConnectionSlot, state: &'static str },
        "conn{connection} is {state}";
    /// A request on a connection that is not ready.
    Connections, SentOnUnready { connection: ConnectionSlot, state: &'static str },
        "sent on conn{connection}, which is {state}";
    /// A request on a connection that carries nothing new.
    Connections, SentOnDraining { connection: ConnectionSlot },
        "sent on conn{connection}, which takes nothing new";
    /// A request that is sent again though its peer did not refuse it.
    Connections, ResentWithoutRefusal { exchange: ExchangeSlot, error: &'static str },
        "x{exchange} is sent again after {error}";
    /// A number of streams, or their end, on a connection that has none.
    Connections, NotHttp2 { connection: ConnectionSlot }, "conn{connection} does not speak HTTP/2";
    /// A connection that was released because its peer went away, and it did not.
    Connections, NeverWentAway { connection: ConnectionSlot },
        "conn{connection} is released as going_away, which its peer did not say";
    /// A request on a connection to another target.
    Connections, SentElsewhere { connection: ConnectionSlot, target: TargetId },
        "sent on conn{connection}, which goes to target {target}";

    /// More connections than `max_connections` allows the worker.
    Caps, MaxConnections { target: TargetId, limit: u64 },
        "more than {limit} connections to target {target}";
    /// More attempts at once than `max_connecting`.
    Caps, MaxConnecting { target: TargetId, limit: u64 },
        "more than {limit} attempts at once to target {target}";
    /// A request that is sent again more often than `resend_refused` says, GOAWAY apart.
    Caps, ResentTooOften { exchange: ExchangeSlot, limit: u8 },
        "x{exchange} is sent again more than {limit} times";
    /// More requests at once than a connection may carry.
    Caps, TooManyAtOnce { connection: ConnectionSlot, limit: u32 },
        "more than {limit} requests at once on conn{connection}";
    /// More requests than `max_requests_per_connection`.
    Caps, MaxRequests { connection: ConnectionSlot, limit: u64 },
        "more than {limit} requests on conn{connection}";

    /// The header's plan digest is not that of its scenario and seed.
    Plan, Digest {}, "the plan digest of the header is not that of its scenario and seed";
    /// Another request than planned.
    Plan, OtherRequest { expected: RequestId, found: RequestId },
        "request {found}; the plan has {expected}";
    /// Another target than planned.
    Plan, OtherTarget { expected: TargetId, found: TargetId },
        "target {found}; the plan has {expected}";
    /// Another instant than start or end of the step before plus think time.
    Plan, OtherInstant { expected: Tick, found: Tick }, "due at {found}; the plan has {expected}";
    /// A VU that starts at another instant, or another VU.
    Plan, OtherStart { found: Tick }, "starts at {found}, which is not planned";
    /// A VU or arrival that was due and is missing.
    Plan, MissingStart { planned: Tick }, "due at {planned} but never starts";
    /// More arrivals were due than can be waiting, and say nothing.
    Plan, MissingStarts { count: u64, limit: u64 },
        "{count} arrivals before it have not started, and no more than {limit} can be waiting";
    /// A step past the last one.
    Plan, PastLastStep { steps: u64 }, "only {steps} steps are planned";
    /// A step due after the schedule stopped its VU.
    Plan, PastStop { planned: Tick, stop: Tick }, "due at {planned}, but stopped at {stop}";
    /// An end tick that is not the planned one.
    Plan, OtherEnd { found: Tick }, "the end tick is {found}, which is not planned";
    /// A request that needs a variable without a value.
    Plan, SentWithoutValue { variable: u16 }, "is sent, and variable {variable} has no value";
    /// A request that needs a row that is not there.
    Plan, SentWithoutRow {}, "is sent, and no row is left for it";
    /// A request that was not sent for a reason that does not hold.
    Plan, NeedlesslyUnsent { reason: &'static str }, "was not sent for {reason}, and that is not so";
    /// The log holds a value that it has to withhold.
    Plan, SecretInClear { variable: u16 }, "variable {variable} is secret, and the log holds its value";
    /// A response judged otherwise than the scenario says.
    Plan, OtherVerdict { status: u16, expected: &'static str, found: &'static str },
        "status {status} counts as {found}; the scenario says {expected}";

    /// A stop by an assertion before any had failed.
    StopReason, EarlyStop {}, "is stopped by an assertion, and none has failed up to here";
    /// An assertion that stops the run failed, and it went on.
    StopReason, MissingStop { second: u64 },
        "an assertion failed at second {second}, and the run was not stopped by it";
}

/// In words, for a judgement on a response.
pub(super) fn verdict_name(failure: Option<ErrorKind>) -> &'static str {
    failure.map_or("success", ErrorKind::name)
}

/// Violations that are kept; all are counted.
pub const VIOLATIONS_KEPT: usize = 100;

/// What the checks of a log found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Events checked.
    pub events: u64,
    /// The first violations, at most [`VIOLATIONS_KEPT`].
    pub violations: Vec<Violation>,
    /// All violations, by family in the order of [`Check::ALL`].
    pub counts: [u64; Check::ALL.len()],
    /// What is missing of the log, if it is truncated: checks that need its end were left out.
    pub loss: Option<Loss>,
    /// Arrivals whose planned instant is not known, because too many before them are missing
    /// ([`ViolationKind::MissingStarts`]) and each gap is drawn: their instant was not checked.
    pub unchecked_arrivals: u64,
    /// The plan digest covers files that the log does not hold: it was not checked.
    pub unchecked_digest: bool,
    /// Records of kinds that this version does not know: they were not checked.
    pub unknown_records: u64,
}

impl CheckReport {
    /// Whether nothing was found.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.total() <= u64::from(is_planted("verify"))
    }

    /// Violations found.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Violations of one family.
    #[must_use]
    pub const fn count(&self, check: Check) -> u64 {
        self.counts[check as usize]
    }

    pub(super) fn add(&mut self, violation: Violation) {
        self.add_several(violation, 1);
    }

    /// Adds `count` violations, of which this is the first.
    pub(super) fn add_several(&mut self, violation: Violation, count: u64) {
        let counted = &mut self.counts[violation.kind.check() as usize];
        *counted = counted.saturating_add(count);
        if self.violations.len() < VIOLATIONS_KEPT {
            self.violations.push(violation);
        }
    }
}

impl fmt::Display for CheckReport {
    /// A line with the result, one line per violation kept, and one for each kind of thing that was not checked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.violations_in_words(f)?;
        let unchecked = [
            (
                u64::from(self.unchecked_digest),
                "plan digest was not checked: it covers files that are not in the log",
            ),
            (self.unchecked_arrivals, "arrivals were not checked against their planned instant"),
            (
                self.unknown_records,
                "records of kinds that this version does not know were not checked",
            ),
        ];
        for (count, what) in unchecked.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "checks: {count} {what}")?;
        }
        Ok(())
    }
}

impl CheckReport {
    fn violations_in_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.events;
        if self.passed() {
            return writeln!(f, "checks: {events} events, nothing wrong");
        }
        let failed = Check::ALL.into_iter().filter(|check| self.count(*check) > 0);
        let counts: Vec<String> =
            failed.map(|check| format!("{} {}", self.count(check), check.name())).collect();
        writeln!(f, "checks: {events} events, violations: {}", counts.join(", "))?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        let more = self.total() - self.violations.len() as u64;
        if more > 0 { writeln!(f, "  and {more} more") } else { Ok(()) }
    }
}
