//! Rules for files that no compiler checks: headers, where unsafe code is allowed, which bans the pure
//! crates keep, and words that do not belong in a repository.
//!
//! Works on lines of text, not on syntax trees: a rule here has to be visible in one line.

use std::path::Path;

use anyhow::Result;

use crate::layers::{self, Layer, Purity};
use crate::workspace::{self, SourceFile};

/// A source file with more lines gets a note for its reviewer.
const LINES_NOTED: usize = 700;

/// The files below `src` that hold unsafe code.
const UNSAFE_FILES: &[&str] = &[
    "crates/z6-target/src/sys.rs",
    "crates/z6-vu/src/reactor/sys.rs",
    "lab/src/bench/sys.rs",
    "testing/src/allocator.rs",
    "testing/src/sys.rs",
];

/// Lines before an unsafe block among which its SAFETY comment begins.
const SAFETY_LINES: usize = 4;

/// What the clippy.toml of a pure crate has to ban.
const BANS: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::env::var",
    "std::collections::HashMap",
    "std::collections::HashSet",
];

/// Text that no file may contain, and why. Written in two pieces, so that this file passes.
const WORDS: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("/Us", "ers/", "a path of one machine"),
    ("/tmp/t", "gt", "a path of one machine"),
    ("help", "er-", "who wrote it belongs in the history"),
    ("TO", "DO", "unfinished: do it, or open an issue"),
    ("FIX", "ME", "unfinished: do it, or open an issue"),
];

/// One line for each breach in the tree.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let files = workspace::files(root)?;
    let mut findings: Vec<String> = files.iter().flat_map(check_file).collect();
    for layer in layers::pure() {
        findings.extend(check_pure_crate(layer, &files));
    }
    Ok(findings)
}

/// One line for each long source file, for the reviewer to judge. No bound: a file ends where its
/// mechanism ends.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn notes(root: &Path) -> Result<Vec<String>> {
    Ok(workspace::files(root)?.iter().filter_map(note).collect())
}

fn note(file: &SourceFile) -> Option<String> {
    let text = file.text().filter(|_| file.path.ends_with(".rs"))?;
    let lines = text.lines().count();
    let words = "files end where their mechanism ends: does it hold more than one?";
    (lines > LINES_NOTED).then(|| format!("{}: {lines} lines; {words}", file.path))
}

fn check_file(file: &SourceFile) -> Vec<String> {
    let mut findings = words(file);
    let Some(text) = file.text().filter(|_| file.path.ends_with(".rs")) else {
        return findings;
    };
    let path = &file.path;
    if !text.starts_with("//!") {
        findings.push(format!("{path}: does not begin with `//!`: what it owns"));
    }
    findings.extend(unsafe_code(path, text));
    if is_pure(path) {
        findings.extend(lifted_bans(path, text));
    }
    findings
}

fn words(file: &SourceFile) -> Vec<String> {
    // Binary files are not text, and cargo writes the lock files.
    let Some(text) = file.text().filter(|_| !file.path.ends_with(".lock")) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (first, second, why) in WORDS {
            let word = format!("{first}{second}");
            if line.contains(&word) {
                findings.push(format!("{}:{}: `{word}`: {why}", file.path, number + 1));
            }
        }
    }
    findings
}

/// Unsafe code outside the files for it, or without a SAFETY comment. Tests may need some anywhere.
fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    let is_allowed = path.contains("/tests/") || UNSAFE_FILES.contains(&path);
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let code = code_of(line);
        let is_unsafe = has_word(&code, "unsafe");
        let lifts_lint =
            ["allow(unsafe_code", "expect(unsafe_code"].iter().any(|lift| code.contains(lift));
        if (is_unsafe || lifts_lint) && !is_allowed {
            findings.push(format!("{path}:{}: unsafe code has no place here", i + 1));
        } else if is_unsafe {
            let before = &lines[i.saturating_sub(SAFETY_LINES)..i];
            if !before.iter().any(|line| line.contains("SAFETY:")) {
                findings.push(format!("{path}:{}: unsafe code without SAFETY comment", i + 1));
            }
        }
    }
    findings
}

/// A line without its comment and string literals, as far as one line shows them.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_string => {
                characters.next();
            }
            '"' => in_string = !in_string,
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            _ if !in_string => code.push(character),
            _ => {}
        }
    }
    code
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|one| one == word)
}

/// Modules behind features of crates that are pure without them.
const DRIVERS: [&str; 2] = ["reactor", "log_file"];

/// Whether a file is compiled into the pure part of a crate.
fn is_pure(path: &str) -> bool {
    layers::pure().any(|layer| {
        let sources = format!("crates/{}/src/", layer.name);
        let inside = path.strip_prefix(&sources);
        let is_driver = |inside: &str| DRIVERS.iter().any(|driver| inside.starts_with(driver));
        inside.is_some_and(|inside| !is_driver(inside))
    })
}

/// Lints that keep a crate pure, switched off outside its tests.
fn lifted_bans(path: &str, text: &str) -> Vec<String> {
    let is_test_file = path.contains("/tests/") || path.ends_with("tests.rs");
    if is_test_file {
        return Vec::new();
    }
    let product = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let lifts = |line: &str| {
        let line = code_of(line);
        (line.contains("allow(") || line.contains("expect("))
            && ["disallowed_methods", "disallowed_types", "iter_over_hash_type"]
                .iter()
                .any(|lint| has_word(&line, lint))
    };
    product
        .enumerate()
        .filter(|(_, line)| lifts(line))
        .map(|(i, _)| format!("{path}:{}: a pure crate lifts its own ban", i + 1))
        .collect()
}

