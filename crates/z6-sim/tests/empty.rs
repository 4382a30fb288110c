//! VUs and arrivals whose conditions leave out every request, in the simulated world: they do not spin, and all
//! checkers agree.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use z6_events::{Event, LogReader};
use z6_scenario::Scenario;
use z6_sim::{CheckLevel, NoObserver, SimSpec, simulate};

const REQUESTS: &str = "[target]\nbase_url = 'http://simulated.invalid'\n\
    [[requests]]\nname = 'a'\npath = '/'\n\
    [[sequences]]\nname = 'none'\nsteps = [{ request = 'a', if = 'vu > 99' }, { request = 'a', while = 'iteration > 99', max = 3 }]\n";

/// How many conditions were asked; nothing was sent.
fn answers(load: &str) -> usize {
    let scenario = Arc::new(Scenario::from_toml(&format!("{load}\n{REQUESTS}")).unwrap());
    let mut spec = SimSpec::new(scenario, 3, 2);
    spec.checks = CheckLevel::EachStep;
    let end = simulate(&spec, NoObserver, Vec::new()).unwrap();
    assert_eq!(end.violations, [], "{load}");
    assert_eq!(end.truth.list.len(), 0, "{load}");
    let mut reader = LogReader::new(end.log.as_slice()).unwrap();
    let mut answers = 0;
    while let Some(mut block) = reader.next_block().unwrap() {
        for event in block.events() {
            answers += usize::from(matches!(event.unwrap().1, Event::Branch { .. }));
        }
    }
    answers
}

#[test]
fn who_sends_nothing_does_not_spin() {
    let vus = "[runtime]\nduration_seconds = 2\nvus = 5\nworkers = 2";
    let steps = "[sequence]\nsteps = [{ sequence = 'none' }]";
    assert_eq!(answers(&format!("{vus}\n{steps}")), 5 * 20 * 2);
    assert_eq!(answers(&format!("{vus}\n{steps}\nempty_iteration_ms = 500")), 5 * 4 * 2);
    let arrivals =
        "[runtime]\nduration_seconds = 2\nworkers = 2\n[schedule]\ntype = 'rate'\nper_second = 30";
    assert_eq!(answers(&format!("{arrivals}\n{steps}")), 60 * 2);
}

#[test]
fn each_population_pauses_as_it_says() {
    let both = "[runtime]\nduration_seconds = 1\nworkers = 2\n\
        [[populations]]\nname = 'people'\nsequence = 'none'\nempty_iteration_ms = 50\n\
        schedule = { type = 'constant', vus = 3 }\n\
        [[populations]]\nname = 'calls'\nsequence = 'none'\nschedule = { type = 'rate', per_second = 7 }\n";
    assert_eq!(answers(both), 3 * 20 * 2 + 7 * 2);
}
