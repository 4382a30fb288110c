//! The cost of planning: the decisions of an actor at a step, and the ticks of arrivals.
#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use z6_events::{Actor, Step};
use z6_scenario::{Plan, Scenario};

const TARGET_AND_REQUESTS: &str = r#"
    [target]
    base_url = "http://127.0.0.1:8080"
    [[requests]]
    name = "login"
    path = "/login"
    [[requests]]
    name = "read"
    path = "/read"
    [[requests]]
    name = "write"
    path = "/write"
"#;

const DRAWN: &str = "\
    [runtime]\nduration_seconds = 60\nvus = 10\n\
    [think_time]\ntype = \"exponential\"\nmean_ms = 100\nmax_ms = 1000\n";

const ORDERED: &str = "\
    [runtime]\nduration_seconds = 60\nvus = 10\n\
    [sequence]\ntype = \"ordered\"\n\
    [[sequence.steps]]\nrequest = \"login\"\n\
    [[sequence.steps]]\nrequest = \"read\"\nrepeat = 5\n\
    [[sequence.steps]]\nrequest = \"write\"\n";

const POISSON: &str = "\
    [runtime]\nduration_seconds = 86400\n\
    [schedule]\ntype = \"rate\"\nper_second = 100000\narrivals = \"poisson\"\n";

fn plan_of(more: &str) -> Plan {
    let text = format!("{more}{TARGET_AND_REQUESTS}");
    Plan::new(&Scenario::from_toml(&text).expect("the scenario is valid"), 42)
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.throughput(Throughput::Elements(1));
    let cases = [("weighted, exponential think time", DRAWN), ("ordered sequence", ORDERED)];
    for (name, more) in cases {
        let plan = plan_of(more);
        let mut step = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                step += 1;
                plan.step(black_box(Actor(7)), Step(step))
            });
        });
    }
    let plan = plan_of(POISSON);
    let mut ticks = plan.arrival_ticks();
    group.bench_function("poisson arrival", |bencher| bencher.iter(|| ticks.next()));
    group.finish();
}

/// When a VU lives, in schedules of few and of many steps: the cost grows with the logarithm of their number.
fn lifetimes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lifetime");
    for steps in [10, 10_000] {
        let step = |index: u64| format!("{{ vus = {}, duration_seconds = 1 }}", index % 2 * 1_000);
        let list: Vec<String> = (0..steps).map(step).collect();
        let list = list.join(", ");
        let plan = plan_of(&format!("schedule = {{ type = \"steps\", steps = [{list}] }}\n"));
        let started = plan.vus().vus_started();
        let mut actor = 0;
        group.bench_function(format!("{steps} steps"), |bencher| {
            bencher.iter(|| {
                actor = (actor + 999_983) % started;
                plan.vus().lifetime(black_box(Actor(actor)))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps, lifetimes);
criterion_main!(benches);
