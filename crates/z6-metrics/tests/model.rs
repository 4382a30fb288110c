//! The fold against a naive model that keeps every request and sorts: rank error 0, value error at
//! most one histogram bucket. And: how workers' blocks interleave does not change a figure.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use z6_events::{Cause, ErrorKind, Event, NeverSentReason, Tick, WorkerId};
use z6_metrics::histogram::{Latency, VALUE_NS_MAX};
use z6_metrics::quantile::stats;
use z6_metrics::{LatencyStats, Metrics};
use z6_scenario::{Quantile, Scenario};

const END: u64 = 3 * S;
const WARMUP: u64 = S / 2;
const WORKERS: u16 = 3;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Succeeds,
    Fails,
    Breaks,
    TimesOut,
    InFlight,
    NotOnWire,
    NeverSent,
}

#[derive(Debug, Clone)]
struct Request {
    worker: u16,
    request: u16,
    target: u16,
    planned: u64,
    sent: u64,
    ended: u64,
    outcome: Outcome,
}

impl Request {
    fn measured(&self) -> bool {
        self.planned >= WARMUP
    }
    fn response(&self) -> u64 {
        self.ended - self.planned
    }
    fn service(&self) -> u64 {
        self.ended - self.sent
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        12 => Just(Outcome::Succeeds),
        1 => Just(Outcome::Fails),
        1 => Just(Outcome::Breaks),
        1 => Just(Outcome::TimesOut),
        1 => Just(Outcome::InFlight),
        1 => Just(Outcome::NotOnWire),
        1 => Just(Outcome::NeverSent),
    ]
}

/// Lengths over all orders of magnitude.
fn length() -> impl Strategy<Value = u64> {
    (0..31_u32, 0..u64::MAX).prop_map(|(bits, noise)| noise >> (63 - bits))
}

fn request() -> impl Strategy<Value = Request> {
    (0..WORKERS, 0..3_u16, 0..2_u16, 0..END, length(), length(), outcome()).prop_map(
        |(worker, request, target, planned, late, length, outcome)| {
            let sent = planned + late;
            Request { worker, request, target, planned, sent, ended: sent + length, outcome }
        },
    )
}

fn scenario() -> Scenario {
    Scenario::from_toml(
        "[runtime]\nduration_seconds = 3\nwarmup_seconds = 0.5\n\
         [[targets]]\nname = \"a\"\nbase_url = \"http://127.0.0.1:80\"\n\
         [[targets]]\nname = \"b\"\nbase_url = \"http://127.0.0.1:81\"\n\
         [[requests]]\nname = \"one\"\npath = \"/\"\n\
         [[requests]]\nname = \"two\"\npath = \"/\"\nmethod = \"POST\"\n\
         [[requests]]\nname = \"three\"\npath = \"/\"\n",
    )
    .unwrap()
}

/// The events of each worker in the order of time.
fn events_by_worker(requests: &[Request]) -> Vec<Vec<(WorkerId, Tick, Event)>> {
    let mut script = Script::new();
    for (slot, one) in (0_u32..).zip(requests) {
        let request = script.request(one.request, one.target, one.planned);
        let sent = sent_event(slot, request);
        let (worker, ended) = (one.worker, one.ended);
        let error = ErrorKind::ConnectionReset;
        let end = match one.outcome {
            Outcome::Succeeds => done_event(slot, one.sent, 200, None),
            Outcome::Fails => done_event(slot, one.sent, 503, Some(ErrorKind::Status5xx)),
            Outcome::Breaks => failed_event(slot, error),
            Outcome::TimesOut => timed_out(slot),
            Outcome::InFlight => in_flight(slot),
            Outcome::NotOnWire => Event::NotOnWire { request, cause: Cause { error, detail: 0 } },
            Outcome::NeverSent => Event::NeverSent { request, reason: NeverSentReason::RunEnded },
        };
        if !matches!(one.outcome, Outcome::NotOnWire | Outcome::NeverSent) {
            script.add(worker, one.sent, sent);
        }
        script.add(worker, ended, end);
    }
    for worker in 0..WORKERS {
        script.end_of(worker, END, END);
    }
    let mut by_worker = vec![Vec::new(); usize::from(WORKERS)];
    for event in script.events {
        by_worker[event.0.index()].push(event);
    }
    for events in &mut by_worker {
        events.sort_by_key(|(_, at, _)| *at);
        let last = events.last().map_or(Tick(0), |(_, at, _)| *at);
        let worker = events[0].0;
        events.push((worker, last, Event::Finished));
    }
    by_worker
}

