//! Samples are what they are samples of.

use super::*;
use crate::{JsonPath, Pattern};

/// Draws that are not all the same.
fn dice(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |count| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % count
    }
}

fn located(path: &str, nth: usize) -> Option<String> {
    let path = JsonPath::compile(path).unwrap();
    let mut document = Document::default();
    let spot = document.locate(&path, nth, &mut dice(1))?;
    assert!(document.set_literal(&spot, b"4711"), "{document:?}");
    let text = document.text();
    let mut found = Vec::new();
    let visited = path.visit(&text, &mut |value| {
        found.push(String::from_utf8_lossy(value.bytes).into_owned());
        std::ops::ControlFlow::Continue(())
    });
    visited.unwrap();
    assert_eq!(
        found.get(nth).map(String::as_str),
        Some("4711"),
        "{}",
        String::from_utf8_lossy(&text)
    );
    Some(String::from_utf8(text).unwrap())
}

#[test]
fn a_path_finds_what_was_put_where_it_leads() {
    for (path, text) in [
        ("$", "4711"),
        ("$.id", r#"{"id":4711}"#),
        ("$['a b'].c", r#"{"a b":{"c":4711}}"#),
        ("$.items[2].id", r#"{"items":[0,0,{"id":4711}]}"#),
        ("$.items[-2]", r#"{"items":[4711,0]}"#),
        ("$[*].id", r#"[{"id":4711}]"#),
        ("$..id", r#"{"id":4711}"#),
        ("$.a[1:3]", r#"{"a":[0,4711]}"#),
        ("$.a[:-1]", r#"{"a":[4711,0]}"#),
        ("$.a[-2:]", r#"{"a":[4711,0]}"#),
        ("$.a[::-1]", r#"{"a":[4711]}"#),
        ("$['x','y']", r#"{"x":4711}"#),
        ("$.a[?@.b == 'c'].id", r#"{"a":[{"b":"c","id":4711}]}"#),
        ("$.a[?@.n > 5 && @.ok == true].id", r#"{"a":[{"n":6,"ok":true,"id":4711}]}"#),
        ("$.a[?3 >= @.n || @.x].id", r#"{"a":[{"n":3,"id":4711}]}"#),
        ("$.a[?@.b]['id']", r#"{"a":[{"b":0,"id":4711}]}"#),
        ("$.a[?!@.gone].id", r#"{"a":[{"id":4711}]}"#),
    ] {
        assert_eq!(located(path, 0).as_deref(), Some(text), "{path}");
    }
    assert_eq!(located("$.a[?match(@.b, 'x[0-9]')].id", 0).map(|text| text.len()), Some(28));
    assert_eq!(located("$[9999999]", 0), None);
    assert_eq!(located("$.a[3:2]", 0), None);
}

#[test]
fn one_of_several_is_put_where_it_is_counted() {
    assert_eq!(located("$.a[*].id", 2).unwrap(), r#"{"a":[{"id":0},{"id":0},{"id":4711}]}"#);
    assert_eq!(
        located("$.a[?@.b == 1].id", 1).unwrap(),
        r#"{"a":[{"b":1,"id":0},{"b":1,"id":4711}]}"#
    );
    assert_eq!(located("$.a[1:]", 1).unwrap(), r#"{"a":[0,0,4711]}"#);
}

#[test]
fn paths_share_what_they_go_through() {
    let mut document = Document::default();
    let mut draw = dice(1);
    for (path, text) in [("$.a[?@.k == 'v'].id", "7"), ("$.a[?@.k == 'v'].b.c", "8"), ("$.d", "9")]
    {
        let path = JsonPath::compile(path).unwrap();
        let spot = document.locate(&path, 0, &mut draw).unwrap();
        assert!(document.is_free(&spot));
        assert!(document.set_text(&spot, text.as_bytes()));
    }
    let spare = document.spare().unwrap();
    assert!(document.set_text(&spare, b"a\"\n"));
    let text = String::from_utf8(document.text()).unwrap();
    assert_eq!(text, r#"{"a":[{"k":"v","id":"7","b":{"c":"8"}}],"d":"9","x0":"a\"\u000a"}"#);
    let through = JsonPath::compile("$.d.e").unwrap();
    assert_eq!(document.locate(&through, 0, &mut draw), None, "a text has no members");
}

#[test]
fn a_pattern_finds_its_samples() {
    for pattern in [
        "^(?:https?://[^/]+)?(/orders/[^/?]+)$",
        "id=([0-9]+)",
        r#"name="csrf" value="([^"]*)""#,
        r"\bword\b",
        "(?i)token: (?P<t>[a-f0-9]{8})",
        "a|b|(c)",
        "x{3,5}y?",
        r"\d{4}-\d\d-\d\d",
        "[^a-zA-Z0-9]",
        "(?-u:\\xff)",
        "é+",
        "^$",
        "(a{10}){20}",
    ] {
        let compiled = Pattern::compile(pattern).unwrap();
        let mut sampler = Sampler::new(&compiled).unwrap();
        for seed in 0..5 {
            let found = sampler.sample(&mut dice(seed)).unwrap_or_else(|| panic!("{pattern}"));
            let first = compiled.first(&mut compiled.cache(), &found.text);
            assert_eq!(first, Some(found.value.clone()), "{pattern}");
            assert!(!found.value.is_empty() || pattern == "^$", "{pattern}: {found:?}");
            assert!(sampler.finds(&found.text));
        }
    }
    let mut whole = Sampler::new(&Pattern::compile("^a.*z$").unwrap()).unwrap();
    assert!(whole.is_of_start() && whole.is_of_end() && !whole.finds(b"b"));
    let mut none = Sampler::new(&Pattern::compile("[a&&b]").unwrap()).unwrap();
    assert_eq!(none.sample(&mut dice(1)), None);
}

#[test]
fn numbers_have_neighbours() {
    let next = |number: &str| {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (above(number.as_bytes()).map(text), below(number.as_bytes()).map(text))
    };
    assert_eq!(next("5"), (Some("6".to_owned()), Some("4".to_owned())));
    assert_eq!(next("-5.5"), (Some("-4".to_owned()), Some("-6".to_owned())));
    assert_eq!(next("1e3"), (None, None));
}

#[cfg(feature = "html")]
#[test]
fn a_selector_matches_its_samples() {
    use crate::Html;

    for selector in [
        "input",
        "input[name=\"csrf\"]",
        "form > input[name=csrf]",
        "#main .row td.id",
        "a[href^='/x' i]",
        "ul > li:nth-child(3)",
        "div p.x:first-child, b",
        "*[data-id]",
        "p:not(.y)",
    ] {
        let html = Html::attribute_of(selector, "value").unwrap();
        let page = html.sample("a\"<&b").unwrap_or_else(|| panic!("{selector}"));
        assert_eq!(html.first(page.as_bytes()).unwrap().as_deref(), Some("a\"<&b"), "{page}");
    }
    let text = Html::text_of("div.total > b").unwrap();
    let page = text.sample("1 < 2").unwrap();
    assert_eq!(page, "<div class=\"total\"><b>1 &lt; 2</b></div>");
    assert_eq!(text.first(page.as_bytes()).unwrap().as_deref(), Some("1 < 2"));
    assert_eq!(Html::text_of("b:last-child").ok().and_then(|html| html.sample("x")), None);
}
