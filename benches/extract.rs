//! The cost of a value: JSON paths, patterns, boundaries and selectors over typical bodies; of a check; a
//! jar of cookies; reading CSV.
#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use z6_extract::rows::{Format, Limits, Reader};
use z6_extract::{Between, Destination, Html, Jar, JsonPath, Pattern, Program, Response, Source};
use z6_http::template::{Filled, Template, TextKind, Value, ValueId, Values};
use z6_scenario::expression::{Body, Check, Outcome};

/// 60 bytes, as an API confirms what it made.
const SHORT: &str = r#"{"id": 1234567, "status": "created", "total": 129.90, "n":1}"#;

/// About 1 KB: orders with their items; `last` is the last key.
fn orders() -> String {
    let item = |i: usize| {
        format!(
            r#"{{"sku":"A-{i:04}","name":"Article number {i}","price":1{i}.90,"tags":["new","blue"],"id":{i}}}"#
        )
    };
    let items: Vec<String> = (0..11).map(item).collect();
    format!(r#"{{"items":[{}],"total":11,"currency":"EUR","last":true}}"#, items.join(","))
}

/// 3.6 KB: a page with a list of links and a form.
fn page() -> String {
    let mut page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><ul>".to_owned();
    let mut i = 0;
    while page.len() < 3_350 {
        page += &format!("<li class=\"item\"><a href=\"/p/{i}?a=1&amp;b=2\">Link {i}</a></li>\n");
        i += 1;
    }
    page += "</ul><form method=\"post\" action=\"/login\"><input type=\"hidden\" name=\"csrf\" \
             value=\"0f8fad5bd9cb469fa165\"><input name=\"user\"><button>Go</button></form></body>\
             </html>";
    page
}

fn run(criterion: &mut Criterion, group: &str, cases: &[(&str, &str, Source)]) {
    let mut group = criterion.benchmark_group(group);
    for (name, body, source) in cases {
        let program = Program::new(source.clone());
        let mut scratch = program.scratch();
        let response = Response { body: body.as_bytes(), ..Response::default() };
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{name}, {} B", body.len()), |bencher| {
            bencher.iter(|| {
                let value = program.run(black_box(&response), &mut scratch, |_| 0);
                value.expect("it is there").bytes.len()
            });
        });
    }
    group.finish();
}

