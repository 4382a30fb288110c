//! Each rule of docs/MEASUREMENT.md by name, on the smallest run that shows it.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use z6_events::{
    Actor, Cause, CloseCause, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Irregularities,
    Irregularity, NeverSentReason, NextHop, PlannedRequest, Population, Response, Sample, Step,
    StopReason, StoppedBy, TargetId, Tick,
};
use z6_metrics::{AssertionValue, EndFacts, Metrics, Verdict};

fn kinds(metrics: &Metrics) -> Vec<&'static str> {
    metrics.generator.doubts.iter().map(z6_metrics::Doubt::kind).collect()
}

#[test]
fn response_time_runs_from_planned_and_service_time_from_sent() {
    let mut script = Script::new();
    script.sent(0, 100, 300).add(0, 1_100, done_event(0, 700, 200, None)).end(3 * S);
    let metrics = script.metrics(&plain());
    assert_eq!(metrics.latency.response_ns.max, Some(1_000));
    assert_eq!(metrics.latency.service_ns.max, Some(800));
    assert_eq!(metrics.latency.first_byte_ns.max, Some(400));
    assert_eq!(metrics.generator.lateness_ns.max, Some(200));
}

#[test]
fn requests_without_an_answer_are_bounds_at_the_instant_they_were_given_up() {
    let mut script = Script::new();
    script.sent(0, 0, 100).add(0, 2_100, timed_out(0));
    script.sent(0, 2_100, 2_200).add(0, 9_000, in_flight(0));
    script.never_sent(3_000, 9_500).end(3 * S);
    let metrics = script.metrics(&plain());
    let response = &metrics.latency.response_ns;
    assert_eq!((response.count, response.censored), (0, 3));
    assert_eq!((response.min, response.max), (Some(2_100), Some(6_900)));
    assert_eq!((response.mean, response.stddev), (None, None));
    let service = &metrics.latency.service_ns;
    assert_eq!((service.count, service.censored), (0, 2));
    assert_eq!((service.min, service.max), (Some(2_000), Some(6_800)));
    let all = ["min", "max", "p50", "p75", "p90", "p95", "p99", "p999", "p9999"];
    assert_eq!(response.lower_bounds, all);
    assert_eq!(metrics.latency.failed_response_ns.count, 0);
    assert_eq!(metrics.latency.first_byte_ns.censored, 0);
}

#[test]
fn a_request_that_lacked_something_has_no_response_time() {
    let mut script = Script::new();
    script.success(0, 0, 10);
    for reason in [NeverSentReason::DataExhausted, NeverSentReason::MissingValue] {
        script.never_sent_for(20, 20, reason);
    }
    let metrics = script.end(3 * S).metrics(&plain());
    let response = &metrics.latency.response_ns;
    assert_eq!((response.count, response.censored, response.min), (1, 0, Some(10)));
    assert_eq!((metrics.requests.planned, metrics.requests.never_sent), (3, 2));
    let lacked = [(NeverSentReason::DataExhausted, 1), (NeverSentReason::MissingValue, 1)];
    assert_eq!(metrics.requests.never_sent_for_lack.0, lacked);
}

/// An iteration of three steps of one request after a `start` of one.
fn journey() -> z6_scenario::Scenario {
    scenario(
        "[runtime]\nduration_seconds = 3\nvus = 2\n\
         [[sequences]]\nname = 'in'\nsteps = [{ request = 'get' }]\n\
         [sequence]\nstart = 'in'\nsteps = [{ request = 'get', repeat = 3 }]\n",
    )
}

#[test]
fn iterations_that_sent_nothing_are_counted_for_vus() {
    let mut script = Script::new();
    let (refused, lack) = (ErrorKind::ConnectionRefused, NeverSentReason::MissingValue);
    script.vu_started(0).not_on_wire(0, 1, refused); // start
    script.not_on_wire(1, 2, refused).not_on_wire(2, 3, refused).never_sent_for(3, 3, lack);
    script.not_on_wire(4, 5, refused).success(6, 6, 7).never_sent_for(8, 8, lack); // sent something
    script.success(9, 9, 10).not_on_wire(11, 12, refused).never_sent(12, 13); // as well
    script.never_sent(14, 15); // the run has ended
    let metrics = script.clone().end(3 * S).metrics(&journey());
    assert_eq!(metrics.requests.empty_iterations, 1);
    let json = z6_metrics::report::json_document(&metrics);
    assert!(json.contains("\"empty_iterations\": 1"), "{json}");
    // An arrival has no VU; requests of fixed bytes in a plain order have no such pause.
    let mut arrival = Script::new();
    arrival.not_on_wire(0, 1, refused).not_on_wire(1, 2, refused).end(3 * S);
    assert_eq!(arrival.metrics(&journey()).requests.empty_iterations, 0);
    let plain = script.end(3 * S).metrics(&plain());
    assert_eq!(plain.requests.empty_iterations, 0);
    assert!(!z6_metrics::report::json_document(&plain).contains("empty_iterations"));
}

