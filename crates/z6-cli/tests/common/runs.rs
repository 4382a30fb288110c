//! One run of every kind that leaves a log of its own sort, and changed logs.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use z6_events::{BlockBuilder, Event, FooterFacts, LogAssembler, LogHeader, LogReader, StoppedBy};

use crate::common::{Folder, SHORT, Underway};

/// Statuses, failures and resets that are drawn.
const FAILING: &str = "
metadata.name = 'Failing'
runtime = { iterations = 60, vus = 6, prng_seed = 7 }
target.base_url = 'builtin'
requests = [
    { name = 'hello', path = '/hello?delay=exponential:1ms', weight = 2 },
    { name = 'broken', path = '/status/500' },
    { name = 'flaky, \"very\"', path = '/hello?fail=0.2&reset=0.1' },
]
";

/// Requests that time out, a warm-up, a duration.
const TIMEOUTS: &str = "
metadata.name = 'Timeouts'
runtime = { duration_seconds = 0.8, warmup_seconds = 0.2, vus = 4, prng_seed = 7, graceful_stop_seconds = 0 }
target.base_url = 'builtin'
think_time = { type = 'random', min_ms = 0, max_ms = 3 }
requests = [
    { name = 'hello', path = '/hello', weight = 9 },
    { name = 'stall', path = '/stall', timeout_ms = 20 },
]
";

/// More arrivals than may be in flight.
const ARRIVALS: &str = "
metadata.name = 'Arrivals'
runtime = { duration_seconds = 0.7, prng_seed = 3, graceful_stop_seconds = 0.2 }
target.base_url = 'builtin'
schedule = { type = 'rate', per_second = 900, arrivals = 'poisson', max_in_flight = 8 }
requests = [
    { name = 'slow', path = '/hello?delay=uniform:5ms..15ms' },
    { name = 'hello', path = '/hello' },
]
";

/// Virtual users who all come to a request that is never answered.
const STUCK: &str = "
metadata.name = 'Stuck'
runtime = { duration_seconds = 3600, vus = 4, prng_seed = 7, graceful_stop_seconds = 0 }
target.base_url = 'builtin'
requests = [
    { name = 'hello', path = '/hello', weight = 30 },
    { name = 'stall', path = '/stall', timeout_ms = 3600000 },
]
";

/// A run that left its results in `out`.
pub struct RunOf {
    pub kind: &'static str,
    pub folder: Folder,
}

/// Runs of every kind, one after the other.
pub fn every_kind() -> impl Iterator<Item = RunOf> {
    let kinds: [(&str, &str, &[&str]); 5] = [
        ("short", SHORT, &[]),
        ("failing", FAILING, &[]),
        ("failing with two workers", FAILING, &["--workers", "2"]),
        ("timeouts", TIMEOUTS, &[]),
        ("arrivals", ARRIVALS, &["--workers", "2"]),
    ];
    let ended = kinds.into_iter().map(|(kind, scenario, more)| {
        let folder = Folder::new(scenario);
        let run = ["run", "s.toml", "--output", "out", "--quiet", "--no-summary"];
        folder.run(&[&run, more].concat()).expect(0);
        RunOf { kind, folder }
    });
    ended.chain(std::iter::once_with(interrupted))
}

/// A run ended by Ctrl-C with four requests in flight.
fn interrupted() -> RunOf {
    let folder = Folder::new(STUCK);
    let run = ["run", "s.toml", "--live", "--output", "out", "--workers", "2"];
    let mut run = Underway::start(&mut folder.z6(&run));
    run.await_words("in flight 4");
    run.signal(z6_testing::Signal::INT);
    run.end().expect(130);
    RunOf { kind: "interrupted", folder }
}

/// A run of [`SHORT`] with its results in `out`.
pub fn short() -> Folder {
    let folder = Folder::new(SHORT);
    folder.run(&["run", "s.toml", "--output", "out", "--quiet", "--no-summary"]).expect(0);
    folder
}

/// Leaves, as `cut`, the first `share` of the log in `out`.
pub fn cut(folder: &Folder, share: f64) {
    let log = std::fs::read(folder.path("out/events.z6log")).unwrap();
    let length = (log.len() as f64 * share) as usize;
    std::fs::write(folder.path("cut"), &log[..length]).unwrap();
}

/// Leaves, as `changed`, the log in `out` with `change` made to its events, every checksum right.
pub fn change(folder: &Folder, change: impl FnMut(&mut Event)) {
    rewrite(folder, |_| {}, change);
}

/// [`change`] of the header.
pub fn change_header(folder: &Folder, change: impl FnOnce(&mut LogHeader)) {
    rewrite(folder, change, |_| {});
}

fn rewrite(
    folder: &Folder,
    change_header: impl FnOnce(&mut LogHeader),
    mut change: impl FnMut(&mut Event),
) {
    let log = std::fs::read(folder.path("out/events.z6log")).unwrap();
    let mut reader = LogReader::new(log.as_slice()).unwrap();
    let mut header = reader.header().clone();
    change_header(&mut header);
    let (mut assembler, mut out) = LogAssembler::new(&header).unwrap();
    let mut facts =
        FooterFacts { stopped_by: StoppedBy::Duration, end: z6::Tick(0), totals: vec![] };
    while let Some(mut block) = reader.next_block().unwrap() {
        let (worker, base) = (block.header().worker, block.header().base);
        let mut builder = BlockBuilder::new(header.partition().with_worker(worker), Vec::new());
        for event in block.events() {
            let (at, mut event) = event.unwrap();
            change(&mut event);
            builder.push(at, &event).unwrap();
            if let Event::EndReached { by, end } = event {
                (facts.stopped_by, facts.end) = (by, facts.end.max(end));
            }
        }
        let mut sealed = match builder.is_empty() {
            true => builder.close_empty(base, Vec::new()),
            false => builder.close(Vec::new()),
        };
        out.extend_from_slice(assembler.seal(&mut sealed));
    }
    out.extend_from_slice(&assembler.footer(&facts).unwrap().0);
    std::fs::write(folder.path("changed"), out).unwrap();
}
