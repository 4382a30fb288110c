//! Checks of requests against each other and against the figures: outcomes, counts, causes, time.

use std::collections::BTreeMap;

use z6_events::protocol::ASSUMED_STREAMS;
use z6_events::{ErrorGroup, ErrorKind, Phase, Tick};
use z6_metrics::Metrics;
use z6_scenario::simulation::{Delay, FaultKind, Simulation};
use z6_scenario::{BlockKind, Reading};

use super::account::{Account, End, Row};
use super::{Checker, Evidence, Found, LATE_NS};

pub(super) fn check(evidence: &Evidence<'_>, account: &Account, found: &mut Found) {
    if evidence.is_whole() {
        if !evidence.spec.scenario.has_journeys() {
            steps(account, found);
        }
        end_of_run(evidence, account, found);
    }
    for row in account.rows.values() {
        cause(evidence, row, found);
        end_in_time(evidence, account, row, found);
    }
}

/// An actor's requests are its steps 0, 1, 2, and so on. Not where responses have a say in it: the check of
/// the log knows which steps are taken then.
fn steps(account: &Account, found: &mut Found) {
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for (actor, step) in account.rows.keys() {
        let expected = next.entry(*actor).or_insert(0);
        if step != expected {
            found.add(Checker::OneOutcome, || {
                format!("actor {actor}: step {step} where {expected} was next")
            });
        }
        *expected = step + 1;
    }
}

/// The figures are what can be counted.
pub(super) fn figures(metrics: &Metrics, account: &Account, found: &mut Found) {
    let count = |of: fn(&Row) -> bool| account.rows.values().filter(|row| of(row)).count() as u64;
    let figures = &metrics.requests;
    let never_sent = count(|row| matches!(row.end, End::NeverSent(_)));
    let failed = count(|row| row.failure().is_some());
    let answered = count(|row| matches!(row.end, End::Answered { .. }));
    let exchanges = account.rows.values().map(|row| row.exchanges.len() as u64).sum::<u64>();
    let by_status: u64 = figures.by_status.0.iter().map(|(_, count)| count).sum();
    let by_kind: u64 = metrics.errors.by_kind.0.iter().map(|(_, count)| count).sum();
    let planned = account.rows.len() as u64;
    for (name, figure, counted) in [
        ("planned", figures.planned, planned),
        ("sent", figures.sent, planned - never_sent),
        ("on_wire", figures.on_wire, count(|row| row.sent().is_some())),
        ("exchanges", figures.exchanges, exchanges),
        ("never_sent", figures.never_sent, never_sent),
        ("succeeded", figures.succeeded, count(Row::is_success)),
        ("failed", figures.failed, failed),
        ("in_flight_at_stop", figures.in_flight_at_stop, count(|row| row.end == End::InFlight)),
        ("sum of by_status", by_status, answered),
        ("sum of by_kind", by_kind, failed),
        ("connections.opened", metrics.connections.opened, account.connected),
        ("connections.retried", metrics.connections.retried, account.retried),
        ("connections.failed", metrics.connections.failed, account.attempts_failed),
    ] {
        if figure != counted {
            found.add(Checker::Conservation, || {
                format!("{name} is {figure} in the figures and {counted} by count")
            });
        }
    }
    for (kind, counted) in by_error(account) {
        let figure = metrics.errors.by_kind.get(kind).copied().unwrap_or(0);
        if figure != counted {
            found.add(Checker::Conservation, || {
                format!("{} is {figure} in the figures and {counted} by count", kind.name())
            });
        }
    }
}

/// The figures of set-up or tear-down are what can be counted.
pub(super) fn phase_figures(metrics: &Metrics, phase: Phase, account: &Account, found: &mut Found) {
    let figures = if phase == Phase::SetUp { &metrics.setup } else { &metrics.teardown };
    let Some(figures) = figures else {
        return found.add(Checker::Conservation, || format!("there are no figures of {phase:?}"));
    };
    let count = |of: fn(&Row) -> bool| account.rows.values().filter(|row| of(row)).count() as u64;
    for (name, figure, counted) in [
        ("sent", figures.sent, count(|row| !row.exchanges.is_empty())),
        ("succeeded", figures.succeeded, count(Row::is_success)),
        ("failed", figures.failed, count(|row| row.failure().is_some())),
        ("never_sent", figures.never_sent, count(|row| matches!(row.end, End::NeverSent(_)))),
        ("in_flight_at_stop", figures.in_flight_at_stop, count(|row| row.end == End::InFlight)),
    ] {
        if figure != counted {
            found.add(Checker::Conservation, || {
                format!("{name} of {phase:?} is {figure} in the figures and {counted} by count")
            });
        }
    }
}

