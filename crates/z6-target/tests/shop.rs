//! The routes with tokens, sessions, searches and orders: what they give, what they ask for, and what
//! they refuse.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod common;

use std::thread;
use std::time::Duration;

use common::{Answer, Client, start, start_with};
use serde_json::{Value, json};
use z6_target::{Config, Server};

/// Sends a request with the lines of `fields`, each with CR LF, and a body.
fn ask(client: &mut Client, line: &str, fields: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: t\r\n{fields}Content-Length: {length}\r\n\r\n");
    client.send(head + body).answer()
}

fn post_json(client: &mut Client, path: &str, fields: &str, body: &Value) -> Answer {
    let fields = format!("Content-Type: application/json\r\n{fields}");
    ask(client, &format!("POST {path}"), &fields, &body.to_string())
}

fn post_form(client: &mut Client, path: &str, fields: &str, body: &str) -> Answer {
    let fields = format!("Content-Type: application/x-www-form-urlencoded\r\n{fields}");
    ask(client, &format!("POST {path}"), &fields, body)
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Status and message of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    let error = json(answer)["error"].as_str().expect("a message").to_owned();
    (answer.status, error)
}

// ---- tokens ----

fn token(client: &mut Client, path: &str) -> String {
    let answer = post_json(client, path, "", &json!({ "client": "load-1", "secret": "s" }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    json(&answer)["access_token"].as_str().expect("a token").to_owned()
}

fn who(client: &mut Client, token: &str) -> Answer {
    ask(client, "GET /api/me", &format!("Authorization: Bearer {token}\r\n"), "")
}

#[test]
fn a_token_says_whose_it_is_on_every_thread() {
    let server = start_with(Config { threads: 3, ..Config::default() });
    for path in ["/token", "/oauth/token"] {
        let mut client = Client::connect(&server);
        let answer =
            post_json(&mut client, path, "", &json!({ "client": "a \"b\" ü", "secret": "s" }));
        let given = json(&answer);
        assert_eq!((answer.status, answer.field("Cache-Control")), (200, Some("no-store")));
        assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(3600)));
        let token = given["access_token"].as_str().expect("a token");
        for _ in 0..10 {
            let answer = who(&mut Client::connect(&server), token);
            assert_eq!((answer.status, json(&answer)), (200, json!({ "client": "a \"b\" ü" })));
        }
    }
}

#[test]
fn a_client_says_who_it_is_in_json_a_form_or_basic_credentials() {
    let server = start();
    let mut client = Client::connect(&server);
    let form = post_form(&mut client, "/token", "", "client=load+1%2B&secret=s");
    let long = "grant_type=client_credentials&client_id=load+1%2B&client_secret=s";
    let long = post_form(&mut client, "/token", "", long);
    // "load 1+:s"
    let basic = "Authorization: Basic bG9hZCAxKzpz\r\n";
    let basic = ask(&mut client, "POST /token", basic, "");
    for answer in [form, long, basic] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let given = json(&answer);
        let answer = who(&mut client, given["access_token"].as_str().expect("a token"));
        assert_eq!(json(&answer), json!({ "client": "load 1+" }));
    }
}

#[test]
fn two_requests_get_two_tokens() {
    let server = start();
    let mut client = Client::connect(&server);
    let first = token(&mut client, "/token");
    assert_ne!(first, token(&mut client, "/token"));
    assert_ne!(first, token(&mut Client::connect(&server), "/token"));
}

#[test]
fn a_token_with_uses_is_refused_after_them() {
    let server = start();
    let mut client = Client::connect(&server);
    let token = token(&mut client, "/token?uses=2");
    let statuses: Vec<u16> = (0..4).map(|_| who(&mut client, &token).status).collect();
    assert_eq!(statuses, [200, 200, 401, 401]);
    assert_eq!(refusal(&who(&mut client, &token)).1, "the token has no uses left");
}

