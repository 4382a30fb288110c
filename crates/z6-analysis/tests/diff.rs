//! What a comparison says in cases whose answer can be seen: units, bounds, errors, pairs, notes,
//! text. Chance is the subject of diff_power.rs.
#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "diff/world.rs"]
mod world;

use insta::assert_snapshot;
use world::{Draws, MS, S, World, done, scenario, sent};
use z6_analysis::Filter;
use z6_analysis::diff::{
    ComparedLatency, Comparison, DIFF_NAMES_MAX, DiffError, DiffOptions, DiffOutcome, Mark, Method,
    Note, Row, RunSample, SampleOptions, Sampler, compare, comparison_json, comparison_text,
};
use z6_events::{
    Cause, ConnectionSlot, Event, ExchangeSlot, NeverSentReason, PlannedRequest, RequestId,
    StoppedBy, TargetId, Tick,
};
use z6_events::{ErrorKind, WorkerId};
use z6_metrics::{Fold, FoldError, Style, Verdict};
use z6_scenario::Scenario;

fn diff(a: &World, b: &World) -> Comparison {
    compare(&[a.sample()], &[b.sample()], &DiffOptions::default()).unwrap()
}

fn mark(comparison: &Comparison, figure: &str) -> Mark {
    comparison.row(figure).unwrap().mark
}

fn slower(seed: u64) -> World {
    World { delay_ns: 5.5e6, label: "after", ..World::new(seed) }
}

/// Events by hand: three users without delays to speak of.
fn by_hand(script: impl FnOnce(&mut dyn FnMut(u64, Event))) -> Result<RunSample, DiffError> {
    let world = World::new(1);
    let mut sampler = Sampler::new("by hand", &scenario(), world.facts(), SampleOptions::default());
    let mut result = Ok(());
    script(&mut |at, event| {
        if result.is_ok() {
            result = sampler.event(WorkerId(0), Tick(at), &event);
        }
    });
    result?;
    sampler.finish(world.end_facts(), None)
}

fn connect(add: &mut dyn FnMut(u64, Event), vu: u64) {
    let connection = ConnectionSlot(vu as u32);
    add(0, Event::ConnectStarted { connection, target: TargetId(0), address: 0 });
    add(0, Event::Connected { connection, started: Tick(0) });
}

fn end(add: &mut dyn FnMut(u64, Event), at: u64) {
    add(at, Event::EndReached { by: StoppedBy::Duration, end: Tick(at) });
}

#[test]
fn the_figures_of_a_side_are_those_of_the_run() {
    let world = World { failing: 0.03, ..World::new(7) };
    let mut fold = Fold::new(&scenario(), world.facts());
    world.events(|at, event| fold.event(WorkerId(0), Tick(at), &event)).unwrap();
    let metrics = fold.finish(world.end_facts()).unwrap();
    let comparison = diff(&world, &world);
    let latency = &metrics.latency.response_ns;
    let of = |figure: &str| comparison.row(figure).unwrap().a.unwrap();
    assert_eq!(of("response_ns.mean").round() as u64, latency.mean.unwrap());
    assert_eq!(of("response_ns.p50") as u64, latency.p50.unwrap());
    assert_eq!(of("response_ns.p99") as u64, latency.p99.unwrap());
    assert_eq!(of("response_ns.p999") as u64, latency.p999.unwrap());
    assert_eq!(Some(of("throughput.completed_rps")), metrics.throughput.completed_rps);
    assert_eq!(Some(of("requests.error_rate")), metrics.requests.error_rate);
    assert_eq!(comparison.a[0].observations, latency.count + latency.censored);
    assert_eq!(comparison.a[0].measured_seconds, metrics.run.duration_seconds);
}

#[test]
fn a_log_compared_with_itself_has_not_changed() {
    let comparison = diff(&World::new(7), &World::new(7));
    assert_eq!(comparison.outcome, DiffOutcome::NoneBeyondThreshold);
    assert!(comparison.rows.iter().all(|row| row.delta == Some(0.0)), "{comparison:?}");
    assert!(comparison.notes.contains(&Note::SameLog));
    assert_eq!(comparison.pairing.unwrap().b_slower_share, Some(0.5));
    let paired = comparison.row("paired.response_ns.mean").unwrap();
    assert_eq!(paired.interval, [Some(0.0), Some(0.0)]);
    assert_eq!((paired.worst, paired.mark), (Some(0.0), Mark::NoneBeyond));
}

