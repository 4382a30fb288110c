//! The cost of the event log per request: encoding `sent` and `done` into a block, and decoding them. The
//! numbers within a record (LEB128) are a part of both.
#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

mod traffic;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use z6_events::{BlockBuilder, BlockDecoder, Event, Partition, SealedBlock, Tick};

/// They fit one block.
const REQUESTS: usize = 1_000;

fn encode_all(builder: &mut BlockBuilder, events: &[(Tick, Event)]) {
    for (at, event) in events {
        builder.push(*at, event).expect("they fit one block");
    }
}

fn builder() -> BlockBuilder {
    BlockBuilder::new(Partition::WHOLE, Vec::new())
}

fn sealed(events: &[(Tick, Event)]) -> SealedBlock {
    let mut builder = builder();
    encode_all(&mut builder, events);
    builder.close(Vec::new())
}

fn blocks(criterion: &mut Criterion) {
    let events = traffic::events(REQUESTS);
    let block = sealed(&events);
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    group.bench_function("encode sent and done", |bencher| {
        bencher.iter_batched_ref(
            builder,
            |builder| encode_all(builder, black_box(&events)),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("decode sent and done", |bencher| {
        let mut decoder = BlockDecoder::new(Partition::WHOLE);
        bencher.iter(|| decoder.events_of(black_box(&block)).filter(Result::is_ok).count());
    });
    group.finish();
}

criterion_group!(benches, blocks);
criterion_main!(benches);
