//! The progress of the run: what the schedule does next, and when the run ends. Knows no requests.

use z6_events::Tick;

use super::settings::Settings;
use super::source::{Change, Sources};

/// Whether the run still plans requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are planned.
    Running,
    /// The end tick has passed: what was planned before it may still be sent and answered until
    /// `grace_deadline`.
    Ending { grace_deadline: Tick },
    /// Nothing is left to do.
    Finished,
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The end of the run, at this tick.
    End(Tick),
    /// The end of the grace period.
    Grace,
    /// A change of the schedule.
    Change(Change),
    /// The first of the timers.
    Timer,
}

/// Phase of the run and changes of the schedule.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    phase: Phase,
    /// When the run ends by its duration; [`Tick::MAX`] if it has none.
    end: Tick,
    grace_ns: u64,
    source: Sources,
}

impl Timeline {
    pub(super) fn new(settings: &Settings) -> Timeline {
        Timeline {
            phase: Phase::Running,
            end: Tick(settings.end_ns),
            grace_ns: settings.grace_ns,
            source: Sources::new(&settings.plan, settings.partition),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// How long what was planned may take after the end, nanoseconds.
    pub(super) fn grace_ns(&self) -> u64 {
        self.grace_ns
    }

    /// The end of the run or the next change of the schedule, whichever comes first.
    pub(super) fn horizon(&self) -> Tick {
        self.end.min(self.next_change())
    }

    /// Whether the run will be finished once all is fired that is due by `at`.
    pub(super) fn is_finishing(&self, at: Tick) -> bool {
        match self.phase {
            Phase::Running => self.end.plus_ns(self.grace_ns) <= at,
            Phase::Ending { grace_deadline } => grace_deadline <= at,
            Phase::Finished => true,
        }
    }

    /// The first deadline of phase, schedule and timers, given that of the timers.
    pub(super) fn next_deadline(&self, timer: Option<Tick>) -> Option<Tick> {
        let phase = match self.phase {
            Phase::Running => self.end,
            Phase::Ending { grace_deadline } => grace_deadline,
            Phase::Finished => return None,
        };
        let first = phase.min(self.next_change()).min(timer.unwrap_or(Tick::MAX));
        (first != Tick::MAX).then_some(first)
    }

    /// The first of end of run, end of grace, schedule and timers that is due by `at`; at equal
    /// deadlines in this order.
    pub(super) fn due(&self, at: Tick, timer: Option<Tick>) -> Option<Due> {
        let phase = match self.phase {
            Phase::Running => self.end,
            Phase::Ending { grace_deadline } => grace_deadline,
            Phase::Finished => return None,
        };
        let change = self.next_change();
        let first = phase.min(change).min(timer.unwrap_or(Tick::MAX));
        if first > at || first == Tick::MAX {
            return None;
        }
        Some(if first == phase {
            match self.phase {
                Phase::Running => Due::End(phase),
                Phase::Ending { .. } | Phase::Finished => Due::Grace,
            }
        } else if first == change {
            self.source.next().map_or(Due::Timer, |change| Due::Change(*change))
        } else {
            Due::Timer
        })
    }

    /// Moves on to the change after the one that is due.
    pub(super) fn advance(&mut self) {
        self.source.advance();
    }

    /// The end tick: from here on nothing is planned.
    pub(super) fn end(&mut self, grace_deadline: Tick) {
        self.phase = Phase::Ending { grace_deadline };
        self.source.close();
    }

    /// Nothing is left to do.
    pub(super) fn finish(&mut self) {
        self.phase = Phase::Finished;
    }

    /// Whether no actor will start any more that has something to do.
    /// `has_dropped_vus`: some have ended before their time.
    pub(super) fn is_spent(&self, settings: &Settings, has_dropped_vus: bool) -> bool {
        self.source
            .is_spent(|population| settings.users(population).has_last_iteration || has_dropped_vus)
    }

    fn next_change(&self) -> Tick {
        self.source.next().map_or(Tick::MAX, |change| change.at)
    }
}
