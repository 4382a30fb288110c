//! Each doubt, and the verdict that follows.

use std::sync::LazyLock;

use super::*;

static NO_WAITING: LazyLock<LatencyStats> = LazyLock::new(LatencyStats::default);

fn clean(loop_lag: &LatencyStats) -> Evidence<'_> {
    Evidence {
        read_lag_p99_ns: Some(1_000_000),
        resent: (9, 10),
        offered: Some((1_000, 990)),
        failed: 50,
        ended: 100,
        cpu_fraction: Some(0.5),
        samples: 100,
        quantiles_asked: vec![Quantile::P99],
        ..Evidence::of_nothing(loop_lag, &NO_WAITING)
    }
}

fn kinds(evidence: &Evidence<'_>) -> (Vec<&'static str>, Verdict) {
    let doubts = doubts(evidence);
    (doubts.iter().map(Doubt::kind).collect(), verdict(&doubts))
}

#[test]
fn clean_evidence_raises_no_doubt() {
    let lag = LatencyStats { p99: Some(1_000_000), max: Some(9_000_000), ..Default::default() };
    assert_eq!(kinds(&clean(&lag)), (vec![], Verdict::Trustworthy));
}

#[test]
fn each_doubt_is_raised_by_its_own_evidence_and_no_other() {
    use Verdict::{Degraded, Trustworthy};
    type Change = fn(&mut Evidence<'_>);
    let cases: [(Change, &str, Verdict); 22] = [
        (|e| e.read_lag_p99_ns = Some(1_000_001), "late_reads", Degraded),
        (|e| e.window_stalls = (1, 5), "window_stall", Trustworthy),
        (|e| e.calmed = 1, "calmed", Trustworthy),
        (|e| e.resent = (10, 1_000), "resent", Trustworthy),
        (|e| e.offered = Some((1_000, 989)), "rate_missed", Degraded),
        (|e| e.syn_retries = 1, "syn_retries", Trustworthy),
        (|e| e.failed = 51, "errors_dominate", Trustworthy),
        (|e| e.loop_pass_max_ns = 100_000_001, "loop_stall", Degraded),
        (|e| e.log_stall_ns = 1, "log_back_pressure", Degraded),
        (|e| e.cpu_fraction = Some(0.91), "generator_busy", Degraded),
        (|e| e.never_sent_max_in_flight = 1, "max_in_flight", Degraded),
        (|e| e.never_sent_run_ended = 1, "unsent_at_end", Trustworthy),
        (|e| e.never_sent_missing_value = 1, "missing_values", Trustworthy),
        (|e| e.out_of_ports = 1, "out_of_ports", Degraded),
        (|e| e.out_of_descriptors = 1, "out_of_descriptors", Degraded),
        (|e| e.out_of_memory = 1, "out_of_memory", Degraded),
        (|e| e.wall_step_max_ns = 10_000_001, "wall_clock_step", Trustworthy),
        (|e| e.samples = 99, "too_few_samples", Trustworthy),
        (|e| e.folded = 1, "histograms_folded", Trustworthy),
        (|e| e.out_of_range = 1, "values_out_of_range", Trustworthy),
        (|e| e.lag_forgotten = 1, "lag_forgotten", Trustworthy),
        (|e| e.torn = true, "torn_log", Degraded),
    ];
    let lag = LatencyStats::default();
    for (change, kind, verdict) in cases {
        let mut evidence = clean(&lag);
        change(&mut evidence);
        assert_eq!(kinds(&evidence), (vec![kind], verdict));
    }
}

#[test]
fn waiting_says_what_was_waited_for() {
    let (lag, mut waiting) = (LatencyStats::default(), LatencyStats::default());
    waiting.p99 = Some(1_000_001);
    let mut evidence = Evidence { waiting: &waiting, ..clean(&lag) };
    assert_eq!(kinds(&evidence), (vec!["slow_connects"], Verdict::Trustworthy));
    evidence.connection_limit = Some(100);
    assert_eq!(kinds(&evidence), (vec!["connection_limit"], Verdict::Trustworthy));
    evidence.stream_limit = Some(10);
    assert_eq!(kinds(&evidence), (vec!["stream_limit"], Verdict::Trustworthy));
    waiting.p99 = Some(1_000_000);
    let evidence = Evidence {
        waiting: &waiting,
        connection_limit: Some(1),
        stream_limit: Some(1),
        ..clean(&lag)
    };
    assert_eq!(kinds(&evidence).0, Vec::<&str>::new(), "a limit at which nothing waits");
}

#[test]
fn a_few_requests_less_are_no_missed_rate() {
    let lag = LatencyStats::default();
    let mut evidence = clean(&lag);
    for (offered, raised) in
        [(Some((20, 11)), false), (Some((20, 10)), true), (Some((0, 0)), false), (None, false)]
    {
        evidence.offered = offered;
        assert_eq!(kinds(&evidence).0.contains(&"rate_missed"), raised, "{offered:?}");
    }
    // More sent than planned: what the warm-up planned and the measured part sent.
    evidence.offered = Some((10, 400));
    assert_eq!(kinds(&evidence).0, Vec::<&str>::new());
}

#[test]
fn late_sends_are_judged_by_loop_lag() {
    let lag = LatencyStats { p99: Some(1_000_001), ..Default::default() };
    assert_eq!(kinds(&clean(&lag)), (vec!["late_sends"], Verdict::Degraded));
    let lag = LatencyStats { max: Some(100_000_001), ..Default::default() };
    assert_eq!(kinds(&clean(&lag)), (vec!["loop_stall"], Verdict::Degraded));
}

#[test]
fn a_busy_generator_is_normal_in_a_closed_model_without_think_time() {
    let lag = LatencyStats::default();
    let mut evidence = clean(&lag);
    evidence.cpu_fraction = Some(1.0);
    evidence.generator_sets_rate = true;
    assert_eq!(kinds(&evidence), (vec!["generator_bound"], Verdict::Trustworthy));
}

#[test]
fn doubts_that_degrade_come_first() {
    let lag = LatencyStats::default();
    let mut evidence = clean(&lag);
    evidence.wall_step_max_ns = u64::MAX;
    evidence.out_of_memory = 3;
    assert_eq!(kinds(&evidence).0, ["out_of_memory", "wall_clock_step"]);
}

#[test]
fn samples_needed_are_one_over_the_tail() {
    let needed = Quantile::ALL.map(samples_needed);
    assert_eq!(needed, [2, 4, 10, 20, 100, 1_000, 10_000]);
}
