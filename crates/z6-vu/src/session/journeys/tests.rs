//! Journeys on scripted bytes: what is filled in and sent, what is read and told.

use std::sync::Arc;

use z6_events::{
    Actor, ErrorKind, LoggedValue, NoteKind, Population, RequestId, Step, TargetId, VariableId,
};
use z6_extract::{JsonPath, Pattern, Program, Source};
use z6_http::template::{Template, TextKind, ValueId};
use z6_proto_http1::Limits;
use z6_scenario::expression::Check;
use z6_scenario::{
    Auth, AwsSigV4, BodyPart, Extract, ExtractFrom, LogValues, Rendering, RequestCheck, Secret,
    SecretSource, ValueSource, Variable,
};

use super::*;
use crate::prepare::RunSetup;
use crate::session::{End, Requests, Session};

/// Names of values, by number; the last two are variables.
const NAMES: [&str; 6] = ["secret.key", "vu", "iteration", "step", "id", "token"];

fn find(name: &str) -> Option<ValueId> {
    NAMES.iter().position(|known| *known == name).map(|i| ValueId(i as u16))
}

fn template(text: &str, kind: TextKind) -> Template {
    Template::compile(text, kind, find).unwrap()
}

fn variable(name: &str, scope: Scope, is_secret: bool) -> Variable {
    Variable { name: name.to_owned(), scope, is_secret }
}

const ID: VariableId = VariableId(0);
const TOKEN: VariableId = VariableId(1);

fn json(path: &str) -> ExtractFrom {
    ExtractFrom::Program(Program::new(Source::Json(JsonPath::compile(path).unwrap())))
}

fn header(name: &str) -> ExtractFrom {
    ExtractFrom::Program(Program::new(Source::Header(name.into())))
}

fn extract(variable: VariableId, from: ExtractFrom) -> Extract {
    Extract {
        variable,
        text: String::new(),
        from,
        default: None,
        is_required: true,
        is_always: false,
        is_clear: false,
        is_list: false,
    }
}

fn check(name: &str, text: &str, fails: bool) -> RequestCheck {
    RequestCheck { name: name.to_owned(), check: Check::compile(text, &mut find).unwrap(), fails }
}

