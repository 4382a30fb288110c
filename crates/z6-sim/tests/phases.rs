//! Set-up and tear-down in the simulated world: in phases of their own, with the same log as a real run.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Ran, run, run_spec, spec};
use z6_events::{ErrorKind, Event, LogReader, LoggedValue, Phase, StopReason, StoppedBy, Tick};
use z6_metrics::PhaseOutcome;
use z6_sim::{LogOut, LogOutError, NoObserver, SimEnd, simulate};

const SCENARIO: &str = "
runtime = { vus = 3, iterations = 4, graceful_stop_seconds = 1, workers = 2 }
target = { base_url = 'http://simulated.invalid', request_id_header = 'Z6-Id' }
setup = { sequence = 'sign_in', timeout_seconds = 5 }
teardown = { sequence = 'sign_out', timeout_seconds = 5 }
sequences = [
    { name = 'sign_in', steps = [{ request = 'token' }, { request = 'place' }] },
    { name = 'sign_out', steps = [{ request = 'revoke' }] },
]
sequence.steps = [{ request = 'profile' }, { request = 'order' }]
requests = [
    { name = 'token', method = 'POST', path = '/token', extract.token = { json = '$.token', secret = true } },
    { name = 'place', path = '/place', extract.place = { json = '$.place' } },
    { name = 'profile', path = '/me', auth = { bearer = '{{run.token}}' } },
    { name = 'order', path = '/orders/{{run.place}}', checks.same = 'json(\"$.place\") == run.place' },
    { name = 'revoke', method = 'DELETE', path = '/token', headers = { X-Place = '{{run.place}}' }, auth = { bearer = '{{run.token}}' } },
]
";

/// The phases of the blocks, each once in a row, and the requests sent in each.
fn phases(log: &[u8]) -> Vec<(Phase, u64)> {
    let mut found: Vec<(Phase, u64)> = Vec::new();
    for (phase, events) in blocks(log) {
        if found.last().is_none_or(|(last, _)| *last != phase) {
            found.push((phase, 0));
        }
        let sent = events.iter().filter(|(_, event)| matches!(event, Event::Sent { .. })).count();
        found.last_mut().unwrap().1 += sent as u64;
    }
    found
}

fn blocks(log: &[u8]) -> Vec<(Phase, Vec<(Tick, Event)>)> {
    let mut reader = LogReader::new(log).unwrap();
    let mut found = Vec::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        found.push((block.header().phase, block.decode().unwrap()));
    }
    found
}

