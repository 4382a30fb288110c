//! `z6 probe`: what is shown of one exchange, what is answered after it, and the verdict.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::JoinHandle;

use common::{Folder, Outcome, Underway};
use z6_testing::{Process, find};

/// The built-in target, and its URL.
fn serve(folder: &Folder, more: &[&str]) -> (Underway, String) {
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], more].concat();
    let mut serve = Underway::start(&mut folder.z6(&arguments));
    let mut line = String::new();
    BufReader::new(serve.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
    (serve, line.trim_end().strip_prefix("listening on ").unwrap().to_owned())
}

fn has_lines(probed: &Outcome, lines: &[&str]) {
    let mut shown = probed.stdout.lines();
    for line in lines {
        assert!(shown.any(|shown| shown == *line), "{line}:\n{}", probed.stdout);
    }
}

#[test]
fn every_frame_is_shown() {
    let folder = Folder::new("");
    let (_serve, url) = serve(&folder, &[]);
    let url = format!("{url}/echo?a=b");
    let arguments = ["probe", &url, "--http2", "--body", "it\u{1b}[31m", "-H", "Cookie: a=secret"];
    let probed = folder.run(&arguments).expect(0);
    has_lines(
        &probed,
        &[
            "* connected, speaks HTTP/2 in plain text",
            "> connection preface",
            ">   ENABLE_PUSH = 0",
            ">   :method: POST",
            ">   :path: /echo?a=b",
            ">   cookie: (not shown: --show-secrets)",
            "> DATA, stream 1, 7 bytes, END_STREAM",
            ">   \"it\\x1b[31m\"",
        ],
    );
    has_lines(
        &probed,
        &[
            "<   MAX_CONCURRENT_STREAMS = 1000",
            "<   :status: 200",
            "<   content-length: 7",
            "< DATA, stream 1, 7 bytes, END_STREAM",
            "<   \"it\\x1b[31m\"",
            "> GOAWAY, stream 0, 8 bytes",
            ">   NO_ERROR, last stream 0",
        ],
    );
    assert!(probed.stdout.contains("* succeeded with 200, "), "{}", probed.stdout);
    let shown = folder.run(&[&arguments[..], &["--show-secrets"]].concat()).expect(0);
    has_lines(&shown, &[">   cookie: a=secret"]);
}

#[test]
fn lines_and_bodies_of_http_1_are_shown() {
    let folder = Folder::new("");
    let (_serve, url) = serve(&folder, &[]);
    let probed = folder.run(&["probe", &format!("{url}/chunked/26")]).expect(0);
    has_lines(&probed, &["> GET /chunked/26 HTTP/1.1"]);
    let body = "<   \"1a\\r\\nabcdefghijklmnopqrstuvwxyz\\r\\n0\\r\\n\\r\\n\"";
    has_lines(&probed, &["< HTTP/1.1 200 OK", "< Transfer-Encoding: chunked", "<", body]);
    let probed = folder.run(&["probe", &format!("{url}/status/404"), "-X", "DELETE"]).expect(1);
    has_lines(&probed, &["> DELETE /status/404 HTTP/1.1", "< HTTP/1.1 404 Not Found"]);
    assert!(probed.stdout.contains("* FAILED: status_4xx, status 404, "), "{}", probed.stdout);
    let probed = folder.run(&["probe", &format!("{url}/bytes/5000")]).expect(0);
    has_lines(&probed, &["< (904 bytes of content more: --whole shows them)"]);
}

#[test]
fn tls_is_verified_against_a_file() {
    let folder = Folder::new("");
    let (_serve, url) = serve(&folder, &["--tls", "--write-ca", "ca.pem"]);
    for http2 in [true, false] {
        let more: &[&str] = if http2 { &["--http2"] } else { &[] };
        let trusting = [&["probe", &url, "--ca-bundle", "ca.pem"], more].concat();
        let version = if http2 { "HTTP/2" } else { "HTTP/1.1" };
        let words = format!("* connected, speaks {version} over TLSv1.3, TLS_");
        let probed = folder.run(&trusting).expect(0);
        assert!(probed.stdout.contains(&words), "{}", probed.stdout);
        let probed = folder.run(&[&["probe", &url], more].concat()).expect(1);
        assert!(probed.stdout.contains("\n* FAILED: tls_certificate_"), "{}", probed.stdout);
        folder.run(&[&["probe", &url, "-k"], more].concat()).expect(0);
    }
}

