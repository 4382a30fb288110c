//! How a run ends: as its events tell, and for lack of a target or of responses. Pure: writer and replay
//! derive the footer the same way, and real and simulated runs notice in the same way that they go nowhere.

use z6_events::limits::MAX_PAYLOAD_BYTES;
use z6_events::{Event, FooterFacts, Phase, PhaseTally, StopReason, StoppedBy, TargetId, Tick};

/// A run without a single ready connection is stopped this long after its first attempt, once
/// [`TargetWatch`] says so: 2 s, in nanoseconds.
pub const NO_TARGET_AFTER_NS: u64 = 2_000_000_000;

/// Bytes for each worker that a log writer keeps free below `max_event_log_bytes`, for what workers
/// still have to say after the stop: 1 MiB.
pub const LOG_RESERVE_BYTES_PER_WORKER: u64 = 1 << 20;

// Blocks of a worker that are under way when the limit is reached still fit.
const _: () = assert!(LOG_RESERVE_BYTES_PER_WORKER >= 4 * MAX_PAYLOAD_BYTES as u64);

/// Collects what events say about the end.
#[derive(Debug, Clone, Default)]
pub struct RunEnd {
    by: Option<StoppedBy>,
    end: Tick,
    attempted: bool,
    connected: bool,
    answered: bool,
    has_begun: bool,
    /// The same in set-up.
    setup_answered: bool,
    /// None as long as there is nothing of it.
    setup: Option<Box<PhaseTally>>,
    /// What kept the run itself from beginning though set-up had succeeded.
    not_begun: Option<StoppedBy>,
}

impl RunEnd {
    /// Takes an event of any worker.
    #[inline]
    pub fn observe(&mut self, event: &Event) {
        self.has_begun = true;
        match event {
            Event::EndReached { by, end } => {
                self.by = Some(self.by.map_or(*by, |before| before.stronger(*by)));
                self.end = self.end.max(*end);
            }
            Event::ConnectStarted { .. } => self.attempted = true,
            Event::Connected { .. } | Event::ConnectedAs { .. } => self.connected = true,
            Event::Done { .. } => self.answered = true,
            _ => {}
        }
    }

    /// Takes an event of set-up or tear-down. How tear-down ends is no reason for the end of the run.
    pub fn observe_phase(&mut self, phase: Phase, event: &Event) {
        if phase == Phase::SetUp {
            self.setup.get_or_insert_default().observe(event);
            self.setup_answered |= matches!(event, Event::Done { .. });
        }
    }

    /// How set-up went, if there was one.
    #[must_use]
    pub fn setup(&self) -> Option<&PhaseTally> {
        self.setup.as_deref()
    }

    /// Whether there was any event of the run itself.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The run itself does not begin though set-up has succeeded. No event says so or why: the footer does. Returns
    /// whether this can be the reason.
    pub fn does_not_begin(&mut self, by: StoppedBy) -> bool {
        let is_possible = match by {
            StoppedBy::NoStart
            | StoppedBy::Interrupt
            | StoppedBy::Terminate
            | StoppedBy::Requested
            | StoppedBy::LogLimit => true,
            StoppedBy::Duration
            | StoppedBy::Iterations
            | StoppedBy::NoTarget
            | StoppedBy::DiskFull
            | StoppedBy::Error
            | StoppedBy::Assertion
            | StoppedBy::DataExhausted
            | StoppedBy::OnFailure
            | StoppedBy::SetupFailed
            | StoppedBy::NoAnswer => false,
        };
        self.not_begun = Some(by).filter(|_| is_possible);
        is_possible
    }

    /// Whether any request of this phase got a complete response; those of tear-down do not count.
    #[must_use]
    pub fn is_answered_in(&self, phase: Phase) -> bool {
        match phase {
            Phase::Main => self.answered,
            Phase::SetUp => self.setup_answered,
            Phase::TearDown | Phase::Unknown(_) => false,
        }
    }

