//! Assertions over windows against a naive model that keeps every request and looks at each window anew; and
//! how workers' events interleave does not change what is found.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use z6_events::Partition;
use z6_events::{ErrorKind, Event, NeverSentReason, StoppedBy, Tick, WorkerId};
use z6_metrics::{
    AssertionResult, AssertionValue, EndFacts, Fold, LiveFold, Metrics, ReportError, ShardJudge,
};
use z6_scenario::Scenario;

const END_S: u64 = 20;
const WORKERS: u16 = 3;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Succeeds,
    Fails,
    Breaks,
    TimesOut,
    NeverSent,
}

#[derive(Debug, Clone)]
struct Request {
    worker: u16,
    request: u16,
    planned: u64,
    sent: u64,
    ended: u64,
    outcome: Outcome,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        8 => Just(Outcome::Succeeds),
        2 => Just(Outcome::Fails),
        1 => Just(Outcome::Breaks),
        2 => Just(Outcome::TimesOut),
        1 => Just(Outcome::NeverSent),
    ]
}

/// Instants that often are whole seconds, the ends of windows.
fn instant() -> impl Strategy<Value = u64> {
    prop_oneof![(0..END_S).prop_map(|second| second * S), 0..END_S * S]
}

fn request() -> impl Strategy<Value = Request> {
    let length = prop_oneof![0..50 * MS, 0..5 * S, (0..6_u64).prop_map(|seconds| seconds * S)];
    (0..WORKERS, 0..2_u16, instant(), 0..S / 2, length, outcome()).prop_map(
        |(worker, request, planned, late, length, outcome)| {
            let sent = planned + late;
            Request { worker, request, planned, sent, ended: sent + length, outcome }
        },
    )
}

/// A goal for one of two requests, and one for what was answered with 503; each with all keys.
fn scenario(window: u64, min_requests: u64, after: u64) -> Scenario {
    let keys = "p50_latency_ms = 1\np90_latency_ms = 1\nmax_latency_ms = 1\nmean_latency_ms = 1\n\
        error_rate_max = 0\nsuccess_rate_min = 1\nrps_min = 1e9\nstatus_5xx_max_rate = 0\n";
    let goal = |name: &str, part: &str| {
        format!(
            "[assertions.{name}]\nwhere = {part}\nwindow_seconds = {window}\n\
             min_requests = {min_requests}\nafter_seconds = {after}\n{keys}"
        )
    };
    let text = format!(
        "[runtime]\nduration_seconds = {END_S}\nwarmup_seconds = 0.5\n\
         [target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'one'\npath = '/'\ntags = {{ kind = 'x' }}\n\
         [[requests]]\nname = 'two'\npath = '/'\n{}{}",
        goal("tagged", "'tag.kind == \"x\"'"),
        goal("errors", "'status == 503 || status == none'"),
    );
    Scenario::from_toml(&text).unwrap()
}

fn status(one: &Request) -> Option<u16> {
    match one.outcome {
        Outcome::Succeeds => Some(200),
        Outcome::Fails => Some(503),
        Outcome::Breaks | Outcome::TimesOut | Outcome::NeverSent => None,
    }
}

/// By goal, whether it is about a request that has this status, or none yet.
fn is_about(goal: &str, one: &Request, status: Option<u16>) -> bool {
    match goal {
        "tagged" => one.request == 0,
        _ => matches!(status, None | Some(503)),
    }
}

/// The events of each worker in the order of time.
fn events(requests: &[Request]) -> Vec<Vec<(WorkerId, Tick, Event)>> {
    let mut script = Script::new();
    for (slot, one) in (0_u32..).zip(requests) {
        let request = script.request(one.request, 0, one.planned);
        let end = match one.outcome {
            Outcome::Succeeds => done_event(slot, one.sent, 200, None),
            Outcome::Fails => done_event(slot, one.sent, 503, Some(ErrorKind::Status5xx)),
            Outcome::Breaks => failed_event(slot, ErrorKind::ConnectionReset),
            Outcome::TimesOut => timed_out(slot),
            Outcome::NeverSent => Event::NeverSent { request, reason: NeverSentReason::RunEnded },
        };
        if one.outcome != Outcome::NeverSent {
            script.add(one.worker, one.sent, sent_event(slot, request));
        }
        script.add(one.worker, one.ended, end);
    }
    (0..WORKERS)
        .map(|worker| {
            let mine = |(of, _, _): &&(WorkerId, Tick, Event)| of.0 == worker;
            let mut mine: Vec<_> = script.events.iter().filter(mine).copied().collect();
            // A request ends after it was sent: the sort keeps the order of equals.
            mine.sort_by_key(|(_, at, _)| *at);
            let end = Tick(END_S * S);
            let reached = Event::EndReached { by: StoppedBy::Duration, end };
            let place = mine.partition_point(|(_, at, _)| *at < end);
            mine.insert(place, (WorkerId(worker), end, reached));
            let last = mine.last().map_or(end, |(_, at, _)| *at);
            mine.push((WorkerId(worker), last, Event::Finished));
            mine
        })
        .collect()
}

