//! The logs of the shards of a run, read together: the same figures as one log with the same events, and every
//! fault is named.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod shard_logs;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shard_logs::{PADDING, Varied, log_of};
use z6::{Followed, Follower, ReadError, RunLog, ShardFault, Verdict};
use z6_events::forge::Forge;
use z6_events::{
    Actor, BlockEnd, ConnectionSlot, Event, EventSource, ExchangeSlot, LogDigest, LogHeader,
    LogReader, Loops, MergedReader, Partition, PlannedRequest, Population, RequestId, Response,
    Step, StoppedBy, TargetId, Tick, Visitor, WorkerId, run_receipt, walk,
};
use z6_metrics::report::metrics_json;
use z6_metrics::{EndFacts, Fold, Metrics, RunFacts};
use z6_scenario::Scenario;
use z6_vu::prepare::RunSetup;

const RATE: &str = "schedule = { type = 'rate', per_second = 300, max_in_flight = 210 }";
const RAMP: &str =
    "schedule = { type = 'ramp', start_vus = 5, end_vus = 42, ramp_duration_seconds = 1 }";

/// 2.2 s with assertions of the whole run and of windows, checks of names, targets and tags.
fn scenario(schedule: &str) -> Arc<Scenario> {
    let text = format!(
        "{schedule}\n\
         runtime = {{ duration_seconds = 2.2, warmup_seconds = 0.3, prng_seed = 9 }}\n\
         requests = [\n\
           {{ name = 'a', path = '/{PADDING}', tags = {{ kind = 'x' }} }},\n\
           {{ name = 'b', path = '/{PADDING}', weight = 2 }},\n\
         ]\n\
         [target]\nbase_url = 'http://127.0.0.1:80'\n\
         [assertions]\np99_latency_ms = 80\nerror_rate_max = 0.5\nrps_min = 10\n\
         [assertions.windows]\np90_latency_ms = 60\nerror_rate_max = 0.3\nwindow_seconds = 1\n\
         [assertions.tagged]\nwhere = 'tag.kind == \"x\"'\nmean_latency_ms = 100\n"
    );
    Arc::new(Scenario::from_toml(&text).unwrap_or_else(|error| panic!("{error}")))
}

fn shards(scenario: &Arc<Scenario>, shards: u16, workers: u16) -> Vec<Vec<u8>> {
    let setup = |shard| RunSetup { shard, shards, ..RunSetup::new(9, workers) };
    (0..shards).map(|shard| log_of(scenario, setup(shard), Varied)).collect()
}

fn words(_: u64) -> String {
    String::new()
}

fn merged(scenario: &Scenario, logs: &[Vec<u8>]) -> Metrics {
    let readers = logs.iter().map(|log| LogReader::new(&log[..]).unwrap()).collect();
    let mut reader = MergedReader::new(readers).unwrap();
    let mut fold = Fold::of_source(scenario, &reader, words);
    let endings = reader.walk_all(&mut fold).unwrap();
    fold.finish(EndFacts::from_endings(&reader, &endings)).unwrap()
}

/// Gives events to a fold under the numbers that their workers have in one process.
struct Renamed<'a> {
    fold: &'a mut Fold,
    places: Vec<WorkerId>,
}

impl Visitor for Renamed<'_> {
    type Error = z6::FoldError;

    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), z6::FoldError> {
        self.fold.event(self.places[worker.index()], at, event)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.fold.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), z6::FoldError> {
        self.fold.advance(self.places[block.worker.index()], block.up_to)
    }
}

