//! The `h2` crate as the server: both sides agree on every field, length and status, with tables and windows of
//! several sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

use std::collections::BTreeMap;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use z6_http::{IdParts, RequestSpec};
use z6_proto_http2::{
    Bodies, Config, Connection, ErrorCode, FieldSet, Limits, Observer, ProtocolErrorKind, Received,
    RequestTemplate, Section, Sending, Slices, Tag, TemplateBuilder,
};

/// Requests of one connection.
const REQUESTS: u32 = 300;
/// Bytes that are in memory between both sides.
const PIPE_BYTES: usize = 1 << 20;

/// A generator of numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn text(&mut self, length_max: u64) -> String {
        const BYTES: &[u8] =
            b"abcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%{}[]<>|^`\" ABC";
        let length = self.below(length_max + 1);
        let text: String = (0..length)
            .map(|_| char::from(BYTES[self.below(BYTES.len() as u64) as usize]))
            .collect();
        text.trim().to_owned()
    }

    /// Fields with names and values that come again and new ones.
    fn fields(&mut self) -> Vec<(String, String)> {
        (0..self.below(8))
            .map(|_| {
                let name = format!("x-{}", self.below(12));
                let value =
                    if self.below(2) == 0 { self.below(4).to_string() } else { self.text(60) };
                (name, value)
            })
            .collect()
    }
}

/// What the server does with the request of this number.
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body_bytes: usize,
    trailers: Vec<(String, String)>,
    reset: Option<Reason>,
}

fn answer(number: u64) -> Answer {
    let mut numbers = Numbers(number + 1_000_000);
    let status = [200, 200, 404, 500, 302][numbers.below(5) as usize];
    let body_bytes = [0, 13, 5_000, 40_000][numbers.below(4) as usize];
    let reset = match numbers.below(20) {
        0 => Some(Reason::REFUSED_STREAM),
        1 => Some(Reason::INTERNAL_ERROR),
        _ => None,
    };
    let fields = numbers.fields();
    let trailers = if numbers.below(4) == 0 { numbers.fields() } else { Vec::new() };
    Answer { status, fields, body_bytes, trailers, reset }
}

/// The request of this number: fields and length of its body.
fn asked(number: u64) -> (Vec<(String, String)>, usize) {
    let mut numbers = Numbers(number + 7);
    (numbers.fields(), [0, 0, 100, 30_000][numbers.below(4) as usize])
}

