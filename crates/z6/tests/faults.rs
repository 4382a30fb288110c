//! Whole runs against a server that misbehaves by script: each request has the kind it should have,
//! nothing is lost from the counts, the log replays, nothing hangs and nothing leaks.
//!
//! One test goes through the whole table, one case at a time, so that descriptors can be counted.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use support::cases::{Case, Destination, Expected, parse};
use support::fault_server::{FaultServer, Seen, SilentServer, closed_port};
use z6::ReplayOutcome as Outcome;
use z6::{Finished, Log, Run};
use z6_events::ErrorKind;

const FILES: [&str; 4] = [
    include_str!("faults/bodies.txt"),
    include_str!("faults/endless.txt"),
    include_str!("faults/connections.txt"),
    include_str!("faults/uploads.txt"),
];

/// What a busy machine may add to the timeouts of a case.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kinds without a case here, and where else each is reached: a file and a test in it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("connection_timed_out", "z6-cli/tests/network.rs", "the_kernel_may_give_up_first"),
    ("host_unreachable", "z6-cli/tests/network.rs", "what_only_a_network_can_do_wrong"),
    ("permission_denied", "z6-cli/tests/network.rs", "what_only_a_network_can_do_wrong"),
    ("out_of_descriptors", "z6-cli/tests/network.rs", "descriptors_that_others_hold_are_missing"),
    (
        "out_of_memory",
        "z6-vu/src/reactor/socket.rs",
        "each_errno_has_a_kind_that_says_what_happened",
    ),
    (
        "out_of_ports",
        "z6-vu/src/reactor/socket.rs",
        "each_errno_has_a_kind_that_says_what_happened",
    ),
    (
        "response_before_request",
        "z6-proto-http1/src/connection.rs",
        "bytes_without_a_request_are_unsolicited",
    ),
    ("dns_failed", "z6-vu/src/reactor/resolve.rs", "a_resolver_that_says_no_is_dns_failed"),
    (
        "dns_timeout",
        "z6-vu/src/reactor/resolve.rs",
        "a_resolver_that_does_not_answer_is_dns_timeout",
    ),
    ("proxy_refused", "z6/tests/proxy.rs", "an_answer_that_is_no_tunnel_fails_the_attempt"),
    ("proxy_auth", "z6/tests/proxy.rs", "an_answer_that_is_no_tunnel_fails_the_attempt"),
    ("tls_timeout", "z6/tests/tls.rs", "a_silent_server_takes_too_long"),
    ("tls_handshake", "z6/tests/tls.rs", "a_port_without_tls_and_ends_in_the_handshake"),
    ("tls_certificate_expired", "z6/tests/tls.rs", "an_expired_certificate"),
    ("tls_certificate_not_yet_valid", "z6/tests/tls.rs", "a_certificate_that_is_not_valid_yet"),
    (
        "tls_certificate_wrong_host",
        "z6/tests/tls.rs",
        "a_certificate_for_another_host_and_server_name",
    ),
    ("tls_certificate_self_signed", "z6/tests/tls.rs", "a_self_signed_certificate"),
    ("tls_certificate_untrusted", "z6/tests/tls.rs", "an_untrusted_root"),
    ("tls_certificate_incomplete", "z6/tests/tls.rs", "a_missing_intermediate"),
    (
        "tls_certificate_wrong_purpose",
        "z6/tests/tls.rs",
        "a_certificate_for_another_use_or_of_an_authority",
    ),
    ("tls_client_certificate", "z6/tests/tls.rs", "a_client_certificate_needed_missing_and_wrong"),
    ("tls_version", "z6/tests/tls.rs", "a_server_of_old_versions_only"),
    ("tls_alpn", "z6/tests/tls.rs", "a_server_without_http_1_1"),
    ("tls_closed", "z6/tests/tls.rs", "a_port_without_tls_and_ends_in_the_handshake"),
    ("tls_truncated", "z6/tests/tls.rs", "a_body_that_reads_to_close_needs_close_notify"),
    (
        "tls_certificate",
        "z6-vu/src/reactor/tls_error.rs",
        "alerts_and_refusals_have_kinds_that_say_what_happened",
    ),
    (
        "tls_broken",
        "z6-vu/src/reactor/tls_error.rs",
        "alerts_and_refusals_have_kinds_that_say_what_happened",
    ),
    ("socket_missing", "z6/tests/requests.rs", "what_is_wrong_with_a_unix_socket_has_a_kind"),
    ("accept_queue_full", "z6/tests/requests.rs", "a_unix_socket_whose_queue_is_full_has_a_kind"),
    ("bad_location", "z6/tests/redirects.rs", "where_a_redirect_cannot_lead_the_request_fails"),
    ("redirect_refused", "z6/tests/redirects.rs", "where_a_redirect_cannot_lead_the_request_fails"),
    ("too_many_redirects", "z6/tests/redirects.rs", "too_many_are_a_failure_of_their_own"),
    (
        "loop_limit",
        "z6-vu/tests/flow.rs",
        "until_is_asked_after_each_pass_and_fails_a_request_at_its_limit",
    ),
    ("check_failed", "z6-vu/tests/journeys.rs", "checks_fail_their_request_unless_they_only_count"),
    ("extract_failed", "z6-vu/tests/journeys.rs", "a_variable_of_the_iteration_ends_with_it"),
    ("bad_value", "z6-vu/tests/journeys.rs", "requests_that_break_are_failures_as_well"),
    ("http2_bad_preface", "z6-proto-http2/tests/scripted/frames.rs", "what_is_not_http2_is_named"),
    (
        "http2_bad_frame",
        "z6-proto-http2/tests/scripted/frames.rs",
        "frames_beyond_our_size_are_errors",
    ),
    (
        "http2_bad_settings",
        "z6-proto-http2/tests/scripted/frames.rs",
        "settings_are_checked_and_acknowledged",
    ),
    (
        "http2_stream_state",
        "z6-proto-http2/tests/scripted/frames.rs",
        "frames_on_streams_that_were_never_opened_are_errors",
    ),
    (
        "http2_flow_control",
        "z6-proto-http2/tests/scripted/frames.rs",
        "wrong_window_updates_are_errors_of_their_stream_or_of_the_connection",
    ),
    (
        "http2_compression",
        "z6-proto-http2/tests/scripted/frames.rs",
        "blocks_that_cannot_be_decompressed_end_the_connection",
    ),
    (
        "http2_bad_header",
        "z6-proto-http2/tests/scripted/messages.rs",
        "malformed_heads_fail_their_stream",
    ),
    ("http2_bad_length", "z6-proto-http2/tests/scripted/messages.rs", "content_length_is_checked"),
    ("http2_push", "z6-proto-http2/tests/scripted/frames.rs", "push_is_an_error"),
    (
        "stream_reset",
        "z6-proto-http2/tests/scripted/frames.rs",
        "resets_fail_or_refuse_their_stream",
    ),
    (
        "connection_going_away",
        "z6-proto-http2/tests/scripted/frames.rs",
        "going_away_with_an_error_fails_what_the_end_cuts_off",
    ),
    (
        "too_many_continuations",
        "z6-proto-http2/tests/scripted/limits.rs",
        "continuations_are_bounded",
    ),
    (
        "http2_control_flood",
        "z6-proto-http2/tests/scripted/limits.rs",
        "frames_without_progress_are_bounded",
    ),
    (
        "http2_empty_data_flood",
        "z6-proto-http2/tests/scripted/limits.rs",
        "tiny_data_frames_are_bounded",
    ),
    ("stream_refused", "z6-vu/tests/streams.rs", "a_refused_request_goes_to_the_head_of_the_queue"),
];

fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|text| parse(text)).collect()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A run of a case, and what its server saw.
struct Ran {
    finished: Finished,
    address: String,
    seen: Option<Seen>,
    took: Duration,
    summary: String,
}

fn run(case: &Case) -> Ran {
    let server =
        (case.destination == Destination::Server).then(|| FaultServer::start(case.script.clone()));
    let silent = (case.destination == Destination::Silent).then(SilentServer::start);
    let address = match (&case.destination, &server, &silent) {
        (_, Some(server), _) => server.address().to_string(),
        (_, _, Some(silent)) => silent.address().to_string(),
        (Destination::Url(url), ..) => url.trim_start_matches("http://").to_owned(),
        (Destination::ClosedPort | Destination::Server | Destination::Silent, ..) => {
            closed_port().to_string()
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let text = case.scenario(&format!("http://{address}"));
    let began = Instant::now();
    let run = Run::from_toml(&text).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let finished = run.results(&results).start().unwrap().wait().unwrap();
    let took = began.elapsed();
    let seen = server.map(FaultServer::stop);
    let outcome = Log::open(results.join("events.z6log")).unwrap().replay().unwrap();
    assert!(matches!(outcome, Outcome::Identical { .. }), "{}: {outcome:?}", case.name);
    let summary = std::fs::read_to_string(results.join("summary.txt")).unwrap();
    Ran { finished, address, seen, took, summary }
}

/// All of this is checked of every case.
fn check(case: &Case, ran: &Ran) {
    let Ran { finished, address, .. } = ran;
    let (requests, errors) = (&finished.metrics.requests, &finished.metrics.errors);
    let name = &case.name;
    assert!(finished.panic.is_none() && finished.log_error.is_none(), "{name}");
    let all = case.vus * case.iterations;
    assert_eq!((requests.planned, requests.never_sent), (all, 0), "{name}");
    assert_eq!(requests.sent, requests.succeeded + requests.failed, "{name}");
    let failed: u64 = errors.by_kind.0.iter().map(|(_, count)| count).sum();
    assert_eq!(failed, requests.failed, "{name}");
    let succeeded = ("succeeded".to_owned(), requests.succeeded);
    let failures = errors.by_kind.0.iter().map(|(kind, n)| (kind.name().to_owned(), *n));
    let outcomes = [succeeded].into_iter().chain(failures);
    let outcomes = outcomes.filter(|(_, count)| *count > 0);
    match &case.expected {
        Expected::Counts(counts) => {
            let found = outcomes.collect();
            assert_eq!(*counts, found, "{name}: {}", ran.summary);
        }
        Expected::Among(names) => {
            let unexpected: Vec<_> = outcomes.filter(|(kind, _)| !names.contains(kind)).collect();
            assert_eq!(unexpected, [], "{name}: {}", ran.summary);
        }
    }
    for (kind, _) in &errors.by_kind.0 {
        let example =
            errors.examples.get(kind).unwrap_or_else(|| panic!("{name}: no {}", kind.name()));
        // Lines break where the terminal ends.
        let unbroken = ran.summary.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(unbroken.contains(example), "{name}: {example}: {}", ran.summary);
    }
    for (kind, words) in &case.examples {
        let words = words.replace("ADDRESS", address);
        assert_eq!(errors.examples.get(kind), Some(&words), "{name}");
    }
    check_connections(case, ran);
}

fn check_connections(case: &Case, ran: &Ran) {
    let (metrics, name) = (&ran.finished.metrics, &case.name);
    for (figure, expected) in &case.connections {
        let connections = &metrics.connections;
        let found = match figure.as_str() {
            "opened" => connections.opened,
            "reused" => connections.reused,
            "unsolicited" => connections.unsolicited,
            "closed_by_peer" => connections.closed_by_peer,
            "retried" => connections.retried,
            _ => panic!("{name}: no figure {figure}"),
        };
        assert_eq!(found, *expected, "{name}: {figure}");
    }
    let irregular = metrics.requests.irregularities.0.iter();
    let irregular: Vec<_> = irregular.map(|(kind, n)| (kind.name().to_owned(), *n)).collect();
    assert_eq!(irregular, case.irregular, "{name}");
    let Some(seen) = ran.seen else { return };
    assert!(seen.accepted >= metrics.connections.opened, "{name}: {seen:?}");
    assert!(seen.heads <= metrics.requests.exchanges, "{name}: {seen:?}");
    assert_eq!(seen.breaches, 0, "{name}: bytes that no request was to send yet");
    let limit = Duration::from_millis(case.iterations * case.timeout_ms) + PATIENCE;
    assert!(ran.took < limit, "{name} took {:?}", ran.took);
}

#[test]
fn every_script_has_its_outcome_and_leaves_nothing_behind() {
    // The first run opens what this process keeps.
    let first = &cases()[0];
    check(first, &run(first));
    let before = open_descriptors();
    let mut failed = Vec::new();
    for case in cases() {
        let checked = catch_unwind(AssertUnwindSafe(|| {
            check(&case, &run(&case));
            assert_eq!(open_descriptors(), before, "{}: descriptors", case.name);
        }));
        failed.extend(checked.is_err().then_some(case.name));
    }
    assert_eq!(failed, [""; 0], "what each did wrong stands above");
}

#[test]
fn every_kind_is_reached_by_a_test() {
    let mut reached = BTreeSet::new();
    for case in cases() {
        if let Expected::Counts(counts) = case.expected {
            reached.extend(counts.into_keys());
        }
    }
    for (kind, file, test) in ELSEWHERE {
        let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {path}"));
        assert!(text.contains(&format!("fn {test}(")), "{kind}: no {test} in {file}");
        assert!(reached.insert((*kind).to_owned()), "{kind} has a case: no need to look elsewhere");
    }
    reached.remove("succeeded");
    let all: BTreeSet<String> = ErrorKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(reached, all);
}

#[test]
fn cases_have_names_of_their_own() {
    let mut names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