fn values(criterion: &mut Criterion) {
    let json = |path: &str| Source::Json(JsonPath::compile(path).expect("it is a path"));
    let pattern = |text: &str| Source::Pattern(Pattern::compile(text).expect("it is one"));
    let (orders, page) = (orders(), page());
    let cases = [
        ("$.id", SHORT, json("$.id")),
        ("$.items[3].id", &*orders, json("$.items[3].id")),
        ("last key", &orders, json("$.last")),
        ("$.items[-1].id", &orders, json("$.items[-1].id")),
        ("$..id", &orders, json("$..id")),
        ("$.items[?@.id == 3].sku", &orders, json("$.items[?@.id == 3].sku")),
    ];
    run(criterion, "json", &cases);
    let (before, after) = (b"name=\"csrf\" value=\"", b"\"");
    let between = Between::new(before, after).expect("they are not empty");
    let html = Html::attribute_of("input[name=csrf]", "value").expect("it is a selector");
    let cases = [
        ("between", &*page, Source::Between(between)),
        ("pattern with a literal", &page, pattern(r#"name="csrf" value="([^"]+)""#)),
        ("pattern without", &page, pattern("([0-9a-f]{20})")),
        ("html attribute", &page, Source::Html(html)),
    ];
    run(criterion, "page", &cases);
}

/// One value of a scenario.
struct Id;

impl Values for Id {
    fn value(&self, _: ValueId) -> Option<Value<'_>> {
        Some(Value::literal(b"1234567"))
    }
}

fn checks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    let (orders, page) = (orders(), page());
    let fields = [(&b"Server"[..], &b"shop"[..]), (b"Content-Type", b"application/json")];
    for (text, body) in [
        ("status == 200", SHORT),
        ("status in [200, 201, 204]", SHORT),
        (r#"status == 200 && json("$.id") == id"#, SHORT),
        (r#"json("$.items[3].id") == 3"#, &orders),
        (r#"header("content-type") ~ "json""#, SHORT),
        (r#"body ~ "</html>""#, &page),
        (r#"body ~ "{{id}}" || body ~ "</html>""#, &page),
    ] {
        let mut find = |name: &str| (name == "id").then_some(ValueId(0));
        let check = Check::compile(text, &mut find).expect("it is a check");
        let mut scratch = check.scratch();
        let body = body.as_bytes();
        let response = Response { status: 200, fields: &fields, body, ..Response::default() };
        group.bench_function(format!("{text}, {} B", body.len()), |bencher| {
            bencher.iter(|| {
                let outcome = check.test(black_box(&response), Body::Whole, &Id, &mut scratch);
                assert_eq!(outcome, Outcome::Passed);
            });
        });
    }
    group.finish();
}

/// The values of an order.
struct Order;

impl Values for Order {
    fn value(&self, ValueId(id): ValueId) -> Option<Value<'_>> {
        Some(match id {
            0 => Value::text(b"0f8fad5b-d9cb-469f-a165-70867728950e"),
            1 => Value::literal(b"129.90"),
            _ => Value::text(b"Ann \"the\" Smith & sons"),
        })
    }
}

/// 800 bytes with six placeholders in a body of JSON.
fn templates(criterion: &mut Criterion) {
    let mut text =
        String::from("{\"id\":\"{{id}}\",\"price\":{{price}},\"name\":{{name}},\"notes\":[");
    while text.len() < 650 {
        text += "\"a note of the customer about the order\",";
    }
    text += "\"for {{name}}\"],\"ref\":{{id}},\"total\":{{price}}}";
    let find = |name: &str| {
        let place = ["id", "price", "name"].iter().position(|known| *known == name);
        place.and_then(|place| u16::try_from(place).ok()).map(ValueId)
    };
    let template = Template::compile(&text, TextKind::Json, find).expect("it is a template");
    let (mut filled, mut out) = (Filled::default(), Vec::new());
    let mut render = move || {
        filled.clear();
        out.clear();
        let part = template.fill(black_box(&Order), &mut filled).expect("all values are set");
        template.write(&filled, &part, &mut out);
        out.len()
    };
    let length = render();
    criterion.bench_function(&format!("template/6 placeholders, {length} B"), |bencher| {
        bencher.iter(&mut render);
    });
}

fn cookies(criterion: &mut Criterion) {
    let to = Destination { host: "shop.example", path: "/account?tab=1", is_secure: true };
    let field = b"sid=31d4d96e407aad42; Path=/; HttpOnly; Secure; Max-Age=3600; SameSite=Lax";
    let dated = b"sid=31d4d96e407aad42; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT";
    let mut group = criterion.benchmark_group("cookies");
    for (name, field) in [("store", &field[..]), ("store, Expires", dated)] {
        group.bench_function(name, |bencher| {
            let mut jar = Jar::new();
            bencher.iter(|| jar.store(black_box(field), &to, 0));
        });
    }
    group.bench_function("write 3 of 3", |bencher| {
        let mut jar = Jar::new();
        for field in [&b"a=1; Path=/"[..], b"b=2; Path=/", b"c=3; Path=/account"] {
            jar.store(field, &to, 0).expect("it is stored");
        }
        let mut value = Vec::new();
        bencher.iter(|| {
            value.clear();
            jar.write(black_box(&to), 0, &mut value)
        });
    });
    group.finish();
}

fn rows(criterion: &mut Criterion) {
    let row = |i: usize| format!("user{i}@shop.example,\"Doe, Ann {i}\",{i},s3cret-{i}\r\n");
    let text = ["email,name,id,password\r\n".to_owned()].into_iter().chain((0..10_000).map(row));
    let text: String = text.collect();
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("10,000 of CSV", |bencher| {
        bencher.iter(|| {
            let mut reader = Reader::new(Format::Csv, Limits::default());
            for piece in black_box(text.as_bytes()).chunks(64 * 1024) {
                reader.push(piece).expect("it is a table");
            }
            reader.finish().expect("it is a table").row_count()
        });
    });
    group.finish();
}

criterion_group!(benches, values, checks, templates, cookies, rows);
criterion_main!(benches);
