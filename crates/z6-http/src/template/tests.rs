//! What templates make of values, place by place.

use proptest::prelude::*;

use super::{
    FillError, Filled, FoldError, Template, TemplateErrorKind, TextKind, Value, ValueId, Values,
};

const NAMES: [&str; 4] = ["text", "users.email", "number", "unset"];

struct Fixed {
    text: Vec<u8>,
}

impl Values for Fixed {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        match id.0 {
            0 => Some(Value::text(&self.text)),
            1 => Some(Value::text(b"a@example.test")),
            2 => Some(Value::literal(b"1.50")),
            _ => None,
        }
    }
}

fn find(name: &str) -> Option<ValueId> {
    NAMES.iter().position(|known| *known == name).map(|i| ValueId(i as u16))
}

fn compile(text: &str, kind: TextKind) -> Template {
    Template::compile(text, kind, find).unwrap()
}

fn rendered(template: &Template, text: &[u8]) -> Result<String, FillError> {
    let mut filled = Filled::default();
    let values = Fixed { text: text.to_vec() };
    let part = template.fill(&values, &mut filled)?;
    let mut out = Vec::new();
    template.write(&filled, &part, &mut out);
    assert_eq!(out.len(), template.length(&part));
    Ok(String::from_utf8(out).unwrap())
}

fn render(text: &str, kind: TextKind, value: &str) -> String {
    rendered(&compile(text, kind), value.as_bytes()).unwrap()
}

fn error(text: &str) -> (usize, TemplateErrorKind) {
    let error = Template::compile(text, TextKind::Plain, find).unwrap_err();
    (error.offset, error.kind)
}

#[test]
fn a_text_without_placeholders_stays_as_it_is() {
    let template = compile("{ } {x} }} ${y}", TextKind::Plain);
    assert!(template.is_fixed());
    assert_eq!(rendered(&template, b"").unwrap(), "{ } {x} }} ${y}");
}

#[test]
fn each_place_escapes_what_would_have_a_meaning_there() {
    let odd = "a b/c?d&e=\"f\\g\n+ü%";
    assert_eq!(
        render("/p/{{text}}?q={{ text }}", TextKind::Target, odd),
        "/p/a%20b%2Fc%3Fd%26e%3D%22f%5Cg%0A%2B%C3%BC%25\
         ?q=a%20b%2Fc%3Fd%26e%3D%22f%5Cg%0A%2B%C3%BC%25"
    );
    assert_eq!(
        render("{{text}}", TextKind::FormField, odd),
        "a+b%2Fc%3Fd%26e%3D%22f%5Cg%0A%2B%C3%BC%25"
    );
    assert_eq!(
        render("{\"k\": \"<{{text}}>\", \"v\": {{text}}}", TextKind::Json, odd),
        "{\"k\": \"<a b/c?d&e=\\\"f\\\\g\\n+ü%>\", \"v\": \"a b/c?d&e=\\\"f\\\\g\\n+ü%\"}"
    );
    assert_eq!(render("[{{text}}]", TextKind::Plain, odd), format!("[{odd}]"));
    assert_eq!(render("Bearer {{text}}", TextKind::HeaderValue, "a\tb"), "Bearer a\tb");
}

#[test]
fn a_literal_stands_as_it_is_where_a_json_value_stands() {
    assert_eq!(
        render("{\"n\":{{number}},\"t\":\"{{number}}\",\"s\":{{text}}}", TextKind::Json, "x"),
        "{\"n\":1.50,\"t\":\"1.50\",\"s\":\"x\"}"
    );
    // Three braces: an object that begins with a placeholder, and one that ends with it.
    assert_eq!(render("{{{text}}:{{number}}}", TextKind::Json, "k"), "{\"k\":1.50}");
    // An escaped quote does not end a string.
    assert_eq!(render("\"\\\"{{text}}\"", TextKind::Json, "\""), "\"\\\"\\\"\"");
}

