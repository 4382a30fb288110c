//! `z6 run` over HTTP/2 against servers that are not ours, in clear text and over TLS: what their logs count is what
//! Z6 says it sent, no request is lost to a GOAWAY, and the runs replay.
//!
//! A test whose server is not on the PATH is skipped with a message, or fails if Z6_REQUIRE_SERVERS is set.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "common/nginx.rs"]
mod nginx_server;
#[path = "common/peer.rs"]
mod peer;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use peer::{NOBODY, Peer};
use serde_json::Value;
use z6_testing::{Leash, Signal, find};

/// nghttpd does not write how many requests it had: that every one is answered has to do.
fn nghttpd(is_tls: bool) -> Option<Peer> {
    let program = find("nghttpd")?;
    Some(Peer::start(|folder, port| {
        let mut command = Command::new(&program);
        command.args(["-n1", "-d"]).arg(folder).arg(port.to_string());
        if is_tls {
            command.arg(folder.join("key.pem")).arg(folder.join("cert.pem"));
        } else {
            command.arg("--no-tls");
        }
        command
    }))
}

/// nginx closes each connection after `keepalive` requests; `listen` follows the port.
fn nginx(listen: &str, keepalive: u32) -> Option<Peer> {
    let program = find("nginx")?;
    Some(Peer::start(|folder, port| {
        let dir = folder.display();
        let server = format!(
            "keepalive_requests {keepalive}; client_max_body_size 10m;\n\
             ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;"
        );
        let mut command = nginx_server::command(&program, folder, port, listen, "");
        let path = folder.join("nginx.conf");
        let config = fs::read_to_string(&path).unwrap();
        let config = config.replace("keepalive_requests 100000;", &server);
        fs::write(path, config).unwrap();
        command.env_clear();
        command
    }))
}

/// A run: its metrics, and its exit code. It replays.
fn run(scenario: &str, options: &[&str]) -> (Value, i32) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    fs::write(&file, scenario).unwrap();
    let out = folder.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
    command.arg("run").arg(file).arg("--output").arg(&out).arg("--no-live").args(options);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = Leash::default().put_on(&mut command).output().unwrap();
    let text = fs::read_to_string(out.join("metrics.json"))
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
    command.arg("replay").arg(&out).stdout(Stdio::piped());
    let replayed = Leash::default().put_on(&mut command).output().unwrap();
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert!(said.starts_with("identical"), "{said}");
    (serde_json::from_str(&text).unwrap(), output.status.code().unwrap())
}

/// One read may bring several responses. What the first one leads to happens before the others are read: a
/// condition is evaluated, a request goes to a target that speaks HTTP/1.1, another cannot be made.
#[test]
fn what_a_response_leads_to_may_come_between_others_of_its_read() {
    let head = "[runtime]\nvus = 16\niterations = 125\nprng_seed = 1\n\
                [[targets]]\nname = 'frames'\nbase_url = 'builtin'\nhttp_version = 'http2-prior-knowledge'\n\
                connection_reuse = 'shared'\nmax_connections = 1\n\
                [[targets]]\nname = 'text'\nbase_url = 'builtin'\nhttp_version = 'http1.1'\n\
                [[requests]]\nname = 'a'\npath = '/hello'\ntarget = 'frames'\n";
    let condition =
        "[sequence]\nsteps = [{ request = 'a' }, { request = 'a', if = 'last.status == 200' }]\n";
    let other_protocol = "[[requests]]\nname = 'b'\npath = '/hello'\ntarget = 'text'\n\
                          [sequence]\nsteps = [{ request = 'a' }, { request = 'b' }]\n";
    let not_made = "extract.id = { header = 'X-None', required = false }\n\
                    [[requests]]\nname = 'b'\npath = '/hello?{{id}}'\ntarget = 'frames'\n\
                    [sequence]\nsteps = [{ request = 'a' }, { request = 'b' }]\n";
    for more in [condition, other_protocol, not_made] {
        let (metrics, code) = run(&format!("{head}{more}"), &[]);
        assert_eq!((code, &metrics["requests"]["planned"]), (0, &Value::from(4000)), "{more}");
    }
}

