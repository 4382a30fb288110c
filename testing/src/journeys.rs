//! The journeys of the examples: scenarios that log in and read what they receive, made shorter or longer,
//! against the built-in target or the shop, and what came of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::Leash;

/// What the variable `SHOP_SECRET` is set to: each of its characters is written otherwise in some form.
pub const SECRET: &str = "s3c/r+t& \"ü\" \\ 50%<'>";

/// Folder of the results, in that of the scenario.
pub const RESULTS: &str = "results";

/// A scenario of the folder `examples`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journey {
    /// A token for each VU.
    LoginToken,
    /// Users and terms from CSV files.
    CsvUsers,
    /// Orders that are read back.
    Orders,
    /// A form with a CSRF token, and cookies.
    LoginForm,
}

/// How long a journey is, and against what it runs.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// Virtual users; at most 22, as there are users in the file.
    pub vus: u32,
    /// Iterations of each.
    pub iterations: u32,
    /// Event loops.
    pub workers: u32,
    /// The seed.
    pub seed: u64,
    /// URL of the target, or `builtin`; none for a simulation.
    pub target: Option<&'a str>,
}

/// What a run has left.
#[derive(Debug)]
pub struct Ran {
    /// Exit code and what was printed.
    pub output: Output,
    /// The folder with the results.
    pub results: PathBuf,
}

impl Journey {
    /// All of them.
    pub const ALL: [Journey; 4] =
        [Journey::LoginToken, Journey::CsvUsers, Journey::Orders, Journey::LoginForm];

    /// Name of its file in the folder `examples`.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Journey::LoginToken => "login_token.toml",
            Journey::CsvUsers => "csv_users.toml",
            Journey::Orders => "orders.toml",
            Journey::LoginForm => "login_form.toml",
        }
    }

    /// Requests of a VU in so many iterations, without those that are drawn: fewest and most.
    #[must_use]
    pub fn requests(self, iterations: u64) -> (u64, u64) {
        match self {
            Journey::LoginToken => (1 + 5 * iterations, 1 + 5 * iterations),
            Journey::CsvUsers => (1 + iterations, 1 + 4 * iterations),
            Journey::Orders => (2 * iterations, 2 * iterations),
            Journey::LoginForm => (3 * iterations, 3 * iterations),
        }
    }

    /// The scenario with other numbers, ids in its requests and no think time. Each change is given as a
    /// text and what replaces it.
    ///
    /// # Errors
    /// If the file cannot be read, or does not contain what is to be changed.
    pub fn scenario(self, course: &Course<'_>, changes: &[(&str, &str)]) -> io::Result<String> {
        let text = fs::read_to_string(examples().join(self.file()))?;
        let think_time = text.find("[think_time]").unwrap_or(text.len());
        let numbers = |line: &str| match line.split_once(" = ").map(|(key, _)| key) {
            Some("duration_seconds" | "iterations") => {
                format!("iterations = {}\n", course.iterations)
            }
            Some("vus") => format!("vus = {}\n", course.vus),
            _ => format!("{line}\n"),
        };
        let mut text: String = text[..think_time].lines().map(numbers).collect();
        let id = ("[target]\n", "[target]\nrequest_id_header = \"Z6-Id\"\n");
        for (old, new) in [id].iter().chain(changes) {
            if !text.contains(old) {
                return Err(io::Error::other(format!("{} has no `{old}`", self.file())));
            }
            text = text.replace(old, new);
        }
        Ok(text)
    }

    /// Runs it: the scenario and its data lie in `folder`, which must be empty, and so do the results.
    ///
    /// # Errors
    /// If a file cannot be read or written, or `z6` does not start.
    pub fn run(
        self,
        z6: &Path,
        folder: &Path,
        course: &Course<'_>,
        changes: &[(&str, &str)],
    ) -> io::Result<Ran> {
        let mut command = self.command(z6, folder, course, changes)?;
        let output = Leash::default().put_on(&mut command).output()?;
        Ok(Ran { output, results: folder.join(RESULTS) })
    }

    /// The command that [`Journey::run`] runs, its files in place.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn command(
        self,
        z6: &Path,
        folder: &Path,
        course: &Course<'_>,
        changes: &[(&str, &str)],
    ) -> io::Result<Command> {
        let scenario = folder.join(self.file());
        fs::write(&scenario, self.scenario(course, changes)?)?;
        for name in ["users.csv", "terms.csv"] {
            fs::copy(examples().join(name), folder.join(name))?;
        }
        let mut command = Command::new(z6);
        match course.target {
            Some(target) => command.args(["run", "--no-live", "--target", target]),
            None => command.arg("simulate"),
        };
        command.arg(&scenario).arg("--output").arg(folder.join(RESULTS));
        command.args(["--workers", &course.workers.to_string()]);
        command.args(["--seed", &course.seed.to_string()]);
        command.env("SHOP_SECRET", SECRET).stdin(Stdio::null());
        Ok(command)
    }
}

impl Ran {
    /// What was written to standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// A file of the results as JSON.
    ///
    /// # Errors
    /// If there is no such file, or it is not JSON: with what was written to standard error.
    pub fn json(&self, name: &str) -> io::Result<Value> {
        let text = fs::read(self.results.join(name)).map_err(|error| {
            io::Error::other(format!("{name}: {error}; it printed: {}", self.stderr()))
        })?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// The folder with the examples.
#[must_use]
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}
