//! The cost of the engine per request: `done` in, `send` out, `sent` in. No driver, no log.
#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

mod traffic;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn step(criterion: &mut Criterion) {
    let scenario = traffic::scenario();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(1));
    group.bench_function("request (two steps)", |bencher| {
        let mut traffic = traffic::ClosedLoop::start(&scenario, &mut |_, _| {});
        bencher.iter(|| {
            traffic.request(&mut |at, event| {
                black_box((at, event));
            });
        });
    });
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
