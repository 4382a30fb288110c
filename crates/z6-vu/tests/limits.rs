//! docs/LIMITS.md lists the bounds of the engine as they are.

use z6_vu::engine::MAX_TIMERS_PER_STEP;
use z6_vu::templates::{MAX_REQUEST_FIELDS, MAX_TEMPLATE_BYTES};

const PAGE: &str = include_str!("../../../docs/LIMITS.md");

#[test]
fn the_page_lists_the_bounds_of_the_engine() {
    for (name, value) in [
        ("MAX_TIMERS_PER_STEP", u64::from(MAX_TIMERS_PER_STEP)),
        ("MAX_TEMPLATE_BYTES", MAX_TEMPLATE_BYTES),
        ("MAX_REQUEST_FIELDS", MAX_REQUEST_FIELDS as u64),
    ] {
        let start = format!("| `{name}` | {value} | ");
        assert!(PAGE.lines().any(|line| line.starts_with(&start)), "docs/LIMITS.md lacks {start}");
    }
}
