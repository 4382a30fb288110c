//! Every fuzz target by its name, for the one program that `cargo xtask canaries` runs instead of all of them.

use std::sync::OnceLock;

/// Name and body of each target.
const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("analyze", z6_analysis::fuzzing::fuzz_analyze),
    ("base_url", z6_scenario::fuzzing::fuzz_base_url),
    ("block_decoder", z6_events::fuzzing::fuzz_block_decoder),
    ("check", z6_scenario::fuzzing::fuzz_check),
    ("chunked", z6_proto_http1::fuzzing::fuzz_chunked),
    ("connection", z6_proto_http1::fuzzing::fuzz_connection),
    ("content", z6_http::fuzzing::fuzz_content),
    ("cookies", z6_extract::fuzzing::fuzz_cookies),
    ("diff", z6_analysis::fuzzing::fuzz_diff),
    ("durations", z6_scenario::fuzzing::fuzz_durations),
    ("export", z6_analysis::fuzzing::fuzz_export),
    ("filter", z6_analysis::fuzzing::fuzz_filter),
    ("fold", z6_analysis::fuzzing::fuzz_fold),
    ("h2_connection", z6_proto_http2::fuzzing::fuzz_h2_connection),
    ("h2_frames", z6_proto_http2::fuzzing::fuzz_h2_frames),
    ("h2_template", z6_vu::fuzzing::fuzz_h2_template),
    ("h2_versus_h1", z6_vu::fuzzing::fuzz_h2_versus_h1),
    ("hpack_decoder", z6_proto_http2::fuzzing::fuzz_hpack_decoder),
    ("hpack_round_trip", z6_proto_http2::fuzzing::fuzz_hpack_round_trip),
    ("html", z6_extract::fuzzing::fuzz_html),
    ("huffman", z6_proto_http2::fuzzing::fuzz_huffman),
    ("json_path", z6_extract::fuzzing::fuzz_json_path),
    ("location", z6_http::fuzzing::fuzz_location),
    ("log_reader", z6_events::fuzzing::fuzz_log_reader),
    ("overrides", z6_scenario::fuzzing::fuzz_overrides),
    ("page", z6_report::fuzzing::fuzz_page),
    ("percentiles", z6_analysis::fuzzing::fuzz_percentiles),
    ("replay", z6_vu::fuzzing::fuzz_replay),
    ("request_encoder", z6_proto_http1::fuzzing::fuzz_request_encoder),
    ("request_reader", z6_proto_http1::fuzzing::fuzz_request_reader),
    ("response_decoder", z6_proto_http1::fuzzing::fuzz_response_decoder),
    ("rows", z6_extract::fuzzing::fuzz_rows),
    ("scenario", z6_scenario::fuzzing::fuzz_scenario),
    ("shard_reports", z6_metrics::fuzzing::fuzz_shard_reports),
    ("shards", z6_analysis::fuzzing::fuzz_shards),
    ("simulation", z6_scenario::fuzzing::fuzz_simulation),
    ("target_reader", z6_target::fuzzing::fuzz_target_reader),
    ("template", z6_http::fuzzing::fuzz_template),
    ("verify", z6_analysis::fuzzing::fuzz_verify),
];

static BODY: OnceLock<fn(&[u8])> = OnceLock::new();

/// Chooses the target of the variable `Z6_FUZZ_TARGET`, and plants the bug that is named in `Z6_CANARY`.
///
/// # Panics
/// If there is no such target.
pub fn choose() {
    let name = std::env::var("Z6_FUZZ_TARGET").expect("Z6_FUZZ_TARGET names a target");
    let target = TARGETS.iter().find(|(other, _)| *other == name);
    let (_, body) = target.unwrap_or_else(|| panic!("there is no target {name}"));
    BODY.get_or_init(|| *body);
    if let Ok(bug) = std::env::var("Z6_CANARY") {
        z6_events::canary::plant(&bug);
        z6_extract::canary::plant(&bug);
        z6_http::canary::plant(&bug);
    }
}

/// Runs the body that was chosen.
pub fn run(data: &[u8]) {
    if let Some(body) = BODY.get() {
        body(data);
    }
}
