//! Small logs that no run wrote, with every checksum right: what reads them neither fails hard nor takes more
//! than such a log can ask for. They are also the seeds of the fuzz targets over whole files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod ledger;

use ledger::*;
use z6_analysis::analyze::{AnalyzeOptions, analyze};
use z6_analysis::checks::{CheckReport, ViolationKind, check_log};
use z6_analysis::diff::{SampleOptions, Sampler};
use z6_analysis::export::{RowFormat, export_requests};
use z6_events::forge::{Forge, resealed};
use z6_events::{
    Actor, Attachment, Cause, CloseCause, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Failure,
    Irregularities, LogHeader, LogReader, NeverSentReason, NextHop, PlannedRequest, Population,
    ReleaseCause, RequestId, Response, Sample, Step, StopReason, StoppedBy, TargetId, Tick,
    WorkerId,
};
use z6_metrics::RunFacts;
use z6_scenario::plan::plan_digest;
use z6_scenario::{Plan, Scenario};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/log");

const CLOSED: &str = "runtime = { duration_seconds = 0.02, vus = 2, graceful_stop_seconds = 0.0005 }\n\
    target.base_url = 'http://h'\nrequests = [{ name = 'a', path = '/', follow_redirects = 3 }]\n";

const OPEN: &str = "runtime.duration_seconds = 1\ntarget.base_url = 'http://h'\n\
    requests = [{ name = 'a', path = '/' }]\n\
    schedule = { type = 'rate', per_second = 4, arrivals = 'constant', max_in_flight = 10 }\n";

const W0: WorkerId = WorkerId(0);

fn header(scenario: &Scenario, workers: u16) -> LogHeader {
    LogHeader {
        seed: 42,
        workers,
        plan_digest: plan_digest(scenario, 42),
        scenario_text: scenario.text.clone(),
        ..LogHeader::default()
    }
}

fn forge(text: &str, workers: u16) -> Forge {
    Forge::new(&header(&scenario(text), workers)).unwrap()
}

fn request(actor: u64, planned: Tick) -> PlannedRequest {
    PlannedRequest {
        population: Population(0),
        actor: Actor(actor),
        step: Step(0),
        request: RequestId(0),
        target: TargetId(0),
        planned,
    }
}

fn never_sent(actor: u64, planned: Tick) -> (Tick, Event) {
    let reason = NeverSentReason::MaxInFlight;
    (planned, Event::NeverSent { request: request(actor, planned), reason })
}

/// The connection in this slot is ready, from tick 0 on.
fn connection(slot: u32) -> [(Tick, Event); 2] {
    let connection = ConnectionSlot(slot);
    [
        (Tick(0), Event::ConnectStarted { connection, target: TargetId(0), address: 0 }),
        (Tick(0), Event::Connected { connection, started: Tick(0) }),
    ]
}

fn sent(slot: u32, attempt: u8, request: PlannedRequest) -> Event {
    Event::Sent {
        exchange: ExchangeSlot(slot),
        written_bytes: 60,
        request,
        attempt,
        connection: ConnectionSlot(slot),
        request_bytes: 60,
        length_is_input: false,
    }
}

fn response(first_byte: Tick, status: u16) -> Response {
    Response {
        first_byte,
        status,
        received_bytes: 100,
        unsent_bytes: 0,
        reusable: true,
        unsolicited: false,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    }
}

fn end(by: StoppedBy, end: Tick) -> Event {
    Event::EndReached { by, end }
}

/// A run of the open model in which all arrivals are refused.
fn refused(text: &str) -> Vec<u8> {
    let plan = Plan::new(&scenario(text), 42);
    let mut events: Vec<_> =
        plan.arrival_ticks().map(|arrival| never_sent(arrival.actor.0, arrival.at)).collect();
    events.push((Tick(S), end(StoppedBy::Duration, Tick(S))));
    events.push((Tick(S), Event::Finished));
    forge(text, 1).block(W0, Tick(0), &events).ended(Tick(S)).unwrap()
}

