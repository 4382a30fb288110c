//! Cargo and other tools as child processes, started in the root of the workspace.

use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::runner::Outcome;
use crate::workspace;

/// A command line to run.
pub(crate) struct Invocation {
    command: Command,
    line: String,
}

/// The cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Invocation {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Invocation::new(&program, "cargo", arguments)
}

/// Cargo of the nightly toolchain, by way of rustup.
pub(crate) fn nightly_cargo(arguments: &[&str]) -> Invocation {
    let all = [&["run", "nightly", "cargo"], arguments].concat();
    let mut invocation = Invocation::new("rustup", "rustup", &all);
    // Else the toolchain that runs this program would be used for parts of the build.
    invocation.command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    invocation
}

/// Runs git in the workspace.
pub(crate) fn git(arguments: &[&str]) -> Invocation {
    Invocation::new("git", "git", arguments)
}

impl Invocation {
    /// A program with its arguments; `shown` stands for it in what is printed.
    pub(crate) fn new(program: &str, shown: &str, arguments: &[&str]) -> Invocation {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(workspace::root()).stdin(Stdio::null());
        let mut line = shown.to_owned();
        for argument in arguments {
            line.push(' ');
            let is_plain = !argument.is_empty() && !argument.contains(' ');
            line.push_str(&if is_plain { (*argument).to_owned() } else { format!("'{argument}'") });
        }
        Invocation { command, line }
    }

    /// With a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Invocation {
        self.command.env(name, value);
        self.line = format!("{name}='{value}' {}", self.line);
        self
    }

    /// Without any variable of this process's environment.
    pub(crate) fn without_environment(mut self) -> Invocation {
        self.command.env_clear();
        self
    }

    /// Shows the command line and runs it on the terminal.
    ///
    /// # Errors
    /// If it cannot be started or does not exit with 0.
    pub(crate) fn run(mut self) -> Result<Outcome> {
        println!("$ {}", self.line);
        let status = self.command.status().with_context(|| format!("cannot run: {}", self.line))?;
        if !status.success() {
            bail!("{status}: {}", self.line);
        }
        Ok(Outcome::Passed)
    }

    /// Runs it without showing anything.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn output(&mut self) -> Result<Output> {
        self.command.output().with_context(|| format!("cannot run: {}", self.line))
    }

    /// What it writes to standard output.
    ///
    /// # Errors
    /// If it cannot be started or does not exit with 0; then with all it wrote to standard error.
    pub(crate) fn stdout(mut self) -> Result<String> {
        let output = self.output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {}\n{}", output.status, self.line, words.trim_end());
        }
        String::from_utf8(output.stdout).with_context(|| format!("not UTF-8: {}", self.line))
    }

    /// Shows the command line, runs it on the terminal, and returns whether it exits with 0.
    pub(crate) fn succeeds_on_terminal(mut self) -> bool {
        println!("$ {}", self.line);
        self.command.status().is_ok_and(|status| status.success())
    }

    /// Whether it can be started and exits with 0.
    pub(crate) fn succeeds(mut self) -> bool {
        self.output().is_ok_and(|output| output.status.success())
    }
}
