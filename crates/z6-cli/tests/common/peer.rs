//! A server or proxy that is not ours, with its files, for one test; it ends with the test.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use z6_testing::{Process, Signal};

use super::nginx_server::LEASH;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is served in answer to `/counted` from files.
const PAGE: &str = "Hello";
/// The user and group `nobody` of Debian.
pub const NOBODY: u32 = 65_534;

/// A program that listens, and the folder that its files are in: `ca.pem`, and `cert.pem` with `key.pem` for
/// localhost and 127.0.0.1.
pub struct Peer {
    pub process: Process,
    pub port: u16,
    pub folder: TempDir,
}

impl Peer {
    pub fn start(prepare: impl Fn(&Path, u16) -> Command) -> Peer {
        let folder = tempfile::tempdir().unwrap();
        // Servers drop root and must still reach their files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        write_certificate(folder.path());
        fs::write(folder.path().join("counted"), PAGE).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = fs::File::create(folder.path().join("output.log")).unwrap();
        log.set_permissions(fs::Permissions::from_mode(0o666)).unwrap();
        let mut command = prepare(folder.path(), port);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = Process::start_with(LEASH, &mut command).unwrap();
        let mut peer = Peer { process, port, folder };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || fs::read_to_string(peer.folder.path().join("output.log")).unwrap();
            assert!(peer.process.child().try_wait().unwrap().is_none(), "it ended: {}", said());
            assert!(start.elapsed() < PATIENCE, "it does not listen: {}", said());
            std::thread::yield_now();
        }
        peer
    }

    /// Lines of its access log with the path of the requests, once it has ended.
    pub fn count(self) -> u64 {
        self.ended(Signal::QUIT, "access.log")
    }

    /// The same of a file that is its log, once it has ended after this signal.
    pub fn ended(mut self, signal: Signal, log: &str) -> u64 {
        self.process.signal(signal).unwrap();
        self.process.child().wait().unwrap();
        let log = fs::read_to_string(self.folder.path().join(log)).unwrap();
        log.lines().filter(|line| line.contains("/counted")).count() as u64
    }
}

fn write_certificate(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root = params.self_signed(&root_key).unwrap();
    let names = ["127.0.0.1", "localhost"].map(str::to_owned);
    let params = CertificateParams::new(names).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root, &root_key).unwrap();
    fs::write(folder.join("ca.pem"), root.pem()).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}
