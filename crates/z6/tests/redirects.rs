//! Redirects that are followed: what goes over the wire, and that all of it is one request.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod wire;

use std::net::{SocketAddr, TcpListener};

use wire::{Seen, Server, errors, ok, response, rows, run, run_in};
use z6::{Event, Finished, Log, Tick, WorkerId};
use z6_analysis::checks::Checks;

/// Returns `status` and a `Location` as long as `to` names one for the path, else with 200.
fn redirects(
    status: u16,
    to: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> (Server, SocketAddr) {
    Server::tcp(move |seen| {
        let path = seen.asked().split(' ').nth(1).unwrap();
        match to(path) {
            Some(location) => response(status, &format!("Location: {location}\r\n"), "moved"),
            None => ok(),
        }
    })
}

/// `path` leads to each of `hops` in turn, `/1`, `/2`, ..
fn chain(status: u16, hops: usize) -> (Server, SocketAddr) {
    redirects(status, move |path| {
        let at: usize = path.trim_start_matches('/').parse().unwrap_or(0);
        (at < hops).then(|| format!("/{}", at + 1))
    })
}

fn scenario(address: SocketAddr, request: &str) -> String {
    format!(
        "[runtime]\niterations = 1\n[target]\nbase_url = 'http://{address}'\n\
         request_id_header = 'Z6-Id'\n[[requests]]\nname = 'r'\npath = '/0'\n{request}\n"
    )
}

fn counts(finished: &Finished) -> (u64, u64, u64, u64) {
    let requests = &finished.metrics.requests;
    (requests.sent, requests.exchanges, requests.succeeded, requests.failed)
}

fn asked(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(Seen::asked).collect()
}

#[test]
fn the_exchanges_of_a_redirected_request_are_one_request() {
    let (server, address) = chain(302, 2);
    let folder = tempfile::tempdir().unwrap();
    let finished = run_in(folder.path(), &scenario(address, "follow_redirects = 2"));
    assert_eq!(counts(&finished), (1, 3, 1, 0));
    let seen = server.seen();
    assert_eq!(asked(&seen), ["GET /0", "GET /1", "GET /2"]);
    let ids: Vec<&str> = seen.iter().map(|seen| seen.field("Z6-Id")[0]).collect();
    let id = "00-0000000000000000-0000000000000000-0";
    assert_eq!(ids, [format!("{id}0"), format!("{id}1"), format!("{id}2")]);
    assert_eq!(server.accepted(), 1, "the connection is used again");
    let heads: u64 = seen.iter().map(|seen| seen.head.len() as u64).sum();
    let throughput = &finished.metrics.throughput;
    assert_eq!(throughput.bytes_sent, heads);
    let moved = response(302, "Location: /1\r\n", "moved").len() as u64;
    assert_eq!(throughput.bytes_received, 2 * moved + ok().len() as u64);
    let statuses = &finished.metrics.requests.by_status.0;
    assert_eq!(*statuses, [("200".to_owned(), 1)], "the last answer is the request's");
    let rows = rows(folder.path(), &finished);
    assert_eq!(rows.len(), 1);
    let cell = |name: &str| rows[0][name].as_str();
    assert_eq!((cell("outcome"), cell("status")), ("succeeded", "200"));
    assert_eq!(cell("bytes_sent"), heads.to_string());
    assert_eq!(cell("bytes_received"), throughput.bytes_received.to_string());
}

#[test]
fn none_is_followed_unless_asked_for() {
    let (server, address) = chain(302, 1);
    assert_eq!(counts(&run(&scenario(address, ""))), (1, 1, 1, 0));
    let text =
        scenario(address, "").replace("iterations = 1", "iterations = 1\nfollow_redirects = 5");
    assert_eq!(counts(&run(&text)), (1, 2, 1, 0));
    // What a request says itself counts.
    let text = text.replace("path = '/0'", "path = '/0'\nfollow_redirects = 0");
    assert_eq!(counts(&run(&text)), (1, 1, 1, 0));
    assert_eq!(asked(&server.seen()), ["GET /0", "GET /0", "GET /1", "GET /0"]);
}

#[test]
fn too_many_are_a_failure_of_their_own() {
    let (server, address) = redirects(301, |path| Some(format!("{path}0")));
    let finished = run(&scenario(address, "follow_redirects = 3"));
    assert_eq!(counts(&finished), (1, 4, 0, 1));
    assert_eq!(errors(&finished), [("too_many_redirects".to_owned(), 1)]);
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn only_a_location_makes_a_redirect() {
    let (_server, address) = Server::tcp(|_| response(302, "", "nowhere"));
    assert_eq!(counts(&run(&scenario(address, "follow_redirects = 3"))), (1, 1, 1, 0));
    for status in [300, 304, 305, 306] {
        let (_server, address) = redirects(status, |_| Some("/1".to_owned()));
        let finished = run(&scenario(address, "method = 'HEAD'\nfollow_redirects = 3"));
        // HEAD, so that no body is expected; the length it states is of no concern.
        assert_eq!(finished.metrics.requests.exchanges, 1, "{status}");
    }
}

#[test]
fn methods_and_bodies_go_along_or_not() {
    let fields = "headers = { 'Content-Type' = 'text/plain', 'X-Mine' = 'y' }";
    for (status, method, next) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (301, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
    ] {
        let (server, address) = chain(status, 2);
        let request =
            format!("method = '{method}'\nbody = 'hello'\n{fields}\nfollow_redirects = 9");
        let finished = run(&scenario(address, &request));
        assert_eq!(counts(&finished), (1, 3, 1, 0), "{status} {method}");
        let seen = server.seen();
        let expected = [format!("{method} /0"), format!("{next} /1"), format!("{next} /2")];
        assert_eq!(asked(&seen), expected, "{status}");
        let keeps = next == method;
        for hop in &seen[1..] {
            assert_eq!(hop.body, if keeps { &b"hello"[..] } else { b"" }, "{status} {method}");
            assert_eq!(hop.field("Content-Type").len(), usize::from(keeps));
            assert_eq!(hop.field("Content-Length").len(), usize::from(keeps));
            assert_eq!(hop.field("X-Mine"), ["y"]);
        }
    }
}

#[test]
fn a_large_body_goes_along_whole() {
    let (server, address) = chain(307, 1);
    let folder = tempfile::tempdir().unwrap();
    let body: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    std::fs::write(folder.path().join("body.bin"), &body).unwrap();
    let request = "method = 'PUT'\nbody_file = 'body.bin'\nfollow_redirects = 1";
    let finished = run_in(folder.path(), &scenario(address, request));
    assert_eq!(counts(&finished), (1, 2, 1, 0));
    assert!(server.seen().iter().all(|seen| seen.body == body));
    assert!(finished.metrics.throughput.bytes_sent > 10_000_000);
}

#[test]
fn relative_references_are_resolved_under_the_prefix_of_the_target() {
    let (server, address) = redirects(302, |path| match path {
        "/v2/a/b?x=1" => Some("../c d?y=2#top".to_owned()),
        "/v2/c%20d?y=2" => Some("?z=3".to_owned()),
        _ => None,
    });
    let text = scenario(address, "follow_redirects = 9")
        .replace("path = '/0'", "path = '/a/b?x=1'")
        .replace(&format!("{address}'"), &format!("{address}/v2'"));
    assert_eq!(counts(&run(&text)), (1, 3, 1, 0));
    let seen = server.seen();
    assert_eq!(asked(&seen), ["GET /v2/a/b?x=1", "GET /v2/c%20d?y=2", "GET /v2/c%20d?z=3"]);
}

#[test]
fn where_a_redirect_cannot_lead_the_request_fails() {
    for (location, kind, words) in [
        ("http://other.invalid/", "redirect_refused", "http://other.invalid/"),
        ("https://127.0.0.1/", "redirect_refused", "https://127.0.0.1/"),
        ("//other.invalid/x?token=y", "redirect_refused", "http://other.invalid/x"),
        ("ftp://127.0.0.1/", "bad_location", "\"ftp://127.0.0.1/\""),
        ("http://user:secret@127.0.0.1/", "bad_location", "\"127.0.0.1/\""),
        ("http://:80/", "bad_location", "\"http://:80/\""),
        ("", "bad_location", "\"\" (Location is no reference)"),
        ("/1\r\nlocation: /2", "bad_location", "several places (Location)"),
        ("ftp://a/\u{202e}", "bad_location", "\"ftp://a/\\u{202e}\""),
    ] {
        let (server, address) = redirects(302, move |_| Some(location.to_owned()));
        let finished = run(&scenario(address, "follow_redirects = 9"));
        assert_eq!(counts(&finished), (1, 1, 0, 1), "{location}");
        assert_eq!(errors(&finished), [(kind.to_owned(), 1)], "{location}");
        let example = finished.metrics.errors.examples.get(kind).unwrap();
        let expected = format!("r to {address}: redirected with status 302 to {words}");
        assert!(example.starts_with(&expected), "{example}");
        assert_eq!(server.seen().len(), 1);
    }
    // The same one twice is one.
    let (_server, address) =
        redirects(302, |path| (path == "/0").then(|| "/1\r\nLOCATION: /1".to_owned()));
    assert_eq!(counts(&run(&scenario(address, "follow_redirects = 9"))), (1, 2, 1, 0));
}

/// Two targets, the requests to the first.
fn two_targets(first: &str, second: &str, request: &str) -> String {
    format!(
        "[runtime]\niterations = 1\ngraceful_stop_seconds = 0\n\
         [[targets]]\nname = 'a'\nbase_url = 'http://{first}'\nreconnect_delay_ms = 1\n\
         [[targets]]\nname = 'b'\nbase_url = 'http://{second}'\nreconnect_delay_ms = 1\n\
         [[requests]]\nname = 'r'\npath = '/0'\ntarget = 'a'\nfollow_redirects = 5\n{request}\n"
    )
}

#[test]
fn secrets_stay_with_their_origin() {
    let (second, at_second) = Server::tcp(|seen| {
        let back = format!("Location: {}\r\n", seen.field("X-Back")[0]);
        if seen.asked() == "GET /there" { response(302, &back, "") } else { ok() }
    });
    let there = format!("http://{at_second}/there");
    let (first, at_first) = redirects(302, move |path| (path == "/0").then(|| there.clone()));
    let request = format!(
        "headers = {{ Authorization = 'Bearer mine', Cookie = 'a=b', Host = 'first.example', \
         X-Back = 'http://{at_first}/back' }}"
    );
    let text = two_targets(&at_first.to_string(), &format!("me:pw@{at_second}"), &request);
    let finished = run(&text);
    assert_eq!(counts(&finished), (1, 3, 1, 0));
    let (first, second) = (first.seen(), second.seen());
    assert_eq!((asked(&first), asked(&second)), (vec!["GET /0", "GET /back"], vec!["GET /there"]));
    for seen in &first {
        assert_eq!(seen.field("Authorization"), ["Bearer mine"]);
        assert_eq!(
            (seen.field("Cookie"), seen.field("Host")),
            (vec!["a=b"], vec!["first.example"])
        );
    }
    assert_eq!(second[0].field("Authorization"), ["Basic bWU6cHc="], "those of its own target");
    assert_eq!(second[0].field("Cookie"), Vec::<&str>::new());
    assert_eq!(second[0].field("Host"), [at_second.to_string()]);
    assert_eq!(finished.metrics.connections.opened, 2, "the first is used again");
}

#[test]
fn connections_of_all_kinds_of_reuse_carry_redirects() {
    for (reuse, opened) in [("per_vu", 2), ("shared", 2), ("iteration", 6), ("none", 12)] {
        let (server, address) = chain(302, 1);
        let text = format!(
            "[runtime]\nvus = 2\niterations = 3\nfollow_redirects = 1\n[target]\n\
             base_url = 'http://{address}'\nconnection_reuse = '{reuse}'\n\
             [[requests]]\nname = 'r'\npath = '/0'\n"
        );
        let finished = run(&text);
        assert_eq!(counts(&finished), (6, 12, 6, 0), "{reuse}");
        assert_eq!(server.seen().len(), 12);
        let connections = server.accepted();
        assert!(connections == opened || reuse == "shared", "{reuse}: {connections}");
    }
}

#[test]
fn the_timeout_covers_all_exchanges() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Accepts by itself, and answers nothing.
    let silent = listener.local_addr().unwrap();
    let (_first, at_first) = redirects(302, move |_| Some(format!("http://{silent}/")));
    let request = "timeout_ms = 150";
    let text = two_targets(&at_first.to_string(), &silent.to_string(), request);
    let finished = run(&text);
    assert_eq!(counts(&finished), (1, 2, 0, 1));
    assert_eq!(errors(&finished), [("request_timeout".to_owned(), 1)]);
    // One VU has the only connection, the other waits for it: both give up, at once or one after the other, where the
    // second is sent for the rest of its time.
    let text = text
        .replace("iterations = 1", "iterations = 1\nvus = 2")
        .replace("name = 'b'", "name = 'b'\nmax_connections = 1\nconnection_reuse = 'shared'");
    let finished = run(&text);
    let both = counts(&finished);
    assert!(both == (2, 3, 0, 2) || both == (2, 4, 0, 2), "{both:?}");
    assert_eq!(errors(&finished), [("request_timeout".to_owned(), 2)]);
}

#[test]
fn a_redirect_to_nobody_fails_as_its_connection_does() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_first, at_first) = redirects(302, move |_| Some(format!("http://{nobody}/")));
    let text = two_targets(&at_first.to_string(), &nobody.to_string(), "");
    let finished = run(&text.replace("iterations = 1", "iterations = 3"));
    assert_eq!(counts(&finished), (3, 3, 0, 3));
    assert_eq!(errors(&finished), [("connection_refused".to_owned(), 3)]);
}

