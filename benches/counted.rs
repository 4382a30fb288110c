//! Runs a fixed number of rounds of one layer and nothing else; instructions are counted from outside.
//! `counted LAYER ROUNDS`; without arguments it lists the layers. The preparation does not depend on the
//! number of rounds, so the difference of two runs is that of their rounds.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench")]

mod traffic;

use std::hint::black_box;
use std::mem::MaybeUninit;

use anyhow::{Context as _, Result, bail};
use z6_events::{
    Actor, BlockBuilder, BlockDecoder, Driver, Event, Partition, Step, Tick, WorkerId,
};
use z6_http::{IdParts, RequestSpec};
use z6_metrics::{Fold, RunFacts};
use z6_proto_http1::{Connection, Limits, RequestTemplate, ResponseDecoder};
use z6_proto_http2 as http2;
use z6_scenario::{Plan, Scenario};

/// A layer whose instructions are counted; it runs once per round.
struct Layer {
    name: &'static str,
    run: fn(usize),
}

const LAYERS: &[Layer] = &[
    Layer { name: "write_id", run: write_id },
    Layer { name: "httparse_head", run: httparse_head },
    Layer { name: "decode_head", run: decode_head },
    Layer { name: "connection", run: connection },
    Layer { name: "http2_request", run: http2_request },
    Layer { name: "http2_answer", run: http2_answer },
    Layer { name: "plan_step", run: plan_step },
    Layer { name: "arrival", run: arrival },
    Layer { name: "engine", run: engine },
    Layer { name: "log_encode", run: log_encode },
    Layer { name: "log_decode", run: log_decode },
    Layer { name: "fold", run: fold },
];

/// Rounds of events that are prepared at most.
const ROUNDS_MAX: usize = 20_000;

/// Requests whose `sent` and `done` are in one block.
const PER_BLOCK: usize = 1_000;

/// A response of nginx with a body of 13 bytes.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
    Connection: keep-alive\r\n\r\nHello, World!";

/// Three requests by weight and a think time that is drawn: the most expensive step of a plan.
const DRAWN: &str = r#"
    [runtime]
    duration_seconds = 60
    vus = 10
    [target]
    base_url = "http://127.0.0.1:8080"
    [[requests]]
    name = "login"
    path = "/login"
    [[requests]]
    name = "read"
    path = "/read"
    weight = 5
    [[requests]]
    name = "write"
    path = "/write"
    [think_time]
    type = "exponential"
    mean_ms = 100
    max_ms = 1000
"#;

const POISSON: &str = r#"
    [runtime]
    duration_seconds = 86400
    [target]
    base_url = "http://127.0.0.1:8080"
    [[requests]]
    name = "get"
    path = "/hello"
    [schedule]
    type = "rate"
    per_second = 100000
    arrivals = "poisson"
"#;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => LAYERS.iter().for_each(|layer| println!("{}", layer.name)),
        [name, rounds] => {
            let known = LAYERS.iter().find(|layer| layer.name == name);
            let layer = known.with_context(|| format!("no layer `{name}`"))?;
            let rounds = rounds.parse().context("ROUNDS")?;
            if rounds > ROUNDS_MAX {
                bail!("at most {ROUNDS_MAX} rounds");
            }
            (layer.run)(rounds);
        }
        _ => bail!("usage: counted [LAYER ROUNDS]"),
    }
    Ok(())
}

fn write_id(rounds: usize) {
    let mut spec = RequestSpec::new("GET", "localhost", 8080, "/api/v1/users/42");
    spec.request_id_header = Some("Z6-Id");
    let template = RequestTemplate::encode(&spec).expect("it is valid");
    let mut bytes = template.bytes().to_vec();
    for round in 0..rounds {
        let id = IdParts { population: 0, actor: 7, step: round as u64, exchange: 0 };
        template.write_id(black_box(&mut bytes), &id);
    }
}

/// The part of `decode_head` that is httparse: the same head into a table of the same length.
fn httparse_head(rounds: usize) {
    for _ in 0..rounds {
        let mut table = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; 128];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            black_box(RESPONSE),
            &mut table,
        );
        assert!(parsed.is_ok_and(|status| status.is_complete()));
    }
}

