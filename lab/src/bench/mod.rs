//! `cargo lab bench`: the CPU time of a request in several clients, as Markdown tables.
//!
//! Owns the order of runs and the tables. Reading order: this file, `clients` (who is compared), `nginx`
//! (the server), `scenarios` (what Z6 runs), `process` (children, their time and memory), `table`, `direct` (Z6 beside a blocking
//! socket), `sys` (wait4).

mod clients;
mod direct;
pub(crate) mod nginx;
pub(crate) mod process;
mod scenarios;
mod sys;
mod table;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::built;
use crate::options::Options;
use clients::{Client, Load, Own};
use nginx::Nginx;
use process::Folder;
use table::{Sample, Samples};

/// The client's CPU and the server's.
pub(crate) const CLIENT_CPU: &str = "0";
pub(crate) const SERVER_CPU: &str = "1";

/// Descriptors that a client needs besides its connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// A client is killed if it runs longer than this beyond its length.
const GRACE: Duration = Duration::from_secs(60);

const NAMES: &[&str] = &["rounds", "seconds", "connections", "bodies", "only", "workers"];
const FLAGS: &[&str] = &["direct", "tls"];

/// What is measured.
#[derive(Debug)]
struct Settings {
    rounds: u32,
    seconds: u32,
    connections: Vec<u32>,
    bodies: Vec<usize>,
    clients: Vec<Client>,
    /// Event loops of clients and server in the comparison of several; one otherwise.
    workers: u32,
    /// Over TLS, which `raw` does not support.
    tls: bool,
}

/// One line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contender {
    client: Client,
    threads: u32,
}

/// `bench [OPTIONS]`; with `--direct`, whether Z6 is within its bound.
///
/// # Errors
/// If the options are wrong, or something does not run.
pub(crate) fn bench(arguments: &[String]) -> Result<bool> {
    let options = Options::parse(arguments, NAMES, FLAGS)?;
    let settings = Settings::of(&options)?;
    if options.has("direct") {
        return direct::compare(settings.rounds, settings.seconds);
    }
    built::build(&["-p", "z6-cli", "-p", "z6-benches", "--bins"])?;
    let own = Own { raw: built::program("raw-client")?, z6: built::program("z6")? };
    let folder = Folder::new()?;
    let is_pinned = settings.workers == 1;
    let cpus = is_pinned.then_some(SERVER_CPU);
    let nginx = if settings.tls {
        Nginx::start_tls(&folder, settings.workers, cpus, &settings.bodies)?
    } else {
        Nginx::start(&folder, settings.workers, cpus, &settings.bodies)?
    };
    println!("{}", settings.estimate());
    for &body_bytes in &settings.bodies {
        for &connections in &settings.connections {
            let cell = Cell { settings: &settings, own: &own, folder: &folder, nginx: &nginx };
            cell.measure(connections, body_bytes)?;
        }
    }
    Ok(true)
}

impl Settings {
    fn of(options: &Options) -> Result<Settings> {
        let settings = Settings {
            rounds: options.value("rounds", 5)?,
            seconds: options.value("seconds", 4)?,
            connections: options.list("connections", &[1, 64, 1_000, 10_000])?,
            bodies: options.list("bodies", &[13, 1_024, 65_536])?,
            clients: chosen(&options.list("only", &[] as &[String])?)?,
            workers: options.value("workers", 1)?,
            tls: options.has("tls"),
        };
        if settings.rounds == 0 || settings.seconds == 0 || settings.workers == 0 {
            bail!("--rounds, --seconds and --workers are at least 1");
        }
        Ok(settings)
    }

    fn contenders(&self) -> Vec<Contender> {
        let mut found = Vec::new();
        for &client in &self.clients {
            if self.tls && client == Client::Raw {
                continue;
            }
            if self.workers == 1 {
                found.push(Contender { client, threads: 1 });
            } else if client.has_threads() {
                found.extend([1, self.workers].map(|threads| Contender { client, threads }));
            }
        }
        found
    }

    fn estimate(&self) -> String {
        let cells = self.connections.len() * self.bodies.len();
        let runs = cells as u64 * u64::from(self.rounds) * self.contenders().len() as u64;
        format!("{runs} runs of {} s: {} min", self.seconds, runs * u64::from(self.seconds) / 60)
    }
}

