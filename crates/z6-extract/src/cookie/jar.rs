//! A bounded jar of cookies (RFC 6265bis §5.7, §5.8).
//!
//! There is no list of public suffixes: a `Domain` of a single label or an IP address is refused,
//! unless it is the host itself. Time is an argument.

use crate::canary::is_planted;
use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;

use thiserror::Error;

use super::SetCookie;
use crate::limits::{MAX_COOKIE_AGE_SECONDS, MAX_COOKIE_ATTRIBUTE_BYTES, MAX_COOKIES};

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// Host name or IP address, without a port.
    pub host: &'a str,
    /// Path; a query is ignored.
    pub path: &'a str,
    /// Whether it is `https`.
    pub is_secure: bool,
}

/// What became of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is new.
    Added,
    /// It is new, and took the place of one that was used longest ago.
    AddedForOther,
    /// It replaces the one of the same name, domain and path.
    Replaced,
    /// It had expired: if there was one of the same name, domain and path, that is gone.
    Removed,
}

/// Why a cookie is ignored.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Neither name nor value.
    #[error("it has neither a name nor a value")]
    Empty,
    /// A control character other than a tab.
    #[error("it contains a control character")]
    ControlCharacter,
    /// Name and value, or the path it is for by default, are too long.
    #[error("it is too large")]
    TooLarge,
    /// `Domain` does not cover the host.
    #[error("its domain is another host's")]
    OtherDomain,
    /// `Domain` is a single label or an IP address.
    #[error("its domain is too wide, or an IP address")]
    DomainTooWide,
    /// `Secure`, or in place of a secure one, but not over https.
    #[error("it is secure, or would hide a secure one, and did not come over https")]
    NotSecure,
    /// Its name begins with `__Secure-` or `__Host-`, and its attributes do not fulfil that.
    #[error("its attributes do not fulfil the prefix of its name")]
    Prefix,
}

/// One cookie.
#[derive(Clone)]
struct Cookie {
    /// Name, value, domain and path, one behind the other.
    text: Box<[u8]>,
    /// Where the first three of them end.
    ends: [u16; 3],
    is_host_only: bool,
    is_secure: bool,
    /// Milliseconds since 1970; the greatest number for none.
    expires_unix_ms: i64,
    /// Number of the event at which a cookie of this name, domain and path was first stored.
    created: u32,
    /// Number of the event at which it was last stored or sent.
    used: u32,
}

/// The cookies of one user. It keeps at most [`MAX_COOKIES`], and its debug form shows none.
///
/// ```
/// use z6_extract::{Destination, Jar};
///
/// let mut jar = Jar::new();
/// let login = Destination { host: "shop.example", path: "/login", is_secure: true };
/// jar.store(b"sid=31d4; Path=/; HttpOnly", &login, 0).unwrap();
/// jar.store(b"form=1; Max-Age=60", &login, 0).unwrap();
///
/// let mut value = Vec::new();
/// let account = Destination { path: "/account?tab=1", ..login };
/// assert_eq!(jar.write(&account, 1_000, &mut value), 2);
/// assert_eq!(value, b"sid=31d4; form=1");
/// ```
#[derive(Clone, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    /// Events so far.
    events: u32,
}

impl fmt::Debug for Jar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Jar").field("cookies", &self.cookies.len()).finish()
    }
}

impl Cookie {
    fn piece(&self, start: u16, end: u16) -> &[u8] {
        self.text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }

    fn name(&self) -> &[u8] {
        self.piece(0, self.ends[0])
    }

    fn value(&self) -> &[u8] {
        self.piece(self.ends[0], self.ends[1])
    }

    fn domain(&self) -> &[u8] {
        self.piece(self.ends[1], self.ends[2])
    }

    fn path(&self) -> &[u8] {
        self.text.get(usize::from(self.ends[2])..).unwrap_or_default()
    }

    fn is_same(&self, other: &Cookie) -> bool {
        self.name() == other.name()
            && self.domain() == other.domain()
            && self.path() == other.path()
            && self.is_host_only == other.is_host_only
    }

    fn goes_to(&self, destination: &Destination<'_>) -> bool {
        let host = destination.host.as_bytes();
        let fits = if self.is_host_only {
            host.eq_ignore_ascii_case(self.domain())
        } else {
            domain_matches(host, self.domain())
        };
        fits && (destination.is_secure || !self.is_secure || is_planted("cookies"))
            && path_matches(path_of(destination), self.path())
    }

