//! A file system that is soon full.

use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

use crate::{skip, sys};

/// A file system of one megabyte. Only the thread that mounts it and the children it starts see it, so
/// nothing stays mounted after them.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it at a folder. None if this user may not mount; the test is noted as skipped then.
    #[must_use]
    pub fn mount(at: &Path) -> Option<SmallDisk> {
        match try_mount(at) {
            Ok(()) => Some(SmallDisk(at.to_owned())),
            Err(error) => {
                skip::missing(&format!("this user may not mount a tmpfs: {error}"));
                None
            }
        }
    }
}

fn try_mount(at: &Path) -> std::io::Result<()> {
    sys::own_mounts()?;
    // What is mounted from here on is not passed on to the namespace this one was copied from.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("tmpfs", at, "tmpfs", MountFlags::empty(), c"size=1m")?;
    Ok(())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The folder can be removed afterwards. If this fails, the namespace ends with its thread.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}
