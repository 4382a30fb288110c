//! `z6 run` through proxies that are not ours, tinyproxy and Apache's mod_proxy, to nginx in plain text, over
//! TLS and over HTTP/2: what nginx counted is what Z6 says it sent. And the environment as the one that names
//! a proxy.
//!
//! A test whose program is not on the PATH is skipped with a message, or fails if Z6_REQUIRE_SERVERS is set.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "common/nginx.rs"]
mod nginx_server;
#[path = "common/peer.rs"]
mod peer;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use peer::{NOBODY, Peer};
use serde_json::Value;
use tempfile::TempDir;
use z6_testing::{find, leaks, skip};

/// nginx behind the proxies.
fn origin(nginx: &Path, is_tls: bool) -> Peer {
    Peer::start(|folder, port| {
        let dir = folder.display();
        let files = format!("ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;");
        let (listen, server) = if is_tls { (" ssl http2", files.as_str()) } else { ("", "") };
        nginx_server::command(nginx, folder, port, listen, server)
    })
}

fn tinyproxy(program: &Path, folder: &Path, port: u16) -> Command {
    let config = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{}/proxy.log\"\nMaxClients 100\n\
         BasicAuth user s3cret\n",
        folder.display()
    );
    fs::write(folder.join("tinyproxy.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.join("tinyproxy.conf"));
    command
}

/// Apache as a proxy for `behind`; none if its modules are elsewhere.
fn apache(program: &Path, folder: &Path, port: u16, behind: u16) -> Command {
    let (dir, modules) = (folder.display(), "/usr/lib/apache2/modules");
    let config = format!(
        "ServerRoot {dir}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {dir}/pid\n\
         ErrorLog {dir}/error.log\n\
         LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
         LoadModule authz_core_module {modules}/mod_authz_core.so\n\
         LoadModule proxy_module {modules}/mod_proxy.so\n\
         LoadModule proxy_http_module {modules}/mod_proxy_http.so\n\
         LoadModule proxy_connect_module {modules}/mod_proxy_connect.so\n\
         MaxKeepAliveRequests 0\nKeepAlive On\nKeepAliveTimeout 60\n\
         ProxyRequests On\nAllowCONNECT {behind}\n"
    );
    fs::write(folder.join("apache.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-X").arg("-f").arg(folder.join("apache.conf"));
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // It does not serve as root. A change of its user by itself would end its leash.
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// A run, its results, and the folder that all its files are in.
struct Ran {
    output: Output,
    metrics: Value,
    folder: TempDir,
}

/// Runs a scenario with these keys of the target, and these variables of the environment.
fn run(target: &str, environment: &[(&str, String)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    let results = folder.path().join("out");
    fs::write(
        &file,
        format!(
            "[runtime]\niterations = 25\nvus = 4\nprng_seed = 1\n[target]\n{target}\n\
             [[requests]]\nname = 'a'\npath = '/counted'\n"
        ),
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.arg("run").arg(&file).arg("--output").arg(&results).arg("--no-live");
    let output = command.stdin(Stdio::null()).output().unwrap();
    // What is left of the run has no password; the scenario itself is its author's.
    fs::remove_file(&file).unwrap();
    assert_eq!(leaks(folder.path(), &["s3cret"]).unwrap(), [""; 0]);
    assert_eq!(z6_testing::leaks_in(&output.stdout, &["s3cret"]), [""; 0]);
    assert_eq!(z6_testing::leaks_in(&output.stderr, &["s3cret"]), [""; 0]);
    let metrics = fs::read(results.join("metrics.json")).unwrap_or_else(|_| b"null".to_vec());
    Ran { output, metrics: serde_json::from_slice(&metrics).unwrap(), folder }
}

impl Ran {
    fn succeeded(&self) -> Option<u64> {
        self.metrics["requests"]["succeeded"].as_u64()
    }

    fn said(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&self.output.stdout) + &text(&self.output.stderr)
    }

    /// Its log replays without the environment of the run.
    fn assert_replays(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
        command.arg("replay").arg(self.folder.path().join("out/events.z6log"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// All kinds of targets through one proxy.
fn all_kinds(nginx: &Path, proxy: impl Fn(u16) -> (Peer, String)) {
    for (is_tls, version) in [(false, "http1.1"), (true, "http1.1"), (true, "http2")] {
        let origin = origin(nginx, is_tls);
        let (server, url) = proxy(origin.port);
        let trust = match is_tls {
            true => format!("ca_bundle = '{}/ca.pem'\n", origin.folder.path().display()),
            false => String::new(),
        };
        let scheme = if is_tls { "https" } else { "http" };
        // tinyproxy closes after each response in plain text, without a word.
        let reuse = if is_tls { "per_vu" } else { "none" };
        let port = origin.port;
        let ran = run(
            &format!(
                "base_url = '{scheme}://localhost:{port}'\nproxy = '{url}'\n{trust}\
                 http_version = '{version}'\nconnection_reuse = '{reuse}'\n"
            ),
            &[],
        );
        assert_eq!(ran.succeeded(), Some(100), "{scheme} {version}: {}", ran.said());
        if version == "http2" {
            assert_eq!(ran.metrics["http2"]["streams"], 100, "{}", ran.said());
        }
        assert_eq!(origin.count(), 100, "{scheme} {version}");
        ran.assert_replays();
        drop(server);
    }
}

#[test]
fn through_tinyproxy_with_a_password() {
    let (Some(nginx), Some(program)) = (find("nginx"), find("tinyproxy")) else { return };
    all_kinds(&nginx, |_| {
        let server = Peer::start(|folder, port| tinyproxy(&program, folder, port));
        let url = format!("http://user:s3cret@127.0.0.1:{}", server.port);
        (server, url)
    });
}

#[test]
fn through_apache() {
    let (Some(nginx), Some(program)) = (find("nginx"), find("apache2")) else { return };
    if !Path::new("/usr/lib/apache2/modules/mod_proxy_connect.so").is_file() {
        return skip("Apache has no mod_proxy_connect");
    }
    all_kinds(&nginx, |behind| {
        let server = Peer::start(|folder, port| apache(&program, folder, port, behind));
        let url = format!("http://127.0.0.1:{}", server.port);
        (server, url)
    });
}

#[test]
fn a_wrong_password_is_named() {
    let Some(program) = find("tinyproxy") else { return };
    let proxy = Peer::start(|folder, port| tinyproxy(&program, folder, port));
    let port = proxy.port;
    let target =
        format!("base_url = 'https://localhost:1'\nproxy = 'http://user:x@127.0.0.1:{port}'");
    let ran = run(&target, &[]);
    let kinds = &ran.metrics["errors"]["by_kind"];
    assert!(kinds["proxy_auth"].as_u64() > Some(0), "{}", ran.said());
    assert!(
        ran.said().contains("the proxy asks for other credentials (status 4"),
        "{}",
        ran.said()
    );
}

/// Answers every request with 200, and keeps the first line of each.
fn recorder() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&lines);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, lines) = (stream.unwrap(), Arc::clone(&shared));
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while let Ok(1) = stream.read(&mut byte) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
                        lines.lock().unwrap().push(text);
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                    }
                }
            });
        }
    });
    (port, lines)
}