    /// Why the run ended: the reason from outside if there was one, else the duration if any
    /// worker ran for it, else the iterations. A run that attempted connections and never had one
    /// ready ended because there was no target, unless it was stopped before that was known.
    #[must_use]
    pub fn stopped_by(&self) -> StoppedBy {
        let by = self.by.or_else(|| self.by_setup()).or(self.not_begun).unwrap_or(StoppedBy::Error);
        match by {
            StoppedBy::Duration | StoppedBy::Iterations if self.attempted && !self.connected => {
                StoppedBy::NoTarget
            }
            StoppedBy::Duration
            | StoppedBy::Iterations
            | StoppedBy::Interrupt
            | StoppedBy::Terminate
            | StoppedBy::NoTarget
            | StoppedBy::LogLimit
            | StoppedBy::DiskFull
            | StoppedBy::Error
            | StoppedBy::Assertion
            | StoppedBy::DataExhausted
            | StoppedBy::OnFailure
            | StoppedBy::SetupFailed
            | StoppedBy::Requested
            | StoppedBy::NoAnswer
            | StoppedBy::NoStart => by,
        }
    }

    /// Why set-up kept the run from beginning: a reason from outside, else that it failed.
    fn by_setup(&self) -> Option<StoppedBy> {
        let (by, _) = self.setup.as_deref().filter(|setup| !setup.is_complete())?.end?;
        Some(match by {
            StoppedBy::Iterations
            | StoppedBy::Duration
            | StoppedBy::OnFailure
            | StoppedBy::DataExhausted => StoppedBy::SetupFailed,
            outside => outside,
        })
    }

    /// What the footer says.
    #[must_use]
    pub fn footer(&self) -> FooterFacts {
        FooterFacts { stopped_by: self.stopped_by(), end: self.end, totals: Vec::new() }
    }
}

/// Notices that a run goes nowhere. It has no target: no connection was ever ready, and every address of
/// each target that was tried has failed. Or no request gets a complete response.
#[derive(Debug, Clone)]
pub struct TargetWatch {
    first_answer_ns: u64,
    is_answered: bool,
    /// When the first attempt began.
    first: Option<Tick>,
    has_connected: bool,
    targets: Vec<Tried>,
}

/// What is known of one target.
#[derive(Debug, Clone)]
struct Tried {
    is_tried: bool,
    /// By address, whether an attempt has failed.
    failed: Vec<bool>,
}

impl TargetWatch {
    /// Nothing was tried yet. `addresses` holds the number of addresses of each target. The first complete
    /// response has to come within `first_answer_ns` after the first attempt to connect.
    pub fn new(addresses: impl IntoIterator<Item = usize>, first_answer_ns: u64) -> TargetWatch {
        let tried = |count| Tried { is_tried: false, failed: vec![false; count] };
        let targets = addresses.into_iter().map(tried).collect();
        let (first, has_connected, is_answered) = (None, false, false);
        TargetWatch { first_answer_ns, is_answered, first, has_connected, targets }
    }

