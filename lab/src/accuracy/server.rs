//! The truth server: the built-in target in a separate process, so that it can be pinned and stopped. At its
//! end it writes when it received and answered each request, by request id.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use z6_http::IdParts;
use z6_target::{Config, Server, Stall, write_stamps};

use super::process::{Guarded, pinned};

/// How the server behaves.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerPlan {
    pub(super) seed: u64,
    pub(super) stalls: Vec<Stall>,
    pub(super) max_requests_per_connection: Option<u64>,
    pub(super) idle_timeout_ns: Option<u64>,
    /// Keeps no stamps, and so answers as fast as it can.
    pub(super) without_stamps: bool,
}

/// When the server received a request and began its answer, CLOCK_MONOTONIC, nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) received_ns: u64,
    pub(super) answered_ns: Option<u64>,
}

/// What the server recorded.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) requests: u64,
    pub(super) responses: u64,
    /// By actor and step.
    pub(super) stamps: BTreeMap<(u64, u64), Stamp>,
}

/// A running truth server.
#[derive(Debug)]
pub(super) struct TruthServer {
    child: Guarded,
    stdin: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
    stamps: PathBuf,
    pub(super) url: String,
}

impl TruthServer {
    /// Starts it on the cores given.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(super) fn start(
        plan: &ServerPlan,
        cores: Option<&str>,
        folder: &Path,
    ) -> Result<TruthServer> {
        let stamps = folder.join("stamps.csv");
        let mut command = pinned(cores, &std::env::current_exe()?);
        command.arg(super::SERVER_COMMAND).arg(format!("stamps={}", stamps.display()));
        command.arg(format!("seed={}", plan.seed));
        for stall in &plan.stalls {
            command.arg(format!("stall={}+{}", stall.start_ns, stall.length_ns));
        }
        if let Some(requests) = plan.max_requests_per_connection {
            command.arg(format!("requests={requests}"));
        }
        if let Some(idle_ns) = plan.idle_timeout_ns {
            command.arg(format!("idle={idle_ns}"));
        }
        if plan.without_stamps {
            command.arg("log=off");
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = Guarded(child.context("cannot start the truth server")?);
        let stdin = child.0.stdin.take();
        let output = child.0.stdout.take().context("the truth server has no output")?;
        let mut output = BufReader::new(output);
        let mut url = String::new();
        output.read_line(&mut url)?;
        Ok(TruthServer { child, stdin, output, stamps, url: url.trim().to_owned() })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and reads what it knew.
    ///
    /// # Errors
    /// It failed, or its stamps cannot be read.
    pub(super) fn finish(mut self) -> Result<Truth> {
        drop(self.stdin.take());
        let mut counts = String::new();
        self.output.read_to_string(&mut counts)?;
        if self.child.wait(Duration::from_secs(20))? != Some(0) {
            bail!("the truth server failed");
        }
        let mut numbers = counts.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(requests)), Some(Ok(responses))) = (numbers.next(), numbers.next()) else {
            bail!("the truth server wrote `{counts}`");
        };
        let text = fs::read_to_string(&self.stamps).context("cannot read the stamps")?;
        let stamps = text.lines().skip(1).filter_map(stamp).collect();
        Ok(Truth { requests, responses, stamps })
    }
}

/// Reads `id,connection,request,received_ns,answered_ns`; none for a request without a request id.
fn stamp(line: &str) -> Option<((u64, u64), Stamp)> {
    let fields: Vec<&str> = line.split(',').collect();
    let id = IdParts::parse(fields.first()?.as_bytes())?;
    let received_ns = fields.get(3)?.parse().ok()?;
    let answered_ns = fields.get(4)?.parse().ok();
    Some(((id.actor, id.step), Stamp { received_ns, answered_ns }))
}

/// The process itself: serves until its standard input ends.
///
/// # Errors
/// If an argument is unknown, or the server fails.
pub(crate) fn serve(arguments: &[String]) -> Result<bool> {
    let mut config = Config { request_log: true, max_log_records: 20_000_000, ..Config::default() };
    let mut stamps = None;
    for argument in arguments {
        let (key, value) = argument.split_once('=').context("arguments are key=value")?;
        match key {
            "stamps" => stamps = Some(PathBuf::from(value)),
            "seed" => config.seed = value.parse()?,
            "requests" => config.max_requests_per_connection = Some(value.parse()?),
            "log" => config.request_log = value == "on",
            "idle" => config.idle_timeout_ns = Some(value.parse()?),
            "stall" => {
                let (start, length) = value.split_once('+').context("START+LENGTH")?;
                let (start_ns, length_ns) = (start.parse()?, length.parse()?);
                config.stalls.push(Stall { start_ns, length_ns });
            }
            _ => bail!("unknown argument `{key}`"),
        }
    }
    let mut server = Server::start(config)?;
    println!("http://{}", server.addresses()[0]);
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    server.stop()?;
    if let Some(path) = stamps {
        write_stamps(&server.take_log(), &mut BufWriter::new(File::create(path)?))?;
    }
    let stats = server.stats();
    println!("{} {}", stats.requests, stats.responses);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_by_actor_and_step() {
        let line = "00-000000000000001f-0000000000000002-00,3,7,100,250";
        let ((actor, step), found) = stamp(line).unwrap();
        assert_eq!((actor, step, found.received_ns, found.answered_ns), (31, 2, 100, Some(250)));
        let unanswered = "00-000000000000001f-0000000000000002-00,3,7,100,";
        assert_eq!(stamp(unanswered).unwrap().1.answered_ns, None);
        assert!(stamp(",3,7,100,250").is_none());
    }
}
