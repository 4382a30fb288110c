//! `z6 dist-files`: what belongs beside the program in a package, made from the program itself.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{CommandFactory, ValueEnum};
use clap_complete::{Shell, generate_to};
use z6_events::printable;
use z6_metrics::report::openmetrics::grafana_dashboard;
use z6_metrics::schema::metrics_schema;

use crate::args::Cli;
use crate::console;
use crate::exit::Exit;

/// Writes `completions`, `man`, the schema of metrics.json and a dashboard for Grafana to a directory. Files of an earlier call are
/// replaced.
pub(super) fn dist_files(directory: &Path) -> anyhow::Result<Exit> {
    let failed = || format!("cannot write to {}", printable(&directory.display().to_string()));
    write(directory).with_context(failed)?;
    console::plain(&format!("written  {}", directory.display()));
    Ok(Exit::Success)
}

fn write(directory: &Path) -> std::io::Result<()> {
    let (completions, pages) = (directory.join("completions"), directory.join("man"));
    fs::create_dir_all(&completions)?;
    fs::create_dir_all(&pages)?;
    for shell in Shell::value_variants() {
        generate_to(*shell, &mut Cli::command(), "z6", &completions)?;
    }
    clap_mangen::generate_to(Cli::command(), &pages)?;
    fs::write(directory.join("grafana.json"), grafana_dashboard())?;
    fs::write(directory.join("metrics.schema.json"), metrics_schema())
}
