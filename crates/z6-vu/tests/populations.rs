//! Several kinds of users in one run: each does what it would do with any number of workers and whatever others
//! there are, and the log replays.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use support::{MS, Plain, requests, run, scenario};
use z6_events::{Event, LogReader, PlannedRequest, Population};
use z6_scenario::Scenario;
use z6_vu::memory::Network;
use z6_vu::replay::{Outcome, replay};

fn plain(_: u16) -> Box<dyn Network> {
    Box::new(Plain::new(3 * MS))
}

/// Nothing is answered.
fn silent(_: u16) -> Box<dyn Network> {
    Box::new(Plain::new(3_600_000 * MS))
}

const WORLD: &str = "runtime = { duration_seconds = 2 }\n\
    target = { base_url = 'http://127.0.0.1:80', connection_reuse = 'iteration', max_connections = 5000 }\n\
    requests = [{ name = 'a', path = '/' }, { name = 'b', path = '/b' }, { name = 'c', path = '/c', timeout_ms = 300 }]\n\
    sequences = [{ name = 'both', steps = [{ request = 'a' }, { request = 'b', repeat = [1, 4] }] },\n\
                 { name = 'poll', steps = [{ request = 'c' }] }]\n";

const PEOPLE: &str = "[[populations]]\nname = 'people'\nsequence = 'both'\n\
    schedule = { type = 'ramp', start_vus = 3, end_vus = 20, ramp_duration_seconds = 1 }\n\
    think_time = { type = 'exponential', mean_ms = 20, max_ms = 100 }\n\
    start_after_seconds = 0.25\nduration_seconds = 1.5\n";

const MACHINES: &str = "[[populations]]\nname = 'machines'\nsequence = 'poll'\nstart_after_seconds = 0.5\n\
    schedule = { type = 'rate', per_second = 100 }\n";

const CROWD: &str = "[[populations]]\nname = 'crowd'\n\
    schedule = { type = 'stages', stages = [{ per_second = 80, duration_seconds = 1 }, { per_second = 0, duration_seconds = 1 }], arrivals = 'poisson' }\n";

fn with(populations: &[&str]) -> Scenario {
    scenario(&format!("{WORLD}{}", populations.concat()))
}

fn sorted(mut requests: Vec<PlannedRequest>) -> Vec<PlannedRequest> {
    requests.sort_by_key(|request| (request.population, request.actor, request.step));
    requests
}

/// The requests of one population, without its number.
fn of(requests: &[PlannedRequest], population: u8) -> Vec<PlannedRequest> {
    let own = requests.iter().filter(|request| request.population == Population(population));
    own.map(|request| PlannedRequest { population: Population(0), ..*request }).collect()
}

#[test]
fn workers_change_nothing() {
    let scenario = with(&[PEOPLE, MACHINES, CROWD]);
    let whole = sorted(requests(&run(&scenario, 5, 1, plain, &[])));
    for population in 0..3 {
        assert!(of(&whole, population).len() > 50, "{population}");
    }
    for workers in [2, 7] {
        let parts = sorted(requests(&run(&scenario, 5, workers, plain, &[])));
        assert_eq!(parts, whole, "{workers} workers");
    }
}

#[test]
fn populations_do_not_change_one_another() {
    let all = sorted(requests(&run(&with(&[PEOPLE, MACHINES, CROWD]), 5, 2, plain, &[])));
    let alone = |text| sorted(requests(&run(&with(&[text]), 5, 2, plain, &[])));
    for (population, text) in (0..).zip([PEOPLE, MACHINES, CROWD]) {
        assert_eq!(of(&all, population), alone(text), "{text}");
    }
    let other = scenario(&format!("{WORLD}{}", CROWD.replace("'crowd'", "'mob'")));
    let renamed = sorted(requests(&run(&other, 5, 2, plain, &[])));
    assert_ne!(of(&all, 2), renamed, "another name draws something else");
}

/// With and without steps that decide: VUs are found by their number in both.
#[test]
fn there_may_be_as_many_populations_of_vus_as_a_run_takes() {
    let schedule = "schedule = { type = 'stages', stages = [{ vus = 3, duration_seconds = 0.5 }, { vus = 1, duration_seconds = 0.5 }] }\n";
    let people = |sequence: &str| -> String {
        let one = |i| {
            format!(
                "[[populations]]\nname = 'p{i}'\n{sequence}{schedule}\
                 think_time = {{ type = 'constant', duration_ms = 100 }}\n"
            )
        };
        (0..32).map(one).collect()
    };
    for text in [people(""), people("sequence = 'both'\n")] {
        let scenario = with(&[&text]);
        let whole = run(&scenario, 4, 1, plain, &[]);
        let all = BTreeMap::from_iter((0..32).map(|i| (Population(i), (3, 3))));
        assert_eq!(vus(&whole), all);
        let planned = sorted(requests(&whole));
        for workers in [2, 3, 7, 40] {
            let log = run(&scenario, 4, workers, plain, &[]);
            assert_eq!(sorted(requests(&log)), planned, "{workers} workers");
            assert!(matches!(replay(&log[..]).unwrap(), Outcome::Identical { .. }));
        }
    }
}

#[test]
fn each_log_replays() {
    let scenario = with(&[PEOPLE, MACHINES, CROWD]);
    for (workers, network) in [(1, plain as fn(u16) -> Box<dyn Network>), (3, plain), (2, silent)] {
        let log = run(&scenario, 9, workers, network, &[]);
        let outcome = replay(&log[..]).unwrap();
        assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
    }
}

/// How many VUs of each population started and stopped.
fn vus(log: &[u8]) -> BTreeMap<Population, (u64, u64)> {
    let mut found: BTreeMap<Population, (u64, u64)> = BTreeMap::new();
    let mut reader = LogReader::new(log).unwrap();
    while let Some(mut block) = reader.next_block().unwrap() {
        for event in block.events() {
            match event.unwrap().1 {
                Event::VuStarted { population, .. } => found.entry(population).or_default().0 += 1,
                Event::VuStopped { population, .. } => found.entry(population).or_default().1 += 1,
                _ => {}
            }
        }
    }
    found
}

#[test]
fn arrivals_keep_their_rate_while_vus_wait_for_answers() {
    let log = run(&with(&[PEOPLE, MACHINES]), 1, 2, silent, &[]);
    let all = requests(&log);
    let machines = of(&all, 1);
    assert_eq!(machines.len(), 150, "100 per second from 0.5 s on");
    for request in &machines {
        assert_eq!(request.planned.0, 500 * MS + request.actor.0 * 10 * MS);
    }
    // Each VU waits for its first answer: one request of each of the 20 that start.
    assert_eq!(of(&all, 0).len(), 20);
    assert_eq!(vus(&log), BTreeMap::from([(Population(0), (20, 20))]));
}

#[test]
fn each_population_begins_and_ends_at_its_own_times() {
    let all = requests(&run(&with(&[PEOPLE, CROWD]), 3, 1, plain, &[]));
    let people = of(&all, 0);
    let planned = || people.iter().map(|request| request.planned.0);
    assert_eq!(planned().min(), Some(250 * MS));
    assert!(planned().max().unwrap() < 1_750 * MS);
    assert!(of(&all, 1).iter().any(|request| request.planned.0 < 250 * MS));
}
