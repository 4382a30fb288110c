//! HTTP/2, in plain text and over TLS, with the client of the crate `h2`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use common::{Client, start, start_with};
use h2::client::SendRequest;
use http::{Request, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::task::JoinHandle;
use z6_target::{Config, Server};

/// A connection. Its end says how it ended.
struct Peer {
    send: SendRequest<Bytes>,
    end: JoinHandle<Result<(), h2::Error>>,
}

/// An answer, whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(test)
}

async fn connect(server: &Server) -> Peer {
    let stream = tokio::net::TcpStream::connect(server.addresses()[0]).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    Peer { send, end: tokio::spawn(connection) }
}

impl Peer {
    /// Sends a request; its answer comes with the future.
    async fn send(
        &mut self,
        request: Request<()>,
        body: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<Answer, h2::Error>> + use<> {
        self.send = self.send.clone().ready().await.unwrap();
        let (response, mut stream) = self.send.send_request(request, body.is_none()).unwrap();
        if let Some(body) = body {
            stream.send_data(body.into(), true).unwrap();
        }
        async move {
            let (head, mut content) = response.await?.into_parts();
            let mut body = Vec::new();
            while let Some(piece) = content.data().await {
                let piece = piece?;
                content.flow_control().release_capacity(piece.len()).unwrap();
                body.extend_from_slice(&piece);
            }
            Ok(Answer { status: head.status, headers: head.headers, body })
        }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(of(path), None).await.await.unwrap()
    }
}

fn of(path: &str) -> Request<()> {
    Request::get(format!("http://test{path}")).body(()).unwrap()
}

#[test]
fn routes_answer_as_over_http_1() {
    run(async {
        let mut server = start();
        let mut peer = connect(&server).await;
        let mut client = Client::connect(&server);
        let paths = [
            "/",
            "/bytes/0",
            "/bytes/70000",
            "/bytes/x",
            "/chunked/5000",
            "/status/404",
            "/status/204",
            "/status/205",
            "/nowhere",
            "/api/me",
            "/search?q=tea",
            "/delay/1",
        ];
        for path in paths {
            let (new, old) = (peer.get(path).await, client.get(path));
            assert_eq!(new.status.as_u16(), old.status, "{path}");
            assert!(new.body == old.body, "{path}");
            for name in ["Server", "Content-Type", "Content-Length", "WWW-Authenticate"] {
                let value = new.headers.get(name).map(|value| value.to_str().unwrap());
                assert_eq!(value, old.field(name), "{name} of {path}");
            }
        }
        server.stop().unwrap();
        assert_eq!((server.stats().requests, server.stats().bad_requests), (24, 0));
    });
}

#[test]
fn a_request_that_waits_holds_nobody_up() {
    run(async {
        let server = start();
        let mut peer = connect(&server).await;
        let slow = peer.send(of("/stall"), None).await;
        let mut answers = Vec::new();
        for _ in 0..100 {
            answers.push(peer.send(of("/delay/5"), None).await);
        }
        for answer in answers {
            assert_eq!(answer.await.unwrap().body, b"Hello, World!");
        }
        assert_eq!((server.stats().accepted, server.stats().responses), (1, 100));
        drop(slow);
    });
}

#[test]
fn bodies_of_any_length_go_both_ways() {
    run(async {
        let server = start();
        let mut peer = connect(&server).await;
        for bytes in [0, 1, 16_384, 1_000_000] {
            let body: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
            let request = Request::post("http://test/echo").body(()).unwrap();
            let answer = peer.send(request, Some(body.clone())).await.await.unwrap();
            assert!(answer.body == body, "{bytes}");
        }
        let head = Request::head("http://test/bytes/5").body(()).unwrap();
        let answer = peer.send(head, None).await.await.unwrap();
        assert_eq!(
            (&answer.headers["content-length"], answer.body.len()),
            (&"5".parse().unwrap(), 0)
        );
        // Several at once, longer than all windows.
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(tokio::spawn(peer.send(of("/bytes/300000"), None).await));
        }
        for answer in answers {
            assert_eq!(answer.await.unwrap().unwrap().body.len(), 300_000);
        }
        let held = peer.get("/bytes/20?body_delay=1ms").await;
        assert_eq!(held.body, b"abcdefghijklmnopqrst");
    });
}

#[test]
fn a_length_that_is_not_that_of_the_body_is_malformed() {
    run(async {
        let server = start();
        let mut peer = connect(&server).await;
        for length in ["3", "5"] {
            let request = Request::post("http://test/echo").header("content-length", length);
            let answer = peer.send(request.body(()).unwrap(), Some(b"four".to_vec())).await.await;
            assert_eq!(answer.unwrap_err().reason(), Some(h2::Reason::PROTOCOL_ERROR));
        }
        assert_eq!(peer.get("/").await.body, b"Hello, World!");
        assert_eq!(server.stats().bad_requests, 2);
    });
}

#[test]
fn cookies_in_several_fields_are_one() {
    run(async {
        let server = start();
        let mut peer = connect(&server).await;
        let request = Request::post("http://test/login").header("content-type", "application/json");
        let body = br#"{"user":"Ada","password":"x"}"#.to_vec();
        let answer = peer.send(request.body(()).unwrap(), Some(body)).await.await.unwrap();
        let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap();
        let request = Request::get("http://test/account").header("cookie", "a=1");
        let request = request.header("cookie", cookie).header("cookie", "b=2").body(()).unwrap();
        let answer = peer.send(request, None).await.await.unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains("Hello, Ada!"), "{text}");
    });
}

