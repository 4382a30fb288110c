//! How exchanges and connections end, and what is told of them beside their responses.

use crate::client::*;
use z6_proto_http2::frame::FrameKind;
use z6_proto_http2::{Eof, ErrorCode, FailureKind, ProtocolErrorKind as Kind, Received, Tag};

#[test]
fn cancelled_exchanges_are_reset_and_forgotten() {
    let mut client = Client::new();
    client.get();
    client.feed(&[headers(1, WHOLE, STATUS_200), data(1, 0, b"abc")]);
    assert_eq!(client.connection.cancel(Tag(0), &()), Some(10 + 12));
    assert_eq!(client.connection.cancel(Tag(0), &()), None);
    assert_eq!(client.sent(), parse(&reset(1, ErrorCode::CANCEL)));
    let late = [data(1, 0, b"abc"), headers(1, WHOLE | END, &block(&[("x", "y")]))];
    assert_eq!(client.feed(&late), []);
    client.assert_lives();
}

/// A request that is cancelled while its DATA is being written keeps the frames whole, and what is in them true: a
/// server may look at a request before it learns that it was cancelled.
#[test]
fn cancelled_bodies_leave_whole_frames() {
    for written in [0, 5, 30, 100, 10_000, 17_000, 40_000] {
        let mut client = Client::new();
        client.request("POST", 60_000);
        client.request("POST", 5_000);
        let mut bytes = client.write_some(written);
        client.cancel(0);
        bytes.extend(client.written());
        let frames = parse(&bytes);
        let content = |frame: &&Sent| frame.kind == FrameKind::DATA && frame.stream == 1;
        for frame in frames.iter().filter(content) {
            let letter = client.letter(0);
            assert!(frame.payload.iter().all(|byte| *byte == letter), "{written}");
        }
        let of = |stream: u32| frames.iter().filter(move |frame| frame.stream == stream);
        assert_eq!(of(1).next_back().unwrap().code(), ErrorCode::CANCEL);
        let second: usize = of(3).skip(1).map(|frame| frame.payload.len()).sum();
        assert_eq!(second, 5_000, "{written}");
        client.feed(&[headers(3, WHOLE | END, STATUS_200)]);
        client.assert_lives();
    }
}

/// What is taken back leaves no trace: neither in stream ids nor in what the peer has in its table.
#[test]
fn requests_are_taken_back_before_they_are_written() {
    for (written, taken_back) in [(0, 3), (1, 2), (10_000, 0)] {
        let mut client = Client::new();
        client.get();
        for body_bytes in [500, 0, 70] {
            client.request("POST", body_bytes);
        }
        let mut bytes = client.write_some(written);
        let mut tags = Vec::new();
        client.connection.take_back_unwritten(|tag| tags.push(tag.0));
        client.connection.invariants();
        assert_eq!(tags, [3, 2, 1][..taken_back], "{written}");
        let next = client.request("PUT", 10);
        bytes.extend(client.written());
        let opened = parse(&bytes).into_iter().filter(|frame| frame.kind == FrameKind::HEADERS);
        let opened: Vec<Sent> = opened.collect();
        let streams: Vec<u32> = opened.iter().map(|frame| frame.stream).collect();
        assert_eq!(streams, [3, 5, 7, 9][..4 - taken_back], "{written}");
        let is_emptied = opened.last().unwrap().payload.starts_with(&[0x20, 0x3f, 0xe1, 0x1f]);
        assert_eq!(is_emptied, taken_back > 0, "{written}");
        let last = *streams.last().unwrap();
        let events = client.feed(&[headers(last, WHOLE | END, STATUS_200)]);
        assert_eq!(events[0], Received::FirstByte(next), "{written}");
        client.assert_lives();
    }
}

/// What was taken back or given up before it was written does not count.
#[test]
fn frames_and_fields_are_counted_that_are_written() {
    for written in [0, 1, 30, 20_000, 200_000] {
        let mut client = Client::new();
        client.get();
        let before = *client.connection.counters();
        for body_bytes in [500, 40_000, 0, 70] {
            client.request("POST", body_bytes);
        }
        let mut bytes = client.write_some(written);
        client.connection.take_back_unwritten(|_| ());
        if written == 0 {
            assert_eq!(*client.connection.counters(), before);
        }
        let given_up = client.request("PUT", 40_000);
        bytes.extend(client.write_some(100));
        client.cancel(given_up.0);
        client.request("PUT", 10);
        bytes.extend(client.written());
        let is_block = |kind| matches!(kind, FrameKind::HEADERS | FrameKind::CONTINUATION);
        let frames = parse(&bytes);
        let heads = frames.iter().filter(|frame| is_block(frame.kind));
        let packed: usize = heads.map(|frame| frame.payload.len()).sum();
        let counters = *client.connection.counters();
        assert_eq!(counters.frames_out - before.frames_out, frames.len() as u64, "{written}");
        let more = counters.header_bytes_packed_out - before.header_bytes_packed_out;
        assert_eq!(more, packed as u64, "{written}");
    }
}

