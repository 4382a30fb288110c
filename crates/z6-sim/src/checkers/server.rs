//! The log against the simulated server's own list: what it received, what it answered, when the last
//! byte was read.

use std::collections::BTreeMap;

use z6_events::Tick;
use z6_scenario::simulation::FaultKind;

use super::account::{Account, End, Row};
use super::requests::{BREAKS, any};
use super::{Checker, Evidence, Found};
use crate::truth::{TruthAnswer, TruthRequest};

pub(super) fn check(evidence: &Evidence<'_>, account: &Account, found: &mut Found) {
    let mut known: BTreeMap<(u64, u64), &TruthRequest> = BTreeMap::new();
    for request in &evidence.truth.list {
        let key = (request.actor.0, request.step.0);
        if known.insert(key, request).is_some() {
            found.add(Checker::Server, || format!("the server received {} twice", name(key)));
        }
    }
    for (key, request) in &known {
        match account.rows.get(key) {
            Some(row) => received(*key, request, row, found),
            // What happened after the disk was full is in no log.
            None if !evidence.is_whole() => {}
            None => found.add(Checker::Server, || {
                format!("the server received {}, of which the log says nothing", name(*key))
            }),
        }
    }
    for (key, row) in &account.rows {
        let End::Answered { status, first_byte, received_bytes, reusable, unsolicited, .. } =
            row.end
        else {
            continue;
        };
        if known.get(key).is_some_and(|request| request.is_muddled) {
            continue;
        }
        let Some(answer) = known.get(key).and_then(|request| request.answer) else {
            found.add(Checker::Server, || format!("{} was not answered whole", name(*key)));
            continue;
        };
        keeps(evidence, *key, (reusable, unsolicited), &answer, found);
        let log = Logged { status, first_byte, received_bytes, ended: row.ended };
        answered(*key, &log, &answer, found);
        // A clock that stands still is behind the world.
        let is_behind = !evidence.spec.simulation.faults.get(FaultKind::DuplicateStamp).is_zero();
        if answer.sent > row.ended && !is_behind {
            found.add(Checker::Server, || {
                format!("{}: read at {:?}, sent at {:?}", name(*key), row.ended, answer.sent)
            });
        }
    }
}

fn name(key: (u64, u64)) -> String {
    format!("actor {} step {}", key.0, key.1)
}

/// A request that came to the server is in the log as sent, and as what it was.
fn received(key: (u64, u64), request: &TruthRequest, row: &Row, found: &mut Found) {
    let mut differs = |what: &str, server: String, log: String| {
        found.add(Checker::Server, || {
            format!("{}: {what} is {server} for the server and {log} in the log", name(key))
        });
    };
    match row.sent {
        None => differs("its receipt", format!("{:?}", request.received), "none".to_owned()),
        Some(sent) if sent > request.received => {
            differs("its send", format!("before {:?}", request.received), format!("{sent:?}"));
        }
        Some(_) => {}
    }
    if row.request.request != request.request {
        differs(
            "its template",
            format!("{:?}", request.request),
            format!("{:?}", row.request.request),
        );
    }
    if row.request.planned != request.planned {
        let log = format!("{:?}", row.request.planned);
        differs("its planned instant", format!("{:?}", request.planned), log);
    }
    if row.sent.is_some() && row.request_bytes != request.request_bytes {
        let log = row.request_bytes.to_string();
        differs("its length", request.request_bytes.to_string(), log);
    }
    // An answer that was read to its last byte ended the request, unless that was over by then.
    let read = request.answer.filter(|_| !request.is_muddled).and_then(|answer| answer.read);
    if let (Some(read), End::TimedOut | End::InFlight) = (read, row.end)
        && read < row.ended
    {
        differs("its answer", format!("read at {read:?}"), format!("{:?}", row.end));
    }
}

/// Whether the connection can be kept is what the server announced: never after `Connection: close`, and
/// else always, but for bytes nobody asked for and what ends connections in this world.
fn keeps(
    evidence: &Evidence<'_>,
    key: (u64, u64),
    (reusable, unsolicited): (bool, bool),
    answer: &TruthAnswer,
    found: &mut Found,
) {
    let world = &evidence.spec.simulation;
    let may_end = unsolicited || world.keep_alive_idle_ns.is_some() || any(world, &BREAKS);
    if reusable == answer.closes && (answer.closes || !may_end) {
        found.add(Checker::Server, || {
            let said = if answer.closes { "is closed" } else { "stays" };
            format!("{}: its connection {said}, and reusable is {reusable} in the log", name(key))
        });
    }
}

/// What the log says of a complete response.
struct Logged {
    status: u16,
    first_byte: Tick,
    received_bytes: u64,
    ended: Tick,
}

/// What the log says of a complete response is what the server sent, and when it was read.
fn answered(key: (u64, u64), log: &Logged, answer: &TruthAnswer, found: &mut Found) {
    let mut differs = |what: &str, server: String, log: String| {
        found.add(Checker::Server, || {
            format!("{}: {what} is {server} for the server and {log} in the log", name(key))
        });
    };
    if log.status != answer.status {
        differs("the status", answer.status.to_string(), log.status.to_string());
    }
    if log.received_bytes != answer.bytes {
        differs("the length", answer.bytes.to_string(), log.received_bytes.to_string());
    }
    if answer.first_read != Some(log.first_byte) {
        let log = format!("{:?}", log.first_byte);
        differs("the first byte of the final response", format!("{:?}", answer.first_read), log);
    }
    if answer.read != Some(log.ended) || log.first_byte > log.ended {
        let log = format!("{:?}, first byte {:?}", log.ended, log.first_byte);
        differs("the end of the reading", format!("{:?}", answer.read), log);
    }
}