#[test]
fn set_up_comes_first_and_gives_its_values_to_what_follows() {
    let ran = run(SCENARIO, 7, &[]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(phases(&ran.log), [(Phase::SetUp, 2), (Phase::Main, 24), (Phase::TearDown, 1)]);
    assert_eq!(ran.stopped_by, StoppedBy::Iterations);
    let requests = &ran.metrics.requests;
    assert_eq!((requests.sent, requests.succeeded, requests.failed), (24, 24, 0));
    for (phase, sent) in [(&ran.metrics.setup, 2), (&ran.metrics.teardown, 1)] {
        let phase = phase.as_ref().unwrap();
        assert_eq!((phase.outcome, phase.sent), (PhaseOutcome::Complete, sent));
    }
    // Every request has the same token and the same place: those that set-up was given.
    let texts: Vec<String> =
        ran.truth.list.iter().map(|request| text(&ran, request.text)).collect();
    let tokens: Vec<&str> =
        texts.iter().filter_map(|text| between(text, "Bearer ", "\r")).collect();
    assert!(tokens.len() == 12 && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert!(tokens[0].len() == 32, "{}", tokens[0]);
    let places: Vec<&str> = texts.iter().filter_map(|t| between(t, "/orders/", " ")).collect();
    assert!(places.len() == 12 && places.iter().all(|place| *place == places[0]), "{places:?}");
}

fn text(ran: &Ran, index: usize) -> String {
    String::from_utf8(ran.truth.texts[index].clone()).unwrap()
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

#[test]
fn each_phase_begins_with_a_record_and_its_time_with_0() {
    let ran = run(SCENARIO, 7, &[("service", "constant:30ms")]);
    let mut started = Vec::new();
    for (phase, events) in blocks(&ran.log) {
        for (at, event) in events {
            if let Event::PhaseStarted { wall_epoch_ns, monotonic_epoch_ns } = event {
                assert_eq!((at, wall_epoch_ns), (Tick::ZERO, 0), "{phase:?}");
                started.push((phase, monotonic_epoch_ns));
            }
        }
    }
    let names: Vec<Phase> = started.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(names, [Phase::SetUp, Phase::Main, Phase::TearDown]);
    // Two requests of 30 ms, then eight of each VU, then one.
    let [setup, main, teardown] = [0, 1, 2].map(|place| started[place].1);
    assert_eq!(setup, 0);
    assert!((60_000_000..70_000_000).contains(&main), "{main}");
    assert!((300_000_000..320_000_000).contains(&teardown), "{teardown}");
    assert!(ran.virtual_ns > teardown + 30_000_000, "{}", ran.virtual_ns);
    assert!(ran.metrics.run.began_ns == Some(0) && ran.metrics.run.started_at.is_empty());
}

#[test]
fn the_same_seed_gives_the_same_log_and_another_seed_another() {
    let world = [("latency", "exponential:2ms"), ("fault.partial_read", "0.2")];
    let log = |seed| run(SCENARIO, seed, &world).log;
    assert!(log(7) == log(7));
    assert!(log(7) != log(8));
}

#[test]
fn after_a_failed_set_up_only_tear_down_runs() {
    for (world, sent) in [(("statuses", "503=1"), 1), (("fault.no_answer", "1"), 1)] {
        let ran = run(SCENARIO, 7, &[world]);
        assert_eq!(ran.violations, [""; 0], "{world:?}");
        assert_eq!(ran.stopped_by, StoppedBy::SetupFailed, "{world:?}");
        // The request of tear-down needs values that there are not.
        assert_eq!(phases(&ran.log), [(Phase::SetUp, sent), (Phase::TearDown, 0)], "{world:?}");
        assert_eq!((ran.metrics.requests.planned, ran.truth.requests()), (0, 0));
        assert_eq!(ran.metrics.setup.as_ref().unwrap().outcome, PhaseOutcome::Failed);
        assert_eq!(
            ran.metrics.teardown.as_ref().unwrap().errors.get(ErrorKind::BadValue),
            Some(&1)
        );
    }
}

#[test]
fn a_failure_that_the_step_lets_pass_fails_set_up_at_its_end() {
    let text = SCENARIO
        .replace(
            "{ request = 'place' }]",
            "{ request = 'place', on_failure = 'continue' }, { request = 'extra' }]",
        )
        .replace("requests = [", "requests = [\n    { name = 'extra', path = '/extra' },")
        .replace(
            "path = '/place',",
            "path = '/place', expect_status = [404], checks.none = 'status == 500',",
        );
    let ran = run(&text, 7, &[]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(ran.stopped_by, StoppedBy::SetupFailed);
    assert_eq!(phases(&ran.log)[0], (Phase::SetUp, 3));
}

#[test]
fn set_up_that_takes_too_long_has_failed() {
    let ran = run(SCENARIO, 7, &[("service", "constant:3s")]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(ran.stopped_by, StoppedBy::SetupFailed);
    let setup = ran.metrics.setup.as_ref().unwrap();
    assert_eq!((setup.sent, setup.succeeded, setup.in_flight_at_stop), (2, 1, 1));
    assert_eq!(setup.duration_seconds, Some(5.0));
    // What there is of its values reaches tear-down, whose request needs the other one as well.
    assert_eq!(ran.metrics.teardown.as_ref().unwrap().errors.get(ErrorKind::BadValue), Some(&1));
}

#[test]
fn a_run_without_a_target_ends_in_set_up() {
    let slow = SCENARIO.replace("timeout_seconds = 5", "timeout_seconds = 50");
    let ran = run(&slow, 7, &[("fault.connect_timeout", "1")]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(ran.stopped_by, StoppedBy::SetupFailed);
    assert_eq!(phases(&ran.log).len(), 2);
    // A server that is slower than the limit.
    let silent = slow.replace("requests = [", "limits.first_answer_seconds = 30\nrequests = [");
    let ran = run(&silent, 7, &[("service", "constant:40s")]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(ran.stopped_by, StoppedBy::NoAnswer);
    assert_eq!(ran.metrics.setup.as_ref().unwrap().outcome, PhaseOutcome::Stopped);
}

/// A log whose place asks for the end once the phase has so many blocks; it repeats itself from then on.
struct Asking {
    phase: Phase,
    blocks: u32,
    log: Vec<u8>,
}

impl LogOut for Asking {
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogOutError> {
        self.log.write(bytes)
    }

    fn stop(&mut self) -> Option<StopReason> {
        let found = blocks(&self.log);
        let seen = found.iter().filter(|(phase, _)| *phase == self.phase).count();
        (seen >= self.blocks as usize).then_some(StopReason::Interrupt)
    }
}

fn interrupted(phase: Phase, blocks: u32) -> SimEnd<NoObserver, Asking> {
    let text = SCENARIO.replace("iterations = 4", "duration_seconds = 60");
    let spec = spec(&text, 7, &[("service", "constant:150ms")]);
    let end = simulate(&spec, NoObserver, Asking { phase, blocks, log: Vec::new() }).unwrap();
    assert_eq!(end.violations, [], "{phase:?}");
    assert!(end.digest.is_some());
    end
}

#[test]
fn an_interrupt_ends_the_phase_it_comes_in_and_tear_down_follows() {
    let end = interrupted(Phase::SetUp, 1);
    assert_eq!(end.stopped_by, StoppedBy::Interrupt);
    assert_eq!(phases(&end.log.log), [(Phase::SetUp, 1), (Phase::TearDown, 0)]);
    let end = interrupted(Phase::Main, 3);
    assert_eq!(end.stopped_by, StoppedBy::Interrupt);
    assert_eq!(phases(&end.log.log)[2], (Phase::TearDown, 1));
    assert!(end.virtual_ns < 5_000_000_000, "{}", end.virtual_ns);
}

#[test]
fn an_interrupt_in_the_last_block_of_set_up_stops_the_run_at_its_beginning() {
    // Set-up has three blocks: the third comes when it has ended.
    let end = interrupted(Phase::SetUp, 3);
    assert_eq!(end.stopped_by, StoppedBy::Interrupt);
    // What was due at tick 0 is sent in the grace period.
    let all = phases(&end.log.log);
    assert_eq!(all, [(Phase::SetUp, 2), (Phase::Main, 3), (Phase::TearDown, 1)]);
    let is_end = |event: &Event| matches!(event, Event::EndReached { end: Tick::ZERO, .. });
    let ends = blocks(&end.log.log).into_iter().filter(|(phase, _)| *phase == Phase::Main);
    let ends = ends.flat_map(|(_, events)| events).filter(|(_, event)| is_end(event));
    assert_eq!(ends.count(), 2);
}

#[test]
fn an_interrupt_in_tear_down_ends_it_and_is_no_reason_for_the_end_of_the_run() {
    let spec = spec(SCENARIO, 7, &[("service", "constant:150ms")]);
    let log = Asking { phase: Phase::TearDown, blocks: 1, log: Vec::new() };
    let end = simulate(&spec, NoObserver, log).unwrap();
    assert_eq!(end.violations, []);
    assert_eq!(end.stopped_by, StoppedBy::Iterations);
    assert_eq!(phases(&end.log.log)[2], (Phase::TearDown, 1));
}

/// Room is reserved for tear-down.
#[test]
fn a_log_that_becomes_full_in_set_up_stops_it_and_tear_down_is_logged() {
    let text = format!("limits.max_event_log_bytes = 1_048_576\n{SCENARIO}");
    let ran = run(&text, 7, &[("service", "constant:150ms")]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(ran.stopped_by, StoppedBy::LogLimit);
    assert_eq!(ran.metrics.setup.as_ref().unwrap().outcome, PhaseOutcome::Stopped);
    assert_eq!(phases(&ran.log), [(Phase::SetUp, 1), (Phase::TearDown, 0)]);
    // Its only block is its last one: the run itself begins, and is stopped at once.
    let ran = run(&text, 7, &[]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(ran.stopped_by, StoppedBy::LogLimit);
    let phases = phases(&ran.log);
    assert_eq!((phases[0], phases[2]), ((Phase::SetUp, 2), (Phase::TearDown, 1)));
    assert_eq!(ran.metrics.teardown.as_ref().unwrap().outcome, PhaseOutcome::Complete);
}

#[test]
fn tear_down_follows_a_full_disk_unlogged() {
    for (service, least_ns) in [("constant:200ms", 200_000_000), ("constant:2s", 2_000_000_000)] {
        let without = SCENARIO.replace("auth = { bearer = '{{run.token}}' } },\n]", "},\n]");
        let without = without.replace("headers = { X-Place = '{{run.place}}' }, ", "");
        let spec = spec(&without, 7, &[("service", service), ("fault.log_full", "1")]);
        let end = simulate(&spec, NoObserver, Vec::new()).unwrap();
        assert_eq!(end.violations, [], "{service}");
        assert!(end.digest.is_none() && end.stopped_by == StoppedBy::DiskFull);
        // Set-up is stopped with its first block, after 100 ms.
        let teardown_ns = end.virtual_ns - 100_000_000;
        assert!((least_ns..least_ns + 10_000_000).contains(&teardown_ns), "{teardown_ns}");
    }
}

#[test]
fn a_log_that_is_written_slowly_is_slow_across_phases() {
    let ran = run(SCENARIO, 7, &[("fault.log_stall", "1"), ("fault.log_short_write", "0.5")]);
    assert_eq!(ran.violations, [""; 0]);
    assert_eq!(ran.metrics.requests.succeeded, 24);
}

#[test]
fn every_shard_has_its_own_set_up_and_tear_down() {
    let shard = |index, of| {
        let mut spec = spec(SCENARIO, 7, &[]);
        spec.shard = z6_events::Shard::new(index, of).unwrap();
        run_spec(&spec)
    };
    let (first, second) = (shard(0, 2), shard(1, 2));
    let tokens = [first, second].map(|ran| {
        assert_eq!(ran.violations, [""; 0]);
        let phases = phases(&ran.log);
        assert_eq!((phases[0], phases[2]), ((Phase::SetUp, 2), (Phase::TearDown, 1)));
        let text = text(&ran, ran.truth.list[0].text);
        between(&text, "Bearer ", "\r").unwrap().to_owned()
    });
    assert_ne!(tokens[0], tokens[1]);
}

/// What the server gives in set-up is nowhere in the log.
#[test]
fn a_secret_of_set_up_is_not_in_the_log() {
    let ran = run(SCENARIO, 7, &[]);
    let texts = ran.truth.list.iter().map(|request| text(&ran, request.text));
    let token =
        texts.into_iter().find_map(|text| Some(between(&text, "Bearer ", "\r")?.to_owned()));
    let (token, log) = (token.unwrap(), &ran.log);
    assert!(!log.windows(token.len()).any(|window| window == token.as_bytes()));
    // The other value is, once.
    let texts = ran.truth.texts.iter().map(|text| String::from_utf8(text.clone()).unwrap());
    let place =
        texts.into_iter().find_map(|text| Some(between(&text, "/orders/", " ")?.to_owned()));
    let mut reader = LogReader::new(&log[..]).unwrap();
    let mut values = Vec::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        let (events, bytes) = block.decode_with_bytes().unwrap();
        for (_, event) in events {
            if let Event::Value { value: LoggedValue::Clear(range), .. } = event {
                values.push(String::from_utf8(range.of(&bytes).to_vec()).unwrap());
            }
        }
    }
    assert_eq!(values, [place.unwrap()]);
}
