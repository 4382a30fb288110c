//! A scenario written in code, run against the built-in target, its goals checked one by one.
//!
//! `cargo run --release -p z6 --example scenario_integration`
#![allow(clippy::print_stdout, reason = "an example shows something")]

use z6::{Finished, Run};

/// Ten VUs, a hundred iterations each, with goals.
pub(crate) fn run() -> Result<Finished, z6::Error> {
    let requests = ["/hello", "/bytes/1000", "/status/204"];
    let mut scenario = String::from(
        "metadata.name = 'Written in code'\n\
         runtime.vus = 10\n\
         runtime.iterations = 100\n\
         target.base_url = 'builtin'\n\
         assertions.error_rate_max = 0.0\n\
         assertions.success_rate_min = 1.0\n\
         assertions.status_5xx_max_rate = 0.0\n",
    );
    for path in requests {
        scenario += &format!("[[requests]]\nname = '{path}'\npath = '{path}'\n");
    }
    Run::from_toml(&scenario)?.seed(7).start()?.wait()
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<(), z6::Error> {
    let finished = run()?;
    for goal in &finished.metrics.assertions {
        let mark = if goal.passed { "passed" } else { "FAILED" };
        println!("{mark}  {}: expected {}, actual {}", goal.name, goal.expected, goal.actual);
    }
    let requests = &finished.metrics.requests;
    println!("{} requests, {} succeeded", requests.sent, requests.succeeded);
    std::process::exit(i32::from(!finished.assertions_passed()));
}
