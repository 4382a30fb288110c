//! `bench --direct`: the latency that Z6 adds for one virtual user, compared with a blocking socket.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::process::{self, Folder};
use super::table::median;
use super::{CLIENT_CPU, GRACE, SERVER_CPU};
use crate::built;

/// The median may be off by the larger of these.
const OFF_PERCENT_MAX: f64 = 3.0;
const OFF_US_MAX: f64 = 2.0;

/// Runs the program `direct` of the benches and prints its rounds; returns whether Z6 is within its bound.
///
/// # Errors
/// If it does not run.
pub(crate) fn compare(rounds: u32, seconds: u32) -> Result<bool> {
    let build = ["-p", "z6-benches", "--features", "direct", "--bin", "direct"];
    built::build(&build)?;
    let program = built::program("direct")?.to_string_lossy().into_owned();
    let words = [program, rounds.to_string(), seconds.to_string(), SERVER_CPU.to_owned()];
    let limit = Duration::from_secs(2 * u64::from(rounds) * u64::from(seconds)) + GRACE;
    let folder = Folder::new()?;
    let ran = process::run(&words, Some(CLIENT_CPU), limit, &folder, |_| Ok(()))?;
    let pairs = parse(&ran.stdout).context("`direct` does not print rounds")?;
    print!("\n{}", markdown(&pairs));
    Ok(conclude(&pairs))
}

/// Medians of a round: blocking socket, Z6; microseconds.
type Pair = (f64, f64);

fn parse(words: &str) -> Option<Vec<Pair>> {
    let read = |line: &str| {
        let mut words = line.strip_prefix("round ")?.split_whitespace();
        let mut next = || words.next()?.parse::<f64>().ok();
        Some((next()? / 1e3, next()? / 1e3))
    };
    let pairs: Vec<Pair> = words.lines().map(read).collect::<Option<_>>()?;
    (!pairs.is_empty()).then_some(pairs)
}

fn markdown(pairs: &[Pair]) -> String {
    let mut text = String::from(
        "| round | blocking socket us | one VU of Z6 us | difference us | % |\n\
         |---|---:|---:|---:|---:|\n",
    );
    let line = |name: &str, (direct, z6): Pair| {
        let off = z6 - direct;
        format!("| {name} | {direct:.2} | {z6:.2} | {off:+.2} | {:+.1} |\n", 100.0 * off / direct)
    };
    for (i, pair) in pairs.iter().enumerate() {
        text.push_str(&line(&(i + 1).to_string(), *pair));
    }
    text.push_str(&line("median", medians(pairs)));
    text
}

fn medians(pairs: &[Pair]) -> Pair {
    (median(pairs.iter().map(|pair| pair.0).collect()), median(pairs.iter().map(|p| p.1).collect()))
}

fn conclude(pairs: &[Pair]) -> bool {
    let off = median(pairs.iter().map(|(direct, z6)| z6 - direct).collect());
    let bar = OFF_US_MAX.max(medians(pairs).0 * OFF_PERCENT_MAX / 100.0);
    println!("\nZ6 adds {off:+.2} us to the median; it may add {bar:.2} us");
    off <= bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_microseconds_or_three_percent() {
        assert!(conclude(&[(20.0, 21.9)]));
        assert!(!conclude(&[(20.0, 22.1)]));
        assert!(conclude(&[(100.0, 102.9)]));
        assert!(!conclude(&[(100.0, 103.1)]));
        assert!(conclude(&[(20.0, 15.0)]));
    }

    #[test]
    fn rounds_are_read_as_microseconds() {
        assert_eq!(parse("round 20000 21500\n"), Some(vec![(20.0, 21.5)]));
        assert_eq!(parse("round 20000\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_last_line_holds_the_medians() {
        let text = markdown(&[(20.0, 21.0), (20.0, 23.0), (20.0, 22.0)]);
        assert!(text.ends_with("| median | 20.00 | 22.00 | +2.00 | +10.0 |\n"), "{text}");
    }
}
