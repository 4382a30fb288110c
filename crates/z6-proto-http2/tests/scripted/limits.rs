//! Floods and large messages: each limit is reached with its own kind, and not before.

use crate::client::*;
use z6_proto_http2::frame::{FrameKind, flag};
use z6_proto_http2::{
    Config, ErrorCode, Limits, ProtocolErrorKind as Kind, RESETS_REMEMBERED_MIN, Received, Tag,
};

fn small(limits: Limits) -> Client {
    Client::with(Config::default(), limits, &[])
}

/// What fails a stream, and what is just allowed.
#[test]
fn messages_are_bounded() {
    let limits = Limits {
        head_bytes_max: 42 + 35,
        fields_max: 3,
        interim_max: 2,
        trailer_bytes_max: 35,
        ..Limits::default()
    };
    // Each field counts 32 bytes beside its text: `:status` 200 counts 42.
    let one = block(&[("ab", "c")]);
    let two = block(&[("a", ""), ("b", "")]);
    let interim = headers(1, WHOLE, &block(&[(":status", "103")]));
    let head = |more: &[u8]| headers(1, WHOLE, &[STATUS_200, more].concat());
    let trailers = |fields: &[u8]| headers(1, WHOLE | END, fields);
    let fits = [interim.clone(), interim.clone(), head(&one), trailers(&one)];
    let mut client = small(limits);
    client.get();
    assert_eq!(complete(&client.feed(&fits)).status, 200);
    let too_large = [&one[..], &block(&[("d", "")])].concat();
    for (frames, kind) in [
        (vec![interim.clone(), interim.clone(), interim], Kind::TooManyInterim),
        (vec![head(&too_large)], Kind::HeadTooLarge),
        (vec![head(b""), trailers(&two)], Kind::TrailersTooLarge),
    ] {
        let mut client = small(limits);
        client.get();
        let events = client.feed(&frames);
        client.assert_failed(&events, 1, kind);
    }
    let mut client = small(Limits { head_bytes_max: 65_536, ..limits });
    client.get();
    let events = client.feed(&[head(&[&two[..], &two].concat())]);
    client.assert_failed(&events, 1, Kind::TooManyFields);
}

/// A large head that is decoded costs its stream only.
#[test]
fn compression_bombs_cost_one_stream() {
    let mut client = Client::new();
    client.gets(2);
    let long = [&[0x40, 1, b'x'][..], &[0x7f, 0x81, 0x1e], &[b'y'; 4_000 - 32]].concat();
    assert_eq!(long.len(), 6 + 3_968);
    let bomb = [STATUS_200, &long, &[0xbe; 10_000]].concat();
    let events = client.feed(&[headers(1, WHOLE | END, &bomb)]);
    client.assert_failed(&events, 1, Kind::HeadTooLarge);
    let events = client.feed(&[headers(3, WHOLE | END, &[0x88, 0xbe])]);
    assert_eq!(complete(&events).status, 200, "the table is in step");
}

#[test]
fn continuations_are_bounded() {
    let begin = headers(1, END, b"");
    let more = frame(FrameKind::CONTINUATION, 0, 1, b"");
    let last = frame(FrameKind::CONTINUATION, WHOLE, 1, STATUS_200);
    let mut client = small(Limits { continuations_max: 3, ..Limits::default() });
    client.get();
    let frames = [begin.clone(), more.clone(), more.clone(), last.clone()];
    assert_eq!(complete(&client.feed(&frames)).status, 200);
    let mut client = small(Limits { continuations_max: 3, ..Limits::default() });
    client.get();
    let events = client.feed(&[begin, more.clone(), more.clone(), more, last]);
    client.assert_broken(&events, Kind::TooManyContinuations);
}

/// Each kind of frame that brings nothing forward, and what starts the count anew.
#[test]
fn frames_without_progress_are_bounded() {
    let limits = Limits { control_frames_max: 20, ..Limits::default() };
    let floods = [
        frame(FrameKind::PING, 0, 0, b"12345678"),
        frame(FrameKind::PING, flag::ACK, 0, b"12345678"),
        settings(&[]),
        settings_ack(),
        frame(FrameKind::PRIORITY, 0, 1, b"\0\0\0\0\0"),
        frame(FrameKind(0x77), 0, 0, b""),
        window_update(0, 1),
        data(1, 0, b""),
        go_away(3, ErrorCode::NO_ERROR),
    ];
    for flood in floods {
        let mut client = small(limits);
        client.gets(2);
        client.feed(&[headers(1, WHOLE, STATUS_200)]);
        for _ in 0..3 {
            let events = client.feed(&vec![flood.clone(); 20]);
            assert!(!events.iter().any(|event| matches!(event, Received::Broken(_))));
            client.feed(&[data(1, 0, b"progress")]);
        }
        client.sent();
        let events = client.feed(&vec![flood; 21]);
        client.assert_broken(&events, Kind::ControlFlood);
    }
    let mut client = small(limits);
    client.get();
    client.feed(&[headers(1, WHOLE | END, STATUS_200)]);
    let events = client.feed(&vec![reset(1, ErrorCode::CANCEL); 21]);
    client.assert_broken(&events, Kind::ControlFlood);
}

