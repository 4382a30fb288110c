//! Runs over HTTP/2: what they have in common with others, and what happens to streams.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Ran, run, run_spec, spec};
use z6_events::{Event, LogReader, Protocol, Tick, Visitor, WorkerId, walk};
use z6_scenario::simulation::FaultKind;

/// Ten VUs share two connections; what they send has bodies, follows redirects, and is filled in.
fn shop(version: &str) -> String {
    let scheme = if version == "http2-prior-knowledge" { "http" } else { "https" };
    format!(
        "
runtime = {{ duration_seconds = 4, warmup_seconds = 1, graceful_stop_seconds = 2 }}
schedule = {{ type = 'constant', vus = 10 }}
think_time = {{ type = 'exponential', mean_ms = 10, max_ms = 100 }}
random = {{ n = {{ type = 'integer', min = 1, max = 9 }} }}
requests = [
    {{ name = 'list', path = '/items?n={{{{n}}}}', weight = 3, timeout_ms = 300, follow_redirects = 2 }},
    {{ name = 'buy', method = 'POST', path = '/buy', body = '{}', timeout_ms = 300 }},
]
[target]
base_url = '{scheme}://shop.invalid'
http_version = '{version}'
http2 = {{ streams = 20 }}
connection_reuse = 'shared'
max_connections = 2
request_id_header = 'Z6-Id'
",
        "z".repeat(40_000)
    )
}

/// A world in which much goes wrong with streams, and not only with them.
const WILD: [(&str, &str); 13] = [
    ("latency", "log_normal:1ms,0.5"),
    ("service", "bimodal:2ms,60ms,0.05"),
    ("body_bytes", "0..70000"),
    ("chunked", "0.3"),
    ("redirects", "0.1"),
    ("fault.go_away", "0.01"),
    ("fault.go_away_error", "0.005"),
    ("fault.refuse_stream", "0.05"),
    ("fault.reset_stream", "0.02"),
    ("fault.lower_streams", "0.02"),
    ("fault.close_in_body", "0.005"),
    ("fault.partial_write", "0.1"),
    ("fault.partial_read", "0.1"),
];

/// What a server says about a connection beside its streams.
const CONNECTIONS: [(&str, &str); 6] = [
    ("fault.pings", "0.05"),
    ("fault.settings_late", "0.3"),
    ("fault.shrink_window", "0.05"),
    ("fault.tiny_windows", "0.005"),
    ("fault.table_resize", "0.02"),
    ("fault.alpn_http1", "0.1"),
];

/// What a log says about connections over HTTP/2.
#[derive(Default)]
struct Seen {
    http1: u64,
    http2: u64,
    resent: u64,
    going_away: u64,
    limits: Vec<u32>,
}

impl Visitor for Seen {
    type Error = std::convert::Infallible;

    fn event(
        &mut self,
        _: u64,
        _: WorkerId,
        _: Tick,
        event: &Event,
    ) -> Result<(), std::convert::Infallible> {
        match event {
            Event::Connected { .. } => self.http1 += 1,
            Event::ConnectedAs { negotiated, .. } => {
                self.http2 += u64::from(negotiated.protocol == Protocol::Http2);
            }
            Event::Resent { .. } => self.resent += 1,
            Event::GoingAway { .. } => self.going_away += 1,
            Event::StreamsAllowed { allowed, .. } => self.limits.push(*allowed),
            _ => {}
        }
        Ok(())
    }
}

fn seen(ran: &Ran) -> Seen {
    let mut seen = Seen::default();
    walk(&mut LogReader::new(&ran.log[..]).unwrap(), &mut seen).unwrap();
    seen
}

#[test]
fn each_version_is_spoken_and_every_request_is_answered() {
    for version in ["http2", "http2-prior-knowledge", "auto"] {
        let ran = run(&shop(version), 7, &[("redirects", "0.2"), ("body_bytes", "0..100000")]);
        assert_eq!(ran.violations, [""; 0], "{version}");
        let requests = &ran.metrics.requests;
        assert!(requests.planned > 1_000, "{}", requests.planned);
        let loops = ran.metrics.errors.by_kind.get(z6_events::ErrorKind::TooManyRedirects);
        assert_eq!(Some(&requests.failed), loops, "{version}");
        assert_eq!(requests.never_sent, 0, "{version}");
        assert!(requests.exchanges > requests.planned, "no redirect was followed");
        assert_eq!((seen(&ran).http1, seen(&ran).http2), (0, 2), "{version}");
        assert!(ran.truth.list.iter().all(|request| request.is_http2));
        // Several streams of one connection are open at once.
        assert_eq!(ran.metrics.connections.opened, 2);
    }
}

