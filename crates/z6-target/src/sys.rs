//! The system calls that no dependency wraps: monotonic clock, timerfd, descriptor limit and table.
//!
//! Owns all unsafe code of the crate; must not know what the values are used for.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Reads CLOCK_MONOTONIC, in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid, writable timespec for the length of the call.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert!(outcome == 0, "CLOCK_MONOTONIC exists on every Linux");
    now.tv_sec.unsigned_abs() * NANOS_PER_SECOND + now.tv_nsec.unsigned_abs()
}

/// A one-shot timer on CLOCK_MONOTONIC that becomes readable when it expires.
#[derive(Debug)]
pub(crate) struct TimerFd(OwnedFd);

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just created, is open, and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sets the instant of expiry (CLOCK_MONOTONIC, nanoseconds); one in the past expires at once.
    /// Forgets an expiry not yet seen.
    pub(crate) fn arm(&self, at_ns: u64) -> io::Result<()> {
        // Zero would disarm the timer; 1 ns after boot is as much in the past.
        let at_ns = at_ns.max(1);
        let setting = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: (at_ns / NANOS_PER_SECOND) as libc::time_t,
                tv_nsec: (at_ns % NANOS_PER_SECOND) as libc::c_long,
            },
        };
        // SAFETY: the descriptor is open as long as `self`; `setting` is a valid itimerspec; a null
        // pointer for the old value is allowed.
        let outcome = unsafe {
            libc::timerfd_settime(
                self.0.as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const setting,
                std::ptr::null_mut(),
            )
        };
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsRawFd for TimerFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Makes the process's table of descriptors large enough for this many at once. Otherwise the kernel
/// grows it as connections arrive, and the thread whose accept needs more room waits for an RCU grace
/// period (expand_fdtable), 5 to 20 ms, together with all its other connections.
pub(crate) fn reserve_descriptors(count: usize) -> io::Result<()> {
    let any = TimerFd::new()?;
    let last = libc::c_int::try_from(count.saturating_sub(1)).unwrap_or(libc::c_int::MAX);
    // SAFETY: the descriptor is open for the duration of the call, which takes no pointer.
    let copy = unsafe { libc::fcntl(any.as_raw_fd(), libc::F_DUPFD_CLOEXEC, last) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and has no other owner.
    drop(unsafe { OwnedFd::from_raw_fd(copy) });
    Ok(())
}

/// The number of descriptors this process may have open now (soft RLIMIT_NOFILE).
pub(crate) fn descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, writable rlimit for the length of the call.
    let outcome = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(limit.rlim_cur) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_does_not_run_backwards() {
        let first = monotonic_ns();
        assert!(first > 0);
        assert!(monotonic_ns() >= first);
    }

    #[test]
    fn a_timer_can_be_armed_in_past_and_future() {
        let timer = TimerFd::new().expect("timerfd");
        timer.arm(0).expect("past");
        timer.arm(monotonic_ns() + 1_000_000_000).expect("future");
    }

    #[test]
    fn the_table_of_descriptors_is_as_long_as_was_asked_for() {
        let count = descriptor_limit().expect("limit").min(700);
        reserve_descriptors(count as usize).expect("reserved");
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).expect("a size");
        assert!(size.trim().parse::<u64>().expect("a number") >= count, "{size}");
        assert!(reserve_descriptors(usize::MAX).is_err());
    }

    #[test]
    fn some_descriptors_are_allowed() {
        assert!(descriptor_limit().expect("limit") > 3);
    }
}