/// Uploads with a WINDOW_UPDATE for each frame are no flood.
#[test]
fn window_updates_of_an_upload_are_no_flood() {
    let limits = Limits { control_frames_max: 20, ..Limits::default() };
    let mut client = small(limits);
    client.request("POST", 2_000_000);
    client.sent();
    for _ in 0..60 {
        assert_eq!(client.feed(&[window_update(0, 16_384), window_update(1, 16_384)]), []);
        client.sent();
    }
}

#[test]
fn many_resets_are_no_flood() {
    let config = Config { streams_max: 200, ..Config::default() };
    let limits = Limits { control_frames_max: 20, ..Limits::default() };
    let mut client = Client::with(config, limits, &[]);
    client.gets(200);
    let refused: Vec<_> = (0..200).map(|at| reset(2 * at + 1, ErrorCode::REFUSED_STREAM)).collect();
    assert_eq!(client.feed(&refused).len(), 200);
    client.assert_lives();
}

#[test]
fn settings_and_acknowledgements_are_bounded() {
    let mut client = Client::new();
    client.feed(&[settings(&[(9, 0); 32])]);
    let events = client.feed(&[settings(&[(9, 0); 33])]);
    client.assert_broken(&events, Kind::TooManySettings);
    let mut client = small(Limits { pending_acks_max: 4, ..Limits::default() });
    let ping = frame(FrameKind::PING, 0, 0, b"12345678");
    assert_eq!(client.feed(&vec![ping.clone(); 4]), []);
    client.sent();
    assert_eq!(client.feed(&vec![ping.clone(); 4]), []);
    let events = client.feed(&[ping]);
    client.assert_broken(&events, Kind::PendingAcks);
}

#[test]
fn tiny_data_frames_are_bounded() {
    let limits = Limits { tiny_data_frames_max: 10, ..Limits::default() };
    for content in [&b"x"[..], &[0; 63]] {
        let mut client = small(limits);
        client.get();
        client.feed(&[headers(1, WHOLE, STATUS_200)]);
        assert_eq!(client.feed(&vec![data(1, 0, content); 10]), []);
        client.feed(&vec![data(1, 0, &[0; 64]); 100]);
        let events = client.feed(&[data(1, 0, content)]);
        client.assert_failed(&events, 1, Kind::TinyDataFlood);
    }
}

/// Late frames of streams that we reset are expected of the last of them.
#[test]
fn late_frames_are_expected_of_recent_resets_only() {
    let config = Config { streams_max: 1, ..Config::default() };
    let mut client = Client::with(config, Limits::default(), &[]);
    for tag in 0..=RESETS_REMEMBERED_MIN as u32 {
        client.get();
        client.connection.cancel(Tag(tag), &()).unwrap();
        client.sent();
    }
    assert_eq!(client.feed(&[headers(3, WHOLE, STATUS_200)]), []);
    let events = client.feed(&[headers(1, WHOLE, STATUS_200)]);
    client.assert_broken(&events, Kind::StreamClosed);
}

/// Responses of requests that were given up together cross the resets of all: they are ignored (RFC 9113 §5.1), and are
/// a flood only where there are more frames than resets can explain.
#[test]
fn late_frames_of_resets_are_no_flood() {
    let mut client = small(Limits { control_frames_max: 20, ..Limits::default() });
    client.gets(30);
    for tag in 0..30 {
        client.connection.cancel(Tag(tag), &()).unwrap();
    }
    client.sent();
    for id in (1..60).step_by(2) {
        let mut late = vec![headers(id, WHOLE, STATUS_200), data(id, 0, b"short")];
        late.extend(vec![data(id, 0, &[b'x'; 1_000]); 10]);
        late.extend([data(id, END, b""), reset(id, ErrorCode::CANCEL)]);
        assert_eq!(client.feed(&late), [], "{id}");
    }
    assert_eq!(client.feed(&vec![headers(1, WHOLE, STATUS_200); 15]), []);
    let events = client.feed(&vec![headers(1, WHOLE, STATUS_200); 6]);
    client.assert_broken(&events, Kind::ControlFlood);
}
