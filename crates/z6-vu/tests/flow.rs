//! Steps on which conditions decide. Told by the logs of runs in memory; each of them is derived again from its
//! inputs, and passes the checks of logs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use support::journey::{Run, answer, ok, script_deciding};
use support::{MS, SECOND};
use z6_events::{Event, NeverSentReason, StoppedBy};
use z6_scenario::Scenario;
use z6_vu::engine::Decide;

const REQUESTS: &str = "[target]\nbase_url = 'http://127.0.0.1:80'\n\
    [[requests]]\nname = 'a'\npath = '/'\n\
    [[requests]]\nname = 'b'\npath = '/'\n\
    [[requests]]\nname = 'c'\npath = '/'\n";

fn scenario(load: &str, steps: &str) -> Scenario {
    support::scenario(&format!("{load}\n{REQUESTS}[sequence]\nsteps = [{steps}]\n"))
}

/// One VU, so many iterations.
fn alone(iterations: u64, steps: &str) -> Scenario {
    scenario(&format!("[runtime]\nvus = 1\niterations = {iterations}"), steps)
}

/// Steps of each request that was sent or failed, with its planned tick in milliseconds.
fn asked(run: &Run) -> Vec<(u64, u16, u64)> {
    let request = |event: &Event| match event {
        Event::Sent { request, .. } | Event::NotOnWire { request, .. } => {
            Some((request.step.0, request.request.0, request.planned.0 / MS))
        }
        _ => None,
    };
    run.events.iter().filter_map(|(_, event)| request(event)).collect()
}

fn run(scenario: &Scenario, decide: fn(&Decide) -> bool) -> Run {
    script_deciding(scenario, |_, _| answer(200), decide)
}

#[test]
fn a_step_is_left_out_and_keeps_its_number() {
    let scenario =
        alone(2, "{request='a'}, {request='b', if='last.failed', repeat=2}, {request='c'}");
    assert_eq!(scenario.steps_per_iteration(), 4);
    let taken = run(&scenario, |_| true);
    let all = [(0, 0, 0), (1, 1, 1), (2, 1, 2), (3, 2, 3)];
    assert_eq!(asked(&taken)[..4], all);
    let not = run(&scenario, |_| false);
    assert_eq!(asked(&not), [(0, 0, 0), (3, 2, 1), (4, 0, 2), (7, 2, 3)]);
    let once = run(&scenario, |decide| decide.step.0 >= 4);
    assert_eq!(asked(&once).len(), 6);
}

#[test]
fn while_is_asked_before_each_pass() {
    let steps = "{request='a', while='last.status == 200', max=3, pause_ms=50}, {request='b'}";
    let scenario = alone(1, steps);
    let all = run(&scenario, |_| true);
    assert_eq!(asked(&all), [(0, 0, 0), (1, 0, 51), (2, 0, 102), (3, 1, 103)]);
    let two = run(&scenario, |decide| decide.step.0 < 2);
    assert_eq!(asked(&two), [(0, 0, 0), (1, 0, 51), (3, 1, 52)]);
    let none = run(&scenario, |_| false);
    assert_eq!(asked(&none), [(3, 1, 0)]);
}

#[test]
fn until_is_asked_after_each_pass_and_fails_a_request_at_its_limit() {
    let steps = "{request='a', until='last.status == 200', max=3, pause_ms=50}, {request='b'}";
    let scenario = alone(1, steps);
    let at_once = run(&scenario, |_| true);
    assert_eq!(asked(&at_once), [(0, 0, 0), (4, 1, 1)]);
    let second = run(&scenario, |decide| decide.step.0 == 2);
    assert_eq!(asked(&second), [(0, 0, 0), (1, 0, 51), (4, 1, 52)]);
    let never = run(&scenario, |_| false);
    assert_eq!(asked(&never), [(0, 0, 0), (1, 0, 51), (2, 0, 102), (3, 0, 103), (4, 1, 103)]);
    let limits = never.events.iter().filter(
        |(_, event)| matches!(event, Event::NotOnWire { cause, .. } if cause.error.name() == "loop_limit"),
    );
    assert_eq!(limits.count(), 1);
    let steps = format!("{steps}]\non_failure='end_iteration'\n#");
    let ended = run(&alone(2, &steps), |_| false);
    assert_eq!(asked(&ended).iter().filter(|(_, request, _)| *request == 1).count(), 0);
}

