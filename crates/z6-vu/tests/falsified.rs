//! Logs that lie, with every checksum right: replay says so, or finds a run that could have been.
//! It never panics.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use support::falsify::{Apart, Block, Draw, falsify};
use support::wild::{REUSES, SCHEDULES, THINKS, Wild, text};
use support::{MS, run, scenario};
use z6_events::{
    Attachment, BlockBuilder, BlockHeader, BlockKind, ConnectedAs, ConnectionSlot, Event,
    EventClass, ExchangeSlot, LogAssembler, LogDigest, LogHeader, Model, Partition, Phase,
    StopReason, TargetAddresses, TargetId, Tick, WorkerId,
};
use z6_scenario::Plan;
use z6_vu::memory::Network;
use z6_vu::prepare::PrepareError;
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::replay::{BytesPlace, Outcome, ReplayError, replay};
use z6_vu::{Engine, Input};

/// Runs of every schedule, think time and reuse, with trouble, some of them stopped.
static LOGS: LazyLock<Vec<Apart>> = LazyLock::new(|| {
    let log = |i: usize| {
        let (schedule, think, reuse) = (i % SCHEDULES.len(), i % THINKS.len(), i % REUSES.len());
        let iterations = [0, 5][i % 2];
        let scenario = scenario(&text(schedule, think, reuse, i.is_multiple_of(3), iterations));
        let network = |worker: u16| -> Box<dyn Network> {
            Box::new(Wild { state: i as u64 ^ u64::from(worker), trouble: i as u64 % 9 })
        };
        let stop = (Tick(400 * MS), Input::Stop { reason: StopReason::Interrupt });
        let inputs = if i % 4 == 1 { vec![stop] } else { Vec::new() };
        Apart::of(&run(&scenario, i as u64, 1 + i as u16 % 3, network, &inputs))
    };
    (0..24).map(log).collect()
});

fn is_identical(log: &[u8]) -> bool {
    matches!(replay(log), Ok(Outcome::Identical { .. }))
}

/// What a falsification has to come to.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// A decision was changed: it is found.
    Found,
    /// A fact was changed: it may have been so.
    Any,
}

fn change(log: &mut Apart, draw: &mut Draw) -> Verdict {
    let places = log.places();
    let (i, j) = places[draw.below(places.len())];
    let events = &mut log.blocks[i].events;
    let is_decision = events[j].1.class() == EventClass::Decision;
    let found = |it: bool| if it { Verdict::Found } else { Verdict::Any };
    match draw.below(10) {
        0 => {
            events.remove(j);
            found(is_decision)
        }
        1 => {
            events.insert(j, events[j]);
            found(is_decision)
        }
        2 => {
            let k = (j + 1).min(events.len() - 1);
            let ticks = (events[j].0, events[k].0);
            events.swap(j, k);
            (events[j].0, events[k].0) = ticks;
            Verdict::Any
        }
        3 => {
            // Another tick, in order within its block: before, behind, or far away.
            let low = j.checked_sub(1).map_or(Tick::ZERO, |k| events[k].0);
            let high = events.get(j + 1).map_or(Tick::MAX, |next| next.0);
            let at = draw.other(events[j].0.0).clamp(low.0, high.0);
            // A clock that is years late has any schedule fire at once.
            events[j].0 = Tick(at.min(1 << 50).clamp(low.0, high.0));
            Verdict::Any
        }
        4 => {
            change_blocks(log, i, draw);
            Verdict::Any
        }
        _ => {
            let before = events[j].1;
            let is_decided = falsify(&mut events[j].1, draw);
            found(is_decided && events[j].1 != before)
        }
    }
}

