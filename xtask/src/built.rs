//! Programs of the workspace in the release profile: built by cargo, found by name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::cargo;
use crate::workspace::text;

/// Builds a program, for another target than this machine's if one is given, and returns its path.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn program(package: &str, name: &str, target: Option<&str>) -> Result<PathBuf> {
    let target = target.map_or_else(Vec::new, |target| vec!["--target", target]);
    let whose = [&["-p", package, "--bin", name], &target[..]].concat();
    println!("building: cargo build --release {}", whose.join(" "));
    let json = ["build", "--release", "--message-format=json-render-diagnostics"];
    let build = cargo(&[&json[..], &whose].concat());
    // What counts instructions by function needs the symbols, and so does what puts them aside.
    let build = build.env("CARGO_PROFILE_RELEASE_STRIP", "none");
    let messages = build.stdout()?;
    parse(&messages).remove(name).with_context(|| format!("cargo built no `{name}`"))
}

fn parse(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for message in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(message) else { continue };
        if let Some(path) = message["executable"].as_str() {
            found.insert(text(&message["target"], "name").to_owned(), PathBuf::from(path));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_libraries() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"z6\"},\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"counted\"},",
            "\"executable\":\"/target/release/counted\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        let expected = ("counted".to_owned(), PathBuf::from("/target/release/counted"));
        assert_eq!(parse(messages).into_iter().collect::<Vec<_>>(), [expected]);
    }
}
