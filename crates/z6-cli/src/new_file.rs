//! Files that options name: made new, whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use z6_events::printable;

use crate::exit::UsageError;

/// Writes a file that must not exist. `option` named it; `mode` are its permissions before the umask.
pub(crate) fn write(path: &Path, text: &str, option: &str, mode: u32) -> anyhow::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(exists(path, option));
        }
        Err(error) => return Err(error).with_context(|| cannot_write(path)),
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Nothing more can be done about it.
        let _ = fs::remove_file(path);
    }
    written.with_context(|| cannot_write(path))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", printable(&path.display().to_string()))
}

/// The error about a file that an option names.
pub(crate) fn exists(path: &Path, option: &str) -> anyhow::Error {
    let path = path.display().to_string();
    UsageError(format!("{} exists; choose another file with `{option}`", printable(&path))).into()
}
