//! The three reports of one hand-made run: two workers, warm-up, success, failure, timeout, in
//! flight at the stop, never sent, not on the wire.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use z6_events::{Cause, CloseCause, ErrorKind, Event, NeverSentReason, Sample, StoppedBy, Tick};
use z6_metrics::report::{metrics_json, summary_text, timeseries_csv};
use z6_metrics::{Metrics, Style};
use z6_scenario::Scenario;

fn scenario() -> Scenario {
    Scenario::from_toml(
        "[metadata]\nname = \"User API\"\n\
         [runtime]\nduration_seconds = 3\nwarmup_seconds = 1\nworkers = 2\n\
         [target]\nbase_url = \"http://127.0.0.1:80\"\nconnection_reuse = \"shared\"\n\
         [[requests]]\nname = \"list_users\"\npath = \"/users\"\n\
         [[requests]]\nname = \"create_user\"\npath = \"/users\"\nmethod = \"POST\"\n\
         [schedule]\ntype = \"constant\"\nvus = 2\n\
         [assertions]\np50_latency_ms = 20\np99_latency_ms = 200\nerror_rate_max = 0.005\n\
         rps_min = 20\nrequire_trustworthy = true\n",
    )
    .unwrap()
}

/// The events of one worker: 40 requests, one each 60 ms, then its own mishaps.
fn worker(script: &mut Script, worker: u16) {
    let base = u64::from(worker) * 7 * MS;
    script.add(worker, 0, Event::Wake);
    script.add(worker, 0, vu_started(u64::from(worker)));
    script.add(worker, 0, connect_started(0)).add(worker, MS, connected(0, 100 * US));
    for n in 0..40_u64 {
        let planned = base + MS + n * 60 * MS;
        let request = script.request((n % 4 == 3).into(), 0, planned);
        let sent = planned + 30 * US + n * US;
        let done = sent + 2 * MS + n * n * 20 * US;
        let failure = (n == 30).then_some(ErrorKind::Status5xx);
        let status = if failure.is_some() { 503 } else { 200 };
        script.add(worker, planned + 10 * US, Event::Wake);
        script.add(worker, sent, sent_event(0, request));
        script.add(worker, done, done_event(0, done - 200 * US, status, failure));
        if n % 16 == 15 {
            let sample =
                Sample { thread_cpu_ns: done / 5, loop_pass_max_ns: 2 * MS, ..Sample::default() };
            script.add(worker, done, Event::Sample(sample));
        }
    }
}

fn run() -> Metrics {
    let mut script = Script::new();
    worker(&mut script, 0);
    let request = script.request(1, 0, 2_500 * MS);
    script.add(0, 2_500 * MS, sent_event(0, request));
    let request = script.request(0, 0, 2_600 * MS);
    script.add(0, 2_600 * MS, sent_event(1, request));
    let request = script.request(1, 0, 2_650 * MS);
    script.add(0, 2_700 * MS, connect_started(2));
    script.add(
        0,
        2_700 * MS,
        Event::ConnectFailed {
            connection: z6_events::ConnectionSlot(2),
            started: Tick(2_700 * MS),
            cause: Cause { error: ErrorKind::ConnectionRefused, detail: 111 },
        },
    );
    let error = ErrorKind::ConnectionRefused;
    script.add(0, 2_700 * MS, Event::NotOnWire { request, cause: Cause { error, detail: 111 } });
    script.add(0, 2_900 * MS, timed_out(0));
    script.add(0, 3 * S, Event::Wake).end(3 * S).add(0, 3 * S, vu_stopped(0));
    let request = script.request(0, 0, 2_950 * MS);
    let reason = NeverSentReason::RunEnded;
    script.add(0, 3_500 * MS, Event::NeverSent { request, reason });
    script.add(0, 3_500 * MS, in_flight(1)).add(0, 3_500 * MS, Event::Finished);
    worker(&mut script, 1);
    script.add(1, 2_980 * MS, closed(0, CloseCause::ClosedByPeer));
    let by = StoppedBy::Duration;
    script.add(1, 3_001 * MS, Event::Wake);
    script.add(1, 3_001 * MS, Event::EndReached { by, end: Tick(3 * S) });
    script.add(1, 3_001 * MS, vu_stopped(1)).add(1, 3_001 * MS, Event::Finished);
    script.try_metrics(&scenario(), 2).unwrap()
}

#[test]
fn summary_of_a_mixed_run() {
    insta::assert_snapshot!("summary", summary_text(&run(), &Style::plain()));
}

#[test]
fn summary_of_a_mixed_run_on_a_wide_terminal() {
    insta::assert_snapshot!(
        "summary_wide",
        summary_text(&run(), &Style::plain().with_columns(160))
    );
}