/// `vus` users that share `connections`.
fn scenario(server: &Peer, is_tls: bool, vus: u32, requests: u32, more: &str) -> String {
    let (port, dir) = (server.port, server.folder.path().display());
    let (scheme, version) = match is_tls {
        true => ("https", "http2"),
        false => ("http", "http2-prior-knowledge"),
    };
    let ca = if is_tls { format!("ca_bundle = '{dir}/ca.pem'\n") } else { String::new() };
    format!(
        "[runtime]\nvus = {vus}\nrequests = {requests}\nprng_seed = 1\n[target]\n\
         base_url = '{scheme}://127.0.0.1:{port}'\nhttp_version = '{version}'\n{ca}\
         connection_reuse = 'shared'\nmax_connections = 2\n\
         [[requests]]\nname = 'counted'\npath = '/counted'\n{more}\n"
    )
}

fn succeeded(metrics: &Value) -> (u64, u64) {
    let of = |name: &str| metrics["requests"][name].as_u64().unwrap();
    (of("succeeded"), of("failed"))
}

const REQUESTS: u32 = 10_000;

#[test]
fn nghttpd_answers_bursts_of_a_hundred_streams() {
    for is_tls in [false, true] {
        let Some(server) = nghttpd(is_tls) else { return };
        let (metrics, code) = run(&scenario(&server, is_tls, 200, REQUESTS, ""), &[]);
        assert_eq!((succeeded(&metrics), code), ((REQUESTS.into(), 0), 0));
        let head = scenario(&server, is_tls, 20, 1_000, "method = 'HEAD'");
        assert_eq!(succeeded(&run(&head, &[]).0), (1_000, 0));
        let body = format!("method = 'POST'\nbody = '{}'", "a".repeat(1_000_000));
        let post = scenario(&server, is_tls, 5, 20, &body);
        assert_eq!(succeeded(&run(&post, &[]).0), (20, 0));
    }
}

