//! The system calls that std, mio and socket2 do not offer. The only unsafe code of this crate.
//!
//! Each function is a thin, safe wrapper; none keeps state.
#![allow(unsafe_code)]
#![expect(clippy::disallowed_types, reason = "asks a file's system for its room")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Resource use of the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ThreadUsage {
    pub(super) cpu_ns: u64,
    pub(super) switches_voluntary: u64,
    pub(super) switches_involuntary: u64,
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (ns % 1_000_000_000) as libc::c_long,
    }
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = timespec(0);
    // SAFETY: `time` is a valid, writable timespec for the duration of the call.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert!(result == 0, "clock {clock} cannot be read");
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

/// CLOCK_MONOTONIC, nanoseconds.
pub(super) fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME, nanoseconds since 1970.
pub(super) fn wall_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

/// The state of the wall clock (adjtimex(2)), and the largest error that the kernel takes it to have,
/// nanoseconds. State 5 (`TIME_ERROR`) says that nothing keeps it right.
pub(super) fn clock_state() -> io::Result<(u64, u64)> {
    let mut timex = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: `timex` points to writable memory of the right size; zero bytes are a valid timex, and zero
    // `modes` only read the clock.
    let (state, timex) = unsafe {
        let state = check(libc::adjtimex(timex.as_mut_ptr()))?;
        (state, timex.assume_init())
    };
    let max_error_ns = u64::try_from(timex.maxerror).unwrap_or(0).saturating_mul(1_000);
    Ok((state as u64, max_error_ns))
}

