//! `cargo lab diff-power --real`: the outcomes of `z6 diff` on real runs against targets with known
//! delays: equal pairs, pairs with 10 % more delay, pairs of which one run stalls, and three runs per
//! side.
//!
//! Needs an idle machine, and minutes. A test of z6-analysis does the same in a simulated world. docs/DIFF.md says what the numbers mean.
//!
//! Why runs are this long: 16 VUs and exponential delays of 5 ms make about 9,000 requests in 3 s.
//! Independent ones give a mean with a standard error of 1 %, so a change between two runs has one
//! of 1.5 %. 10 % more delay is then more than six standard errors, and three beyond the threshold.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use z6_testing::{Process, Signal};

use crate::accuracy::process::signal;
use crate::built;

const EQUAL_PAIRS: u64 = 40;
/// With 95 % confidence, more than five false alarms of 40 happen once in 70 tries.
const FALSE_ALARMS_MAX: usize = 5;
const SLOWER_PAIRS: u64 = 20;
const FOUND_MIN: usize = 18;
const STALLED_PAIRS: u64 = 10;

/// Mean delays, microseconds.
const DELAY_US: u64 = 5_000;
const SLOWER_DELAY_US: u64 = 5_500;

/// Comparisons of three runs per side, of either kind.
const SEVERAL: u64 = 10;
const SEVERAL_FOUND_MIN: usize = 9;
const SLOWEST_DELAY_US: u64 = 6_250;

const STALL: Duration = Duration::from_secs(1);
/// The run has begun by then, and continues for a second after the stall.
const STALL_AFTER: Duration = Duration::from_millis(900);

