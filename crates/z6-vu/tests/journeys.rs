//! What follows from responses: values, checks, failures, renewals, and the part of its sequence that a VU
//! goes on with. Told by the logs of runs in memory; each of them is derived again from its inputs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use support::journey::{
    ID, LOGIN, ORDER, Run, TOKEN, USE, answer, missing, ok, on_failure, script, shop, steps, unmade,
};
use support::{MS, SECOND};
use z6_events::{
    Actor, ErrorKind, Event, LoggedValue, NeverSentReason, PlannedRequest, StopReason, StoppedBy,
};
use z6_scenario::plan::{RENEWALS, STARTS_AGAIN};
use z6_scenario::{OnFailure, Renew, Repeat, Scope};
use z6_vu::memory::Extracted;

/// Ticks of a step, from 0: its number, its request and what came of it.
type Told = (u64, u16, &'static str);

fn told(run: &Run) -> Vec<Told> {
    let mut open = BTreeMap::new();
    let mut told = Vec::new();
    for (_, event) in &run.events {
        let ended = |request: &PlannedRequest, how| (request.step.0, request.request.0, how);
        match event {
            Event::Sent { exchange, request, attempt: 0, .. } => {
                open.insert(exchange.0, *request);
            }
            Event::Done { exchange, failure, .. } => {
                let how = failure.map_or("ok", ErrorKind::name);
                told.push(ended(&open[&exchange.0], how));
            }
            Event::Failed { exchange, failure } => {
                if let Some(request) = open.get(&exchange.0) {
                    told.push(ended(request, failure.error.name()));
                }
            }
            Event::NotOnWire { request, cause } => told.push(ended(request, cause.error.name())),
            Event::NeverSent { request, reason } => told.push(ended(request, reason.name())),
            _ => {}
        }
    }
    told
}

fn planned(run: &Run, step: u64) -> u64 {
    let request = |event: &Event| match event {
        Event::Sent { request, .. } | Event::NeverSent { request, .. } => Some(*request),
        _ => None,
    };
    let of_step = |request: &PlannedRequest| request.step.0 == step;
    run.events.iter().filter_map(|(_, event)| request(event)).find(of_step).unwrap().planned.0
}

#[test]
fn start_is_done_once_and_its_variables_stay() {
    let mut scenario = shop(&[LOGIN], &[(USE, 1), (USE, 1)]);
    scenario.runtime.iterations = Some(3);
    let run = script(&scenario, |_, ask| ok(ask));
    let expected =
        [(0, LOGIN, "ok"), (1, USE, "ok"), (2, USE, "ok"), (3, USE, "ok"), (4, USE, "ok")];
    assert_eq!(told(&run)[..5], expected);
    assert_eq!(told(&run).len(), 7);
}

#[test]
fn a_variable_of_the_iteration_ends_with_it() {
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1)]);
    scenario.runtime.iterations = Some(2);
    scenario.values.variables[usize::from(TOKEN.0)].scope = Scope::Iteration;
    // The second login has no token: what the first gave is gone, and nothing stale is sent.
    let run = script(&scenario, |number, ask| if number == 2 { missing(ask) } else { ok(ask) });
    let expected =
        [(0, LOGIN, "ok"), (1, USE, "ok"), (2, LOGIN, "extract_failed"), (3, USE, "missing_value")];
    assert_eq!(told(&run), expected);
}

#[test]
fn what_a_request_extracts_has_no_value_once_it_was_sent() {
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1), (LOGIN, 1), (USE, 1)]);
    scenario.runtime.iterations = Some(1);
    // The second login fails by its status, so that nothing is extracted.
    let run = script(&scenario, |number, ask| if number == 2 { answer(500) } else { ok(ask) });
    let expected =
        [(0, LOGIN, "ok"), (1, USE, "ok"), (2, LOGIN, "status_5xx"), (3, USE, "missing_value")];
    assert_eq!(told(&run), expected);
}

#[test]
fn a_default_sets_the_variable_and_nothing_fails() {
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1)]);
    scenario.runtime.iterations = Some(1);
    scenario.requests[usize::from(LOGIN)].reading.extracts[0].default = Some(b"none".to_vec());
    let run = script(&scenario, |_, ask| missing(ask));
    assert_eq!(told(&run), [(0, LOGIN, "ok"), (1, USE, "ok")]);
}

