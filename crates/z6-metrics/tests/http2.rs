//! What connections speak, and what HTTP/2 adds to the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod common;

use common::{S, Script, connect_started, connected, done_event, failed_event, plain, released};
use z6_events::{
    ConnectedAs, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Failure, Http2Sample,
    Irregularities, Protocol, ReleaseCause, ResendCause, Tick, TlsNegotiated,
};
use z6_metrics::Style;
use z6_metrics::report::{metrics_json, summary_text};

const TLS: TlsNegotiated = TlsNegotiated { version: 0x0304, cipher: 0x1301 };

fn connected_as(slot: u32, negotiated: ConnectedAs) -> Event {
    Event::ConnectedAs { connection: ConnectionSlot(slot), started: Tick(1), negotiated }
}

/// `sent` in this slot on a connection.
fn sent_on(script: &mut Script, slot: u32, connection: u32, (planned, at): (u64, u64)) {
    script.sent(slot, planned, at);
    let (_, _, Event::Sent { connection: on, .. }) = script.events.last_mut().unwrap() else {
        unreachable!()
    };
    *on = ConnectionSlot(connection);
}

fn refused(slot: u32) -> Event {
    let failure = Failure {
        error: ErrorKind::StreamRefused,
        detail: 7,
        first_byte: None,
        received_bytes: 13,
        unsent_bytes: 0,
        reusable: true,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    };
    Event::Resent { exchange: ExchangeSlot(slot), failure, cause: ResendCause::Refused }
}

/// Two requests at once on a connection, of which the second is refused and sent again on another.
fn script() -> Script {
    let mut script = Script::new();
    let http2 = ConnectedAs { protocol: Protocol::Http2, tls: Some(TLS) };
    for slot in [0, 1] {
        script.add(0, 1, connect_started(slot)).add(0, 1, connected_as(slot, http2));
    }
    sent_on(&mut script, 0, 0, (2, 3));
    sent_on(&mut script, 1, 0, (2, 4));
    let connection = ConnectionSlot(0);
    script.add(0, 5, Event::GoingAway { connection, code: 0, accepted: 1 }).add(0, 6, refused(1));
    script.add(0, 10, done_event(0, 10, 200, None));
    let cause = ReleaseCause::GoingAway;
    script.add(0, 10, Event::ConnectionReleased { connection, cause });
    sent_on(&mut script, 1, 1, (2, 100));
    let (_, _, Event::Sent { attempt, request, .. }) = script.events.last_mut().unwrap() else {
        unreachable!()
    };
    *attempt = 1;
    request.step.0 -= 1;
    script.add(0, 130, done_event(1, 130, 200, None));
    sent_on(&mut script, 0, 1, (200, 200));
    let mut reset = failed_event(0, ErrorKind::StreamReset);
    if let Event::Failed { failure, .. } = &mut reset {
        (failure.detail, failure.reusable) = (11, true);
    }
    script.add(0, 210, reset);
    let sample = Http2Sample { frames_in: 20, resets_out: 3, ..Http2Sample::default() };
    script.add(0, 300, Event::Http2Sample(sample));
    let sample = Http2Sample { request_header_bytes_plain: 90, frames_in: 30, ..sample };
    script.add(0, 400, Event::Http2Sample(sample)).end(3 * S);
    script
}

