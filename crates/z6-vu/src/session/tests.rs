//! Two peers in memory: a session on one side, scripted bytes on the other.

use std::sync::Arc;

use z6_events::{Actor, Irregularities, NextHop, Population, RequestId, Step, TargetId};
use z6_scenario::Scenario;

use super::*;
use crate::redirect::Redirects;
use crate::templates::Templates;

const PLAIN: &str = "
runtime = { iterations = 1 }
target.base_url = 'http://a.invalid:8080/base'
requests = [
    { name = 'get', path = '/get' },
    { name = 'post', path = '/post', method = 'POST', body = 'ten bytes.' },
]
";

const FOLLOWS: &str = "
runtime = { iterations = 1 }
targets = [
    { name = 'a', base_url = 'http://a.invalid', request_id_header = 'Z6-Id' },
    { name = 'b', base_url = 'http://b.invalid' },
]
requests = [
    { name = 'get', path = '/get', target = 'a', follow_redirects = 2, headers = { Authorization = 'secret' } },
    { name = 'post', path = '/post', target = 'a', method = 'POST', body = 'x', follow_redirects = 1 },
    { name = 'never', path = '/never', target = 'a' },
]
";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn requests(text: &str) -> Requests {
    let scenario = Arc::new(Scenario::from_toml(text).unwrap_or_else(|e| panic!("{e:?}")));
    let ports: Vec<u16> = scenario.targets.iter().map(|target| target.base_url.port).collect();
    let templates = Templates::encode(&scenario, &ports).expect("encodes");
    Requests::new(templates, Redirects::new(&scenario, &ports))
}

fn planned(request: u16) -> PlannedRequest {
    PlannedRequest {
        population: Population(0),
        actor: Actor(0xab),
        step: Step(2),
        request: RequestId(request),
        target: TargetId(0),
        planned: Tick(5),
    }
}

/// A session on an open connection, its requests, and the bytes that went out.
struct Client {
    session: Session,
    requests: Requests,
    wire: Vec<u8>,
}

impl Client {
    fn new(text: &str) -> Client {
        let mut session = Session::new(Limits::default());
        session.open();
        Client { session, requests: requests(text), wire: Vec::new() }
    }

    fn start(&mut self, slot: u32, request: u16, attempt: u8) {
        let planned = planned(request);
        let started = self.session.start(ExchangeSlot(slot), planned, attempt, &mut self.requests);
        assert_eq!(started, Ok(()));
        self.session.invariants();
    }

    /// Writes in pieces of at most `piece` bytes; returns what was reported.
    fn write(&mut self, piece: usize) -> Vec<Input> {
        let mut inputs = Vec::new();
        while self.session.wants_write() {
            let bytes = self.session.unwritten(&self.requests);
            let length = bytes.len().min(piece);
            self.wire.extend_from_slice(&bytes[..length]);
            self.session.wrote(length, Tick::ZERO, |input| inputs.push(input));
            self.session.invariants();
        }
        inputs
    }

    /// A request that is started and written.
    fn ask(&mut self, slot: u32, request: u16) {
        self.start(slot, request, 0);
        assert_eq!(self.write(usize::MAX).len(), 1);
    }

    fn read(&mut self, bytes: &[u8], at: u64) -> Vec<Output> {
        let (mut from, mut found) = (0, Vec::new());
        while let Some(output) =
            self.session.received(bytes, &mut from, Tick(at), &mut self.requests)
        {
            found.push(output);
        }
        assert_eq!(from, bytes.len());
        self.session.invariants();
        found
    }

    fn end(&mut self, end: End) -> Vec<Output> {
        let mut found = Vec::new();
        while let Some(output) = self.session.ended(end, Tick(99), &mut self.requests) {
            found.push(output);
        }
        found
    }

    /// A response that is complete.
    fn answered(&mut self, bytes: &[u8], at: u64) -> Response {
        match self.read(bytes, at)[..] {
            [Output::Input(Input::Done { response, .. })] => response,
            ref other => panic!("{other:?}"),
        }
    }

    /// A connection that has carried one exchange, and is idle.
    fn reused(text: &str) -> Client {
        let mut client = Client::new(text);
        client.ask(0, 0);
        assert!(client.answered(OK, 7).reusable);
        client
    }
}

