//! JSON paths over the bytes of a document find what an independent library finds in its tree.
//!
//! Without `count` and `value`: to the library, that of no node is null and a count of nothing is missing.
//! `json_filters` has them.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::ops::ControlFlow;

use jsonpath_rust::JsonPath as _;
use proptest::prelude::*;
use serde_json::Value as Tree;
use z6_extract::JsonPath;

/// Names that documents and paths share, so that paths find something.
const NAMES: &[&str] = &["a", "b", "id", "a b", "é", "q\"\\/", "o'k", "\u{1}", ""];

fn scalars() -> impl Strategy<Value = Tree> {
    prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i32>().prop_map(Tree::from),
        any::<i16>().prop_map(|quarters| Tree::from(f64::from(quarters) / 4.0)),
        "[a-c\u{0}\"\\\\é😀]{0,3}".prop_map(Tree::from),
    ]
}

fn documents() -> impl Strategy<Value = Tree> {
    scalars().prop_recursive(5, 60, 6, |inner| {
        let name = prop::sample::select(NAMES).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

fn quoted(name: &str) -> String {
    serde_json::to_string(name).unwrap()
}

/// Paths that find one value at most, and others, from the value that a filter looks at.
fn queries() -> impl Strategy<Value = (String, String)> {
    let root = prop::sample::select(vec!["@", "@", "@", "$"]);
    let step = prop::sample::select(vec![".a", ".b", ".id", "[0]", "[-1]", "['a b']"]);
    let others = prop::sample::select(vec!["", ".*", "..a", "[0, 'a']", "[1:]", "[?@.a]"]);
    (root, prop::collection::vec(step, 0..3), others).prop_map(|(root, steps, others)| {
        let one = format!("{root}{}", steps.concat());
        // To the library, a filter right behind `@` is one of the value itself and not of its children.
        let all = if one == "@" && others.starts_with("[?") { ".*" } else { "" };
        (one.clone(), format!("{one}{all}{others}"))
    })
}

fn literals() -> impl Strategy<Value = String> {
    prop_oneof![
        scalars()
            .prop_filter("plain", |tree| !tree.to_string().contains('\\'))
            .prop_map(|t| t.to_string()),
        (-3..3_i32).prop_map(|i| i.to_string()),
        Just("'a'".to_owned()),
    ]
}

fn comparables() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => queries().prop_map(|(one, _)| one),
        4 => literals(),
        1 => queries().prop_map(|(one, _)| format!("length({one})")),
    ]
}

fn filters() -> impl Strategy<Value = String> {
    let sign = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let pattern = prop::sample::select(vec!["a", "[a-b]+", "a.*", "b|c", ".", "^a", "é$"]);
    let function = prop::sample::select(vec!["match", "search"]);
    let test = prop_oneof![
        5 => (comparables(), sign, comparables()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        2 => queries().prop_map(|(_, any)| any),
        1 => queries().prop_map(|(_, any)| format!("!{any}")),
        1 => (function, queries(), pattern).prop_map(|(f, (one, _), p)| format!("{f}({one}, '{p}')")),
    ];
    test.prop_recursive(2, 6, 3, |inner| {
        let sign = prop::sample::select(vec![" && ", " || "]);
        prop_oneof![
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("{a}{sign}{b}")),
            inner.clone().prop_map(|inside| format!("({inside})")),
            inner.prop_map(|inside| format!("!({inside})")),
        ]
    })
}

fn selectors() -> impl Strategy<Value = String> {
    let position = || prop_oneof![Just(String::new()), (-5..6_i32).prop_map(|i| i.to_string())];
    let step = prop::sample::select(vec!["", ":", ":1", ":2", ":-1", ":-2"]);
    prop_oneof![
        3 => prop::sample::select(NAMES).prop_map(quoted),
        2 => (-4..5_i32).prop_map(|i| i.to_string()),
        2 => (position(), position(), step).prop_map(|(a, b, step)| format!("{a}:{b}{step}")),
        1 => Just("*".to_owned()),
        3 => filters().prop_map(|filter| format!("?{filter}")),
    ]
}

fn segments() -> impl Strategy<Value = String> {
    let brackets = prop::collection::vec(selectors(), 1..3).prop_map(|all| all.join(" , "));
    let brackets = brackets.prop_map(|inside| format!("[{inside}]")).boxed();
    let name = prop::sample::select(vec!["a", "b", "id", "é", "*"]);
    prop_oneof![
        4 => brackets.clone(),
        3 => name.clone().prop_map(|name| format!(".{name}")),
        1 => brackets.prop_map(|brackets| format!("..{brackets}")),
        1 => name.prop_map(|name| format!("..{name}")),
    ]
}

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(segments(), 0..4).prop_map(|segments| format!("${}", segments.concat()))
}

/// What is found, each value read again as a tree.
fn found(path: &str, document: &str) -> Vec<Tree> {
    let mut all: Vec<Tree> = Vec::new();
    let compiled = JsonPath::compile(path).unwrap();
    let visited = compiled.visit(document.as_bytes(), &mut |value| {
        let is_text = value.kind == z6_extract::Kind::Text;
        let text = std::str::from_utf8(value.bytes).unwrap();
        let json = if is_text { format!("\"{text}\"") } else { text.to_owned() };
        all.push(serde_json::from_str(&json).unwrap());
        if is_text {
            let mut plain = Vec::new();
            value.append_to(&mut plain);
            assert_eq!(all.last().unwrap().as_str().map(str::as_bytes), Some(&plain[..]));
        }
        ControlFlow::Continue(())
    });
    visited.unwrap();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn paths_find_what_the_library_finds(tree in documents(), path in paths(), pretty: bool) {
        let mut expected: Vec<Tree> = tree.query(&path).unwrap().into_iter().cloned().collect();
        let text =
            if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
        let mut found = found(&path, &text.unwrap());
        // The library evaluates a union selector by selector over all nodes, and not node by node as
        // RFC 9535 §2.1.2 says: the order is that of the RFC only without unions.
        if path.contains(" , ") {
            expected.sort_by_key(Tree::to_string);
            found.sort_by_key(Tree::to_string);
        }
        prop_assert_eq!(found, expected);
    }
}
