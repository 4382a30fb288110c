//! The unsafe code of this package: waiting for a child and reading the CPU time it used. The standard
//! library reaps children without their resource usage.
#![allow(unsafe_code, reason = "wait4 has no safe counterpart")]

use std::io;
use std::process::Child;
use std::time::Duration;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// User and system time of the whole process and of the children it has waited for.
    pub(crate) cpu: Duration,
}

/// Returns how `child` ended, or none while it runs. It must not be called again after the end, because the
/// child is reaped then.
///
/// # Errors
/// As wait4(2).
pub(crate) fn try_wait(child: &Child) -> io::Result<Option<Ended>> {
    let pid = pid(child);
    let mut status = 0;
    // SAFETY: rusage is a struct of integers, for which zeroes are a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call, of the types wait4 writes.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
    match reaped {
        0 => Ok(None),
        _ if reaped == pid => {
            let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            Ok(Some(Ended { code, cpu: time(usage.ru_utime) + time(usage.ru_stime) }))
        }
        _ => Err(io::Error::last_os_error()),
    }
}

fn pid(child: &Child) -> libc::pid_t {
    libc::pid_t::try_from(child.id()).unwrap_or(0)
}

fn time(value: libc::timeval) -> Duration {
    let seconds = Duration::from_secs(u64::try_from(value.tv_sec).unwrap_or(0));
    seconds + Duration::from_micros(u64::try_from(value.tv_usec).unwrap_or(0))
}