#[test]
fn the_server_selects_what_it_is_told_to_select() {
    let text = shop("auto").replace("connection_reuse = 'shared'\nmax_connections = 2\n", "");
    for (share, http1, http2) in [("0", 10, 0), ("1", 0, 10)] {
        let ran = run(&text, 7, &[("alpn_h2", share)]);
        assert_eq!(ran.violations, [""; 0]);
        let seen = seen(&ran);
        assert_eq!((seen.http1, seen.http2), (http1, http2), "{share}");
    }
    let mixed = seen(&run(&text, 7, &[("alpn_h2", "0.5")]));
    assert!(mixed.http1 > 0 && mixed.http2 > 0, "{} {}", mixed.http1, mixed.http2);
}

#[test]
fn twice_the_same_is_the_same_to_the_last_byte() {
    for workers in [1, 2] {
        let ran = || {
            let mut spec = spec(&shop("http2"), 2026, &WILD);
            spec.workers = workers;
            run_spec(&spec)
        };
        let (one, other) = (ran(), ran());
        assert_eq!(one.violations, [""; 0]);
        assert_eq!(one.log, other.log);
        assert_eq!(one.digest, other.digest);
    }
}

/// A golden value, as those of HTTP/1.1: the same on every machine and in every build.
#[test]
fn the_digest_is_that_of_every_machine() {
    let digest = run(&shop("http2"), 2026, &WILD).digest.unwrap().to_string();
    assert_eq!(digest, include_str!("http2.txt").trim_end());
}

#[test]
fn what_is_refused_is_sent_again_and_fails_only_without() {
    for fault in ["fault.refuse_stream", "fault.go_away"] {
        let ran = run(&shop("http2"), 3, &[(fault, "0.02")]);
        assert_eq!(ran.violations, [""; 0], "{fault}");
        assert!(seen(&ran).resent > 5, "{fault}: {}", seen(&ran).resent);
        let text = shop("http2").replace("streams = 20", "streams = 20, resend_refused = 0");
        let ran = run(&text, 3, &[(fault, "0.02")]);
        assert_eq!(ran.violations, [""; 0], "{fault}");
        assert_eq!(seen(&ran).resent, 0);
        let failed = ran.metrics.errors.by_kind.get(z6_events::ErrorKind::StreamRefused);
        assert!(failed.is_some_and(|failed| *failed > 5), "{fault}: {failed:?}");
    }
}

#[test]
fn goaway_with_an_error_fails_what_the_server_had_taken() {
    let ran = run(&shop("http2"), 3, &[("fault.go_away_error", "0.02")]);
    assert_eq!(ran.violations, [""; 0]);
    let failed = ran.metrics.errors.by_kind.get(z6_events::ErrorKind::ConnectionGoingAway).copied();
    assert!(failed.is_some_and(|failed| failed > 5), "{failed:?}");
    assert!(seen(&ran).resent > 5, "{}", seen(&ran).resent);
    assert!(seen(&ran).going_away > 5);
}

#[test]
fn a_reset_stream_fails_alone() {
    let ran = run(&shop("http2"), 3, &[("fault.reset_stream", "0.02")]);
    assert_eq!(ran.violations, [""; 0]);
    let failed = ran.metrics.errors.by_kind.get(z6_events::ErrorKind::StreamReset).copied();
    assert!(failed.is_some_and(|failed| failed > 5), "{failed:?}");
    assert_eq!(ran.metrics.connections.opened, 2, "no connection was lost");
}

#[test]
fn fewer_streams_are_kept_to() {
    let ran = run(&shop("http2"), 3, &[("fault.lower_streams", "0.02")]);
    assert_eq!(ran.violations, [""; 0]);
    let limits = seen(&ran).limits;
    assert!(limits.iter().any(|limit| *limit < 5) && limits.contains(&128), "{limits:?}");
    assert_eq!(ran.metrics.requests.failed, 0);
}

