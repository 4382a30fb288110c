//! The shop of `servers/shop.py` accepts what it gave, refuses everything else, and writes down what it
//! received.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use z6_testing::Shop;

/// Status, header fields and body of a response.
type Answer = (u16, Vec<String>, String);

/// A connection that stays open.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(shop: &Shop) -> Client {
        let address = shop.url().strip_prefix("http://").unwrap();
        Client(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    /// `line` is method and target; each of `fields` ends with CR LF.
    fn ask(&mut self, line: &str, fields: &str, body: &str) -> Answer {
        let length = body.len();
        let text =
            format!("{line} HTTP/1.1\r\nHost: t\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length = field(&head, "Content-Length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (head[0][9..12].parse().unwrap(), head, String::from_utf8(body).unwrap())
    }

    fn form(&mut self, path: &str, fields: &str, body: &str) -> Answer {
        let fields = format!("Content-Type: application/x-www-form-urlencoded\r\n{fields}");
        self.ask(&format!("POST {path}"), &fields, body)
    }

    fn json(&mut self, path: &str, fields: &str, body: &Value) -> Answer {
        let fields = format!("Content-Type: application/json\r\n{fields}");
        self.ask(&format!("POST {path}"), &fields, &body.to_string())
    }

    fn token(&mut self, path: &str) -> Value {
        let answer = self.form(path, "", "client=c&secret=s");
        assert_eq!(answer.0, 200, "{}", answer.2);
        value(&answer)["access_token"].clone()
    }

    fn who(&mut self, token: &Value) -> u16 {
        let token = token.as_str().unwrap();
        self.ask("GET /api/me", &format!("Authorization: Bearer {token}\r\n"), "").0
    }
}

fn field<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn value(answer: &Answer) -> Value {
    serde_json::from_str(&answer.2).unwrap()
}

/// Runs a test with a shop of these options, and returns its journal.
fn with_shop(options: &[&str], test: impl FnOnce(&Shop)) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let Some(shop) = Shop::start(folder.path(), options).unwrap() else { return Vec::new() };
    test(&shop);
    shop.end().unwrap()
}

#[test]
fn tokens_are_valid_if_given_and_not_used_up() {
    with_shop(&["--client-secret", "s", "--token-uses", "2"], |shop| {
        let mut client = Client::connect(shop);
        let token = client.token("/token");
        assert_eq!([200, 200, 401], [(); 3].map(|()| client.who(&token)));
        assert_eq!(client.who(&json!("x")), 401);
        let short = client.token("/oauth/token?expires_ms=1&uses=1000000");
        while client.who(&short) == 200 {}
        let wrong = client.json("/token", "", &json!({ "client": "c", "secret": "t" }));
        assert_eq!(wrong.0, 401);
        assert_eq!(client.ask("GET /api/me", "", "").0, 401);
    });
}

#[test]
fn a_form_needs_its_own_csrf_token_once() {
    with_shop(&[], |shop| {
        let mut client = Client::connect(shop);
        let mut visit = || {
            let (_, head, page) = client.ask("GET /login", "", "");
            let cookie = field(&head, "Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
            let csrf = page.split("name=\"csrf\" value=\"").nth(2).unwrap();
            (format!("Cookie: {cookie}\r\n"), csrf.split('"').next().unwrap().to_owned())
        };
        let ((first, csrf), (second, other)) = (visit(), visit());
        let mut sign_in = |cookie: &str, csrf: &str| {
            client.form("/login", cookie, &format!("user=%3Cu%3E&password=p{csrf}"))
        };
        assert_eq!(sign_in(&first, &format!("&csrf={other}")).0, 403);
        assert_eq!(sign_in("", &format!("&csrf={csrf}")).0, 403);
        let (status, head, _) = sign_in(&second, &format!("&csrf={other}"));
        assert_eq!((status, field(&head, "Location")), (303, Some("/account")));
        assert_eq!(sign_in(&second, &format!("&csrf={other}")).0, 403, "it is used up");
        let session = field(&head, "Set-Cookie").unwrap().split(';').next().unwrap();
        let (status, head, _) = sign_in("", "");
        assert_eq!((status, field(&head, "Location")), (200, None));
        let account = client.ask("GET /account", &format!("Cookie: a=b; {session}\r\n"), "");
        assert!(account.0 == 200 && account.2.contains("Hello, &lt;u&gt;!"), "{}", account.2);
        assert_eq!(client.ask("GET /account", &first, "").0, 401);
    });
}

#[test]
fn users_are_those_of_the_file_and_log_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.csv");
    std::fs::write(&users, "email,password\r\n\"a,b\",\"p\"\"q\"\r\n").unwrap();
    with_shop(&["--unique-users", "--users", &users.to_string_lossy()], |shop| {
        let mut client = Client::connect(shop);
        assert_eq!(client.form("/login", "", "user=a%2Cb&password=p%22").0, 401);
        assert_eq!(client.form("/login", "", "user=a&password=p%22q").0, 401);
        assert_eq!(client.form("/login", "", "user=a%2Cb&password=p%22q").0, 200);
        assert_eq!(client.form("/login", "", "user=a%2Cb&password=p%22q").0, 409);
        assert_eq!(client.form("/login", "", "user=a&user=b&password=p").0, 400);
    });
}