fn failed(outputs: &[Output]) -> Failure {
    match outputs {
        [Output::Input(Input::Failed { failure, .. })] => *failure,
        other => panic!("{other:?}"),
    }
}

fn named(outputs: &[Output]) -> (ErrorKind, u64) {
    let failure = failed(outputs);
    (failure.error, failure.detail)
}

#[test]
fn a_response_that_had_arrived_before_its_request_is_not_its_answer() {
    const SENT: Tick = Tick(5_000_000);
    for (arrived, is_believed) in [(5_000_000, true), (4_998_000, false)] {
        let mut client = Client::new(PLAIN);
        client.start(3, 0, 0);
        let length = client.session.unwritten(&client.requests).len();
        client.session.wrote(length, SENT, |_| {});
        let at = Tick(9_000_400);
        let read = ReadAt { at, arrival: ArrivalStamp::new(Tick(arrived), at) };
        let mut from = 0;
        let output = client.session.received(OK, &mut from, read, &mut client.requests);
        match (is_believed, output) {
            (true, Some(Output::Input(Input::Done { response, .. }))) => {
                assert_eq!(response.arrival, read.arrival);
                assert!(response.reusable);
            }
            (false, Some(Output::Input(Input::Failed { failure, .. }))) => {
                assert_eq!(failure.error, ErrorKind::ResponseBeforeRequest);
                assert_eq!((failure.received_bytes, failure.reusable), (OK.len() as u64, false));
                assert_eq!(failure.arrival, read.arrival);
            }
            (_, other) => panic!("{arrived}: {other:?}"),
        }
        client.session.invariants();
    }
}

fn errno(detail: u64) -> Cause {
    Cause { error: ErrorKind::ConnectionReset, detail }
}

#[test]
fn a_request_is_reported_with_its_first_bytes_and_written_to_its_last() {
    for piece in [1, 7, usize::MAX] {
        let mut client = Client::new(PLAIN);
        client.start(3, 1, 0);
        assert_eq!(client.session.progress(), Progress::Writing);
        let inputs = client.write(piece);
        let text = String::from_utf8(client.wire.clone()).expect("text");
        assert!(text.starts_with("POST /base/post HTTP/1.1\r\nHost: a.invalid:8080\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nten bytes."), "{text}");
        let written_bytes = text.len().min(piece) as u64;
        let exchange = ExchangeSlot(3);
        assert_eq!(inputs, [Input::Sent { exchange, written_bytes, request_bytes: None }]);
        assert_eq!(client.session.progress(), Progress::AwaitingResponse);
    }
}

#[test]
fn every_split_of_a_response_gives_the_same_response() {
    let text = [b"HTTP/1.1 103 Early\r\n\r\n", OK].concat();
    for cut in 1..text.len() {
        let mut client = Client::new(PLAIN);
        client.ask(1, 0);
        assert_eq!(client.read(&text[..cut], 10), []);
        assert_eq!(client.session.progress(), Progress::InResponse);
        let response = client.answered(&text[cut..], 20);
        let first_byte = Tick(if cut > text.len() - OK.len() { 10 } else { 20 });
        let expected = Response {
            first_byte,
            status: 200,
            received_bytes: text.len() as u64,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        };
        assert_eq!(response, expected, "cut at {cut}");
        assert_eq!(client.session.progress(), Progress::Idle);
    }
}

#[test]
fn the_id_names_actor_step_and_exchange() {
    let mut client = Client::new(FOLLOWS);
    client.ask(0, 2);
    let text = String::from_utf8_lossy(&client.wire).into_owned();
    assert!(text.contains("Z6-Id: 00-00000000000000ab-0000000000000002-00\r\n"), "{text}");
}

#[test]
fn a_peer_that_has_closed_is_asked_nothing_more() {
    let mut client = Client::new(PLAIN);
    client.ask(0, 0);
    client.session.mark_peer_closed();
    assert!(!client.answered(OK, 7).reusable);
}