#[test]
fn iterations_in_which_nothing_is_taken_are_no_busy_loop() {
    let scenario =
        scenario("[runtime]\nvus = 1\nduration_seconds = 1", "{request='a', if='iteration == 5'}");
    let run = run(&scenario, |decide| decide.step.0 == 5);
    assert_eq!(asked(&run), [(5, 0, 500)]);
    assert_eq!(run.stopped_by, StoppedBy::Duration);
}

/// How many conditions were asked.
fn answers(run: &Run) -> usize {
    run.events.iter().filter(|(_, event)| matches!(event, Event::Branch { .. })).count()
}

#[test]
fn the_pause_after_an_empty_iteration_is_that_of_the_sequence() {
    let steps = "{request='a', if='iteration == 5'}]\nempty_iteration_ms = 30\n#";
    let scenario = scenario("[runtime]\nvus = 1\nduration_seconds = 1", steps);
    let run = run(&scenario, |decide| decide.step.0 == 5);
    assert_eq!(asked(&run)[0], (5, 0, 150));
    // The iteration that has sent is followed by the next at once: in all 1000 / 30 pauses.
    assert_eq!(answers(&run), 35);
}

#[test]
fn who_sends_nothing_at_all_does_not_spin() {
    let steps = "{request='a', if='last.failed'}, {request='b', while='vu > 9', max=3}";
    let vus = scenario("[runtime]\nvus = 2\nduration_seconds = 1", steps);
    let vus = run(&vus, |_| false);
    assert_eq!(asked(&vus), []);
    assert_eq!(answers(&vus), 2 * 2 * 10);
    let load = "[runtime]\nduration_seconds = 1\n[schedule]\ntype = 'rate'\nper_second = 10";
    let arrivals = run(&scenario(load, steps), |_| false);
    assert_eq!(asked(&arrivals), []);
    assert_eq!(answers(&arrivals), 2 * 10);
}

#[test]
fn arrivals_decide_too() {
    let load = "[runtime]\nduration_seconds = 1\n[schedule]\ntype = 'rate'\nper_second = 10";
    let scenario =
        scenario(load, "{request='a', if='vu > 1'}, {request='b', while='vu > 2', max=2}");
    let run = run(&scenario, |decide| decide.actor.0 % 3 > decide.step.0);
    let mut by_actor: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (_, event) in &run.events {
        if let Event::Sent { request, .. } = event {
            by_actor.entry(request.actor.0).or_default().push(request.step.0);
        }
    }
    let expected = [
        (1, vec![0]),
        (2, vec![0, 1]),
        (4, vec![0]),
        (5, vec![0, 1]),
        (7, vec![0]),
        (8, vec![0, 1]),
    ];
    assert_eq!(by_actor, BTreeMap::from(expected));
}

/// Renewals come before the step that was decided on, and conditions of another sequence are those of it.
#[test]
fn conditions_stand_in_start_and_renewals() {
    let text = format!(
        "[runtime]\nvus = 2\nduration_seconds = 1\n{REQUESTS}\
         [[sequences]]\nname = 's'\nsteps = [{{request='c', if='last.status == none'}}, {{request='b', until='step > 3', max=2}}]\n\
         [sequence]\nstart = 's'\nrenew = {{ sequence = 's', every_seconds = 0.2 }}\n\
         steps = [{{request='a', if='last.failed', repeat=[1, 3]}}, {{request='b'}}]\n\
         [think_time]\ntype = 'constant'\nduration_ms = 7\n"
    );
    let scenario = support::scenario(&text);
    for decide in [
        (|decide: &Decide| !decide.step.0.is_multiple_of(3)) as fn(&Decide) -> bool,
        |decide| decide.step.0.is_multiple_of(2),
        |_| true,
        |_| false,
    ] {
        let run = run(&scenario, decide);
        assert!(run.events.len() > 100);
        assert!(run.events.last().unwrap().0.0 <= 6 * SECOND);
    }
}

/// A renewal that is due does not come before the request that fails after the last pass of an `until`.
#[test]
fn no_renewal_comes_before_a_limit() {
    let text = format!(
        "[runtime]\nvus = 1\nduration_seconds = 0.1\n{REQUESTS}\
         [[sequences]]\nname = 's'\nsteps = [{{request='c'}}]\n\
         [sequence]\nstart = 's'\nrenew = {{ sequence = 's', every_seconds = 0.0065 }}\n\
         steps = [{{request='a', until='last.failed', max=2, pause_ms=4}}, {{request='b'}}]\n"
    );
    let run = run(&support::scenario(&text), |_| false);
    let renewal = 1 << 62;
    let first = [(0, 2, 0), (1, 0, 1), (2, 0, 6), (3, 0, 7), (renewal, 2, 7), (4, 1, 8)];
    assert_eq!(asked(&run)[..6], first);
}

