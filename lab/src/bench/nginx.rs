//! nginx as a server to measure against: loopback only, unlimited keep-alive, no access log.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use rustix::process::{Pid, Signal, kill_process};

use super::process::{self, Folder};
use super::scenarios;

/// Connections of one of its workers: it begins to close idle ones when only a sixteenth is left.
const CONNECTIONS: u32 = 40_000;
/// Length of its listen queue, connections.
const BACKLOG: u32 = 4_096;

/// Bound of the time it takes to start and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bodies up to this size are part of the configuration; larger ones are files.
const INLINE_BYTES_MAX: usize = 2_048;

/// A running server.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// Starts it with this number of workers, on the given CPUs if any, at a free port of the loopback address.
    /// The body of `/N` has N bytes; that of `/orders` is an order in JSON.
    ///
    /// # Errors
    /// If it is missing, does not start, or does not listen in time.
    pub(crate) fn start(
        folder: &Folder,
        workers: u32,
        cpus: Option<&str>,
        bodies: &[usize],
    ) -> Result<Nginx> {
        Self::start_as(folder, workers, cpus, bodies, "")
    }

    /// The same over TLS, with a self-signed certificate.
    ///
    /// # Errors
    /// As [`Nginx::start`]; or if there is no `openssl`.
    pub(crate) fn start_tls(
        folder: &Folder,
        workers: u32,
        cpus: Option<&str>,
        bodies: &[usize],
    ) -> Result<Nginx> {
        let [key, certificate] = ["key.pem", "cert.pem"].map(|name| folder.join(name));
        let line = format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
             -keyout {key} -out {certificate}"
        );
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        process::run(&words, None, PATIENCE, folder, |_| Ok(()))?;
        let keys =
            format!("        ssl_certificate {certificate};\n        ssl_certificate_key {key};\n");
        Self::start_as(folder, workers, cpus, bodies, &keys)
    }

    fn start_as(
        folder: &Folder,
        workers: u32,
        cpus: Option<&str>,
        bodies: &[usize],
        keys: &str,
    ) -> Result<Nginx> {
        let program = process::find("nginx").context("no nginx")?;
        let address = free_address()?;
        for &bytes in bodies.iter().filter(|bytes| **bytes > INLINE_BYTES_MAX) {
            folder.write(&bytes.to_string(), &vec![b'x'; bytes])?;
        }
        let text = configuration(folder, workers, (address, keys), bodies, process::descriptors()?);
        let configuration = folder.write("nginx.conf", text.as_bytes())?;
        let program = program.to_string_lossy().into_owned();
        let errors = folder.join("nginx.err");
        let words = [program, "-c".to_owned(), configuration, "-e".to_owned(), errors];
        let mut command = process::command(&words, cpus)?;
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut nginx = Nginx { child: command.spawn().context("nginx")?, address };
        nginx.await_start().with_context(|| {
            std::fs::read_to_string(folder.path().join("nginx.err")).unwrap_or_default()
        })?;
        Ok(nginx)
    }

    fn await_start(&mut self) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if start.elapsed() > PATIENCE || self.child.try_wait()?.is_some() {
                bail!("nginx does not listen on {}", self.address);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Its master ends the workers; killed, it would leave them.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}

fn configuration(
    folder: &Folder,
    workers: u32,
    (address, keys): (SocketAddr, &str),
    bodies: &[usize],
    descriptors: u64,
) -> String {
    let here = folder.path().display();
    let mut locations = String::new();
    for &bytes in bodies {
        let answer = if bytes > INLINE_BYTES_MAX {
            format!("root {here};")
        } else {
            format!("return 200 \"{}\";", body(bytes))
        };
        locations.push_str(&format!("        location = /{bytes} {{ {answer} }}\n"));
    }
    let order = scenarios::ORDER;
    locations.push_str(&format!("        location = /orders {{ return 200 '{order}'; }}\n"));
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        temporary.push_str(&format!("    {kind}_temp_path {here}/{kind};\n"));
    }
    let ssl = if keys.is_empty() { "" } else { " ssl" };
    format!(
        "daemon off;\nworker_processes {workers};\nworker_rlimit_nofile {descriptors};\n\
         pid {here}/nginx.pid;\nerror_log {here}/nginx.err;\n\
         events {{ worker_connections {CONNECTIONS}; multi_accept on; }}\n\
         http {{\n    access_log off;\n    default_type text/plain;\n    sendfile on;\n    \
         tcp_nodelay on;\n    open_file_cache max=16;\n    keepalive_timeout 1h;\n    \
         keepalive_requests 2000000000;\n{temporary}    \
         server {{\n        listen {address}{ssl} backlog={BACKLOG};\n{keys}{locations}    }}\n}}\n"
    )
}

fn body(bytes: usize) -> String {
    "Hello, World!".chars().cycle().take(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_length() {
        assert_eq!(body(13), "Hello, World!");
        assert_eq!(body(1024).len(), 1024);
    }

    #[test]
    fn large_bodies_are_files() {
        let folder = Folder::new().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let text = configuration(&folder, 1, (address, ""), &[13, 65_536], 1_000);
        assert!(text.contains("location = /13 { return 200 \"Hello, World!\"; }"), "{text}");
        let root = format!("location = /65536 {{ root {}; }}", folder.path().display());
        assert!(text.contains(&root), "{text}");
    }
}
