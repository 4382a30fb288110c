//! Runs the release binary against the truth server, on separate cores, and collects the results of both.
//! Every run is also checked for what must hold in all runs (rows A18 and A20).

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::always;
use super::ledger::{Ledger, Request};
use super::process::{self, Guarded, pinned};
use super::server::{ServerPlan, Stamp, Truth, TruthServer};
use super::stats::quantile;

/// Longest that a run may take beyond its own length.
const PATIENCE: Duration = Duration::from_secs(90);

/// The load on the target: an open model, unless `schedule` is set.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) path: String,
    pub(super) per_second: u64,
    pub(super) millis: u64,
    pub(super) arrivals: &'static str,
    pub(super) max_connections: u32,
    pub(super) max_in_flight: u32,
    pub(super) timeout_ms: u64,
    pub(super) grace_seconds: u64,
    pub(super) spin: &'static str,
    /// Instead of the one request of `path`, as TOML.
    pub(super) requests: Option<String>,
    /// Instead of the rate, as TOML.
    pub(super) schedule: Option<String>,
    /// More TOML at the end.
    pub(super) more: String,
}

impl Load {
    /// Arrivals at a constant rate.
    pub(super) fn rate(path: &str, per_second: u64, millis: u64) -> Load {
        Load {
            path: path.to_owned(),
            per_second,
            millis,
            arrivals: "constant",
            max_connections: 1_000,
            max_in_flight: 100_000,
            timeout_ms: 30_000,
            grace_seconds: 5,
            spin: "auto",
            requests: None,
            schedule: None,
            more: String::new(),
        }
    }

    /// The scenario against this base URL.
    pub(super) fn toml(&self, base_url: &str) -> String {
        let Load { path, per_second, millis, arrivals, max_connections, timeout_ms, .. } = self;
        let requests = self.requests.clone().unwrap_or_else(|| {
            format!("[[requests]]\nname = \"all\"\npath = \"{path}\"\ntimeout_ms = {timeout_ms}\n")
        });
        let schedule = self.schedule.clone().unwrap_or_else(|| {
            format!(
                "type = \"rate\"\nper_second = {per_second}\narrivals = \"{arrivals}\"\n\
                 max_in_flight = {}\n",
                self.max_in_flight
            )
        });
        format!(
            "[metadata]\nname = \"accuracy\"\n[runtime]\nduration_seconds = {}.{:03}\n\
             graceful_stop_seconds = {}\nprng_seed = 7\n[target]\nbase_url = \"{base_url}\"\n\
             max_connections = {max_connections}\nrequest_id_header = \"Z6-Id\"\n{requests}\
             [schedule]\n{schedule}{}",
            millis / 1_000,
            millis % 1_000,
            self.grace_seconds,
            self.more
        )
    }
}

/// The results of a run.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) metrics: Value,
    pub(super) ledger: Ledger,
    pub(super) truth: Truth,
    pub(super) exit: Option<i32>,
}

impl Trial {
    /// A number of metrics.json, by JSON pointer.
    pub(super) fn number(&self, pointer: &str) -> Option<f64> {
        self.metrics.pointer(pointer).and_then(Value::as_f64)
    }

    pub(super) fn count(&self, pointer: &str) -> u64 {
        self.metrics.pointer(pointer).and_then(Value::as_u64).unwrap_or(u64::MAX)
    }

    /// A quantile of a latency: `("response_ns", "p99")`.
    pub(super) fn latency(&self, latency: &str, quantile: &str) -> Option<f64> {
        self.number(&format!("/latency/{latency}/{quantile}"))
    }

    pub(super) fn verdict(&self) -> &str {
        self.metrics.pointer("/generator/verdict").and_then(Value::as_str).unwrap_or("none")
    }

    /// Kinds of the doubts raised.
    pub(super) fn doubts(&self) -> Vec<String> {
        let doubts = self.metrics.pointer("/generator/doubts").and_then(Value::as_array);
        let kinds = doubts.into_iter().flatten().filter_map(|doubt| doubt["kind"].as_str());
        kinds.map(str::to_owned).collect()
    }

    /// Times from the planned instant to the server's stamp of the response, of answered requests, ascending, ns.
    pub(super) fn true_responses(&self) -> Vec<u64> {
        self.ledger.sorted(|request| self.true_response(request))
    }

    /// The same of one request.
    pub(super) fn true_response(&self, request: &Request) -> Option<u64> {
        let stamp = self.truth.stamps.get(&(request.actor, request.step))?;
        let planned_ns = self.ledger.epoch_ns + request.planned;
        stamp.answered_ns.map(|answered_ns| answered_ns.saturating_sub(planned_ns))
    }

    /// Times from the server's stamp of the request to that of the response, ascending, ns.
    pub(super) fn true_services(&self) -> Vec<u64> {
        let stamps = self.truth.stamps.values();
        let took = |stamp: &Stamp| Some(stamp.answered_ns?.saturating_sub(stamp.received_ns));
        let mut values: Vec<u64> = stamps.filter_map(took).collect();
        values.sort_unstable();
        values
    }