#[test]
fn streams_ends_and_samples_are_counted() {
    let metrics = script().metrics(&plain());
    let connections = &metrics.connections;
    assert_eq!(connections.by_protocol.0, [("http2", 2)]);
    let [kind] = &connections.connected_as[..] else { panic!("{:?}", connections.connected_as) };
    assert_eq!((kind.target.as_str(), kind.protocol, kind.connections), ("target", "http2", 2));
    assert_eq!(kind.tls_version.as_deref(), Some("TLSv1.3"));
    assert_eq!(kind.cipher_suite.as_deref(), Some("TLS_AES_128_GCM_SHA256"));
    assert_eq!((&connections.going_away.0[..], connections.drained), (&[("NO_ERROR", 1)][..], 1));
    let http2 = metrics.http2.as_ref().expect("connections over HTTP/2");
    assert_eq!((http2.streams, http2.streams_peak_per_connection), (4, 2));
    assert_eq!((http2.refused, http2.resent, http2.reset_by_us), (1, 1, 3));
    assert_eq!(http2.reset_by_peer.0, [("ENHANCE_YOUR_CALM", 1)]);
    assert_eq!((http2.frames_in, http2.request_header_bytes.plain), (30, 90));
    let doubts: Vec<_> = metrics.generator.doubts.iter().map(|doubt| doubt.kind()).collect();
    assert!(doubts.contains(&"calmed"), "{doubts:?}");
}

/// Requests may never be sent then: the note does not depend on how long those waited that were.
#[test]
fn a_server_that_allows_no_streams_is_named() {
    let mut script = script();
    let connection = ConnectionSlot(1);
    script.add(0, 3 * S, Event::StreamsAllowed { connection, allowed: 0 });
    let doubts = script.metrics(&plain()).generator.doubts;
    let named = doubts.iter().find(|doubt| doubt.kind() == "stream_limit").expect("a note");
    assert!(named.to_string().contains("(SETTINGS_MAX_CONCURRENT_STREAMS = 0)"), "{named}");
}

/// The one that was refused counts once, from when it was sent last.
#[test]
fn a_refused_request_is_one_request() {
    let metrics = script().metrics(&plain());
    let requests = &metrics.requests;
    assert_eq!((requests.sent, requests.exchanges, requests.succeeded), (3, 4, 2));
    // Its first connection had carried one before, the one that it ended on had not.
    let by = |name| requests.by_connection.get(name).unwrap();
    let counts = |name| [by(name).sent, by(name).succeeded, by(name).failed];
    assert_eq!((counts("new"), counts("reused")), ([2, 2, 0], [1, 0, 1]));
    assert_eq!(metrics.connections.reused, 1);
    assert_eq!(metrics.latency.service_ns.max, Some(30), "130 - 100");
    assert_eq!(metrics.latency.response_ns.max, Some(128), "130 - 2");
}

#[test]
fn runs_without_either_say_nothing_of_it() {
    let mut script = Script::new();
    script.add(0, 1, connect_started(0)).add(0, 2, connected(0, 1)).success(3, 3, 9);
    script.add(0, 10, released(0)).end(3 * S);
    let json = metrics_json(&script.metrics(&plain()));
    for key in ["http2", "by_protocol", "connected_as", "going_away", "drained", "ended"] {
        assert!(!json.contains(&format!("\"{key}\"")), "{key}");
    }
}

/// What Z6 closes is counted by its reason: not what the run's end or a failure closes.
#[test]
fn what_this_side_closes_is_counted_by_reason() {
    let mut script = Script::new();
    let causes = [
        ReleaseCause::MaxRequests,
        ReleaseCause::ExchangeFailed,
        ReleaseCause::MaxAge,
        ReleaseCause::MaxRequests,
        ReleaseCause::GoingAway,
        ReleaseCause::RunEnded,
    ];
    for (at, cause) in (1..).zip(causes) {
        let connection = ConnectionSlot(0);
        script.add(0, 10 * at, connect_started(0)).add(0, 10 * at + 1, connected(0, 10 * at));
        script.add(0, 10 * at + 2, Event::ConnectionReleased { connection, cause });
    }
    script.end(3 * S);
    let metrics = script.metrics(&plain());
    let connections = &metrics.connections;
    assert_eq!(connections.ended.0, [("max_requests", 2), ("max_age", 1)]);
    assert_eq!((connections.opened, connections.drained), (6, 1));
    let summary = summary_text(&metrics, &Style::plain());
    assert!(summary.contains("closed by Z6 (max_requests: 2, max_age: 1)"), "{summary}");
}
