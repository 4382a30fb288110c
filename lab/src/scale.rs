//! `cargo lab scale`: many connections and many virtual users from one process, against nginx on
//! loopback, and the memory they take. Each check prints its figures and fails on its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::bench::nginx::Nginx;
use crate::bench::process::{self, Folder};
use crate::bench::{CLIENT_CPU, SERVER_CPU};
use crate::built;
use crate::options::Options;

/// Time beyond the length of a check, for connecting and the reports.
const GRACE: Duration = Duration::from_secs(60);

/// Connections are counted this often; the largest count is the one that is judged.
const COUNT_EVERY: Duration = Duration::from_secs(1);

const MB: u64 = 1_000_000;

/// One check.
struct Check {
    name: &'static str,
    vus: u32,
    /// Keys of `[target]`.
    target: &'static str,
    /// More tables.
    more: &'static str,
    /// Established connections, over all source addresses.
    connections: u64,
    /// Local addresses among which they are spread evenly.
    sources: &'static [&'static str],
    /// Bound of the resident memory, bytes.
    peak_rss_bytes_max: u64,
}

const CHECKS: &[Check] = &[
    Check {
        name: "10,000 connections",
        vus: 10_000,
        target: "",
        more: "",
        connections: 10_000,
        sources: &["127.0.0.1"],
        peak_rss_bytes_max: 24 * MB,
    },
    // From one address, the kernel's search for a free port takes longer and longer past 14,000.
    Check {
        name: "19,000 connections, two source addresses",
        vus: 19_000,
        target: "source_addresses = ['127.0.0.1', '127.0.0.2']\n",
        more: "",
        connections: 19_000,
        sources: &["127.0.0.1", "127.0.0.2"],
        peak_rss_bytes_max: 48 * MB,
    },
    Check {
        name: "100,000 VUs, 1,000 shared connections",
        vus: 100_000,
        target: "connection_reuse = 'shared'\nmax_connections = 1000\n",
        more: "[think_time]\ntype = 'random'\nmin_ms = 1000\nmax_ms = 5000\n",
        connections: 1_000,
        sources: &["127.0.0.1"],
        peak_rss_bytes_max: 200 * MB,
    },
    Check {
        name: "four source addresses",
        vus: 4_000,
        target: "source_addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']\n",
        more: "",
        connections: 4_000,
        sources: &["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"],
        peak_rss_bytes_max: 24 * MB,
    },
    Check {
        name: "10,000 connections, 32 attempts at a time",
        vus: 10_000,
        target: "",
        more: "[limits]\nmax_connecting = 32\n",
        connections: 10_000,
        sources: &["127.0.0.1"],
        peak_rss_bytes_max: 24 * MB,
    },
];

/// The figures of a check.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Seen {
    answered: u64,
    failed: u64,
    /// Failures by kind, as JSON.
    errors: String,
    /// Established connections by local address.
    by_source: BTreeMap<String, u64>,
    slowest_connect_ns: u64,
    peak_rss_bytes: u64,
    /// Connection attempts of the whole machine that found a listen queue full during the check.
    overflows: u64,
}

/// `scale [--seconds S]`; whether no check failed.
///
/// # Errors
/// If the options are wrong, or something does not run.
pub(crate) fn scale(arguments: &[String]) -> Result<bool> {
    let options = Options::parse(arguments, &["seconds"], &[])?;
    let seconds: u64 = options.value("seconds", 8)?;
    let z6 = built::z6()?.to_string_lossy().into_owned();
    let folder = Folder::new()?;
    let nginx = Nginx::start(&folder, 1, Some(SERVER_CPU), &[13])?;
    let mut failed = 0;
    println!(
        "\n| check | connections | answered | failed | peak RSS MB | slowest connect ms | \
         listen overflows |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    for check in CHECKS {
        let seen = run(check, &z6, seconds, &folder, &nginx)?;
        println!("{}", line(check, &seen));
        for finding in check.judge(&seen) {
            failed += 1;
            println!("FAILED: {}: {finding}", check.name);
        }
    }
    println!("{failed} finding(s)");
    Ok(failed == 0)
}

fn run(check: &Check, z6: &str, seconds: u64, folder: &Folder, nginx: &Nginx) -> Result<Seen> {
    let scenario = folder.write("scenario.toml", check.scenario(nginx, seconds).as_bytes())?;
    let output = folder.join("z6");
    let _ = std::fs::remove_dir_all(&output);
    let line = format!("{z6} run {scenario} --output {output} --no-live --no-summary");
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let port = nginx.address.port();
    let (mut counted, mut by_source) = (Instant::now(), BTreeMap::new());
    let overflows_before = listen_overflows()?;
    let limit = Duration::from_secs(seconds) + GRACE;
    let ran = process::run(&words, Some(CLIENT_CPU), limit, folder, |_| {
        if counted.elapsed() > COUNT_EVERY {
            counted = Instant::now();
            let now = established(&std::fs::read_to_string("/proc/net/tcp")?, port);
            if total(&now) > total(&by_source) {
                by_source = now;
            }
        }
        Ok(())
    })?;
    let metrics = std::fs::read(folder.path().join("z6/metrics.json"))?;
    let metrics: Value = serde_json::from_slice(&metrics)?;
    let number = |value: &Value| value.as_u64().context("a figure is missing in metrics.json");
    Ok(Seen {
        answered: number(&metrics["requests"]["succeeded"])?,
        failed: number(&metrics["requests"]["failed"])?,
        errors: metrics["errors"]["by_kind"].to_string(),
        by_source,
        slowest_connect_ns: number(&metrics["latency"]["connect_ns"]["max"])?,
        peak_rss_bytes: ran.peak_rss_bytes,
        overflows: listen_overflows()?.saturating_sub(overflows_before),
    })
}

