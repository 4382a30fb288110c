//! Runs through a proxy that does what its script says: what it is asked, what its answers mean, and that
//! its password is in no file.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod tls_support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tls_support::{Answer, Authority, Server, Setup, summary};
use z6::{Finished, ReplayOutcome, Run};
use z6_analysis::checks::check_log;

/// What a proxy does with a connection.
#[derive(Clone)]
enum Script {
    /// Opens a tunnel to the port that it is asked for, on this machine, after so long. Answers other
    /// requests by itself.
    Passes(Duration),
    /// Answers with these bytes, and closes.
    Says(&'static [u8]),
    /// Never answers.
    Waits,
}

/// A proxy on threads of its own, which end with the test.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(script: Script) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, heads) = (script.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream.unwrap(), &script, &heads));
            }
        });
        Proxy { port, heads }
    }

    /// The heads of all requests so far.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn url(&self) -> String {
        format!("http://user:s3cr%65t@127.0.0.1:{}", self.port)
    }
}

fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

fn serve(mut stream: TcpStream, script: &Script, heads: &Mutex<Vec<String>>) {
    stream.set_nodelay(true).unwrap();
    while let Some(head) = head(&mut stream) {
        heads.lock().unwrap().push(head.clone());
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        match script {
            Script::Says(bytes) => {
                // A client that has gone is the client's business.
                let _ = stream.write_all(bytes);
                return;
            }
            // Until the client goes.
            Script::Waits => _ = stream.read(&mut [0]),
            Script::Passes(after) => match head.strip_prefix("CONNECT ") {
                Some(rest) => {
                    std::thread::sleep(*after);
                    let authority = rest.split(' ').next().unwrap();
                    let port: u16 = authority.rsplit(':').next().unwrap().parse().unwrap();
                    return tunnel(stream, TcpStream::connect(("127.0.0.1", port)).unwrap());
                }
                None => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
                }
            },
        }
    }
}

fn tunnel(mut client: TcpStream, mut server: TcpStream) {
    // In two pieces, so that they are read one after the other.
    client.write_all(b"HTTP/1.1 200 Connection est").unwrap();
    client.write_all(b"ablished\r\nX-Proxy: yes\r\n\r\n").unwrap();
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Write);
}

/// Runs it, and looks at its files: the log replays and breaks no rule, and no file has the password.
fn run(text: &str) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let run = Run::from_toml(text).unwrap().results(&results);
    let finished = run.start().unwrap().wait().unwrap();
    let log = results.join("events.z6log");
    let log = z6::Log::open(&log).unwrap();
    let replayed = log.replay().unwrap();
    assert!(matches!(replayed, ReplayOutcome::Identical { .. }), "{replayed:?}");
    let checked = check_log(&mut log.blocks().unwrap(), log.scenario()).unwrap();
    assert!(checked.passed(), "{checked}");
    let leaks = z6_testing::leaks(folder.path(), &["s3cret", "s3cr%65t"]).unwrap();
    assert_eq!(leaks, [""; 0]);
    finished
}

fn kinds(finished: &Finished) -> Vec<(&'static str, u64)> {
    finished.metrics.errors.by_kind.0.iter().map(|(kind, n)| (kind.name(), *n)).collect()
}

/// `user:s3cret`.
const AUTHORIZATION: &str = "Proxy-Authorization: Basic dXNlcjpzM2NyZXQ=\r\n";

