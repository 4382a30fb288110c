//! `z6 bench` and `z6 URL` as a process: every option against its scenario, the lines of other tools, what
//! is kept, and what a server saw.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/nginx.rs"]
mod nginx;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread::JoinHandle;

use common::{Folder, Outcome, assert_conserved, figure, files, outcome};
use nginx::Nginx;
use z6_proto_http1::Limits;
use z6_proto_http1::server::read_whole;
use z6_target::{Config, Server};

/// A running target, and the URL of one of its routes.
fn target(route: &str) -> (Server, String) {
    let addresses = vec!["127.0.0.1:0".parse().unwrap()];
    let server = Server::start(Config { addresses, ..Config::default() }).unwrap();
    let url = format!("http://{}{route}", server.addresses()[0]);
    (server, url)
}

/// `z6` with a folder of its own for temporary files.
fn z6(folder: &Folder, arguments: &[&str]) -> Command {
    let temporary = folder.path("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = folder.z6(arguments);
    command.env("TMPDIR", temporary);
    command
}

fn run(folder: &Folder, arguments: &[&str]) -> Outcome {
    outcome(&mut z6(folder, arguments))
}

/// Options that decide what is sent, each with a value.
const WORKLOADS: [&[&str]; 20] = [
    &["--connections", "3"],
    &["-c3"],
    &["--duration", "100ms"],
    &["-z", "0.1"],
    &["--requests", "30"],
    &["--rate", "200"],
    &["-R", "150.5", "-c", "2"],
    &["--qps", "100"],
    &["--workers", "2"],
    &["--header", "X-A: b", "-H", "Accept: */*"],
    &["-H", "Authorization: Bearer {{token"],
    &["--method", "PUT"],
    &["-X", "DELETE"],
    &["--body", "a {{b}} \"c\"\n"],
    &["--data", "x=1"],
    &["--body-file", "body"],
    &["--timeout", "1500us"],
    &["--disable-keepalive"],
    &["--user", "me:secret"],
    &["--p99", "1h", "--fail-above", "100%", "--insecure"],
];

/// Options that decide what is printed and kept.
const OUTPUTS: [&str; 14] = [
    "--scenario",
    "--json",
    "--csv",
    "--html",
    "--output",
    "--no-live",
    "--quiet",
    "--verbose",
    "--help",
    "--no-color",
    "--seed",
    "--summary-format",
    "--junit",
    "--ci",
];

/// Options that the built-in target does not know: `tests/http2.rs` has them.
const OF_HTTP2: [&str; 2] = ["--http2", "--streams"];

#[test]
fn a_line_has_the_plan_of_its_scenario_whatever_the_option() {
    let (_server, url) = target("/echo?x={{y}}");
    let folder = Folder::new("");
    std::fs::write(folder.path("body"), "from {{a}} file").unwrap();
    for options in WORKLOADS {
        let url = if options
            .iter()
            .any(|option| ["Authorization", "me:"].iter().any(|s| option.contains(s)))
        {
            url.split('?').next().unwrap()
        } else {
            &url
        };
        let has_length =
            options.iter().any(|option| ["--duration", "-z", "--requests"].contains(option));
        let mut line = vec![url, "--seed", "7"];
        line.extend(if has_length { &[][..] } else { &["-n", "20"] });
        line.extend(options);
        let scenario = run(&folder, &[&line[..], &["--scenario"]].concat()).expect(0);
        std::fs::write(folder.path("s.toml"), &scenario.stdout).unwrap();
        let plan = run(&folder, &["plan", "s.toml"]).expect(0);
        let digest = plan.stdout.lines().last().unwrap().strip_prefix("plan digest ").unwrap();
        let ran = run(&folder, &[&line[..], &["--json"]].concat());
        assert!(ran.is_success() || options.contains(&"--timeout"), "{options:?}: {ran:?}");
        assert_eq!(figure(&ran.stdout, "/run/plan_digest"), digest, "{options:?}");
        assert_conserved(&ran.stdout);
        assert_eq!(files(&folder.path("tmp")), [""; 0], "{options:?}");
    }
    assert!(!folder.path("results").exists());
}

#[test]
fn every_option_of_the_help_is_tested() {
    let help = Folder::new("").run(&["bench", "--help"]).expect(0).stdout;
    let words = help.split(|c: char| !(c.is_alphanumeric() || c == '-'));
    let options: Vec<&str> =
        words.filter(|word| word.starts_with("--") && word.len() > 2).collect();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        let is_tested = WORKLOADS.iter().any(|workload| workload.contains(&option));
        let is_other = OUTPUTS.contains(&option) || OF_HTTP2.contains(&option);
        assert!(is_tested || is_other, "{option}");
    }
}

