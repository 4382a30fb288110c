//! The shards of a run read as one: `z6 merge`, and every reader of logs given several.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::{Folder, Outcome, Underway, assert_conserved, figure, files};
use z6_testing::Signal;

const SHARDS: usize = 4;

/// Arrivals in a simulated world, with failures; a window that no shard alone would pass.
const RUN: &str = "
metadata.name = 'Split'
runtime = { duration_seconds = 3, warmup_seconds = 0.5, prng_seed = 42, workers = 2 }
target.base_url = 'https://shop.example'
schedule = { type = 'rate', per_second = 400, max_in_flight = 400 }
requests = [{ name = 'list', path = '/', weight = 3 }, { name = 'basket', path = '/basket' }]
simulation = { service = 'exponential:3ms', statuses = { 503 = 0.02 } }
[assertions]
error_rate_max = 0.2
[assertions.offered]
rps_min = 250
window_seconds = 1
";

/// Simulates shards of the scenario; they leave their results in `shards/0` and so on.
fn shards(folder: &Folder, which: impl IntoIterator<Item = usize>) {
    for shard in which {
        let (part, output) = (format!("{shard}/{SHARDS}"), format!("shards/{shard}"));
        let run = ["simulate", "s.toml", "--shard", &part, "--output", &output, "--no-summary"];
        folder.run(&run).expect(0);
    }
}

fn run_of_shards() -> Folder {
    let folder = Folder::new(RUN);
    shards(&folder, 0..SHARDS);
    folder
}

fn paths() -> Vec<String> {
    (0..SHARDS).map(|shard| format!("shards/{shard}")).collect()
}

fn with(command: &[&str], logs: &[String]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).chain(logs.iter().cloned()).collect()
}