#[test]
fn an_early_response_leaves_bytes_unsent() {
    let mut client = Client::new(PLAIN);
    client.start(0, 1, 0);
    client.session.wrote(4, Tick::ZERO, |_| {});
    let left = client.session.unwritten(&client.requests).len() as u64;
    let response = client.answered(OK, 7);
    assert_eq!((response.unsent_bytes, response.reusable), (left, false));
    assert!(!client.session.wants_write());
}

#[test]
fn bytes_that_belong_to_nothing_end_an_idle_connection_only() {
    let mut idle = Client::reused(PLAIN);
    assert_eq!(idle.read(OK, 9), [Output::Closed(CloseCause::Unsolicited)]);
    let mut client = Client::new(PLAIN);
    client.ask(0, 0);
    let response = client.answered(&[OK, b"more"].concat(), 7);
    assert_eq!((response.unsolicited, response.reusable), (true, false));
}

#[test]
fn garbage_fails_the_exchange_at_its_offset() {
    let mut client = Client::new(PLAIN);
    client.ask(0, 0);
    let failure = failed(&client.read(b"garbage\r\n\r\n", 8));
    assert_eq!(failure.error, ErrorKind::BadStatusLine);
    assert_eq!((failure.first_byte, failure.received_bytes), (Some(Tick(8)), 11));
    assert!(!failure.reusable);
    assert_eq!(client.end(END), [], "the end was reported");
}

const END: End = End::EndOfStream { is_truncated: false };

#[test]
fn an_end_means_what_the_connection_was_doing() {
    assert_eq!(Client::reused(PLAIN).end(END), [Output::Closed(CloseCause::ClosedByPeer)]);
    assert_eq!(Client::reused(PLAIN).end(End::WouldBlock), []);
    let reset = [Output::Closed(CloseCause::ResetByPeer)];
    assert_eq!(Client::reused(PLAIN).end(End::Transport(errno(104))), reset);
    assert_eq!(Client::reused(PLAIN).end(End::Tls(errno(20))), reset);

    let asked = |mut client: Client| {
        client.ask(0, 0);
        client
    };
    let fresh = || asked(Client::new(PLAIN));
    let reused = || asked(Client::reused(PLAIN));
    let closed = ErrorKind::ClosedBeforeResponse;
    assert_eq!(named(&fresh().end(END)), (ErrorKind::ClosedBeforeResponse, 0));
    assert_eq!(named(&fresh().end(End::CloseNotify)), (ErrorKind::ClosedBeforeResponse, 0));
    assert_eq!(named(&reused().end(END)), (closed, 0));
    let reset = End::Transport(errno(104));
    assert_eq!(named(&fresh().end(reset)), (ErrorKind::ConnectionReset, 104));
    assert_eq!(named(&reused().end(reset)), (ErrorKind::ConnectionReset, 104));
    let tls = End::Tls(Cause { error: ErrorKind::TlsHandshake, detail: 20 });
    assert_eq!(named(&reused().end(tls)), (ErrorKind::TlsHandshake, 20));
    let mut begun = fresh();
    assert_eq!(begun.read(&OK[..20], 8), []);
    assert_eq!(named(&begun.end(END)).0, ErrorKind::IncompleteHead);
    assert_eq!(begun.end(END), [], "each end is reported once");
}

#[test]
fn an_idle_timeout_that_the_server_announced_is_noted() {
    let answer =
        |field: &str| format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 2\r\n\r\nhi").into_bytes();
    let note_after = |field: &str, end: End| {
        let mut client = Client::new(PLAIN);
        client.ask(0, 0);
        client.answered(&answer(field), 7);
        client.ask(3, 0);
        client.end(end);
        client.requests.take_note()
    };
    let announced = "Keep-Alive: timeout=5\r\n";
    for end in [END, End::Transport(errno(104))] {
        let note = note_after(announced, end).expect("a note");
        assert_eq!((note.about, note.exchange), (NoteKind::KeepAlive, ExchangeSlot(3)));
        assert_eq!(note.text, b"timeout=5");
        assert_eq!(note_after("", end), None);
    }
}

