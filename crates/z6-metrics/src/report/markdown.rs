//! The summary as Markdown, for the page of a build. Formats figures; computes none.
//!
//! Text of scenarios and servers stands in `<code>`, every character that Markdown or HTML could read as a
//! numeric reference: it adds no structure, no link and no mention.

use std::fmt::Write as _;

use z6_events::{StoppedBy, printable};
use z6_scenario::Quantile;

use super::summary::{at, largest, unanswered, with_unanswered};
use super::units::{count, percent, plain, plural, rate};
use crate::metrics::{GroupFigures, LatencyStats, Metrics, Named, RunFigures};
use crate::verdict::Verdict;

/// Rows of a table of groups.
const MAX_GROUPS: usize = 50;

/// The summary of a run in the Markdown of GitHub and GitLab.
#[must_use]
pub fn summary_markdown(metrics: &Metrics) -> String {
    let mut page = String::new();
    heading(&mut page, metrics);
    assertions(&mut page, metrics);
    requests(&mut page, metrics);
    latency(&mut page, metrics);
    groups(&mut page, "request", &metrics.requests.by_name);
    groups(&mut page, "target", &metrics.requests.by_target);
    checks(&mut page, metrics);
    errors(&mut page, metrics);
    generator(&mut page, metrics);
    page
}

/// Text from anywhere, as code in a line or in a cell of a table.
#[must_use]
pub fn markdown_code(text: &str) -> String {
    let mut code = "<code>".to_owned();
    for character in printable(text).chars() {
        match character {
            c if c.is_ascii_punctuation() => {
                // Writing to a text cannot fail.
                let _ = write!(code, "&#{};", u32::from(c));
            }
            c => code.push(c),
        }
    }
    code.push_str("</code>");
    code
}

/// A table: headings, which are words of ours, and rows of cells that are escaped already. All columns but
/// the first are aligned to the right.
#[must_use]
pub fn markdown_table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let aligned = (0..headings.len()).map(|column| if column == 0 { "---" } else { "---:" });
    let mut table = format!("| {} |\n", headings.join(" | "));
    let _ = writeln!(table, "| {} |", aligned.collect::<Vec<_>>().join(" | "));
    for row in rows {
        let _ = writeln!(table, "| {} |", row.join(" | "));
    }
    table
}

fn heading(page: &mut String, metrics: &Metrics) {
    let run = &metrics.run;
    let outcome = match (metrics.assertions.is_empty(), metrics.assertions_passed()) {
        (true, _) if run.shard.is_some() => "one shard, assertions not judged",
        (true, _) if run.part_seconds.is_some() => "some of the requests, assertions not judged",
        (true, _) => "no assertions",
        (false, true) => "all assertions passed",
        (false, false) => "assertions failed",
    };
    let stopped = run.stopped_by.map_or("the end of a truncated log", StoppedBy::name);
    let _ = writeln!(
        page,
        "## {}: {outcome}, generator {}\n\n{} s, stopped by {}; {} model, {}, seed {}\n",
        markdown_code(&run.name),
        metrics.generator.verdict.name(),
        plain(run.duration_seconds),
        stopped.replace('_', " "),
        run.model.name(),
        workers(run),
        run.seed
    );
    if run.warmup_seconds > 0.0 {
        let _ = writeln!(
            page,
            "Latencies, throughput, error rate and assertions leave out the warm-up, {} s.\n",
            plain(run.warmup_seconds)
        );
    }
}

/// How many, and of which shard.
fn workers(run: &RunFigures) -> String {
    let workers = plural(u64::from(run.workers), "worker");
    run.shard.map_or_else(|| workers.clone(), |shard| format!("shard {shard} with {workers}"))
}

