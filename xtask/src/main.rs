//! `cargo xtask`: every check of the project as one command, and the only list of them.
//!
//! Owns the order of the checks and the command line. Each check is defined in its own module. The
//! checks that need no tool except cargo are also tests of this package. It imports no other package
//! of the workspace, so it builds in seconds and works while the product does not compile.
//! Reading order: this file, `runner` (runs steps and prints the summary), `command` (cargo as a
//! child), `workspace` (members and files), then one module per check: `layers`, `dependencies`,
//! `licences` with `spdx`, `package`, `sources`, `links`, `testing`, `fuzz`, `canaries`, `gates`; `lab` runs the commands of the package
//! `lab`, `dist` packs the program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod built;
mod canaries;
mod command;
mod dependencies;
mod dist;
mod fuzz;
mod gates;
mod lab;
mod layers;
mod licences;
mod lines;
mod links;
mod package;
mod runner;
mod sources;
mod spdx;
mod testing;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use command::cargo;
use runner::{Outcome, Step, conclude};

/// All checks, cheapest first.
const STEPS: &[Step] = &[
    Step { name: "fmt", about: "formatting", run: fmt },
    Step { name: "sources", about: "rules for files: headers, length, unsafe, bans", run: sources },
    Step { name: "links", about: "links and commands in the documentation", run: links },
    Step { name: "deps", about: "layers, and dependency sets of the pure crates", run: deps },
    Step { name: "licences", about: "licences, sources and duplicates (deny.toml)", run: licences },
    Step {
        name: "package",
        about: "every crate can be packaged, its licences with it",
        run: package::check,
    },
    Step { name: "clippy", about: "lints, warnings denied", run: clippy },
    Step { name: "doc", about: "API documentation, warnings denied", run: doc },
    Step {
        name: "test",
        about: "cargo test --workspace, and what it leaves behind",
        run: testing::test,
    },
    Step {
        name: "simtest",
        about: "swarm runs: a fixed set, or --seeds N [--from S] [--jobs J] [--resume FILE] [--keep-going]",
        run: lab::simtest,
    },
    Step { name: "planted-bugs", about: "the simulator's checkers find bugs", run: planted_bugs },
    Step { name: "bench-smoke", about: "each bench once, unmeasured", run: bench_smoke },
    Step { name: "gates", about: "instruction counts per layer", run: gates::check },
    Step { name: "fuzz-smoke", about: "each fuzz target for a few seconds", run: fuzz::smoke },
    Step {
        name: "canaries",
        about: "each fuzz target finds its planted bug",
        run: canaries::check,
    },
];

/// The long checks of `ci --full`, which need an idle machine and hours.
const FULL_STEPS: &[Step] = &[
    Step {
        name: "test-bare",
        about: "the tests with only Rust, a C compiler and coreutils on the PATH",
        run: testing::test_bare,
    },
    Step { name: "servers", about: "real servers at full counts, none skipped", run: servers },
    Step { name: "swarm", about: "100,000 seeds of the simulator", run: lab::swarm },
    Step { name: "shuffles", about: "shuffled rows of 100,000 seeds are uniform", run: shuffles },
    Step {
        name: "second-arch",
        about: "simulated runs are the same on aarch64",
        run: dist::second_architecture,
    },
    Step { name: "accuracy-full", about: "figures against known truth", run: lab::accuracy },
    Step { name: "bench-full", about: "what a request costs", run: lab::bench },
];

/// Commands that are not checks.
const OTHER_COMMANDS: &[(&str, &str)] = &[
    ("ci", "[--full]: all of the above in this order, with --full then the long ones"),
    (
        "dist",
        "the program as it is shipped, in target/dist: stripped, symbols aside, static, completions, manual",
    ),
    ("deps-update", "rewrites the dependency sets, to be reviewed as a diff"),
    (
        "fuzz",
        "--minutes M or --runs N [TARGET..]: fuzzes some targets, or all, for M minutes or N executions",
    ),
    ("gates-update", "rewrites the instruction counts, to be reviewed as a diff"),
    ("lines", "[--base REV]: lines of product code by crate, and the change since a revision"),
];

/// Commands of the package `lab`; `cargo lab --help` describes them.
const LAB_COMMANDS: &[&str] =
    &["accuracy", "bench", "diff-power", "journeys", "merge", "scale", "soak"];

