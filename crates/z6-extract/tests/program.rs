//! Programs find what a scenario asks for, or say why there is nothing.
#![allow(clippy::unwrap_used, reason = "tests may")]

use z6_extract::limits::{MAX_LIST_BYTES, MAX_LIST_ITEMS, MAX_MATCHES, MAX_VALUE_BYTES};
use z6_extract::{
    Between, JsonError, JsonErrorKind, JsonPath, Kind, List, Missing, Pattern, Program, Response,
    Select, Source,
};

const FIELDS: &[(&[u8], &[u8])] = &[
    (b"Content-Type", b"text/html"),
    (b"set-cookie", b"sid=31; Path=/"),
    (b"Set-Cookie", b"theme=dark"),
    (b"SET-COOKIE", b"sid=32; HttpOnly"),
    (b"X-Empty", b""),
];

const TRAILERS: &[(&[u8], &[u8])] = &[(b"Checksum", b"ab12")];

fn response(body: &[u8]) -> Response<'_> {
    Response { status: 201, url: b"http://h/a?b", fields: FIELDS, trailers: TRAILERS, body }
}

fn json(path: &str) -> Source {
    Source::Json(JsonPath::compile(path).unwrap())
}

fn pattern(text: &str) -> Source {
    Source::Pattern(Pattern::compile(text).unwrap())
}

fn between(before: &str, after: &str) -> Source {
    Source::Between(Between::new(before.as_bytes(), after.as_bytes()).unwrap())
}

fn run(program: &Program, body: &str) -> Result<(Kind, String), Missing> {
    let mut scratch = program.scratch();
    let run = |scratch: &mut _| {
        let value = program.run(&response(body.as_bytes()), scratch, |count| count / 2)?;
        Ok((value.kind, String::from_utf8(value.bytes.to_vec()).unwrap()))
    };
    let first = run(&mut scratch);
    assert_eq!(run(&mut scratch), first, "a second time");
    first
}

fn text(source: Source, body: &str) -> Result<String, Missing> {
    run(&Program::new(source), body).map(|(_, value)| value)
}

fn is(value: &str) -> Result<String, Missing> {
    Ok(value.to_owned())
}

