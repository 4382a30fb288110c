//! The latency that Z6 adds: one virtual user of Z6, compared with a blocking socket that writes, reads and
//! measures the time, in the same process, with the same bytes, against the same built-in target.
//! `direct ROUNDS SECONDS TARGET_CPU`: the target's threads are bound to that CPU (by taskset), the rest
//! keeps the CPUs this was started with. Rounds are interleaved.
//!
//! Prints `round DIRECT_NS Z6_NS` per round: medians of the service time.
#![allow(clippy::print_stdout, reason = "a command")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use z6_events::{RequestId, TargetId};
use z6_target::{Config, Server};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rounds, seconds, target_cpu] = arguments.as_slice() else {
        bail!("usage: direct ROUNDS SECONDS TARGET_CPU");
    };
    let rounds: u32 = rounds.parse().context("ROUNDS")?;
    let seconds: f64 = seconds.parse().context("SECONDS")?;
    let before = threads()?;
    let server = Server::start(Config::default())?;
    for thread in threads()?.difference(&before) {
        bind(thread, target_cpu)?;
    }
    let scenario = scenario(server.addresses()[0], seconds);
    for _ in 0..rounds {
        let direct_ns = ping_pong(server.addresses()[0], &scenario, seconds)?;
        let z6_ns = virtual_user(&scenario)?;
        println!("round {direct_ns} {z6_ns}");
    }
    Ok(())
}

/// The threads of this process.
fn threads() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc/self/task")? {
        found.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(found)
}

fn bind(thread: &str, cpu: &str) -> Result<()> {
    let mut taskset = Command::new("taskset");
    taskset.args(["-pc", cpu, thread]).stdout(Stdio::null());
    ensure!(taskset.status().context("taskset")?.success(), "taskset cannot bind the target");
    Ok(())
}

fn scenario(target: SocketAddr, seconds: f64) -> String {
    format!(
        "[runtime]\nduration_seconds = {seconds}\nvus = 1\nprng_seed = 1\n\
         [target]\nbase_url = 'http://{target}'\n\
         [[requests]]\nname = 'hello'\npath = '/hello'\n"
    )
}

/// The bytes Z6 sends.
fn request_bytes(scenario: &str, port: u16) -> Result<Vec<u8>> {
    let scenario = z6::Scenario::from_toml(scenario)?;
    let templates = z6_vu::templates::Templates::encode(&scenario, &[port])?;
    let template = templates.find(RequestId(0), TargetId(0)).context("there is one request")?;
    Ok(template.bytes().to_vec())
}

/// Median time from before the write until after the read that completes the answer, nanoseconds.
fn ping_pong(target: SocketAddr, scenario: &str, seconds: f64) -> Result<u64> {
    let request = request_bytes(scenario, target.port())?;
    let mut stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut times_ns = Vec::with_capacity(1 << 20);
    let end = Instant::now() + Duration::try_from_secs_f64(seconds)?;
    loop {
        let start = Instant::now();
        stream.write_all(&request)?;
        let mut received = stream.read(&mut buffer)?;
        while !buffer[..received].ends_with(b"Hello, World!") {
            let more = stream.read(&mut buffer[received..])?;
            ensure!(more > 0, "the target closed the connection");
            received += more;
        }
        let done = Instant::now();
        times_ns.push(done.duration_since(start).as_nanos() as u64);
        if done >= end {
            break;
        }
    }
    let middle = times_ns.len() / 2;
    Ok(*times_ns.select_nth_unstable(middle).1)
}

/// Median service time of one virtual user, nanoseconds.
fn virtual_user(scenario: &str) -> Result<u64> {
    let finished = z6::Run::from_toml(scenario)?.start()?.wait()?;
    ensure!(finished.metrics.requests.failed == 0, "requests failed");
    finished.metrics.latency.service_ns.p50.context("no request was answered")
}
