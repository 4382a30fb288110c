//! `cargo lab soak --minutes N`: runs at full speed against nginx and reads the resident memory each second.
//! Afterwards checks whether memory grew, whether the requests add up, the size of the log, and its replay.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::bench::nginx::Nginx;
use crate::bench::process::{self, Folder};
use crate::bench::{CLIENT_CPU, SERVER_CPU};
use crate::built;
use crate::options::Options;

/// Bound of the growth of memory from the first minute to the last, percent.
const GROWTH_PERCENT_MAX: f64 = 2.0;

/// Time beyond the length of the run, for its end and the reports.
const GRACE: Duration = Duration::from_secs(60);

/// Bound of the duration of the replay, in durations of the run.
const REPLAY_FACTOR: u32 = 2;

/// Bytes of event log per request at most, up to 1,000 connections.
const LOG_BYTES_MAX: f64 = 24.0;

/// `soak --minutes N [--connections C]`; whether all is as it should be.
///
/// # Errors
/// If the options are wrong, or something does not run.
pub(crate) fn soak(arguments: &[String]) -> Result<bool> {
    let options = Options::parse(arguments, &["minutes", "connections"], &[])?;
    let minutes: u64 = options.value("minutes", 10)?;
    let connections: u32 = options.value("connections", 64)?;
    let z6 = built::z6()?.to_string_lossy().into_owned();
    let folder = Folder::new()?;
    let nginx = Nginx::start(&folder, 1, Some(SERVER_CPU), &[13])?;
    let scenario = format!(
        "[runtime]\nduration_seconds = {}\nvus = {connections}\nprng_seed = 1\n\
         [target]\nbase_url = 'http://{}'\n[[requests]]\nname = 'get'\npath = '/13'\n",
        60 * minutes,
        nginx.address
    );
    let scenario = folder.write("scenario.toml", scenario.as_bytes())?;
    let line = format!("{z6} run {scenario} --output {} --no-live --no-summary", folder.join("z6"));
    let length = Duration::from_secs(60 * minutes);
    let rss_bytes = watch(&line, length + GRACE, &folder)?;
    drop(nginx);
    let mut findings: Vec<String> = judge_memory(&rss_bytes).into_iter().collect();
    let metrics = std::fs::read(folder.path().join("z6/metrics.json"))?;
    findings.extend(judge_figures(&serde_json::from_slice(&metrics)?, log_bytes(&folder)?)?);
    findings.extend(replay(&z6, REPLAY_FACTOR * (length + GRACE), &folder)?);
    for finding in &findings {
        println!("FAILED: {finding}");
    }
    Ok(findings.is_empty())
}

fn log_bytes(folder: &Folder) -> Result<u64> {
    Ok(std::fs::metadata(folder.path().join("z6/events.z6log"))?.len())
}

/// Runs the line and prints its memory each second; returns all samples, bytes.
fn watch(line: &str, limit: Duration, folder: &Folder) -> Result<Vec<u64>> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let start = Instant::now();
    let mut rss_bytes = Vec::new();
    process::run(&words, Some(CLIENT_CPU), limit, folder, |pid| {
        if start.elapsed() >= Duration::from_secs(rss_bytes.len() as u64 + 1)
            && let Some(bytes) = process::status_bytes(pid, "VmRSS")
        {
            rss_bytes.push(bytes);
            println!("{:>5} s  {:.3} MB resident", rss_bytes.len(), bytes as f64 / 1e6);
        }
        Ok(())
    })?;
    Ok(rss_bytes)
}

/// The most of the first and of the last minute, or of halves if there is less; what is wrong with
/// them. Buffers and histograms are allocated as they are first needed, so the beginning holds less.
fn judge_memory(rss_bytes: &[u64]) -> Option<String> {
    let part = (rss_bytes.len() / 2).min(60);
    if part == 0 {
        return Some("memory was never seen".to_owned());
    }
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or(0) as f64 / 1e6;
    let first = most(&rss_bytes[..part]);
    let last = most(&rss_bytes[rss_bytes.len() - part..]);
    let percent = 100.0 * (last - first) / first;
    println!(
        "\nmemory at most: first {part} s {first:.3} MB, last {part} s {last:.3} MB ({percent:+.2} %)"
    );
    (percent > GROWTH_PERCENT_MAX).then(|| format!("memory grew by {percent:.2} %"))
}

/// Whether the requests add up and the log has the size it should have.
fn judge_figures(metrics: &Value, log_bytes: u64) -> Result<Vec<String>> {
    let requests = &metrics["requests"];
    let number = |key: &str| requests[key].as_u64().with_context(|| format!("no requests.{key}"));
    let (planned, sent, never_sent) = (number("planned")?, number("sent")?, number("never_sent")?);
    let (succeeded, failed) = (number("succeeded")?, number("failed")?);
    let in_flight = number("in_flight_at_stop")?;
    println!("requests: {planned} planned = {sent} sent + {never_sent} never sent");
    println!("{sent} sent = {succeeded} succeeded + {failed} failed + {in_flight} in flight");
    let mut findings = Vec::new();
    if planned != sent + never_sent || sent != succeeded + failed + in_flight {
        findings.push("the requests do not add up".to_owned());
    }
    if failed > 0 || succeeded == 0 {
        findings.push(format!("{succeeded} requests succeeded, {failed} failed"));
    }
    let each = log_bytes as f64 / sent.max(1) as f64;
    println!("event log: {:.1} MB, {each:.2} bytes per request", log_bytes as f64 / 1e6);
    if each > LOG_BYTES_MAX {
        findings.push(format!("{each:.2} bytes of log per request"));
    }
    let verdict = metrics["generator"]["verdict"].as_str().unwrap_or("none");
    println!("verdict: {verdict}");
    Ok(findings)
}

/// Replays the log.
fn replay(z6: &str, limit: Duration, folder: &Folder) -> Result<Option<String>> {
    let help = [z6, "replay", "--help"].map(str::to_owned);
    if process::run(&help, None, GRACE, folder, |_| Ok(())).is_err() {
        println!("replay: not in this version");
        return Ok(None);
    }
    let words = [z6.to_owned(), "replay".to_owned(), folder.join("z6/events.z6log")];
    match process::run(&words, None, limit, folder, |_| Ok(())) {
        Ok(ran) => {
            println!("replay: {}", ran.stdout.trim_end());
            Ok(None)
        }
        Err(error) => Ok(Some(format!("replay: {error:#}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_found_and_noise_is_not() {
        let minutes = |last: u64| {
            let mut all = vec![10_000_000; 120];
            all.resize(180, last);
            all
        };
        assert_eq!(judge_memory(&minutes(10_190_000)), None);
        assert_eq!(judge_memory(&minutes(9_000_000)), None);
        assert!(judge_memory(&minutes(10_210_000)).is_some());
        assert!(judge_memory(&[]).is_some());
    }

    #[test]
    fn sums_and_sizes_are_judged() {
        let metrics = |sent: u64| {
            serde_json::json!({"requests": {"planned": 100, "sent": sent, "never_sent": 0,
                "succeeded": 98, "failed": 0, "in_flight_at_stop": 2}})
        };
        assert!(judge_figures(&metrics(100), 1_000).unwrap().is_empty());
        assert_eq!(judge_figures(&metrics(99), 1_000).unwrap().len(), 1);
        assert_eq!(judge_figures(&metrics(100), 2_500).unwrap().len(), 1);
        assert!(judge_figures(&serde_json::json!({}), 1).is_err());
    }
}