#[test]
fn iterations_without_a_request_are_counted_by_their_conditions() {
    let vus = scenario(
        "[runtime]\nduration_seconds = 3\nvus = 1\n\
         [sequence]\nsteps = [{ request = 'get', if = 'vu > 1' }, { request = 'get', while = 'vu > 2', max = 2 }]\n",
    );
    let branch = |actor, step, holds| Event::Branch {
        population: Population(0),
        actor: Actor(actor),
        step: Step(step),
        holds,
    };
    let mut script = Script::new();
    let at_step = |step| PlannedRequest { step: Step(step), ..Script::new().request(0, 0, 3) };
    script.vu_started(0);
    script.add(0, 1, branch(0, 0, false)).add(0, 1, branch(0, 1, false)); // nothing: counted
    script.add(0, 2, branch(0, 3, false)).add(0, 2, branch(0, 4, true));
    script.add(0, 3, sent_event(0, at_step(4))).done(0, 4);
    script.add(0, 5, branch(0, 5, false)); // sent something
    let cause = Cause { error: ErrorKind::ConnectionRefused, detail: 0 };
    script.add(0, 6, branch(0, 6, true));
    script.add(0, 7, Event::NotOnWire { request: at_step(6), cause });
    script.add(0, 7, branch(0, 7, false)); // counted once
    script.add(0, 8, branch(0, 9, false)); // the run ends before it is through
    let metrics = script.end(3 * S).metrics(&vus);
    assert_eq!(metrics.requests.empty_iterations, 2);
    let arrivals = scenario(
        "[runtime]\nduration_seconds = 3\n[schedule]\ntype = 'rate'\nper_second = 1\n\
         [sequence]\nsteps = [{ request = 'get', if = 'vu > 1' }, { request = 'get', if = 'vu > 2' }]\n",
    );
    let mut script = Script::new();
    script.add(0, 1, branch(0, 0, false)).add(0, 1, branch(1, 0, true));
    script.add(0, 1, branch(0, 1, false)).add(0, 1, branch(1, 1, false));
    assert_eq!(script.end(3 * S).metrics(&arrivals).requests.empty_iterations, 1);
}

#[test]
fn failures_with_an_outcome_are_in_failed_response_only() {
    let mut script = Script::new();
    let status = Some(ErrorKind::Status5xx);
    script.sent(0, 0, 100).add(0, 1_000, done_event(0, 900, 503, status));
    script.sent(0, 0, 1_100).add(0, 2_000, failed_event(0, ErrorKind::ConnectionReset));
    script.not_on_wire(0, 3_000, ErrorKind::ConnectionRefused).end(3 * S);
    let metrics = script.metrics(&plain());
    let failed = &metrics.latency.failed_response_ns;
    assert_eq!((failed.count, failed.min, failed.max), (3, Some(1_000), Some(3_000)));
    assert_eq!(metrics.latency.response_ns.count + metrics.latency.response_ns.censored, 0);
    assert_eq!(metrics.latency.service_ns.count + metrics.latency.service_ns.censored, 0);
    assert_eq!(metrics.latency.first_byte_ns.count, 0);
}

#[test]
fn each_failed_request_has_one_kind_in_the_order_of_codes() {
    let mut script = Script::new();
    for kind in [ErrorKind::Status4xx, ErrorKind::StaleConnection, ErrorKind::StaleConnection] {
        script.not_on_wire(0, 1, kind);
    }
    let metrics = script.end(3 * S).metrics(&plain());
    assert_eq!(metrics.errors.total, 3);
    let expected = [(ErrorKind::StaleConnection, 2), (ErrorKind::Status4xx, 1)];
    assert_eq!(metrics.errors.by_kind.0, expected);
}

#[test]
fn a_request_not_on_the_wire_counts_as_sent_and_failed() {
    let mut script = Script::new();
    script.success(0, 0, 10).not_on_wire(0, 20, ErrorKind::ConnectionRefused).end(3 * S);
    let requests = script.metrics(&plain()).requests;
    assert_eq!((requests.planned, requests.sent, requests.on_wire), (2, 2, 1));
    assert_eq!((requests.exchanges, requests.succeeded, requests.failed), (1, 1, 1));
}

#[test]
fn an_exchange_that_failed_before_it_was_sent_counts_once() {
    let mut script = Script::new();
    script.add(0, 20, failed_event(5, ErrorKind::ConnectionReset));
    script.not_on_wire(0, 20, ErrorKind::ConnectionReset).end(3 * S);
    let metrics = script.metrics(&plain());
    assert_eq!((metrics.requests.sent, metrics.requests.failed), (1, 1));
    assert_eq!(metrics.errors.by_kind.get(ErrorKind::ConnectionReset), Some(&1));
}

#[test]
fn warm_up_requests_count_but_their_latencies_do_not() {
    let scenario = scenario("[runtime]\nduration_seconds = 3\nwarmup_seconds = 1\n");
    let mut script = Script::new();
    script.success(0, 0, 900 * MS).success(S - 1, S - 1, S + 50).success(S, S + 50, S + 57);
    script.sent(0, 10, S + 60).add(0, 2 * S, failed_event(0, ErrorKind::ConnectionReset));
    let metrics = script.end(3 * S).metrics(&scenario);
    assert_eq!((metrics.requests.succeeded, metrics.requests.failed), (3, 1));
    assert_eq!((metrics.latency.response_ns.count, metrics.latency.response_ns.max), (1, Some(57)));
    assert_eq!(metrics.latency.failed_response_ns.count, 0);
    assert_eq!(metrics.generator.lateness_ns.count, 1);
    assert_eq!(metrics.requests.by_name.get("get").unwrap().response_ns.count, 1);
    assert_eq!(metrics.requests.by_name.get("get").unwrap().succeeded, 3);
    assert_eq!((metrics.requests.error_rate, metrics.errors.rate), (Some(0.0), Some(0.0)));
    assert_eq!(metrics.errors.total, 1);
    assert_eq!((metrics.throughput.bytes_sent, metrics.throughput.bytes_received), (100, 250));
}