fn assertions(page: &mut String, metrics: &Metrics) {
    if metrics.assertions.is_empty() {
        return;
    }
    let rows = metrics.assertions.iter().map(|assertion| {
        let result = if assertion.passed { "passed" } else { "**failed**" };
        vec![
            markdown_code(&assertion.full_name()),
            markdown_code(&assertion.expected_words()),
            markdown_code(&assertion.actual_words()),
            result.to_owned(),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    page.push_str(&markdown_table(&["assertion", "demanded", "measured", "result"], &rows));
    page.push('\n');
}

fn requests(page: &mut String, metrics: &Metrics) {
    let requests = &metrics.requests;
    let error_rate = match metrics.run.warmup_seconds > 0.0 {
        true => "error rate after the warm-up",
        false => "error rate",
    };
    let headings = [
        "planned",
        "sent",
        "succeeded",
        "failed",
        "in flight at the stop",
        "never sent",
        error_rate,
        "completed",
    ];
    let row = vec![
        count(requests.planned),
        count(requests.sent),
        count(requests.succeeded),
        count(requests.failed),
        count(requests.in_flight_at_stop),
        count(requests.never_sent),
        requests.error_rate.map_or_else(|| "-".to_owned(), percent),
        metrics.throughput.completed_rps.map_or_else(|| "-".to_owned(), rate),
    ];
    page.push_str(&markdown_table(&headings, &[row]));
    page.push('\n');
}

fn latency(page: &mut String, metrics: &Metrics) {
    let headings = ["latency", "p50", "p90", "p95", "p99", "p99.9", "max", "requests"];
    let row = |label: &str, stats: &LatencyStats| {
        let quantiles =
            [Quantile::P50, Quantile::P90, Quantile::P95, Quantile::P99, Quantile::P999];
        let mut cells = vec![label.to_owned()];
        cells.extend(quantiles.map(|quantile| markdown_time(&at(stats, quantile))));
        cells.extend([markdown_time(&largest(stats)), with_unanswered(stats)]);
        cells
    };
    let rows = [
        row("response time", &metrics.latency.response_ns),
        row("service time", &metrics.latency.service_ns),
    ];
    page.push_str(&markdown_table(&headings, &rows));
    page.push_str(
        "\nResponse time counts from the planned instant, service time from the send.\n\n",
    );
    if let Some(line) = unanswered(&metrics.latency.response_ns) {
        let _ = writeln!(page, "{}\n", markdown_time(&line));
    }
}

/// The checks that failed.
fn checks(page: &mut String, metrics: &Metrics) {
    let all = metrics.checks.0.iter().flat_map(|(request, checks)| {
        checks.0.iter().map(move |(name, check)| (request, name, check))
    });
    let failed = all.filter(|(_, _, check)| check.failed > 0).take(MAX_GROUPS);
    let rows: Vec<Vec<String>> = failed
        .map(|(request, name, check)| {
            vec![
                markdown_code(request),
                markdown_code(name),
                count(check.passed),
                count(check.failed),
            ]
        })
        .collect();
    if !rows.is_empty() {
        page.push_str(&markdown_table(&["request", "check", "passed", "failed"], &rows));
        page.push('\n');
    }
}

/// A time of ours: `~` would strike it out, `>=` is HTML.
fn markdown_time(text: &str) -> String {
    text.replace('~', "&#126;").replace('>', "&gt;")
}

fn groups(page: &mut String, what: &str, groups: &Named<GroupFigures>) {
    if groups.0.len() < 2 {
        return;
    }
    let headings = [what, "sent", "failed", "p50", "p95", "p99", "max"];
    let shown = groups.foremost(MAX_GROUPS);
    let rows = shown.into_iter().map(|index| &groups.0[index]).map(|(name, group)| {
        let stats = &group.response_ns;
        let time = |quantile| markdown_time(&at(stats, quantile));
        vec![
            markdown_code(name),
            count(group.sent),
            count(group.failed),
            time(Quantile::P50),
            time(Quantile::P95),
            time(Quantile::P99),
            markdown_time(&largest(stats)),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    page.push_str(&markdown_table(&headings, &rows));
    let left_out = groups.0.len().saturating_sub(MAX_GROUPS);
    if left_out > 0 {
        let _ = writeln!(page, "\nand {} more", count(left_out as u64));
    }
    page.push('\n');
}

fn errors(page: &mut String, metrics: &Metrics) {
    for (kind, failed) in &metrics.errors.by_kind.0 {
        let example = metrics.errors.examples.get(kind);
        let example = example.map(|text| format!(", such as {}", markdown_code(text)));
        let _ = writeln!(
            page,
            "- {}: {}{}",
            markdown_code(kind.name()),
            count(*failed),
            example.unwrap_or_default()
        );
    }
    if !metrics.errors.by_kind.0.is_empty() {
        page.push('\n');
    }
}

fn generator(page: &mut String, metrics: &Metrics) {
    let generator = &metrics.generator;
    if generator.verdict == Verdict::Degraded {
        page.push_str("The figures show the generator as well as the target:\n\n");
    }
    for doubt in &generator.doubts {
        let label = if doubt.degrades() { "doubt" } else { "note" };
        let _ = writeln!(page, "- {label}: {}", markdown_code(&doubt.to_string()));
    }
    if !generator.doubts.is_empty() {
        page.push('\n');
    }
    let receipt = match metrics.run.log_digest.as_str() {
        "" => "none".to_owned(),
        digest => markdown_code(digest),
    };
    let plan = markdown_code(&metrics.run.plan_digest);
    let _ = writeln!(page, "Receipt {receipt}, plan digest {plan}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_anywhere_is_inert() {
        for hostile in [
            "a|b",
            "</code><script>x</script>",
            "`x`",
            "[a](http://b)",
            "@someone",
            "# a\n\n- b",
            "*a* _b_ ~c~",
            "\u{202e}x\u{1b}[31m",
            "&lt;",
            "http://a.example",
        ] {
            let code = markdown_code(hostile);
            let inner = code.strip_prefix("<code>").unwrap().strip_suffix("</code>").unwrap();
            let rest = inner.replace("&#", "").replace(';', "");
            assert!(rest.chars().all(|c| !c.is_ascii_punctuation()), "{hostile}: {code}");
            assert!(!inner.contains(['\n', '\u{1b}', '\u{202e}']), "{hostile}: {code}");
        }
        assert_eq!(markdown_code("GET /a"), "<code>GET &#47;a</code>");
    }

    #[test]
    fn tables_have_a_line_for_each_row() {
        let table = markdown_table(&["a", "b"], &[vec!["1".to_owned(), "2".to_owned()]]);
        assert_eq!(table, "| a | b |\n| --- | ---: |\n| 1 | 2 |\n");
    }
}
