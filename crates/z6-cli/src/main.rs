//! The `z6` binary: arguments in, exit code out. Everything else is in the modules.
//!
//! Reading order: [`args`] (what may be typed), [`commands`] (one module each), [`exit`] (codes),
//! [`console`] (what is said, and where), [`ledger`] (event logs as arguments), [`progress`],
//! [`signals`], [`panics`].

mod args;
mod commands;
mod console;
mod exit;
mod ledger;
mod panics;
mod progress;
mod signals;
mod telling;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::Exit;

fn main() -> ExitCode {
    panics::guarded(|| match Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli),
        Err(error) => {
            // Nobody reads what cannot be printed.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    })
    .into()
}
