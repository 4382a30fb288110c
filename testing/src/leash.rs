//! How a child is started: in its own process group, with a signal from the kernel when its parent ends, and
//! with limits and ignored signals if a test asks for them.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::{Signal, sys};

/// Settings of a child. With the defaults it is killed when the thread that started it ends.
#[derive(Debug, Clone, Copy)]
pub struct Leash {
    /// What the child receives when the thread that started it ends, in whatever way. A server with
    /// workers needs one that it passes on to them. The kernel forgets it when the child changes its
    /// user.
    pub on_parent_death: Signal,
    /// Most descriptors the child may have open; the limit of the parent if none is given.
    pub open_files_max: Option<u64>,
    /// Descriptors that the child already has open when its program starts, besides the standard ones.
    pub open_files: u32,
    /// Largest file the child may write, bytes; the limit of the parent if none is given.
    pub file_bytes_max: Option<u64>,
    /// Signals that the child ignores when its program starts.
    pub ignored: &'static [Signal],
    /// Signals that are blocked when its program starts.
    pub blocked: &'static [Signal],
}

impl Default for Leash {
    fn default() -> Leash {
        Leash {
            on_parent_death: Signal::KILL,
            open_files_max: None,
            open_files: 0,
            file_bytes_max: None,
            ignored: &[],
            blocked: &[],
        }
    }
}

impl Leash {
    /// Applies the settings to a command that has not been started yet.
    pub fn put_on(self, command: &mut Command) -> &mut Command {
        command.process_group(0);
        sys::before_exec(command, self);
        command
    }
}