/// The figures of one log with the events of all these.
fn in_one(scenario: &Scenario, logs: &[Vec<u8>]) -> Metrics {
    let headers: Vec<LogHeader> =
        logs.iter().map(|log| LogReader::new(&log[..]).unwrap().header().clone()).collect();
    let parts: Vec<Partition> = headers.iter().map(LogHeader::partition).collect();
    let loops = Loops::of_shards(&parts).unwrap();
    let facts = RunFacts {
        partition: Partition::unsharded(WorkerId(0), loops.count()),
        ..RunFacts::from_header(&headers[0], String::new())
    };
    let mut fold = Fold::new(scenario, facts);
    fold.resolved(&headers[0].addresses);
    let mut end = None;
    for (log, header) in logs.iter().zip(&headers) {
        let mut renamed = Renamed { fold: &mut fold, places: loops.places(header.shard) };
        let ending = walk(&mut LogReader::new(&log[..]).unwrap(), &mut renamed).unwrap();
        let facts = EndFacts::from_ending(&ending);
        let stopped_by: Option<StoppedBy> = end.and_then(|end: EndFacts| end.stopped_by);
        let stronger = facts.stopped_by.map(|by| stopped_by.map_or(by, |other| by.stronger(other)));
        end = Some(EndFacts { stopped_by: stronger, ..facts });
    }
    fold.finish(end.unwrap()).unwrap()
}

#[test]
fn shards_give_the_figures_of_one_log_with_the_same_events_byte_for_byte() {
    for schedule in [RATE, RAMP] {
        let scenario = scenario(schedule);
        for count in 1..=7 {
            for workers in 1..=3 {
                let logs = shards(&scenario, count, workers);
                let merged = merged(&scenario, &logs);
                let mut one = in_one(&scenario, &logs);
                assert!(merged.requests.planned > 400 && merged.requests.failed > 20);
                assert_eq!(merged.assertions.len(), 6);
                assert_eq!(merged.run.workers, count * workers);
                assert_eq!(merged.run.shards.is_some(), count > 1);
                // What stands under `run` names the logs.
                one.run = merged.run.clone();
                assert_eq!(
                    metrics_json(&merged),
                    metrics_json(&one),
                    "{count} shards with {workers} workers: {schedule}"
                );
            }
        }
    }
}

/// The same of the shards of a simulated run, with faults and several populations.
#[test]
fn shards_of_a_simulated_run_give_the_figures_of_one_log_with_the_same_events() {
    let text = "runtime = { duration_seconds = 1.1, prng_seed = 3 }\n\
         target = { base_url = 'http://shop.example', max_connections = 42 }\n\
         requests = [{ name = 'list', path = '/', weight = 3 }, { name = 'basket', path = '/b' }]\n\
         simulation = { latency = 'exponential:2ms', service = 'exponential:9ms', statuses = { 503 = 0.1 }, \
         faults = { reset_in_body = 0.02 } }\n\
         [[populations]]\nname = 'buyers'\n\
         schedule = { type = 'rate', per_second = 90, max_in_flight = 105 }\n\
         [[populations]]\nname = 'readers'\nschedule = { type = 'constant', vus = 21 }\n\
         think_time = { type = 'constant', duration_ms = 40 }\n\
         [assertions]\nerror_rate_max = 0.5\n\
         [assertions.windows]\np95_latency_ms = 500\nwindow_seconds = 1\n";
    let folder = Folder::new();
    for count in 1..=7 {
        for workers in 1..=3 {
            let log = |shard| {
                let path = folder.0.path().join("log");
                let run = z6::Run::from_toml(text).unwrap().workers(z6::Workers::Fixed(workers));
                let run = run.shard(shard, count).log_file(&path).simulate();
                run.start().unwrap().wait().unwrap().ok().unwrap();
                let log = fs::read(&path).unwrap();
                fs::remove_file(path).unwrap();
                log
            };
            let logs: Vec<Vec<u8>> = (0..count).map(log).collect();
            let scenario = z6::Run::from_toml(text).unwrap().scenario().clone();
            let merged = merged(&scenario, &logs);
            let mut one = in_one(&scenario, &logs);
            assert!(merged.requests.planned > 150 && merged.requests.failed > 5);
            assert_eq!(merged.populations.0.len(), 2);
            one.run = merged.run.clone();
            assert_eq!(
                metrics_json(&merged),
                metrics_json(&one),
                "{count} shards, {workers} workers"
            );
        }
    }
}

/// Merging is no matter of order: shards are named, not counted.
#[test]
fn logs_may_be_given_in_any_order() {
    let scenario = scenario(RATE);
    let mut logs = shards(&scenario, 4, 2);
    let expected = metrics_json(&merged(&scenario, &logs));
    logs.swap(0, 3);
    logs.swap(1, 2);
    assert_eq!(metrics_json(&merged(&scenario, &logs)), expected);
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// A results directory with this log.
    fn put(&self, name: &str, log: &[u8]) -> PathBuf {
        let directory = self.0.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("events.z6log"), log).unwrap();
        directory
    }
}

