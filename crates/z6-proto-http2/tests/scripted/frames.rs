//! What RFC 9113 demands of a client in its sections 3 to 6, in their order, by the frames that it sends.

use crate::client::*;
use z6_proto_http2::frame::{FrameKind, flag};
use z6_proto_http2::{
    Config, Eof, ErrorCode, FailureKind, Limits, ProtocolErrorKind as Kind, Received, Tag,
};

const PING: &[u8; 8] = b"abcdefgh";

fn ping(flags: u8) -> Vec<u8> {
    frame(FrameKind::PING, flags, 0, PING)
}

/// §3.4, §6.5, §6.9.2.
#[test]
fn preface_is_magic_settings_and_a_window() {
    let config = Config { header_table_bytes: 8_192, ..Config::default() };
    let mut client = Client::unanswered(config, Limits::default());
    client.connection.reset();
    let sent = client.preface();
    let entries = [(2, 0), (4, 16 << 20), (6, 65_536), (1, 8_192)];
    assert_eq!(sent[0], parse(&settings(&entries))[0]);
    assert_eq!(sent[1], parse(&window_update(0, (1 << 30) - 65_535))[0]);
    assert_eq!(sent.len(), 2);
}

/// §3.4: requests need not wait for the settings of the server.
#[test]
fn requests_are_sent_before_the_settings_of_the_server() {
    let mut client = Client::unanswered(Config::default(), Limits::default());
    assert_eq!(client.connection.allowed(), 100);
    let tag = client.get();
    let answer = [settings(&[(3, 7)]), headers(1, WHOLE | END, STATUS_204)];
    let events = client.feed(&answer);
    assert_eq!(events[..2], [Received::Allowed(7), Received::FirstByte(tag)]);
    assert_eq!(complete(&events).status, 204);
    assert_eq!(client.sent(), parse(&settings_ack()));
}

/// §3.4.
#[test]
fn what_is_not_http2_is_named() {
    for (bytes, kind) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Kind::AnsweredHttp1),
        (b"\x15\x03\x01\0\x02\x02\x50\0\0\0", Kind::BadPreface),
        (&ping(0), Kind::BadPreface),
        (&settings_ack(), Kind::BadPreface),
        (&headers(1, WHOLE | END, STATUS_200), Kind::BadPreface),
    ] {
        let mut client = Client::unanswered(Config::default(), Limits::default());
        let tag = client.get();
        let events = client.feed(&[bytes.to_vec()]);
        let mut copy = client.clone();
        client.assert_broken(&events, kind);
        let failure = copy.connection.failed().unwrap();
        assert!(matches!(failure.kind, FailureKind::Protocol(error) if error.kind == kind));
        assert_eq!((failure.tag, copy.connection.failed()), (tag, None));
    }
}

/// §4.1: unknown types, undefined flags and the reserved bit are ignored.
#[test]
fn unknown_frames_and_flags_are_ignored() {
    let mut client = Client::new();
    client.get();
    let mut reserved = headers(1, WHOLE | END | 0xd2, STATUS_200);
    reserved[5] |= 0x80;
    let events = client.feed(&[
        frame(FrameKind(0xbb), 0xff, 1, b"anything"),
        frame(FrameKind(0xbc), 0xff, 0, b""),
        frame(FrameKind::PING, 0xfe | flag::ACK, 0, PING),
        reserved,
    ]);
    assert_eq!(complete(&events).status, 200);
    assert!(client.sent().is_empty());
}

/// §4.2.
#[test]
fn frames_beyond_our_size_are_errors() {
    let mut client = Client::new();
    client.get();
    let events = client.feed(&[data(1, 0, &[0; 16_385])]);
    client.assert_broken(&events, Kind::FrameSize);
    let mut client = Client::new();
    let events = client.feed(&[frame(FrameKind(0xbb), 0, 0, &[0; 16_385])]);
    client.assert_broken(&events, Kind::FrameSize);
}

