//! P2 in memory: every run replays from its log, whatever happened in it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use support::{MS, events, run, scenario};
use z6_events::{Ask, ErrorKind, Event, StopReason, TargetId, Tick};
use z6_vu::Input;
use z6_vu::memory::{Answer, Dial, Network};
use z6_vu::replay::{Outcome, replay};

/// A network that misbehaves by numbers drawn from its own seed.
struct Wild {
    state: u64,
    trouble: u64,
}

impl Wild {
    fn draw(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % below
    }
}

impl Network for Wild {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        let after_ns = self.draw(3 * MS);
        match self.draw(100) {
            roll if roll < self.trouble => Dial::Fails(after_ns, ErrorKind::ConnectionRefused),
            roll if roll < self.trouble * 2 => Dial::Silence,
            _ => Dial::Ready(after_ns),
        }
    }

    fn answer(&mut self, _at: Tick, _ask: &Ask) -> Answer {
        let after_ns = self.draw(30 * MS);
        match self.draw(100) {
            roll if roll < self.trouble => Answer::Fails(after_ns, ErrorKind::ConnectionReset),
            roll if roll < self.trouble * 2 => Answer::Silence,
            roll if roll < self.trouble * 3 => {
                Answer::Status { after_ns, status: 503, reusable: self.draw(2) == 0 }
            }
            _ => Answer::Status { after_ns, status: 200, reusable: self.draw(10) > 0 },
        }
    }
}

const SCHEDULES: [&str; 9] = [
    "type = 'constant'\nvus = 6",
    "type = 'ramp'\nstart_vus = 1\nend_vus = 9\nramp_duration_seconds = 0.5\nhold_duration_seconds = 0.3",
    "type = 'ramp'\nstart_vus = 9\nend_vus = 3\nramp_duration_seconds = 0.6\nhold_duration_seconds = 0.1",
    "type = 'spike'\nbaseline_vus = 3\nspike_vus = 8\nspike_start_seconds = 0.2\nspike_duration_seconds = 0.3",
    "type = 'rate'\nper_second = 300\nmax_in_flight = 7",
    "type = 'rate'\nper_second = 400\narrivals = 'poisson'",
    "type = 'ramp_rate'\nstart_per_second = 10\nend_per_second = 500\nramp_duration_seconds = 0.8\nhold_duration_seconds = 0.1",
    "type = 'rate_steps'\nsteps = [{per_second = 50, duration_seconds = 0.3}, {per_second = 600, duration_seconds = 0.2}]",
    "type = 'steps'\nsteps = [{vus = 4, duration_seconds = 0.2}, {vus = 3, duration_seconds = 0.3}, {vus = 7, duration_seconds = 0.4}]",
];
const THINKS: [&str; 4] = [
    "",
    "[think_time]\ntype = 'constant'\nduration_ms = 3",
    "[think_time]\ntype = 'random'\nmin_ms = 0\nmax_ms = 20",
    "[think_time]\ntype = 'exponential'\nmean_ms = 5\nmax_ms = 50",
];
const REUSES: [&str; 4] = ["per_vu", "shared", "iteration", "none"];
const SEQUENCE: &str = "[sequence]\ntype = 'ordered'\n[[sequence.steps]]\nrequest = 'a'\n\
                        [[sequence.steps]]\nrequest = 'b'\nrepeat = 2\n";

