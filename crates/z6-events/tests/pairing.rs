//! Ends are joined with their beginnings, and what does not fit together is an error.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod common;

use common::{done, golden_log, planned_request, read, sent};
use z6_events::limits::MAX_CONNECTION_SLOTS;
use z6_events::{
    Cause, ConnectedAs, ConnectionEnd, ConnectionSlot, ErrorKind, Event, ExchangeSlot,
    ExchangeTable, Failure, Irregularities, NextHop, Observed, Outcome, PairingError, ReleaseCause,
    ResendCause, Response, TargetId, Tick,
};

fn connect(slot: u32) -> Event {
    Event::ConnectStarted { connection: ConnectionSlot(slot), target: TargetId(0), address: 0 }
}

fn connected(slot: u32) -> Event {
    Event::Connected { connection: ConnectionSlot(slot), started: Tick(1) }
}

fn release(slot: u32) -> Event {
    Event::ConnectionReleased { connection: ConnectionSlot(slot), cause: ReleaseCause::NotReusable }
}

/// The table after these events, all of which fit.
fn table(events: &[(u64, Event)]) -> ExchangeTable {
    let mut table = ExchangeTable::new();
    for (at, event) in events {
        table.observe(Tick(*at), event).unwrap();
    }
    table
}

#[test]
fn a_request_ends_with_all_that_was_said_about_it() {
    let mut table = table(&[
        (0, connect(4)),
        (10, release(4)),
        (10, connect(4)),
        (20, connected(4)),
        (30, sent(4, planned_request(7, 0, 2, 25), 78)),
        (40, done(4, 39, 200, 500)),
        (50, sent(4, planned_request(7, 1, 3, 45), 99)),
    ]);
    let Ok(Observed::RequestEnded(ended)) = table.observe(Tick(70), &done(4, 60, 404, 5)) else {
        panic!("not ended")
    };
    assert_eq!(ended.sent.request, planned_request(7, 1, 3, 45));
    assert_eq!((ended.sent.connection_serial, ended.sent.reused), (2, true));
    assert_eq!(
        (ended.sent.sent, ended.first_byte, ended.done),
        (Tick(50), Some(Tick(60)), Tick(70))
    );
    assert_eq!((ended.status, ended.received_bytes, ended.sent.request_bytes), (Some(404), 5, 99));
    assert_eq!(ended.outcome, Outcome::Succeeded, "what counts as failed is decided, not guessed");
    assert_eq!((ended.response_ns(), ended.service_ns(), ended.lateness_ns()), (25, 20, 5));
    let Ok(Observed::ConnectionEnded { connection, end }) = table.observe(Tick(80), &release(4))
    else {
        panic!("not ended")
    };
    assert_eq!((connection.serial, connection.requests, connection.ready), (2, 2, true));
    assert_eq!(connection.started, Tick(1));
    assert_eq!(end, ConnectionEnd::Released(ReleaseCause::NotReusable));
}

#[test]
fn failed_checks_are_those_of_the_exchange_that_they_are_said_of() {
    let failed = |slot, failed| Event::ChecksFailed { exchange: ExchangeSlot(slot), failed };
    let mut table = table(&[
        (0, connect(4)),
        (1, connected(4)),
        (10, sent(4, planned_request(0, 0, 0, 2), 9)),
        (20, failed(4, 0b101)),
        (20, done(4, 19, 200, 5)),
    ]);
    let unknown = PairingError::UnknownExchange { exchange: ExchangeSlot(4) };
    assert_eq!(table.observe(Tick(25), &failed(4, 1)), Err(unknown));
    let mut ended = |event| match table.observe(Tick(30), &event).unwrap() {
        Observed::RequestEnded(ended) => Some(ended.failed_checks),
        _ => None,
    };
    assert_eq!(ended(sent(4, planned_request(0, 1, 0, 2), 9)), None);
    assert_eq!(ended(done(4, 29, 200, 5)), Some(0), "not those of the request before");
    assert_eq!(ended(sent(4, planned_request(0, 2, 0, 2), 9)), None);
    assert_eq!(ended(failed(4, 0b110)), None);
    assert_eq!(ended(done(4, 29, 200, 5)), Some(0b110));
}

