//! The shop of `servers/shop.py` as a child: a second implementation of the built-in target's shop, which
//! remembers what it gave and writes down what it received.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Process, Signal, find};

/// A running shop. Dropping it kills it.
#[derive(Debug)]
pub struct Shop {
    process: Process,
    url: String,
    journal: PathBuf,
}

impl Shop {
    /// Starts it with these options (`shop.py --help`), its journal in this folder; returns when it
    /// listens. If there is no Python, the test is noted as skipped, as by [`crate::missing`].
    ///
    /// # Errors
    /// If it does not start, or ends before it listens.
    pub fn start(folder: &Path, options: &[&str]) -> io::Result<Option<Shop>> {
        let Some(python) = find("python3") else { return Ok(None) };
        let journal = folder.join("journal.jsonl");
        let mut command = Command::new(python);
        command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/servers/shop.py"));
        command.arg("--journal").arg(&journal).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let mut line = String::new();
        if let Some(stdout) = process.child().stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let url = line.trim_end().strip_prefix("listening on ");
        let url = url.ok_or_else(|| io::Error::other("the shop has ended"))?.to_owned();
        Ok(Some(Shop { process, url, journal }))
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it has written down so many requests.
    ///
    /// # Errors
    /// If its journal cannot be read.
    pub fn has_received(&self, count: usize) -> io::Result<bool> {
        let text = fs::read(&self.journal)?;
        Ok(text.iter().filter(|byte| **byte == b'\n').count() >= count)
    }

    /// The child, to signal or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it, and returns what it received: an object for each request, in the order in which it wrote
    /// them down.
    ///
    /// # Errors
    /// If it had ended already, or its journal cannot be read.
    pub fn end(mut self) -> io::Result<Vec<Value>> {
        self.process.signal(Signal::TERM)?;
        self.process.child().wait()?;
        let text = fs::read_to_string(&self.journal)?;
        text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
    }
}