#[test]
fn what_is_not_required_leaves_a_request_without_it_unsent() {
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1), (ORDER, 1)]);
    scenario.runtime.iterations = Some(2);
    scenario.requests[usize::from(LOGIN)].reading.extracts[0].is_required = false;
    let run = script(&scenario, |_, ask| missing(ask));
    // The iteration ends there: the order is not sent.
    let expected =
        [(0, LOGIN, "ok"), (1, USE, "missing_value"), (3, LOGIN, "ok"), (4, USE, "missing_value")];
    assert_eq!(told(&run), expected);
}

#[test]
fn checks_fail_their_request_unless_they_only_count() {
    let mut scenario = shop(&[], &[(ORDER, 5)]);
    scenario.runtime.iterations = Some(1);
    // Check 0 fails the request, check 1 only counts.
    let run = script(&scenario, |number, ask| {
        let (answer, mut found) = ok(ask);
        found.failed_checks = [0, 0b01, 0b10, 0b11, 0b01][number];
        if found.failed_checks & 1 != 0 {
            found.values.clear();
        }
        if number == 4 { (support::journey::status(404), found) } else { (answer, found) }
    });
    let how: Vec<_> = told(&run).iter().map(|told| told.2).collect();
    assert_eq!(how, ["ok", "check_failed", "ok", "check_failed", "status_4xx"]);
    let failed = |event: &Event| match event {
        Event::ChecksFailed { failed, .. } => Some(*failed),
        _ => None,
    };
    let masks: Vec<u64> = run.events.iter().filter_map(|(_, event)| failed(event)).collect();
    assert_eq!(masks, [0b01, 0b10, 0b11, 0b01]);
}

#[test]
fn an_extraction_that_is_always_done_keeps_its_value_after_a_failure() {
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1)]);
    scenario.runtime.iterations = Some(1);
    scenario.requests[usize::from(LOGIN)].reading.extracts[0].is_always = true;
    let run = script(&scenario, |number, ask| {
        let (answer, found) = ok(ask);
        if number == 0 { (support::journey::status(401), found) } else { (answer, found) }
    });
    assert_eq!(told(&run), [(0, LOGIN, "status_4xx"), (1, USE, "ok")]);
}

#[test]
fn after_a_failure_the_sequence_goes_on_as_it_says() {
    let run = |after: OnFailure| {
        let mut scenario = shop(&[], &[(ORDER, 1), (ORDER, 1)]);
        scenario.runtime.iterations = Some(2);
        scenario.populations[0].flow.on_failure = after;
        script(&scenario, |number, ask| if number == 0 { answer(500) } else { ok(ask) })
    };
    let steps = |run: &Run| told(run).iter().map(|told| told.0).collect::<Vec<_>>();
    assert_eq!(steps(&run(OnFailure::Continue)), [0, 1, 2, 3]);
    assert_eq!(steps(&run(OnFailure::EndIteration)), [0, 2, 3]);
    assert_eq!(steps(&run(OnFailure::StopVu)), [0]);
    assert_eq!(run(OnFailure::StopVu).stopped_by, StoppedBy::Iterations);
    let stopped = run(OnFailure::StopRun);
    assert_eq!(steps(&stopped), [0]);
    assert_eq!(stopped.stopped_by, StoppedBy::OnFailure);
    let reason = StopReason::OnFailure;
    assert!(stopped.events.iter().any(|(_, event)| *event == Event::Stop { reason }));
}

#[test]
fn a_step_says_otherwise_than_its_sequence() {
    let mut scenario = shop(&[], &[(ORDER, 1), (ORDER, 1), (ORDER, 1)]);
    scenario.runtime.iterations = Some(2);
    scenario.populations[0].flow.on_failure = OnFailure::StopVu;
    on_failure(&mut scenario.populations[0].flow.steps, 0, OnFailure::Continue);
    on_failure(&mut scenario.populations[0].flow.steps, 1, OnFailure::EndIteration);
    let run = script(&scenario, |_, _| answer(500));
    assert_eq!(told(&run).iter().map(|told| told.0).collect::<Vec<_>>(), [0, 1, 3, 4]);
}