fn map(fields: &[(String, String)]) -> HeaderMap {
    let pairs = fields.iter().map(|(name, value)| {
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
    });
    let mut map = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

/// By name, since maps of headers have no order between names.
fn sorted(fields: &[(String, String)]) -> Vec<(String, String)> {
    let mut fields = fields.to_vec();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

async fn serve(pipe: DuplexStream, builder: Builder) {
    let mut connection = builder.handshake::<_, Bytes>(pipe).await.unwrap();
    while let Some(request) = connection.accept().await {
        let (request, respond) = request.unwrap();
        tokio::spawn(respond_to(request, respond));
    }
}

async fn respond_to(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let number: u64 = request.uri().path().strip_prefix('/').unwrap().parse().unwrap();
    let (fields, body_bytes) = asked(number);
    assert_eq!(request.uri().authority().unwrap().as_str(), "h:8080");
    for name in map(&fields).keys() {
        let expected: Vec<_> = fields.iter().filter(|field| field.0 == name.as_str()).collect();
        let found: Vec<_> = request.headers().get_all(name).iter().collect();
        let expected: Vec<_> = expected.iter().map(|field| field.1.as_str()).collect();
        assert_eq!(found, expected, "request {number}");
    }
    assert_eq!(request.headers()["authorization"], format!("Bearer {number}"));
    let mut body = request.into_body();
    let mut received = 0;
    while let Some(content) = body.data().await {
        let content = content.unwrap();
        received += content.len();
        body.flow_control().release_capacity(content.len()).unwrap();
    }
    assert_eq!(received, body_bytes, "request {number}");
    let answer = answer(number);
    if let Some(reason) = answer.reset {
        respond.send_reset(reason);
        return;
    }
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    *head.headers_mut() = map(&answer.fields);
    let is_bare = answer.body_bytes == 0 && answer.trailers.is_empty();
    let mut stream = respond.send_response(head, is_bare).unwrap();
    if answer.body_bytes > 0 {
        let content = Bytes::from(vec![b'y'; answer.body_bytes]);
        stream.send_data(content, answer.trailers.is_empty()).unwrap();
    }
    if !answer.trailers.is_empty() {
        stream.send_trailers(map(&answer.trailers)).unwrap();
    }
}

/// Collects the fields of responses.
#[derive(Default)]
struct Seen {
    heads: BTreeMap<Tag, Vec<(String, String)>>,
    trailers: BTreeMap<Tag, Vec<(String, String)>>,
}

impl Observer for Seen {
    fn field(&mut self, tag: Tag, section: Section, name: &[u8], value: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let of = match section {
            Section::Head => &mut self.heads,
            Section::Trailers => &mut self.trailers,
        };
        of.entry(tag).or_default().push((text(name), text(value)));
    }
}

#[derive(Default)]
struct Sizes(BTreeMap<Tag, Vec<u8>>);

impl Bodies for Sizes {
    fn body(&self, tag: Tag) -> &[u8] {
        &self.0[&tag]
    }
}

/// The fields of a request, from a template or rendered.
fn start(client: &mut Connection, set: &mut FieldSet, number: u64, bodies: &mut Sizes) {
    let (mut headers, body_bytes) = asked(number);
    let body = vec![b'x'; body_bytes];
    let path = format!("/{number}");
    let secret = format!("Bearer {number}");
    let tag = Tag(number as u32);
    if number.is_multiple_of(3) {
        let mut builder = TemplateBuilder::new(set);
        builder.pseudo(":method", b"POST");
        builder.pseudo(":scheme", b"http");
        builder.pseudo(":authority", b"h:8080");
        builder.rendered(":path").unwrap();
        builder.rendered("Authorization").unwrap();
        for (name, _) in &headers {
            builder.rendered(name).unwrap();
        }
        let template = builder.finish(body.clone(), false).unwrap();
        let mut values = vec![path.as_bytes(), secret.as_bytes()];
        values.extend(headers.iter().map(|(_, value)| value.as_bytes()));
        client.start_with(&template, tag, &Sending { values: &values, ..Sending::default() });
    } else {
        headers.push(("Authorization".to_owned(), secret));
        let mut spec = RequestSpec::new("POST", "h", 8080, &path);
        spec.headers = &headers;
        spec.body = (body_bytes > 0).then_some(&body);
        spec.request_id_header = Some("Z6-Id");
        let template = RequestTemplate::encode(&spec, set).unwrap();
        client.start(&template, tag, &IdParts::default());
    }
    bodies.0.insert(tag, body);
}

fn check(number: u64, event: Received, seen: &mut Seen) {
    let answer = answer(number);
    match event {
        Received::Complete { tag, response } => {
            assert_eq!(answer.reset, None);
            assert_eq!(response.status, answer.status);
            assert_eq!(response.body_bytes, answer.body_bytes as u64);
            let mut head = seen.heads.remove(&tag).unwrap();
            head.retain(|(name, _)| name.starts_with("x-"));
            assert_eq!(sorted(&head), sorted(&answer.fields), "response {number}");
            let trailers = seen.trailers.remove(&tag).unwrap_or_default();
            assert_eq!(sorted(&trailers), sorted(&answer.trailers), "trailers {number}");
        }
        Received::Refused { .. } => assert_eq!(answer.reset, Some(Reason::REFUSED_STREAM)),
        Received::Failed { error, .. } => {
            assert_eq!(answer.reset, Some(Reason::INTERNAL_ERROR));
            assert_eq!(error.kind, ProtocolErrorKind::StreamReset);
            assert_eq!(error.detail, ErrorCode::INTERNAL_ERROR.0);
        }
        other => panic!("{other:?}"),
    }
}

async fn exchange(mut pipe: DuplexStream, config: Config, step: usize) {
    let mut client = Connection::new(config, Limits::default());
    let (mut set, mut bodies) = (FieldSet::new(0), Sizes::default());
    let (mut seen, mut started, mut ended) = (Seen::default(), 0, 0);
    let mut buffer = vec![0; step];
    while ended < REQUESTS {
        // Requests above the server's limit would be refused, so its settings are waited for.
        let has_settings = client.counters().settings_in > 0;
        while has_settings && started < REQUESTS && client.can_start() {
            start(&mut client, &mut set, u64::from(started), &mut bodies);
            started += 1;
        }
        loop {
            let mut slices = Slices::new();
            if client.unwritten(&bodies, &mut slices) == 0 {
                break;
            }
            let bytes = slices.as_slice().concat();
            pipe.write_all(&bytes).await.unwrap();
            client.wrote(bytes.len(), |_, _| {});
        }
        let count = pipe.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the server has closed");
        let mut from = 0;
        while let Some(event) = client.received_by(&buffer[..count], &mut from, &mut seen) {
            let tag = match event {
                Received::Complete { tag, .. }
                | Received::Refused { tag, .. }
                | Received::Failed { tag, .. } => tag,
                Received::FirstByte(_) | Received::Allowed(_) => continue,
                other => panic!("{other:?}"),
            };
            check(u64::from(tag.0), event, &mut seen);
            bodies.0.remove(&tag);
            ended += 1;
        }
        client.invariants();
    }
    assert_eq!(client.open(), 0);
}

fn run(builder: &Builder, config: Config, step: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let server = tokio::spawn(serve(theirs, builder.clone()));
        exchange(ours, config, step).await;
        server.await.expect("the server has no complaint");
    });
}

#[test]
fn h2_agrees_with_usual_settings() {
    run(&Builder::new(), Config::default(), 16 * 1024);
}

#[test]
fn h2_agrees_with_small_tables_windows_and_few_streams() {
    let mut builder = Builder::new();
    builder.header_table_size(256).max_concurrent_streams(7);
    builder.initial_window_size(1_000).initial_connection_window_size(70_000);
    let config = Config {
        header_table_bytes: 0,
        stream_window_bytes: 65_535,
        connection_window_bytes: 65_535,
        ..Config::default()
    };
    run(&builder, config, 1_000);
    builder.header_table_size(0).max_frame_size(20_000);
    let config = Config { header_table_bytes: 300, index_headers: false, ..config };
    run(&builder, config, 7);
}
