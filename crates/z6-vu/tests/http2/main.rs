//! The real event loop over HTTP/2, against servers in this process: what is sent, what is counted, how
//! connections and streams end. Every run replays to the last byte, and the checks of logs find nothing.
#![cfg(feature = "reactor")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "the servers here are real sockets and threads")]
#![allow(unreachable_pub, reason = "modules of one test")]

mod h2_crate;
mod server;

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use z6_events::{
    ErrorKind, Event, Failure, LoggedValue, Protocol, ReleaseCause, Tick, Visitor, WorkerId,
};
use z6_proto_http2::ErrorCode;
use z6_proto_http2::server::ServerConfig;
use z6_scenario::Scenario;
use z6_vu::log_file::LogTarget;
use z6_vu::reactor::{RunReport, RunSpec, Spin, Stamping, start};
use z6_vu::replay::{Outcome, replay};

use server::{Ask, Peer, Server};

#[derive(Debug, Default)]
struct Keep {
    events: Vec<(Tick, Event)>,
}

impl Visitor for Keep {
    type Error = Infallible;

    fn event(&mut self, _: u64, _: WorkerId, at: Tick, event: &Event) -> Result<(), Infallible> {
        self.events.push((at, *event));
        Ok(())
    }
}

impl z6_vu::observer::Observer for Keep {}

struct Ran {
    report: RunReport<Keep>,
}

impl Ran {
    fn events(&self) -> impl Iterator<Item = &Event> {
        self.report.observer.events.iter().map(|(_, event)| event)
    }

    fn count(&self, what: impl Fn(&Event) -> bool) -> usize {
        self.events().filter(|event| what(event)).count()
    }

    fn succeeded(&self) -> usize {
        self.count(|event| matches!(event, Event::Done { failure: None, .. }))
    }

    fn failures(&self) -> Vec<Failure> {
        let failure = |event: &Event| match event {
            Event::Failed { failure, .. } => Some(*failure),
            _ => None,
        };
        self.events().filter_map(failure).collect()
    }

    fn connects(&self) -> usize {
        self.count(|event| matches!(event, Event::ConnectStarted { .. }))
    }

    fn released(&self, cause: ReleaseCause) -> usize {
        self.count(|event| {
            matches!(event, Event::ConnectionReleased { cause: other, .. } if *other == cause)
        })
    }
}

fn run(text: &str, workers: u16) -> Ran {
    let scenario = match Scenario::from_toml(text) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{}", diagnostics.render("test", text, false)),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.z6log");
    let spec = RunSpec {
        stamping: Stamping::of(&scenario),
        given: z6_vu::session::Given::default(),
        folder: std::path::PathBuf::new(),
        scenario: Arc::new(scenario),
        seed: 7,
        workers,
        shard: z6_events::Shard::WHOLE,
        meeting: z6_vu::reactor::Meeting::default(),
        builtin: None,
        log: LogTarget::File(path.clone()),
        overrides: Vec::new(),
        attached: Vec::new(),
        spin: Spin::Off,
    };
    let report = start(&spec, Keep::default()).unwrap().wait();
    assert_eq!(report.panic, None);
    assert!(report.log_error.is_none(), "{:?}", report.log_error);
    let log = std::fs::read(&path).unwrap();
    match replay(&log[..]).unwrap() {
        Outcome::Identical { ending, .. } => assert_eq!(ending.digest(), report.digest),
        other => panic!("{other:?}"),
    }
    let mut reader = z6_events::LogReader::new(&log[..]).unwrap();
    let checked = z6_analysis::checks::check_log(&mut reader, &spec.scenario).unwrap();
    assert!(checked.violations.is_empty(), "{:?}", checked.violations);
    Ran { report }
}

/// One connection that the VUs share.
fn scenario(address: SocketAddr, vus: u32, iterations: u32, target: &str, more: &str) -> String {
    format!(
        "[runtime]\nvus = {vus}\niterations = {iterations}\n[target]\n\
         base_url = 'http://{address}'\nhttp_version = 'http2-prior-knowledge'\n\
         connection_reuse = 'shared'\nmax_connections = 1\nreconnect_delay_ms = 1\n{target}\n\
         [[requests]]\nname = 'r'\npath = '/x'\n{more}\n"
    )
}

