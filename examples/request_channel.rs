//! Every request of a run as it ends, sent through a channel to a thread that has time for it.
//!
//! `cargo run --release -p z6 --example request_channel`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::sync::mpsc;
use std::time::Duration;

use z6::{RowOutcome, Run, Workers};

/// What is passed on of a request: its name, its outcome, its response time.
pub(crate) type Line = (String, RowOutcome, Option<Duration>);

const SCENARIO: &str = "
    runtime = { iterations = 50, vus = 4 }
    target.base_url = 'builtin'
    requests = [{ name = 'hello', path = '/hello' }, { name = 'lost', path = '/status/404' }]";

/// Runs with two event loops and returns one line for each request.
pub(crate) fn run() -> Result<Vec<Line>, z6::Error> {
    let (lines, received) = mpsc::channel();
    let run = Run::from_toml(SCENARIO)?.seed(1).workers(Workers::Fixed(2));
    let run = run.on_request(move |row, scenario| {
        // Called on the log writer's thread: hand it over and return.
        let name = scenario.request(row.request).name.clone();
        let _ = lines.send((name, row.outcome, row.response_time()));
    });
    let running = run.start()?;
    // The channel ends with the run.
    let all = received.iter().collect();
    running.wait()?;
    Ok(all)
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<(), z6::Error> {
    for (name, outcome, time) in run()? {
        println!("{name}: {outcome:?} after {time:?}");
    }
    Ok(())
}
