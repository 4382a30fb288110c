//! What a person sees of a run in progress: lines of text for a number of columns and rows. Pure: figures in,
//! lines out. Knows no terminal and no clock.
//!
//! Texts of scenarios, servers and logs are made printable here. Lines are cut between figures, never in one.

use z6_events::printable;
use z6_metrics::grid::{GridColumn, GridHistogram};
use z6_metrics::report::fit::{shorten, width, wrap};
use z6_metrics::report::table::Table;
use z6_metrics::report::units::{count, duration, percent, rate};
use z6_metrics::{Doubt, GroupFigures, LatencyStats, Metrics, Style};
use z6_scenario::Quantile;

/// Seconds that the sparkline goes back at most.
const SPARK_SECONDS: usize = 60;
/// Rows of the block at the end of a scrolling terminal.
pub(crate) const BLOCK_ROWS: usize = 12;
/// Columns of the bar of progress.
const BAR_COLUMNS: usize = 20;
/// Columns of a name at least, and a third of the terminal at most.
const NAME_COLUMNS: usize = 12;
/// Stands for a figure without observations.
const NONE: &str = "-";

/// What is shown below the overview of a full screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Requests,
    Errors,
    Generator,
    Help,
}

/// Which latency is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Latency {
    /// From the planned instant.
    Response,
    /// From the send.
    Service,
}

/// How the log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// The run goes on; the screen does not.
    Frozen,
    /// Nothing has been written to the log for this many seconds.
    Silent(u64),
    Ended,
}

/// A run at an instant, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) metrics: &'a Metrics,
    /// Length of the run, if it is known before its end.
    pub(crate) length_seconds: Option<u64>,
    /// A shard whose log has not been written for so many seconds, while others are written.
    pub(crate) silent_shard: Option<(u16, u64)>,
    pub(crate) state: State,
    pub(crate) page: Page,
    pub(crate) latency: Latency,
    /// Length of the part of the run that quantiles are of.
    pub(crate) window_seconds: u64,
    /// Whether the terminal has more characters than ASCII.
    pub(crate) is_utf8: bool,
    pub(crate) style: Style,
}

/// How a line is coloured.
type Paint = fn(Style, &str) -> String;

/// The figures on at most this many lines of at most this many columns.
pub(crate) fn frame(view: &View<'_>, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = overview(view, columns);
    if rows > BLOCK_ROWS {
        lines.truncate(BLOCK_ROWS - 1);
        lines.push(plain(String::new()));
        lines.extend(page(view, columns));
        lines.truncate(rows - 1);
        lines.resize_with(rows - 1, || plain(String::new()));
        lines.push(keys(columns));
    }
    lines.truncate(rows);
    lines.into_iter().map(|(text, paint)| paint(view.style, &ascii(text, view))).collect()
}

fn plain(text: String) -> (String, Paint) {
    (text, |_, text| text.to_owned())
}

/// The characters that this crate adds, for terminals that have only ASCII.
fn ascii(text: String, view: &View<'_>) -> String {
    if view.is_utf8 {
        return text;
    }
    let replaced = |c: char| match c {
        'µ' => 'u',
        '…' => '~',
        '█' => '#',
        '░' => '.',
        '▁'..='▇' => "_.-:=+*".chars().nth(c as usize - '▁' as usize).unwrap_or('?'),
        c if c.is_ascii() => c,
        _ => '?',
    };
    text.chars().map(replaced).collect()
}

/// As many of the parts, from the first, as fit.
fn parts<const N: usize>(parts: [String; N], columns: usize) -> String {
    let mut line = String::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let gap = if line.is_empty() { 0 } else { 2 };
        if width(&line) + gap + width(&part) > columns {
            break;
        }
        line.push_str(&" ".repeat(gap));
        line.push_str(&part);
    }
    line
}

fn overview(view: &View<'_>, columns: usize) -> Vec<(String, Paint)> {
    let metrics = view.metrics;
    let mut lines: Vec<(String, Paint)> = vec![
        (title(view, columns), |style, text| style.strong(text)),
        plain(progress(view, columns)),
        plain(rates(view, columns)),
        plain(sparkline(view, columns)),
        plain(quantiles(view, columns)),
        plain(levels(view, columns)),
        failures(metrics, columns),
        plain(generator(view, columns)),
    ];
    if let Some((shard, seconds)) = view.silent_shard {
        let text = format!("nothing written by shard {shard} for {seconds} s");
        lines.push((shorten_end(&text, columns), |style, text| style.warn(text)));
    }
    for doubt in &metrics.generator.doubts {
        let paint: Paint = if doubt.degrades() {
            |style, text| style.warn(text)
        } else {
            |_, text| text.to_owned()
        };
        let word = if doubt.degrades() { "doubt" } else { "note" };
        lines.push((shorten_end(&format!("{word}: {doubt}"), columns), paint));
    }
    lines
}

