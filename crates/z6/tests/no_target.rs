//! Runs that never have a connection: however their attempts fail, they stop, and say why.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[allow(dead_code, unreachable_pub, reason = "only its silent server is used")]
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use support::fault_server::{SilentServer, closed_port};
use z6::{Finished, Run, StoppedBy};

/// An hour against this target.
fn hour(base_url: &str, keys: &str) -> Finished {
    run(base_url, keys, "duration_seconds = 3600")
}

fn run(base_url: &str, keys: &str, runtime: &str) -> Finished {
    let text = format!(
        "[runtime]\n{runtime}\ngraceful_stop_seconds = 0\n[target]\nbase_url = '{base_url}'\n{keys}\n\
         [[requests]]\nname = 'r'\npath = '/'\n"
    );
    Run::from_toml(&text).unwrap().start().unwrap().wait().unwrap()
}

/// The run stopped by itself, soon, and says this.
#[track_caller]
fn has_no_target(finished: &Finished, address: SocketAddr, kind: &str, words: &str) {
    assert_eq!(finished.stopped_by, StoppedBy::NoTarget);
    let message = finished.no_target_message().unwrap();
    assert_eq!(message, format!("no connection to {address}: {words}"));
    let seconds = finished.metrics.run.duration_seconds;
    assert!((2.0..20.0).contains(&seconds), "{seconds} s");
    let failure = finished.no_target.as_ref().unwrap();
    assert_eq!(failure.error.unwrap().name(), kind);
    let kinds: Vec<&str> =
        finished.metrics.errors.by_kind.0.iter().map(|(kind, _)| kind.name()).collect();
    assert_eq!(kinds, [kind]);
}

/// SYNs are dropped: nothing is heard of an attempt.
#[test]
fn a_silent_address() {
    let server = SilentServer::start();
    let address = server.address();
    let finished = hour(&format!("http://{address}"), "connection_timeout_ms = 300");
    has_no_target(&finished, address, "connect_timeout", "connect timeout");
}

/// The kernel accepts, and nothing answers.
#[test]
fn a_silent_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let finished = hour(&format!("https://{address}"), "tls_timeout_ms = 300");
    let words = "TLS was not ready within tls_timeout_ms (tls_timeout)";
    has_no_target(&finished, address, "tls_timeout", words);
}

/// Hands each connection to `serve`, and ends with the test process.
fn serve(serve: fn(&mut TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(&mut stream.unwrap());
        }
    });
    address
}

#[test]
fn a_handshake_that_is_reset() {
    // Closing with unread bytes resets the connection.
    let address = serve(|stream| {
        let _ = stream.read(&mut [0; 4]);
    });
    let finished = hour(&format!("https://{address}"), "");
    let words = "Connection reset by peer (os error 104)";
    has_no_target(&finished, address, "connection_reset", words);
}

#[test]
fn a_handshake_that_is_closed() {
    let address = serve(|stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = std::io::copy(stream, &mut std::io::sink());
    });
    let finished = hour(&format!("https://{address}"), "");
    let words = "the server closed the connection during the TLS handshake (tls_closed)";
    has_no_target(&finished, address, "tls_closed", words);
}

#[test]
fn a_handshake_with_a_server_without_tls() {
    let address = serve(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = std::io::copy(stream, &mut std::io::sink());
    });
    let finished = hour(&format!("https://{address}"), "");
    assert_eq!(finished.stopped_by, StoppedBy::NoTarget);
    assert!(finished.no_target_message().unwrap().contains("(tls_"), "{finished:?}");
}

/// An attempt is under way all the time, and none has failed.
#[test]
fn a_run_that_ends_before_its_first_attempt() {
    let server = SilentServer::start();
    let address = server.address();
    let finished = run(&format!("http://{address}"), "", "duration_seconds = 0.3");
    assert_eq!(finished.stopped_by, StoppedBy::NoTarget);
    let message = finished.no_target_message().unwrap();
    let words = "still connecting when the run ended";
    assert_eq!(message, format!("no connection to {address}: {words}"));
}

/// A server on 127.0.0.2, and a port of 127.0.0.1 that says nothing, or no.
fn beside(is_silent: bool) -> (Option<SilentServer>, TcpListener, u16) {
    loop {
        let silent = is_silent.then(SilentServer::start);
        let port = match &silent {
            Some(silent) => silent.address().port(),
            None => closed_port().port(),
        };
        // Another process may have it.
        if let Ok(listener) = TcpListener::bind(("127.0.0.2", port)) {
            return (silent, listener, port);
        }
    }
}

/// The dead address comes first, and takes longer to fail than the rule of 2 s.
#[test]
fn one_dead_address_of_two_is_no_reason_to_stop() {
    for is_silent in [true, false] {
        let (_silent, listener, port) = beside(is_silent);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                        stream.write_all(ok).unwrap();
                    }
                });
            }
        });
        let keys = "resolve = ['127.0.0.1', '127.0.0.2']\nconnection_timeout_ms = 2200";
        let finished = run(&format!("http://two.example:{port}"), keys, "duration_seconds = 3");
        assert_eq!(finished.stopped_by, StoppedBy::Duration, "{:?}", finished.no_target);
        assert_eq!(finished.no_target_message(), None);
        assert!(finished.no_target.is_none());
        assert!(finished.metrics.requests.succeeded > 0);
    }
}

/// Attempts that fail at once, one after the other without a pause, leave the worker time for the rest.
#[test]
fn attempts_that_fail_at_once_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("missing");
    let keys = format!("reconnect_delay_ms = 0\nconnect_to = 'unix:{}'", socket.display());
    let finished = hour("http://localhost", &keys);
    assert_eq!(finished.stopped_by, StoppedBy::NoTarget);
    let message = finished.no_target_message().unwrap();
    let words = "No such file or directory (os error 2)";
    assert_eq!(message, format!("no connection to unix:{}: {words}", socket.display()));
    assert!(finished.metrics.requests.failed > 100);
}
