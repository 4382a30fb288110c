//! Checks by examples: what passes, what fails, what cannot be read, and what is wrong where.

use proptest::prelude::*;
use z6_extract::{JsonErrorKind, Response};
use z6_http::ContentError;
use z6_http::template::{Value, ValueId, Values};

use super::{Body, Check, Outcome, Unreadable};
use crate::expression::ExpressionError;

const NAMES: [&str; 7] = ["id", "users.email", "param.x", "unset", "ok", "vu", "ids"];

struct Fixed;

impl Values for Fixed {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        match id.0 {
            0 => Some(Value::literal(b"7.0")),
            1 => Some(Value::text(b"ann<1>@example.test")),
            2 => Some(Value::text(b"7")),
            4 => Some(Value::literal(b"true")),
            5 => Some(Value::literal(b"12")),
            6 => Some(Value::literal(b"[1,\"a\",[2,3]]")),
            _ => None,
        }
    }
}

fn compile(text: &str) -> Result<Check, ExpressionError> {
    let find = |name: &str| NAMES.iter().position(|known| *known == name);
    Check::compile(text, &mut |name| find(name).map(|at| ValueId(at as u16)))
}

const JSON: &[u8] = br#"{"id": 7, "name": "caf\u00e9", "price": 1e2, "none": null, "ok": true,
    "big": 9007199254740993, "list": [1, {"a": 2}], "same": [1.0, {"a": 2}], "digits": "7"}"#;

