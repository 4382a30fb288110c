//! The arguments as typed. What they come to is for each command to resolve.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use z6::z6_analysis::analyze::{By, Percentile, SLOWEST_MAX};
use z6::z6_analysis::diff::ComparedLatency;
use z6::z6_scenario::simulation::{self, FaultKind};
use z6::z6_scenario::{load::limits::MAX_WORKERS, parse_seconds};

/// A deterministic, event-driven, auditable HTTP load tester.
#[derive(Debug, Parser)]
#[command(name = "z6", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// No colours, wherever the output goes.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario for real and report on it.
    Run(RunArgs),
    /// Run a scenario on a simulated network and server: no traffic, virtual time, the same log for
    /// the same seed.
    Simulate(Box<SimulateArgs>),
    /// Check a scenario and say what would run.
    Validate(ScenarioArg),
    /// Print the workload that a scenario and a seed fix.
    Plan(PlanArgs),
    /// Prove from its event log that a run decided as its inputs led it to.
    Replay(ReplayArgs),
    /// Make the reports of a run again from its event log, of all requests or of some.
    Analyze(AnalyzeArgs),
    /// Compare runs: what changed, how sure that is, whether it is a regression.
    Diff(DiffArgs),
    /// Write an event log in a format of others to standard output.
    Export(ExportArgs),
    /// Serve the built-in target.
    Serve(ServeArgs),
    /// Print a completion script for a shell.
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print version, log format and build.
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct ScenarioArg {
    /// A scenario file; `-` reads standard input.
    #[arg(value_name = "SCENARIO")]
    pub(crate) path: PathBuf,
}

/// What is changed in a scenario.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Seed of everything that is drawn, instead of the scenario's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Duration of the run, instead of the scenario's: 30, 30s, 500ms, 1.5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = duration_ns)]
    pub(crate) duration: Option<u64>,
    /// Virtual users, instead of the scenario's.
    #[arg(long, value_name = "N")]
    pub(crate) vus: Option<u32>,
    /// Event loops, instead of the scenario's: a number, or `auto` for one per core.
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<u16>,
    /// Base URL of the target, instead of the scenario's.
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
}

/// What is printed.
#[derive(Debug, Args)]
pub(crate) struct PrintArgs {
    /// Print no summary.
    #[arg(long)]
    pub(crate) no_summary: bool,
    /// Print metrics.json instead of the summary.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print the time series instead of the summary.
    #[arg(long)]
    pub(crate) csv: bool,
    /// Say nothing on standard error but what went wrong.
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more about what is run.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// `z6 run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArg,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Results directory, absent or empty [default: results/run_<UTC time>].
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Spin for the last tens of microseconds before planned instants; `auto` where cores are free.
    #[arg(long, value_enum, default_value_t = SpinArg::Auto)]
    pub(crate) spin: SpinArg,
    /// Show progress every second, even where there is no terminal.
    #[arg(long, conflicts_with_all = ["no_live", "quiet"])]
    pub(crate) live: bool,
    /// Show no progress.
    #[arg(long)]
    pub(crate) no_live: bool,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `z6 simulate`.
#[derive(Debug, Args)]
#[command(after_help = simulate_help())]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArg,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// One way, for each burst of bytes: 2ms, uniform:1ms..5ms, exponential:2ms, and so on.
    #[arg(long, value_name = "DELAY")]
    pub(crate) latency: Option<String>,
    /// How long the server works on a request: a delay, such as exponential:2ms.
    #[arg(long, value_name = "DELAY")]
    pub(crate) service: Option<String>,
    /// Requests in service at once, the others queue: a number, or `none` for all.
    #[arg(long, value_name = "N")]
    pub(crate) servers: Option<String>,
    /// A fault and how often it befalls: reset_in_body=0.01. As often as wanted; see below.
    #[arg(long, value_name = "KIND=SHARE", value_parser = pair)]
    pub(crate) fault: Vec<(String, String)>,
    /// Any key of `[simulation]`: body_bytes=0..4096. As often as wanted; see below.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Simulate with this many seeds, one after another, and print a line for each; writes nothing
    /// without `--output`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) runs: Option<u64>,
    /// Check the run too: against the server's own account, and whether its log can be one.
    #[arg(long)]
    pub(crate) verify: bool,
    /// Results directory, absent or empty [default: results/sim_<UTC time>]; with `--runs` one in it
    /// for each seed.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// The words that `--fault` and `--set` take.
fn simulate_help() -> String {
    let faults: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    format!(
        "Faults: {}.\n\nKeys of --set: {}.\n\nA delay is 2ms (or constant:2ms), uniform:1ms..5ms, \
         exponential:2ms (mean), log_normal:2ms,0.5 (median, sigma) or bimodal:1ms,50ms,0.01 (usual, \
         tail, share of the tail).",
        faults.join(", "),
        simulation::SETTINGS.join(", ")
    )
}

/// `z6 plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArg,
    /// Seed of everything that is drawn, instead of the scenario's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Actors to print.
    #[arg(long, value_name = "A", default_value_t = 10)]
    pub(crate) actors: u64,
    /// Steps to print of each.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: u64,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpinArg {
    Auto,
    On,
    Off,
}

