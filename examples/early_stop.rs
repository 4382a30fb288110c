//! A run that another thread stops as soon as its live figures show enough.
//!
//! `cargo run --release -p z6 --example early_stop`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::thread;
use std::time::Duration;

use z6::{Finished, LiveSnapshot, Quantile, Run};

/// An hour of requests, half of which the target refuses.
const SCENARIO: &str = "
    runtime = { duration_seconds = 3600, vus = 2 }
    target.base_url = 'builtin'
    requests = [{ name = 'good', path = '/hello' }, { name = 'bad', path = '/status/500' }]";

/// Stops once 100 requests show that more than a tenth of them fails. Returns what was seen then.
pub(crate) fn run() -> Result<(LiveSnapshot, Finished), Box<dyn std::error::Error>> {
    let running = Run::from_toml(SCENARIO)?.seed(1).start()?;
    let handle = running.handle();
    let watcher = thread::spawn(move || {
        loop {
            let live = handle.live();
            let answered = live.response_ns.count + live.failed;
            if answered >= 100 && live.error_rate.is_some_and(|share| share > 0.1) {
                handle.stop();
                return live;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let finished = running.wait()?;
    Ok((watcher.join().map_err(|_| "the watcher panicked")?, finished))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (seen, finished) = run()?;
    println!("stopped with p99 = {:?}", seen.response_ns.time(Quantile::P99));
    for (name, figures) in &seen.by_name.0 {
        println!("{name}: {} of {} failed", figures.failed, figures.sent);
    }
    println!("{}", finished.summary());
    Ok(())
}