fn faults(paths: &[PathBuf]) -> Vec<ShardFault> {
    match RunLog::open(paths).unwrap_err() {
        ReadError::Shards { faults } => faults,
        other => panic!("{other}"),
    }
}

#[test]
fn missing_doubled_and_foreign_shards_are_named() {
    let (scenario, folder) = (scenario(RATE), Folder::new());
    let logs = shards(&scenario, 4, 1);
    let paths: Vec<PathBuf> =
        logs.iter().enumerate().map(|(shard, log)| folder.put(&format!("s{shard}"), log)).collect();
    let file = |path: &Path| path.join("events.z6log");

    let found = faults(&[paths[3].clone(), paths[1].clone()]);
    let missing = |shard| ShardFault::Missing { shard, of: 4 };
    assert_eq!(found, [missing(0), missing(2)]);
    assert_eq!(found[0].to_string(), "the log of shard 0 is missing: there are 4, from 0 to 3");

    let found = faults(&[paths[0].clone(), paths[1].clone(), paths[0].clone(), paths[2].clone()]);
    let (path, other) = (file(&paths[0]), file(&paths[0]));
    assert_eq!(found, [ShardFault::Doubled { path, other, shard: 0 }]);

    let reseeded = RunSetup { shard: 1, shards: 4, ..RunSetup::new(10, 1) };
    let foreign = folder.put("foreign", &log_of(&scenario, reseeded, Varied));
    let found = faults(&[foreign.clone(), paths[0].clone(), paths[2].clone(), paths[3].clone()]);
    let (path, other) = (file(&foreign), file(&paths[0]));
    assert_eq!(found, [ShardFault::Foreign { path, other, by: "seed" }]);
    assert!(!found[0].can_be_partial());
    assert!(RunLog::open_partial(&[&foreign, &paths[0]]).is_err());

    let whole = folder.put("whole", &log_of(&scenario, RunSetup::new(9, 1), Varied));
    let again = folder.put("again", &log_of(&scenario, RunSetup::new(9, 1), Varied));
    assert!(matches!(faults(&[whole.clone(), again])[..], [ShardFault::NoShards { .. }]));
    let found = faults(&[whole, paths[0].clone(), paths[1].clone()]);
    assert!(matches!(found[..], [ShardFault::Foreign { by: "number of shards", .. }]), "{found:?}");
}

#[test]
fn a_run_is_merged_from_its_shards_or_from_the_directory_that_has_them() {
    let (scenario, folder) = (scenario(RATE), Folder::new());
    let logs = shards(&scenario, 3, 2);
    let paths: Vec<PathBuf> =
        logs.iter().enumerate().map(|(shard, log)| folder.put(&format!("s{shard}"), log)).collect();
    let expected = metrics_json(&merged(&scenario, &logs));
    let receipts: Vec<LogDigest> = logs
        .iter()
        .map(|log| LogReader::new(&log[..]).unwrap().skip_to_end().unwrap().digest().unwrap())
        .collect();
    for paths in [&paths[..], &[folder.0.path().to_owned()]] {
        let run = RunLog::open(paths).unwrap();
        assert!(run.is_run_of_shards());
        assert_eq!(run.paths().len(), 3);
        let merged = run.merge().unwrap();
        assert_eq!(metrics_json(&merged.metrics), expected);
        assert_eq!(merged.receipt, run_receipt(3, &receipts));
        assert_eq!(merged.metrics.run.log_digest, merged.receipt.unwrap().to_string());
        let shards = merged.metrics.run.shards.as_ref().unwrap();
        let sent: u64 = shards.merged.iter().map(|shard| shard.sent).sum();
        assert_eq!(sent, merged.metrics.requests.sent);
        let planned: u64 = shards.merged.iter().map(|shard| shard.planned).sum();
        assert_eq!(planned, merged.metrics.requests.planned);
        let failed: u64 = shards.merged.iter().map(|shard| shard.failed).sum();
        assert_eq!(failed, merged.metrics.requests.failed);
    }
    // One of them alone is what it is, and no run.
    let alone = RunLog::open(&paths[..1]).unwrap();
    assert!(!alone.is_run_of_shards());
    assert!(alone.refold().unwrap().metrics.run.shards.is_none());
    assert!(matches!(alone.merge(), Err(ReadError::Shards { faults }) if faults.len() == 2));
}

