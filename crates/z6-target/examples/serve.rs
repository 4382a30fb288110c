//! Serves the built-in target until it is killed: `serve [ADDRESS [THREADS]]`.

use std::error::Error;
use std::io::Write;

use z6_target::{Config, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut config = Config::default();
    if let Some(address) = arguments.next() {
        config.addresses = vec![address.parse()?];
    }
    if let Some(threads) = arguments.next() {
        config.threads = threads.parse()?;
    }
    let server = Server::start(config)?;
    writeln!(std::io::stdout(), "listening on {}", server.addresses()[0])?;
    loop {
        std::thread::park();
    }
}
