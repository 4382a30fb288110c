//! Figures against worlds whose truth is known: exactly where the world is made of constants, by formula
//! if it is not. Rows of a test of accuracy on real sockets, in a world without noise.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use support::{Ran, run_spec, spec};
use z6_events::{Actor, Tick};
use z6_metrics::LatencyStats;
use z6_scenario::simulation::FaultKind;
use z6_sim::{CheckLevel, TruthAnswer, TruthRequest};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// A run whose checkers have nothing to say, and where the server has received what was written.
fn run(text: &str, seed: u64, settings: &[(&str, &str)]) -> Ran {
    let mut spec = spec(text, seed, settings);
    spec.checks = CheckLevel::End;
    let ran = run_spec(&spec);
    assert_eq!(ran.violations, [""; 0]);
    let requests = &ran.metrics.requests;
    assert_eq!(requests.planned, requests.sent + requests.never_sent);
    assert_eq!(requests.sent, requests.succeeded + requests.failed + requests.in_flight_at_stop);
    assert!(ran.truth.responses() <= ran.truth.requests());
    assert!(ran.truth.requests() <= requests.on_wire);
    ran
}

/// Arrivals at a constant rate, in a world where only the server takes time.
fn rate(per_second: u64, seconds: u64, seed: u64, settings: &[(&str, &str)]) -> Ran {
    let text = format!(
        "runtime = {{ duration_seconds = {seconds}, graceful_stop_seconds = 30 }}\n\
         target = {{ base_url = 'http://a', max_connections = 20000, request_id_header = 'Z6-Id' }}\n\
         requests = [{{ name = 'a', path = '/', timeout_ms = 60000 }}]\n\
         schedule = {{ type = 'rate', per_second = {per_second}, max_in_flight = 20000 }}"
    );
    let calm = [("connect", "0"), ("latency", "0")];
    run(&text, seed, &[&calm, settings].concat())
}

/// Response times of arrivals of one step, sorted: from the plan's instant to the one at which the driver's
/// clock had read what the server sent.
fn true_response_ns(ran: &Ran, counts: impl Fn(&TruthAnswer) -> bool) -> Vec<u64> {
    let planned: BTreeMap<Actor, Tick> =
        ran.plan.arrival_ticks().map(|arrival| (arrival.actor, arrival.at)).collect();
    let read = |request: &TruthRequest| {
        let answer = request.answer.as_ref().filter(|answer| counts(answer))?;
        Some(answer.read?.since(planned[&Actor(request.id?.actor)]))
    };
    let mut times: Vec<u64> = ran.truth.list.iter().filter_map(read).collect();
    times.sort_unstable();
    times
}

/// The smallest value that at least this share, in ten-thousandths, does not exceed.
fn naive(sorted: &[u64], ten_thousandths: usize) -> u64 {
    sorted[(sorted.len() * ten_thousandths).div_ceil(10_000) - 1]
}

#[track_caller]
fn assert_near(figure: Option<u64>, truth: u64, share: f64) {
    let off = figure.unwrap() as f64 / truth as f64 - 1.0;
    assert!(off.abs() <= share, "{figure:?} ns, {truth} ns in truth: off by {off:.4}");
}

/// Everything took exactly so long.
#[track_caller]
fn assert_all(stats: &LatencyStats, ns: u64) {
    assert_eq!((stats.min, stats.mean, stats.max), (Some(ns), Some(ns), Some(ns)));
    assert_eq!(stats.stddev, Some(0));
    assert!(stats.p50.unwrap() >= ns && stats.p9999.unwrap() <= ns + ns / 1_000);
}

/// A1; and D/D/1 below its capacity, where no request waits.
#[test]
fn constant_delays_are_exact() {
    for (delay_ms, per_second) in [(0, 1_000), (1, 100), (1, 900), (10, 1_000), (50, 500)] {
        let service = format!("{delay_ms}ms");
        let ran = rate(per_second, 2, 1, &[("service", &service)]);
        assert_eq!(ran.metrics.requests.succeeded, 2 * per_second);
        assert_all(&ran.metrics.latency.response_ns, delay_ms * MS);
        assert_all(&ran.metrics.latency.service_ns, delay_ms * MS);
        if delay_ms * per_second < 1_000 {
            let one = rate(per_second, 2, 1, &[("service", &service), ("servers", "1")]);
            assert_all(&one.metrics.latency.response_ns, delay_ms * MS);
        }
    }
}

