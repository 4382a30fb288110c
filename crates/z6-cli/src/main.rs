//! The `z6` binary: arguments in, exit code out.
//!
//! Reading order: [`args`] (the arguments as typed), [`commands`] (one module per command),
//! [`output`] (what a run prints), [`exit`] (exit codes), [`console`] (standard output and error),
//! [`log_args`] (event logs as arguments), [`progress`], [`signals`], [`panics`].

mod args;
mod commands;
mod console;
mod exit;
mod log_args;
mod output;
mod panics;
mod progress;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::Exit;

fn main() -> ExitCode {
    signals::survive_large_files();
    panics::catch_panics(|| match Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli),
        // If it cannot be printed to standard error, there is no other place to report it.
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            Exit::Usage
        }
        Err(help) => match help.print().map_err(console::stdout_failed) {
            Ok(()) => Exit::Success,
            Err(error) => commands::failed(&error.into()),
        },
    })
    .into()
}