#[test]
fn a_log_that_ends_inside_its_header_is_that_of_a_missing_shard() {
    let (scenario, folder) = (scenario(RATE), Folder::new());
    let logs = shards(&scenario, 3, 1);
    for cut in [0, 50] {
        let mut paths: Vec<PathBuf> = (0..3)
            .map(|shard| {
                let log = if shard == 1 { &logs[shard][..cut] } else { &logs[shard][..] };
                folder.put(&format!("s{shard}"), log)
            })
            .collect();
        let whole = folder.0.path().to_owned();
        for given in [&paths[..], &[whole]] {
            assert!(matches!(RunLog::open(given), Err(ReadError::Log { .. })));
            let run = RunLog::open_partial(given).unwrap();
            assert_eq!((run.paths().len(), run.missing()), (2, &[1][..]));
        }
        let runs = RunLog::open_each(&paths, true).unwrap();
        assert_eq!((runs.len(), runs[0].missing()), (1, &[1][..]));
        // Alone it is nothing.
        let cut = paths.remove(1);
        assert!(matches!(RunLog::open_partial(&[&cut]), Err(ReadError::Log { .. })));
        assert!(matches!(RunLog::open_each(&[&cut], true), Err(ReadError::Log { .. })));
    }
}

#[test]
fn what_is_there_is_merged_on_request_and_says_so() {
    let (scenario, folder) = (scenario(RATE), Folder::new());
    let logs = shards(&scenario, 4, 1);
    let paths: Vec<PathBuf> = logs
        .iter()
        .enumerate()
        .filter(|(shard, _)| *shard != 2)
        .map(|(shard, log)| folder.put(&format!("s{shard}"), log))
        .collect();
    let run = RunLog::open_partial(&paths).unwrap();
    assert_eq!(run.missing(), [2]);
    let merged = run.merge().unwrap();
    let metrics = &merged.metrics;
    assert_eq!(merged.receipt, None);
    assert_eq!(metrics.run.log_digest, "");
    assert_eq!(metrics.run.shards.as_ref().unwrap().missing, [2]);
    assert_eq!(metrics.generator.verdict, Verdict::Degraded);
    let doubts: Vec<String> = metrics.generator.doubts.iter().map(ToString::to_string).collect();
    assert!(doubts[0].starts_with("1 of 4 shards is missing, shard 2"), "{doubts:?}");
    // Every report says it.
    let written = merged
        .write_results(z6::ResultsDir::create(folder.0.path().join("merged")).unwrap())
        .unwrap();
    assert!(written.missing.is_empty());
    for (file, text) in [
        ("summary.txt", "merged from 3 of 4 shards; missing: 2"),
        ("report.html", "1 of 4 shards is missing, shard 2"),
        ("metrics.json", "\"shards_missing\""),
        ("metadata.json", "\"missing_shards\": [\n    2\n  ]"),
    ] {
        let written = fs::read_to_string(written.path.join(file)).unwrap();
        assert!(written.contains(text), "{file}");
    }
    assert!(!written.path.join("events.z6log").exists());
    assert!(written.path.join("scenario.toml").exists());
    assert!(written.path.join("timeseries.csv").exists());
    // One shard is accepted as a part, too.
    let run = RunLog::open_partial(&paths[..1]).unwrap();
    assert_eq!(run.merge().unwrap().missing, [1, 2, 3]);
}

