//! A shard of a run is checked like a whole run: its log breaks no rule, replays, and folds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use z6_analysis::checks::check_log;
use z6_events::{Driver, LogAssembler, LogReader, PlannedRequest, SealedBlock, TargetId, Tick};
use z6_scenario::Scenario;
use z6_vu::memory::{Answer, Dial, MemoryDriver, Network};
use z6_vu::prepare::{Prepared, RunSetup};
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::replay::{Outcome, replay};
use z6_vu::run_end::RunEnd;

/// The driver in memory says that it wrote 100 bytes; with this path a request has as many.
const PADDING: &str = "0123456789012345678901234567890123456789012";

/// Connections take 1 ms, responses 5 ms.
struct Steady;

impl Network for Steady {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(1_000_000)
    }

    fn answer(&mut self, _at: Tick, _request: &PlannedRequest) -> Answer {
        Answer::Status { after_ns: 5_000_000, status: 200, reusable: true }
    }
}

/// The log of one shard.
fn log_of(scenario: &Arc<Scenario>, setup: RunSetup) -> Vec<u8> {
    let prepared = Prepared::new(scenario, setup).unwrap();
    let mut blocks: Vec<SealedBlock> = Vec::new();
    for engine in prepared.engines().unwrap() {
        let recorder = Recorder::new(engine, KeepBlocks::default());
        blocks.extend(MemoryDriver::new(recorder, Steady).run().0.blocks);
    }
    blocks.sort_by_key(|block| (block.base(), block.worker()));
    let (mut assembler, mut log) = LogAssembler::new(&prepared.header(Driver::Reactor)).unwrap();
    for block in &mut blocks {
        log.extend_from_slice(assembler.seal(block));
    }
    let mut end = RunEnd::default();
    let mut reader = LogReader::new(&log[..]).unwrap();
    while let Some(mut block) = reader.next_block().unwrap() {
        block.events().for_each(|event| end.observe(&event.unwrap().1));
    }
    log.extend_from_slice(&assembler.footer(&end.footer()).unwrap().0);
    log
}

#[test]
fn the_log_of_every_shard_passes_all_checks() {
    for schedule in [
        "schedule = { type = 'ramp', start_vus = 5, end_vus = 30, ramp_duration_seconds = 0.5 }",
        "schedule = { type = 'rate', per_second = 400, max_in_flight = 60 }",
    ] {
        let text = format!(
            "runtime.duration_seconds = 0.6\ntarget.base_url = 'http://127.0.0.1:80'\n\
             requests = [{{ name = 'a', path = '/{PADDING}' }}]\n{schedule}\n"
        );
        let scenario = Arc::new(Scenario::from_toml(&text).unwrap());
        for shard in 0..3 {
            let log = log_of(&scenario, RunSetup { shard, shards: 3, ..RunSetup::new(9, 2) });
            let mut reader = LogReader::new(&log[..]).unwrap();
            let report = check_log(&mut reader, &scenario).unwrap();
            assert_eq!(report.total(), 0, "shard {shard}: {:?}", report.violations.first());
            let outcome = replay(&log[..]).unwrap();
            assert!(matches!(outcome, Outcome::Identical { events, .. } if events > 100));
            // Read as another shard's, the same events break rules.
            let mut reader = LogReader::new(&log[..]).unwrap();
            let mut header = reader.header().clone();
            header.shard = (shard + 1) % 3;
            let mut checks = z6_analysis::checks::Checks::new(&scenario, &header, &[]);
            let ending = z6_events::walk(&mut reader, &mut checks).unwrap();
            assert!(checks.finish(&ending).total() > 0, "shard {shard}");
        }
    }
}