/// CPU time and context switches of the calling thread.
pub(super) fn thread_usage() -> ThreadUsage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` points to writable memory of the right size; rusage is plain integers, for
    // which zero bytes are a valid value even if the call fails.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    ThreadUsage {
        cpu_ns: clock_ns(libc::CLOCK_THREAD_CPUTIME_ID),
        switches_voluntary: usage.ru_nvcsw as u64,
        switches_involuntary: usage.ru_nivcsw as u64,
    }
}

/// Lets the kernel wake the calling thread without rounding its timers (timer slack of 1 ns).
pub(super) fn sharpen_timers() -> io::Result<()> {
    // SAFETY: PR_SET_TIMERSLACK takes one integer and touches no memory of ours.
    check(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) }).map(|_| ())
}

/// Makes the process's table of descriptors long enough for this many at once. The kernel lengthens it
/// as descriptors come (at 64, 256, 512 ..), and in a process with several threads, the thread that opens the one
/// too many then waits for a grace period of RCU (expand_fdtable): 5 to 20 ms in which an event loop
/// would stand still.
///
/// # Errors
/// No descriptor of that number may be had.
pub(super) fn reserve_descriptors(count: u64) -> io::Result<()> {
    let any = TimerFd::new()?;
    let last = libc::c_int::try_from(count.saturating_sub(1)).unwrap_or(libc::c_int::MAX);
    // SAFETY: the descriptor is open for the duration of the call, which takes no pointer.
    let copy = check(unsafe { libc::fcntl(any.as_raw_fd(), libc::F_DUPFD_CLOEXEC, last) })?;
    // SAFETY: the descriptor was just created and has no other owner.
    drop(unsafe { OwnedFd::from_raw_fd(copy) });
    Ok(())
}

/// Raises the limit of open descriptors to its hard maximum; returns the limit in force.
pub(super) fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, writable rlimit for the duration of the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid rlimit for the duration of the call.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(limit.rlim_cur)
}

/// Lets signals that the process inherited as blocked reach the calling thread, and the threads that it
/// starts.
///
/// # Errors
/// There is no signal of that number.
pub(super) fn unblock_signals(signals: &[i32]) -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is writable memory of the right size, which sigemptyset makes a valid set before
    // anything reads it; a null old set is allowed.
    let error = unsafe {
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        for signal in signals {
            check(libc::sigaddset(set.as_mut_ptr(), *signal))?;
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut())
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Has a socket that is bound to an address choose its port only when it connects
/// (IP_BIND_ADDRESS_NO_PORT), by the whole (from, to) pair.
pub(super) fn bind_address_no_port(socket: &impl AsRawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for the duration of the call; the option's value is one
    // int, which `on` is, with its true size.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
    .map(|_| ())
}

/// Has the kernel say when what is read from a TCP socket had arrived ([`receive`]).
pub(super) fn stamp_arrivals(socket: RawFd) -> io::Result<()> {
    let flags = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    // SAFETY: `flags` is a valid integer of the given length for the duration of the call.
    check(unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            std::ptr::from_ref(&flags).cast(),
            size_of::<libc::c_uint>() as libc::socklen_t,
        )
    })
    .map(|_| ())
}

/// Room for the one control message that a read of a TCP socket brings: a header and three instants. Aligned
/// as control messages are.
#[repr(C, align(8))]
struct Control {
    _bytes: [u8; 128],
}

/// Reads from a socket; also returns when the last segment of what was read had arrived, nanoseconds since
/// 1970 by the wall clock, if the kernel says.
#[inline]
#[allow(
    clippy::unnecessary_cast,
    reason = "lengths of control messages differ between C libraries"
)]
pub(super) fn receive(socket: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
    let mut control = MaybeUninit::<Control>::uninit();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is integers and pointers, for which zero bytes are valid values.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: `message` names one buffer and one space for control messages, both writable and of the
    // lengths it says for the duration of the call.
    let length = unsafe { libc::recvmsg(socket, &mut message, 0) };
    let Ok(length) = usize::try_from(length) else { return Err(io::Error::last_os_error()) };
    // SAFETY: the kernel has written `msg_controllen` bytes of control messages to `control`, which is still
    // there; the functions stay within them.
    let stamp = unsafe {
        let mut found = None;
        let mut next = libc::CMSG_FIRSTHDR(&message);
        while let Some(header) = next.as_ref() {
            let of_us =
                (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING);
            let needed = libc::CMSG_LEN(size_of::<[libc::timespec; 3]>() as libc::c_uint);
            if of_us && header.cmsg_len as usize >= needed as usize {
                found = Some(libc::CMSG_DATA(next).cast::<libc::timespec>().read_unaligned());
            }
            next = libc::CMSG_NXTHDR(&message, next);
        }
        found
    };
    // All zero: the kernel did not stamp it.
    let ns = stamp.map(|at| at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64);
    Ok((length, ns.filter(|ns| *ns > 0)))
}

/// Free bytes for us on the file system that holds `file`.
pub(super) fn free_bytes(file: &std::fs::File) -> io::Result<u64> {
    let mut stats = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the descriptor is open for the duration of the call, `stats` is writable memory of
    // the right size, and statvfs is plain integers, for which zero bytes are a valid value.
    let stats = unsafe {
        check(libc::fstatvfs(file.as_raw_fd(), stats.as_mut_ptr()))?;
        stats.assume_init()
    };
    Ok((stats.f_bavail as u64).saturating_mul(stats.f_frsize as u64))
}

/// A timer whose descriptor becomes readable at an absolute instant of CLOCK_MONOTONIC.
#[derive(Debug)]
pub(super) struct TimerFd {
    fd: OwnedFd,
}

impl TimerFd {
    pub(super) fn new() -> io::Result<TimerFd> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: the call takes no pointers.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: `fd` was just created, is valid, and has no other owner.
        Ok(TimerFd { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Arms it for `monotonic_ns`; an instant that is past fires at once.
    pub(super) fn arm(&self, monotonic_ns: u64) -> io::Result<()> {
        let spec = libc::itimerspec {
            it_interval: timespec(0),
            // All zero would disarm it.
            it_value: timespec(monotonic_ns.max(1)),
        };
        let flags = libc::TFD_TIMER_ABSTIME;
        // SAFETY: the descriptor is ours and open, `spec` is valid for the duration of the call,
        // and a null old value is allowed.
        check(unsafe {
            libc::timerfd_settime(self.fd.as_raw_fd(), flags, &spec, std::ptr::null_mut())
        })
        .map(|_| ())
    }
}

impl AsRawFd for TimerFd {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_run_forward_and_usage_is_read() {
        let before = monotonic_ns();
        assert!(monotonic_ns() >= before);
        assert!(wall_ns() > 1_600_000_000_000_000_000);
        assert!(thread_usage().cpu_ns > 0);
    }

    #[test]
    fn a_timer_becomes_readable_at_its_instant_and_not_before() {
        let timer = TimerFd::new().unwrap();
        let due = monotonic_ns() + 2_000_000;
        timer.arm(due).unwrap();
        let mut poll = libc::pollfd { fd: timer.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd for the duration of the call.
        assert_eq!(unsafe { libc::poll(&mut poll, 1, 10_000) }, 1);
        assert!(monotonic_ns() >= due);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads /proc")]
    fn the_table_of_descriptors_is_as_long_as_was_asked_for() {
        raise_descriptor_limit().unwrap();
        reserve_descriptors(700).unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        assert!(size.trim().parse::<u64>().unwrap() >= 700, "{size}");
        assert!(reserve_descriptors(u64::MAX).is_err());
    }

    #[test]
    fn the_descriptor_limit_is_raised_to_its_maximum() {
        let first = raise_descriptor_limit().unwrap();
        assert_eq!(raise_descriptor_limit().unwrap(), first);
    }
}