#[test]
fn what_is_between_two_exchanges_at_the_end_is_in_flight() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    let (_first, at_first) = redirects(302, move |_| Some(format!("http://{silent}/")));
    let text = two_targets(&at_first.to_string(), &silent.to_string(), "")
        .replace("iterations = 1", "duration_seconds = 0.3\nvus = 2")
        .replace("name = 'b'", "name = 'b'\nmax_connections = 1\nconnection_reuse = 'shared'");
    let finished = run(&text);
    assert_eq!(counts(&finished), (2, 3, 0, 0));
    assert_eq!(finished.metrics.requests.in_flight_at_stop, 2);
    assert_eq!(finished.metrics.requests.never_sent, 0);
}

#[test]
fn a_server_that_closes_after_its_redirect_is_connected_to_again() {
    let (server, address) =
        redirects(302, |path| (path == "/0").then(|| "/1\r\nConnection: close".to_owned()));
    let finished = run(&scenario(address, "follow_redirects = 1"));
    assert_eq!(counts(&finished), (1, 2, 1, 0));
    assert_eq!((server.accepted(), finished.metrics.connections.opened), (2, 2));
}

/// What the checks say first about these events of a run.
fn first_violation(finished: &Finished, events: &[(WorkerId, Tick, Event)]) -> Option<String> {
    let mut checks = Checks::new(&finished.scenario, &finished.header, &[]);
    for (index, (worker, at, event)) in (0..).zip(events) {
        checks.event(index, *worker, *at, event);
    }
    let ending = z6_events::Ending::Torn {
        valid_bytes: 0,
        lost_bytes: 0,
        reason: z6_events::TearReason::NoFooter,
    };
    checks.finish(&ending).violations.first().map(|violation| violation.kind.to_string())
}