#[test]
fn rates_count_instants_between_warm_up_and_end_tick() {
    let scenario = scenario("[runtime]\nduration_seconds = 3\nwarmup_seconds = 1\n");
    let mut script = Script::new();
    script.success(0, 0, S / 2);
    // Planned in the warm-up, sent and done after it.
    script.sent(0, S - 5, S + 5).done(0, S + 10);
    // Planned and sent inside, done in the grace period.
    script.sent(1, 2 * S, 2 * S).end(3 * S).done(1, 3 * S + 10);
    let throughput = script.metrics(&scenario).throughput;
    assert_eq!(throughput.planned_rps, Some(0.5));
    assert_eq!(throughput.sent_rps, Some(1.0));
    assert_eq!(throughput.completed_rps, Some(0.5));
}

#[test]
fn the_input_that_shows_the_end_is_after_it_does_not_count() {
    // The step that applies an input after the end tick fires the end first, but the input is
    // logged before what the step decided.
    let mut script = Script::new();
    script.sent(0, 0, 0).done(0, 3 * S + 5).end_of(0, 3 * S + 5, 3 * S);
    assert_eq!(script.metrics(&plain()).throughput.completed_rps, Some(0.0));
    let mut script = Script::new();
    script.sent(0, 0, 0).done(0, 3 * S).end_of(0, 3 * S, 3 * S);
    assert_eq!(script.metrics(&plain()).throughput.completed_rps, Some(1.0 / 3.0));
}

#[test]
fn completed_requests_are_those_with_a_complete_response() {
    let mut script = Script::new();
    script.success(0, 0, 10);
    script.sent(0, 0, 20).add(0, 30, done_event(0, 25, 404, Some(ErrorKind::Status4xx)));
    script.sent(0, 0, 40).add(0, 50, timed_out(0));
    script.not_on_wire(0, 60, ErrorKind::ConnectionRefused).end(3 * S);
    let metrics = script.metrics(&plain());
    assert_eq!(metrics.throughput.completed_rps, Some(2.0 / 3.0));
    let statuses = [("200".to_owned(), 1), ("404".to_owned(), 1)];
    assert_eq!(metrics.requests.by_status.0, statuses);
}

#[test]
fn peak_and_min_are_of_full_seconds_in_the_measured_part() {
    let scenario = scenario("[runtime]\nduration_seconds = 3.5\nwarmup_seconds = 0.5\n");
    let mut script = Script::new();
    for (second, count) in [(0, 9), (1, 2), (2, 4), (3, 8)] {
        for n in 0..count {
            let at = second * S + n * MS;
            script.success(at, at, at);
        }
    }
    let throughput = script.end(7 * S / 2).metrics(&scenario).throughput;
    assert_eq!((throughput.peak_rps, throughput.min_rps), (Some(4), Some(2)));
}

#[test]
fn rates_are_null_when_nothing_ended_or_nothing_was_measured() {
    let metrics = Script::new().end(3 * S).metrics(&plain());
    assert_eq!((metrics.requests.success_rate, metrics.requests.error_rate), (None, None));
    assert_eq!(metrics.throughput.completed_rps, Some(0.0));
    let scenario = scenario("[runtime]\nduration_seconds = 3\nwarmup_seconds = 1\n");
    let mut script = Script::new();
    let by = StoppedBy::Interrupt;
    script.success(0, 0, 10).add(0, S / 2, Event::EndReached { by, end: Tick(S / 2) });
    let metrics = script.metrics(&scenario);
    assert_eq!(metrics.throughput.completed_rps, None);
    assert_eq!(metrics.throughput.peak_rps, None);
    assert_eq!(metrics.run.stopped_by, Some(by));
    assert_eq!(metrics.run.duration_seconds, 0.5);
}

#[test]
fn a_row_counts_each_instant_in_its_own_second() {
    let mut script = Script::new();
    script.add(0, 0, vu_started(0)).add(0, 5, connect_started(0)).add(0, 6, connected(0, 5));
    script.sent(0, 10, S + 1).done(0, 2 * S + 1);
    script.add(0, 2 * S + 1, vu_stopped(0)).end(3 * S);
    script.never_sent(2 * S + 5, 3 * S);
    let rows = script.metrics(&plain()).time_series;
    let counts: Vec<_> =
        rows.iter().map(|row| (row.planned, row.sent, row.succeeded, row.failed)).collect();
    assert_eq!(counts, [(1, 0, 0, 0), (0, 1, 0, 0), (1, 0, 1, 0)]);
    let state: Vec<_> = rows.iter().map(|row| (row.active_vus, row.connections)).collect();
    assert_eq!(state, [(1, 1), (1, 1), (0, 1)]);
    assert_eq!((rows[1].p50_ns, rows[2].p50_ns), (None, Some(1_999_999_991)));
}

