//! What the log says was read from a response against what the server meant by it: values, failed checks,
//! and what follows from them for the request.

use z6_events::{ErrorKind, LoggedValue};
use z6_scenario::{Extract, ValueSource};

use super::account::{Account, End, Row};
use super::server::Known;
use super::{Checker, Evidence, Found};
use crate::answer::{Meant, MeantValue};

pub(super) fn check(
    evidence: &Evidence<'_>,
    account: &Account,
    known: &Known<'_>,
    found: &mut Found,
) {
    for row in account.rows.values() {
        let Some(exchange) = row.exchanges.last().filter(|last| last.followed.is_none()) else {
            continue;
        };
        let End::Answered { response, failure } = row.end else { continue };
        let Some(request) = known.get(&exchange.place).filter(|request| !request.is_muddled) else {
            continue;
        };
        let Some(meant) = request.answer.as_ref().and_then(|answer| answer.meant.as_ref()) else {
            continue;
        };
        let due = Due::new(evidence, row, meant, response.status);
        due.values(evidence, row, found);
        if row.failed_checks != meant.failed_checks {
            found.add(Checker::Answers, || {
                let (log, server) = (row.failed_checks, meant.failed_checks);
                format!("{:?}: failed checks are {log:b} in the log, {server:b} meant", row.request)
            });
        }
        if due.failure.is_some_and(|due| due != failure) {
            found.add(Checker::Answers, || {
                format!("{:?}: {failure:?} instead of {:?}", row.request, due.failure)
            });
        }
    }
}

/// What is due.
struct Due<'a> {
    /// Extractions that are done, with what they find.
    values: Vec<(&'a Extract, &'a MeantValue)>,
    /// Why the request fails, or that it does not; none if its status says so.
    failure: Option<Option<ErrorKind>>,
}

impl<'a> Due<'a> {
    fn new(evidence: &Evidence<'a>, row: &Row, meant: &'a Meant, status: u16) -> Due<'a> {
        let about = evidence.spec.scenario.request(row.request.request);
        let is_expected = about.expects(status);
        let fails = about.reading.checks.iter().enumerate();
        let fails = fails.filter(|(_, check)| check.fails).fold(0, |mask, (i, _)| mask | 1 << i);
        let holds = fails & meant.failed_checks == 0;
        let all = about.reading.extracts.iter().zip(&meant.values);
        let values = all.filter(|(extract, _)| extract.is_always || (is_expected && holds));
        let values: Vec<_> = values.collect();
        let lacks = values.iter().any(|(extract, value)| {
            **value == MeantValue::Missing && extract.is_required && extract.default.is_none()
        });
        let failure = match (is_expected, holds, lacks) {
            (false, ..) => None,
            (true, false, _) => Some(Some(ErrorKind::CheckFailed)),
            (true, true, true) => Some(Some(ErrorKind::ExtractFailed)),
            (true, true, false) => Some(None),
        };
        Due { values, failure }
    }

    fn values(&self, evidence: &Evidence<'_>, row: &Row, found: &mut Found) {
        let logged = row.values.iter();
        let fits = self.values.len() == row.values.len()
            && logged.zip(&self.values).all(|((variable, logged), (extract, value))| {
                *variable == extract.variable && is_logged(evidence, row, *logged, extract, value)
            });
        if !fits {
            found.add(Checker::Answers, || {
                let meant: Vec<_> = self.values.iter().map(|(_, value)| value).collect();
                format!("{:?}: the log has {:?} of {meant:?}", row.request, row.values)
            });
        }
    }
}

/// Whether this is how the log has a value: secret ones not at all, long ones as a digest.
fn is_logged(
    evidence: &Evidence<'_>,
    row: &Row,
    logged: LoggedValue,
    extract: &Extract,
    value: &MeantValue,
) -> bool {
    let values = &evidence.spec.scenario.values;
    let is_secret = values.is_secret(ValueSource::Variable(extract.variable));
    let (MeantValue::Is { bytes, .. }, false) = (value, is_secret) else {
        return match (value, logged) {
            (MeantValue::Missing, LoggedValue::Missing) => true,
            (MeantValue::Missing, _) | (_, LoggedValue::Missing) => false,
            (_, LoggedValue::Withheld) => is_secret,
            _ => !is_secret,
        };
    };
    match logged {
        LoggedValue::Missing => {
            bytes.len() as u64 > u64::from(evidence.spec.scenario.limits.max_value_bytes)
        }
        LoggedValue::Clear(range) => {
            let arena = evidence.arenas.get(row.worker.index());
            arena.is_some_and(|arena| range.of(arena) == bytes.as_slice())
        }
        LoggedValue::Digest { length, .. } => length == bytes.len() as u64,
        _ => false,
    }
}