/// What becomes of a line.
enum Then {
    /// It runs.
    Works,
    /// It is refused with these words.
    Says(&'static str),
}

use Then::{Says, Works};

/// Lines as users of these tools write them, the tool's name replaced by `z6`.
const LINES: [(&str, &str, Then); 30] = [
    ("wrk", "-c4 -d1s URL", Works),
    ("wrk", "-t12 -c400 -d30s URL", Says("threads, as of wrk and h2load, are `--workers N`")),
    ("wrk", "-c4 -d1s --latency URL", Says("percentiles are always reported")),
    ("wrk", "-c4 -d1s -s post.lua URL", Says("a script, as of wrk")),
    ("wrk", "-c4 -d1s -H Accept:text/html --timeout 2s URL", Works),
    ("wrk2", "-c4 -d1s -R50 URL", Works),
    ("hey", "-n 20 -c 5 URL", Works),
    ("hey", "-z 1s -q 5 -c 2 URL", Says("hey's is of each of its -c workers")),
    ("hey", "-n 20 -m POST -d {\"a\":1} URL", Says("a body is `--body TEXT`")),
    ("hey", "-n 20 -m POST -T application/json -D body URL", Says("--header 'Content-Type: ..'")),
    ("hey", "-n 20 -disable-keepalive URL", Says("write `--disable-keepalive`")),
    ("hey", "-n 20 -o csv URL", Says("`--csv`")),
    ("oha", "-n 20 -c 5 --disable-keepalive URL", Works),
    ("oha", "-z 1s -c 5 -q 100 URL", Says("write `--rate N`")),
    ("oha", "-n 20 --no-tui URL", Says("`--no-live`")),
    ("oha", "-n 20 -z 1s --latency-correction URL", Says("percentiles are always reported")),
    ("bombardier", "-c 5 -n 20 URL", Works),
    ("bombardier", "-c 5 -d 1s -l URL", Says("percentiles are always reported")),
    ("bombardier", "-m PUT -b text -n 20 URL", Says("`--body TEXT`")),
    ("bombardier", "-n 20 -r 100 -k -H A:b -m PUT URL", Works),
    ("ab", "-n 20 -c 5 URL", Works),
    ("ab", "-k -n 20 -c 5 URL", Works),
    ("ab", "-r -n 20 URL", Says("ab's `-r` is not needed")),
    ("ab", "-t 5 -c 5 URL", Says("a time limit, as of ab, is `--duration TIME`")),
    ("ab", "-n 20 -p body -T text/plain URL", Says("`--body-file FILE`")),
    ("h2load", "-n20 -c5 URL", Works),
    ("h2load", "-n20 -c5 -m10 URL", Says("-m 10, as of h2load, is `--http2 --streams 10`")),
    ("h2load", "-D 10 -c5 -t2 URL", Says("a duration, as of h2load, is `--duration TIME`")),
    ("vegeta", "attack -rate=50 -duration=5s", Says("write `z6 bench URL`")),
    ("vegeta", "URL -rate=50/1s -duration=5s", Says("write `--rate`")),
];

#[test]
fn lines_of_other_tools_work_or_say_what_to_write() {
    let (_server, url) = target("/echo");
    let folder = Folder::new("");
    for (tool, line, then) in &LINES {
        let words: Vec<&str> =
            line.split(' ').map(|word| if word == "URL" { &url } else { word }).collect();
        let run = run(&folder, &words);
        match then {
            Works => assert!(
                run.is_success() && run.stdout.contains(" 0 failed"),
                "{tool} {line}: {run:?}"
            ),
            Says(text) => {
                assert_eq!(run.code, Some(2), "{tool} {line}: {run:?}");
                assert!(run.stderr.contains(text), "{tool} {line}: {}", run.stderr);
            }
        }
    }
    let ab = run(&folder, &["-k", "-n", "2", &url]).expect(0);
    assert!(ab.stderr.contains("connections are kept alive anyway"), "{}", ab.stderr);
}

#[test]
fn the_server_counts_what_is_reported() {
    let (server, url) = target("/hello");
    let folder = Folder::new("");
    let ran = run(&folder, &[&url, "-c", "10", "-n", "500", "--json"]).expect(0);
    assert_eq!(figure(&ran.stdout, "/requests/succeeded"), 500);
    assert_eq!(server.stats().requests, 500);
    let ran = run(&folder, &[&url, "-c", "10", "-d", "200ms", "--json"]).expect(0);
    let sent = figure(&ran.stdout, "/requests/sent").as_u64().unwrap();
    assert_eq!(server.stats().requests, 500 + sent);
}

#[test]
fn nginx_counts_what_is_reported() {
    let Some(nginx) = Nginx::start() else { return };
    let url = format!("http://127.0.0.1:{}/", nginx.port);
    let ran = run(&Folder::new(""), &[&url, "-c", "10", "-d", "300ms", "--json"]).expect(0);
    let sent = figure(&ran.stdout, "/requests/sent").as_u64().unwrap();
    assert_eq!(figure(&ran.stdout, "/requests/succeeded"), sent);
    assert_eq!(nginx.answers_at_end(), sent);
}

/// Answers one request and returns its bytes.
fn one_request() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        while read_whole(&bytes, &Limits::default()).unwrap().is_none() {
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "it ended early");
            bytes.extend_from_slice(&part[..length]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(bytes).unwrap()
    });
    (address.to_string(), served)
}

