//! Real sockets and a server in the same process: a callback sees every event as it happens.
//!
//! `cargo run --release -p z6 --example http_integration`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use z6::{Event, EventLine, Finished, RequestBuilder, Run, Scenario, TargetBuilder};

/// Answers each request on a connection with two bytes, until the client leaves.
fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        // The head ends with an empty line; the requests here have no bodies.
        if line?.is_empty() {
            writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")?;
        }
    }
    Ok(())
}

fn start_server() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that leaves early ends its own thread only.
            std::thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

/// The run's figures, and the events as lines of text.
pub(crate) fn run() -> Result<(Finished, Vec<String>), Box<dyn std::error::Error>> {
    let address = start_server()?;
    let scenario = Scenario::builder()
        .vus(2)
        .iterations(5)
        .target(TargetBuilder::new(format!("http://{address}")))
        .request(RequestBuilder::new("root", "/"))
        .build()?;
    let (sender, receiver) = mpsc::channel();
    let finished = Run::from_scenario(&scenario)?
        .seed(1)
        .on_event(move |worker, at, event: &Event| {
            // Called on the log writer's thread: hand the event over and return.
            let _ = sender.send(EventLine { worker, at, event }.to_string());
        })
        .start()?
        .wait()?;
    Ok((finished, receiver.iter().collect()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (finished, lines) = run()?;
    for line in &lines {
        println!("{line}");
    }
    println!("{} events, {} requests", lines.len(), finished.metrics.requests.sent);
    Ok(())
}