#[test]
fn a_truncated_shard_is_named_and_counts_on_request_as_far_as_it_goes() {
    let (scenario, folder) = (scenario(RATE), Folder::new());
    let mut logs = shards(&scenario, 3, 2);
    let whole = merged(&scenario, &logs);
    let cut = logs[1].len() / 2;
    logs[1].truncate(cut);
    let paths: Vec<PathBuf> =
        logs.iter().enumerate().map(|(shard, log)| folder.put(&format!("s{shard}"), log)).collect();
    let error = RunLog::open(&paths).unwrap().merge().unwrap_err();
    let ReadError::Shards { faults } = &error else { panic!("{error}") };
    assert!(matches!(faults[..], [ShardFault::Torn { shard: 1, .. }]), "{faults:?}");

    let merged = RunLog::open_partial(&paths).unwrap().merge().unwrap();
    let requests = &merged.metrics.requests;
    assert!(requests.in_flight_at_stop > 0 && requests.planned < whole.requests.planned);
    assert_eq!(requests.planned, requests.sent + requests.never_sent);
    let kinds: Vec<&str> = merged.metrics.generator.doubts.iter().map(z6::Doubt::kind).collect();
    assert!(kinds.contains(&"torn_log") && kinds.contains(&"shards_degraded"), "{kinds:?}");
    let shards = merged.metrics.run.shards.unwrap().merged;
    let verdicts: Vec<Verdict> = shards.iter().map(|shard| shard.verdict).collect();
    assert_eq!(verdicts, [Verdict::Trustworthy, Verdict::Degraded, Verdict::Trustworthy]);
    assert_eq!(shards[1].stopped_by, None);
    // The other shards reach the end of the run, and so do its windows.
    let windows = merged.metrics.assertions.iter().find_map(|one| one.windows).unwrap();
    let of_whole = whole.assertions.iter().find_map(|one| one.windows).unwrap();
    assert_eq!(windows, of_whole);
}

/// A log of a shard with one request a millisecond, each sent so late.
fn paced(shard: u16, shards: u16, epoch_ns: u64, late_ns: u64) -> Vec<u8> {
    paced_with(shard, shards, late_ns, |header| header.wall_epoch_ns = epoch_ns)
}

const PACED: &str = "runtime = { duration_seconds = 2, prng_seed = 1 }\n\
     schedule = { type = 'rate', per_second = 100 }\n\
     requests = [{ name = 'a', path = '/' }]\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
     [assertions.fast]\nrps_min = 250\nwindow_seconds = 1\n";

fn paced_with(
    shard: u16,
    shards: u16,
    late_ns: u64,
    change: impl FnOnce(&mut LogHeader),
) -> Vec<u8> {
    let mut header = LogHeader {
        shard,
        shards,
        seed: 1,
        scenario_text: PACED.to_owned(),
        ..LogHeader::default()
    };
    change(&mut header);
    let connection = ConnectionSlot(0);
    let target = TargetId(0);
    let mut events = vec![
        (Tick(0), Event::ConnectStarted { connection, target, address: 0 }),
        (Tick(1_000), Event::Connected { connection, started: Tick(0) }),
    ];
    for number in 0..200_u64 {
        let planned = Tick(10_000_000 * number + 2_000_000);
        let sent = Tick(planned.0 + late_ns);
        let request = PlannedRequest {
            population: Population(0),
            actor: Actor(number * u64::from(shards) + u64::from(shard)),
            step: Step(0),
            request: RequestId(0),
            target,
            planned,
        };
        let exchange = ExchangeSlot(0);
        events.push((sent, Event::Wake));
        events.push((
            sent,
            Event::Sent {
                exchange,
                written_bytes: 10,
                request,
                attempt: 0,
                connection,
                request_bytes: 10,
                length_is_input: false,
            },
        ));
        let response = Response {
            first_byte: Tick(sent.0 + 500_000),
            status: 200,
            received_bytes: 10,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities: z6_events::Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        };
        events.push((Tick(sent.0 + 1_000_000), Event::Done { exchange, response, failure: None }));
    }
    let end = Tick(2_000_000_000);
    events.push((end, Event::EndReached { by: StoppedBy::Duration, end }));
    events.push((end, Event::Finished));
    Forge::new(&header).unwrap().block(WorkerId(0), Tick(0), &events).ended(end).unwrap()
}

fn doubts(metrics: &Metrics) -> Vec<String> {
    metrics.generator.doubts.iter().map(ToString::to_string).collect()
}

