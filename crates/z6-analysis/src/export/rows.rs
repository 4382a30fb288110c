//! Requests as text: CSV with the columns of the contract, one JSON object per line, or lines for
//! people. Knows rows, not where they come from.

use std::fmt;
use std::io::{self, Write};

use z6_events::{Irregularities, Tick, printable};
use z6_metrics::report::units::duration;
use z6_metrics::{RequestRow, RowOutcome};
use z6_scenario::{Request, Scenario, Tag, Users};

use super::columns::ValueColumns;
use super::text::{csv_text, json_text, push_number, raw_csv_text};
use crate::values::RowValues;

/// The columns of the CSV format, in order; `population` follows if the scenario has populations, and `shard` if the
/// run has several. An instant that did not happen is empty.
pub const CSV_COLUMNS: [&str; 23] = [
    "actor",
    "step",
    "worker",
    "name",
    "target",
    "method",
    "outcome",
    "error_kind",
    "status",
    "connection",
    "reused",
    "planned_ns",
    "sent_ns",
    "first_byte_ns",
    "done_ns",
    "bytes_sent",
    "bytes_received",
    "irregularities",
    "failed_checks",
    "tags",
    "protocol",
    "stream",
    "arrived_ns",
];

/// How requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// A heading and a line each, RFC 4180, lines ending with a line feed.
    /// A text is printable, and behind an apostrophe where a spreadsheet would take it for a formula.
    Csv,
    /// [`RowFormat::Csv`] with texts as they are, for programs.
    RawCsv,
    /// A JSON object each, one per line.
    Json,
    /// A line each for people, in the words of the event log.
    Lines,
}

/// What is written besides [`CSV_COLUMNS`] and the population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowColumns {
    /// A column `row.NAME` for each data file of the scenario and `var.NAME` for each variable, behind all
    /// others.
    pub values: bool,
    /// The shard.
    pub shard: bool,
}

/// Writes requests.
#[derive(Debug)]
pub struct RowWriter<W> {
    out: W,
    format: RowFormat,
    names: Names,
    /// None are written if there are none.
    columns: ValueColumns,
    has_shard: bool,
    line: Vec<u8>,
}

/// Texts of requests and targets, ready for the format.
#[derive(Debug)]
struct Names {
    requests: Vec<Vec<u8>>,
    methods: Vec<Vec<u8>>,
    targets: Vec<Vec<u8>>,
    /// Empty if the users of the scenario have no names.
    populations: Vec<Vec<u8>>,
    /// By request, as they are.
    checks: Vec<Vec<String>>,
    /// By population and request.
    tags: Vec<Vec<u8>>,
    ready: fn(&str) -> Vec<u8>,
}

impl Names {
    fn new(scenario: &Scenario, format: RowFormat, ready: fn(&str) -> Vec<u8>) -> Names {
        let requests = &scenario.requests;
        let checks = |request: &Request| {
            request.reading.checks.iter().map(|check| check.name.clone()).collect()
        };
        Names {
            checks: requests.iter().map(checks).collect(),
            tags: scenario
                .populations
                .iter()
                .flat_map(|users| requests.iter().map(|one| tags((users, one), format, ready)))
                .collect(),
            ready,
            requests: requests.iter().map(|request| ready(&request.name)).collect(),
            methods: requests.iter().map(|request| ready(&request.method)).collect(),
            targets: scenario.targets.iter().map(|target| ready(&target.name)).collect(),
            populations: match scenario.has_populations() {
                true => scenario.populations.iter().map(|users| ready(&users.name)).collect(),
                false => Vec::new(),
            },
        }
    }
}

/// The tags of a request and of who sends it, ready for the format: `name=value` with `; ` between them, or a JSON object.
fn tags(
    (users, request): (&Users, &Request),
    format: RowFormat,
    ready: fn(&str) -> Vec<u8>,
) -> Vec<u8> {
    let all = || users.tags.iter().chain(&request.tags);
    if format != RowFormat::Json {
        let each: Vec<String> = all().map(Tag::to_string).collect();
        return ready(&each.join("; "));
    }
    let mut object = vec![b'{'];
    for (index, tag) in all().enumerate() {
        let comma: &[u8] = if index == 0 { b"" } else { b"," };
        for part in [comma, &ready(&tag.name), b":", &ready(&tag.value)] {
            object.extend_from_slice(part);
        }
    }
    object.push(b'}');
    object
}