/// Cut at a word.
fn shorten_end(text: &str, columns: usize) -> String {
    match wrap(text, columns).as_slice() {
        [line] => line.clone(),
        [_, ..] => format!("{}…", wrap(text, columns.saturating_sub(1).max(1))[0]),
        [] => String::new(),
    }
}

fn title(view: &View<'_>, columns: usize) -> String {
    let state = match view.state {
        State::Running => "running".to_owned(),
        State::Frozen => "frozen; space goes on".to_owned(),
        State::Silent(seconds) => format!("nothing written for {seconds} s"),
        State::Ended => match view.metrics.run.stopped_by {
            Some(by) => format!("ended: {}", by.name().replace('_', " ")),
            None => "ended: the log is truncated".to_owned(),
        },
    };
    let room = columns.saturating_sub(width(&state) + 2);
    parts([shorten(&printable(&view.metrics.run.name), room), state], columns)
}

fn progress(view: &View<'_>, columns: usize) -> String {
    let now = view.metrics.run.duration_seconds as u64;
    let Some(length) = view.length_seconds.filter(|length| *length > 0) else {
        return parts([format!("{now} s"), shards(view)], columns);
    };
    let done = now.min(length);
    let full = (done as usize).saturating_mul(BAR_COLUMNS) / (length as usize).max(1);
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR_COLUMNS - full));
    let left = match view.state {
        State::Ended => String::new(),
        State::Running | State::Frozen | State::Silent(_) => format!("{} s left", length - done),
    };
    parts([format!("{now} of {length} s"), left, bar, shards(view)], columns)
}

/// How many shards are watched, if the run has several.
fn shards(view: &View<'_>) -> String {
    let shards = view.metrics.run.shards.as_ref();
    shards.map_or_else(String::new, |shards| {
        format!("{} of {} shards", shards.merged.len(), shards.count)
    })
}

/// The last full second, or the last one of a run that has ended.
fn rates(view: &View<'_>, columns: usize) -> String {
    let rows = full_seconds(view);
    let Some(last) = rows.last() else { return "no full second yet".to_owned() };
    parts(
        [
            format!("planned {}/s", count(last.planned)),
            format!("sent {}/s", count(last.sent)),
            format!("succeeded {}/s", count(last.succeeded)),
            format!("failed {}/s", count(last.failed)),
        ],
        columns,
    )
}

/// Rows of seconds that are over.
fn full_seconds<'a>(view: &View<'a>) -> &'a [z6_metrics::SeriesRow] {
    let rows = &view.metrics.time_series;
    let whole = view.metrics.run.duration_seconds as usize;
    &rows[..rows.len().min(whole)]
}

fn sparkline(view: &View<'_>, columns: usize) -> String {
    const LEVELS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];
    let rows = full_seconds(view);
    let most = rows.iter().rev().take(SPARK_SECONDS).map(|row| row.succeeded).max().unwrap_or(0);
    let label = format!("last {SPARK_SECONDS} s, up to {}/s", count(most));
    let room = columns.saturating_sub(width(&label) + 2).min(SPARK_SECONDS);
    let shown = &rows[rows.len().saturating_sub(room)..];
    let level = |value: u64| {
        let step =
            (u128::from(value) * (LEVELS.len() as u128 - 1)).div_ceil(u128::from(most.max(1)));
        LEVELS[(step as usize).min(LEVELS.len() - 1)]
    };
    let line: String = shown.iter().map(|row| level(row.succeeded)).collect();
    parts([label, line], columns)
}

/// The columns of the window.
fn window<'a>(view: &View<'a>) -> &'a [GridColumn] {
    let grid = view.metrics.grid.as_ref();
    grid.map_or(&[], |grid| grid.last(view.window_seconds.saturating_mul(1_000_000_000)))
}