#[test]
fn what_is_sent_is_what_was_written_and_secrets_are_in_no_file() {
    let folder = Folder::new("");
    let (address, served) = one_request();
    let url = format!("http://me:pa%3Ass@{address}/a?b={{{{c}}");
    let refused = run(&folder, &[&url, "-n", "1"]).expect(2);
    assert!(refused.stderr.contains("cannot be combined"), "{}", refused.stderr);
    let url = format!("http://me:pa%3Ass@{address}/a?b=c");
    let line = [
        &url,
        "-n",
        "1",
        "-m",
        "PATCH",
        "--body",
        "{\"x\": 1}",
        "-H",
        "X-Y: z w",
        "-H",
        "Cookie: sid=hush",
        "--output",
        "out",
        "--html",
        "page.html",
    ];
    let ran = run(&folder, &line).expect(0);
    let request = served.join().unwrap();
    assert!(request.starts_with("PATCH /a?b=c HTTP/1.1\r\n"), "{request}");
    for part in ["X-Y: z w\r\n", "Cookie: sid=hush\r\n", "Authorization: Basic bWU6cGE6c3M=\r\n"] {
        assert!(request.contains(part), "{part}: {request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"x\": 1}"), "{request}");
    assert_eq!(folder.read("page.html"), folder.read("out/report.html"));
    let mut kept = vec![ran.stdout.into_bytes(), ran.stderr.into_bytes()];
    let names = files(&folder.path("out"));
    assert!(names.len() >= 7, "{names:?}");
    kept.extend(names.iter().map(|name| std::fs::read(folder.path("out").join(name)).unwrap()));
    for secret in ["pa:ss", "pa%3Ass", "bWU6cGE6c3M", "hush"] {
        let holds =
            |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!kept.iter().any(holds), "{secret}");
    }
}