/// Whatever the kind of the failure, it is one.
#[test]
fn requests_that_break_are_failures_as_well() {
    for (kind, how) in [
        (z6_vu::memory::Answer::Fails(MS, ErrorKind::ConnectionReset), "connection_reset"),
        (z6_vu::memory::Answer::Unmade, "bad_value"),
    ] {
        let mut scenario = shop(&[], &[(ORDER, 1), (ORDER, 1)]);
        scenario.runtime.iterations = Some(1);
        scenario.populations[0].flow.on_failure = OnFailure::EndIteration;
        let run = script(&scenario, |_, _| (kind, Default::default()));
        assert_eq!(told(&run), [(0, ORDER, how)]);
    }
}

#[test]
fn an_iteration_that_sent_nothing_is_followed_by_a_pause() {
    let mut scenario = shop(&[], &[(USE, 1), (ORDER, 1)]);
    scenario.runtime.iterations = Some(3);
    let run = script(&scenario, |_, ask| ok(ask));
    let expected =
        [(0, USE, "missing_value"), (2, USE, "missing_value"), (4, USE, "missing_value")];
    assert_eq!(told(&run), expected);
    assert_eq!([planned(&run, 2), planned(&run, 4)], [100 * MS, 200 * MS]);
    let mut scenario = shop(&[], &[(ORDER, 1)]);
    scenario.runtime.iterations = Some(3);
    let run = script(&scenario, |_, _| unmade());
    let times: Vec<u64> = run
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::NotOnWire { .. }))
        .map(|(at, _)| at.0 / (100 * MS))
        .collect();
    assert_eq!(times, [0, 1, 2], "what cannot be made is not sent either");
}

#[test]
fn a_start_that_left_something_out_is_done_again() {
    let mut scenario = shop(&[LOGIN], &[(USE, 1)]);
    scenario.runtime.iterations = Some(2);
    let run = script(&scenario, |number, ask| if number < 2 { missing(ask) } else { ok(ask) });
    let expected = [
        (0, LOGIN, "extract_failed"),
        (STARTS_AGAIN, LOGIN, "extract_failed"),
        (STARTS_AGAIN + 1, LOGIN, "ok"),
        (1, USE, "ok"),
        (2, USE, "ok"),
    ];
    assert_eq!(told(&run), expected);
    let ended = run.ended_at(0);
    assert_eq!(planned(&run, STARTS_AGAIN), ended + SECOND);
}

#[test]
fn a_start_that_never_succeeds_is_done_again_once_for_each_iteration() {
    let mut scenario = shop(&[LOGIN], &[(USE, 1)]);
    scenario.runtime.iterations = Some(2);
    let run = script(&scenario, |_, ask| missing(ask));
    let expected = [
        (0, LOGIN, "extract_failed"),
        (STARTS_AGAIN, LOGIN, "extract_failed"),
        (STARTS_AGAIN + 1, LOGIN, "extract_failed"),
    ];
    assert_eq!(told(&run), expected);
}

fn renewed(on_status: &[u16], every_ns: Option<u64>) -> z6_scenario::Scenario {
    let mut scenario = shop(&[LOGIN], &[(USE, 2)]);
    scenario.runtime.iterations = Some(2);
    let on_status = on_status.to_vec();
    scenario.populations[0].flow.renew =
        Some(Renew { steps: steps(&[(LOGIN, 1)]), on_status, every_ns });
    scenario
}

#[test]
fn a_status_renews_before_the_next_request() {
    let run = script(
        &renewed(&[401], None),
        |number, ask| {
            if number == 1 { answer(401) } else { ok(ask) }
        },
    );
    let expected = [
        (0, LOGIN, "ok"),
        (1, USE, "status_4xx"),
        (RENEWALS, LOGIN, "ok"),
        (2, USE, "ok"),
        (3, USE, "ok"),
        (4, USE, "ok"),
    ];
    assert_eq!(told(&run), expected);
}

#[test]
fn the_statuses_of_renewals_renew_nothing() {
    let run = script(&renewed(&[401], None), |number, ask| match number {
        1 | 2 => answer(401),
        _ => ok(ask),
    });
    let expected = [
        (0, LOGIN, "ok"),
        (1, USE, "status_4xx"),
        (RENEWALS, LOGIN, "status_4xx"),
        // No token is left: the iteration ends, and start is done again.
        (2, USE, "missing_value"),
        (STARTS_AGAIN, LOGIN, "ok"),
        (3, USE, "ok"),
        (4, USE, "ok"),
    ];
    assert_eq!(told(&run), expected);
}

