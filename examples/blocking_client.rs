//! A blocking HTTP/1.1 client in a few lines: the protocol is a value of `z6-proto-http1`, the socket is ours.
//!
//! `cargo run --release -p z6-proto-http1 --example blocking_client`, beside a server on port 8080
#![allow(
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example has a socket and prints something"
)]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use z6_http::{ContentLimits, RequestSpec, decode_content};
use z6_proto_http1::{Connection, Eof, Keep, Limits, Received, RequestTemplate};

/// Status, fields and decoded body of one response.
pub(crate) type Answer = (u16, Vec<(String, String)>, Vec<u8>);

/// Requests one path and reads the response to its end.
pub(crate) fn get(host: &str, port: u16, path: &str) -> Result<Answer, Box<dyn Error>> {
    let request = RequestTemplate::encode(&RequestSpec::new("GET", host, port, path))?;
    let mut connection = Connection::new(Limits::default());
    connection.keep(Keep { fields: true, body_bytes_max: Some(16 << 20) });
    connection.start(request.len(), false);
    let mut socket = TcpStream::connect((host, port))?;
    socket.write_all(request.bytes())?;
    connection.wrote(request.len());
    let mut buffer = [0; 16 << 10];
    let (facts, last) = loop {
        let count = socket.read(&mut buffer)?;
        match connection.received(&buffer[..count]) {
            Received::Complete { response, .. } => break (response, count),
            Received::Failed { error, .. } => return Err(error.into()),
            _ if count > 0 => {}
            _ => match connection.eof() {
                Eof::Complete(response) => break (response, 0),
                end => return Err(format!("the connection ended: {end:?}").into()),
            },
        }
    };
    let kept = connection.kept(&buffer[..last]).ok_or("nothing was kept")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let coding = text(kept.field("content-encoding").unwrap_or_default());
    let body = decode_content(&coding, kept.body.ok_or("too large")?, &ContentLimits::default())?;
    let fields = kept.fields().map(|(name, value)| (text(name), text(value))).collect();
    Ok((facts.status, fields, body.into_owned()))
}

#[allow(dead_code, reason = "the tests call `get`")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("{:?}", get("127.0.0.1", 8080, "/hello")?);
    Ok(())
}
