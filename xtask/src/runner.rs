//! Runs steps one after another, with a heading for each, and prints a summary of their results and times.
//!
//! Does not know what the steps check.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// One check.
pub(crate) struct Step {
    /// As given on the command line.
    pub(crate) name: &'static str,
    /// What it checks, in a few words.
    pub(crate) about: &'static str,
    /// Runs it from the root of the workspace; an error is a failed check.
    pub(crate) run: fn() -> Result<Outcome>,
}

/// The result of a check that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing was found.
    Passed,
    /// Nothing was found; the summary shows this note.
    PassedWith(String),
    /// The check cannot run on this machine, for this reason.
    Skipped(String),
}

/// The result of a step, for the summary.
#[derive(Debug)]
enum Verdict {
    /// With a note, which may be empty.
    Ok(String),
    Skipped(String),
    Failed(String),
    NotRun,
}

#[derive(Debug)]
struct Line {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

/// Passes if there are no findings; otherwise prints them and fails.
///
/// # Errors
/// One line per finding.
pub(crate) fn conclude(findings: &[String]) -> Result<Outcome> {
    if findings.is_empty() {
        return Ok(Outcome::Passed);
    }
    for finding in findings {
        println!("  {finding}");
    }
    bail!("{} finding(s)", findings.len());
}

/// Runs the steps in order, prints a summary, and returns whether none failed. After a failure the
/// remaining steps run only with `keep_going`.
pub(crate) fn run(steps: &[&Step], keep_going: bool) -> bool {
    let mut lines: Vec<Line> = Vec::new();
    let mut failed = false;
    for (i, step) in steps.iter().enumerate() {
        if failed && !keep_going {
            lines.push(Line { name: step.name, verdict: Verdict::NotRun, took: Duration::ZERO });
            continue;
        }
        println!("\n==== {}/{}  {}: {}", i + 1, steps.len(), step.name, step.about);
        let start = Instant::now();
        let verdict = match (step.run)() {
            Ok(Outcome::Passed) => Verdict::Ok(String::new()),
            Ok(Outcome::PassedWith(note)) => Verdict::Ok(note),
            Ok(Outcome::Skipped(why)) => Verdict::Skipped(why),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        };
        let took = start.elapsed();
        failed |= matches!(verdict, Verdict::Failed(_));
        let line = Line { name: step.name, verdict, took };
        println!("---- {}", render(&line).trim());
        lines.push(line);
    }
    print!("\n{}", summary(&lines));
    !failed
}

fn render(line: &Line) -> String {
    let (word, why) = match &line.verdict {
        Verdict::Ok(note) => ("ok", note.as_str()),
        Verdict::Skipped(why) => ("skipped", why.as_str()),
        Verdict::Failed(why) => ("FAILED", why.as_str()),
        Verdict::NotRun => return format!("  {:<8} {}", "not run", line.name),
    };
    let text = format!("  {word:<8} {:<13} {:>6.1} s  {why}", line.name, line.took.as_secs_f64());
    text.trim_end().to_owned()
}

fn summary(lines: &[Line]) -> String {
    let mut text = String::from("==== summary\n");
    for line in lines {
        text.push_str(&render(line));
        text.push('\n');
    }
    let count = |want: fn(&Verdict) -> bool| lines.iter().filter(|l| want(&l.verdict)).count();
    let total: Duration = lines.iter().map(|line| line.took).sum();
    text.push_str(&format!(
        "{} ok, {} skipped, {} failed, {} not run in {:.0} s\n",
        count(|verdict| matches!(verdict, Verdict::Ok(_))),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        count(|verdict| matches!(verdict, Verdict::Failed(_))),
        count(|verdict| matches!(verdict, Verdict::NotRun)),
        total.as_secs_f64(),
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Step = Step { name: "good", about: "", run: || Ok(Outcome::Passed) };
    const BAD: Step = Step { name: "bad", about: "", run: || bail!("broken") };
    const AWAY: Step =
        Step { name: "away", about: "", run: || Ok(Outcome::Skipped("no tool".to_owned())) };

    #[test]
    fn a_failure_fails_the_whole_and_a_skip_does_not() {
        assert!(run(&[&GOOD, &AWAY], false));
        assert!(!run(&[&GOOD, &BAD], false));
        assert!(!run(&[&BAD, &GOOD], true), "going on forgives nothing");
    }

    #[test]
    fn findings_are_an_error_and_none_are_not() {
        assert_eq!(conclude(&[]).unwrap(), Outcome::Passed);
        let error = conclude(&["one".to_owned(), "two".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "2 finding(s)");
    }

    #[test]
    fn the_summary_says_what_became_of_each() {
        let line =
            |name, verdict, millis| Line { name, verdict, took: Duration::from_millis(millis) };
        let lines = [
            line("fmt", Verdict::Ok(String::new()), 400),
            line("clippy", Verdict::Ok("a note".to_owned()), 1_000),
            line("fuzz-smoke", Verdict::Skipped("no nightly".to_owned()), 100),
            line("test", Verdict::Failed("exit status: 101".to_owned()), 65_000),
            line("doc", Verdict::NotRun, 0),
        ];
        let expected = "\
==== summary
  ok       fmt              0.4 s
  ok       clippy           1.0 s  a note
  skipped  fuzz-smoke       0.1 s  no nightly
  FAILED   test            65.0 s  exit status: 101
  not run  doc
2 ok, 1 skipped, 1 failed, 1 not run in 66 s
";
        assert_eq!(summary(&lines), expected);
    }
}
