//! The report page of a run in progress over HTTP, or its figures for Prometheus: one text, GET only, for programs
//! on this machine. Reads no file and knows no run; it serves the text that it is given.
//!
//! A request has to name this machine in its Host field, so that no site can reach the page through a name of its
//! own (DNS rebinding). One connection is served at a time, for a bounded time, and gets one answer.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use z6_metrics::report::openmetrics::OPENMETRICS_TYPE;

/// Bytes of a request that are read.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// How long a request may take to arrive, and an answer to be taken.
const EXCHANGE_MAX: Duration = Duration::from_secs(2);
/// Seconds after which a browser asks again.
const REFRESH_SECONDS: u32 = 1;

/// How long the last page is kept for a browser that has asked before.
const LINGER: Duration = Duration::from_secs(2);

/// What a server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// A page for browsers, at `/`.
    Page,
    /// Figures for Prometheus, at `/metrics`.
    Metrics,
}

impl Served {
    const fn path(self) -> &'static str {
        match self {
            Served::Page => "/",
            Served::Metrics => "/metrics",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Served::Page => "text/html; charset=utf-8",
            Served::Metrics => OPENMETRICS_TYPE,
        }
    }

    /// The options of the command line that serve it.
    const fn options(self) -> (&'static str, &'static str) {
        match self {
            Served::Page => ("--web", "--web-allow"),
            Served::Metrics => ("--metrics", "--metrics-allow"),
        }
    }
}

/// The text as it is now.
#[derive(Debug, Default)]
struct Page {
    text: Arc<str>,
    /// Whether it is the last one.
    is_final: bool,
    /// Whether someone has got a text, and how often the last one was got.
    is_asked_for: bool,
    taken: u32,
}

/// A server on a thread of its own, which ends with the process.
#[derive(Debug)]
pub(crate) struct Server {
    page: Arc<Mutex<Page>>,
    address: SocketAddr,
}

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    #[error(
        "{address} can be reached from other machines: use a loopback address such as 127.0.0.1:{}, or name the \
         host that will be asked for with `{} HOST`",
        address.port(),
        served.options().1
    )]
    NotLoopback { address: SocketAddr, served: Served },
    #[error("cannot listen on {address} (`{}`): {source}", served.options().0)]
    Listen { address: SocketAddr, served: Served, source: io::Error },
    #[error("cannot start the thread that serves: {0}")]
    Thread(io::Error),
}

/// What `--web` and `--web-allow`, or `--metrics` and `--metrics-allow`, ask for.
#[derive(Debug, Clone)]
pub(crate) struct WebOptions {
    pub(crate) address: SocketAddr,
    pub(crate) allowed: Option<String>,
    pub(crate) served: Served,
}

