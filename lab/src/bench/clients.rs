//! The clients that are compared: how each is started, and how many responses it reports.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::process::{self, Folder, Ran};
use super::scenarios;
use crate::built;

/// The load of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// Length of a response body, bytes; its path is this number.
    pub(crate) body_bytes: usize,
    /// Connections, a request in flight on each.
    pub(crate) connections: u32,
    /// Event loops, if the client has such an option.
    pub(crate) threads: u32,
    /// Length of the run.
    pub(crate) seconds: u32,
    /// Over TLS; clients do not verify the certificate.
    pub(crate) tls: bool,
}

impl Load {
    fn url(&self) -> String {
        format!("{}/{}", self.base_url(), self.body_bytes)
    }

    pub(super) fn base_url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }
}

/// A load generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    Raw,
    Wrk,
    Wrk2,
    H2load,
    Ab,
    Hey,
    Oha,
    Bombardier,
    K6,
    Z6,
    /// With the kernel's stamps of arrival, which a closed run without think time does not read by default.
    Z6Stamps,
    /// The program without a file of the system, if `cargo xtask dist` has built it.
    Z6Static,
    /// The same requests by four populations, each with ten tags.
    Z6Populations,
    /// A POST whose response is JSON, the same bytes each time.
    Z6Post,
    /// A POST of the same size that is filled in, with a value taken out of the response.
    Z6Filled,
}

/// All of them, in the order of the table.
pub(crate) const ALL: &[Client] = &[
    Client::Raw,
    Client::Z6,
    Client::Z6Stamps,
    Client::Z6Static,
    Client::Z6Populations,
    Client::Z6Post,
    Client::Z6Filled,
    Client::Wrk,
    Client::Ab,
    Client::H2load,
    Client::Wrk2,
    Client::Bombardier,
    Client::Oha,
    Client::Hey,
    Client::K6,
];

/// The programs of this workspace.
#[derive(Debug)]
pub(crate) struct Own {
    /// The lower limit.
    pub(crate) raw: PathBuf,
    /// The product.
    pub(crate) z6: PathBuf,
}

impl Client {
    /// Its name on the command line and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Client::Raw => "raw",
            Client::Wrk => "wrk",
            Client::Wrk2 => "wrk2",
            Client::H2load => "h2load",
            Client::Ab => "ab",
            Client::Hey => "hey",
            Client::Oha => "oha",
            Client::Bombardier => "bombardier",
            Client::K6 => "k6",
            Client::Z6 => "z6",
            Client::Z6Stamps => "z6-stamps",
            Client::Z6Static => "z6-static",
            Client::Z6Populations => "z6-populations",
            Client::Z6Post => "z6-post",
            Client::Z6Filled => "z6-filled",
        }
    }

    /// Whether it can be run: programs of the workspace are built, others have to be installed.
    pub(crate) fn is_there(self) -> bool {
        match self {
            Client::Raw => true,
            Client::Z6Static => built::shipped(self.name()).is_file(),
            own if own.is_z6() => true,
            other => process::find(other.name()).is_some(),
        }
    }

    /// Whether it is run where no client is named: not if it only shows what a feature costs.
    pub(crate) fn is_compared(self) -> bool {
        !matches!(self, Client::Z6Populations | Client::Z6Post | Client::Z6Filled)
    }

    /// Whether it is this product.
    pub(crate) fn is_z6(self) -> bool {
        matches!(self, Client::Z6 | Client::Z6Stamps | Client::Z6Static) || !self.is_compared()
    }

    /// Whether it has an option for the number of event loops.
    pub(crate) fn has_threads(self) -> bool {
        self.is_z6() || matches!(self, Client::Wrk | Client::Wrk2 | Client::H2load)
    }

    /// Its command line; files go to `folder`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn command(self, load: &Load, own: &Own, folder: &Folder) -> Result<Vec<String>> {
        let Load { connections, seconds, threads, .. } = *load;
        let url = load.url();
        let line = match self {
            Client::Raw => {
                let (port, path) = (load.address.port(), load.body_bytes);
                return Ok(program(&own.raw, &format!("{port} {connections} {seconds} /{path}")));
            }
            Client::Z6Static => {
                return z6(load, &built::shipped(self.name()), folder, &scenarios::get(load));
            }
            Client::Z6 => return z6(load, &own.z6, folder, &scenarios::get(load)),
            Client::Z6Stamps => return z6(load, &own.z6, folder, &scenarios::stamped(load)),
            Client::Z6Populations => {
                return z6(load, &own.z6, folder, &scenarios::populations(load));
            }
            Client::Z6Post => return z6(load, &own.z6, folder, &scenarios::post(load)),
            Client::Z6Filled => return z6(load, &own.z6, folder, &scenarios::filled(load)),
            Client::Wrk => format!("wrk -t{threads} -c{connections} -d{seconds}s {url}"),
            Client::Wrk2 => {
                format!("wrk2 -t{threads} -c{connections} -d{seconds}s -R1000000 {url}")
            }
            Client::H2load => format!("h2load --h1 -t{threads} -c{connections} -D{seconds} {url}"),
            // Its default number of requests would end it early.
            Client::Ab => format!("ab -q -k -r -c{connections} -t{seconds} -n50000000 {url}"),
            // hey does not verify certificates; the others need an option for that.
            Client::Hey => format!("hey -z {seconds}s -c {connections} {url}"),
            Client::Oha => format!("oha --no-tui --insecure -z {seconds}s -c {connections} {url}"),
            Client::Bombardier => {
                format!("bombardier -k -p r -d {seconds}s -c {connections} {url}")
            }
            Client::K6 => return k6(load, folder),
        };
        Ok(line.split(' ').map(str::to_owned).collect())
    }

    /// The number of answered requests that it reports.
    ///
    /// # Errors
    /// If it reports none, or z6 reports failures.
    pub(crate) fn answered(self, ran: &Ran, folder: &Folder) -> Result<u64> {
        let words = ran.stdout.as_str();
        let number = match self {
            Client::Raw => after(words, "requests "),
            Client::Wrk | Client::Wrk2 => before(words, " requests in "),
            Client::H2load => before(words, " succeeded"),
            Client::Ab => after(words, "Complete requests:"),
            Client::Hey | Client::Oha => {
                before(words.split_once("[200]").map_or("", |found| found.1), " responses")
            }
            Client::Bombardier => after(words, "2xx - "),
            Client::K6 => json(folder, "k6.json")?["metrics"]["http_reqs"]["count"].as_u64(),
            Client::Z6
            | Client::Z6Stamps
            | Client::Z6Static
            | Client::Z6Populations
            | Client::Z6Post
            | Client::Z6Filled => Some(succeeded(&json(folder, "z6/metrics.json")?)?),
        };
        let said = || format!("{} reports no answered requests:\n{words}", self.name());
        number.filter(|number| *number > 0).with_context(said)
    }
}

