//! The first place where replay and log part, and which kind of decision it is. Decides nothing.

use z6_events::{Actor, Event, EventClass, PlannedRequest, Tick, WorkerId, event_name};

/// Events of the same worker shown before the difference.
pub const CONTEXT_EVENTS: usize = 5;

/// The first place where replay and log part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub kind: DecisionKind,
    /// The worker whose events differ.
    pub worker: WorkerId,
    /// Index of the event in the log; one past the end if the log has too few.
    pub event: u64,
    /// Tick of the step.
    pub at: Tick,
    /// What the log says; none if it has no event there.
    pub recorded: Option<Event>,
    /// What the engine says; none if it decides nothing there, or cannot take the input.
    pub derived: Option<Event>,
    /// The last events of this worker before it, with index and tick: [`CONTEXT_EVENTS`] at most.
    pub context: Vec<(u64, Tick, Event)>,
}

impl Difference {
    /// The actor (VU or arrival) it is about, where an event names one.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        let of = |event: &Option<Event>| event.as_ref().and_then(actor_of);
        of(&self.recorded).or_else(|| of(&self.derived))
    }
}

const fn actor_of(event: &Event) -> Option<Actor> {
    match event {
        Event::Sent { request, .. }
        | Event::NotOnWire { request, .. }
        | Event::NeverSent { request, .. } => Some(request.actor),
        Event::VuStarted { actor, .. }
        | Event::VuStopped { actor, .. }
        | Event::Branch { actor, .. } => Some(*actor),
        _ => None,
    }
}

/// What was decided otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionKind {
    /// Which actor a request belongs to.
    Actor,
    /// Which step of its actor a request is.
    Step,
    /// Which request was sent.
    Request,
    /// Which target it went to.
    Target,
    /// When the first step of an actor was due.
    Planned,
    /// When a later step was due: the end of the one before and the think time.
    ThinkTime,
    /// Which connection carried it.
    Connection,
    /// Which exchange of its step it is.
    Attempt,
    /// Whether a refused request is sent again.
    Resend,
    /// How long the encoded request is.
    RequestBytes,
    /// Whether a complete response counts as a failure.
    Failure,
    /// A request given up after `timeout_ms`.
    Timeout,
    /// A connection attempt given up after `connection_timeout_ms`.
    ConnectTimeout,
    /// A connection attempt begun.
    ConnectAttempt,
    /// A connection closed by Z6.
    ConnectionRelease,
    /// A VU started.
    VuStart,
    /// A VU stopped.
    VuStop,
    /// A request never sent.
    NeverSent,
    /// A request failed without a byte on the wire.
    NotOnWire,
    /// A redirected request that got no connection to continue on.
    RedirectFailed,
    /// A request unanswered at the end.
    InFlightAtStop,
    /// The end tick and its reason.
    EndOfRun,
    /// A worker with nothing left to do.
    Finished,
    /// A timer that was due according to the log, or to the engine.
    Timer,
    /// An input that the engine cannot be in a state for.
    Input,
}

