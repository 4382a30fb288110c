//! When responses arrived: the kernel's stamps, and how they become ticks.
//!
//! The kernel stamps by the wall clock (CLOCK_REALTIME), ticks are of CLOCK_MONOTONIC. Both run at the same rate,
//! slewing included, so one offset leads from stamps to ticks until the wall clock is stepped. It is compared in
//! each pass of the loop, and stamps that may be of both sides of a step are dropped. The one file that knows
//! this; reads no socket.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use z6_events::{ArrivalStamp, Tick};
use z6_scenario::{ConnectTo, Scenario};

use super::clock::Clock;
use super::sys;

/// An offset that differs by no more than this, beside what its measurement leaves open, is the same,
/// nanoseconds.
const SAME_NS: u64 = 1_000;
/// A measurement of the offset that leaves more than this open says nothing: the thread was interrupted,
/// nanoseconds.
const VAGUE_NS: u64 = 20_000;
/// How long the kernel may take to stamp the first byte that is tried. It begins to stamp in the background.
const TRIAL: Duration = Duration::from_millis(200);

/// Whether a run has arrival stamps.
#[derive(Debug, Clone, Default)]
pub enum Stamping {
    /// It has none, and needs none.
    #[default]
    Off,
    /// It has them.
    On(Stamper),
    /// It should have them and cannot; why, in words.
    Unavailable(String),
}

/// A socket that is stamped: as long as there is one, the kernel stamps whatever arrives.
#[derive(Debug, Clone)]
pub struct Stamper {
    _socket: Arc<OwnedFd>,
}

impl Stamping {
    /// Whether a real run of this scenario has arrival stamps: as it says, or where it leaves that open, if
    /// the run has pauses. Tries on a connection of its own what the kernel does.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Stamping {
        if !scenario.wants_arrival_stamps() {
            return Stamping::Off;
        }
        let is_unix = |to: &ConnectTo| matches!(to, ConnectTo::Unix(_));
        if scenario.targets.iter().all(|target| is_unix(&target.connect_to)) {
            return Stamping::Unavailable("the kernel stamps nothing on unix sockets".to_owned());
        }
        match trial() {
            Ok(socket) => Stamping::On(Stamper { _socket: Arc::new(socket) }),
            Err(why) => Stamping::Unavailable(why),
        }
    }

    /// Whether it has them.
    #[must_use]
    pub fn is_on(&self) -> bool {
        matches!(self, Stamping::On(_))
    }

    /// Why it has none though it should; empty otherwise.
    #[must_use]
    pub fn why_not(&self) -> &str {
        match self {
            Stamping::Unavailable(why) => why,
            Stamping::Off | Stamping::On(_) => "",
        }
    }
}

/// Sends a byte to itself and looks for its stamp.
fn trial() -> Result<OwnedFd, String> {
    let failed = |error: io::Error| format!("the kernel stamps nothing: {error}");
    let (near, mut far) = pair().map_err(failed)?;
    sys::stamp_arrivals(near.as_raw_fd()).map_err(failed)?;
    let began = sys::monotonic_ns();
    let mut byte = [0];
    while sys::monotonic_ns() - began < TRIAL.as_nanos() as u64 {
        let sent = sys::monotonic_ns();
        far.write_all(&[0]).map_err(failed)?;
        let (length, stamp) = sys::receive(near.as_raw_fd(), &mut byte).map_err(failed)?;
        let read = sys::monotonic_ns();
        if length == 1
            && let Some(stamp) = stamp
        {
            let offset = Offset::best();
            let arrived = stamp.wrapping_sub(offset.ns);
            let is_between = arrived.wrapping_add(VAGUE_NS) >= sent && arrived <= read + VAGUE_NS;
            return match is_between {
                true => Ok(near),
                false => Err("the kernel's stamps are not of the wall clock".to_owned()),
            };
        }
    }
    Err("the kernel stamps nothing".to_owned())
}

