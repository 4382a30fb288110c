//! The log against the simulated server's own list: what it received, what it answered, when the client
//! had read that, and where redirects led.

use std::collections::BTreeMap;

use z6_events::{ErrorKind, Response, Tick};
use z6_scenario::simulation::FaultKind;

use super::account::{Account, End, Exchange, Place, Row};
use super::answers;
use super::received;
use super::requests::{BREAKS, any};
use super::{Checker, Evidence, Found};
use crate::truth::{Leads, TruthAnswer, TruthRequest};

/// What the server received, by where.
pub(super) type Known<'a> = BTreeMap<Place, &'a TruthRequest>;

/// The server's list by place.
pub(super) fn known<'a>(evidence: &Evidence<'a>) -> Known<'a> {
    let place =
        |request: &TruthRequest| Place { connection: request.connection, number: request.number };
    evidence.truth.list.iter().map(|request| (place(request), request)).collect()
}

pub(super) fn check(evidence: &Evidence<'_>, account: &Account, found: &mut Found) {
    let known = known(evidence);
    let twice = evidence.truth.list.len() - known.len();
    if twice > 0 {
        found.add(Checker::Server, || format!("the server received {twice} requests twice"));
    }
    for error in &evidence.truth.refused {
        found.add(Checker::Received, || format!("the server received no request: {error}"));
    }
    answers::check(evidence, account, &known, found);
    let mut unmatched = known.clone();
    let expected = received::Expected::new(evidence);
    for (key, row) in &account.rows {
        let requests: Vec<Option<&TruthRequest>> =
            row.exchanges.iter().map(|exchange| unmatched.remove(&exchange.place)).collect();
        received::check(evidence, &expected, row, &requests, found);
        for (attempt, exchange) in row.exchanges.iter().enumerate() {
            let seen = Seen { key: *key, attempt, row, exchange };
            if let Some(request) = requests[attempt] {
                seen.received(request, found);
            }
            if exchange.resent.is_none() {
                seen.answered(evidence, requests[attempt], found);
            }
        }
    }
    // What happened after the disk was full is in no log.
    if evidence.is_whole() {
        for place in unmatched.keys() {
            found.add(Checker::Server, || {
                format!("the server received {place:?}, of which the log says nothing")
            });
        }
    }
}

/// One exchange as the log has it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    key: (u64, u64),
    attempt: usize,
    row: &'a Row,
    exchange: &'a Exchange,
}

