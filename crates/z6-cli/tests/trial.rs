//! `z6 try`: what is shown of one iteration, and what it ends with.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use common::Folder;

const SCENARIO: &str = "
runtime = { iterations = 3, vus = 5, prng_seed = 7, follow_redirects = 1 }
target.base_url = 'builtin'

[[requests]]
name = 'login'
method = 'POST'
path = '/login'
headers = { 'Content-Type' = 'application/json', Authorization = 'Bearer abcdef', Cookie = 'a=b; c=d' }
body = '''{\"user\": \"it's me\", \"password\": \"p\"}'''

[[requests]]
name = 'page'
path = '/chunked/26'

[[requests]]
name = 'gone'
path = '/status/404'

[sequence]
steps = [{ request = 'login' }, { request = 'page', repeat = 2 }, { request = 'gone' }]
";

#[test]
fn requests_and_responses_are_shown_in_order() {
    let folder = Folder::new(SCENARIO);
    let tried = folder.run(&["try", "s.toml", "--vu", "4", "--iteration", "2"]).expect(1);
    let headings: Vec<&str> = tried.stdout.lines().filter(|line| line.contains("(VU 4")).collect();
    let heading =
        |name, step| format!("{name} (VU 4, iteration 2, step {step}) to http://127.0.0.1:");
    let expected =
        [heading("login", 8), heading("page", 9), heading("page", 10), heading("gone", 11)];
    assert_eq!(headings.len(), 4, "{}", tried.stdout);
    assert!(headings.iter().zip(&expected).all(|(line, start)| line.starts_with(start.as_str())));
    for line in [
        "> POST /login HTTP/1.1",
        "> {\"user\": \"it's me\", \"password\": \"p\"}",
        "< {\"user\":\"it's me\"}",
        "> GET /chunked/26 HTTP/1.1",
        "< abcdefghijklmnopqrstuvwxyz",
        "< HTTP/1.1 404 Not Found",
    ] {
        assert!(tried.stdout.lines().any(|shown| shown == line), "{line}:\n{}", tried.stdout);
    }
    assert_eq!(tried.stdout.matches("  succeeded with 200, ").count(), 3);
    assert!(tried.stdout.contains("  FAILED: status_4xx, status 404, "), "{}", tried.stdout);
    assert_eq!(tried.stderr, "3 succeeded, 1 failed\n");
}

#[test]
fn credentials_and_cookies_are_shown_if_asked_for() {
    let folder = Folder::new(SCENARIO);
    let masked = folder.run(&["try", "s.toml"]).expect(1).stdout;
    for line in [
        "> Authorization: Bearer ‹credentials›",
        "> Cookie: a=‹cookie›; c=‹cookie›",
        "< Set-Cookie: session=‹cookie›; Path=/; HttpOnly; SameSite=Lax",
    ] {
        assert!(masked.lines().any(|shown| shown == line), "{line}:\n{masked}");
    }
    assert!(!masked.contains("abcdef\n") && !masked.contains("a=b"), "{masked}");
    let shown = folder.run(&["try", "s.toml", "--show-secrets"]).expect(1).stdout;
    assert!(shown.contains("\n> Authorization: Bearer abcdef\n> Cookie: a=b; c=d\n"), "{shown}");
    assert!(!shown.contains('‹'), "{shown}");
}

#[test]
fn requests_become_commands_for_curl() {
    let folder = Folder::new(SCENARIO);
    let tried = folder.run(&["try", "s.toml", "--curl", "--show-secrets"]).expect(1);
    let lines: Vec<&str> = tried.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", tried.stdout);
    let login = "curl -i -X 'POST' -H 'User-Agent: z6/";
    assert!(lines[0].starts_with(login), "{}", lines[0]);
    let body = " -H 'Cookie: a=b; c=d' --data-binary '{\"user\": \"it'\\''s me\", \"password\": \"p\"}' 'http://";
    assert!(lines[0].contains(body) && lines[0].ends_with("/login'"), "{}", lines[0]);
    assert!(lines[1].ends_with("/chunked/26'") && !lines[1].contains("-X"), "{}", lines[1]);
}

