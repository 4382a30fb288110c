//! Checks of HTTP/2: how many streams are open, which requests are sent again, and which PINGs are answered.

use std::collections::BTreeMap;

use z6_events::{ErrorKind, ResendCause};

use super::account::{Account, End, Row};
use super::server::{Known, known};
use super::{Checker, Evidence, Found};
use crate::truth::TruthPing;

pub(super) fn check(evidence: &Evidence<'_>, account: &Account, found: &mut Found) {
    for what in &evidence.truth.streams {
        found.add(Checker::Streams, || what.clone());
    }
    let known = known(evidence);
    let mut pings: BTreeMap<u64, Vec<&TruthPing>> = BTreeMap::new();
    for ping in &evidence.truth.pings {
        pings.entry(ping.connection).or_default().push(ping);
    }
    for row in account.rows.values() {
        resends(evidence, &known, row, found);
        answers_pings(&pings, &known, row, found);
    }
}

/// The answer to a PING goes out before requests that were planned after it was read (RFC 9113 section 6.7).
fn answers_pings(
    pings: &BTreeMap<u64, Vec<&TruthPing>>,
    known: &Known<'_>,
    row: &Row,
    found: &mut Found,
) {
    for place in row.exchanges.iter().map(|exchange| exchange.place) {
        for ping in pings.get(&place.connection).into_iter().flatten() {
            let is_later = ping.read.is_some_and(|read| row.request.planned > read);
            let is_before_answer =
                ping.answered_behind.is_none_or(|streams| place.number < streams);
            if is_later && is_before_answer && known.contains_key(&place) {
                found.add(Checker::Streams, || {
                    format!("{ping:?} was not answered before {:?} at {place:?}", row.request)
                });
            }
        }
    }
}

/// What is sent again because it was refused was refused: the server has done nothing for it. A request is sent again
/// as often as its targets say and no more often; those that met the end of a connection do not count, unless
/// `resend_refused` is 0 (RFC 9113 sections 6.8 and 8.7).
fn resends(evidence: &Evidence<'_>, known: &Known<'_>, row: &Row, found: &mut Found) {
    let mut target = row.request.target;
    let mut counted = 0;
    for exchange in &row.exchanges {
        if let Some(followed) = exchange.followed {
            target = followed.next.target;
        }
        if exchange.resent != Some(ResendCause::Refused) {
            continue;
        }
        if known.contains_key(&exchange.place) {
            found.add(Checker::Streams, || {
                let place = exchange.place;
                format!("{:?} is sent again, and the server took it at {place:?}", row.request)
            });
        }
        let most = evidence.spec.scenario.target(target).http2.resend_refused;
        counted += u32::from(!exchange.met_the_end);
        if counted > u32::from(most) || most == 0 {
            found.add(Checker::Streams, || {
                format!("{:?} is sent again more than {most} times", row.request)
            });
        }
    }
    if let (End::Broken(ErrorKind::StreamRefused), Some(last)) = (row.end, row.exchanges.last()) {
        let most = evidence.spec.scenario.target(target).http2.resend_refused;
        if counted < u32::from(most) {
            found.add(Checker::Streams, || {
                format!("{:?} is refused at {:?}, and not sent again", row.request, last.place)
            });
        }
    }
}
