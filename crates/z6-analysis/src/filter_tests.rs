//! The fuzz bodies over the committed corpus; more inputs are made by `cargo fuzz`.

use proptest::prelude::*;

use super::fuzz_filter;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

#[test]
fn filter() {
    let mut inputs = 0;
    for entry in std::fs::read_dir(format!("{CORPUS}/filter")).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        // Each input, and each of its beginnings.
        (0..=data.len()).for_each(|end| fuzz_filter(&data[..end]));
        inputs += 1;
    }
    assert!(inputs > 0, "no corpus");
}

/// Words that make filters, right and wrong.
const WORDS: &[&str] = &[
    "status",
    "name",
    "outcome",
    "error_kind",
    "reused",
    "response_ms",
    "actor",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "~",
    "contains",
    "(",
    ")",
    "[",
    "]",
    ",",
    "&&",
    "||",
    "!",
    "none",
    "true",
    "failed",
    "request_timeout",
    "500",
    "0.25",
    "\"get\"",
    "'create_user'",
    "\"x",
    "ö",
    "and",
    "1ms",
];

proptest! {
    #[test]
    fn filters_of_any_words(words in prop::collection::vec(prop::sample::select(WORDS), 0..14)) {
        fuzz_filter(words.join(" ").as_bytes());
        fuzz_filter(words.concat().as_bytes());
    }
}