/// Every kind of record that the runs do not have.
fn odd() -> Vec<u8> {
    let (zero, at) = (Tick(0), |ms: u64| Tick(ms * MS));
    let (slot, exchange) = (ConnectionSlot(1), ExchangeSlot(0));
    let cause = Cause { error: ErrorKind::ConnectionRefused, detail: 111 };
    let attempt =
        (zero, Event::ConnectStarted { connection: slot, target: TargetId(0), address: 0 });
    let failure = Failure {
        error: ErrorKind::ConnectionReset,
        detail: 104,
        first_byte: None,
        received_bytes: 7,
        unsent_bytes: 0,
        reusable: false,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    };
    let next = NextHop { target: TargetId(0), request_bytes: 60 };
    let redirected = Event::Redirected { exchange, response: response(at(4), 302), next };
    let mut events = vec![
        (zero, Event::VuStarted { population: Population(0), actor: Actor(0), planned: zero }),
        (zero, Event::VuStarted { population: Population(0), actor: Actor(1), planned: zero }),
    ];
    events.extend(connection(0));
    events.extend([
        attempt,
        (at(1), Event::TcpReady { connection: slot }),
        (at(1), sent(0, 0, request(0, zero))),
        (at(2), Event::ConnectFailed { connection: slot, started: zero, cause }),
        (at(2), Event::NotOnWire { request: request(1, zero), cause }),
        (at(5), redirected),
        (at(5), sent(0, 1, request(0, zero))),
        (at(6), redirected),
        (at(6), Event::RedirectFailed { exchange, cause }),
        (at(7), sent(0, 0, PlannedRequest { step: Step(1), ..request(0, at(6)) })),
        (at(8), Event::Failed { exchange, failure }),
        (
            at(8),
            Event::ConnectionReleased {
                connection: ConnectionSlot(0),
                cause: ReleaseCause::ExchangeFailed,
            },
        ),
        (at(9), Event::Sample(Sample { thread_cpu_ns: 5, ..Sample::default() })),
        (at(9), Event::LogStalled { waited_ns: 3 }),
    ]);
    events.extend(connection(0).map(|(_, event)| (at(9), event)));
    events.extend([
        (
            at(10),
            Event::ConnectionClosed {
                connection: ConnectionSlot(0),
                cause: CloseCause::ResetByPeer,
            },
        ),
        (at(11), Event::Stop { reason: StopReason::Interrupt }),
        (at(11), end(StoppedBy::Interrupt, at(11))),
        (at(11), Event::VuStopped { population: Population(0), actor: Actor(0) }),
        (at(11), Event::VuStopped { population: Population(0), actor: Actor(1) }),
        (at(11), Event::Finished),
    ]);
    forge(CLOSED, 1).block(W0, zero, &events).ended(at(11)).unwrap()
}

/// The end lies 2^64 ns before tick 0, which is behind any instant there is.
fn wrapped_end() -> Vec<u8> {
    let end = end(StoppedBy::Interrupt, Tick(u64::MAX));
    forge(OPEN, 1).block(W0, Tick(5), &[(Tick(5), end)]).ended(Tick(5)).unwrap()
}

/// An arrival that was planned 2^64 ns before tick 0.
fn wrapped_plan() -> Vec<u8> {
    let (_, event) = never_sent(0, Tick(u64::MAX - 5));
    forge(OPEN, 1).block(W0, Tick(5), &[(Tick(5), event)]).ended(Tick(5)).unwrap()
}

/// Workers that each name the highest slots, a few times.
fn far_slots() -> Vec<u8> {
    let mut forge = forge(&CLOSED.replace("vus = 2", "vus = 90"), 16);
    for worker in 0..16 {
        let far = |slot: u32| (1 << 21) - 1 - slot;
        let mut events: Vec<_> = (0..3).flat_map(|slot| connection(far(slot))).collect();
        let of = |slot: u32| request(u64::from(worker) + 16 * u64::from(slot), Tick(0));
        events.extend((0..3).map(|slot| (Tick(1), sent(far(slot), 0, of(slot)))));
        forge = forge.block(WorkerId(worker), Tick(0), &events);
    }
    forge.torn()
}

