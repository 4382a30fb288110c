//! `z6 run` against servers that are not ours: what they counted is what Z6 says it sent.
//!
//! A server that is not installed is skipped with a message, or, where Z6_REQUIRE_SERVERS is set,
//! fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a server may take to listen, or to leave.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program on the PATH or where Debian puts servers.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("Z6_REQUIRE_SERVERS").is_none(),
            "{program} is not installed and Z6_REQUIRE_SERVERS is set"
        );
        println!("SKIPPED: {program} is not installed");
    }
    found
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server under test; killed when dropped.
struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// Starts a program whose configuration is written by `prepare`, and waits until it listens.
    fn start(prepare: impl Fn(&Path, u16) -> Command) -> Server {
        let folder = tempfile::tempdir().unwrap();
        // Servers drop root and must still reach their files.
        let open: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder.path(), open).unwrap();
        let port = free_port();
        let errors = fs::File::create(folder.path().join("server.err")).unwrap();
        let child = prepare(folder.path(), port)
            .stdin(Stdio::null())
            .stdout(errors.try_clone().unwrap())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut server = Server { child, port, folder };
        server.wait_until_it_listens();
        server
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            let said = || fs::read_to_string(self.folder.path().join("server.err")).unwrap();
            assert!(ended.is_none(), "the server ended: {}", said());
            assert!(start.elapsed() < PATIENCE, "the server does not listen: {}", said());
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Ends the server in good order, so that its access log is complete, and counts its lines.
    fn count(mut self, signal: &str) -> u64 {
        self.signal(signal);
        self.child.wait().unwrap();
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        log.lines().filter(|line| line.contains("/counted")).count() as u64
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nginx(program: &Path) -> impl Fn(&Path, u16) -> Command {
    move |folder, port| {
        let dir = folder.display();
        let config = format!(
            "daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/server.err;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log {dir}/access.log; keepalive_requests 100000;\n\
             client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;\n\
             uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 'Hello'; }} }} }}\n"
        );
        fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
        command
    }
}

fn apache(program: &Path) -> impl Fn(&Path, u16) -> Command {
    move |folder, port| {
        let dir = folder.display();
        let modules = "/usr/lib/apache2/modules";
        let config = format!(
            "ServerRoot {dir}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {dir}/pid\n\
             ErrorLog {dir}/server.err\n\
             LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
             LoadModule authz_core_module {modules}/mod_authz_core.so\n\
             User www-data\nGroup www-data\n\
             MaxKeepAliveRequests 0\nKeepAlive On\nKeepAliveTimeout 60\n\
             LogFormat \"%r %>s\" short\nCustomLog {dir}/access.log short\nDocumentRoot {dir}/www\n\
             <Directory {dir}/www>\nRequire all granted\n</Directory>\n"
        );
        fs::create_dir_all(folder.join("www")).unwrap();
        fs::write(folder.join("www/counted"), "Hello").unwrap();
        fs::write(folder.join("apache.conf"), config).unwrap();
        let mut command = Command::new(program);
        command.arg("-X").arg("-f").arg(folder.join("apache.conf"));
        command
    }
}

fn lighttpd(program: &Path) -> impl Fn(&Path, u16) -> Command {
    move |folder, port| {
        let dir = folder.display();
        let config = format!(
            "server.document-root = \"{dir}/www\"\nserver.port = {port}\nserver.bind = \"127.0.0.1\"\n\
             server.modules = (\"mod_accesslog\")\naccesslog.filename = \"{dir}/access.log\"\n\
             server.max-keep-alive-requests = 100000\nserver.errorlog = \"{dir}/server.err\"\n"
        );
        fs::create_dir_all(folder.join("www")).unwrap();
        fs::write(folder.join("www/counted"), "Hello").unwrap();
        fs::write(folder.join("lighttpd.conf"), config).unwrap();
        let mut command = Command::new(program);
        command.arg("-D").arg("-f").arg(folder.join("lighttpd.conf"));
        command
    }
}

/// Python's own server: HTTP/1.0, one connection per request, its log on stderr.
fn python(program: &Path) -> impl Fn(&Path, u16) -> Command {
    move |folder, port| {
        fs::write(folder.join("counted"), "Hello").unwrap();
        let log = folder.join("access.log").display().to_string();
        let serve = format!(
            "import http.server, os, signal, sys\n\
             os.chdir({:?})\n\
             log = open({log:?}, 'w', buffering=1)\n\
             class H(http.server.SimpleHTTPRequestHandler):\n\
             \x20   def log_message(self, *a): log.write(a[0] % a[1:] + '\\n')\n\
             class S(http.server.ThreadingHTTPServer):\n\
             \x20   request_queue_size = 1024\n\
             signal.signal(signal.SIGTERM, lambda *a: os._exit(0))\n\
             S(('127.0.0.1', {port}), H).serve_forever()\n",
            folder.display().to_string()
        );
        let mut command = Command::new(program);
        command.arg("-c").arg(serve);
        command
    }
}

/// Node's own server: keep-alive and chunked answers.
fn node(program: &Path) -> impl Fn(&Path, u16) -> Command {
    move |folder, port| {
        let log = folder.join("access.log").display().to_string();
        let serve = format!(
            "const fs = require('fs'); const log = fs.openSync({log:?}, 'w');\n\
             const s = require('http').createServer((q, r) => {{\n\
               fs.writeSync(log, q.url + '\\n'); r.write('Hel'); r.end('lo'); }});\n\
             s.keepAliveTimeout = 60000; process.on('SIGTERM', () => process.exit(0));\n\
             s.listen({port}, '127.0.0.1');"
        );
        let mut command = Command::new(program);
        command.arg("-e").arg(serve);
        command
    }
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
    collect(command.output().unwrap(), results)
}

fn scenario(port: u16, vus: u32, iterations: u32) -> String {
    format!(
        "[runtime]\nvus = {vus}\niterations = {iterations}\nprng_seed = 1\n\
         [target]\nbase_url = 'http://127.0.0.1:{port}'\n\
         [[requests]]\nname = 'counted'\npath = '/counted'\n"
    )
}

/// Every request is answered, and the server counted exactly those that were sent.
fn counts_agree(server: Server, vus: u32, iterations: u32, signal: &str) {
    let ran = run(&scenario(server.port, vus, iterations));
    let said = String::from_utf8_lossy(&ran.output.stderr);
    assert_eq!(ran.output.status.code(), Some(0), "{said}");
    ran.assert_conserved();
    let sent = ran.requests("sent");
    assert_eq!(sent, u64::from(vus) * u64::from(iterations));
    assert_eq!((ran.requests("succeeded"), ran.requests("on_wire")), (sent, sent));
    assert_eq!(server.count(signal), sent);
}

#[test]
fn nginx_counts_what_was_sent() {
    let Some(program) = find("nginx") else { return };
    counts_agree(Server::start(nginx(&program)), 20, 500, "-QUIT");
}

#[test]
fn apache_counts_what_was_sent() {
    let Some(program) = find("apache2") else { return };
    counts_agree(Server::start(apache(&program)), 20, 250, "-TERM");
}

#[test]
fn lighttpd_counts_what_was_sent() {
    let Some(program) = find("lighttpd") else { return };
    counts_agree(Server::start(lighttpd(&program)), 20, 500, "-INT");
}

#[test]
fn python_counts_what_was_sent() {
    let Some(program) = find("python3") else { return };
    counts_agree(Server::start(python(&program)), 8, 100, "-TERM");
}

#[test]
fn node_counts_what_was_sent() {
    let Some(program) = find("node") else { return };
    counts_agree(Server::start(node(&program)), 20, 250, "-TERM");
}

/// The server is killed in the middle of a run: typed errors, no hang, nothing lost.
#[test]
fn a_server_killed_in_the_middle_leaves_typed_errors() {
    let Some(program) = find("nginx") else { return };
    let mut server = Server::start(nginx(&program));
    let text = scenario(server.port, 10, 1)
        .replace("iterations = 1", "duration_seconds = 2\ngraceful_stop_seconds = 1");
    let (mut command, results) = z6_run(&text);
    let running = command.spawn().unwrap();
    // In the middle: once the server has answered some.
    let log = server.folder.path().join("access.log");
    let start = Instant::now();
    while fs::metadata(&log).map_or(0, |meta| meta.len()) < 100_000 {
        assert!(start.elapsed() < PATIENCE, "nothing was sent");
        std::thread::yield_now();
    }
    kill_tree(&mut server.child);
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

/// nginx's master and its worker, at once.
fn kill_tree(child: &mut Child) {
    let pid = child.id().to_string();
    let workers = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
    let workers = String::from_utf8(workers.stdout).unwrap();
    let mut kill = Command::new("kill");
    kill.arg("-KILL").arg(&pid).args(workers.split_whitespace());
    assert!(kill.status().unwrap().success());
    child.wait().unwrap();
}
