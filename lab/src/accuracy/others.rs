//! Other load testers, if they are on the PATH, with the plan of row A5: what they report for a server that
//! stopped for a second. Shown beside Z6, without bounds.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use super::bench::Bench;
use super::check::Check;
use super::process::{self, Guarded, pinned};

/// A tool, and its arguments for 2,000 requests per second over 100 connections for 10 s.
struct Tool {
    name: &'static str,
    arguments: &'static [&'static str],
    note: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "wrk2",
        arguments: &["-t1", "-c100", "-d10s", "-R2000", "--latency", "URL"],
        note: "",
    },
    Tool {
        name: "wrk",
        arguments: &["-t1", "-c100", "-d10s", "--latency", "URL"],
        note: ", closed model: knows no rate",
    },
    Tool {
        name: "oha",
        arguments: &["-c", "100", "-z", "10s", "-q", "2000", "--no-tui", "URL"],
        note: "",
    },
    Tool {
        name: "hey",
        // Its rate is per worker.
        arguments: &["-c", "100", "-z", "10s", "-q", "20", "URL"],
        note: "",
    },
    Tool {
        name: "bombardier",
        arguments: &["-c", "100", "-d", "10s", "-r", "2000", "-l", "URL"],
        note: "",
    },
    Tool { name: "k6", arguments: &["run", "--quiet", "SCRIPT"], note: "" },
];

const K6_SCRIPT: &str = "import http from 'k6/http';
export const options = { summaryTrendStats: ['p(90)', 'p(95)', 'p(99)', 'p(99.9)'], scenarios: {
  all: { executor: 'constant-arrival-rate', rate: 2000, timeUnit: '1s', duration: '10s',
         preAllocatedVUs: 100, maxVUs: 100 } } };
export default function () { http.get('URL'); }
";

/// Runs each tool against a server that is stopped for a second; `truth` returns the quantiles that a stop
/// of that length causes.
///
/// # Errors
/// A signal or a file fails.
pub(super) fn compare(
    bench: &Bench,
    url: &str,
    server: u32,
    truth: impl Fn(Duration) -> [(&'static str, f64); 4],
) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for tool in TOOLS {
        let what = format!("{}{}", tool.name, tool.note);
        if !process::exists(tool.name) {
            checks.push(Check::skipped("A5", what, "not on the PATH"));
            continue;
        }
        let folder = bench.fresh()?;
        let mut child = Guarded(command(bench, tool, url, &folder)?.spawn()?);
        let stood = process::freeze(server, Duration::from_secs(4), Duration::from_secs(1))?;
        child.wait(Duration::from_secs(60))?;
        let printed = fs::read_to_string(folder.join("output"))?;
        for (name, truth_ns) in truth(stood) {
            let percent: f64 = name[1..].parse()?;
            let found = printed_quantile(&printed, percent);
            let line = format!("{what}: {name}");
            let bar = super::check::Bar::percent(2.0);
            checks.push(Check::near("A5", line, truth_ns, found, bar).shown());
        }
        fs::remove_dir_all(&folder)?;
    }
    Ok(checks)
}

/// Runs those that this is about with a busy loop on their core and without, and shows their medians.
///
/// # Errors
/// A process or a file fails.
pub(super) fn hogged(bench: &Bench, url: &str) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for tool in TOOLS.iter().filter(|tool| ["wrk", "oha"].contains(&tool.name)) {
        let what = format!("{}{}: p50", tool.name, tool.note);
        if !process::exists(tool.name) {
            checks.push(Check::skipped("A23", what, "not on the PATH"));
            continue;
        }
        let median = || -> Result<Option<f64>> {
            let folder = bench.fresh()?;
            let mut child = Guarded(command(bench, tool, url, &folder)?.spawn()?);
            child.wait(Duration::from_secs(60))?;
            let printed = fs::read_to_string(folder.join("output"))?;
            fs::remove_dir_all(&folder)?;
            Ok(printed_quantile(&printed, 50.0))
        };
        let calm_ns = median()?.unwrap_or(f64::NAN);
        let hog = process::hog("1", 0)?;
        let busy = median()?;
        drop(hog);
        let bar = super::check::Bar::percent(10.0);
        checks.push(Check::near("A23", what, calm_ns, busy, bar).shown());
    }
    Ok(checks)
}

fn command(bench: &Bench, tool: &Tool, url: &str, folder: &Path) -> Result<Command> {
    let script = folder.join("script.js");
    fs::write(&script, K6_SCRIPT.replace("URL", url))?;
    let mut command = pinned(bench.z6_cores.as_deref(), Path::new(tool.name));
    for argument in tool.arguments {
        command.arg(argument.replace("URL", url).replace("SCRIPT", &script.to_string_lossy()));
    }
    let output = fs::File::create(folder.join("output"))?;
    command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
    Ok(command)
}

/// The quantile that a tool printed, nanoseconds: the number after `99%`, `99.00% in` or
/// `p(99)=`.
fn printed_quantile(text: &str, percent: f64) -> Option<f64> {
    text.lines().find_map(|line| {
        if let Some((_, rest)) = line.split_once(&format!("p({percent})=")) {
            return duration_ns(rest.split_whitespace().next()?, "");
        }
        let mut words = line.split_whitespace();
        let first = words.next()?.strip_suffix('%')?.parse::<f64>().ok()?;
        if (first - percent).abs() > 1e-9 {
            return None;
        }
        let number = words.find(|word| *word != "in")?;
        duration_ns(number, words.next().unwrap_or_default())
    })
}

/// `1.52ms`, or `0.0015` and `secs`.
fn duration_ns(number: &str, unit: &str) -> Option<f64> {
    let digits = number.find(|c: char| c.is_alphabetic() || c == '\u{b5}').unwrap_or(number.len());
    let (value, own_unit) = number.split_at(digits);
    let unit = if own_unit.is_empty() { unit } else { own_unit };
    let ns = match unit {
        "ns" => 1.0,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
        "ms" => 1e6,
        "s" | "sec" | "secs" => 1e9,
        "m" => 60e9,
        _ => return None,
    };
    value.parse::<f64>().ok().map(|value| value * ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_found_in_what_tools_print() {
        let cases = [
            ("  Latency Distribution\n     50%    1.50ms\n     99%  910.00us\n", 910e3),
            (" 90.000%    1.00s \n 99.000%    0.90s \n 99.900%  1.00m\n", 0.9e9),
            ("  99.00% in 0.0015 sec\n", 1.5e6),
            ("  90% in 0.0010 secs\n  99% in 0.0045 secs\n", 4.5e6),
            ("     99%     0.70ms\n", 0.7e6),
            ("http_req_duration..: p(90)=1ms p(95)=2ms p(99)=990.5ms p(99.9)=1s\n", 990.5e6),
        ];
        for (text, ns) in cases {
            let found = printed_quantile(text, 99.0).unwrap();
            assert!((found - ns).abs() < 1.0, "{text}: {found}");
        }
        assert_eq!(printed_quantile("50% 1ms", 99.0), None);
        assert_eq!(printed_quantile("99% none", 99.0), None);
    }
}
