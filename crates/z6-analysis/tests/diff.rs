//! What a comparison says in cases whose answer can be seen: units, bounds, errors, pairs, notes,
//! text. Chance is the subject of diff_power.rs.
#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "diff/world.rs"]
mod world;

use insta::assert_snapshot;
use world::{MS, S, World, done, scenario, sent};
use z6_analysis::diff::{
    ComparedLatency, Comparison, DiffError, DiffOptions, Mark, Method, Note, RunSample,
    SampleOptions, Sampler, compare, comparison_json, comparison_text,
};
use z6_events::{
    Cause, ConnectionSlot, Event, ExchangeSlot, NeverSentReason, StoppedBy, TargetId, Tick,
};
use z6_events::{ErrorKind, WorkerId};
use z6_metrics::{Fold, FoldError, Style, Verdict};

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
    assert_eq!(comparison.verdict, Mark::NoEvidence);
    assert!(!comparison.regressed());
    assert!(comparison.rows.iter().all(|row| row.delta == Some(0.0)), "{comparison:?}");
    assert!(comparison.notes.contains(&Note::SameLog));
    assert_eq!(comparison.pairing.unwrap().b_slower_share, Some(0.5));
    let paired = comparison.row("paired.response_ns.mean").unwrap();
    assert_eq!(paired.interval, [Some(0.0), Some(0.0)]);
    assert!(paired.within_margin);
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
    assert_eq!((worse.verdict, better.verdict), (Mark::Regressed, Mark::Improved));
    assert!(worse.regressed() && !better.regressed());
}

#[test]
fn a_change_below_the_threshold_is_not_marked_however_sure() {
    let options = |threshold_percent| DiffOptions { threshold_percent };
    let (a, b) = ([World::new(12).sample()], [World { delay_ns: 6e6, ..World::new(11) }.sample()]);
    let lenient = compare(&a, &b, &options(30.0)).unwrap();
    let row = lenient.row("response_ns.mean").unwrap();
    assert!(row.interval[0].unwrap() > 0.0);
    assert!(row.within_margin, "{row:?}");
    assert_eq!(lenient.verdict, Mark::NoEvidence);
    assert!(compare(&a, &b, &options(5.0)).unwrap().regressed());
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
    assert!(comparison.regressed());
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
    assert_eq!(comparison.verdict, Mark::TooFew);
    let one_user = World { vus: 1, ..World::new(3) };
    let comparison = diff(&one_user, &World { seed: 4, ..one_user.clone() });
    assert_eq!(mark(&comparison, "response_ns.p999"), Mark::TooFew);
    assert_eq!(mark(&comparison, "response_ns.p50"), Mark::NoEvidence);
}

#[test]
fn a_run_without_requests_has_no_figures() {
    let idle = by_hand(|add| end(add, 5 * S)).unwrap();
    let comparison = compare(&[idle], &[World::new(1).sample()], &DiffOptions::default()).unwrap();
    assert_eq!(comparison.verdict, Mark::TooFew);
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
    assert_eq!(mark(&both, "response_ns.p90"), Mark::NoEvidence);
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
        let compared = compare(&run, &run, &DiffOptions { threshold_percent });
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
        @"a b confidence notes pairing rows schema_version threshold_percent verdict"
    );
    assert_snapshot!(
        keys(&json["rows"][0]),
        @"a a_is_bound b b_is_bound delta delta_unit figure interval margin mark method n unit within_margin"
    );
    assert_eq!(json["verdict"], "regressed");
    assert_eq!(json["rows"][0]["figure"], "response_ns.mean");
    assert_eq!(json["rows"][0]["method"], "time_batches");
    assert_eq!(json["rows"][7]["delta_unit"], "percentage_points");
    assert_eq!(json["notes"][0]["name"], "single_runs");
}
