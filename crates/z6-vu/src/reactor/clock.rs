//! The one place where a run reads clocks.

use z6_events::Tick;

use super::sys;

/// The clock of a run: ticks since its start, on CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start_ns: u64,
}

impl Clock {
    /// A clock whose tick 0 is now.
    pub(super) fn start() -> Clock {
        Clock { start_ns: sys::monotonic_ns() }
    }

    /// A clock whose tick 0 is this instant of CLOCK_MONOTONIC.
    pub(super) fn from_start_ns(start_ns: u64) -> Clock {
        Clock { start_ns }
    }

    /// Tick 0 on CLOCK_MONOTONIC, nanoseconds.
    pub(super) fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// The current tick.
    #[inline]
    pub(super) fn now(self) -> Tick {
        Tick(sys::monotonic_ns().saturating_sub(self.start_ns))
    }

    /// A tick as an instant of CLOCK_MONOTONIC, nanoseconds.
    pub(super) fn monotonic_ns(self, tick: Tick) -> u64 {
        self.start_ns.saturating_add(tick.0)
    }
}

/// Wall clock minus monotonic clock, modulo 2^64, nanoseconds.
pub(super) fn wall_offset_ns() -> u64 {
    sys::wall_ns().wrapping_sub(sys::monotonic_ns())
}

/// The wall clock, nanoseconds since 1970.
pub(super) fn wall_ns() -> u64 {
    sys::wall_ns()
}