/// The named clients, or all that are installed if none is named.
fn chosen(names: &[String]) -> Result<Vec<Client>> {
    if let Some(name) = names.iter().find(|name| !clients::ALL.iter().any(|c| c.name() == **name)) {
        bail!("--only: there is no client `{name}`");
    }
    let is_wanted = |client: &&Client| match names {
        [] => client.is_compared(),
        names => names.iter().any(|name| name == client.name()),
    };
    let wanted: Vec<Client> = clients::ALL.iter().filter(is_wanted).copied().collect();
    let (there, missing): (Vec<Client>, Vec<Client>) =
        wanted.into_iter().partition(|client| client.is_there());
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|client| client.name()).collect();
        println!("not installed: {}", names.join(", "));
    }
    Ok(there)
}

/// A combination of a number of connections and a body size.
struct Cell<'a> {
    settings: &'a Settings,
    own: &'a Own,
    folder: &'a Folder,
    nginx: &'a Nginx,
}

impl Cell<'_> {
    /// All rounds of all contenders, then the table.
    fn measure(&self, connections: u32, body_bytes: usize) -> Result<()> {
        let over = if self.settings.tls { ", TLS" } else { "" };
        let heading = format!("{connections} connections, {body_bytes} B bodies{over}");
        if u64::from(connections) + SPARE_DESCRIPTORS > process::descriptors()? {
            println!("\n{heading}: more than descriptors allow");
            return Ok(());
        }
        let contenders = self.settings.contenders();
        let mut samples = Samples::new(&contenders);
        for round in 0..self.settings.rounds {
            for turn in 0..contenders.len() {
                // Each goes first in some round.
                let i = (turn + round as usize) % contenders.len();
                let contender = contenders[i];
                let load = Load {
                    address: self.nginx.address,
                    body_bytes,
                    connections: connections.max(contender.threads),
                    threads: contender.threads,
                    seconds: self.settings.seconds,
                    tls: self.settings.tls,
                };
                match self.run(contender, &load) {
                    Ok(sample) => samples.add(i, sample),
                    Err(error) if contender.client.is_z6() => return Err(error),
                    Err(error) => println!("{}: {error:#}", contender.client.name()),
                }
            }
        }
        println!("\n### {heading}\n\n{}", samples.markdown());
        Ok(())
    }

    fn run(&self, contender: Contender, load: &Load) -> Result<Sample> {
        let client = contender.client;
        let words = client.command(load, self.own, self.folder)?;
        let limit = Duration::from_secs(u64::from(load.seconds)) + GRACE;
        let cpus = (self.settings.workers == 1).then_some(CLIENT_CPU);
        let ran = process::run(&words, cpus, limit, self.folder, |_| Ok(()))?;
        let answered = client.answered(&ran, self.folder)?;
        let log_bytes = if client.is_z6() { Some(clients::log_bytes(self.folder)?) } else { None };
        let seconds = f64::from(load.seconds);
        Ok(Sample::new(&ran, answered, seconds, log_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str) -> Result<Settings> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Settings::of(&Options::parse(&words, NAMES, FLAGS)?)
    }

    #[test]
    fn several_workers_are_compared_with_one() {
        let line = |settings: &Settings| {
            let one = |c: &Contender| format!("{} {}", c.client.name(), c.threads);
            settings.contenders().iter().map(one).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(line(&settings("--only raw,z6").unwrap()), "raw 1, z6 1");
        assert_eq!(line(&settings("--only raw,z6 --tls").unwrap()), "z6 1");
        assert_eq!(line(&settings("--only raw,z6 --workers 2").unwrap()), "z6 1, z6 2");
    }

    #[test]
    fn runs_are_counted_before_they_are_run() {
        let settings = settings("--only raw,z6 --rounds 3 --seconds 10 --bodies 13").unwrap();
        assert_eq!(settings.estimate(), "24 runs of 10 s: 4 min");
    }

    #[test]
    fn unknown_clients_and_empty_runs_are_refused() {
        assert!(settings("--only rwa").is_err());
        assert!(settings("--rounds 0").is_err());
    }
}