/// One log out of all workers' events, in blocks.
fn interleave(by_worker: &[Vec<(WorkerId, Tick, Event)>], blocks: &[(u16, usize)]) -> Script {
    let mut script = Script::new();
    let mut next = vec![0; by_worker.len()];
    let rest = (0..by_worker.len()).map(|worker| (worker as u16, usize::MAX));
    for (worker, length) in blocks.iter().copied().chain(rest) {
        let worker = usize::from(worker);
        let events = &by_worker[worker][next[worker]..];
        let taken = length.min(events.len());
        script.events.extend_from_slice(&events[..taken]);
        next[worker] += taken;
    }
    script
}

/// The highest value that shares a bucket with this one at three significant digits.
fn bucket(value: u64) -> u64 {
    let shift = (64 - value.leading_zeros()).saturating_sub(11);
    (value >> shift << shift) + ((1 << shift) - 1)
}

/// Whether `longest` is more than `value` by more than one in its third significant digit.
fn is_more(value: u64, longest: u64) -> bool {
    let digits = value.to_string().len() as u32;
    longest - value > 10_u64.pow(digits.saturating_sub(3))
}

/// All figures of one latency by sorting.
fn naive(values: &[u64], bounds: &[u64]) -> LatencyStats {
    let mut all: Vec<u64> = values.iter().chain(bounds).copied().collect();
    all.sort_unstable();
    let mut answered = values.to_vec();
    answered.sort_unstable();
    let n = all.len();
    let mut stats = LatencyStats {
        count: values.len() as u64,
        censored: bounds.len() as u64,
        min: all.first().copied(),
        max: all.last().copied(),
        ..LatencyStats::default()
    };
    if n == 0 {
        return stats;
    }
    let values_min = values.iter().min();
    let (min, max) = (all[0], all[n - 1]);
    if values_min.is_none_or(|longest| is_more(min, *longest)) {
        stats.lower_bounds.push("min");
    }
    if !bounds.is_empty() {
        stats.lower_bounds.push("max");
    }
    let mut quantile = |name, per_mille_of_ten: usize| {
        let rank = (n * per_mille_of_ten).div_ceil(10_000);
        let shown = |value: u64| bucket(value).min(max);
        let value = shown(all[rank - 1]);
        // What it would be if the unanswered requests had taken for ever.
        if answered.get(rank - 1).is_none_or(|longest| is_more(value, shown(*longest))) {
            stats.lower_bounds.push(name);
        }
        Some(value)
    };
    stats.p50 = quantile("p50", 5_000);
    stats.p75 = quantile("p75", 7_500);
    stats.p90 = quantile("p90", 9_000);
    stats.p95 = quantile("p95", 9_500);
    stats.p99 = quantile("p99", 9_900);
    stats.p999 = quantile("p999", 9_990);
    stats.p9999 = quantile("p9999", 9_999);
    if !values.is_empty() {
        let count = values.len() as f64;
        let mean = values.iter().map(|v| *v as f64).sum::<f64>() / count;
        let squares = values.iter().map(|v| (*v as f64 - mean) * (*v as f64 - mean)).sum::<f64>();
        stats.mean = Some(mean.round() as u64);
        stats.stddev = Some((squares / count).sqrt().round() as u64);
    }
    stats
}