/// The time until a connection is ready belongs to the response, not to the service; latency counts
/// twice.
#[test]
fn connecting_and_latency_are_exact() {
    let text = "runtime = { vus = 1, iterations = 2 }\ntarget.base_url = 'http://a'\n\
                requests = [{ name = 'a', path = '/' }]";
    let world = [("connect", "7ms"), ("latency", "2ms"), ("service", "3ms")];
    let latency = run(text, 1, &world).metrics.latency;
    assert_eq!((latency.response_ns.max, latency.response_ns.min), (Some(14 * MS), Some(7 * MS)));
    assert_all(&latency.service_ns, 7 * MS);
    assert_all(&latency.first_byte_ns, 7 * MS);
    assert_all(&latency.connect_ns, 7 * MS);
}

/// A2 and A20: rank for rank what a sort of the server's own list gives.
#[test]
fn two_modes_and_exponential_delays_have_their_quantiles() {
    for service in ["bimodal:1ms,100ms,0.01", "exponential:5ms"] {
        let ran = rate(500, 40, 3, &[("service", service)]);
        let (times, figures) = (true_response_ns(&ran, |_| true), &ran.metrics.latency.response_ns);
        assert_eq!(times.len() as u64, figures.count);
        let quantiles = [
            (5_000, figures.p50),
            (7_500, figures.p75),
            (9_000, figures.p90),
            (9_500, figures.p95),
            (9_900, figures.p99),
            (9_990, figures.p999),
            (9_999, figures.p9999),
        ];
        for (ten_thousandths, figure) in quantiles {
            let truth = naive(&times, ten_thousandths);
            assert!(figure.unwrap() >= truth && figure.unwrap() <= truth + truth / 1_000 + 1);
        }
        if service.starts_with('b') {
            assert_near(figures.p90, MS, 0.001);
            assert_near(figures.p999, 100 * MS, 0.001);
        } else {
            // -ln(1 - q) of the mean; 20,000 draws leave p99 a standard error of 1.5 %.
            assert_near(figures.p50, 3_465_736, 0.03);
            assert_near(figures.p99, 23_025_851, 0.05);
        }
    }
}

/// A server of one place that clears 100,000 requests per second, but takes `stall` for as many as
/// `stalls`.
struct Stalled {
    per_second: u64,
    seconds: u64,
    stall_ns: u64,
    stalls: u64,
    base_ns: u64,
}

impl Stalled {
    /// The run of the first seed with so many stalls, none of them in another's queue or cut off by
    /// the end.
    fn run(&self) -> Ran {
        let requests = self.per_second * self.seconds;
        let share = format!("{:.6}", self.stalls as f64 / requests as f64);
        let service = format!("bimodal:10us,{}ns,{share}", self.stall_ns);
        let latency = format!("{}ns", self.base_ns / 2);
        let world = [("service", &*service), ("servers", "1"), ("latency", &*latency)];
        let mut runs = (0..200).map(|seed| rate(self.per_second, self.seconds, seed, &world));
        runs.find(|ran| self.is_apart(ran)).unwrap()
    }

    fn is_apart(&self, ran: &Ran) -> bool {
        let sent: Vec<u64> = ran
            .truth
            .list
            .iter()
            .filter_map(|request| Some(request.answer.as_ref()?.sent.0))
            .collect();
        let is_stall = |pair: &&[u64]| pair[1] - pair[0] >= self.stall_ns * 9 / 10;
        let ends: Vec<u64> = sent.windows(2).filter(is_stall).map(|pair| pair[1]).collect();
        let queue_ns = self.stall_ns / 10;
        let apart = ends.windows(2).all(|pair| pair[1] - pair[0] > self.stall_ns + queue_ns);
        let last_ns = self.seconds * SECOND - queue_ns;
        ends.len() as u64 == self.stalls && apart && ends.iter().all(|end| *end < last_ns)
    }

