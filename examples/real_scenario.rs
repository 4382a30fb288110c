//! A scenario file, run for real, its results kept in a directory.
//!
//! `cargo run --release -p z6 --example real_scenario -- SCENARIO [DIRECTORY]`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use z6::{Finished, Run};

/// Runs the file and keeps log and reports in `directory`, which must be empty or absent.
pub(crate) fn run(scenario: &Path, directory: &Path) -> Result<Finished, z6::Error> {
    let running = Run::from_file(scenario)?.results(directory).start()?;
    running.wait_with(Duration::from_secs(1), |live| {
        println!("{} planned, {} answered, {} failed", live.planned, live.succeeded, live.failed);
    })
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<(), z6::Error> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let scenario = arguments.next().unwrap_or_else(|| "examples/quickstart.toml".into());
    let directory = arguments.next().unwrap_or_else(|| "results/real_scenario".into());
    let finished = run(&scenario, &directory)?;
    println!("{}", z6::summary_text(&finished.metrics, &z6::Style::plain()));
    if let Some(digest) = finished.digest {
        println!("receipt {digest}");
    }
    Ok(())
}