impl Names {
    fn place_of_tags(&self, row: &RequestRow) -> usize {
        usize::from(row.population.0) * self.requests.len() + row.request.index()
    }

    fn checks_of(&self, row: &RequestRow) -> &[String] {
        self.checks.get(row.request.index()).map_or(&[], Vec::as_slice)
    }
}

/// What a cell holds.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Number(u64),
    /// Ready for the format.
    Text(&'a [u8]),
    /// A word of ours, which needs no escapes.
    Word(&'static str),
    Flag(bool),
    Irregularities(Irregularities),
    /// The names of all checks, and a bit for each one that failed.
    Checks(&'a [String], u64),
    Missing,
}

/// The name of the population: a last column, if the scenario has populations.
fn population<'a>(row: &RequestRow, names: &'a Names) -> Option<Cell<'a>> {
    let index = usize::from(row.population.0);
    (!names.populations.is_empty()).then(|| Cell::name(&names.populations, index))
}

/// The columns behind those of [`CSV_COLUMNS`], by name.
fn more<'a>(
    row: &RequestRow,
    names: &'a Names,
    has_shard: bool,
) -> impl Iterator<Item = (&'static str, Cell<'a>)> {
    let population = population(row, names).map(|cell| ("population", cell));
    let shard = has_shard.then_some(("shard", Cell::Number(u64::from(row.shard))));
    population.into_iter().chain(shard)
}

/// The checks that failed.
fn failed(names: &[String], bits: u64) -> impl Iterator<Item = &str> {
    let names = (0..u64::BITS).zip(names);
    names.filter(move |(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| name.as_str())
}

impl<'a> Cell<'a> {
    fn number(value: Option<u64>) -> Cell<'a> {
        value.map_or(Cell::Missing, Cell::Number)
    }

    fn tick(at: Option<Tick>) -> Cell<'a> {
        Cell::number(at.map(|at| at.0))
    }

    fn name(of: &'a [Vec<u8>], index: usize) -> Cell<'a> {
        of.get(index).map_or(Cell::Missing, |text| Cell::Text(text))
    }
}

/// The cells of a row, in the order of [`CSV_COLUMNS`].
fn cells<'a>(row: &RequestRow, names: &'a Names) -> [Cell<'a>; CSV_COLUMNS.len()] {
    [
        Cell::Number(row.actor.0),
        Cell::Number(row.step.0),
        Cell::Number(u64::from(row.worker.0)),
        Cell::name(&names.requests, row.request.index()),
        Cell::name(&names.targets, row.target.index()),
        Cell::name(&names.methods, row.request.index()),
        Cell::Word(row.outcome.name()),
        row.outcome.error().map_or(Cell::Missing, |kind| Cell::Word(kind.name())),
        Cell::number(row.status.map(u64::from)),
        Cell::number(row.connection),
        row.reused.map_or(Cell::Missing, Cell::Flag),
        Cell::Number(row.planned.0),
        Cell::tick(row.sent),
        Cell::tick(row.first_byte),
        Cell::tick(row.done),
        Cell::Number(row.bytes_sent),
        Cell::Number(row.bytes_received),
        Cell::Irregularities(row.irregularities),
        Cell::Checks(names.checks_of(row), row.failed_checks),
        Cell::name(&names.tags, names.place_of_tags(row)),
        row.protocol.map_or(Cell::Missing, |protocol| Cell::Word(protocol.name())),
        Cell::number(row.stream),
        Cell::tick(row.arrived),
    ]
}