#[test]
fn orders_are_typed_and_read_back() {
    with_shop(&[], |shop| {
        let mut client = Client::connect(shop);
        let order = json!({ "sku": "A-1", "quantity": 2, "note": null });
        let key = "Idempotency-Key: k\r\n";
        let first = client.json("/orders", key, &order);
        let again = client.json("/orders", key, &order);
        assert_eq!((first.0, &first.2), (201, &again.2));
        let other = json!({ "sku": "A-1", "quantity": 3 });
        assert_eq!(client.json("/orders", key, &other).0, 422);
        let id = value(&first)["id"].as_str().unwrap().to_owned();
        let place = field(&first.1, "Location").unwrap();
        assert_eq!(place, format!("http://t/orders/{id}"));
        assert_eq!(client.ask(&format!("GET /orders/{id}"), "", "").2, first.2);
        assert_eq!(client.ask("GET /orders/1", "", "").0, 404);
        for wrong in [json!("2"), json!(2.0), json!(true), json!(0)] {
            let order = json!({ "sku": "A-1", "quantity": wrong });
            assert_eq!(client.json("/orders", "", &order).0, 422, "{order}");
        }
        assert_eq!(client.ask("POST /orders", "", "{}").0, 415);
    });
}

#[test]
fn faults_come_as_often_as_asked_for() {
    let faults =
        ["--fault", "missing_token=2", "--fault", "no_csrf=1", "--fault", "server_error=5"];
    let journal = with_shop(&faults, |shop| {
        let mut client = Client::connect(shop);
        let has_token = [(); 4].map(|()| client.token("/token").is_string());
        assert_eq!(has_token, [true, false, true, false]);
        assert_eq!(client.ask("GET /login", "", "").0, 500);
        assert!(!client.ask("GET /login", "", "").2.contains("hidden"));
        let order = json!({ "sku": "A-1", "quantity": 1 });
        let broken = client.json("/orders?fault=broken_json", "", &order).2;
        assert!(serde_json::from_str::<Value>(&broken).is_err());
    });
    if !journal.is_empty() {
        let faults: Vec<_> = journal.iter().filter_map(|line| line["fault"].as_str()).collect();
        let expected = ["missing_token", "missing_token", "server_error", "no_csrf", "broken_json"];
        assert_eq!(faults, expected);
    }
}

#[test]
fn the_journal_holds_what_was_received() {
    let journal = with_shop(&[], |shop| {
        let mut client = Client::connect(shop);
        let id = "Z6-Id: 00-000000000000000f-0000000000000010-00\r\n";
        let order = "{\"sku\": \"A-1\", \"quantity\": 1}";
        let fields = format!("{id}Content-Type: application/json\r\nIdempotency-Key: k\r\n");
        let first = client.ask("POST /orders?a=b", &fields, order);
        let again = Client::connect(shop).ask("POST /orders?a=b", &fields, order);
        assert_eq!(first.2, again.2, "the id of the request makes the id of the order");
        client.ask("GET /nowhere", "", "");
    });
    let Some(line) = journal.first() else { return };
    assert_eq!(journal.len(), 3);
    let figures = ["actor", "step", "population", "status", "number"].map(|name| &line[name]);
    assert_eq!(figures, [15, 16, 0, 201, 1]);
    assert_eq!((&line["route"], &line["target"]), (&json!("POST /orders"), &json!("/orders?a=b")));
    assert_eq!((&line["idempotency_key"], &line["fault"]), (&json!("k"), &Value::Null));
    assert_eq!(line["body"], json!("{\"sku\": \"A-1\", \"quantity\": 1}"));
    assert_eq!(line["body_sha256"].as_str().unwrap().len(), 64);
    assert_eq!((&journal[2]["route"], &journal[2]["status"]), (&json!("none"), &json!(404)));
}