/// Two ends of a connection over loopback.
fn pair() -> io::Result<(OwnedFd, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let far = TcpStream::connect(listener.local_addr()?)?;
    far.set_nodelay(true)?;
    let (near, _) = listener.accept()?;
    near.set_read_timeout(Some(TRIAL))?;
    Ok((near.into(), far))
}

/// Wall clock minus monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Offset {
    /// Modulo 2^64, nanoseconds.
    ns: u64,
    /// What the measurement leaves open, nanoseconds.
    width_ns: u64,
}

impl Offset {
    fn measure() -> Offset {
        Offset::of([sys::monotonic_ns(), sys::wall_ns(), sys::monotonic_ns()])
    }

    /// The narrowest of several measurements.
    fn best() -> Offset {
        let first = Offset::measure();
        (0..8)
            .map(|_| Offset::measure())
            .fold(first, |best, next| if next.width_ns < best.width_ns { next } else { best })
    }

    /// The wall clock was read between two readings of the monotonic clock.
    fn of([before, wall, after]: [u64; 3]) -> Offset {
        let width_ns = after.saturating_sub(before);
        Offset { ns: wall.wrapping_sub(before.wrapping_add(width_ns / 2)), width_ns }
    }

    /// By how much another differs, nanoseconds, signed; 0 if it may be the same.
    fn step_to(self, other: Offset) -> i64 {
        let difference = i64::from_ne_bytes(other.ns.wrapping_sub(self.ns).to_ne_bytes());
        let open_ns = SAME_NS + self.width_ns + other.width_ns;
        if difference.unsigned_abs() <= open_ns { 0 } else { difference }
    }
}

/// Turns stamps into ticks.
#[derive(Debug)]
pub(super) struct Stamps {
    start_ns: u64,
    offset: Offset,
    /// What seems to have arrived before this came before the last step of the wall clock, or may have.
    valid_from: Tick,
}

impl Stamps {
    pub(super) fn new(clock: Clock) -> Stamps {
        Stamps { start_ns: clock.start_ns(), offset: Offset::best(), valid_from: Tick::ZERO }
    }

    /// A pass of the loop begins: compares the clocks.
    #[inline]
    pub(super) fn begin_pass(&mut self) {
        self.compare(Offset::measure());
    }

    #[inline]
    fn compare(&mut self, now: Offset) {
        if now.width_ns > VAGUE_NS {
            return;
        }
        match self.offset.step_to(now) {
            // The narrowest measurement is the best.
            0 if now.width_ns >= self.offset.width_ns => {}
            0 => self.offset = now,
            step => self.stepped(step, now),
        }
    }

    /// Stamps of before the step come out wrong by as much from now on: those that a step back puts later
    /// than they were, up to so much behind it.
    #[cold]
    fn stepped(&mut self, step: i64, now: Offset) {
        let at = Tick(sys::monotonic_ns().saturating_sub(self.start_ns));
        let back_ns = if step < 0 { step.unsigned_abs() } else { 0 };
        self.valid_from = at.plus_ns(back_ns).plus_ns(SAME_NS);
        self.offset = now;
    }

    /// When a read that the clock stamped with `at` had arrived.
    #[inline]
    pub(super) fn arrival(&self, wall_ns: Option<u64>, at: Tick) -> ArrivalStamp {
        let Some(wall_ns) = wall_ns else { return ArrivalStamp::NONE };
        let monotonic_ns = wall_ns.wrapping_sub(self.offset.ns);
        let since_start = monotonic_ns.wrapping_sub(self.start_ns);
        // Before the start, or so far ahead that only a step explains it.
        let is_ahead = since_start > at.0.saturating_add(VAGUE_NS);
        if is_ahead || Tick(since_start) < self.valid_from {
            return ArrivalStamp::NONE;
        }
        ArrivalStamp::new(Tick(since_start), at)
    }