#[test]
fn windows_are_judged_over_all_shards() {
    let scenario = Scenario::from_toml(PACED).unwrap();
    let logs: Vec<Vec<u8>> = (0..3).map(|shard| paced(shard, 3, 0, 0)).collect();
    let merged = merged(&scenario, &logs);
    // Each of them has 100 a second, which is not enough.
    assert!(merged.assertions_passed(), "{:?}", merged.assertions);
    assert_eq!(merged.assertions[0].windows, Some(2));
    assert_eq!(doubts(&merged), [""; 0]);
}

#[test]
fn one_shard_that_is_late_degrades_the_run_and_is_named() {
    let scenario = Scenario::from_toml(PACED).unwrap();
    // One in 200 does not show at the quantile 0.99 of all.
    let logs: Vec<Vec<u8>> = (0..200)
        .map(|shard| paced(shard, 200, 0, if shard == 7 { 3_000_000 } else { 0 }))
        .collect();
    let merged = merged(&scenario, &logs);
    assert_eq!(merged.generator.loop_lag_ns.p99, Some(0));
    assert_eq!(doubts(&merged), ["1 of 200 shards is degraded on its own, shard 7 (late_sends)"]);
    assert_eq!(merged.generator.verdict, Verdict::Degraded);
    let shards = merged.run.shards.unwrap();
    let degraded: Vec<u16> = shards
        .merged
        .iter()
        .filter(|shard| shard.verdict == Verdict::Degraded)
        .map(|shard| shard.shard)
        .collect();
    assert_eq!(degraded, [7]);
}

#[test]
fn late_shards_and_doubtful_clocks_are_named_and_change_no_latency() {
    let scenario = Scenario::from_toml(PACED).unwrap();
    let begun = 1_000_000_000_000;
    let of = |logs: [Vec<u8>; 2]| merged(&scenario, &logs);
    let at_once = of([paced(0, 2, begun, 0), paced(1, 2, begun + 50_000_000, 0)]);
    assert_eq!(doubts(&at_once), [""; 0]);
    let late = of([paced(0, 2, begun + 300_000_000, 0), paced(1, 2, begun, 0)]);
    assert!(doubts(&late)[0].starts_with("shard 0 began 300 ms after the first"), "{late:?}");
    assert_eq!(late.generator.verdict, Verdict::Trustworthy);
    assert_eq!(late.latency, at_once.latency);
    // A clock that is 300 ms ahead, and known to be: both began at once.
    let known = of([
        paced(0, 2, begun, 0),
        paced_with(1, 2, 0, |header| {
            header.wall_epoch_ns = begun + 300_000_000;
            header.clock = vec![
                ("clock_offset_ns".to_owned(), 300_000_000),
                ("clock_offset_error_ns".to_owned(), 1_000_000),
                ("clock_max_error_ns".to_owned(), 400_000_000),
            ];
        }),
    ]);
    assert_eq!(doubts(&known), [""; 0]);
    // One that is behind, and began late by as much: negative values are two's complement.
    let behind = of([
        paced(0, 2, begun, 0),
        paced_with(1, 2, 0, |header| {
            header.wall_epoch_ns = begun;
            header.clock = vec![("clock_offset_ns".to_owned(), (-300_000_000_i64) as u64)];
        }),
    ]);
    assert!(doubts(&behind)[0].starts_with("shard 1 began 300 ms after the first"));
    let unsure = of([
        paced(0, 2, begun, 0),
        paced_with(1, 2, 0, |header| {
            header.wall_epoch_ns = begun;
            header.clock = vec![("clock_max_error_ns".to_owned(), 400_000_000)];
        }),
    ]);
    assert!(doubts(&unsure)[0].starts_with("the clocks of shards may be 400 ms apart"));
    assert_eq!(unsure.latency, at_once.latency);
}