    /// Quantile of the response times: of the share f of requests that are hit, waits are spread
    /// evenly from the stall's length down to nothing.
    fn quantile_ns(&self, quantile: f64) -> u64 {
        let (rate, capacity) = (self.per_second as f64, 1e5);
        let stalled_seconds = (self.stalls * self.stall_ns) as f64 / 1e9;
        let hit = stalled_seconds / self.seconds as f64 / (1.0 - rate / capacity);
        let share = (1.0 - quantile) / hit;
        self.base_ns + (self.stall_ns as f64 * (1.0 - share).max(0.0)) as u64
    }
}

/// A3.
#[test]
fn one_stall_of_a_second_has_its_quantiles() {
    let world =
        Stalled { per_second: 1_000, seconds: 60, stall_ns: SECOND, stalls: 1, base_ns: 10 * MS };
    let response = world.run().metrics.latency.response_ns;
    assert!((410 * MS..420 * MS).contains(&world.quantile_ns(0.99)));
    assert_near(response.p99, world.quantile_ns(0.99), 0.005);
    assert_near(response.p999, world.quantile_ns(0.999), 0.005);
    assert_near(response.p50, 10 * MS, 0.005);
}

/// A4.
#[test]
fn six_stalls_have_their_quantiles() {
    let world =
        Stalled { per_second: 1_000, seconds: 60, stall_ns: 200 * MS, stalls: 6, base_ns: 10 * MS };
    let response = world.run().metrics.latency.response_ns;
    assert!((110 * MS..120 * MS).contains(&world.quantile_ns(0.99)));
    assert_near(response.p99, world.quantile_ns(0.99), 0.01);
    assert_near(response.p999, world.quantile_ns(0.999), 0.01);
}

/// A5: a second of ten.
#[test]
fn a_tenth_of_the_run_stalled_has_its_quantiles() {
    let world =
        Stalled { per_second: 2_000, seconds: 10, stall_ns: SECOND, stalls: 1, base_ns: MS };
    let response = world.run().metrics.latency.response_ns;
    assert!(response.p90.unwrap() <= 60 * MS);
    assert_near(response.p95, world.quantile_ns(0.95), 0.005);
    assert_near(response.p99, world.quantile_ns(0.99), 0.005);
    assert_near(response.p999, world.quantile_ns(0.999), 0.005);
}

/// A6: ten seconds of sixty, with a hundred connections: who waits for one is counted as well.
#[test]
fn an_outage_is_seen_by_those_who_wait_for_a_connection() {
    let world =
        Stalled { per_second: 500, seconds: 60, stall_ns: 10 * SECOND, stalls: 1, base_ns: MS };
    let text = "runtime = { duration_seconds = 60, graceful_stop_seconds = 30 }\n\
         target = { base_url = 'http://a', max_connections = 100 }\n\
         requests = [{ name = 'a', path = '/', timeout_ms = 30000 }]\n\
         schedule = { type = 'rate', per_second = 500, max_in_flight = 20000 }";
    let settings = [
        ("connect", "0"),
        ("latency", "500us"),
        ("servers", "1"),
        ("service", "bimodal:10us,10s,0.000033"),
    ];
    let ran = (0..200).map(|seed| run(text, seed, &settings)).find(|ran| world.is_apart(ran));
    let ran = ran.unwrap();
    assert_eq!(ran.metrics.requests.succeeded, 30_000);
    let response = &ran.metrics.latency.response_ns;
    // A hundred connections with a round trip of 1 ms clear the queue at 100,000 per second less that.
    assert_near(response.p90, world.quantile_ns(0.9), 0.02);
    assert_near(response.p95, world.quantile_ns(0.95), 0.02);
    assert_near(response.p99, world.quantile_ns(0.99), 0.02);
    assert!(ran.metrics.latency.service_ns.p90.unwrap() < 2 * MS);
}