#[test]
fn what_is_old_is_renewed_as_planned_instants_say() {
    let mut scenario = renewed(&[], Some(10 * MS));
    scenario.populations[0].think_time = z6_scenario::ThinkTime::Constant { duration_ns: 3 * MS };
    scenario.runtime.iterations = Some(5);
    let run = script(&scenario, |_, ask| ok(ask));
    let mut last = 0;
    for (step, request, how) in told(&run) {
        assert_eq!(how, "ok");
        let at = planned(&run, step);
        if request == LOGIN {
            assert!(step == 0 || at - last >= 10 * MS, "step {step} at {at}");
            last = at;
        } else {
            // After a renewal the request that it delayed is sent, whatever the time.
            assert!(at - last < 10 * MS + 4 * MS, "step {step} at {at}");
        }
    }
    assert!(told(&run).iter().filter(|told| told.1 == LOGIN).count() >= 4);
}

#[test]
fn a_failure_in_a_renewal_ends_the_iteration_that_it_interrupts() {
    let mut scenario = renewed(&[401], None);
    scenario.populations[0].flow.on_failure = OnFailure::EndIteration;
    on_failure(&mut scenario.populations[0].flow.steps, 0, OnFailure::Continue);
    let run = script(&scenario, |number, ask| match number {
        1 => answer(401),
        2 => answer(500),
        _ => ok(ask),
    });
    let expected = [
        (0, LOGIN, "ok"),
        (1, USE, "status_4xx"),
        (RENEWALS, LOGIN, "status_5xx"),
        (STARTS_AGAIN, LOGIN, "ok"),
        (3, USE, "ok"),
        (4, USE, "ok"),
    ];
    assert_eq!(told(&run), expected);
}

#[test]
fn repeats_are_taken_as_drawn() {
    let mut scenario = shop(&[], &[(ORDER, 1), (ORDER, 1)]);
    scenario.populations[0].flow.steps[0].repeat = Repeat { min: 1, max: 4 };
    scenario.runtime.iterations = Some(50);
    let run = script(&scenario, |_, ask| ok(ask));
    let plan = z6_scenario::Plan::new(&scenario, 1);
    let mut next = Some(plan.first(Actor(0)));
    for (step, ..) in told(&run) {
        assert_eq!(Some(step), next.map(|step| step.0));
        next = plan.next(Actor(0), next.unwrap());
    }
    assert_eq!(next, None);
    assert!(told(&run).len() > 120, "of 100 to 250");
}

#[test]
fn rows_that_are_used_up_end_the_vu_or_the_run() {
    for (on_end, by, vus) in [
        (z6_scenario::OnEnd::StopVu, StoppedBy::Iterations, 2),
        (z6_scenario::OnEnd::StopRun, StoppedBy::DataExhausted, 2),
    ] {
        let mut scenario = support::journey::rows(5, on_end);
        scenario.populations[0].schedule = z6_scenario::Schedule::Constant { vus };
        let run = script(&scenario, |_, ask| ok(ask));
        assert_eq!(run.stopped_by, by, "{on_end:?}");
        let never = run.never_sent(NeverSentReason::DataExhausted);
        assert!(never == 2 || on_end == z6_scenario::OnEnd::StopRun && never >= 1, "{on_end:?}");
        let sent = told(&run).iter().filter(|told| told.2 == "ok").count();
        assert!(sent == 5 || on_end == z6_scenario::OnEnd::StopRun && sent <= 5, "{sent}");
    }
}

#[test]
fn arrivals_without_a_row_are_never_sent() {
    let mut scenario = support::journey::rows(3, z6_scenario::OnEnd::StopVu);
    let mut open = support::scenario(
        "[runtime]\nduration_seconds = 1\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'r'\npath = '/'\n\
         [schedule]\ntype = 'rate'\nper_second = 10\nmax_in_flight = 5\n",
    );
    std::mem::swap(&mut scenario.populations[0].schedule, &mut open.populations[0].schedule);
    scenario.runtime = open.runtime;
    let run = script(&scenario, |_, ask| ok(ask));
    assert_eq!(told(&run).iter().filter(|told| told.2 == "ok").count(), 3);
    assert_eq!(run.never_sent(NeverSentReason::DataExhausted), 7);
    assert_eq!(run.forgotten, Vec::<u64>::new(), "no variable is kept");
}

