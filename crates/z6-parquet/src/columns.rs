//! The columns of a request, and what stands in them.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use z6_analysis::RequestRow;
use z6_analysis::values::{Held, RowValues};
use z6_events::{Tick, VariableId};
use z6_scenario::{Scenario, Tag};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number from 0 to 2^64 - 1.
    Number,
    /// A text in UTF-8.
    Text,
    /// True or false.
    Flag,
}

/// What stands in a cell.
pub(crate) enum Cell {
    Number(u64),
    Text(ByteArray),
    Flag(bool),
    Missing,
}

impl Cell {
    fn number(value: Option<u64>) -> Cell {
        value.map_or(Cell::Missing, Cell::Number)
    }

    fn tick(at: Option<Tick>) -> Cell {
        Cell::number(at.map(|at| at.0))
    }

    fn text(text: &str) -> Cell {
        Cell::Text(ByteArray::from(text))
    }

    /// One of several texts that were made ready.
    fn of(texts: &[ByteArray], index: usize) -> Cell {
        texts.get(index).map_or(Cell::Missing, |text| Cell::Text(text.clone()))
    }
}

type Find<'s> = Box<dyn Fn(&RequestRow, RowValues<'_>) -> Cell + Send + 's>;

/// One column.
pub(crate) struct Column<'s> {
    name: String,
    kind: Kind,
    find: Find<'s>,
}

impl<'s> Column<'s> {
    fn new(
        name: impl Into<String>,
        kind: Kind,
        find: impl Fn(&RequestRow, RowValues<'_>) -> Cell + Send + 's,
    ) -> Column<'s> {
        Column { name: name.into(), kind, find: Box::new(find) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// What stands in it for a request.
    pub(crate) fn cell(&self, row: &RequestRow, values: RowValues<'_>) -> Cell {
        (self.find)(row, values)
    }

    /// Its place in the schema. A cell may be missing in any column.
    pub(crate) fn field(&self) -> Result<TypePtr, ParquetError> {
        let (physical, logical) = match self.kind {
            Kind::Number => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Flag => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(&self.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        field.build().map(Arc::new)
    }
}

/// All columns of a scenario: those of the CSV format under the same names, then what follows from them.
pub(crate) fn of(scenario: &Scenario, has_shards: bool) -> Vec<Column<'_>> {
    let number = |name: &'static str, find: fn(&RequestRow) -> Option<u64>| {
        Column::new(name, Kind::Number, move |row, _| Cell::number(find(row)))
    };
    let tick = |name: &'static str, find: fn(&RequestRow) -> Option<Tick>| {
        Column::new(name, Kind::Number, move |row, _| Cell::tick(find(row)))
    };
    let word = |name: &'static str, find: fn(&RequestRow) -> Option<&'static str>| {
        let cell = move |row: &RequestRow| find(row).map_or(Cell::Missing, Cell::text);
        Column::new(name, Kind::Text, move |row, _| cell(row))
    };
    let texts = |name: &'static str, all: Vec<ByteArray>, find: fn(&RequestRow) -> usize| {
        Column::new(name, Kind::Text, move |row, _| Cell::of(&all, find(row)))
    };
    let of_requests = |find: fn(&z6_scenario::Request) -> &str| {
        scenario.requests.iter().map(|request| ByteArray::from(find(request))).collect()
    };
    let targets = scenario.targets.iter().map(|target| ByteArray::from(target.name.as_str()));
    let mut columns = vec![
        number("actor", |row| Some(row.actor.0)),
        number("step", |row| Some(row.step.0)),
        number("worker", |row| Some(u64::from(row.worker.0))),
        texts("name", of_requests(|request| &request.name), |row| row.request.index()),
        texts("target", targets.collect(), |row| row.target.index()),
        texts("method", of_requests(|request| &request.method), |row| row.request.index()),
        word("outcome", |row| Some(row.outcome.name())),
        word("error_kind", |row| row.outcome.error().map(|kind| kind.name())),
        number("status", |row| row.status.map(u64::from)),
        number("connection", |row| row.connection),
        Column::new("reused", Kind::Flag, |row, _| row.reused.map_or(Cell::Missing, Cell::Flag)),
        tick("planned_ns", |row| Some(row.planned)),
        tick("sent_ns", |row| row.sent),
        tick("first_byte_ns", |row| row.first_byte),
        tick("done_ns", |row| row.done),
        number("bytes_sent", |row| Some(row.bytes_sent)),
        number("bytes_received", |row| Some(row.bytes_received)),
        Column::new("irregularities", Kind::Text, |row, _| irregularities(row)),
        Column::new("failed_checks", Kind::Text, move |row, _| failed_checks(scenario, row)),
        tags(scenario),
        word("protocol", |row| row.protocol.map(|protocol| protocol.name())),
        number("stream", |row| row.stream),
        tick("arrived_ns", |row| row.arrived),
    ];
    if scenario.has_populations() {
        let names = scenario.populations.iter().map(|users| ByteArray::from(users.name.as_str()));
        columns.push(texts("population", names.collect(), |row| usize::from(row.population.0)));
    }
    if has_shards {
        columns.push(number("shard", |row| Some(u64::from(row.shard))));
    }
    for (data, file) in (0..).zip(&scenario.values.data) {
        let row = move |values: RowValues<'_>| Cell::number(values.row(data));
        let name = format!("row.{}", file.name);
        columns.push(Column::new(name, Kind::Number, move |_, values| row(values)));
    }
    for (id, variable) in (0..).map(VariableId).zip(&scenario.values.variables) {
        let held = move |values: RowValues<'_>| match values.variable(id) {
            Held::Clear(bytes) => Cell::text(&String::from_utf8_lossy(bytes)),
            Held::Unset | Held::Hidden => Cell::Missing,
        };
        let name = format!("var.{}", variable.name);
        columns.push(Column::new(name, Kind::Text, move |_, values| held(values)));
    }
    columns.extend([
        tick("ended_ns", |row| Some(row.ended)),
        number("response_ns", RequestRow::response_ns),
        number("service_ns", RequestRow::service_ns),
        number("arrival_ns", RequestRow::arrival_ns),
        number("read_lag_ns", RequestRow::read_lag_ns),
        Column::new("lower_bound", Kind::Flag, |row, _| Cell::Flag(row.is_censored())),
    ]);
    columns
}

