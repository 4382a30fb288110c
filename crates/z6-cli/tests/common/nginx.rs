//! An nginx for one test. Where nginx is not on the PATH the test is skipped with a message, or fails if
//! Z6_REQUIRE_SERVERS is set.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use z6_testing::{Leash, Process, Signal, find};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running nginx with one worker process; both end with it.
pub struct Nginx {
    process: Process,
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// None if there is no nginx.
    pub fn start() -> Option<Nginx> {
        Nginx::start_with("")
    }

    /// The same with lines for the block `http` of its configuration.
    pub fn start_with(http: &str) -> Option<Nginx> {
        let program = find("nginx")?;
        let folder = tempfile::tempdir().unwrap();
        // It drops root and must still reach its files.
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = command(&program, folder.path(), port, "", http);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start_with(LEASH, &mut command).unwrap();
        let mut nginx = Nginx { process, port, folder };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(nginx.process.child().try_wait().unwrap().is_none(), "nginx ended");
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

    /// How many requests it has answered, once it has ended.
    pub fn answers_at_end(self) -> u64 {
        self.file_at_end("access.log").lines().count() as u64
    }

    /// A file in its folder, once it has ended.
    pub fn file_at_end(mut self, name: &str) -> String {
        self.process.signal(Signal::QUIT).unwrap();
        self.process.child().wait().unwrap();
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Kills master and worker process.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// A server is asked to end, and so ends its workers, when the test that started it ends without
/// dropping it.
pub const LEASH: Leash = Leash {
    on_parent_death: Signal::TERM,
    open_files_max: None,
    open_files: 0,
    file_bytes_max: None,
    ignored: &[],
    blocked: &[],
};

/// nginx with one worker in the foreground; `listen` and `server` are added to the configuration.
pub fn command(program: &Path, folder: &Path, port: u16, listen: &str, server: &str) -> Command {
    let dir = folder.display();
    let config = format!(
        "daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/server.err;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log {dir}/access.log; keepalive_requests 100000;\n\
         client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;\n\
         uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e; {server}\n\
         server {{ listen 127.0.0.1:{port}{listen}; location / {{ return 200 'Hello'; }} }} }}\n"
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command
}