/// §4.3, RFC 7541.
#[test]
fn blocks_that_cannot_be_decompressed_end_the_connection() {
    for block in [&[0x80][..], &[0xbe], &[0x88, 0x20], &[0x3f, 0xe2, 0x1f], &[0x40, 0x01], &[0x00]]
    {
        let mut client = Client::new();
        client.get();
        let events = client.feed(&[headers(1, WHOLE | END, block)]);
        client.assert_broken(&events, Kind::Compression);
    }
}

/// §4.3: a malformed or cancelled message still changes the table.
#[test]
fn tables_are_kept_through_blocks_that_nobody_waits_for() {
    let mut client = Client::new();
    client.gets(3);
    client.connection.cancel(Tag(0), &()).unwrap();
    let insert = [&[0x88, 0x40][..], b"\x01x\x011"].concat();
    client.feed(&[headers(1, WHOLE | END, &insert)]);
    let upper = [&[0x88, 0x40][..], b"\x01X\x011"].concat();
    let events = client.feed(&[headers(3, WHOLE | END, &upper)]);
    assert!(
        matches!(events[1], Received::Failed { error, .. } if error.kind == Kind::BadFieldName)
    );
    let events = client.feed(&[headers(5, WHOLE | END, &[0x88, 0xbf])]);
    assert_eq!(complete(&events).status, 200);
}

/// §5.1: idle.
#[test]
fn frames_on_streams_that_were_never_opened_are_errors() {
    for stream in [2, 3, 5, 0x7fff_ffff] {
        for bytes in [
            headers(stream, WHOLE | END, STATUS_200),
            data(stream, 0, b"x"),
            reset(stream, ErrorCode::CANCEL),
            window_update(stream, 1),
        ] {
            let mut client = Client::new();
            client.get();
            let events = client.feed(&[bytes]);
            client.assert_broken(&events, Kind::IdleStream);
        }
        let mut client = Client::new();
        client.feed(&[frame(FrameKind::PRIORITY, 0, stream, b"\0\0\0\0\x10")]);
        client.assert_lives();
    }
}

/// §5.1: a request whose first byte is not written is no open stream for the peer.
#[test]
fn answer_before_the_request_is_written_is_an_error() {
    let mut client = Client::new();
    client.request("GET", 0);
    let events = client.feed(&[headers(1, WHOLE | END, STATUS_200)]);
    client.assert_broken(&events, Kind::IdleStream);
}

/// §5.1: closed.
#[test]
fn frames_on_streams_that_have_ended_are_errors() {
    for bytes in [headers(1, WHOLE | END, STATUS_200), data(1, END, b""), data(1, 0, b"x")] {
        for end in [headers(1, WHOLE | END, STATUS_200), reset(1, ErrorCode::CANCEL)] {
            let mut client = Client::new();
            client.get();
            client.feed(&[end]);
            let events = client.feed(std::slice::from_ref(&bytes));
            client.assert_broken(&events, Kind::StreamClosed);
        }
    }
}

/// §5.1: what may still be on its way when a stream has ended.
#[test]
fn late_resets_and_windows_are_ignored() {
    let mut client = Client::new();
    client.get();
    client.feed(&[headers(1, WHOLE | END, STATUS_200)]);
    let late = [reset(1, ErrorCode::NO_ERROR), window_update(1, 5), reset(1, ErrorCode(77))];
    assert_eq!(client.feed(&late), []);
    client.assert_lives();
}