#[test]
fn failures_timeouts_and_what_is_in_flight_end_requests_too() {
    let x = ExchangeSlot(0);
    let error = ErrorKind::ConnectionReset;
    let failed = Event::Failed {
        exchange: x,
        failure: Failure {
            error,
            detail: 104,
            first_byte: Some(Tick(35)),
            received_bytes: 10,
            unsent_bytes: 3,
            reusable: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
    };
    for (event, outcome) in [
        (failed, Outcome::Failed { kind: error, detail: 104 }),
        (Event::TimedOut { exchange: x }, Outcome::TimedOut),
        (Event::InFlightAtStop { exchange: x }, Outcome::InFlightAtStop),
    ] {
        let mut table = table(&[
            (0, connect(0)),
            (1, connected(0)),
            (30, sent(0, planned_request(0, 0, 0, 30), 9)),
        ]);
        assert_eq!(table.open_exchanges().count(), 1);
        let Ok(Observed::RequestEnded(ended)) = table.observe(Tick(40), &event) else { panic!() };
        assert_eq!((ended.outcome, ended.status, ended.service_ns()), (outcome, None, 10));
        assert_eq!(table.open_exchanges().count(), 0);
        assert_eq!(table.open_connections().count(), 1);
    }
    // The same failure if nothing was sent: the request follows as not_on_wire.
    let observed = table(&[]).observe(Tick(40), &failed);
    assert_eq!(
        observed,
        Ok(Observed::FailedBeforeSent { exchange: x, cause: Cause { error, detail: 104 } })
    );
}

#[test]
fn what_does_not_fit_together_is_an_error() {
    let (c, x) = (ConnectionSlot(0), ExchangeSlot(0));
    let open = [(0, connect(0)), (1, connected(0)), (2, sent(0, planned_request(0, 0, 0, 2), 9))];
    let cases = [
        (&open[..], open[2].1, PairingError::ExchangeInUse { exchange: x }),
        (&open[..2], done(0, 0, 200, 0), PairingError::UnknownExchange { exchange: x }),
        (&open[..1], open[2].1, PairingError::UnknownConnection { connection: c }),
        (&open[..0], open[2].1, PairingError::UnknownConnection { connection: c }),
        (&open[..1], connect(0), PairingError::ConnectionInUse { connection: c }),
        (&open[..2], connected(0), PairingError::UnknownConnection { connection: c }),
        (&open[..0], release(0), PairingError::UnknownConnection { connection: c }),
        (
            &open[..2],
            Event::ConnectTimedOut { connection: c },
            PairingError::UnknownConnection { connection: c },
        ),
        (
            &open[..2],
            sent(u32::MAX, planned_request(0, 0, 0, 0), 1),
            PairingError::ExchangeOutOfRange { exchange: ExchangeSlot(u32::MAX) },
        ),
        (
            &open[..0],
            connect(MAX_CONNECTION_SLOTS),
            PairingError::ConnectionOutOfRange { connection: ConnectionSlot(MAX_CONNECTION_SLOTS) },
        ),
    ];
    for (before, event, error) in cases {
        assert_eq!(table(before).observe(Tick(9), &event), Err(error), "{event:?}");
    }
}

#[test]
fn a_redirected_request_is_one_from_its_first_exchange_to_its_last() {
    let x = ExchangeSlot(4);
    let redirected = |received_bytes, unsent_bytes| Event::Redirected {
        exchange: x,
        response: Response {
            first_byte: Tick(19),
            status: 302,
            received_bytes,
            unsent_bytes,
            reusable: true,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
        next: NextHop { target: TargetId(0), request_bytes: 30 },
    };
    let again = |attempt, request_bytes| {
        let Event::Sent { exchange, written_bytes, request, connection, .. } =
            sent(4, planned_request(0, 0, 0, 2), 9)
        else {
            panic!("sent");
        };
        Event::Sent {
            exchange,
            written_bytes,
            request,
            attempt,
            connection,
            request_bytes,
            length_is_input: false,
        }
    };
    let events = [(0, connect(4)), (1, connected(4)), (10, again(0, 100))];
    let mut table = table(&events);
    let between = table.observe(Tick(20), &redirected(1_000, 40)).unwrap();
    let Observed::Redirected(facts) = between else { panic!("{between:?}") };
    assert_eq!((facts.earlier_bytes_sent, facts.earlier_bytes_received), (60, 1_000));
    let twice = table.observe(Tick(20), &redirected(1, 0));
    assert_eq!(twice, Err(PairingError::UnknownExchange { exchange: x }));
    let open: Vec<u64> = table.open_exchanges().map(|facts| facts.written_bytes).collect();
    assert_eq!(open, [0], "nothing of the next exchange was written");
    assert!(matches!(table.observe(Tick(30), &again(1, 30)), Ok(Observed::SentAgain(_))));
    let open = table.observe(Tick(31), &again(2, 30));
    assert_eq!(open, Err(PairingError::ExchangeInUse { exchange: x }));
    table.observe(Tick(40), &redirected(500, 0)).unwrap();
    let failed = Event::RedirectFailed {
        exchange: x,
        cause: Cause { error: ErrorKind::ConnectionRefused, detail: 111 },
    };
    let ended = table.observe(Tick(50), &failed).unwrap();
    let Observed::RequestEnded(ended) = ended else { panic!("{ended:?}") };
    let facts = ended.sent;
    assert_eq!((facts.sent, facts.attempt), (Tick(10), 1));
    assert_eq!((facts.earlier_bytes_sent, facts.earlier_bytes_received), (90, 1_500));
    assert_eq!((ended.service_ns(), ended.lateness_ns(), ended.response_ns()), (40, 8, 48));
    assert_eq!(ended.outcome, Outcome::Failed { kind: ErrorKind::ConnectionRefused, detail: 111 });
    assert_eq!(table.open_exchanges().count(), 0);
}

#[test]
fn every_request_of_the_golden_log_finds_its_end() {
    let all = read(&golden_log(1).bytes);
    let mut tables = [ExchangeTable::new(), ExchangeTable::new()];
    let (mut sent, mut again, mut redirected, mut ended) = (0, 0, 0, 0);
    for (worker, at, event) in &all.events {
        match tables[worker.index()].observe(*at, event).unwrap() {
            Observed::Sent(_) => sent += 1,
            Observed::RequestEnded(_) => ended += 1,
            Observed::SentAgain(_) => again += 1,
            Observed::Redirected(_) => redirected += 1,
            Observed::ConnectStarted(_)
            | Observed::TcpReady(_)
            | Observed::Connected(_)
            | Observed::StreamsAllowed(_)
            | Observed::GoingAway(_)
            | Observed::Resent(_)
            | Observed::ConnectionEnded { .. }
            | Observed::FailedBeforeSent { .. }
            | Observed::Alone(_) => {}
        }
    }
    assert_eq!((sent, again, redirected, ended), (9, 1, 2, 9));
}

/// A request that is refused on one HTTP/2 connection and answered on another: it counts from when it was
/// sent last, since no server processed it before.
#[test]
fn a_refused_request_is_that_of_its_last_connection() {
    let mut table = ExchangeTable::new();
    let mut observe = |at: u64, event: Event| table.observe(Tick(at), &event);
    let connected = |slot, negotiated| Event::ConnectedAs {
        connection: ConnectionSlot(slot),
        started: Tick(1),
        negotiated,
    };
    let sent = |slot, attempt, at| match common::sent(0, planned_request(0, 0, 0, at), 50) {
        Event::Sent {
            exchange, written_bytes, request, request_bytes, length_is_input, ..
        } => {
            let connection = ConnectionSlot(slot);
            Event::Sent {
                exchange,
                written_bytes,
                request,
                attempt,
                connection,
                request_bytes,
                length_is_input,
            }
        }
        other => other,
    };
    let refused = Failure {
        error: ErrorKind::StreamRefused,
        detail: 7,
        first_byte: None,
        received_bytes: 13,
        unsent_bytes: 10,
        reusable: false,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    };
    let (exchange, cause) = (ExchangeSlot(0), ResendCause::Refused);
    for slot in [0, 1] {
        let connect = Event::ConnectStarted {
            connection: ConnectionSlot(slot),
            target: TargetId(0),
            address: 0,
        };
        observe(1, connect).unwrap();
        observe(2, connected(slot, ConnectedAs::HTTP2)).unwrap();
    }
    let allowed = Event::StreamsAllowed { connection: ConnectionSlot(1), allowed: 5 };
    assert!(matches!(observe(3, allowed).unwrap(), Observed::StreamsAllowed(_)));
    let unknown = Event::StreamsAllowed { connection: ConnectionSlot(7), allowed: 5 };
    assert!(observe(3, unknown).is_err());
    assert!(matches!(observe(10, sent(0, 0, 10)).unwrap(), Observed::Sent(_)));
    let going = Event::GoingAway { connection: ConnectionSlot(0), code: 0, accepted: 0 };
    assert!(matches!(observe(11, going).unwrap(), Observed::GoingAway(_)));
    let resent = Event::Resent { exchange, failure: refused, cause };
    assert!(matches!(observe(12, resent).unwrap(), Observed::Resent(_)));
    assert!(observe(12, resent).is_err(), "it is not on the wire");
    let Observed::SentAgain(again) = observe(20, sent(1, 1, 10)).unwrap() else { panic!() };
    assert_eq!((again.attempt, again.resends, again.connection_serial), (1, 1, 2));
    assert_eq!((again.sent, again.stream(), again.reused), (Tick(20), Some(1), false));
    let Observed::RequestEnded(ended) = observe(30, done(0, 30, 200, 99)).unwrap() else {
        panic!()
    };
    assert_eq!((ended.response_ns(), ended.service_ns(), ended.lateness_ns()), (20, 10, 10));
    assert_eq!((ended.sent.earlier_bytes_sent, ended.sent.earlier_bytes_received), (40, 13));
}
