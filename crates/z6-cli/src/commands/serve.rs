//! `z6 serve`: runs the built-in target server.

use std::time::Duration;

use z6_target::{Config, Server, Stats};

use crate::args::ServeArgs;
use crate::console;
use crate::exit::Exit;
use crate::signals::Interrupts;
use z6_metrics::report::units::{bytes, count};

/// Interval at which the server is checked to be running.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn serve(args: &ServeArgs) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::install()?;
    // If the system refuses, the server lowers `max_connections` and a warning follows below.
    let _ = z6_vu::reactor::raise_descriptor_limit();
    let mut server = Server::start(Config {
        addresses: vec![args.listen],
        threads: args.threads,
        seed: args.seed,
        max_connections: args.max_connections,
        ..Config::default()
    })?;
    if server.max_connections() < args.max_connections {
        console::warning(&format!(
            "at most {} connections because of the file descriptor limit (`ulimit -n`)",
            server.max_connections()
        ));
    }
    let lines: String =
        server.addresses().iter().map(|at| format!("listening on http://{at}\n")).collect();
    console::results(&lines)?;
    while interrupts.wait(POLL_INTERVAL).is_none() && server.is_running() {}
    server.stop()?;
    console::plain(&describe(&server.stats()));
    Ok(Exit::Success)
}

fn describe(stats: &Stats) -> String {
    format!(
        "{} requests, {} responses, {} connections ({} refused), {} malformed requests, {} resets, \
         {} in, {} out",
        count(stats.requests),
        count(stats.responses),
        count(stats.accepted),
        count(stats.refused),
        count(stats.bad_requests),
        count(stats.resets),
        bytes(stats.bytes_in),
        bytes(stats.bytes_out),
    )
}
