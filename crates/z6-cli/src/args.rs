//! Command-line arguments as the user typed them. Each command resolves its own into options.
//!
//! `logs`: those of the commands that read event logs.

mod logs;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::watch::web::{Served, WebOptions};
use clap::{Args, Parser, Subcommand, ValueEnum};
use z6_scenario::simulation::{self, FaultKind};
use z6_scenario::{ArrivalStamps, HttpVersion, Workers, load::limits::MAX_WORKERS, parse_duration};

use crate::bench_args::{self, BenchArgs, Header};
use crate::commands::manifest::ManifestArgs;
use crate::shard::ShardArg;

pub(crate) use logs::{
    AnalyzeArgs, AnalyzeFormat, CsvArgs, DiffArgs, DiffByArg, DiffFormat, EdgesArg, ExportArgs,
    ExportFormat, InconclusiveArg, LogsArgs, MergeArgs, PartialArgs, ReplayArgs, ReportArgs,
    SelectionArgs,
};

/// A deterministic, event-driven, auditable HTTP load tester.
#[derive(Debug, Parser)]
#[command(name = "z6", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Do not use colors.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario against a real target and report the results.
    Run(Box<RunArgs>),
    /// Send requests to one URL and report the results, without a scenario file: `z6 URL`.
    Bench(Box<BenchArgs>),
    /// Run a scenario on a simulated network and server: no traffic, virtual time, same log for the
    /// same seed.
    Simulate(Box<SimulateArgs>),
    /// Send one iteration of one VU and show every request and response.
    Try(TryArgs),
    /// Send one request to a URL and show every frame or line of it, and what comes after it.
    Probe(ProbeArgs),
    /// Check a scenario and describe what would run.
    Validate(ValidateArgs),
    /// Print the workload that a scenario and a seed determine.
    Plan(PlanArgs),
    /// Print what a scheduler is given so that it starts the shards of a run.
    Manifest(ManifestArgs),
    /// Re-run an event log's recorded inputs and verify every decision in it.
    Replay(ReplayArgs),
    /// Recompute reports from an event log, for all requests or a selection.
    Analyze(AnalyzeArgs),
    /// Compare runs: what changed, with what confidence, and whether it is a regression.
    Diff(DiffArgs),
    /// Merge the shards of a run: judge its assertions and write its results.
    Merge(MergeArgs),
    /// Write the page of a run, or of a comparison of runs: one HTML file that loads nothing.
    Report(ReportArgs),
    /// Watch a run from its log while it runs, or later: on a full screen, or as a page for a browser.
    Watch(WatchArgs),
    /// Convert an event log to CSV, JSON lines or an HdrHistogram log on standard output.
    Export(ExportArgs),
    /// Run the built-in target server.
    Serve(ServeArgs),
    /// Print a shell completion script.
    Completion {
        /// The shell to generate the script for.
        shell: clap_complete::Shell,
    },
    /// Print the version, the event log format and build details.
    Version,
    /// Write shell completions, manual pages, the schema of metrics.json and a Grafana dashboard to a directory.
    #[command(hide = true)]
    DistFiles {
        /// The directory.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScenarioArg {
    /// Scenario file, or `-` for standard input.
    #[arg(value_name = "SCENARIO")]
    pub(crate) path: PathBuf,
}

/// Options that override keys of the scenario.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Seed of all random choices.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Duration of the run, such as 30 (seconds), 30s, 500ms, 1.5m or 1h30m.
    #[arg(long, value_name = "TIME", value_parser = duration_ns)]
    pub(crate) duration: Option<u64>,
    /// Number of virtual users of a constant schedule.
    #[arg(long, value_name = "N")]
    pub(crate) vus: Option<u32>,
    /// Number of event loops, or `auto` for one per core.
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<Workers>,
    /// Base URL of the target.
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) params: ParamArgs,
}

/// Which part of a run this process has.
#[derive(Debug, Args)]
pub(crate) struct ShardArgs {
    /// Run one of N shards of the run, from 0/N; `auto` takes the number from the scheduler, and `auto/N` says
    /// how many there are.
    #[arg(long, value_name = "I/N", value_parser = crate::shard::parse)]
    pub(crate) shard: Option<ShardArg>,
}

