//! Two runs at once in one process, and a third inside an async runtime.
//!
//! `cargo run --release -p z6 --example two_runs`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use z6::{Error, Finished, Run};

const SCENARIO: &str = "
    runtime = { iterations = 100, vus = 2 }
    target.base_url = 'builtin'
    requests = [{ name = 'hello', path = '/hello' }]";

/// Two runs with seeds of their own, under way at the same time.
pub(crate) fn at_once() -> Result<[Finished; 2], Error> {
    let first = Run::from_toml(SCENARIO)?.seed(1).start()?;
    let second = Run::from_toml(SCENARIO)?.seed(2).start()?;
    Ok([first.wait()?, second.wait()?])
}

/// A run in a task: its thread goes on with other tasks.
pub(crate) async fn in_a_task() -> Result<Finished, Error> {
    Run::from_toml(SCENARIO)?.seed(3).start()?.wait_async().await
}

#[allow(dead_code, reason = "the tests call the functions")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [first, second] = tokio::task::spawn_blocking(at_once).await??;
    let third = in_a_task().await?;
    for finished in [first, second, third] {
        println!(
            "seed {}: {} succeeded",
            finished.seed(),
            finished.ok()?.metrics.requests.succeeded
        );
    }
    Ok(())
}
