//! docs/LIMITS.md lists the bounds of engine, recorder and drivers as they are.

use z6_events::limits::MAX_PAYLOAD_BYTES;
use z6_events::protocol::ASSUMED_STREAMS;
use z6_http::LOCATION_BYTES_MAX;
use z6_proto_http1::TUNNEL_REPLY_BYTES_MAX;
use z6_vu::engine::MAX_TIMERS_PER_STEP;
use z6_vu::engine::settings::Streams;
use z6_vu::recorder::{BLOCK_AGE_MAX_NS, HEARTBEAT_NS};
use z6_vu::run_end::NO_TARGET_AFTER_NS;
use z6_vu::templates::{MAX_REQUEST_FIELDS, MAX_TEMPLATE_BYTES};
use z6_vu::virtual_time::MAX_STEPS_PER_INSTANT;

const PAGE: &str = include_str!("../../../docs/LIMITS.md");

#[test]
fn the_page_lists_the_bounds_of_engine_recorder_and_drivers() {
    let (ms, second) = (1_000_000, 1_000_000_000);
    for start in [
        format!("| `MAX_TIMERS_PER_STEP` | {MAX_TIMERS_PER_STEP} | "),
        format!("| `MAX_STEPS_PER_INSTANT` | {MAX_STEPS_PER_INSTANT} | "),
        format!("| `MAX_TEMPLATE_BYTES` | {MAX_TEMPLATE_BYTES} | "),
        format!("| `LIMIT_MAX` | {} | ", Streams::LIMIT_MAX),
        format!("| `ASSUMED_STREAMS` | {ASSUMED_STREAMS} | "),
        format!("| `IDS_MAX` | {} | ", Streams::IDS_MAX),
        format!("| `MAX_REQUEST_FIELDS` | {MAX_REQUEST_FIELDS} | "),
        format!("| `TUNNEL_REPLY_BYTES_MAX` | {TUNNEL_REPLY_BYTES_MAX} | "),
        format!("| block payload | {} KiB | ", MAX_PAYLOAD_BYTES / 1024),
        format!("| block age | {} ms after its first event | ", BLOCK_AGE_MAX_NS / ms),
        format!("| silence | {} s | ", HEARTBEAT_NS / second),
        format!(
            "| no target | {} s after the start of the first attempt",
            NO_TARGET_AFTER_NS / second
        ),
        format!("| `Location` of a redirect | {} KiB | ", LOCATION_BYTES_MAX / 1024),
    ] {
        assert!(PAGE.lines().any(|line| line.starts_with(&start)), "docs/LIMITS.md lacks {start}");
    }
}
