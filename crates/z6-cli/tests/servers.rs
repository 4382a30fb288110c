//! `z6 run` against servers that are not ours: what they counted is what Z6 says it sent.
//!
//! A test whose server is not on the PATH is skipped with a message, or fails if Z6_REQUIRE_SERVERS is
//! set.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "common/nginx.rs"]
mod nginx_server;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use z6_testing::{Leash, Process, Signal, find, missing};

/// How long a server may take to listen, or to leave.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a server's part for TLS is installed, if Debian has it in a package of its own.
fn has_tls(program: &str) -> bool {
    let module = Path::new("/usr/lib/lighttpd/mod_openssl.so");
    if program != "lighttpd" || module.is_file() {
        return true;
    }
    missing("lighttpd-mod-openssl is not installed");
    false
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server under test; killed when dropped.
struct Server {
    process: Process,
    port: u16,
    folder: TempDir,
    tls: bool,
}

impl Server {
    /// Starts a program whose configuration is written by `prepare`, and waits until it listens. Over
    /// TLS the folder holds `ca.pem`, `cert.pem`, `key.pem`, and the latter two in `both.pem`.
    fn start(tls: bool, prepare: impl Fn(&Place<'_>) -> Command) -> Server {
        let folder = tempfile::tempdir().unwrap();
        // Servers drop root and must still reach their files.
        let open: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder.path(), open).unwrap();
        write_certificates(folder.path());
        let port = free_port();
        let errors = fs::File::create(folder.path().join("server.err")).unwrap();
        errors.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let mut command = prepare(&Place { folder: folder.path(), port, tls });
        command.stdin(Stdio::null()).stdout(errors.try_clone().unwrap()).stderr(errors);
        let process = Process::start_with(nginx_server::LEASH, &mut command).unwrap();
        let mut server = Server { process, port, folder, tls };
        server.wait_until_it_listens();
        server
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.child().try_wait().unwrap();
            let said = || fs::read_to_string(self.folder.path().join("server.err")).unwrap();
            assert!(ended.is_none(), "the server ended: {}", said());
            assert!(start.elapsed() < PATIENCE, "the server does not listen: {}", said());
            std::thread::yield_now();
        }
    }

    /// Asks the server to end, so that its access log is complete, and counts its lines.
    fn count(mut self, signal: Signal) -> u64 {
        self.process.signal(signal).unwrap();
        self.process.child().wait().unwrap();
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        log.lines().filter(|line| line.contains("/counted")).count() as u64
    }
}

/// An authority, and the certificate of a server that it signed.
fn write_certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root = params.self_signed(&root_key).unwrap();
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a server");
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root, &root_key).unwrap();
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    fs::write(folder.join("ca.pem"), root.pem()).unwrap();
    fs::write(folder.join("both.pem"), format!("{certificate}{key}")).unwrap();
    fs::write(folder.join("cert.pem"), certificate).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
}

/// A program of a certain kind, with its configuration, for a folder and a port.
type Prepare = fn(&Path, &Place<'_>) -> Command;

/// Where a server is to serve, and how.
struct Place<'a> {
    folder: &'a Path,
    port: u16,
    tls: bool,
}

impl Place<'_> {
    /// One text for plain servers, another for those over TLS.
    fn by_tls(&self, tls: String) -> String {
        if self.tls { tls } else { String::new() }
    }
}

fn nginx(program: &Path, place: &Place<'_>) -> Command {
    let dir = place.folder.display();
    let ssl = if place.tls { " ssl" } else { "" };
    let certificate =
        place.by_tls(format!("ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;"));
    nginx_server::command(program, place.folder, place.port, ssl, &certificate)
}

/// The user and the group without rights.
const NOBODY: u32 = 65_534;