impl From<SpinArg> for z6::Spin {
    fn from(arg: SpinArg) -> z6::Spin {
        match arg {
            SpinArg::Auto => z6::Spin::Auto,
            SpinArg::On => z6::Spin::On,
            SpinArg::Off => z6::Spin::Off,
        }
    }
}

/// `z6 replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// An event log, or a results directory; without a complete log the `.partial` one is taken.
    #[arg(value_name = "LOG")]
    pub(crate) log: PathBuf,
    /// Accept a log that breaks off: what is there has to be identical.
    #[arg(long)]
    pub(crate) recovered: bool,
    /// Replay nothing: fold the log once more and print metrics.json.
    #[arg(long)]
    pub(crate) metrics_only: bool,
    /// Check the log too, without the engine: a second opinion.
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogArg {
    /// An event log, or a results directory; without a complete log the `.partial` one is taken.
    #[arg(value_name = "LOG")]
    pub(crate) path: PathBuf,
}

/// Which requests count.
#[derive(Debug, Args)]
pub(crate) struct SelectionArgs {
    /// Only requests that pass, such as 'status >= 500 && response_ms > 100'.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Only requests planned this long after the start or later: 30, 30s, 500ms, 1.5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = duration_ns)]
    pub(crate) from: Option<u64>,
    /// Only requests planned earlier than this after the start.
    #[arg(long, value_name = "TIME", value_parser = duration_ns)]
    pub(crate) to: Option<u64>,
}

/// `z6 analyze`.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// A table of these percentiles: 50,90,99.99.
    #[arg(long, value_name = "LIST", value_parser = percentiles)]
    pub(crate) percentiles: Option<PercentileList>,
    /// A table with a row for each name, target, status or worker.
    #[arg(long, value_enum)]
    pub(crate) by: Option<ByArg>,
    /// The slowest requests, with all that is known of them.
    #[arg(long, value_name = "N", value_parser = slowest)]
    pub(crate) slowest: Option<usize>,
    /// One line per request instead of the reports.
    #[arg(long, conflicts_with_all = ["percentiles", "by", "slowest"])]
    pub(crate) requests: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = AnalyzeFormat::Summary)]
    pub(crate) format: AnalyzeFormat,
    /// Check the log too: whether a run of its scenario and seed can have written it.
    #[arg(long)]
    pub(crate) verify: bool,
}

/// As [`Percentile::list`] reads it: one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PercentileList(pub(crate) Vec<Percentile>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ByArg {
    Name,
    Target,
    Status,
    Worker,
}