#[test]
fn actors_that_have_ended_are_forgotten_once() {
    let mut scenario = shop(&[LOGIN], &[(USE, 1)]);
    scenario.runtime.iterations = Some(2);
    scenario.populations[0].schedule = z6_scenario::Schedule::Constant { vus: 3 };
    let mut run = script(&scenario, |_, ask| ok(ask));
    run.forgotten.sort_unstable();
    assert_eq!(run.forgotten, [0, 1, 2]);
}

#[test]
fn a_value_that_is_changed_in_the_log_is_found_where_it_decides() {
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1)]);
    scenario.runtime.iterations = Some(2);
    let run = script(&scenario, |_, ask| ok(ask));
    let at = run.events.iter().position(|(_, e)| matches!(e, Event::Value { .. })).unwrap();
    let mut changed = run.events.clone();
    let Event::Value { value, .. } = &mut changed[at].1 else { unreachable!() };
    *value = LoggedValue::Missing;
    // The next record is the first that is decided otherwise: the response counts as failed.
    let difference = support::journey::derive(&scenario, &changed).unwrap_err();
    assert_eq!(difference.0, at + 1);
    assert!(matches!(changed[at + 1].1, Event::Done { failure: None, .. }));
    let failure = Some(ErrorKind::ExtractFailed);
    assert!(matches!(difference.1, Some(Event::Done { failure: found, .. }) if found == failure));
    // Without the record, or with another one, no driver can have written it.
    let mut less = run.events.clone();
    less.remove(at);
    assert_eq!(support::journey::derive(&scenario, &less).unwrap_err(), (at, None));
    let mut other = run.events;
    let Event::Value { variable, .. } = &mut other[at].1 else { unreachable!() };
    *variable = ID;
    assert_eq!(support::journey::derive(&scenario, &other).unwrap_err(), (at, None));
}

#[test]
fn a_secret_value_is_not_taken_in_clear() {
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1)]);
    scenario.runtime.iterations = Some(1);
    let open = script(&scenario, |_, ask| ok(ask));
    scenario.values.variables[usize::from(TOKEN.0)].is_secret = true;
    assert!(support::journey::derive(&scenario, &open.events).is_err());
    let withheld = script(&scenario, |_, ask| {
        let (answer, mut found) = ok(ask);
        found.values.iter_mut().for_each(|value| value.1 = Extracted::Withheld);
        (answer, found)
    });
    assert_eq!(told(&withheld), [(0, LOGIN, "ok"), (1, USE, "ok")]);
}

/// Replay and the checks of logs find each bug by themselves.
#[cfg(feature = "planted-bugs")]
#[test]
fn planted_bugs_are_found_twice() {
    use z6_vu::planted::Bug;
    for bug in Bug::OF_JOURNEYS {
        let mut scenario = renewed(&[401], None);
        scenario.populations[0].flow.on_failure = OnFailure::EndIteration;
        on_failure(&mut scenario.populations[0].flow.steps, 0, OnFailure::Continue);
        scenario.populations[0].flow.steps.push(steps(&[(ORDER, 1)])[0]);
        scenario.runtime.iterations = Some(4);
        let mut engine = support::journey::engine(&scenario);
        engine.plant(bug);
        let events = support::journey::record(&scenario, engine, |number, ask| match number {
            2 => answer(401),
            3 => answer(500),
            _ if ask.request.0 == ORDER => answer(503),
            _ => ok(ask),
        });
        assert!(support::journey::derive(&scenario, &events).is_err(), "{bug:?}");
        let checked = support::journey::check(&scenario, &events);
        assert!(!checked.passed(), "{bug:?}");
    }
}