/// A server of one connection that speaks as `speak` does.
fn server(speak: impl FnOnce(&mut TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || speak(&mut listener.accept().unwrap().0));
    (url, thread)
}

/// Reads until these bytes come.
fn read_to(stream: &mut TcpStream, end: &[u8]) {
    let mut all = Vec::new();
    let mut byte = [0];
    while !all.ends_with(end) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", all.escape_ascii());
        all.push(byte[0]);
    }
}

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const NO_CONTENT: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x89];
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0late one";
const PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0late one";

#[test]
fn what_comes_late_is_answered() {
    let folder = Folder::new("");
    let (url, thread) = server(|stream| {
        stream.write_all(&[SETTINGS, NO_CONTENT].concat()).unwrap();
        read_to(stream, &[0, 0, 0, 4, 1, 0, 0, 0, 0]);
        stream.write_all(PING).unwrap();
        read_to(stream, PONG);
        // It stays for GOAWAY.
        read_to(stream, &[0, 0, 8, 7, 0, 0, 0, 0, 0]);
    });
    let probed = folder.run(&["probe", &url, "--http2"]).expect(0);
    thread.join().unwrap();
    has_lines(
        &probed,
        &["< PING, stream 0, 8 bytes", "<   late one", "> PING, stream 0, 8 bytes, ACK"],
    );
}