/// How targets are spoken to.
#[derive(Debug, Args)]
pub(crate) struct HttpArgs {
    /// Version of HTTP for all targets: http1.1, http2, http2-prior-knowledge or auto.
    #[arg(long, value_name = "VERSION", value_parser = http_version)]
    pub(crate) http_version: Option<HttpVersion>,
}

fn http_version(text: &str) -> Result<HttpVersion, String> {
    let words = || HttpVersion::ALL.map(HttpVersion::word).join(", ");
    HttpVersion::from_word(text).ok_or_else(|| format!("it is one of {}", words()))
}

/// What is recorded of responses.
#[derive(Debug, Args)]
pub(crate) struct StampArgs {
    /// Record when responses had arrived at this machine: auto (where the run has pauses), on or off.
    #[arg(long, value_name = "WHEN", value_parser = arrival_stamps)]
    pub(crate) arrival_stamps: Option<ArrivalStamps>,
}

fn arrival_stamps(text: &str) -> Result<ArrivalStamps, String> {
    let words = || ArrivalStamps::ALL.map(ArrivalStamps::word).join(", ");
    ArrivalStamps::from_word(text).ok_or_else(|| format!("it is one of {}", words()))
}

/// Values of `[parameters]`.
#[derive(Debug, Args)]
pub(crate) struct ParamArgs {
    /// Set a parameter of the scenario; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = param)]
    pub(crate) param: Vec<(String, String)>,
}

/// `z6 validate`.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArg,
    #[command(flatten)]
    pub(crate) params: ParamArgs,
    /// Tell a build server: annotations at the lines of the findings.
    #[arg(long, value_enum, value_name = "SERVER")]
    pub(crate) ci: Option<CiArg>,
}

/// What a build server is told.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CiArgs {
    /// Write a JUnit file: a case for each assertion, the generator and completeness. It must not
    /// exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Tell a build server: annotations at the lines of the scenario, and a step summary.
    #[arg(long, value_enum, value_name = "SERVER")]
    pub(crate) ci: Option<CiArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CiArg {
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    Text,
    Markdown,
}

/// Options that select what is printed.
#[derive(Debug, Args)]
pub(crate) struct PrintArgs {
    /// Do not print the summary.
    #[arg(long)]
    pub(crate) no_summary: bool,
    /// How the summary is written.
    #[arg(long, value_enum, default_value_t = SummaryFormat::Text, value_name = "FORMAT")]
    pub(crate) summary_format: SummaryFormat,
    /// Print metrics.json instead of the summary.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print the time series instead of the summary.
    #[arg(long)]
    pub(crate) csv: bool,
    /// Print only errors to standard error.
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print the scenario and the target's addresses before the run.
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
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) stamps: StampArgs,
    #[command(flatten)]
    pub(crate) part: ShardArgs,
    /// Begin at this instant of the wall clock, such as 2026-11-26T15:00:00Z: the same for all shards.
    #[arg(long, value_name = "TIME", value_parser = crate::shard::instant)]
    pub(crate) start_at: Option<SystemTime>,
    /// What to do if the run would begin more than 50 ms after that: not start, or start and say so.
    #[arg(long, value_enum, default_value_t = LateStartArg::Refuse)]
    pub(crate) late_start: LateStartArg,
    /// Where the shards wait for each other: a folder that all of them see, or tcp://HOST:PORT, where shard 0
    /// listens.
    #[arg(long, value_name = "WHERE", requires = "shard", value_parser = crate::shard::barrier)]
    pub(crate) barrier: Option<z6::Barrier>,
    /// How long they wait at most.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration_ns)]
    pub(crate) barrier_wait: u64,
    /// Results directory; must be empty or not exist yet [default: results/run_<UTC time>].
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Busy-wait for the last 60 µs before each planned instant; `auto` does so if cores are idle.
    #[arg(long, value_enum, default_value_t = SpinArg::Auto)]
    pub(crate) spin: SpinArg,
    /// How progress is shown: as a block of lines that is redrawn (the default on a terminal), as one line, or
    /// not at all. Without a value: a line every second, even if standard error is not a terminal.
    #[arg(long, value_name = "HOW", value_enum, num_args = 0..=1, require_equals = true,
        default_missing_value = "always", conflicts_with_all = ["no_live", "quiet"])]
    pub(crate) live: Option<LiveArg>,
    /// Do not show progress: `--live=off`.
    #[arg(long)]
    pub(crate) no_live: bool,
    #[command(flatten)]
    pub(crate) web: WebArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
    #[command(flatten)]
    pub(crate) ci: CiArgs,
}

