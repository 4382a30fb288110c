//! The cost of the figures per request: `sent` and `done` into every count, histogram and series.
#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

mod traffic;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use z6_events::{Driver, Event, Tick, WorkerId};
use z6_metrics::{Fold, RunFacts};
use z6_scenario::Scenario;

const REQUESTS: usize = 10_000;

fn fold_of(scenario: &Scenario) -> Fold {
    let facts = RunFacts {
        arrival_stamps: false,
        no_arrival_stamps: String::new(),
        seed: 42,
        plan_digest: "00".repeat(32),
        driver: Driver::Simulation,
        started_at: String::new(),
        partition: z6_events::Partition::WHOLE,
    };
    Fold::new(scenario, facts)
}

/// Everything from the start on: the fold refuses answers to requests that it did not see.
fn from_the_start(scenario: &Scenario) -> Vec<(Tick, Event)> {
    let mut events = Vec::new();
    let mut keep = |at: Tick, event: &Event| events.push((at, *event));
    let mut traffic = traffic::ClosedLoop::start(scenario, &mut keep);
    for _ in 0..REQUESTS {
        traffic.request(&mut keep);
    }
    events
}

fn fold(criterion: &mut Criterion) {
    let scenario = traffic::scenario();
    let events = from_the_start(&scenario);
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    group.bench_function("sent and done", |bencher| {
        bencher.iter_batched_ref(
            || fold_of(&scenario),
            |fold| {
                for (at, event) in black_box(&events) {
                    fold.event(WorkerId(0), *at, event).expect("the events make sense");
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, fold);
criterion_main!(benches);