    /// Whether this secure cookie would be hidden by one that did not come over https.
    fn is_hidden_by(&self, other: &Cookie) -> bool {
        let (mine, other_domain) = (self.domain(), other.domain());
        self.is_secure
            && self.name() == other.name()
            && (domain_matches(mine, other_domain) || domain_matches(other_domain, mine))
            && path_matches(other.path(), self.path())
    }
}

impl Jar {
    /// An empty jar, which takes no memory.
    pub const fn new() -> Jar {
        Jar { cookies: Vec::new(), events: 0 }
    }

    /// Number of cookies, expired ones among them.
    pub fn len(&self) -> usize {
        self.cookies.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// The values of all cookies, expired ones among them.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.cookies.iter().map(Cookie::value)
    }

    /// What the cookies take.
    pub fn bytes(&self) -> usize {
        self.cookies.iter().map(|cookie| size_of::<Cookie>() + cookie.text.len()).sum()
    }

    /// By how much the jar grows at most with the cookie of a `Set-Cookie` field in a response to a request
    /// to `from`.
    pub fn bytes_at_most(field: &[u8], from: &Destination<'_>) -> usize {
        size_of::<Cookie>() + field.len() + from.host.len() + from.path.len() + 1
    }

    /// Forgets all cookies; keeps some memory for the next ones.
    pub fn clear(&mut self) {
        self.cookies.clear();
    }

    /// Stores the cookie of a `Set-Cookie` field in the response to a request to `from`, at a time in
    /// milliseconds since 1970 (RFC 6265bis §5.7).
    ///
    /// # Errors
    /// If it is ignored; then the jar is as before.
    pub fn store(
        &mut self,
        field: &[u8],
        from: &Destination<'_>,
        now_unix_ms: i64,
    ) -> Result<Stored, Refused> {
        let set = SetCookie::parse(field)?;
        let mut cookie = self.checked(&set, from, now_unix_ms)?;
        let same = self.cookies.iter().position(|other| other.is_same(&cookie));
        if cookie.expires_unix_ms <= now_unix_ms {
            if let Some(same) = same {
                self.cookies.remove(same);
            }
            return Ok(Stored::Removed);
        }
        self.events = self.events.saturating_add(1);
        cookie.used = self.events;
        cookie.created = self.events;
        if let Some(same) = same.and_then(|same| self.cookies.get_mut(same)) {
            cookie.created = same.created;
            *same = cookie;
            return Ok(Stored::Replaced);
        }
        let made_room = self.make_room(now_unix_ms);
        self.cookies.push(cookie);
        Ok(if made_room { Stored::AddedForOther } else { Stored::Added })
    }

    /// Appends the value of the `Cookie` field of a request to `to`, at a time in milliseconds since
    /// 1970; returns the number of cookies in it (RFC 6265bis §5.8.3).
    ///
    /// Longer paths come first, and among equal ones what was stored first.
    pub fn write(&mut self, to: &Destination<'_>, now_unix_ms: i64, value: &mut Vec<u8>) -> usize {
        self.events = self.events.saturating_add(1);
        let mut chosen = [0; MAX_COOKIES];
        let mut count = 0;
        for (i, cookie) in self.cookies.iter_mut().enumerate() {
            if cookie.expires_unix_ms > now_unix_ms && cookie.goes_to(to) {
                cookie.used = self.events;
                if let Some(slot) = chosen.get_mut(count) {
                    *slot = i;
                    count += 1;
                }
            }
        }
        let chosen = chosen.get_mut(..count).unwrap_or_default();
        let order =
            |i: &usize| self.cookies.get(*i).map(|one| (Reverse(one.path().len()), one.created));
        chosen.sort_unstable_by_key(order);
        for (i, cookie) in chosen.iter().filter_map(|&i| self.cookies.get(i)).enumerate() {
            if i > 0 {
                value.extend_from_slice(b"; ");
            }
            if !cookie.name().is_empty() {
                value.extend_from_slice(cookie.name());
                value.push(b'=');
            }
            value.extend_from_slice(cookie.value());
        }
        count
    }