/// §5.1.1, §5.1.2.
#[test]
fn streams_are_odd_rise_and_are_no_more_than_allowed() {
    let mut client = Client::with(Config::default(), Limits::default(), &[(3, 2)]);
    let ids: Vec<u32> = (0..2)
        .map(|_| {
            client.request("GET", 0);
            client.sent()[0].stream
        })
        .collect();
    assert_eq!(ids, [1, 3]);
    assert!(!client.connection.can_start());
    client.feed(&[headers(1, WHOLE | END, STATUS_200)]);
    assert!(client.connection.can_start());
    client.request("GET", 0);
    assert_eq!(client.sent()[0].stream, 5);
    assert_eq!(client.feed(&[settings(&[(3, 1)])]), [Received::Allowed(1)]);
    client.feed(&[headers(3, WHOLE | END, STATUS_200)]);
    assert!(!client.connection.can_start() && client.connection.open() == 1);
    assert_eq!(client.feed(&[settings(&[(3, 0)])]), [Received::Allowed(0)]);
    client.feed(&[headers(5, WHOLE | END, STATUS_200)]);
    assert!(!client.connection.can_start() && client.connection.is_idle());
    let mut own =
        Client::with(Config { streams_max: 1, ..Config::default() }, Limits::default(), &[(3, 50)]);
    own.get();
    assert!(!own.connection.can_start());
}

/// §5.2, §6.9.1: DATA counts against both windows, and is given back once half is used.
#[test]
fn windows_are_filled_up_when_half_is_used() {
    let config = Config {
        stream_window_bytes: 65_535,
        connection_window_bytes: 100_000,
        ..Config::default()
    };
    let mut client = Client::with(config, Limits::default(), &[]);
    client.gets(2);
    client.feed(&[headers(1, WHOLE, STATUS_200), headers(3, WHOLE, STATUS_200)]);
    client.feed(&[data(1, 0, &[0; 16_384]), data(3, 0, &[0; 16_384])]);
    assert!(client.sent().is_empty());
    client.feed(&[data(1, 0, &[0; 16_384])]);
    let sent = client.sent();
    assert_eq!(sent, parse(&window_update(1, 32_768)));
    client.feed(&[data(3, END, &[0; 16_384])]);
    let sent = client.sent();
    assert_eq!(sent, parse(&window_update(0, 65_536)), "none for a stream that has ended");
}

/// §6.9.1: a connection's window must not leak by padding, cancelled streams, or data after GOAWAY.
#[test]
fn every_byte_of_data_is_given_back_to_the_connection() {
    let config = Config { connection_window_bytes: 65_535, ..Config::default() };
    let mut client = Client::with(config, Limits::default(), &[]);
    client.gets(4);
    client.feed(&[headers(1, WHOLE, STATUS_200)]);
    let padded = [&[255][..], b"x", &[0; 255]].concat();
    let mut given_back = 0;
    let mut taken = 0;
    let mut exchange = |client: &mut Client, bytes: Vec<u8>| {
        taken += bytes.len() as u32 - 9;
        let events = client.feed(&[bytes]);
        let updates = client.sent().into_iter().filter(|frame| frame.stream == 0);
        given_back += updates.map(|frame| frame.number()).sum::<u32>();
        assert!(taken - given_back <= 65_535 / 2 + 16_384, "{events:?}");
    };
    for _ in 0..200 {
        exchange(&mut client, data(1, flag::PADDED, &padded));
    }
    client.connection.cancel(Tag(0), &()).unwrap();
    for _ in 0..20 {
        exchange(&mut client, data(1, 0, &[0; 16_000]));
    }
    client.feed(&[headers(3, WHOLE, STATUS_200), headers(5, WHOLE, STATUS_200)]);
    client.feed(&[go_away(3, ErrorCode::NO_ERROR)]);
    for stream in [3, 5, 3, 5, 3, 5] {
        exchange(&mut client, data(stream, 0, &[0; 16_000]));
    }
    // One that fails by its content.
    client.feed(&[headers(3, WHOLE | END, &block(&[("x", "y")]))]);
}