#[test]
fn grace_seconds_have_rows_and_warm_up_rows_say_so() {
    let scenario = scenario("[runtime]\nduration_seconds = 3\nwarmup_seconds = 1.5\n");
    let mut script = Script::new();
    script.sent(0, S, S).end(3 * S).done(0, 5 * S + 1);
    script.add(0, 7 * S, released(0));
    let rows = script.metrics(&scenario).time_series;
    assert_eq!(rows.len(), 6, "up to the last request, not to the last event");
    let warmup: Vec<bool> = rows.iter().map(|row| row.warmup).collect();
    assert_eq!(warmup, [true, true, false, false, false, false]);
    assert_eq!(rows[5].succeeded, 1);
}

#[test]
fn a_rows_quantiles_are_of_all_successes_done_in_it() {
    let scenario = scenario("[runtime]\nduration_seconds = 2\nwarmup_seconds = 1\n");
    let mut script = Script::new();
    for n in 1..=100 {
        script.sent(0, 200, 200 * n).done(0, 200 * n);
    }
    let rows = script.end(2 * S).metrics(&scenario).time_series;
    assert_eq!((rows[0].p50_ns, rows[0].p99_ns), (Some(9_807), Some(19_615)));
}

#[test]
fn an_assertion_on_a_bound_fails_and_says_so() {
    let scenario =
        scenario("[runtime]\nduration_seconds = 3\n[assertions]\np50_latency_ms = 9000\n");
    let mut script = Script::new();
    script.sent(0, 0, 0).add(0, 2 * S, timed_out(0)).end(3 * S);
    let result = &script.metrics(&scenario).assertions[0];
    assert!(!result.passed);
    assert_eq!(result.actual, AssertionValue::Text(">= 2.00 s (only a lower bound)".into()));
    assert_eq!(result.expected, AssertionValue::Number(9_000.0));
}

#[test]
fn an_assertion_without_samples_fails_and_says_so() {
    let scenario = scenario(
        "[runtime]\nduration_seconds = 3\n[assertions]\np99_latency_ms = 1\nerror_rate_max = 1\n\
         success_rate_min = 0\nstatus_5xx_max_rate = 1\nlateness_p99_ms_max = 1\n",
    );
    let metrics = Script::new().end(3 * S).metrics(&scenario);
    assert_eq!(metrics.assertions.len(), 5);
    for result in &metrics.assertions {
        assert!(!result.passed, "{}", result.name);
        assert_eq!(result.actual, AssertionValue::Text("no samples".into()));
    }
}

#[test]
fn each_assertion_compares_its_own_figure() {
    let text =
        |p50: &str, error: &str, success: &str, rps: &str, s4: &str, s5: &str, late: &str| {
            scenario(&format!(
                "[runtime]\nduration_seconds = 2\n[assertions]\np50_latency_ms = {p50}\n\
             error_rate_max = {error}\nsuccess_rate_min = {success}\nrps_min = {rps}\n\
             status_4xx_max_rate = {s4}\nstatus_5xx_max_rate = {s5}\n\
             lateness_p99_ms_max = {late}\nrequire_trustworthy = true\n"
            ))
        };
    let mut script = Script::new();
    for n in 0..7 {
        script.success(n * MS, n * MS, n * MS + 1_000);
    }
    for (status, kind) in [(404, ErrorKind::Status4xx), (500, ErrorKind::Status5xx)] {
        script.sent(0, 10 * MS, 10 * MS).add(0, 10 * MS, done_event(0, 0, status, Some(kind)));
    }
    script.sent(0, 11 * MS, 11 * MS + 500).add(
        0,
        11 * MS + 500,
        failed_event(0, ErrorKind::ConnectionReset),
    );
    script.end(2 * S);
    let passed = |scenario| -> Vec<bool> {
        script.metrics(&scenario).assertions.iter().map(|result| result.passed).collect()
    };
    let met = text("0.001", "0.3", "0.7", "4.5", "0.12", "0.12", "0.0005");
    assert_eq!(passed(met), [true; 8]);
    let missed = text("0.0009", "0.29", "0.71", "4.6", "0.11", "0.11", "0.0004");
    let mut expected = [false; 8];
    expected[7] = true;
    assert_eq!(passed(missed), expected);
}

#[test]
fn require_trustworthy_fails_on_a_degraded_run() {
    let scenario =
        scenario("[runtime]\nduration_seconds = 3\n[assertions]\nrequire_trustworthy = true\n");
    let mut script = Script::new();
    script.success(0, 0, 10).add(0, 20, Event::LogStalled { waited_ns: 1 }).end(3 * S);
    let metrics = script.metrics(&scenario);
    assert_eq!(metrics.generator.verdict, Verdict::Degraded);
    assert!(!metrics.assertions[0].passed && !metrics.assertions_passed());
    assert_eq!(metrics.assertions[0].actual, AssertionValue::Text("degraded".into()));
}

#[test]
fn loop_lag_is_until_the_first_input_and_waiting_is_the_rest() {
    let mut script = Script::new();
    script.add(0, 1_000, Event::Wake).add(0, 1_300, Event::Wake);
    // Due at 1100, noticed at 1300, sent at 1800.
    script.sent(0, 1_100, 1_800).done(0, 2_000).end(3 * S);
    let generator = script.metrics(&plain()).generator;
    assert_eq!(generator.lateness_ns.max, Some(700));
    assert_eq!(generator.loop_lag_ns.max, Some(200));
    assert_eq!(generator.waiting_ns.max, Some(500));
}

