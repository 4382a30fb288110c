//! Raises each doubt of the verdict by its cause, end to end, and shows that a clean run raises none: a
//! check that has never been seen to fail proves nothing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use socket2::{Domain, Socket, Type};
use z6_target::Stall;

use super::bench::{Bench, Load, Trial, arguments, collect};
use super::check::Check;
use super::ledger::Ledger;
use super::process::{self, Guarded};
use super::rows::{hogged_trial, refold};
use super::server::{ServerPlan, Truth};

const SECOND: Duration = Duration::from_secs(1);
/// Longest that a run outside the bench may take.
const PATIENCE: Duration = Duration::from_secs(60);

const EMPTY_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A doubt, its cause in words, and a function that causes it.
struct Case {
    doubt: &'static str,
    cause: &'static str,
    provoke: fn(&Bench) -> Result<Raised>,
}

/// The doubts that were raised, or why this machine cannot cause them.
enum Raised {
    Doubts { kinds: Vec<String>, verdict: String },
    NotHere(String),
}

const CASES: &[Case] = &[
    Case { doubt: "", cause: "nothing: a clean run", provoke: clean },
    Case { doubt: "late_sends", cause: "a busy loop on its core", provoke: hogged },
    Case { doubt: "loop_stall", cause: "SIGSTOP for 1 s", provoke: stopped },
    Case { doubt: "log_back_pressure", cause: "its log thread starved", provoke: slow_log },
    Case { doubt: "generator_busy", cause: "more than a core can send", provoke: too_much },
    Case {
        doubt: "generator_bound",
        cause: "VUs without think time, a fast server",
        provoke: flat_out,
    },
    Case { doubt: "rate_missed", cause: "half the capacity", provoke: overloaded },
    Case { doubt: "max_in_flight", cause: "a stall, 10 in flight", provoke: full_queue },
    Case { doubt: "unsent_at_end", cause: "one connection, no answer", provoke: unanswered },
    Case { doubt: "connection_limit", cause: "one connection, no answer", provoke: unanswered },
    Case { doubt: "slow_connects", cause: "a full accept queue", provoke: full_backlog },
    Case { doubt: "syn_retries", cause: "a full accept queue", provoke: full_backlog },
    Case { doubt: "errors_dominate", cause: "503 from the server", provoke: failing },
    Case { doubt: "out_of_ports", cause: "four local ports", provoke: few_ports },
    Case {
        doubt: "out_of_descriptors",
        cause: "ulimit -n while it runs",
        provoke: few_descriptors,
    },
    Case { doubt: "too_few_samples", cause: "p99.9 of 100 requests", provoke: few_samples },
    Case {
        doubt: "wall_clock_step",
        cause: "the log's wall clock stepped by 1 h",
        provoke: stepped,
    },
    Case { doubt: "torn_log", cause: "SIGKILL", provoke: killed },
];

/// Runs all cases.
pub(super) fn run(bench: &Bench) -> Vec<Check> {
    let mut checks = Vec::new();
    for case in CASES {
        println!(
            "{} by {} ..",
            if case.doubt.is_empty() { "none" } else { case.doubt },
            case.cause
        );
        checks.push(match (case.provoke)(bench) {
            Ok(raised) => judge(case, &raised),
            Err(error) => Check::broken("doubt", case.cause, &error),
        });
    }
    checks
}

fn judge(case: &Case, raised: &Raised) -> Check {
    match raised {
        Raised::NotHere(why) => Check::skipped("doubt", case.cause, why),
        Raised::Doubts { kinds, verdict } => {
            let found = format!("{}: {verdict}", kinds.join(", "));
            let (expected, met) = match case.doubt {
                "" => ("none: trustworthy", kinds.is_empty() && verdict == "trustworthy"),
                doubt => (doubt, kinds.iter().any(|kind| kind == doubt)),
            };
            Check::holds("doubt", case.cause, expected, found, met)
        }
    }
}

fn raised(trial: &Trial) -> Raised {
    Raised::Doubts { kinds: trial.doubts(), verdict: trial.verdict().to_owned() }
}

fn plain(bench: &Bench, load: &Load) -> Result<Raised> {
    bench.trial(&ServerPlan::default(), load).map(|trial| raised(&trial))
}

fn clean(bench: &Bench) -> Result<Raised> {
    plain(bench, &Load::rate("/hello?delay=constant:1ms", 500, 3_000))
}

fn hogged(bench: &Bench) -> Result<Raised> {
    if bench.server_cores.is_none() {
        return Ok(Raised::NotHere("needs two cores and taskset".to_owned()));
    }
    hogged_trial(bench).map(|trial| raised(&trial))
}

