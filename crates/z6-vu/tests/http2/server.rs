//! A server over HTTP/2 in clear text, one thread per connection: what it does with each request is the test's to
//! say.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use z6_proto_http2::server::{Asked, ServerConfig, ServerConnection};
use z6_proto_http2::{ErrorCode, Limits, Slices};

/// A whole request.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Which connection of the server, from 0.
    pub connection: u64,
    /// Which request of the connection, from 0.
    pub number: u64,
    pub stream: u32,
    pub method: String,
    pub authority: String,
    pub path: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The stream, its content, its trailers.
type Pending = (u32, Vec<u8>, Vec<(String, String)>);

/// One connection, while a request is answered.
pub struct Peer {
    pub http: ServerConnection,
    /// Content that windows hold back.
    pending: Vec<Pending>,
    /// The connection is closed once everything is written.
    pub closes: bool,
}

impl Peer {
    /// Answers with a status, fields, content and trailers.
    pub fn answer(
        &mut self,
        stream: u32,
        status: u16,
        fields: &[(&str, &str)],
        body: &[u8],
        trailers: &[(&str, &str)],
    ) {
        let status = status.to_string();
        let head = [(&b":status"[..], status.as_bytes())];
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let ends = body.is_empty() && trailers.is_empty();
        self.http.respond_fields(stream, head.into_iter().chain(fields), ends);
        if !ends {
            let trailers =
                trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            self.pending.push((stream, body.to_vec(), trailers.collect()));
        }
    }

    pub fn ok(&mut self, stream: u32) {
        self.answer(stream, 200, &[("content-type", "text/plain")], b"hi", &[]);
    }

    fn push_content(&mut self) {
        let http = &mut self.http;
        self.pending.retain_mut(|(stream, body, trailers)| {
            let ends = trailers.is_empty();
            let taken = http.content(*stream, body, ends);
            body.drain(..taken);
            if !body.is_empty() {
                return true;
            }
            if !ends {
                let fields = trailers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
                http.respond_fields(*stream, fields, true);
            }
            false
        });
    }
}

/// What the server has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub requests: AtomicU64,
    pub connections: AtomicU64,
    pub open_max: AtomicU64,
    pub resets: Mutex<Vec<ErrorCode>>,
    pub goodbyes: Mutex<Vec<ErrorCode>>,
}

pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
}

impl Server {
    pub fn new(answer: impl Fn(&mut Peer, &Ask) + Send + Sync + 'static) -> Server {
        Server::with(ServerConfig::default(), answer)
    }

    pub fn with(
        config: ServerConfig,
        answer: impl Fn(&mut Peer, &Ask) + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (count, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let number = count.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, answer) = (Arc::clone(&count), Arc::clone(&answer));
                // Ends with its connection, at the latest when the run closes it.
                std::thread::spawn(move || {
                    serve(stream.unwrap(), number, config, &seen, &*answer);
                });
            }
        });
        Server { address, seen }
    }

    pub fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

fn serve(
    mut stream: TcpStream,
    connection: u64,
    config: ServerConfig,
    seen: &Seen,
    answer: &dyn Fn(&mut Peer, &Ask),
) {
    let http = ServerConnection::new(config, Limits::default());
    let mut peer = Peer { http, pending: Vec::new(), closes: false };
    let mut open: Vec<Ask> = Vec::new();
    let mut number = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        peer.push_content();
        loop {
            let mut slices = Slices::new();
            if peer.http.unwritten(&mut slices) == 0 {
                break;
            }
            let Ok(written) = stream.write(slices.as_slice()[0]) else { return };
            peer.http.wrote(written);
        }
        if peer.closes {
            // Not before the client has seen what was written.
            let _ = stream.shutdown(Shutdown::Write);
            while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
            return;
        }
        let Ok(length @ 1..) = stream.read(&mut buffer) else { return };
        let mut from = 0;
        let mut complete = Vec::new();
        while let Some(asked) = peer.http.received(&buffer[..length], &mut from) {
            match asked {
                Asked::Request { stream, ends } => {
                    let request = peer.http.request();
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    open.push(Ask {
                        connection,
                        number,
                        stream,
                        method: text(request.method()),
                        authority: text(request.authority()),
                        path: text(request.path()),
                        fields: request.fields().map(|(n, v)| (text(n), text(v))).collect(),
                        body: Vec::new(),
                    });
                    number += 1;
                    complete.extend(ends.then_some(stream));
                    let count = (open.len() - complete.len() + 1) as u64;
                    seen.open_max.fetch_max(count, Ordering::SeqCst);
                }
                Asked::Content { stream, range, ends } => {
                    let ask = open.iter_mut().find(|ask| ask.stream == stream).unwrap();
                    ask.body.extend_from_slice(&buffer[range]);
                    complete.extend(ends.then_some(stream));
                }
                Asked::Reset { stream, code } => {
                    seen.resets.lock().unwrap().push(code);
                    open.retain(|ask| ask.stream != stream);
                    complete.retain(|known| *known != stream);
                    peer.pending.retain(|(known, ..)| *known != stream);
                }
                Asked::Rejected { .. } => {}
                Asked::GoingAway(code) => seen.goodbyes.lock().unwrap().push(code),
                Asked::Broken(_) => peer.closes = true,
            }
        }
        for stream in complete {
            let Some(at) = open.iter().position(|ask| ask.stream == stream) else { continue };
            let ask = open.remove(at);
            seen.requests.fetch_add(1, Ordering::SeqCst);
            answer(&mut peer, &ask);
        }
    }
}