#[test]
fn the_same_runs_give_the_same_comparison() {
    let (a, b) = (World::new(7), slower(8));
    assert_eq!(comparison_json(&diff(&a, &b)), comparison_json(&diff(&a, &b)));
}

#[test]
fn faster_is_improved_and_slower_is_regressed() {
    let slow = World { delay_ns: 6e6, ..World::new(11) };
    let worse = diff(&World::new(12), &slow);
    let better = diff(&slow, &World::new(12));
    for figure in ["response_ns.mean", "response_ns.p50", "throughput.completed_rps"] {
        assert_eq!(mark(&worse, figure), Mark::Regressed, "{figure}");
        assert_eq!(mark(&better, figure), Mark::Improved, "{figure}");
    }
    assert!(worse.row("throughput.completed_rps").unwrap().delta.unwrap() < -10.0);
    let outcomes = (worse.outcome, better.outcome);
    assert_eq!(outcomes, (DiffOutcome::Regressed, DiffOutcome::NoneBeyondThreshold));
}

#[test]
fn a_change_below_the_threshold_is_not_marked_however_sure() {
    let options = |threshold_percent| DiffOptions { threshold_percent, ..DiffOptions::default() };
    let (a, b) = ([World::new(12).sample()], [World { delay_ns: 6e6, ..World::new(11) }.sample()]);
    let lenient = compare(&a, &b, &options(30.0)).unwrap();
    let row = lenient.row("response_ns.mean").unwrap();
    assert!(row.interval[0].unwrap() > 0.0);
    assert_eq!(row.mark, Mark::NoneBeyond, "{row:?}");
    assert_eq!(lenient.outcome, DiffOutcome::NoneBeyondThreshold);
    assert_eq!(compare(&a, &b, &options(5.0)).unwrap().outcome, DiffOutcome::Regressed);
}

#[test]
fn common_delays_are_found_by_pairs_more_sharply_than_by_sides() {
    let world = |seed, delay_ns| World {
        common_delays: Some(99),
        drift: (0.0, 0.0),
        delay_ns,
        length_ns: 2 * S,
        ..World::new(seed)
    };
    let comparison = diff(&world(1, 5e6), &world(2, 5.5e6));
    let width = |figure: &str| {
        let [low, high] = comparison.row(figure).unwrap().interval;
        high.unwrap() - low.unwrap()
    };
    assert!(width("paired.response_ns.mean") * 10.0 < width("response_ns.mean"));
    let median = comparison.row("paired.response_ns.median_ratio").unwrap();
    // Ten percent of the delay, less of delay and overhead together.
    let delta = median.delta.unwrap();
    assert!((9.0..10.0).contains(&delta), "{delta}");
    assert_eq!(median.mark, Mark::Regressed);
    assert_eq!(comparison.pairing.unwrap().b_slower_share, Some(1.0));
    let batches = comparison.row("paired.response_ns.typical_batch").unwrap();
    assert_eq!(batches.method, Method::SignedRank);
}

#[test]
fn different_plans_are_compared_without_pairs() {
    let other = World { plan_digest: "cd".repeat(32), ..slower(8) };
    let comparison = diff(&World::new(7), &other);
    assert!(comparison.notes.contains(&Note::DifferentPlans));
    assert_eq!((comparison.rows.len(), comparison.pairing), (8, None));
    assert_eq!(comparison.outcome, DiffOutcome::Regressed);
}