fn stopped(bench: &Bench) -> Result<Raised> {
    let load = Load::rate("/hello", 500, 4_000);
    let trial = bench.trial_during(&ServerPlan::default(), &load, |_, z6| {
        process::freeze(z6, SECOND, SECOND).map(|_| ())
    })?;
    Ok(raised(&trial))
}

/// The thread that writes the log gets no more than what a busy loop on its core leaves over.
fn slow_log(bench: &Bench) -> Result<Raised> {
    let has_tools = ["chrt", "taskset"].into_iter().all(process::exists);
    if bench.server_cores.is_none() || !has_tools {
        return Ok(Raised::NotHere("needs two cores, taskset and chrt".to_owned()));
    }
    // Nicer than the server on the same core, and less nice than the log thread.
    let hog = process::hog("0", 19)?;
    let plan = ServerPlan { without_stamps: true, ..ServerPlan::default() };
    let trial = bench.trial_during(&plan, &closed(64, 12_000), |_, z6| {
        thread::sleep(Duration::from_millis(500));
        let id = process::thread_named(z6, "z6-log").context("z6 has no log thread")?;
        let quiet = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().map(|_| ())
        };
        quiet(Command::new("taskset").args(["-p", "-c", "0", &id]))?;
        quiet(Command::new("chrt").args(["--idle", "-p", "0", &id]))?;
        Ok(())
    })?;
    drop(hog);
    Ok(raised(&trial))
}

/// VUs without think time.
fn closed(vus: u32, millis: u64) -> Load {
    let mut load = Load::rate("/hello", 0, millis);
    load.schedule = Some(format!("type = \"constant\"\nvus = {vus}\n"));
    load
}

fn too_much(bench: &Bench) -> Result<Raised> {
    let mut load = Load::rate("/hello", 400_000, 3_500);
    (load.max_connections, load.grace_seconds) = (16, 1);
    unpinned(bench, &load)
}

fn flat_out(bench: &Bench) -> Result<Raised> {
    unpinned(bench, &closed(16, 4_000))
}

/// Z6 on all cores, against a server that does as little as possible per request.
fn unpinned(bench: &Bench, load: &Load) -> Result<Raised> {
    let free = Bench::new(bench.z6.clone(), bench.fresh()?, bench.full);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}", listener.local_addr()?);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| serve_spinning(&listener, &over));
        let trial = free.against(&url, load, |_| Ok(()));
        over.store(true, Ordering::Relaxed);
        trial.map(|trial| raised(&trial))
    })
}

/// Sends one response for each empty line received, and never sleeps.
fn serve_spinning(listener: &TcpListener, over: &AtomicBool) {
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut buffer = [0; 16 * 1_024];
    while !over.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept()
            && stream.set_nonblocking(true).is_ok()
        {
            streams.push(stream);
        }
        streams.retain_mut(|stream| match stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                let requests = buffer[..count].windows(4).filter(|end| end == b"\r\n\r\n").count();
                stream.write_all(&EMPTY_ANSWER.repeat(requests)).is_ok()
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
    }
}

fn overloaded(bench: &Bench) -> Result<Raised> {
    let mut load = Load::rate("/hello?delay=constant:2ms", 1_000, 2_000);
    (load.max_connections, load.grace_seconds) = (1, 5);
    plain(bench, &load)
}

fn full_queue(bench: &Bench) -> Result<Raised> {
    let mut load = Load::rate("/hello", 200, 2_000);
    load.max_in_flight = 10;
    let stalls = vec![Stall { start_ns: 500_000_000, length_ns: 500_000_000 }];
    let trial = bench.trial(&ServerPlan { stalls, ..ServerPlan::default() }, &load)?;
    Ok(raised(&trial))
}

fn unanswered(bench: &Bench) -> Result<Raised> {
    let mut load = Load::rate("/stall", 100, 1_000);
    (load.max_connections, load.grace_seconds, load.timeout_ms) = (1, 0, 200);
    plain(bench, &load)
}

fn failing(bench: &Bench) -> Result<Raised> {
    plain(bench, &Load::rate("/status/503", 100, 1_000))
}

fn few_samples(bench: &Bench) -> Result<Raised> {
    let mut load = Load::rate("/hello", 100, 1_000);
    load.more = "[assertions]\np999_latency_ms = 1000\n".to_owned();
    plain(bench, &load)
}