fn run(folder: &Folder, words: &[String]) -> Outcome {
    folder.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_merge_judges_the_run_and_leaves_the_results_of_one() {
    let folder = run_of_shards();
    let merged = run(&folder, &with(&["merge", "--output", "all"], &paths())).expect(0);
    assert!(merged.stdout.contains("PASS: all 2 assertions hold"), "{}", merged.stdout);
    assert!(merged.stdout.contains("merged from 4 shards"), "{}", merged.stdout);
    assert_eq!(
        files(&folder.path("all")),
        [
            "metadata.json",
            "metrics.json",
            "report.html",
            "scenario.toml",
            "summary.txt",
            "timeseries.csv"
        ]
    );
    assert_eq!(folder.read("all/summary.txt"), merged.stdout);
    assert_eq!(folder.read("all/scenario.toml"), RUN);
    let metrics = folder.read("all/metrics.json");
    assert_conserved(&metrics);
    let sum = |path: &str| -> u64 {
        let of = |shard: &String| {
            figure(&folder.read(&format!("{shard}/metrics.json")), path).as_u64().unwrap()
        };
        paths().iter().map(of).sum()
    };
    for path in ["/requests/planned", "/requests/succeeded", "/errors/total", "/connections/opened"]
    {
        assert_eq!(figure(&metrics, path), sum(path), "{path}");
    }
    assert_eq!(figure(&metrics, "/run/workers"), 8);
    assert_eq!(figure(&metrics, "/run/shards/count"), 4);
    let receipt = figure(&metrics, "/run/log_digest");
    let metadata = folder.read("all/metadata.json");
    assert_eq!(figure(&metadata, "/receipt"), receipt);
    assert!(merged.stderr.ends_with(&format!("receipt  {}\n", receipt.as_str().unwrap())));
    let of_shard = figure(&folder.read("shards/3/metadata.json"), "/log/digest");
    assert_eq!(figure(&metadata, "/shards/3/log/digest"), of_shard);
    // Each reader makes the same of the same logs.
    for logs in [paths(), paths().into_iter().rev().collect(), vec!["shards".to_owned()]] {
        let json = run(&folder, &with(&["analyze", "--format", "json"], &logs)).expect(0);
        assert_eq!(json.stdout, metrics);
        let page = run(&folder, &with(&["report", "--output", "-"], &logs)).expect(0);
        assert_eq!(page.stdout, folder.read("all/report.html"));
    }
    let again = run(&folder, &with(&["merge", "--output", "all"], &paths())).expect(2);
    assert!(again.stderr.contains("never overwritten"), "{}", again.stderr);
}

#[test]
fn a_merge_fails_with_the_assertions_of_the_run_and_tells_build_servers() {
    let folder = Folder::new(&RUN.replace("rps_min = 250", "rps_min = 5000"));
    shards(&folder, 0..SHARDS);
    let words = ["merge", "shards", "--output", "all", "--junit", "junit.xml", "--json", "--quiet"];
    let merged = folder.run(&words).expect(1);
    assert_eq!(merged.stdout, folder.read("all/metrics.json"));
    assert!(merged.stderr.starts_with("error: assertion failed: offered: rps_min"), "{merged:?}");
    assert!(folder.read("junit.xml").contains("offered: rps_min"));
}

#[test]
fn what_is_wrong_with_the_logs_is_named_and_what_is_missing_is_accepted_on_request() {
    let folder = Folder::new(RUN);
    shards(&folder, [0, 1, 3]);
    let logs: Vec<String> = [0, 1, 3].map(|shard| format!("shards/{shard}")).to_vec();
    for command in [&["merge", "--output", "all"][..], &["analyze"], &["export"], &["report"]] {
        let refused = run(&folder, &with(command, &logs)).expect(2);
        assert_eq!(refused.stdout, "");
        let words = "the log of shard 2 is missing: there are 4, from 0 to 3\n`--partial` reads what there is";
        assert!(refused.stderr.contains(words), "{command:?}: {}", refused.stderr);
    }
    assert!(!folder.path("all").exists());
    let command = ["merge", "--partial", "--output", "all"];
    let merged = run(&folder, &with(&command, &logs)).expect(0);
    assert!(merged.stderr.contains("shard 2 missing, of 4 in all"), "{}", merged.stderr);
    assert!(merged.stderr.contains("no receipt"), "{}", merged.stderr);
    assert!(merged.stdout.contains("merged from 3 of 4 shards; missing: 2"), "{}", merged.stdout);
    assert!(
        merged.stdout.contains("doubt: 1 of 4 shards is missing, shard 2"),
        "{}",
        merged.stdout
    );
    let rows = run(&folder, &with(&["export", "--partial"], &logs)).expect(0);
    let planned = figure(&folder.read("all/metrics.json"), "/requests/planned");
    assert_eq!(rows.stdout.lines().count() as u64, 1 + planned.as_u64().unwrap());
    assert!(rows.stderr.contains("shard 2 missing, of 4 in all"));

    let doubled = run(&folder, &with(&["merge", "shards/0"], &logs)).expect(2);
    assert!(doubled.stderr.contains("shards/0/events.z6log was given twice"), "{}", doubled.stderr);
    assert!(!doubled.stderr.contains("--partial"), "{}", doubled.stderr);
    let other = ["simulate", "s.toml", "--seed", "7", "--shard", "2/4", "--output", "other"];
    folder.run(&other).expect(0);
    let foreign = run(&folder, &with(&["merge", "other"], &logs)).expect(2);
    assert!(foreign.stderr.contains("other/events.z6log is of another run"), "{}", foreign.stderr);
    assert!(foreign.stderr.contains("the seed differs"), "{}", foreign.stderr);
    let whole = ["simulate", "s.toml", "--output", "whole"];
    folder.run(&whole).expect(0);
    let whole = folder.run(&["merge", "whole"]).expect(2);
    assert!(whole.stderr.contains("of a run of one process"), "{}", whole.stderr);
}

#[test]
fn a_truncated_shard_is_named_and_its_figures_say_so() {
    let folder = run_of_shards();
    let log = std::fs::read(folder.path("shards/2/events.z6log")).unwrap();
    std::fs::remove_file(folder.path("shards/2/events.z6log")).unwrap();
    let partial = folder.path("shards/2/events.z6log.partial");
    std::fs::write(partial, &log[..log.len() * 2 / 3]).unwrap();
    let refused = folder.run(&["merge", "shards", "--output", "all"]).expect(2);
    assert!(refused.stderr.contains("the log of shard 2 is truncated"), "{}", refused.stderr);
    let merged = folder.run(&["merge", "shards", "--partial", "--output", "all"]);
    assert!(matches!(merged.code, Some(0 | 1)), "{merged:?}");
    for words in
        ["shard 2: the end of its log is missing", "1 of 4 shards is degraded on its own, shard 2"]
    {
        assert!(merged.stdout.contains(words), "{words}: {}", merged.stdout);
    }
    // Other readers read it as far as it goes, and say so.
    let analyzed = folder.run(&["analyze", "shards"]).expect(0);
    assert!(analyzed.stderr.contains("shards/2/events.z6log.partial: the log is truncated"));
    assert_eq!(analyzed.stdout, folder.read("all/summary.txt"));
}

#[test]
fn rows_and_events_say_to_which_shard_they_belong() {
    let folder = run_of_shards();
    let rows = folder.run(&["export", "shards"]).expect(0).stdout;
    let mut lines = rows.lines();
    let heading: Vec<&str> = lines.next().unwrap().split(',').collect();
    let place = |name: &str| heading.iter().position(|column| *column == name).unwrap();
    let (actor, worker, shard) = (place("actor"), place("worker"), place("shard"));
    let mut count = 0;
    for line in lines {
        let cells: Vec<u64> = [actor, worker, shard]
            .map(|at| line.split(',').nth(at).unwrap().parse().unwrap())
            .to_vec();
        assert_eq!(cells[0] % 4, cells[2], "{line}");
        assert_eq!(cells[0] / 4 % 2, cells[1], "{line}");
        count += 1;
    }
    let of_shard = folder.run(&["analyze", "shards", "--filter", "shard == 1", "--format", "json"]);
    let selected = figure(&of_shard.expect(0).stdout, "/selection/requests").as_u64().unwrap();
    let alone = figure(&folder.read("shards/1/metrics.json"), "/requests/planned");
    assert_eq!(selected, alone);
    let by =
        folder.run(&["analyze", "shards", "--by", "shard", "--format", "json"]).expect(0).stdout;
    let groups: Vec<_> = figure(&by, "/by/groups").as_array().unwrap().clone();
    assert_eq!(
        groups.iter().map(|one| one["key"].as_str().unwrap()).collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
    assert_eq!(groups.iter().map(|one| one["requests"].as_u64().unwrap()).sum::<u64>(), count);
    let by =
        folder.run(&["analyze", "shards", "--by", "worker", "--format", "json"]).expect(0).stdout;
    assert_eq!(figure(&by, "/by/groups/5/key"), "s1w1");
    let slowest = folder.run(&["analyze", "shards", "--slowest", "3"]).expect(0).stdout;
    let last = slowest.lines().last().unwrap();
    assert!(last.starts_with('s') && last.contains(" vu"), "{last}");
    let events = folder.run(&["export", "shards", "--format", "ndjson"]).expect(0).stdout;
    assert!(events.lines().all(|line| line.contains(",\"shard\":")));
    let ticks = events.lines().filter(|line| line.contains("\"kind\":\"finished\"")).count();
    assert_eq!(ticks, 8);
    let hdr = folder.run(&["export", "shards", "--format", "hdr"]).expect(0).stdout;
    assert!(hdr.lines().count() > 10);
    // One shard alone is what it is.
    let alone = folder.run(&["export", "shards/1"]).expect(0).stdout;
    assert_eq!(alone.lines().next().unwrap(), rows.lines().next().unwrap());
    folder.run(&["analyze", "shards", "--verify"]).expect(0);
}

#[test]
fn runs_of_shards_are_compared_as_runs() {
    let folder = run_of_shards();
    folder.run(&["simulate", "s.toml", "--output", "whole"]).expect(0);
    let json = |words: &[&str]| {
        let compared =
            folder.run(&[&["diff", "--format", "json", "--inconclusive", "pass"], words].concat());
        assert!(matches!(compared.code, Some(0 | 1)), "{compared:?}");
        compared.stdout
    };
    let same = json(&["shards", "shards"]);
    assert_eq!(figure(&same, "/outcome"), "none_beyond_threshold", "{same}");
    let loose = json(&["shards/0", "shards/1", "shards/2", "shards/3", "--", "shards"]);
    let runs = |json: &str, side: &str| figure(json, side).as_array().unwrap().len();
    assert_eq!((runs(&loose, "/a"), runs(&loose, "/b")), (1, 1), "{loose}");
    let both = json(&["shards", "whole", "--", "whole", "shards"]);
    assert_eq!((runs(&both, "/a"), runs(&both, "/b")), (2, 2), "{both}");
    let page = folder.run(&["report", "--output", "-", "shards", "--", "whole"]).expect(0).stdout;
    assert!(page.contains("By shard") || page.contains("4 shards"), "the shards are on the page");
    let refused = folder.run(&["report", "shards/0", "whole"]).expect(2);
    assert!(refused.stderr.contains("a page is of one run"), "{}", refused.stderr);
}

const LIVE: &str = "
metadata.name = 'Live'
runtime = { duration_seconds = 30, vus = 4, prng_seed = 7, workers = 1 }
target.base_url = 'builtin'
think_time = { type = 'constant', duration_ms = 5 }
requests = [{ name = 'hello', path = '/' }]
assertions.p99_latency_ms = 0.001
";

fn page(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The page of several shards while they run: it has the requests of both, and at the end it is the report.
#[test]
fn several_shards_are_watched_as_one_run() {
    let folder = Folder::new(LIVE);
    let start = |shard: &str, output: &str| {
        let words = ["run", "s.toml", "--shard", shard, "--output", output, "--live"];
        let mut run = Underway::start(&mut folder.z6(&words));
        run.await_words("in flight");
        run
    };
    let runs = [start("0/2", "a"), start("1/2", "b")];
    let watch = ["watch", "a", "b", "--web", "127.0.0.1:0"];
    let mut watched = Underway::start(&mut folder.z6(&watch));
    let line = watched.await_line("is at http://");
    let (_, address) = line.split_once("http://").unwrap();
    let address: SocketAddr = address.split('/').next().unwrap().parse().unwrap();
    let until = |is_there: &dyn Fn(&str) -> bool| {
        let since = Instant::now();
        loop {
            let text = page(address);
            if is_there(&text) {
                return text;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{text}");
            std::thread::yield_now();
        }
    };
    let live = until(&|text| text.contains("By shard"));
    assert!(live.contains("2 shards, 2 workers"), "{live}");
    // Nothing is judged before the end.
    assert!(live.contains("The run is in progress"), "{live}");
    assert!(live.contains("1 assertion, judged at the end of the run"), "{live}");
    assert!(live.contains("not so far") && !live.contains("truncated"), "{live}");
    for run in runs {
        run.signal(Signal::INT);
        run.end().expect(130);
    }
    folder.run(&["report", "a", "b", "--output", "page.html"]).expect(0);
    let last = folder.read("page.html");
    until(&|text| text.ends_with(&last));
    watched.signal(Signal::INT);
    watched.end().expect(0);
}