#[test]
fn past_max_pairs_an_even_share_is_paired_and_the_comparison_says_so() {
    let options = SampleOptions { max_pairs: 5_000, ..SampleOptions::default() };
    let sample = |world: World| [world.try_sample(options).unwrap()];
    let (a, b) = (sample(World::new(7)), sample(slower(8)));
    let comparison = compare(&a, &b, &DiffOptions::default()).unwrap();
    let pairing = comparison.pairing.unwrap();
    assert_eq!(pairing.one_in, 16);
    assert!((2_500..3_200).contains(&pairing.pairs), "{pairing:?}");
    assert!(comparison.notes.contains(&Note::PairsSampled { one_in: 16 }));
    let none = SampleOptions { max_pairs: 0, ..SampleOptions::default() };
    let bare = [World::new(7).try_sample(none).unwrap()];
    assert_eq!(compare(&bare, &bare, &DiffOptions::default()).unwrap().pairing, None);
}

#[test]
fn errors_are_compared_in_percentage_points() {
    let failing = |seed, failing| World { failing, ..World::new(seed) };
    let comparison = diff(&failing(1, 0.0), &failing(2, 0.01));
    let row = comparison.row("requests.error_rate").unwrap();
    assert_eq!((row.a, row.mark, row.margin), (Some(0.0), Mark::Regressed, 0.1));
    let [low, high] = row.interval.map(Option::unwrap);
    assert!(low > 0.5 && low < 1.0 && high > 1.0 && high < 1.6, "{low} .. {high}");
    // A change by a hundredth of a percentage point is none, whatever share of the rate it is.
    let comparison = diff(&failing(1, 0.0005), &failing(2, 0.0008));
    assert_ne!(mark(&comparison, "requests.error_rate"), Mark::Regressed);
    let back = diff(&failing(2, 0.02), &failing(1, 0.0));
    assert_eq!(mark(&back, "requests.error_rate"), Mark::Improved);
}

#[test]
fn a_short_run_is_too_few() {
    let short = World { length_ns: 150 * MS, ..World::new(3) };
    let comparison = diff(&short, &World::new(4));
    assert_eq!(mark(&comparison, "response_ns.p50"), Mark::TooFew);
    assert_eq!(mark(&comparison, "throughput.completed_rps"), Mark::TooFew);
    assert_eq!(comparison.outcome, DiffOutcome::CouldNotTell);
    let one_user = World { vus: 1, ..World::new(3) };
    let comparison = diff(&one_user, &World { seed: 4, ..one_user.clone() });
    assert_eq!(mark(&comparison, "response_ns.p999"), Mark::TooFew);
    assert_eq!(mark(&comparison, "response_ns.p50"), Mark::CouldNotTell);
}

#[test]
fn a_run_without_requests_has_no_figures() {
    let idle = by_hand(|add| end(add, 5 * S)).unwrap();
    let comparison = compare(&[idle], &[World::new(2).sample()], &DiffOptions::default()).unwrap();
    assert_eq!(comparison.outcome, DiffOutcome::CouldNotTell);
    assert_eq!(comparison.row("response_ns.p50").unwrap().a, None);
    assert_eq!(comparison.row("throughput.completed_rps").unwrap().a, Some(0.0));
    assert_eq!(comparison.pairing, None);
}

/// One user, a request every 10 ms; one in `every` is given up after a second.
fn timeouts(every: u64) -> RunSample {
    by_hand(|add| {
        (0..200).for_each(|vu| connect(add, vu));
        let mut due = Vec::new();
        for step in 0..500_u64 {
            let (vu, at) = (step % 200, step * 10 * MS);
            due.push((at, sent(vu, step, at)));
            if step % every == 0 {
                let exchange = ExchangeSlot(vu as u32);
                due.push((at + S, Event::TimedOut { exchange }));
            } else {
                due.push((at + 5 * MS + step, done(vu, at + 5 * MS + step, false)));
            }
        }
        due.push((5 * S, Event::EndReached { by: StoppedBy::Duration, end: Tick(5 * S) }));
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().for_each(|(at, event)| add(at, event));
    })
    .unwrap()
}