fn by_error(account: &Account) -> Vec<(ErrorKind, u64)> {
    let count = |kind: ErrorKind| {
        account.rows.values().filter(|row| row.failure() == Some(kind)).count() as u64
    };
    ErrorKind::ALL.iter().map(|kind| (*kind, count(*kind))).collect()
}

/// Faults after which a connection cannot be used again.
pub(super) const BREAKS: [FaultKind; 10] = [
    FaultKind::ResetBefore,
    FaultKind::ResetInHead,
    FaultKind::ResetInBody,
    FaultKind::CloseBefore,
    FaultKind::CloseInBody,
    FaultKind::Garbage,
    FaultKind::WrongLength,
    FaultKind::BrokenChunk,
    FaultKind::InterimFlood,
    FaultKind::Unsolicited,
];

/// Whether one of these faults is in this world.
pub(super) fn any(world: &Simulation, kinds: &[FaultKind]) -> bool {
    kinds.iter().any(|kind| !world.faults.get(*kind).is_zero())
}

/// The longest that a delay of this distribution can be, if it has an end.
fn longest_ns(delay: Delay) -> u64 {
    match delay {
        Delay::Constant { ns } => ns,
        Delay::Uniform { high_ns, .. } => high_ns,
        Delay::Bimodal { usual_ns, tail_ns, .. } => usual_ns.max(tail_ns),
        Delay::Exponential { .. } | Delay::LogNormal { .. } => u64::MAX,
    }
}

/// Each failure is one that something in this world can bring about.
fn cause(evidence: &Evidence<'_>, row: &Row, found: &mut Found) {
    let Some(kind) = row.failure() else { return };
    let world = &evidence.spec.simulation;
    if !can_happen(evidence, world, kind, row) {
        found.add(Checker::Cause, || {
            format!("nothing in this world makes {:?} fail with {}", row.request, kind.name())
        });
    }
}

fn can_happen(evidence: &Evidence<'_>, world: &Simulation, kind: ErrorKind, row: &Row) -> bool {
    use FaultKind as F;
    let keeps_short = world.keep_alive_idle_ns.is_some() || world.keep_alive_requests.is_some();
    match kind {
        ErrorKind::ConnectionRefused => any(world, &[F::ConnectRefused]),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            any(world, &[F::ConnectUnreachable])
        }
        ErrorKind::ProxyRefused => {
            let target = evidence.spec.scenario.target(row.last_target());
            any(world, &[F::ProxyRefused]) && target.proxy.is_some()
        }
        ErrorKind::TlsAlpn => any(world, &[F::AlpnHttp1]),
        ErrorKind::OutOfPorts => any(world, &[F::OutOfPorts]),
        ErrorKind::OutOfDescriptors => any(world, &[F::OutOfDescriptors]),
        ErrorKind::ConnectTimeout => {
            let target = evidence.spec.scenario.target(row.last_target());
            let slow = longest_ns(world.connect) >= target.connection_timeout_ns;
            let late = [F::LateTimer, F::LogStall, F::DuplicateStamp];
            slow || any(world, &[F::ConnectTimeout, F::ServerStall]) || any(world, &late)
        }
        ErrorKind::ConnectionReset => any(world, &BREAKS),
        ErrorKind::ClosedBeforeResponse | ErrorKind::StaleConnection => {
            keeps_short || any(world, &BREAKS)
        }
        ErrorKind::TooManyRedirects => !world.redirects.is_zero() || any(world, &[F::BadRedirect]),
        ErrorKind::BadLocation | ErrorKind::RedirectRefused => any(world, &[F::BadRedirect]),
        ErrorKind::StreamReset => any(world, &[F::ResetStream]),
        ErrorKind::ConnectionGoingAway => any(world, &[F::GoAwayError]),
        // A server may refuse what comes before its settings are known.
        ErrorKind::StreamRefused => {
            let assumed = world.max_concurrent_streams < ASSUMED_STREAMS;
            keeps_short || assumed || any(world, &[F::RefuseStream, F::GoAway, F::GoAwayError])
        }
        // A slow world needs no fault for it.
        ErrorKind::RequestTimeout => true,
        ErrorKind::CheckFailed => !reading(evidence, row).checks.is_empty(),
        ErrorKind::ExtractFailed => !reading(evidence, row).extracts.is_empty(),
        ErrorKind::LoopLimit => {
            let users = evidence.spec.scenario.users(row.request.population);
            users.flow.blocks.iter().any(|block| matches!(block.kind, BlockKind::Until(_)))
        }
        ErrorKind::BadValue => {
            evidence.spec.scenario.request(row.request.request).rendering.is_some()
        }
        ErrorKind::Status4xx | ErrorKind::Status5xx | ErrorKind::UnexpectedStatus => true,
        other => match other.group() {
            ErrorGroup::Protocol | ErrorGroup::Limit => any(world, &BREAKS),
            ErrorGroup::Transport
            | ErrorGroup::Tls
            | ErrorGroup::Timeout
            | ErrorGroup::Status
            | ErrorGroup::Value => false,
        },
    }
}