    /// The cookie to store, if it is not ignored.
    fn checked(
        &self,
        set: &SetCookie<'_>,
        from: &Destination<'_>,
        now_unix_ms: i64,
    ) -> Result<Cookie, Refused> {
        let (domain, is_host_only) = domain_of(set, from.host)?;
        let path = match set.path {
            None | Some(b"") => default_path(path_of(from)),
            Some(path) => path,
        };
        if domain.len().max(path.len()) > MAX_COOKIE_ATTRIBUTE_BYTES {
            return Err(Refused::TooLarge);
        }
        let mut text = [set.name, set.value, domain, path].concat().into_boxed_slice();
        let start = set.name.len() + set.value.len();
        if let Some(domain) = text.get_mut(start..start + domain.len()) {
            domain.make_ascii_lowercase();
        }
        let end = |at: usize| u16::try_from(at).map_err(|_| Refused::TooLarge);
        let ends = [end(set.name.len())?, end(start)?, end(start + domain.len())?];
        let (is_secure, expires_unix_ms) = (set.is_secure, expiry(set, now_unix_ms));
        let cookie =
            Cookie { text, ends, is_host_only, is_secure, expires_unix_ms, created: 0, used: 0 };
        let is_hiding = || self.cookies.iter().any(|other| other.is_hidden_by(&cookie));
        if !from.is_secure && (is_secure || is_hiding()) {
            return Err(Refused::NotSecure);
        }
        if fulfils_prefix(set, &cookie) { Ok(cookie) } else { Err(Refused::Prefix) }
    }

    /// If the jar is full, removes what has expired, or else one cookie; returns whether it was that
    /// (RFC 6265bis §5.7, the order in which cookies go).
    fn make_room(&mut self, now_unix_ms: i64) -> bool {
        if self.cookies.len() < MAX_COOKIES {
            return false;
        }
        self.cookies.retain(|cookie| cookie.expires_unix_ms > now_unix_ms);
        if self.cookies.len() < MAX_COOKIES {
            return false;
        }
        let order = |(_, cookie): &(usize, &Cookie)| (cookie.is_secure, cookie.used);
        if let Some((i, _)) = self.cookies.iter().enumerate().min_by_key(order) {
            self.cookies.remove(i);
        }
        true
    }
}

/// The domain of a cookie, and whether it is for this host alone.
fn domain_of<'a>(set: &SetCookie<'a>, host: &'a str) -> Result<(&'a [u8], bool), Refused> {
    let host = host.as_bytes();
    let Some(domain) = set.domain else { return Ok((host, true)) };
    if !domain.contains(&b'.') || is_ip_address(domain) {
        let is_host = domain.eq_ignore_ascii_case(host);
        return if is_host { Ok((host, true)) } else { Err(Refused::DomainTooWide) };
    }
    if domain_matches(host, domain) { Ok((domain, false)) } else { Err(Refused::OtherDomain) }
}

/// When a cookie expires, milliseconds since 1970: not later than in 400 days.
fn expiry(set: &SetCookie<'_>, now_unix_ms: i64) -> i64 {
    let latest = now_unix_ms.saturating_add(MAX_COOKIE_AGE_SECONDS * 1_000);
    match (set.max_age_seconds, set.expires_unix_seconds) {
        (Some(0), _) => i64::MIN,
        (Some(age), _) => now_unix_ms.saturating_add(age.saturating_mul(1_000)).min(latest),
        (None, Some(expires)) => expires.saturating_mul(1_000).min(latest),
        (None, None) => i64::MAX,
    }
}

/// Whether the attributes are those that a name with a prefix asks for (RFC 6265bis §4.1.3).
fn fulfils_prefix(set: &SetCookie<'_>, cookie: &Cookie) -> bool {
    let begins = |text: &[u8], prefix: &str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    if set.name.is_empty() {
        return !begins(set.value, "__Secure-") && !begins(set.value, "__Host-");
    }
    if begins(set.name, "__Host-") {
        let has_root = set.path.is_some() && cookie.path() == b"/";
        return set.is_secure && cookie.is_host_only && has_root;
    }
    !begins(set.name, "__Secure-") || set.is_secure
}

fn is_ip_address(host: &[u8]) -> bool {
    let text = std::str::from_utf8(host).unwrap_or_default();
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text).parse::<IpAddr>().is_ok()
}

/// RFC 6265bis §5.1.3; `domain` has at least two labels, or is a host.
fn domain_matches(host: &[u8], domain: &[u8]) -> bool {
    let Some(more) = host.len().checked_sub(domain.len()) else { return false };
    let (before, end) = host.split_at(more);
    end.eq_ignore_ascii_case(domain)
        && (before.is_empty() || before.ends_with(b".") && !is_ip_address(host))
}

fn path_of<'a>(destination: &Destination<'a>) -> &'a [u8] {
    let path = destination.path.as_bytes();
    path.split(|&byte| byte == b'?').next().unwrap_or_default()
}

/// RFC 6265bis §5.1.4.
fn default_path(path: &[u8]) -> &[u8] {
    let last = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    if !path.starts_with(b"/") || last == 0 {
        return b"/";
    }
    path.get(..last).unwrap_or_default()
}

/// RFC 6265bis §5.1.4.
fn path_matches(path: &[u8], cookie: &[u8]) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with(b"/") || rest.starts_with(b"/"))
}
