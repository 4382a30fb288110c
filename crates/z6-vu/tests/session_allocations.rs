//! Once their memory has grown, sessions that fill requests in and read responses allocate nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use z6_events::{
    Actor, ExchangeSlot, PlannedRequest, Population, RequestId, Step, TargetId, Tick, VariableId,
};
use z6_extract::{Between, JsonPath, Pattern, Program, Source};
use z6_http::template::{Template, TextKind, ValueId};
use z6_proto_http1::Limits;
use z6_scenario::expression::Check;
use z6_scenario::values::{MadeBy, Per};
use z6_scenario::{
    BodyPart, Extract, ExtractFrom, RandomValue, Rendering, RequestCheck, Scenario, Scope,
    ValueSource, Variable,
};
use z6_testing::{CountingAllocator, allocations};
use z6_vu::Input;
use z6_vu::prepare::{Prepared, RunSetup};
use z6_vu::session::{Given, Output, Session};

#[global_allocator]
static COUNTING: CountingAllocator = CountingAllocator;

const NAMES: [&str; 8] = ["vu", "step", "now", "sku", "ref", "id", "token", "word"];
const VARIABLES: [&str; 3] = ["id", "token", "word"];

fn find(name: &str) -> Option<ValueId> {
    NAMES.iter().position(|known| *known == name).map(|i| ValueId(i as u16))
}

fn scenario() -> Scenario {
    let mut scenario = Scenario::from_toml(
        "runtime = { iterations = 1000 }
        target.base_url = 'http://a.example/api'
        target.request_id_header = 'Z6-Id'
        requests = [{ name = 'order', path = '/', method = 'POST' }]",
    )
    .unwrap();
    let values = &mut scenario.values;
    let variable = |i| ValueSource::Variable(VariableId(i));
    values.sources = vec![ValueSource::Vu, ValueSource::Step, ValueSource::NowRfc3339];
    values.sources.extend([ValueSource::Random(0), ValueSource::Random(1)]);
    values.sources.extend([variable(0), variable(1), variable(2)]);
    let random = |name: &str, by| RandomValue { name: name.to_owned(), by, per: Per::Step };
    values.random =
        vec![random("sku", MadeBy::Integer { min: 1, max: 900_000 }), random("ref", MadeBy::Uuid)];
    values.variables = VARIABLES
        .map(|name| Variable { name: name.to_owned(), scope: Scope::Vu, is_secret: false })
        .to_vec();
    let text = |text: &str, kind| Template::compile(text, kind, find).unwrap();
    let request = &mut scenario.requests[0];
    request.rendering = Some(Box::new(Rendering {
        path: text("/orders?q={{word | default(\"a b\")}}&vu={{vu}}", TextKind::Target),
        headers: vec![
            ("X-Ref".to_owned(), text("{{ref}}", TextKind::HeaderValue)),
            (
                "Authorization".to_owned(),
                text("Bearer {{token | default(\"none\")}}", TextKind::HeaderValue),
            ),
        ],
        body: Some(vec![BodyPart::Text(text(
            r#"{"sku": {{sku}}, "at": "{{now}}", "id": {{id | default("0")}}, "step": {{step}}}"#,
            TextKind::Json,
        ))]),
        auth: None,
        reads: Vec::new(),
        needs: Vec::new(),
    }));
    let extract = |i, source| Extract {
        variable: VariableId(i),
        text: String::new(),
        from: ExtractFrom::Program(Program::new(source)),
        default: None,
        is_required: true,
        is_always: false,
        is_clear: false,
        is_list: false,
    };
    request.reading.extracts = vec![
        extract(0, Source::Json(JsonPath::compile("$.items[1].id").unwrap())),
        extract(1, Source::Header("X-Token".into())),
        extract(2, Source::Between(Between::new(b"<", b">").unwrap())),
        extract(2, Source::Pattern(Pattern::compile("w=([a-z]+)").unwrap())),
    ];
    let check = |name: &str, text: &str| RequestCheck {
        name: name.to_owned(),
        check: Check::compile(text, &mut find).unwrap(),
        fails: true,
    };
    request.reading.checks = vec![
        check("status", "status == 201"),
        check("id", "json(\"$.items[0].id\") == 7 && header(\"X-Token\") ~ \"t\""),
        check("ref", "body contains \"w=\" && json(\"$.sku\") != sku"),
    ];
    scenario
}

#[test]
fn filling_in_and_reading_allocate_nothing_in_steady_state() {
    let scenario = Arc::new(scenario());
    let prepared = Prepared::new(&scenario, RunSetup::new(42, 1)).unwrap();
    let mut requests = prepared.requests(&Given::default());
    let mut session = Session::new(Limits::default());
    session.open();
    // The second comes in pieces, and in chunks: it is copied together.
    let body = r#"{"items": [{"id": 7}, {"id": 123456}], "text": "<ab> w=xyz", "sku": 1}"#;
    let token = "t".repeat(200);
    let whole = format!(
        "HTTP/1.1 201 Created\r\nX-Token: {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let chunked = format!(
        "HTTP/1.1 201 Created\r\nX-Token: {token}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for round in 0..200u64 {
        for actor in 0..4 {
            let is_whole = round % 2 == 0;
            let (answer, piece) = if is_whole { (&whole, 4_096) } else { (&chunked, 150) };
            let before = allocations();
            let exchange = ExchangeSlot(0);
            let planned = PlannedRequest {
                population: Population(0),
                actor: Actor(actor),
                step: Step(round),
                request: RequestId(0),
                target: TargetId(0),
                planned: Tick(round * 1_000_000),
            };
            assert_eq!(session.start(exchange, planned, 0, &mut requests), Ok(()));
            let length = session.unwritten(&requests).len();
            session.wrote(length, Tick(1), |_| {});
            let (mut values, mut done) = (0, 0);
            for piece in answer.as_bytes().chunks(piece) {
                let mut from = 0;
                while let Some(output) = session.received(piece, &mut from, Tick(9), &mut requests)
                {
                    match output {
                        Output::Input(Input::Value { .. }) => values += 1,
                        Output::Input(Input::Done { .. }) => done += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
            let count = allocations() - before;
            assert_eq!((values, done), (4, 1));
            assert!(round < 4 || count == 0, "round {round}: {count} allocations");
        }
    }
}
