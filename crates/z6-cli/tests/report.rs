//! `z6 report` and report.html: the same bytes from a run and from its log, bounded in size, and in a browser
//! what they promise.
//!
//! The browser test needs node, chromium and the packages of testing/browser (`npm ci`). It is skipped where
//! one is missing, or fails if Z6_REQUIRE_CHROMIUM is set.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::Folder;

/// A page of a run, and of a comparison, at most, bytes.
const PAGE_BYTES_MAX: u64 = 300_000;
const COMPARISON_BYTES_MAX: u64 = 450_000;

/// Everything that a page can show, in fifteen seconds.
const SHOP: &str = "
metadata.name = 'Shop & <b>bold</b>'
runtime = { duration_seconds = 15, warmup_seconds = 2, prng_seed = 42, workers = 2 }
target.base_url = 'https://shop.example'
requests = [
    { name = 'basket', path = '/basket', weight = 3 },
    { name = 'checkout', method = 'POST', path = '/checkout', body = '{}', timeout_ms = 500 },
]
schedule = { type = 'rate', per_second = 200, arrivals = 'poisson' }
assertions = { p99_latency_ms = 150, error_rate_max = 0.000001 }
[simulation]
connect = '2ms'
latency = 'log_normal:1ms,0.3'
service = 'exponential:5ms'
servers = 2
statuses = { 503 = 0.01 }
[simulation.faults]
connect_refused = 0.01
reset_in_body = 0.005
no_answer = 0.005
";

fn simulate(scenario: &str) -> Folder {
    let folder = Folder::new(scenario);
    folder
        .run(&["simulate", "s.toml", "--output", "out", "--no-summary"])
        .expect(assertion_exit(scenario.contains("assertions")));
    folder
}

/// A run with assertions here fails one.
const fn assertion_exit(has_assertions: bool) -> i32 {
    if has_assertions { 1 } else { 0 }
}

fn size(folder: &Folder, name: &str) -> u64 {
    std::fs::metadata(folder.path(name)).unwrap().len()
}

#[test]
fn a_log_gives_the_page_of_its_run() {
    let folder = simulate(SHOP);
    folder.run(&["report", "out"]).expect(0);
    assert_eq!(folder.read("report.html"), folder.read("out/report.html"));
    let printed = folder.run(&["report", "out/events.z6log", "--output", "-"]).expect(0);
    assert_eq!(printed.stdout, folder.read("report.html"));
    assert!(printed.stdout.contains("Shop &amp; &lt;b&gt;bold&lt;/b&gt;"));
    let again = folder.run(&["report", "out"]).expect(2);
    assert!(again.stderr.contains("report.html exists"), "{}", again.stderr);
    let two = folder.run(&["report", "out", "out", "--output", "x.html"]).expect(2);
    assert!(two.stderr.contains("z6 report A.. -- B.."), "{}", two.stderr);
    folder.run(&["report", "nothing", "--output", "x.html"]).expect(2);
    assert!(!folder.path("x.html").exists());
}

