//! Links between the project's Markdown pages, and the `cargo xtask` commands they name.
//!
//! Checks README.md and docs. Follows relative links to files and to headings; links that leave the
//! repository are not followed. Each page must link to the glossary.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::workspace::{self, SourceFile};

/// The page that defines the project's words.
const GLOSSARY: &str = "docs/GLOSSARY.md";

/// Returns one line for each dead link, each command that does not exist, and each page without a
/// link to the glossary.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn check(root: &Path, commands: &[&str]) -> Result<Vec<String>> {
    Ok(check_files(&workspace::files(root)?, commands))
}

fn check_files(files: &[SourceFile], commands: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| is_page(&file.path)) {
        let text = file.text().unwrap_or_default();
        for (number, line) in prose(text) {
            let at = format!("{}:{number}", file.path);
            let dead = links(line).filter(|link| !leads_somewhere(&file.path, link, files));
            findings.extend(dead.map(|link| format!("{at}: `{link}` leads nowhere")));
        }
        for (number, line) in text.lines().enumerate() {
            let unknown = xtask_commands(line).filter(|name| !commands.contains(name));
            let at = format!("{}:{}", file.path, number + 1);
            findings.extend(unknown.map(|name| format!("{at}: no `cargo xtask {name}`")));
        }
        if uses_glossary(&file.path, files) && !links_to_glossary(&file.path, text) {
            findings.push(format!("{}: no link to {GLOSSARY}", file.path));
        }
    }
    findings
}

/// Whether a page has to link to the glossary: all pages except the glossary itself.
fn uses_glossary(page: &str, files: &[SourceFile]) -> bool {
    let is_documentation = page == "README.md" || page.starts_with("docs/");
    is_documentation && page != GLOSSARY && files.iter().any(|file| file.path == GLOSSARY)
}

fn links_to_glossary(page: &str, text: &str) -> bool {
    prose(text).flat_map(|(_, line)| links(line)).any(|link| {
        let path = link.split_once('#').map_or(link, |(path, _)| path);
        resolve(page, path) == GLOSSARY
    })
}

fn is_page(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    name.ends_with(".md") && (folder.is_empty() || folder == "docs" || folder.starts_with("docs/"))
}

/// The numbered lines that are not in a fenced block.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_fence = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        (!in_fence && !is_fence).then_some((i + 1, line))
    })
}

/// Targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

/// Names that follow `cargo xtask`.
fn xtask_commands(line: &str) -> impl Iterator<Item = &str> {
    line.split("cargo xtask ").skip(1).filter_map(|rest| {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        (!name.is_empty() && !name.starts_with('-')).then_some(name)
    })
}

fn leads_somewhere(page: &str, link: &str, files: &[SourceFile]) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { page.to_owned() } else { resolve(page, path) };
    let is_below = |file: &&SourceFile| {
        file.path.strip_prefix(&target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let Some(file) = files.iter().find(is_below) else { return false };
    heading.is_empty() || headings(file.text().unwrap_or_default()).contains(heading)
}

/// A path relative to the folder of `page`, from the root.
fn resolve(page: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Anchors of a page's headings, as GitHub makes them; of equal headings, the first.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then_some(title.trim())
    });
    titles.map(anchor).collect()
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn check_page(text: &str) -> Vec<String> {
        let other = "# Other\n## The `two` words, and_more\n```\n# no heading\n```\n";
        let files =
            [file("docs/A.md", text), file("docs/B.md", other), file("crates/x/src/lib.rs", "")];
        check_files(&files, &["ci", "bench-smoke"])
    }

    #[test]
    fn links_lead_to_files_folders_and_headings() {
        let good = "[a](B.md) [b](./B.md#other) [c](../crates/x) [d](B.md#the-two-words-and_more) \
                    [e](https://example.invalid/x) [f](#g)\n# G\n";
        assert!(check_page(good).is_empty(), "{:?}", check_page(good));
        for bad in ["C.md", "B.md#others", "B.md#no-heading", "../B.md", "#nothing", "../crate"] {
            let expected = format!("docs/A.md:2: `{bad}` leads nowhere");
            assert_eq!(check_page(&format!("# A\nsee [it]({bad}).\n")), [expected]);
        }
    }

    #[test]
    fn each_page_links_to_the_glossary() {
        let glossary = file(GLOSSARY, "# Glossary\n## Step\n");
        let check = |path: &str, text: &str| {
            check_files(&[file(path, text), file(GLOSSARY, "# Glossary\n## Step\n")], &[])
        };
        assert!(check("docs/A.md", "a [step](GLOSSARY.md#step)\n").is_empty());
        assert!(check("README.md", "a [step](docs/GLOSSARY.md#step)\n").is_empty());
        assert!(check("CHANGES.md", "no link\n").is_empty());
        assert!(check_files(&[glossary], &[]).is_empty());
        assert_eq!(check("docs/A.md", "no link\n"), ["docs/A.md: no link to docs/GLOSSARY.md"]);
        assert_eq!(
            check("README.md", "[a](#a)\n# A\n"),
            ["README.md: no link to docs/GLOSSARY.md"]
        );
        let dead = "docs/A.md:1: `GLOSSARY.md#stop` leads nowhere";
        assert_eq!(check("docs/A.md", "a [stop](GLOSSARY.md#stop)\n"), [dead]);
    }

    #[test]
    fn code_blocks_hold_no_links() {
        assert!(check_page("```\n[a](nowhere)\n```\n").is_empty());
    }

    #[test]
    fn named_commands_exist() {
        assert!(
            check_page("`cargo xtask ci`, `cargo xtask bench-smoke`; `cargo xtask --help`")
                .is_empty()
        );
        let expected = ["docs/A.md:2: no `cargo xtask speed`"];
        assert_eq!(check_page("```\n$ cargo xtask speed\n```\n"), expected);
    }
}
