//! Authorities, certificates and servers for the tests of TLS, on threads of the standard library.

#![allow(dead_code, reason = "no test uses all of it")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    HandshakeKind, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};
use tempfile::TempDir;
use z6_proto_http1::Limits;
use z6_proto_http1::server::{RequestBody, RequestPart, RequestReader};

/// What a server shows, and the key to it.
pub(crate) struct Leaf {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    /// Its certificate in PEM form.
    pub(crate) pem: String,
}

impl Leaf {
    /// A file to trust it by.
    pub(crate) fn bundle(&self, folder: &TempDir) -> PathBuf {
        let path = folder.path().join("leaf.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }
}

/// Who signs.
pub(crate) struct Authority {
    key: KeyPair,
    certificate: rcgen::Certificate,
    folder: TempDir,
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

impl Authority {
    /// Its own certificate, as one for servers on this machine.
    pub(crate) fn as_server(&self) -> Leaf {
        let key = der(&self.key);
        Leaf { chain: vec![self.der()], key, pem: self.certificate.pem() }
    }

    pub(crate) fn root(name: &str) -> Authority {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Authority { key, certificate, folder: folder() }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Authority {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Authority { key, certificate, folder: folder() }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A file to trust it by.
    pub(crate) fn bundle(&self) -> PathBuf {
        let path = self.folder.path().join("ca.pem");
        std::fs::write(&path, self.certificate.pem()).unwrap();
        path
    }

    pub(crate) fn leaf(&self, change: impl Fn(&mut CertificateParams)) -> Leaf {
        self.leaf_for(&["localhost", "127.0.0.1"], change)
    }

    pub(crate) fn leaf_for(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a server");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Leaf { chain: vec![certificate.der().clone()], key: der(&key), pem: certificate.pem() }
    }

    /// Files of a client certificate and its key.
    pub(crate) fn client_files(&self) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a client");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        let paths = ["client.pem", "client.key"].map(|name| self.folder.path().join(name));
        std::fs::write(&paths[0], certificate.pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        let [certificate, key] = paths;
        (certificate, key)
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A certificate signed by its own key; `is_authority`, as `openssl req -x509` makes it, or not.
pub(crate) fn self_signed(is_authority: bool) -> Leaf {
    self_signed_with(is_authority, |_| {})
}

pub(crate) fn self_signed_with(
    is_authority: bool,
    change: impl Fn(&mut CertificateParams),
) -> Leaf {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "itself");
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Leaf { chain: vec![certificate.der().clone()], key: der(&key), pem: certificate.pem() }
}

/// How a server does TLS.
pub(crate) struct Setup {
    pub(crate) leaf: Leaf,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) protocols: Vec<Vec<u8>>,
    pub(crate) client_root: Option<CertificateDer<'static>>,
    /// Answers in records of one byte, written byte by byte.
    pub(crate) dribble: bool,
}

impl Setup {
    pub(crate) fn new(leaf: Leaf) -> Setup {
        Setup {
            leaf,
            versions: vec![&rustls::version::TLS13, &rustls::version::TLS12],
            protocols: vec![b"http/1.1".to_vec()],
            client_root: None,
            dribble: false,
        }
    }

    fn config(self) -> ServerConfig {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&self.versions).unwrap();
        let builder = match self.client_root {
            None => builder.with_no_client_auth(),
            Some(root) => {
                let mut roots = RootCertStore::empty();
                roots.add(root).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(self.leaf.chain, self.leaf.key).unwrap();
        config.alpn_protocols = self.protocols;
        config
    }
}

/// What a server does with requests.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Answers each request with this body.
    Keep(Vec<u8>),
    /// Answers one request with these bytes and ends the connection, with close_notify or without.
    Raw { bytes: Vec<u8>, notify: bool },
    /// Returns these bytes once it has seen the head.
    Early(Vec<u8>),
}

/// What a server has seen.
#[derive(Default)]
pub(crate) struct Seen {
    names: Mutex<Vec<Option<String>>>,
    held: Mutex<Vec<TcpStream>>,
    pub(crate) resumed: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    pub(crate) clean_ends: AtomicU64,
    pub(crate) cut_ends: AtomicU64,
}

impl Seen {
    /// The name each handshake that was completed asked for.
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.names.lock().unwrap().clone()
    }
}

/// A server on threads of its own, which end with the test.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Seen>,
}

fn listen(each: impl Fn(TcpStream, &Seen) + Clone + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (each, seen) = (each.clone(), Arc::clone(&shared));
            std::thread::spawn(move || each(stream.unwrap(), &seen));
        }
    });
    Server { port, seen }
}

