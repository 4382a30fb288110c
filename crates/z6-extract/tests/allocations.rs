//! Once their memory has grown, programs over JSON, patterns, boundaries and fields allocate nothing.
#![allow(clippy::unwrap_used, reason = "tests may")]

use z6_extract::{Between, JsonPath, Pattern, Program, Response, Select, Source};
use z6_testing::{CountingAllocator, allocations};

#[global_allocator]
static COUNTING: CountingAllocator = CountingAllocator;

#[test]
fn programs_allocate_nothing_in_steady_state() {
    let json = |path: &str| Source::Json(JsonPath::compile(path).unwrap());
    let pattern = |text: &str| Pattern::compile(text).unwrap();
    let programs = [
        Program::new(json("$.items[3].id")),
        Program::new(json("$..['name', 'id']")).select(Select::Last),
        Program::new(json("$.items[::-2].name")).select(Select::Drawn),
        Program::new(json("$.items[?@.id > 30 && match(@.name, 'aé.')].id")).select(Select::Last),
        Program::new(json("$.items[?@ == $.items[3] && length(@.name) == 3].id")),
        Program::new(json("$.items[-1].name")).then(pattern("é(.)")),
        Program::new(Source::Pattern(pattern(r#""id": *([0-9]+)"#))).select(Select::Last),
        Program::new(Source::Pattern(pattern(r"\b\w+\b"))).select(Select::Nth(7)),
        Program::new(Source::Between(Between::new(b"[", b"]").unwrap())),
        Program::new(Source::Header("location".into())).then(pattern("/orders/(.+)")),
        Program::new(Source::Cookie("sid".into())),
    ];
    let items = (0..40).map(|i| format!(r#"{{"id": {i}, "name": "a\u00e9{}"}}"#, i % 10));
    let body = format!("{{\"items\": [{}]}}", items.collect::<Vec<_>>().join(", "));
    let fields = [(&b"Location"[..], &b"/orders/7"[..]), (b"Set-Cookie", b"sid=1; Path=/")];
    let response = Response { fields: &fields, body: body.as_bytes(), ..Response::default() };
    for (i, program) in programs.iter().enumerate() {
        let mut scratch = program.scratch();
        for round in 0..5 {
            let before = allocations();
            let found = program.run(&response, &mut scratch, |count| count - 1).is_ok();
            let count = allocations() - before;
            assert!(found, "program {i}");
            assert!(round < 2 || count == 0, "program {i}: {count}");
        }
    }
}
