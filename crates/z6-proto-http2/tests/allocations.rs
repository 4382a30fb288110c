//! Once its memory has grown, a connection allocates nothing for requests and responses.
#![allow(clippy::unwrap_used, reason = "tests may")]

use z6_http::{IdParts, RequestSpec};
use z6_proto_http2::server::{Asked, ResponseTemplate, ServerConfig, ServerConnection};
use z6_proto_http2::{
    Bodies, Config, Connection, FieldSet, Limits, Received, RequestTemplate, Sending, Slices, Tag,
    TemplateBuilder,
};
use z6_testing::{CountingAllocator, allocations};

#[global_allocator]
static COUNTING: CountingAllocator = CountingAllocator;

/// Requests of one round.
const STREAMS: u32 = 50;
/// Rounds in which memory may grow.
const WARM: usize = 20;

struct OneBody(Vec<u8>);

impl Bodies for OneBody {
    fn body(&self, _: Tag) -> &[u8] {
        &self.0
    }
}

/// What the client wrote, and how often it allocated.
fn write(client: &mut Connection, body: &OneBody, wire: &mut Vec<u8>) -> u64 {
    wire.clear();
    let mut count = 0;
    loop {
        let before = allocations();
        let mut slices = Slices::new();
        let bytes = client.unwritten(body, &mut slices);
        count += allocations() - before;
        if bytes == 0 {
            return count;
        }
        slices.as_slice().iter().for_each(|slice| wire.extend_from_slice(slice));
        let before = allocations();
        client.wrote(bytes, |_, _| {});
        count += allocations() - before;
    }
}

fn serve(server: &mut ServerConnection, wire: &[u8], answers: &[ResponseTemplate; 3]) {
    let mut from = 0;
    while let Some(asked) = server.received(wire, &mut from) {
        let (Asked::Request { stream, ends } | Asked::Content { stream, ends, .. }) = asked else {
            continue;
        };
        if ends {
            let answer = &answers[stream as usize % 3];
            server.respond(stream, answer, false);
            server.content(stream, b"Hello, World!", true);
        }
    }
}

#[test]
fn exchanges_allocate_nothing_in_steady_state() {
    let mut set = FieldSet::new(0);
    let body = OneBody(vec![b'x'; 1_000]);
    let headers = [("Accept".to_owned(), "*/*".to_owned())];
    let mut spec = RequestSpec::new("POST", "example.com", 443, "/orders");
    spec.headers = &headers;
    spec.body = Some(&body.0);
    spec.request_id_header = Some("Z6-Id");
    let post = RequestTemplate::encode(&spec, &mut set).unwrap();
    let mut builder = TemplateBuilder::new(&mut set);
    builder.pseudo(":method", b"GET");
    builder.pseudo(":scheme", b"http");
    builder.rendered(":path").unwrap();
    builder.rendered("Authorization").unwrap();
    let get = builder.finish(Vec::new(), false).unwrap();

    let mut server_set = FieldSet::new(0);
    let answers = ["1", "2", "3"].map(|number| {
        let fields = [("content-length", "13"), ("server", "z6"), ("x", number)];
        ResponseTemplate::encode(200, &fields, &mut server_set)
    });
    let mut server = ServerConnection::new(ServerConfig::default(), Limits::default());
    let mut client = Connection::new(Config::default(), Limits::default());
    let (mut wire, mut answer) = (Vec::new(), Vec::new());
    for round in 0..WARM + 20 {
        let before = allocations();
        for tag in 0..STREAMS {
            let id = IdParts { step: round as u64, ..IdParts::default() };
            if tag % 2 == 0 {
                client.start(&post, Tag(tag), &id);
            } else {
                let values: &[&[u8]] = &[b"/item/17", b"Bearer 0123456789"];
                client.start_with(&get, Tag(tag), &Sending { id, values, body_bytes: None });
            }
        }
        let mut count = allocations() - before;
        count += write(&mut client, &body, &mut wire);
        serve(&mut server, &wire, &answers);
        answer.clear();
        let mut slices = Slices::new();
        let bytes = server.unwritten(&mut slices);
        slices.as_slice().iter().for_each(|slice| answer.extend_from_slice(slice));
        server.wrote(bytes);
        let before = allocations();
        let (mut from, mut complete) = (0, 0);
        while let Some(event) = client.received(&answer, &mut from) {
            complete += u32::from(matches!(event, Received::Complete { .. }));
        }
        count += allocations() - before;
        assert_eq!(complete, STREAMS, "round {round}");
        assert!(round < WARM || count == 0, "round {round}: {count}");
    }
}