#[test]
fn a_token_expires() {
    let server = start();
    let mut client = Client::connect(&server);
    let short = token(&mut client, "/token?expires_ms=1");
    let long = token(&mut client, "/token?expires_ms=86400000");
    let expired = loop {
        let answer = who(&mut client, &short);
        if answer.status == 401 {
            break answer;
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(refusal(&expired).1, "the token has expired");
    let challenge = "Bearer realm=\"z6-target\", error=\"invalid_token\"";
    assert_eq!(expired.field("WWW-Authenticate"), Some(challenge));
    assert_eq!(who(&mut client, &long).status, 200);
}

#[test]
fn only_a_token_of_this_seed_is_a_token() {
    let server = start();
    let mut client = Client::connect(&server);
    let other = start_with(Config { seed: 1, ..Config::default() });
    let foreign = token(&mut Client::connect(&other), "/token");
    for credentials in [
        String::new(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer x\r\n".to_owned(),
        "Authorization: Basic bG9hZDpz\r\n".to_owned(),
        format!("Authorization: Bearer {foreign}\r\n"),
        format!("Authorization: Bearer {}\r\n", foreign.to_uppercase()),
    ] {
        let answer = ask(&mut client, "GET /api/me", &credentials, "");
        assert_eq!(answer.status, 401, "{credentials}");
        let challenge = answer.field("WWW-Authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
    }
    let good = token(&mut client, "/token");
    let field = format!("authorization: bearer {good}\r\n");
    assert_eq!(ask(&mut client, "GET /api/me", &field, "").status, 200);
}

#[test]
fn a_wrong_request_for_a_token_is_told_why() {
    let server = start();
    let mut client = Client::connect(&server);
    for (path, body, status, message) in [
        ("/token", json!({ "client": "c", "secret": "wrong" }), 401, "the secret of this client"),
        ("/token", json!({ "client": "c" }), 400, "`secret` is missing"),
        ("/token", json!({ "client": 7, "secret": "s" }), 400, "`client` is missing"),
        (
            "/token",
            json!({ "client": "", "secret": "s" }),
            400,
            "`client` must have 1 to 256 bytes",
        ),
        ("/token", json!([]), 400, "the body is not a JSON object"),
        ("/token?uses=0", json!({ "client": "c", "secret": "s" }), 400, "`uses` must be a number"),
        ("/token?expires_ms=x", json!({ "client": "c", "secret": "s" }), 400, "`expires_ms` must"),
    ] {
        let refusal = refusal(&post_json(&mut client, path, "", &body));
        assert!(refusal.0 == status && refusal.1.starts_with(message), "{refusal:?}");
    }
    let broken = ask(&mut client, "POST /token", "Content-Type: application/json\r\n", "{");
    assert_eq!(refusal(&broken).0, 400);
    let untyped = ask(&mut client, "POST /token", "", "client=c&secret=s");
    assert_eq!(refusal(&untyped).0, 415);
}

// ---- sessions ----

struct Form {
    session: String,
    csrf: String,
}

fn session(answer: &Answer) -> String {
    let cookie = answer.field("Set-Cookie").expect("a cookie");
    let pair = cookie.strip_suffix("; Path=/; HttpOnly; SameSite=Lax").expect("attributes");
    format!("Cookie: {pair}\r\n")
}

fn form(client: &mut Client) -> Form {
    let answer = client.get("/login");
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
    let (_, rest) = answer.text().split_once("name=\"csrf\" value=\"").expect("an input");
    let csrf = rest.split('"').next().expect("a value").to_owned();
    Form { session: session(&answer), csrf }
}

#[test]
fn a_form_signs_in_and_the_account_greets() {
    let server = start_with(Config { threads: 3, ..Config::default() });
    let fresh = || Client::connect(&server);
    let Form { session: visitor, csrf } = form(&mut fresh());
    let body = format!("csrf={csrf}&user=o%27neil%2B%22x%22%3Cy%3E%26z&password=a+b");
    let answer = post_form(&mut fresh(), "/login", &visitor, &body);
    assert_eq!((answer.status, answer.field("Location")), (303, Some("/account")));
    assert_eq!(answer.text(), "");
    let account = ask(&mut fresh(), "GET /account", &session(&answer), "");
    assert_eq!(account.status, 200);
    let greeting = "<h1>Hello, o&#39;neil+&quot;x&quot;&lt;y&gt;&amp;z!</h1>";
    assert!(account.text().contains(greeting), "{}", account.text());
}

#[test]
fn a_client_without_session_signs_in_with_its_password_alone() {
    let server = start();
    let mut client = Client::connect(&server);
    let by_form = post_form(&mut client, "/login", "", "user=u%40example.com&password=p");
    let user = json!({ "user": "u@example.com", "password": "p" });
    let by_json = post_json(&mut client, "/login", "Cookie: other=1\r\n", &user);
    for answer in [by_form, by_json] {
        assert_eq!((answer.status, json(&answer)), (200, json!({ "user": "u@example.com" })));
        let mine = session(&answer);
        let account = ask(&mut client, "GET /account", &format!("{mine}Accept: */*\r\n"), "");
        assert!(account.text().contains("Hello, u@example.com!"), "{}", account.text());
        // Signing in again with the session of a user is no form either.
        let again = post_form(&mut client, "/login", &mine, "user=v&password=p");
        assert_eq!(again.status, 200);
    }
}

#[test]
fn a_form_without_its_csrf_token_is_refused() {
    let server = start();
    let mut client = Client::connect(&server);
    let (mine, other) = (form(&mut client), form(&mut client));
    let signs_in = |fields: &str, csrf: &str| {
        let body = format!("{csrf}user=u&password=p");
        post_form(&mut Client::connect(&server), "/login", fields, &body).status
    };
    let csrf = format!("csrf={}&", mine.csrf);
    assert_eq!(signs_in(&mine.session, &csrf), 303);
    assert_eq!(signs_in(&mine.session, ""), 403);
    assert_eq!(signs_in(&mine.session, "csrf=&"), 403);
    assert_eq!(signs_in(&mine.session, &format!("csrf={}&", other.csrf)), 403);
    assert_eq!(signs_in("", &csrf), 403, "the session is missing");
    assert_eq!(signs_in("Cookie: session=x\r\n", &csrf), 403);
}

#[test]
fn a_wrong_login_is_told_why() {
    let server = start();
    let mut client = Client::connect(&server);
    for (body, status, message) in [
        ("user=u&password=wrong", 401, "the password of this user is wrong"),
        ("user=u", 400, "`password` is missing"),
        ("user=&password=p", 400, "`user` must have 1 to 256 bytes"),
        ("user=%zz&password=p", 400, "`%zz` is not a valid percent-encoding"),
    ] {
        let refused = refusal(&post_form(&mut client, "/login", "", body));
        assert_eq!(refused, (status, message.to_owned()), "{body}");
    }
    let untyped = ask(&mut client, "POST /login", "", "user=u&password=p");
    assert_eq!(untyped.status, 415);
}

#[test]
fn the_account_is_not_shown_to_visitors() {
    let server = start();
    let mut client = Client::connect(&server);
    let visitor = form(&mut client).session;
    for fields in ["", visitor.as_str(), "Cookie: session=\r\n", "Cookie: x\r\n"] {
        let answer = ask(&mut client, "GET /account", fields, "");
        assert_eq!(refusal(&answer), (401, "sign in at /login first".to_owned()), "{fields}");
        assert!(answer.field("WWW-Authenticate").is_some_and(|field| field.starts_with("Cookie ")));
    }
}

// ---- searches ----

#[test]
fn a_search_finds_pages_of_items() {
    let server = start();
    let mut client = Client::connect(&server);
    let first = client.get("/search?q=red+%22shoes%22&page=1");
    let found = json(&first);
    assert_eq!(
        (first.status, &found["q"], &found["page"]),
        (200, &json!("red \"shoes\""), &json!(1))
    );
    let total = found["total"].as_u64().expect("a total");
    assert_eq!(client.get("/search?page=1&q=red%20%22shoes%22").body, first.body);
    assert_eq!(client.get("/search?q=red+%22shoes%22").body, first.body);
    let mut items = Vec::new();
    for page in 1.. {
        let answer = client.get(&format!("/search?q=red+%22shoes%22&page={page}"));
        let found = json(&answer);
        let list = found["items"].as_array().expect("items");
        if list.is_empty() {
            break;
        }
        assert!(list.len() == 10 || items.len() + list.len() == total as usize);
        items.extend(list.iter().cloned());
    }
    assert_eq!(items.len() as u64, total);
    assert!(total > 10, "there is a second page");
    let last = items.last().expect("an item");
    assert_eq!(last["name"], json!(format!("red \"shoes\" {total}")));
    assert!(last["price"].is_number() && last["id"].is_u64() && last["sku"].is_string());
    assert_ne!(json(&client.get("/search?q=blue+shoes"))["items"], found["items"]);
}

#[test]
fn a_wrong_search_is_told_why() {
    let server = start();
    let mut client = Client::connect(&server);
    let long = format!("/search?q={}", "x".repeat(257));
    for (target, message) in [
        ("/search", "`q` is missing"),
        ("/search?q=", "`q` must have 1 to 256 bytes"),
        (&long, "`q` must have 1 to 256 bytes"),
        ("/search?q=a&page=0", "`page` must be a number from 1 to 1000000"),
        ("/search?q=a&page=two", "`page` must be a number from 1 to 1000000"),
    ] {
        assert_eq!(refusal(&client.get(target)), (400, message.to_owned()), "{target}");
    }
}

// ---- orders ----

#[test]
fn an_order_is_read_back_on_every_thread() {
    let server = start_with(Config { threads: 3, ..Config::default() });
    for count in 1..=20 {
        let mut client = Client::connect(&server);
        let order = json!({ "sku": "A-1", "quantity": count, "note": "ref \"ü\"", "more": [1] });
        let answer = post_json(&mut client, "/orders", "", &order);
        let created = json(&answer);
        assert_eq!((answer.status, &created["id"]), (201, &json!(count)));
        assert_eq!(answer.field("Location"), Some(format!("/orders/{count}").as_str()));
        let read = Client::connect(&server).get(&format!("/orders/{count}"));
        let expected = json!({ "id": count, "sku": "A-1", "quantity": count, "note": "ref \"ü\"" });
        assert_eq!((read.status, json(&read)), (200, expected.clone()));
        assert_eq!(created, expected);
    }
}

#[test]
fn an_idempotency_key_stands_for_one_order() {
    let server = start();
    let mut client = Client::connect(&server);
    let mut create = |key: &str, quantity: u64| {
        let fields = format!("Idempotency-Key: {key}\r\n");
        let order = json!({ "sku": "A-1", "quantity": quantity });
        post_json(&mut client, "/orders", &fields, &order)
    };
    let first = create("k1", 1);
    let again = create("k1", 1);
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(first.field("Location"), again.field("Location"));
    assert_eq!(first.field("Idempotent-Replayed"), None);
    assert_eq!(again.field("Idempotent-Replayed"), Some("true"));
    assert_eq!(json(&create("k2", 1))["id"], json!(2));
    assert_eq!(refusal(&create("k1", 2)).0, 422);
    assert_eq!(refusal(&create("", 2)).0, 400);
}

#[test]
fn a_wrong_order_is_told_why() {
    let server = start();
    let mut client = Client::connect(&server);
    let quantity = "`quantity` must be a whole number from 1 to 1000000";
    for (order, message) in [
        (json!({ "quantity": 1 }), "`sku` must be a text of 1 to 64 bytes"),
        (json!({ "sku": 1, "quantity": 1 }), "`sku` must be a text of 1 to 64 bytes"),
        (json!({ "sku": "A-1" }), quantity),
        (json!({ "sku": "A-1", "quantity": "1" }), quantity),
        (json!({ "sku": "A-1", "quantity": 1.5 }), quantity),
        (json!({ "sku": "A-1", "quantity": 0 }), quantity),
        (
            json!({ "sku": "A-1", "quantity": 1, "note": 1 }),
            "`note` must be a text of at most 1000 bytes",
        ),
    ] {
        let refused = refusal(&post_json(&mut client, "/orders", "", &order));
        assert_eq!(refused, (422, message.to_owned()), "{order}");
    }
    let typed = ask(&mut client, "POST /orders", "Content-Type: text/plain\r\n", "{}");
    assert_eq!(refusal(&typed).0, 415);
    for target in
        ["/orders/1", "/orders/0", "/orders/x", "/orders/", "/orders/99999999999999999999"]
    {
        let refused = refusal(&client.get(target));
        assert_eq!(refused, (404, "there is no such order".to_owned()), "{target}");
    }
}

// ---- all of them ----

#[test]
fn a_method_that_a_route_does_not_take_is_refused() {
    let server = start();
    let mut client = Client::connect(&server);
    for (line, allowed) in [
        ("GET /token", "POST"),
        ("POST /api/me", "GET, HEAD"),
        ("PUT /login", "GET, HEAD, POST"),
        ("POST /account", "GET, HEAD"),
        ("DELETE /search?q=a", "GET, HEAD"),
        ("GET /orders", "POST"),
        ("DELETE /orders/1", "GET, HEAD"),
    ] {
        let answer = ask(&mut client, line, "", "");
        assert_eq!((answer.status, answer.field("Allow")), (405, Some(allowed)), "{line}");
    }
}

#[test]
fn head_has_the_fields_of_get() {
    let server = start();
    let mut client = Client::connect(&server);
    let got = client.get("/search?q=a");
    let (status, head) = client.send("HEAD /search?q=a HTTP/1.1\r\nHost: t\r\n\r\n").head();
    assert_eq!((status, head), (200, got.head));
    assert_eq!(client.get("/").status, 200, "no body was sent");
}

#[test]
fn a_long_body_is_read_and_refused() {
    let server = start();
    let mut client = Client::connect(&server);
    let order = json!({ "sku": "A-1", "quantity": 1, "more": "x".repeat(64 * 1024) });
    assert_eq!(post_json(&mut client, "/orders", "", &order).status, 413);
    let order = json!({ "sku": "A-1", "quantity": 1, "more": "x".repeat(60 * 1024) });
    assert_eq!(post_json(&mut client, "/orders", "", &order).status, 201);
}

#[test]
fn delays_and_failures_come_before_the_answer() {
    let server = start();
    let mut client = Client::connect(&server);
    let order = json!({ "sku": "A-1", "quantity": 1 });
    assert_eq!(post_json(&mut client, "/orders?fail=1", "", &order).status, 503);
    let delayed = post_json(&mut client, "/orders?delay=constant:1ms", "", &order);
    assert_eq!(json(&delayed)["id"], json!(1), "a failed request creates nothing");
    assert_eq!(client.get("/orders/1?body_delay=1ms").status, 200);
    assert_eq!(client.get("/orders/1?fail=2").status, 400);
}

fn transcript(server: &Server) -> Vec<Vec<u8>> {
    let mut client = Client::connect(server);
    let Form { session: visitor, csrf } = form(&mut client);
    let body = format!("csrf={csrf}&user=u&password=p");
    let signed_in = post_form(&mut client, "/login", &visitor, &body);
    vec![visitor.into_bytes(), csrf.into_bytes(), signed_in.head.into_bytes()]
}

#[test]
fn the_same_requests_get_the_same_sessions() {
    let first = transcript(&start());
    assert_eq!(first, transcript(&start()));
    assert_ne!(first, transcript(&start_with(Config { seed: 1, ..Config::default() })));
}