/// What a run does that would begin late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LateStartArg {
    Refuse,
    Run,
}

/// How the progress of a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LiveArg {
    // Up to 12 lines, redrawn in place; plain lines where there is no terminal.
    Block,
    // One line, redrawn in place; plain lines where there is no terminal.
    Line,
    // Nothing.
    Off,
    // A line every second, whether there is a terminal or not.
    #[value(hide = true)]
    Always,
}

/// `z6 watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Results directory or event log of a run in progress, or of one that has ended; several are shards.
    #[arg(value_name = "LOG", required = true)]
    pub(crate) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) web: WebArgs,
    /// Serve the figures to Prometheus at this address, such as 127.0.0.1:9464, until they were read twice after
    /// the end of the run.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "web")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Also answer a Prometheus that asks for this host, and allow an address that other machines reach.
    #[arg(long, value_name = "HOST", requires = "metrics")]
    pub(crate) metrics_allow: Option<String>,
    #[command(flatten)]
    pub(crate) edges: EdgesArg,
}

/// Options of the page that is served.
#[derive(Debug, Args)]
pub(crate) struct WebArgs {
    /// Serve the report page at this address, refreshed every second, to browsers on this machine.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) web: Option<SocketAddr>,
    /// Also answer browsers that ask for this host, and allow an address that other machines reach.
    #[arg(long, value_name = "HOST", requires = "web")]
    pub(crate) web_allow: Option<String>,
}

impl WebArgs {
    /// What they ask for, if anything.
    pub(crate) fn resolve(self) -> Option<WebOptions> {
        let allowed = self.web_allow;
        self.web.map(|address| WebOptions { address, allowed, served: Served::Page })
    }
}

/// `z6 simulate`.
#[derive(Debug, Args)]
#[command(after_help = simulate_help())]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArg,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) part: ShardArgs,
    /// One-way network delay of each burst of bytes, such as 2ms or uniform:1ms..5ms; see below.
    #[arg(long, value_name = "DELAY")]
    pub(crate) latency: Option<String>,
    /// Time the server takes to serve a request, such as exponential:2ms; see below.
    #[arg(long, value_name = "DELAY")]
    pub(crate) service: Option<String>,
    /// Requests the server serves at once (further ones queue), or `none` for no limit.
    #[arg(long, value_name = "N")]
    pub(crate) servers: Option<String>,
    /// Inject a fault with this probability, such as reset_in_body=0.01; may be given several
    /// times; see below.
    #[arg(long, value_name = "KIND=SHARE", value_parser = pair)]
    pub(crate) fault: Vec<(String, String)>,
    /// Set a key of `[simulation]`, such as body_bytes=0..4096; may be given several times; see
    /// below.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Simulate N consecutive seeds and print one line for each; writes no files without
    /// `--output`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) runs: Option<u64>,
    /// Also check the run against the simulated server's records, and check its event log.
    #[arg(long)]
    pub(crate) verify: bool,
    /// Results directory; must be empty or not exist yet [default: results/sim_<UTC time>]. With
    /// `--runs`, the parent of one results directory per seed.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
    #[command(flatten)]
    pub(crate) ci: CiArgs,
}