#[test]
fn unanswered_requests_are_lower_bounds() {
    let options = DiffOptions::default();
    let (rare, often) = ([timeouts(1_000_000)], [timeouts(4)]);
    let comparison = compare(&rare, &often, &options).unwrap();
    let row = comparison.row("response_ns.p90").unwrap();
    assert!(row.b_is_bound && !row.a_is_bound);
    assert_eq!(row.mark, Mark::Regressed, "at least a second is more than 5 ms: {row:?}");
    assert_eq!(row.interval[1], None);
    assert_eq!(mark(&comparison, "requests.error_rate"), Mark::Regressed);
    // Both unknown: nothing can be said, and it is not for want of observations.
    let both = compare(&often, &often, &options).unwrap();
    assert_eq!(mark(&both, "response_ns.p90"), Mark::CouldNotTell);
    let text = comparison_text(&comparison, &Style::plain());
    assert!(text.contains(">= 1.00 s"), "{text}");
}

#[test]
fn a_request_never_sent_bounds_response_time_but_not_service_time() {
    let gather = |latency| {
        let options = SampleOptions { latency, ..SampleOptions::default() };
        let world = World::new(1);
        let mut sampler = Sampler::new("x", &scenario(), world.facts(), options);
        let Event::Sent { request, .. } = sent(0, 0, 0) else { unreachable!() };
        let event = Event::NeverSent { request, reason: NeverSentReason::RunEnded };
        sampler.event(WorkerId(0), Tick(5 * S), &event).unwrap();
        sampler.finish(world.end_facts(), None).unwrap()
    };
    let observations = |latency| {
        let run = [gather(latency)];
        compare(&run, &run, &DiffOptions::default()).unwrap().a[0].observations
    };
    assert_eq!(observations(ComparedLatency::Response), 1);
    assert_eq!(observations(ComparedLatency::Service), 0);
    let mixed = compare(
        &[gather(ComparedLatency::Response)],
        &[gather(ComparedLatency::Service)],
        &DiffOptions::default(),
    );
    assert_eq!(mixed, Err(DiffError::DifferentLatencies));
}

#[test]
fn a_torn_log_gives_up_what_was_open_and_is_noted() {
    let torn = World { torn: true, label: "torn", ..World::new(5) };
    let comparison = diff(&torn, &World::new(6));
    assert!(comparison.notes.contains(&Note::TornLog { label: "torn".to_owned() }));
    let whole = diff(&World::new(5), &World::new(6));
    assert_eq!(comparison.a[0].observations, whole.a[0].observations);
}

#[test]
fn a_degraded_run_is_noted() {
    let world = World::new(5);
    let mut sampler = Sampler::new("busy", &scenario(), world.facts(), SampleOptions::default());
    world.events(|at, event| sampler.event(WorkerId(0), Tick(at), &event)).unwrap();
    let busy = sampler.finish(world.end_facts(), Some(Verdict::Degraded)).unwrap();
    let comparison = compare(&[busy], &[World::new(6).sample()], &DiffOptions::default()).unwrap();
    assert!(comparison.notes.contains(&Note::Degraded { label: "busy".to_owned() }));
}

#[test]
fn events_that_no_engine_wrote_are_errors() {
    let unknown = by_hand(|add| add(0, done(3, 0, false)));
    assert!(matches!(unknown, Err(DiffError::Pairing { at: Tick(0), .. })), "{unknown:?}");
    let backwards = by_hand(|add| {
        add(5, Event::Wake);
        add(4, Event::Wake);
    });
    let expected = FoldError::TimeWentBack { worker: WorkerId(0), at: Tick(4), last: Tick(5) };
    assert_eq!(backwards.unwrap_err(), DiffError::Fold(expected));
}

#[test]
fn what_cannot_be_compared_is_said() {
    let run = [World { length_ns: S, ..World::new(1) }.sample()];
    let options = DiffOptions::default();
    assert_eq!(compare(&[], &run, &options), Err(DiffError::NoRuns));
    assert_eq!(compare(&run, &[], &options), Err(DiffError::NoRuns));
    for threshold_percent in [-1.0, f64::NAN, f64::INFINITY] {
        let compared =
            compare(&run, &run, &DiffOptions { threshold_percent, ..DiffOptions::default() });
        assert_eq!(compared, Err(DiffError::BadThreshold));
    }
}