    /// A quantile of [`Trial::true_responses`], in ten-thousandths; 0 without answers.
    pub(super) fn truth_at(&self, ten_thousandths: u64) -> f64 {
        quantile(&self.true_responses(), ten_thousandths).unwrap_or(0) as f64
    }
}

/// The environment of all runs.
pub(super) struct Bench {
    pub(super) z6: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) server_cores: Option<String>,
    /// For all threads of Z6.
    pub(super) z6_cores: Option<String>,
    /// For its event loop alone.
    worker_cores: Option<String>,
    pub(super) full: bool,
    /// Violations of what must hold in all runs.
    pub(super) always: RefCell<always::Tally>,
    runs: RefCell<u32>,
}

impl Bench {
    pub(super) fn new(z6: PathBuf, folder: PathBuf, full: bool) -> Bench {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let can_pin = cores > 1 && process::exists("taskset");
        Bench {
            z6,
            folder,
            server_cores: can_pin.then(|| "0".to_owned()),
            z6_cores: None,
            // The log thread is not pinned.
            worker_cores: can_pin.then(|| format!("1-{}", cores - 1)),
            full,
            always: RefCell::default(),
            runs: RefCell::new(0),
        }
    }

    /// One of two lengths: with `--full`, and else.
    pub(super) fn pick<T>(&self, full: T, short: T) -> T {
        if self.full { full } else { short }
    }

    /// A folder for one run.
    pub(super) fn fresh(&self) -> Result<PathBuf> {
        let mut runs = self.runs.borrow_mut();
        *runs += 1;
        let folder = self.folder.join(format!("{:03}", *runs));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A run against the truth server.
    ///
    /// # Errors
    /// A process fails, or what it wrote cannot be read.
    pub(super) fn trial(&self, plan: &ServerPlan, load: &Load) -> Result<Trial> {
        self.trial_during(plan, load, |_, _| Ok(()))
    }

    /// The same, and calls `during` with the process ids of the server and of Z6 while both run.
    ///
    /// # Errors
    /// As [`Bench::trial`].
    pub(super) fn trial_during(
        &self,
        plan: &ServerPlan,
        load: &Load,
        during: impl FnOnce(u32, u32) -> Result<()>,
    ) -> Result<Trial> {
        let folder = self.fresh()?;
        let server = TruthServer::start(plan, self.server_cores.as_deref(), &folder)?;
        let mut z6 = self.start(load, &server.url, &folder)?;
        during(server.id(), z6.id())?;
        let exit = z6.wait(Duration::from_millis(load.millis) + PATIENCE)?;
        let truth = server.finish()?;
        let trial = collect(&folder, truth, exit)?;
        self.always.borrow_mut().take(&trial, load);
        // A log of a million requests is of no use to later runs.
        fs::remove_dir_all(&folder)?;
        Ok(trial)
    }

    /// A run against a server that is already running.
    ///
    /// # Errors
    /// As [`Bench::trial`].
    pub(super) fn against(
        &self,
        url: &str,
        load: &Load,
        during: impl FnOnce(u32) -> Result<()>,
    ) -> Result<Trial> {
        let folder = self.fresh()?;
        let mut z6 = self.start(load, url, &folder)?;
        during(z6.id())?;
        let exit = z6.wait(Duration::from_millis(load.millis) + PATIENCE)?;
        let trial = collect(&folder, Truth::default(), exit)?;
        fs::remove_dir_all(&folder)?;
        Ok(trial)
    }

    /// Starts Z6.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(&self, load: &Load, url: &str, folder: &Path) -> Result<Guarded> {
        let mut command = pinned(self.z6_cores.as_deref(), &self.z6);
        command.args(arguments(load, url, folder)?).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map(Guarded).context("cannot start z6")?;
        if let Some(cores) = self.worker_cores.as_ref().filter(|_| self.z6_cores.is_none()) {
            process::pin_thread(child.id(), "z6-worker-0", cores)?;
        }
        Ok(child)
    }
}

/// The arguments of Z6; writes its scenario.
///
/// # Errors
/// The scenario cannot be written.
pub(super) fn arguments(load: &Load, url: &str, folder: &Path) -> Result<Vec<String>> {
    let scenario = folder.join("scenario.toml");
    fs::write(&scenario, load.toml(url))?;
    let results = folder.join("results");
    let words = ["run", &scenario.to_string_lossy(), "--output", &results.to_string_lossy()];
    let options = ["--quiet", "--no-live", "--no-summary", "--spin", load.spin];
    Ok(words.into_iter().chain(options).map(str::to_owned).collect())
}

/// Reads what a run left in the folder.
///
/// # Errors
/// A file is missing or unreadable.
pub(super) fn collect(folder: &Path, truth: Truth, exit: Option<i32>) -> Result<Trial> {
    let results = folder.join("results");
    let Ok(text) = fs::read_to_string(results.join("metrics.json")) else {
        bail!("z6 left no metrics.json (exit code {exit:?})");
    };
    let metrics = serde_json::from_str(&text)?;
    let ledger = Ledger::read(&results.join("events.z6log"))?;
    Ok(Trial { metrics, ledger, truth, exit })
}
