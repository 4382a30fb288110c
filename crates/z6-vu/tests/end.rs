//! What a VU does at its end. Told by the logs of runs in memory; each of them is derived again from its inputs,
//! and passes the checks of logs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::journey::{
    ID, LOGIN, ORDER, Run, USE, answer, check, derive, ok, on_failure, script, script_deciding,
    shop, steps,
};
use support::{MS, SECOND};
use z6_events::{Event, NeverSentReason, PlannedRequest, StoppedBy};
use z6_scenario::plan::{ENDS, RENEWALS};
use z6_scenario::{OnFailure, Scenario};
use z6_vu::memory::{Answer, Found};

const OUT: u16 = 1;
const BYE: u16 = 2;

/// Requests `a`, `out` and `bye`; the end is `out` and `bye`.
fn scenario(load: &str, steps: &str) -> Scenario {
    support::scenario(&format!(
        "{load}\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'a'\npath = '/'\n\
         [[requests]]\nname = 'out'\npath = '/'\n\
         [[requests]]\nname = 'bye'\npath = '/'\n\
         [[sequences]]\nname = 'end'\nsteps = [{{ request = 'out' }}, {{ request = 'bye' }}]\n\
         [sequence]\nend = 'end'\nsteps = [{steps}]\n"
    ))
}

const THINK: &str = "[think_time]\ntype = 'constant'\nduration_ms = 30\n";

/// By actor: step, request, planned tick in milliseconds.
fn asked(run: &Run) -> Vec<(u64, u64, u16, u64)> {
    let request = |request: &PlannedRequest| {
        let PlannedRequest { actor, step, request, planned, .. } = *request;
        (actor.0, step.0, request.0, planned.0 / MS)
    };
    let of = |event: &Event| match event {
        Event::Sent { request: asked, .. } | Event::NotOnWire { request: asked, .. } => {
            Some(request(asked))
        }
        _ => None,
    };
    let mut all: Vec<_> = run.events.iter().filter_map(|(_, event)| of(event)).collect();
    all.sort_unstable();
    all
}

/// Those of ends.
fn at_end(run: &Run) -> Vec<(u64, u64, u16, u64)> {
    asked(run).into_iter().filter(|(_, step, ..)| *step >= ENDS).collect()
}

fn stopped(run: &Run) -> Vec<u64> {
    let is = |event: &Event| matches!(event, Event::VuStopped { .. });
    run.events.iter().filter(|(_, event)| is(event)).map(|(at, _)| at.0 / MS).collect()
}

fn plain(scenario: &Scenario) -> Run {
    script(scenario, |_, _| answer(200))
}

/// A response after so many milliseconds.
fn after(ms: u64) -> (Answer, Found) {
    (Answer::Status { after_ns: ms * MS, status: 200, reusable: true }, Found::default())
}

#[test]
fn the_end_follows_the_last_iteration() {
    let scenario =
        scenario(&format!("[runtime]\nvus = 2\niterations = 2\n{THINK}"), "{request='a'}");
    let run = plain(&scenario);
    let own = [(0, 0, 0, 0), (0, 1, 0, 31), (0, ENDS, OUT, 32), (0, ENDS + 1, BYE, 63)];
    assert_eq!(asked(&run)[..4], own);
    assert_eq!(asked(&run).len(), 8);
    assert_eq!((stopped(&run), run.stopped_by), (vec![64, 64], StoppedBy::Iterations));
}

/// One VU pauses when the schedule ends it, the other has a request under way.
#[test]
fn the_end_follows_a_stop_of_the_schedule() {
    let load = "[schedule]\ntype = 'stages'\n\
         stages = [{ vus = 2, duration_seconds = 0.1, shape = 'jump' }, { vus = 0, duration_seconds = 1, shape = 'jump' }]\n\
         [runtime]\nduration_seconds = 1\n";
    let scenario = scenario(&format!("{load}{THINK}"), "{request='a'}");
    let run = script(&scenario, |_, ask| match (ask.actor.0, ask.step.0) {
        (1, 0) => after(150),
        _ => after(1),
    });
    let ends = [
        (0, ENDS, OUT, 100),
        (0, ENDS + 1, BYE, 131),
        (1, ENDS, OUT, 150),
        (1, ENDS + 1, BYE, 181),
    ];
    assert_eq!(at_end(&run), ends);
    assert_eq!(asked(&run)[..4], [(0, 0, 0, 0), (0, 1, 0, 31), (0, 2, 0, 62), (0, 3, 0, 93)]);
    assert_eq!(stopped(&run), [132, 182]);
}

