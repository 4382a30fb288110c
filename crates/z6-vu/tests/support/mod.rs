//! Runs of the engine in memory, as logs.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod falsify;
pub(crate) mod journey;
pub(crate) mod wild;

use z6_events::{
    ErrorKind, Event, EventLine, LogAssembler, LogHeader, LogReader, Partition, PlannedRequest,
    SealedBlock, TargetId, Tick, WorkerId,
};
use z6_scenario::{Plan, Scenario};
use z6_vu::engine::Progress;
use z6_vu::memory::{Answer, Dial, MemoryDriver, Network};
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::run_end::RunEnd;
use z6_vu::templates::Templates;
use z6_vu::{Engine, Input, Outputs, Wire};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn scenario(text: &str) -> Scenario {
    match Scenario::from_toml(text) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{}", diagnostics.render("test", text, false)),
    }
}

pub(crate) fn wire(scenario: &Scenario) -> Wire {
    let ports: Vec<u16> = scenario.targets.iter().map(|target| target.base_url.port).collect();
    Templates::encode(scenario, &ports).unwrap().wire(vec![1; scenario.targets.len()])
}

pub(crate) fn recorder(
    scenario: &Scenario,
    seed: u64,
    worker: u16,
    workers: u16,
) -> Recorder<KeepBlocks> {
    recorder_of(scenario, seed, Partition::unsharded(WorkerId(worker), workers))
}

/// An engine and its log, in memory.
pub(crate) fn recorder_of(
    scenario: &Scenario,
    seed: u64,
    partition: Partition,
) -> Recorder<KeepBlocks> {
    let plan = Plan::new(scenario, seed);
    let engine = Engine::new(scenario, plan, partition, &wire(scenario)).unwrap();
    Recorder::new(engine, KeepBlocks::default())
}

/// A network that returns 200 after `after_ns`, and fails every `reset_every`-th request.
#[derive(Clone)]
pub(crate) struct Plain {
    pub(crate) after_ns: u64,
    pub(crate) reset_every: u64,
    pub(crate) asked: u64,
}

impl Plain {
    pub(crate) fn new(after_ns: u64) -> Plain {
        Plain { after_ns, reset_every: u64::MAX, asked: 0 }
    }
}

impl Network for Plain {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(10_000)
    }

    fn answer(&mut self, _at: Tick, _ask: &PlannedRequest) -> Answer {
        self.asked += 1;
        if self.asked.is_multiple_of(self.reset_every) {
            return Answer::Fails(self.after_ns / 2, ErrorKind::ConnectionReset);
        }
        Answer::Status { after_ns: self.after_ns, status: 200, reusable: true }
    }
}

/// Runs every worker of a scenario and puts one log together, blocks in order of time.
pub(crate) fn run(
    scenario: &Scenario,
    seed: u64,
    workers: u16,
    network: impl Fn(u16) -> Box<dyn Network>,
    inputs: &[(Tick, Input)],
) -> Vec<u8> {
    let first = Partition::unsharded(WorkerId(0), workers);
    run_shard(scenario, seed, first, network, inputs)
}

/// Runs every worker of a shard, which `first` names, and puts its log together.
pub(crate) fn run_shard(
    scenario: &Scenario,
    seed: u64,
    first: Partition,
    network: impl Fn(u16) -> Box<dyn Network>,
    inputs: &[(Tick, Input)],
) -> Vec<u8> {
    let mut blocks: Vec<SealedBlock> = Vec::new();
    for partition in first.all_workers() {
        let recorder = recorder_of(scenario, seed, partition);
        let mut driver = MemoryDriver::new(recorder, Boxed(network(partition.worker().0)));
        for (at, input) in inputs {
            driver.schedule(*at, *input);
        }
        blocks.extend(driver.run().0.blocks);
    }
    blocks.sort_by_key(|block| (block.base(), block.worker()));
    assemble(scenario, seed, first, blocks)
}

