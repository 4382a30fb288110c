//! The engine without a network: one virtual user on a driver in memory, state by state.
//!
//! `cargo run -p z6 --example minimal_integration`
#![allow(clippy::print_stdout, reason = "an example shows something")]

use z6::engine::{Engine, VuState};
use z6::memory::{Answer, Dial, MemoryDriver, Network};
use z6::recorder::{KeepBlocks, Recorder};
use z6::z6_events::{Actor, Partition, PlannedRequest, TargetId, Tick};
use z6::z6_scenario::{Plan, Scenario};

const SCENARIO: &str = "
[runtime]
vus = 1
iterations = 3

[target]
base_url = 'http://127.0.0.1:8080'

[[requests]]
name = 'hello'
path = '/hello'

[think_time]
type = 'constant'
duration_ms = 250
";

/// A made-up network: connections take 1 ms, answers 20 ms.
struct Pretend;

impl Network for Pretend {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(1_000_000)
    }

    fn answer(&mut self, _at: Tick, _ask: &PlannedRequest) -> Answer {
        Answer::Status { after_ns: 20_000_000, status: 200, reusable: true }
    }
}

/// What the VU awaits from a tick on; none once it is complete.
type Seen = (Tick, Option<VuState>);

/// The states the VU went through.
pub(crate) fn run() -> Result<Vec<Seen>, Box<dyn std::error::Error>> {
    let scenario = Scenario::from_toml(SCENARIO)?;
    let templates = z6::templates::Templates::encode(&scenario, &[8080])?;
    let plan = Plan::new(&scenario, 42);
    let engine = Engine::new(&scenario, plan, Partition::WHOLE, &templates.wire(vec![1]))?;
    let recorder = Recorder::new(engine, KeepBlocks::default());

    let mut driver = MemoryDriver::new(recorder, Pretend);
    let mut states = Vec::new();
    while driver.advance() {
        states.push((driver.now(), driver.recorder().engine().vu_state(Actor(0))));
    }
    Ok(states)
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (tick, state) in run()? {
        match state {
            Some(state) => println!("{tick} s  {state:?}"),
            None => println!("{tick} s  complete"),
        }
    }
    Ok(())
}