#[test]
fn a_long_body_is_cut_and_others_than_texts_are_counted() {
    let scenario = SCENARIO.replace("/chunked/26", "/bytes/5000").replace("404", "200");
    let folder = Folder::new(&scenario);
    let cut = folder.run(&["try", "s.toml"]).expect(0);
    assert!(cut.stdout.contains("\n< (904 bytes more: --whole shows them)\n"), "{}", cut.stdout);
    assert_eq!(cut.stderr, "4 succeeded, 0 failed\n");
    let whole = folder.run(&["try", "s.toml", "--whole"]).expect(0);
    assert!(whole.stdout.lines().any(|line| line.len() == 5002), "{}", whole.stdout);
}

#[test]
fn a_server_that_is_not_there_is_a_failure() {
    let folder = Folder::new(SCENARIO);
    let tried = folder.run(&["try", "s.toml", "--target", "http://127.0.0.1:1"]).expect(1);
    let first = "login (VU 0, iteration 0, step 0)\n  FAILED: connection_refused, ";
    assert!(tried.stdout.starts_with(first), "{}", tried.stdout);
    assert_eq!(tried.stderr, "0 succeeded, 4 failed\n");
}

const JOURNEY: &str = "
runtime = { iterations = 1, prng_seed = 7 }
target = { base_url = 'builtin' }

[[requests]]
name = 'login'
method = 'POST'
path = '/login'
headers = { 'Content-Type' = 'application/json', Authorization = 'Bearer abcdef' }
body = '''{\"user\": \"it's me\", \"password\": \"p\"}'''

[[requests]]
name = 'page'
path = '/chunked/26'
extract = { letters = { regex = 'w(xyz)' } }

[[requests]]
name = 'close'
path = '/close'

[[requests]]
name = 'echo'
method = 'POST'
path = '/echo'
headers = { 'Content-Type' = 'text/plain' }
body = '{{letters}}'

[sequence]
steps = [{ request = 'login' }, { request = 'page' }, { request = 'close' }, { request = 'echo' }]
";

/// Over HTTP/2 the same is shown, in its words. GOAWAY before the last request leads to another connection.
#[test]
fn a_journey_is_tried_over_http2() {
    for (keys, flag) in [
        ("http_version = 'http2-prior-knowledge'", "--http2-prior-knowledge"),
        ("tls = true, http_version = 'http2'", "--http2"),
        ("tls = true, http_version = 'auto'", "--http2"),
    ] {
        let target = format!("'builtin', {keys} }}");
        let folder = Folder::new(&JOURNEY.replace("'builtin' }", &target));
        let tried = folder.run(&["try", "s.toml"]).expect(0);
        for line in [
            "> POST /login HTTP/2",
            "> authorization: Bearer ‹credentials›",
            "> {\"user\": \"it's me\", \"password\": \"p\"}",
            "< HTTP/2 200",
            "< set-cookie: session=‹cookie›; Path=/; HttpOnly; SameSite=Lax",
            "< {\"user\":\"it's me\"}",
            "> GET /chunked/26 HTTP/2",
            "< abcdefghijklmnopqrstuvwxyz",
            "  letters = \"xyz\"",
            "> POST /echo HTTP/2",
            "> xyz",
            "< xyz",
        ] {
            assert!(tried.stdout.lines().any(|shown| shown == line), "{line}:\n{}", tried.stdout);
        }
        assert_eq!(tried.stderr, "4 succeeded, 0 failed\n");
        let curl = folder.run(&["try", "s.toml", "--curl"]).expect(0).stdout;
        let start = format!("curl -i {flag} -X 'POST' -H 'user-agent: ");
        assert!(curl.starts_with(&start), "{curl}");
    }
}

