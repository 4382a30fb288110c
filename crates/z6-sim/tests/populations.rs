//! Runs with several populations in the simulated world: all checkers agree, and what each population sent is
//! what the servers received, by the id of each request.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use z6_events::{Event, LogReader};
use z6_scenario::Scenario;
use z6_sim::{CheckLevel, NoObserver, SimSpec, simulate};

const TEXT: &str = "runtime = { duration_seconds = 4, warmup_seconds = 0.5, workers = 3 }\n\
    target = { base_url = 'http://simulated.invalid', request_id_header = 'Z6-Id' }\n\
    requests = [{ name = 'a', path = '/a', follow_redirects = 2 }, { name = 'b', path = '/b' }]\n\
    sequences = [{ name = 'walk', steps = [{ request = 'a' }, { request = 'b', repeat = 2 }] }]\n\
    [[populations]]\nname = 'walkers'\nsequence = 'walk'\nduration_seconds = 3\n\
    schedule = { type = 'stages', stages = [{ vus = 9, duration_seconds = 2 }, { vus = 0, duration_seconds = 1 }] }\n\
    think_time = { type = 'random', min_ms = 1, max_ms = 20 }\n\
    [[populations]]\nname = 'clock'\nstart_after_seconds = 1\n\
    schedule = { type = 'rate', per_second = 50, max_in_flight = 20 }\n\
    [[populations]]\nname = 'crowd'\n\
    schedule = { type = 'rate', per_second = 40, arrivals = 'poisson' }\n";

#[test]
fn what_each_population_sent_is_what_the_servers_received() {
    for world in [
        "",
        "[simulation]\nlatency = 'uniform:0ms..30ms'\nservers = 1\nkeep_alive_requests = 3\n",
        "[simulation]\nredirects = 0.4\nfaults = { reset_in_body = 0.1, connect_refused = 0.1 }\n",
    ] {
        let scenario = Arc::new(Scenario::from_toml(&format!("{TEXT}{world}")).unwrap());
        let mut spec = SimSpec::new(scenario, 7, 3);
        spec.checks = CheckLevel::EachStep;
        let end = simulate(&spec, NoObserver, Vec::new()).unwrap();
        assert_eq!(end.violations, [], "{world}");
        let mut received: BTreeMap<u8, u64> = BTreeMap::new();
        for request in &end.truth.list {
            *received.entry(request.id.unwrap().population).or_default() += 1;
        }
        let mut sent: BTreeMap<u8, u64> = BTreeMap::new();
        let mut answered = 0u64;
        let mut reader = LogReader::new(end.log.as_slice()).unwrap();
        while let Some(mut block) = reader.next_block().unwrap() {
            for event in block.events() {
                match event.unwrap().1 {
                    Event::Sent { request, .. } => {
                        *sent.entry(request.population.0).or_default() += 1;
                    }
                    Event::Done { .. } => answered += 1,
                    _ => {}
                }
            }
        }
        assert!(answered > 300 && sent.len() == 3, "{world}: {answered}, {sent:?}");
        if world.is_empty() {
            assert_eq!(sent, received);
            assert_eq!(sent[&1], 150, "50 per second over 3 s");
        }
    }
}