#[test]
fn a_hundred_streams_share_one_connection() {
    let server = Server::new(|peer, ask| peer.ok(ask.stream));
    for workers in [1, 2] {
        let one = scenario(server.address, 100, 40, "", "").replace("max_connections = 1\n", "");
        let text = one.replace("[target]", "[target]\nmax_connections = 2");
        let before = server.requests();
        let ran = run(&text, workers);
        assert_eq!(ran.succeeded(), 4_000);
        assert_eq!(server.requests() - before, 4_000, "counts are equal");
        assert_eq!(ran.connects(), 2);
        let speaks = |event: &Event| {
            matches!(event, Event::ConnectedAs { negotiated, .. }
                if negotiated.protocol == Protocol::Http2 && negotiated.tls.is_none())
        };
        assert_eq!(ran.count(speaks), 2);
        assert_eq!(ran.count(|event| matches!(event, Event::Connected { .. })), 0);
        let samples = ran.count(|event| matches!(event, Event::Http2Sample(_)));
        assert_eq!(samples, usize::from(workers), "one at the end of each worker");
    }
}

#[test]
fn fields_are_those_of_http2() {
    let asks: Arc<Mutex<Vec<Ask>>> = Arc::default();
    let seen = Arc::clone(&asks);
    let server = Server::new(move |peer: &mut Peer, ask: &Ask| {
        seen.lock().unwrap().push(ask.clone());
        peer.ok(ask.stream);
    });
    let more = "headers = { Host = 'other:81', X-One = 'A b', TE = 'trailers' }\n\
                method = 'PUT'\nbody = 'some bytes'";
    let ran = run(&scenario(server.address, 1, 3, "request_id_header = 'Z6-Id'", more), 1);
    assert_eq!(ran.succeeded(), 3);
    let asks = asks.lock().unwrap();
    for (step, ask) in asks.iter().enumerate() {
        assert_eq!((&*ask.method, &*ask.authority, &*ask.path), ("PUT", "other:81", "/x"));
        assert_eq!(ask.body, b"some bytes");
        assert_eq!(ask.field("x-one"), Some("A b"));
        assert_eq!(ask.field("te"), Some("trailers"));
        assert_eq!(ask.field("content-length"), Some("10"));
        let id = format!("00-0000000000000000-{step:016x}-00");
        assert_eq!(ask.field("z6-id"), Some(&*id));
        assert!(ask.field("host").is_none() && ask.field("connection").is_none());
    }
    assert_eq!(asks.len(), 3);
}

/// The initial window of the server is 65,535 bytes, that of its streams little more.
#[test]
fn request_bodies_go_on_as_windows_allow() {
    let config = ServerConfig { stream_window_bytes: 66_000, ..ServerConfig::default() };
    let server = Server::with(config, |peer: &mut Peer, ask: &Ask| {
        let digits = ask.body.iter().filter(|byte| **byte == b'7').count().to_string();
        peer.answer(ask.stream, 200, &[("x-count", &digits)], &vec![b'z'; 70_000], &[]);
    });
    let more = format!("method = 'POST'\nbody = '{}'", "7".repeat(200_000));
    let target = "http2 = { stream_window_bytes = 65535, connection_window_bytes = 65535 }";
    let ran = run(&scenario(server.address, 10, 5, target, &more), 1);
    assert_eq!((ran.succeeded(), server.requests()), (50, 50), "{:?}", ran.failures());
    for event in ran.events() {
        if let Event::Sent { request_bytes, .. } = event {
            assert!((200_000..201_000).contains(request_bytes), "{request_bytes}");
        }
        if let Event::Done { response, .. } = event {
            assert!(response.received_bytes > 70_000 && response.unsent_bytes == 0);
        }
    }
    let stalls = ran.events().filter_map(|event| match event {
        Event::Http2Sample(sample) => Some(sample.window_stalls),
        _ => None,
    });
    assert!(stalls.max().unwrap() > 0);
}

#[test]
fn responses_without_content_and_interim_ones() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| match &*ask.path {
        "/head" => peer.answer(ask.stream, 200, &[("content-length", "100")], b"", &[]),
        "/204" => peer.answer(ask.stream, 204, &[], b"", &[]),
        "/304" => peer.answer(ask.stream, 304, &[("content-length", "100")], b"", &[]),
        _ => {
            for status in ["100", "103"] {
                let head = [(&b":status"[..], status.as_bytes()), (&b"link"[..], &b"</a>"[..])];
                peer.http.respond_fields(ask.stream, head, false);
            }
            peer.ok(ask.stream);
        }
    });
    let requests = "method = 'HEAD'\n[[requests]]\nname = 'a'\npath = '/204'\n[[requests]]\n\
                    name = 'b'\npath = '/304'\n[[requests]]\nname = 'c'\npath = '/interim'";
    let text = scenario(server.address, 8, 20, "", requests).replace("'/x'", "'/head'");
    assert_eq!(run(&text, 1).succeeded(), 160);
}