/// Over HTTP/1.1: whether they come with the end of the response or after it.
#[test]
fn bytes_behind_a_response_are_the_verdict() {
    let folder = Folder::new("");
    for pieces in [&["\r\n\r\nokXX"][..], &["\r\n\r\nok", "XX"]] {
        let (url, thread) = server(move |stream| {
            read_to(stream, b"\r\n\r\n");
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2").unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
            }
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let probed = folder.run(&["probe", &url]).expect(1);
        thread.join().unwrap();
        has_lines(&probed, &["* FAILED: what came after the response breaks the protocol"]);
    }
}

/// As above, when the end of the stream comes with them.
#[test]
fn bytes_behind_a_response_are_the_verdict_whenever_the_end_comes() {
    let folder = Folder::new("");
    let (url, thread) = server(|stream| {
        read_to(stream, b"\r\n\r\n");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokXX").unwrap();
    });
    let probed = folder.run(&["probe", &url]).expect(1);
    thread.join().unwrap();
    has_lines(&probed, &["* FAILED: what came after the response breaks the protocol"]);
}

/// A value is not shown wherever its field stands: in the head behind an interim one, in a line that continues
/// another, behind the chunks.
#[test]
fn no_head_and_no_trailer_shows_a_cookie() {
    const HEAD: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\
        Set-Cookie: sid=SECRET1\r\nset-cookie: a=\r\n SECRET2\r\nETag: \"x\"\r\n\
        Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nServer-Timing: a\r\n";
    let folder = Folder::new("");
    for pieces in
        [&["Set-Cookie: t=SECRET3\r\n\r\n"][..], &["Set-", "Cookie: t=SEC", "RET3\r\n\r\n"]]
    {
        let (url, thread) = server(move |stream| {
            read_to(stream, b"\r\n\r\n");
            stream.write_all(HEAD.as_bytes()).unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
                std::thread::yield_now();
            }
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let probed = folder.run(&["probe", &url]).expect(0);
        thread.join().unwrap();
        let hidden = "< Set-Cookie: (not shown: --show-secrets)";
        has_lines(&probed, &["< HTTP/1.1 200 OK", hidden, "< ETag: \"x\""]);
        assert!(!probed.stdout.contains("SECRET"), "{}", probed.stdout);
    }
}

/// One field of 4,000 bytes that a frame repeats 12,000 times: what is printed has a bound.
#[test]
fn a_header_bomb_is_cut() {
    let folder = Folder::new("");
    let (url, thread) = server(|stream| {
        // `a` with 4,000 bytes enters the table, and is named again and again.
        let mut block = vec![0x88, 0x40, 1, b'a', 0x7f, 0xa1, 0x1e];
        block.extend(vec![b'x'; 4_000]);
        block.extend(vec![0xbe; 12_000]);
        let length = u32::try_from(block.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[1, 4, 0, 0, 0, 1]].concat();
        stream.write_all(&[SETTINGS, &head, &block].concat()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let probed = folder.run(&["probe", &url, "--http2"]).expect(1);
    thread.join().unwrap();
    assert!((1_000..200_000).contains(&probed.stdout.len()), "{}", probed.stdout.len());
    assert!(probed.stdout.contains(" lines more: --whole shows them)"), "{}", probed.stdout.len());
}

#[test]
fn what_breaks_the_protocol_late_is_the_verdict() {
    let folder = Folder::new("");
    let (url, thread) = server(|stream| {
        stream.write_all(&[SETTINGS, NO_CONTENT].concat()).unwrap();
        read_to(stream, &[0, 0, 0, 4, 1, 0, 0, 0, 0]);
        // DATA on a stream that was never opened.
        stream.write_all(&[0, 0, 1, 0, 0, 0, 0, 0, 9, b'x']).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let probed = folder.run(&["probe", &url, "--http2"]).expect(1);
    thread.join().unwrap();
    has_lines(
        &probed,
        &[
            "< DATA, stream 9, 1 bytes",
            "* FAILED: what came after the response breaks the protocol",
            "> GOAWAY, stream 0, 8 bytes",
            ">   PROTOCOL_ERROR, last stream 0",
        ],
    );
    assert!(probed.stdout.contains("* succeeded with 204, "), "{}", probed.stdout);
    let (url, thread) = server(|stream| {
        read_to(stream, b"\r\n\r\n");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let probed = folder.run(&["probe", &url]);
    thread.join().unwrap();
    assert!(probed.stdout.contains("< HTTP/1.1 204 No Content"), "{}", probed.stdout);
}

#[test]
fn what_cannot_be_probed_says_why() {
    let folder = Folder::new("");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    let probed = folder.run(&["probe", &format!("http://{address}/")]).expect(1);
    has_lines(&probed, &["* FAILED: connection_refused"]);
    folder.run(&["probe", "nowhere"]).expect(2);
    folder.run(&["probe", "http://a/", "-X", "A B"]).expect(2);
    let bad = folder.run(&["probe", "ftp://a/"]).expect(2);
    assert!(bad.stderr.contains("ftp"), "{}", bad.stderr);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let probed = folder.run(&["probe", &url, "--http2", "--timeout", "50ms"]).expect(1);
    assert!(probed.stdout.contains("* FAILED: request_timeout, "), "{}", probed.stdout);
    has_lines(&probed, &["> RST_STREAM, stream 1, 4 bytes", ">   CANCEL"]);
}

/// Where it is installed.
#[test]
fn nghttpd_answers_and_a_client_of_the_other_version_is_told() {
    let Some(program) = find("nghttpd") else { return };
    let folder = Folder::new("");
    std::fs::write(folder.path("page"), "Hello").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.args(["--no-tls", "-d"]).arg(folder.path("")).arg(port.to_string());
    let mut server = Process::start(&mut command).unwrap();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.child().try_wait().unwrap().is_none(), "the server ended");
        std::thread::yield_now();
    }
    let url = format!("http://127.0.0.1:{port}/page");
    let probed = folder.run(&["probe", &url, "--http2"]).expect(0);
    has_lines(&probed, &["<   :status: 200", "<   content-length: 5", "<   \"Hello\""]);
    let probed = folder.run(&["probe", &url]).expect(1);
    assert!(probed.stdout.contains("the server speaks HTTP/2 here"), "{}", probed.stdout);
}
