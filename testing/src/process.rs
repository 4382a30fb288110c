//! A running child that ends with its owner, together with its descendants.

use std::io;
use std::process::{Child, Command, Output};

use rustix::process::{Pid, kill_process, kill_process_group};

use crate::{Leash, Signal};

/// A child in its own process group. Dropping it kills the whole group.
#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    id: u32,
}

impl Process {
    /// Starts a command with the default [`Leash`].
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Process> {
        Process::start_with(Leash::default(), command)
    }

    /// Starts a command with these settings.
    ///
    /// # Errors
    /// If it cannot be started, or a setting cannot be applied.
    pub fn start_with(leash: Leash, command: &mut Command) -> io::Result<Process> {
        Ok(Process::new(leash.put_on(command).spawn()?))
    }

    /// Takes a child that was started with a [`Leash`].
    #[must_use]
    pub fn new(child: Child) -> Process {
        Process { id: child.id(), child: Some(child) }
    }

    /// Its process id, which is the id of its group too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The child itself, for its pipes and to wait for it.
    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap_or_else(|| unreachable!("taken only by `wait_with_output`"))
    }

    /// Sends a signal to the child, not to its descendants.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = pid(self.id).ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(id, signal)?)
    }

    /// Kills the child and its descendants, and waits for the child. Does nothing for what has ended.
    pub fn kill(&mut self) {
        if let Some(id) = pid(self.id) {
            // A group without members is as good as one that was killed.
            let _ = kill_process_group(id, Signal::KILL);
        }
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }

    /// Reads its pipes to their end and waits for it; then kills what it left behind.
    ///
    /// # Errors
    /// If a pipe cannot be read.
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        match self.child.take() {
            Some(child) => child.wait_with_output(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}
