//! What a run puts on the wire, and where: each request as the server sees it, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use wire::{Seen, Server, errors, ok, response, run, run_in};
use z6::Finished;

/// One VU, one request; `target` begins with its `base_url`, `request` with what follows the path.
fn once(target: &str, request: &str) -> String {
    format!(
        "[runtime]\niterations = 1\n[target]\nbase_url = {target}\nreconnect_delay_ms = 1\n\
         [[requests]]\nname = 'r'\n{request}\n"
    )
}

fn succeeded(finished: &Finished) -> u64 {
    let requests = &finished.metrics.requests;
    assert_eq!(requests.failed, 0, "{:?}", errors(finished));
    requests.succeeded
}

/// The one request of a run.
fn only(server: &Server) -> Seen {
    let mut seen = server.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

#[test]
fn heads_are_as_written() {
    let (server, address) = Server::tcp(|_| ok());
    let agent = concat!("z6/", env!("CARGO_PKG_VERSION"));
    let origin = format!("'http://{address}/v%201/'");
    for (request, expected) in [
        (
            "path = '/a?b=c'",
            format!("GET /v%201/a?b=c HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {agent}\r\n\r\n"),
        ),
        (
            "path = '*'\nmethod = 'OPTIONS'",
            format!("OPTIONS * HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {agent}\r\n\r\n"),
        ),
        (
            "path = '/'\nmethod = 'M-SEARCH'\nheaders = { 'user-AGENT' = 'me' }",
            format!("M-SEARCH /v%201/ HTTP/1.1\r\nHost: {address}\r\nuser-AGENT: me\r\n\r\n"),
        ),
        (
            "path = '/'\nmethod = 'get'\nheaders = { z-Last = '1', hOst = 'other.example', A-first = '2' }",
            format!(
                "get /v%201/ HTTP/1.1\r\nhOst: other.example\r\nUser-Agent: {agent}\r\nz-Last: 1\r\nA-first: 2\r\n\r\n"
            ),
        ),
        (
            "path = '/'\nmethod = 'POST'",
            format!(
                "POST /v%201/ HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
            ),
        ),
    ] {
        assert_eq!(succeeded(&run(&once(&origin, request))), 1, "{request}");
        assert_eq!(only(&server).head, expected);
    }
}

#[test]
fn the_answer_to_head_has_no_body_whatever_its_length_says() {
    let (server, address) = Server::tcp(|seen| {
        assert!(seen.asked().starts_with("HEAD "));
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec()
    });
    let text = once(&format!("'http://{address}'"), "path = '/'\nmethod = 'HEAD'");
    assert_eq!(succeeded(&run(&text.replace("iterations = 1", "iterations = 5"))), 5);
    assert_eq!(server.accepted(), 1, "the connection stays usable");
}

#[test]
fn user_information_is_sent_as_authorization_and_shown_nowhere() {
    let (server, address) = Server::tcp(|_| ok());
    let folder = tempfile::tempdir().unwrap();
    let origin = format!("'http://us%65r:s3cret%40pass@{address}'");
    assert_eq!(succeeded(&run(&once(&origin, "path = '/'"))), 1);
    let seen = only(&server);
    assert_eq!(seen.field("Authorization"), ["Basic dXNlcjpzM2NyZXRAcGFzcw=="]);
    assert_eq!(seen.field("Host"), [address.to_string()]);
    let own = "path = '/'\nheaders = { authorization = 'Bearer x' }";
    assert_eq!(succeeded(&run(&once(&origin, own))), 1);
    assert_eq!(only(&server).field("Authorization"), ["Bearer x"]);

    let results = folder.path().join("results");
    let overrides = z6::Overrides {
        target: Some(format!("http://other:s3cret@{address}")),
        ..z6::Overrides::default()
    };
    let run = z6::Run::from_toml(&once(&origin, "path = '/'")).unwrap().overrides(overrides);
    run.results(&results).start().unwrap().wait().unwrap();
    assert_eq!(only(&server).field("Authorization"), ["Basic b3RoZXI6czNjcmV0"]);
    let mut told = 0;
    for entry in std::fs::read_dir(&results).unwrap() {
        let (name, path) = entry.map(|entry| (entry.file_name(), entry.path())).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let tells = ["s3cret", "b3RoZXI6"]
            .iter()
            .any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        let has_the_text = name == "scenario.toml" || name == "events.z6log";
        assert_eq!(tells, has_the_text, "{name:?}");
        told += u32::from(tells);
    }
    assert_eq!(told, 2);
}

#[test]
fn connect_to_and_resolve_change_where_and_not_what() {
    let (server, address) = Server::tcp(|_| ok());
    let port = address.port();
    for (target, host) in [
        (format!("'http://api.invalid'\nconnect_to = '{address}'"), "api.invalid".to_owned()),
        (format!("'http://api.invalid:81'\nconnect_to = '{address}'"), "api.invalid:81".to_owned()),
        (
            format!("'http://api.invalid:{port}'\nconnect_to = '127.0.0.1'"),
            format!("api.invalid:{port}"),
        ),
        (
            format!("'http://api.invalid:81'\nconnect_to = 'localhost:{port}'"),
            "api.invalid:81".to_owned(),
        ),
        (
            format!("'http://api.invalid:{port}'\nresolve = ['127.0.0.1']"),
            format!("api.invalid:{port}"),
        ),
        (
            format!("'http://10.255.255.1:82'\nconnect_to = '{address}'"),
            "10.255.255.1:82".to_owned(),
        ),
    ] {
        let finished = run(&once(&target, "path = '/'"));
        assert_eq!(succeeded(&finished), 1, "{target}");
        assert_eq!(only(&server).field("Host"), [host], "{target}");
        assert_eq!(finished.header.addresses[0].addresses.last(), Some(&address.to_string()));
    }
}

#[test]
fn all_addresses_of_resolve_are_used_in_turn() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let (server, address) = Server::on(listener, |_| ok());
    let target = format!(
        "'http://api.invalid:{}'\nresolve = ['127.0.0.2', '127.0.0.3']\nconnection_reuse = 'none'",
        address.port()
    );
    let text = once(&target, "path = '/'").replace("iterations = 1", "iterations = 4");
    let finished = run(&text);
    assert_eq!(succeeded(&finished), 4);
    assert_eq!(finished.header.addresses[0].addresses.len(), 2);
    let mut to: Vec<String> =
        server.seen().iter().map(|seen| seen.local.unwrap().ip().to_string()).collect();
    to.sort();
    assert_eq!(to, ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]);
}

