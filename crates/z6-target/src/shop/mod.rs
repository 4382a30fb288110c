//! The shop: routes with tokens, sessions, searches and orders, for tests that log in and read answers.
//!
//! Owns what these routes mean and the little that they remember; must not know sockets or clocks. What
//! a client carries from one request to the next is signed, so that any thread knows it again: only
//! orders and the uses left of tokens are state, and both are bounded. Reading order: this file (which
//! call is answered how), `signed`, `form` (what a request says), then a file per group of routes:
//! `token`, `login`, `search`, `orders`.

mod form;
mod login;
mod orders;
mod search;
mod signed;
mod token;

use std::fmt::Display;
use std::sync::Arc;

use crate::head::Head;
use crate::keep::{KeepBudget, KeptBody};
use crate::query;
use crate::reply::{Content, Made, Reply};
use orders::OrderBook;
use signed::Signer;
use token::Tickets;

/// Longest request body that these routes read.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
/// Longest name of a client or user, password, secret, CSRF token or search text, in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// The password and the client secret that are refused; all others are accepted.
const WRONG: &str = "wrong";

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// The routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Token,
    Me,
    Login,
    Account,
    Search,
    Orders,
    /// `/orders/ID`; `None` if that is no number.
    Order(Option<u64>),
}

/// Finds the page of a path.
pub(crate) fn page(path: &str) -> Option<Page> {
    let page = match path {
        "/token" | "/oauth/token" => Page::Token,
        "/api/me" => Page::Me,
        "/login" => Page::Login,
        "/account" => Page::Account,
        "/search" => Page::Search,
        "/orders" => Page::Orders,
        other => Page::Order(query::decimal(other.strip_prefix("/orders/")?, 0)),
    };
    Some(page)
}

/// What all threads of a server share.
#[derive(Debug)]
pub(crate) struct Shop {
    signer: Signer,
    /// When the server started, on the clock of the instants given to `answer`.
    started_ns: u64,
    tickets: Tickets,
    orders: OrderBook,
}

/// One request, with what the routes read of it.
#[derive(Debug)]
pub(crate) struct Call {
    page: Page,
    method: String,
    query: String,
    content_type: Option<String>,
    authorization: Option<String>,
    cookie: Option<String>,
    idempotency_key: Option<String>,
    /// The numbers of the connection and of the request on it: no two requests have the same.
    nonce: (u64, u64),
    pub(crate) body: KeptBody,
}

impl Call {
    pub(crate) fn new(
        page: Page,
        head: &Head<'_>,
        nonce: (u64, u64),
        budget: &Arc<KeepBudget>,
    ) -> Box<Call> {
        let field = |name| {
            let value = head.field(name)?;
            Some(String::from_utf8_lossy(&value).into_owned())
        };
        Box::new(Call {
            page,
            method: head.method.to_owned(),
            query: head.target.split_once('?').map_or("", |(_, query)| query).to_owned(),
            content_type: field("Content-Type"),
            authorization: field("Authorization"),
            cookie: field("Cookie"),
            idempotency_key: field("Idempotency-Key"),
            nonce,
            body: KeptBody::new(budget),
        })
    }

    /// The first parameter of the query with this name, decoded.
    fn parameter(&self, name: &str) -> Result<Option<String>, Problem> {
        form::parameter(&self.query, name)
    }
}

impl Shop {
    pub(crate) fn new(seed: u64, started_ns: u64) -> Self {
        Self {
            signer: Signer::new(seed),
            started_ns,
            tickets: Tickets::default(),
            orders: OrderBook::default(),
        }
    }

    /// The answer to a call at the instant `now_ns`.
    pub(crate) fn answer(&self, call: &Call, now_ns: u64) -> Reply {
        self.serve(call, now_ns).unwrap_or_else(Problem::reply)
    }

    fn serve(&self, call: &Call, now_ns: u64) -> Result<Reply, Problem> {
        let reads = matches!(call.method.as_str(), "GET" | "HEAD");
        let posts = call.method == "POST";
        match call.page {
            Page::Token if posts => self.give_token(call, now_ns),
            Page::Me if reads => self.who(call, now_ns),
            Page::Login if reads => Ok(self.login_form(call)),
            Page::Login if posts => self.sign_in(call),
            Page::Account if reads => self.account(call),
            Page::Search if reads => search::search(call),
            Page::Orders if posts => self.create_order(call),
            Page::Order(id) if reads => self.read_order(id),
            Page::Token | Page::Orders => Err(Problem::method("POST")),
            Page::Me | Page::Account | Page::Search | Page::Order(_) => {
                Err(Problem::method("GET, HEAD"))
            }
            Page::Login => Err(Problem::method("GET, HEAD, POST")),
        }
    }
}

/// Why a call is refused.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    status: u16,
    text: String,
    fields: String,
}

impl Problem {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), fields: String::new() }
    }

    fn method(allowed: &str) -> Self {
        Self {
            fields: format!("Allow: {allowed}\r\n"),
            ..Self::new(405, format!("this route takes {allowed}"))
        }
    }

    /// Not signed in, with the value of the WWW-Authenticate field (RFC 9110 section 11.6.1).
    fn unauthorized(text: &str, challenge: &str) -> Self {
        Self { fields: format!("WWW-Authenticate: {challenge}\r\n"), ..Self::new(401, text) }
    }

    fn reply(self) -> Reply {
        let body = format!("{{\"error\":{}}}\n", json_text(&self.text));
        made(self.status, JSON, self.fields, body)
    }
}

/// An answer; each line of `fields` ends with CR LF.
fn made(status: u16, media_type: &'static str, fields: String, body: String) -> Reply {
    Reply { status, content: Content::Made(Box::new(Made { media_type, fields, body })) }
}

/// A JSON string.
fn json_text(text: impl Display) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

/// `text`, if it is there, not empty and no longer than `MAX_TEXT_BYTES`.
fn required(text: Option<&String>, name: &str) -> Result<String, Problem> {
    match text {
        None => Err(Problem::new(400, format!("`{name}` is missing"))),
        Some(text) if text.is_empty() || text.len() > MAX_TEXT_BYTES => {
            Err(Problem::new(400, format!("`{name}` must have 1 to {MAX_TEXT_BYTES} bytes")))
        }
        Some(text) => Ok(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_pages() {
        assert_eq!(page("/token"), Some(Page::Token));
        assert_eq!(page("/oauth/token"), Some(Page::Token));
        assert_eq!(page("/orders"), Some(Page::Orders));
        assert_eq!(page("/orders/17"), Some(Page::Order(Some(17))));
        assert_eq!(page("/orders/"), Some(Page::Order(None)));
        assert_eq!(page("/orders/-1"), Some(Page::Order(None)));
        assert_eq!(page("/api"), None);
        assert_eq!(page("/Login"), None);
    }
}