/// The run of `z6 URL` with these arguments: its metrics.
fn one_line(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
    command.args(arguments).args(["--json", "--no-live", "--seed", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = Leash::default().put_on(&mut command).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn one_line_has_as_many_connections_and_streams_as_that_of_h2load() {
    for is_tls in [false, true] {
        let Some(server) = nghttpd(is_tls) else { return };
        let url =
            format!("http{}://127.0.0.1:{}/counted", if is_tls { "s" } else { "" }, server.port);
        let load = ["-n", "2000", "-c", "4", "--streams", "10", "--http2", "-k"];
        let metrics = one_line(&[&[url.as_str()], &load[..]].concat());
        assert_eq!(succeeded(&metrics), (2_000, 0));
        assert_eq!(metrics["connections"]["by_protocol"]["http2"].as_u64(), Some(4));
    }
}

/// Its default is 1000 requests for each connection; then comes GOAWAY.
#[test]
fn goaway_of_nginx_costs_no_request() {
    for (is_tls, listen) in [(false, " http2"), (true, " ssl http2")] {
        let Some(server) = nginx(listen, 1_000) else { return };
        // What one connection refuses comes to another that has reached its limit too.
        let two = scenario(&server, is_tls, 200, REQUESTS, "");
        let one = two.replace("vus = 200", "vus = 100").replace("= 2\n", "= 1\n");
        for text in [one, two] {
            let (metrics, code) = run(&text, &[]);
            assert_eq!((succeeded(&metrics), code), ((REQUESTS.into(), 0), 0));
            assert!(metrics["connections"]["opened"].as_u64().unwrap() >= 10, "{metrics}");
        }
        assert_eq!(server.count(), 2 * u64::from(REQUESTS), "its log agrees");
    }
}

#[test]
fn the_server_selects_with_auto_and_must_select_with_http2() {
    let Some(both) = nginx(" ssl http2", 100_000) else { return };
    let auto = |server: &Peer| scenario(server, true, 20, 2_000, "").replace("'http2'", "'auto'");
    assert_eq!(succeeded(&run(&auto(&both), &[]).0), (2_000, 0));
    assert_eq!(succeeded(&run(&auto(&both), &["--http-version", "http1.1"]).0), (2_000, 0));
    let log = fs::read_to_string(both.folder.path().join("access.log")).unwrap();
    let of = |version: &str| log.lines().filter(|line| line.contains(version)).count();
    assert_eq!((of("HTTP/2.0"), of("HTTP/1.1")), (2_000, 2_000));

    let Some(old) = nginx(" ssl", 100_000) else { return };
    assert_eq!(succeeded(&run(&auto(&old), &[]).0), (2_000, 0));
    let (metrics, code) = run(&scenario(&old, true, 2, 10, ""), &[]);
    assert_ne!(code, 0);
    assert_eq!(succeeded(&metrics).0, 0);
    let kinds = metrics["errors"]["by_kind"].as_object().unwrap();
    assert!(kinds.keys().all(|kind| kind == "tls_alpn"), "{kinds:?}");
}

#[test]
fn nginx_killed_in_the_middle_fails_what_was_open() {
    let Some(mut server) = nginx(" http2", 1_000) else { return };
    let text = scenario(&server, false, 50, 10_000_000, "")
        .replace("requests = 10000000", "duration_seconds = 2");
    let killer = std::thread::scope(|scope| {
        let (log, process) = (server.folder.path().join("access.log"), &mut server.process);
        scope.spawn(move || {
            // Some thousand requests are answered before.
            while fs::metadata(&log).map_or(0, |log| log.len()) < 200_000 {
                std::thread::yield_now();
            }
            process.kill();
        });
        run(&text, &[])
    });
    let (metrics, _) = killer;
    let (good, bad) = succeeded(&metrics);
    assert!(good > 1_000 && bad > 0, "{good} {bad}");
}

/// A program of a certain kind, with its configuration, for a folder and a port.
type Prepare = fn(&Path, &Path, u16, bool) -> Command;

fn apache(program: &Path, folder: &Path, port: u16, is_tls: bool) -> Command {
    let (dir, modules) = (folder.display(), "/usr/lib/apache2/modules");
    let protocol = match is_tls {
        false => "Protocols h2c http/1.1".to_owned(),
        true => format!(
            "LoadModule ssl_module {modules}/mod_ssl.so\nSSLEngine on\nProtocols h2 http/1.1\n\
             SSLCertificateFile {dir}/cert.pem\nSSLCertificateKeyFile {dir}/key.pem"
        ),
    };
    let config = format!(
        "ServerRoot {dir}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {dir}/pid\n\
         ErrorLog {dir}/error.log\n\
         LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
         LoadModule authz_core_module {modules}/mod_authz_core.so\n\
         LoadModule http2_module {modules}/mod_http2.so\n{protocol}\n\
         LogFormat \"%r %>s\" short\nCustomLog {dir}/access.log short\nDocumentRoot {dir}/www\n\
         <Directory {dir}/www>\nRequire all granted\n</Directory>\n"
    );
    fs::create_dir_all(folder.join("www")).unwrap();
    fs::write(folder.join("www/counted"), "Hello").unwrap();
    fs::write(folder.join("apache.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-X").arg("-f").arg(folder.join("apache.conf"));
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // It does not serve as root. A change of its user by itself would end its leash.
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn caddy(program: &Path, folder: &Path, port: u16, is_tls: bool) -> Command {
    let dir = folder.display();
    let (scheme, tls) = match is_tls {
        true => ("https", format!("tls {dir}/cert.pem {dir}/key.pem")),
        false => ("http", String::new()),
    };
    let config = format!(
        "{{\n admin off\n auto_https off\n servers {{\n protocols h1 h2 h2c\n }}\n}}\n\
         {scheme}://:{port} {{\n bind 127.0.0.1\n {tls}\n log {{\n output file {dir}/access.log\n }}\n \
         respond Hello\n}}\n"
    );
    fs::write(folder.join("Caddyfile"), config).unwrap();
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config"]);
    command.arg(folder.join("Caddyfile")).env("HOME", folder);
    command
}

fn node(program: &Path, folder: &Path, port: u16, is_tls: bool) -> Command {
    let dir = folder.display();
    let read = |name: &str| format!("fs.readFileSync('{dir}/{name}.pem')");
    let server = match is_tls {
        true => format!("createSecureServer({{ key: {}, cert: {} }}, ", read("key"), read("cert")),
        false => "createServer(".to_owned(),
    };
    let serve = format!(
        "const fs = require('fs'); const log = fs.openSync('{dir}/access.log', 'w');\n\
         const s = require('http2').{server}(q, r) => {{\n\
           fs.writeSync(log, q.url + '\\n'); q.resume();\n\
           q.on('end', () => {{ r.write('Hel'); r.end('lo'); }}); }});\n\
         process.on('SIGTERM', () => process.exit(0));\n\
         s.listen({port}, '127.0.0.1');"
    );
    let mut command = Command::new(program);
    command.arg("-e").arg(serve);
    command
}

fn haproxy(program: &Path, folder: &Path, port: u16, is_tls: bool) -> Command {
    let dir = folder.display();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let both = fs::read_to_string(cert).unwrap() + &fs::read_to_string(key).unwrap();
    fs::write(folder.join("both.pem"), both).unwrap();
    let bind = match is_tls {
        true => format!("ssl crt {dir}/both.pem alpn h2,http/1.1"),
        false => "proto h2".to_owned(),
    };
    // Threads that log at once lose lines.
    let config = format!(
        "global\n nbthread 1\n log stdout format raw local0\n maxconn 1000\n\
         defaults\n mode http\n log global\n option httplog\n timeout client 60s\n timeout http-request 60s\n\
         frontend front\n bind 127.0.0.1:{port} {bind}\n \
         http-request wait-for-body time 60s if METH_POST\n \
         http-request return status 200 content-type text/plain string Hello\n"
    );
    fs::write(folder.join("haproxy.cfg"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
    command
}

/// Bursts of a hundred streams, HEAD, and bodies of a megabyte: all are answered, and the log of the server has as
/// many lines. In plain text and over TLS.
fn all_are_answered_and_counted(program: &str, prepare: Prepare, log: &str) {
    let Some(path) = find(program) else { return };
    let start = |is_tls| Peer::start(|folder, port| prepare(&path, folder, port, is_tls));
    these_are_answered_and_counted(start, log);
}

fn these_are_answered_and_counted(start: impl Fn(bool) -> Peer, log: &str) {
    for is_tls in [false, true] {
        let server = start(is_tls);
        let body = format!("method = 'POST'\nbody = '{}'", "a".repeat(1_000_000));
        for (vus, requests, more) in
            [(200, REQUESTS, ""), (100, 1_000, "method = 'HEAD'"), (5, 20, &body)]
        {
            let (metrics, code) = run(&scenario(&server, is_tls, vus, requests, more), &[]);
            let failures = &metrics["errors"];
            assert_eq!((succeeded(&metrics), code), ((requests.into(), 0), 0), "{failures}");
            assert!(metrics["connections"]["by_protocol"]["http2"].as_u64() > Some(0));
        }
        assert_eq!(server.ended(Signal::TERM, log), u64::from(REQUESTS) + 1_020, "TLS: {is_tls}");
    }
}

#[test]
fn apache_counts_what_was_sent() {
    all_are_answered_and_counted("apache2", apache, "access.log");
}

#[test]
fn caddy_counts_what_was_sent() {
    all_are_answered_and_counted("caddy", caddy, "access.log");
}

#[test]
fn node_counts_what_was_sent() {
    all_are_answered_and_counted("node", node, "access.log");
}

#[test]
fn haproxy_counts_what_was_sent() {
    all_are_answered_and_counted("haproxy", haproxy, "output.log");
}

/// nginx, which it asks over HTTP/1.1, counts too.
#[test]
fn nghttpx_counts_what_was_sent() {
    let Some(program) = find("nghttpx") else { return };
    let Some(nginx) = nginx("", 1_000_000) else { return };
    let start = |is_tls| {
        Peer::start(|folder, port| {
            let empty = folder.join("empty.conf");
            fs::write(&empty, "").unwrap();
            let mut command = Command::new(&program);
            command.args(["--single-process", "--workers=1"]);
            command.arg(format!("--conf={}", empty.display()));
            command.arg(format!("--accesslog-file={}", folder.join("access.log").display()));
            command.arg(format!("--backend=127.0.0.1,{}", nginx.port));
            let tls = if is_tls { "" } else { ";no-tls" };
            command.arg(format!("--frontend=127.0.0.1,{port}{tls}"));
            if is_tls {
                command.arg(folder.join("key.pem")).arg(folder.join("cert.pem"));
            }
            command
        })
    };
    these_are_answered_and_counted(start, "access.log");
    assert_eq!(nginx.count(), 2 * (u64::from(REQUESTS) + 1_020));
}
