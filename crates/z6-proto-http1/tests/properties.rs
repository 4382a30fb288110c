//! Random valid responses, rendered from a description that knows the answer, under random splits.

use proptest::prelude::*;
use z6_proto_http1::{Connection, Eof, Irregularities, Limits, Received, ResponseFacts};

#[derive(Clone, Debug)]
enum Body {
    Length(usize),
    Chunked { chunks: Vec<usize>, extension: String, trailers: Vec<(String, String)> },
    ToClose(usize),
}

#[derive(Clone, Debug)]
struct Response {
    interim: Vec<u16>,
    minor: u8,
    status: u16,
    reason: String,
    fields: Vec<(String, String)>,
    connection: Option<&'static str>,
    body: Body,
}

impl Response {
    fn head(&self, out: &mut Vec<u8>) {
        for status in &self.interim {
            out.extend_from_slice(format!("HTTP/1.1 {status} x\r\nLink: <a>\r\n\r\n").as_bytes());
        }
        let Response { minor, status, reason, .. } = self;
        out.extend_from_slice(format!("HTTP/1.{minor} {status} {reason}\r\n").as_bytes());
        let framing = match &self.body {
            Body::Length(bytes) => Some(("Content-Length", bytes.to_string())),
            Body::Chunked { .. } => Some(("tRANSFER-eNCODING", "Chunked".to_owned())),
            Body::ToClose(_) => None,
        };
        let middle = self.fields.len() / 2;
        for (index, (name, value)) in self.fields.iter().enumerate() {
            if let Some((name, value)) = framing.as_ref().filter(|_| index == middle) {
                out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            out.extend_from_slice(format!("X-{name}:{value}\r\n").as_bytes());
        }
        if let Some((name, value)) = framing.filter(|_| self.fields.is_empty()) {
            out.extend_from_slice(format!("{name}:\t{value} \r\n").as_bytes());
        }
        if let Some(options) = self.connection {
            out.extend_from_slice(format!("connection: {options}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.head(&mut out);
        match &self.body {
            Body::Length(bytes) | Body::ToClose(bytes) => out.resize(out.len() + bytes, b'\n'),
            Body::Chunked { chunks, extension, trailers } => {
                for bytes in chunks {
                    out.extend_from_slice(format!("{bytes:x}{extension}\r\n").as_bytes());
                    out.resize(out.len() + bytes, b'0');
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(format!("0{extension}\r\n").as_bytes());
                for (name, value) in trailers {
                    out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        out
    }

    fn expected(&self, wire_bytes: usize) -> ResponseFacts {
        let body_bytes = match &self.body {
            Body::Length(bytes) | Body::ToClose(bytes) => *bytes,
            Body::Chunked { chunks, .. } => chunks.iter().sum(),
        };
        let options = self.connection.unwrap_or("").to_ascii_lowercase();
        let persists = self.minor == 1 || options.contains("keep-alive");
        ResponseFacts {
            status: self.status,
            bytes_received: wire_bytes as u64,
            body_bytes: body_bytes as u64,
            reusable: persists
                && !options.contains("close")
                && !matches!(self.body, Body::ToClose(_)),
            unsent_bytes: 0,
            unsolicited_after: false,
            irregularities: Irregularities::NONE,
        }
    }
}

fn fields(count: usize) -> impl Strategy<Value = Vec<(String, String)>> {
    let field = ("[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,20}", "[ \t]{0,2}[ -~\u{80}-\u{ff}]{0,30}");
    prop::collection::vec(field, 0..count)
}

fn body(minor: u8) -> BoxedStrategy<Body> {
    let length = (0..300_usize).prop_map(Body::Length);
    let to_close = (0..300_usize).prop_map(Body::ToClose);
    let extension = "( {0,2}(;[a-z]{1,5}(=\"[ -!#-\\[\\]-~]{0,9}\")?){0,2})?";
    let chunked = (prop::collection::vec(1..70_usize, 0..6), extension, fields(3))
        .prop_map(|(chunks, extension, trailers)| Body::Chunked { chunks, extension, trailers });
    if minor == 0 {
        prop_oneof![length, to_close].boxed()
    } else {
        prop_oneof![length, to_close, chunked].boxed()
    }
}

fn response() -> impl Strategy<Value = Response> {
    let status = (200..600_u16).prop_filter("has a body", |status| ![204, 304].contains(status));
    let interim = prop::collection::vec(prop_oneof![Just(100_u16), 102..200_u16], 0..4);
    let connection = prop::option::of(prop_oneof![
        Just("close"),
        Just("Keep-Alive"),
        Just("x-hop, CLOSE"),
        Just("keep-alive,close"),
        Just("x-hop"),
    ]);
    (0..2_u8).prop_flat_map(move |minor| {
        (interim.clone(), status.clone(), "[ -~]{0,20}", fields(8), connection.clone(), body(minor))
            .prop_map(move |(interim, status, reason, fields, connection, body)| Response {
                interim,
                minor,
                status,
                reason,
                fields,
                connection,
                body,
            })
    })
}

/// Feeds `wire` in pieces of the lengths given, the rest as one.
fn exchange(connection: &mut Connection, wire: &[u8], pieces: &[usize]) -> Option<ResponseFacts> {
    connection.start(10, false);
    connection.wrote(10);
    let mut rest = wire;
    for &bytes in pieces.iter().chain([&usize::MAX]) {
        let (piece, after) = rest.split_at(bytes.min(rest.len()));
        rest = after;
        match connection.received(piece) {
            Received::NeedMore { .. } => {}
            Received::Complete { response, .. } => {
                assert!(rest.is_empty(), "complete too early");
                return Some(response);
            }
            other @ (Received::Failed { .. } | Received::Unsolicited) => panic!("{other:?}"),
        }
    }
    match connection.eof() {
        Eof::Complete(response) => Some(response),
        Eof::Idle | Eof::Failed(_) => None,
    }
}

proptest! {
    #[test]
    fn valid_responses_are_read_as_described(
        response in response(),
        pieces in prop::collection::vec(0..60_usize, 0..12),
    ) {
        let wire = response.render();
        let expected = Some(response.expected(wire.len()));
        let mut connection = Connection::new(Limits::default());
        prop_assert_eq!(exchange(&mut connection, &wire, &pieces), expected);
        connection.reset();
        prop_assert_eq!(exchange(&mut connection, &wire, &[]), expected);
    }

    /// A response that lacks its last bytes never counts as complete (RFC 9112 §8).
    #[test]
    fn a_response_cut_short_is_never_complete(response in response(), cut in 1..400_usize) {
        prop_assume!(!matches!(response.body, Body::ToClose(_)));
        let wire = response.render();
        let cut = cut.min(wire.len());
        let mut connection = Connection::new(Limits::default());
        let outcome = exchange(&mut connection, &wire[..wire.len() - cut], &[7]);
        prop_assert_eq!(outcome, None);
    }

    #[test]
    fn several_exchanges_on_one_connection(
        responses in prop::collection::vec(response(), 1..5),
        pieces in prop::collection::vec(0..90_usize, 0..8),
    ) {
        let mut connection = Connection::new(Limits::default());
        for (earlier, response) in responses.iter().enumerate() {
            let wire = response.render();
            let expected = response.expected(wire.len());
            prop_assert_eq!(exchange(&mut connection, &wire, &pieces), Some(expected));
            prop_assert_eq!(connection.exchanges_completed(), earlier as u64 + 1);
            if !expected.reusable {
                break;
            }
        }
    }
}
