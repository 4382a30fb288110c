//! Bearer tokens: `POST /token`, and `GET /api/me`, which needs one.
//!
//! Owns what a token says and the uses left of tokens that have a number of uses.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::signed::Kind;
use super::{Call, JSON, Problem, Shop, WRONG, form, json_text, made, required};
use crate::query;
use crate::reply::Reply;

/// How long a token is valid unless `expires_ms` says otherwise: one hour.
const DEFAULT_EXPIRES_MS: u64 = 3_600_000;
/// Longest time that `expires_ms` may say: one day.
const MAX_EXPIRES_MS: u64 = 86_400_000;
/// Most uses that `uses` may say.
const MAX_USES: u64 = 1_000_000_000;
/// Tokens with a number of uses that are remembered; an older one counts as used up.
const MAX_TICKETS: u64 = 65_536;

const CHALLENGE: &str = "Bearer realm=\"z6-target\"";
const BAD_TOKEN: &str = "Bearer realm=\"z6-target\", error=\"invalid_token\"";
const BAD_CLIENT: &str = "Basic realm=\"z6-target\"";

impl Shop {
    /// Gives a token to any client whose secret is not `wrong` (RFC 6749 section 4.4, with short names
    /// allowed).
    pub(super) fn give_token(&self, call: &Call, now_ns: u64) -> Result<Reply, Problem> {
        let (client, secret) = match basic(call) {
            Some(pair) => pair,
            None => {
                let fields = form::fields(call)?;
                let either = |short: &str, long| fields.get(long).or_else(|| fields.get(short));
                (
                    required(either("client", "client_id"), "client")?,
                    required(either("secret", "client_secret"), "secret")?,
                )
            }
        };
        let within = |name, max| number(call, name, max);
        let expires_ms = within("expires_ms", MAX_EXPIRES_MS)?.unwrap_or(DEFAULT_EXPIRES_MS);
        let uses = within("uses", MAX_USES)?;
        if secret == WRONG {
            return Err(Problem::unauthorized("the secret of this client is wrong", BAD_CLIENT));
        }
        let end_ms = self.elapsed_ms(now_ns) + expires_ms;
        let ticket = uses.map_or_else(|| "-".to_owned(), |uses| self.tickets.add(uses).to_string());
        let (connection, request) = call.nonce;
        let payload = format!("{connection}.{request} {end_ms} {ticket} {client}");
        let token = self.signer.sign(Kind::Token, &payload);
        let body = format!(
            "{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":{}}}\n",
            expires_ms / 1000
        );
        Ok(made(200, JSON, "Cache-Control: no-store\r\n".to_owned(), body))
    }

    /// Says whose token it is.
    pub(super) fn who(&self, call: &Call, now_ns: u64) -> Result<Reply, Problem> {
        let Some(credentials) = &call.authorization else {
            return Err(Problem::unauthorized("a Bearer token is needed", CHALLENGE));
        };
        let token = after_scheme(credentials, "Bearer")
            .ok_or_else(|| Problem::unauthorized("a Bearer token is needed", CHALLENGE))?;
        let bad = |text| Problem::unauthorized(text, BAD_TOKEN);
        let payload = self.signer.open(Kind::Token, token);
        let payload = payload.ok_or_else(|| bad("this is no token of this server"))?;
        let mut parts = payload.splitn(4, ' ').skip(1);
        let mut part = || parts.next().unwrap_or_default();
        let (end_ms, ticket, client) = (part(), part(), part());
        if end_ms.parse::<u64>().is_ok_and(|end_ms| self.elapsed_ms(now_ns) >= end_ms) {
            return Err(bad("the token has expired"));
        }
        if ticket.parse().is_ok_and(|ticket| !self.tickets.take(ticket)) {
            return Err(bad("the token has no uses left"));
        }
        let body = format!("{{\"client\":{}}}\n", json_text(client));
        Ok(made(200, JSON, String::new(), body))
    }

    fn elapsed_ms(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.started_ns) / 1_000_000
    }
}

/// Name and secret of `Authorization: Basic` (RFC 7617), if both are there.
fn basic(call: &Call) -> Option<(String, String)> {
    let encoded = after_scheme(call.authorization.as_deref()?, "Basic")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (client, secret) = text.split_once(':')?;
    let valid = |text: &str| required(Some(&text.to_owned()), "Authorization").ok();
    Some((valid(client)?, valid(secret)?))
}

/// What follows the name of the scheme, which is compared in any case (RFC 9110 section 11.1).
fn after_scheme<'a>(credentials: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, rest) = credentials.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// A parameter of the query that is a number from 1 to `max`.
fn number(call: &Call, name: &str, max: u64) -> Result<Option<u64>, Problem> {
    let Some(text) = call.parameter(name)? else { return Ok(None) };
    let number = query::decimal(&text, 0).filter(|number| (1..=max).contains(number));
    let bad = || Problem::new(400, format!("`{name}` must be a number from 1 to {max}"));
    number.ok_or_else(bad).map(Some)
}

/// The uses left of tokens: the newest `MAX_TICKETS`, without a lock. Each slot holds the low half of
/// the ticket's number above the uses that it has left.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    next: AtomicU64,
    slots: OnceLock<Box<[AtomicU64]>>,
}

impl Tickets {
    /// Remembers a number of uses; returns the number of its ticket.
    fn add(&self, uses: u64) -> u64 {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let slots =
            self.slots.get_or_init(|| (0..MAX_TICKETS).map(|_| AtomicU64::new(0)).collect());
        let slot = &slots[(ticket % MAX_TICKETS) as usize];
        slot.store((ticket << 32) | uses, Ordering::Release);
        ticket
    }

    /// Takes one use; false if none is left or the ticket is forgotten.
    fn take(&self, ticket: u64) -> bool {
        let Some(slots) = self.slots.get() else { return false };
        let is_left = |slot: u64| slot >> 32 == ticket & 0xFFFF_FFFF && slot & 0xFFFF_FFFF > 0;
        let slot = &slots[(ticket % MAX_TICKETS) as usize];
        let take = |slot| is_left(slot).then(|| slot - 1);
        slot.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_count_down_and_the_oldest_are_forgotten() {
        let tickets = Tickets::default();
        assert!(!tickets.take(0));
        let first = tickets.add(2);
        let second = tickets.add(1);
        assert!(tickets.take(first) && tickets.take(second) && tickets.take(first));
        assert!(!tickets.take(first) && !tickets.take(second));
        let third = tickets.add(MAX_USES);
        for _ in 0..MAX_TICKETS - 1 {
            tickets.add(1);
        }
        assert!(tickets.take(third));
        let last = tickets.add(1);
        assert!(!tickets.take(third) && tickets.take(last));
    }
}
