//! `cargo lab accuracy`: runs the release binary against servers whose behaviour is known, and prints the
//! error of each figure, row by row. docs/ACCURACY.md shows the table.
//!
//! Reading order: `rows` (what is measured), `bench` (how a run is carried out), `server` (who knows
//! the truth), `ledger` and `always` (every log against its figures), `doubts` (each doubt by its
//! cause), `others` (other tools), `check` (the table), `stats`, `process`.

mod always;
mod bench;
mod check;
mod doubts;
mod ledger;
mod others;
pub(crate) mod process;
mod rows;
pub(crate) mod server;
mod stats;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::built;
use bench::Bench;
use check::{Check, Outcome};
use rows::ROWS;

/// The command of the truth server, which runs in a process of its own.
pub(crate) const SERVER_COMMAND: &str = "accuracy-server";

/// The options of the command.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    full: bool,
    doubts: bool,
    rows: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options> {
        let mut options = Options::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--full" => options.full = true,
                "--doubts" => options.doubts = true,
                "--row" => {
                    let name = arguments.next().context("--row needs a name: A5")?.to_uppercase();
                    let is_known = ROWS.iter().any(|row| row.name == name);
                    if !is_known {
                        bail!("there is no row {name}");
                    }
                    options.rows.push(name);
                }
                other => bail!("unknown option `{other}`: --full, --doubts or --row NAME"),
            }
        }
        Ok(options)
    }
}

/// Measures and prints the table; returns whether every bound was met.
///
/// # Errors
/// A run could not be carried out.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let options = Options::parse(arguments)?;
    let z6 = built::z6()?;
    let folder = std::env::temp_dir().join(format!("z6-accuracy-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("{}", conditions());
    let bench = Bench::new(z6, folder.clone(), options.full);
    let checks = if options.doubts { doubts::run(&bench) } else { measure(&bench, &options) };
    std::fs::remove_dir_all(&folder)?;
    println!("\n{}", check::table(&checks));
    println!("{}", conditions());
    Ok(conclude(&checks))
}

fn measure(bench: &Bench, options: &Options) -> Vec<Check> {
    let mut checks = Vec::new();
    for row in ROWS {
        if !options.rows.is_empty() && !options.rows.iter().any(|name| name == row.name) {
            continue;
        }
        let began = Instant::now();
        println!("{} {} ..", row.name, row.about);
        let found = (row.run)(bench)
            .unwrap_or_else(|error| vec![Check::broken(row.name, row.about, &error)]);
        let failed = found.iter().filter(|check| check.outcome == Outcome::Fail).count();
        println!(
            "   {} figures, {failed} off, {:.1} s",
            found.len(),
            began.elapsed().as_secs_f64()
        );
        checks.extend(found);
    }
    checks.extend(bench.always.borrow().checks());
    checks
}

fn conclude(checks: &[Check]) -> bool {
    let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    let failed = count(Outcome::Fail);
    println!("{} met, {failed} missed, {} skipped", count(Outcome::Pass), count(Outcome::Skipped));
    for check in checks.iter().filter(|check| check.outcome == Outcome::Fail) {
        println!("  missed: {} {}", check.row, check.what);
    }
    failed == 0
}

/// The machine and its load, which a reader of the figures needs to know.
fn conditions() -> String {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |text| text.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load: Vec<String> = read("/proc/loadavg").split(' ').take(3).map(str::to_owned).collect();
    let name = built::root()
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    format!(
        "{name}: {model}, {cores} cores, Linux {}, load average {}",
        kernel.trim(),
        load.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        assert_eq!(parse("").unwrap(), Options::default());
        let options = parse("--full --row a5 --row A10").unwrap();
        assert!(options.full && !options.doubts);
        assert_eq!(options.rows, ["A5", "A10"]);
        for wrong in ["--row", "--row A99", "--quick", "A5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_have_names_of_their_own() {
        let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }
}