#[test]
fn first_bytes_are_told_in_order_and_not_of_cancelled_requests() {
    let mut client = Client::new();
    for _ in 0..4 {
        client.request("GET", 0);
    }
    client.connection.cancel(Tag(2), &()).unwrap();
    let mut told = Vec::new();
    let total = client.connection.unwritten_bytes();
    for _ in 0..total {
        client.connection.wrote(1, |tag, bytes| told.push((tag.0, bytes)));
    }
    assert_eq!(told.iter().map(|&(tag, _)| tag).collect::<Vec<_>>(), [0, 1, 3]);
    assert!(told[0].1 > told[1].1 && told[1].1 == told[2].1, "{told:?}");
}

#[test]
fn wire_bytes_are_those_of_the_frames() {
    let mut client = Client::new();
    client.request("POST", 40_000);
    let mut told = 0;
    let bytes = client.connection.unwritten_bytes();
    client.connection.wrote(bytes, |_, wire_bytes| told = wire_bytes);
    assert_eq!(told, bytes);
}

#[test]
fn end_of_file_fails_each_exchange_by_how_far_it_came() {
    let mut client = Client::new();
    client.gets(3);
    client.feed(&[headers(3, WHOLE, STATUS_200)]);
    let half = headers(5, WHOLE, STATUS_200);
    client.connection.received(&half[..9], &mut 0);
    assert_eq!(client.connection.eof(), Eof::Failed);
    let failures: Vec<_> = std::iter::from_fn(|| client.connection.failed()).collect();
    let kinds: Vec<_> = failures
        .iter()
        .map(|failure| match failure.kind {
            FailureKind::Protocol(error) => (failure.tag.0, error.kind),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected =
        [(0, Kind::ClosedBeforeResponse), (1, Kind::IncompleteBody), (2, Kind::IncompleteHead)];
    assert_eq!(kinds, expected);
    assert_eq!(client.connection.eof(), Eof::Idle);
    assert!(!client.connection.io_error());
}

#[test]
fn reused_connection_without_a_frame_is_stale() {
    let mut client = Client::new();
    client.get();
    client.feed(&[headers(1, WHOLE | END, STATUS_200)]);
    client.get();
    let mut closed = client.clone();
    assert!(client.connection.io_error());
    assert_eq!(client.connection.failed().unwrap().kind, FailureKind::Stale);
    assert_eq!(closed.connection.eof(), Eof::Failed);
    assert_eq!(closed.connection.failed().unwrap().kind, FailureKind::Stale);
    let mut first = Client::new();
    first.get();
    assert!(first.connection.io_error());
    assert_eq!(first.connection.failed().unwrap().kind, FailureKind::Transport);
}

#[test]
fn locations_of_redirects_are_kept_by_stream() {
    let mut client = Client::new();
    client.connection.keep_location(true);
    client.gets(3);
    let head = |status: &str, to: &str| block(&[(":status", status), ("location", to)]);
    client
        .feed(&[headers(1, WHOLE, &head("302", "/one")), headers(3, WHOLE, &head("301", "/two"))]);
    client.feed(&[data(3, END, b"x")]);
    assert_eq!(client.connection.location().unwrap().value(), Some(&b"/two"[..]));
    client.feed(&[data(1, END, b"x")]);
    assert_eq!(client.connection.location().unwrap().value(), Some(&b"/one"[..]));
    client.feed(&[headers(5, WHOLE | END, &head("201", "/three"))]);
    assert_eq!(client.connection.location(), None);
}

#[test]
fn connection_is_reused_as_new() {
    let mut client = Client::new();
    client.get();
    client.feed(&[headers(1, WHOLE, STATUS_200), go_away(0, ErrorCode(3))]);
    client.connection.reset();
    client.connection.invariants();
    client.preface();
    assert!(client.connection.is_idle() && client.connection.allowed() == 100);
    client.feed(&[settings(&[])]);
    client.sent();
    client.assert_lives();
}

#[test]
fn long_heads_are_continued() {
    let mut client = Client::new();
    let long = "x".repeat(20_000);
    let fields = [(&b":method"[..], &b"GET"[..]), (b"a", long.as_bytes())];
    let started = client.connection.start_fields(fields, 0, false, Tag(0));
    let bytes = client.written();
    assert_eq!(started.wire_bytes, bytes.len());
    let kinds: Vec<_> = parse(&bytes).iter().map(|frame| (frame.kind, frame.flags)).collect();
    assert_eq!(kinds, [(FrameKind::HEADERS, END), (FrameKind::CONTINUATION, WHOLE)]);
}