#[test]
fn the_end_follows_the_end_of_the_run_within_the_grace_period() {
    let load = |grace: &str| {
        format!(
            "[runtime]\nvus = 2\nduration_seconds = 0.1\ngraceful_stop_seconds = {grace}\n{THINK}"
        )
    };
    let slow = |_: usize, ask: &PlannedRequest| match (ask.actor.0, ask.step.0) {
        (1, 0) => after(150),
        _ => after(1),
    };
    let run = script(&scenario(&load("1"), "{request='a'}"), slow);
    let ends = [
        (0, ENDS, OUT, 100),
        (0, ENDS + 1, BYE, 131),
        (1, ENDS, OUT, 150),
        (1, ENDS + 1, BYE, 181),
    ];
    assert_eq!(at_end(&run), ends);
    // The pause of the second VU is longer than the period, and the first has done nothing more.
    let cut = script(&scenario(&load("0.07"), "{request='a'}"), slow);
    assert_eq!(at_end(&cut), [ends[0], ends[1], ends[2]]);
    assert_eq!(stopped(&cut), [132, 170]);
    let none = script(&scenario(&load("0"), "{request='a'}"), slow);
    assert_eq!((at_end(&none), stopped(&none)), (vec![], vec![100, 100]));
}

/// What lives as long as the VU is there, and what lives for an iteration is not.
#[test]
fn values_of_the_vu_are_there_at_its_end() {
    let mut scenario = shop(&[LOGIN], &[(ORDER, 1)]);
    scenario.populations[0].flow.end = steps(&[(USE, 1)]);
    let run = script(&scenario, |_, ask| ok(ask));
    assert_eq!(asked(&run).last(), Some(&(0, ENDS, USE, 2)));
    let needs = &mut scenario.requests[usize::from(USE)].rendering.as_mut().unwrap().needs;
    needs.push(ID);
    let run = script(&scenario, |_, ask| ok(ask));
    assert_eq!(at_end(&run), []);
    assert_eq!(run.never_sent(NeverSentReason::MissingValue), 1);
    assert_eq!(run.forgotten, [0]);
}

#[test]
fn a_failure_at_the_end_ends_it_as_it_says() {
    for (after, ends) in [
        (OnFailure::Continue, 2),
        (OnFailure::EndIteration, 1),
        (OnFailure::StopVu, 1),
        (OnFailure::StopRun, 1),
    ] {
        let mut scenario = scenario("[runtime]\nvus = 1\niterations = 2", "{request='a'}");
        on_failure(&mut scenario.populations[0].flow.end, 0, after);
        let run = script(&scenario, |_, ask| answer(if ask.request.0 == OUT { 500 } else { 200 }));
        assert_eq!((asked(&run).len(), at_end(&run).len()), (2 + ends, ends), "{after:?}");
    }
}

/// A VU that a failure stops does nothing more; the others do, if it is the run that it stops.
#[test]
fn who_is_stopped_by_a_failure_has_no_end() {
    for (after, ends) in
        [(OnFailure::StopVu, 2), (OnFailure::StopRun, 0), (OnFailure::EndIteration, 4)]
    {
        let mut scenario = scenario("[runtime]\nvus = 2\niterations = 3", "{request='a'}");
        on_failure(&mut scenario.populations[0].flow.steps, 0, after);
        let run = script(&scenario, |_, ask| {
            answer(if (ask.actor.0, ask.step.0) == (0, 1) { 500 } else { 200 })
        });
        let ended = at_end(&run);
        if after == OnFailure::StopRun {
            assert!(!ended.is_empty(), "the other one has its end");
            assert!(ended.iter().all(|(actor, ..)| *actor == 1), "{ended:?}");
        } else {
            assert_eq!(ended.len(), ends, "{after:?}");
        }
    }
}