/// Names with a space between them; empty if there are none.
fn irregularities(row: &RequestRow) -> Cell {
    let names: Vec<&str> = row.irregularities.iter().map(|kind| kind.name()).collect();
    Cell::text(&names.join(" "))
}

/// Names with `; ` between them; empty if none failed.
fn failed_checks(scenario: &Scenario, row: &RequestRow) -> Cell {
    let Some(request) = scenario.requests.get(row.request.index()) else { return Cell::Missing };
    let failed = (0..u64::BITS).zip(&request.reading.checks);
    let failed = failed.filter(|(bit, _)| row.failed_checks >> bit & 1 == 1);
    let names: Vec<&str> = failed.map(|(_, check)| check.name.as_str()).collect();
    Cell::text(&names.join("; "))
}

/// `name=value` with `; ` between them: those of the population, then those of the request.
fn tags(scenario: &Scenario) -> Column<'_> {
    let requests = scenario.requests.len();
    let of = |(users, request): (&z6_scenario::Users, &z6_scenario::Request)| {
        let all: Vec<String> = users.tags.iter().chain(&request.tags).map(Tag::to_string).collect();
        ByteArray::from(all.join("; ").as_str())
    };
    let all = scenario.populations.iter();
    let all = all.flat_map(|users| scenario.requests.iter().map(move |one| of((users, one))));
    let texts: Vec<ByteArray> = all.collect();
    Column::new("tags", Kind::Text, move |row, _| {
        Cell::of(&texts, usize::from(row.population.0) * requests + row.request.index())
    })
}