/// §6.1.
#[test]
fn data_before_the_head_is_malformed() {
    let mut client = Client::new();
    client.get();
    let events = client.feed(&[data(1, 0, b"x")]);
    client.assert_failed(&events, 1, Kind::BadSequence);
    let mut client = Client::new();
    client.get();
    let events =
        client.feed(&[headers(1, WHOLE, &block(&[(":status", "103")])), data(1, END, b"")]);
    client.assert_failed(&events, 1, Kind::BadSequence);
}

/// §6.1, §6.2: padding.
#[test]
fn padding_counts_as_received_but_not_as_content() {
    let mut client = Client::new();
    client.get();
    let all = [&[3, 0x88][..], &[0; 3]].concat();
    let answer = [
        headers(1, WHOLE | flag::PADDED, &all),
        data(1, flag::PADDED, b"\x02hi\0\0"),
        data(1, flag::PADDED | END, b"\x00!"),
    ];
    let facts = complete(&client.feed(&answer));
    assert_eq!((facts.body_bytes, facts.bytes_received), (3, 3 * 9 + 5 + 5 + 2));
    for bad in [data(1, flag::PADDED, b"\x02x"), data(1, flag::PADDED, b"\xff")] {
        let mut client = Client::new();
        client.get();
        let events = client.feed(&[headers(1, WHOLE, STATUS_200), bad]);
        client.assert_broken(&events, Kind::BadPadding);
    }
}

/// §6.3.
#[test]
fn priority_of_a_wrong_size_fails_its_stream() {
    let mut client = Client::new();
    client.get();
    let events = client.feed(&[frame(FrameKind::PRIORITY, 0, 1, b"1234")]);
    client.assert_failed(&events, 1, Kind::FrameSize);
}

/// §6.4, §7, §8.7.
#[test]
fn resets_fail_or_refuse_their_stream() {
    let mut client = Client::new();
    client.gets(3);
    let events = client.feed(&[headers(1, WHOLE, STATUS_200), reset(1, ErrorCode::INTERNAL_ERROR)]);
    let Some(Received::Failed { tag, error, bytes_received, .. }) = events.last() else { panic!() };
    assert_eq!((*tag, *bytes_received), (Tag(0), 10));
    assert_eq!((error.kind, error.detail), (Kind::StreamReset, ErrorCode::INTERNAL_ERROR.0));
    let code = ErrorCode::REFUSED_STREAM;
    assert_eq!(
        client.feed(&[reset(3, code)]),
        [Received::Refused { tag: Tag(1), code, unsent_bytes: 0 }]
    );
    let events = client.feed(&[reset(5, ErrorCode::NO_ERROR)]);
    assert!(matches!(events[0], Received::Failed { error, .. } if error.detail == 0));
    assert!(client.sent().is_empty(), "a reset is not answered");
    assert_eq!(client.connection.counters().resets_in, 3);
    client.assert_lives();
}

/// §6.5, §6.5.2, §6.5.3.
#[test]
fn settings_are_checked_and_acknowledged() {
    let mut client = Client::new();
    client.feed(&[settings(&[(1, 0), (5, 16_384), (0x99, 3)]), settings(&[])]);
    assert_eq!(client.sent(), parse(&[settings_ack(), settings_ack()].concat()));
    for (entry, kind) in [
        ((2, 1), Kind::BadSettings),
        ((2, 2), Kind::BadSettings),
        ((5, 16_383), Kind::BadSettings),
        ((5, 1 << 24), Kind::BadSettings),
        ((4, 1 << 31), Kind::BadInitialWindow),
    ] {
        let mut client = Client::new();
        let events = client.feed(&[settings(&[entry])]);
        client.assert_broken(&events, kind);
    }
    for (bytes, kind) in [
        (frame(FrameKind::SETTINGS, 0, 1, b""), Kind::WrongStream),
        (frame(FrameKind::SETTINGS, 0, 0, b"12345"), Kind::FrameSize),
        (frame(FrameKind::SETTINGS, flag::ACK, 0, b"123456"), Kind::FrameSize),
    ] {
        let mut client = Client::new();
        let events = client.feed(&[bytes]);
        client.assert_broken(&events, kind);
    }
}

