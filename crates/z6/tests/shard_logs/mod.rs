//! Logs of shards, made by the engine and the driver in memory: no clock, no sockets.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "each test uses some of it")]

use std::sync::Arc;

use z6_events::{
    Driver, ErrorKind, FooterFacts, LogAssembler, LogReader, PlannedRequest, SealedBlock, TargetId,
    Tick,
};
use z6_scenario::Scenario;
use z6_vu::memory::{Answer, Dial, MemoryDriver, Network};
use z6_vu::prepare::{Prepared, RunSetup};
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::run_end::RunEnd;

/// The driver in memory says that it wrote 100 bytes; with this path a request has as many.
pub const PADDING: &str = "0123456789012345678901234567890123456789012";

/// Connections take 1 ms, responses 5 ms.
#[derive(Clone, Copy)]
pub struct Steady;

impl Network for Steady {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(1_000_000)
    }

    fn answer(&mut self, _at: Tick, _request: &PlannedRequest) -> Answer {
        Answer::Status { after_ns: 5_000_000, status: 200, reusable: true }
    }
}

/// The log of one shard.
pub fn log_of(scenario: &Arc<Scenario>, setup: RunSetup, network: impl Network + Copy) -> Vec<u8> {
    log_with(scenario, setup, network, Vec::new())
}

/// The log of one shard whose footer has these totals.
pub fn log_with(
    scenario: &Arc<Scenario>,
    setup: RunSetup,
    network: impl Network + Copy,
    totals: Vec<(String, u64)>,
) -> Vec<u8> {
    let prepared = Prepared::new(scenario, setup).unwrap();
    let mut blocks: Vec<SealedBlock> = Vec::new();
    for engine in prepared.engines().unwrap() {
        let recorder = Recorder::new(engine, KeepBlocks::default());
        blocks.extend(MemoryDriver::new(recorder, network).run().0.blocks);
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
    let facts = FooterFacts { totals, ..end.footer() };
    log.extend_from_slice(&assembler.footer(&facts).unwrap().0);
    log
}

/// Responses take as long as actor and step say, and some fail: the same in whatever shard.
#[derive(Clone, Copy)]
pub struct Varied;

impl Network for Varied {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(1_000_000)
    }

    fn answer(&mut self, _at: Tick, request: &PlannedRequest) -> Answer {
        let mixed = (request.actor.0 + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(request.step.0.wrapping_mul(0xD1B5_4A32_D192_ED03));
        let after_ns = 1_000_000 + (mixed >> 48) * 1_000;
        match mixed >> 33 & 15 {
            0 => Answer::Fails(after_ns, ErrorKind::ConnectionReset),
            1 => Answer::Status { after_ns, status: 503, reusable: false },
            _ => Answer::Status { after_ns, status: 200, reusable: true },
        }
    }
}
