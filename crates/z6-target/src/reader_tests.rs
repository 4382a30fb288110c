//! Tests of the request reader: bytes in, actions out, at every split of the bytes.

use std::sync::Arc;

use super::*;

fn settings() -> Settings {
    Settings::new(&Config { seed: 42, max_body_bytes: 100, ..Config::default() })
}

/// Reads all requests of `input`, given in portions that end at `cuts`.
fn read(settings: &Settings, input: &[u8], cuts: &[usize]) -> String {
    let mut reader = Reader::new(0);
    let mut pending = Vec::new();
    let mut outcome = String::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        pending.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            let (used, found) = reader.next(&pending, settings);
            pending.drain(..used);
            match found {
                Found::NeedMore => break,
                // Whether leave to send is still awaited depends on the split.
                Found::Continue => {}
                Found::Bad(refusal) => return outcome + &format!("{refusal}"),
                Found::Request(request) => outcome += &line(&request),
            }
        }
    }
    outcome
}

fn line(request: &Request) -> String {
    let act = match &request.act {
        Act::Answer(Reply { status, content: Content::Echo { body, content_type } }) => {
            let kind = content_type.as_deref().map(<[u8]>::escape_ascii);
            let kind = kind.map_or_else(|| "none".to_owned(), |kind| kind.to_string());
            format!("{status} echo {} {}", kind, body.bytes().escape_ascii())
        }
        Act::Answer(Reply { status, content }) => format!("{status} {content:?}"),
        Act::Call(call) => format!("call with {}", call.body.bytes().escape_ascii()),
        Act::Reset => "reset".to_owned(),
        Act::Fin => "fin".to_owned(),
        Act::Stall => "stall".to_owned(),
    };
    let Request { number, delay_ns, persistence, no_body, .. } = request;
    format!("{number}: {act}, after {delay_ns} ns, {persistence:?}, no body {no_body}\n")
}

const PIPELINE: &[u8] = b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n\
    POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello\
    HEAD /bytes/7?delay=constant:2us HTTP/1.1\r\nHost: h\r\n\r\n\
    PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
    3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: r\r\n\r\n\
    POST /status/204 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz\
    POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nwxyz\
    GET /chunked/9?chunk=4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
    GET /abort HTTP/1.1\r\nHost: h\r\n\r\n\
    GET /fail?fail=1&delay=constant:1ns HTTP/1.1\r\nHost: h\r\n\r\n\
    BREW /stall HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n\
    GET /abort?how=fin HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n";