#[test]
fn a_request_that_failed_without_a_byte_counts_as_failed() {
    let run = [by_hand(|add| {
        let Event::Sent { request, .. } = sent(0, 0, 0) else { unreachable!() };
        add(
            0,
            Event::NotOnWire {
                request,
                cause: Cause { error: ErrorKind::ConnectionRefused, detail: 111 },
            },
        );
        end(add, S);
    })
    .unwrap()];
    let comparison = compare(&run, &run, &DiffOptions::default()).unwrap();
    assert_eq!(comparison.row("requests.error_rate").unwrap().a, Some(1.0));
}

#[test]
fn several_runs_against_one() {
    let run = |seed| World { length_ns: S, ..World::new(seed) }.sample();
    let slow = World { length_ns: S, delay_ns: 8e6, ..World::new(9) }.sample();
    let comparison =
        compare(&[run(1), run(2), run(3), run(4)], &[slow], &DiffOptions::default()).unwrap();
    assert!(comparison.notes.contains(&Note::SingleSide));
    let row = comparison.row("response_ns.mean").unwrap();
    assert_eq!((row.method, row.n.a_batches, row.n.b_batches), (Method::Runs, 4, 1));
    assert!(row.interval[0].is_some());
    assert_eq!(row.mark, Mark::Regressed);
    assert_eq!(comparison.pairing, None);
}

fn by_name(names: u16, seed: u64, slow: impl Fn(u16) -> u64) -> RunSample {
    let options = SampleOptions { by_name: true, max_pairs: 1_000, ..SampleOptions::default() };
    let filter = None;
    many_names(names, seed, options, filter, slow).unwrap()
}

/// 200 users, a request every 5 ms for 5 s, to one name after the other; `slow` is how much longer
/// than 2 to 3 ms those of a name take, microseconds.
fn many_names(
    names: u16,
    seed: u64,
    options: SampleOptions,
    filter: Option<&str>,
    slow: impl Fn(u16) -> u64,
) -> Result<RunSample, DiffError> {
    let mut text = "[target]\nbase_url = \"http://127.0.0.1:80\"\n[runtime]\n".to_owned();
    text.push_str("duration_seconds = 5\n");
    for name in 0..names {
        text.push_str(&format!("[[requests]]\nname = \"r{name}\"\npath = \"/\"\n"));
    }
    let scenario = Scenario::from_toml(&text).unwrap();
    let filter = filter.map(|text| Filter::parse(text).unwrap().bind(&scenario).unwrap());
    let world = World::new(seed);
    let mut draws = Draws::new(seed);
    let mut due = Vec::new();
    for vu in 0..200 {
        let connection = ConnectionSlot(vu);
        due.push((0, Event::ConnectStarted { connection, target: TargetId(0), address: 0 }));
        due.push((0, Event::Connected { connection, started: Tick(0) }));
    }
    for step in 0..1_000_u64 {
        let (vu, at, name) = (step % 200, step * 5 * MS, (step % u64::from(names)) as u16);
        let Event::Sent { exchange, request, connection, .. } = sent(vu, step, at) else {
            unreachable!()
        };
        let request = PlannedRequest { request: RequestId(name), ..request };
        due.push((
            at,
            Event::Sent {
                exchange,
                request,
                connection,
                written_bytes: 50,
                attempt: 0,
                request_bytes: 50,
                length_is_input: false,
            },
        ));
        let done_at = at + 2 * MS + draws.next() % MS + 1_000 * slow(name);
        due.push((done_at, done(vu, done_at, false)));
    }
    due.push((5 * S, Event::EndReached { by: StoppedBy::Duration, end: Tick(5 * S) }));
    due.sort_by_key(|(at, _)| *at);
    let mut sampler =
        Sampler::new("names", &scenario, world.facts(), options).selecting(&scenario, filter);
    for (at, event) in due {
        sampler.event(WorkerId(0), Tick(at), &event)?;
    }
    sampler.finish(world.end_facts(), None)
}

