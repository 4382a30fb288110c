//! `cargo lab diff-power`: how often `z6 diff` raises false alarms and how often it finds a change, for
//! several numbers of runs per side and several sizes of noise from run to run. Prints the table of
//! docs/DIFF.md; takes minutes, but no idle machine: the runs are worlds in memory, from fixed seeds.
//!
//! `--comparisons N` sets how many per cell; `--real` makes real runs instead (module `real`).

mod real;

#[path = "../../../crates/z6-analysis/tests/diff/power.rs"]
mod power;

use anyhow::{Context as _, Result, bail};
use power::{Cell, Tally};

/// Comparisons per cell.
const COMPARISONS: u32 = 200;

/// Percent of comparisons with several runs per side that may be false alarms. With noise from run to run
/// of 10 % at most, fewer than 5 are; this leaves room for chance in 200.
const FALSE_ALARMS_MAX: f64 = 8.0;

/// Percent of comparisons of three or more runs per side that must find 25 %, with noise of 3 % at most.
const FOUND_MIN: f64 = 90.0;

const RUNS: [u64; 4] = [1, 2, 3, 5];
const CHANGES: [u32; 4] = [0, 5, 10, 25];

/// Standard deviation from run to run and the excess of one wild run, percent.
const NOISE: [(f64, f64); 6] =
    [(0.0, 0.0), (1.0, 0.0), (3.0, 0.0), (10.0, 0.0), (3.0, 30.0), (3.0, 100.0)];

/// Returns whether false alarms and power are within their bounds.
///
/// # Errors
/// If the arguments are unknown, or a real run fails.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => table(COMPARISONS),
        ["--comparisons", count] => table(count.parse().context("--comparisons needs a number")?),
        ["--real"] => real::run(),
        _ => bail!("`diff-power` takes `--comparisons N` or `--real`, not `{}`", words.join(" ")),
    }
}

fn table(comparisons: u32) -> Result<bool> {
    println!("| runs per side | between runs | +0 % | +5 % | +10 % | +25 % | +0 % none beyond |");
    println!("|---|---|---|---|---|---|---|");
    let mut is_held = true;
    for (between_percent, wild_percent) in NOISE {
        for runs in RUNS {
            if runs == 1 && wild_percent > 0.0 {
                continue;
            }
            let mut line = format!("| {runs} | {between_percent} %");
            if wild_percent > 0.0 {
                line.push_str(&format!(", one run +{wild_percent} %"));
            }
            let mut none_beyond = 0.0;
            for change_percent in CHANGES {
                let cell = Cell { runs, change_percent, between_percent, wild_percent };
                let tally = cell.play(1 + u64::from(change_percent), comparisons)?;
                let percent = percent(
                    if change_percent == 0 { tally.marked } else { tally.regressed },
                    tally,
                );
                if change_percent == 0 {
                    none_beyond = self::percent(tally.none_beyond, tally);
                }
                is_held &= holds(&cell, percent);
                line.push_str(&format!(" | {percent:.1}"));
            }
            println!("{line} | {none_beyond:.1} |");
        }
    }
    Ok(is_held)
}

fn percent(count: u32, of: Tally) -> f64 {
    100.0 * f64::from(count) / f64::from(of.comparisons)
}

/// One run per side holds nothing of the noise between runs: nothing is promised of it.
fn holds(cell: &Cell, percent: f64) -> bool {
    match cell.change_percent {
        0 if cell.runs > 1 && cell.between_percent <= 10.0 => percent <= FALSE_ALARMS_MAX,
        25 if cell.runs > 2 && cell.between_percent <= 3.0 && cell.wild_percent == 0.0 => {
            percent >= FOUND_MIN
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_arguments_are_refused() {
        assert!(run(&["--pairs".to_owned()]).is_err());
    }

    #[test]
    fn bounds_are_for_several_runs_per_side() {
        let cell = Cell { runs: 1, change_percent: 0, between_percent: 3.0, wild_percent: 0.0 };
        assert!(holds(&cell, 60.0));
        assert!(!holds(&Cell { runs: 2, ..cell }, 60.0));
        assert!(!holds(&Cell { runs: 3, change_percent: 25, ..cell }, 60.0));
    }
}