#[test]
fn a_stopped_generator_is_late_and_degraded_while_a_slow_connection_is_not() {
    let mut stopped = Script::new();
    stopped.add(0, 10, Event::Wake).add(0, S, Event::Wake).success(500, S, S + 10).end(3 * S);
    let metrics = stopped.metrics(&plain());
    assert_eq!(kinds(&metrics), ["late_sends", "loop_stall"]);
    assert_eq!(metrics.generator.verdict, Verdict::Degraded);
    let mut waiting = Script::new();
    waiting
        .add(0, 500, Event::Wake)
        .add(0, S, connected(0, 600))
        .success(500, S, S + 10)
        .end(3 * S);
    let metrics = waiting.metrics(&plain());
    assert_eq!(metrics.generator.verdict, Verdict::Trustworthy);
    assert_eq!(metrics.generator.waiting_ns.max, Some(S - 500));
}

#[test]
fn doubts_come_from_the_events_that_cause_them() {
    let sample = |cpu_ns: u64, shift: u64| {
        Event::Sample(Sample {
            thread_cpu_ns: cpu_ns,
            wall_clock_shift_ns: shift,
            ..Sample::default()
        })
    };
    let doubts = |build: &dyn Fn(&mut Script)| {
        let mut script = Script::new();
        build(&mut script);
        let mut found = kinds(&script.end(3 * S).metrics(&plain()));
        // Few of the scripts have a request.
        found.retain(|kind| *kind != "nothing_measured");
        found
    };
    assert!(doubts(&|_| ()).is_empty());
    assert_eq!(kinds(&Script::new().end(3 * S).metrics(&plain())), ["nothing_measured"]);
    assert_eq!(
        doubts(&|s| {
            s.add(0, 1, Event::LogStalled { waited_ns: 5 });
        }),
        ["log_back_pressure"]
    );
    assert_eq!(
        doubts(&|s| {
            s.never_sent(0, 9);
        }),
        ["unsent_at_end"]
    );
    let full = NeverSentReason::MaxInFlight;
    let refuse = |s: &mut Script| {
        let request = s.request(0, 0, 0);
        s.add(0, 9, Event::NeverSent { request, reason: full });
    };
    assert_eq!(doubts(&refuse), ["max_in_flight"]);
    assert_eq!(
        doubts(&|s| {
            s.add(0, S, sample(S, 0));
        }),
        ["generator_bound"]
    );
    assert_eq!(
        doubts(&|s| {
            s.add(0, S, sample(0, S));
        }),
        ["wall_clock_step"]
    );
    let out = ErrorKind::OutOfDescriptors;
    assert_eq!(
        doubts(&|s| {
            s.success(0, 0, 1).not_on_wire(0, 1, out);
        }),
        ["out_of_descriptors"]
    );
    assert_eq!(
        doubts(&|s| {
            s.success(0, 0, 1).not_on_wire(0, 1, ErrorKind::OutOfPorts);
        }),
        ["out_of_ports"]
    );
    assert_eq!(
        doubts(&|s| {
            s.success(0, 0, 1).not_on_wire(0, 1, ErrorKind::OutOfMemory);
        }),
        ["out_of_memory"]
    );
    let mut day = Script::new();
    day.sent(0, 0, 0).end(3 * S).done(0, 26 * 3_600 * S);
    assert_eq!(kinds(&day.metrics(&plain())), ["values_out_of_range"]);
}

#[test]
fn full_cpu_degrades_where_think_time_should_leave_some() {
    let scenario = scenario(
        "[runtime]\nduration_seconds = 3\n[think_time]\ntype = \"constant\"\nduration_ms = 5\n",
    );
    let sample = Sample { thread_cpu_ns: S, spin_ns: S / 20, ..Sample::default() };
    let mut script = Script::new();
    script.add(0, S, Event::Sample(sample)).end(3 * S);
    let metrics = script.metrics(&scenario);
    assert_eq!(metrics.generator.cpu_fraction, Some(0.95));
    assert_eq!(kinds(&metrics), ["generator_busy", "nothing_measured"]);
    assert_eq!(metrics.generator.verdict, Verdict::Degraded);
}

#[test]
fn too_few_samples_for_an_asserted_quantile_is_a_note() {
    let scenario = scenario("[runtime]\nduration_seconds = 3\n[assertions]\np99_latency_ms = 1\n");
    let run = |requests: u64| {
        let mut script = Script::new();
        for n in 0..requests {
            script.success(n, n, n);
        }
        script.end(3 * S).metrics(&scenario)
    };
    assert_eq!(kinds(&run(99)), ["too_few_samples"]);
    assert!(run(99).assertions_passed(), "the note does not decide the assertion");
    assert!(kinds(&run(100)).is_empty());
}