/// What is read from the responses to a request.
fn reading<'e>(evidence: &Evidence<'e>, row: &Row) -> &'e Reading {
    &evidence.spec.scenario.request(row.request.request).reading
}

/// Whether loops of this world come late to their timers.
pub(super) fn is_late(world: &Simulation) -> bool {
    any(world, &[FaultKind::LateTimer, FaultKind::DuplicateStamp, FaultKind::LogStall])
}

/// A timeout comes when the time is over; nothing is answered or broken after it. A request whose
/// time goes beyond the grace period is in flight at its end, however late that is noticed.
fn end_in_time(evidence: &Evidence<'_>, account: &Account, row: &Row, found: &mut Found) {
    let Some(sent) = row.first_sent() else { return };
    let timeout_ns = evidence.spec.scenario.request(row.request.request).timeout_ns;
    let due = sent.plus_ns(timeout_ns);
    let slack_ns = if is_late(&evidence.spec.simulation) { LATE_NS } else { 0 };
    let grace_ns = evidence.spec.scenario.runtime.graceful_stop_ns;
    let grace_over = account.end.map(|(_, end)| end.plus_ns(grace_ns));
    let fits = match row.end {
        End::TimedOut => row.ended >= due && row.ended <= due.plus_ns(slack_ns),
        End::Answered { .. } | End::Broken(_) => row.ended < due,
        // The attempt it waited for may have timed out before, in a loop that notices both late.
        End::RedirectFailed(_) => row.ended < due.plus_ns(slack_ns),
        End::InFlight => row.ended < due || grace_over.is_some_and(|over| over <= due),
        End::NotOnWire(_) | End::NeverSent(_) => true,
    };
    if !fits {
        found.add(Checker::Liveness, || {
            format!("{:?} sent at {sent:?} was due at {due:?}: {row:?}", row.request)
        });
    }
}

/// The run ends: every worker finishes, and none later than the grace period allows.
fn end_of_run(evidence: &Evidence<'_>, account: &Account, found: &mut Found) {
    let (Some((_, end)), Some(finished)) = (account.end, account.finished) else {
        found.add(Checker::Liveness, || "a worker has not finished".to_owned());
        return;
    };
    let grace_ns = evidence.spec.scenario.runtime.graceful_stop_ns;
    let slack_ns = if is_late(&evidence.spec.simulation) { LATE_NS } else { 0 };
    let latest: Tick = end.plus_ns(grace_ns).plus_ns(slack_ns);
    // If stopped from outside, each worker has its own end tick.
    if finished > latest && !account.stopped {
        found.add(Checker::Liveness, || {
            format!("the run ended at {end:?} and its last worker finished at {finished:?}")
        });
    }
}
