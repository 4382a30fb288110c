//! A scenario written in code, run against the built-in target, its goals checked one by one.
//!
//! `cargo run --release -p z6 --example scenario_integration`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use z6::{Finished, RequestBuilder, Run, Scenario, TargetBuilder};

/// Ten VUs, a hundred iterations each, with goals.
pub(crate) fn run() -> Result<Finished, z6::Error> {
    let mut scenario = Scenario::builder()
        .name("Written in code")
        .vus(10)
        .iterations(100)
        .target(TargetBuilder::new("builtin"))
        .error_rate_max(0.0)
        .success_rate_min(1.0)
        .status_5xx_max_rate(0.0);
    for path in ["/hello", "/bytes/1000", "/status/204"] {
        scenario = scenario.request(RequestBuilder::new(path, path));
    }
    Run::from_scenario(&scenario.build()?)?.seed(7).start()?.wait()
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let finished = run()?;
    for goal in &finished.metrics.assertions {
        let mark = if goal.passed { "passed" } else { "FAILED" };
        println!("{mark}  {goal}");
    }
    let requests = &finished.metrics.requests;
    println!("{} requests, {} succeeded", requests.sent, requests.succeeded);
    // No target, no response, a full disk or an assertion that failed.
    finished.ok()?;
    Ok(())
}
