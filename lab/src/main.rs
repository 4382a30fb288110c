//! `cargo lab`: measurements of the product that take minutes and want an idle machine, and swarm runs
//! of the simulator. `cargo xtask COMMAND` runs the same commands.
//!
//! Owns the command line. Unlike `xtask`, which holds the checks, this crate is built from the product.
//! Reading order: this file, `built` (the programs that are measured), `options`, then one module per
//! command: `simtest`, `accuracy`, `bench`, `scale`, `soak`, `merge`, `diff_power`, `journeys`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod accuracy;
mod bench;
mod built;
mod diff_power;
mod journeys;
mod merge;
mod options;
mod scale;
mod simtest;
mod soak;
#[path = "../../crates/z6-analysis/tests/diff/world.rs"]
mod world;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// A command: its name, its options and purpose, and what runs it. The function returns whether all
/// that was measured is within its bounds.
type Command = (&'static str, &'static str, fn(&[String]) -> Result<bool>);

const COMMANDS: &[Command] = &[
    (
        "accuracy",
        "[--full] [--doubts] [--row NAME]: figures against known truth, error by error",
        accuracy::run,
    ),
    ("bench", "[OPTIONS]: what a request costs, beside other clients", bench::bench),
    (
        "diff-power",
        "[--comparisons N] [--real]: false alarms and findings of `z6 diff`",
        diff_power::run,
    ),
    (
        "journeys",
        "[--iterations N] [--workers W]: scenarios that log in and read, against two servers",
        journeys::journeys,
    ),
    ("merge", "[--shards N] [--millions M]: time and memory of `z6 merge`", merge::merge),
    ("scale", "[--seconds S]: memory of many connections and many virtual users", scale::scale),
    (
        "simtest",
        "[--seeds N] [--from S] [--jobs J] [--resume FILE] [--keep-going]: swarm runs",
        simtest::run,
    ),
    ("soak", "[--minutes M] [--connections C]: memory, log and sums of a long run", soak::soak),
];

fn main() -> ExitCode {
    match dispatch(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all that was measured is within its bounds.
fn dispatch(arguments: &[String]) -> Result<bool> {
    let Some((name, rest)) = arguments.split_first() else { bail!("no command\n\n{}", help()) };
    if ["help", "--help"].contains(&name.as_str()) {
        print!("{}", help());
        return Ok(true);
    }
    if name == accuracy::SERVER_COMMAND {
        return accuracy::server::serve(rest);
    }
    let Some((_, _, run)) = COMMANDS.iter().find(|(known, _, _)| known == name) else {
        bail!("unknown command `{name}`; `cargo lab --help` lists the commands");
    };
    // The simulator's figures do not depend on the profile; all others measure, or take long.
    if cfg!(debug_assertions) && name != "simtest" {
        bail!("`{name}` measures the release profile: run it as `cargo lab {name}`");
    }
    run(rest)
}

fn help() -> String {
    let mut text = String::from("Usage: cargo lab COMMAND [OPTIONS]\n\nCommands:\n");
    for (name, about, _) in COMMANDS {
        text.push_str(&format!("  {name:<11} {about}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn help_names_every_command() {
        for (name, _, _) in COMMANDS {
            assert!(help().contains(&format!("\n  {name} ")), "{name}");
        }
    }

    #[test]
    fn unknown_commands_and_the_wrong_profile_are_refused() {
        assert!(dispatch(&words("")).is_err());
        assert!(dispatch(&words("soka")).unwrap_err().to_string().contains("`soka`"));
        if cfg!(debug_assertions) {
            let error = dispatch(&words("soak --minutes 0")).unwrap_err().to_string();
            assert!(error.contains("`cargo lab soak`"), "{error}");
        }
    }
}