/// Bytes of the event log of the last run of z6.
///
/// # Errors
/// If there is none.
pub(crate) fn log_bytes(folder: &Folder) -> Result<u64> {
    Ok(std::fs::metadata(folder.path().join("z6/events.z6log"))?.len())
}

fn program(path: &Path, arguments: &str) -> Vec<String> {
    let path = path.to_string_lossy().into_owned();
    std::iter::once(path).chain(arguments.split(' ').map(str::to_owned)).collect()
}

fn z6(load: &Load, z6: &Path, folder: &Folder, scenario: &str) -> Result<Vec<String>> {
    let scenario = folder.write("scenario.toml", scenario.as_bytes())?;
    let output = folder.join("z6");
    // It takes an empty directory only.
    let _ = std::fs::remove_dir_all(&output);
    let line = format!(
        "run {scenario} --output {output} --workers {} --no-live --no-summary",
        load.threads
    );
    Ok(program(z6, &line))
}

fn k6(load: &Load, folder: &Folder) -> Result<Vec<String>> {
    let script = folder.write(
        "k6.js",
        format!(
            "import http from 'k6/http';\nexport default () => {{ http.get('{}'); }};\n",
            load.url()
        )
        .as_bytes(),
    )?;
    let Load { connections, seconds, .. } = load;
    let line = format!(
        "k6 run --insecure-skip-tls-verify --quiet --no-usage-report --vus {connections} --duration {seconds}s \
         --summary-export {} {script}",
        folder.join("k6.json")
    );
    Ok(line.split(' ').map(str::to_owned).collect())
}

fn json(folder: &Folder, name: &str) -> Result<Value> {
    let text = std::fs::read(folder.path().join(name)).with_context(|| name.to_owned())?;
    serde_json::from_slice(&text).with_context(|| name.to_owned())
}

fn succeeded(metrics: &Value) -> Result<u64> {
    let requests = &metrics["requests"];
    if requests["failed"].as_u64() != Some(0) {
        bail!("z6 reports failures: {}", metrics["errors"]);
    }
    requests["succeeded"].as_u64().context("z6 reports no requests")
}

/// The number that ends before the first `mark`.
fn before(text: &str, mark: &str) -> Option<u64> {
    let (left, _) = text.split_once(mark)?;
    left.split_whitespace().next_back()?.parse().ok()
}

/// The number that begins after the first `mark`.
fn after(text: &str, mark: &str) -> Option<u64> {
    let (_, right) = text.split_once(mark)?;
    let word = right.split_whitespace().next()?;
    word.trim_end_matches(',').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(client: Client, stdout: &str) -> Option<u64> {
        let ran =
            Ran { cpu: std::time::Duration::ZERO, peak_rss_bytes: 0, stdout: stdout.to_owned() };
        let nowhere = Folder::at("/nonexistent");
        client.answered(&ran, &nowhere).ok()
    }

    #[test]
    fn each_client_says_it_in_its_own_words() {
        let cases = [
            (Client::Raw, "requests 7\n"),
            (Client::Wrk, "  Thread Stats   Avg\n  7 requests in 4.00s, 9.00MB read\n"),
            (Client::Wrk2, "  7 requests in 4.00s, 9.00MB read\n"),
            (
                Client::H2load,
                "requests: 9 total, 9 started, 8 done, 7 succeeded, 1 failed, 0 errored\n",
            ),
            (Client::Ab, "Time taken for tests:   1.0 seconds\nComplete requests:      7\n"),
            (Client::Hey, "Status code distribution:\n  [200]\t7 responses\n"),
            (Client::Oha, "Status code distribution:\n  [200] 7 responses\n"),
            (Client::Bombardier, "  HTTP codes:\n    1xx - 0, 2xx - 7, 3xx - 0, 4xx - 0\n"),
        ];
        for (client, words) in cases {
            assert_eq!(said(client, words), Some(7), "{}", client.name());
            assert_eq!(said(client, "nothing\n"), None, "{}", client.name());
        }
    }

    #[test]
    fn failures_of_z6_are_an_error() {
        let metrics =
            |failed: u64| serde_json::json!({"requests": {"succeeded": 5, "failed": failed}});
        assert_eq!(succeeded(&metrics(0)).unwrap(), 5);
        assert!(succeeded(&metrics(1)).is_err());
    }
}