fn decode_head(rounds: usize) {
    let mut decoder = ResponseDecoder::new(Limits::default());
    for _ in 0..rounds {
        decoder.reset(false);
        let _ = black_box(decoder.decode(black_box(RESPONSE)));
    }
}

/// A request written and its response read, as the protocol state of a connection sees them.
fn connection(rounds: usize) {
    let mut connection = Connection::new(Limits::default());
    for _ in 0..rounds {
        connection.start(80, false);
        connection.wrote(80);
        let _ = black_box(connection.received(black_box(RESPONSE)));
    }
}

/// A client that has read the settings of its peer and whose first exchange put the fields of both sides into the
/// tables, and the request of `/api/v1/users/42` with an id.
fn http2_client() -> (http2::Connection, http2::RequestTemplate) {
    let headers = [("Accept".to_owned(), "application/json".to_owned())];
    let mut spec = RequestSpec::new("GET", "localhost", 8080, "/api/v1/users/42");
    spec.headers = &headers;
    spec.request_id_header = Some("Z6-Id");
    let template = http2::RequestTemplate::encode(&spec, &mut http2::FieldSet::new(0));
    let template = template.expect("it is valid");
    let mut client = http2::Connection::new(http2::Config::default(), http2::Limits::default());
    http2_read(&mut client, b"\0\0\0\x04\0\0\0\0\0");
    let first = http2_start_batch(&mut client, &template, 0, 1);
    http2_read(&mut client, &http2_answers(first, 1, HTTP2_FIRST_HEAD));
    (client, template)
}

/// Starts and writes requests; the stream of the first. Not inlined, so that a profile has it apart.
#[inline(never)]
fn http2_start_batch(
    client: &mut http2::Connection,
    template: &http2::RequestTemplate,
    step: u64,
    streams: u32,
) -> u32 {
    let mut first = 0;
    for tag in 0..streams {
        let id = IdParts { population: 0, actor: 7, step, exchange: 0 };
        let started = client.start(template, http2::Tag(tag), &id);
        if tag == 0 {
            first = started.stream;
        }
    }
    let bytes = client.unwritten_bytes();
    client.wrote(bytes, |tag, bytes| {
        black_box((tag, bytes));
    });
    first
}

#[inline(never)]
fn http2_read(client: &mut http2::Connection, bytes: &[u8]) {
    let mut from = 0;
    while let Some(event) = client.received(black_box(bytes), &mut from) {
        black_box(event);
    }
}

/// `:status: 200`, then `server`, `content-type` and `content-length: 13` put into the table.
const HTTP2_FIRST_HEAD: &[u8] = b"\x88\x76\x02z6\x5f\x0atext/plain\x5c\x0213";

/// The same as indices.
const HTTP2_HEAD: &[u8] = b"\x88\xc0\xbf\xbe";