fn check_pure_crate(layer: &Layer, files: &[SourceFile]) -> Vec<String> {
    let name = layer.name;
    let read = |path: &str| files.iter().find(|file| file.path == path).and_then(SourceFile::text);
    let mut findings = Vec::new();
    let lib = format!("crates/{name}/src/lib.rs");
    let forbids =
        read(&lib).is_some_and(|text| text.lines().any(|line| line == "#![forbid(unsafe_code)]"));
    if layer.purity == Purity::Pure && !forbids {
        findings.push(format!("{lib}: `#![forbid(unsafe_code)]` is missing"));
    }
    let clippy = format!("crates/{name}/clippy.toml");
    let bans = read(&clippy).unwrap_or_default();
    let is_missing = |ban: &&&str| !bans.contains(&format!("path = \"{ban}\""));
    for ban in BANS.iter().filter(is_missing) {
        findings.push(format!("{clippy}: does not ban {ban}"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn the_tree_keeps_the_rules() {
        assert_eq!(check(&workspace::root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn files_say_what_they_own() {
        assert!(check_file(&file("crates/z6/src/lib.rs", "//! Owns.\n")).is_empty());
        assert_eq!(check_file(&file("crates/z6/src/lib.rs", "fn a() {}\n")).len(), 1);
    }

    #[test]
    fn a_long_source_file_is_noted_and_no_finding() {
        let lines = |count: usize| format!("//! Owns.\n{}", "\n".repeat(count - 1));
        let long = file("crates/z6/src/lib.rs", &lines(LINES_NOTED + 1));
        assert!(note(&long).unwrap().starts_with("crates/z6/src/lib.rs: 701 lines; "));
        assert!(check_file(&long).is_empty());
        assert_eq!(note(&file("crates/z6/src/lib.rs", &lines(LINES_NOTED))), None);
        assert_eq!(note(&file("docs/LONG.md", &lines(LINES_NOTED + 1))), None);
    }

    #[test]
    fn words_are_found_in_any_text_with_their_line() {
        for (first, second, why) in WORDS {
            let lines = check_file(&file("docs/A.md", &format!("fine\nsee {first}{second}x\n")));
            assert_eq!(lines, [format!("docs/A.md:2: `{first}{second}`: {why}")]);
        }
        let binary = SourceFile { path: "a.bin".to_owned(), bytes: b"\xff/wo".to_vec() };
        assert!(check_file(&binary).is_empty());
    }

    #[test]
    fn unsafe_code_has_its_files_and_its_comments() {
        let bare = "//! Owns.\nlet x = unsafe { f() };\n";
        let commented = "//! Owns.\n// SAFETY: f is fine.\nlet x = unsafe { f() };\n";
        let sys = UNSAFE_FILES[0];
        assert!(check_file(&file(sys, commented)).is_empty());
        assert_eq!(check_file(&file(sys, bare)).len(), 1);
        assert_eq!(check_file(&file("crates/z6-target/src/lib.rs", commented)).len(), 1);
        assert!(check_file(&file("crates/z6-target/tests/a.rs", commented)).is_empty());
        let lifted = "//! Owns.\n#[allow(unsafe_code)]\n";
        assert_eq!(check_file(&file("crates/z6-vu/src/lib.rs", lifted)).len(), 1);
    }

    #[test]
    fn only_code_counts_as_code() {
        let text =
            "//! No unsafe here.\n#![forbid(unsafe_code)]\nlet a = \"unsafe \\\" unsafe\";\n";
        assert!(check_file(&file("crates/z6/src/lib.rs", text)).is_empty());
        assert_eq!(code_of("let a = \"b // c\"; // d"), "let a = ; ");
    }

    #[test]
    fn pure_crates_lift_their_bans_in_tests_only() {
        let lift = "#[expect(clippy::disallowed_methods)]";
        let product = format!("//! Owns.\n{lift}\n");
        let test = format!("//! Owns.\n#[cfg(test)]\nmod tests {{\n{lift}\n}}\n");
        let at = |path: &str, text: &str| check_file(&file(path, text)).len();
        assert_eq!(at("crates/z6-events/src/a.rs", &product), 1);
        assert_eq!(at("crates/z6-vu/src/engine/mod.rs", &product), 1);
        assert_eq!(at("crates/z6-vu/src/reactor/clock.rs", &product), 0);
        assert_eq!(at("crates/z6-cli/src/main.rs", &product), 0);
        assert_eq!(at("crates/z6-events/src/a.rs", &test), 0);
        assert_eq!(at("crates/z6-events/tests/a.rs", &product), 0);
    }

    #[test]
    fn pure_crates_forbid_unsafe_code_and_ban_what_is_impure() {
        let layer = layers::pure().next().unwrap();
        let lib = format!("crates/{}/src/lib.rs", layer.name);
        let clippy = format!("crates/{}/clippy.toml", layer.name);
        let ban = |path: &&str| format!("{{ path = \"{path}\" }}\n");
        let all: String = BANS.iter().map(ban).collect();
        let good = [file(&lib, "//! Owns.\n#![forbid(unsafe_code)]\n"), file(&clippy, &all)];
        assert!(check_pure_crate(layer, &good).is_empty());
        assert_eq!(check_pure_crate(layer, &good[1..]).len(), 1);
        assert_eq!(check_pure_crate(layer, &good[..1]).len(), BANS.len());
    }
}
