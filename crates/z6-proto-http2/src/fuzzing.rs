//! Bodies of the fuzz targets: any bytes in, assertions inside.
//!
//! Owns how bytes become operations and splits. A unit test runs each over its committed corpus in `tests/corpus`; a fuzz
//! target is one line that calls it.

pub mod naive;

use z6_http::{IdParts, RequestSpec};

use crate::connection::{Connection, Eof, Received};
use crate::error::ProtocolError;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::hpack::{Decoder, HpackError, Visitor, huffman, push_literal, push_string};
use crate::limits::{Config, Limits};
use crate::meaning::Meaning;
use crate::observe::{Observer, Tag};
use crate::output::{Bodies, Slices};
use crate::reader::{Piece, Plain, Reader};
use crate::template::{FieldSet, RequestTemplate};

/// Limits small enough for a fuzzer to reach.
const TIGHT: Limits = Limits {
    head_bytes_max: 200,
    fields_max: 4,
    interim_max: 2,
    trailer_bytes_max: 80,
    continuations_max: 2,
    control_frames_max: 6,
    settings_max: 4,
    pending_acks_max: 3,
    tiny_data_frames_max: 4,
};

const CONFIG: Config = Config {
    stream_window_bytes: 65_535,
    connection_window_bytes: 65_535,
    header_table_bytes: 4_096,
    index_headers: true,
    streams_max: 8,
};

/// Length of every body.
const BODY_BYTES: usize = 70_000;

static BODY: [u8; BODY_BYTES] = [b'x'; BODY_BYTES];

struct OneBody;

impl Bodies for OneBody {
    fn body(&self, _: Tag) -> &[u8] {
        &BODY
    }
}

/// A connection with four requests open, the second with a body.
fn opened(limits: Limits) -> Connection {
    let mut set = FieldSet::new(0);
    let mut connection = Connection::new(CONFIG, limits);
    for (tag, method) in ["GET", "POST", "HEAD", "GET"].into_iter().enumerate() {
        let mut spec = RequestSpec::new(method, "h", 80, "/");
        spec.body = (method == "POST").then_some(&BODY[..]);
        if let Ok(template) = RequestTemplate::encode(&spec, &mut set) {
            connection.start(&template, Tag(tag as u32), &IdParts::default());
        }
    }
    write_all(&mut connection);
    connection
}

/// Writes what there is; the bytes, checked to be frames if all was written.
fn write_all(connection: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let mut slices = Slices::new();
        let count = connection.unwritten(&OneBody, &mut slices);
        if count == 0 {
            return bytes;
        }
        bytes.extend(slices.as_slice().concat());
        connection.wrote(count, |_, _| {});
    }
}

/// Everything that can be seen of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Received>,
    written: Vec<u8>,
    eof: Eof,
    failed: Vec<crate::connection::Failure>,
}

/// Sees all fields, so that each head is decoded.
struct ReadsFields;

impl Observer for ReadsFields {}

fn read_in_steps(
    connection: &mut Connection,
    bytes: &[u8],
    step: usize,
    observer: &mut impl Observer,
) -> Outcome {
    let mut events = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        let mut from = 0;
        while let Some(event) = connection.received_by(piece, &mut from, observer) {
            assert!(from <= piece.len(), "took more than there was");
            connection.invariants();
            events.push(event);
            if let Received::Broken(_) = event {
                break;
            }
        }
        connection.invariants();
    }
    let open = connection.open();
    let ended = |event: &&Received| {
        let is_end = |event| {
            matches!(
                event,
                Received::Complete { .. } | Received::Failed { .. } | Received::Refused { .. }
            )
        };
        is_end(**event)
    };
    assert_eq!(events.iter().filter(ended).count() + open, 4, "each exchange ends once");
    let eof = connection.eof();
    let failed: Vec<_> = std::iter::from_fn(|| connection.failed()).collect();
    assert_eq!(failed.len(), open, "each open exchange fails");
    let written = write_all(connection);
    assert_whole_frames(&written);
    connection.invariants();
    Outcome { events, written, eof, failed }
}

fn assert_whole_frames(mut bytes: &[u8]) {
    while let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() {
        let length = FrameHeader::parse(head).length as usize;
        assert!(length <= rest.len(), "half a frame was written");
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "half a frame header was written");
}

