//! Plans of several populations: each is what it would be alone, and files that they share are dealt once.

use std::collections::BTreeSet;

use z6_events::{Actor, Population, Step, Tick};

use super::Plan;
use super::digest::plan_digest;
use crate::model::{Scenario, Schedule, Users};
use crate::schedule::VuSchedule;

const WORLD: &str = "runtime.duration_seconds = 5\n\
    target.base_url = 'http://h'\n\
    requests = [{ name = 'a', path = '/' }, { name = 'b', path = '/b' }]\n";

fn load(populations: &str) -> Scenario {
    Scenario::from_toml(&format!("{WORLD}{populations}")).unwrap()
}

fn population(name: &str, schedule: &str) -> String {
    format!(
        "[[populations]]\nname = '{name}'\nschedule = {{ {schedule} }}\n\
         think_time = {{ type = 'random', min_ms = 1, max_ms = 1000 }}\n"
    )
}

const VUS: &str = "type = 'constant', vus = 5";
const RATE: &str = "type = 'rate', per_second = 9, arrivals = 'poisson'";

/// What the first actors do, and when arrivals come.
fn facts(plan: &Plan) -> Vec<(u16, u64)> {
    let steps = (0..9).map(Actor).flat_map(|actor| (0..20).map(move |step| (actor, Step(step))));
    let steps = steps.map(|(actor, step)| plan.step(actor, step));
    let steps = steps.map(|step| (step.request.0, step.think_ns));
    steps.chain(plan.arrival_ticks().map(|arrival| (0, arrival.at.0))).collect()
}

#[test]
fn a_population_draws_by_its_name_alone() {
    let [first, second] = [population("first", VUS), population("second", RATE)];
    let both = Plan::new(&load(&format!("{first}{second}")), 7);
    let turned = Plan::new(&load(&format!("{second}{first}")), 7);
    let alone = Plan::new(&load(&second), 7);
    assert_eq!(facts(both.of(Population(1))), facts(&alone));
    assert_eq!(facts(both.of(Population(1))), facts(turned.of(Population(0))));
    assert_eq!(facts(both.of(Population(0))), facts(turned.of(Population(1))));
    let other = Plan::new(&load(&population("third", RATE)), 7);
    assert_ne!(facts(&alone), facts(&other));
    assert_eq!(both.populations().count(), 2);
}

#[test]
fn the_digest_covers_each_population() {
    let digest = |text: &str| plan_digest(&load(text), 1);
    let whole = format!("{}{}", population("a", VUS), population("b", RATE));
    let changes = [
        whole.replace("'b'", "'c'"),
        whole.replace("per_second = 9", "per_second = 8"),
        whole.replace("vus = 5", "vus = 6"),
        format!("{whole}start_after_seconds = 1\n"),
        format!("{whole}duration_seconds = 1\n"),
        population("a", VUS),
    ];
    let all: BTreeSet<[u8; 32]> = changes.iter().chain([&whole]).map(|text| digest(text)).collect();
    assert_eq!(all.len(), changes.len() + 1);
}

#[test]
fn a_schedule_is_moved_and_cut_off() {
    let ramp = Schedule::Ramp { start_vus: 2, end_vus: 12, ramp_ns: 100, hold_ns: 0 };
    let moved = Users { start_after_ns: 50, duration_ns: Some(60), ..Users::new(ramp.clone()) };
    let (plain, moved) = (VuSchedule::new(&ramp, None), VuSchedule::of_users(&moved, Some(200)));
    for tick in 0..200 {
        let expected = match tick {
            50..110 => plain.vus_wanted(Tick(tick - 50)),
            _ => 0,
        };
        assert_eq!(moved.vus_wanted(Tick(tick)), expected, "{tick}");
    }
    let mut alive = 0i64;
    let mut changes = moved.changes().peekable();
    for tick in 0..200 {
        while let Some(change) = changes.next_if(|change| change.at == Tick(tick)) {
            alive += if change.starts { 1 } else { -1 };
        }
        assert_eq!(alive, i64::from(moved.vus_wanted(Tick(tick))), "{tick}");
    }
    for actor in 0..moved.vus_started() {
        assert_eq!(moved.lifetime(Actor(actor)).unwrap().stop, Some(Tick(110)));
    }
}
