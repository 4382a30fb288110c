//! Arguments of the commands that read event logs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use z6_analysis::analyze::{By, Percentile, SLOWEST_MAX};
use z6_analysis::diff::ComparedLatency;
use z6_metrics::report::openmetrics::{EDGE_NS_MAX, EDGES_MAX, Edges};
use z6_scenario::NS_PER_SECOND;

use super::{CiArgs, SummaryFormat, duration_ns};
use crate::exit::UsageError;

/// `z6 replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Event log or results directory; a `.partial` log is used if there is no complete one.
    #[arg(value_name = "LOG")]
    pub(crate) log: PathBuf,
    /// Accept a truncated log if the part that is left is identical.
    #[arg(long)]
    pub(crate) recovered: bool,
    /// Do not replay; recompute and print metrics.json.
    #[arg(long)]
    pub(crate) metrics_only: bool,
    /// Also check the log with checks that do not use the engine.
    #[arg(long)]
    pub(crate) verify: bool,
}

/// The logs of one run.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Event log or results directory; a `.partial` log is used if there is no complete one. Several are
    /// those of all shards of one run, and so is a directory that has their directories in it.
    #[arg(value_name = "LOG", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) partial: PartialArgs,
}

/// Whether shards may be missing.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PartialArgs {
    /// Read the shards that are there, also if others are missing or truncated; every report says so.
    #[arg(long)]
    pub(crate) partial: bool,
}

/// `z6 merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    pub(crate) logs: LogsArgs,
    /// Results directory; must be empty or not exist yet [default: results/merged_<UTC time>].
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Do not print the summary.
    #[arg(long)]
    pub(crate) no_summary: bool,
    /// How the summary is written.
    #[arg(long, value_enum, default_value_t = SummaryFormat::Text, value_name = "FORMAT")]
    pub(crate) summary_format: SummaryFormat,
    /// Print metrics.json instead of the summary.
    #[arg(long, conflicts_with = "no_summary")]
    pub(crate) json: bool,
    /// Print only errors to standard error.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) ci: CiArgs,
}

/// Options that select requests.
#[derive(Debug, Args)]
pub(crate) struct SelectionArgs {
    /// Select requests that match, such as 'status >= 500 && response_ms > 100'.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Select requests planned at this time or later, such as 30 (seconds after the start), 30s,
    /// 500ms, 1.5m or 1h30m.
    #[arg(long, value_name = "TIME", value_parser = duration_ns)]
    pub(crate) from: Option<u64>,
    /// Select requests planned before this time.
    #[arg(long, value_name = "TIME", value_parser = duration_ns)]
    pub(crate) to: Option<u64>,
}

/// `z6 analyze`.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    #[command(flatten)]
    pub(crate) logs: LogsArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Print a table of these percentiles, such as 50,90,99.99.
    #[arg(long, value_name = "LIST", value_parser = percentiles)]
    pub(crate) percentiles: Option<PercentileList>,
    /// Print a table with one row per name, target, status, worker or shard.
    #[arg(long, value_enum)]
    pub(crate) by: Option<ByArg>,
    /// Print the N slowest requests with all their details.
    #[arg(long, value_name = "N", value_parser = slowest)]
    pub(crate) slowest: Option<usize>,
    /// Print one line per request instead of the reports.
    #[arg(long, conflicts_with_all = ["percentiles", "by", "slowest"])]
    pub(crate) requests: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = AnalyzeFormat::Summary)]
    pub(crate) format: AnalyzeFormat,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    /// Also check whether a run of the log's scenario and seed could have written it.
    #[arg(long)]
    pub(crate) verify: bool,
}

/// How texts are written to CSV.
#[derive(Debug, Args)]
pub(crate) struct CsvArgs {
    /// With `--format csv`, write names as they are: without escapes, and without the apostrophe that
    /// keeps spreadsheets from taking them for formulas.
    #[arg(long)]
    pub(crate) csv_raw: bool,
}

/// A comma-separated list of percentiles, as [`Percentile::list`] parses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PercentileList(pub(crate) Vec<Percentile>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ByArg {
    Name,
    Target,
    Status,
    Worker,
    Shard,
}

