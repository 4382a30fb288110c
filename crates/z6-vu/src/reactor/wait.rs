//! How a worker waits for the kernel: poll, a timer with nanoseconds, and spinning before planned
//! instants. Knows no connection.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use z6_events::Tick;

use super::clock::Clock;
use super::sys::TimerFd;

/// The token of the timer. From the waker's token up, tokens are not connections.
pub(super) const TOKEN_TIMER: Token = Token(usize::MAX);
/// The token of the waker.
pub(super) const TOKEN_WAKER: Token = Token(usize::MAX - 1);
/// A loop that spins begins this long before the instant, nanoseconds.
const SPIN_NS: u64 = 60_000;

/// What the loop waits for at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    /// The engine's deadline, before which the loop may spin; [`Tick::MAX`] without one.
    pub(super) engine: Tick,
    /// Anything else that is due.
    pub(super) other: Tick,
    /// Connections wait for another turn: the kernel is asked, but not waited for.
    pub(super) at_once: bool,
}

/// The worker's place in the kernel.
pub(super) struct Wait {
    poll: Poll,
    timer: TimerFd,
    /// The instant the timer is armed for; [`Tick::MAX`] when it is not.
    armed: Tick,
    spins: bool,
}

impl Wait {
    /// # Errors
    /// If the kernel gives no timer.
    pub(super) fn new(poll: Poll, spins: bool) -> io::Result<Wait> {
        let timer = TimerFd::new()?;
        let fd = timer.as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), TOKEN_TIMER, Interest::READABLE)?;
        Ok(Wait { poll, timer, armed: Tick::MAX, spins })
    }

    /// A handle by which sockets are registered.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub(super) fn registry(&self) -> io::Result<Registry> {
        self.poll.registry().try_clone()
    }

    /// The timer has fired: the next wait arms it again.
    pub(super) fn timer_fired(&mut self) {
        self.armed = Tick::MAX;
    }

    /// Waits for the kernel until the next thing is due. Returns how long the loop spun, nanoseconds.
    ///
    /// # Errors
    /// If the kernel refuses to poll.
    pub(super) fn wait(
        &mut self,
        clock: Clock,
        now: Tick,
        until: Until,
        events: &mut Events,
    ) -> io::Result<u64> {
        let spin_from = self.spin_from(until.engine);
        let due = spin_from.min(until.other);
        if until.at_once || due <= now {
            self.take_events(events, Some(Duration::ZERO))?;
            if !until.at_once && due == spin_from && events.is_empty() {
                return self.spin(clock, now, until.engine, events);
            }
            return Ok(0);
        }
        if due < self.armed {
            self.timer.arm(clock.monotonic_ns(due))?;
            self.armed = due;
        }
        self.take_events(events, None)?;
        Ok(0)
    }

    /// When the loop stops sleeping for the engine's deadline.
    fn spin_from(&self, engine: Tick) -> Tick {
        if self.spins && engine != Tick::MAX {
            Tick(engine.0.saturating_sub(SPIN_NS))
        } else {
            engine
        }
    }

    /// Waits for `until` without sleeping, while nothing happens.
    fn spin(
        &mut self,
        clock: Clock,
        from: Tick,
        until: Tick,
        events: &mut Events,
    ) -> io::Result<u64> {
        let mut now = from;
        while now < until && events.is_empty() {
            self.take_events(events, Some(Duration::ZERO))?;
            now = clock.now();
        }
        Ok(now.since(from))
    }

    fn take_events(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }
}