/// The n-th iteration begins no earlier than a period after the one before, and what is late is not caught up.
#[test]
fn iterations_are_paced() {
    let text = format!(
        "[runtime]\nvus = 1\niterations = 4\n[pacing]\nperiod_ms = 10\n{REQUESTS}\
         [sequence]\nsteps = [{{request='a'}}, {{request='b', while='last.failed', max=40}}]\n"
    );
    let scenario = support::scenario(&text);
    // The second iteration has 15 requests of 1 ms.
    let run = run(&scenario, |decide| (42..56).contains(&decide.step.0));
    let begins: Vec<u64> = asked(&run)
        .into_iter()
        .filter_map(|(step, _, planned)| step.is_multiple_of(41).then_some(planned))
        .collect();
    assert_eq!(begins, [0, 10, 25, 35]);
    let drawn = text
        .replace("period_ms = 10", "period_ms = [10, 30]")
        .replace("iterations = 4", "iterations = 50");
    let scenario = support::scenario(&drawn);
    let run = crate::run(&scenario, |_| false);
    let begins: Vec<u64> = asked(&run).into_iter().map(|(_, _, planned)| planned).collect();
    let gaps: Vec<u64> = begins.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (9..=30).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap > 20) && gaps.iter().any(|gap| *gap < 20), "{gaps:?}");
}

/// With nothing else than a period, steps follow one another as they are.
#[test]
fn a_plain_sequence_is_paced() {
    let load = "[runtime]\nvus = 1\niterations = 3\n[pacing]\nperiod_ms = 10";
    let run = run(&scenario(load, "{request='a', repeat=2}"), |_| true);
    let all = [(0, 0, 0), (1, 0, 1), (2, 0, 10), (3, 0, 11), (4, 0, 20), (5, 0, 21)];
    assert_eq!(asked(&run), all);
}

/// Many shapes: each log is derived again and checked, whatever conditions say.
#[test]
fn any_blocks_and_any_answers() {
    let conditions = ["last.failed", "step > 2", "last.status == 200"];
    let mut dice = support::wild::Wild { state: 7, trouble: 0 };
    for case in 0..60u64 {
        let mut sequences = String::new();
        for depth in (0..3).rev() {
            let count = 1 + dice.draw(3);
            let steps: Vec<String> =
                (0..count).map(|_| step(&mut dice, depth, &conditions)).collect();
            sequences +=
                &format!("[[sequences]]\nname = 's{depth}'\nsteps = [{}]\n", steps.join(", "));
        }
        let load = match case % 2 {
            0 => "[runtime]\nvus = 3\nduration_seconds = 0.5",
            _ => "[runtime]\nduration_seconds = 0.5\n[schedule]\ntype = 'rate'\nper_second = 40",
        };
        let pacing = if case.is_multiple_of(4) { "[pacing]\nperiod_ms = [5, 30]\n" } else { "" };
        let end = if case % 4 == 2 { "end = 's1'\n" } else { "" };
        let text = format!(
            "{load}\n{pacing}{REQUESTS}{sequences}[sequence]\n{end}steps = [{{sequence='s0'}}, {}]\n",
            step(&mut dice, 2, &conditions)
        );
        let scenario = support::scenario(&text);
        let decide: fn(&Decide) -> bool = match case % 5 {
            0 => |_| true,
            1 => |_| false,
            2 => |decide| (decide.step.0 ^ decide.actor.0).is_multiple_of(2),
            3 => |decide| !decide.step.0.is_multiple_of(3),
            _ => |decide| decide.condition.0.is_multiple_of(2),
        };
        let run = script_deciding(
            &scenario,
            |number, _| answer(if number % 7 == 3 { 500 } else { 200 }),
            decide,
        );
        assert!(!run.events.is_empty(), "{text}");
    }
}

