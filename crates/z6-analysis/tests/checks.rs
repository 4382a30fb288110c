//! A log of an honest run passes every check; a falsified one fails the check that is meant for it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod ledger;

use ledger::*;
use z6_analysis::checks::{Check, CheckReport, Checks, ViolationKind, check_log};
use z6_events::{
    Actor, ArrivalStamp, BlockEnd, Cause, ConnectionSlot, Ending, ErrorKind, Event, ExchangeSlot,
    Failure, Irregularities, LogReader, NeverSentReason, Population, ReleaseCause, RequestId,
    Response, Step, StoppedBy, TargetId, Tick, Visitor, WorkerId,
};

fn mixed() -> Ledger {
    run(&scenario(MIXED), 42, 2)
}

/// The checks over events as they stand, without encoding them.
fn check(ledger: &Ledger) -> CheckReport {
    let log = mixed().log();
    let mut reader = LogReader::new(&log[..]).unwrap();
    while reader.next_block().unwrap().is_some() {}
    let clean: Ending = reader.ending().unwrap().clone();
    let mut checks = Checks::new(&scenario(MIXED), &ledger.header, &[]);
    for (index, (worker, at, event)) in ledger.events.iter().enumerate() {
        checks.event(index as u64, *worker, *at, event);
    }
    checks.finish(&clean)
}

/// Changes the first event that `with` changes; the index of that event.
fn change(ledger: &mut Ledger, mut with: impl FnMut(&mut Event) -> bool) -> u64 {
    let found = ledger.events.iter_mut().position(|(_, _, event)| with(event));
    found.expect("no event to change") as u64
}

/// Whether a violation of this kind is found, at this event if one is named.
fn found(report: &CheckReport, at: Option<u64>, like: impl Fn(&ViolationKind) -> bool) -> bool {
    let mut violations = report.violations.iter();
    violations.any(|violation| like(&violation.kind) && at.is_none_or(|at| violation.event == at))
}

macro_rules! assert_found {
    ($report:expr, $at:expr, $pattern:pat) => {
        let report = $report;
        let expected = found(&report, $at, |kind| matches!(kind, $pattern));
        assert!(expected, "no {} in:\n{report}", stringify!($pattern));
    };
}

#[test]
fn an_honest_log_passes_with_every_kind_of_outcome_in_it() {
    let ledger = mixed();
    let has = |like: fn(&Event) -> bool| ledger.events.iter().any(|(_, _, event)| like(event));
    assert!(has(|event| matches!(event, Event::TimedOut { .. })));
    assert!(has(|event| matches!(event, Event::Failed { .. })));
    assert!(has(|event| matches!(event, Event::NotOnWire { .. })));
    assert!(has(|event| matches!(event, Event::InFlightAtStop { .. })));
    assert!(has(|event| matches!(event, Event::NeverSent { .. })));
    assert!(has(|event| matches!(event, Event::Done { failure: Some(_), .. })));
    let log = ledger.log();
    let report = check_log(&mut LogReader::new(&log[..]).unwrap(), &scenario(MIXED)).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.events, ledger.events.len() as u64);
    assert_eq!(report.loss, None);
    assert_eq!(report.to_string(), format!("checks: {} events, nothing wrong\n", report.events));
}

#[test]
fn a_log_cut_anywhere_passes_as_far_as_it_goes() {
    let log = mixed().torn_log();
    for share in 1..20 {
        let cut = &log[..log.len() * share / 20];
        let Ok(mut reader) = LogReader::new(cut) else { continue };
        let report = check_log(&mut reader, &scenario(MIXED)).unwrap();
        assert!(report.passed(), "{report}");
        assert!(report.loss.is_some());
    }
}

#[test]
fn violations_name_event_tick_worker_and_actor() {
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::Sent { request, .. } if request.step == Step(3) => {
            request.planned.0 += 1;
            true
        }
        _ => false,
    });
    let (worker, tick, event) = ledger.events[at as usize];
    let Event::Sent { request, .. } = event else { unreachable!() };
    let report = check(&ledger);
    assert_eq!(report.total(), 1);
    assert_eq!(report.count(Check::Plan), 1);
    let violation = report.violations[0];
    assert_eq!((violation.event, violation.at), (at, tick));
    assert_eq!((violation.worker, violation.actor), (worker, Some(request.actor)));
    let expected = Tick(request.planned.0 - 1);
    assert_eq!(violation.kind, ViolationKind::OtherInstant { expected, found: request.planned });
    let line = format!(
        "plan: event {at}, w{worker} {tick} vu{}: due at {}; the plan has {expected}",
        request.actor, request.planned
    );
    assert_eq!(violation.to_string(), line);
}

