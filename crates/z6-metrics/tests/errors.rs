//! What a fold refuses: contradictions, unknown ids, counts that do not balance.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use z6_events::{
    ConnectionSlot, ErrorKind, Event, ExchangeSlot, RequestId, TargetId, Tick, WorkerId,
};
use z6_metrics::{ConservationRule, FoldError};

fn error(build: impl Fn(&mut Script)) -> FoldError {
    let mut script = Script::new();
    build(&mut script);
    script.try_metrics(&plain(), 1).unwrap_err()
}

#[test]
fn a_request_without_an_end_breaks_conservation() {
    let found = error(|s| {
        s.success(0, 0, 10).sent(1, 20, 20).end(3 * S);
    });
    let expected = FoldError::Conservation { rule: ConservationRule::Sent, left: 2, right: 1 };
    assert_eq!(found, expected);
    assert_eq!(
        found.to_string(),
        "conservation broken: sent = succeeded + failed + in_flight_at_stop: 2 is not 1"
    );
}

#[test]
fn an_end_without_a_request_is_refused() {
    let (worker, exchange, at) = (WorkerId(0), ExchangeSlot(0), Tick(10));
    let expected = FoldError::ExchangeNotOpen { worker, exchange, at };
    assert_eq!(
        error(|s| {
            s.done(0, 10);
        }),
        expected
    );
    assert_eq!(
        error(|s| {
            s.add(0, 10, timed_out(0));
        }),
        expected
    );
    assert_eq!(
        error(|s| {
            s.add(0, 10, in_flight(0));
        }),
        expected
    );
    assert_eq!(
        error(|s| {
            s.success(0, 0, 10).done(0, 10);
        }),
        expected
    );
}

#[test]
fn a_slot_sent_twice_is_refused() {
    let expected = FoldError::ExchangeOpen { worker: WorkerId(0), exchange: ExchangeSlot(3) };
    assert_eq!(
        error(|s| {
            s.sent(3, 0, 0).sent(3, 0, 1);
        }),
        expected
    );
}

#[test]
fn a_failure_before_the_send_must_give_a_request_up() {
    let reset = ErrorKind::ConnectionReset;
    let expected = FoldError::MissingNotOnWire { worker: WorkerId(0) };
    let next_input = error(|s| {
        s.add(0, 1, failed_event(0, reset)).add(0, 2, Event::Wake);
    });
    assert_eq!(next_input, expected);
    assert_eq!(
        error(|s| {
            s.add(0, 1, failed_event(0, reset));
        }),
        expected
    );
}

#[test]
fn time_does_not_go_back_within_a_worker() {
    let (worker, at, last) = (WorkerId(0), Tick(4), Tick(5));
    let found = error(|s| {
        s.add(0, 5, Event::Wake).add(0, 4, Event::Wake);
    });
    assert_eq!(found, FoldError::TimeWentBack { worker, at, last });
}

#[test]
fn ticks_and_slots_that_no_run_can_reach_are_refused() {
    let worker = WorkerId(0);
    let at = Tick(49 * 3_600 * S);
    let found = error(|s| {
        s.add(0, at.0, Event::Wake);
    });
    assert_eq!(found, FoldError::TickTooLarge { worker, at });
    let found = error(|s| {
        s.sent(0, at.0, 1);
    });
    assert_eq!(found, FoldError::TickTooLarge { worker, at });
    let exchange = ExchangeSlot(u32::MAX);
    let found = error(|s| {
        s.sent(exchange.0, 0, 1);
    });
    assert_eq!(found, FoldError::ExchangeSlotTooLarge { worker, exchange });
    let connection = ConnectionSlot(u32::MAX);
    let found = error(|s| {
        s.add(0, 1, connected(connection.0, 0));
    });
    assert_eq!(found, FoldError::ConnectionSlotTooLarge { worker, connection });
}

#[test]
fn ids_that_the_scenario_does_not_have_are_refused() {
    let found = error(|s| {
        let request = s.request(1, 0, 0);
        s.add(0, 0, sent_event(0, request));
    });
    assert_eq!(found, FoldError::UnknownRequest(RequestId(1)));
    let found = error(|s| {
        let request = s.request(0, 1, 0);
        s.add(0, 0, sent_event(0, request));
    });
    assert_eq!(found, FoldError::UnknownTarget(TargetId(1)));
    let found = error(|s| {
        s.add(1, 0, Event::Wake);
    });
    assert_eq!(found, FoldError::UnknownWorker { worker: WorkerId(1), workers: 1 });
}

#[test]
fn statuses_of_more_than_three_digits_are_refused() {
    for status in [1_000, u16::MAX] {
        let found = error(|s| {
            s.sent(0, 0, 0).add(0, 1, done_event(0, 1, status, None));
        });
        assert_eq!(found, FoldError::BadStatus(status));
    }
}

#[test]
fn redirects_are_reserved() {
    let found = error(|s| {
        let request = s.request(0, 0, 0);
        let mut event = sent_event(0, request);
        if let Event::Sent { attempt, .. } = &mut event {
            *attempt = 1;
        }
        s.add(0, 0, event);
    });
    assert_eq!(found, FoldError::NotRedirected { worker: WorkerId(0), attempt: 1 });
}