#[test]
fn every_fault_of_streams_happens_over_http2_and_none_over_http1() {
    let all = [&WILD[..], &CONNECTIONS].concat();
    let ran = run(&shop("http2"), 5, &all);
    assert_eq!(ran.violations, [""; 0]);
    let of_http2 = || FaultKind::ALL.into_iter().filter(|kind| kind.is_of_http2());
    assert!(of_http2().all(|kind| ran.injected.get(kind) > 0));
    let ran = run(&shop("auto"), 5, &[&all[..], &[("alpn_h2", "0")]].concat());
    assert_eq!(ran.violations, [""; 0]);
    assert!(of_http2().all(|kind| ran.injected.get(kind) == 0));
    let mut quiet = spec(&shop("auto"), 5, &[&all[..], &[("alpn_h2", "0")]].concat());
    for kind in of_http2() {
        quiet.simulation.faults.set(kind, z6_scenario::simulation::Share::ZERO);
    }
    // What cannot happen draws nothing.
    assert_eq!(run_spec(&quiet).metrics.requests, ran.metrics.requests);
}

/// RFC 9113 section 6.7.
#[test]
fn each_ping_is_answered() {
    let ran = run(&shop("http2"), 3, &[("fault.pings", "0.2")]);
    assert_eq!(ran.violations, [""; 0]);
    let pings = &ran.truth.pings;
    let answered = pings.iter().filter(|ping| ping.answered_behind.is_some()).count();
    assert!(pings.len() > 100, "{}", pings.len());
    // The last ones may meet the end of the run.
    assert!(answered + 5 > pings.len(), "{answered} of {}", pings.len());
    assert_eq!(ran.metrics.requests.failed, 0);
}

/// Bodies of 40,000 bytes wait, and none is lost (RFC 9113 section 6.9.2).
#[test]
fn bodies_wait_for_windows() {
    let quiet = run(&shop("http2"), 3, &[]).metrics.requests.planned;
    for (fault, share) in [("fault.shrink_window", "0.1"), ("fault.tiny_windows", "0.002")] {
        let ran = run(&shop("http2"), 3, &[(fault, share)]);
        assert_eq!(ran.violations, [""; 0], "{fault}");
        let requests = &ran.metrics.requests;
        assert!(requests.planned > 100 && requests.planned < quiet, "{fault}: {requests:?}");
        let timed_out = ran.metrics.errors.by_kind.get(z6_events::ErrorKind::RequestTimeout);
        assert_eq!(timed_out.copied().unwrap_or(0), requests.failed, "{fault}");
        assert_eq!(ran.metrics.connections.opened, 2, "{fault}: no connection was lost");
    }
}

/// What comes before the settings of the server may be too much for it, and is sent again.
#[test]
fn settings_may_come_late() {
    let settings = [("fault.settings_late", "1"), ("max_concurrent_streams", "1")];
    let ran = run(&shop("http2"), 3, &settings);
    assert_eq!(ran.violations, [""; 0]);
    assert!(seen(&ran).resent > 0);
    assert!(ran.metrics.requests.succeeded > 100);
    // What breaks a connection comes behind what waits for them.
    let breaks = ["unsolicited", "garbage", "reset_in_body", "close_before"];
    let breaks = breaks.map(|kind| format!("fault.{kind}"));
    let breaks = breaks.iter().map(|kind| (kind.as_str(), "0.05"));
    let ran =
        run(&shop("http2"), 3, &breaks.chain([("fault.settings_late", "1")]).collect::<Vec<_>>());
    assert_eq!(ran.violations, [""; 0]);
    assert!(ran.metrics.connections.opened > 20);
}

#[test]
fn a_server_that_selects_http1_fails_the_attempt() {
    let text = shop("http2").replace("connection_reuse = 'shared'\nmax_connections = 2\n", "");
    let text = text.replace("http2 = { streams = 20 }\n", "");
    let ran = run(&text, 3, &[("fault.alpn_http1", "0.5")]);
    assert_eq!(ran.violations, [""; 0]);
    let failed = ran.metrics.errors.by_kind.get(z6_events::ErrorKind::TlsAlpn).copied();
    assert!(failed.is_some_and(|failed| failed > 0));
    assert_eq!(failed, Some(ran.metrics.requests.failed));
    assert!(ran.metrics.requests.succeeded > 100);
    let ran = run(&shop("http2-prior-knowledge"), 3, &[("fault.alpn_http1", "1")]);
    assert_eq!(ran.injected.get(FaultKind::AlpnHttp1), 0);
}
