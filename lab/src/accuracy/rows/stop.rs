//! Row A5: the server's process is stopped for one second of ten. The truth comes from the stamps of the
//! built-in server, and from arithmetic for nginx. Other tools are shown beside Z6.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::steady::against_stamps;
use crate::accuracy::bench::{Bench, Load};
use crate::accuracy::check::{Bar, Check};
use crate::accuracy::others;
use crate::accuracy::process::{self, Guarded, pinned};
use crate::accuracy::server::{ServerPlan, TruthServer};

const PER_SECOND: f64 = 2_000.0;
const SECONDS: f64 = 10.0;
/// How fast the server works off the backlog, requests per second.
const CLEARS_PER_SECOND: f64 = 90_000.0;
const DELAY: Duration = Duration::from_secs(4);
const LENGTH: Duration = Duration::from_secs(1);

fn load() -> Load {
    let mut load = Load::rate("/", 2_000, 10_000);
    load.max_connections = 100;
    load
}

/// The quantile that a stop of this length causes: S (1 - (1 - r / C) (1 - q) / f).
fn truth(stood: Duration) -> [(&'static str, f64); 4] {
    let stood_ns = stood.as_nanos() as f64;
    let hit = stood.as_secs_f64() / SECONDS;
    let at = |q: f64| {
        let beyond = (1.0 - PER_SECOND / CLEARS_PER_SECOND) * (1.0 - q) / hit;
        (stood_ns * (1.0 - beyond)).max(0.0)
    };
    [("p90", at(0.9)), ("p95", at(0.95)), ("p99", at(0.99)), ("p99.9", at(0.999))]
}

/// A5.
pub(super) fn server_stopped(bench: &Bench) -> Result<Vec<Check>> {
    let mut checks = built_in(bench)?;
    if process::exists("nginx") {
        let folder = bench.fresh()?;
        let nginx = Nginx::start(bench, &folder)?;
        checks.extend(against_nginx(bench, &nginx)?);
        checks.extend(others::compare(bench, &nginx.url, nginx.child.id(), truth)?);
    } else {
        checks.push(Check::skipped("A5", "nginx", "not on the PATH"));
        let folder = bench.fresh()?;
        let cores = bench.server_cores.as_deref();
        let server = TruthServer::start(&ServerPlan::default(), cores, &folder)?;
        let url = format!("{}/", server.url);
        checks.extend(others::compare(bench, &url, server.id(), truth)?);
    }
    Ok(checks)
}

fn built_in(bench: &Bench) -> Result<Vec<Check>> {
    let trial = bench.trial_during(&ServerPlan::default(), &load(), |server, _| {
        process::freeze(server, DELAY, LENGTH).map(|_| ())
    })?;
    let bar = Bar::percent_or_micros(2.0, 200.0);
    let quantiles = [("p95", 9_500), ("p99", 9_900), ("p999", 9_990)];
    let mut checks: Vec<Check> = quantiles
        .into_iter()
        .map(|quantile| against_stamps("A5", "built-in, stamps", &trial, quantile, bar))
        .collect();
    checks.push(Check::exact("A5", "built-in: planned", 20_000, trial.count("/requests/planned")));
    Ok(checks)
}

fn against_nginx(bench: &Bench, nginx: &Nginx) -> Result<Vec<Check>> {
    let mut stood = LENGTH;
    let trial = bench.against(&nginx.base_url, &load(), |_| {
        stood = process::freeze(nginx.child.id(), DELAY, LENGTH)?;
        Ok(())
    })?;
    let [_, p95, p99, p999] = truth(stood);
    let of = |(name, truth_ns): (&str, f64), field: &str, percent: f64| {
        let measured = trial.latency("response_ns", field);
        Check::near("A5", format!("nginx: {name}"), truth_ns, measured, Bar::percent(percent))
    };
    let accounted = trial.count("/requests/succeeded")
        + trial.count("/requests/failed")
        + trial.count("/requests/in_flight_at_stop")
        + trial.count("/requests/never_sent");
    Ok(vec![
        Check::at_most("A5", "nginx: p90", trial.latency("response_ns", "p90"), 60e6),
        of(p95, "p95", 4.0),
        of(p99, "p99", 2.0),
        of(p999, "p999", 2.0),
        Check::exact("A5", "nginx: planned", 20_000, trial.count("/requests/planned")),
        Check::exact("A5", "nginx: accounted for", 20_000, accounted),
    ])
}

/// nginx with a single process.
struct Nginx {
    child: Guarded,
    base_url: String,
    url: String,
}

impl Nginx {
    fn start(bench: &Bench, folder: &Path) -> Result<Nginx> {
        // The port is free again at once: nothing has connected to it.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid nginx.pid;\n\
             error_log stderr crit;\nevents {{ worker_connections 4096; }}\nhttp {{\n\
             access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s;\n\
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
             server {{ listen 127.0.0.1:{port} backlog=4096 reuseport;\n\
             location / {{ default_type text/plain; return 200 \"Hello, World!\"; }} }}\n}}\n"
        );
        let config = folder.join("nginx.conf");
        fs::write(&config, text)?;
        let mut command = pinned(bench.server_cores.as_deref(), Path::new("nginx"));
        command.arg("-p").arg(folder).arg("-c").arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = Guarded(command.spawn().context("cannot start nginx")?);
        let base_url = format!("http://127.0.0.1:{port}");
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Nginx { child, url: format!("{base_url}/"), base_url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_of_a_stop() {
        let [p90, p95, p99, p999] = truth(Duration::from_secs(1)).map(|(_, ns)| ns / 1e9);
        // Without the drain: 0, 0.50, 0.90 and 0.99 s.
        assert!((p90 - 0.022).abs() < 1e-3, "{p90}");
        assert!((p95 - 0.511).abs() < 1e-3, "{p95}");
        assert!((p99 - 0.902).abs() < 1e-3, "{p99}");
        assert!((p999 - 0.990).abs() < 1e-3, "{p999}");
    }
}
