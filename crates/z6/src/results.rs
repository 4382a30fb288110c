//! The results directory: made for one run, never overwritten.
//!
//! Owns the names of the files, and writes each under a temporary name until it is complete. The event log
//! is written by the run itself. Knows nothing of what the files say.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use z6_metrics::report::{metrics_json, summary_text, timeseries_csv};
use z6_metrics::{Metrics, Style};
use z6_report::{Facts, run_page};

/// The scenario, as given.
const SCENARIO: &str = "scenario.toml";
/// Every figure.
const METRICS: &str = "metrics.json";
/// The figures for people.
const SUMMARY: &str = "summary.txt";
/// The page for a browser.
const REPORT: &str = "report.html";
/// A line per second.
const TIME_SERIES: &str = "timeseries.csv";
/// Facts about the run that are not figures.
const METADATA: &str = "metadata.json";

/// A directory that cannot take results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// Something is in it, maybe the results of another run.
    #[error("{} is not empty: results are never overwritten; choose another directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// There is something of that name, and it was to be new.
    #[error("{} exists", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// There is something else of that name.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// It cannot be made or looked into.
    #[error("cannot use {} for results", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl ResultsError {
    /// Whether the disk is full rather than the directory badly chosen.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            ResultsError::Unusable { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            ResultsError::NotEmpty { .. }
            | ResultsError::Exists { .. }
            | ResultsError::NotADirectory { .. } => false,
        }
    }
}

/// A report that could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub struct MissingReport {
    /// Its file name.
    pub name: &'static str,
    /// What the system says.
    pub error: io::Error,
}

/// What is in a results directory at the end.
#[derive(Debug)]
#[non_exhaustive]
pub struct WrittenResults {
    /// The directory.
    pub path: PathBuf,
    /// Reports that are not there. They can be made again from the event log.
    pub missing: Vec<MissingReport>,
}

/// A directory that contains only the results of one run. Dropped without anything in it, it
/// is removed again, with the parents made for it.
#[derive(Debug)]
pub struct ResultsDir {
    path: PathBuf,
    /// Directories made for it, outermost first.
    made: Vec<PathBuf>,
    missing: Vec<MissingReport>,
    /// Permissions of new files, before the umask.
    mode: u32,
}

impl ResultsDir {
    /// A directory that is absent, and is made with its parents, or empty.
    ///
    /// # Errors
    /// [`ResultsError`] for any other.
    pub fn create(path: impl Into<PathBuf>) -> Result<ResultsDir, ResultsError> {
        let path = path.into();
        match ResultsDir::create_new(path.clone()) {
            Err(ResultsError::Exists { .. }) => {}
            other => return other,
        }
        let unusable = |source| ResultsError::Unusable { path: path.clone(), source };
        if !fs::metadata(&path).map_err(unusable)?.is_dir() {
            return Err(ResultsError::NotADirectory { path });
        }
        if fs::read_dir(&path).map_err(unusable)?.next().is_some() {
            return Err(ResultsError::NotEmpty { path });
        }
        Ok(ResultsDir { path, made: Vec::new(), missing: Vec::new(), mode: 0o666 })
    }