/// Equal, except for the last digit of what the model computes in floating point, and the intervals.
fn assert_same(found: &LatencyStats, naive: &LatencyStats) -> Result<(), TestCaseError> {
    let near = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => a.abs_diff(b) <= 1,
        (a, b) => a == b,
    };
    prop_assert!(near(found.mean, naive.mean), "mean {:?} {:?}", found.mean, naive.mean);
    prop_assert!(near(found.stddev, naive.stddev), "sd {:?} {:?}", found.stddev, naive.stddev);
    let found = LatencyStats {
        mean: naive.mean,
        stddev: naive.stddev,
        ci95: naive.ci95.clone(),
        ..found.clone()
    };
    prop_assert_eq!(&found, naive);
    Ok(())
}

fn select(requests: &[Request], outcomes: &[Outcome], of: fn(&Request) -> u64) -> Vec<u64> {
    requests
        .iter()
        .filter(|one| one.measured() && outcomes.contains(&one.outcome))
        .map(of)
        .collect()
}

fn check_latencies(metrics: &Metrics, requests: &[Request]) -> Result<(), TestCaseError> {
    use Outcome::{Breaks, Fails, InFlight, NeverSent, NotOnWire, Succeeds, TimesOut};
    let latency = &metrics.latency;
    let response = naive(
        &select(requests, &[Succeeds], Request::response),
        &select(requests, &[TimesOut, InFlight, NeverSent], Request::response),
    );
    assert_same(&latency.response_ns, &response)?;
    let service = naive(
        &select(requests, &[Succeeds], Request::service),
        &select(requests, &[TimesOut, InFlight], Request::service),
    );
    assert_same(&latency.service_ns, &service)?;
    let failed = naive(&select(requests, &[Fails, Breaks, NotOnWire], Request::response), &[]);
    assert_same(&latency.failed_response_ns, &failed)?;
    for (index, (_, group)) in requests_by(metrics, |r| &r.by_target).iter().enumerate() {
        let own: Vec<Request> =
            requests.iter().filter(|one| usize::from(one.target) == index).cloned().collect();
        let response = naive(
            &select(&own, &[Succeeds], Request::response),
            &select(&own, &[TimesOut, InFlight, NeverSent], Request::response),
        );
        assert_same(&group.response_ns, &response)?;
    }
    Ok(())
}

type Groups = [(String, z6_metrics::GroupFigures)];

fn requests_by(
    metrics: &Metrics,
    of: fn(&z6_metrics::RequestFigures) -> &z6_metrics::Named<z6_metrics::GroupFigures>,
) -> &Groups {
    &of(&metrics.requests).0
}

fn check_counts(metrics: &Metrics, requests: &[Request]) -> Result<(), TestCaseError> {
    let count =
        |holds: &dyn Fn(&Request) -> bool| requests.iter().filter(|one| holds(one)).count() as u64;
    let is = |outcomes: &'static [Outcome]| move |one: &Request| outcomes.contains(&one.outcome);
    let found = &metrics.requests;
    prop_assert_eq!(found.planned, requests.len() as u64);
    prop_assert_eq!(found.never_sent, count(&is(&[Outcome::NeverSent])));
    prop_assert_eq!(found.on_wire, found.sent - count(&is(&[Outcome::NotOnWire])));
    prop_assert_eq!(found.succeeded, count(&is(&[Outcome::Succeeds])));
    prop_assert_eq!(found.in_flight_at_stop, count(&is(&[Outcome::InFlight])));
    prop_assert_eq!(found.sent, found.succeeded + found.failed + found.in_flight_at_stop);
    let answered = is(&[Outcome::Succeeds, Outcome::Fails]);
    let completed =
        count(&|one| answered(one) && one.ended >= WARMUP && one.ended <= END) as f64 / 2.5;
    prop_assert_eq!(metrics.throughput.completed_rps, Some(completed));
    for row in &metrics.time_series {
        let of = |instant: u64| instant / S == row.second;
        let done = count(&|one| one.outcome == Outcome::Succeeds && of(one.ended));
        prop_assert_eq!((row.planned, row.succeeded), (count(&|one| of(one.planned)), done));
        let values: Vec<u64> = requests
            .iter()
            .filter(|one| one.outcome == Outcome::Succeeds && of(one.ended))
            .map(Request::response)
            .collect();
        let naive = naive(&values, &[]);
        prop_assert_eq!((row.p50_ns, row.p99_ns), (naive.p50, naive.p99));
    }
    Ok(())
}

