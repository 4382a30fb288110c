//! How a run ended, as its events tell. Pure: writer and replay derive the footer the same way.

use z6_events::limits::MAX_PAYLOAD_BYTES;
use z6_events::{Event, FooterFacts, StoppedBy, Tick};

/// A run without a single ready connection is stopped this long after its first attempt, once an
/// attempt has failed: 2 s, in nanoseconds.
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
}

impl RunEnd {
    /// Takes an event of any worker.
    #[inline]
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::EndReached { by, end } => {
                self.by = Some(self.by.map_or(*by, |before| before.stronger(*by)));
                self.end = self.end.max(*end);
            }
            Event::ConnectStarted { .. } => self.attempted = true,
            Event::Connected { .. } => self.connected = true,
            _ => {}
        }
    }

    /// Why the run ended: the reason from outside if there was one, else the duration if any
    /// worker ran for it, else the iterations. A run that attempted connections and never had one
    /// ready ended because there was no target, unless it was stopped before that was known.
    #[must_use]
    pub fn stopped_by(&self) -> StoppedBy {
        let by = self.by.unwrap_or(StoppedBy::Error);
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
            | StoppedBy::Error => by,
        }
    }

    /// What the footer says.
    #[must_use]
    pub fn footer(&self) -> FooterFacts {
        FooterFacts { stopped_by: self.stopped_by(), end: self.end, totals: Vec::new() }
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
}