    /// A directory that is absent, and is made with its parents. Of two that ask for the same one at
    /// once, one gets it.
    ///
    /// # Errors
    /// [`ResultsError::Exists`], or [`ResultsError::Unusable`] if it cannot be made.
    pub fn create_new(path: impl Into<PathBuf>) -> Result<ResultsDir, ResultsError> {
        let path = path.into();
        let unusable = |source| ResultsError::Unusable { path: path.clone(), source };
        let mut made = missing_parents(&path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(unusable)?;
        }
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ResultsError::Exists { path });
            }
            Err(error) => return Err(unusable(error)),
        }
        made.push(path.clone());
        Ok(ResultsDir { path, made, missing: Vec::new(), mode: 0o666 })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on files are for their owner alone (mode 0600), and so is the directory (0700), if it was
    /// made for this run.
    ///
    /// # Errors
    /// [`ResultsError::Unusable`] if the directory's permissions cannot be changed.
    pub(crate) fn keep_to_owner(&mut self) -> Result<(), ResultsError> {
        self.mode = 0o600;
        if self.made.last() != Some(&self.path) {
            return Ok(());
        }
        let changed = fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700));
        changed.map_err(|source| ResultsError::Unusable { path: self.path.clone(), source })
    }

    /// Writes the scenario; a failure is reported at the end.
    pub(crate) fn write_scenario(&mut self, text: &str) {
        self.write(SCENARIO, text);
    }

    /// Writes every report.
    pub(crate) fn write_reports(
        mut self,
        metrics: &Metrics,
        facts: &Facts,
        metadata: &str,
    ) -> WrittenResults {
        self.write(METRICS, &metrics_json(metrics));
        self.write(SUMMARY, &summary_text(metrics, &Style::plain()));
        self.write(TIME_SERIES, &timeseries_csv(metrics));
        self.write(METADATA, metadata);
        self.write(REPORT, &run_page(metrics, facts));
        WrittenResults {
            path: std::mem::take(&mut self.path),
            missing: std::mem::take(&mut self.missing),
        }
    }

    fn write(&mut self, name: &'static str, text: &str) {
        if let Err(error) = write_whole(&self.path, name, text.as_bytes(), self.mode) {
            self.missing.push(MissingReport { name, error });
        }
    }
}

impl Drop for ResultsDir {
    fn drop(&mut self) {
        for directory in self.made.iter().rev() {
            // What has something in it cannot be removed, and then all around it has, too.
            if fs::remove_dir(directory).is_err() {
                return;
            }
        }
    }
}

/// Parents that do not exist, outermost first.
fn missing_parents(path: &Path) -> Vec<PathBuf> {
    let parents = path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    let mut missing: Vec<PathBuf> =
        parents.take_while(|parent| !parent.exists()).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// A file that is there whole or not at all.
fn write_whole(directory: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.tmp"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, directory.join(name)));
    if written.is_err() {
        // There may be none; and if it stays, its name says what it is.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_empty_directories_are_taken_and_others_refused() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("a/b/c");
        let made = ResultsDir::create(&deep).unwrap();
        assert!(deep.is_dir());
        ResultsDir::create(&deep).unwrap();
        assert!(matches!(ResultsDir::create_new(&deep), Err(ResultsError::Exists { .. })));
        fs::write(deep.join("x"), "y").unwrap();
        assert!(matches!(ResultsDir::create(&deep), Err(ResultsError::NotEmpty { .. })));
        let file = deep.join("x");
        assert!(matches!(ResultsDir::create(&file), Err(ResultsError::NotADirectory { .. })));
        let below_file = file.join("y");
        assert!(matches!(ResultsDir::create(below_file), Err(ResultsError::Unusable { .. })));
        drop(made);
        assert_eq!(fs::read_to_string(file).unwrap(), "y");
    }

    #[test]
    fn a_directory_not_used_is_removed_with_what_was_made_for_it_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("a")).unwrap();
        drop(ResultsDir::create(base.path().join("a/b/c")).unwrap());
        assert!(base.path().join("a").is_dir());
        assert!(!base.path().join("a/b").exists());
        drop(ResultsDir::create(base.path().join("a")).unwrap());
        assert!(base.path().join("a").is_dir());
        let mut used = ResultsDir::create(base.path().join("a/b")).unwrap();
        used.write_scenario("text");
        drop(used);
        assert!(base.path().join("a/b/scenario.toml").exists());
    }

    #[test]
    fn what_cannot_be_written_is_named_and_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let mut results = ResultsDir::create(base.path().join("r")).unwrap();
        // A directory of that name cannot be replaced by a file.
        fs::create_dir_all(base.path().join("r/scenario.toml/x")).unwrap();
        results.write_scenario("text");
        assert_eq!(results.missing.len(), 1);
        assert_eq!(results.missing[0].name, SCENARIO);
        assert!(!base.path().join("r/.scenario.toml.tmp").exists());
    }
}
