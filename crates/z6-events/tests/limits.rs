//! docs/LIMITS.md lists the bounds of the log format as they are.
#![allow(clippy::expect_used, reason = "tests may")]

use z6_events::{
    Actor, ConnectionSlot, Event, ExchangeSlot, ExchangeTable, PairingError, PlannedRequest,
    Population, RequestId, Step, TargetId, Tick, limits,
};

const PAGE: &str = include_str!("../../../docs/LIMITS.md");
const SOURCE: &str = include_str!("../src/limits.rs");

/// The rows of the table of the log format: name and value.
fn rows() -> Vec<(&'static str, u64)> {
    let (_, section) = PAGE.split_once("\n## Log format\n").expect("the page has the section");
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        (cells[0].trim_end_matches('`'), cells[1].parse().expect("a number"))
    });
    rows.collect()
}

#[test]
fn the_page_lists_every_bound_of_the_format() {
    let expected = [
        ("MAX_EXCHANGE_SLOTS", u64::from(limits::MAX_EXCHANGE_SLOTS)),
        ("MAX_CONNECTION_SLOTS", u64::from(limits::MAX_CONNECTION_SLOTS)),
        ("MAX_TRACKED_SLOTS", limits::MAX_TRACKED_SLOTS as u64),
        ("MAX_TRACKED_REQUESTS", limits::MAX_TRACKED_REQUESTS as u64),
        ("MAX_WORKERS", limits::MAX_WORKERS),
        ("MAX_SHARDS", u64::from(limits::MAX_SHARDS)),
        ("MAX_SHARD_REPORT_BYTES", limits::MAX_SHARD_REPORT_BYTES as u64),
        ("MAX_SCENARIO_ITEMS", limits::MAX_SCENARIO_ITEMS as u64),
        ("MAX_TARGET_ADDRESSES", limits::MAX_TARGET_ADDRESSES as u64),
        ("MAX_ADDRESSES", limits::MAX_ADDRESSES as u64),
        ("MAX_REDIRECTS", limits::MAX_REDIRECTS),
        ("MAX_HEADER_BYTES", limits::MAX_HEADER_BYTES as u64),
        ("MAX_LIST_ITEMS", limits::MAX_LIST_ITEMS as u64),
        ("MAX_ATTACHMENTS", limits::MAX_ATTACHMENTS as u64),
        ("MAX_ATTACHMENT_NAME_BYTES", limits::MAX_ATTACHMENT_NAME_BYTES as u64),
        ("MAX_PAYLOAD_BYTES", limits::MAX_PAYLOAD_BYTES as u64),
        ("MAX_NOTE_BYTES", limits::MAX_NOTE_BYTES as u64),
        ("MAX_EVENT_BYTES", limits::MAX_EVENT_BYTES as u64),
    ];
    assert_eq!(rows(), expected);
    let constants = SOURCE.lines().filter_map(|line| line.strip_prefix("pub const "));
    let names: Vec<&str> = constants.filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names, expected.map(|(name, _)| name), "a bound is missing in this test");
}

/// A worker of a forged log, which names the largest slots there can be.
fn forged() -> ExchangeTable {
    let mut table = ExchangeTable::new();
    for number in 1..=100 {
        let connection = ConnectionSlot(limits::MAX_CONNECTION_SLOTS - number);
        let exchange = ExchangeSlot(limits::MAX_EXCHANGE_SLOTS - number);
        let started = Event::ConnectStarted { connection, target: TargetId(0), address: 0 };
        let connected = Event::Connected { connection, started: Tick::ZERO };
        for event in [started, connected, sent(exchange, connection)] {
            table.observe(Tick::ZERO, &event).expect("below the limits");
        }
    }
    table
}

fn sent(exchange: ExchangeSlot, connection: ConnectionSlot) -> Event {
    Event::Sent {
        exchange,
        written_bytes: 1,
        request: PlannedRequest {
            population: Population(0),
            actor: Actor(0),
            step: Step(0),
            request: RequestId(0),
            target: TargetId(0),
            planned: Tick::ZERO,
        },
        attempt: 0,
        connection,
        request_bytes: 1,
        length_is_input: false,
    }
}

/// With memory for every slot number, these tables would take terabytes; they take 30 MB.
#[test]
fn slots_up_to_the_limits_cost_what_is_open() {
    let mut workers: Vec<ExchangeTable> = (0..1_000).map(|_| forged()).collect();
    for table in &mut workers {
        assert_eq!(table.open_exchanges().count(), 100);
        assert_eq!(table.open_connections().count(), 100);
        let connection = ConnectionSlot(limits::MAX_CONNECTION_SLOTS);
        let started = Event::ConnectStarted { connection, target: TargetId(0), address: 0 };
        let refused = table.observe(Tick::ZERO, &started);
        assert_eq!(refused, Err(PairingError::ConnectionOutOfRange { connection }));
        let exchange = ExchangeSlot(limits::MAX_EXCHANGE_SLOTS);
        let refused = table.observe(Tick::ZERO, &sent(exchange, ConnectionSlot(0)));
        assert_eq!(refused, Err(PairingError::ExchangeOutOfRange { exchange }));
    }
}