#[test]
fn pairing_a_request_without_an_end() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::InFlightAtStop { .. }));
    ledger.events.remove(at);
    let report = check(&ledger);
    assert_found!(report.clone(), None, ViolationKind::NeverEnded { .. });
    assert_found!(report, None, ViolationKind::Balance { .. });
}

#[test]
fn pairing_a_request_with_two_ends() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Done { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    assert_found!(check(&ledger), Some(at as u64 + 1), ViolationKind::EndedUnsent { .. });
}

#[test]
fn pairing_a_slot_sent_twice() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Sent { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    let report = check(&ledger);
    assert_found!(report.clone(), Some(at as u64 + 1), ViolationKind::SentTwice { .. });
    assert_found!(report.clone(), Some(at as u64 + 1), ViolationKind::Busy {});
    assert_found!(
        report.clone(),
        Some(at as u64 + 1),
        ViolationKind::TooManyAtOnce { limit: 1, .. }
    );
    assert_eq!(report.count(Check::Conservation), 1, "one sent too many");
}

#[test]
fn pairing_not_on_wire_needs_its_cause_and_a_cause_its_request() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::NotOnWire { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    let report = check(&ledger);
    assert_found!(report, Some(at as u64 + 1), ViolationKind::CauselessNotOnWire {});

    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::NotOnWire { cause: Cause { error, .. }, .. } => {
            *error = ErrorKind::ConnectTimeout;
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::OtherReason { .. });

    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Wake));
    let failed = Event::Failed {
        exchange: ExchangeSlot(9_999),
        failure: Failure {
            error: ErrorKind::StaleConnection,
            detail: 0,
            first_byte: None,
            received_bytes: 0,
            unsent_bytes: 100,
            reusable: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
    };
    let (worker, tick, _) = ledger.events[at];
    ledger.events.insert(at, (worker, tick, failed));
    assert_found!(check(&ledger), None, ViolationKind::MissingNotOnWire {});
}

#[test]
fn ids_beyond_scenario_and_header() {
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::Sent { request, .. } => {
            request.request = RequestId(3);
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::UnknownRequest { .. });
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::ConnectStarted { target, .. } => {
            *target = TargetId(2);
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::UnknownTarget { .. });
    let mut ledger = mixed();
    ledger.events[0].0 = WorkerId(2);
    assert_found!(check(&ledger), Some(0), ViolationKind::UnknownWorker {});
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::Sent { exchange, .. } => {
            *exchange = ExchangeSlot(u32::MAX);
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::SlotTooLarge { .. });
}

#[test]
fn time_that_goes_back() {
    let mut ledger = mixed();
    let at = ledger.events.len() / 2;
    let worker = ledger.events[at].0;
    let next = ledger.events.iter().skip(at + 1).position(|(of, _, _)| *of == worker).unwrap();
    ledger.events[at].1.0 += S;
    let report = check(&ledger);
    assert_found!(report, Some((at + 1 + next) as u64), ViolationKind::WentBack { .. });
}

#[test]
fn a_sign_of_life_from_the_past() {
    let ledger = mixed();
    let mut checks = Checks::new(&scenario(MIXED), &ledger.header, &[]);
    let (worker, at, event) = ledger.events[0];
    checks.event(0, worker, at, &event);
    let Ok(()) = checks.block_ended(BlockEnd { worker, up_to: Tick(at.0 - 1), events: 0 });
    let log = ledger.torn_log();
    let mut reader = LogReader::new(&log[..]).unwrap();
    while reader.next_block().unwrap().is_some() {}
    let report = checks.finish(reader.ending().unwrap());
    assert_found!(report.clone(), Some(1), ViolationKind::WentBack { .. });
    assert_eq!(report.total(), 1, "nothing is missing from a truncated log");
}