#[test]
fn a_stream_is_reset_alone_and_a_connection_closed_whole() {
    run(async {
        let server = start();
        let mut peer = connect(&server).await;
        let slow = peer.send(of("/delay/20"), None).await;
        let error = peer.send(of("/abort"), None).await.await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
        assert_eq!(slow.await.unwrap().body, b"Hello, World!");
        let silent = peer.send(of("/stall"), None).await;
        let error = peer.send(of("/abort?how=fin"), None).await.await.unwrap_err();
        assert!(!error.is_reset(), "{error}");
        assert!(silent.await.is_err());
        assert_eq!((server.stats().resets, server.stats().responses), (1, 1));
    });
}

/// The answers that have begun come; what is sent later is not taken.
#[test]
fn goaway_ends_a_connection_after_what_has_begun() {
    run(async {
        let server = start();
        let mut peer = connect(&server).await;
        let slow = peer.send(of("/delay/20"), None).await;
        let last = peer.send(of("/close"), None).await;
        assert_eq!(last.await.unwrap().body, b"Hello, World!");
        assert_eq!(slow.await.unwrap().body, b"Hello, World!");
        peer.end.await.unwrap().unwrap();
        assert_eq!(server.stats().requests, 2);
    });
}

#[test]
fn the_life_of_a_connection_may_be_bounded() {
    run(async {
        let config = Config { max_requests_per_connection: Some(3), ..Config::default() };
        let server = start_with(config);
        let mut peer = connect(&server).await;
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(peer.send(of("/"), None).await);
        }
        let mut answered = 0;
        for answer in answers {
            match answer.await {
                Ok(_) => answered += 1,
                Err(error) => assert!(error.is_go_away() && error.is_remote(), "{error}"),
            }
        }
        assert_eq!((answered, server.stats().requests), (3, 3));
        let server = start_with(Config { idle_timeout_ns: Some(1_000_000), ..Config::default() });
        let mut peer = connect(&server).await;
        peer.get("/").await;
        peer.end.await.unwrap().unwrap();
    });
}

#[test]
fn draws_are_those_of_http_1() {
    let statuses = |is_new: bool| {
        let server = start_with(Config { seed: 7, ..Config::default() });
        let path = "/?fail=0.5";
        if is_new {
            run(async {
                let mut peer = connect(&server).await;
                let mut all = Vec::new();
                for _ in 0..50 {
                    all.push(peer.get(path).await.status.as_u16());
                }
                all
            })
        } else {
            let mut client = Client::connect(&server);
            (0..50).map(|_| client.get(path).status).collect()
        }
    };
    let drawn = statuses(true);
    assert!(drawn.contains(&200) && drawn.contains(&503));
    assert_eq!(drawn, statuses(false));
}

#[test]
fn what_is_no_http_2_behind_the_preface_is_told_so() {
    let server = start();
    let mut stream = TcpStream::connect(server.addresses()[0]).unwrap();
    // Cut within the preface, as reads may be.
    stream.write_all(b"PRI * HTTP").unwrap();
    stream.write_all(b"/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n").unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    // SETTINGS comes first, GOAWAY last: 8 bytes on stream 0.
    assert_eq!(
        (all[3], &all[all.len() - 17..all.len() - 8]),
        (4, &[0, 0, 8, 7, 0, 0, 0, 0, 0][..])
    );
    assert_eq!(server.stats().bad_requests, 1);
}

/// Over TLS, as a client that trusts the authority alone.
fn secure(server: &Server, alpn: &[&[u8]]) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(server.authority().unwrap().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = "localhost".try_into().unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(session, TcpStream::connect(server.tls_addresses()[0]).unwrap())
}

fn with_tls() -> Server {
    let local = "127.0.0.1:0".parse().unwrap();
    start_with(Config { addresses: Vec::new(), tls_addresses: vec![local], ..Config::default() })
}

#[test]
fn tls_carries_both_versions() {
    let server = with_tls();
    assert!(server.authority_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    for alpn in [&[b"http/1.1".as_slice()][..], &[]] {
        let mut client = secure(&server, alpn);
        for _ in 0..2 {
            let request = "GET /bytes/200000 HTTP/1.1\r\nHost: t\r\n\r\n";
            client.write_all(request.as_bytes()).unwrap();
            let mut all = vec![0; 200_000];
            client.read_exact(&mut all).unwrap();
        }
        client.write_all(b"GET /close HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
        // An end without close_notify would be an error.
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("Hello, World!"), "{rest}");
    }
    let mut client = secure(&server, &[b"http/1.1", b"h2"]);
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut header = [0; 9];
    client.read_exact(&mut header).unwrap();
    assert_eq!((header[3], &header[5..]), (4, &[0; 4][..]), "SETTINGS");
    assert_eq!(client.conn.alpn_protocol(), Some(&b"h2"[..]), "the server prefers it");
}

#[test]
fn what_is_no_tls_is_closed() {
    let server = with_tls();
    let mut stream = TcpStream::connect(server.tls_addresses()[0]).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    let mut all = Vec::new();
    // Closed or reset, after an alert at most.
    let _ = stream.read_to_end(&mut all);
    assert!(all.len() <= 7, "{all:?}");
    assert_eq!(server.stats().requests, 0);
    let authority = |server: &Server| server.authority().map(<[u8]>::to_vec);
    assert_ne!(authority(&server), authority(&with_tls()));
    assert_eq!(authority(&start()), None);
}