const OUTCOME: &str = "\
0: 200 Hello, after 0 ns, Implied, no body false
1: 200 echo a/b hello, after 0 ns, Implied, no body false
2: 200 Generated { bytes: 7 }, after 2000 ns, Implied, no body true
3: 200 echo none abcde, after 0 ns, Implied, no body false
4: 204 Bodiless, after 0 ns, Implied, no body false
5: call with wxyz, after 0 ns, Implied, no body false
6: 200 UntilClose { bytes: 9 }, after 0 ns, Close, no body false
7: reset, after 0 ns, Implied, no body false
8: 503 Text(\"drawn by ?fail\\n\"), after 1 ns, Implied, no body false
9: stall, after 0 ns, Close, no body false
the Content-Length is not one number";

#[test]
fn requests_read_the_same_at_every_split() {
    let settings = settings();
    assert_eq!(read(&settings, PIPELINE, &[]), OUTCOME);
    for cut in 0..PIPELINE.len() {
        assert_eq!(read(&settings, PIPELINE, &[cut]), OUTCOME, "cut at {cut}");
    }
    let every: Vec<usize> = (0..PIPELINE.len()).collect();
    assert_eq!(read(&settings, PIPELINE, &every), OUTCOME, "byte by byte");
}

#[test]
fn leave_to_send_is_given_only_while_the_body_is_awaited() {
    let head =
        b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    let (used, found) = Reader::new(0).next(head, &settings());
    assert!(matches!((used, found), (used, Found::Continue) if used == head.len()));
    let whole = [head.as_slice(), b"x"].concat();
    let (used, found) = Reader::new(0).next(&whole, &settings());
    assert!(matches!((used, found), (used, Found::Request(_)) if used == whole.len()));
}

#[test]
fn a_body_over_its_limit_is_read_and_refused() {
    let settings = settings();
    let refused = "0: 413 Text(\"the request body is longer than max_body_bytes\\n\")";
    let long =
        [b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n".as_slice(), &[b'x'; 101]];
    assert!(read(&settings, &long.concat(), &[]).starts_with(refused));
    let head = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice();
    let chunks = [head, b"64\r\n", &[b'x'; 100], b"\r\n1\r\nx\r\n0\r\n\r\n"].concat();
    assert!(read(&settings, &chunks, &[]).starts_with(refused));
    let elsewhere =
        [b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n".as_slice(), &[b'x'; 101]];
    assert!(read(&settings, &elsewhere.concat(), &[]).starts_with("0: 200 Hello"));
}

#[test]
fn kept_bodies_are_bounded_together() {
    let config = Config { max_kept_bytes: 10, ..Config::default() };
    let settings = Settings::new(&config);
    let post = |bytes: usize| {
        let head = format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {bytes}\r\n\r\n");
        [head.as_bytes(), &vec![b'x'; bytes]].concat()
    };
    assert!(read(&settings, &post(11), &[]).starts_with("0: 503"));
    assert!(read(&settings, &post(10), &[]).starts_with("0: 200 echo"));
    let mut unfinished = Reader::new(0);
    let part = post(10);
    let head = part.len() - 10;
    assert!(matches!(unfinished.next(&part[..head], &settings), (_, Found::NeedMore)));
    assert!(matches!(unfinished.next(&part[head..head + 9], &settings), (9, Found::NeedMore)));
    assert!(read(&settings, &post(2), &[]).starts_with("0: 503"), "nine bytes are taken");
    drop(unfinished);
    assert!(read(&settings, &post(2), &[]).starts_with("0: 200 echo"), "and given back");
}

#[test]
fn a_head_over_its_limit_is_refused_at_any_length() {
    let config = Config { max_request_head_bytes: 64, ..Config::default() };
    let settings = Settings::new(&config);
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(64));
    let message = "the request head is longer than max_request_head_bytes";
    for cut in 0..long.len() {
        assert_eq!(read(&settings, long.as_bytes(), &[cut]), message, "cut at {cut}");
    }
    assert_eq!(read(&settings, &[b'x'; 65], &[]), message);
    assert_eq!(read(&settings, &[b'x'; 64], &[]), "");
}

#[test]
fn the_seed_and_the_place_of_a_request_fix_its_draws() {
    let draws = |seed, connection| -> String {
        let settings = Settings::new(&Config { seed, ..Config::default() });
        let mut reader = Reader::new(connection);
        let request = b"GET /?delay=uniform:0..1s&fail=0.3&reset=0.2 HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut outcome = String::new();
        for _ in 0..8 {
            if let (_, Found::Request(request)) = reader.next(request, &settings) {
                let what = match &request.act {
                    Act::Answer(reply) => reply.status.to_string(),
                    Act::Call(call) => format!("call with {}", call.body.bytes().escape_ascii()),
                    Act::Reset => "reset".to_owned(),
                    Act::Fin | Act::Stall => "impossible".to_owned(),
                };
                outcome += &format!("{what} {}\n", request.delay_ns);
            }
        }
        outcome
    };
    assert_eq!(draws(42, 0), GOLDEN);
    assert_eq!(draws(42, 0), draws(42, 0));
    assert_ne!(draws(42, 0), draws(42, 1));
    assert_ne!(draws(42, 0), draws(43, 0));
}

const GOLDEN: &str = "\
200 421165855
200 293074144
200 19391647
200 168784170
reset 411818669
503 440689130
200 400181745
200 212578794
";

#[test]
fn every_request_is_drawn_for_separately() {
    let settings = Settings { seed: 1, budget: Arc::clone(&settings().budget), ..settings() };
    let mut reader = Reader::new(5);
    let mut statuses = Vec::new();
    for _ in 0..1000 {
        let request = b"GET /?fail=0.2 HTTP/1.1\r\nHost: h\r\n\r\n";
        if let (_, Found::Request(Request { act: Act::Answer(reply), .. })) =
            reader.next(request, &settings)
        {
            statuses.push(reply.status);
        }
    }
    let failed = statuses.iter().filter(|status| **status == 503).count();
    assert!((150..250).contains(&failed), "{failed} of {}", statuses.len());
}