impl<W: Write> RowWriter<W> {
    /// Writes to `out`, beginning with the heading if the format has one.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn new(
        scenario: &Scenario,
        format: RowFormat,
        columns: RowColumns,
        mut out: W,
    ) -> io::Result<RowWriter<W>> {
        let RowColumns { values, shard: has_shard } = columns;
        let columns = if values { ValueColumns::new(scenario) } else { ValueColumns::default() };
        let ready = match format {
            RowFormat::Csv => |text: &str| csv_text(text).into_bytes(),
            RowFormat::RawCsv => |text: &str| raw_csv_text(text).into_bytes(),
            RowFormat::Json => json_text,
            RowFormat::Lines => |text: &str| printable(text).into_owned().into_bytes(),
        };
        if matches!(format, RowFormat::Csv | RowFormat::RawCsv) {
            let more = scenario.has_populations().then_some("population");
            let more = more.into_iter().chain(has_shard.then_some("shard"));
            let all: Vec<&str> =
                CSV_COLUMNS.into_iter().chain(more).chain(columns.names()).collect();
            writeln!(out, "{}", all.join(","))?;
        }
        let names = Names::new(scenario, format, ready);
        Ok(RowWriter { out, format, names, columns, has_shard, line: Vec::new() })
    }

    /// Writes a request; its rows and values only if there are columns for them.
    ///
    /// # Errors
    /// What the output returns.
    pub fn write(&mut self, row: &RequestRow, values: RowValues<'_>) -> io::Result<()> {
        let RowWriter { line, names, columns, has_shard, .. } = self;
        let has_shard = *has_shard;
        line.clear();
        match self.format {
            RowFormat::Csv | RowFormat::RawCsv => {
                put_csv(line, row, names, has_shard);
                columns.put(values, names.ready, |_, cell| {
                    line.push(b',');
                    line.extend_from_slice(cell.unwrap_or_default());
                });
            }
            RowFormat::Json => {
                put_json(line, row, names, has_shard);
                columns.put(values, names.ready, |name, cell| {
                    for part in [b",\"", name.as_bytes(), b"\":", cell.unwrap_or(b"null")] {
                        line.extend_from_slice(part);
                    }
                });
                line.push(b'}');
            }
            RowFormat::Lines => {
                put_line(line, row, names, has_shard);
                columns.put(values, names.ready, |name, cell| {
                    let Some(cell) = cell else { return };
                    for part in [b" ", name.as_bytes(), b"=", cell] {
                        line.extend_from_slice(part);
                    }
                });
            }
        }
        line.push(b'\n');
        self.out.write_all(&self.line)
    }

    /// The output.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn put_csv(line: &mut Vec<u8>, row: &RequestRow, names: &Names, has_shard: bool) {
    let more = more(row, names, has_shard).map(|(_, cell)| cell);
    let cells = cells(row, names).into_iter().chain(more);
    for (column, cell) in cells.enumerate() {
        if column > 0 {
            line.push(b',');
        }
        match cell {
            Cell::Number(number) => push_number(line, number),
            Cell::Text(text) => line.extend_from_slice(text),
            Cell::Word(word) => line.extend_from_slice(word.as_bytes()),
            Cell::Flag(flag) => line.extend_from_slice(if flag { b"true" } else { b"false" }),
            Cell::Irregularities(kinds) => put_irregularities(line, kinds, b"", b" "),
            Cell::Checks(_, 0) => {}
            Cell::Checks(checks, bits) => {
                let joined = failed(checks, bits).collect::<Vec<_>>().join("; ");
                line.extend_from_slice(&(names.ready)(&joined));
            }
            Cell::Missing => {}
        }
    }
}

/// The columns of the CSV, and what is derived from them; a missing value is null. The object stays open.
fn put_json(line: &mut Vec<u8>, row: &RequestRow, names: &Names, has_shard: bool) {
    let derived = [
        ("ended_ns", Cell::Number(row.ended.0)),
        ("response_ns", Cell::number(row.response_ns())),
        ("service_ns", Cell::number(row.service_ns())),
        ("arrival_ns", Cell::number(row.arrival_ns())),
        ("read_lag_ns", Cell::number(row.read_lag_ns())),
        ("lower_bound", Cell::Flag(row.is_censored())),
    ];
    let more = more(row, names, has_shard);
    let cells = CSV_COLUMNS.into_iter().zip(cells(row, names)).chain(more).chain(derived);
    for (column, (name, cell)) in cells.enumerate() {
        line.extend_from_slice(if column == 0 { b"{\"" } else { b",\"" });
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        match cell {
            Cell::Number(number) => push_number(line, number),
            Cell::Text(text) => line.extend_from_slice(text),
            Cell::Word(word) => {
                line.push(b'"');
                line.extend_from_slice(word.as_bytes());
                line.push(b'"');
            }
            Cell::Flag(flag) => line.extend_from_slice(if flag { b"true" } else { b"false" }),
            Cell::Irregularities(kinds) => {
                line.push(b'[');
                put_irregularities(line, kinds, b"\"", b",");
                line.push(b']');
            }
            Cell::Checks(checks, bits) => {
                line.push(b'[');
                for (index, name) in failed(checks, bits).enumerate() {
                    line.extend_from_slice(if index == 0 { b"" } else { b"," });
                    line.extend_from_slice(&(names.ready)(name));
                }
                line.push(b']');
            }
            Cell::Missing => line.extend_from_slice(b"null"),
        }
    }
}