/// A7: from some request on nothing is answered. Who was due more than the timeout before the end of
/// the grace period has timed out then, the others are in flight.
#[test]
fn a_stall_without_end_leaves_every_request_with_its_outcome() {
    let text = "runtime = { duration_seconds = 5, graceful_stop_seconds = 0.505 }\n\
         target = { base_url = 'http://a', max_connections = 2000 }\n\
         requests = [{ name = 'a', path = '/', timeout_ms = 1000 }]\n\
         schedule = { type = 'rate', per_second = 100 }";
    let settings = [
        ("connect", "0"),
        ("latency", "0"),
        ("servers", "1"),
        ("service", "bimodal:1ms,3600s,0.005"),
    ];
    let stalls = |ran: &Ran| (100..400).contains(&ran.metrics.requests.succeeded);
    let ran = (0..100).map(|seed| run(text, seed, &settings)).find(stalls).unwrap();
    let requests = &ran.metrics.requests;
    // Arrival n is due at n / 100 s; the last that can time out is due by 4.505 s.
    assert_eq!((requests.planned, requests.never_sent), (500, 0));
    assert_eq!(requests.succeeded + requests.failed, 451);
    assert_eq!(requests.in_flight_at_stop, 49);
    assert_eq!(ran.metrics.errors.by_kind.get("request_timeout"), Some(&requests.failed));
    let response = &ran.metrics.latency.response_ns;
    assert_eq!(response.censored, requests.failed + requests.in_flight_at_stop);
    assert_eq!(response.count, ran.truth.responses());
    assert!(response.lower_bounds.contains(&"p99"));
}

/// A8, and D/D/1 above its capacity: arrival n waits for n services, less the time it came later.
#[test]
fn overload_is_a_straight_line() {
    let ran = rate(1_000, 4, 1, &[("service", "2ms"), ("servers", "1")]);
    let truth: Vec<u64> = (0..4_000).map(|n| 2 * MS + n * MS).collect();
    assert_eq!(true_response_ns(&ran, |_| true), truth);
    let response = &ran.metrics.latency.response_ns;
    assert_eq!((response.min, response.max), (truth.first().copied(), truth.last().copied()));
    assert_eq!(response.mean, Some(2 * MS + 3_999 * MS / 2));
    assert_near(response.p99, naive(&truth, 9_900), 0.001);
}

/// A11, first half: the server says when it closes, and nothing fails.
#[test]
fn a_server_that_announces_its_closing_fails_nothing() {
    let text = "runtime = { vus = 3, iterations = 70 }\ntarget.base_url = 'http://a'\n\
                requests = [{ name = 'a', path = '/' }]";
    let ran = run(text, 1, &[("keep_alive_requests", "7")]);
    assert_eq!((ran.metrics.requests.succeeded, ran.metrics.requests.failed), (210, 0));
    assert_eq!(ran.metrics.connections.opened, 30);
    assert_eq!(ran.truth.requests(), 210);
}

/// A11, second half: the server closes 200 ms after its answer; 201 ms after it the client would know, and
/// 200.5 ms after it the client asks again. So every second request meets a closed connection.
#[test]
fn requests_that_cross_the_closing_are_stale() {
    let text = "runtime = { vus = 1, iterations = 100 }\ntarget.base_url = 'http://a'\n\
                think_time = { type = 'constant', duration_ms = 199.5 }\n\
                requests = [{ name = 'a', path = '/' }]";
    let ran = run(text, 1, &[("latency", "1ms"), ("keep_alive_idle", "200ms")]);
    let requests = &ran.metrics.requests;
    assert_eq!((requests.succeeded, requests.failed), (50, 50));
    assert_eq!(ran.metrics.errors.by_kind.get("stale_connection"), Some(&50));
    assert_eq!((ran.truth.requests(), requests.on_wire), (50, 100));
}