/// HEADERS and DATA of 13 bytes of each stream.
fn http2_answers(first: u32, streams: u32, head: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for stream in (first..).step_by(2).take(streams as usize) {
        bytes.extend_from_slice(&[0, 0, head.len() as u8, 1, 4]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(&[0, 0, 13, 0, 1]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(b"Hello, World!");
    }
    bytes
}

/// Requests of one batch.
const HTTP2_STREAMS: u32 = 100;

/// Most batches of one run.
const HTTP2_BATCHES_MAX: usize = ROUNDS_MAX / HTTP2_STREAMS as usize;

/// As many clients as there may be batches, whatever the number of rounds. Each has had a batch of its own, and so the
/// memory for another.
fn http2_clients() -> Vec<(http2::Connection, http2::RequestTemplate)> {
    let clients = (0..HTTP2_BATCHES_MAX).map(|_| {
        let (mut client, template) = http2_client();
        let first = http2_start_batch(&mut client, &template, 1, HTTP2_STREAMS);
        http2_read(&mut client, &http2_answers(first, HTTP2_STREAMS, HTTP2_HEAD));
        (client, template)
    });
    clients.collect()
}

/// A request made and written.
fn http2_request(rounds: usize) {
    let mut clients = http2_clients();
    for (client, template) in clients.iter_mut().take(rounds / HTTP2_STREAMS as usize) {
        http2_start_batch(client, template, 2, HTTP2_STREAMS);
        assert_eq!(client.open(), HTTP2_STREAMS as usize);
    }
}

/// The answer of a request read: indexed fields and 13 bytes of content, two frames.
fn http2_answer(rounds: usize) {
    let mut clients = http2_clients();
    let answers = clients.iter_mut().map(|(client, template)| {
        let first = http2_start_batch(client, template, 2, HTTP2_STREAMS);
        http2_answers(first, HTTP2_STREAMS, HTTP2_HEAD)
    });
    let answers: Vec<_> = answers.collect();
    let batches = rounds / HTTP2_STREAMS as usize;
    for ((client, _), answers) in clients.iter_mut().zip(&answers).take(batches) {
        http2_read(client, answers);
        assert_eq!(client.open(), 0);
    }
}

fn plan_of(text: &str) -> Plan {
    Plan::new(&Scenario::from_toml(text).expect("the scenario is valid"), 42)
}

fn plan_step(rounds: usize) {
    let plan = plan_of(DRAWN);
    for round in 0..rounds {
        black_box(plan.step(black_box(Actor(7)), Step(round as u64)));
    }
}

fn arrival(rounds: usize) {
    let plan = plan_of(POISSON);
    let mut ticks = plan.arrival_ticks();
    for _ in 0..rounds {
        black_box(ticks.next());
    }
}

/// `done` in, `send` out, `sent` in.
fn engine(rounds: usize) {
    let mut see = |at: Tick, event: &Event| {
        black_box((at, event));
    };
    let mut traffic = traffic::ClosedLoop::start(&traffic::scenario(), &mut see);
    for _ in 0..rounds {
        traffic.request(&mut see);
    }
}

/// Blocks of `sent` and `done`, one round a request.
fn in_blocks(rounds: usize, mut of_block: impl FnMut(&[(Tick, Event)])) {
    let events = traffic::events(PER_BLOCK);
    for _ in 0..rounds / PER_BLOCK {
        of_block(black_box(&events));
    }
}

fn log_encode(rounds: usize) {
    let mut spare = Vec::with_capacity(1 << 16);
    in_blocks(rounds, |events| {
        let mut builder = BlockBuilder::new(Partition::WHOLE, std::mem::take(&mut spare));
        for (at, event) in events {
            builder.push(*at, event).expect("they fit one block");
        }
        spare = builder.close(Vec::new()).into_buffer();
    });
}

fn log_decode(rounds: usize) {
    let mut builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
    for (at, event) in &traffic::events(PER_BLOCK) {
        builder.push(*at, event).expect("they fit one block");
    }
    let block = builder.close(Vec::new());
    let mut decoder = BlockDecoder::new(Partition::WHOLE);
    for _ in 0..rounds / PER_BLOCK {
        black_box(decoder.events_of(black_box(&block)).filter(Result::is_ok).count());
    }
}

fn fold(rounds: usize) {
    let scenario = traffic::scenario();
    let mut events = Vec::with_capacity(2 * ROUNDS_MAX + 1_000);
    let mut keep = |at: Tick, event: &Event| events.push((at, *event));
    let mut traffic = traffic::ClosedLoop::start(&scenario, &mut keep);
    let before = {
        let mut count = 0;
        traffic::ClosedLoop::start(&scenario, &mut |_, _| count += 1);
        count
    };
    for _ in 0..ROUNDS_MAX {
        traffic.request(&mut keep);
    }
    let mut fold = fold_of(&scenario);
    for (at, event) in &events[..before + 2 * rounds] {
        fold.event(WorkerId(0), *at, event).expect("the events make sense");
    }
    black_box(&fold);
}

fn fold_of(scenario: &Scenario) -> Fold {
    let facts = RunFacts {
        arrival_stamps: false,
        no_arrival_stamps: String::new(),
        seed: 42,
        plan_digest: "00".repeat(32),
        driver: Driver::Simulation,
        started_at: String::new(),
        partition: z6_events::Partition::WHOLE,
    };
    Fold::new(scenario, facts)
}