#[test]
fn connections_count_what_befell_them() {
    let mut script = Script::new();
    for slot in 0..4 {
        script.add(0, 10, connect_started(slot));
    }
    for slot in 0..4 {
        script.add(0, 20, connected(slot, 12));
    }
    script.success(30, 30, 40).success(50, 50, 60).success(70, 70, 80);
    script.add(0, 90, closed(1, CloseCause::ClosedByPeer));
    script.add(0, 90, closed(2, CloseCause::ResetByPeer));
    script.add(0, 90, closed(3, CloseCause::Unsolicited));
    let failed = Event::ConnectFailed {
        connection: ConnectionSlot(1),
        started: Tick(91),
        cause: Cause { error: ErrorKind::ConnectionRefused, detail: 111 },
    };
    script.add(0, 91, connect_started(1)).add(0, 92, failed);
    let timed_out = Event::ConnectTimedOut { connection: ConnectionSlot(2) };
    script.add(0, 93, connect_started(2)).add(0, 193, timed_out);
    let mut unsolicited = done_event(0, 210, 200, None);
    if let Event::Done { response: Response { unsolicited, .. }, .. } = &mut unsolicited {
        *unsolicited = true;
    }
    script.sent(0, 200, 200).add(0, 210, unsolicited).add(0, 210, released(0)).end(3 * S);
    let metrics = script.metrics(&plain());
    let connections = metrics.connections;
    assert_eq!((connections.opened, connections.reused, connections.failed), (4, 3, 2));
    assert_eq!((connections.closed_by_peer, connections.unsolicited), (2, 2));
    assert_eq!(metrics.requests.succeeded, 4, "no completed request fails by it");
    let connect = &metrics.latency.connect_ns;
    assert_eq!(
        (connect.count, connect.censored, connect.min, connect.max),
        (4, 1, Some(8), Some(100))
    );
    assert_eq!(metrics.time_series[0].connections, 0);
}

/// A request counts once for each kind, whatever exchange of it had it and however it ended.
#[test]
fn irregularities_are_counted_by_request() {
    let kinds = |kinds: &[Irregularity]| {
        kinds.iter().fold(Irregularities::NONE, |all, kind| all.union((*kind).into()))
    };
    let fold = kinds(&[Irregularity::ObsFold]);
    let mut script = Script::new();
    script.add(0, 1, connect_started(0)).add(0, 2, connected(0, 1));
    let mut done = done_event(0, 20, 999, Some(ErrorKind::Status5xx));
    if let Event::Done { response, .. } = &mut done {
        response.irregularities = kinds(&[Irregularity::ObsFold, Irregularity::StatusOutOfRange]);
    }
    script.sent(0, 10, 10).add(0, 20, done);
    let mut failed = failed_event(0, ErrorKind::IncompleteBody);
    if let Event::Failed { failure, .. } = &mut failed {
        failure.irregularities = fold;
    }
    script.sent(0, 30, 30).add(0, 40, failed);
    let redirected = |irregularities| Event::Redirected {
        exchange: ExchangeSlot(0),
        response: Response {
            first_byte: Tick(60),
            status: 301,
            received_bytes: 9,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities,
            arrival: z6_events::ArrivalStamp::NONE,
        },
        next: NextHop { target: TargetId(0), request_bytes: 9 },
    };
    script.sent(0, 50, 50).add(0, 60, redirected(fold));
    script.add(0, 70, Event::TimedOut { exchange: ExchangeSlot(0) });
    script.success(80, 80, 90).end(3 * S);
    let metrics = script.metrics(&plain());
    let counts = &metrics.requests.irregularities;
    assert_eq!(counts.get("obs_fold"), Some(&3));
    assert_eq!(counts.get("status_out_of_range"), Some(&1));
    assert_eq!(counts.0.len(), 2);
    assert_eq!(metrics.requests.by_status.get("999"), Some(&1));
    let summary = z6_metrics::report::summary_text(&metrics, &z6_metrics::report::Style::plain());
    for line in [
        "irregular     obs_fold (RFC 9112 section 5.2)            3 requests",
        "              status_out_of_range (RFC 9110 section 15)   1 request",
    ] {
        assert!(summary.contains(line), "{summary}");
    }
}

#[test]
fn handshakes_of_tls_are_a_part_of_connecting() {
    let tcp_ready = |slot| Event::TcpReady { connection: ConnectionSlot(slot) };
    let mut script = Script::new();
    script.add(0, 10, connect_started(0)).add(0, 15, tcp_ready(0)).add(0, 40, connected(0, 11));
    script.add(0, 50, connect_started(1)).add(0, 60, connected(1, 50));
    let timed_out = Event::ConnectTimedOut { connection: ConnectionSlot(2) };
    script.add(0, 70, connect_started(2)).add(0, 75, tcp_ready(2)).add(0, 175, timed_out);
    script.add(0, 180, released(0)).add(0, 180, released(1)).end(3 * S);
    let latency = script.metrics(&plain()).latency;
    let of = |stats: &z6_metrics::metrics::LatencyStats| {
        (stats.count, stats.censored, stats.min, stats.max)
    };
    assert_eq!(of(&latency.connect_ns), (2, 1, Some(10), Some(105)));
    assert_eq!(of(&latency.tls_handshake_ns), (1, 1, Some(25), Some(100)));
}

#[test]
fn bytes_are_those_known_to_be_written_and_read() {
    let mut script = Script::new();
    script.success(0, 0, 1);
    script.sent(0, 1, 1).add(0, 2, failed_event(0, ErrorKind::ConnectionReset));
    script.sent(0, 3, 3).add(0, 4, timed_out(0));
    let throughput = script.end(3 * S).metrics(&plain()).throughput;
    assert_eq!(throughput.bytes_sent, 100 + (100 - 40) + 60);
    assert_eq!(throughput.bytes_received, 250 + 7);
}