/// RFC 9112 §3.2.2. The name of the target is the proxy's to find.
#[test]
fn requests_in_plain_text_have_the_whole_url() {
    let proxy = Proxy::start(Script::Passes(Duration::ZERO));
    let finished = run(&format!(
        "runtime.iterations = 3\n\
         target = {{ base_url = 'http://me:mine@h.invalid:81/api', proxy = '{}', \
         request_id_header = 'Z6-Id' }}\n\
         [[requests]]\nname = 'a'\npath = '/x y?z'\n\
         [[requests]]\nname = 'b'\npath = '/{{{{vu}}}}'\nmethod = 'POST'\nbody = 'hello'\n\
         headers = {{ X-Vu = '{{{{vu}}}}' }}\n\
         [[requests]]\nname = 'c'\npath = '*'\nmethod = 'OPTIONS'\n\
         [sequence]\ntype = 'ordered'\n\
         steps = [{{ request = 'a' }}, {{ request = 'b' }}, {{ request = 'c' }}]\n",
        proxy.url()
    ));
    assert_eq!(finished.metrics.requests.succeeded, 9, "{}", summary(&finished));
    assert_eq!(finished.metrics.connections.opened, 1);
    let heads = proxy.heads();
    for (head, line) in heads.iter().zip([
        "GET http://h.invalid:81/api/x%20y?z HTTP/1.1\r\n",
        "POST http://h.invalid:81/api/0 HTTP/1.1\r\n",
        "OPTIONS http://h.invalid:81 HTTP/1.1\r\n",
    ]) {
        assert!(head.starts_with(&format!("{line}Host: h.invalid:81\r\n")), "{head}");
        assert!(head.contains(AUTHORIZATION), "{head}");
        assert!(head.contains("\r\nAuthorization: Basic bWU6bWluZQ==\r\n"), "{head}");
        assert!(head.contains("\r\nZ6-Id: 00-"), "{head}");
    }
    assert_eq!(heads.len(), 9);
    let sent: usize = heads.iter().map(String::len).sum();
    let bytes = finished.metrics.throughput.bytes_sent;
    assert_eq!(bytes, (sent + 3 * "hello".len()) as u64, "lengths are those of what was sent");
}

/// RFC 9110 §9.3.6. What the tunnel takes counts as connecting, and not as the handshake.
#[test]
fn a_target_with_tls_is_reached_through_a_tunnel() {
    let authority = Authority::root("Trusted");
    let setup = Setup::new(authority.leaf(|_| {}));
    let server = Server::start(setup, Answer::Keep(b"Hello".to_vec()));
    let proxy = Proxy::start(Script::Passes(Duration::from_millis(150)));
    let text = format!(
        "runtime = {{ iterations = 4, vus = 2 }}\nrequests = [{{ name = 'a', path = '/x' }}]\n\
         [target]\nbase_url = 'https://localhost:{}'\nca_bundle = '{}'\nproxy = '{}'\n",
        server.port,
        authority.bundle().display(),
        proxy.url()
    );
    let finished = run(&text);
    assert_eq!(finished.metrics.requests.succeeded, 8, "{}", summary(&finished));
    let connect = &finished.metrics.latency.connect_ns;
    let handshake = &finished.metrics.latency.tls_handshake_ns;
    assert_eq!((connect.count, handshake.count), (2, 2));
    assert!(connect.min >= Some(150_000_000), "{connect:?}");
    // Both are of the same attempts: the handshake begins where the tunnel is open.
    assert!(handshake.max.unwrap() + 150_000_000 <= connect.max.unwrap() + 1, "{handshake:?}");
    let heads = proxy.heads();
    assert_eq!(heads.len(), 2);
    let host = format!("localhost:{}", server.port);
    for head in heads {
        let expected = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{AUTHORIZATION}");
        assert!(head.starts_with(&expected), "{head}");
    }
    assert_eq!(server.seen.names(), [Some("localhost".to_owned()), Some("localhost".to_owned())]);

    let mut outcomes = Vec::new();
    let run = Run::from_toml(&text).unwrap();
    let end = run.trial().run(&mut |moment| outcomes.push(format!("{moment:?}"))).unwrap();
    assert_eq!((end.succeeded, end.failed), (1, 0), "{outcomes:?}");
    assert_eq!(z6_testing::leaks_in(outcomes.concat().as_bytes(), &["s3cret"]), [""; 0]);
}