#[test]
fn a_scenario_with_secrets_says_where_it_reads_them() {
    let folder = Folder::new("");
    let (address, served) = one_request();
    let url = format!("http://{address}/");
    let line = run(&folder, &[&url, "-n", "1", "-u", "me:hush", "--scenario"]).expect(0);
    assert!(!line.stdout.contains("hush"), "{}", line.stdout);
    assert!(line.stderr.contains("set Z6_PASSWORD"), "{}", line.stderr);
    std::fs::write(folder.path("s.toml"), &line.stdout).unwrap();
    outcome(z6(&folder, &["run", "s.toml"]).env("Z6_PASSWORD", "hush")).expect(0);
    assert!(served.join().unwrap().contains("Authorization: Basic bWU6aHVzaA==\r\n"));
}

#[test]
fn assertions_decide_the_exit_code() {
    let (server, url) = target("/status/500");
    let folder = Folder::new("");
    let line = [&url[..], "-n", "20", "-c", "2"];
    run(&folder, &line).expect(0);
    run(&folder, &[&line[..], &["--fail-above", "100%"]].concat()).expect(0);
    let failed = run(&folder, &[&line[..], &["--fail-above", "99.9%"]].concat()).expect(1);
    assert!(failed.stderr.contains("assertion failed: error_rate_max"), "{}", failed.stderr);
    let hello = format!("http://{}/hello", server.addresses()[0]);
    let line = [&hello[..], "-n", "20", "-c", "2"];
    run(&folder, &[&line[..], &["--p99", "1h"]].concat()).expect(0);
    let failed = run(&folder, &[&line[..], &["--p99", "1ns"]].concat()).expect(1);
    assert!(failed.stderr.contains("assertion failed: p99_latency_ms"), "{}", failed.stderr);
}

#[test]
fn reports_go_where_they_are_asked_for_and_nothing_is_overwritten() {
    let (server, url) = target("/hello");
    let folder = Folder::new("");
    let csv = run(&folder, &[&url, "-n", "20", "--csv", "--quiet"]).expect(0);
    assert!(csv.stdout.starts_with("second,planned,sent,"), "{}", csv.stdout);
    assert_eq!(csv.stderr, "");
    let page = run(&folder, &["bench", &url, "-n", "20", "--html", "page.html"]).expect(0);
    assert!(page.stdout.starts_with(&format!("{url}\n")), "{}", page.stdout);
    assert!(page.stderr.contains("of event log, not kept"), "{}", page.stderr);
    assert!(folder.read("page.html").starts_with("<!DOCTYPE html>"));
    let told = ["--summary-format", "markdown", "--junit", "j.xml", "--ci", "github"];
    let told =
        run(&folder, &[&[&url[..], "-n", "20", "--p99", "1ns"], &told[..]].concat()).expect(1);
    assert!(told.stdout.starts_with("## <code>http&#58;"), "{}", told.stdout);
    assert!(told.stderr.contains("::error title=assertion failed%3A p99_latency_ms::"), "{told:?}");
    assert!(folder.read("j.xml").contains("name=\"p99_latency_ms\""), "{}", folder.read("j.xml"));
    let before = server.stats().requests;
    let refused = run(&folder, &[&url, "--html", "page.html"]).expect(2);
    assert!(
        refused.stderr.contains("page.html exists; choose another file with `--html`"),
        "{refused:?}"
    );
    let refused = run(&folder, &[&url, "--html", "no/page.html"]).expect(2);
    assert!(refused.stderr.contains("there is no folder no; choose another"), "{refused:?}");
    let refused = run(&folder, &["run", &url]).expect(2);
    assert!(refused.stderr.contains(&format!("write `z6 {url}`")), "{refused:?}");
    assert_eq!(server.stats().requests, before);
    assert!(!folder.path("results").exists());
}
