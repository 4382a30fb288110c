//! Malformed texts: mutations of valid scenarios, arbitrary bytes, and the corpus of the
//! fuzz target.

use std::fs;
use std::path::Path;

use super::fuzz_scenario;
use proptest::prelude::*;

const EVERYTHING: &str = include_str!("../tests/valid/everything_closed.toml");
const RATES: &str = include_str!("../tests/valid/everything_open.toml");
const VALUES: &str = include_str!("../tests/valid/everything_values.toml");

#[test]
fn the_corpus_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut seen = 0;
    for directory in ["corpus/scenario", "valid", "diagnostics"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            fuzz_scenario(&fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

/// A piece of text that is likely to matter at any place.
fn piece() -> impl Strategy<Value = String> {
    let words = vec![
        "[",
        "]",
        "[[",
        "]]",
        "=",
        "\"",
        "'",
        "'''",
        "\n",
        "\r",
        "\0",
        "{",
        "}",
        ",",
        ".",
        "#",
        "-",
        "e",
        "_",
        "nan",
        "inf",
        "0",
        "1e400",
        "9223372036854775807",
        "0.1",
        "true",
        "[target]",
        "[[targets]]",
        "[[requests]]",
        "type = \"ramp\"",
        "{{",
        "}}",
        "{{vu}}",
        "{{ token | default(\\\"x\\\") }}",
        "{{param.users}}",
        "| raw",
        "\u{7f}",
        "é",
        "\u{202e}",
        "\u{feff}",
    ];
    prop_oneof![proptest::sample::select(words).prop_map(str::to_owned), "\\PC{0,12}"]
}

/// `text` with some characters replaced by `pieces`, each at its share of the length.
fn mutated(text: &str, changes: &[(u16, u8, String)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, cut, piece) in changes {
        let at = usize::from(*place) * characters.len() / (usize::from(u16::MAX) + 1);
        let end = (at + usize::from(*cut)).min(characters.len());
        characters.splice(at..end, piece.chars());
    }
    characters.into_iter().collect()
}

/// `text` with lines swapped and dropped.
fn shuffled(text: &str, moves: &[(u8, u8)]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for (from, to) in moves {
        let line = lines.remove(usize::from(*from) % lines.len());
        if *to < 200 {
            let to = usize::from(*to) % (lines.len() + 1);
            lines.insert(to, line);
        }
    }
    lines.join("\n")
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_scenario(&bytes);
    }

    #[test]
    fn mutations_are_answered(
        which in 0_usize..3,
        changes in proptest::collection::vec((any::<u16>(), 0_u8..20, piece()), 1..6),
    ) {
        let text = [EVERYTHING, RATES, VALUES][which];
        fuzz_scenario(mutated(text, &changes).as_bytes());
    }

    #[test]
    fn shuffles_are_answered(moves in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..12)) {
        fuzz_scenario(shuffled(EVERYTHING, &moves).as_bytes());
    }
}