#[test]
fn conditions_decide_at_the_end_too() {
    let text = "[runtime]\nvus = 1\niterations = 2\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'a'\npath = '/'\n[[requests]]\nname = 'out'\npath = '/'\n\
         [[sequences]]\nname = 'end'\nsteps = [{ request = 'out', if = 'last.failed' }, { request = 'a', until = 'last.failed', max = 2 }]\n\
         [sequence]\nend = 'end'\nsteps = [{ request = 'a', if = 'step > 0' }]\n";
    let scenario = support::scenario(text);
    let run = |decide| at_end(&script_deciding(&scenario, |_, _| answer(200), decide));
    let steps = |ends: Vec<(u64, u64, u16, u64)>| -> Vec<(u64, u16)> {
        ends.into_iter().map(|(_, step, request, _)| (step - ENDS, request)).collect()
    };
    assert_eq!(steps(run(|_| true)), [(0, OUT), (1, 0)]);
    assert_eq!(steps(run(|_| false)), [(1, 0), (2, 0), (3, 0)]);
    // The last iteration has sent nothing: the end comes at once.
    assert_eq!(run(|decide| decide.step.0 == 0).first(), Some(&(0, ENDS + 1, 0, 1)));
}

/// A renewal that is due is not done at the end, and one that is under way is not continued.
#[test]
fn renewals_are_not_of_the_end() {
    let text = "[runtime]\nvus = 3\nduration_seconds = 0.5\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'in'\npath = '/'\n[[requests]]\nname = 'out'\npath = '/'\n\
         [[requests]]\nname = 'use'\npath = '/'\n\
         [[sequences]]\nname = 'in'\nsteps = [{ request = 'in', repeat = 3 }]\n\
         [[sequences]]\nname = 'end'\nsteps = [{ request = 'out', repeat = [1, 3] }]\n\
         [sequence]\nstart = 'in'\nend = 'end'\nrenew = { sequence = 'in', on_status = [401], every_seconds = 0.05 }\n\
         steps = [{ request = 'use', repeat = [1, 4] }]\n\
         [think_time]\ntype = 'random'\nmin_ms = 1\nmax_ms = 20\n";
    let run = script(&support::scenario(text), |number, _| {
        answer(if number % 5 == 2 { 401 } else { 200 })
    });
    let ends = at_end(&run);
    assert!(ends.iter().all(|(_, _, request, _)| *request == 1), "{ends:?}");
    assert!((3..=9).contains(&ends.len()), "{ends:?}");
    assert!(asked(&run).iter().any(|(_, step, ..)| (RENEWALS..ENDS).contains(step)));
    assert!(run.events.last().unwrap().0.0 < 2 * SECOND);
}

/// A log without the end, or with another, is found by the checks and by replay.
#[test]
fn an_end_that_is_missing_is_found() {
    let scenario =
        scenario(&format!("[runtime]\nvus = 1\nduration_seconds = 0.1\n{THINK}"), "{request='a'}");
    let run = plain(&scenario);
    assert_eq!(at_end(&run).len(), 2);
    let first = run.events.iter().position(
        |(_, event)| matches!(event, Event::Sent { request, .. } if request.step.0 >= ENDS),
    );
    let cut = |events: usize| {
        let mut all = run.events.clone();
        let from = first.unwrap();
        all.drain(from..from + events);
        all
    };
    for events in [1, 2, 4] {
        assert!(!check(&scenario, &cut(events)).passed(), "{events}");
        assert!(derive(&scenario, &cut(events)).is_err(), "{events}");
    }
    let mut early = run.events.clone();
    let first = &mut early[first.unwrap()].1;
    let Event::Sent { request, .. } = first else { panic!() };
    request.planned.0 -= 1;
    assert!(!check(&scenario, &early).passed());
}
