//! The top of the summary: did it pass, can it be trusted, and what to do about each doubt.

use z6_events::{StoppedBy, printable};

use crate::assertions::AssertionResult;
use crate::metrics::Metrics;
use crate::report::page::{BAD, GOOD, PLAIN, Page, WARN};
use crate::report::table::Table;
use crate::report::units::plural;
use crate::verdict::{Doubt, Verdict};

pub(super) fn head(page: &mut Page, metrics: &Metrics) {
    page.title(&printable(&metrics.run.name));
    result(page, metrics);
    assertions(page, metrics);
    trust(page, metrics);
}

/// Did it pass?
fn result(page: &mut Page, metrics: &Metrics) {
    let all = metrics.assertions.len() as u64;
    let failed = metrics.assertions.iter().filter(|one| !one.passed).count() as u64;
    let unanswered = metrics.requests.sent > 0 && metrics.requests.by_status.is_empty();
    let early = ended_early(metrics.run.stopped_by)
        .or_else(|| unanswered.then_some("no request got a complete response"));
    let judged = match (failed, all) {
        (0, 0) => match metrics.run.shard {
            Some(shard) => {
                format!("this is shard {shard}, and assertions are about all shards together")
            }
            None if metrics.run.part_seconds.is_some() => {
                "these are some of the requests, and assertions are about the whole run".to_owned()
            }
            None => "the scenario has no assertions".to_owned(),
        },
        (0, 1) => "the assertion holds".to_owned(),
        (0, all) => format!("all {} hold", plural(all, "assertion")),
        (failed, all) => format!("{failed} of {} failed", plural(all, "assertion")),
    };
    match (early, failed, all) {
        (Some(why), ..) => page.painted("result", &format!("INCOMPLETE: {why}; {judged}"), BAD),
        (None, 0, 0) => page.line("result", &format!("not judged: {judged}")),
        (None, 0, _) => page.painted("result", &format!("PASS: {judged}"), GOOD),
        (None, ..) => page.painted("result", &format!("FAIL: {judged}"), BAD),
    }
}

/// Why the run is not what the scenario describes, if it is not.
fn ended_early(by: Option<StoppedBy>) -> Option<&'static str> {
    match by {
        Some(StoppedBy::Duration | StoppedBy::Iterations) => None,
        Some(StoppedBy::Interrupt) => Some("the run was interrupted"),
        Some(StoppedBy::Terminate) => Some("the run was terminated"),
        Some(StoppedBy::NoTarget) => Some("no connection to a target was ever ready"),
        Some(StoppedBy::LogLimit) => Some("the event log reached `max_event_log_bytes`"),
        Some(StoppedBy::DiskFull) => Some("the event log could not be written"),
        Some(StoppedBy::Error) => Some("an error ended the run"),
        Some(StoppedBy::DataExhausted) => Some("a data file had no row left"),
        Some(StoppedBy::SetupFailed) => Some("[setup] failed, and the run did not begin"),
        Some(StoppedBy::OnFailure) => Some("a failure stopped the run (`on_failure`)"),
        Some(StoppedBy::Assertion) => Some("an assertion stopped the run"),
        Some(StoppedBy::Requested) => Some("the program that ran it stopped the run"),
        Some(StoppedBy::NoAnswer) => Some("nothing was answered"),
        Some(StoppedBy::NoStart) => Some("the shards did not meet, and the run did not begin"),
        None => Some("the event log is truncated"),
    }
}

/// Those that failed first.
fn assertions(page: &mut Page, metrics: &Metrics) {
    let mut all: Vec<&AssertionResult> = metrics.assertions.iter().collect();
    all.sort_by_key(|assertion| assertion.passed);
    let mut table = Table::new(3);
    for assertion in &all {
        let mark = if assertion.passed { "pass" } else { "FAIL" };
        let judged =
            format!("{}, expected {}", assertion.actual_words(), assertion.expected_words());
        table.row([mark.to_owned(), printable(&assertion.full_name()).into_owned(), judged]);
    }
    for (assertion, line) in all.iter().zip(table.lines()) {
        page.painted("", &line, if assertion.passed { PLAIN } else { BAD });
    }
}

/// Can it be trusted? Each doubt with what to do about it.
fn trust(page: &mut Page, metrics: &Metrics) {
    let doubts = &metrics.generator.doubts;
    let verdict = metrics.generator.verdict;
    let line = match verdict {
        Verdict::Trustworthy => "the figures are those of the target",
        Verdict::Degraded => "the figures show the generator as well as the target",
    };
    let paint = if verdict == Verdict::Trustworthy { GOOD } else { BAD };
    page.painted("generator", &format!("{}: {line}", verdict.name()), paint);
    for doubt in doubts {
        let (word, paint) = if doubt.degrades() { ("doubt", WARN) } else { ("note", PLAIN) };
        page.painted("", &format!("{word}: {doubt}"), paint);
        page.line("", &advice(doubt));
    }
}

fn advice(doubt: &Doubt) -> String {
    format!("  to do: {}", doubt.advice())
}
