//! A client and the server of this crate, joined in memory with writes and reads of any length, while the server changes
//! windows and header table: every request is answered, and both sides agree on what was said.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use z6_http::{IdParts, RequestSpec};
use z6_proto_http2::server::{Asked, ServerConfig, ServerConnection};
use z6_proto_http2::{
    Bodies, Config, Connection, ErrorCode, FieldSet, Limits, Received, RequestTemplate, Slices, Tag,
};

/// Identifiers of settings (RFC 9113 section 6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;
const INITIAL_WINDOW_SIZE: u16 = 4;

struct Letters(Vec<Vec<u8>>);

impl Bodies for Letters {
    fn body(&self, tag: Tag) -> &[u8] {
        &self.0[tag.0 as usize]
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answer { body_bytes: usize },
    Refuse,
    Cancel,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => (0_usize..100_000).prop_map(|body_bytes| Fate::Answer { body_bytes }),
        2 => (0_usize..20).prop_map(|body_bytes| Fate::Answer { body_bytes }),
        1 => Just(Fate::Refuse),
        1 => Just(Fate::Cancel),
    ]
}

#[derive(Default)]
struct Server {
    /// Content received, by stream.
    received: BTreeMap<u32, usize>,
    /// Content that is not sent yet, by stream.
    to_send: BTreeMap<u32, usize>,
}

impl Server {
    fn read(&mut self, connection: &mut ServerConnection, wire: &[u8], fates: &[Fate]) {
        let mut from = 0;
        while let Some(asked) = connection.received(wire, &mut from) {
            let (stream, ends) = match asked {
                Asked::Request { stream, ends } => {
                    assert_eq!(connection.request().field("x-long").unwrap().len(), 300);
                    (stream, ends)
                }
                Asked::Content { stream, range, ends } => {
                    assert!(wire[range.clone()].iter().all(|&byte| byte == b'x'));
                    *self.received.entry(stream).or_default() += range.len();
                    (stream, ends)
                }
                Asked::Reset { stream, code } => {
                    assert_eq!(code, ErrorCode::CANCEL);
                    self.to_send.remove(&stream);
                    continue;
                }
                other => panic!("{other:?}"),
            };
            if ends {
                self.answer(connection, stream, fates[stream as usize / 2]);
            }
        }
        assert_eq!(from, wire.len());
    }

    fn answer(&mut self, connection: &mut ServerConnection, stream: u32, fate: Fate) {
        match fate {
            Fate::Answer { body_bytes } => {
                let length = body_bytes.to_string();
                let fields = [
                    (&b":status"[..], &b"200"[..]),
                    (b"content-length", length.as_bytes()),
                    (b"server", b"pair"),
                ];
                connection.respond_fields(stream, fields, body_bytes == 0);
                if body_bytes > 0 {
                    self.to_send.insert(stream, body_bytes);
                }
            }
            Fate::Refuse => connection.reset(stream, ErrorCode::REFUSED_STREAM),
            Fate::Cancel => {}
        }
    }

    fn write(&mut self, connection: &mut ServerConnection) {
        static CONTENT: [u8; 100_000] = [b'y'; 100_000];
        for (&stream, left) in &mut self.to_send {
            *left -= connection.content(stream, &CONTENT[..*left], true);
        }
        self.to_send.retain(|_, left| *left > 0);
    }
}

/// Takes up to `most` bytes.
fn take(slices: &Slices<'_>, most: usize) -> Vec<u8> {
    let mut bytes = slices.as_slice().concat();
    bytes.truncate(most.max(1));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_request_ends_as_it_should(
        requests in proptest::collection::vec((0_usize..90_000, fate()), 1..12),
        steps in proptest::collection::vec(1_usize..30_000, 1..8),
        window in 65_535_u32..200_000,
        sizes in proptest::collection::vec(0_u32..50_000, 0..6),
    ) {
        let fates: Vec<Fate> = requests.iter().map(|&(_, fate)| fate).collect();
        let bodies = Letters(requests.iter().map(|&(bytes, _)| vec![b'x'; bytes]).collect());
        let config = Config {
            stream_window_bytes: 65_535,
            connection_window_bytes: window,
            ..Config::default()
        };
        let mut client = Connection::new(config, Limits::default());
        let server_config = ServerConfig { stream_window_bytes: 40_000, ..ServerConfig::default() };
        let mut server = ServerConnection::new(server_config, Limits::default());
        let mut set = FieldSet::new(0);
        let headers = [("X-Long".to_owned(), "v".repeat(300))];
        for (tag, body) in bodies.0.iter().enumerate() {
            let mut spec = RequestSpec::new("POST", "h", 80, "/");
            spec.headers = &headers;
            spec.body = (!body.is_empty()).then_some(body);
            let template = RequestTemplate::encode(&spec, &mut set).unwrap();
            client.start(&template, Tag(tag as u32), &IdParts::default());
        }
        let (mut state, mut ended) = (Server::default(), BTreeMap::new());
        // The last window lets every body come to its end.
        let last = (!sizes.is_empty()).then_some(50_000);
        let mut windows = sizes.iter().copied().chain(last).collect::<Vec<_>>().into_iter();
        for round in 0.. {
            prop_assert!(round < 10_000, "it stands still: {ended:?}");
            let step = steps[round % steps.len()];
            let mut slices = Slices::new();
            client.unwritten(&bodies, &mut slices);
            let up = take(&slices, step);
            client.wrote(up.len(), |_, _| {});
            client.invariants();
            state.read(&mut server, &up, &fates);
            if round % 3 == 2 && let Some(window) = windows.next() {
                server.settings(&[(INITIAL_WINDOW_SIZE, window), (HEADER_TABLE_SIZE, window % 4_097)]);
            }
            state.write(&mut server);
            server.invariants();
            let mut slices = Slices::new();
            server.unwritten(&mut slices);
            let down = take(&slices, steps[(round + 1) % steps.len()]);
            server.wrote(down.len());
            let mut from = 0;
            while let Some(event) = client.received(&down, &mut from) {
                let (tag, end) = match event {
                    Received::Complete { tag, response } => (tag, Some(response)),
                    Received::Refused { tag, .. } => (tag, None),
                    Received::FirstByte(_) | Received::Allowed(_) => continue,
                    other => panic!("{other:?}"),
                };
                prop_assert!(ended.insert(tag, end).is_none());
            }
            client.invariants();
            let all_but_cancelled = ended.len() + fates
                .iter()
                .filter(|fate| matches!(fate, Fate::Cancel))
                .count();
            let is_quiet = up.is_empty() && down.is_empty();
            if is_quiet && all_but_cancelled == fates.len() && windows.len() == 0 {
                break;
            }
        }
        for (tag, fate) in fates.iter().enumerate() {
            let tag = Tag(tag as u32);
            match (fate, ended.get(&tag)) {
                (Fate::Answer { body_bytes }, Some(Some(response))) => {
                    prop_assert_eq!(response.body_bytes, *body_bytes as u64);
                    prop_assert_eq!((response.status, response.unsent_bytes), (200, 0));
                }
                (Fate::Refuse, Some(None)) => {}
                (Fate::Cancel, None) => {
                    prop_assert!(client.cancel(tag, &bodies).is_some());
                }
                other => panic!("{other:?}"),
            }
            let received = state.received.get(&(tag.0 * 2 + 1)).copied().unwrap_or(0);
            prop_assert_eq!(received, bodies.0[tag.0 as usize].len());
        }
        prop_assert_eq!(client.open(), 0);
    }
}