/// What no driver can have written is found by the checks.
#[test]
fn checks_name_what_is_wrong() {
    use z6_analysis::checks::ViolationKind as Kind;
    let mut scenario = shop(&[], &[(LOGIN, 1), (USE, 1), (ORDER, 1)]);
    scenario.runtime.iterations = Some(2);
    let run = script(&scenario, |number, ask| {
        let (answer, mut found) = ok(ask);
        found.failed_checks = u64::from(number == 2) << 1;
        (answer, found)
    });
    let find = |what: fn(&Event) -> bool| run.events.iter().position(|(_, e)| what(e)).unwrap();
    let value = find(|event| matches!(event, Event::Value { .. }));
    let failed = find(|event| matches!(event, Event::ChecksFailed { .. }));
    let first = |events: &[(z6_events::Tick, Event)]| {
        support::journey::check(&scenario, events).violations.first().map(|found| found.kind)
    };
    assert_eq!(first(&run.events), None);
    let mut missing = run.events.clone();
    let Event::Value { value: found, .. } = &mut missing[value].1 else { unreachable!() };
    *found = LoggedValue::Missing;
    let kind = first(&missing);
    assert!(
        matches!(kind, Some(Kind::OtherVerdict { expected: "extract_failed", .. })),
        "{kind:?}"
    );
    let mut removed = run.events.clone();
    removed.remove(value);
    assert_eq!(first(&removed), Some(Kind::OtherValues { taken: 0 }));
    let mut unknown = run.events.clone();
    let Event::ChecksFailed { failed: mask, .. } = &mut unknown[failed].1 else { unreachable!() };
    *mask = 0b100;
    assert_eq!(first(&unknown), Some(Kind::OtherChecks { failed: 0b100 }));
    let mut fatal = run.events.clone();
    let Event::ChecksFailed { failed: mask, .. } = &mut fatal[failed].1 else { unreachable!() };
    *mask = 0b01;
    let kind = first(&fatal);
    assert!(matches!(kind, Some(Kind::OtherValues { .. } | Kind::OtherVerdict { .. })), "{kind:?}");
    scenario.values.variables[usize::from(TOKEN.0)].is_secret = true;
    let kind = support::journey::check(&scenario, &run.events).violations.first().unwrap().kind;
    assert_eq!(kind, Kind::SecretInClear { variable: TOKEN.0 });
}

/// Whatever the scenario and the server: the engine ends, replay derives the same, and the checks of logs,
/// which know the rules from another hand, find nothing wrong.
#[test]
fn any_journey_keeps_to_the_rules() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let mut dice = support::wild::Wild { state: seed * 77_777 + 1, trouble: 0 };
        let start = [&[][..], &[LOGIN], &[LOGIN, ORDER], &[USE]][dice.draw(4) as usize];
        let sequence: Vec<(u16, u32)> =
            (0..=dice.draw(4)).map(|_| (dice.draw(3) as u16, 1)).collect();
        let mut scenario = shop(start, &sequence);
        scenario.runtime.iterations = Some(1 + dice.draw(5));
        scenario.populations[0].schedule =
            z6_scenario::Schedule::Constant { vus: 1 + dice.draw(3) as u32 };
        let after = [
            OnFailure::Continue,
            OnFailure::EndIteration,
            OnFailure::EndIteration,
            OnFailure::StopVu,
            OnFailure::StopRun,
        ];
        scenario.populations[0].flow.on_failure =
            after[dice.draw(4) as usize + usize::from(dice.draw(9) == 0)];
        for step in &mut scenario.populations[0].flow.steps {
            step.repeat.max += dice.draw(3) as u32;
            step.on_failure = (dice.draw(3) == 0).then_some(after[dice.draw(3) as usize]);
        }
        if dice.draw(2) == 0 {
            let every_ns = (dice.draw(2) == 0).then(|| (1 + dice.draw(20)) * MS);
            let on_status = if dice.draw(2) == 0 { vec![401] } else { Vec::new() };
            let renewed = [&[(LOGIN, 1)][..], &[(LOGIN, 1), (ORDER, 1)], &[(USE, 2)]];
            let renewed = steps(renewed[dice.draw(3) as usize]);
            scenario.populations[0].flow.renew =
                Some(Renew { steps: renewed, on_status, every_ns });
        }
        if dice.draw(2) == 0 {
            let duration_ns = dice.draw(8) * MS;
            scenario.populations[0].think_time = z6_scenario::ThinkTime::Constant { duration_ns };
        }
        scenario.values.variables[0].scope =
            if dice.draw(3) == 0 { Scope::Iteration } else { Scope::Vu };
        scenario.requests[0].reading.extracts[0].is_required = dice.draw(3) > 0;
        scenario.runtime.duration_ns = Some((1 + dice.draw(60)) * 100 * MS);
        let trouble = dice.draw(60);
        let run = script(&scenario, move |_, ask| {
            if dice.draw(100) >= trouble {
                return ok(ask);
            }
            match dice.draw(6) {
                0 => answer(500),
                1 => answer(401),
                2 => missing(ask),
                3 => unmade(),
                4 => (
                    z6_vu::memory::Answer::Fails(MS, ErrorKind::ConnectionReset),
                    Default::default(),
                ),
                _ if ask.request.0 != ORDER => answer(401),
                _ => {
                    let (answer, mut found) = ok(ask);
                    found.failed_checks = 1 + dice.draw(3);
                    if found.failed_checks & 1 != 0 {
                        found.values.clear();
                    }
                    (answer, found)
                }
            }
        });
        kinds.extend(told(&run).iter().map(|told| told.2));
        let aside = |told: &Told| told.0 >= STARTS_AGAIN;
        kinds.extend(told(&run).iter().any(aside).then_some("aside"));
        kinds.insert(run.stopped_by.name());
    }
    for kind in
        ["missing_value", "aside", "check_failed", "extract_failed", "bad_value", "on_failure"]
    {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
}

