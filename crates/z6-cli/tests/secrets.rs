//! Secrets that servers send back, in other forms and in other places: no file and no terminal shows a byte.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use common::{Folder, outcome};
use z6_testing::{leaks, leaks_in};

/// A secret that URLs, JSON and HTML each write in their own way.
const SECRET: &str = "Sesame/42 & more?yes";
/// What the server gives.
const TOKEN: &str = "tok/3n-of-the-server";
const COOKIE: &str = "cookie-9f8e7d";

/// A server that answers a request with a function of its first line, and then closes the connection.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that goes away ends its own exchange.
            let _ = serve(stream, &answer);
        }
    });
    format!("http://{address}")
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str) -> Vec<u8>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    stream.write_all(&answer(head.lines().next().unwrap_or_default()))?;
    stream.shutdown(std::net::Shutdown::Write)?;
    // The client ends it.
    stream.read_to_end(&mut Vec::new()).map(|_| ())
}

/// The path of a request line.
fn path(line: &str) -> &str {
    line.split(' ').nth(1).unwrap_or_default()
}

fn ok(fields: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn scenario(url: &str, requests: &str) -> Folder {
    Folder::new(&format!(
        "runtime = {{ iterations = 1, prng_seed = 7, follow_redirects = 3 }}\n\
         target = {{ base_url = '{url}' }}\n\
         secrets.x = {{ env = 'X' }}\n\
         cookies.scope = 'vu'\n{requests}"
    ))
}

fn z6(folder: &Folder, arguments: &[&str]) -> common::Outcome {
    outcome(folder.z6(arguments).env("X", SECRET))
}

/// Runs it and tries it: no secret is in a file or printed, and what was run is replayed. Returns what the trial
/// and the export of the log print.
#[track_caller]
fn assert_no_leaks(folder: &Folder, secrets: &[&str]) -> (String, String) {
    let ran = z6(folder, &["run", "s.toml", "--output", "out"]);
    let exported = z6(folder, &["export", "out", "--format", "ndjson"]);
    let tried = z6(folder, &["try", "s.toml"]);
    assert_eq!(leaks(&folder.path("out"), secrets).unwrap(), [""; 0]);
    for printed in [&ran.stdout, &ran.stderr, &exported.stdout, &tried.stdout, &tried.stderr] {
        assert_eq!(leaks_in(printed.as_bytes(), secrets), [""; 0], "{printed}");
    }
    z6(folder, &["replay", "out"]).expect(0);
    (tried.stdout, exported.stdout)
}

#[test]
fn a_url_with_a_secret_is_not_logged() {
    let url = server(|line| {
        match path(line) {
        "/plain" => ok("", ""),
        path if path.contains("/again") => ok("", ""),
        path => format!("HTTP/1.1 302 Found\r\nLocation: {path}/again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .into_bytes(),
    }
    });
    let folder = scenario(
        &url,
        "[[requests]]\nname = 'a'\npath = '/{{secret.x}}'\nextract.u = { url = true }\n\
         [[requests]]\nname = 'b'\npath = '/plain'\nextract.v = { value = '{{u}}' }\nextract.w = { url = true }\n\
         [sequence]\nsteps = [{ request = 'a' }, { request = 'b' }]\n",
    );
    let (tried, exported) = assert_no_leaks(&folder, &[SECRET]);
    assert!(tried.contains("\n  u = ‹u›\n") && tried.contains("\n  v = ‹v›\n"), "{tried}");
    assert!(tried.contains(&format!("\n  w = \"{url}/plain\"\n")), "{tried}");
    assert!(exported.contains("withheld") && exported.contains("/plain"), "{exported}");
}

/// A server that sends back what it was sent: what is extracted from it is withheld where a secret is in it, in any
/// form, whatever the scenario says of the variable.
#[test]
fn an_echo_of_a_secret_is_withheld() {
    let url = server(|line| {
        let fields = format!(
            "X-Path: {}\r\nX-Coded: U2VzYW1lLzQyICYgbW9yZT95ZXM=\r\nX-T: {TOKEN}\r\n",
            path(line)
        );
        ok(&fields, &format!("<{TOKEN}>"))
    });
    let folder = scenario(
        &url,
        "[[requests]]\nname = 'a'\npath = '/p/{{secret.x}}'\n\
         extract.t = { header = 'X-T', secret = true }\n\
         extract.v = { header = 'X-Path' }\nextract.w = { header = 'X-Coded' }\n\
         extract.u = { body = true }\nextract.plain = { status = true }\n",
    );
    let (tried, exported) = assert_no_leaks(&folder, &[SECRET, TOKEN]);
    for name in ["t", "v", "w", "u"] {
        assert!(tried.contains(&format!("\n  {name} = ‹{name}›\n")), "{name}: {tried}");
    }
    assert!(tried.contains("\n  plain = 200\n"), "{tried}");
    assert_eq!(exported.matches("withheld").count(), 4, "{exported}");
}

/// The same of columns of a data file, of cookies, and of what set-up has extracted as secret.
#[test]
fn an_echo_of_a_column_a_cookie_or_a_value_of_set_up_is_withheld() {
    const PASSWORD: &str = "data-pw-998877";
    let url = server(|line| {
        let asked = path(line);
        let cookie = format!("Set-Cookie: sid={COOKIE}; Path=/\r\n");
        match asked {
            "/token" => ok("", TOKEN),
            "/set" => ok(&cookie, &format!("={COOKIE}")),
            "/coded" => ok("X-Coded: bG9hZDpkYXRhLXB3LTk5ODg3Nw==\r\n", ""),
            "/cookie" => ok(&format!("X-Cookie: pre-{COOKIE}\r\n"), ""),
            "/go" => format!(
                "HTTP/1.1 302 Found\r\nLocation: /end?s={COOKIE}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .into_bytes(),
            _ => ok(&format!("X-Path: {asked}\r\nX-Token: {TOKEN}\r\n"), ""),
        }
    });
    let folder = scenario(
        &url,
        "[[data]]\nname = 'd'\nfile = 'd.csv'\nsecret = ['pw']\n\
         [setup]\nsequence = 'first'\n[[sequences]]\nname = 'first'\nsteps = [{ request = 'token' }]\n\
         [[requests]]\nname = 'token'\npath = '/token'\nextract.tok = { body = true, secret = true }\n\
         [[requests]]\nname = 'set'\npath = '/set'\nextract.same = { body = true }\n\
         [[requests]]\nname = 'pw'\npath = '/p?{{d.pw}}'\nauth = { bearer = '{{run.tok}}' }\n\
         extract.p = { header = 'X-Path' }\nextract.t = { header = 'X-Token' }\n\
         [[requests]]\nname = 'coded'\npath = '/coded'\n\
         auth = { basic = { user = 'load', password = '{{d.pw}}' } }\nextract.c = { header = 'X-Coded' }\n\
         [[requests]]\nname = 'cookie'\npath = '/cookie'\nextract.k = { header = 'X-Cookie' }\n\
         [[requests]]\nname = 'go'\npath = '/go'\nextract.u = { url = true }\n\
         [[requests]]\nname = 'use'\npath = '/use?{{k}}'\nextract.plain = { status = true }\n\
         [sequence]\nsteps = ['set', 'pw', 'coded', 'cookie', 'go', 'use']\n"
            .replace("['set', 'pw', 'coded', 'cookie', 'go', 'use']",
                "[{ request = 'set' }, { request = 'pw' }, { request = 'coded' }, { request = 'cookie' }, \
                  { request = 'go' }, { request = 'use' }]")
            .as_str(),
    );
    std::fs::write(folder.path("d.csv"), format!("id,pw\n1,{PASSWORD}\n")).unwrap();
    let (tried, exported) = assert_no_leaks(&folder, &[PASSWORD, COOKIE, TOKEN]);
    for name in ["same", "p", "t", "c", "k", "u"] {
        assert!(tried.contains(&format!("\n  {name} = ‹{name}›\n")), "{name}: {tried}");
    }
    assert!(tried.contains("\n> GET /use?‹k› HTTP/1.1\n"), "{tried}");
    assert!(tried.contains("\n  plain = 200\n"), "{tried}");
    // Set-up is no part of the export.
    assert_eq!(exported.matches("withheld").count(), 6, "{exported}");
    let curl = z6(&folder, &["try", "s.toml", "--curl"]).expect(0).stdout;
    assert_eq!(leaks_in(curl.as_bytes(), &[PASSWORD, COOKIE, TOKEN]), [""; 0], "{curl}");
}

#[test]
fn a_redirect_that_is_not_followed_shows_no_secret() {
    for (location, words) in [
        ("http://evil.example{path}", "redirect_refused, http://evil.example/‹secret.x›"),
        ("ftp://evil.example{path}", "bad_location, "),
        ("http://evil.example/x/{path}", "redirect_refused, http://evil.example/x/"),
        ("{path}", "too_many_redirects, "),
        // It would be cut in the middle.
        (
            "http://evil.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{path}",
            "redirect_refused, ",
        ),
    ] {
        let url = server(move |line| {
            let location = location.replace("{path}", path(line));
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .into_bytes()
        });
        let folder = scenario(&url, "requests = [{ name = 'a', path = '/{{secret.x}}' }]\n");
        let (tried, _) = assert_no_leaks(&folder, &[SECRET, "Sesame"]);
        assert!(tried.contains(&format!("FAILED: {words}")), "{tried}");
    }
}

#[test]
fn cookies_are_logged_only_if_the_scenario_says_so() {
    let requests = |more: &str| {
        format!(
            "[[requests]]\nname = 'a'\npath = '/'\n\
             extract.c = {{ cookie = 'sid' {more} }}\n\
             extract.h = {{ header = 'Set-Cookie', regex = '=([^;]*)' {more} }}\n"
        )
    };
    let url = server(|_| ok(&format!("Set-Cookie: sid={COOKIE}; Path=/\r\n"), COOKIE));
    let (tried, _) = assert_no_leaks(&scenario(&url, &requests("")), &[COOKIE]);
    assert!(tried.contains("  c = ‹c›\n  h = ‹h›\n"), "{tried}");
    let folder = scenario(&url, &requests(", secret = false"));
    z6(&folder, &["run", "s.toml", "--output", "out"]).expect(0);
    let exported = z6(&folder, &["export", "out", "--format", "ndjson"]).expect(0);
    assert!(exported.stdout.contains(COOKIE), "{}", exported.stdout);
}

/// What `z6 try` prints of a response, which `extra` requests read.
#[track_caller]
fn tried(response: Vec<u8>, request: &str, flags: &[&str]) -> String {
    let url = server(move |_| response.clone());
    let folder = scenario(&url, &format!("[[requests]]\nname = 'a'\npath = '/'\n{request}"));
    z6(&folder, &[&["try", "s.toml"], flags].concat()).stdout
}

#[test]
fn a_response_that_failed_is_shown_like_any_other() {
    let sent = "headers = { A = '{{secret.x}}' }\n";
    let cases = [
        // A body that is cut, in the middle of the secret.
        format!("Set-Cookie: sid={COOKIE}\r\nContent-Length: 999\r\n\r\n{SECRET} Sesame/42 & mo"),
        // A chunk that is none, after one that ends in the middle of it.
        format!(
            "Set-Cookie: sid={COOKIE}\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nSesame\r\n7\r\n/42 & m\r\n7\r\nore?yes\r\nzz\r\n{SECRET}"
        ),
        // Fields that are none.
        format!("Set-Cookie : sid={COOKIE}\r\nContent-Length: 0\r\n\r\n"),
        format!("Set-Cookie: a=b;\r\n sid={COOKIE}\r\nContent-Length: x\r\n\r\n"),
        format!("Authorization: Bearer {COOKIE}\r\nX-Echo: {SECRET}\r\nContent-Length: -1\r\n\r\n"),
        format!("X: y\rSet-Cookie: sid={COOKIE}\r\nContent-Length: 0\r\n\r\n"),
        format!("Set-Cookie sid={COOKIE}\r\nContent-Length: 0\r\n\r\n"),
        // A head that does not end.
        format!("X-Long: y\r\nSet-Cookie: sid={COOKIE}"),
    ];
    for case in cases {
        let response = format!("HTTP/1.1 200 OK {SECRET}\r\n{case}").into_bytes();
        let shown = tried(response.clone(), sent, &[]);
        assert!(shown.contains("< HTTP/1.1 200 OK ‹secret.x›\n"), "{case}:\n{shown}");
        assert!(shown.contains("  FAILED: "), "{case}:\n{shown}");
        assert_eq!(leaks_in(shown.as_bytes(), &[SECRET, COOKIE]), [""; 0], "{case}:\n{shown}");
        assert!(!shown.contains("Sesame"), "{case}:\n{shown}");
        let shown = tried(response, sent, &["--show-secrets"]);
        assert!(!shown.contains('‹'), "{shown}");
    }
    // A value that would have been extracted.
    let response = format!(
        "HTTP/1.1 200 OK\r\nX-T: {TOKEN}\r\nContent-Length: 999\r\n\r\n{{\"t\":\"{TOKEN}\""
    );
    let extracts = "extract.a = { header = 'X-T', secret = true }\nextract.b = { json = '$.t', secret = true }\n";
    let shown = tried(response.into_bytes(), extracts, &[]);
    assert!(
        !shown.contains("tok/3n") && shown.contains("(not shown: a secret may stand in it)"),
        "{shown}"
    );
    // 4 KiB are shown.
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{}", "x".repeat(9000));
    let shown = tried(long.clone().into_bytes(), "", &[]);
    assert!(
        shown.len() < 6000 && shown.contains("(4,904 bytes more: --whole shows them)"),
        "{shown}"
    );
    let shown = tried(long.into_bytes(), "", &["--whole"]);
    assert!(shown.contains(&"x".repeat(9000)), "{shown}");
}

#[test]
fn what_is_extracted_as_secret_is_hidden_wherever_it_stands() {
    let json = "extract.t = { json = '$.t', secret = true }\n";
    let base64 = "dG9rLzNuLW9mLXRoZS1zZXJ2ZXI=";
    for (request, fields, body) in [
        // No other request uses them.
        (
            "extract.t = { header = 'X-T', secret = true }\n",
            format!("X-T: {TOKEN}\r\n"),
            "x".to_owned(),
        ),
        (json, String::new(), format!("{{\"t\":\"{TOKEN}\"}}")),
        // Other forms in the same response.
        (
            json,
            String::new(),
            format!("{{\"t\":\"{TOKEN}\",\"u\":\"tok\\/3n-of-the-server\",\"b\":\"{base64}\"}}"),
        ),
        (
            json,
            format!("X-U: {base64}\r\n"),
            format!("{{\"t\":\"{TOKEN}\",\"u\":\"tok%2f3n-of-the-server\"}}"),
        ),
        (
            json,
            String::new(),
            format!("{{\"t\":\"{TOKEN}\",\"u\":\"tok\\u002f3n-of-the-server\"}}"),
        ),
        // What is extracted from there is no secret by itself.
        (
            "extract.t = { json = '$.t', secret = true }\nextract.u = { json = '$.b' }\n",
            String::new(),
            format!("{{\"t\":\"{TOKEN}\",\"b\":\"{base64}\"}}"),
        ),
        // Items of a list.
        (
            "extract.t = { json = '$.t[*]', select = 'all', secret = true }\n",
            String::new(),
            format!("{{\"t\":[\"{TOKEN}\"],\"u\":\"{TOKEN}\"}}"),
        ),
        // Not extracted, because the request fails.
        (
            "extract.t = { json = '$.t', secret = true }\nexpect_status = [201]\n",
            String::new(),
            format!("{{\"t\":\"{TOKEN}\"}}"),
        ),
    ] {
        let shown = tried(ok(&fields, &body), request, &[]);
        assert_eq!(leaks_in(shown.as_bytes(), &[TOKEN]), [""; 0], "{body}:\n{shown}");
        assert!(!shown.contains("3n-of"), "{body}:\n{shown}");
        assert!(shown.contains("‹t›") || shown.contains("(not shown"), "{body}:\n{shown}");
    }
    // Very short ones.
    let shown = tried(ok("X-Pin: 7\r\n", "{\"t\":7,\"u\":\"a7\"}"), json, &[]);
    assert!(shown.contains("\n< X-Pin: ‹t›\n"), "{shown}");
    assert!(shown.contains("\n< {\"t\":‹t›,\"u\":\"a‹t›\"}\n"), "{shown}");
    // Where nothing is found nothing is hidden.
    let shown = tried(ok("", "{\"error\":\"no\"}"), &format!("{json}expect_status = [201]\n"), &[]);
    assert!(shown.contains("< {\"error\":\"no\"}\n"), "{shown}");
}

#[test]
fn of_a_large_body_the_beginning_is_shown() {
    let mut body = "ü".repeat(700_000);
    body.insert(0, 'x');
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for response in [ok("", &body), chunked.into_bytes()] {
        let shown = tried(response.clone(), "", &[]);
        assert!(shown.contains("< xüü") && shown.len() < 7000, "{}", shown.len());
        assert!(shown.contains("\n< (more came, and was not kept)\n"), "{}", shown.len());
        assert!(shown.contains(" bytes more: --whole shows them)\n"), "{}", shown.len());
        let shown = tried(response, "", &["--whole"]);
        assert!((1_000_000..1_060_000).contains(&shown.len()), "{}", shown.len());
        assert!(shown.contains("\n< (more came, and was not kept)\n"));
    }
}