/// Two targets and three requests of two methods.
const MANY: &str = "[[targets]]\nname = \"a\"\nbase_url = \"http://127.0.0.1:80\"\n\
    [[targets]]\nname = \"b\"\nbase_url = \"http://127.0.0.1:81\"\n\
    [[requests]]\nname = \"one\"\npath = \"/\"\n[[requests]]\nname = \"two\"\npath = \"/\"\n\
    method = \"POST\"\n[[requests]]\nname = \"three\"\npath = \"/\"\n[runtime]\n\
    duration_seconds = 3\n";

fn grouped(scenario: &z6_scenario::Scenario) -> Metrics {
    let mut script = Script::new();
    for (request, target, length) in [(0, 0, 10), (1, 1, 20), (2, 1, 30), (2, 0, 40)] {
        let request = script.request(request, target, 0);
        let sent = 100 * length;
        script.add(0, sent, sent_event(0, request));
        script.add(0, sent + length, done_event(0, sent, 200, None));
    }
    script.end(3 * S).metrics(scenario)
}

#[test]
fn names_methods_and_targets_have_figures_of_their_own() {
    let scenario = z6_scenario::Scenario::from_toml(MANY).unwrap();
    let requests = grouped(&scenario).requests;
    let figures = |groups: &z6_metrics::Named<z6_metrics::GroupFigures>| -> Vec<(String, u64, u64, Option<u64>)> {
        groups
            .0
            .iter()
            .map(|(name, group)| {
                let service = &group.service_ns;
                (name.clone(), group.succeeded, service.count, service.max)
            })
            .collect()
    };
    let row = |name: &str, count, max| (name.to_owned(), count, count, Some(max));
    assert_eq!(
        figures(&requests.by_name),
        [row("one", 1, 10), row("two", 1, 20), row("three", 2, 40)]
    );
    assert_eq!(figures(&requests.by_method), [row("GET", 3, 40), row("POST", 1, 20)]);
    assert_eq!(figures(&requests.by_target), [row("a", 2, 40), row("b", 2, 30)]);
}

#[test]
fn names_beyond_max_histogram_bytes_share_an_entry_and_raise_a_note() {
    let mut scenario = z6_scenario::Scenario::from_toml(MANY).unwrap();
    let whole = grouped(&scenario);
    // Room for four of the five cells: each takes four histograms of 304 KiB.
    scenario.limits.max_histogram_bytes = 4 * 4 * 304 * 1_024;
    let folded = grouped(&scenario);
    let names: Vec<&str> =
        folded.requests.by_name.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["one", "(other)"]);
    let other = folded.requests.by_name.get("(other)").unwrap();
    assert_eq!((other.succeeded, other.service_ns.count, other.service_ns.max), (3, 3, Some(40)));
    assert_eq!(folded.requests.by_method.get("(other)").unwrap().succeeded, 3);
    assert_eq!(folded.requests.by_target.get("(other)").unwrap().succeeded, 2);
    assert_eq!(folded.latency, whole.latency, "totals do not change");
    assert_eq!(kinds(&folded), ["histograms_folded"]);
    assert!(kinds(&whole).is_empty());
}

#[test]
fn the_gravest_reason_of_all_workers_stops_the_run_unless_the_footer_says_otherwise() {
    let mut script = Script::new();
    script.end_of(0, 3 * S, 3 * S);
    let stop = Event::EndReached { by: StoppedBy::LogLimit, end: Tick(2 * S) };
    script.add(1, 2 * S, Event::Stop { reason: StopReason::LogLimit }).add(1, 2 * S, stop);
    let run = script.try_metrics(&plain(), 2).unwrap().run;
    assert_eq!((run.stopped_by, run.duration_seconds), (Some(StoppedBy::LogLimit), 3.0));
    let end = EndFacts { stopped_by: Some(StoppedBy::Error), ..EndFacts::default() };
    let run = script.fold(&plain(), 2).unwrap().finish(end).unwrap().run;
    assert_eq!(run.stopped_by, Some(StoppedBy::Error));
}

#[test]
fn a_torn_log_leaves_its_open_requests_in_flight() {
    let mut script = Script::new();
    script.success(0, 0, 10).sent(1, 100, 200).sent(2, 150, 250).add(0, 5_100, Event::Wake);
    let torn = EndFacts { torn: true, ..EndFacts::default() };
    let metrics = script.fold(&plain(), 1).unwrap().finish(torn).unwrap();
    assert_eq!(metrics.requests.in_flight_at_stop, 2);
    assert_eq!(metrics.latency.response_ns.censored, 2);
    assert_eq!(metrics.latency.response_ns.max, Some(5_000));
    assert_eq!(metrics.run.stopped_by, None);
    assert_eq!(kinds(&metrics), ["torn_log"]);
    assert_eq!(metrics.generator.verdict, Verdict::Degraded);
}