const SIGN_IN: &str = "[runtime]\niterations = 5\nvus = 3\n\
    [target]\nbase_url = 'http://127.0.0.1:80'\n\
    [[requests]]\nname = 'login'\npath = '/login/of/a/length/beyond/that/of/the/first/write'\n\
    extract.token = { header = 'X-Token', secret = true }\n\
    [[requests]]\nname = 'use'\npath = '/use'\n\
    headers = { Authorization = 'Bearer {{token}}' }\n\
    checks.'fine' = 'status == 200'\n\
    checks.'seen' = { that = 'status == 200', fails = false }\n\
    [[sequences]]\nname = 'sign_in'\nsteps = [{ request = 'login' }]\n\
    [sequence]\nstart = 'sign_in'\non_failure = 'end_iteration'\n\
    renew = { sequence = 'sign_in', on_status = [401] }\n\
    steps = [{ request = 'use', repeat = [1, 3] }]\n";

/// Answers a scenario of a file, and now and then not as it wants.
struct Moody(support::wild::Wild);

impl z6_vu::memory::Network for Moody {
    fn dial(&mut self, at: z6_events::Tick, to: z6_events::TargetId) -> z6_vu::memory::Dial {
        self.0.dial(at, to)
    }

    fn answer(&mut self, _at: z6_events::Tick, _ask: &PlannedRequest) -> z6_vu::memory::Answer {
        support::journey::status(if self.0.draw(4) == 0 { 401 } else { 200 })
    }

    fn read(&mut self, ask: &PlannedRequest, status: u16) -> z6_vu::memory::Found {
        let mut found = z6_vu::memory::Found::default();
        if ask.request.0 == LOGIN && status == 200 {
            let is_there = self.0.draw(5) > 0;
            let value = if is_there { Extracted::Withheld } else { Extracted::Missing };
            found.values.push((TOKEN, value));
        } else if ask.request.0 == USE && status != 200 {
            found.failed_checks = 0b11;
        }
        found
    }
}

#[test]
fn a_journey_is_derived_again_from_its_log_alone() {
    use z6_vu::replay::{DecisionKind, Outcome, replay};
    let scenario = support::scenario(SIGN_IN);
    let log = support::run(
        &scenario,
        7,
        2,
        |worker| Box::new(Moody(support::wild::Wild { state: u64::from(worker), trouble: 0 })),
        &[],
    );
    let outcome = replay(&log[..]).unwrap();
    assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
    let mut reader = z6_events::LogReader::new(&log[..]).unwrap();
    let checked = z6_analysis::checks::check_log(&mut reader, &scenario).unwrap();
    assert!(checked.passed(), "{checked}");
    // A value that is there in place of one that is missing, and the other way round.
    for (from, to) in [
        (LoggedValue::Withheld, LoggedValue::Missing),
        (LoggedValue::Missing, LoggedValue::Withheld),
    ] {
        let mut apart = support::falsify::Apart::of(&log);
        let events = apart.blocks.iter_mut().flat_map(|block| &mut block.events);
        let mut values = events.filter_map(|(_, event)| match event {
            Event::Value { value, .. } if *value == from => Some(value),
            _ => None,
        });
        *values.next().unwrap() = to;
        let outcome = replay(&apart.sealed()[..]).unwrap();
        let Outcome::Differs(difference) = outcome else { panic!("{from:?}: {outcome:?}") };
        assert_eq!(difference.kind, DecisionKind::Failure, "{difference:?}");
    }
}