#[test]
fn a_refused_request_is_sent_again_and_no_more_often_than_asked() {
    let server = || {
        Server::new(|peer: &mut Peer, ask: &Ask| match ask.number % 3 {
            0 => peer.http.reset(ask.stream, ErrorCode::REFUSED_STREAM),
            _ => peer.ok(ask.stream),
        })
    };
    let once = server();
    let ran = run(&scenario(once.address, 1, 10, "", ""), 1);
    assert_eq!((ran.succeeded(), ran.failures().len()), (10, 0));
    assert_eq!(ran.count(|event| matches!(event, Event::Resent { .. })), 5);
    assert_eq!(once.requests(), 15);
    assert_eq!(ran.connects(), 1);

    let never = server();
    let ran = run(&scenario(never.address, 1, 9, "http2 = { resend_refused = 0 }", ""), 1);
    assert_eq!(ran.succeeded(), 6);
    let failures = ran.failures();
    assert!(failures.iter().all(|f| f.error == ErrorKind::StreamRefused && f.reusable));
    assert_eq!((failures.len(), ran.connects()), (3, 1));
}

#[test]
fn goaway_costs_no_request() {
    // As nginx: the request that reaches the limit is answered, later ones are not processed.
    let server = Server::new(|peer: &mut Peer, ask: &Ask| {
        if ask.number < 50 {
            peer.ok(ask.stream);
        }
        if ask.number == 49 {
            peer.http.go_away(ask.stream, ErrorCode::NO_ERROR);
        }
    });
    let ran = run(&scenario(server.address, 40, 25, "", ""), 1);
    assert_eq!((ran.succeeded(), ran.failures().len()), (1_000, 0));
    assert_eq!(server.connections(), 20, "a thousand requests by fifties");
    // Two show what the server takes on a connection; the others are asked for no more than that.
    let going = ran.count(|event| matches!(event, Event::GoingAway { code: 0, accepted: 50, .. }));
    assert!(going >= 2, "{going}");
    assert_eq!(ran.released(ReleaseCause::GoingAway), 2);
    assert!(ran.released(ReleaseCause::MaxRequests) >= 17);
}

#[test]
fn a_server_that_is_killed_fails_what_is_open_at_one_tick_in_order() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| match (ask.connection, ask.number) {
        (0, 30) => peer.closes = true,
        (0, 20..) => {} // Left open.
        _ => peer.ok(ask.stream),
    });
    let ran = run(&scenario(server.address, 20, 10, "", ""), 1);
    let failures = ran.failures();
    assert!(failures.len() >= 2, "{failures:?}");
    assert_eq!(ran.succeeded() + failures.len(), 200);
    let at: Vec<Tick> = ran
        .report
        .observer
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Failed { .. }))
        .map(|(at, _)| *at)
        .collect();
    assert!(at.windows(2).all(|pair| pair[0] == pair[1]), "{at:?}");
    assert!(failures.iter().all(|f| !f.reusable && f.error == ErrorKind::ClosedBeforeResponse));
    assert_eq!(ran.released(ReleaseCause::ExchangeFailed), 1);
}

#[test]
fn a_response_that_is_cut_says_how_much_of_it_came() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| {
        let head = [(&b":status"[..], &b"200"[..])];
        peer.http.respond_fields(ask.stream, head, false);
        peer.closes = true;
    });
    let ran = run(&scenario(server.address, 1, 1, "", ""), 1);
    let failures = ran.failures();
    let is_it = |f: &Failure| f.error == ErrorKind::IncompleteBody && f.detail == f.received_bytes;
    assert!(failures.len() == 1 && failures.iter().all(is_it), "{failures:?}");
    assert!(failures[0].detail >= 10, "{failures:?}");
}

#[test]
fn a_reset_stream_fails_alone() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| match ask.number % 10 {
        9 => peer.http.reset(ask.stream, ErrorCode::INTERNAL_ERROR),
        _ => peer.ok(ask.stream),
    });
    let ran = run(&scenario(server.address, 10, 10, "", ""), 1);
    let failures = ran.failures();
    let is_it = |f: &Failure| f.error == ErrorKind::StreamReset && f.detail == 2 && f.reusable;
    assert!(failures.iter().all(is_it), "{failures:?}");
    assert_eq!((ran.succeeded(), failures.len(), ran.connects()), (90, 10, 1));
}