#[test]
fn by_name_finds_the_one_that_is_slower_and_counts_all_rows_as_chances_to_err() {
    let all = |slow: u64| {
        let options = SampleOptions::default();
        move |seed| many_names(4, seed, options, None, |name| if name == 2 { slow } else { 0 })
    };
    let whole = |slow, seed| vec![all(slow)(seed).unwrap(), all(slow)(seed + 1).unwrap()];
    let together = compare(&whole(0, 1), &whole(1_500, 3), &DiffOptions::default()).unwrap();
    let slower = |seed| by_name(4, seed, |name| if name == 2 { 1_500 } else { 0 });
    let a = [by_name(4, 1, |_| 0), by_name(4, 2, |_| 0)];
    let b = [slower(3), slower(4)];
    let comparison = compare(&a, &b, &DiffOptions::default()).unwrap();
    assert_eq!(comparison.outcome, DiffOutcome::Regressed);
    assert_eq!(comparison.rows.len(), 4 * 10);
    for name in ["r0", "r1", "r2", "r3"] {
        let mean = comparison.rows_of(name).next().unwrap();
        let expected = if name == "r2" { Mark::Regressed } else { mean.mark };
        assert_eq!((mean.figure.as_str(), mean.mark), ("response_ns.mean", expected));
        let regressed = comparison.rows_of(name).any(|row| row.mark == Mark::Regressed);
        assert_eq!(regressed, name == "r2");
        assert_eq!(mean.n.a, 2 * 250);
    }
    assert_eq!(comparison.pairing.unwrap().pairs, 2_000);
    // The same figures, but four times as many rows: wider intervals.
    let width = |row: &Row| row.interval[1].unwrap() - row.interval[0].unwrap();
    let of_r0 = comparison.rows_of("r0").next().unwrap();
    assert!(width(of_r0) > 1.2 * width(together.row("response_ns.p50").unwrap()));
    let text = comparison_text(&comparison, &Style::plain());
    assert!(text.contains("\nr2\nresponse_ns.mean "), "{text}");
    assert!(text.contains("r2 response_ns.mean"), "{text}");
}

#[test]
fn a_name_that_is_not_in_every_run_is_left_out_and_more_than_the_limit_are_refused() {
    let comparison =
        compare(&[by_name(3, 1, |_| 0)], &[by_name(2, 2, |_| 0)], &DiffOptions::default()).unwrap();
    assert!(comparison.notes.contains(&Note::NotInEveryRun { name: "r2".to_owned() }));
    assert_eq!(comparison.rows_of("r2").count(), 0);
    let options = SampleOptions { by_name: true, ..SampleOptions::default() };
    let names = DIFF_NAMES_MAX as u16;
    assert!(many_names(names, 1, options, None, |_| 0).is_ok());
    let refused = many_names(names + 1, 1, options, None, |_| 0);
    assert!(matches!(refused, Err(DiffError::TooManyNames { limit: DIFF_NAMES_MAX })));
    let fewer = many_names(names + 1, 1, options, Some("name == 'r7'"), |_| 0).unwrap();
    let fewer = [fewer];
    let comparison = compare(&fewer, &fewer, &DiffOptions::default()).unwrap();
    assert_eq!(comparison.a[0].observations, 20);
}

#[test]
fn a_filter_restricts_what_is_compared() {
    let run = |seed, slow: u64, filter| {
        let slow = |name| if name == 2 { slow } else { 0 };
        [many_names(4, seed, SampleOptions::default(), Some(filter), slow).unwrap()]
    };
    let filter = Some("name != 'r2'".to_owned());
    let options = DiffOptions { filter, ..DiffOptions::default() };
    let without = compare(&run(1, 0, "name != 'r2'"), &run(2, 9_000, "name != 'r2'"), &options);
    let without = without.unwrap();
    assert_ne!(without.outcome, DiffOutcome::Regressed, "{without:?}");
    assert_eq!(mark(&without, "response_ns.mean"), Mark::NoneBeyond);
    assert_eq!(without.row("throughput.completed_rps").unwrap().n.a, 750);
    assert!(comparison_text(&without, &Style::plain()).starts_with("Filter        name != 'r2'\n"));
    let with = compare(&run(1, 0, "name == 'r2'"), &run(2, 9_000, "name == 'r2'"), &options);
    assert_eq!(with.unwrap().outcome, DiffOutcome::Regressed);
}

