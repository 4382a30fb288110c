//! The integration test of an axum service. The run is a future beside the service that it tests, on one thread.
//!
//! `cargo run --release -p z6 --example axum_service`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::time::Duration;

use axum::{Router, routing::get};
use z6::{Finished, Quantile, RequestBuilder, Run, Scenario, TargetBuilder};

/// Starts the service on a free port and demands an answer to every search.
pub(crate) async fn check() -> Result<Finished, Box<dyn std::error::Error>> {
    let service = Router::new().route("/search", get(|| async { "found" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, service).await });
    let scenario = Scenario::builder()
        .vus(4)
        .iterations(25)
        .target(TargetBuilder::new(format!("http://{address}")))
        .request(RequestBuilder::new("search", "/search?q=z6"))
        .error_rate_max(0.0)
        .latency_max(Quantile::P50, Duration::from_secs(5))
        .build()?;
    // A service that hangs must not hang its test.
    let run = Run::from_scenario(&scenario)?.time_limit(Duration::from_secs(60));
    let finished = run.start()?.wait_async().await?;
    finished.ok()?;
    Ok(finished)
}

#[allow(dead_code, reason = "the tests call `check`")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", check().await?.summary());
    Ok(())
}
