//! How many bytes a request costs: these bounds only ever get tighter.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod common;

use common::{Spread, done, planned_request, sent};
use z6_events::{BlockBuilder, Event, Partition, Tick, WorkerId};

/// Bytes per request of a closed model without think time: each answer is followed by that VU's
/// next request, planned at the answer's tick. `mean_gap_ns` lies between two requests.
fn bytes_per_request(connections: u32, requests: u64, mean_gap_ns: u64, jitter: bool) -> f64 {
    let mut builder = BlockBuilder::new(Partition::unsharded(WorkerId(1), 4), Vec::new());
    let (mut gaps, mut now) = (Spread(1), 1_000_000_000);
    let mut steps = vec![1000u64; connections as usize];
    let (mut bytes, mut push) = (0, {
        |at: u64, event: &Event| -> usize {
            if builder.push(Tick(at), event).is_ok() {
                return 0;
            }
            let full = builder.close(Vec::new()).payload().len();
            builder.push(Tick(at), event).expect("fits an empty block");
            full
        }
    });
    for request in 0..requests {
        let in_order = (request % u64::from(connections)) as u32;
        let slot = if jitter { gaps.below(u64::from(connections)) as u32 } else { in_order };
        now += 2 * gaps.below(mean_gap_ns);
        bytes += push(now, &done(slot, now, 200, 238));
        let planned = now;
        now += 500 + gaps.below(2000);
        let step = &mut steps[slot as usize];
        let actor = u64::from(slot) * 4 + 1;
        bytes += push(now, &sent(slot, planned_request(actor, *step, 0, planned), 78));
        *step += 1;
    }
    bytes += builder.close(Vec::new()).payload().len();
    bytes as f64 / requests as f64
}

#[test]
fn bytes_per_request_stay_within_bounds() {
    for (connections, gap, jitter, bound) in [
        (64, 14_000, false, 8.5),
        (64, 14_000, true, 8.5),
        (64, 100_000, true, 9.0),
        (10_000, 14_000, false, 9.5),
        (10_000, 14_000, true, 12.2),
        (10_000, 1_000_000, true, 12.8),
    ] {
        let cost = bytes_per_request(connections, 200_000, gap, jitter);
        assert!(cost <= bound, "{connections} connections, gap {gap} ns, jitter {jitter}: {cost}");
    }
}