impl DecisionKind {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DecisionKind::Actor => "actor",
            DecisionKind::Step => "step",
            DecisionKind::Request => "request",
            DecisionKind::Target => "target",
            DecisionKind::Planned => "planned instant",
            DecisionKind::ThinkTime => "think time",
            DecisionKind::Connection => "connection",
            DecisionKind::Attempt => "attempt",
            DecisionKind::Resend => "sending again",
            DecisionKind::RequestBytes => "length of the request",
            DecisionKind::Failure => "failure of a response",
            DecisionKind::Timeout => "timeout",
            DecisionKind::ConnectTimeout => "connect timeout",
            DecisionKind::ConnectAttempt => "connection attempt",
            DecisionKind::ConnectionRelease => "closing of a connection",
            DecisionKind::VuStart => "VU start",
            DecisionKind::VuStop => "VU stop",
            DecisionKind::NeverSent => "never_sent",
            DecisionKind::NotOnWire => "not_on_wire",
            DecisionKind::RedirectFailed => "redirect_failed",
            DecisionKind::InFlightAtStop => "in_flight_at_stop",
            DecisionKind::EndOfRun => "end of the run",
            DecisionKind::Finished => "finished",
            DecisionKind::Timer => "timer",
            DecisionKind::Input => "input",
        }
    }

    /// The decision on which log and engine disagree. `after` is what follows on the side that has a
    /// timer if the other has none: a wake-up is named after what it led to.
    pub(super) fn from_sides(
        recorded: Option<&Event>,
        derived: Option<&Event>,
        after: Option<&Event>,
    ) -> DecisionKind {
        match (recorded, derived) {
            (Some(recorded), Some(derived)) if event_name(recorded) == event_name(derived) => {
                DecisionKind::within(recorded, derived)
            }
            // The engine's timers overtake the input.
            (Some(_), Some(Event::Wake)) | (Some(Event::Wake), None) => {
                after.map_or(DecisionKind::Timer, DecisionKind::from_timer)
            }
            // A decision on one side only, or one before another: the engine's is missing in the log; where
            // it has none, the log has one too many.
            (_, Some(derived)) => DecisionKind::from_event(derived),
            (Some(recorded), None) if recorded.class() == EventClass::Input => DecisionKind::Input,
            (Some(recorded), None) => DecisionKind::from_event(recorded),
            (None, None) => DecisionKind::Timer,
        }
    }

    /// What a timer led to. A request after a think time goes out later, as `sent`.
    const fn from_timer(after: &Event) -> DecisionKind {
        match after {
            Event::Sent { request, .. } => DecisionKind::due(request),
            Event::ConnectStarted { .. } => DecisionKind::ThinkTime,
            _ => DecisionKind::from_event(after),
        }
    }

    const fn due(request: &PlannedRequest) -> DecisionKind {
        if request.step.0 == 0 { DecisionKind::Planned } else { DecisionKind::ThinkTime }
    }

    const fn from_event(event: &Event) -> DecisionKind {
        match event {
            Event::Sent { .. } => DecisionKind::Request,
            Event::Done { .. } => DecisionKind::Failure,
            Event::TimedOut { .. } => DecisionKind::Timeout,
            Event::ConnectTimedOut { .. } => DecisionKind::ConnectTimeout,
            Event::ConnectStarted { .. } => DecisionKind::ConnectAttempt,
            Event::ConnectionReleased { .. } => DecisionKind::ConnectionRelease,
            Event::VuStarted { .. } => DecisionKind::VuStart,
            Event::VuStopped { .. } => DecisionKind::VuStop,
            Event::NeverSent { .. } => DecisionKind::NeverSent,
            Event::NotOnWire { .. } => DecisionKind::NotOnWire,
            Event::InFlightAtStop { .. } => DecisionKind::InFlightAtStop,
            Event::RedirectFailed { .. } => DecisionKind::RedirectFailed,
            Event::EndReached { .. } => DecisionKind::EndOfRun,
            Event::Finished => DecisionKind::Finished,
            Event::Wake => DecisionKind::Timer,
            Event::Resent { .. } => DecisionKind::Resend,
            Event::Connected { .. }
            | Event::ConnectedAs { .. }
            | Event::StreamsAllowed { .. }
            | Event::GoingAway { .. }
            | Event::Http2Sample(_)
            | Event::TcpReady { .. }
            | Event::ConnectFailed { .. }
            | Event::Failed { .. }
            | Event::Value { .. }
            | Event::ChecksFailed { .. }
            | Event::Branch { .. }
            | Event::Redirected { .. }
            | Event::ConnectionClosed { .. }
            | Event::Stop { .. }
            | Event::Sample(_)
            | Event::PhaseStarted { .. }
            | Event::LogStalled { .. }
            | Event::Note { .. } => DecisionKind::Input,
        }
    }

    /// The field in which two events of one kind differ.
    fn within(recorded: &Event, derived: &Event) -> DecisionKind {
        let (Some(a), Some(b)) = (ask_of(recorded), ask_of(derived)) else {
            return DecisionKind::from_event(derived);
        };
        let connections = [recorded, derived].map(connection_of);
        match () {
            () if (a.population, a.actor) != (b.population, b.actor) => DecisionKind::Actor,
            () if a.step != b.step => DecisionKind::Step,
            () if a.request != b.request => DecisionKind::Request,
            () if a.target != b.target => DecisionKind::Target,
            () if a.planned != b.planned => DecisionKind::due(b),
            () if connections[0] != connections[1] => DecisionKind::Connection,
            () => match (recorded, derived) {
                (Event::Sent { attempt: a, .. }, Event::Sent { attempt: b, .. }) if a != b => {
                    DecisionKind::Attempt
                }
                (Event::Sent { .. }, Event::Sent { .. }) => DecisionKind::RequestBytes,
                (_, derived) => DecisionKind::from_event(derived),
            },
        }
    }
}

const fn ask_of(event: &Event) -> Option<&PlannedRequest> {
    match event {
        Event::Sent { request, .. }
        | Event::NotOnWire { request, .. }
        | Event::NeverSent { request, .. } => Some(request),
        _ => None,
    }
}

const fn connection_of(event: &Event) -> Option<u32> {
    match event {
        Event::Sent { connection, .. } => Some(connection.0),
        _ => None,
    }
}