/// `z6 try`.
#[derive(Debug, Args)]
pub(crate) struct TryArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArg,
    /// Seed of all random choices.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Base URL of the target.
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) params: ParamArgs,
    /// The population whose steps are taken [default: the first].
    #[arg(long, value_name = "NAME")]
    pub(crate) population: Option<String>,
    /// The VU or arrival, from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) vu: u64,
    /// Its iteration, from 0; the start of its sequence comes before it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) iteration: u64,
    /// Show each request as a line for curl, and no responses.
    #[arg(long)]
    pub(crate) curl: bool,
    /// Show whole bodies, not only their first 4 KiB.
    #[arg(long)]
    pub(crate) whole: bool,
    /// Show secrets, cookies and credentials too.
    #[arg(long)]
    pub(crate) show_secrets: bool,
}

/// `z6 probe`.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// What is requested, such as https://127.0.0.1:8443/hello.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Speak HTTP/2: at once over http:// (prior knowledge), or as TLS negotiates it.
    #[arg(long)]
    pub(crate) http2: bool,
    /// A header field; may be given several times.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = bench_args::header)]
    pub(crate) header: Vec<Header>,
    /// The method [default: GET, or POST with a body].
    #[arg(
        short, long, visible_short_alias = 'X', value_name = "METHOD",
        value_parser = bench_args::method
    )]
    pub(crate) method: Option<String>,
    /// The body.
    #[arg(long, visible_alias = "data", value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// How long the connection, and then the response, may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = bench_args::timeout)]
    pub(crate) timeout: u64,
    /// A PEM file of certificate authorities to trust instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca_bundle: Option<String>,
    /// Accept any certificate.
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// Show all content, not only its first 4 KiB.
    #[arg(long)]
    pub(crate) whole: bool,
    /// Show credentials and cookies too.
    #[arg(long)]
    pub(crate) show_secrets: bool,
}

impl TryArgs {
    /// What they change in the scenario.
    pub(crate) fn overrides(&self) -> z6::Overrides {
        let params = self.params.param.clone();
        let (seed, target) = (self.seed, self.target.clone());
        z6::Overrides { seed, target, params, ..z6::Overrides::default() }
    }
}

/// Lists the values that `--fault`, `--set` and delays accept.
fn simulate_help() -> String {
    let faults: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    format!(
        "Faults: {}.\n\nKeys of --set: {}.\n\nDelays: 2ms (or constant:2ms), uniform:1ms..5ms, \
         exponential:2ms (mean), log_normal:2ms,0.5 (median, sigma), bimodal:1ms,50ms,0.01 (usual \
         delay, tail delay, probability of the tail).",
        faults.join(", "),
        simulation::SETTINGS.join(", ")
    )
}

/// `z6 plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArg,
    /// Seed of all random choices.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) params: ParamArgs,
    /// Number of actors to print.
    #[arg(long, value_name = "A", default_value_t = 10)]
    pub(crate) actors: u64,
    /// Number of steps to print for each actor.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: u64,
    /// Output format.
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

/// `z6 serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 selects a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Speak TLS, with a certificate made for this run.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Write the certificate of its authority, for clients to trust, as PEM. It must not exist.
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) write_ca: Option<PathBuf>,
    /// Number of event-loop threads.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Seed of the random delays, failures and resets.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Maximum number of open connections; lowered if the file descriptor limit is too small.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) max_connections: usize,
}

fn duration_ns(text: &str) -> Result<u64, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Splits `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Parses `NAME=VALUE`; the value is taken as it is.
fn param(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Parses a number of event loops, or `auto`.
pub(crate) fn workers(text: &str) -> Result<Workers, String> {
    let allowed = || format!("expected `auto` or a number from 1 to {MAX_WORKERS}");
    match text {
        "auto" => Ok(Workers::Auto),
        _ => match text.parse::<u16>() {
            Ok(count) if count > 0 && u64::from(count) <= MAX_WORKERS => Ok(Workers::Fixed(count)),
            Ok(_) | Err(_) => Err(allowed()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
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
    fn workers_are_a_number_or_auto() {
        assert_eq!(workers("auto"), Ok(Workers::Auto));
        assert_eq!(workers("1024"), Ok(Workers::Fixed(1_024)));
        for text in ["0", "1025", "-1", "many", ""] {
            assert!(workers(text).is_err(), "{text}");
        }
    }
}