#[test]
fn source_addresses_are_used_in_turn() {
    let (server, address) = Server::tcp(|_| ok());
    let target = format!(
        "'http://{address}'\nconnection_reuse = 'none'\n\
         source_addresses = ['127.0.0.5', '127.0.0.6', '127.0.0.7']"
    );
    let text = once(&target, "path = '/'").replace("iterations = 1", "iterations = 6");
    assert_eq!(succeeded(&run(&text)), 6);
    let mut from: Vec<String> =
        server.seen().iter().map(|seen| seen.peer.unwrap().ip().to_string()).collect();
    from.sort();
    let twice = ["127.0.0.5", "127.0.0.5", "127.0.0.6", "127.0.0.6", "127.0.0.7", "127.0.0.7"];
    assert_eq!(from, twice);
}

#[test]
fn ipv6_literals_stand_in_brackets() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let (server, address) = Server::on(listener, |_| ok());
    let port = address.port();
    let target = format!("'http://[0:0::1]:{port}'");
    assert_eq!(succeeded(&run(&once(&target, "path = '/'"))), 1);
    assert_eq!(only(&server).field("Host"), [format!("[::1]:{port}")]);
    let target = format!("'http://name.invalid'\nconnect_to = '[::1]:{port}'");
    assert_eq!(succeeded(&run(&once(&target, "path = '/'"))), 1);
    assert_eq!(only(&server).field("Host"), ["name.invalid"]);
}

#[test]
fn unix_sockets_carry_requests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::unix(&path, |seen| response(200, "", &"x".repeat(seen.body.len())));
    let place = format!("unix:{}", path.display());
    for (target, host) in [
        (format!("'{place}'"), "localhost"),
        (format!("'http://api.invalid:81'\nconnect_to = '{place}'"), "api.invalid:81"),
    ] {
        let body = "b".repeat(3_000_000);
        let text = once(&target, &format!("path = '/'\nmethod = 'PUT'\nbody = '{body}'"));
        let finished = run(&text.replace("iterations = 1", "iterations = 4\nvus = 3"));
        assert_eq!(succeeded(&finished), 12);
        assert_eq!(finished.header.addresses[0].addresses, std::slice::from_ref(&place));
        assert!(finished.metrics.throughput.bytes_received > 12 * 3_000_000);
        for seen in server.seen() {
            assert_eq!((seen.field("Host"), seen.body.len()), (vec![host], 3_000_000));
        }
    }
    assert_eq!(server.accepted(), 6, "each VU keeps its connection");
}

