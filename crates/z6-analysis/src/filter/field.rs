//! What a filter can ask about a request: the names of its fields, their types, and how each is read
//! from a row. Knows no syntax.

use std::borrow::Cow;

use z6_events::{ErrorKind, Irregularity, Protocol, Tick};
use z6_metrics::{RequestRow, RowOutcome};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// A whole number; a literal is multiplied by the scale.
    Number(NumberField, Scale),
    /// A name of the scenario.
    Text(TextField),
    /// One of a closed set of words.
    Outcome,
    /// One of a closed set of words.
    ErrorKind,
    /// Any number of a closed set of words.
    Irregularity,
    /// One of a closed set of words.
    Protocol,
    /// Yes or no.
    Reused,
    /// Any number of names of checks.
    FailedCheck,
    /// A text that the request may have: the name of the field says which.
    Tag,
    /// The row of a data file: the name of the field says of which.
    Row,
    /// The value of a variable: the name of the field says of which.
    Variable,
}

/// The value of a literal, in the unit of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    One,
    Ms,
    Seconds,
}

impl Scale {
    pub(super) const fn factor(self) -> u128 {
        match self {
            Scale::One => 1,
            Scale::Ms => 1_000_000,
            Scale::Seconds => 1_000_000_000,
        }
    }
}

/// A field that is a number, in the unit of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberField {
    Status,
    Actor,
    Step,
    Worker,
    Shard,
    Connection,
    Stream,
    BytesSent,
    BytesReceived,
    Planned,
    Sent,
    Arrived,
    Done,
    Ended,
    Response,
    Service,
    FirstByte,
    Arrival,
    ReadLag,
    Lateness,
}

impl NumberField {
    /// Its value; none if the row has none.
    #[inline]
    pub(super) fn value(self, row: &RequestRow) -> Option<u64> {
        let tick = |at: Option<Tick>| at.map(|at| at.0);
        match self {
            NumberField::Status => row.status.map(u64::from),
            NumberField::Actor => Some(row.actor.0),
            NumberField::Step => Some(row.step.0),
            NumberField::Worker => Some(u64::from(row.worker.0)),
            NumberField::Shard => Some(u64::from(row.shard)),
            NumberField::Connection => row.connection,
            NumberField::Stream => row.stream,
            NumberField::BytesSent => Some(row.bytes_sent),
            NumberField::BytesReceived => Some(row.bytes_received),
            NumberField::Planned => Some(row.planned.0),
            NumberField::Sent => tick(row.sent),
            NumberField::Arrived => tick(row.arrived),
            NumberField::Done => tick(row.done),
            NumberField::Ended => Some(row.ended.0),
            NumberField::Response => row.response_ns(),
            NumberField::Service => row.service_ns(),
            NumberField::FirstByte => row.first_byte_ns(),
            NumberField::Arrival => row.arrival_ns(),
            NumberField::ReadLag => row.read_lag_ns(),
            NumberField::Lateness => row.lateness_ns(),
        }
    }

    /// Whether each row has a value.
    const fn is_always_there(self) -> bool {
        match self {
            NumberField::Actor
            | NumberField::Step
            | NumberField::Worker
            | NumberField::Shard
            | NumberField::BytesSent
            | NumberField::BytesReceived
            | NumberField::Planned
            | NumberField::Ended => true,
            NumberField::Status
            | NumberField::Connection
            | NumberField::Stream
            | NumberField::Sent
            | NumberField::Arrived
            | NumberField::Done
            | NumberField::Response
            | NumberField::Service
            | NumberField::FirstByte
            | NumberField::Arrival
            | NumberField::ReadLag
            | NumberField::Lateness => false,
        }
    }
}

/// A field that is a name of the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextField {
    Name,
    Method,
    Target,
    Population,
}

/// A field by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: FieldKind,
}

const fn field(name: &'static str, kind: FieldKind) -> Field {
    Field { name: Cow::Borrowed(name), kind }
}

const fn number(name: &'static str, field: NumberField, scale: Scale) -> Field {
    Field { name: Cow::Borrowed(name), kind: FieldKind::Number(field, scale) }
}