#[test]
fn interim_responses_and_trailer_fields_are_shown_without_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let mut stream = listener.accept().unwrap().0;
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            let response = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
                X-Sum: 17\r\nX-Key: a-secret-key\r\n\r\n";
            stream.write_all(response).unwrap();
        }
    });
    let folder = Folder::new(&format!(
        "target.base_url = 'http://{address}'\nruntime.iterations = 1\n\
         requests = [{{ name = 'a', path = '/', extract.key = {{ trailer = 'X-Key', secret = true }} }}]\n"
    ));
    let tried = folder.run(&["try", "s.toml"]).expect(0).stdout;
    let shown = "\n< hi\n< (trailer fields)\n< X-Sum: 17\n< X-Key: ‹key›\n  key = ‹key›\n";
    let interim = "\n< HTTP/1.1 103 Early Hints\n< Link: </a.css>\n<\n< HTTP/1.1 200 OK\n";
    assert!(tried.contains(interim), "{tried}");
    assert!(tried.contains(shown) && !tried.contains("a-secret-key"), "{tried}");
    let whole = folder.run(&["try", "s.toml", "--show-secrets"]).expect(0).stdout;
    assert!(whole.contains("\n< X-Key: a-secret-key\n"), "{whole}");
    server.join().unwrap();
}

#[test]
fn a_failure_ends_the_iteration_if_the_scenario_says_so() {
    let scenario = SCENARIO
        .replace("[sequence]", "[sequence]\non_failure = 'end_iteration'")
        .replace("/login", "/status/500");
    let folder = Folder::new(&scenario);
    let tried = folder.run(&["try", "s.toml"]).expect(1);
    assert_eq!(tried.stderr, "0 succeeded, 1 failed\n", "{}", tried.stdout);
}

#[test]
fn parameters_are_set_as_for_a_run() {
    let text = "parameters.x = 'default'\ntarget.base_url = 'builtin'\nruntime.iterations = 1\n\
                requests = [{ name = 'a', path = '/hello/{{param.x}}' }]\n";
    let folder = Folder::new(text);
    for (arguments, line) in [
        (&["try", "s.toml"][..], "> GET /hello/default HTTP/1.1\n"),
        (&["try", "s.toml", "--param", "x=set"], "> GET /hello/set HTTP/1.1\n"),
    ] {
        let tried = folder.run(arguments);
        assert!(tried.stdout.contains(line), "{}", tried.stdout);
    }
}

#[test]
fn the_steps_of_any_population_are_tried() {
    let users = |name: &str, vus: u32| {
        format!(
            "[[populations]]\nname = '{name}'\nschedule = {{ type = 'constant', vus = {vus} }}\n\
             sequence = '{name}'\n[[sequences]]\nname = '{name}'\nsteps = [{{ request = '{name}' }}]\n\
             [[requests]]\nname = '{name}'\npath = '/hello?{name}'\n"
        )
    };
    let head = "runtime.duration_seconds = 1\ntarget.base_url = 'builtin'\n";
    let folder = Folder::new(&format!("{head}{}{}", users("one", 1), users("two", 3)));
    let tried = folder.run(&["try", "s.toml"]).expect(0).stdout;
    assert!(tried.starts_with("one (VU 0, iteration 0, step 0) to "), "{tried}");
    let tried = folder.run(&["try", "s.toml", "--population", "two", "--vu", "2"]).expect(0).stdout;
    assert!(tried.starts_with("two (two, VU 2, iteration 0, step 0) to "), "{tried}");
    assert!(tried.contains("> GET /hello?two HTTP/1.1"), "{tried}");
    let wrong = folder.run(&["try", "s.toml", "--population", "three"]).expect(2).stderr;
    assert!(wrong.contains("there is no population three: there are one, two"), "{wrong}");
    folder.run(&["try", "s.toml", "--population", "one", "--vu", "2"]).expect(2);
}

#[test]
fn only_what_the_scenario_has_is_tried() {
    let folder = Folder::new(SCENARIO);
    let tried = folder.run(&["try", "s.toml", "--iteration", "3"]).expect(2);
    assert!(tried.stderr.contains("VU 0 has 3 iterations"), "{}", tried.stderr);
    let tried = folder.run(&["try", "s.toml", "--vu", "5"]).expect(2);
    assert!(tried.stderr.contains("this scenario has 5 VUs, numbered from 0"), "{}", tried.stderr);
}
