//! `cargo lab merge`: simulates the shards of a large run and merges their logs: time, memory, and whether the
//! counts of the merge are the sums of those of the shards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::bench::CLIENT_CPU;
use crate::bench::process::{self, Folder};
use crate::built;
use crate::options::Options;

/// Bounds of the merge of 8 logs with 10 million requests in all.
const SECONDS_MAX: f64 = 10.0;
const PEAK_RSS_BYTES_MAX: u64 = 100_000_000;

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Planned requests per second of the simulated run.
const RATE: u64 = 20_000;

/// `merge [--shards N] [--millions M]`; whether the merge is within its bounds.
///
/// # Errors
/// If the options are wrong, or something does not run.
pub(crate) fn merge(arguments: &[String]) -> Result<bool> {
    let options = Options::parse(arguments, &["shards", "millions"], &[])?;
    let shards: u16 = options.value("shards", 8)?;
    let millions: u64 = options.value("millions", 10)?;
    let z6 = built::z6()?.to_string_lossy().into_owned();
    let folder = Folder::new()?;
    let scenario = format!(
        "runtime = {{ duration_seconds = {}, prng_seed = 1 }}\n\
         schedule = {{ type = 'rate', per_second = {RATE}, max_in_flight = 10000 }}\n\
         target.base_url = 'http://shop.example'\n\
         requests = [{{ name = 'list', path = '/', weight = 3 }}, {{ name = 'basket', path = '/basket' }}]\n\
         simulation = {{ latency = '200us', service = 'exponential:2ms', statuses = {{ 503 = 0.001 }} }}\n",
        millions * 1_000_000 / RATE
    );
    let scenario = folder.write("scenario.toml", scenario.as_bytes())?;
    let mut succeeded = 0;
    for shard in 0..shards {
        let output = folder.join(&format!("shard{shard}"));
        let line = format!(
            "{z6} simulate {scenario} --shard {shard}/{shards} --output {output} --no-summary --quiet"
        );
        run(&line, &folder)?;
        succeeded += figure(&folder, &format!("shard{shard}"), "/requests/succeeded")?;
    }
    let logs: Vec<String> =
        (0..shards).map(|shard| folder.join(&format!("shard{shard}"))).collect();
    let bytes: u64 = logs
        .iter()
        .map(|log| Ok(std::fs::metadata(format!("{log}/events.z6log"))?.len()))
        .sum::<Result<u64>>()?;
    let output = folder.join("merged");
    let line = format!("{z6} merge --no-summary --quiet --output {output} {}", logs.join(" "));
    let start = Instant::now();
    let ran = run(&line, &folder)?;
    let seconds = start.elapsed().as_secs_f64();
    let planned = figure(&folder, "merged", "/requests/planned")?;
    println!(
        "{planned} requests in {shards} logs, {:.1} MB: merged in {seconds:.2} s, {:.2} s of CPU time, at most {:.1} MB resident",
        bytes as f64 / 1e6,
        ran.cpu.as_secs_f64(),
        ran.peak_rss_bytes as f64 / 1e6
    );
    let findings = [
        (seconds > SECONDS_MAX, format!("it took more than {SECONDS_MAX} s")),
        (ran.peak_rss_bytes > PEAK_RSS_BYTES_MAX, "it took more than 100 MB".to_owned()),
        (
            figure(&folder, "merged", "/requests/succeeded")? != succeeded,
            "successes are not the sum of those of the shards".to_owned(),
        ),
    ];
    let failed = findings.iter().filter(|(is_so, _)| *is_so);
    failed.clone().for_each(|(_, words)| println!("FAILED: {words}"));
    Ok(failed.count() == 0)
}

fn run(line: &str, folder: &Folder) -> Result<process::Ran> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    process::run(&words, Some(CLIENT_CPU), LIMIT, folder, |_| Ok(()))
}

/// A count in the metrics.json of a results directory.
fn figure(folder: &Folder, results: &str, path: &str) -> Result<u64> {
    let text = std::fs::read(folder.path().join(results).join("metrics.json"))?;
    let json: Value = serde_json::from_slice(&text)?;
    let value = json.pointer(path).and_then(Value::as_u64);
    value.with_context(|| format!("no {path} in metrics.json"))
}
