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
    panics::catch_panics(|| match Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli),
        Err(error) => {
            console::arguments(&error);
            if error.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    })
    .into()
}