#[test]
fn filters_apply_in_order_and_before_the_place() {
    let plain = |text: &str| render(text, TextKind::Plain, " Ab<'> ");
    assert_eq!(plain("{{text|trim|lower}}"), "ab<'>");
    assert_eq!(plain("{{ text | trim | upper | html }}"), "AB&lt;&#39;&gt;");
    assert_eq!(plain("{{text | trim | base64}}"), "QWI8Jz4=");
    assert_eq!(plain("{{number | pad(8)}} {{number | pad(2)}}"), "00001.50 1.50");
    assert_eq!(plain("{{unset | default(\"a | b }} \\\"c\\\"\") | upper}}"), "A | B }} \"C\"");
    assert_eq!(plain("{{text | default(\"x\") | trim}}"), "Ab<'>");
    // The example of FIPS 180-4 (SHA-256 of "abc"), and test case 2 of RFC 4231.
    assert_eq!(
        render("{{text | sha256}}", TextKind::Plain, "abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let values = Keyed { text: b"what do ya want for nothing?", key: b"Jefe" };
    let template = compile("{{text | hmac_sha256(unset)}}", TextKind::Plain);
    let mut filled = Filled::default();
    let part = template.fill(&values, &mut filled).unwrap();
    let mut out = Vec::new();
    template.write(&filled, &part, &mut out);
    assert_eq!(out, b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_eq!(template.values().collect::<Vec<_>>(), [ValueId(0), ValueId(3)]);
}

struct Keyed {
    text: &'static [u8],
    key: &'static [u8],
}

impl Values for Keyed {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        Some(Value::text(if id.0 == 0 { self.text } else { self.key }))
    }
}

#[test]
fn escaping_that_is_written_out_is_not_done_twice() {
    assert_eq!(render("/{{text | url}}", TextKind::Target, "a b"), "/a%20b");
    assert_eq!(render("{{text | form}}", TextKind::FormField, "a b"), "a+b");
    assert_eq!(render("\"{{text | json}}\"", TextKind::Json, "a\"b"), "\"a\\\"b\"");
    assert_eq!(render("{{text | json}}", TextKind::Json, "a\"b"), "\"a\\\"b\"");
    assert_eq!(render("{{text | raw}}", TextKind::Target, "/a/b?c=d"), "/a/b?c=d");
    assert_eq!(render("{\"a\":{{text | raw}}}", TextKind::Json, "[1]"), "{\"a\":[1]}");
    // Another one than that of the place is a part of the value.
    assert_eq!(render("/{{text | form}}", TextKind::Target, "a b"), "/a%2Bb");
    // In a text: JSON in a form field.
    assert_eq!(render("{{text | json}}", TextKind::FormField, "\""), "%5C%22");
}

#[test]
fn a_value_that_would_break_the_head_is_refused() {
    let fill = |text: &str, kind, value: &[u8]| {
        rendered(&compile(text, kind), value).map_err(|error| match error {
            FillError::Forbidden { value, offset } => (value.0, Some(offset)),
            FillError::Missing { value } => (value.0, None),
        })
    };
    assert_eq!(fill("{{text}}", TextKind::HeaderValue, b"a\r\nX: y"), Err((0, Some(1))));
    assert_eq!(fill("{{text | raw}}", TextKind::Target, b"/a b"), Err((0, Some(2))));
    assert_eq!(fill("{{text | raw}}", TextKind::Target, b"/a#b"), Err((0, Some(2))));
    assert_eq!(fill("{{text}}", TextKind::Target, b"\r\n"), Ok("%0D%0A".to_owned()));
    assert_eq!(fill("{{unset}}", TextKind::Plain, b""), Err((3, None)));
    assert_eq!(fill("{{unset | lower}}", TextKind::Plain, b""), Err((3, None)));
    assert_eq!(fill("{{text | hmac_sha256(unset)}}", TextKind::Plain, b""), Err((3, None)));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    use TemplateErrorKind as Kind;
    assert_eq!(error("ab{{text"), (2, Kind::Unclosed));
    assert_eq!(error("{{text\n}}"), (0, Kind::Unclosed));
    assert_eq!(error("{{}}"), (2, Kind::Empty));
    assert_eq!(error("x {{ Text }}"), (5, Kind::BadName("Text".into())));
    // What follows the first dot is a column, as a file calls it.
    for name in ["a.b.c", "users.First Name", "users.userId", "users.naïve-1"] {
        let kind = Kind::UnknownName(name.into());
        assert_eq!(error(&format!("{{{{{name}}}}}")), (2, kind), "{name}");
    }
    for name in ["users.", "Users.a", "users.a(b)", "users.\"a\"", "users.a\tb"] {
        let kind = Kind::BadName(name.into());
        assert_eq!(error(&format!("{{{{{name}}}}}")), (2, kind), "{name}");
    }
    assert_eq!(error("{{ tex }}"), (3, Kind::UnknownName("tex".into())));
    assert_eq!(error("{{text | lowr}}"), (9, Kind::UnknownFilter("lowr".into())));
    assert!(matches!(error("{{text | pad}}"), (9, Kind::BadArgument(_, _))));
    assert!(matches!(error("{{text | pad(9999)}}"), (9, Kind::BadArgument(_, _))));
    assert!(matches!(error("{{text | lower(1)}}"), (9, Kind::BadArgument(_, _))));
    assert!(matches!(error("{{text | default(x)}}"), (9, Kind::BadArgument(_, _))));
    assert!(matches!(error("{{text | pad(1}}"), (9, Kind::BadArgument(_, _))));
    assert_eq!(error("{{text | hmac_sha256(key)}}"), (9, Kind::UnknownName("key".into())));
    assert_eq!(error("{{text|lower|lower|lower|lower|lower}}").1, Kind::TooManyFilters);
    assert_eq!(error(&"{{text}}".repeat(257)).1, Kind::TooManySlots);
    assert!(Template::compile(&"{{text}}".repeat(256), TextKind::Plain, find).is_ok());
}

/// `text` is a constant, and `number` is filled in.
fn folded(text: &str, kind: TextKind, constant: &str) -> Result<Template, FoldError> {
    let constant = constant.as_bytes();
    compile(text, kind).fold(|id| (id == ValueId(0)).then_some(Value::text(constant)))
}

#[test]
fn constants_are_written_in_as_they_would_be_filled_in() {
    for (text, kind) in [
        ("/a/{{text}}/{{number}}?q={{text|upper}}", TextKind::Target),
        (r#"{"a":{{text}},"b":"{{number}}{{text}}"}"#, TextKind::Json),
        ("{{text}}{{text | base64}}", TextKind::Plain),
        ("{{number}}", TextKind::HeaderValue),
    ] {
        let whole = compile(text, kind);
        let folded = folded(text, kind, "é \"x").unwrap();
        assert!(folded.values().all(|id| id != ValueId(0)), "{text}");
        assert_eq!(rendered(&folded, "é \"x".as_bytes()), rendered(&whole, "é \"x".as_bytes()));
    }
    assert!(folded("{{text}}", TextKind::Json, "a").unwrap().is_fixed());
}

#[test]
fn constants_that_cannot_stand_there_are_refused() {
    let forbidden = folded("{{text}}", TextKind::HeaderValue, "a\nb").unwrap_err();
    assert!(matches!(forbidden, FoldError::Fill(FillError::Forbidden { offset: 1, .. })));
    let mixed = folded("{{text | hmac_sha256(number)}}", TextKind::Plain, "a").unwrap_err();
    assert_eq!(mixed, FoldError::Mixed { value: ValueId(0) });
    let mixed = folded("{{number | hmac_sha256(text)}}", TextKind::Plain, "a").unwrap_err();
    assert!(matches!(mixed, FoldError::Mixed { .. }));
}

#[test]
fn what_is_shown_is_the_same_template_again() {
    for (text, kind) in [
        (r#"/{{ text|raw }}/{{text | upper | hmac_sha256( number )}}"#, TextKind::Target),
        (r#"{{text | default("a\"\\}}") | pad(8)}}{{ text | base64 }}"#, TextKind::Plain),
        (r#"{"a": {{text}}, "b": "{{text|json}}"}"#, TextKind::Json),
    ] {
        let template = compile(text, kind);
        let shown = template.shown(|id| NAMES[usize::from(id.0)].to_owned());
        assert_eq!(compile(&shown, kind), template, "{shown}");
    }
}

#[test]
fn templates_are_put_one_behind_another() {
    let mut whole = compile("/a/{{text}}", TextKind::Target);
    whole.push_text("?q=");
    let value = compile("x y{{text}}z ", TextKind::FormField);
    whole.append(&value.encoded(|piece| piece.replace(' ', "+")));
    assert_eq!(whole.slot_count(), 2);
    assert_eq!(whole.pieces().collect::<Vec<_>>(), ["/a/", "?q=x+y", "z+"]);
    assert_eq!(rendered(&whole, b"b c"), Ok("/a/b%20c?q=x+yb+cz+".into()));
    let mut text = Template::of_text("[", TextKind::Plain);
    text.append(&compile("{{text}}", TextKind::JsonString));
    assert_eq!(rendered(&text, b"\""), Ok("[\\\"".into()));
}

#[test]
fn a_template_knows_what_it_needs() {
    let of = |text: &str| compile(text, TextKind::Plain);
    let needed = |text: &str| of(text).needed().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(needed(r#"{{text}}{{text | default("a")}}"#), [0]);
    assert_eq!(needed(r#"{{text | default("a") | hmac_sha256(number)}}"#).len(), 1);
    assert_eq!(needed(r#"{{text | upper | default("a")}}"#), [0]);
    assert_eq!(of("{{ text }}").alone(), Some(ValueId(0)));
    assert_eq!(of(" {{text}}").alone(), None);
    assert_eq!(of("{{text | raw}}").alone(), Some(ValueId(0)));
    assert_eq!(of("{{text | upper}}").alone(), None);
}

#[test]
fn several_templates_share_one_buffer() {
    let (path, body) =
        (compile("/{{text}}", TextKind::Target), compile("<{{text}}>", TextKind::Plain));
    let values = Fixed { text: b"a b".to_vec() };
    let mut filled = Filled::default();
    let parts =
        [path.fill(&values, &mut filled).unwrap(), body.fill(&values, &mut filled).unwrap()];
    let mut out = Vec::new();
    path.write(&filled, &parts[0], &mut out);
    body.write(&filled, &parts[1], &mut out);
    assert_eq!(out, b"/a%20b<a b>");
    filled.clear();
    assert_eq!(path.fill(&values, &mut filled).unwrap(), parts[0]);
}

proptest! {
    /// Whatever the value is, reading the text back gives it again, and the rest of the text is whole.
    #[test]
    fn what_is_escaped_reads_back(value in ".{0,40}") {
        let json = render("{\"a\":\"x{{text}}y\",\"b\":{{text}}}", TextKind::Json, &value);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read["a"].as_str().unwrap(), format!("x{value}y"));
        prop_assert_eq!(read["b"].as_str().unwrap(), value.as_str());
        let target = render("/p?q={{text}}&r=1", TextKind::Target, &value);
        let form = render("q={{text}}&r=1", TextKind::FormField, &value);
        for query in [target.strip_prefix("/p?").unwrap(), &form] {
            let read: Vec<(String, String)> =
                url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let expected = [("q".to_owned(), value.clone()), ("r".to_owned(), "1".to_owned())];
            prop_assert_eq!(read, expected);
        }
    }

    /// No text makes the compiler panic, and what it accepts has as many values as placeholders.
    #[test]
    fn any_text_compiles_or_says_why(text in "[{}|\"\\\\a-z_.() \n]{0,40}") {
        for kind in [TextKind::Plain, TextKind::Json, TextKind::Target] {
            if let Ok(template) = Template::compile(&text, kind, |_| Some(ValueId(1))) {
                let _ = rendered(&template, b"v");
                prop_assert!(template.is_fixed() || text.contains("{{"));
            }
        }
    }
}