fn fold(scenario: &Scenario, events: impl IntoIterator<Item = (WorkerId, Tick, Event)>) -> Metrics {
    let mut fold = Fold::new(scenario, facts(WORKERS));
    for (worker, at, event) in events {
        fold.event(worker, at, &event).unwrap();
    }
    fold.finish(EndFacts::default()).unwrap()
}

/// What a window holds, found by looking at all requests.
struct Window {
    requests: u64,
    /// Values and lower bounds, rising.
    latencies: Vec<u64>,
    succeeded: Vec<u64>,
    failed: u64,
    responses: u64,
    responses_5xx: u64,
}

fn window(goal: &str, requests: &[Request], from: u64, to: u64) -> Window {
    let mut window = Window {
        requests: 0,
        latencies: Vec::new(),
        succeeded: Vec::new(),
        failed: 0,
        responses: 0,
        responses_5xx: 0,
    };
    for one in requests {
        let took = one.ended - one.planned;
        let is_sent = one.outcome != Outcome::NeverSent;
        if is_sent && one.sent < to && one.ended >= to && is_about(goal, one, None) {
            window.requests += 1;
            window.latencies.push(to - one.planned);
        }
        if !(from..to).contains(&one.ended) || !is_about(goal, one, status(one)) {
            continue;
        }
        window.requests += 1;
        window.responses += u64::from(status(one).is_some());
        window.responses_5xx += u64::from(status(one) == Some(503));
        match one.outcome {
            Outcome::Succeeds => {
                window.succeeded.push(took);
                window.latencies.push(took);
            }
            Outcome::Fails | Outcome::Breaks => window.failed += 1,
            Outcome::TimesOut => {
                window.failed += 1;
                window.latencies.push(took);
            }
            Outcome::NeverSent => window.latencies.push(took),
        }
    }
    window.latencies.sort_unstable();
    window
}

impl Window {
    /// The figure of a key, and how much more the histogram may say.
    fn figure(&self, key: &str, seconds: u64) -> Option<f64> {
        let rank = |share: f64| {
            let rank = (share * self.latencies.len() as f64).ceil().max(1.0) as usize;
            self.latencies.get(rank - 1).map(|ns| *ns as f64 / 1e6)
        };
        let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
        let succeeded = self.succeeded.len() as u64;
        match key {
            "p50_latency_ms" => rank(0.5),
            "p90_latency_ms" => rank(0.9),
            "max_latency_ms" => {
                self.latencies.last().filter(|ns| **ns > 0).map(|ns| *ns as f64 / 1e6)
            }
            "mean_latency_ms" => (succeeded > 0)
                .then(|| self.succeeded.iter().sum::<u64>() as f64 / succeeded as f64 / 1e6),
            "error_rate_max" => share(self.failed, self.failed + succeeded),
            "success_rate_min" => share(succeeded, self.failed + succeeded),
            "rps_min" => Some(self.responses as f64 / seconds as f64),
            _ => share(self.responses_5xx, self.responses),
        }
    }
}