#[test]
fn instants_out_of_order() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Sent { .. }));
    let (_, tick, Event::Sent { request, .. }) = &mut ledger.events[at] else { unreachable!() };
    request.planned = Tick(tick.0 + 1);
    assert_found!(check(&ledger), Some(at as u64), ViolationKind::Early { .. });

    for shift in [-1_i64, 1] {
        let mut ledger = mixed();
        let done = ledger.find(|event| matches!(event, Event::Done { .. }));
        let (worker, done_at, event) = ledger.events[done];
        let Event::Done { exchange: slot, .. } = event else { unreachable!() };
        let is_send = |(of, _, event): &&Entry| {
            *of == worker && matches!(event, Event::Sent { exchange, .. } if *exchange == slot)
        };
        let sent = ledger.events[..done].iter().rev().find(is_send).unwrap().1;
        let Event::Done { response: Response { first_byte, .. }, .. } = &mut ledger.events[done].2
        else {
            unreachable!()
        };
        *first_byte = if shift < 0 { Tick(sent.0 - 1) } else { Tick(done_at.0 + 1) };
        let report = check(&ledger);
        assert_found!(report, Some(done as u64), ViolationKind::FirstByteOutside { .. });
    }

    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Connected { .. }));
    let (_, tick, Event::Connected { started, .. }) = &mut ledger.events[at] else {
        unreachable!()
    };
    *started = Tick(tick.0 + 1);
    assert_found!(check(&ledger), Some(at as u64), ViolationKind::ConnectedEarly { .. });
}

#[test]
fn a_response_that_had_arrived_before_its_request_was_sent() {
    for (early_ns, is_found) in [(0, false), (1_000, true)] {
        let mut ledger = mixed();
        ledger.header.arrival_stamps = true;
        let done = ledger.find(|event| matches!(event, Event::Done { .. }));
        let (worker, done_at, event) = ledger.events[done];
        let Event::Done { exchange: slot, .. } = event else { unreachable!() };
        let is_send = |(of, _, event): &&Entry| {
            *of == worker && matches!(event, Event::Sent { exchange, .. } if *exchange == slot)
        };
        let sent = ledger.events[..done].iter().rev().find(is_send).unwrap().1;
        let arrived = Tick(sent.0 - early_ns);
        let Event::Done { response, .. } = &mut ledger.events[done].2 else { unreachable!() };
        response.arrival = ArrivalStamp::new(arrived, done_at);
        let report = check(&ledger);
        if is_found {
            assert_found!(report, Some(done as u64), ViolationKind::ArrivedBeforeSent { .. });
        } else {
            assert_eq!(report.total(), 0);
        }
    }
}

#[test]
fn bytes_that_a_request_does_not_have() {
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::Sent { written_bytes, .. } => {
            *written_bytes = 101;
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::TooManyBytes { .. });
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::Done { response: Response { unsent_bytes, .. }, .. } => {
            *unsent_bytes = 101;
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::TooManyBytes { .. });
}

#[test]
fn timeouts_neither_early_nor_late() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::TimedOut { .. }));
    let (worker, _, event) = ledger.events[at];
    let Event::TimedOut { exchange } = event else { unreachable!() };
    // The same end, given by the driver: it comes at the deadline, which is too late.
    let error = ErrorKind::ConnectionReset;
    let late = Event::Failed {
        exchange,
        failure: Failure {
            error,
            detail: 0,
            first_byte: None,
            received_bytes: 0,
            unsent_bytes: 0,
            reusable: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
    };
    ledger.events[at].2 = late;
    assert_found!(check(&ledger), Some(at as u64), ViolationKind::PastTimeout { .. });

    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Done { .. }));
    let Event::Done { exchange, .. } = ledger.events[at].2 else { unreachable!() };
    ledger.events[at].2 = Event::TimedOut { exchange };
    assert_found!(check(&ledger), Some(at as u64), ViolationKind::TimedOutEarly { .. });
    assert_eq!(ledger.events[at].0.0 < 2, worker.0 < 2);
}

