//! docs/LIMITS.md lists the bounds of extraction, cookies and data files as they are.
#![allow(clippy::expect_used, reason = "tests may")]

use z6_extract::limits;

const PAGE: &str = include_str!("../../../docs/LIMITS.md");
const SOURCE: &str = include_str!("../src/limits.rs");

/// The rows of the table of extraction: name and value.
fn rows() -> Vec<(&'static str, u64)> {
    let (_, section) = PAGE.split_once("\n## Extraction\n").expect("the page has the section");
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        (cells[0].trim_end_matches('`'), cells[1].parse().expect("a number"))
    });
    rows.collect()
}

#[test]
fn the_page_lists_every_bound() {
    let expected = [
        ("MAX_JSON_DEPTH", limits::MAX_JSON_DEPTH as u64),
        ("MAX_PATH_SEGMENTS", limits::MAX_PATH_SEGMENTS as u64),
        ("MAX_PATH_SELECTORS", limits::MAX_PATH_SELECTORS as u64),
        ("MAX_FILTER_DEPTH", limits::MAX_FILTER_DEPTH as u64),
        ("MAX_FILTER_TESTS", limits::MAX_FILTER_TESTS as u64),
        ("MAX_JSON_PASSES", limits::MAX_JSON_PASSES as u64),
        ("MAX_PATTERN_BYTES", limits::MAX_PATTERN_BYTES as u64),
        ("MAX_PATTERN_CACHE_BYTES", limits::MAX_PATTERN_CACHE_BYTES as u64),
        ("MAX_MATCHES", limits::MAX_MATCHES as u64),
        ("MAX_VALUE_BYTES", limits::MAX_VALUE_BYTES as u64),
        ("MAX_LIST_ITEMS", limits::MAX_LIST_ITEMS as u64),
        ("MAX_LIST_BYTES", limits::MAX_LIST_BYTES as u64),
        ("MAX_SELECTOR_BYTES", limits::MAX_SELECTOR_BYTES as u64),
        ("MAX_SELECTOR_DEPTH", limits::MAX_SELECTOR_DEPTH as u64),
        ("MAX_HTML_BYTES", limits::MAX_HTML_BYTES as u64),
        ("MAX_HTML_MEMORY_BYTES", limits::MAX_HTML_MEMORY_BYTES as u64),
        ("MAX_COOKIES", limits::MAX_COOKIES as u64),
        ("MAX_COOKIE_BYTES", limits::MAX_COOKIE_BYTES as u64),
        ("MAX_COOKIE_ATTRIBUTE_BYTES", limits::MAX_COOKIE_ATTRIBUTE_BYTES as u64),
        ("MAX_COOKIE_AGE_SECONDS", limits::MAX_COOKIE_AGE_SECONDS.unsigned_abs()),
        ("MAX_ROW_BYTES", limits::MAX_ROW_BYTES as u64),
        ("MAX_COLUMNS", limits::MAX_COLUMNS as u64),
        ("MAX_DATA_BYTES", limits::MAX_DATA_BYTES),
        ("MAX_DATA_ROWS", limits::MAX_DATA_ROWS),
    ];
    assert_eq!(rows(), expected);
    let constants = SOURCE.lines().filter_map(|line| line.strip_prefix("pub const "));
    let names: Vec<&str> = constants.filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names, expected.map(|(name, _)| name), "a bound is missing in this test");
}