    /// An attempt to connect to a target has begun. Has to be told of the first one to each.
    pub fn started(&mut self, at: Tick, target: TargetId) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.targets[target.index()].is_tried = true;
    }

    /// An attempt has failed, in whatever way. Has to be told of the first one for each address.
    pub fn failed(&mut self, target: TargetId, address: u16) {
        self.targets[target.index()].failed[usize::from(address)] = true;
    }

    /// A connection was ready for a request.
    pub fn connected(&mut self) {
        self.has_connected = true;
    }

    /// Whether a connection was ever ready.
    #[must_use]
    pub fn has_connected(&self) -> bool {
        self.has_connected
    }

    /// A request got a complete response.
    pub fn answered(&mut self) {
        self.is_answered = true;
    }

    /// From when on the run goes nowhere, as far as is known now, and why; none if it does not.
    #[must_use]
    pub fn due(&self) -> Option<(Tick, StopReason)> {
        let first = self.first.filter(|_| !self.is_answered)?;
        let all_failed = |target: &Tried| target.failed.iter().all(|failed| *failed);
        let is_hopeless = self.targets.iter().filter(|target| target.is_tried).all(all_failed);
        if !self.has_connected && is_hopeless {
            Some((first.plus_ns(NO_TARGET_AFTER_NS), StopReason::NoTarget))
        } else {
            Some((first.plus_ns(self.first_answer_ns), StopReason::NoAnswer))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(events: &[Event]) -> StoppedBy {
        let mut run = RunEnd::default();
        events.iter().for_each(|event| run.observe(event));
        run.stopped_by()
    }

    const fn reached(by: StoppedBy) -> Event {
        Event::EndReached { by, end: Tick(7) }
    }

    const ATTEMPT: Event = Event::ConnectStarted {
        connection: z6_events::ConnectionSlot(0),
        target: z6_events::TargetId(0),
        address: 0,
    };
    const READY: Event =
        Event::Connected { connection: z6_events::ConnectionSlot(0), started: Tick(0) };

    #[test]
    fn a_reason_from_outside_beats_duration_which_beats_iterations() {
        let by = |a, b| end(&[ATTEMPT, READY, reached(a), reached(b)]);
        assert_eq!(by(StoppedBy::Iterations, StoppedBy::Duration), StoppedBy::Duration);
        assert_eq!(by(StoppedBy::Interrupt, StoppedBy::Duration), StoppedBy::Interrupt);
        assert_eq!(by(StoppedBy::DiskFull, StoppedBy::Terminate), StoppedBy::DiskFull);
    }

    #[test]
    fn attempts_without_a_single_connection_are_no_target() {
        assert_eq!(end(&[ATTEMPT, reached(StoppedBy::Duration)]), StoppedBy::NoTarget);
        assert_eq!(end(&[ATTEMPT, READY, reached(StoppedBy::Duration)]), StoppedBy::Duration);
        assert_eq!(end(&[reached(StoppedBy::Duration)]), StoppedBy::Duration);
        assert_eq!(end(&[ATTEMPT, reached(StoppedBy::Interrupt)]), StoppedBy::Interrupt);
    }

    #[test]
    fn a_run_that_does_not_begin_after_its_set_up_ends_by_a_reason_from_outside() {
        let end = |set_up, by| {
            let mut run = RunEnd::default();
            run.observe_phase(Phase::SetUp, &reached(set_up));
            (run.does_not_begin(by), run.stopped_by())
        };
        for by in [StoppedBy::NoStart, StoppedBy::Interrupt, StoppedBy::LogLimit] {
            assert_eq!(end(StoppedBy::Iterations, by), (true, by));
        }
        for by in [StoppedBy::Iterations, StoppedBy::Assertion, StoppedBy::SetupFailed] {
            assert_eq!(end(StoppedBy::Iterations, by), (false, StoppedBy::Error));
        }
        assert_eq!(end(StoppedBy::Duration, StoppedBy::NoStart).1, StoppedBy::SetupFailed);
    }

    #[test]
    fn a_run_has_no_target_once_every_address_that_was_tried_has_failed() {
        let due = Some((Tick(5 + NO_TARGET_AFTER_NS), StopReason::NoTarget));
        let later = Some((Tick(5 + 60_000_000_000), StopReason::NoAnswer));
        let mut watch = TargetWatch::new([1, 3, 1], 60_000_000_000);
        assert_eq!(watch.due(), None, "nothing was tried");
        watch.started(Tick(5), TargetId(1));
        assert_eq!(watch.due(), later, "it may still become ready");
        watch.failed(TargetId(1), 0);
        watch.failed(TargetId(1), 2);
        watch.failed(TargetId(1), 2);
        assert_eq!(watch.due(), later, "one address of three is left");
        watch.failed(TargetId(1), 1);
        assert_eq!(watch.due(), due);
        watch.started(Tick(9), TargetId(0));
        assert_eq!(watch.due(), later, "another target may be there");
        watch.failed(TargetId(0), 0);
        assert_eq!(watch.due(), due);
        watch.connected();
        assert_eq!(watch.due(), later, "it accepts connections and does not respond");
        watch.answered();
        assert_eq!(watch.due(), None);
    }
}