#[test]
fn a_page_is_for_those_who_may_read_its_log() {
    let folder = simulate(SHOP);
    let log = folder.path("out/events.z6log");
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o600)).unwrap();
    folder.run(&["report", "out"]).expect(0);
    let mode = std::fs::metadata(folder.path("report.html")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_comparison_has_its_table_and_the_curves_of_both_sides() {
    let folder = simulate(SHOP);
    let slower =
        ["simulate", "s.toml", "--service", "exponential:8ms", "--output", "b", "--no-summary"];
    folder.run(&slower).expect(1);
    folder.run(&["report", "--output", "c.html", "out", "--", "b"]).expect(0);
    let page = folder.read("c.html");
    for expected in ["response_ns.p50", "regressed", "a p50", "b p99", "Percentiles"] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(size(&folder, "c.html") <= COMPARISON_BYTES_MAX);
}

/// Two hours, which take all the columns there are, and a thousand names.
#[test]
fn a_page_stays_small() {
    for scenario in [hours(), names()] {
        let folder = simulate(&scenario);
        let bytes = size(&folder, "out/report.html");
        assert!(bytes <= PAGE_BYTES_MAX, "{bytes} bytes");
    }
}

fn hours() -> String {
    "
metadata.name = 'Two hours'
runtime = { duration_seconds = 7200, prng_seed = 1 }
target.base_url = 'http://hours.example'
requests = [{ name = 'all', path = '/' }]
schedule = { type = 'rate', per_second = 2 }
simulation = { latency = 'log_normal:1ms,1.0', service = 'exponential:20ms', statuses = { 500 = 0.01 } }
"
    .to_owned()
}

fn names() -> String {
    let mut scenario = "
metadata.name = 'Names'
runtime = { duration_seconds = 20, prng_seed = 1 }
target.base_url = 'http://names.example'
schedule = { type = 'rate', per_second = 200 }
simulation = { latency = '1ms', service = 'exponential:20ms' }
"
    .to_owned();
    for number in 0..1_000 {
        write!(
            scenario,
            "[[requests]]\nname = 'request {number} {}'\npath = '/'\n",
            "n".repeat(90)
        )
        .unwrap();
    }
    scenario
}

/// Names that would be markup, run, reorder or fill the page, if they could.
fn hostile() -> String {
    let mut scenario = "
runtime = { duration_seconds = 3, prng_seed = 1 }
target.base_url = 'http://hostile.example'
schedule = { type = 'rate', per_second = 50 }
simulation = { latency = '1ms', statuses = { 500 = 0.1 } }
metadata.name = \"</title><script>window.hostile = 1</script>\"
"
    .to_owned();
    let names = [
        "</script><script>window.hostile = 1</script>",
        "<img src=x onerror='window.hostile = 1'>",
        "\\\"><svg onload=window.hostile=1>",
        "--><!--",
        &"m".repeat(190),
    ];
    for name in names {
        write!(scenario, "[[requests]]\nname = \"{name}\"\npath = '/'\n").unwrap();
    }
    scenario
}

#[test]
fn in_a_browser_pages_are_what_they_promise() {
    let Some((node, chromium, script)) = browser() else { return };
    let runs = [simulate(SHOP), simulate(&hostile()), simulate(&names()), simulate(&hours())];
    let slower =
        ["simulate", "s.toml", "--service", "exponential:8ms", "--output", "b", "--no-summary"];
    runs[0].run(&slower).expect(1);
    runs[0].run(&["report", "--output", "c.html", "out", "--", "b"]).expect(0);
    let mut list = Vec::new();
    for run in &runs {
        let path = |name: &str| run.path(name).display().to_string();
        list.push(serde_json::json!({
            "html": path("out/report.html"), "metrics": path("out/metrics.json"), "budget": PAGE_BYTES_MAX,
        }));
    }
    let comparison = runs[0].path("c.html").display().to_string();
    list.push(serde_json::json!({ "html": comparison, "budget": COMPARISON_BYTES_MAX }));
    let file = runs[0].path("list.json");
    std::fs::write(&file, serde_json::Value::from(list).to_string()).unwrap();
    let checked = Command::new(node).arg(script).arg(chromium).arg(file).output().unwrap();
    let words = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{words}{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(words.matches("checked ").count(), 5, "{words}");
}

/// Node, chromium and the script, if all that it needs is there.
fn browser() -> Option<(PathBuf, PathBuf, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/browser");
    let found = |program: &str| z6_testing::program_on_path(program);
    let packages = folder.join("node_modules/playwright-core");
    let (Some(node), Some(chromium), true) = (found("node"), found("chromium"), packages.exists())
    else {
        let what = "node, chromium or the packages of testing/browser are missing";
        assert!(
            std::env::var_os("Z6_REQUIRE_CHROMIUM").is_none(),
            "{what}, and Z6_REQUIRE_CHROMIUM is set"
        );
        z6_testing::skip(what);
        return None;
    };
    Some((node, chromium, folder.join("report.cjs")))
}