/// §6.6, §8.4.
#[test]
fn push_is_an_error() {
    let mut client = Client::new();
    client.get();
    let events = client.feed(&[frame(FrameKind::PUSH_PROMISE, WHOLE, 1, b"\0\0\0\x02\x82")]);
    client.assert_broken(&events, Kind::Push);
}

/// §6.7.
#[test]
fn pings_are_answered_with_their_payload() {
    let mut client = Client::new();
    client.feed(&[ping(0), ping(flag::ACK)]);
    assert_eq!(client.sent(), parse(&ping(flag::ACK)));
    let wrong = [
        (frame(FrameKind::PING, 0, 1, PING), Kind::WrongStream),
        (frame(FrameKind::PING, 0, 0, b"1"), Kind::FrameSize),
    ];
    for (bytes, kind) in wrong {
        let mut client = Client::new();
        let events = client.feed(&[bytes]);
        client.assert_broken(&events, kind);
    }
}

/// §6.8: streams above the last one were not processed; the others go on.
#[test]
fn going_away_refuses_what_was_not_processed() {
    let mut client = Client::new();
    client.gets(3);
    client.request("GET", 0);
    let code = ErrorCode::NO_ERROR;
    let events = client.feed(&[go_away(0x7fff_ffff, code)]);
    assert_eq!(events, [Received::GoingAway { last: 0x7fff_ffff, code }]);
    assert!(client.connection.is_draining() && !client.connection.can_start());
    let events = client.feed(&[go_away(3, code), headers(1, WHOLE | END, STATUS_200)]);
    let refused = |tag| Received::Refused { tag: Tag(tag), code, unsent_bytes: 0 };
    let going = Received::GoingAway { last: 3, code };
    assert_eq!(events[..4], [going, refused(2), refused(3), Received::FirstByte(Tag(0))]);
    assert!(!complete(&events).reusable);
    let events = client.feed(&[headers(3, WHOLE | END, STATUS_200)]);
    assert_eq!(complete(&events).status, 200);
    assert_eq!(client.connection.open(), 0);
    assert_eq!(client.connection.eof(), Eof::Idle);
}

/// §6.8.
#[test]
fn going_away_does_not_go_up_and_is_of_the_connection() {
    let mut client = Client::new();
    client.feed(&[go_away(3, ErrorCode::NO_ERROR)]);
    let events = client.feed(&[go_away(5, ErrorCode::NO_ERROR)]);
    client.assert_broken(&events, Kind::BadGoAway);
    let mut client = Client::new();
    let events = client.feed(&[frame(FrameKind::GOAWAY, 0, 1, &[0; 8])]);
    client.assert_broken(&events, Kind::WrongStream);
}

/// §6.8: additional data is not interpreted.
#[test]
fn going_away_with_an_error_fails_what_the_end_cuts_off() {
    let mut client = Client::new();
    client.gets(2);
    let payload = [&[0, 0, 0, 1, 0, 0, 0, 11][..], b"too_many_pings"].concat();
    let events = client.feed(&[frame(FrameKind::GOAWAY, 0, 0, &payload)]);
    let code = ErrorCode::ENHANCE_YOUR_CALM;
    let refused = Received::Refused { tag: Tag(1), code, unsent_bytes: 0 };
    assert_eq!(events, [Received::GoingAway { last: 1, code }, refused]);
    assert_eq!(client.connection.eof(), Eof::Failed);
    let failure = client.connection.failed().unwrap();
    let FailureKind::Protocol(error) = failure.kind else { panic!() };
    assert_eq!((error.kind, error.detail, failure.tag), (Kind::GoingAway, code.0, Tag(0)));
}