#[test]
fn what_is_wrong_with_a_unix_socket_has_a_kind() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Bound and closed again: the file stays, but no server listens.
    drop(UnixListener::bind(at("closed")).unwrap());
    std::fs::write(at("file"), "no socket").unwrap();
    for (name, kind) in [
        ("missing", "socket_missing"),
        ("file/below", "socket_missing"),
        ("closed", "connection_refused"),
        ("file", "connection_refused"),
    ] {
        let target = format!("'unix:{}'", at(name).display());
        let finished = run(&once(&target, "path = '/'"));
        assert_eq!(errors(&finished), [(kind.to_owned(), 1)], "{name}");
        assert_eq!(finished.metrics.connections.failed, 1);
    }
}

#[test]
fn a_unix_socket_whose_queue_is_full_has_a_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.sock");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    // The queue holds one.
    let _first = UnixStream::connect(&path).unwrap();
    let finished = run(&once(&format!("'unix:{}'", path.display()), "path = '/'"));
    assert_eq!(errors(&finished), [("accept_queue_full".to_owned(), 1)]);
}

#[test]
fn the_server_sees_the_connections_that_connection_reuse_asks_for() {
    // 2 VUs, 3 iterations each, of 2 requests.
    for (reuse, connections) in [("per_vu", 2), ("iteration", 6), ("none", 12)] {
        let (server, address) = Server::tcp(|_| ok());
        let text = format!(
            "[runtime]\nvus = 2\niterations = 3\n[target]\nbase_url = 'http://{address}'\n\
             connection_reuse = '{reuse}'\n[[requests]]\nname = 'a'\npath = '/a'\n\
             [[requests]]\nname = 'b'\npath = '/b'\n\
             [sequence]\nsteps = [{{ request = 'a' }}, {{ request = 'b' }}]\n"
        );
        let finished = run(&text);
        assert_eq!(succeeded(&finished), 12);
        assert_eq!((server.accepted(), reuse), (connections, reuse));
        assert_eq!(finished.metrics.connections.opened, connections as u64);
        let mut by_connection = vec![Vec::new(); connections];
        for seen in server.seen() {
            assert_eq!(seen.field("Connection").contains(&"close"), reuse == "none");
            by_connection[seen.connection].push(seen.asked().to_owned());
        }
        if reuse == "iteration" {
            let one = ["GET /a", "GET /b"];
            assert!(by_connection.iter().all(|asked| *asked == one), "{by_connection:?}");
        }
    }
}

/// 10,000,000 bytes, the default limit of a body; none of them a neighbour's equal.
fn largest_body() -> Vec<u8> {
    (0..10_000_000_u32).map(|i| (i % 251) as u8).collect()
}

#[test]
fn a_body_from_a_file_comes_whole_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let body = largest_body();
    std::fs::write(folder.path().join("body.bin"), &body).unwrap();
    let (server, address) = Server::tcp(|_| ok());
    let request = "path = '/'\nmethod = 'POST'\nbody_file = 'body.bin'\nheaders = { X = 'y' }";
    let text = once(&format!("'http://{address}'\nrequest_id_header = 'Z6-Id'"), request);
    let finished = run_in(folder.path(), &text);
    assert_eq!(succeeded(&finished), 1);
    let seen = only(&server);
    assert_eq!(seen.field("Content-Length"), ["10000000"]);
    assert!(seen.body == body, "other bytes came");
    assert_eq!(finished.metrics.throughput.bytes_sent, (seen.head.len() + body.len()) as u64);
    std::fs::write(folder.path().join("body.bin"), [&body[..], b"x"].concat()).unwrap();
    std::fs::write(folder.path().join("larger.toml"), &text).unwrap();
    let Err(error) = z6::Run::from_file(folder.path().join("larger.toml")) else {
        panic!("a body larger than its limit loads");
    };
    assert!(format!("{error:?}").contains("more than 10000000 bytes"), "{error:?}");
}

/// Serves one connection with `serve`. It takes in little of what is not read: a large body does not
/// fit into the buffers of both kernels.
fn serve_once(
    serve: impl FnOnce(&mut TcpStream) + Send + 'static,
) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(1).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || serve(&mut listener.accept().unwrap().0));
    (address, thread)
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