fn quantiles(view: &View<'_>, columns: usize) -> String {
    let (label, of): (&str, fn(&GridColumn) -> &GridHistogram) = match view.latency {
        Latency::Response => ("response", |column| &column.response),
        Latency::Service => ("service", |column| &column.service),
    };
    let sum = GridHistogram::sum(window(view).iter().map(of));
    let at = |name: &str, ten_thousandths| {
        let value = sum.quantile_ns(ten_thousandths).map_or_else(|| NONE.to_owned(), duration);
        format!("{name} {value}")
    };
    parts(
        [
            format!("{label}, last {} s:", view.window_seconds),
            at("p50", 5_000),
            at("p90", 9_000),
            at("p99", 9_900),
            at("p99.9", 9_990),
            format!("max {}", sum.max_ns.map_or_else(|| NONE.to_owned(), duration)),
        ],
        columns,
    )
}

fn levels(view: &View<'_>, columns: usize) -> String {
    let last = view.metrics.grid.as_ref().and_then(|grid| grid.columns.last());
    let (in_flight, vus, connections) =
        last.map_or((0, 0, 0), |last| (last.in_flight.end, last.vus.end, last.connections.end));
    // What is given up at the end of a log that goes on is in flight.
    let in_flight = match view.state {
        State::Ended => in_flight,
        State::Running | State::Frozen | State::Silent(_) => {
            view.metrics.requests.in_flight_at_stop
        }
    };
    let shown = [("in flight", in_flight), ("VUs", vus), ("connections", connections)];
    parts(shown.map(|(name, number)| format!("{name} {}", count(number))), columns)
}

fn failures(metrics: &Metrics, columns: usize) -> (String, Paint) {
    let errors = &metrics.errors;
    if errors.total == 0 {
        return plain("no request failed".to_owned());
    }
    // Of the whole run, as the number: `errors.rate` leaves out the warm-up.
    let ended = metrics.requests.succeeded + metrics.requests.failed;
    let share = percent(errors.total as f64 / ended.max(1) as f64);
    let mut line = parts([format!("failed {} ({share})", count(errors.total))], columns);
    let mut kinds: Vec<_> = errors.by_kind.0.iter().collect();
    kinds.sort_by_key(|(_, failed)| std::cmp::Reverse(*failed));
    for (kind, failed) in kinds {
        let part = format!("  {} {}", kind.name(), count(*failed));
        if width(&line) + width(&part) > columns {
            break;
        }
        line.push_str(&part);
    }
    (line, |style, text| style.bad(text))
}

fn generator(view: &View<'_>, columns: usize) -> String {
    let generator = &view.metrics.generator;
    let lateness = GridHistogram::sum(window(view).iter().map(|column| &column.lateness));
    let late = lateness.quantile_ns(9_900).map_or_else(|| NONE.to_owned(), duration);
    let busy = window(view).iter().filter_map(|column| column.cpu_fraction).reduce(f64::max);
    let cpu = busy.or(generator.cpu_fraction).map_or_else(|| NONE.to_owned(), percent);
    parts(
        [
            format!("generator {}", generator.verdict.name()),
            format!("late p99 {late}"),
            format!("CPU {cpu}"),
            format!("log stalls {}", duration(generator.log_stall_ns)),
        ],
        columns,
    )
}

fn page(view: &View<'_>, columns: usize) -> Vec<(String, Paint)> {
    match view.page {
        Page::Requests => requests(view, columns),
        Page::Errors => errors(view.metrics, columns),
        Page::Generator => doubts(view.metrics, columns),
        Page::Help => HELP.iter().map(|line| plain(shorten_end(line, columns))).collect(),
    }
}

const HELP: [&str; 9] = [
    "q      leave; the run goes on",
    "r      requests",
    "e      errors, with an example of each",
    "g      generator: how late requests were, doubts and what to do",
    "s      response time (from the planned instant) or service time (from the send)",
    "+ -    the part of the run that the quantiles above are of",
    "space  freezes the screen, and lets it go on",
    "?      this page",
    "Nothing here changes the run. Ctrl-C in its own terminal stops it.",
];

fn keys(columns: usize) -> (String, Paint) {
    let keys = [
        "q leave",
        "? help",
        "r requests",
        "e errors",
        "g generator",
        "s service",
        "+/- window",
        "space freeze",
    ];
    (parts(keys.map(str::to_owned), columns), |style, text| style.strong(text))
}