/// As many workers as there can be, and one event.
fn many_workers() -> Vec<u8> {
    forge(CLOSED, 1024).block(WorkerId(1023), Tick(7), &[(Tick(7), Event::Finished)]).torn()
}

/// One event, as late as there can be any.
fn late() -> Vec<u8> {
    let late = Tick(48 * 3_600 * S);
    forge(OPEN, 1).block(W0, late, &[(late, Event::Finished)]).torn()
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let closed = scenario(CLOSED);
    vec![
        ("run_closed", run(&closed, 42, 1).log()),
        ("run_torn", run(&closed, 7, 2).torn_log()),
        ("run_open", refused(OPEN)),
        ("run_poisson", refused(&OPEN.replace("constant", "poisson"))),
        ("odd", odd()),
        ("wrapped_end", wrapped_end()),
        ("wrapped_plan", wrapped_plan()),
        ("far_slots", far_slots()),
        ("many_workers", many_workers()),
        ("late", late()),
    ]
}

fn verify(log: &[u8]) -> CheckReport {
    let mut reader = LogReader::new(log).unwrap();
    let scenario = scenario(&reader.header().scenario_text);
    check_log(&mut reader, &scenario).unwrap()
}

fn is_analyzed(log: &[u8]) -> bool {
    let mut reader = LogReader::new(log).unwrap();
    let scenario = scenario(&reader.header().scenario_text);
    analyze(&mut reader, &scenario, |_| String::new(), &AnalyzeOptions::default()).is_ok()
}

#[test]
fn forged_logs_have_their_seals_and_runs_pass_their_checks() {
    for (name, log) in seeds() {
        assert_eq!(resealed(&log), log, "{name} has its seals");
        let report = verify(&log);
        assert!(report.passed() || !name.starts_with("run_"), "{name}: {report}");
        assert_eq!(report.unchecked_arrivals + report.unknown_records, 0, "{name}");
    }
}

#[test]
fn an_instant_before_tick_0_is_no_instant_of_a_run() {
    for log in [wrapped_end(), wrapped_plan()] {
        assert!(!is_analyzed(&log));
        let mut reader = LogReader::new(&log[..]).unwrap();
        let facts = RunFacts::from_header(reader.header(), String::new());
        let mut sampler = Sampler::new("", &scenario(OPEN), facts, SampleOptions::default());
        let mut block = reader.next_block().unwrap().unwrap();
        let (at, event) = block.events().next().unwrap().unwrap();
        assert!(sampler.event(W0, at, &event).is_err());
    }
    let report = verify(&wrapped_end());
    assert!(matches!(report.violations[0].kind, ViolationKind::EndInFuture { .. }), "{report}");
}

#[test]
fn seals_are_repaired_wherever_a_log_is_changed() {
    let log = run(&scenario(CLOSED), 42, 1).log();
    let mut opened = 0;
    for at in 0..log.len() {
        let mut changed = log.clone();
        changed[at] ^= 0x15;
        let changed = resealed(&changed);
        let read = LogReader::new(&changed[..]).and_then(|mut reader| reader.skip_to_end());
        opened += usize::from(read.is_ok());
    }
    assert!(opened > log.len() / 2, "{opened} of {} changes can be read", log.len());
}

#[test]
fn a_header_says_how_many_workers_there_were() {
    for (workers, is_read) in [(0, false), (1, true), (1024, true), (1025, false), (65_535, false)]
    {
        let log = forge(CLOSED, workers).torn();
        assert_eq!(LogReader::new(&log[..]).is_ok(), is_read, "{workers} workers");
    }
}

