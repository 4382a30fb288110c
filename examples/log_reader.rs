//! A log read again: how many requests each connection carried, and the longest that a virtual user
//! was silent between two requests. No report has either.
//!
//! `cargo run --release -p z6 --example log_reader -- results/run_20260101T000000Z`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::collections::BTreeMap;
use std::path::Path;

use z6::{Actor, Log, Observed, Tick, WorkerId};

/// What the reports do not say.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// How many connections carried this many requests.
    pub(crate) connections_by_requests: BTreeMap<u64, u64>,
    /// The longest time between two sends of one VU, nanoseconds, and whose.
    pub(crate) longest_silence: Option<(u64, Actor)>,
    /// Requests that were answered or failed.
    pub(crate) requests: u64,
}

pub(crate) fn read(path: &Path) -> Result<Findings, z6::ReadError> {
    let log = Log::open(path)?;
    let mut findings = Findings::default();
    let mut last_sent: BTreeMap<Actor, Tick> = BTreeMap::new();
    let mut requests_of: BTreeMap<(WorkerId, u64), u64> = BTreeMap::new();
    for observed in log.observed()? {
        let (worker, _, observed) = observed?;
        match observed {
            Observed::Connected(connection) => {
                requests_of.insert((worker, connection.serial), 0);
            }
            Observed::Sent(sent) => {
                *requests_of.entry((worker, sent.connection_serial)).or_default() += 1;
                let actor = sent.request.actor;
                if let Some(before) = last_sent.insert(actor, sent.sent) {
                    let silence = Some((sent.sent.since(before), actor));
                    findings.longest_silence = findings.longest_silence.max(silence);
                }
            }
            Observed::RequestEnded(_) => findings.requests += 1,
            _ => {}
        }
    }
    for requests in requests_of.into_values() {
        *findings.connections_by_requests.entry(requests).or_default() += 1;
    }
    Ok(findings)
}

#[allow(dead_code, reason = "the tests call `read`")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: log_reader LOG")?;
    let findings = read(Path::new(&path))?;
    println!("{} requests", findings.requests);
    for (requests, connections) in &findings.connections_by_requests {
        println!("{connections} connections carried {requests} requests each");
    }
    if let Some((ns, actor)) = findings.longest_silence {
        println!("VU {actor} was silent for {:.3} ms", ns as f64 / 1e6);
    }
    Ok(())
}