#[test]
fn exchanges_that_do_not_follow_from_a_redirect_are_violations() {
    let (_server, address) = chain(302, 2);
    let folder = tempfile::tempdir().unwrap();
    let finished = run_in(folder.path(), &scenario(address, "follow_redirects = 2"));
    let log = Log::open(folder.path().join("events.z6log")).unwrap();
    let events: Vec<_> = log.events().unwrap().map(Result::unwrap).collect();
    assert_eq!(first_violation(&finished, &events), None);
    let lie = |change: &dyn Fn(&mut Event) -> bool| {
        let mut events = events.clone();
        assert!(events.iter_mut().any(|(_, _, event)| change(event)), "nothing was changed");
        first_violation(&finished, &events).unwrap()
    };
    let told = lie(&|event| match event {
        Event::Sent { attempt, .. } if *attempt == 2 => {
            *attempt = 3;
            true
        }
        _ => false,
    });
    assert_eq!(told, "x0 sends exchange 3 of its step; expected 2");
    let told = lie(&|event| match event {
        Event::Sent { attempt: 1, request_bytes, .. } => {
            *request_bytes += 1;
            true
        }
        _ => false,
    });
    assert_eq!(told, "x0 sends a request that differs from its redirect");
    let told = lie(&|event| match event {
        Event::Redirected { .. } => {
            *event = Event::Wake;
            true
        }
        _ => false,
    });
    assert_eq!(told, "x0 is sent again before it ended");
    // The same log under a scenario that follows one redirect only.
    let mut strict = finished;
    strict.scenario =
        z6::Scenario::from_toml(&scenario(address, "follow_redirects = 1")).unwrap().into();
    let told = first_violation(&strict, &events).unwrap();
    assert_eq!(told, "x0 is redirected more than 1 times");
}

/// RFC 9112 §9.6.
#[test]
fn each_hop_of_a_request_that_says_close_has_a_connection_of_its_own() {
    let (server, address) = chain(302, 2);
    let fields = "follow_redirects = 2\nheaders = { Connection = 'close' }";
    let finished = run(&scenario(address, fields));
    assert_eq!(counts(&finished), (1, 3, 1, 0));
    assert_eq!(asked(&server.seen()), ["GET /0", "GET /1", "GET /2"]);
    assert_eq!(server.accepted(), 3);
}