#[test]
fn an_arrival_may_be_sent_long_after_many_later_ones_fell_due() {
    // Frozen for a second at two million a second; then the second half is answered first.
    for arrivals in ["constant", "poisson"] {
        let text = OPEN.replace("per_second = 4", "per_second = 2_000_000");
        let text = text.replace("max_in_flight = 10", "max_in_flight = 10_000_000");
        let text = text.replace("constant", arrivals);
        let plan = Plan::new(&scenario(&text), 42);
        let mut planned = plan.arrivals_by_number();
        let mut events = connection(0).to_vec();
        for actor in [1_500_000, 0, 1_499_999, 1_500_001, 3] {
            let request = request(actor, planned.tick(Actor(actor)).unwrap());
            let done = Event::Done {
                exchange: ExchangeSlot(0),
                response: response(Tick(S), 200),
                failure: None,
            };
            events.extend([(Tick(S), sent(0, 0, request)), (Tick(S), done)]);
        }
        let report = verify(&forge(&text, 1).block(W0, Tick(0), &events).torn());
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn more_arrivals_than_can_wait_are_missing() {
    // Arrivals 1 .. 12 are left out; ten may wait.
    let constant = OPEN.replace("per_second = 4", "per_second = 40");
    let text = constant.replace("constant", "poisson");
    for (text, unchecked) in [(constant, 0), (text, 25)] {
        let plan = Plan::new(&scenario(&text), 42);
        let kept = plan.arrival_ticks().take(38).filter(|one| !(1..=12).contains(&one.actor.0));
        let events: Vec<_> = kept.map(|one| never_sent(one.actor.0, one.at)).collect();
        let report = verify(&forge(&text, 1).block(W0, Tick(0), &events).torn());
        let kind = ViolationKind::MissingStarts { count: 12, limit: 10 };
        assert_eq!(report.violations[0].kind, kind, "{report}");
        assert_eq!(report.unchecked_arrivals, unchecked, "{report}");
        let last = report.to_string().lines().last().unwrap().to_owned();
        let says = last.ends_with("25 arrivals were not checked against their planned instant");
        assert_eq!(says, unchecked > 0, "{last}");
    }
}

#[test]
fn arrivals_missing_at_the_end_are_counted_and_named() {
    let text = OPEN.replace("per_second = 4", "per_second = 1_000");
    let text = text.replace("max_in_flight = 10", "max_in_flight = 1_000");
    let events = [
        never_sent(500, Tick(S / 2)),
        (Tick(S), end(StoppedBy::Duration, Tick(S))),
        (Tick(S), Event::Finished),
    ];
    let report = verify(&forge(&text, 1).block(W0, Tick(0), &events).ended(Tick(S)).unwrap());
    // Those before it, and the first behind it.
    assert_eq!(report.total(), 501, "{report}");
    let missing = ViolationKind::MissingStart { planned: Tick(7 * MS) };
    assert_eq!((report.violations[7].kind, report.violations[7].actor), (missing, Some(Actor(7))));
}

#[test]
fn an_arrival_of_any_number_is_looked_up_and_not_counted_to() {
    for arrivals in ["constant", "poisson"] {
        let text = OPEN.replace("per_second = 4", "per_second = 10_000_000");
        let text = text.replace("duration_seconds = 1", "duration_seconds = 86_400");
        let text = text.replace("constant", arrivals);
        let day = Tick(86_400 * S);
        let (_, event) = never_sent(863_999_999_999, Tick(86_399 * S));
        let events = [(day, event), (day, end(StoppedBy::Duration, day)), (day, Event::Finished)];
        let report = verify(&forge(&text, 1).block(W0, Tick(0), &events).ended(day).unwrap());
        assert!(!report.passed());
    }
}

#[test]
fn a_vu_of_any_number_is_looked_up_and_not_counted_to() {
    let steps = "{ vus = 1_000_000, duration_seconds = 1 }, { vus = 0, duration_seconds = 1 },"
        .repeat(5_000);
    let text = format!(
        "target.base_url = 'http://h'\nrequests = [{{ name = 'a', path = '/' }}]\n\
         limits.max_vus = 1_000_000\nschedule = {{ type = 'steps', steps = [{steps}] }}\n"
    );
    let at = |rise: u64| Tick(2 * rise * S);
    let started = |actor: u64, at: Tick| {
        (at, Event::VuStarted { population: Population(0), actor: Actor(actor), planned: at })
    };
    let stopped = |actor: u64, at: Tick| {
        (Tick(at.0 + S), Event::VuStopped { population: Population(0), actor: Actor(actor) })
    };
    // Right but for those that are left out.
    let events = [
        started(0, at(0)),
        stopped(0, at(0)),
        started(4_000_000_000, at(4_000)),
        stopped(4_000_000_000, at(4_000)),
        started(4_999_999_999, at(4_999)),
    ];
    let report = verify(&forge(&text, 2).block(W0, Tick(0), &events[..4]).torn());
    assert_eq!(report.total(), 1, "{report}");
    assert_eq!(report.violations[0].kind, ViolationKind::OtherStart { found: at(4_000) });
    let report = verify(&forge(&text, 1).block(W0, Tick(0), &events).torn());
    assert_eq!(report.total(), 2, "{report}");
}

#[test]
fn a_digest_of_files_that_are_not_in_the_log_is_left_unchecked() {
    let scenario = scenario(CLOSED);
    let honest = run(&scenario, 42, 1);
    let mut header = honest.header.clone();
    header.plan_digest[0] ^= 1;
    let large = Attachment::from_content("large.bin", b"content", false);
    let report = |attachments: &[Attachment]| {
        let mut checks = z6_analysis::checks::Checks::new(&scenario, &header, attachments);
        for (index, (worker, at, event)) in (0..).zip(&honest.events) {
            checks.event(index, *worker, *at, event);
        }
        checks.finish(&LogReader::new(&honest.log()[..]).unwrap().skip_to_end().unwrap())
    };
    assert_eq!(report(&[]).violations[0].kind, ViolationKind::Digest {});
    let left_out = report(&[large]);
    assert!(left_out.passed() && left_out.unchecked_digest, "{left_out}");
    let text = left_out.to_string();
    assert!(text.contains("\nchecks: 1 plan digest was not checked: "), "{text}");
}

#[test]
fn numbers_of_bytes_do_not_overflow() {
    let (zero, at) = (Tick(0), Tick(MS));
    let mut events = connection(0).to_vec();
    for step in 0..3 {
        let request = PlannedRequest { step: Step(step), ..request(0, zero) };
        let mut event = sent(0, 0, request);
        if let Event::Sent { request_bytes, .. } = &mut event {
            *request_bytes = u64::MAX;
        }
        let response = Response { received_bytes: u64::MAX, ..response(at, 200) };
        let done = Event::Done { exchange: ExchangeSlot(0), response, failure: None };
        events.extend([(at, event), (at, done)]);
    }
    events.push((at, Event::Sample(Sample { log_stall_ns: u64::MAX, ..Sample::default() })));
    let other = [(at, Event::Sample(Sample { log_stall_ns: u64::MAX, ..Sample::default() }))];
    let log = forge(CLOSED, 2).block(W0, zero, &events).block(WorkerId(1), zero, &other).torn();
    assert!(is_analyzed(&log));
    let mut reader = LogReader::new(&log[..]).unwrap();
    let all = z6_analysis::analyze::Selection::default();
    let rows = export_requests(&mut reader, &scenario(CLOSED), &all, RowFormat::Csv, Vec::new());
    assert_eq!(rows.unwrap().written, 3);
}

/// Writes the corpus: `cargo test -p z6-analysis --test forged` with Z6_BLESS_FORMAT set.
#[test]
#[allow(clippy::disallowed_methods, reason = "reads and writes the corpus")]
fn runs_of_the_corpus_are_analyzed() {
    if std::env::var_os("Z6_BLESS_FORMAT").is_some() {
        for (name, log) in seeds() {
            std::fs::write(format!("{CORPUS}/{name}"), log).unwrap();
        }
    }
    let mut runs = 0;
    for entry in std::fs::read_dir(CORPUS).unwrap() {
        let path = entry.unwrap().path();
        let log = std::fs::read(&path).unwrap();
        if path.file_name().unwrap().to_string_lossy().starts_with("run_") {
            assert!(is_analyzed(&log), "{}: write the corpus again", path.display());
            runs += 1;
        }
    }
    assert!(runs > 0, "no corpus");
}