fn text(schedule: usize, think: usize, reuse: usize, sequence: bool, iterations: u64) -> String {
    // Arrivals own no connection.
    let is_open = SCHEDULES[schedule].contains("rate");
    let reuse = if is_open && reuse == 0 { 1 } else { reuse };
    let iterations = if is_open { iterations * 20 } else { iterations };
    let limit = if iterations > 0 { format!("iterations = {iterations}\n") } else { String::new() };
    let target = |name: &str, port: u16| {
        format!(
            "[[targets]]\nname = '{name}'\nbase_url = 'http://127.0.0.1:{port}'\nmax_connections = 9\n\
             connection_reuse = '{}'\nconnection_timeout_ms = 20\nidle_timeout_ms = 8\n\
             reconnect_delay_ms = 10\nmax_requests_per_connection = 7\n",
            REUSES[reuse]
        )
    };
    format!(
        "[runtime]\nduration_seconds = 1\n{limit}graceful_stop_seconds = 0.02\n{}{}\
         [[requests]]\nname = 'a'\npath = '/a'\ntimeout_ms = 25\n\
         [[requests]]\nname = 'b'\npath = '/b'\ntimeout_ms = 28\n\
         [schedule]\n{}\n{}\n{}",
        target("one", 8001),
        target("two", 8002),
        SCHEDULES[schedule],
        THINKS[think],
        if sequence { SEQUENCE } else { "" },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Any schedule, think time, reuse, number of workers, trouble and stop: identical.
    #[test]
    fn every_run_replays(
        schedule in 0..SCHEDULES.len(),
        think in 0..THINKS.len(),
        reuse in 0..REUSES.len(),
        sequence in any::<bool>(),
        iterations in 0u64..12,
        workers in 1u16..4,
        trouble in 0u64..12,
        stop_ms in prop::option::of(0u64..1_200),
        seed in any::<u64>(),
    ) {
        let scenario = scenario(&text(schedule, think, reuse, sequence, iterations));
        let stop = stop_ms.map(|ms| {
            (Tick(ms * MS), Input::Stop { reason: StopReason::Interrupt })
        });
        let network = |worker: u16| -> Box<dyn Network> {
            Box::new(Wild { state: seed ^ u64::from(worker), trouble })
        };
        let inputs: Vec<_> = stop.into_iter().collect();
        let log = run(&scenario, seed, workers, network, &inputs);
        let outcome = replay(&log[..]).unwrap();
        let Outcome::Identical { events: compared, ending } = &outcome else {
            panic!("{outcome:?}");
        };
        prop_assert_eq!(*compared, events(&log).len() as u64);
        prop_assert!(ending.digest().is_some());
    }
}

/// Changes an event that matches; says whether it did.
macro_rules! edit {
    ($pattern:pat => $change:expr) => {
        |event: &mut Event| match event {
            $pattern => {
                $change;
                true
            }
            _ => false,
        }
    };
}

fn small_log() -> Vec<u8> {
    let scenario = scenario(&text(1, 2, 0, true, 0));
    run(&scenario, 5, 2, |worker| Box::new(Wild { state: 7 + u64::from(worker), trouble: 5 }), &[])
}

/// The log with one decision changed, encoded as if the engine had decided so.
fn falsified(log: &[u8], change: impl Fn(&mut Event) -> bool) -> Vec<u8> {
    use z6_events::{BlockBuilder, LogAssembler, LogReader};
    let mut reader = LogReader::new(log).unwrap();
    let header = reader.header().clone();
    let (mut assembler, mut out) = LogAssembler::new(&header).unwrap();
    let mut changed = false;
    let mut end = z6_vu::run_end::RunEnd::default();
    while let Some(mut block) = reader.next_block().unwrap() {
        let head = *block.header();
        let mut builder = BlockBuilder::new(head.worker, header.workers, Vec::new());
        for event in block.events() {
            let (at, mut event) = event.unwrap();
            changed = changed || change(&mut event);
            end.observe(&event);
            builder.push(at, &event).unwrap();
        }
        let mut sealed = if builder.is_empty() {
            builder.close_empty(head.base, Vec::new())
        } else {
            builder.close(Vec::new())
        };
        out.extend_from_slice(assembler.seal(&mut sealed));
    }
    assert!(changed, "nothing was changed");
    out.extend_from_slice(&assembler.footer(&end.footer()).unwrap().0);
    out
}

/// Each kind of decision, changed once: replay names it and says where.
#[test]
fn a_changed_decision_is_found() {
    let log = small_log();
    type Change = fn(&mut Event) -> bool;
    let changes: [(&str, Change); 10] = [
        ("request", edit!(Event::Sent { ask, .. } => ask.request.0 ^= 1)),
        ("target", edit!(Event::Sent { ask, .. } => ask.target.0 ^= 1)),
        ("planned", edit!(Event::Sent { ask, .. } => ask.planned.0 += 1)),
        ("actor", edit!(Event::Sent { ask, .. } => ask.actor.0 += 2)),
        ("connection", edit!(Event::Sent { connection, .. } => connection.0 += 1)),
        ("VU start", edit!(Event::VuStarted { planned, .. } => planned.0 += 1)),
        ("VU stop", edit!(Event::VuStopped { actor } => actor.0 += 2)),
        ("timeout", edit!(Event::TimedOut { exchange } => exchange.0 += 1)),
        ("attempt", edit!(Event::ConnectStarted { target, .. } => target.0 ^= 1)),
        (
            "failure",
            edit!(Event::Done { failure, status: 200, .. } => {
                *failure = Some(ErrorKind::Status4xx);
            }),
        ),
    ];
    for (name, change) in changes {
        let outcome = replay(&falsified(&log, change)[..]).unwrap();
        let Outcome::Differs(difference) = outcome else { panic!("{name}: {outcome:?}") };
        assert!(difference.recorded.is_some(), "{name}: {difference:?}");
        assert_ne!(difference.recorded, difference.derived, "{name}");
    }
}

/// An input that the engine cannot take ends the replay with a difference, not with a panic.
#[test]
fn an_impossible_input_is_a_difference() {
    let change = edit!(Event::Done { exchange, .. } => exchange.0 += 1000);
    let log = falsified(&small_log(), change);
    let outcome = replay(&log[..]).unwrap();
    assert!(matches!(&outcome, Outcome::Differs(d) if d.derived.is_none()), "{outcome:?}");
}

/// A torn log replays as far as it goes.
#[test]
fn a_torn_log_is_identical_as_far_as_it_goes() {
    let log = small_log();
    let torn = &log[..log.len() - 40];
    let Outcome::Identical { ending, .. } = replay(torn).unwrap() else { panic!("differs") };
    assert_eq!(ending.digest(), None);
}

#[test]
fn another_engine_version_says_so() {
    use z6_events::{LogAssembler, LogHeader};
    let header = LogHeader { engine_version: "0.0.0".to_owned(), ..LogHeader::default() };
    let log = LogAssembler::new(&header).unwrap().1;
    let error = replay(&log[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the log was written by engine 0.0.0, this is engine {}: replay it with that one",
            z6_vu::ENGINE_VERSION
        )
    );
}