/// RFC 9112 section 9.6: what the peer sent before a write failed still counts.
#[test]
fn a_failed_write_is_settled_by_the_reads_after_it() {
    let broken = |follows_end: bool| {
        let mut client = Client::new(PLAIN);
        client.start(0, 1, 0);
        client.session.wrote(4, Tick::ZERO, |_| {});
        let detail = if follows_end { 32 } else { 104 };
        client.session.write_failed(BrokenWrite { cause: errno(detail), follows_end });
        let later = BrokenWrite { cause: errno(1), follows_end: true };
        client.session.write_failed(later);
        client
    };
    let reset = (ErrorKind::ConnectionReset, 104);
    assert_eq!(named(&broken(false).end(End::WouldBlock)), reset);
    assert_eq!(named(&broken(false).end(END)), reset);
    assert_eq!(named(&broken(true).end(End::WouldBlock)), (ErrorKind::ConnectionReset, 32));
    assert_eq!(named(&broken(true).end(END)), (ErrorKind::ClosedBeforeResponse, 0));
    for follows_end in [false, true] {
        let mut client = broken(follows_end);
        let response = client.answered(OK, 7);
        assert!(!response.reusable && response.unsent_bytes > 0);
    }
}

/// RFC 9112 section 9.8.
#[test]
fn a_body_that_reads_to_close_is_complete_only_if_the_end_is_said() {
    let until_close = |end: End| {
        let mut client = Client::new(PLAIN);
        client.ask(0, 0);
        assert_eq!(client.read(b"HTTP/1.1 200 OK\r\n\r\nbody", 8), []);
        client.end(end)
    };
    let done = |outputs: &[Output]| matches!(outputs, [Output::Input(Input::Done { .. })]);
    assert!(done(&until_close(END)) && done(&until_close(End::CloseNotify)));
    let truncated = until_close(End::EndOfStream { is_truncated: true });
    assert_eq!(named(&truncated), (ErrorKind::TlsTruncated, 0));
}

#[test]
fn nothing_is_said_of_an_exchange_that_was_given_up() {
    let mut client = Client::new(PLAIN);
    client.ask(4, 0);
    client.session.cancel(ExchangeSlot(3), &mut client.requests);
    assert!(client.session.is_in_exchange());
    client.session.cancel(ExchangeSlot(4), &mut client.requests);
    assert!(!client.session.is_in_exchange());
    assert_eq!(client.end(End::Transport(errno(104))), []);
    let mut client = Client::new(PLAIN);
    client.ask(4, 0);
    client.session.cancel(ExchangeSlot(4), &mut client.requests);
    assert_eq!(client.read(OK, 9), []);
}

#[test]
fn a_slot_is_used_again_as_new() {
    let mut client = Client::new(PLAIN);
    client.start(0, 1, 0);
    client.session.wrote(1, Tick::ZERO, |_| {});
    client.session.write_failed(BrokenWrite { cause: errno(104), follows_end: false });
    client.session.close();
    client.session.open();
    assert!(!client.session.is_peer_closed());
    assert_eq!(client.end(End::WouldBlock), []);
    client.ask(0, 0);
    assert!(client.answered(OK, 3).reusable);
}

fn moved(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        .into_bytes()
}