/// §6.8: our own GOAWAY.
#[test]
fn goodbye_names_no_stream_and_is_said_once() {
    let mut client = Client::new();
    client.get();
    client.connection.go_away();
    client.connection.go_away();
    assert_eq!(client.sent(), parse(&go_away(0, ErrorCode::NO_ERROR)));
    assert_eq!(complete(&client.feed(&[headers(1, WHOLE | END, STATUS_200)])).status, 200);
}

/// §6.9: increments of 0, and windows beyond 2^31 - 1.
#[test]
fn wrong_window_updates_are_errors_of_their_stream_or_of_the_connection() {
    for (increment, kind) in [(0, Kind::ZeroIncrement), (0x7fff_ffff, Kind::FlowControl)] {
        let mut client = Client::new();
        client.get();
        let events = client.feed(&[window_update(1, increment)]);
        client.assert_failed(&events, 1, kind);
        let events = client.feed(&[window_update(0, increment)]);
        client.assert_broken(&events, kind);
    }
    let mut client = Client::new();
    client.request("POST", 1);
    client.sent();
    client.feed(&[window_update(1, 0x7fff_ffff - 65_534)]);
    client.sent();
    let events = client.feed(&[settings(&[(4, 65_537)])]);
    client.assert_broken(&events, Kind::FlowControl);
}

/// §6.9.1, §6.9.2: bodies take turns and stop at both windows.
#[test]
fn bodies_stop_at_windows_and_take_turns() {
    let mut client = Client::with(Config::default(), Limits::default(), &[(4, 20_000)]);
    client.request("POST", 25_000);
    client.request("POST", 25_000);
    let content = |sent: &[Sent]| -> Vec<(u32, usize, u8)> {
        let data = sent.iter().filter(|frame| frame.kind == FrameKind::DATA);
        data.map(|frame| (frame.stream, frame.payload.len(), frame.flags)).collect()
    };
    let sent = client.sent();
    assert_eq!(content(&sent), [(1, 16_384, 0), (1, 3_616, 0), (3, 16_384, 0), (3, 3_616, 0)]);
    assert!(client.connection.is_stalled());
    client.feed(&[settings(&[(4, 20_001)])]);
    assert_eq!(content(&client.sent()), [(1, 1, 0), (3, 1, 0)]);
    client.feed(&[settings(&[(4, 0)])]);
    client.feed(&[window_update(1, 20_001), window_update(3, 20_001)]);
    assert_eq!(content(&client.sent()), [], "the windows were negative");
    client.feed(&[window_update(3, 30_000), window_update(1, 30_000)]);
    assert_eq!(content(&client.sent()), [(3, 4_999, END), (1, 4_999, END)]);
    client.request("POST", 70_000);
    client.feed(&[settings(&[(4, 100_000)])]);
    assert_eq!(content(&client.sent()), [(5, 15_535, 0)], "the connection's window");
    client.feed(&[window_update(0, 100_000)]);
    let last = content(&client.sent());
    assert_eq!(last.iter().map(|frame| frame.1).sum::<usize>(), 70_000 - 15_535);
    assert_eq!(client.connection.counters().window_stalls, 6);
    assert!(!client.connection.is_stalled());
}

/// §6.10.
#[test]
fn blocks_are_not_interrupted() {
    let mut client = Client::new();
    client.get();
    let begin = headers(1, END, &STATUS_200[..0]);
    let whole = frame(FrameKind::CONTINUATION, WHOLE, 1, STATUS_200);
    assert_eq!(complete(&client.feed(&[begin.clone(), whole.clone()])).status, 200);
    for (first, second) in [
        (begin.clone(), ping(0)),
        (begin.clone(), frame(FrameKind::CONTINUATION, WHOLE, 3, STATUS_200)),
        (begin, frame(FrameKind(0xbb), 0, 0, b"")),
        (ping(0), whole),
    ] {
        let mut client = Client::new();
        client.get();
        let events = client.feed(&[first, second]);
        client.assert_broken(&events, Kind::BadContinuation);
    }
}
