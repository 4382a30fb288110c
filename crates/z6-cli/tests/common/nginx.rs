//! An nginx of one's own. Where it is not installed tests are skipped with a message, or, where
//! Z6_REQUIRE_SERVERS is set, fail.
#![allow(clippy::unwrap_used, clippy::print_stdout, dead_code, unreachable_pub)]

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test needs and this machine lacks.
pub fn lacking(what: &str) {
    assert!(
        std::env::var_os("Z6_REQUIRE_SERVERS").is_none(),
        "{what}, and Z6_REQUIRE_SERVERS is set"
    );
    println!("SKIPPED: {what}");
}

/// A running nginx with one worker process; killed when dropped.
pub struct Nginx {
    child: Child,
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// None where there is no nginx.
    pub fn start() -> Option<Nginx> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let Some(program) = folders.find(|folder| folder.join("nginx").is_file()) else {
            lacking("nginx is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // It drops root and must still reach its files.
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command(&program.join("nginx"), folder.path(), port).spawn().unwrap();
        let mut nginx = Nginx { child, port, folder };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(nginx.child.try_wait().unwrap().is_none(), "nginx ended");
            assert!(start.elapsed() < PATIENCE, "nginx does not listen");
            std::thread::yield_now();
        }
        Some(nginx)
    }

    /// Waits until it has answered so many requests, as its access log says.
    pub fn await_answers(&self, count: usize) {
        let start = Instant::now();
        let log = self.folder.path().join("access.log");
        while std::fs::read(&log).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count())
            < count
        {
            assert!(start.elapsed() < PATIENCE, "it was not asked {count} times");
            std::thread::yield_now();
        }
    }

    /// Kills master and worker process.
    pub fn kill(&mut self) {
        let pid = self.child.id().to_string();
        let workers = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
        let workers = String::from_utf8(workers.stdout).unwrap();
        let mut kill = Command::new("kill");
        kill.arg("-KILL").arg(&pid).args(workers.split_whitespace());
        assert!(kill.status().unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
        }
    }
}

fn command(program: &Path, folder: &Path, port: u16) -> Command {
    let dir = folder.display();
    let config = format!(
        "daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log {dir}/access.log; keepalive_requests 100000;\n\
         client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;\n\
         uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ return 200 'Hello'; }} }} }}\n"
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