fn next(outputs: &[Output]) -> NextHop {
    match outputs {
        [Output::Input(Input::Redirected { exchange: ExchangeSlot(5), next, response })] => {
            assert!(response.reusable);
            *next
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_redirect_is_followed_on_whichever_connection_comes() {
    let mut client = Client::new(FOLLOWS);
    client.ask(5, 0);
    let hop = next(&client.read(&moved(302, "http://b.invalid/there?x=1"), 7));
    assert_eq!(hop.target, TargetId(1));
    // Another connection of the same worker.
    client.session = Session::new(Limits::default());
    client.session.open();
    client.wire.clear();
    client.start(5, 0, 1);
    assert_eq!(client.write(9).len(), 1);
    let text = String::from_utf8(client.wire.clone()).expect("text");
    assert!(text.starts_with("GET /there?x=1 HTTP/1.1\r\nHost: b.invalid\r\n"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(text.len() as u64, hop.request_bytes);
    // Relative to where it is now; with the id of the third exchange if the target has one.
    let hop = next(&client.read(&moved(307, "//a.invalid/back"), 9));
    assert_eq!(hop.target, TargetId(0));
    client.wire.clear();
    client.start(5, 0, 2);
    client.write(usize::MAX);
    let text = String::from_utf8(client.wire.clone()).expect("text");
    assert!(text.starts_with("GET /back HTTP/1.1\r\n") && text.contains("-02\r\n"), "{text}");
    assert_eq!(text.len() as u64, hop.request_bytes);
    // Two redirects are all that it follows.
    let failure = failed(&client.read(&moved(302, "/again"), 11));
    assert_eq!((failure.error, failure.detail), (ErrorKind::TooManyRedirects, 302));
    assert_eq!(failure.first_byte, Some(Tick(11)));
}

#[test]
fn a_post_becomes_a_get_where_the_status_says_so() {
    for (status, line) in [(301, "GET /x"), (303, "GET /x"), (307, "POST /x"), (308, "POST /x")] {
        let mut client = Client::new(FOLLOWS);
        client.ask(5, 1);
        next(&client.read(&moved(status, "/x"), 7));
        client.wire.clear();
        client.start(5, 1, 1);
        client.write(usize::MAX);
        let text = String::from_utf8(client.wire.clone()).expect("text");
        assert!(text.starts_with(line), "{status}: {text}");
        assert_eq!(text.ends_with("\r\n\r\nx"), line.starts_with("POST"), "{text}");
    }
}

#[test]
fn redirects_that_lead_nowhere_fail_the_request_and_say_where_to() {
    let (bad, refused) = (ErrorKind::BadLocation, ErrorKind::RedirectRefused);
    for (location, kind, note) in [
        ("ftp://a.invalid/", bad, "\"ftp://a.invalid/\" (Location is neither http nor https)"),
        ("", bad, "\"\" (Location is no reference)"),
        ("http://u:secret@x/", bad, "\"x/\" (Location has no usable host)"),
        ("http://Elsewhere.invalid/", refused, "http://elsewhere.invalid/"),
        ("//[::1]:81/x/../y?token=1#z", refused, "http://[::1]:81/y"),
        ("https://a.invalid", refused, "https://a.invalid/"),
    ] {
        let mut client = Client::new(FOLLOWS);
        client.ask(5, 0);
        assert_eq!(named(&client.read(&moved(301, location), 7)), (kind, 301), "{location}");
        let said = client.requests.take_note().expect("a note");
        assert_eq!((said.about, said.exchange), (NoteKind::Location, ExchangeSlot(5)));
        assert_eq!(String::from_utf8(said.text).expect("text"), note);
        assert_eq!(client.requests.take_note(), None, "once");
    }
    // A long path is cut, at the boundary of a character.
    let mut client = Client::new(FOLLOWS);
    client.ask(5, 0);
    let long = format!("ftp://{}", "ü".repeat(200));
    client.read(&moved(301, &long), 7);
    let note = client.requests.take_note().expect("a note").text;
    let text = String::from_utf8(note).expect("text");
    assert!(text.len() <= 96 && text.len() >= 94 && text.ends_with("ü..."), "{text}");
    // A request that follows none takes it as its response.
    let mut client = Client::new(FOLLOWS);
    client.ask(5, 2);
    assert_eq!(client.answered(&moved(301, "/x"), 7).status, 301);
    // So does one whose redirect names no place.
    client.ask(5, 0);
    assert_eq!(client.answered(b"HTTP/1.1 301 M\r\nContent-Length: 0\r\n\r\n", 8).status, 301);
}

#[test]
fn the_next_request_in_a_slot_sends_its_own() {
    let mut client = Client::new(FOLLOWS);
    client.ask(5, 0);
    next(&client.read(&moved(302, "/there"), 7));
    client.wire.clear();
    client.ask(5, 0);
    assert!(client.wire.starts_with(b"GET /get "));
    next(&client.read(&moved(302, "/other"), 8));
    client.wire.clear();
    client.start(5, 0, 1);
    client.write(usize::MAX);
    assert!(client.wire.starts_with(b"GET /other "));
}

#[test]
fn a_send_that_crosses_the_end_of_its_connection_fails() {
    let Input::Failed { exchange, failure } = crossed(ExchangeSlot(8)) else { panic!("failed") };
    assert_eq!((exchange, failure.error), (ExchangeSlot(8), ErrorKind::ClosedBeforeResponse));
    assert_eq!((failure.first_byte, failure.received_bytes), (None, 0));
}