fn main() -> ExitCode {
    match dispatch(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all went well.
fn dispatch(arguments: &[String]) -> Result<bool> {
    let (flags, names): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    if flags.contains(&"--help") || names.is_empty() || names == ["help"] {
        print!("{}", help());
        return Ok(!names.is_empty() || !flags.is_empty());
    }
    match names[0] {
        name if LAB_COMMANDS.contains(&name) => return Ok(lab::run(arguments)),
        "simtest" if arguments.len() > 1 => return Ok(lab::run(arguments)),
        "fuzz" => return fuzz::long(&arguments[1..]),
        "canaries" if arguments.len() > 1 => return canaries::some(&arguments[1..]),
        "gates-update" => return gates::update().map(|()| true),
        "dist" => return dist::dist().map(|()| true),
        "lines" => return lines::lines(&arguments[1..]).map(|()| true),
        "deps-update" => return dependencies::update(&workspace::root()).map(|()| true),
        _ => {}
    }
    let (mut keep_going, mut full) = (false, false);
    for flag in flags {
        match flag {
            "--keep-going" => keep_going = true,
            "--full" if names == ["ci"] => full = true,
            _ => bail!("unknown option `{flag}`; `cargo xtask --help` lists the options"),
        }
    }
    let steps = match names.as_slice() {
        ["ci"] if full => STEPS.iter().chain(FULL_STEPS).collect(),
        ["ci"] => STEPS.iter().collect(),
        names => names.iter().map(|name| find_step(name)).collect::<Result<Vec<_>>>()?,
    };
    Ok(runner::run(&steps, keep_going))
}

fn find_step(name: &str) -> Result<&'static Step> {
    let mut all = STEPS.iter().chain(FULL_STEPS);
    all.find(|step| step.name == name)
        .with_context(|| format!("unknown step `{name}`; `cargo xtask --help` lists the steps"))
}

fn help() -> String {
    let mut text = String::from(
        "Usage: cargo xtask ci [--full] [--keep-going]\n       \
         cargo xtask STEP.. [--keep-going]\n\nSteps:\n",
    );
    for Step { name, about, .. } in STEPS {
        text.push_str(&format!("  {name:<13} {about}\n"));
    }
    text.push_str("\nLong steps of `ci --full`:\n");
    for Step { name, about, .. } in FULL_STEPS {
        text.push_str(&format!("  {name:<13} {about}\n"));
    }
    text.push_str("\nCommands:\n");
    for (name, about) in OTHER_COMMANDS {
        text.push_str(&format!("  {name:<13} {about}\n"));
    }
    let lab = LAB_COMMANDS.join(", ");
    text.push_str(&format!("\nMeasurements (`cargo lab --help`): {lab}\n"));
    text.push_str(
        "\nOptions:\n  --keep-going  run the remaining steps after a failure\n\n\
         Environment:\n  \
         Z6_REQUIRE_SERVERS  tests against real servers fail where a server is missing\n  \
         Z6_REQUIRE_CHROMIUM the browser test fails where chromium, node or its packages are missing\n  \
         Z6_REQUIRE_FUZZ     fuzz-smoke fails where cargo-fuzz or nightly is missing\n  \
         Z6_REQUIRE_GATES    gates fails where valgrind is missing or the compiler is another\n",
    );
    text
}

fn fmt() -> Result<Outcome> {
    cargo(&["fmt", "--all", "--check"]).run()?;
    cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]).run()
}

fn sources() -> Result<Outcome> {
    let root = workspace::root();
    for note in sources::notes(&root)? {
        println!("  note: {note}");
    }
    conclude(&sources::check(&root)?)
}

fn links() -> Result<Outcome> {
    conclude(&links::check(&workspace::root(), &command_names())?)
}

fn command_names() -> Vec<&'static str> {
    let others = OTHER_COMMANDS.iter().map(|(name, _)| *name);
    let steps = STEPS.iter().chain(FULL_STEPS).map(|step| step.name);
    steps.chain(others).chain(LAB_COMMANDS.iter().copied()).collect()
}

fn deps() -> Result<Outcome> {
    let root = workspace::root();
    let mut findings = layers::check(&workspace::members(&root)?);
    findings.extend(dependencies::check(&root)?);
    conclude(&findings)
}

fn licences() -> Result<Outcome> {
    conclude(&licences::check(&workspace::root())?)
}

fn clippy() -> Result<Outcome> {
    let warnings = ["--", "-D", "warnings"];
    let all = ["clippy", "--workspace", "--all-targets", "--all-features"];
    cargo(&[&all[..], &warnings].concat()).run()?;
    let pure = ["clippy", "-p", "z6-vu", "--all-targets", "--no-default-features"];
    cargo(&[&pure[..], &warnings].concat()).run()?;
    // The facade compiles with each of its features alone.
    for features in ["", "run", "simulate"] {
        let facade = ["clippy", "-p", "z6", "--lib", "--no-default-features", "--features"];
        cargo(&[&facade[..], &[features], &warnings].concat()).run()?;
    }
    Ok(Outcome::Passed)
}

fn doc() -> Result<Outcome> {
    cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").run()
}

fn servers() -> Result<Outcome> {
    let servers = cargo(&["test", "-p", "z6-cli", "--test", "servers"]);
    servers.env("Z6_REQUIRE_SERVERS", "1").env("Z6_SERVER_REQUESTS", "50000").run()
}

fn shuffles() -> Result<Outcome> {
    let name = "shuffles_of_100_000_seeds_are_uniform";
    cargo(&["test", "--release", "-p", "z6-scenario", "--lib", "--", "--ignored", name]).run()
}

fn planted_bugs() -> Result<Outcome> {
    cargo(&[
        "test",
        "-p",
        "z6-sim",
        "--features",
        "planted-bugs",
        "--test",
        "planted",
        "--",
        "--nocapture",
    ])
    .run()
}

fn bench_smoke() -> Result<Outcome> {
    // Without `--bench`, criterion runs each benchmark once, in the profile of the tests.
    cargo(&["test", "-p", "z6-benches", "--benches"]).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn help_names_every_step() {
        let text = help();
        for step in STEPS.iter().chain(FULL_STEPS) {
            assert!(text.contains(&format!("\n  {} ", step.name)), "{}", step.name);
        }
    }

    #[test]
    fn no_two_commands_share_a_name() {
        let mut names = command_names();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn unknown_steps_and_options_are_refused() {
        assert!(dispatch(&words("tset")).unwrap_err().to_string().contains("`tset`"));
        assert!(dispatch(&words("fmt --hurry")).unwrap_err().to_string().contains("`--hurry`"));
        assert!(dispatch(&words("fmt --full")).unwrap_err().to_string().contains("`--full`"));
        assert!(dispatch(&words("fuzz --minutes soon")).is_err());
    }

    #[test]
    fn the_documentation_holds_together() {
        let findings = links::check(&workspace::root(), &command_names()).unwrap();
        assert_eq!(findings, Vec::<String>::new());
    }
}