#[test]
fn the_environment_names_a_proxy_where_the_scenario_asks_it_to() {
    let (port, lines) = recorder();
    let (direct, _) = recorder();
    let variable = ("http_proxy", format!("http://user:s3cret@127.0.0.1:{port}"));
    let asks = "base_url = 'http://h.invalid:81'\nproxy = 'environment'";
    let ran = run(asks, std::slice::from_ref(&variable));
    assert_eq!(ran.succeeded(), Some(100), "{}", ran.said());
    ran.assert_replays();
    let first = lines.lock().unwrap()[0].clone();
    assert!(first.starts_with("GET http://h.invalid:81/counted HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("\r\nProxy-Authorization: Basic dXNlcjpzM2NyZXQ=\r\n"), "{first}");
    lines.lock().unwrap().clear();

    let local = format!("base_url = 'http://127.0.0.1:{direct}'\n");
    for (keys, environment) in [
        (local.clone(), vec![variable.clone()]),
        (local.clone() + "proxy = 'environment'", vec![]),
        (
            local + "proxy = 'environment'",
            vec![variable.clone(), ("NO_PROXY", "127.0.0.0/8".to_owned())],
        ),
    ] {
        let ran = run(&keys, &environment);
        assert_eq!(ran.succeeded(), Some(100), "{keys}: {}", ran.said());
        assert_eq!(lines.lock().unwrap().len(), 0, "{keys}");
        ran.assert_replays();
    }
    let wrong = run(asks, &[("http_proxy", "socks5://127.0.0.1:1".to_owned())]);
    assert_eq!(wrong.output.status.code(), Some(2), "{}", wrong.said());
    assert!(wrong.said().contains("`http_proxy`"), "{}", wrong.said());
}