/// The same with a server that closes so early that its connections were in use a moment before.
#[test]
fn connections_closed_just_after_an_answer_are_not_stale() {
    let text = "runtime = { vus = 1, iterations = 100 }\ntarget.base_url = 'http://a'\n\
                think_time = { type = 'constant', duration_ms = 9.5 }\n\
                requests = [{ name = 'a', path = '/' }]";
    let ran = run(text, 1, &[("latency", "1ms"), ("keep_alive_idle", "10ms")]);
    assert_eq!(ran.metrics.errors.by_kind.get("closed_before_response"), Some(&50));
    let example = ran.metrics.errors.examples.get("closed_before_response").unwrap();
    let words = "closed before the first byte, on a connection in use until 9.50 ms before";
    assert!(example.ends_with(words), "{example}");
}

/// A14.
#[test]
fn what_is_never_answered_times_out_and_is_a_bound() {
    let world = [("service", "1ms"), ("fault.no_answer", "0.01")];
    let text = "runtime = { duration_seconds = 20, graceful_stop_seconds = 2 }\n\
         target = { base_url = 'http://a', max_connections = 2000 }\n\
         requests = [{ name = 'a', path = '/', timeout_ms = 500 }]\n\
         schedule = { type = 'rate', per_second = 500 }";
    let ran = run(text, 4, &[&[("connect", "0"), ("latency", "0")], &world[..]].concat());
    let lost = ran.injected.get(FaultKind::NoAnswer);
    assert!((60..140).contains(&lost), "{lost} of 10,000");
    let (requests, response) = (&ran.metrics.requests, &ran.metrics.latency.response_ns);
    assert_eq!((requests.failed, requests.succeeded), (lost, 10_000 - lost));
    assert_eq!(ran.metrics.errors.by_kind.get("request_timeout"), Some(&lost));
    assert_eq!((response.censored, response.max), (lost, Some(500 * MS)));
    assert!(response.lower_bounds.contains(&"p999") && response.p999.unwrap() >= 500 * MS);
    assert_near(response.p95, MS, 0.001);
}

/// A17: answers that are no success leave the latency of successes alone.
#[test]
fn failed_answers_are_kept_apart() {
    let world = [("service", "uniform:1ms..9ms"), ("statuses", "503=0.3")];
    let ran = rate(500, 10, 6, &world);
    let times =
        |is_success: bool| true_response_ns(&ran, |answer| (answer.status == 200) == is_success);
    let latency = &ran.metrics.latency;
    for (figures, times) in
        [(&latency.response_ns, times(true)), (&latency.failed_response_ns, times(false))]
    {
        assert_eq!(figures.count, times.len() as u64);
        assert_eq!((figures.min, figures.max), (times.first().copied(), times.last().copied()));
        let sum: u64 = times.iter().sum();
        assert_near(figures.mean, sum / times.len() as u64, 0.000_001);
        assert_near(figures.p99, naive(&times, 9_900), 0.001);
    }
    let share = ran.metrics.requests.failed as f64 / 5_000.0;
    assert!((0.27..0.33).contains(&share), "{share}");
}

/// Response times of M/M/1 are exponential with mean s / (1 - rho): half are below mean ln 2, one in a
/// hundred is above mean ln 100 (Kleinrock, *Queueing Systems* 1, 1975, 5.5).
#[test]
fn response_times_of_one_server_are_exponential() {
    let text = "runtime = { duration_seconds = 300 }\n\
         target = { base_url = 'http://a', max_connections = 2000 }\n\
         requests = [{ name = 'a', path = '/' }]\n\
         schedule = { type = 'rate', per_second = 500, arrivals = 'poisson' }";
    let settings =
        [("connect", "0"), ("latency", "0"), ("servers", "1"), ("service", "exponential:1ms")];
    let mut spec = spec(text, 1, &settings);
    spec.checks = CheckLevel::Off;
    let response = run_spec(&spec).metrics.latency.response_ns;
    assert_near(response.mean, 2 * MS, 0.02);
    assert_near(response.p50, 1_386_294, 0.03);
    assert_near(response.p90, 4_605_170, 0.03);
    assert_near(response.p99, 9_210_340, 0.05);
}