#[test]
fn a_summary_fits_its_columns_whatever_the_names() {
    let long =
        "a_request_with_a_name_that_alone_is_longer_than_eighty_columns_as_nobody_would_".repeat(2);
    let mut metrics = run();
    metrics.run.name = long.clone();
    for (name, _) in &mut metrics.requests.by_name.0 {
        name.push_str(&long);
    }
    for (_, example) in &mut metrics.errors.examples.0 {
        example.push_str(&long);
    }
    for columns in [0, 80, 81, 100, 139, 200, u16::MAX] {
        let style = Style::plain().with_columns(columns);
        let text = summary_text(&metrics, &style);
        let most = usize::from(columns.clamp(80, 240));
        for line in text.lines() {
            assert!(z6_metrics::report::fit::width(line) <= most, "{columns}: {line}");
        }
        // Every number of the narrow summary is whole in the others too.
        for number in ["83 sent", "20.3/s", "3.33 %", "17.7 ms", ">=900 ms"] {
            assert!(text.lines().any(|line| line.contains(number)), "{columns}: {number}");
        }
    }
}

#[test]
fn metrics_json_of_a_mixed_run() {
    let json = metrics_json(&run());
    assert!(json.ends_with("}\n"));
    insta::assert_snapshot!("metrics", json);
}

#[test]
fn timeseries_csv_of_a_mixed_run() {
    insta::assert_snapshot!(timeseries_csv(&run()), @r"
    second,planned,sent,succeeded,failed,p50_ns,p99_ns,active_vus,connections,warmup
    0,34,34,34,0,3319807,7166000,2,2,true
    1,34,34,30,2,13574143,22542000,2,2,false
    2,16,15,14,2,28000255,32489000,2,1,false
    ");
}

#[test]
fn summary_of_a_run_without_a_single_request() {
    let scenario = common::scenario("[runtime]\nduration_seconds = 3\n");
    let metrics = Script::new().end(3 * S).metrics(&scenario);
    insta::assert_snapshot!("summary_empty", summary_text(&metrics, &Style::plain()));
}

#[test]
fn reports_of_equal_figures_are_equal_bytes() {
    assert_eq!(metrics_json(&run()), metrics_json(&run()));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let colored = summary_text(&run(), &Style::colored());
    assert!(colored.contains("\x1b["));
    let mut stripped = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, summary_text(&run(), &Style::plain()));
}

#[test]
fn names_of_metrics_json_are_those_of_the_contract() {
    let json: serde_json::Value = serde_json::from_str(&metrics_json(&run())).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let expect = |path: &str, names: &str| {
        let mut expected: Vec<&str> = names.split(' ').collect();
        expected.sort_unstable();
        assert_eq!(keys(json.pointer(path).unwrap()), expected, "{path}");
    };
    let latency =
        "count censored min max mean stddev p50 p75 p90 p95 p99 p999 p9999 lower_bounds ci95";
    expect(
        "",
        "schema_version run requests latency throughput connections errors generator assertions \
         time_series grid curves",
    );
    expect(
        "/grid",
        "column_ns columns bucket_lows_ns planned sent never_sent succeeded failed in_flight_at_stop \
         response_ns response_max_ns service_ns service_max_ns lateness_ns lateness_max_ns \
         loop_lag_max_ns loop_pass_max_ns log_stall_ns cpu_fraction in_flight_integral_ns in_flight_end \
         vus_integral_ns vus_end connections_integral_ns connections_end connections_opened failed_by_kind",
    );
    expect("/curves", "response_ns service_ns");
    expect("/curves/response_ns/0", "beyond ns lower_bound ci95");
    expect(
        "/run",
        "name seed plan_digest log_digest driver model started_at duration_seconds workers \
         stopped_by",
    );
    expect(
        "/requests",
        "planned sent on_wire exchanges never_sent succeeded failed in_flight_at_stop \
         success_rate error_rate by_name by_method by_target by_connection by_status irregularities",
    );
    expect("/requests/by_connection", "new reused");
    expect("/requests/by_connection/new", "sent succeeded failed response_ns service_ns");
    expect("/requests/by_name/list_users", "sent succeeded failed response_ns service_ns");
    expect("/requests/by_method/POST/service_ns", latency);
    expect(
        "/latency",
        "response_ns service_ns first_byte_ns connect_ns tls_handshake_ns failed_response_ns",
    );
    expect("/latency/response_ns", latency);
    expect("/latency/response_ns/ci95", "p50 p99");
    expect(
        "/throughput",
        "planned_rps sent_rps completed_rps peak_rps min_rps bytes_sent bytes_received",
    );
    expect("/connections", "opened reused failed closed_by_peer unsolicited");
    expect("/errors", "total rate by_kind examples");
    expect(
        "/generator",
        "verdict doubts lateness_ns loop_lag_ns waiting_ns cpu_fraction log_stall_ns",
    );
    expect("/assertions/0", "name expected actual passed");
    expect(
        "/time_series/0",
        "second planned sent succeeded failed p50_ns p99_ns active_vus connections warmup",
    );
    let row = "second planned sent succeeded failed p50_ns p99_ns active_vus connections";
    expect("/time_series/1", row);
}