/// A server that lets its accept queue run over: until it accepts, SYNs are dropped, and the kernel
/// sends them again after a second.
fn full_backlog(bench: &Bench) -> Result<Raised> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(1)?;
    let listener = TcpListener::from(socket);
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(700));
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    let mut load = Load::rate("/", 200, 1_000);
    load.max_connections = 500;
    bench.against(&url, &load, |_| Ok(())).map(|trial| raised(&trial))
}

/// Answers requests without a body until the client closes, slowly enough that more connections are
/// wanted.
fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 4_096];
    while let Ok(count) = stream.read(&mut buffer) {
        thread::sleep(Duration::from_millis(300));
        if count == 0 || stream.write_all(EMPTY_ANSWER).is_err() {
            return;
        }
    }
}

/// In a network namespace with four ports for connections.
fn few_ports(bench: &Bench) -> Result<Raised> {
    let load = Load { max_connections: 50, ..Load::rate("/delay/300", 100, 2_000) };
    let folder = bench.fresh()?;
    let words = arguments(&load, "builtin", &folder)?;
    let script = "ip link set lo up && \
                  echo '40000 40003' > /proc/sys/net/ipv4/ip_local_port_range && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--user", "--map-root-user", "sh", "-c", script])
        .arg(&bench.z6)
        .args(words);
    finish_alone(command, &folder, "needs unshare, ip and the right to make a network namespace")
}

/// Lowers the limit while the run is under way: Z6 refuses to start with a limit that is too low.
fn few_descriptors(bench: &Bench) -> Result<Raised> {
    let load = Load { max_connections: 500, ..Load::rate("/delay/1500", 100, 2_000) };
    let trial = bench.trial_during(&ServerPlan::default(), &load, |_, z6| {
        thread::sleep(Duration::from_millis(500));
        process::limit_open_files(z6, 40)
    })?;
    Ok(raised(&trial))
}

/// Waits for a run that the bench did not start. If there are no results, this machine cannot do it.
fn finish_alone(mut command: Command, folder: &Path, needs: &str) -> Result<Raised> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else { return Ok(Raised::NotHere(needs.to_owned())) };
    let exit = Guarded(child).wait(PATIENCE)?;
    match collect(folder, Truth::default(), exit) {
        Ok(trial) => Ok(raised(&trial)),
        Err(_) => Ok(Raised::NotHere(needs.to_owned())),
    }
}

/// Steps the wall clock in the log, through which it enters the figures, and not that of the machine.
fn stepped(bench: &Bench) -> Result<Raised> {
    let trial = bench.trial(&ServerPlan::default(), &Load::rate("/hello", 100, 3_000))?;
    of_figures(&trial.ledger, 3_600_000_000_000, false)
}

fn killed(bench: &Bench) -> Result<Raised> {
    let folder = bench.fresh()?;
    let server = super::server::TruthServer::start(&ServerPlan::default(), None, &folder)?;
    let mut z6 = bench.start(&Load::rate("/hello", 500, 10_000), &server.url, &folder)?;
    thread::sleep(2 * SECOND);
    process::signal(z6.id(), z6_testing::Signal::KILL)?;
    z6.wait(PATIENCE)?;
    let ledger = Ledger::read(&folder.join("results/events.z6log.partial"))?;
    of_figures(&ledger, 0, ledger.is_torn)
}

fn of_figures(ledger: &Ledger, step_ns: u64, torn: bool) -> Result<Raised> {
    let metrics = refold(ledger, step_ns, torn)?;
    let doubts = metrics["generator"]["doubts"].as_array().into_iter().flatten();
    let kinds = doubts.filter_map(|doubt| doubt["kind"].as_str().map(str::to_owned)).collect();
    let verdict = metrics["generator"]["verdict"].as_str().unwrap_or_default().to_owned();
    Ok(Raised::Doubts { kinds, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::check::Outcome;

    #[test]
    fn a_doubt_that_is_not_raised_is_a_failed_check() {
        let case = &CASES[1];
        let with = |kinds: &[&str]| {
            let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            judge(case, &Raised::Doubts { kinds, verdict: "degraded".to_owned() }).outcome
        };
        assert_eq!(with(&["loop_stall", "late_sends"]), Outcome::Pass);
        assert_eq!(with(&["loop_stall"]), Outcome::Fail);
        let none = Raised::Doubts { kinds: Vec::new(), verdict: "trustworthy".to_owned() };
        assert_eq!(judge(&CASES[0], &none).outcome, Outcome::Pass);
        assert_eq!(judge(case, &Raised::NotHere("x".to_owned())).outcome, Outcome::Skipped);
    }
}