#[test]
fn a_run_apart_from_the_others_of_its_side_counts_little() {
    let run = |seed, delay_ns, label| {
        World { length_ns: S, delay_ns, label, ..World::new(seed) }.sample()
    };
    let a = [run(1, 4e6, "a1"), run(2, 4e6, "a2"), run(3, 4e6, "a3")];
    let b = [run(4, 5e6, "b1"), run(5, 13e6, "b2"), run(6, 5e6, "b3")];
    let comparison = compare(&a, &b, &DiffOptions::default()).unwrap();
    assert_eq!(comparison.outcome, DiffOutcome::Regressed, "{comparison:?}");
    assert!(comparison.notes.contains(&Note::WildRun { label: "b2".to_owned() }));
    let delta = comparison.row("response_ns.mean").unwrap().delta.unwrap();
    assert!((20.0..35.0).contains(&delta), "{delta}");
}

#[test]
fn what_is_detectable_is_what_would_have_been_found() {
    let run = |seed, delay_ns| World { length_ns: S, delay_ns, ..World::new(seed) }.sample();
    let side =
        |seed, delay_ns| [run(seed, delay_ns), run(seed + 1, delay_ns), run(seed + 2, delay_ns)];
    let equal = compare(&side(1, 5e6), &side(4, 5e6), &DiffOptions::default()).unwrap();
    assert_eq!(equal.outcome, DiffOutcome::CouldNotTell);
    let detectable = equal.row("response_ns.mean").unwrap().detectable.unwrap();
    assert!((5.0..15.0).contains(&detectable), "{detectable}");
    let slower = 5.1e6 * (1.0 + detectable / 100.0) - 0.1e6;
    let found = compare(&side(1, 5e6), &side(4, slower), &DiffOptions::default()).unwrap();
    assert_eq!(found.outcome, DiffOutcome::Regressed);
    let text = comparison_text(&equal, &Style::plain());
    assert!(text.contains("\nOutcome       could not tell (threshold 5 %): "), "{text}");
    assert!(text.contains("would have been found"), "{text}");
}

#[test]
fn text_of_a_regression() {
    let before = World { label: "before", ..World::new(1) };
    let comparison = diff(&before, &slower(2));
    assert_snapshot!(comparison_text(&comparison, &Style::plain()));
    let colored = comparison_text(&comparison, &Style::colored());
    assert!(colored.contains("\x1b[1;31mregressed\x1b[0m"));
}

#[test]
fn text_of_several_runs() {
    let run = |seed| World { length_ns: S, ..World::new(seed) }.sample();
    let comparison =
        compare(&[run(1), run(2)], &[run(3), run(4)], &DiffOptions::default()).unwrap();
    assert_snapshot!(comparison_text(&comparison, &Style::plain()));
}

#[test]
fn json_has_the_names_that_docs_promise() {
    let comparison = diff(&World::new(1), &slower(2));
    let json: serde_json::Value = serde_json::from_str(&comparison_json(&comparison)).unwrap();
    let keys = |value: &serde_json::Value| {
        value.as_object().unwrap().keys().cloned().collect::<Vec<String>>().join(" ")
    };
    assert_snapshot!(
        keys(&json),
        @"a b between_runs confidence filter notes outcome pairing power rows schema_version threshold_percent"
    );
    assert_snapshot!(
        keys(&json["rows"][0]),
        @"a a_is_bound b b_is_bound delta delta_unit detectable figure interval margin mark method n name unit worst"
    );
    assert_eq!(json["outcome"], "regressed");
    assert!(json["between_runs"].is_null(), "one run per side holds nothing of it");
    assert_eq!(json["rows"][0]["figure"], "response_ns.mean");
    assert_eq!(json["rows"][0]["method"], "time_batches");
    assert_eq!(json["rows"][7]["delta_unit"], "percentage_points");
    assert_eq!(json["notes"][0]["name"], "single_runs");
}
