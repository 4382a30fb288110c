//! docs/HTTP1.md: each rule has tests, they exist, and each names the rule's section.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "reads the docs and the tests")]

use std::path::{Path, PathBuf};

/// A row of the page.
struct Rule {
    text: String,
    /// `§6.3` and so on; empty if the rule is our own.
    sections: Vec<String>,
    tests: Vec<String>,
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|_| panic!("cannot read {}", path.display()))
}

fn rules() -> Vec<Rule> {
    let page = read(&crates().join("../docs/HTTP1.md"));
    let mut rules = Vec::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [text, sections, tests] = cells[..] else { continue };
        let in_ticks = |text: &str| text.trim_matches(['`', ' ', '|']).to_owned();
        let tests: Vec<String> = tests.split(", ").map(in_ticks).collect();
        if text == "| rule" {
            continue;
        }
        let sections = sections.split(", ").filter(|section| *section != "none");
        rules.push(Rule {
            text: text.trim_matches(['|', ' ']).to_owned(),
            sections: sections.map(str::to_owned).collect(),
            tests,
        });
    }
    rules
}

/// What is said above or in a test about what it stands for.
fn words_of(test: &str) -> String {
    if let Some(case) = test.strip_prefix("cases/") {
        return case_in(&crates().join("z6-proto-http1/tests/cases"), case);
    }
    if let Some(case) = test.strip_prefix("faults/") {
        return case_in(&crates().join("z6/tests/faults"), case);
    }
    let Some((file, function)) = test.split_once("::") else { return read(&crates().join(test)) };
    let text = read(&crates().join(file));
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.trim().starts_with(&format!("fn {function}(")));
    let at = at.unwrap_or_else(|| panic!("no {function} in {file}"));
    let above = lines[..at].iter().rev().take_while(|line| line.trim().starts_with(['/', '#']));
    let above: Vec<&str> = above.copied().collect();
    assert!(above.iter().any(|line| line.trim() == "#[test]"), "{function} is no test");
    above.join("\n")
}

/// The line `rfc` of a case in one of a folder's files.
fn case_in(folder: &Path, case: &str) -> String {
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = read(&entry.unwrap().path());
        if let Some((_, rest)) = text.split_once(&format!("case {case}\n")) {
            let rfc = rest.lines().find(|line| line.starts_with("rfc "));
            return rfc.unwrap_or_else(|| panic!("{case} names no section")).to_owned();
        }
    }
    panic!("no case {case} in {}", folder.display());
}

/// `9112 §6.3` is named by `9112 §6.3`, `RFC 9110 §8.6, §6.3` and `section 6.3`, not by `§6.31`.
fn names(words: &str, section: &str) -> bool {
    let (_, number) = section.split_once('§').unwrap();
    ["§", "section ", "sections "].iter().any(|sign| {
        words.match_indices(&format!("{sign}{number}")).any(|(at, found)| {
            let rest = &words[at + found.len()..];
            let is_longer = rest.starts_with(|c: char| c.is_ascii_digit())
                || rest.starts_with('.') && rest[1..].starts_with(|c: char| c.is_ascii_digit());
            !is_longer
        })
    })
}

#[test]
fn each_rule_has_tests_that_name_its_section() {
    let rules = rules();
    assert!(rules.len() > 40, "the page has its tables");
    for rule in rules {
        for section in &rule.sections {
            let named = rule.tests.iter().filter(|test| names(&words_of(test), section)).count();
            assert!(named > 0, "{}: no test names {section}", rule.text);
        }
        for test in &rule.tests {
            let words = words_of(test);
            let is_named = rule.sections.iter().any(|section| names(&words, section));
            assert!(rule.sections.is_empty() || is_named, "{test}: {words}: {:?}", rule.sections);
        }
    }
}

/// Lines of the checklist that the page is made of, by their first section.
#[test]
fn no_rule_is_missing() {
    let rules = rules();
    let sections = "9112 §3.2, 9112 §3.2.1, 9112 §3.2.4, 9112 §2.2, 9110 §5.5, 9110 §5.6.2, 9110 §4.2, \
        9112 §6.3, 9110 §8.6, 9110 §10.1.5, 9110 §10.1.1, 9112 §9.3.2, 9112 §4, 9112 §5.1, 9112 §5.2, \
        9110 §15.2, 9112 §6.1, 9112 §7.1, 9112 §7.1.1, 9112 §7.1.2, 9112 §8, 9112 §9.2, 9112 §9.3, \
        9110 §7.6.1, 9112 §9.5, 9112 §9.6, 9110 §9.2.2, 9112 §9.7, 9112 §9.8";
    for section in sections.split(", ") {
        let found = rules.iter().any(|rule| rule.sections.iter().any(|one| one == section));
        assert!(found, "no rule for {section}");
    }
}