/// Any frames of a server on a connection with four open requests: whole, byte by byte and in steps, with and without
/// an observer of fields, give the same events and the same bytes to write. The first byte chooses limits and step;
/// SETTINGS come before the rest unless its highest bit is set.
pub fn fuzz_h2_connection(data: &[u8]) {
    let Some((&options, rest)) = data.split_first() else { return };
    let limits = if options & 1 == 0 { Limits::default() } else { TIGHT };
    let settings: &[u8] = if options & 0x80 == 0 { b"\0\0\0\x04\0\0\0\0\0" } else { b"" };
    let bytes = [settings, rest].concat();
    let mut connection = opened(limits);
    let (mut second, mut third) = (connection.clone(), connection.clone());
    let whole = read_in_steps(&mut connection, &bytes, usize::MAX, &mut ());
    assert_eq!(read_in_steps(&mut second, &bytes, 1, &mut ReadsFields), whole, "byte by byte");
    let step = usize::from(options >> 1 & 0x1f) + 2;
    assert_eq!(read_in_steps(&mut third, &bytes, step, &mut ()), whole, "in steps");
    connection.reset();
    let mut set = FieldSet::new(0);
    let spec = RequestSpec::new("GET", "h", 80, "/");
    if let Ok(template) = RequestTemplate::encode(&spec, &mut set) {
        connection.start(&template, Tag(0), &IdParts::default());
    }
    connection.invariants();
}

/// The fields of a block.
#[derive(Default)]
struct Collected(Vec<(Vec<u8>, Vec<u8>)>);

impl Visitor for Collected {
    fn field(&mut self, _: Meaning, name: &[u8], value: &[u8]) {
        // A few bytes can name large entries many times.
        if self.0.len() < 1_000 {
            self.0.push((name.to_vec(), value.to_vec()));
        }
    }
}

/// Any blocks, each behind its length in one byte: the tables stay within their bounds, and what was decoded is
/// decoded again from literals.
pub fn fuzz_hpack_decoder(data: &[u8]) {
    let Some((&options, mut rest)) = data.split_first() else { return };
    let size_max = usize::from(options) * 32;
    let mut decoder = Decoder::new(size_max);
    while let Some((&length, after)) = rest.split_first() {
        let (block, after) = after.split_at(usize::from(length).min(after.len()));
        let mut fields = Collected::default();
        let decoded = decoder.decode(block, &mut fields);
        decoder.invariants();
        if decoded.is_err() {
            return;
        }
        assert_literals_decode(&fields.0);
        if length & 7 == 7 {
            decoder.acknowledged(size_max);
        }
        rest = after;
    }
}

fn assert_literals_decode(fields: &[(Vec<u8>, Vec<u8>)]) {
    let mut block = Vec::new();
    for (name, value) in fields {
        push_literal(&mut block, name, value);
    }
    let mut again = Collected::default();
    let decoded = Decoder::new(0).decode(&block, &mut again);
    assert_eq!(decoded, Ok(()));
    assert_eq!(again.0, fields);
}

/// Names and values cut out of the input come back from templates, however often they are sent and whatever table
/// the peer allows.
pub fn fuzz_hpack_round_trip(data: &[u8]) {
    let Some((&options, rest)) = data.split_first() else { return };
    let mut set = FieldSet::new(0);
    let mut fields = crate::template::Fields::new(&set);
    let mut expected = Vec::new();
    // Up to 136 bytes of each: a length of 127 takes a second byte.
    for pair in rest.chunks(usize::from(options & 0x0f) * 18 + 2) {
        let (name, value) = pair.split_at(pair.len() / 2);
        fields.push(&mut set, name, value);
        expected.push((name.to_vec(), value.to_vec()));
    }
    let mut encoder = crate::hpack::Encoder::new(options & 0x80 == 0);
    let mut decoder = Decoder::new(0);
    for size in [4_096, 4_096, usize::from(options) * 8, 100, 4_096] {
        encoder.set_size_max(size);
        let mut block = Vec::new();
        let fill = crate::hpack::Fill { id: b"", values: &[] };
        encoder.write(&fields.parts, &fields.bytes, fill, &mut block);
        encoder.invariants();
        let mut found = Collected::default();
        assert_eq!(decoder.decode(&block, &mut found), Ok(()));
        decoder.invariants();
        expected.truncate(1_000);
        assert_eq!(found.0, expected);
    }
}

/// Any bytes as a coded string, and as a text that is coded.
pub fn fuzz_huffman(data: &[u8]) {
    let mut out = vec![0; huffman::decoded_bytes_max(data.len())];
    if let Ok(length) = huffman::decode(data, &mut out) {
        let mut again = Vec::new();
        huffman::encode(&out[..length], &mut again);
        assert_eq!(again, data, "a text has one coding");
    }
    let mut coded = Vec::new();
    huffman::encode(data, &mut coded);
    assert_eq!(coded.len(), huffman::coded_bytes(data));
    let mut text = vec![0; huffman::decoded_bytes_max(coded.len())];
    let decoded: Result<usize, HpackError> = huffman::decode(&coded, &mut text);
    assert_eq!(decoded.map(|length| &text[..length]), Ok(data));
    let mut literal = Vec::new();
    push_string(&mut literal, data);
    assert!(literal.len() <= data.len() + 6, "a string is never much longer than its text");
}

