//! The unsafe code of this crate: what a child does between fork and exec, and a mount namespace for one
//! thread.
#![allow(unsafe_code, reason = "pre_exec and unshare have no safe counterpart")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use rustix::process::{self, Resource, Rlimit};
use rustix::thread::UnshareFlags;

use crate::{Leash, Signal};

/// Lets the child apply the settings to itself before its program starts.
pub(crate) fn before_exec(command: &mut Command, leash: Leash) {
    let parent = process::getpid();
    let settings = move || {
        process::set_parent_process_death_signal(Some(leash.on_parent_death))?;
        if process::getppid() != Some(parent) {
            // The parent ended before the signal was requested.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        apply_limits(&leash)?;
        leash.ignored.iter().try_for_each(|signal| ignore(*signal))?;
        block(leash.blocked)
    };
    // SAFETY: between fork and exec the closure makes system calls only: it neither allocates nor takes
    // a lock, and touches no memory except its own copy of the settings.
    unsafe { command.pre_exec(settings) };
}

fn apply_limits(leash: &Leash) -> io::Result<()> {
    let both = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    if let Some(limit) = leash.open_files_max {
        process::setrlimit(Resource::Nofile, both(limit))?;
    }
    for _ in 0..leash.open_files {
        // Without CLOEXEC, so that it stays open.
        let file = rustix::fs::open(c"/dev/null", OFlags::RDONLY, Mode::empty())?;
        std::mem::forget(file);
    }
    if let Some(limit) = leash.file_bytes_max {
        process::setrlimit(Resource::Fsize, both(limit))?;
    }
    Ok(())
}

fn ignore(signal: Signal) -> io::Result<()> {
    // SAFETY: ignoring a signal installs no handler.
    let before = unsafe { libc::signal(signal.as_raw(), libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn block(signals: &[Signal]) -> io::Result<()> {
    // SAFETY: a zeroed set is plain memory, which sigemptyset makes a valid set; all calls only read and
    // write the set, which lives through them, and a null old set is allowed.
    let result = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, signal.as_raw());
        }
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives this thread, and the children it starts, a mount namespace of their own.
///
/// # Errors
/// As unshare(2): this user may not.
pub(crate) fn own_mounts() -> io::Result<()> {
    // SAFETY: without FILES no descriptor that another thread uses becomes private to this one.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    Ok(())
}