#[test]
fn a_timeout_resets_its_stream_and_no_more() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| {
        if ask.number != 3 {
            peer.ok(ask.stream);
        }
    });
    let ran = run(&scenario(server.address, 4, 5, "", "timeout_ms = 300"), 1);
    assert_eq!(ran.succeeded(), 19);
    assert_eq!(ran.count(|event| matches!(event, Event::TimedOut { .. })), 1);
    assert_eq!(ran.connects(), 1);
    let resets = server.seen.resets.lock().unwrap();
    assert_eq!(resets[..], [ErrorCode::CANCEL]);
}

#[test]
fn the_limit_of_the_peer_is_kept_whenever_it_changes() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    let config = ServerConfig { streams_max: 8, ..ServerConfig::default() };
    let server = Server::with(config, |peer: &mut Peer, ask: &Ask| {
        if ask.number == 200 {
            peer.http.settings(&[(MAX_CONCURRENT_STREAMS, 2)]);
        }
        peer.ok(ask.stream);
    });
    let ran = run(&scenario(server.address, 30, 20, "", ""), 1);
    assert_eq!((ran.succeeded(), ran.failures().len(), ran.connects()), (600, 0, 1));
    let allowed: Vec<u32> = ran
        .events()
        .filter_map(|event| match event {
            Event::StreamsAllowed { allowed, .. } => Some(*allowed),
            _ => None,
        })
        .collect();
    assert_eq!(allowed, [8, 2]);
}

#[test]
fn redirects_are_followed_on_their_streams() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| match (&*ask.method, &*ask.path) {
        ("POST", "/x") => peer.answer(ask.stream, 303, &[("location", "/y?n=1")], b"moved", &[]),
        ("GET", "/y?n=1") => peer.answer(ask.stream, 308, &[("location", "/z")], b"", &[]),
        ("GET", "/z") if ask.body.is_empty() && ask.field("x-keep") == Some("1") => {
            peer.ok(ask.stream);
        }
        _ => peer.answer(ask.stream, 500, &[], b"", &[]),
    });
    let more = "method = 'POST'\nbody = 'abc'\nheaders = { X-Keep = '1' }\nfollow_redirects = 5";
    let ran = run(&scenario(server.address, 10, 10, "", more), 1);
    assert_eq!((ran.succeeded(), server.requests()), (100, 300));
    assert_eq!(ran.connects(), 1);
    let more = more.replace("follow_redirects = 5", "follow_redirects = 1");
    let ran = run(&scenario(server.address, 2, 5, "", &more), 1);
    let failures = ran.failures();
    assert!(failures.iter().all(|f| f.error == ErrorKind::TooManyRedirects && f.reusable));
    assert_eq!((failures.len(), ran.connects()), (10, 1), "the connection lives");
}

/// Values into requests and out of responses, cookies, checks, trailers; and what is refused is filled in again.
#[test]
fn journeys_run_over_streams() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| match &*ask.path {
        "/login" => {
            let user = String::from_utf8_lossy(&ask.body).into_owned();
            let cookie = format!("id={user}; Path=/");
            let token = format!("{{\"token\": \"t-{user}\"}}");
            let fields = [("set-cookie", &*cookie), ("content-type", "application/json")];
            let trailers = [("x-sum", &*user)];
            peer.answer(ask.stream, 200, &fields, token.as_bytes(), &trailers);
        }
        _ if ask.number.is_multiple_of(7) => peer.http.reset(ask.stream, ErrorCode::REFUSED_STREAM),
        path => {
            let user = path.strip_prefix("/of/t-").unwrap_or("none");
            let bearer = format!("Bearer t-{user}");
            let cookie = format!("id={user}");
            let is_right = ask.field("authorization") == Some(&*bearer)
                && ask.field("cookie") == Some(&*cookie)
                && ask.field("x-sum") == Some(user)
                && ask.body == user.as_bytes()
                && ask.field("content-length") == Some(&*user.len().to_string());
            peer.answer(ask.stream, if is_right { 200 } else { 500 }, &[], b"fine", &[]);
        }
    });
    let text = format!(
        "[runtime]\nvus = 20\niterations = 5\n[cookies]\nscope = 'iteration'\n[target]\n\
         base_url = 'http://{}'\nhttp_version = 'http2-prior-knowledge'\n\
         connection_reuse = 'shared'\nmax_connections = 1\nhttp2 = {{ resend_refused = 3 }}\n\
         [[requests]]\nname = 'login'\nmethod = 'POST'\npath = '/login'\nbody = 'u{{{{vu}}}}'\n\
         extract = {{ token = {{ json = '$.token' }}, sum = {{ trailer = 'x-sum' }} }}\n\
         [[requests]]\nname = 'read'\nmethod = 'PUT'\npath = '/of/{{{{token}}}}'\n\
         body = '{{{{sum}}}}'\nheaders = {{ Authorization = 'Bearer {{{{token}}}}', \
         X-Sum = '{{{{sum}}}}' }}\n[requests.checks]\nfine = {{ that = 'body == \"fine\"' }}\n\
         [sequence]\nsteps = [{{ request = 'login' }}, {{ request = 'read' }}]\n",
        server.address
    );
    let ran = run(&text, 1);
    let fails = |event: &&Event| matches!(event, Event::Done { failure: Some(_), .. });
    assert_eq!(ran.events().find(fails), None);
    assert_eq!((ran.succeeded(), ran.failures().len(), ran.connects()), (200, 0, 1));
    assert!(ran.count(|event| matches!(event, Event::Resent { .. })) > 10);
    let values =
        ran.count(|event| matches!(event, Event::Value { value: LoggedValue::Clear(_), .. }));
    assert_eq!(values, 200);
    assert_eq!(ran.count(|event| matches!(event, Event::ChecksFailed { .. })), 0);
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_why() {
    let server = Server::new(|peer: &mut Peer, ask: &Ask| match ask.number {
        4 => peer.http.raw(b"\0\0\0\x05\x04\0\0\0\x02"), // PUSH_PROMISE of no bytes.
        0..4 => {}
        _ => peer.ok(ask.stream),
    });
    let ran = run(&scenario(server.address, 5, 1, "", ""), 1);
    let failures = ran.failures();
    assert_eq!(failures.len(), 5);
    let kinds = [ErrorKind::Http2Push, ErrorKind::Http2BadFrame];
    assert!(failures.iter().all(|f| kinds.contains(&f.error)), "{failures:?}");
}

