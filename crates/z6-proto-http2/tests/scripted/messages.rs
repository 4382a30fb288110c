//! What RFC 9113 demands of a client in its section 8: responses, and requests as they are sent.

use crate::client::*;
use z6_proto_http2::frame::FrameKind;
use z6_proto_http2::{ErrorCode, ProtocolErrorKind as Kind, Received, ResponseFacts};

/// §8.1: interim responses, content, trailers.
#[test]
fn whole_message() {
    let mut client = Client::new();
    let tag = client.get();
    let answer = [
        headers(1, WHOLE, &block(&[(":status", "100")])),
        headers(1, WHOLE, &block(&[(":status", "103"), ("link", "</a>")])),
        headers(1, WHOLE, &block(&[(":status", "200"), ("content-length", "5")])),
        data(1, 0, b"he"),
        data(1, 0, b"llo"),
        headers(1, WHOLE | END, &block(&[("grpc-status", "0")])),
    ];
    let events = client.feed(&answer);
    let (first, interim) = (Received::FirstByte(tag), Received::Interim(tag));
    assert_eq!(events[..5], [first, interim, first, interim, first]);
    let facts = complete(&events);
    let bytes: usize = answer.iter().map(Vec::len).sum();
    assert_eq!((facts.status, facts.body_bytes), (200, 5));
    assert_eq!((facts.bytes_received, facts.reusable), (bytes as u64, true));
}

/// §8.1.
#[test]
fn sequences_that_are_no_message() {
    let interim = block(&[(":status", "100")]);
    let trailers = block(&[("x", "y")]);
    for (frames, kind) in [
        (vec![headers(1, WHOLE | END, &interim)], Kind::BadSequence),
        (vec![headers(1, WHOLE, STATUS_200), headers(1, WHOLE, &trailers)], Kind::BadSequence),
        (vec![headers(1, WHOLE, STATUS_200), headers(1, WHOLE, STATUS_200)], Kind::BadPseudoHeader),
        (vec![headers(1, WHOLE, &block(&[(":status", "101")]))], Kind::UnexpectedUpgrade),
    ] {
        let mut client = Client::new();
        client.get();
        let events = client.feed(&frames);
        client.assert_failed(&events, 1, kind);
    }
}

/// A head that is the same as the one before is not decoded again, and yet means what the table makes it mean.
#[test]
fn same_bytes_of_a_head_follow_the_table() {
    // `content-length` goes into the table; the second head is `:status: 200` and the newest field of the table.
    let insert = |length: u8| [STATUS_200, &[0x5c, 1, length]].concat();
    let indexed = [STATUS_200, &[0xbe]].concat();
    let mut client = Client::new();
    let mut answer = |head: &[u8], content: &[u8]| {
        let stream = 2 * client.get().0 + 1;
        client.feed(&[headers(stream, WHOLE, head), data(stream, END, content)])
    };
    let is_mismatch = |events: &[Received]| {
        let last = events.last();
        matches!(last, Some(Received::Failed { error, .. }) if error.kind == Kind::LengthMismatch)
    };
    assert_eq!(complete(&answer(&insert(b'5'), b"12345")).body_bytes, 5);
    for _ in 0..3 {
        assert_eq!(complete(&answer(&indexed, b"12345")).body_bytes, 5);
        assert!(is_mismatch(&answer(&indexed, b"1234567")));
    }
    assert_eq!(complete(&answer(&insert(b'7'), b"1234567")).body_bytes, 7);
    for _ in 0..3 {
        assert_eq!(complete(&answer(&indexed, b"1234567")).body_bytes, 7);
        assert!(is_mismatch(&answer(&indexed, b"12345")));
    }
}

/// §8.1.1: the data is as long as content-length says.
#[test]
fn content_length_is_checked() {
    let head = |length: &str| block(&[(":status", "200"), ("content-length", length)]);
    for (frames, kind) in [
        (vec![headers(1, WHOLE, &head("3")), data(1, END, b"ab")], Kind::LengthMismatch),
        (vec![headers(1, WHOLE, &head("3")), data(1, 0, b"abcd")], Kind::LengthMismatch),
        (vec![headers(1, WHOLE | END, &head("3"))], Kind::LengthMismatch),
        (vec![headers(1, WHOLE, &head("x"))], Kind::BadContentLength),
        (vec![headers(1, WHOLE, &head("3, 4"))], Kind::BadContentLength),
        (
            vec![headers(1, WHOLE, &[head("3"), block(&[("content-length", "4")])].concat())],
            Kind::BadContentLength,
        ),
    ] {
        let mut client = Client::new();
        client.get();
        let events = client.feed(&frames);
        client.assert_failed(&events, 1, kind);
    }
    let mut client = Client::new();
    client.get();
    let twice = [head("3"), block(&[("content-length", "3")])].concat();
    let facts = complete(&client.feed(&[headers(1, WHOLE, &twice), data(1, END, b"abc")]));
    assert_eq!(facts.body_bytes, 3);
}

/// RFC 9110 §6.4.1: HEAD, 204 and 304 have no content whatever their fields say.
#[test]
fn responses_without_a_body() {
    let long = |status: &str| block(&[(":status", status), ("content-length", "99")]);
    for (method, status) in [("HEAD", "200"), ("GET", "204"), ("GET", "304")] {
        let mut client = Client::new();
        client.request(method, 0);
        client.sent();
        let facts = complete(&client.feed(&[headers(1, WHOLE | END, &long(status))]));
        assert_eq!((facts.status.to_string(), facts.body_bytes), (status.to_owned(), 0));
        client.request(method, 0);
        client.sent();
        let events = client.feed(&[headers(3, WHOLE, &long(status)), data(3, END, b"")]);
        assert_eq!(complete(&events).body_bytes, 0);
        client.request(method, 0);
        client.sent();
        let events = client.feed(&[headers(5, WHOLE, &long(status)), data(5, END, b"x")]);
        client.assert_failed(&events, 5, Kind::UnexpectedBody);
    }
}