impl Seen<'_> {
    fn is_last(&self) -> bool {
        self.attempt + 1 == self.row.exchanges.len()
    }

    fn name(&self) -> String {
        let (actor, step) = self.key;
        match self.attempt {
            0 => format!("actor {actor} step {step}"),
            attempt => format!("actor {actor} step {step} exchange {attempt}"),
        }
    }

    fn differs(&self, what: &str, server: &str, log: &str, found: &mut Found) {
        found.add(Checker::Server, || {
            format!("{}: {what} is {server} for the server and {log} in the log", self.name())
        });
    }

    /// A request that came to the server is in the log as sent before, and with its length.
    fn received(&self, request: &TruthRequest, found: &mut Found) {
        let sent = self.exchange.sent;
        if sent > request.received {
            let server = format!("before {:?}", request.received);
            self.differs("its send", &server, &format!("{sent:?}"), found);
        }
        let length = self.exchange.request_bytes;
        if length != request.request_bytes {
            let server = request.request_bytes.to_string();
            self.differs("its length", &server, &length.to_string(), found);
        }
        // A response that was read to its last byte ended the request, unless that was over by then.
        let answer = request.answer.as_ref().filter(|_| !request.is_muddled && self.is_last());
        let read = answer.and_then(|answer| answer.read);
        if let (Some(read), End::TimedOut | End::InFlight) = (read, self.row.end)
            && read < self.row.ended
            && self.exchange.followed.is_none()
        {
            let server = format!("read at {read:?}");
            self.differs("its response", &server, &format!("{:?}", self.row.end), found);
        }
    }

    /// A complete response is in the log as the server sent it, and a redirect as where it led.
    fn answered(&self, evidence: &Evidence<'_>, request: Option<&TruthRequest>, found: &mut Found) {
        let (response, at) = match (self.exchange.followed, self.row.end) {
            (Some(followed), _) => (Some(followed.response), followed.at),
            (None, End::Answered { response, .. }) => (Some(response), self.row.ended),
            (None, _) => (None, self.row.ended),
        };
        if request.is_some_and(|request| request.is_muddled) {
            return;
        }
        let answer = request.and_then(|request| request.answer.as_ref());
        if let Some(answer) = answer {
            self.led(evidence, answer, found);
        }
        let Some(response) = response else { return };
        let Some(answer) = answer else {
            found.add(Checker::Server, || format!("{} was not answered whole", self.name()));
            return;
        };
        let is_http2 = request.is_some_and(|request| request.is_http2);
        self.keeps(evidence, is_http2, &response, answer, found);
        self.compare(&response, at, answer, found);
        // A clock that stands still is behind the world.
        let is_behind = !evidence.spec.simulation.faults.get(FaultKind::DuplicateStamp).is_zero();
        if answer.sent > at && !is_behind {
            found.add(Checker::Server, || {
                format!("{}: read at {at:?}, sent at {:?}", self.name(), answer.sent)
            });
        }
    }

    /// Whether the connection can be kept is what the server announced: never after
    /// `Connection: close` or GOAWAY, and otherwise always, except for bytes that belong to no request and for what
    /// ends connections in this world.
    fn keeps(
        &self,
        evidence: &Evidence<'_>,
        is_http2: bool,
        response: &Response,
        answer: &TruthAnswer,
        found: &mut Found,
    ) {
        let world = &evidence.spec.simulation;
        let may_end = response.unsolicited
            || world.keep_alive_idle_ns.is_some()
            || any(world, &BREAKS)
            || (is_http2
                && (world.keep_alive_requests.is_some()
                    || any(world, &[FaultKind::GoAway, FaultKind::GoAwayError])));
        let reusable = response.reusable;
        if reusable == answer.closes && (answer.closes || !may_end) {
            found.add(Checker::Server, || {
                let said = if answer.closes { "is closed" } else { "stays" };
                let name = self.name();
                format!("{name}: its connection {said}, and reusable is {reusable} in the log")
            });
        }
    }

    /// What the log says of a complete response is what the server sent, and when it was read.
    fn compare(&self, response: &Response, at: Tick, answer: &TruthAnswer, found: &mut Found) {
        if response.status != answer.status {
            let log = response.status.to_string();
            self.differs("the status", &answer.status.to_string(), &log, found);
        }
        if response.received_bytes != answer.bytes {
            let log = response.received_bytes.to_string();
            self.differs("the length", &answer.bytes.to_string(), &log, found);
        }
        let first_byte = response.first_byte;
        if answer.first_read != Some(first_byte) {
            let server = format!("{:?}", answer.first_read);
            let log = format!("{first_byte:?}");
            self.differs("the first byte of the final response", &server, &log, found);
        }
        if answer.read != Some(at) || first_byte > at {
            let log = format!("{at:?}, first byte {first_byte:?}");
            let server = format!("{:?}", answer.read);
            self.differs("the end of the reading", &server, &log, found);
        }
    }

    /// A redirect that was read is followed to where it leads, or fails its request for the right
    /// reason; nothing else is followed.
    fn led(&self, evidence: &Evidence<'_>, answer: &TruthAnswer, found: &mut Found) {
        let limit = evidence.spec.scenario.request(self.row.request.request).follow_redirects;
        let is_read = answer.read.is_some_and(|read| {
            // One that was read after the request had ended changes nothing.
            !matches!(self.row.end, End::TimedOut | End::InFlight)
                || self.exchange.followed.is_some()
                || read < self.row.ended
        });
        let before = self.row.exchanges.iter().take(self.attempt);
        let followed = before.filter(|exchange| exchange.followed.is_some()).count();
        let leads = answer.leads.as_ref().filter(|_| limit > 0);
        let expected = match leads {
            None => Outcome::NotRedirected,
            Some(_) if followed >= usize::from(limit) => {
                Outcome::Fails(ErrorKind::TooManyRedirects)
            }
            Some(Leads::Nowhere) => Outcome::Fails(ErrorKind::BadLocation),
            Some(Leads::Elsewhere) => Outcome::Fails(ErrorKind::RedirectRefused),
            Some(Leads::To { target, .. }) => Outcome::Follows(*target),
        };
        let seen = match (self.exchange.followed, self.row.end) {
            (Some(followed), _) => Outcome::Follows(followed.next.target),
            (None, End::Broken(kind)) if is_of_redirects(kind) => Outcome::Fails(kind),
            (None, _) => Outcome::NotRedirected,
        };
        if is_read && seen != expected {
            found.add(Checker::Redirects, || {
                let name = self.name();
                format!("{name}: {answer:?} should be {expected:?} and is {seen:?} in the log")
            });
        }
    }
}

/// What a response does to its request as far as redirects go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    NotRedirected,
    Follows(z6_events::TargetId),
    Fails(ErrorKind),
}

/// Whether only a redirect fails a request with this kind.
const fn is_of_redirects(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TooManyRedirects | ErrorKind::BadLocation | ErrorKind::RedirectRefused
    )
}