/// Their names, each in quotes, with separators between them.
pub(super) fn put_irregularities(
    line: &mut Vec<u8>,
    kinds: Irregularities,
    quote: &[u8],
    separator: &[u8],
) {
    for (index, kind) in kinds.iter().enumerate() {
        let before = if index == 0 { b"" } else { separator };
        for part in [before, quote, kind.name().as_bytes(), quote] {
            line.extend_from_slice(part);
        }
    }
}

fn put_line(line: &mut Vec<u8>, row: &RequestRow, names: &Names, has_shard: bool) {
    let text = |of: &[Vec<u8>], index: usize| {
        of.get(index).map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
    };
    let words = RowLine {
        row,
        has_shard,
        name: text(&names.requests, row.request.index()),
        method: text(&names.methods, row.request.index()),
        target: text(&names.targets, row.target.index()),
        checks: names.checks_of(row),
    };
    // Writing to memory cannot fail.
    let _ = write!(line, "{words}");
}

/// A request as a line for people: `w0 vu3 step12 get_user GET api conn#5 reused
/// planned=1.000000000 sent=1.000012000 first_byte=1.001200000 done=1.001300000 200 succeeded
/// response 1.30 ms`. The connection is the worker's fifth, whatever its slot. With shards, it begins `s1w0`.
#[derive(Debug)]
struct RowLine<'a> {
    row: &'a RequestRow,
    has_shard: bool,
    name: String,
    method: String,
    target: String,
    checks: &'a [String],
}

impl fmt::Display for RowLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RowLine { row, has_shard, name, method, target, checks } = self;
        let RequestRow { worker, shard, actor, step, .. } = row;
        if *has_shard {
            write!(f, "s{shard}")?;
        }
        write!(f, "w{worker} vu{actor} step{step} {name} {method} {target}")?;
        if let (Some(connection), Some(reused)) = (row.connection, row.reused) {
            write!(f, " conn#{connection} {}", if reused { "reused" } else { "new" })?;
        }
        if let Some(stream) = row.stream {
            write!(f, " stream{stream}")?;
        }
        write!(f, " planned={}", row.planned)?;
        let ended = if row.done.is_none() { Some(row.ended) } else { None };
        let instants = [
            ("sent", row.sent),
            ("first_byte", row.first_byte),
            ("arrived", row.arrived),
            ("done", row.done),
            ("ended", ended),
        ];
        for (name, at) in instants {
            if let Some(at) = at {
                write!(f, " {name}={at}")?;
            }
        }
        if let Some(status) = row.status {
            write!(f, " {status}")?;
        }
        write!(f, " {}", row.outcome.name())?;
        match row.outcome {
            RowOutcome::Failed(kind) => write!(f, " {}", kind.name())?,
            RowOutcome::NeverSent(reason) => write!(f, " {}", reason.name())?,
            RowOutcome::Succeeded | RowOutcome::InFlight => {}
        }
        for kind in row.irregularities.iter() {
            write!(f, " {}", kind.name())?;
        }
        for check in failed(checks, row.failed_checks) {
            write!(f, " failed_check=\"{}\"", printable(check))?;
        }
        let Some(response_ns) = row.response_ns() else { return Ok(()) };
        let bound = if row.is_censored() { ">=" } else { "" };
        write!(f, " response {bound}{}", duration(response_ns))
    }
}