impl Check {
    fn scenario(&self, nginx: &Nginx, seconds: u64) -> String {
        let Check { vus, target, more, .. } = self;
        format!(
            "[runtime]\nduration_seconds = {seconds}\nvus = {vus}\nprng_seed = 1\n\
             [target]\nbase_url = 'http://{}'\n{target}\
             [[requests]]\nname = 'get'\npath = '/13'\n{more}",
            nginx.address
        )
    }

    /// One line for each figure that is out of its bound.
    fn judge(&self, seen: &Seen) -> Vec<String> {
        let mut findings = Vec::new();
        if seen.answered == 0 || seen.failed > 0 {
            let Seen { answered, failed, errors, .. } = seen;
            findings.push(format!("{answered} answered, {failed} failed: {errors}"));
        }
        let each = self.connections / self.sources.len() as u64;
        let expected = self.sources.iter().map(|source| ((*source).to_owned(), each));
        if seen.by_source != expected.collect() {
            findings.push(format!("connections by source address: {:?}", seen.by_source));
        }
        if seen.overflows > 0 {
            findings.push("the listen queue was overrun".to_owned());
        }
        if seen.peak_rss_bytes > self.peak_rss_bytes_max {
            let max = self.peak_rss_bytes_max / MB;
            findings.push(format!("{} bytes, more than {max} MB", seen.peak_rss_bytes));
        }
        findings
    }
}

fn line(check: &Check, seen: &Seen) -> String {
    format!(
        "| {} | {} | {} | {} | {:.1} | {:.1} | {} |",
        check.name,
        total(&seen.by_source),
        seen.answered,
        seen.failed,
        seen.peak_rss_bytes as f64 / 1e6,
        seen.slowest_connect_ns as f64 / 1e6,
        seen.overflows,
    )
}

fn total(by_source: &BTreeMap<String, u64>) -> u64 {
    by_source.values().sum()
}

/// Established connections to a port, by local address, from the kernel's table.
fn established(table: &str, port: u16) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, "01", ..] = columns[..] else { continue };
        if remote.split_once(':').is_some_and(|(_, hex)| hex == format!("{port:04X}")) {
            *found.entry(address(local)).or_insert(0) += 1;
        }
    }
    found
}

/// `0200007F:9C40` as `127.0.0.2`.
fn address(local: &str) -> String {
    let hex = local.split(':').next().unwrap_or_default();
    let number = u32::from_str_radix(hex, 16).unwrap_or_default();
    std::net::Ipv4Addr::from(number.to_le_bytes()).to_string()
}

/// How often a connect has found a listen queue full since the machine started.
fn listen_overflows() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/net/netstat").context("/proc/net/netstat")?;
    extended(&text, "ListenOverflows").context("no ListenOverflows in /proc/net/netstat")
}

/// A figure of the `TcpExt` lines: the first holds the names, the second the values.
fn extended(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let i = names.split_whitespace().position(|one| one == name)?;
    values.split_whitespace().nth(i)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_it_should_be() -> Seen {
        let by_source = CHECKS[3].sources.iter().map(|source| ((*source).to_owned(), 1_000));
        Seen { answered: 1, by_source: by_source.collect(), ..Seen::default() }
    }

    #[test]
    fn each_thing_that_is_wrong_is_found() {
        let check = &CHECKS[3];
        let good = as_it_should_be();
        assert_eq!(check.judge(&good), Vec::<String>::new());
        let mut uneven = good.clone();
        uneven.by_source.insert("127.0.0.2".to_owned(), 999);
        let bad = [
            Seen { failed: 1, ..good.clone() },
            Seen { answered: 0, ..good.clone() },
            Seen { overflows: 1, ..good.clone() },
            Seen { peak_rss_bytes: 24 * MB + 1, ..good },
            uneven,
        ];
        for seen in bad {
            assert_eq!(check.judge(&seen).len(), 1, "{seen:?}");
        }
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st\n   \
             0: 0200007F:9C40 0100007F:1F90 01 00000000:00000000\n   \
             1: 0300007F:9C41 0100007F:1F90 01 00000000:00000000\n   \
             2: 0200007F:9C42 0100007F:1F90 06 00000000:00000000\n   \
             3: 0100007F:1F90 0200007F:9C40 01 00000000:00000000\n";
        let expected = [("127.0.0.2".to_owned(), 1), ("127.0.0.3".to_owned(), 1)];
        assert_eq!(established(table, 8080), expected.into());
        let netstat = "TcpExt: A ListenOverflows B\nTcpExt: 1 7 3\nIpExt: A\nIpExt: 1\n";
        assert_eq!(extended(netstat, "ListenOverflows"), Some(7));
    }
}