fn rendering(path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Rendering {
    let header =
        |(name, value): &(&str, &str)| ((*name).to_owned(), template(value, TextKind::HeaderValue));
    Rendering {
        path: template(path, TextKind::Target),
        headers: headers.iter().map(header).collect(),
        body: body.map(|text| vec![BodyPart::Text(template(text, TextKind::Json))]),
        auth: None,
        reads: Vec::new(),
        needs: Vec::new(),
    }
}

/// Two requests to one target, and one to another.
fn scenario() -> Scenario {
    let mut scenario = Scenario::from_toml(
        "runtime = { iterations = 5 }
        targets = [
            { name = 'a', base_url = 'http://a.example:8080/api', request_id_header = 'Z6-Id' },
            { name = 'b', base_url = 'http://b.example' },
        ]
        requests = [
            { name = 'first', path = '/1', method = 'POST', target = 'a', follow_redirects = 2 },
            { name = 'second', path = '/2', target = 'a', follow_redirects = 2 },
            { name = 'plain', path = '/3', target = 'b' },
        ]
        sequence.steps = [{ request = 'first' }, { request = 'second' }, { request = 'plain' }]",
    )
    .unwrap();
    let values = &mut scenario.values;
    values.sources = vec![
        ValueSource::Secret(0),
        ValueSource::Vu,
        ValueSource::Iteration,
        ValueSource::Step,
        ValueSource::Variable(ID),
        ValueSource::Variable(TOKEN),
    ];
    values.secrets =
        vec![Secret { name: "key".to_owned(), from: SecretSource::Environment("KEY".to_owned()) }];
    values.variables =
        vec![variable("id", Scope::Iteration, false), variable("token", Scope::Vu, true)];
    scenario
}

/// A session on an open connection, its requests, and what went out.
struct Client {
    session: Session,
    requests: Requests,
    wire: Vec<u8>,
    /// Arenas of the values that were told.
    arenas: Vec<Vec<u8>>,
}

impl Client {
    fn new(scenario: Scenario) -> Client {
        let prepared = Prepared::new(&Arc::new(scenario), RunSetup::new(42, 1)).unwrap();
        let secrets = Secrets::new([b"hush".to_vec()]);
        let given = Given { secrets, digest_key: [7; 32] };
        let mut session = Session::new(Limits::default());
        session.open();
        let requests = prepared.requests(&given);
        Client { session, requests, wire: Vec::new(), arenas: Vec::new() }
    }

    fn planned(actor: u64, step: u64, request: u16) -> PlannedRequest {
        PlannedRequest {
            population: Population(0),
            actor: Actor(actor),
            step: Step(step),
            request: RequestId(request),
            target: TargetId(u16::from(request == 2)),
            planned: Tick(5),
        }
    }

    /// Sends a request; returns its bytes, or the failure.
    fn ask(&mut self, actor: u64, step: u64, attempt: u8) -> Result<String, Input> {
        let planned = Client::planned(actor, step, (step % 3) as u16);
        let slot = ExchangeSlot(0);
        self.session.start(slot, planned, attempt, &mut self.requests)?;
        self.session.invariants();
        self.wire.clear();
        let mut sent = Vec::new();
        while self.session.wants_write() {
            let bytes = self.session.unwritten(&self.requests).to_vec();
            let piece = bytes.len().min(7);
            self.wire.extend_from_slice(&bytes[..piece]);
            self.session.wrote(piece, Tick::ZERO, |input| sent.push(input));
        }
        let length = (attempt == 0 && step % 3 != 2).then_some(self.wire.len() as u64);
        let is_length = matches!(sent[..], [Input::Sent { request_bytes, .. }]
            if request_bytes == length || length.is_none());
        assert!(is_length, "{sent:?}");
        Ok(String::from_utf8_lossy(&self.wire).into_owned())
    }

    /// Answers, in pieces of so many bytes.
    fn answer(&mut self, bytes: &[u8], piece: usize) -> Vec<Input> {
        let mut inputs = Vec::new();
        self.arenas.clear();
        for piece in bytes.chunks(piece) {
            let mut from = 0;
            while let Some(output) =
                self.session.received(piece, &mut from, Tick(9), &mut self.requests)
            {
                let Output::Input(input) = output else { panic!("{output:?}") };
                if let Input::Value { .. } = input {
                    self.arenas.push(self.requests.arena().to_vec());
                }
                inputs.push(input);
            }
        }
        self.session.invariants();
        inputs
    }

    fn note(&mut self) -> String {
        let note = self.requests.take_note().unwrap();
        assert_eq!(note.about, NoteKind::Value);
        String::from_utf8(note.text).unwrap()
    }
}

fn response(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn value(input: &Input) -> (VariableId, LoggedValue) {
    match *input {
        Input::Value { variable, value, .. } => (variable, value),
        ref other => panic!("{other:?}"),
    }
}

/// Everything is sent as it was asked for, and read whatever pieces it comes in.
#[test]
fn values_go_from_a_response_into_a_request() {
    let mut scenario = scenario();
    scenario.requests[0].rendering = Some(Box::new(rendering(
        "/orders?vu={{vu}}",
        &[("X-Key", "k {{secret.key}}")],
        Some(r#"{"step": {{step}}, "name": "n {{vu}}"}"#),
    )));
    scenario.requests[0].reading.extracts =
        vec![extract(ID, json("$.id")), extract(TOKEN, header("X-Token"))];
    scenario.requests[1].rendering = Some(Box::new(rendering(
        "/orders/{{id}}",
        &[("Authorization", "Bearer {{token}}")],
        Some(r#"{"id": {{id}}, "text": "{{token}}"}"#),
    )));
    scenario.requests[1].reading.checks =
        vec![check("same", "json(\"$.id\") == id", true), check("never", "status == 1", false)];
    let answer = response("201 Created\r\nX-Token: t/1", r#"{"id": 12.50}"#);
    for piece in 1..answer.len() + 1 {
        let mut client = Client::new(scenario.clone());
        let sent = client.ask(7, 0, 0).unwrap();
        assert_eq!(
            sent,
            format!(
                "POST /api/orders?vu=7 HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: {}\r\n\
                 X-Key: k hush\r\nContent-Length: 26\r\n\
                 Z6-Id: 00-0000000000000007-0000000000000000-00\r\n\r\n\
                 {{\"step\": 0, \"name\": \"n 7\"}}",
                z6_http::USER_AGENT
            )
        );
        let told = client.answer(&answer, piece);
        let [id, token, Input::Done { response, .. }] = &told[..] else { panic!("{told:?}") };
        assert_eq!((response.status, response.received_bytes), (201, answer.len() as u64));
        let (ID, LoggedValue::Clear(range)) = value(id) else { panic!("{id:?}") };
        assert_eq!(range.of(&client.arenas[0]), b"12.50");
        assert_eq!(value(token), (TOKEN, LoggedValue::Withheld));

        let sent = client.ask(7, 1, 0).unwrap();
        assert!(sent.starts_with("GET /api/orders/12.50 HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains("\r\nAuthorization: Bearer t/1\r\n"), "{sent}");
        assert!(sent.ends_with(r#"{"id": 12.50, "text": "t/1"}"#), "{sent}");
        let told = client.answer(&response_of(r#"{"id": 12.5}"#), piece);
        assert!(
            matches!(told[..], [Input::ChecksFailed { failed: 2, .. }, Input::Done { .. }]),
            "{told:?}"
        );
        let told = {
            client.ask(7, 2, 0).unwrap();
            client.answer(&response_of("x"), piece)
        };
        assert!(matches!(told[..], [Input::Done { .. }]), "nothing is read: {told:?}");
    }
}

fn response_of(body: &str) -> Vec<u8> {
    response("200 OK", body)
}

/// What lives for an iteration is gone in the next one; what was not given again is gone at once; each VU
/// has its own.
#[test]
fn values_live_as_long_as_they_should() {
    let mut scenario = scenario();
    let both = "/{{id | default(\"none\")}}/{{token | default(\"none\")}}";
    scenario.requests[0].rendering = Some(Box::new(rendering(both, &[], None)));
    scenario.requests[0].reading.extracts =
        vec![Extract { is_required: false, ..extract(TOKEN, header("X-Token")) }];
    scenario.requests[1].rendering = Some(Box::new(rendering(both, &[], None)));
    scenario.requests[1].reading.extracts = vec![extract(ID, header("X-Id"))];
    let mut client = Client::new(scenario);
    let target = |client: &mut Client, actor, step, answer: &str| {
        let sent = client.ask(actor, step, 0).unwrap();
        let target = sent.split(' ').nth(1).unwrap().trim_start_matches("/api").to_owned();
        client.answer(&response(answer, ""), 1_000);
        target
    };
    assert_eq!(target(&mut client, 1, 0, "200 OK\r\nX-Token: t"), "/none/none");
    assert_eq!(target(&mut client, 1, 1, "200 OK\r\nX-Id: i"), "/none/t");
    assert_eq!(target(&mut client, 2, 0, "200 OK"), "/none/none");
    assert_eq!(target(&mut client, 1, 2, "200 OK"), "/3");
    // The next iteration: `id` is gone. The response does not give `token` again.
    assert_eq!(target(&mut client, 1, 3, "200 OK"), "/none/t");
    assert_eq!(target(&mut client, 1, 4, "200 OK\r\nX-Id: j"), "/none/none");
    // A request of which no byte was sent takes nothing away; one without a response does.
    assert_eq!(target(&mut client, 3, 0, "200 OK\r\nX-Token: t"), "/none/none");
    let unsent = Client::planned(3, 3, 0);
    client.session.start(ExchangeSlot(0), unsent, 0, &mut client.requests).unwrap();
    client.session.cancel(ExchangeSlot(0), &mut client.requests);
    client.session.open();
    assert_eq!(target(&mut client, 3, 4, "200 OK\r\nX-Id: k"), "/none/t");
    client.ask(3, 6, 0).unwrap();
    client.session.cancel(ExchangeSlot(0), &mut client.requests);
    client.session.open();
    assert_eq!(target(&mut client, 3, 7, "200 OK"), "/none/none");
    // Nothing is left of an actor that is gone.
    assert_eq!(target(&mut client, 3, 9, "200 OK\r\nX-Token: t"), "/none/none");
    client.requests.forget(Population(0), Actor(3));
    assert_eq!(target(&mut client, 3, 10, "200 OK"), "/none/none");
}

#[test]
fn a_request_that_cannot_be_made_is_not_begun() {
    let mut scenario = scenario();
    scenario.requests[0].rendering = Some(Box::new(rendering("{{token | raw}}", &[], None)));
    scenario.requests[1].rendering =
        Some(Box::new(rendering("/", &[("X-Id", "{{id}}"), ("Host", "{{id}}")], None)));
    scenario.requests[2].reading.extracts =
        vec![extract(ID, json("$.id")), extract(TOKEN, json("$.token"))];
    for (body, step, words) in [
        (r#"{"id": 1, "token": 2}"#, 3, "path: it does not begin with `/`"),
        (r#"{"id": 1, "token": "/a b"}"#, 3, "path: byte 2 of `token` must not stand there"),
        (r#"{"id": 1, "token": null}"#, 3, "path: `token` is not set"),
        (
            r#"{"id": "a\r\nB: c", "token": "/"}"#,
            4,
            "header `X-Id`: byte 1 of `id` must not stand there",
        ),
        (r#"{"id": "a b", "token": "/"}"#, 4, "header `Host`: it is not a host"),
    ] {
        let mut scenario = scenario.clone();
        // Both live on.
        scenario.values.variables.iter_mut().for_each(|variable| variable.scope = Scope::Vu);
        let mut client = Client::new(scenario);
        client.ask(0, 2, 0).unwrap();
        client.answer(&response_of(body), 1_000);
        client.requests.take_note();
        let failed = client.ask(0, step, 0).unwrap_err();
        let Input::Failed { failure, .. } = failed else { panic!("{failed:?}") };
        assert_eq!((failure.error, failure.reusable), (ErrorKind::BadValue, true), "{words}");
        assert_eq!(client.note(), words);
        assert!(!client.session.is_in_exchange());
        // The connection is as it was.
        client.ask(0, 5, 0).unwrap();
    }
}

/// Why there is no value is said, once, and the exchange goes on.
#[test]
fn what_is_missing_is_named() {
    let mut scenario = scenario();
    scenario.limits.max_kept_body_bytes = 30;
    scenario.requests[2].reading.extracts = vec![extract(ID, json("$.id"))];
    scenario.requests[2].reading.checks = vec![check("has id", "json(\"$.id\") == 1", false)];
    let deep = "[".repeat(1_000_000);
    for (answer, words) in [
        (response_of("{}"), "extract `id`: nothing was found"),
        (response_of(r#"{"id": null}"#), "extract `id`: it is null"),
        (response_of("no JSON"), "check `has id`: the body: "),
        (response_of("\u{fffd}\u{fffd}"), "check `has id`: the body: "),
        (
            response_of(&"x".repeat(31)),
            "check `has id`: the body is larger than what is kept of it",
        ),
        (response_of(&deep), "check `has id`: the body is larger"),
        (
            response("200 OK\r\nContent-Encoding: compress", "abc"),
            "check `has id`: the body: unknown content coding",
        ),
        (
            response("200 OK\r\nContent-Encoding: gzip", "abc"),
            "check `has id`: the body: compressed body ends",
        ),
    ] {
        for piece in [usize::MAX, 20] {
            let mut client = Client::new(scenario.clone());
            client.ask(0, 2, 0).unwrap();
            let told = client.answer(&answer, piece.min(answer.len()));
            let [missing, .., Input::Done { response, .. }] = &told[..] else { panic!("{told:?}") };
            assert_eq!(value(missing), (ID, LoggedValue::Missing));
            assert!(response.reusable);
            let note = client.note();
            let words = words.replace("check `has id`", "");
            assert!(note.contains(words.as_str()), "{note}: {words}");
        }
    }
}

/// A body of a million open brackets that is kept is refused in time.
#[test]
fn hostile_bodies_are_bounded() {
    let mut scenario = scenario();
    scenario.requests[2].reading.extracts =
        vec![extract(ID, json("$..id")), extract(TOKEN, json("$.a.b"))];
    let bomb = flate(&vec![b'['; 50_000_000]);
    for (head, body) in
        [("200 OK", vec![b'['; 1_000_000]), ("200 OK\r\nContent-Encoding: gzip", bomb)]
    {
        let mut client = Client::new(scenario.clone());
        client.ask(0, 2, 0).unwrap();
        let mut answer =
            format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(&body);
        let told = client.answer(&answer, 65_536);
        assert_eq!(value(&told[0]), (ID, LoggedValue::Missing));
        assert!(client.note().starts_with("extract `id`: the body: "));
    }
    // Thousands of cookies leave a bounded jar.
    let mut scenario = self::scenario();
    scenario.populations[0].cookies = Some(Scope::Vu);
    for request in &mut scenario.requests {
        request.rendering = Some(Box::new(rendering("/", &[], None)));
    }
    let mut client = Client::new(scenario);
    for round in 0..100 {
        client.ask(0, round * 3, 0).unwrap();
        let cookies: String =
            (0..100).map(|i| format!("\r\nSet-Cookie: c{round}_{i}={}", "x".repeat(300))).collect();
        client.answer(&response(&format!("200 OK{cookies}"), ""), 65_536);
    }
    let sent = client.ask(0, 300, 0).unwrap();
    assert!(sent.len() < 20_000 && sent.contains("Cookie: "), "{}", sent.len());
}

fn flate(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// All values as a JSON array, and how many they are.
#[test]
fn lists_are_json_arrays_with_a_count() {
    let mut scenario = scenario();
    let list = || Extract { is_list: true, ..extract(ID, json("$.ids[*]")) };
    scenario.requests[0].rendering = Some(Box::new(rendering("/ids", &[], None)));
    scenario.requests[0].reading.extracts = vec![list()];
    scenario.requests[0].reading.checks =
        vec![check("three", "count(id) == none || count(id) == 3", true)];
    scenario.requests[1].rendering =
        Some(Box::new(rendering("/{{id | sha256}}", &[], Some("{\"ids\": {{id}}}"))));
    let mut client = Client::new(scenario);
    client.ask(0, 0, 0).unwrap();
    let body = r#"{"ids": [1, "a\"\u0001é", null]}"#;
    let told = client.answer(&response_of(body), 1_000);
    let [Input::Value { value: LoggedValue::Clear(range), count: Some(3), .. }, Input::Done { .. }] =
        told[..]
    else {
        panic!("{told:?}")
    };
    let text = r#"[1,"a\"\u0001é",null]"#;
    assert_eq!(range.of(&client.arenas[0]), text.as_bytes());
    let sent = client.ask(0, 1, 0).unwrap();
    assert!(sent.ends_with(&format!("{{\"ids\": {text}}}")), "{sent}");
    client.answer(&response_of(""), 1_000);
    for (body, words) in [
        ("{}".to_owned(), "nothing was found"),
        (format!(r#"{{"ids": [{}0]}}"#, "0,".repeat(1_000)), "the list has more than 1000 values"),
    ] {
        client.ask(1, 0, 0).unwrap();
        let told = client.answer(&response_of(&body), 100_000);
        let missing =
            matches!(told[0], Input::Value { value: LoggedValue::Missing, count: None, .. });
        assert!(missing, "{told:?}");
        assert!(client.note().contains(words));
        client.requests.forget(Population(0), Actor(1));
    }
}

#[test]
fn how_values_are_logged_is_the_scenarios_to_say() {
    let logged = |values: LogValues, clear_max: u32, value_of: &str| {
        let mut scenario = scenario();
        scenario.log.values = values;
        scenario.limits.max_logged_value_bytes = clear_max;
        scenario.requests[2].reading.extracts = vec![extract(ID, json("$.id"))];
        let mut client = Client::new(scenario);
        client.ask(0, 2, 0).unwrap();
        let told = client.answer(&response_of(&format!("{{\"id\": \"{value_of}\"}}")), 1_000);
        value(&told[0]).1
    };
    assert!(matches!(logged(LogValues::Clear, 64, "123"), LoggedValue::Clear(_)));
    assert!(matches!(logged(LogValues::Clear, 3, "123"), LoggedValue::Clear(_)));
    assert!(matches!(logged(LogValues::Clear, 2, "123"), LoggedValue::Digest { length: 3, .. }));
    let digest = logged(LogValues::Digest, 64, "123");
    assert!(matches!(digest, LoggedValue::Digest { length: 3, .. }));
    assert_eq!(logged(LogValues::Digest, 0, "123"), digest, "the same value");
    assert_ne!(logged(LogValues::Digest, 64, "124"), digest);
    assert!(matches!(logged(LogValues::Digest, 64, ""), LoggedValue::Digest { length: 0, .. }));
}

/// A value for which there is no room counts as missing, and says which limit that is.
#[test]
fn what_actors_keep_is_bounded() {
    let client = |vu: u64, all: u64| {
        let mut scenario = scenario();
        scenario.requests[2].reading.extracts =
            vec![Extract { is_required: true, ..extract(TOKEN, json("$.t")) }];
        scenario.limits.max_vu_state_bytes = vu;
        scenario.limits.max_state_bytes = all;
        Client::new(scenario)
    };
    let give = |client: &mut Client, actor: u64, length: usize| {
        client.ask(actor, 2, 0).unwrap();
        let body = format!("{{\"t\": \"{}\"}}", "x".repeat(length));
        let told = client.answer(&response_of(&body), 1_000);
        // Each time the first request of the VU, which keeps what it has.
        client.requests.journeys().unwrap().unsent(&Client::planned(actor, 2, 2));
        value(&told[0]).1
    };
    // Two words of four bytes, and the value.
    let mut one = client(18, 1_000);
    assert_eq!(give(&mut one, 0, 10), LoggedValue::Withheld);
    assert_eq!(give(&mut one, 0, 11), LoggedValue::Missing);
    assert_eq!(one.note(), "extract `token`: there is no room for it: max_vu_state_bytes");
    assert_eq!(give(&mut one, 1, 10), LoggedValue::Withheld, "each VU has its own");
    let mut all = client(1_000, 40);
    assert_eq!(give(&mut all, 0, 10), LoggedValue::Withheld);
    assert_eq!(give(&mut all, 1, 15), LoggedValue::Missing);
    assert_eq!(all.note(), "extract `token`: there is no room for it: max_state_bytes");
    assert_eq!(give(&mut all, 1, 14), LoggedValue::Withheld);
    all.requests.forget(Population(0), Actor(0));
    assert_eq!(give(&mut all, 2, 10), LoggedValue::Withheld, "there is room again");
}

#[test]
fn long_values_are_digested_and_defaults_fill_holes() {
    let mut scenario = scenario();
    scenario.requests[0].rendering = Some(Box::new(rendering("/{{id}}", &[], None)));
    scenario.requests[2].reading.extracts =
        vec![Extract { default: Some(b"fallback".to_vec()), ..extract(ID, json("$.id")) }];
    scenario.values.variables[0].scope = Scope::Vu;
    let mut client = Client::new(scenario);
    let mut told = |body: &str| {
        client.ask(0, 2, 0).unwrap();
        let told = client.answer(&response_of(body), 1_000);
        let value = value(&told[0]).1;
        let arena = client.arenas[0].clone();
        let sent = client.ask(0, 3, 0).unwrap();
        client.answer(&response_of(""), 1_000);
        (value, arena, sent.split(' ').nth(1).unwrap().to_owned())
    };
    let (value, _, target) = told("{}");
    assert_eq!((value, target.as_str()), (LoggedValue::Missing, "/api/fallback"));
    let (value, arena, _) = told(&format!(r#"{{"id": "{}"}}"#, "y".repeat(64)));
    assert!(matches!(value, LoggedValue::Clear(_)) && arena == "y".repeat(64).into_bytes());
    let long = format!(r#"{{"id": "{}"}}"#, "y".repeat(65));
    let (LoggedValue::Digest { digest, length: 65 }, arena, target) = told(&long) else {
        panic!("a digest")
    };
    assert!(arena.is_empty() && target == format!("/api/{}", "y".repeat(65)));
    assert_eq!(told(&long).0, LoggedValue::Digest { digest, length: 65 }, "the same twice");
}

/// Cookies come back, also those of a redirect; they and `Authorization` do not go to another origin.
#[test]
fn cookies_are_kept_and_redirects_are_filled_in() {
    let mut scenario = scenario();
    scenario.populations[0].cookies = Some(Scope::Iteration);
    let headers = [("Cookie", "own={{vu}}"), ("Authorization", "Bearer {{vu}}")];
    scenario.requests[0].rendering =
        Some(Box::new(rendering("/login", &headers, Some(r#"{"vu": {{vu}}}"#))));
    scenario.requests[1].rendering = Some(Box::new(rendering("/account", &[], None)));
    scenario.requests[2].rendering = Some(Box::new(rendering("/other", &[], None)));
    let mut client = Client::new(scenario);
    let sent = client.ask(3, 0, 0).unwrap();
    assert!(sent.contains("\r\nCookie: own=3\r\n"), "{sent}");
    let redirect = "307 Again\r\nLocation: /api/step2\r\nSet-Cookie: s=1; Path=/";
    let told = client.answer(&response(redirect, ""), 1_000);
    assert!(matches!(told[..], [Input::Redirected { .. }]), "{told:?}");
    let sent = client.ask(3, 0, 1).unwrap();
    let [Input::Redirected { next, .. }] = told[..] else { unreachable!() };
    assert_eq!(next.request_bytes, sent.len() as u64);
    assert!(sent.starts_with("POST /api/step2 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("\r\nCookie: own=3; s=1\r\n"), "{sent}");
    assert!(sent.contains("\r\nAuthorization: Bearer 3\r\n"), "{sent}");
    assert!(sent.contains("-01\r\n") && sent.ends_with("\r\n\r\n{\"vu\": 3}"), "{sent}");
    let away = "302 Away\r\nLocation: http://b.example/x\r\nSet-Cookie: t=2; Path=/api/account";
    client.answer(&response(away, ""), 1_000);
    let sent = client.ask(3, 0, 2).unwrap();
    assert!(sent.starts_with("GET /x HTTP/1.1\r\nHost: b.example\r\n"), "{sent}");
    assert!(!sent.contains("Cookie") && !sent.contains("Authorization"), "{sent}");
    client.answer(&response("200 OK\r\nSet-Cookie: b=3", ""), 1_000);
    let sent = client.ask(3, 1, 0).unwrap();
    assert!(sent.contains("\r\nCookie: t=2; s=1\r\n"), "{sent}");
    client.answer(&response_of(""), 1_000);
    let sent = client.ask(3, 2, 0).unwrap();
    assert!(sent.contains("\r\nCookie: b=3\r\n"), "{sent}");
    client.answer(&response_of(""), 1_000);
    let sent = client.ask(3, 3, 0).unwrap();
    assert!(sent.contains("\r\nCookie: own=3\r\n"), "the next iteration: {sent}");
    client.answer(&response_of(""), 1_000);
}

#[test]
fn requests_carry_credentials_and_signatures() {
    let mut scenario = scenario();
    let text = |text: &str| template(text, TextKind::Plain);
    let basic = Auth::Basic { user: text("u{{vu}}"), password: text("{{secret.key}}") };
    scenario.requests[0].rendering =
        Some(Box::new(Rendering { auth: Some(basic), ..rendering("/", &[], None) }));
    let aws = Auth::AwsSigV4(Box::new(AwsSigV4 {
        access_key: text("AKID{{vu}}"),
        secret_key: text("{{secret.key}}"),
        session_token: None,
        region: text("eu-central-1"),
        service: text("execute-api"),
    }));
    scenario.requests[1].rendering = Some(Box::new(Rendering {
        auth: Some(aws),
        ..rendering("/x?b={{vu}}&a=1", &[("X-A", "b")], Some("{}"))
    }));
    let mut client = Client::new(scenario);
    let sent = client.ask(1, 0, 0).unwrap();
    assert!(sent.contains("\r\nAuthorization: Basic dTE6aHVzaA==\r\n"), "{sent}");
    client.answer(&response_of(""), 1_000);
    let sent = client.ask(1, 1, 0).unwrap();
    assert!(sent.contains("\r\nX-Amz-Date: 19700101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 "));
    assert!(sent.contains("Credential=AKID1/19700101/eu-central-1/execute-api/aws4_request, "));
    assert!(sent.contains("SignedHeaders=host;x-a;x-amz-date, "), "{sent}");
    assert!(!sent.contains("hush") && sent.ends_with("\r\n\r\n{}"), "{sent}");
    let again = client.session.in_flight.map(|in_flight| in_flight.request_bytes);
    assert_eq!(again, Some(sent.len()));
}

/// A body that comes to its end with the connection is read as well, and values may come from elsewhere
/// than the body.
#[test]
fn other_sources_and_bodies_that_read_to_close() {
    let mut scenario = scenario();
    let place = Program::new(Source::Header("Location".into()))
        .then(Pattern::compile("(/orders/[0-9]+)$").unwrap());
    scenario.requests[2].reading.extracts = vec![
        extract(ID, ExtractFrom::Program(place)),
        extract(TOKEN, ExtractFrom::Program(Program::new(Source::Url))),
        extract(ID, ExtractFrom::Sha256),
        extract(ID, ExtractFrom::Value(template("{{vu}}-{{step}}", TextKind::Plain))),
        extract(ID, ExtractFrom::Value(template("{{vu}}", TextKind::Plain))),
    ];
    scenario.values.variables[1].is_secret = false;
    let mut client = Client::new(scenario);
    client.ask(9, 2, 0).unwrap();
    let head = b"HTTP/1.1 200 OK\r\nLocation: http://b/orders/12\r\n\r\nabc";
    assert!(client.answer(head, 10).is_empty());
    let mut told = Vec::new();
    let end = End::EndOfStream { is_truncated: false };
    while let Some(output) = client.session.ended(end, Tick(10), &mut client.requests) {
        let Output::Input(input) = output else { panic!("{output:?}") };
        told.push(input);
    }
    let arena = client.requests.arena();
    let clear = |input: &Input| match value(input).1 {
        LoggedValue::Clear(range) => String::from_utf8_lossy(range.of(arena)).into_owned(),
        other => panic!("{other:?}"),
    };
    let values: Vec<String> = told[..5].iter().map(clear).collect();
    assert_eq!(values[..2], ["/orders/12", "http://b.example/3"]);
    assert_eq!(values[2], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(values[3..], ["9-2", "9"]);
    assert!(matches!(told[5..], [Input::Done { .. }]));
}

/// A response with more fields than usual is read as others are.
#[test]
fn the_last_of_many_fields_is_found() {
    let mut scenario = scenario();
    scenario.requests[2].reading.extracts = vec![extract(ID, header("X-Last"))];
    let mut client = Client::new(scenario);
    for count in [45, 46, 47, 48, 120] {
        let fields: String = (0..count).map(|i| format!("\r\nX-{i}: {i}")).collect();
        client.ask(0, 2, 0).unwrap();
        let told = client.answer(&response(&format!("200 OK{fields}\r\nX-Last: z"), ""), 65_536);
        let LoggedValue::Clear(range) = value(&told[0]).1 else { panic!("{told:?}") };
        assert_eq!(range.of(&client.arenas[0]), b"z", "{count} fields before");
    }
}

/// The memory of all bodies that are being kept is bounded, and given back.
#[test]
fn kept_bodies_have_a_bound_for_all_of_them() {
    let mut scenario = scenario();
    scenario.requests[2].reading.extracts = vec![extract(ID, json("$.id"))];
    let mut client = Client::new(scenario);
    client.requests.journeys().unwrap().kept_bytes_max = 1_000;
    let answer = response_of(&format!(r#"{{"id": 1, "more": "{}"}}"#, "x".repeat(3_000)));
    for (piece, is_kept) in [(500, false), (usize::MAX, true), (500, false)] {
        client.ask(0, 2, 0).unwrap();
        let told = client.answer(&answer, piece.min(answer.len()));
        assert_eq!(value(&told[0]).1 != LoggedValue::Missing, is_kept, "{piece}");
        assert_eq!(client.requests.journeys().unwrap().kept_bytes, 0);
        client.requests.take_note();
    }
}
