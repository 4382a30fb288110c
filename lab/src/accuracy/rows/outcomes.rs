//! Rows A11, A14 and A17: connections that end, requests without a response, responses that fail.

use anyhow::Result;
use z6_events::ErrorKind;

use crate::accuracy::bench::{Bench, Load};
use crate::accuracy::check::{Bar, Check};
use crate::accuracy::ledger::End;
use crate::accuracy::server::ServerPlan;
use crate::accuracy::stats::quantile;

/// A11: closed after 7 requests, and while idle.
pub(super) fn closing_server(bench: &Bench) -> Result<Vec<Check>> {
    let plans = [
        (
            "after 7 requests",
            ServerPlan { max_requests_per_connection: Some(7), ..ServerPlan::default() },
            2_000,
        ),
        (
            "idle for 10 ms",
            ServerPlan { idle_timeout_ns: Some(10_000_000), ..ServerPlan::default() },
            100,
        ),
    ];
    let mut checks = Vec::new();
    for (what, plan, per_second) in plans {
        let mut load = Load::rate("/hello", per_second, 2_000);
        load.max_connections = 4;
        let trial = bench.trial(&plan, &load)?;
        let ledger = &trial.ledger;
        let planned = per_second * 2;
        let mut actors: Vec<u64> = ledger.requests.iter().map(|request| request.actor).collect();
        actors.dedup();
        let others =
            ledger.count(|request| request.end != End::Succeeded && !is_closed(request.end));
        let complete = ledger.count(|request| request.complete);
        let on_wire = ledger.count(|request| request.sent.is_some());
        let server = trial.truth.requests;
        let closed = ledger.count(|request| is_closed(request.end));
        let counts = format!("{complete} <= {server} <= {on_wire}");
        let is_between = complete <= server && server <= on_wire;
        checks.extend([
            Check::exact(
                "A11",
                format!("{what}: one outcome per request"),
                planned,
                actors.len() as u64,
            ),
            Check::exact(
                "A11",
                format!("{what}: outcomes per request"),
                planned,
                ledger.requests.len() as u64,
            ),
            Check::exact(
                "A11",
                format!("{what}: neither answered nor closed ({closed} closed)"),
                0,
                others,
            ),
            Check::holds(
                "A11",
                format!("{what}: complete, server, on wire"),
                "rising",
                counts,
                is_between,
            ),
        ]);
    }
    Ok(checks)
}

/// A14: 1 % of the requests are never answered.
pub(super) fn never_answered(bench: &Bench) -> Result<Vec<Check>> {
    let mut load = Load::rate("/hello?stall=0.01", 1_000, bench.pick(20_000, 3_000));
    load.timeout_ms = 500;
    let trial = bench.trial(&ServerPlan { seed: 3, ..ServerPlan::default() }, &load)?;
    let unanswered = trial.truth.requests - trial.truth.responses;
    let timeouts = trial.count("/errors/by_kind/request_timeout");
    let bounds = trial.metrics.pointer("/latency/response_ns/lower_bounds");
    let is_bound = bounds.is_some_and(|names| names.to_string().contains("p999"));
    let p999 = trial.latency("response_ns", "p999").unwrap_or(0.0);
    // metrics.json has no p99.5: by the naive sort, which row A20 holds the others to.
    let observed = trial.ledger.sorted(|request| {
        (request.end == End::Succeeded || request.is_censored()).then(|| request.response_ns())
    });
    let p995 = quantile(&observed, 9_950).unwrap_or(0) as f64;
    let share = timeouts as f64 / trial.count("/requests/planned") as f64 * 100.0;
    Ok(vec![
        Check::exact("A14", "timeouts, by the server's own count", unanswered, timeouts),
        Check::between("A14", "share of timeouts, %", share, (0.5, 1.5)),
        Check::holds("A14", "p99.9 is a lower bound", "true", is_bound.to_string(), is_bound),
        Check::holds(
            "A14",
            "p99.9 >= timeout",
            ">= 500 ms",
            format!("{:.1} ms", p999 / 1e6),
            p999 >= 500e6,
        ),
        Check::holds(
            "A14",
            "p99.5 >= timeout",
            ">= 500 ms",
            format!("{:.1} ms", p995 / 1e6),
            p995 >= 500e6,
        ),
    ])
}

/// A17: 30 % of the requests are answered 503 at once.
pub(super) fn instant_failures(bench: &Bench) -> Result<Vec<Check>> {
    let mut load = Load::rate("/delay/10 and /status/503", 500, 3_000);
    load.requests = Some(
        "[[requests]]\nname = \"good\"\npath = \"/delay/10\"\nweight = 0.7\n\
         [[requests]]\nname = \"bad\"\npath = \"/status/503\"\nweight = 0.3\n"
            .to_owned(),
    );
    let trial = bench.trial(&ServerPlan::default(), &load)?;
    let mut good = trial.ledger.sorted(|request| {
        (request.end == End::Succeeded).then(|| trial.true_response(request)).flatten()
    });
    good.sort_unstable();
    let failed = trial.ledger.count(|request| matches!(request.end, End::Failed(_)));
    let truth_ns = quantile(&good, 5_000).unwrap_or(0) as f64;
    let p50 = trial.latency("response_ns", "p50");
    let bad_p50 = trial.number("/latency/failed_response_ns/p50");
    let counted = trial.count("/latency/response_ns/count");
    Ok(vec![
        Check::near("A17", "successes: p50", truth_ns, p50, Bar::micros(100.0)),
        Check::at_most("A17", "failures apart: p50", bad_p50, 5e6),
        Check::exact("A17", "failures", failed, trial.count("/latency/failed_response_ns/count")),
        Check::exact("A17", "successes", good.len() as u64, counted),
    ])
}

/// Whether a request failed because its connection ended before any byte of a response.
const fn is_closed(end: End) -> bool {
    matches!(
        end,
        End::Failed(
            ErrorKind::StaleConnection
                | ErrorKind::ClosedBeforeResponse
                | ErrorKind::ConnectionReset
        )
    )
}
