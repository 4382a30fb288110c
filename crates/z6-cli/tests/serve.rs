//! `z6 serve` as a process.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use common::{Folder, Underway};
use z6_testing::Signal;

#[test]
fn it_says_where_it_listens_serves_and_says_what_it_did() {
    let folder = Folder::new("");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--threads", "2", "--seed", "5"];
    let mut serve = Underway::start(&mut folder.z6(&arguments));
    let mut stdout = BufReader::new(serve.child().stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on http://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    serve.signal(Signal::TERM);
    let serve = serve.end().expect(0);
    assert!(serve.stderr.contains("1 requests, 1 responses, 1 connections"), "{}", serve.stderr);
}

/// What `--write-ca` writes is what a scenario trusts with `ca_bundle`.
#[test]
fn tls_is_trusted_by_the_file_of_its_authority() {
    let folder = Folder::new(
        "runtime = { vus = 20, iterations = 10 }\n\
         requests = [{ name = 'a', path = '/bytes/300000' }]\n\
         target = { base_url = 'https://localhost:1', ca_bundle = 'ca.pem', http_version = 'http2', \
         connection_reuse = 'shared' }\n",
    );
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--tls", "--write-ca", "ca.pem"];
    let mut serve = Underway::start(&mut folder.z6(&arguments));
    let mut stdout = BufReader::new(serve.child().stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").unwrap();
    let url = url.replace("127.0.0.1", "localhost");
    assert!(url.starts_with("https://"), "{url}");
    folder.run(&["run", "s.toml", "--target", &url]).expect(0);
    let again = folder.run(&arguments).expect(2);
    assert!(again.stderr.contains("ca.pem exists"), "{}", again.stderr);
    serve.signal(Signal::TERM);
    let serve = serve.end().expect(0);
    assert!(serve.stderr.contains("200 requests, 200 responses"), "{}", serve.stderr);
    folder.run(&["serve", "--write-ca", "other.pem"]).expect(2);
}

#[test]
fn an_address_in_use_exits_3_and_a_bad_one_2() {
    let folder = Folder::new("");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = folder.run(&["serve", "--listen", &address]).expect(3);
    let words = format!("error: cannot listen on {address}: Address already in use");
    assert!(serve.stderr.starts_with(&words), "{}", serve.stderr);
    folder.run(&["serve", "--listen", "nowhere"]).expect(2);
    folder.run(&["serve", "--listen", "127.0.0.1:0", "--threads", "0"]).expect(2);
}
