//! The cost of HTTP/1.1 per request: encoding once, writing a request id, reading responses, compared with
//! httparse alone on the same bytes (heads only: httparse reads no bodies).
#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use z6_http::{IdParts, RequestSpec};
use z6_proto_http1::{Connection, Limits, RequestTemplate, ResponseDecoder};

/// A head as nginx sends it, with so many bytes of body.
fn plain(body_bytes: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {body_bytes}\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\n\
         ETag: \"69554a80-400\"\r\nCache-Control: max-age=3600, public\r\n\
         X-Request-Id: 0f8fad5bd9cb469fa165\r\nAccept-Ranges: bytes\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + body_bytes, b'x');
    bytes
}

/// A chunked response of four chunks of 256 bytes.
fn chunked() -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..4 {
        bytes.extend_from_slice(b"100\r\n");
        bytes.resize(bytes.len() + 256, b'x');
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn request(criterion: &mut Criterion) {
    let headers = [("Accept".to_owned(), "application/json".to_owned())];
    let mut spec = RequestSpec::new("GET", "localhost", 8080, "/api/v1/users/42");
    spec.headers = &headers;
    spec.request_id_header = Some("Z6-Id");
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode a template", |bencher| {
        bencher.iter(|| RequestTemplate::encode(black_box(&spec)));
    });
    group.bench_function("write an id", |bencher| {
        let template = RequestTemplate::encode(&spec).expect("it is valid");
        let mut bytes = template.bytes().to_vec();
        let mut step = 0;
        bencher.iter(|| {
            step += 1;
            let id = IdParts { population: 0, actor: 7, step, exchange: 0 };
            template.write_id(black_box(&mut bytes), &id);
        });
    });
    group.finish();
}

fn response(criterion: &mut Criterion) {
    let responses = [("13 B", plain(13)), ("1 KiB", plain(1024)), ("1 KiB chunked", chunked())];
    let mut group = criterion.benchmark_group("response");
    for (name, bytes) in &responses {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("httparse, head only, {name}"), |bencher| {
            bencher.iter(|| {
                let mut fields = [httparse::EMPTY_HEADER; 32];
                let mut response = httparse::Response::new(&mut fields);
                response.parse(black_box(bytes)).map(|status| status.is_complete())
            });
        });
        group.bench_function(format!("decoder, {name}"), |bencher| {
            let mut decoder = ResponseDecoder::new(Limits::default());
            bencher.iter(|| {
                decoder.reset(false);
                decoder.decode(black_box(bytes))
            });
        });
        group.bench_function(format!("decoder, head in two pieces, {name}"), |bencher| {
            let mut decoder = ResponseDecoder::new(Limits::default());
            bencher.iter(|| {
                let (first, rest) = black_box(bytes).split_at(40);
                decoder.reset(false);
                let begun = decoder.decode(first);
                (begun, decoder.decode(rest))
            });
        });
        group.bench_function(format!("connection, {name}"), |bencher| {
            let mut connection = Connection::new(Limits::default());
            bencher.iter(|| {
                connection.start(80, false);
                connection.wrote(80);
                connection.received(black_box(bytes))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, request, response);
criterion_main!(benches);