#[test]
fn live_shows_the_last_complete_second() {
    let mut script = Script::new();
    script.add(0, 0, vu_started(0)).add(0, 1, connected(0, 0)).sent(0, 10, 10).done(0, 1_010);
    script.sent(0, 2_000, 2_000).add(0, 3_000, failed_event(0, ErrorKind::ConnectionReset));
    script.sent(0, S + 10, S + 10);
    let mut fold = script.fold(&plain(), 2).unwrap();
    let live = fold.live();
    assert_eq!((live.elapsed_seconds, live.last_p50_ns), (0, None), "worker 1 is still at 0");
    fold.advance(z6_events::WorkerId(1), Tick(S + 5)).unwrap();
    let live = fold.live();
    assert_eq!((live.elapsed_seconds, live.last_completed, live.last_failed), (1, 1, 1));
    assert_eq!((live.last_p50_ns, live.last_p99_ns), (Some(1_000), Some(1_000)));
    assert_eq!((live.planned, live.sent, live.succeeded, live.failed), (3, 3, 1, 1));
    assert_eq!((live.in_flight, live.active_vus, live.connections), (1, 1, 1));
    assert_eq!(live.errors, [(ErrorKind::ConnectionReset, 1)]);
}

#[test]
fn a_day_of_seconds_keeps_few_histograms_and_all_rows() {
    let scenario = scenario("[runtime]\nduration_seconds = 86400\n");
    let mut script = Script::new();
    for second in 0..86_400 {
        script.success(second * S, second * S, second * S + 1 + second % 1_000);
    }
    let metrics = script.end(86_400 * S).metrics(&scenario);
    assert_eq!(metrics.time_series.len(), 86_400);
    for (second, row) in metrics.time_series.iter().enumerate() {
        assert_eq!(row.p99_ns, Some(1 + second as u64 % 1_000));
    }
}

#[test]
fn an_exchange_slot_is_used_again_after_its_end() {
    let mut script = Script::new();
    for n in 0..10 {
        script.success(n, n, n);
    }
    script.sent(0, 20, 20).add(0, 30, in_flight(0)).end(3 * S);
    let metrics = script.metrics(&plain());
    assert_eq!((metrics.requests.exchanges, metrics.requests.in_flight_at_stop), (11, 1));
}

/// A tag sums over the requests that have it.
#[test]
fn tags_sum_over_their_requests() {
    let scenario = z6_scenario::Scenario::from_toml(
        "runtime.duration_seconds = 3\ntarget.base_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'a'\npath = '/'\ntags = { area = 'orders', team = 'x' }\n\
         [[requests]]\nname = 'b'\npath = '/'\ntags = { area = 'orders' }\n\
         [[requests]]\nname = 'c'\npath = '/'\n",
    )
    .unwrap();
    let mut script = Script::new();
    for (slot, (request, took)) in
        [(0, MS), (1, 3 * MS), (1, 5 * MS), (2, 7 * MS)].into_iter().enumerate()
    {
        let asked = script.request(request, 0, S);
        script.add(0, S, sent_event(slot as u32, asked));
        script.add(0, S + took, done_event(slot as u32, S + took, 200, None));
    }
    script.events.sort_by_key(|(_, at, _)| *at);
    let metrics = script.end(3 * S).metrics(&scenario);
    let tags = &metrics.requests.by_tag;
    let of = |name: &str| tags.get(name).map(|group| (group.sent, group.response_ns.max));
    assert_eq!(tags.0.len(), 2);
    assert_eq!(of("area=orders"), Some((3, Some(5 * MS))));
    assert_eq!(of("team=x"), Some((1, Some(MS))));
}

/// Two steps with a think time between them, by an actor that does them twice and is then stopped on its way.
#[test]
fn groups_of_steps_are_measured_with_and_without_think_time() {
    let scenario = z6_scenario::Scenario::from_toml(
        "runtime.duration_seconds = 60\nruntime.vus = 1\ntarget.base_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'a'\npath = '/'\n[[requests]]\nname = 'b'\npath = '/'\n\
         [sequence]\nsteps = [{ request = 'a' }, { request = 'a', group = 'pay' }, \
         { request = 'b', group = 'pay', repeat = 2 }]\n",
    )
    .unwrap();
    let mut script = Script::new();
    script.add(0, 0, vu_started(0));
    let mut at = 0;
    // Of each request: which, and whether it succeeds. Each takes 10 ms, and is planned 5 ms after the last.
    let requests = [(0, true), (0, true), (1, true), (1, true)];
    let again = [(0, true), (0, true), (1, false), (1, true)];
    let stopped = [(0, true), (0, true)];
    for (request, succeeds) in requests.into_iter().chain(again).chain(stopped) {
        at += 5 * MS;
        let planned = script.request(request, 0, at);
        script.add(0, at, sent_event(0, planned));
        at += 10 * MS;
        let failure = (!succeeds).then_some(ErrorKind::Status5xx);
        script.add(0, at, done_event(0, at, if succeeds { 200 } else { 503 }, failure));
    }
    script.add(0, at, vu_stopped(0));
    let metrics = script.end(60 * S).metrics(&scenario);
    let group = metrics.requests.by_group.get("pay").unwrap();
    assert_eq!((group.completed, group.failed, group.unfinished), (1, 1, 1));
    let (whole, busy) = (&group.duration_ns, &group.without_think_ns);
    assert_eq!((whole.count, whole.censored), (1, 1));
    // The one that was broken off is a bound of 10 ms.
    assert_eq!((whole.max, busy.max), (Some(40 * MS), Some(30 * MS)));
    assert_eq!((whole.min, whole.lower_bounds.first()), (Some(10 * MS), Some(&"min")));
}
