//! A comparison as Markdown, for the page of a build. Formats figures; computes none.

use std::fmt::Write as _;

use z6_metrics::report::{markdown_code, markdown_table};

use super::comparison::{ComparedRun, Comparison, Mark, Row};
use super::text::{found, outcome_words, row_cells};

/// The comparison in the Markdown of GitHub and GitLab.
#[must_use]
pub fn comparison_markdown(comparison: &Comparison) -> String {
    // Writing to a text cannot fail.
    let mut page = format!("## {}\n\n", markdown_code(&outcome_words(comparison)));
    for (label, runs) in [("a", &comparison.a), ("b", &comparison.b)] {
        let names: Vec<String> =
            runs.iter().map(|run: &ComparedRun| markdown_code(&run.label)).collect();
        let _ = writeln!(page, "- {label}: {}", names.join(", "));
    }
    if let Some(filter) = &comparison.filter {
        let _ = writeln!(page, "- filter: {}", markdown_code(filter));
    }
    page.push('\n');
    let rows: Vec<Vec<String>> = comparison.rows.iter().map(cells).collect();
    let headings = ["figure", "a", "b", "change", "interval", "detectable", "result"];
    page.push_str(&markdown_table(&headings, &rows));
    let _ = writeln!(page, "\n{}\n", markdown_code(&found(comparison)));
    for note in &comparison.notes {
        let _ = writeln!(page, "- note: {}", markdown_code(&note.to_string()));
    }
    page
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells: Vec<String> = row_cells(row).iter().map(|cell| markdown_code(cell)).collect();
    if let Some(name) = &row.name {
        cells[0] = format!("{} {}", markdown_code(name), cells[0]);
    }
    if row.mark == Mark::Regressed {
        cells[6] = format!("**{}**", cells[6]);
    }
    cells
}
