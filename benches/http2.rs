//! HTTP/2 alone: the frames of a request and the reading of an answer.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use z6_http::{IdParts, RequestSpec};
use z6_proto_http2::server::{Asked, ResponseTemplate, ServerConfig, ServerConnection};
use z6_proto_http2::{Config, Connection, FieldSet, Limits, RequestTemplate, Slices, Tag};

/// Streams of one batch.
const STREAMS: u32 = 100;

/// The head of a response of nginx to a file: literals in the Huffman code, nothing in a table. `:status: 200`,
/// `server`, `date`, `content-type`, `content-length: 13`, `last-modified`, `etag`, `accept-ranges`.
fn nginx_head() -> Vec<u8> {
    let fields = [
        ("server", "nginx/1.22.1"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("content-type", "text/plain"),
        ("content-length", "13"),
        ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("etag", "\"69559d00-d\""),
        ("accept-ranges", "bytes"),
    ];
    let mut server = connected_server(false);
    let pairs = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    server.respond_fields(1, std::iter::once((&b":status"[..], &b"200"[..])).chain(pairs), false);
    let bytes = written(&mut server);
    bytes[9..].to_vec()
}

/// A server with one request open and nothing to write.
fn connected_server(index_headers: bool) -> ServerConnection {
    let config = ServerConfig { index_headers, ..ServerConfig::default() };
    let mut server = ServerConnection::new(config, Limits::default());
    let mut client = Connection::new(Config::default(), Limits::default());
    client.start(&template(), Tag(0), &IdParts::default());
    let mut slices = Slices::new();
    client.unwritten(&(), &mut slices);
    let bytes = slices.as_slice().concat();
    let mut from = 0;
    while let Some(asked) = server.received(&bytes, &mut from) {
        assert!(matches!(asked, Asked::Request { stream: 1, .. }), "one request is asked");
    }
    written(&mut server);
    server
}

fn written(server: &mut ServerConnection) -> Vec<u8> {
    let mut slices = Slices::new();
    let bytes = server.unwritten(&mut slices);
    let all = slices.as_slice().concat();
    server.wrote(bytes);
    all
}

fn template() -> RequestTemplate {
    let headers = [("Accept".to_owned(), "application/json".to_owned())];
    let mut spec = RequestSpec::new("GET", "localhost", 8080, "/api/v1/users/42");
    spec.headers = &headers;
    spec.request_id_header = Some("Z6-Id");
    RequestTemplate::encode(&spec, &mut FieldSet::new(0)).expect("it is valid")
}

/// The same head as indices of the table, once it is in there.
fn indexed_head() -> (Vec<u8>, Vec<u8>) {
    let fields = [("server", "z6"), ("content-type", "text/plain"), ("content-length", "13")];
    let answer = ResponseTemplate::encode(200, &fields, &mut FieldSet::new(0));
    let mut server = connected_server(true);
    server.respond(1, &answer, false);
    let first = written(&mut server)[9..].to_vec();
    server.respond(1, &answer, false);
    (first, written(&mut server)[9..].to_vec())
}

/// HEADERS and DATA of 13 bytes of each stream, from `first_stream` on.
fn answers(first_stream: u32, head: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for stream in (first_stream..).step_by(2).take(STREAMS as usize) {
        let stream = stream.to_be_bytes();
        bytes.extend_from_slice(&[0, 0, head.len() as u8, 1, 4]);
        bytes.extend_from_slice(&stream);
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(&[0, 0, 13, 0, 1]);
        bytes.extend_from_slice(&stream);
        bytes.extend_from_slice(b"Hello, World!");
    }
    bytes
}

/// Starts and writes a batch; its first stream.
fn start_batch(client: &mut Connection, template: &RequestTemplate, step: u64) -> u32 {
    let mut first_stream = 0;
    for tag in 0..STREAMS {
        let id = IdParts { population: 0, actor: 7, step, exchange: 0 };
        let started = client.start(template, Tag(tag), &id);
        if tag == 0 {
            first_stream = started.stream;
        }
    }
    let bytes = client.unwritten_bytes();
    client.wrote(bytes, |tag, bytes| {
        black_box((tag, bytes));
    });
    first_stream
}

fn read(client: &mut Connection, bytes: &[u8]) -> u32 {
    let (mut from, mut events) = (0, 0);
    while let Some(event) = client.received(black_box(bytes), &mut from) {
        black_box(event);
        events += 1;
    }
    events
}

/// A client that has read the settings of its peer.
fn connected() -> Connection {
    let mut client = Connection::new(Config::default(), Limits::default());
    read(&mut client, b"\0\0\0\x04\0\0\0\0\0");
    client
}

/// What is measured is 100 exchanges each.
fn exchange(criterion: &mut Criterion) {
    let template = template();
    let (first, indexed) = indexed_head();
    let mut group = criterion.benchmark_group("http2");
    group.throughput(Throughput::Elements(u64::from(STREAMS)));
    group.bench_function("start and cancel 100", |bencher| {
        let mut client = connected();
        let mut step = 0;
        bencher.iter(|| {
            step += 1;
            start_batch(&mut client, &template, step);
            for tag in 0..STREAMS {
                black_box(client.cancel(Tag(tag), &()));
            }
            let bytes = client.unwritten_bytes();
            client.wrote(bytes, |_, _| {});
        });
    });
    for (name, prefix, head) in
        [("indexed head", first, indexed), ("head of nginx", Vec::new(), nginx_head())]
    {
        group.bench_function(format!("100 exchanges, {name}"), |bencher| {
            let mut client = connected();
            if !prefix.is_empty() {
                let stream = start_batch(&mut client, &template, 0);
                read(&mut client, &answers(stream, &prefix));
            }
            let mut step = 0;
            bencher.iter(|| {
                step += 1;
                let stream = start_batch(&mut client, &template, step);
                read(&mut client, &answers(stream, &head))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