#[test]
fn lives_of_vus() {
    // Started twice.
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::VuStarted { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    assert_found!(check(&ledger), Some(at as u64 + 1), ViolationKind::StartedTwice {});

    // Never started.
    let mut ledger = mixed();
    ledger.events.remove(at);
    assert_found!(check(&ledger), None, ViolationKind::NotAlive {});

    // Stopped twice.
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::VuStopped { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    assert_found!(check(&ledger), Some(at as u64 + 1), ViolationKind::NotAlive {});

    // Never stopped.
    let mut ledger = mixed();
    ledger.events.remove(at);
    assert_found!(check(&ledger), None, ViolationKind::NeverStopped {});

    // Stopped too early.
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Done { .. }));
    let sent = |event: &Event| match event {
        Event::Sent { request, .. } => Some(request.actor),
        _ => None,
    };
    let actor = ledger.events[..at].iter().rev().find_map(|(_, _, event)| sent(event)).unwrap();
    let (worker, tick, _) = ledger.events[at];
    let worker = if actor.0 % 2 == u64::from(worker.0) { worker } else { WorkerId(1 - worker.0) };
    ledger
        .events
        .insert(at + 1, (worker, tick, Event::VuStopped { population: Population(0), actor }));
    let report = check(&ledger);
    let early = found(&report, Some(at as u64 + 1), |kind| {
        matches!(kind, ViolationKind::StoppedEarly {} | ViolationKind::Busy {})
    });
    assert!(early, "{report}");

    // Of another worker.
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::VuStarted { actor, .. } => {
            actor.0 += 1;
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::WrongWorker {});
}

#[test]
fn steps_follow_each_other_from_zero() {
    for (from, to) in [(0, 1), (4, 5), (4, 3)] {
        let mut ledger = mixed();
        let at = change(&mut ledger, |event| match event {
            Event::Sent { request, .. } if request.step == Step(from) => {
                request.step = Step(to);
                true
            }
            _ => false,
        });
        assert_found!(check(&ledger), Some(at), ViolationKind::StepOutOfOrder { .. });
    }
}

#[test]
fn the_end_is_the_end() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::EndReached { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    assert_found!(check(&ledger), Some(at as u64 + 1), ViolationKind::EndReachedTwice {});

    let mut ledger = mixed();
    let Event::EndReached { end, .. } = &mut ledger.events[at].2 else { unreachable!() };
    end.0 += 1;
    let report = check(&ledger);
    assert_found!(report.clone(), Some(at as u64), ViolationKind::OtherEnd { .. });
    assert_found!(report, Some(at as u64), ViolationKind::EndInFuture { .. });

    let mut ledger = mixed();
    let Event::EndReached { by, .. } = &mut ledger.events[at].2 else { unreachable!() };
    *by = StoppedBy::Interrupt;
    assert_found!(check(&ledger), Some(at as u64), ViolationKind::CauselessStop { .. });

    // Without it, what is given up at the stop is given up for no reason.
    let mut ledger = mixed();
    ledger.events.retain(|(_, _, event)| !matches!(event, Event::EndReached { .. }));
    let report = check(&ledger);
    assert_found!(report.clone(), None, ViolationKind::GivenUpEarly {});
    assert_found!(report, None, ViolationKind::StoppedEarly {});

    // An end before the last requests fell due.
    let mut ledger = mixed();
    let Event::EndReached { by, end } = &mut ledger.events[at].2 else { unreachable!() };
    (*by, end.0) = (StoppedBy::Iterations, S);
    let (worker, _, early) = ledger.events.remove(at);
    let second = ledger.events.iter().position(|(_, at, _)| at.0 > S).unwrap();
    let tick = ledger.events[second].1;
    ledger.events.insert(second, (worker, tick, early));
    assert_found!(check(&ledger), None, ViolationKind::PlannedAfterEnd { .. });
}

#[test]
fn nothing_comes_after_finished_and_finished_comes() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Finished));
    let (worker, tick, _) = ledger.events[at];
    ledger.events.push((worker, tick, Event::Wake));
    assert_found!(check(&ledger), None, ViolationKind::AfterFinished {});
    let mut ledger = mixed();
    ledger.events.remove(at);
    assert_found!(check(&ledger), None, ViolationKind::NotFinished {});
}

#[test]
fn no_request_on_a_connection_that_is_not_ready() {
    // Closed before.
    let mut ledger = mixed();
    let at = ledger
        .find(|event| matches!(event, Event::Sent { request, .. } if request.step == Step(5)));
    let (worker, tick, Event::Sent { connection, .. }) = ledger.events[at] else { unreachable!() };
    let cause = ReleaseCause::IdleTimeout;
    ledger.events.insert(at, (worker, tick, Event::ConnectionReleased { connection, cause }));
    let report = check(&ledger);
    assert_found!(
        report.clone(),
        Some(at as u64 + 1),
        ViolationKind::SentOnUnready { state: "closed", .. }
    );
    assert_found!(report, None, ViolationKind::WrongState { .. });

    // Still connecting.
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Connected { .. }));
    ledger.events.remove(at);
    assert_found!(check(&ledger), None, ViolationKind::SentOnUnready { state: "connecting", .. });

    // To another target.
    let mut ledger = mixed();
    change(&mut ledger, |event| match event {
        Event::ConnectStarted { target, .. } => {
            target.0 = 1 - target.0;
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), None, ViolationKind::SentElsewhere { .. });
}

