//! What a build server is told about a run: a JUnit file, annotations and a step summary.
//!
//! Formats results for these; decides nothing. Text from scenarios and servers is escaped for each format.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use z6::{Diagnostics, Finished, Metrics, RunFailure, ScenarioSource, Severity};
use z6_events::printable;
use z6_metrics::report::summary_markdown;
use z6_metrics::{AssertionResult, Verdict};
use z6_scenario::line_column;
use z6_scenario::load::place;

use crate::args::{CiArg, CiArgs};
use crate::console;
use crate::new_file;

/// The variable with the file that GitHub shows on the page of a build.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// What a build server is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ci {
    junit: Option<PathBuf>,
    is_github: bool,
}

/// What came out of a run.
pub(crate) struct Outcome<'a> {
    pub(crate) metrics: &'a Metrics,
    /// Why it is not a success.
    pub(crate) failure: Option<&'a RunFailure>,
}

/// The scenario that annotations point into.
pub(crate) struct Place<'a> {
    /// Its file; none if it has no file.
    pub(crate) file: Option<&'a str>,
    /// Its text.
    pub(crate) text: &'a str,
}

impl Ci {
    /// `made`: the results directory, if one is named.
    ///
    /// # Errors
    /// The JUnit file exists, since nothing is overwritten, or has no folder.
    pub(crate) fn resolve(args: &CiArgs, made: Option<&Path>) -> anyhow::Result<Ci> {
        if let Some(path) = &args.junit {
            new_file::check(path, "--junit", made)?;
        }
        // Before the run, whose result would be lost in the error.
        if args.ci == Some(CiArg::Github) && std::env::var_os(STEP_SUMMARY).is_some() {
            step_summary("")?;
        }
        Ok(Ci { junit: args.junit.clone(), is_github: args.ci == Some(CiArg::Github) })
    }

    /// Tells of a run that has ended.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn report(&self, place: &Place<'_>, finished: &Finished) -> anyhow::Result<()> {
        let ok = finished.ok();
        let outcome = Outcome { metrics: &finished.metrics, failure: ok.as_ref().err() };
        self.report_outcome(place, &outcome)
    }

    /// The same of any outcome.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn report_outcome(
        &self,
        place: &Place<'_>,
        outcome: &Outcome<'_>,
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.junit {
            let text = junit(place, outcome)?;
            new_file::write(path, &text, "--junit", 0o666)?;
        }
        if self.is_github {
            for line in annotations(place, outcome) {
                console::command(&line);
            }
            step_summary(&summary_markdown(outcome.metrics))?;
        }
        Ok(())
    }

    /// Tells of findings about a scenario.
    pub(crate) fn findings(&self, findings: &Diagnostics, name: &str, text: &str) {
        if !self.is_github {
            return;
        }
        for finding in &findings.list {
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let at = finding.span.as_ref().map(|span| line_column(text, span.start));
            let hint = finding.hint.as_ref().map(|hint| format!("\n{hint}"));
            let message = format!("{}{}", finding.message, hint.unwrap_or_default());
            console::command(&annotation(level, Some(name), at, finding.code, &message));
        }
    }

    /// Tells of the error that ended a command, if it is about the scenario.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        if let Some(z6::Error::Scenario { name, text, diagnostics }) = error.downcast_ref() {
            self.findings(diagnostics, name, text);
        }
    }
}

impl<'a> Place<'a> {
    /// The source of a scenario, which standard input is not for a build server.
    pub(crate) fn of_source(source: &'a ScenarioSource) -> Place<'a> {
        let file = Some(source.name()).filter(|name| !name.starts_with('<'));
        Place { file, text: source.text() }
    }

    /// Line and column of an assertion.
    fn of(&self, assertion: &AssertionResult) -> Option<(usize, usize)> {
        let key = assertion.goal.as_ref().unwrap_or(&assertion.name);
        let span = place(self.text, "assertions", 0, Some(key))?;
        Some(line_column(self.text, span.start))
    }
}

/// A command to GitHub's runner: one line.
fn annotation(
    level: &str,
    file: Option<&str>,
    at: Option<(usize, usize)>,
    title: &str,
    message: &str,
) -> String {
    let mut properties = Vec::new();
    if let Some(file) = file {
        properties.push(format!("file={}", property(file)));
        properties.extend(at.map(|(line, column)| format!("line={line},col={column}")));
    }
    properties.push(format!("title={}", property(title)));
    format!("::{level} {}::{}", properties.join(","), data(message))
}

/// Text of a command. Its line feeds stay line feeds, and nothing in it begins another command.
fn data(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| printable(line).replace('%', "%25")).collect();
    lines.join("%0A")
}

fn property(text: &str) -> String {
    printable(text).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}

/// One line for each failed assertion and for everything else that went wrong, and one if the generator is
/// degraded.
fn annotations(place: &Place<'_>, outcome: &Outcome<'_>) -> Vec<String> {
    let metrics = outcome.metrics;
    let failed = metrics.assertions.iter().filter(|assertion| !assertion.passed);
    let mut lines: Vec<String> = failed
        .map(|assertion| {
            let title = format!("assertion failed: {}", assertion.full_name());
            annotation("error", place.file, place.of(assertion), &title, &words(assertion))
        })
        .collect();
    let others = other_failures(outcome);
    lines.extend(others.iter().map(|failure| annotation("error", place.file, None, "z6", failure)));
    if metrics.generator.verdict == Verdict::Degraded {
        let title = "the generator is degraded";
        lines.push(annotation("warning", place.file, None, title, &doubts(outcome)));
    }
    lines
}