#[test]
fn a_port_that_speaks_the_other_protocol_is_named() {
    // It answers with HTTP/1.1 whatever it is asked.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            while stream.read(&mut [0; 4_096]).is_ok_and(|count| count > 0) {}
        }
    });
    let ran = run(&scenario(address, 2, 1, "", ""), 1);
    let failures = ran.failures();
    assert!(failures.iter().all(|f| f.error == ErrorKind::Http2BadPreface), "{failures:?}");
    assert_eq!(failures.len(), 2);
    assert_eq!(ran.count(|event| matches!(event, Event::Note { .. })), 2);

    let server = Server::new(|peer, ask| peer.ok(ask.stream));
    let text = scenario(server.address, 1, 1, "", "").replace("http2-prior-knowledge", "http1.1");
    let ran = run(&text, 1);
    assert_eq!(ran.failures()[0].error, ErrorKind::BadStatusLine);
    assert_eq!(ran.count(|event| matches!(event, Event::Note { .. })), 1);
}

/// An open model fills connections; with a limit of requests, each gives way to the next.
#[test]
fn arrivals_fill_connections() {
    let server = Server::new(|peer, ask| peer.ok(ask.stream));
    let text = format!(
        "[runtime]\nduration_seconds = 1\n[schedule]\ntype = 'rate'\nper_second = 500\n[target]\n\
         base_url = 'http://{}'\nhttp_version = 'http2-prior-knowledge'\n\
         max_requests_per_connection = 100\n[[requests]]\nname = 'r'\npath = '/x'\n",
        server.address
    );
    let ran = run(&text, 1);
    assert_eq!((ran.succeeded(), server.requests()), (500, 500));
    assert!(ran.connects() < 10, "{}", ran.connects());
    assert_eq!(ran.released(ReleaseCause::MaxRequests), 5);
}

/// The log names the codes and frames of HTTP/2 without the crate that speaks it.
#[test]
fn the_log_and_the_protocol_use_the_same_names_and_assume_the_same_streams() {
    use z6_events::protocol::{
        ASSUMED_STREAMS, HTTP2_CODES, HTTP2_FRAMES, http2_code_name, http2_frame_name,
    };
    for kind in 0..=HTTP2_FRAMES.len() as u8 {
        let name = z6_proto_http2::frame::FrameKind(kind).name();
        assert_eq!(http2_frame_name(kind.into()), name, "{kind}");
    }
    for code in 0..=HTTP2_CODES.len() as u32 {
        let name = z6_proto_http2::ErrorCode(code).name();
        assert_eq!(http2_code_name(code.into()), name, "{code}");
    }
    assert_eq!(ASSUMED_STREAMS, z6_proto_http2::STREAMS_ASSUMED);
}