#[test]
fn an_answer_that_is_no_tunnel_fails_the_attempt() {
    for (says, kind, words) in [
        (
            &b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\n\r\n"[..],
            "proxy_auth",
            "the proxy asks for other credentials (status 407)",
        ),
        (
            b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
            "proxy_refused",
            "the proxy answered CONNECT with status 403",
        ),
        (b"SSH-2.0-x\r\n", "proxy_refused", "did not answer CONNECT in HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "proxy_refused", "did not answer CONNECT in HTTP"),
        (b"", "proxy_refused", "the proxy closed the connection"),
        (b"HTTP/1.1 200 O", "proxy_refused", "the proxy closed the connection"),
    ] {
        let proxy = Proxy::start(Script::Says(says));
        let text = format!(
            "runtime.iterations = 2\nrequests = [{{ name = 'a', path = '/' }}]\n\
             [target]\nbase_url = 'https://h.invalid'\nreconnect_delay_ms = 1\nproxy = '{}'\n",
            proxy.url()
        );
        let finished = run(&text);
        assert_eq!(kinds(&finished), [(kind, 2)], "{}", summary(&finished));
        assert!(summary(&finished).contains(words), "{}", summary(&finished));
        let message = finished.no_target_message().unwrap();
        assert!(message.contains(words), "{message}");
        assert!(message.contains(&format!("127.0.0.1:{}", proxy.port)), "{message}");
        let tried = Run::from_toml(&text).unwrap().trial();
        let mut told = String::new();
        let end = tried.run(&mut |moment| told += &format!("{moment:?}")).unwrap();
        assert_eq!(end.failed, 1);
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_proxy_that_does_not_answer_takes_too_long() {
    let proxy = Proxy::start(Script::Waits);
    let finished = run(&format!(
        "runtime.iterations = 1\nrequests = [{{ name = 'a', path = '/' }}]\n\
         [target]\nbase_url = 'https://h.invalid'\nconnection_timeout_ms = 50\nproxy = '{}'\n",
        proxy.url()
    ));
    assert_eq!(kinds(&finished), [("connect_timeout", 1)]);
}

/// The status of a request that a proxy does not pass on is a status.
#[test]
fn a_proxy_answers_requests_in_plain_text_itself() {
    let proxy = Proxy::start(Script::Says(
        b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ));
    let finished = run(&format!(
        "runtime.iterations = 2\nrequests = [{{ name = 'a', path = '/' }}]\n\
         target = {{ base_url = 'http://h.invalid', proxy = 'http://127.0.0.1:{}' }}\n",
        proxy.port
    ));
    assert_eq!(kinds(&finished), [("status_4xx", 2)]);
    assert!(!proxy.heads()[0].contains("Proxy-Authorization"));
}

/// A redirect to another target through a proxy has the whole URL as well.
#[test]
fn a_redirect_is_asked_of_the_proxy() {
    const TO: &[u8] =
        b"HTTP/1.1 302 Found\r\nLocation: http://two.invalid/b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (one, two) = (Proxy::start(Script::Says(TO)), Proxy::start(Script::Passes(Duration::ZERO)));
    let finished = run(&format!(
        "runtime = {{ iterations = 2, follow_redirects = 1 }}\n\
         requests = [{{ name = 'a', path = '/a', target = 'one' }}]\n\
         targets = [{{ name = 'one', base_url = 'http://one.invalid', proxy = '{}' }}, \
         {{ name = 'two', base_url = 'http://two.invalid', proxy = '{}' }}]\n",
        one.url(),
        two.url()
    ));
    assert_eq!(finished.metrics.requests.succeeded, 2, "{}", summary(&finished));
    let line = "GET http://two.invalid/b HTTP/1.1\r\nHost: two.invalid\r\n";
    let is_whole = |head: &String| head.starts_with(line) && head.contains(AUTHORIZATION);
    assert!(two.heads().iter().all(is_whole), "{:?}", two.heads());
    assert_eq!(two.heads().len(), 2);
}
