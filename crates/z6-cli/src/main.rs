//! The `z6` binary: arguments in, exit code out.
//!
//! Reading order: [`args`] (the arguments as typed), [`bench_args`] and [`one_liner`] (a run without a scenario
//! file), [`commands`] (one module per command),
//! [`output`] (what a run prints), [`exit`] (exit codes), [`console`] (standard output and error),
//! [`log_args`] (event logs as arguments), [`new_file`], [`ci`] (what a build server is told), [`progress`],
//! [`watch`] (a run seen through its log), [`signals`], [`words`] (of other tools), [`panics`].

mod args;
mod bench_args;
mod ci;
mod commands;
mod console;
mod exit;
mod log_args;
mod new_file;
mod one_liner;
mod output;
mod panics;
mod progress;
mod shard;
mod signals;
mod watch;
mod words;

use std::process::ExitCode;

use crate::exit::Exit;

fn main() -> ExitCode {
    signals::survive_large_files();
    panics::catch_panics(|| match words::parse(std::env::args_os()) {
        Ok(cli) => commands::dispatch(cli),
        Err(error) => match console::arguments(&error) {
            Ok(()) if error.use_stderr() => Exit::Usage,
            Ok(()) => Exit::Success,
            Err(error) => commands::failed(&error.into()),
        },
    })
    .into()
}