#[test]
fn tcp_is_ready_once_and_before_the_connection_is() {
    let ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Connected { .. }));
    let (worker, tick, Event::Connected { connection, .. }) = ledger.events[at] else {
        unreachable!()
    };
    let ready = (worker, tick, Event::TcpReady { connection });
    let with = |places: &[usize]| {
        let mut ledger = mixed();
        places.iter().for_each(|place| ledger.events.insert(*place, ready));
        check(&ledger)
    };
    assert!(with(&[at]).passed());
    assert_found!(with(&[at, at]), Some(at as u64 + 1), ViolationKind::WrongState { .. });
    assert_found!(with(&[at + 1]), None, ViolationKind::WrongState { .. });
}

#[test]
fn connections_end_once_and_slots_are_used_once() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::ConnectStarted { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    assert_found!(check(&ledger), Some(at as u64 + 1), ViolationKind::SlotInUse { .. });

    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::ConnectionReleased { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    assert_found!(check(&ledger), Some(at as u64 + 1), ViolationKind::WrongState { .. });

    let mut ledger = mixed();
    let last = ledger
        .events
        .iter()
        .rposition(|(_, _, event)| matches!(event, Event::ConnectionReleased { .. }));
    ledger.events.remove(last.unwrap());
    assert_found!(check(&ledger), None, ViolationKind::LeftOpen { .. });
}

#[test]
fn caps_of_connections() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::Wake));
    let (worker, tick, _) = ledger.events[at];
    let open = |slot| {
        let connection = ConnectionSlot(slot);
        (worker, tick, Event::ConnectStarted { connection, target: TargetId(0), address: 0 })
    };
    ledger.events.splice(at..at, (1_000..1_020).map(open));
    assert_found!(check(&ledger), None, ViolationKind::MaxConnections { .. });

    let text = MIXED.replace("weight = 2\n", "weight = 2\nmax_requests_per_connection = 3\n");
    let limited = scenario(&text);
    let mut checks = Checks::new(&limited, &mixed().header, &[]);
    let ledger = mixed();
    for (index, (worker, at, event)) in ledger.events.iter().enumerate() {
        checks.event(index as u64, *worker, *at, event);
    }
    let log = ledger.log();
    let mut reader = LogReader::new(&log[..]).unwrap();
    while reader.next_block().unwrap().is_some() {}
    let report = checks.finish(reader.ending().unwrap());
    assert_found!(report, None, ViolationKind::MaxRequests { limit: 3, .. });

    let text = format!("{MIXED}[limits]\nmax_connecting = 1\n");
    let log = ledger.log();
    let report = check_log(&mut LogReader::new(&log[..]).unwrap(), &scenario(&text)).unwrap();
    assert_found!(report, None, ViolationKind::MaxConnecting { limit: 1, .. });
}

#[test]
fn the_plan_is_kept_to() {
    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::Sent { request, .. } => {
            request.request = RequestId((request.request.0 + 1) % 3);
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::OtherRequest { .. });

    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::NotOnWire { request, .. } => {
            request.target = target(1 - request.target.0);
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::OtherTarget { .. });

    let mut ledger = mixed();
    ledger.header.plan_digest[7] ^= 1;
    assert_found!(check(&ledger), Some(0), ViolationKind::Digest {});

    let mut ledger = mixed();
    ledger.header.seed += 1;
    assert_found!(check(&ledger), None, ViolationKind::OtherRequest { .. });

    let mut ledger = mixed();
    let at = change(&mut ledger, |event| match event {
        Event::Done { response: Response { status, .. }, failure, .. } if failure.is_none() => {
            *status = 404;
            true
        }
        _ => false,
    });
    assert_found!(check(&ledger), Some(at), ViolationKind::OtherVerdict { .. });
}

