//! Once its memory has grown, a check allocates nothing.
#![allow(clippy::unwrap_used, reason = "tests may")]

use z6_extract::Response;
use z6_http::template::{Value, ValueId, Values};
use z6_scenario::expression::{Body, Check, Outcome};
use z6_testing::{CountingAllocator, allocations};

#[global_allocator]
static COUNTING: CountingAllocator = CountingAllocator;

struct One;

impl Values for One {
    fn value(&self, _: ValueId) -> Option<Value<'_>> {
        Some(Value::text("caf\u{e9} & co".as_bytes()))
    }
}

#[test]
fn checks_allocate_nothing_in_steady_state() {
    let body = br#"{"id": 12.50, "name": "caf\u00e9 &amp; co", "items": [{"id": 1}, {"id": 2}]}"#;
    let fields = [(&b"content-type"[..], &b"application/json"[..]), (b"set-cookie", b"sid=1")];
    let response = Response { status: 200, fields: &fields, body, ..Response::default() };
    for text in [
        "status == 200 && body_bytes < 1_000",
        "status in [200, 201] && header(\"Content-Type\") ~ \"json\"",
        "cookie(\"sid\") == \"1\" && trailer(\"x\") == none",
        "json(\"$.id\") == 12.5 && json(\"$.items[-1].id\") > 1",
        "json(\"$.name\") == \"{{name | html}}\" && name != \"x\"",
        "json(\"$.name\") ~ \"{{name | html}}\" && json(\"$.name\") matches \"^caf. \"",
        "body matches \"(?-u)\\\"id\\\": [0-9.]+\" && body ~ \"items\"",
        "json(\"$.items\") == json(\"$.items\")",
        "json(\"$[?match(@, 'caf.*co')]\") == json(\"$.name\") && json(\"$.items[?@.id > 1]\") != none",
    ] {
        let check = Check::compile(text, &mut |name| (name == "name").then_some(ValueId(0)));
        let check = check.unwrap_or_else(|error| panic!("{}", error.render(text)));
        let mut scratch = check.scratch();
        for round in 0..5 {
            let before = allocations();
            let outcome = check.test(&response, Body::Whole, &One, &mut scratch);
            let count = allocations() - before;
            assert_eq!(outcome, Outcome::Passed, "{text}");
            assert!(round < 2 || count == 0, "{text}: {count}");
        }
    }
}