/// A piece without its borrow; contents of one DATA frame are joined.
#[derive(Debug, PartialEq, Eq)]
enum Owned {
    Header(FrameHeader),
    Data(Vec<u8>),
    Block(FrameHeader, Vec<u8>, u64),
    Control(FrameHeader, Vec<u8>),
}

/// `looks_ahead`: what is plain is asked for first.
fn pieces(
    bytes: &[u8],
    limits: &Limits,
    step: usize,
    looks_ahead: bool,
) -> (Vec<Owned>, Option<ProtocolError>) {
    let (mut reader, mut found) = (Reader::of_server(), Vec::new());
    let mut open = Vec::new();
    for part in bytes.chunks(step.max(1)) {
        let mut from = 0;
        loop {
            if looks_ahead && let Some(plain) = reader.next_plain(part, &mut from) {
                match plain {
                    Plain::Head(header) => found.push(Owned::Header(header)),
                    Plain::Block { header, block } => {
                        found.push(Owned::Block(header, block.to_vec(), header.frame_bytes()));
                    }
                    Plain::Data { header, content } => {
                        found.extend([Owned::Header(header), Owned::Data(content.to_vec())]);
                    }
                }
                reader.invariants(limits);
                continue;
            }
            let piece = match reader.next(part, &mut from, limits) {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            };
            match piece {
                Piece::Header(header) => found.push(Owned::Header(header)),
                Piece::Data { content, ends, .. } => {
                    open.extend_from_slice(content);
                    if ends {
                        found.push(Owned::Data(std::mem::take(&mut open)));
                    }
                }
                Piece::Block { header, block, wire_bytes } => {
                    found.push(Owned::Block(header, block.to_vec(), wire_bytes));
                }
                Piece::Control { header, payload } => {
                    found.push(Owned::Control(header, payload.to_vec()));
                }
            }
            reader.invariants(limits);
        }
        assert_eq!(from, part.len(), "left bytes of its own");
    }
    (found, None)
}

/// Any bytes as frames: every split gives the same pieces. The first byte chooses limits and step.
pub fn fuzz_h2_frames(data: &[u8]) {
    let Some((&options, rest)) = data.split_first() else { return };
    let limits = if options & 1 == 0 { Limits::default() } else { TIGHT };
    let bytes = [b"\0\0\0\x04\0\0\0\0\0", rest].concat();
    let whole = pieces(&bytes, &limits, usize::MAX, false);
    assert_eq!(pieces(&bytes, &limits, 1, false), whole, "byte by byte");
    let step = usize::from(options >> 1) + 2;
    assert_eq!(pieces(&bytes, &limits, step, false), whole, "in steps");
    for step in [usize::MAX, step] {
        assert_eq!(pieces(&bytes, &limits, step, true), whole, "with a look ahead");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn over_corpus(folder: &str, body: fn(&[u8])) {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), folder, body);
    }

    #[test]
    fn h2_connection_corpus() {
        over_corpus("h2_connection", fuzz_h2_connection);
    }

    #[test]
    fn hpack_decoder_corpus() {
        over_corpus("hpack_decoder", fuzz_hpack_decoder);
    }

    #[test]
    fn hpack_round_trip_corpus() {
        over_corpus("hpack_round_trip", fuzz_hpack_round_trip);
    }

    #[test]
    fn huffman_corpus() {
        over_corpus("huffman", fuzz_huffman);
    }

    #[test]
    fn h2_frames_corpus() {
        over_corpus("h2_frames", fuzz_h2_frames);
    }

    /// Frames with lengths that are right, so that more than headers is reached.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let payload = prop_oneof![
            Just(vec![0x88]),
            Just(vec![0x88, 0x5f, 0x01, b'x']),
            Just(vec![0, 0, 0, 8]),
            Just(vec![0, 4, 0, 0, 0x10, 0]),
            Just(vec![0, 0, 0, 5, 0, 0, 0, 0]),
            proptest::collection::vec(any::<u8>(), 0..20),
        ];
        let frame = (0_u8..11, any::<u8>(), 0_u8..9, payload);
        proptest::collection::vec(frame, 0..20).prop_map(|frames| {
            let mut bytes = vec![0];
            for (kind, flags, stream, payload) in frames {
                bytes.extend([0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream]);
                bytes.extend(payload);
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_frames(mut data in frames(), options: u8) {
            data[0] = options & 0x7f;
            fuzz_h2_connection(&data);
            fuzz_h2_frames(&data);
        }

        #[test]
        fn any_fields(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz_hpack_round_trip(&data);
            fuzz_hpack_decoder(&data);
        }
    }
}