impl From<ByArg> for By {
    fn from(arg: ByArg) -> By {
        match arg {
            ByArg::Name => By::Name,
            ByArg::Target => By::Target,
            ByArg::Status => By::Status,
            ByArg::Worker => By::Worker,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnalyzeFormat {
    Summary,
    Json,
    Csv,
}

/// `z6 diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Event logs or results directories: A and B; with several per side those of A.
    #[arg(value_name = "A", required = true)]
    pub(crate) a: Vec<PathBuf>,
    /// Those of B, behind `--`.
    #[arg(value_name = "B", last = true)]
    pub(crate) b: Vec<PathBuf>,
    /// A change must exceed this to be marked, percent.
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = threshold)]
    pub(crate) threshold: f64,
    /// Which latency: done - planned, or done - sent.
    #[arg(long, value_enum, default_value_t = LatencyArg::Response)]
    pub(crate) latency: LatencyArg,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub(crate) format: DiffFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LatencyArg {
    Response,
    Service,
}

impl From<LatencyArg> for ComparedLatency {
    fn from(arg: LatencyArg) -> ComparedLatency {
        match arg {
            LatencyArg::Response => ComparedLatency::Response,
            LatencyArg::Service => ComparedLatency::Service,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    Text,
    Json,
}

/// `z6 export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// Requests, events, or an HdrHistogram interval log.
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub(crate) format: ExportFormat,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Csv,
    Ndjson,
    Hdr,
}

/// `z6 serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Event-loop threads.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Seed of delays, failures and resets.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Connections open at once; lowered to what the descriptor limit allows.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) max_connections: usize,
}

/// A length of time, exact: seconds unless it ends in ms, s, m or h. Nanoseconds.
fn duration_ns(text: &str) -> Result<u64, String> {
    let units = [("ms", 1, 1_000), ("s", 1, 1), ("m", 60, 1), ("h", 3_600, 1)];
    let unit = units.iter().find(|(suffix, ..)| text.ends_with(suffix));
    let (suffix, factor, divisor) = unit.copied().unwrap_or(("", 1, 1));
    let number = text.strip_suffix(suffix).unwrap_or(text).trim_end();
    let ns = parse_seconds(number).map_err(|error| error.to_string())?;
    let ns = ns.checked_mul(factor).ok_or_else(|| "too large".to_owned())?;
    if ns % divisor == 0 { Ok(ns / divisor) } else { Err("finer than a nanosecond".to_owned()) }
}

fn percentiles(text: &str) -> Result<PercentileList, String> {
    Percentile::list(text).map(PercentileList).map_err(|error| error.to_string())
}

fn slowest(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=SLOWEST_MAX).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {SLOWEST_MAX}"))
}

fn threshold(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|percent| (0.0..=1e6).contains(percent));
    number.ok_or_else(|| "a number of percent from 0 to 1,000,000".to_owned())
}

/// A name and a value.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// A number of event loops; 0 stands for `auto`.
fn workers(text: &str) -> Result<u16, String> {
    let allowed = || format!("`auto` or a number from 1 to {MAX_WORKERS}");
    match text {
        "auto" => Ok(0),
        _ => match text.parse::<u16>() {
            Ok(workers) if workers > 0 && u64::from(workers) <= MAX_WORKERS => Ok(workers),
            Ok(_) | Err(_) => Err(allowed()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CLI.md");
        let text = std::fs::read_to_string(path).unwrap();
        for command in Cli::command().get_subcommands() {
            let heading = format!("`z6 {}", command.get_name());
            assert!(text.contains(&heading), "{heading}");
            for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(text.contains(&format!("`--{option}")), "{heading} --{option}");
            }
        }
    }

    #[test]
    fn durations_are_exact() {
        for (text, ns) in [
            ("30", 30_000_000_000),
            ("30s", 30_000_000_000),
            ("1.5m", 90_000_000_000),
            ("1h", 3_600_000_000_000),
            ("500ms", 500_000_000),
            ("0.5", 500_000_000),
            ("2 s", 2_000_000_000),
        ] {
            assert_eq!(duration_ns(text), Ok(ns), "{text}");
        }
        for text in ["", "s", "-1", "1d", "1e400", "0.0000000001", "0.0000001ms", "99999999999h"] {
            assert!(duration_ns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn workers_are_a_number_or_auto() {
        assert_eq!(workers("auto"), Ok(0));
        assert_eq!(workers("1024"), Ok(1_024));
        for text in ["0", "1025", "-1", "many", ""] {
            assert!(workers(text).is_err(), "{text}");
        }
    }
}