#[test]
fn values_come_from_every_part_of_a_response() {
    let body = r#"{"id": "a\u0062", "n": [1.50, null]}"#;
    assert_eq!(text(json("$.id"), body), is("ab"));
    assert_eq!(text(pattern(r#""n": \[([^,]+)"#), body), is("1.50"));
    assert_eq!(text(between("[", ","), body), is("1.50"));
    assert_eq!(text(Source::Header("content-TYPE".into()), body), is("text/html"));
    assert_eq!(text(Source::Header("X-Empty".into()), body), is(""));
    assert_eq!(text(Source::Trailer("checksum".into()), body), is("ab12"));
    assert_eq!(text(Source::Cookie("sid".into()), body), is("31"));
    assert_eq!(text(Source::Cookie("SID".into()), body), Err(Missing::NotFound));
    assert_eq!(text(Source::Body, body), is(body));
    assert_eq!(text(Source::Url, body), is("http://h/a?b"));
    assert_eq!(run(&Program::new(Source::Status), body), Ok((Kind::Number, "201".to_owned())));
}

#[cfg(feature = "html")]
#[test]
fn values_come_from_pages() {
    use z6_extract::Html;
    let page = "<form><input name=csrf value='a&amp;b'></form><p>x</p>";
    let html = Html::attribute_of("input[name=csrf]", "value").unwrap();
    assert_eq!(text(Source::Html(html), page), is("a&b"));
    let html = Source::Html(Html::text_of("p").unwrap());
    assert_eq!(text(html.clone(), page), is("x"));
    assert_eq!(text(html, "<b>x</b>"), Err(Missing::NotFound));
}

#[test]
fn kinds_are_those_of_the_json() {
    let body = r#"[1e5, true, false, {"a": 1}, ["\n"], null, ""]"#;
    let at = |i: usize| run(&Program::new(json(&format!("$[{i}]"))), body);
    for (i, kind, value) in [
        (0, Kind::Number, "1e5"),
        (1, Kind::True, "true"),
        (2, Kind::False, "false"),
        (3, Kind::Object, r#"{"a": 1}"#),
        (4, Kind::Array, r#"["\n"]"#),
        (6, Kind::Text, ""),
    ] {
        assert_eq!(at(i), Ok((kind, value.to_owned())));
    }
    assert_eq!(at(5), Err(Missing::Null));
    assert_eq!(at(7), Err(Missing::NotFound));
}

#[test]
fn one_of_several_is_chosen() {
    let choose = |source: Source, body: &str| {
        let select = |select| {
            run(&Program::new(source.clone()).select(select), body).map(|(_, value)| value)
        };
        let all = [Select::First, Select::Nth(2), Select::Drawn, Select::Last, Select::Nth(4)];
        all.map(select)
    };
    let expected = [is("1"), is("3"), is("3"), is("4"), Err(Missing::NotFound)];
    assert_eq!(choose(json("$[*]"), "[1,2,3,4]"), expected);
    assert_eq!(choose(pattern("[0-9]"), "1 2 3 4"), expected);
    assert_eq!(choose(between("<", ">"), "<1><2><3><4>"), expected);
    let nothing = [0; 5].map(|_| Err(Missing::NotFound));
    assert_eq!(choose(json("$[*]"), "[]"), nothing);
    let last = Program::new(Source::Cookie("sid".into())).select(Select::Last);
    assert_eq!(run(&last, "").unwrap().1, "32");
}

#[test]
fn a_pattern_may_follow_any_source() {
    let then = |source: Source, select: Select, body: &str| {
        let digits = Pattern::compile("b=([0-9é]+)").unwrap();
        run(&Program::new(source).then(digits).select(select), body).map(|(_, value)| value)
    };
    let body = r#"["b=1 b=2", "x", "b=\u00e9", "b=3"]"#;
    assert_eq!(then(json("$[*]"), Select::First, body), is("1"));
    assert_eq!(then(json("$[*]"), Select::Nth(1), body), is("é"));
    assert_eq!(then(json("$[*]"), Select::Last, body), is("3"));
    assert_eq!(then(json("$[1]"), Select::First, body), Err(Missing::NotFound));
    assert_eq!(then(Source::Body, Select::Drawn, "b=7"), is("7"));
    let theme = Pattern::compile("^theme=(.*)").unwrap();
    let program = Program::new(Source::Header("Set-Cookie".into())).then(theme);
    assert_eq!(run(&program, "").unwrap().1, "dark");
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    let wrong = |at, kind| Err(Missing::Json(JsonError { at, kind }));
    assert_eq!(text(json("$.a"), ""), wrong(0, JsonErrorKind::EndsEarly));
    assert_eq!(text(json("$.a"), "<html>"), wrong(0, JsonErrorKind::Unexpected));
    assert_eq!(text(json("$.b"), r#"{"a": 1} x"#), wrong(9, JsonErrorKind::TrailingBytes));
    assert_eq!(text(json("$.b"), r#"{"a": 01}"#), wrong(7, JsonErrorKind::Unexpected));
    let half = text(json("$.b"), r#"{"a": 01}"#).unwrap_err().to_string();
    assert_eq!(half, "the body: not JSON (byte 8)");
    // What lies behind the value is not read.
    assert_eq!(text(json("$.a"), r#"{"a": 1, broken"#), is("1"));
    assert_eq!(text(json("$"), "\u{feff} 1 "), is("1"));
}

#[test]
fn values_are_bounded() {
    let body = format!("\"{}\"", "x".repeat(MAX_VALUE_BYTES));
    assert_eq!(text(json("$"), &body).unwrap().len(), MAX_VALUE_BYTES);
    let too_long = Err(Missing::TooLong { bytes_max: MAX_VALUE_BYTES });
    assert_eq!(text(json("$"), &format!("\"x{}", &body[1..])), too_long);
    assert_eq!(text(Source::Body, &body), too_long);
    let short = Program::new(json("$")).value_bytes_max(2);
    assert_eq!(run(&short, r#""\u0041\u00e9""#), Err(Missing::TooLong { bytes_max: 2 }));
    assert_eq!(run(&short, r#""\u0041\u0042""#).unwrap().1, "AB");
}

#[test]
fn matches_are_bounded() {
    let body = "1 ".repeat(MAX_MATCHES);
    let last = Program::new(pattern("[0-9]")).select(Select::Last);
    assert_eq!(run(&last, &body).unwrap().1, "1");
    assert_eq!(run(&last, &format!("{body}1")), Err(Missing::TooManyMatches));
}

#[test]
fn lists_have_all_values() {
    let all = |source: Source, body: &str| {
        let program = Program::new(source).select(Select::Last);
        let (mut scratch, mut list) = (program.scratch(), List::new());
        let response = response(body.as_bytes());
        program.run_all(&response, &mut scratch, &mut list)?;
        let before: Vec<_> = list.iter().map(|value| (value.kind, value.bytes.to_vec())).collect();
        program.run_all(&response, &mut scratch, &mut list)?;
        assert_eq!(list.len(), before.len(), "it is emptied first");
        let item = |(kind, bytes)| (kind, String::from_utf8(bytes).unwrap());
        Ok(before.into_iter().map(item).collect::<Vec<_>>())
    };
    let found = all(json("$[*]"), r#"["a\u0062", 1, null, ""]"#).unwrap();
    let expected =
        [(Kind::Text, "ab"), (Kind::Number, "1"), (Kind::Null, "null"), (Kind::Text, "")];
    assert_eq!(found, expected.map(|(kind, text)| (kind, text.to_owned())));
    assert_eq!(all(json("$[*]"), "[]"), Ok(Vec::new()));

    let ones = |count: usize| format!("[1{}]", ",1".repeat(count - 1));
    assert_eq!(all(json("$[*]"), &ones(MAX_LIST_ITEMS)).unwrap().len(), MAX_LIST_ITEMS);
    assert_eq!(all(json("$[*]"), &ones(MAX_LIST_ITEMS + 1)), Err(Missing::ListTooLong));
    let item = format!("\"{}\"", "x".repeat(MAX_VALUE_BYTES));
    let items = |count: usize| format!("[{}]", vec![&*item; count].join(","));
    let most = MAX_LIST_BYTES / MAX_VALUE_BYTES;
    assert_eq!(all(json("$[*]"), &items(most)).unwrap().len(), most);
    assert_eq!(all(json("$[*]"), &items(most + 1)), Err(Missing::ListTooLong));
}

#[test]
fn a_failed_list_is_empty() {
    let program = Program::new(json("$[*]"));
    let (mut scratch, mut list) = (program.scratch(), List::new());
    program.run_all(&response(b"[1,2]"), &mut scratch, &mut list).unwrap();
    assert_eq!(list.item(1).map(|value| value.bytes), Some(&b"2"[..]));
    assert_eq!(list.item(2), None);
    assert!(program.run_all(&response(b"[1,2"), &mut scratch, &mut list).is_err());
    assert!(list.is_empty());
}

#[test]
fn hostile_documents_end_in_bounded_time() {
    let work = JsonErrorKind::TooMuchWork;
    // Every selector finds what the others find: without a bound, 10^11 values.
    let path = format!("${}", "..*".repeat(12));
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let last = Program::new(json(&path)).select(Select::Last);
    let Err(Missing::Json(JsonError { kind, .. })) = run(&last, &deep) else { panic!() };
    assert_eq!(kind, work);
    let path = format!("$[{}]", vec!["::-1"; 50].join(","));
    let long = format!("[0{}]", ",0".repeat(20_000));
    let last = Program::new(json(&path)).select(Select::Last);
    let Err(Missing::Json(JsonError { kind, .. })) = run(&last, &long) else { panic!() };
    assert_eq!(kind, work);
    let opened = "[".repeat(1_000_000);
    let Err(Missing::Json(error)) = text(json("$..a"), &opened) else { panic!() };
    assert_eq!(error.kind, JsonErrorKind::TooDeep);
}

#[test]
fn programs_are_shared_by_workers() {
    fn is_shared<T: Send + Sync>() {}
    fn is_sent<T: Send>() {}
    is_shared::<Program>();
    is_sent::<z6_extract::Scratch>();
    is_sent::<z6_extract::Jar>();
    is_shared::<z6_extract::rows::Table>();
}

#[test]
fn only_some_sources_read_the_body() {
    assert!(Program::new(json("$")).reads_body() && Program::new(Source::Body).reads_body());
    assert!(!Program::new(Source::Status).reads_body());
    assert!(!Program::new(Source::Cookie("a".into())).reads_body());
}