fn outcome(text: &str, body: &[u8], state: Body) -> Outcome {
    let check = compile(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
    let fields = [
        (&b"content-type"[..], &b"application/json; charset=utf-8"[..]),
        (b"ETag", b"\"abc\""),
        (b"Set-Cookie", b"sid=1234; Path=/"),
        (b"ETag", b"second"),
    ];
    let trailers = [(&b"Digest"[..], &b"x=y"[..])];
    let response =
        Response { status: 201, fields: &fields, trailers: &trailers, body, url: b"/orders" };
    let mut scratch = check.scratch();
    let first = check.test(&response, state, &Fixed, &mut scratch);
    assert_eq!(check.test(&response, state, &Fixed, &mut scratch), first, "{text}");
    first
}

#[track_caller]
fn passes(texts: &[&str]) {
    for text in texts {
        assert_eq!(outcome(text, JSON, Body::Whole), Outcome::Passed, "{text}");
    }
}

#[track_caller]
fn fails(texts: &[&str]) {
    for text in texts {
        assert_eq!(outcome(text, JSON, Body::Whole), Outcome::Failed, "{text}");
    }
}

#[test]
fn all_parts_of_a_response_are_read() {
    passes(&[
        "status == 201 && status in [200, 201.0] && status != 200",
        "200 <= status && status < 300 && status > -1",
        "header(\"Content-Type\") ~ \"application/json\"",
        "header('etag') == '\"abc\"' && header(\"X\") == none",
        "trailer(\"digest\") in [\"x\", \"x=y\"] && cookie(\"sid\") == \"1234\"",
        "cookie(\"other\") == none && cookie(\"other\") in [\"a\", none]",
        "body ~ \"caf\" && text() contains \"price\" && body_bytes > 100",
        "body matches \"\\\"id\\\": *\\\\d+,\" && !(body matches '^x')",
    ]);
    fails(&[
        "status == 200",
        "header(\"etag\") == \"second\"",
        "body ~ \"Caf\"",
        "body_bytes < 100",
        "trailer(\"etag\") != none",
    ]);
}

const LIST: &str = "`count` takes the name of a value that is a list, such as one of an `extract` with \
                    `select = \"all\"`: `count(ids)`";

#[test]
fn texts_are_compared_as_numbers_where_that_is_asked_for() {
    passes(&[
        "json(\"$.id\") == number(param.x) && json(\"$.id\") != param.x",
        "number(param.x) == 7 && number(param.x) == number(id) && number(param.x) > 6.9",
        "number(param.x) in [6, 7] && number(vu) == 12",
        "number(users.email) == none && number(unset) == none && number(ok) == none",
        "count(ids) == 3 && count(ids) > 2 && count(id) == none && count(unset) == none",
    ]);
    fails(&["number(users.email) == 7", "count(ids) == 2", "count(param.x) >= 0"]);
    for (text, kind) in [
        ("number(\"7\") == 7", "`number` takes the name of a value: `number(users.age)`"),
        ("count() == 7", LIST),
        ("count(json(\"$.ids\")) == 7", LIST),
        ("number(absent) == 7", "unknown field `absent`"),
        ("header(id) == \"x\"", "expected a text in quotes, found `id`"),
        ("number(id) ~ \"7\"", "`number(id)` cannot be compared with `contains`"),
    ] {
        let error = compile(text).unwrap_err();
        assert_eq!(error.kind.to_string(), kind, "{text}");
    }
}

#[test]
fn digits_of_numbers_may_have_zeros_before_them() {
    for (text, number) in
        [("7", "7"), ("007", "7"), ("-00.50", "-0.50"), ("0", "0"), ("1e3", "1e3")]
    {
        let mut out = Vec::new();
        assert!(super::term::push_number(text.as_bytes(), &mut out), "{text}");
        assert_eq!(out, number.as_bytes());
    }
    for text in ["", "-", "x", "7x", " 7", "+7", ".5", "7.", "1e", "true", "\"7\"", "0x1"] {
        assert!(!super::term::push_number(text.as_bytes(), &mut Vec::new()), "{text}");
    }
}

#[test]
fn values_of_json_keep_their_digits() {
    passes(&[
        "json(\"$.id\") == 7 && json(\"$.id\") == 7.00 && json(\"$.price\") == 100",
        "json(\"$.big\") == 9007199254740993 && json(\"$.big\") != 9007199254740992",
        "json(\"$.big\") > 9007199254740992.999 && json(\"$.id\") in [5, 6, 7]",
        "json(\"$.name\") == \"café\" && json(\"$.name\") ~ \"é\"",
        "json(\"$.name\") matches '^caf.$'",
        "json(\"$.ok\") == true && json(\"$.ok\") != false && json(\"$.id\") != true",
        "json(\"$.none\") == none && json(\"$.missing\") == none && json(\"$.id\") != none",
        "json(\"$.list\") == json(\"$.same\") && json(\"$.list\") != json(\"$.id\")",
        "json(\"$.digits\") != 7 && json(\"$.digits\") == \"7\" && json(\"$.id\") != \"7\"",
        "json(\"$.list[-1].a\") == 2 && json(\"$.list[?@ == 1.0]\") == 1",
        "json(\"$[?match(@, 'caf.')]\") == \"café\" && id in [json(\"$.big\"), json(\"$.id\")]",
    ]);
    fails(&[
        "json(\"$.digits\") > 6",
        "json(\"$.id\") ~ \"7\"",
        "json(\"$.none\") < 1",
        "json(\"$.none\") == json(\"$.missing\")",
        "json(\"$.missing\") in [1, \"a\"]",
    ]);
}

#[test]
fn values_of_the_scenario_are_compared_and_filled_in() {
    passes(&[
        "json(\"$.id\") == id && id == 7 && id != \"7\" && id < 7.5",
        "json(\"$.digits\") == param.x && \"7\" == param.x && param.x != 7",
        "users.email ~ \"@\" && users.email != \"<\"",
        "json(\"$.ok\") == ok && ok == true && vu == 12",
        "json(\"$.name\") != \"{{users.email | html}}\"",
        "param.x == \"{{ unset | default(\\\"7\\\") }}\" || true == ok",
        "unset == none && unset != 1 && unset != \"{{unset}}\" && param.x != \"{{unset}}\"",
        "id in [1, 7, none] && unset in [1, none]",
        "body ~ '\"id\": {{param.x}},' && vu in [\"12\", vu]",
    ]);
    fails(&["unset == unset", "body ~ \"{{unset}}\"", "unset ~ \"\"", "unset in [1]"]);
    let page = b"<p>ann&lt;1&gt;@example.test</p>";
    let greets = outcome("body ~ \"{{users.email | html}}\"", page, Body::Whole);
    assert_eq!(greets, Outcome::Passed);
}

#[test]
fn a_body_that_cannot_be_read_fails_what_reads_it() {
    let not_json = |text| match outcome(text, b"{\"id\": x}", Body::Whole) {
        Outcome::Unreadable(Unreadable::Json(error)) => (error.kind, error.at),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(not_json("json(\"$.id\") == 1"), (JsonErrorKind::Unexpected, 7));
    assert_eq!(not_json("!(json(\"$.id\") == none)").0, JsonErrorKind::Unexpected);
    assert_eq!(not_json("status == 1 || json(\"$.a\") != 1").0, JsonErrorKind::Unexpected);
    let empty = outcome("json(\"$.id\") != none", b"", Body::Whole);
    assert!(matches!(empty, Outcome::Unreadable(Unreadable::Json(_))));
    let corrupt = ContentError::Corrupt;
    for (state, expected) in [
        (Body::TooLarge, Unreadable::TooLarge),
        (Body::Undecodable(corrupt), Unreadable::Undecodable(corrupt)),
    ] {
        for text in ["body != \"x\"", "text() ~ \"\"", "body_bytes > 0", "json(\"$\") != none"] {
            assert_eq!(outcome(text, JSON, state), Outcome::Unreadable(expected), "{text}");
        }
        assert_eq!(
            outcome("status == 201 && cookie(\"sid\") ~ \"1\"", b"", state),
            Outcome::Passed
        );
        // Only if the answer depends on it.
        assert_eq!(outcome("status == 201 || body ~ \"x\"", b"", state), Outcome::Passed);
        assert_eq!(outcome("status != 201 && body ~ \"x\"", b"", state), Outcome::Failed);
    }
}

#[test]
fn what_is_read_is_known_beforehand() {
    let reads = |text: &str| {
        let check = compile(text).unwrap();
        [check.reads_body(), check.reads_json(), check.reads_fields()]
    };
    assert_eq!(reads("status == 200"), [false; 3]);
    assert_eq!(reads("body_bytes == 0 || id == 1"), [true, false, false]);
    assert_eq!(reads("!(1 == json(\"$\"))"), [true, true, false]);
    assert_eq!(reads("id in [1, json(\"$\")]"), [true, true, false]);
    assert_eq!(reads("header(\"a\") == none"), [false, false, true]);
    assert_eq!(reads("id == trailer(\"a\") || cookie(\"a\") ~ \"b\""), [false, false, true]);
    let check = compile("id == vu && body ~ \"{{users.email}}{{id}}\" || ok in [vu, \"{{ok}}\"]");
    let check = check.unwrap();
    let values: Vec<u16> = check.values().map(|id| id.0).collect();
    assert_eq!(values, [0, 5, 1, 0, 4, 5, 4]);
}

#[test]
fn known_values_are_no_longer_asked_for() {
    let text = "unset == 5 && body ~ \"n={{unset}};\" && id == 7";
    let check = compile(text).unwrap();
    let folded = check.clone().fold(&mut |id| (id.0 == 3).then(|| (b"5".to_vec(), false)));
    assert_eq!(folded.values().collect::<Vec<_>>(), [ValueId(0)]);
    assert!(folded != check && folded == folded.clone());
    let response = Response { body: b"n=5;", ..Response::default() };
    let outcome = folded.test(&response, Body::Whole, &Fixed, &mut folded.scratch());
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn errors_say_what_and_where() {
    let texts = [
        "",
        "status = 200",
        "status == 200 and body ~ \"x\"",
        "not (status == 200)",
        "stats == 200",
        "tokn == 1",
        "status == tokn",
        "heder(\"X\") == \"1\"",
        "header(\"Content-Type:\") ~ \"json\"",
        "header() == \"1\"",
        "text(\"x\") == \"1\"",
        "json() == 1",
        "json(\"$.a[\") == 1",
        "json('$.items[0') == 1",
        "json($.a) == 1",
        "json(\"$.a\"",
        "json(\"$.ok\")",
        "status == \"200\"",
        "status == true",
        "status ~ \"2\"",
        "status == none",
        "header(\"A\") == 5",
        "header(\"A\") < \"b\"",
        "json(\"$.a\") < \"b\"",
        "json(\"$.a\") < header(\"A\")",
        "status == header(\"A\")",
        "body ~ id",
        "body ~ 5",
        "body matches \"(\"",
        "body ~ \"{{tokn}}\"",
        "body ~ \"a{{ id | lowr }}\"",
        "body ~ \"\\\"{{tokn}}\"",
        "1 == 1",
        "status in [200, \"x\"]",
        "status == 200ms",
        "status == 2 < 3",
        "users.mail == \"x\"",
    ];
    let shown: Vec<String> =
        texts.iter().map(|text| compile(text).expect_err(text).render(text)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

/// An expression that holds or not for a status of 201 and [`JSON`], and how strongly its outermost sign
/// binds: 0 for `||`, 1 for `&&`, 2 for all else.
type Known = (String, bool, u8);

fn number_tests() -> impl Strategy<Value = Known> {
    let field = prop::sample::select(vec![
        ("status", 2_010_i64),
        ("json(\"$.id\")", 70),
        ("json('$.price')", 1_000),
        ("id", 70),
        ("vu", 120),
    ]);
    let sign = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    (field, sign, -30..2_100_i64, any::<bool>()).prop_map(|((name, tenths), sign, other, swap)| {
        let literal = format!(
            "{}{}.{}",
            if other < 0 { "-" } else { "" },
            other.abs() / 10,
            other.abs() % 10
        );
        let (left, right) = if swap { (other, tenths) } else { (tenths, other) };
        let holds = match sign {
            "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            _ => left >= right,
        };
        let text = match swap {
            true => format!("{literal} {sign} {name}"),
            false => format!("{name} {sign} {literal}"),
        };
        (text, holds, 2)
    })
}

fn text_tests() -> impl Strategy<Value = Known> {
    let field = prop::sample::select(vec![
        ("json(\"$.name\")", "café"),
        ("header(\"etag\")", "\"abc\""),
        ("param.x", "7"),
        ("users.email", "ann<1>@example.test"),
    ]);
    (field, "[a-c7é\"'\\\\]{0,2}", 0..4_u8).prop_map(|((name, value), part, kind)| {
        let quoted: String = part
            .chars()
            .map(|c| if c == '"' || c == '\\' { format!("\\{c}") } else { c.into() })
            .collect();
        let (text, holds) = match kind {
            0 => (format!("{name} ~ \"{quoted}\""), value.contains(&part)),
            1 => (format!("{name} == \"{quoted}\""), value == part),
            2 => (format!("{name} in [\"x\", \"{quoted}\", none]"), value == part),
            _ => (format!("\"{quoted}\" != {name}"), value != part),
        };
        (text, holds, 2)
    })
}

fn known() -> impl Strategy<Value = Known> {
    let inside = |(text, _, binds): &Known, least: u8| match *binds < least {
        true => format!("({text})"),
        false => text.clone(),
    };
    prop_oneof![number_tests(), text_tests()].prop_recursive(5, 24, 2, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| {
                (format!("{} || {}", inside(&a, 0), inside(&b, 0)), a.1 || b.1, 0)
            }),
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| {
                (format!("{}&&{}", inside(&a, 1), inside(&b, 1)), a.1 && b.1, 1)
            }),
            inner.clone().prop_map(|(text, holds, _)| (format!("!({text})"), !holds, 2)),
            inner.prop_map(|(text, holds, _)| (format!("( {text} )"), holds, 2)),
        ]
    })
}

proptest! {
    #[test]
    fn the_outcome_is_that_of_its_parts((text, holds, _) in known()) {
        let expected = if holds { Outcome::Passed } else { Outcome::Failed };
        prop_assert_eq!(outcome(&text, JSON, Body::Whole), expected, "{}", text);
    }
}
