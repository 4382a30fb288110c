//! Requests to real servers over loopback: nghttpd and nginx, in clear text with prior knowledge. Skipped where they
//! are not installed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this test is a driver")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use z6_http::{IdParts, RequestSpec};
use z6_proto_http2::{
    Bodies, Config, Connection, Eof, FieldSet, Limits, Received, RequestTemplate, Slices, Tag,
};
use z6_testing::Process;

/// Requests of each kind.
const REQUESTS: u32 = 2_000;
const STREAMS: usize = 100;
const BODY_BYTES: usize = 100_000;

struct OneBody(Vec<u8>);

impl Bodies for OneBody {
    fn body(&self, _: Tag) -> &[u8] {
        &self.0
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn connect(port: u16) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                stream.set_nodelay(true).unwrap();
                return stream;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                assert!(start.elapsed() < Duration::from_secs(20), "no server on port {port}");
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends `REQUESTS` requests of one template, on as many connections as the server wants; how many were refused
/// and sent again, and the body bytes of each response.
fn run(port: u16, template: &RequestTemplate, body: &OneBody, status: u16) -> (u32, u64) {
    let (mut refused, mut body_bytes, mut complete, mut open) = (0, None, 0, 0);
    while complete < REQUESTS {
        let mut stream = connect(port);
        let mut client = Connection::new(Config::default(), Limits::default());
        let mut buffer = vec![0; 64 * 1024];
        while !(client.is_draining() && client.open() == 0) && complete < REQUESTS {
            while client.can_start() && client.open() < STREAMS && complete + open < REQUESTS {
                client.start(template, Tag(open), &IdParts::default());
                open += 1;
            }
            loop {
                let mut slices = Slices::new();
                if client.unwritten(body, &mut slices) == 0 {
                    break;
                }
                let written = stream.write(slices.as_slice()[0]).unwrap();
                client.wrote(written, |_, _| {});
            }
            let count = stream.read(&mut buffer).unwrap();
            if count == 0 {
                assert_eq!(client.eof(), Eof::Idle);
                break;
            }
            let mut from = 0;
            while let Some(event) = client.received(&buffer[..count], &mut from) {
                match event {
                    Received::Complete { response, .. } => {
                        assert_eq!(response.status, status);
                        assert_eq!(response.unsent_bytes, 0);
                        assert_eq!(
                            *body_bytes.get_or_insert(response.body_bytes),
                            response.body_bytes
                        );
                        complete += 1;
                        open -= 1;
                    }
                    Received::Refused { .. } => {
                        refused += 1;
                        open -= 1;
                    }
                    Received::Failed { .. } | Received::Broken(_) => panic!("{event:?}"),
                    Received::FirstByte(_)
                    | Received::Interim(_)
                    | Received::Allowed(_)
                    | Received::GoingAway { .. } => {}
                }
            }
            client.invariants();
        }
    }
    (refused, body_bytes.unwrap_or(0))
}

fn template(method: &str, port: u16, path: &str, body: &OneBody) -> RequestTemplate {
    let mut spec = RequestSpec::new(method, "127.0.0.1", port, path);
    spec.body = (method == "POST").then_some(&body.0);
    spec.request_id_header = Some("Z6-Id");
    RequestTemplate::encode(&spec, &mut FieldSet::new(0)).unwrap()
}

fn folder_with_a_file() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello"), b"Hello, World!").unwrap();
    std::fs::write(folder.path().join("large"), vec![b'x'; BODY_BYTES]).unwrap();
    folder
}

#[test]
fn nghttpd_answers_all_requests() {
    let Some(program) = z6_testing::find("nghttpd") else { return };
    let (folder, port) = (folder_with_a_file(), free_port());
    let mut command = Command::new(program);
    command.args(["--no-tls", "-d"]).arg(folder.path()).arg(port.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Process::start(&mut command).unwrap();
    let body = OneBody(vec![b'x'; BODY_BYTES]);
    for (method, path, expected) in
        [("GET", "/hello", 13), ("HEAD", "/hello", 0), ("GET", "/large", BODY_BYTES as u64)]
    {
        let template = template(method, port, path, &body);
        assert_eq!(run(port, &template, &body, 200), (0, expected), "{method} {path}");
    }
    let post = template("POST", port, "/hello", &body);
    assert_eq!(run(port, &post, &body, 200).0, 0);
}

fn nginx(program: &Path, folder: &Path, port: u16) -> Command {
    let path = folder.display();
    let config = format!(
        "daemon off; pid {path}/pid; error_log stderr crit; worker_processes 1;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path {path}/b; proxy_temp_path {path}/p;\n\
         fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
         server {{ listen 127.0.0.1:{port} http2; keepalive_requests 150; root {path};\n\
         location = /none {{ return 204; }} }} }}\n"
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// nginx ends a connection after 150 requests: what was refused is sent on the next one.
#[test]
fn nginx_answers_all_requests_through_many_connections() {
    let Some(program) = z6_testing::find("nginx") else { return };
    let (folder, port) = (folder_with_a_file(), free_port());
    let _server = Process::start(&mut nginx(&program, folder.path(), port)).unwrap();
    let body = OneBody(vec![b'x'; BODY_BYTES]);
    for (method, path, status, expected) in
        [("GET", "/hello", 200, 13), ("HEAD", "/large", 200, 0), ("GET", "/none", 204, 0)]
    {
        let template = template(method, port, path, &body);
        let (refused, body_bytes) = run(port, &template, &body, status);
        assert_eq!(body_bytes, expected, "{method} {path}");
        assert!(refused > 0, "connections end with requests on their way");
    }
}