/// Compares one result with the worst of all windows.
fn compare(
    result: &AssertionResult,
    requests: &[Request],
    (seconds, min_requests, after): (u64, u64, u64),
) {
    let goal = result.goal.as_deref().unwrap();
    // The warm-up ends at half a second.
    let first = after + 1 + seconds;
    let windows: Vec<(u64, Window)> = (first..=END_S)
        .map(|s| (s, window(goal, requests, (s - seconds) * S, s * S)))
        .filter(|(_, window)| window.requests >= min_requests)
        .collect();
    assert_eq!(result.windows, Some(windows.len() as u64), "{}", result.full_name());
    let figures =
        windows.iter().filter_map(|(s, window)| Some((*s, window.figure(&result.name, seconds)?)));
    let is_minimum = result.name.ends_with("_min");
    let worst = figures.reduce(|worst, one| {
        let is_worse = if is_minimum { one.1 < worst.1 } else { one.1 > worst.1 };
        if is_worse { one } else { worst }
    });
    let is_quantile = result.name.starts_with('p');
    match (worst, &result.actual) {
        (None, AssertionValue::Text(_)) => assert_eq!(result.second, None),
        (Some((second, worst)), AssertionValue::Number(found)) => {
            let above = if is_quantile { worst / 128.0 + 8e-6 } else { 1e-9 };
            let fits = *found >= worst - 1e-9 && *found <= worst + above;
            assert!(fits, "{}: {found} instead of {worst}", result.full_name());
            if !is_quantile {
                assert_eq!(result.second, Some(second), "{}", result.full_name());
            }
        }
        (worst, found) => panic!("{}: {found} instead of {worst:?}", result.full_name()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn windows_find_what_a_naive_model_finds(
        requests in proptest::collection::vec(request(), 0..60),
        (seconds, min_requests, after) in (1..8_u64, 1..6_u64, 0..10_u64),
    ) {
        let scenario = scenario(seconds, min_requests, after);
        let by_worker = events(&requests);
        let one_behind_the_other = fold(&scenario, by_worker.iter().flatten().copied());
        let mut together: Vec<_> = by_worker.into_iter().flatten().collect();
        together.sort_by_key(|(_, at, _)| *at);
        let metrics = fold(&scenario, together);
        prop_assert_eq!(&metrics.assertions, &one_behind_the_other.assertions);
        prop_assert_eq!(metrics.assertions.len(), 16);
        for result in &metrics.assertions {
            compare(result, &requests, (seconds, min_requests, after));
        }
    }
}

/// A hung server: nothing ends, and the requests in flight trip a quantile and count as requests.
#[test]
fn requests_in_flight_trip_a_window() {
    let scenario = common::scenario(
        "[runtime]\nduration_seconds = 60\n[assertions.slow]\np50_latency_ms = 2000\n\
         window_seconds = 5\nmin_requests = 2\nstop = true\n",
    );
    let mut script = Script::new();
    for slot in 0..2 {
        script.sent(slot, S, S);
    }
    let mut fold = z6_metrics::LiveFold::new(script.fold(&scenario, 1).unwrap());
    fold.come_to(WorkerId(0), Tick(5 * S - 1));
    assert_eq!(fold.tripped(), None, "the first window is not over");
    fold.come_to(WorkerId(0), Tick(5 * S));
    let tripped = fold.tripped().unwrap();
    assert_eq!((tripped.assertion.as_str(), tripped.second), ("slow", 5));
}

/// Without a window that had enough requests, nothing holds.
#[test]
fn what_was_never_judged_has_failed() {
    let scenario = common::scenario(
        "[runtime]\nduration_seconds = 3\n[assertions.busy]\nerror_rate_max = 1\n\
         window_seconds = 2\nmin_requests = 100\n",
    );
    let mut script = Script::new();
    script.success(0, 10, 20).success(S, S, S + 5);
    let metrics = script.end(3 * S).metrics(&scenario);
    let result = &metrics.assertions[0];
    assert_eq!((result.passed, result.windows), (false, Some(0)));
    assert_eq!(result.actual.to_string(), "no window had enough requests");
}

/// A worker that says nothing for long does not keep seconds for ever.
#[test]
fn a_worker_far_behind_does_not_hold_up_windows_for_ever() {
    let scenario = common::scenario(
        "[runtime]\nduration_seconds = 80000\n[assertions.errors]\nerror_rate_max = 0\n\
         window_seconds = 300\nstop = true\n",
    );
    let mut script = Script::new();
    let request = script.request(0, 0, 0);
    script.add(0, 0, sent_event(0, request));
    script.add(0, 5, done_event(0, 5, 503, Some(ErrorKind::Status5xx)));
    let mut fold = z6_metrics::LiveFold::new(script.fold(&scenario, 2).unwrap());
    fold.come_to(WorkerId(0), Tick(599 * S));
    assert_eq!(fold.tripped(), None);
    fold.come_to(WorkerId(0), Tick(70_000 * S));
    assert_eq!(fold.tripped().map(|tripped| tripped.second), Some(300));
}

/// Three goals that stop the run, at bounds that some windows keep and some do not.
fn stopping(window: u64, min_requests: u64, after: u64, bound: u64) -> Scenario {
    let goal = |name: &str, keys: &str| {
        format!(
            "[assertions.{name}]\nwindow_seconds = {window}\nmin_requests = {min_requests}\n\
             after_seconds = {after}\nstop = true\n{keys}\n"
        )
    };
    let text = format!(
        "[runtime]\nduration_seconds = {END_S}\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'one'\npath = '/'\n[[requests]]\nname = 'two'\npath = '/'\n{}{}\
         [assertions.whole]\nerror_rate_max = 0\n{}",
        goal("errors", &format!("where = 'name == \"one\"'\nerror_rate_max = 0.{bound}")),
        goal("slow", &format!("p90_latency_ms = {}\nmax_latency_ms = 4900", bound * 500)),
        goal("idle", &format!("rps_min = 0.{bound}")),
    );
    Scenario::from_toml(&text).unwrap()
}

type Events = Vec<(WorkerId, Tick, Event)>;

/// What each of `shards` processes reports, by shard: worker w is in shard w mod `shards`.
fn reports(scenario: &Scenario, by_worker: &[Events], shards: u16) -> Vec<Vec<Vec<u8>>> {
    let of_shard = |shard: u16| {
        let mine: Vec<&Events> =
            by_worker.iter().skip(usize::from(shard)).step_by(usize::from(shards)).collect();
        let partition = Partition::new(shard, shards, WorkerId(0), mine.len() as u16);
        let mut fold = Fold::new(scenario, z6_metrics::RunFacts { partition, ..facts(1) });
        fold.report_windows(scenario);
        let mut fold = LiveFold::new(fold);
        let mut events: Events = (0..)
            .zip(mine)
            .flat_map(|(worker, events)| {
                events.iter().map(move |(_, at, event)| (WorkerId(worker), *at, *event))
            })
            .collect();
        events.sort_by_key(|(_, at, _)| *at);
        let mut reports = Vec::new();
        for (worker, at, event) in events {
            fold.take(worker, at, &event);
            reports.extend(fold.take_reports());
        }
        let metrics = fold.into_fold().unwrap().finish(EndFacts::default()).unwrap();
        assert_eq!(metrics.assertions, []);
        reports
    };
    (0..shards).map(of_shard).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The windows of reports of several shards, added, are those of one fold over the events of all,
    /// in whatever order the reports come.
    #[test]
    fn windows_over_shards_are_those_of_the_merged_events(
        requests in proptest::collection::vec(request(), 0..80),
        (seconds, min_requests, after) in (1..8_u64, 1..6_u64, 0..10_u64),
        bound in 1..10_u64,
        shards in 1..=WORKERS,
        order in proptest::collection::vec(0..WORKERS, 0..200),
    ) {
        let scenario = stopping(seconds, min_requests, after, bound);
        let by_worker = events(&requests);
        let merged = fold(&scenario, by_worker.iter().flatten().copied());
        let mut waiting: Vec<_> = reports(&scenario, &by_worker, shards)
            .into_iter()
            .map(Vec::into_iter)
            .collect();
        let mut judge = ShardJudge::new(&scenario, shards).unwrap();
        let all = (0..shards).flat_map(|shard| std::iter::repeat_n(shard, 1_000));
        for shard in order.into_iter().chain(all).filter(|shard| *shard < shards) {
            if let Some(report) = waiting[usize::from(shard)].next() {
                judge.take(shard, &report, 2 * END_S).unwrap();
            }
        }
        let found = judge.stop();
        prop_assert_eq!(found.heard, shards);
        let found = found.told.map(|(goal, second)| {
            (scenario.goals[usize::from(goal)].name.clone(), second)
        });
        let expected = merged.run.tripped.map(|tripped| (tripped.assertion, tripped.second));
        prop_assert_eq!(found, expected);
    }
}

/// One that fails every request from second 2 on, and one that fails none.
fn two_shards(bound: u64) -> (Scenario, Vec<Vec<Vec<u8>>>) {
    let requests: Vec<Request> = (0..END_S * 4)
        .map(|number| {
            let planned = number / 2 * S / 2;
            let fails = number % 2 == 1 && planned >= 2 * S;
            let outcome = if fails { Outcome::Fails } else { Outcome::Succeeds };
            let (worker, ended) = ((number % 2) as u16, planned + MS);
            Request { worker, request: 0, planned, sent: planned, ended, outcome }
        })
        .collect();
    let scenario = stopping(2, 1, 0, bound);
    let by_worker = events(&requests);
    let reports = reports(&scenario, &by_worker[..2], 2);
    (scenario, reports)
}

#[test]
fn one_shard_alone_does_not_stop_the_run_and_is_enough_to_do_so_with_a_lower_bound() {
    for (bound, expected) in [(6, None), (4, Some((0, 4)))] {
        let (scenario, reports) = two_shards(bound);
        let mut judge = ShardJudge::new(&scenario, 2).unwrap();
        for (shard, reports) in (0..).zip(&reports) {
            reports.iter().for_each(|report| judge.take(shard, report, END_S).unwrap());
        }
        assert_eq!(judge.stop().told, expected, "0.{bound}");
    }
}

#[test]
fn a_shard_that_is_lost_is_not_waited_for() {
    let (scenario, reports) = two_shards(6);
    let mut judge = ShardJudge::new(&scenario, 2).unwrap();
    reports[1].iter().for_each(|report| judge.take(1, report, END_S).unwrap());
    assert_eq!((judge.stop().heard, judge.stop().told), (2, None), "shard 0 is waited for");
    assert!(judge.lost(0) && !judge.lost(0));
    // Alone it failed half of its requests in [1, 3).
    assert_eq!((judge.stop().heard, judge.stop().told), (1, Some((0, 4))));
}

/// Otherwise windows would be judged without those that seem to be late.
#[test]
fn a_shard_that_says_it_is_far_ahead_makes_no_other_late() {
    let (scenario, reports) = two_shards(6);
    let mut judge = ShardJudge::new(&scenario, 2).unwrap();
    let deltas = reports[1].iter().filter(|report| report[0] == 1);
    deltas.for_each(|report| judge.take(1, report, END_S).unwrap());
    judge.take(1, &[2, 0xc0, 2], END_S).unwrap();
    assert_eq!(judge.stop().told, None, "shard 0 is waited for");
    reports[0].iter().for_each(|report| judge.take(0, report, END_S).unwrap());
    assert_eq!(judge.stop().told, None);
}

#[test]
fn reports_that_do_not_follow_those_before_them_are_refused() {
    let (scenario, reports) = two_shards(6);
    let mut judge = ShardJudge::new(&scenario, 2).unwrap();
    let mut take = |report: &[u8], now| judge.take(0, report, now).unwrap_err();
    let passed = |second: u8| [2, second];
    assert_eq!(take(&[2, 0xff, 0x7f], 5), ReportError::Ahead { second: 16_383, now: 5 });
    assert_eq!(take(&[], 5), ReportError::Truncated);
    assert_eq!(take(&[9], 5), ReportError::Kind { kind: 9 });
    assert_eq!(take(&[2, 1, 1], 5), ReportError::Trailing { bytes: 1 });
    assert_eq!(take(&passed(0), 5), ReportError::Order { second: 0, last: 0 });
    let (delta, again) = (reports[0][0].clone(), ReportError::Order { second: 1, last: 1 });
    assert_eq!(delta[..3], [1, 0, 1]);
    let other = |goal: u8| [&[1, goal], &delta[2..]].concat();
    assert_eq!(take(&other(2), 5), ReportError::Goal { goal: 2 }, "it stops nothing");
    judge.take(1, &delta, 5).unwrap();
    judge.take(1, &other(1), 5).unwrap();
    let mut take = |report: &[u8]| judge.take(1, report, 5);
    assert_eq!(take(&delta), Err(again));
    assert_eq!(take(&other(1)), Err(again));
    take(&passed(1)).unwrap();
    assert_eq!(take(&other(2)), Err(again));
    assert_eq!(take(&passed(1)), Err(again));
    take(&[4, 1]).unwrap();
    assert_eq!(take(&passed(2)), Err(ReportError::AfterEnd));
    assert_eq!(judge.take(2, &passed(1), 5), Err(ReportError::Shard { shard: 2 }));
}

proptest! {
    /// Whatever comes over the network, random or a report with some bytes changed, is taken or refused, and what
    /// was taken can be judged.
    #[test]
    fn any_bytes_are_a_report_or_an_error(
        random in proptest::collection::vec(
            (1..6_u8, proptest::collection::vec(any::<u8>(), 0..80)), 0..20),
        changes in proptest::collection::vec((0..200_usize, 0..40_usize, any::<u8>()), 0..20),
    ) {
        let (scenario, reports) = two_shards(6);
        let [mut own, mut others] = <[Vec<Vec<u8>>; 2]>::try_from(reports).unwrap();
        for (report, place, byte) in changes {
            let index = report % others.len();
            let report = &mut others[index];
            let place = place % report.len();
            report[place] = byte;
        }
        others.extend(random.into_iter().map(|(kind, rest)| [&[kind], &rest[..]].concat()));
        let mut judge = ShardJudge::new(&scenario, 2).unwrap();
        for report in others {
            let _ = judge.take(1, &report, END_S);
        }
        judge.lost(1);
        own.drain(..).for_each(|report| judge.take(0, &report, END_S).unwrap());
        prop_assert!(judge.stop().told.is_none_or(|(_, second)| second <= END_S));
    }
}
