//! The fixed routes: from a request target to what is served.
//!
//! Owns the list of routes and the limits on their numbers; must not know how they are answered.

use crate::config::MAX_DELAY_NS;
use crate::query::{self, BadTarget, Query, decimal, quote};
use crate::shop::{self, Page};

/// Body of the 404 answer.
pub(crate) const ROUTES: &str = "\
no such route; the routes are
  /               Hello, World!
  /hello          Hello, World!
  /bytes/N        N bytes with Content-Length
  /chunked/N      N bytes in chunks of 1024 (?chunk=SIZE)
  /delay/MS       answers after MS milliseconds, decimals allowed
  /status/CODE    answers with status CODE, 200 to 599
  /close          answers, then closes the connection
  /echo           returns the request body
  /abort          ends the connection without an answer (?how=reset or ?how=fin)
  /stall          never answers
  /token          POST client and secret: a Bearer token (?expires_ms=N, ?uses=N)
  /api/me         needs the token, and says whose it is
  /login          GET: a form with a CSRF token; POST user and password: a session cookie
  /account        needs the cookie, and greets the user
  /search?q=TEXT  pages of items as JSON (&page=N)
  /orders         POST JSON with sku, quantity and note: an order
  /orders/ID      that order
and on each of them
  ?delay=constant:5ms | uniform:1ms..10ms | exponential:10ms | bimodal:1ms,100ms,0.01
  ?fail=SHARE     answers that share of requests with 503
  ?reset=SHARE    resets the connection for that share of requests
  ?stall=SHARE    never answers that share of requests
  ?body_delay=MS  holds back the body of the answer once its head is sent
";

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Hello,
    Bytes(u64),
    Chunked(u64),
    Delay {
        ns: u64,
    },
    Status(u16),
    Close,
    Echo,
    Abort,
    Stall,
    Shop(Page),
    /// `OPTIONS *`.
    Asterisk,
    NotFound,
}

/// Finds route and query of a request target (RFC 9112 section 3.2: origin, absolute or asterisk form).
pub(crate) fn parse(target: &str, max_response_bytes: u64) -> Result<(Route, Query), BadTarget> {
    if target == "/" {
        return Ok((Route::Hello, Query::default()));
    }
    if target == "*" {
        return Ok((Route::Asterisk, Query::default()));
    }
    let target = origin_form(target).ok_or(BadTarget::Form)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok((path_route(path, max_response_bytes)?, query::parse(query)?))
}

/// Cuts scheme and authority off an absolute-form target.
fn origin_form(target: &str) -> Option<&str> {
    if target.starts_with('/') {
        return Some(target);
    }
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    // An absolute form without a path means `/`, with or without a query.
    Some(rest.find(['/', '?']).map_or("/", |at| &rest[at..]))
}

fn path_route(path: &str, max_response_bytes: u64) -> Result<Route, BadTarget> {
    let path = if path.is_empty() { "/" } else { path };
    let sized = |route: &'static str, text: &str| {
        let value = decimal(text, 0).ok_or_else(|| BadTarget::Segment {
            route,
            value: quote(text),
            expected: "a number of bytes",
        })?;
        if value > max_response_bytes {
            return Err(BadTarget::TooLong { route, value, limit: max_response_bytes });
        }
        Ok(value)
    };
    let found = match path {
        "/" | "/hello" => Route::Hello,
        "/close" => Route::Close,
        "/echo" => Route::Echo,
        "/abort" => Route::Abort,
        "/stall" => Route::Stall,
        other => match other.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
            Some(("bytes", text)) => Route::Bytes(sized("/bytes/N", text)?),
            Some(("chunked", text)) => Route::Chunked(sized("/chunked/N", text)?),
            Some(("delay", text)) => Route::Delay { ns: delay_ns(text)? },
            Some(("status", text)) => Route::Status(status(text)?),
            Some(_) | None => shop::page(path).map_or(Route::NotFound, Route::Shop),
        },
    };
    Ok(found)
}

fn delay_ns(text: &str) -> Result<u64, BadTarget> {
    decimal(text, 6).filter(|&ns| ns <= MAX_DELAY_NS).ok_or_else(|| BadTarget::Segment {
        route: "/delay/MS",
        value: quote(text),
        expected: "a number of milliseconds up to 3600000 with at most 6 digits after the point",
    })
}

fn status(text: &str) -> Result<u16, BadTarget> {
    let code = decimal(text, 0).and_then(|code| u16::try_from(code).ok());
    code.filter(|code| (200..=599).contains(code)).ok_or_else(|| BadTarget::Segment {
        route: "/status/CODE",
        value: quote(text),
        expected: "a final status from 200 to 599",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Abort;

    fn route(target: &str) -> Route {
        parse(target, 1000).expect("a route").0
    }

    #[test]
    fn paths_name_routes() {
        assert_eq!(route("/"), Route::Hello);
        assert_eq!(route("/hello?a=b"), Route::Hello);
        assert_eq!(route("/bytes/0"), Route::Bytes(0));
        assert_eq!(route("/bytes/1000"), Route::Bytes(1000));
        assert_eq!(route("/chunked/12"), Route::Chunked(12));
        assert_eq!(route("/delay/1.25"), Route::Delay { ns: 1_250_000 });
        assert_eq!(route("/status/599"), Route::Status(599));
        assert_eq!(route("/echo"), Route::Echo);
        assert_eq!(route("/api/me?x=1"), Route::Shop(Page::Me));
        assert_eq!(route("/orders/7"), Route::Shop(Page::Order(Some(7))));
        assert_eq!(route("/bytes"), Route::NotFound);
        assert_eq!(route("/nope/1"), Route::NotFound);
        assert_eq!(route("//"), Route::NotFound);
    }

    #[test]
    fn absolute_and_asterisk_forms_are_understood() {
        assert_eq!(route("http://host:80/status/204"), Route::Status(204));
        assert_eq!(route("HTTP://host"), Route::Hello);
        assert_eq!(route("*"), Route::Asterisk);
        let (found, query) = parse("http://host/abort?how=fin", 1).expect("a route");
        assert_eq!((found, query.how), (Route::Abort, Some(Abort::Fin)));
        assert_eq!(route("http://host?fail=0.5"), Route::Hello);
        assert_eq!(parse("host:443", 1), Err(BadTarget::Form));
        assert_eq!(parse("ftp://host/", 1), Err(BadTarget::Form));
    }

    #[test]
    fn bad_numbers_say_what_was_expected() {
        let message = |target| parse(target, 1000).expect_err("malformed").to_string();
        assert_eq!(message("/bytes/-1"), "/bytes/N: `-1` is not a number of bytes");
        assert_eq!(
            message("/bytes/1001"),
            "/bytes/N: 1001 bytes are more than max_response_bytes (1000)"
        );
        assert_eq!(
            message("/status/101"),
            "/status/CODE: `101` is not a final status from 200 to 599"
        );
        assert_eq!(
            message("/delay/x"),
            "/delay/MS: `x` is not a number of milliseconds up to 3600000 with at most 6 digits after the point"
        );
    }
}