pub(crate) struct Boxed(pub(crate) Box<dyn Network>);

impl Network for Boxed {
    fn dial(&mut self, at: Tick, target: TargetId) -> Dial {
        self.0.dial(at, target)
    }

    fn answer(&mut self, at: Tick, request: &PlannedRequest) -> Answer {
        self.0.answer(at, request)
    }

    fn read(&mut self, request: &PlannedRequest, status: u16) -> z6_vu::memory::Found {
        self.0.read(request, status)
    }
}

pub(crate) fn assemble(
    scenario: &Scenario,
    seed: u64,
    partition: Partition,
    blocks: Vec<SealedBlock>,
) -> Vec<u8> {
    let header = LogHeader {
        seed,
        workers: partition.workers(),
        shard: partition.shard(),
        shards: partition.shards(),
        engine_version: z6_vu::ENGINE_VERSION.to_owned(),
        plan_digest: z6_scenario::plan::plan_digest(scenario, seed),
        scenario_text: scenario.text.clone(),
        ..LogHeader::default()
    };
    let (mut assembler, mut log) = LogAssembler::new(&header).unwrap();
    for mut block in blocks {
        log.extend_from_slice(assembler.seal(&mut block));
    }
    let mut end = RunEnd::default();
    // The end is read back from the bytes, as the writer of a real run does.
    let mut reader = LogReader::new(&log[..]).unwrap();
    while let Some(mut block) = reader.next_block().unwrap() {
        for event in block.events() {
            end.observe(&event.unwrap().1);
        }
    }
    log.extend_from_slice(&assembler.footer(&end.footer()).unwrap().0);
    log
}

/// All events of a log, in file order.
pub(crate) fn events(log: &[u8]) -> Vec<(WorkerId, Tick, Event)> {
    let mut reader = LogReader::new(log).unwrap();
    let mut all = Vec::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        let worker = block.header().worker;
        all.extend(block.events().map(|event| {
            let (at, event) = event.unwrap();
            (worker, at, event)
        }));
    }
    all
}

/// The requests of a log, in file order, however they ended.
pub(crate) fn requests(log: &[u8]) -> Vec<PlannedRequest> {
    let request = |event: &Event| match event {
        Event::Sent { request, .. }
        | Event::NotOnWire { request, .. }
        | Event::NeverSent { request, .. } => Some(*request),
        _ => None,
    };
    events(log).iter().filter_map(|(_, _, event)| request(event)).collect()
}

/// One step of which no more is due than one call fires.
pub(crate) fn step(engine: &mut Engine, at: Tick, input: Input, out: &mut Outputs) {
    assert_eq!(engine.step(at, input, out), Progress::Done);
}

pub(crate) fn plain(after_ns: u64) -> impl Fn(u16) -> Box<dyn Network> {
    move |_| Box::new(Plain::new(after_ns))
}

pub(crate) fn count(log: &[u8], what: impl Fn(&Event) -> bool) -> usize {
    events(log).iter().filter(|(_, _, event)| what(event)).count()
}

pub(crate) const ONE_REQUEST: &str = "[[requests]]\nname = 'r'\npath = '/'\ntimeout_ms = 50\n";

pub(crate) fn one_target(keys: &str) -> String {
    format!("[target]\nbase_url = 'http://127.0.0.1:80'\n{keys}\n{ONE_REQUEST}")
}

pub(crate) fn engine(scenario: &Scenario) -> Engine {
    let plan = Plan::new(scenario, 1);
    Engine::new(scenario, plan, Partition::WHOLE, &wire(scenario)).unwrap()
}

/// A line for each event.
pub(crate) fn text_of(log: &[u8]) -> String {
    let line = |(worker, at, event): &(WorkerId, Tick, Event)| {
        EventLine { worker: *worker, at: *at, event }.to_string() + "\n"
    };
    events(log).iter().map(line).collect()
}