    /// Whether the wall clock stands to the monotonic clock as it did when the pass began: asked before a
    /// server is blamed for what a stamp says.
    pub(super) fn is_steady(&mut self) -> bool {
        let before = self.valid_from;
        for _ in 0..8 {
            let now = Offset::measure();
            if now.width_ns <= VAGUE_NS {
                self.compare(now);
                return self.valid_from == before;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000_000_000;
    const WALL: u64 = 1_700_000_000_000_000_000;

    fn offset(ns: u64, width_ns: u64) -> Offset {
        Offset { ns, width_ns }
    }

    fn stamps() -> Stamps {
        Stamps { start_ns: START, offset: offset(WALL, 40), valid_from: Tick::ZERO }
    }

    /// The stamp of this tick, by a wall clock that is `shift` from the first.
    fn wall(tick: u64, shift: i64) -> Option<u64> {
        Some((WALL + START + tick).wrapping_add_signed(shift))
    }

    #[test]
    fn this_kernel_is_tried_and_its_clocks_agree() {
        let tried = trial();
        assert!(tried.as_ref().err().is_none_or(|why| !why.is_empty()), "{tried:?}");
        let (first, second) = (Offset::measure(), Offset::measure());
        assert_eq!(first.step_to(second), 0, "{first:?} {second:?}");
    }

    #[test]
    fn a_stamp_becomes_the_tick_of_its_arrival() {
        let stamps = stamps();
        let arrival = stamps.arrival(wall(5_000_000, 0), Tick(8_000_400));
        assert_eq!(arrival.read_lag_ns(), Some(3_000_000));
        assert_eq!(stamps.arrival(None, Tick(8_000_400)), ArrivalStamp::NONE);
        // A little ahead, as far as a measurement may be wrong: read at once.
        assert_eq!(stamps.arrival(wall(5_000_900, 0), Tick(5_000_000)).read_lag_ns(), Some(0));
        // Before the start; far ahead.
        assert_eq!(stamps.arrival(Some(WALL), Tick(5_000_000)), ArrivalStamp::NONE);
        assert_eq!(stamps.arrival(wall(9_000_000, 0), Tick(5_000_000)), ArrivalStamp::NONE);
    }

    #[test]
    fn across_a_step_of_the_wall_clock_there_are_no_stamps() {
        for shift in [10_000_000_i64, -10_000_000, 3_600_000_000_000, -3_600_000_000_000] {
            let mut stamps = stamps();
            stamps.compare(offset(WALL.wrapping_add_signed(shift), 40));
            let from = stamps.valid_from.0;
            assert!(from > 0, "{shift}");
            // Of before the step: wherever the new offset puts it, and whenever it is read.
            for (arrived, at) in [(1, 2), (1, from), (from - 2_000, from + 20_000_000)] {
                let arrived = arrived.min(from.saturating_sub(10_000_000 + 2_000));
                let stamp = wall(arrived, 0);
                assert_eq!(
                    stamps.arrival(stamp, Tick(at)),
                    ArrivalStamp::NONE,
                    "{shift} {arrived}"
                );
            }
            // Of behind it.
            let arrival = stamps.arrival(wall(from + 1_000, shift), Tick(from + 7_000));
            assert_eq!(arrival.read_lag_ns(), Some(6_000), "{shift}");
        }
    }

    #[test]
    fn what_a_measurement_leaves_open_is_no_step() {
        let mut stamps = stamps();
        stamps.compare(offset(WALL + 900, 40));
        assert_eq!((stamps.offset.ns, stamps.valid_from), (WALL, Tick::ZERO));
        stamps.compare(offset(WALL + 900, 20));
        assert_eq!(stamps.offset.ns, WALL + 900, "a narrower one is better");
        stamps.compare(offset(WALL + 50_000_000, VAGUE_NS + 1));
        assert_eq!(stamps.valid_from, Tick::ZERO, "the thread was interrupted");
        assert_eq!(Offset::of([100, 1_000, 140]).ns, 880);
    }
}