/// What went wrong besides assertions.
fn other_failures(outcome: &Outcome<'_>) -> Vec<String> {
    let reasons = outcome.failure.iter().flat_map(|failure| failure.reasons());
    reasons.filter(|reason| !reason.starts_with("assertion failed: ")).cloned().collect()
}

/// The doubts that degrade a run, one a line.
fn doubts(outcome: &Outcome<'_>) -> String {
    let doubts = outcome.metrics.generator.doubts.iter().filter(|doubt| doubt.degrades());
    doubts.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Adds to the page of the build.
fn step_summary(text: &str) -> anyhow::Result<()> {
    let Some(path) = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()) else {
        console::warning(&format!("{STEP_SUMMARY} is not set: there is no step summary to add to"));
        return Ok(());
    };
    let path = Path::new(&path);
    let opened = OpenOptions::new().append(true).create(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| {
        let path = path.display().to_string();
        format!("cannot add to {}, which {STEP_SUMMARY} names", printable(&path))
    })
}

/// A case for each assertion, one for the generator, and one for completeness.
fn junit(place: &Place<'_>, outcome: &Outcome<'_>) -> anyhow::Result<String> {
    let metrics = outcome.metrics;
    let name = printable(&metrics.run.name).into_owned();
    let mut suite = TestSuite::new(name.as_str());
    suite.set_time(Duration::from_secs_f64(metrics.run.duration_seconds.max(0.0)));
    for assertion in &metrics.assertions {
        suite.add_test_case(assertion_case(place, &name, assertion, outcome));
    }
    let mut generator = TestCase::new("generator", TestCaseStatus::success());
    if metrics.generator.verdict == Verdict::Degraded {
        let mut skipped = TestCaseStatus::skipped();
        skipped
            .set_message(format!("degraded: {}", printable(&doubts(outcome).replace('\n', "; "))));
        generator.status = skipped;
    }
    generator.set_classname(name.as_str());
    suite.add_test_case(generator);
    let others = other_failures(outcome);
    let mut complete = TestCase::new("complete", TestCaseStatus::success());
    if !others.is_empty() {
        complete.status = failed(&others.join("; "));
    } else if metrics.run.shards.is_some() && metrics.run.log_digest.is_empty() {
        // Only a run of which every log is whole has a receipt.
        let mut skipped = TestCaseStatus::skipped();
        skipped.set_message("the log of a shard is missing or truncated");
        complete.status = skipped;
    }
    complete.set_classname(name.as_str());
    suite.add_test_case(complete);
    let mut report = Report::new("z6");
    report.add_test_suite(suite);
    report.to_string().context("the JUnit file cannot be made")
}

fn failed(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(printable(message).into_owned());
    status
}

fn assertion_case(
    place: &Place<'_>,
    class: &str,
    assertion: &AssertionResult,
    outcome: &Outcome<'_>,
) -> TestCase {
    let words = match interval(assertion, outcome) {
        Some(interval) => format!("{}; {interval}", words(assertion)),
        None => words(assertion),
    };
    let status = if assertion.passed { TestCaseStatus::success() } else { failed(&words) };
    let mut case = TestCase::new(printable(&assertion.full_name()).as_ref(), status);
    case.set_classname(class);
    if let Some(file) = place.file {
        case.extra.insert("file".into(), printable(file).as_ref().into());
    }
    if let Some((line, _)) = place.of(assertion).filter(|_| place.file.is_some()) {
        case.extra.insert("line".into(), line.to_string().into());
    }
    case.set_system_out(printable(&words).as_ref());
    case
}

/// `expected <= 200 ms, actual 6.87 ms`
fn words(assertion: &AssertionResult) -> String {
    format!("expected {}, actual {}", assertion.expected_words(), assertion.actual_words())
}

/// The 95 % interval of the quantile that an assertion is about.
fn interval(assertion: &AssertionResult, outcome: &Outcome<'_>) -> Option<String> {
    let ci95 = &outcome.metrics.latency.response_ns.ci95;
    let [low, high] = match assertion.name.as_str() {
        _ if assertion.goal.is_some() => return None,
        "p50_latency_ms" => ci95.p50,
        "p99_latency_ms" => ci95.p99,
        _ => return None,
    };
    let side =
        |ns: Option<u64>| ns.map_or_else(|| "?".to_owned(), z6_metrics::report::units::duration);
    Some(format!("95 % interval {} .. {}", side(low), side(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_whatever_stands_in_it() {
        let line = annotation(
            "error",
            Some("a,b:c%\n::set-env name=x::y"),
            Some((3, 4)),
            "t::u",
            "50 %\n::error::x\r\u{1b}[31m",
        );
        assert!(line.starts_with("::error file=a%2Cb%3Ac%25"), "{line}");
        assert!(line.contains(",line=3,col=4,title=t%3A%3Au::50 %25%0A::error::x"), "{line}");
        assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line}");
        // Only the first `::` after the properties ends them.
        let (properties, _) = line["::error ".len()..].split_once("::").unwrap();
        assert!(properties.ends_with("title=t%3A%3Au"), "{properties}");
    }

    #[test]
    fn an_assertion_has_its_line() {
        let text = "x = 1\n[assertions]\np99_latency_ms = 5\n";
        let span = place(text, "assertions", 0, Some("p99_latency_ms")).unwrap();
        assert_eq!(line_column(text, span.start).0, 3);
    }
}
