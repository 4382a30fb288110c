//! Bare httparse as a second reading of the same heads, and the list of where the two differ.
//!
//! Heads are valid ones with a few bytes replaced, inserted or removed. The decoder is given each
//! as the answer to HEAD, so that framing plays no part, whole and byte by byte: whole heads are
//! read by httparse, pieces by the scanner, so this also compares those two.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use z6_proto_http1::{Irregularities, Limits, ProtocolErrorKind, ResponseDecoder};

/// Bytes that mean something in a head.
const ALPHABET: &[u8] = b"\r\n\t :;,HTP/1.0259azAZ-_\"(\\\x00\x01\x7f\x80\xff";

/// `Some((length, status))` if httparse takes it as a whole head.
fn httparse_reading(head: &[u8], fields_max: usize) -> Option<(usize, u16)> {
    let mut fields = vec![httparse::EMPTY_HEADER; fields_max];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(head) {
        Ok(httparse::Status::Complete(length)) => Some((length, response.code?)),
        Ok(httparse::Status::Partial) | Err(_) => None,
    }
}

/// Length, status and irregularities, or the kind of the error; `None` if more is needed.
type Reading = Option<Result<(usize, u16, Irregularities), (ProtocolErrorKind, u64)>>;

fn our_reading(head: &[u8], fields_max: usize, step: usize) -> Reading {
    let mut decoder = ResponseDecoder::new(Limits { fields_max, ..Limits::default() });
    decoder.reset(true);
    let mut consumed = 0;
    for piece in head.chunks(step) {
        match decoder.decode(piece) {
            Ok(decoded) => consumed += decoded.consumed,
            Err(error) => return Some(Err((error.kind, error.offset))),
        }
        if let Some(status) = decoder.status() {
            return Some(Ok((consumed, status, decoder.irregularities())));
        }
    }
    None
}

/// The irregularities of a head that httparse takes.
fn irregularities(head: &[u8], status: u16) -> Irregularities {
    let mut found = Irregularities::NONE;
    if head.iter().enumerate().any(|(at, &b)| b == b'\n' && head[at - 1] != b'\r') {
        found = found.with(Irregularities::BARE_LINE_FEED);
    }
    if !(100..600).contains(&status) {
        found = found.with(Irregularities::STATUS_OUT_OF_RANGE);
    }
    found
}

/// What we read and httparse does not.
const BEYOND_HTTPARSE: Irregularities = Irregularities::OBS_FOLD
    .with(Irregularities::LATER_VERSION)
    .with(Irregularities::STATUS_LINE_SPACES);

fn mutated_head() -> impl Strategy<Value = Vec<u8>> {
    let head = "HTTP/1\\.[01] [2-5][0-9]{2}( [a-zA-Z ]{0,9})?\r\n\
                ([A-Za-z-]{1,16}:[ \t]{0,2}[ -~]{0,24}[ \t]{0,2}\r\n){0,6}\r\n";
    let byte = prop::sample::select(ALPHABET);
    let mutation = (0..3_u8, any::<prop::sample::Index>(), byte);
    (head, prop::collection::vec(mutation, 0..4)).prop_map(|(head, mutations)| {
        let mut head = head.into_bytes();
        for (kind, at, byte) in mutations {
            let at = at.index(head.len());
            match kind {
                0 => head[at] = byte,
                1 => head.insert(at, byte),
                _ => _ = head.remove(at),
            }
        }
        head
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn httparse_and_we_agree_but_for_the_list(head in mutated_head(), fields_max in 1..8_usize) {
        let ours = our_reading(&head, fields_max, usize::MAX);
        prop_assert_eq!(our_reading(&head, fields_max, 1), ours, "byte by byte");
        match httparse_reading(&head, fields_max) {
            // It skips empty lines before the status line.
            Some(_) if head[0] != b'H' => prop_assert!(matches!(ours, Some(Err(_))), "{:?}", ours),
            // An interim head is skipped, so that more is needed; 101 is refused.
            Some((_, 101)) => {
                let upgrade = (ProtocolErrorKind::UnexpectedUpgrade, 9);
                prop_assert_eq!(ours, Some(Err(upgrade)));
            }
            Some((_, 100..=199)) => prop_assert!(!matches!(ours, Some(Ok((_, 100..=199, _))))),
            Some((length, status)) => {
                let irregularities = irregularities(&head[..length], status);
                prop_assert_eq!(ours, Some(Ok((length, status, irregularities))));
            }
            None => if let Some(Ok((.., irregularities))) = ours {
                prop_assert!(irregularities.has(BEYOND_HTTPARSE), "{:?}", ours);
            },
        }
    }
}

/// httparse's chunk-size reader takes an empty size line as the last chunk; ours does not.
#[test]
fn empty_chunk_size_line() {
    assert!(matches!(httparse::parse_chunk_size(b"\r\n"), Ok(httparse::Status::Complete((_, 0)))));
    let mut decoder = ResponseDecoder::new(Limits::default());
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(decoder.decode(head).is_ok());
    let error = decoder.decode(b"\r\n\r\n").unwrap_err();
    assert_eq!((error.name(), error.offset), ("bad_chunk", head.len() as u64));
}