fn table(table: &Table, columns: usize) -> Vec<(String, Paint)> {
    let mut lines: Vec<(String, Paint)> = table.fitted(columns).into_iter().map(plain).collect();
    if let Some(heading) = lines.first_mut() {
        heading.1 = |style, text| style.strong(text);
    }
    // On a terminal that is narrower than any table.
    for (line, _) in &mut lines {
        if width(line) > columns {
            *line = shorten_end(line, columns);
        }
    }
    lines
}

fn requests(view: &View<'_>, columns: usize) -> Vec<(String, Paint)> {
    // The first to be left out first: p99.9, p95, failed, p50.
    let mut rows = Table::new(1).with_optional([7, 5, 3, 4]);
    let what = match view.latency {
        Latency::Response => "request (response)",
        Latency::Service => "request (service)",
    };
    rows.row([what, "sent", "rate", "errors", "p50", "p95", "p99", "p99.9"].map(str::to_owned));
    let seconds = view.metrics.run.duration_seconds;
    for (name, group) in &view.metrics.requests.by_name.0 {
        let name = shorten(&printable(name), (columns / 3).max(NAME_COLUMNS));
        rows.row(request(&name, group, view.latency, seconds));
    }
    table(&rows, columns)
}

fn request(name: &str, group: &GroupFigures, latency: Latency, seconds: f64) -> [String; 8] {
    let stats = match latency {
        Latency::Response => &group.response_ns,
        Latency::Service => &group.service_ns,
    };
    let ended = group.succeeded + group.failed;
    let share = |failed| percent(failed as f64 / ended as f64);
    [
        name.to_owned(),
        count(group.sent),
        if seconds > 0.0 { rate(group.sent as f64 / seconds) } else { NONE.to_owned() },
        if ended > 0 { share(group.failed) } else { NONE.to_owned() },
        at(stats, Quantile::P50),
        at(stats, Quantile::P95),
        at(stats, Quantile::P99),
        at(stats, Quantile::P999),
    ]
}

fn at(stats: &LatencyStats, quantile: Quantile) -> String {
    let bound = if stats.is_lower_bound(quantile.name()) { ">=" } else { "" };
    stats
        .quantile(quantile)
        .map_or_else(|| NONE.to_owned(), |ns| format!("{bound}{}", duration(ns)))
}

fn errors(metrics: &Metrics, columns: usize) -> Vec<(String, Paint)> {
    if metrics.errors.by_kind.is_empty() {
        return vec![plain("no request failed".to_owned())];
    }
    let mut lines = Vec::new();
    for (kind, failed) in &metrics.errors.by_kind.0 {
        let line = parts([kind.name().to_owned(), count(*failed)], columns);
        lines.push((line, (|style, text| style.bad(text)) as Paint));
        let example = metrics.errors.examples.get(kind).map(|example| printable(example));
        let example = example.unwrap_or_default();
        let room = columns.saturating_sub(2).max(1);
        lines.extend(wrap(&example, room).iter().take(3).map(|line| plain(format!("  {line}"))));
    }
    lines
}

fn doubts(metrics: &Metrics, columns: usize) -> Vec<(String, Paint)> {
    let generator = &metrics.generator;
    let mut late = Table::new(1);
    late.row(["lateness of requests", "p50", "p99", "max"].map(str::to_owned));
    for (label, stats) in [
        ("planned to sent", &generator.lateness_ns),
        ("  until noticed", &generator.loop_lag_ns),
        ("  then until sent", &generator.waiting_ns),
    ] {
        let max = stats.max.map_or_else(|| NONE.to_owned(), duration);
        late.row([label.to_owned(), at(stats, Quantile::P50), at(stats, Quantile::P99), max]);
    }
    let mut lines = table(&late, columns);
    lines.push(plain(String::new()));
    let room = columns.saturating_sub(2).max(1);
    for doubt in &generator.doubts {
        lines.extend(wrap(&sentence(doubt), columns.max(1)).into_iter().map(plain));
        let advice = wrap(&format!("to do: {}", doubt.advice()), room);
        lines.extend(advice.iter().map(|line| plain(format!("  {line}"))));
    }
    lines
}

fn sentence(doubt: &Doubt) -> String {
    format!("{}: {doubt}", if doubt.degrades() { "doubt" } else { "note" })
}

#[cfg(test)]
mod tests;