#[test]
fn starts_and_stops_are_those_of_the_schedule() {
    let mut ledger = mixed();
    let at = ledger.find(|event| matches!(event, Event::VuStarted { .. }));
    let Event::VuStarted { planned, .. } = &mut ledger.events[at].2 else { unreachable!() };
    planned.0 += 1;
    assert_found!(check(&ledger), Some(at as u64), ViolationKind::OtherStart { .. });

    // One VU more than there are.
    let log = mixed().log();
    let text = MIXED.replace("vus = 12", "vus = 13");
    let report = check_log(&mut LogReader::new(&log[..]).unwrap(), &scenario(&text)).unwrap();
    assert_found!(report, None, ViolationKind::MissingStart { .. });

    // A VU that goes on after the schedule stopped it.
    let text = MIXED.replace("vus = 12", "vus = 8");
    let report = check_log(&mut LogReader::new(&log[..]).unwrap(), &scenario(&text)).unwrap();
    assert_found!(report, None, ViolationKind::OtherStart { .. });
    let text = MIXED.replace("vus = 12, duration_seconds = 1", "vus = 12, duration_seconds = 0.9");
    let report = check_log(&mut LogReader::new(&log[..]).unwrap(), &scenario(&text)).unwrap();
    assert_found!(report, None, ViolationKind::PastStop { .. });
}

#[test]
fn iterations_end_a_vu() {
    let text = "runtime.iterations = 2\nruntime.duration_seconds = 1\n\
                target.base_url = 'http://127.0.0.1:1'\n\
                requests = [{ name = 'a', path = '/' }]\n\
                think_time = { type = 'constant', duration_ms = 100 }\n";
    let endless = scenario(&text.replace("runtime.iterations = 2\n", ""));
    let ledger = run(&endless, 7, 1);
    let report = check_log(&mut LogReader::new(&ledger.log()[..]).unwrap(), &scenario(text));
    assert_found!(report.unwrap(), None, ViolationKind::PastLastStep { steps: 2 });
}

#[test]
fn arrivals_of_the_open_model_come_when_they_are_planned() {
    let text = "runtime.duration_seconds = 1\n\
                target.base_url = 'http://127.0.0.1:1'\n\
                requests = [{ name = 'a', path = '/' }]\n\
                schedule = { type = 'rate', per_second = 4 }\n";
    let scenario = scenario(text);
    let mut ledger = mixed();
    ledger.header.workers = 1;
    ledger.header.plan_digest = z6_scenario::plan::plan_digest(&scenario, 42);
    ledger.events.clear();
    let request = |actor: u64, planned: u64| z6_events::PlannedRequest {
        population: z6_events::Population(0),
        actor: Actor(actor),
        step: Step(0),
        request: RequestId(0),
        target: TargetId(0),
        planned: Tick(planned),
    };
    let mut put = |at: u64, event| ledger.events.push((WorkerId(0), Tick(at), event));
    for actor in 0..4 {
        let reason = NeverSentReason::MaxInFlight;
        let at = actor * S / 4;
        put(at, Event::NeverSent { request: request(actor, at), reason });
    }
    put(S, Event::EndReached { by: StoppedBy::Duration, end: Tick(S) });
    put(S, Event::Finished);
    let check = |ledger: &Ledger| {
        let log = ledger.log();
        check_log(&mut LogReader::new(&log[..]).unwrap(), &scenario).unwrap()
    };
    let report = check(&ledger);
    assert!(report.passed(), "{report}");

    let mut late = ledger.clone();
    late.events[1].2 =
        Event::NeverSent { request: request(1, S / 4 - 1), reason: NeverSentReason::MaxInFlight };
    assert_found!(check(&late), Some(1), ViolationKind::OtherInstant { .. });
    let mut missing = ledger.clone();
    missing.events.remove(2);
    assert_found!(check(&missing), None, ViolationKind::MissingStart { .. });
    let mut twice = ledger.clone();
    let again = twice.events[2];
    twice.events.insert(3, again);
    assert_found!(check(&twice), Some(3), ViolationKind::NotAlive {});
}

#[test]
fn violations_beyond_the_first_hundred_are_counted() {
    let mut ledger = mixed();
    ledger.header.seed += 1;
    let report = check(&ledger);
    assert_eq!(report.violations.len(), z6_analysis::checks::VIOLATIONS_KEPT);
    assert!(report.total() > 200);
    let lines = report.to_string().lines().count();
    assert_eq!(lines, 1 + report.violations.len() + 1, "a heading and a line for the rest");
}