/// All fields, in the order of the documentation.
pub(super) const FIELDS: &[Field] = &[
    field("name", FieldKind::Text(TextField::Name)),
    field("target", FieldKind::Text(TextField::Target)),
    field("population", FieldKind::Text(TextField::Population)),
    field("method", FieldKind::Text(TextField::Method)),
    field("outcome", FieldKind::Outcome),
    field("error_kind", FieldKind::ErrorKind),
    field("irregularity", FieldKind::Irregularity),
    field("failed_check", FieldKind::FailedCheck),
    number("status", NumberField::Status, Scale::One),
    number("actor", NumberField::Actor, Scale::One),
    number("step", NumberField::Step, Scale::One),
    number("worker", NumberField::Worker, Scale::One),
    number("shard", NumberField::Shard, Scale::One),
    number("connection", NumberField::Connection, Scale::One),
    field("reused", FieldKind::Reused),
    field("protocol", FieldKind::Protocol),
    number("stream", NumberField::Stream, Scale::One),
    number("planned_s", NumberField::Planned, Scale::Seconds),
    number("sent_s", NumberField::Sent, Scale::Seconds),
    number("arrived_s", NumberField::Arrived, Scale::Seconds),
    number("done_s", NumberField::Done, Scale::Seconds),
    number("ended_s", NumberField::Ended, Scale::Seconds),
    number("planned_ns", NumberField::Planned, Scale::One),
    number("sent_ns", NumberField::Sent, Scale::One),
    number("arrived_ns", NumberField::Arrived, Scale::One),
    number("done_ns", NumberField::Done, Scale::One),
    number("ended_ns", NumberField::Ended, Scale::One),
    number("response_ms", NumberField::Response, Scale::Ms),
    number("service_ms", NumberField::Service, Scale::Ms),
    number("first_byte_ms", NumberField::FirstByte, Scale::Ms),
    number("arrival_ms", NumberField::Arrival, Scale::Ms),
    number("read_lag_ms", NumberField::ReadLag, Scale::Ms),
    number("lateness_ms", NumberField::Lateness, Scale::Ms),
    number("response_ns", NumberField::Response, Scale::One),
    number("service_ns", NumberField::Service, Scale::One),
    number("first_byte_ns", NumberField::FirstByte, Scale::One),
    number("arrival_ns", NumberField::Arrival, Scale::One),
    number("read_lag_ns", NumberField::ReadLag, Scale::One),
    number("lateness_ns", NumberField::Lateness, Scale::One),
    number("bytes_sent", NumberField::BytesSent, Scale::One),
    number("bytes_received", NumberField::BytesReceived, Scale::One),
];

/// What stands before the name of a tag.
pub(super) const TAG: &str = "tag.";
/// What stands before the name of a data file.
pub(super) const ROW: &str = "row.";
/// What stands before the name of a variable.
pub(super) const VARIABLE: &str = "var.";

impl Field {
    pub(super) fn named(name: &str) -> Option<Field> {
        let prefixes =
            [(TAG, FieldKind::Tag), (ROW, FieldKind::Row), (VARIABLE, FieldKind::Variable)];
        let is_behind = |prefix: &str| name.strip_prefix(prefix).is_some_and(|n| !n.is_empty());
        let kind = prefixes.into_iter().find(|(prefix, _)| is_behind(prefix)).map(|(_, kind)| kind);
        let named = |kind| Field { name: Cow::Owned(name.to_owned()), kind };
        FIELDS.iter().find(|field| field.name == name).cloned().or_else(|| kind.map(named))
    }

    /// What it is compared with.
    pub(super) const fn needs(&self) -> &'static str {
        match self.kind {
            FieldKind::Number(..) | FieldKind::Row => "a number",
            FieldKind::Variable => "a number, a text in quotes, true or false",
            FieldKind::Text(_) | FieldKind::FailedCheck | FieldKind::Tag => "a text in quotes",
            FieldKind::Outcome => "an outcome",
            FieldKind::ErrorKind => "an error kind",
            FieldKind::Irregularity => "an irregularity",
            FieldKind::Protocol => "a protocol",
            FieldKind::Reused => "true or false",
        }
    }

    /// Whether each row has a value, so that `none` never is one.
    pub(super) const fn is_always_there(&self) -> bool {
        match self.kind {
            FieldKind::Number(field, _) => field.is_always_there(),
            FieldKind::Text(_) | FieldKind::Outcome => true,
            FieldKind::ErrorKind
            | FieldKind::Irregularity
            | FieldKind::Protocol
            | FieldKind::Reused
            | FieldKind::FailedCheck
            | FieldKind::Tag
            | FieldKind::Row
            | FieldKind::Variable => false,
        }
    }

    /// The words that a field of words knows; none for other fields.
    pub(super) fn words(&self) -> Vec<&'static str> {
        match self.kind {
            FieldKind::Outcome => RowOutcome::NAMES.to_vec(),
            FieldKind::ErrorKind => ErrorKind::ALL.iter().map(|kind| kind.name()).collect(),
            FieldKind::Protocol => Protocol::ALL.iter().map(|protocol| protocol.name()).collect(),
            FieldKind::Irregularity => Irregularity::ALL.map(Irregularity::name).to_vec(),
            FieldKind::Number(..)
            | FieldKind::Text(_)
            | FieldKind::Reused
            | FieldKind::FailedCheck
            | FieldKind::Tag
            | FieldKind::Row
            | FieldKind::Variable => Vec::new(),
        }
    }
}