impl From<ByArg> for By {
    fn from(arg: ByArg) -> By {
        match arg {
            ByArg::Name => By::Name,
            ByArg::Target => By::Target,
            ByArg::Status => By::Status,
            ByArg::Worker => By::Worker,
            ByArg::Shard => By::Shard,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnalyzeFormat {
    Summary,
    Json,
    Csv,
}

/// `z6 report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Event log or results directory, or those of all shards of a run; of each run of the first side if the
    /// second follows `--`.
    #[arg(value_name = "LOG", required = true)]
    pub(crate) a: Vec<PathBuf>,
    /// Event logs or results directories that the others are compared with.
    #[arg(value_name = "LOG", last = true)]
    pub(crate) b: Vec<PathBuf>,
    /// The file to write; it must not exist. `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) partial: PartialArgs,
}

/// `z6 diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Event log or results directory of A and of B, or of each run of A if B follows `--`. Logs of the shards
    /// of one run count as one run.
    #[arg(value_name = "A", required = true)]
    pub(crate) a: Vec<PathBuf>,
    /// Event logs or results directories of B.
    #[arg(value_name = "B", last = true)]
    pub(crate) b: Vec<PathBuf>,
    /// Mark only changes larger than this.
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = threshold)]
    pub(crate) threshold: f64,
    /// Latency to compare: response time (done - planned) or service time (done - sent).
    #[arg(long, value_enum, default_value_t = LatencyArg::Response)]
    pub(crate) latency: LatencyArg,
    /// Compare only requests that match, such as 'name == "a"'.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Compare the requests of each name on their own.
    #[arg(long, value_enum)]
    pub(crate) by: Option<DiffByArg>,
    /// Exit code if the runs are too few or too noisy to tell: 0 (pass), 1 (fail) or its own, 5
    /// (code).
    #[arg(long, value_enum, default_value_t = InconclusiveArg::Code)]
    pub(crate) inconclusive: InconclusiveArg,
    /// Output format.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub(crate) format: DiffFormat,
    #[command(flatten)]
    pub(crate) partial: PartialArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffByArg {
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InconclusiveArg {
    Pass,
    Fail,
    Code,
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
    Markdown,
}

/// `z6 export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) logs: LogsArgs,
    /// Requests (csv), events (ndjson), an HdrHistogram interval log (hdr), the figures over time (openmetrics), or
    /// requests for programs (parquet).
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub(crate) format: ExportFormat,
    #[command(flatten)]
    pub(crate) edges: EdgesArg,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
}

/// Edges of histograms for Prometheus.
#[derive(Debug, Args)]
pub(crate) struct EdgesArg {
    /// Edges of histograms, such as 1ms,5ms,25ms,1s: each is moved up to the end of a bucket, by an eighth at
    /// most.
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = duration_ns)]
    edges: Vec<u64>,
}

impl EdgesArg {
    /// Whether they are given.
    pub(crate) fn is_given(&self) -> bool {
        !self.edges.is_empty()
    }

    /// What they say.
    pub(crate) fn resolve(&self) -> Result<Edges, UsageError> {
        if self.edges.len() > EDGES_MAX {
            let count = self.edges.len();
            return Err(UsageError(format!("`--edges` has {count} edges, more than {EDGES_MAX}")));
        }
        if let Some(edge) = self.edges.iter().find(|edge| **edge > EDGE_NS_MAX) {
            let text = format!(
                "an edge of `--edges` is {} s; the largest is {} s",
                edge / NS_PER_SECOND,
                EDGE_NS_MAX / NS_PER_SECOND
            );
            return Err(UsageError(text));
        }
        Ok(match self.is_given() {
            true => Edges::new(self.edges.iter().copied()),
            false => Edges::default(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Csv,
    Ndjson,
    Hdr,
    #[value(name = "openmetrics")]
    OpenMetrics,
    Parquet,
}

fn percentiles(text: &str) -> Result<PercentileList, String> {
    Percentile::list(text).map(PercentileList).map_err(|error| error.to_string())
}

fn slowest(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=SLOWEST_MAX).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {SLOWEST_MAX}"))
}

fn threshold(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|percent| (0.0..=1e6).contains(percent));
    number.ok_or_else(|| "expected a percentage from 0 to 1,000,000".to_owned())
}