fn check_lateness(metrics: &Metrics, requests: &[Request]) -> Result<(), TestCaseError> {
    let by_worker = events_by_worker(requests);
    let (mut lags, mut waits) = (Vec::new(), Vec::new());
    for one in requests {
        if !one.measured() || matches!(one.outcome, Outcome::NotOnWire | Outcome::NeverSent) {
            continue;
        }
        let inputs = by_worker[usize::from(one.worker)].iter();
        let noticed = inputs
            .filter(|(_, _, event)| event.class() == z6_events::EventClass::Input)
            .map(|(_, at, _)| at.0)
            .find(|at| *at >= one.planned)
            .unwrap();
        lags.push(noticed - one.planned);
        waits.push(one.sent - noticed);
    }
    assert_same(&metrics.generator.loop_lag_ns, &naive(&lags, &[]))?;
    assert_same(&metrics.generator.waiting_ns, &naive(&waits, &[]))
}

/// Observations close together and far apart.
fn observations() -> impl Strategy<Value = Vec<u64>> {
    let near = (1_u64..1_000, 0_u64..4_000).prop_map(|(step, at)| 1_000_000 + step * at);
    proptest::collection::vec(prop_oneof![4 => near, 1 => length()], 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    #[test]
    fn figures_of_a_latency_are_those_of_sorting(
        values in observations(),
        bounds in prop_oneof![Just(Vec::new()), observations(), observations().prop_map(|mut few| {
            few.truncate(2);
            few
        })],
    ) {
        let mut latency = Latency::default();
        let mut for_ever = Latency::default();
        for value in &values {
            latency.value(*value).unwrap();
            for_ever.value(*value).unwrap();
        }
        for bound in &bounds {
            latency.bound(*bound).unwrap();
            for_ever.value(VALUE_NS_MAX).unwrap();
        }
        let found = stats(&latency);
        assert_same(&found, &naive(&values, &bounds))?;
        let longest = stats(&for_ever);
        for quantile in Quantile::ALL {
            let (Some(ns), Some(longest)) = (found.quantile(quantile), longest.quantile(quantile))
            else {
                continue;
            };
            let max = found.max.unwrap();
            prop_assert!(found.min.unwrap() <= ns && ns <= max);
            let moves = longest >= VALUE_NS_MAX || is_more(ns, longest.min(max));
            let name = quantile.name();
            prop_assert_eq!(found.is_lower_bound(name), moves, "{} {} {}", name, ns, longest);
        }
        for end in [found.ci95.p50, found.ci95.p99].into_iter().flatten().flatten() {
            prop_assert!(found.min.unwrap() <= end && end <= found.max.unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_fold_agrees_with_a_naive_model(
        requests in prop::collection::vec(request(), 1..300),
        blocks in prop::collection::vec((0..WORKERS, 1..40_usize), 0..40),
    ) {
        let script = interleave(&events_by_worker(&requests), &blocks);
        let metrics = script.try_metrics(&scenario(), WORKERS).unwrap();
        check_latencies(&metrics, &requests)?;
        check_counts(&metrics, &requests)?;
        check_lateness(&metrics, &requests)?;
    }

    #[test]
    fn figures_do_not_depend_on_how_workers_interleave(
        requests in prop::collection::vec(request(), 1..200),
        blocks in prop::collection::vec((0..WORKERS, 1..40_usize), 0..40),
    ) {
        let by_worker = events_by_worker(&requests);
        let one = interleave(&by_worker, &[]).try_metrics(&scenario(), WORKERS).unwrap();
        let other = interleave(&by_worker, &blocks).try_metrics(&scenario(), WORKERS).unwrap();
        prop_assert_eq!(one, other);
    }
}