fn change_blocks(log: &mut Apart, i: usize, draw: &mut Draw) {
    let block = log.blocks[i].clone();
    match draw.below(5) {
        0 => drop(log.blocks.remove(i)),
        1 => log.blocks.insert(i, block),
        2 => log.blocks[i].worker = WorkerId((draw.next() % u64::from(log.header.workers)) as u16),
        3 => {
            let events = Vec::new();
            log.blocks
                .insert(i + 1, Block { base: Tick(draw.other(block.base.0)), events, ..block });
        }
        _ => {
            let k = draw.below(log.blocks.len());
            log.blocks.swap(i, k);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn a_falsified_log_is_found_out_or_consistent_and_never_a_panic(
        which in 0..LOGS.len(),
        seed in any::<u64>(),
        changes in 1usize..4,
    ) {
        let mut log = LOGS[which].clone();
        let mut draw = Draw(seed);
        let verdicts: Vec<Verdict> = (0..changes).map(|_| change(&mut log, &mut draw)).collect();
        let is_identical = is_identical(&log.sealed());
        // Two changes may undo each other.
        if verdicts == [Verdict::Found] {
            prop_assert!(!is_identical);
        }
    }
}

/// What is falsified in a header.
type Falsify = fn(&mut LogHeader);

fn with_header(falsify: Falsify) -> Result<Outcome, ReplayError> {
    let mut log = LOGS[2].clone();
    falsify(&mut log.header);
    replay(&log.sealed()[..])
}

#[test]
fn falsified_headers_are_found_out() {
    let is_there = |header: &LogHeader| header.scenario_text.contains("timeout_ms = 25");
    assert!(is_there(&LOGS[2].header) && is_identical(&LOGS[2].sealed()));
    let address = |target, text: &str| TargetAddresses {
        target: TargetId(target),
        addresses: vec![text.to_owned()],
    };
    let falsifications: [(&str, Falsify); 14] = [
        ("no workers", |header| header.workers = 0),
        ("too many workers", |header| header.workers = u16::MAX),
        ("more workers than VUs", |header| header.workers = 1_024),
        ("a worker less", |header| header.workers -= 1),
        ("seed", |header| header.seed ^= 1),
        ("plan digest", |header| header.plan_digest[31] ^= 1),
        ("load model", |header| header.model = Some(Model::Open)),
        ("shard", |header| header.shards = 2),
        ("broken scenario", |header| header.scenario_text.push_str("\n[[[")),
        ("no scenario", |header| header.scenario_text.clear()),
        ("another scenario", |header| {
            header.scenario_text = header.scenario_text.replace("name = 'a'", "name = 'c'");
        }),
        ("unknown override", |header| header.overrides.push(("x".into(), "y".into()))),
        ("override", |header| {
            header.overrides.push(("seed".into(), "18446744073709551616".into()));
        }),
        ("engine version", |header| header.engine_version.push('1')),
    ];
    for (name, falsification) in falsifications {
        let outcome = with_header(falsification);
        assert!(!matches!(outcome, Ok(Outcome::Identical { .. })), "{name}: {outcome:?}");
    }
    for addresses in [
        vec![address(0, "127.0.0.1:8001")],
        vec![address(1, "127.0.0.1:8002"), address(0, "127.0.0.1:8001")],
        vec![address(0, "localhost:8001"), address(1, "127.0.0.1:8002")],
        vec![address(0, ""), address(1, "127.0.0.1:8002")],
        vec![TargetAddresses { target: TargetId(0), addresses: vec![] }, address(1, "[::1]:8002")],
        vec![address(0, "127.0.0.1:8001"); 65_536],
    ] {
        let mut log = LOGS[2].clone();
        log.header.addresses = addresses;
        let outcome = replay(&log.sealed()[..]);
        assert!(
            matches!(outcome, Err(ReplayError::Prepare(PrepareError::Addresses))),
            "{outcome:?}"
        );
    }
}

/// CRC-32 as in docs/EVENT_LOG.md.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(!0, byte)
}

/// A truncated log behind one block with this payload.
fn with_payload(scenario_text: &str, events: u32, payload: &[u8]) -> Vec<u8> {
    let scenario = scenario(scenario_text);
    let header = LogHeader {
        engine_version: z6_vu::ENGINE_VERSION.to_owned(),
        plan_digest: z6_scenario::plan::plan_digest(&scenario, 0),
        scenario_text: scenario_text.to_owned(),
        ..LogHeader::default()
    };
    let mut log = LogAssembler::new(&header).unwrap().1;
    let block = BlockHeader {
        kind: BlockKind::Events,
        phase: Phase::Main,
        worker: WorkerId(0),
        number: 0,
        first_event: 0,
        base: Tick(0),
        events,
        payload_bytes: payload.len() as u32,
        payload_crc: crc(payload),
        previous: LogDigest::from_bytes(&log),
    };
    log.extend_from_slice(&block.encode());
    log.extend_from_slice(payload);
    log
}

const ONE_VU: &str = "runtime.duration_seconds = 1\ntarget.base_url = 'http://127.0.0.1:1'\n\
                      requests = [{ name = 'a', path = '/' }]";

/// The start of a run of one VU, up to its first `sent`.
fn first_events() -> Vec<(Tick, Event)> {
    let mut recorder = support::recorder(&scenario(ONE_VU), 0, 0, 1);
    let mut events = Vec::new();
    let connection = ConnectionSlot(0);
    for (at, input) in [
        (Tick(0), Input::Wake),
        (
            Tick(1),
            Input::Connected { connection, started: Tick(0), negotiated: ConnectedAs::HTTP1 },
        ),
        (Tick(2), Input::Sent { exchange: ExchangeSlot(0), written_bytes: 9, request_bytes: None }),
    ] {
        let mut keep = |event: &Event| events.push((at, *event));
        recorder.step(at, input, |out| out.events.iter().for_each(&mut keep));
    }
    events
}

fn payload(events: &[(Tick, Event)]) -> Vec<u8> {
    let mut builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
    events.iter().for_each(|(at, event)| builder.push(*at, event).unwrap());
    builder.close(Vec::new()).payload().to_vec()
}

#[test]
fn the_same_events_in_other_bytes_are_told_by_block() {
    let events = first_events();
    let count = events.len() as u32;
    let whole = payload(&events);
    assert!(is_identical(&with_payload(ONE_VU, count, &whole)));
    // `sent`: kind, 1 ns, slot 0, flags, more. An actor as predicted need not be said, but may.
    let at = payload(&events[..events.len() - 1]).len();
    assert_eq!(whole[at..at + 3], [0x41, 1, 0]);
    let mut wordy = whole;
    wordy[at + 3] |= 1;
    wordy.insert(at + 5, 0);
    let outcome = replay(&with_payload(ONE_VU, count, &wordy)[..]).unwrap();
    let Outcome::BytesDiffer(BytesPlace::Block { number: 0, offset }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(offset, with_payload(ONE_VU, 0, &[]).len() as u64 - 80);
}

#[test]
fn records_and_blocks_of_unknown_kinds_cannot_be_replayed() {
    let events = first_events();
    let mut more = payload(&events);
    more.extend([0x80, 1, 7]);
    let log = with_payload(ONE_VU, events.len() as u32 + 1, &more);
    assert!(matches!(replay(&log[..]), Err(ReplayError::UnknownKind { block: 0 })));
}

/// More events are promised than our encoding has room for.
#[test]
fn a_block_too_full_to_be_ours_is_no_panic() {
    let scenario = scenario(ONE_VU);
    let wire = support::wire(&scenario);
    let engine = Engine::new(&scenario, Plan::new(&scenario, 0), Partition::WHOLE, &wire).unwrap();
    let mut recorder = Recorder::copying_boundaries(engine, KeepBlocks::default());
    recorder.expect_block(u32::MAX, Tick(0));
    for at in 0..20_000 {
        recorder.copy(Tick(at), &Event::LogStalled { waited_ns: u64::MAX }, &[]);
    }
    assert!(recorder.sink_mut().blocks.len() > 2);
}

/// A file that is said to be longer than anything, and not in the log.
#[test]
fn an_attachment_of_any_length_is_no_panic() {
    let text = "runtime.duration_seconds = 1\ntarget.base_url = 'http://127.0.0.1:1'\n\
                requests = [{ name = 'a', path = '/', method = 'POST', body_file = 'b' }]";
    let header = LogHeader {
        engine_version: z6_vu::ENGINE_VERSION.to_owned(),
        scenario_text: text.to_owned(),
        ..LogHeader::default()
    };
    for length in [0, 1, 1 << 40, u64::MAX] {
        let (mut assembler, mut log) = LogAssembler::new(&header).unwrap();
        let attachment = Attachment { length, ..Attachment::from_content("b", b"", false) };
        log.extend(assembler.copy_attachment(&attachment, b"").unwrap());
        let outcome = replay(&log[..]);
        let is_loaded = matches!(outcome, Ok(Outcome::Identical { .. }));
        assert_eq!(is_loaded, length < 2, "{length}: {outcome:?}");
    }
}
