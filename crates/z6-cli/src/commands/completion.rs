//! `z6 completion`: a shell completion script, generated from the argument definitions.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::console;
use crate::exit::Exit;

pub(super) fn completion(shell: Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "z6", &mut script);
    console::results(&String::from_utf8(script)?)?;
    Ok(Exit::Success)
}
