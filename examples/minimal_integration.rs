//! The engine without a network: one virtual user on a driver in memory, state by state. The engine is
//! below the facade, so this example uses its crate, `z6-vu`.
//!
//! `cargo run -p z6 --example minimal_integration`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::sync::Arc;
use std::time::Duration;

use z6::{Actor, PlannedRequest, RequestBuilder, Scenario, TargetBuilder, TargetId, Tick};
use z6_vu::VuState;
use z6_vu::memory::{Answer, Dial, MemoryDriver, Network};
use z6_vu::prepare::{Prepared, RunSetup};
use z6_vu::recorder::{KeepBlocks, Recorder};

/// A made-up network: connections take 1 ms, responses 20 ms.
struct Pretend;

impl Network for Pretend {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(1_000_000)
    }

    fn answer(&mut self, _at: Tick, _request: &PlannedRequest) -> Answer {
        Answer::Status { after_ns: 20_000_000, status: 200, reusable: true }
    }
}

/// The state of the VU from a tick on; none once it is complete.
type Seen = (Tick, Option<VuState>);

/// The states that the VU went through.
pub(crate) fn run() -> Result<Vec<Seen>, Box<dyn std::error::Error>> {
    let scenario = Scenario::builder()
        .vus(1)
        .iterations(3)
        .target(TargetBuilder::new("http://127.0.0.1:8080"))
        .request(RequestBuilder::new("hello", "/hello"))
        .think_time(Duration::from_millis(250))
        .build()?;
    let prepared = Prepared::new(&Arc::new(scenario), RunSetup::new(42, 1))?;
    let engine = prepared.engines()?.remove(0);

    let mut driver = MemoryDriver::new(Recorder::new(engine, KeepBlocks::default()), Pretend);
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