/// A step of a sequence that may name deeper ones.
fn step(dice: &mut support::wild::Wild, depth: u64, conditions: &[&str]) -> String {
    let what = match dice.draw(3) {
        0 if depth < 2 => format!("sequence='s{}'", depth + 1),
        1 => format!(
            "choose=[{{request='a'}}, {{request='{}'}}]",
            ["a", "b", "c"][dice.draw(3) as usize]
        ),
        _ => format!("request='{}'", ["a", "b", "c"][dice.draw(3) as usize]),
    };
    let mut condition = || conditions[dice.draw(3) as usize];
    let only_if = format!(", if='{}'", condition());
    let text = condition();
    let again = match dice.draw(5) {
        0 => format!(", while='{text}', max={}, pause_ms={}", 1 + dice.draw(2), dice.draw(2) * 5),
        1 => format!(", until='{text}', max={}, pause_ms={}", 1 + dice.draw(2), dice.draw(2) * 5),
        2 => ", repeat=[1, 3]".to_owned(),
        _ => String::new(),
    };
    let only_if = if dice.draw(3) == 0 { only_if } else { String::new() };
    format!("{{{what}{again}{only_if}}}")
}

/// Replay and the checks of logs find the bug by themselves.
#[cfg(feature = "planted-bugs")]
#[test]
fn an_ignored_condition_is_found_twice() {
    use support::journey::{check, derive, engine, record_deciding};
    for bug in z6_vu::planted::Bug::OF_FLOW {
        let scenario = alone(3, "{request='a'}, {request='b', if='last.failed'}, {request='c'}");
        let mut planted = engine(&scenario);
        planted.plant(bug);
        let events = record_deciding(&scenario, planted, |_, _| answer(200), |_| false);
        assert!(derive(&scenario, &events).is_err(), "{bug:?}");
        assert!(!check(&scenario, &events).passed(), "{bug:?}");
    }
}

/// Lists by 'a', and goes through them with 'b', which needs the item.
fn each_item(iterations: u64, max: u32) -> Scenario {
    let steps = format!(
        "{{request='a'}}, {{request='b', foreach='ids', max={max}, pause_ms=50}}, {{request='c'}}"
    );
    support::scenario(&format!(
        "[runtime]\nvus = 1\niterations = {iterations}\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'a'\npath = '/'\nextract.ids = {{ status = true, default = '[]' }}\n\
         [[requests]]\nname = 'b'\npath = '/{{{{item}}}}'\n\
         [[requests]]\nname = 'c'\npath = '/c'\n[sequence]\nsteps = [{steps}]\n"
    ))
}

#[test]
fn foreach_is_asked_before_each_pass() {
    let listed = |scenario: &Scenario, decide: fn(&Decide) -> bool| {
        script_deciding(
            scenario,
            |_, ask| if ask.request.0 == 0 { ok(ask) } else { answer(200) },
            decide,
        )
    };
    let scenario = each_item(2, 3);
    assert_eq!(scenario.steps_per_iteration(), 5);
    let all = listed(&scenario, |_| true);
    let passes = [(0, 0, 0), (1, 1, 1), (2, 1, 52), (3, 1, 103), (4, 2, 104)];
    assert_eq!(asked(&all)[..5], passes);
    assert_eq!(answers(&all), 6);
    // Two items in the first iteration, none in the second: its item is not that of the first.
    let two = listed(&scenario, |decide| decide.step.0 < 3);
    assert_eq!(asked(&two), [(0, 0, 0), (1, 1, 1), (2, 1, 52), (4, 2, 53), (5, 0, 54), (9, 2, 55)]);
    let missing = |run: &Run| {
        run.events.iter().filter(|(_, event)| matches!(event, Event::NeverSent { .. })).count()
    };
    assert_eq!((missing(&all), missing(&two)), (0, 0));
}

#[test]
fn the_item_of_a_list_is_there_in_its_passes_only() {
    let mut scenario = each_item(1, 3);
    // What loading would refuse: the item is used behind the loop.
    let after = scenario.populations[0].flow.steps[1];
    scenario.populations[0].flow.steps[2] = after;
    let run = script_deciding(
        &scenario,
        |_, ask| if ask.request.0 == 0 { ok(ask) } else { answer(200) },
        |decide| decide.step.0 < 2,
    );
    assert_eq!(asked(&run), [(0, 0, 0), (1, 1, 1)]);
    let never = run.events.iter().filter_map(|(_, event)| match event {
        Event::NeverSent { request, reason } => Some((request.step.0, *reason)),
        _ => None,
    });
    assert_eq!(never.collect::<Vec<_>>(), [(4, NeverSentReason::MissingValue)]);
}
