//! Where the simulated server's redirects lead: draws a place and writes the `Location` for it.
//!
//! A place is drawn first and then put into words, so that the checkers know it without resolving a
//! reference (RFC 3986 section 5), which is the product's business.

use z6_events::TargetId;
use z6_scenario::random::Generator;
use z6_scenario::{Host, Scenario, Scheme};

use crate::truth::Leads;

/// Statuses of redirects, each as likely as the others.
const STATUSES: [u64; 5] = [301, 302, 303, 307, 308];
/// Pages that redirects lead to.
const PAGES: u64 = 10;
/// An origin that no target has: names under `invalid` never are one (RFC 2606 section 2).
const ELSEWHERE: &str = "http://redirected-elsewhere.invalid:4711/";

/// What a request asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The target whose server received it.
    pub(crate) target: TargetId,
    /// Path and query.
    pub(crate) path: &'a str,
}

/// A redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) status: u16,
    /// Values of its `Location` fields.
    pub(crate) locations: Vec<String>,
    pub(crate) leads: Leads,
}

/// The origins of all targets.
#[derive(Debug)]
pub(crate) struct Places {
    /// By target: `http://host:port`; none for the built-in one, which has no port here.
    origins: Vec<Option<String>>,
    /// By target: the same as it is named in requests.
    named: Vec<String>,
}

impl Places {
    pub(crate) fn new(scenario: &Scenario) -> Places {
        let origin = |target: &z6_scenario::Target| {
            let url = &target.base_url;
            let host = match &url.host {
                Host::Name(name) => name.clone(),
                Host::V4(address) => address.to_string(),
                Host::V6(address) => format!("[{address}]"),
            };
            match url.scheme {
                Scheme::Http => Some(format!("http://{host}:{}", url.port)),
                Scheme::Https => Some(format!("https://{host}:{}", url.port)),
                Scheme::Builtin | Scheme::BuiltinTls => None,
            }
        };
        let named = |target: &z6_scenario::Target| {
            let url = &target.base_url;
            let scheme = if url.is_tls() { "https" } else { "http" };
            format!("{scheme}://{}", url.authority(url.port))
        };
        Places {
            origins: scenario.targets.iter().map(origin).collect(),
            named: scenario.targets.iter().map(named).collect(),
        }
    }

    /// The URL of a path on the server of a target, as a client says it: without a port that is usual.
    pub(crate) fn url(&self, target: TargetId, path: &str) -> String {
        format!("{}{path}", self.named[target.index()])
    }

    /// Draws a redirect to a target.
    pub(crate) fn draw(&self, asked: Asked<'_>, draws: &mut Generator) -> Redirect {
        let status = status(draws);
        let page = draws.uniform(0, PAGES - 1);
        let (path, query) = asked.path.split_once('?').unwrap_or((asked.path, ""));
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let here = |path: String, location: String| (asked.target, path, location);
        let (target, path, location) = match draws.uniform(0, 7) {
            0 => here(format!("/to/{page}"), format!("/to/{page}")),
            1 => here(format!("{folder}/{page}"), page.to_string()),
            2 => here(format!("{path}?again={page}"), format!("?again={page}")),
            3 => here(format!("/part/{page}"), format!("/part/./old/../{page}#fragment")),
            // The same place again: a loop. Two slashes would begin an authority (RFC 3986 section 4.2).
            4 if path.starts_with("//") => here(asked.path.to_owned(), format!("/.{path}{query}")),
            4 => here(asked.path.to_owned(), format!("{path}{query}")),
            5 => self.absolute(asked.target, asked.target, page),
            _ => {
                let other = draws.uniform(0, self.origins.len() as u64 - 1) as u16;
                self.absolute(TargetId(other), asked.target, page)
            }
        };
        Redirect { status, locations: vec![location], leads: Leads::To { target, path } }
    }

    /// A URL on the server of `target`. Of several targets with one origin the one asked before goes
    /// first, then the first of all.
    fn absolute(&self, target: TargetId, asked: TargetId, page: u64) -> (TargetId, String, String) {
        let path = format!("/at/{page}?target={target}");
        let Some(origin) = &self.origins[target.index()] else {
            return (asked, path.clone(), path);
        };
        let has_it = |known: &Option<String>| known.as_ref() == Some(origin);
        let first = self.origins.iter().position(has_it).unwrap_or(0);
        let is_asked = has_it(&self.origins[asked.index()]);
        let target = if is_asked { asked } else { TargetId(first as u16) };
        (target, path.clone(), format!("{origin}{path}"))
    }
}

/// Draws a redirect that leads to no target.
pub(crate) fn draw_bad(draws: &mut Generator) -> Redirect {
    let status = status(draws);
    let nowhere = |locations: &[&str]| Redirect {
        status,
        locations: locations.iter().map(|text| (*text).to_owned()).collect(),
        leads: Leads::Nowhere,
    };
    match draws.uniform(0, 4) {
        0 => nowhere(&["ftp://files.invalid/a"]),
        1 => nowhere(&["http://"]),
        2 => nowhere(&[""]),
        3 => nowhere(&["/one", "/other"]),
        _ => Redirect { leads: Leads::Elsewhere, ..nowhere(&[ELSEWHERE]) },
    }
}

fn status(draws: &mut Generator) -> u16 {
    // Fits: statuses have three digits.
    STATUSES[draws.uniform(0, STATUSES.len() as u64 - 1) as usize] as u16
}