/// A scenario whose one request uploads the largest body.
fn upload(address: SocketAddr) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body.bin"), largest_body()).unwrap();
    let request = "path = '/'\nmethod = 'POST'\nbody_file = 'body.bin'";
    let text = once(&format!("'http://{address}'"), request);
    (folder, text)
}

#[test]
fn an_upload_goes_on_while_its_answer_is_read() {
    // The server reads nothing of the body before most of its answer is taken from it: a client
    // that writes everything before it reads would wait here forever.
    const ANSWER_BYTES: usize = 16 << 20;
    let (address, server) = serve_once(|stream| {
        read_head(stream);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER_BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'x'; ANSWER_BYTES - 1]).unwrap();
        let mut body = vec![0; 10_000_000];
        stream.read_exact(&mut body).unwrap();
        assert!(body == largest_body(), "other bytes came");
        stream.write_all(b"x").unwrap();
    });
    let (folder, text) = upload(address);
    let finished = run_in(folder.path(), &text);
    assert_eq!(succeeded(&finished), 1);
    assert!(finished.metrics.throughput.bytes_received > ANSWER_BYTES as u64);
    assert!(finished.metrics.throughput.bytes_sent > 10_000_000);
    server.join().unwrap();
}

#[test]
fn an_answer_before_the_end_of_the_upload_ends_it() {
    let (run_is_over, wait) = std::sync::mpsc::channel::<()>();
    let (address, server) = serve_once(move |stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno").unwrap();
        // Reading nothing meanwhile, so that the upload cannot have come to its end before.
        wait.recv().unwrap();
        // What was on its way still comes, and then the end: nothing more is sent.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 10_000_000, "{} bytes came", rest.len());
    });
    let (folder, text) = upload(address);
    let finished = run_in(folder.path(), &text);
    run_is_over.send(()).unwrap();
    assert_eq!(errors(&finished), [("status_4xx".to_owned(), 1)]);
    assert!(finished.metrics.throughput.bytes_sent < 10_000_000);
    server.join().unwrap();
}

/// Twelve requests of two VUs in turns: the first of each pair with these fields, the second without.
fn pairs(address: SocketAddr, fields: &str, more: &str) -> String {
    format!(
        "[runtime]\niterations = 3\nvus = 2\n[target]\nbase_url = 'http://{address}'\n{more}\n\
         [[requests]]\nname = 'a'\npath = '/a'\nheaders = {{ {fields} }}\n\
         [[requests]]\nname = 'b'\npath = '/b'\n\
         [sequence]\ntype = 'ordered'\nsteps = [{{ request = 'a' }}, {{ request = 'b' }}]\n"
    )
}

/// RFC 9112 section 9.6: a client that sends `close` sends nothing after it on that connection.
#[test]
fn a_request_that_says_close_is_the_last_of_its_connection() {
    for (fields, closes) in [
        ("Connection = 'close'", true),
        ("connection = 'Keep-Alive, CLOSE'", true),
        ("CONNECTION = 'te ,close,'", true),
        ("Connection = 'keep-alive'", false),
        ("Connection = 'closed'", false),
        ("Proxy-Connection = 'close'", false),
    ] {
        for more in ["", "connection_reuse = 'shared'\nmax_connections = 2"] {
            // It never says close itself.
            let (server, address) = Server::tcp(|_| ok());
            let finished = run(&pairs(address, fields, more));
            assert_eq!(succeeded(&finished), 12, "{fields} {more}");
            let seen = server.seen();
            for (at, asked) in seen.iter().enumerate().filter(|_| closes) {
                let later = |next: &&Seen| next.connection == asked.connection;
                let follows = seen[at + 1..].iter().find(later);
                let is_last = follows.is_none() || asked.asked() == "GET /b";
                assert!(is_last, "{fields} {more}: {follows:?} follows {asked:?}");
            }
            // Each connection carries `b` and then `a`, except for the first and the last of each VU.
            let connections = if closes { 8 } else { 2 };
            if more.is_empty() {
                assert_eq!(server.accepted(), connections, "{fields}");
            }
        }
    }
}

/// A server that keeps to the `close` of a request, and does not say so in its response.
#[test]
fn a_server_that_closes_as_asked_serves_every_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..10 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(&ok()).unwrap();
        }
    });
    let text =
        once(&format!("'http://{address}'"), "path = '/'\nheaders = { Connection = 'close' }");
    let finished = run(&text.replace("iterations = 1", "iterations = 10"));
    assert_eq!(succeeded(&finished), 10);
    assert_eq!(finished.metrics.connections.opened, 10);
    server.join().unwrap();
}