/// §8.1: a complete response ends a request that is not.
#[test]
fn early_response_ends_the_request() {
    let mut client = Client::new();
    client.request("POST", 100_000);
    client.write_some(20_000);
    let facts = complete(&client.feed(&[headers(1, WHOLE | END, STATUS_200)]));
    assert!(facts.unsent_bytes > 100_000 - 20_000 && facts.reusable);
    let rest = client.written();
    let end = reset(1, ErrorCode::CANCEL);
    assert!(rest.ends_with(&end), "the request is reset");
    assert!(rest.len() <= 16_384 + 9 + end.len(), "no frame more is begun");
    assert_eq!(client.feed(&[reset(1, ErrorCode::NO_ERROR)]), []);
    client.assert_lives();
    // What was not sent is still in the window of the connection.
    client.request("POST", 65_535 - facts_sent(&facts));
    let sent = client.sent();
    assert_eq!(sent.last().unwrap().flags & END, END);
}

/// Content that was sent of a request of 100,000 bytes, in whole frames.
fn facts_sent(facts: &ResponseFacts) -> usize {
    (100_000 - facts.unsent_bytes).div_ceil(16_384) * 16_384
}

/// §8.1: a reset without error after a complete response does not undo it.
#[test]
fn reset_after_the_response_keeps_it() {
    let mut client = Client::new();
    client.request("POST", 200_000);
    client.sent();
    let answer = [
        headers(1, WHOLE, STATUS_200),
        data(1, END, b"no more, please"),
        reset(1, ErrorCode::NO_ERROR),
    ];
    let facts = complete(&client.feed(&answer));
    assert_eq!((facts.body_bytes, facts.unsent_bytes), (15, 200_000 - 65_535));
}

/// §8.2.1, §8.2.2, §8.3, §8.3.2.
#[test]
fn malformed_heads_fail_their_stream() {
    let cases: &[(&[(&str, &str)], Kind)] = &[
        (&[("server", "x")], Kind::BadStatus),
        (&[(":status", "200"), (":status", "200")], Kind::BadStatus),
        (&[(":status", "20")], Kind::BadStatus),
        (&[(":status", "2000")], Kind::BadStatus),
        (&[(":status", "+20")], Kind::BadStatus),
        (&[(":status", "")], Kind::BadStatus),
        (&[("server", "x"), (":status", "200")], Kind::BadPseudoHeader),
        (&[(":status", "200"), (":path", "/")], Kind::BadPseudoHeader),
        (&[(":status", "200"), (":other", "/")], Kind::BadPseudoHeader),
        (&[(":status", "200"), ("Server", "x")], Kind::BadFieldName),
        (&[(":status", "200"), ("", "x")], Kind::BadFieldName),
        (&[(":status", "200"), ("a b", "x")], Kind::BadFieldName),
        (&[(":status", "200"), ("a:", "x")], Kind::BadFieldName),
        (&[(":status", "200"), ("a", "x\ny")], Kind::BadFieldValue),
        (&[(":status", "200"), ("a", "x\0")], Kind::BadFieldValue),
        (&[(":status", "200"), ("a", " x")], Kind::BadFieldValue),
        (&[(":status", "200"), ("a", "x\t")], Kind::BadFieldValue),
        (&[(":status", "200"), ("connection", "close")], Kind::ConnectionField),
        (&[(":status", "200"), ("keep-alive", "timeout=5")], Kind::ConnectionField),
        (&[(":status", "200"), ("transfer-encoding", "chunked")], Kind::ConnectionField),
        (&[(":status", "200"), ("upgrade", "h2c")], Kind::ConnectionField),
        (&[(":status", "200"), ("te", "gzip")], Kind::ConnectionField),
    ];
    for (fields, kind) in cases {
        let mut client = Client::new();
        client.get();
        let events = client.feed(&[headers(1, WHOLE | END, &block(fields))]);
        client.assert_failed(&events, 1, *kind);
    }
    for (fields, kind) in [(":status", Kind::BadPseudoHeader), ("X", Kind::BadFieldName)] {
        let mut client = Client::new();
        client.get();
        let trailers = block(&[(fields, "200")]);
        let events =
            client.feed(&[headers(1, WHOLE, STATUS_200), headers(1, WHOLE | END, &trailers)]);
        client.assert_failed(&events, 1, kind);
    }
}

/// §8.3.1: what a request says, and in which order.
#[test]
fn requests_have_their_pseudo_header_fields_first() {
    let mut client = Client::new();
    client.request("GET", 0);
    let sent = client.sent();
    assert_eq!((sent[0].kind, sent[0].flags), (FrameKind::HEADERS, WHOLE | END));
    // :method GET, :scheme http, :authority (indexed from now on), :path /.
    assert_eq!(sent[0].payload[..4], [0x82, 0x86, 0x41, 0x01]);
    client.request("GET", 0);
    assert_eq!(client.sent()[0].payload, [0x82, 0x86, 0xbf, 0x84, 0xbe]);
    client.request("HEAD", 0);
    assert_eq!(client.sent()[0].payload[0], 0x42, "the name :method, with another value");
}