/// Returns whether all kinds of comparisons are within their bounds.
pub(super) fn run() -> Result<bool> {
    let z6 = built::z6()?;
    let folder = std::env::temp_dir().join(format!("z6-diff-power-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bench = Bench { z6, folder };
    let held = bench.all();
    // A folder that stays is in the system's folder for temporary files.
    let _ = fs::remove_dir_all(&bench.folder);
    held
}

/// A pair of runs with the same seed for the plan and different seeds for the delays of the target.
struct Pair {
    number: u64,
    b_delay_us: u64,
    is_b_stalled: bool,
}

/// The results of `z6 diff` for a pair.
struct Said {
    /// Of the whole comparison, with the usual threshold.
    outcome: String,
    /// A row is marked with the usual threshold.
    is_marked: bool,
    /// The marks without any threshold: rows that are more than chance, were runs all there is.
    marked: Vec<String>,
    /// The row of the median.
    p50: String,
    /// The interval of the mean, percent.
    interval: [Option<f64>; 2],
}

struct Bench {
    z6: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn all(&self) -> Result<bool> {
        // `&`, not `&&`: all of them run.
        Ok(self.equal()? & self.slower()? & self.stalled()? & self.several()?)
    }

    fn equal(&self) -> Result<bool> {
        let (mut alarms, mut any_mark) = (0, 0);
        for number in 0..EQUAL_PAIRS {
            let said = self.pair(&Pair { number, b_delay_us: DELAY_US, is_b_stalled: false })?;
            alarms += usize::from(said.is_marked);
            any_mark += usize::from(!said.marked.is_empty());
            let marked = said.marked.join(", ");
            println!("equal {number:>2}  {:<21}  without a threshold: {marked}", said.outcome);
        }
        println!(
            "equal: {alarms} of {EQUAL_PAIRS} false alarms, at most {FALSE_ALARMS_MAX} may be; \
             {any_mark} with a mark without a threshold\n"
        );
        Ok(alarms <= FALSE_ALARMS_MAX)
    }

    fn slower(&self) -> Result<bool> {
        let mut found = 0;
        for number in 0..SLOWER_PAIRS {
            let pair = Pair { number, b_delay_us: SLOWER_DELAY_US, is_b_stalled: false };
            let said = self.pair(&pair)?;
            found += usize::from(said.outcome == "regressed");
            let [low, high] = said.interval.map(|end| end.unwrap_or(f64::NAN));
            println!("slower {number:>2}  {:<21}  mean {low:+.1} .. {high:+.1} %", said.outcome);
        }
        println!("slower: {found} of {SLOWER_PAIRS} regressed, at least {FOUND_MIN} must be\n");
        Ok(found >= FOUND_MIN)
    }

    fn stalled(&self) -> Result<bool> {
        let (mut at_p50, mut regressed) = (0, 0);
        for number in 0..STALLED_PAIRS {
            let said = self.pair(&Pair { number, b_delay_us: DELAY_US, is_b_stalled: true })?;
            at_p50 += usize::from(said.p50 == "regressed");
            regressed += usize::from(said.outcome == "regressed");
            println!("stalled {number:>2}  {:<21}  p50 {}", said.outcome, said.p50);
        }
        println!(
            "stalled: {at_p50} of {STALLED_PAIRS} regressed at p50, none may be; \
             {regressed} regressed at all\n"
        );
        Ok(at_p50 == 0)
    }

    /// Three runs per side: equal ones, and ones that are slower by a quarter.
    fn several(&self) -> Result<bool> {
        let (mut alarms, mut found) = (0, 0);
        for number in 0..SEVERAL {
            for (delay_us, count) in [(DELAY_US, &mut alarms), (SLOWEST_DELAY_US, &mut found)] {
                let outcome = self.three_per_side(number, delay_us)?;
                *count += usize::from(outcome == "regressed");
                println!("three runs per side {number:>2}  {delay_us} us  {outcome}");
            }
        }
        println!(
            "three runs per side: {alarms} of {SEVERAL} equal ones regressed, at most one may be; \
             {found} slower ones, at least {SEVERAL_FOUND_MIN} must be\n"
        );
        Ok(alarms <= 1 && found >= SEVERAL_FOUND_MIN)
    }

    fn three_per_side(&self, number: u64, b_delay_us: u64) -> Result<String> {
        let paths = ["a0", "b0", "a1", "b1", "a2", "b2"].map(|name| self.folder.join(name));
        for (index, (path, target_seed)) in paths.iter().zip(10_000 + 6 * number..).enumerate() {
            if path.exists() {
                fs::remove_dir_all(path)?;
            }
            let delay_us = if index % 2 == 0 { DELAY_US } else { b_delay_us };
            self.one_run(number, target_seed, delay_us, false, path)?;
        }
        let [a0, b0, a1, b1, a2, b2] = &paths;
        Ok(text(&self.diff(&[a0, a1, a2], &[b0, b1, b2], "5")?, "outcome").to_owned())
    }

    fn pair(&self, pair: &Pair) -> Result<Said> {
        let [a, b] = ["a", "b"].map(|name| self.folder.join(name));
        for results in [&a, &b] {
            if results.exists() {
                fs::remove_dir_all(results)?;
            }
        }
        self.one_run(pair.number, 2 * pair.number, DELAY_US, false, &a)?;
        self.one_run(pair.number, 2 * pair.number + 1, pair.b_delay_us, pair.is_b_stalled, &b)?;
        let usual = self.diff(&[&a], &[&b], "5")?;
        let strict = self.diff(&[&a], &[&b], "0")?;
        let is_marked = |row: &&Value| ["improved", "regressed"].contains(&row_mark(row));
        let words = |row: &Value| format!("{} {}", text(row, "figure"), row_mark(row));
        let end = |end: usize| row(&usual, "response_ns.mean")["interval"][end].as_f64();
        Ok(Said {
            outcome: text(&usual, "outcome").to_owned(),
            is_marked: rows(&usual).iter().any(|row| is_marked(&row)),
            marked: rows(&strict).iter().filter(is_marked).map(words).collect(),
            p50: row_mark(row(&usual, "response_ns.p50")).to_owned(),
            interval: [end(0), end(1)],
        })
    }

    /// A run against a new target.
    fn one_run(
        &self,
        seed: u64,
        target_seed: u64,
        delay_us: u64,
        is_stalled: bool,
        results: &Path,
    ) -> Result<()> {
        let target = Target::start(&self.z6, target_seed)?;
        let scenario = self.folder.join("scenario.toml");
        let text = format!(
            "runtime = {{ duration_seconds = 3, warmup_seconds = 0.2, vus = 16 }}\n\
             target.base_url = '{}'\n\
             requests = [{{ name = 'hello', path = '/hello?delay=exponential:{delay_us}us' }}]\n",
            target.url
        );
        fs::write(&scenario, text)?;
        let mut run = Command::new(&self.z6)
            .args(["run", "--quiet", "--no-summary", "--seed", &seed.to_string(), "--output"])
            .args([results, &scenario])
            .stdin(Stdio::null())
            .spawn()?;
        if is_stalled {
            sleep(STALL_AFTER);
            signal(target.process.id(), Signal::STOP)?;
            sleep(STALL);
            signal(target.process.id(), Signal::CONT)?;
        }
        ensure!(run.wait()?.success(), "a run failed");
        Ok(())
    }

    fn diff(&self, a: &[&PathBuf], b: &[&PathBuf], threshold: &str) -> Result<Value> {
        let output = Command::new(&self.z6)
            .args(["diff", "--format", "json", "--threshold", threshold])
            .args(a)
            .arg("--")
            .args(b)
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(matches!(output.status.code(), Some(0 | 1 | 5)), "z6 diff: {words}");
        serde_json::from_slice(&output.stdout).context("z6 diff did not write JSON")
    }
}

fn rows(comparison: &Value) -> &[Value] {
    comparison["rows"].as_array().map_or(&[], Vec::as_slice)
}

fn row<'a>(comparison: &'a Value, figure: &str) -> &'a Value {
    let is_it = |row: &&Value| row["figure"] == figure;
    rows(comparison).iter().find(is_it).unwrap_or(&Value::Null)
}

fn row_mark(row: &Value) -> &str {
    text(row, "mark")
}

/// A string in `value`; empty if there is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The built-in target as a process, which can be stopped and resumed.
struct Target {
    process: Process,
    url: String,
}

impl Target {
    fn start(z6: &Path, seed: u64) -> Result<Target> {
        let mut command = Command::new(z6);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--seed", &seed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process =
            Process::start(&mut command).with_context(|| format!("cannot run {}", z6.display()))?;
        let mut line = String::new();
        if let Some(stdout) = process.child().stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let url = line.trim_end().strip_prefix("listening on ");
        let url = url.context("the target does not say where it listens")?.to_owned();
        Ok(Target { process, url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_figure() {
        let comparison = serde_json::json!({"rows": [
            {"figure": "response_ns.mean", "mark": "regressed"},
            {"figure": "response_ns.p50", "mark": "no_evidence"},
        ]});
        assert_eq!(row_mark(row(&comparison, "response_ns.p50")), "no_evidence");
        assert_eq!(row_mark(row(&comparison, "response_ns.p99")), "");
    }
}
