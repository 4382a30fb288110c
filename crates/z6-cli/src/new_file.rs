//! Files that options name: made new, whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use z6_events::printable;

use crate::exit::UsageError;

/// Whether a file can be made later, after the work that fills it: it must not exist, and its folder must, unless it is
/// in `made`, which will be made before. `option` names it.
pub(crate) fn check(path: &Path, option: &str, made: Option<&Path>) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(exists(path, option));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let is_made = made.is_some_and(|made| folder.starts_with(made));
    if is_made || folder.is_dir() {
        return Ok(());
    }
    let [path, folder] =
        [path, folder].map(|path| printable(&path.display().to_string()).into_owned());
    let text = format!(
        "cannot write {path}: there is no folder {folder}; choose another file with `{option}`"
    );
    Err(UsageError(text).into())
}

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
fn exists(path: &Path, option: &str) -> anyhow::Error {
    let path = path.display().to_string();
    UsageError(format!("{} exists; choose another file with `{option}`", printable(&path))).into()
}