fn apache(program: &Path, place: &Place<'_>) -> Command {
    let (dir, port) = (place.folder.display(), place.port);
    let modules = "/usr/lib/apache2/modules";
    let ssl = place.by_tls(format!(
        "LoadModule ssl_module {modules}/mod_ssl.so\nSSLEngine on\n\
         SSLCertificateFile {dir}/cert.pem\nSSLCertificateKeyFile {dir}/key.pem\n"
    ));
    let config = format!(
        "ServerRoot {dir}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {dir}/pid\n\
         ErrorLog {dir}/server.err\n\
         LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
         LoadModule authz_core_module {modules}/mod_authz_core.so\n{ssl}\
         MaxKeepAliveRequests 0\nKeepAlive On\nKeepAliveTimeout 60\n\
         LogFormat \"%r %>s\" short\nCustomLog {dir}/access.log short\nDocumentRoot {dir}/www\n\
         <Directory {dir}/www>\nRequire all granted\n</Directory>\n"
    );
    fs::create_dir_all(place.folder.join("www")).unwrap();
    fs::write(place.folder.join("www/counted"), "Hello").unwrap();
    fs::write(place.folder.join("apache.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-X").arg("-f").arg(place.folder.join("apache.conf"));
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // It does not serve as root. A change of its user by itself would end its leash.
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn caddy(program: &Path, place: &Place<'_>) -> Command {
    let (dir, port) = (place.folder.display(), place.port);
    let scheme = if place.tls { "https" } else { "http" };
    let tls = place.by_tls(format!("tls {dir}/cert.pem {dir}/key.pem"));
    let config = format!(
        "{{\n admin off\n auto_https off\n}}\n\
         {scheme}://:{port} {{\n bind 127.0.0.1\n {tls}\n log {{\n output file {dir}/access.log\n }}\n \
         respond Hello\n}}\n"
    );
    fs::write(place.folder.join("Caddyfile"), config).unwrap();
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config"]);
    command.arg(place.folder.join("Caddyfile")).env("HOME", place.folder);
    command
}

fn lighttpd(program: &Path, place: &Place<'_>) -> Command {
    let (dir, port) = (place.folder.display(), place.port);
    let ssl = place.by_tls(format!(
        "server.modules += (\"mod_openssl\")\nssl.engine = \"enable\"\nssl.pemfile = \"{dir}/both.pem\"\n"
    ));
    let config = format!(
        "server.document-root = \"{dir}/www\"\nserver.port = {port}\nserver.bind = \"127.0.0.1\"\n\
         server.modules = (\"mod_accesslog\")\naccesslog.filename = \"{dir}/access.log\"\n\
         server.max-keep-alive-requests = 100000\nserver.errorlog = \"{dir}/server.err\"\n{ssl}"
    );
    fs::create_dir_all(place.folder.join("www")).unwrap();
    fs::write(place.folder.join("www/counted"), "Hello").unwrap();
    fs::write(place.folder.join("lighttpd.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-D").arg("-f").arg(place.folder.join("lighttpd.conf"));
    command
}

/// Python's own server: HTTP/1.0 and one connection per request, or, over TLS, HTTP/1.1.
fn python(program: &Path, place: &Place<'_>) -> Command {
    let (dir, port) = (place.folder.display(), place.port);
    fs::write(place.folder.join("counted"), "Hello").unwrap();
    let log = place.folder.join("access.log").display().to_string();
    let version = if place.tls { "HTTP/1.1" } else { "HTTP/1.0" };
    let wrap = place.by_tls(format!(
        "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
         c.load_cert_chain('{dir}/cert.pem', '{dir}/key.pem')\n\
         s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)\n"
    ));
    let serve = format!(
        "import http.server, os, signal, ssl\n\
         os.chdir('{dir}')\n\
         log = open({log:?}, 'w', buffering=1)\n\
         class H(http.server.SimpleHTTPRequestHandler):\n\
         \x20   protocol_version = '{version}'\n\
         \x20   disable_nagle_algorithm = True\n\
         \x20   def log_message(self, *a): log.write(a[0] % a[1:] + '\\n')\n\
         class S(http.server.ThreadingHTTPServer):\n\
         \x20   request_queue_size = 1024\n\
         signal.signal(signal.SIGTERM, lambda *a: os._exit(0))\n\
         s = S(('127.0.0.1', {port}), H)\n{wrap}\
         s.serve_forever()\n"
    );
    let mut command = Command::new(program);
    command.arg("-c").arg(serve);
    command
}

/// Node's own server: keep-alive and chunked answers.
fn node(program: &Path, place: &Place<'_>) -> Command {
    let (dir, port) = (place.folder.display(), place.port);
    let (module, options) = match place.tls {
        false => ("http", "{}".to_owned()),
        true => {
            let read = |name: &str| format!("fs.readFileSync('{dir}/{name}.pem')");
            ("https", format!("{{ key: {}, cert: {} }}", read("key"), read("cert")))
        }
    };
    let serve = format!(
        "const fs = require('fs'); const log = fs.openSync('{dir}/access.log', 'w');\n\
         const s = require('{module}').createServer({options}, (q, r) => {{\n\
           fs.writeSync(log, q.url + '\\n'); r.write('Hel'); r.end('lo'); }});\n\
         s.keepAliveTimeout = 60000; process.on('SIGTERM', () => process.exit(0));\n\
         s.listen({port}, '127.0.0.1');"
    );
    let mut command = Command::new(program);
    command.arg("-e").arg(serve);
    command
}

/// haproxy before the server that listens at the port `behind`.
fn haproxy(program: &Path, place: &Place<'_>, behind: u16) -> Command {
    let (dir, port) = (place.folder.display(), place.port);
    let ssl = place.by_tls(format!(" ssl crt {dir}/both.pem"));
    let config = format!(
        "global\n log stdout format raw local0\n maxconn 1000\n\
         defaults\n mode http\n log global\n option httplog\n timeout connect 10s\n timeout client 60s\n \
         timeout server 60s\n\
         frontend front\n bind 127.0.0.1:{port}{ssl}\n default_backend behind\n\
         backend behind\n server one 127.0.0.1:{behind}\n"
    );
    fs::write(place.folder.join("haproxy.cfg"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(place.folder.join("haproxy.cfg"));
    command
}

struct Ran {
    output: Output,
    metrics: Value,
    _results: TempDir,
}

impl Ran {
    fn requests(&self, name: &str) -> u64 {
        self.metrics["requests"][name].as_u64().unwrap()
    }

    /// planned = sent + never_sent; sent = succeeded + failed + in_flight_at_stop; kinds add up.
    fn assert_conserved(&self) {
        let of = |name| self.requests(name);
        assert_eq!(of("planned"), of("sent") + of("never_sent"));
        assert_eq!(of("sent"), of("succeeded") + of("failed") + of("in_flight_at_stop"));
        let kinds = self.metrics["errors"]["by_kind"].as_object().unwrap();
        let sum: u64 = kinds.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(sum, of("failed"), "{kinds:?}");
    }
}

fn z6_run(scenario: &str) -> (Command, TempDir) {
    let results = tempfile::tempdir().unwrap();
    let file = results.path().join("scenario.toml");
    fs::write(&file, scenario).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
    command.arg("run").arg(file).arg("--output").arg(results.path().join("out")).arg("--no-live");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (command, results)
}

fn collect(output: Output, results: TempDir) -> Ran {
    let path = results.path().join("out/metrics.json");
    let text = fs::read_to_string(path)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Ran { output, metrics: serde_json::from_str(&text).unwrap(), _results: results }
}

fn run(scenario: &str) -> Ran {
    let (mut command, results) = z6_run(scenario);
    collect(Leash::default().put_on(&mut command).output().unwrap(), results)
}

/// Requests to a server, over TLS if it speaks that, its certificate verified.
fn scenario(server: &Server, vus: u32, iterations: u32) -> String {
    let (port, ca) = (server.port, server.folder.path().join("ca.pem"));
    let target = match server.tls {
        false => format!("base_url = 'http://127.0.0.1:{port}'"),
        true => format!("base_url = 'https://127.0.0.1:{port}'\nca_bundle = '{}'", ca.display()),
    };
    format!(
        "[runtime]\nvus = {vus}\niterations = {iterations}\nprng_seed = 1\n[target]\n{target}\n\
         [[requests]]\nname = 'counted'\npath = '/counted'\n"
    )
}

/// Every request is answered: how many there were.
fn all_answered(server: &Server, vus: u32) -> u64 {
    let requests = requests();
    let ran = run(&scenario(server, vus, requests / vus));
    let said = String::from_utf8_lossy(&ran.output.stderr);
    assert_eq!(ran.output.status.code(), Some(0), "{said}");
    ran.assert_conserved();
    let sent = ran.requests("sent");
    assert_eq!(sent, u64::from(requests));
    assert_eq!((ran.requests("succeeded"), ran.requests("on_wire")), (sent, sent));
    let handshakes = &ran.metrics["latency"]["tls_handshake_ns"]["count"];
    assert_eq!(handshakes.as_u64().unwrap() > 0, server.tls);
    sent
}

/// Every request is answered, and the server counted exactly those that were sent: plain, and over
/// TLS.
fn counts_agree(program: &str, prepare: Prepare, vus: u32, signal: Signal) {
    let Some(path) = find(program) else { return };
    for tls in [false, true] {
        if tls && !has_tls(program) {
            return;
        }
        let server = Server::start(tls, |place| prepare(&path, place));
        let sent = all_answered(&server, vus);
        assert_eq!(server.count(signal), sent, "over TLS: {tls}");
    }
}

/// Requests to each server; a multiple of all numbers of VUs.
fn requests() -> u32 {
    let given = std::env::var("Z6_SERVER_REQUESTS").ok();
    given.map_or(10_000, |text| text.parse().unwrap())
}

#[test]
fn nginx_counts_what_was_sent() {
    counts_agree("nginx", nginx, 20, Signal::QUIT);
}

#[test]
fn apache_counts_what_was_sent() {
    counts_agree("apache2", apache, 20, Signal::TERM);
}

#[test]
fn caddy_counts_what_was_sent() {
    counts_agree("caddy", caddy, 20, Signal::TERM);
}

#[test]
fn lighttpd_counts_what_was_sent() {
    counts_agree("lighttpd", lighttpd, 20, Signal::INT);
}

#[test]
fn python_counts_what_was_sent() {
    counts_agree("python3", python, 8, Signal::TERM);
}

#[test]
fn node_counts_what_was_sent() {
    counts_agree("node", node, 20, Signal::TERM);
}

#[test]
fn nginx_behind_haproxy_counts_what_was_sent() {
    let (Some(behind), Some(front)) = (find("nginx"), find("haproxy")) else { return };
    for tls in [false, true] {
        let behind = Server::start(false, |place| nginx(&behind, place));
        let front = Server::start(tls, |place| haproxy(&front, place, behind.port));
        let sent = all_answered(&front, 20);
        drop(front);
        assert_eq!(behind.count(Signal::QUIT), sent, "over TLS: {tls}");
    }
}

/// The server is killed in the middle of a run: typed errors, no hang, nothing lost.
#[test]
fn a_server_killed_in_the_middle_leaves_typed_errors() {
    let Some(program) = find("nginx") else { return };
    let mut server = Server::start(false, |place| nginx(&program, place));
    let text = scenario(&server, 10, 1)
        .replace("iterations = 1", "duration_seconds = 2\ngraceful_stop_seconds = 1");
    let (mut command, results) = z6_run(&text);
    let running = Process::start(&mut command).unwrap();
    // In the middle: once the server has answered some.
    let log = server.folder.path().join("access.log");
    let start = Instant::now();
    while fs::metadata(&log).map_or(0, |meta| meta.len()) < 100_000 {
        assert!(start.elapsed() < PATIENCE, "nothing was sent");
        std::thread::yield_now();
    }
    server.process.kill();
    let ran = collect(running.wait_with_output().unwrap(), results);
    assert_eq!(ran.output.status.code(), Some(0), "no assertion, no failure of ours");
    ran.assert_conserved();
    let kinds = ran.metrics["errors"]["by_kind"].as_object().unwrap();
    let known = ["connection_refused", "connection_reset", "closed_before_response"];
    let allowed = |kind: &str| known.contains(&kind) || kind == "stale_connection";
    assert!(!kinds.is_empty() && kinds.keys().all(|kind| allowed(kind)), "{kinds:?}");
    let counted = fs::read_to_string(log).unwrap();
    let counted = counted.lines().filter(|line| line.contains("/counted")).count() as u64;
    // nginx writes its line after the answer: the one worker may have died between the two.
    let succeeded = ran.requests("succeeded");
    assert!(succeeded <= counted + 1 && counted <= ran.requests("on_wire"));
}
