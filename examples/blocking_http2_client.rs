//! A blocking HTTP/2 client in a few lines, without TLS: the protocol is a value of `z6-proto-http2`, the socket is ours.
//!
//! `cargo run --release -p z6-proto-http2 --example blocking_http2_client`, beside a server on port 8080 that speaks
//! HTTP/2 with prior knowledge
#![allow(
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example has a socket and prints something"
)]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use z6_http::{IdParts, RequestSpec};
use z6_proto_http2::{Config, Connection, FieldSet, KeptResponse, Limits};
use z6_proto_http2::{Received, RequestTemplate, Tag};

/// Status, and fields and body as they were kept.
type Answer = (u16, KeptResponse);

/// Requests one path and reads the response to its end.
pub(crate) fn get(host: &str, port: u16, path: &str) -> Result<Answer, Box<dyn Error>> {
    let spec = RequestSpec::new("GET", host, port, path);
    let request = RequestTemplate::encode(&spec, &mut FieldSet::new(0))?;
    let mut connection = Connection::new(Config::default(), Limits::default());
    connection.start(&request, Tag(0), &IdParts::default());
    let mut socket = TcpStream::connect((host, port))?;
    let (mut buffer, mut kept) = ([0; 16 << 10], KeptResponse::new(16 << 20));
    loop {
        // The request first; later, what the protocol has to say: acknowledgements, and room for more of the body.
        let bytes = connection.unwritten_in_one().unwrap_or_default();
        socket.write_all(bytes)?;
        connection.wrote(bytes.len(), |_, _| {});
        let (count, mut from) = (socket.read(&mut buffer)?, 0);
        while let Some(event) = connection.received_by(&buffer[..count], &mut from, &mut kept) {
            match event {
                Received::Complete { response, .. } => return Ok((response.status, kept)),
                Received::Failed { error, .. } | Received::Broken(error) => {
                    return Err(error.into());
                }
                Received::Refused { code, .. } => return Err(format!("refused: {code}").into()),
                _ => {}
            }
        }
        if count == 0 {
            return Err("the connection ended".into());
        }
    }
}

#[allow(dead_code, reason = "the tests call `get`")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("{:?}", get("127.0.0.1", 8080, "/hello")?);
    Ok(())
}
