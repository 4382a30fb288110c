//! Filters of JSON paths: the tables of RFC 9535, what a filter does not find, and its bounds.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::ops::ControlFlow;

use z6_extract::limits::{MAX_FILTER_DEPTH, MAX_JSON_DEPTH};
use z6_extract::{JsonErrorKind, JsonPath};

fn found(path: &str, document: &str) -> Vec<String> {
    let compiled = JsonPath::compile(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut all = Vec::new();
    let mut cache = compiled.cache();
    let visited = compiled.visit_with(&mut cache, document.as_bytes(), &mut |value| {
        all.push(String::from_utf8(value.bytes.to_vec()).unwrap());
        ControlFlow::Continue(())
    });
    visited.unwrap_or_else(|error| panic!("{path}: {error}"));
    all
}

/// RFC 9535 §2.3.5.3, table 11.
#[test]
fn comparisons_are_those_of_the_rfc() {
    let document = r#"{"obj": {"x": "y"}, "arr": [2, 3]}"#;
    for (filter, holds) in [
        ("$.absent1 == $.absent2", true),
        ("$.absent1 <= $.absent2", true),
        ("$.absent == 'g'", false),
        ("$.absent1 != $.absent2", false),
        ("$.absent != 'g'", true),
        ("1 <= 2", true),
        ("1 > 2", false),
        ("13 == '13'", false),
        ("'a' <= 'b'", true),
        ("'a' > 'b'", false),
        ("$.obj == $.arr", false),
        ("$.obj != $.arr", true),
        ("$.obj == $.obj", true),
        ("$.obj != $.obj", false),
        ("$.arr == $.arr", true),
        ("$.arr != $.arr", false),
        ("$.obj == 17", false),
        ("$.obj != 17", true),
        ("$.obj <= $.arr", false),
        ("$.obj < $.arr", false),
        ("$.obj <= $.obj", true),
        ("$.arr <= $.arr", true),
        ("1 <= $.arr", false),
        ("1 >= $.arr", false),
        ("1 > $.arr", false),
        ("1 < $.arr", false),
        ("true <= true", true),
        ("true > true", false),
        ("1e2 == 100 && 0.1 != 0.10000000000000000000001 && -0 == 0.0e7", true),
        ("null == $.absent", false),
    ] {
        let all = found(&format!("$[?{filter}]"), document);
        assert_eq!(all.len(), if holds { 2 } else { 0 }, "{filter}");
    }
}

const EXAMPLE: &str = r#"{"a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
    "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}}, "e": "f"}"#;

/// RFC 9535 §2.3.5.3, table 12.
#[test]
fn examples_are_those_of_the_rfc() {
    for (path, expected) in [
        ("$.a[?@.b == 'kilo']", &[r#"{"b": "kilo"}"#][..]),
        ("$.a[?(@.b == 'kilo')]", &[r#"{"b": "kilo"}"#]),
        ("$.a[?@>3.5]", &["5", "4", "6"]),
        ("$.a[?@.b]", &[r#"{"b": "j"}"#, r#"{"b": "k"}"#, r#"{"b": {}}"#, r#"{"b": "kilo"}"#]),
        (
            "$[?@.*]",
            &[
                r#"[3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}]"#,
                r#"{"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}}"#,
            ],
        ),
        (
            "$[?@[?@.b]]",
            &[r#"[3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}]"#],
        ),
        ("$.o[?@<3, ?@<3]", &["1", "2", "1", "2"]),
        ("$.a[?@<2 || @.b == \"k\"]", &["1", r#"{"b": "k"}"#]),
        ("$.a[?match(@.b, \"[jk]\")]", &[r#"{"b": "j"}"#, r#"{"b": "k"}"#]),
        ("$.a[?search(@.b, \"[jk]\")]", &[r#"{"b": "j"}"#, r#"{"b": "k"}"#, r#"{"b": "kilo"}"#]),
        ("$.o[?@>1 && @<4]", &["2", "3"]),
        ("$.o[?@.u || @.x]", &[r#"{"u": 6}"#]),
        ("$.a[?@.b == $.x]", &["3", "5", "1", "2", "4", "6"]),
        ("$.a[? !@.b && @ > 5 ]", &["6"]),
    ] {
        assert_eq!(found(path, EXAMPLE), expected, "{path}");
    }
    assert_eq!(found("$.a[?@ == @]", EXAMPLE).len(), 10);
}

/// RFC 9535 §2.4.
#[test]
fn functions_are_those_of_the_rfc() {
    let document = r#"[{"a": "\u00e9\ud83d\ude00x", "n": 1}, {"a": [1, 2, 3]}, {"a": {"b": 1}}, {"a": 5},
        {"n": [7, 8]}, {"a": "a\rb"}, {"a": "1974-05-11", "b": "x1974-05-11"}]"#;
    for (filter, positions) in [
        ("length(@.a) == 3", &[0, 1, 5][..]),
        ("length(@.a) == 1", &[2]),
        ("length(@.a) == length($.absent)", &[3, 4]),
        ("length('x') == @.n", &[0]),
        ("count(@.*) == 2", &[0, 6]),
        ("count(@.a.*) >= 1", &[1, 2]),
        ("count($.*) == 7 && @.n", &[0, 4]),
        ("count(@.absent) == 0", &[0, 1, 2, 3, 4, 5, 6]),
        ("value(@..b) == 1", &[2]),
        ("value(@.n.*) == @.absent", &[0, 1, 2, 3, 4, 5, 6]),
        ("value(@.n[?@ > 7]) == 8", &[4]),
        ("match(@.a, '1974-05-..')", &[6]),
        ("match(@.b, '1974-05-..')", &[]),
        ("search(@.b, '1974-05-..')", &[6]),
        ("match(@.a, 'a.b')", &[]),
        ("match(@.a, 'a[^.]b')", &[5]),
        ("match(@.a, '\\\\u00e9.x') || match(@.a, '(?s:é..)')", &[0]),
        ("match(@.a, 'a|b|1.*')", &[6]),
        ("search(@.n, '1') || search('abc', 'b') && @.n == 1", &[0]),
    ] {
        let all = found(&format!("$[?{filter}]"), document);
        let members = found("$[*]", document);
        let expected: Vec<&String> = positions.iter().map(|&at: &usize| &members[at]).collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), expected, "{filter}");
    }
}

#[test]
fn an_error_of_the_document_is_one_of_the_filter() {
    let path = JsonPath::compile("$[?@.a == 1]").unwrap();
    let error = path.first(b"[{\"a\": x}]").unwrap_err();
    assert_eq!((error.kind, error.at), (JsonErrorKind::Unexpected, 7));
    assert!(path.first(b"[{\"b\": 1}, {\"a\": 2}] ").unwrap().is_none());
}

/// The deepest path over the deepest document, in the stack of a test: each filter looks for the innermost
/// array, and only there at the next filter.
#[test]
fn depth_and_work_are_bounded() {
    let innermost = "!@.*".to_owned();
    let filter = (1..MAX_FILTER_DEPTH).fold(innermost, |inner, _| format!("!@.* && $..[?{inner}]"));
    let path = JsonPath::compile(&format!("$..[?{filter}]")).unwrap();
    let deep = ["[".repeat(MAX_JSON_DEPTH), "]".repeat(MAX_JSON_DEPTH)].concat();
    assert_eq!(path.first(deep.as_bytes()).unwrap().unwrap().bytes, b"[]");
    let wide = format!("[{}1]", "[1], ".repeat(5_000));
    let path = JsonPath::compile("$[?count($[?count($[?@ == 2]) > 0]) > 0]").unwrap();
    assert_eq!(path.first(wide.as_bytes()).unwrap_err().kind, JsonErrorKind::TooMuchWork);
}
