//! `z6 serve`: runs the built-in target server.

use std::net::SocketAddr;
use std::time::Duration;

use z6_target::{Config, Server, Stats};

use crate::args::ServeArgs;
use crate::console;
use crate::exit::Exit;
use crate::new_file;
use crate::signals::Interrupts;
use z6_metrics::report::units::{bytes, count};

/// Interval at which the server is checked to be running.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn serve(args: &ServeArgs) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::install()?;
    // If the system refuses, the server lowers `max_connections` and a warning follows below.
    let _ = z6_vu::reactor::raise_descriptor_limit();
    let (addresses, tls_addresses) = match args.tls {
        true => (Vec::new(), vec![args.listen]),
        false => (vec![args.listen], Vec::new()),
    };
    let mut server = Server::start(Config {
        addresses,
        tls_addresses,
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
    if let (Some(path), Some(pem)) = (&args.write_ca, server.authority_pem()) {
        new_file::write(path, pem, "--write-ca", 0o666)?;
    }
    let at =
        |scheme: &'static str| move |at: &SocketAddr| format!("listening on {scheme}://{at}\n");
    let plain = server.addresses().iter().map(at("http"));
    let lines: String = plain.chain(server.tls_addresses().iter().map(at("https"))).collect();
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