/// Whether this address may be listened on.
fn check(web: &WebOptions) -> Result<(), WebError> {
    let WebOptions { address, ref allowed, served } = *web;
    let is_allowed = address.ip().is_loopback() || allowed.is_some();
    if is_allowed { Ok(()) } else { Err(WebError::NotLoopback { address, served }) }
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// [`WebError`].
    pub(crate) fn start(web: &WebOptions) -> Result<Server, WebError> {
        check(web)?;
        let WebOptions { address, allowed, served } = web.clone();
        let failed = |source| WebError::Listen { address, served, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let page = Arc::new(Mutex::new(Page::default()));
        let shared = Arc::clone(&page);
        let thread = std::thread::Builder::new().name("z6-web".to_owned());
        let spawned = thread.spawn(move || {
            for stream in listener.incoming().flatten() {
                // A browser that does not take its answer misses it.
                let _ = answer(stream, &shared, served, allowed.as_deref());
            }
        });
        spawned.map_err(WebError::Thread)?;
        Ok(Server { page, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this page is served; the last one is not asked for again.
    pub(crate) fn show(&self, text: String, is_final: bool) {
        let mut page = lock(&self.page);
        page.text = text.into();
        page.is_final = is_final;
    }

    /// How often the last text was got.
    pub(crate) fn taken(&self) -> u32 {
        lock(&self.page).taken
    }

    /// Waits for a bounded time until a browser that has asked for the page has got the last one.
    pub(crate) fn linger(&self) {
        let until = Instant::now() + LINGER;
        let is_awaited = |page: &Page| page.is_final && page.is_asked_for && page.taken == 0;
        while Instant::now() < until && is_awaited(&lock(&self.page)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lock(page: &Mutex<Page>) -> MutexGuard<'_, Page> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(
    mut stream: TcpStream,
    page: &Mutex<Page>,
    served: Served,
    allowed: Option<&str>,
) -> io::Result<()> {
    stream.set_write_timeout(Some(EXCHANGE_MAX))?;
    let request = request(&mut stream)?;
    let reply = reply(&request, served, allowed);
    let (current, is_final) = {
        let page = lock(page);
        (Arc::clone(&page.text), page.is_final)
    };
    let (status, kind, text) = match &reply {
        Reply::Page => ("200 OK", served.content_type(), current.as_ref()),
        Reply::Refused { status, text } => (*status, "text/plain; charset=utf-8", text.as_str()),
    };
    let mut head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
         Connection: close\r\n",
        text.len()
    );
    if status.starts_with("405") {
        head.push_str("Allow: GET\r\n");
    }
    if reply == Reply::Page && served == Served::Page && !is_final {
        head.push_str(&format!("Refresh: {REFRESH_SECONDS}\r\n"));
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(text.as_bytes())?;
    if reply == Reply::Page {
        let mut page = lock(page);
        page.is_asked_for = true;
        page.taken += u32::from(is_final);
    }
    Ok(())
}

/// The head of a request, or as much of it as came in time.
fn request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + EXCHANGE_MAX;
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    while bytes.len() < REQUEST_BYTES_MAX && !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    Ok(bytes)
}

/// What a request gets.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Page,
    Refused { status: &'static str, text: String },
}

fn reply(request: &[u8], served: Served, allowed: Option<&str>) -> Reply {
    let refused = |status, text: &str| Reply::Refused { status, text: text.to_owned() };
    let text = String::from_utf8_lossy(request);
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return refused("400 Bad Request", "The request is too long, or came too slowly.\n");
    };
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return refused("400 Bad Request", "This is not a request.\n");
    };
    let fields = lines.filter_map(|line| line.split_once(':'));
    let hosts: Vec<&str> = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.trim())
        .collect();
    let [host] = hosts[..] else {
        return refused("400 Bad Request", "The request needs one Host field.\n");
    };
    if !version.starts_with("HTTP/1.") {
        return refused("505 HTTP Version Not Supported", "Use HTTP/1.1.\n");
    }
    if !is_host_allowed(host, allowed) {
        let text = format!(
            "This is for programs on this machine: ask for it at its loopback address, or start z6 with {} \
             HOST.\n",
            served.options().1
        );
        return refused("403 Forbidden", &text);
    }
    match (method, path) {
        ("GET", path) if path == served.path() => Reply::Page,
        ("GET", _) => refused("404 Not Found", &format!("Ask for {}.\n", served.path())),
        _ => refused("405 Method Not Allowed", "Only GET is answered.\n"),
    }
}

/// Whether a Host field names this machine by itself, or the host that was allowed.
fn is_host_allowed(field: &str, allowed: Option<&str>) -> bool {
    let host = match field.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => field,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = address.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_named = allowed.is_some_and(|name| name.eq_ignore_ascii_case(host));
    is_loopback || host.eq_ignore_ascii_case("localhost") || is_named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> &'static str {
        match reply(request.as_bytes(), Served::Page, Some("load.example")) {
            Reply::Page => "200",
            Reply::Refused { status, .. } => &status[..3],
        }
    }

    #[test]
    fn only_a_get_of_the_page_from_this_machine_is_answered() {
        for (request, expected) in [
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", "200"),
            ("GET / HTTP/1.1\r\nhost:localhost\r\n\r\n", "200"),
            ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200"),
            ("GET / HTTP/1.1\r\nHost: load.example:80\r\n\r\n", "200"),
            ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", "403"),
            ("GET / HTTP/1.1\r\nHost: localhost.evil.example:80\r\n\r\n", "403"),
            ("GET / HTTP/1.1\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "400"),
            ("GET /../etc HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
            ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
            ("DELETE /x HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
            ("GET / HTTP/2\r\nHost: localhost\r\n\r\n", "505"),
            ("GET / HTTP/1.1\r\nHost: localhost\r\n", "400"),
            ("\r\n\r\n", "400"),
            ("", "400"),
        ] {
            assert_eq!(status(request), expected, "{request:?}");
        }
    }

    #[test]
    fn other_machines_are_let_in_only_by_name() {
        let web = |address: [u8; 4], allowed: Option<&str>| WebOptions {
            address: SocketAddr::from((address, 80)),
            allowed: allowed.map(str::to_owned),
            served: Served::Page,
        };
        assert!(check(&web([0, 0, 0, 0], None)).is_err());
        assert!(check(&web([0, 0, 0, 0], Some("load.example"))).is_ok());
        assert!(check(&web([127, 0, 0, 1], None)).is_ok());
    }

    fn local() -> Server {
        serving(Served::Page)
    }

    fn serving(served: Served) -> Server {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Server::start(&WebOptions { address, allowed: None, served }).unwrap()
    }

    fn get(server: &Server, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn browsers_ask_again_until_the_page_is_the_last() {
        let server = local();
        server.show("<p>1".to_owned(), false);
        let first = get(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(first.contains("\r\nRefresh: 1\r\n") && first.ends_with("\r\n\r\n<p>1"), "{first}");
        server.show("<p>2".to_owned(), true);
        let last = get(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(!last.contains("Refresh") && last.ends_with("\r\n\r\n<p>2"), "{last}");
        let refused = get(&server, b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        assert!(refused.starts_with("HTTP/1.1 403") && !refused.contains("<p>"), "{refused}");
    }

    #[test]
    fn scrapes_of_the_last_figures_are_counted() {
        let server = serving(Served::Metrics);
        let scrape = || get(&server, b"GET /metrics HTTP/1.1\r\nHost: localhost:9464\r\n\r\n");
        server.show("one".to_owned(), false);
        let first = scrape();
        assert!(first.contains("\r\nContent-Type: application/openmetrics-text;"), "{first}");
        assert!(first.ends_with("\r\n\r\none") && !first.contains("Refresh"), "{first}");
        assert_eq!(server.taken(), 0);
        server.show("two".to_owned(), true);
        scrape();
        scrape();
        assert!(get(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").contains(" 404 "));
        assert_eq!(server.taken(), 2);
    }

    #[test]
    fn a_request_without_an_end_is_cut_off() {
        let server = local();
        let long =
            [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; REQUEST_BYTES_MAX - 19]].concat();
        assert!(get(&server, &long).starts_with("HTTP/1.1 400"));
    }
}