/// A server whose bytes are made by hand.
pub(crate) fn plain_server(each: impl Fn(&mut TcpStream) + Clone + Send + 'static) -> Server {
    listen(move |mut stream, _| each(&mut stream))
}

impl Server {
    pub(crate) fn start(setup: Setup, answer: Answer) -> Server {
        let dribble = setup.dribble;
        let config = Arc::new(setup.config());
        listen(move |mut stream, seen| {
            stream.set_nodelay(true).unwrap();
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            while session.is_handshaking() {
                if session.complete_io(&mut stream).is_err() {
                    return;
                }
            }
            seen.names.lock().unwrap().push(session.server_name().map(str::to_owned));
            let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
            seen.resumed.fetch_add(u64::from(resumed), Ordering::SeqCst);
            Talk { session, stream, dribble, seen }.answer(&answer);
        })
    }
}

struct Talk<'a> {
    session: ServerConnection,
    stream: TcpStream,
    dribble: bool,
    seen: &'a Seen,
}

impl Talk<'_> {
    fn answer(mut self, answer: &Answer) {
        while let Some(body_bytes) = self.head() {
            match answer {
                Answer::Keep(body) => {
                    self.body(body_bytes);
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    self.write(&[head.as_bytes(), body].concat());
                }
                Answer::Raw { bytes, notify } => {
                    self.write(bytes);
                    if *notify {
                        self.session.send_close_notify();
                        while self.session.wants_write() {
                            self.session.write_tls(&mut self.stream).unwrap();
                        }
                    }
                    self.stream.shutdown(Shutdown::Write).unwrap();
                    let _ = self.stream.read_to_end(&mut Vec::new());
                    return;
                }
                Answer::Early(bytes) => {
                    self.write(bytes);
                    // Kept open, and nothing more is read.
                    self.seen.held.lock().unwrap().push(self.stream);
                    return;
                }
            }
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<usize> {
        match rustls::Stream::new(&mut self.session, &mut self.stream).read(bytes) {
            Ok(0) => {
                self.seen.clean_ends.fetch_add(1, Ordering::SeqCst);
                None
            }
            Ok(length) => Some(length),
            Err(_) => {
                self.seen.cut_ends.fetch_add(1, Ordering::SeqCst);
                None
            }
        }
    }

    /// Reads a head; returns the length of the body.
    fn head(&mut self) -> Option<u64> {
        let (mut reader, limits) = (RequestReader::default(), Limits::default());
        let (mut head, mut byte) = (Vec::new(), [0]);
        loop {
            self.read(&mut byte)?;
            head.push(byte[0]);
            if let (_, RequestPart::Head(head)) = reader.next(&head, &limits).unwrap() {
                return match head.body {
                    RequestBody::Empty => Some(0),
                    RequestBody::Length(bytes) => Some(bytes),
                    RequestBody::Chunked => panic!("Z6 sends no chunks"),
                };
            }
        }
    }

    fn body(&mut self, mut missing: u64) {
        let mut buffer = vec![0; 64 << 10];
        while missing > 0 {
            let most = buffer.len().min(missing as usize);
            let Some(length) = self.read(&mut buffer[..most]) else { return };
            missing -= length as u64;
            self.seen.body_bytes.fetch_add(length as u64, Ordering::SeqCst);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if !self.dribble {
            // A client that has gone is the client's business.
            let mut stream = rustls::Stream::new(&mut self.session, &mut self.stream);
            let _ = stream.write_all(bytes).and_then(|()| stream.flush());
            return;
        }
        for byte in bytes {
            self.session.writer().write_all(&[*byte]).unwrap();
            let mut sealed = Vec::new();
            while self.session.wants_write() {
                self.session.write_tls(&mut sealed).unwrap();
            }
            for one in sealed {
                let _ = self.stream.write_all(&[one]);
            }
        }
    }
}

pub(crate) fn scenario(port: u16, settings: &str, runtime: &str) -> String {
    format!(
        "requests = [{{ name = 'a', path = '/' }}]\n[runtime]\nprng_seed = 1\n{runtime}\n\
         [target]\nbase_url = 'https://127.0.0.1:{port}'\nreconnect_delay_ms = 1\n{settings}\n"
    )
}

pub(crate) fn run(text: &str) -> z6::Finished {
    z6::Run::from_toml(text).unwrap().start().unwrap().wait().unwrap()
}

/// The summary in one line, so that it does not matter where lines are wrapped.
pub(crate) fn summary(finished: &z6::Finished) -> String {
    let text = z6_metrics::report::summary_text(&finished.metrics, &z6_metrics::Style::plain());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