/// Machines may resolve a name to the same addresses in another order.
#[test]
fn addresses_are_counted_by_what_they_are() {
    let scenario = Scenario::from_toml(PACED).unwrap();
    let with = |shard, addresses: [&str; 2]| {
        paced_with(shard, 2, 0, |header| {
            let addresses = addresses.map(str::to_owned).to_vec();
            header.addresses = vec![z6::TargetAddresses { target: TargetId(0), addresses }];
        })
    };
    let failing = |shard, addresses, address| {
        let header = LogReader::new(&with(shard, addresses)[..]).unwrap().header().clone();
        let connection = ConnectionSlot(0);
        let cause = z6::Cause { error: z6::ErrorKind::ConnectionRefused, detail: 111 };
        let events = [
            (Tick(0), Event::ConnectStarted { connection, target: TargetId(0), address }),
            (Tick(5), Event::ConnectFailed { connection, started: Tick(0), cause }),
            (Tick(9), Event::EndReached { by: StoppedBy::NoTarget, end: Tick(9) }),
            (Tick(9), Event::Finished),
        ];
        Forge::new(&header).unwrap().block(WorkerId(0), Tick(0), &events).ended(Tick(9)).unwrap()
    };
    let logs = [failing(0, ["a:1", "b:1"], 0), failing(1, ["b:1", "a:1"], 1)];
    let failed = merged(&scenario, &logs).connections.failed_addresses;
    let failed: Vec<_> = failed.iter().map(|one| (one.address.as_str(), one.failed)).collect();
    assert_eq!(failed, [("a:1", 2)], "the second of shard 1 is the first of shard 0");
}

#[test]
fn several_logs_are_followed_while_they_grow() {
    let (scenario, folder) = (scenario(RATE), Folder::new());
    let logs = shards(&scenario, 3, 1);
    let expected = metrics_json(&merged(&scenario, &logs));
    let partial = |shard: usize, bytes: &[u8]| {
        let directory = folder.0.path().join(format!("s{shard}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("events.z6log.partial"), bytes).unwrap();
        directory
    };
    let half = |shard: usize| &logs[shard][..logs[shard].len() / 2];
    let paths: Vec<PathBuf> = (0..3).map(|shard| partial(shard, half(shard))).collect();
    let mut follower = Follower::open_all(&paths).unwrap();
    while follower.poll().unwrap() == Followed::Behind {}
    let so_far = follower.metrics().unwrap();
    assert!(so_far.requests.sent > 100 && follower.ending().is_none());
    assert!(doubts(&so_far).is_empty(), "nothing is torn while it grows: {:?}", doubts(&so_far));
    let seen = follower.blocks();
    for (shard, log) in logs.iter().enumerate() {
        let path = partial(shard, log).join("events.z6log.partial");
        fs::rename(&path, path.with_extension("")).unwrap();
    }
    while follower.poll().unwrap() != Followed::Ended {}
    assert!(follower.blocks() > seen);
    assert_eq!(metrics_json(&follower.metrics().unwrap()), expected);
    assert!(follower.blocks_by_shard().all(|(_, blocks)| blocks.is_none()));
    // Without one of them.
    let mut follower = Follower::open_all(&paths[..2]).unwrap();
    while follower.poll().unwrap() != Followed::Ended {}
    assert!(
        doubts(&follower.metrics().unwrap())[0].starts_with("1 of 3 shards is missing, shard 2")
    );
}

#[test]
fn runs_of_shards_stand_beside_others_in_a_list() {
    let (scenario, folder) = (scenario(RATE), Folder::new());
    let mut paths: Vec<PathBuf> = Vec::new();
    for (shard, log) in shards(&scenario, 2, 1).iter().enumerate() {
        paths.push(folder.put(&format!("s{shard}"), log));
    }
    for number in 0..2 {
        let whole = log_of(&scenario, RunSetup::new(9, 1), Varied);
        paths.insert(1, folder.put(&format!("whole{number}"), &whole));
    }
    let runs = RunLog::open_each(&paths, false).unwrap();
    let sizes: Vec<usize> = runs.iter().map(|run| run.paths().len()).collect();
    assert_eq!(sizes, [2, 1, 1]);
    let again = Folder::new();
    for (shard, log) in shards(&scenario, 2, 1).iter().enumerate() {
        again.put(&format!("s{shard}"), log);
    }
    // Twice the same shards are two runs where directories tell them apart.
    let directories = [again.0.path().to_owned(), again.0.path().to_owned()];
    assert_eq!(RunLog::open_each(&directories, false).unwrap().len(), 2);
    let loose = [paths[0].clone(), paths[0].clone(), paths[3].clone()];
    assert!(matches!(RunLog::open_each(&loose, false), Err(ReadError::Shards { .. })));
}
