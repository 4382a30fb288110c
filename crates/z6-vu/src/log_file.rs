//! The file of an event log while it is written: `NAME.partial` until its footer is in it and it was
//! synced. Both drivers that leave logs use it. Knows nothing of what is in the log.
#![expect(clippy::disallowed_types, reason = "owns the log file")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be created.
    #[error("cannot create the event log {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Writing, syncing or renaming failed.
    #[error("cannot write the event log {path} (what is written can be read)")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The log's own format refuses something.
    #[error("cannot encode the event log")]
    Format(#[from] z6_events::LogError),
    /// A block that we encoded does not decode: a bug in Z6.
    #[error("a block of the event log does not read back")]
    ReadBack(#[source] z6_events::LogError),
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// This file, which must not exist. Until the end it is called `NAME.partial`.
    File(PathBuf),
    /// The same, for its owner alone (mode 0600): a log holds the whole scenario.
    OwnersFile(PathBuf),
    /// Nowhere: it is encoded, folded and digested, not kept.
    Discard,
}

/// A log file on its way: `NAME.partial` until it is complete; or none. Dropped before it is kept, it is
/// removed again.
#[derive(Debug)]
pub struct LogFile {
    output: Output,
    /// To be removed when this is dropped.
    unkept: Option<PathBuf>,
}

#[derive(Debug)]
enum Output {
    File { file: File, partial: PathBuf, path: PathBuf },
    Discard,
}

impl LogTarget {
    /// Where the log will be, if anywhere.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            LogTarget::File(path) | LogTarget::OwnersFile(path) => Some(path),
            LogTarget::Discard => None,
        }
    }
}

impl LogFile {
    /// Creates the file. Neither it nor its partial name may exist.
    ///
    /// # Errors
    /// [`LogError::Create`].
    pub fn create(target: &LogTarget) -> Result<LogFile, LogError> {
        let (path, mode) = match target {
            LogTarget::File(path) => (path, 0o666),
            LogTarget::OwnersFile(path) => (path, 0o600),
            LogTarget::Discard => return Ok(LogFile { output: Output::Discard, unkept: None }),
        };
        if path.file_name().is_none() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
            return Err(LogError::Create { path: path.clone(), source });
        }
        let partial = partial_path(path);
        let create =
            |at: &Path| OpenOptions::new().write(true).create_new(true).mode(mode).open(at);
        let failed = |source| LogError::Create { path: partial.clone(), source };
        if path.exists() {
            return Err(LogError::Create {
                path: path.clone(),
                source: io::ErrorKind::AlreadyExists.into(),
            });
        }
        let file = create(&partial).map_err(failed)?;
        let unkept = Some(partial.clone());
        Ok(LogFile { output: Output::File { file, partial, path: path.clone() }, unkept })
    }

    /// From now on the file stays, whatever becomes of the run.
    pub fn keep(&mut self) {
        self.unkept = None;
    }

    /// A file that exists, for tests with devices that fail.
    #[cfg(test)]
    pub(crate) fn open_existing(path: &Path) -> io::Result<LogFile> {
        let file = OpenOptions::new().write(true).open(path)?;
        let output = Output::File { file, partial: path.to_owned(), path: path.to_owned() };
        Ok(LogFile { output, unkept: None })
    }

    /// Appends `bytes`, at once.
    ///
    /// # Errors
    /// [`LogError::Write`]; what was written before can be read.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        match &mut self.output {
            Output::File { file, partial, .. } => file
                .write_all(bytes)
                .map_err(|source| LogError::Write { path: partial.clone(), source }),
            Output::Discard => Ok(()),
        }
    }

    /// Syncs the file and gives it its own name.
    ///
    /// # Errors
    /// [`LogError::Write`].
    pub fn complete(mut self) -> Result<(), LogError> {
        self.keep();
        let Output::File { file, partial, path } = &self.output else { return Ok(()) };
        let written = file.sync_all().and_then(|()| std::fs::rename(partial, path));
        written.map_err(|source| LogError::Write { path: partial.clone(), source })
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        if let Some(path) = &self.unkept {
            // If it stays, its name says what it is.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The name of a log until it is complete.
#[must_use]
pub fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
