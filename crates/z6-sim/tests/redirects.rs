//! Redirects of the simulated server: followed as the scenario says, counted as one request, and visible in
//! what the server receives. All checkers watch.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Ran, run};
use z6_events::TargetId;
use z6_sim::Leads;

const TWO: &str = "
runtime = { vus = 4, iterations = 40 }
targets = [
    { name = 'a', base_url = 'http://a.invalid/base', request_id_header = 'Z6-Id' },
    { name = 'b', base_url = 'http://b.invalid:81', request_id_header = 'Z6-Id' },
]
requests = [
    { name = 'get', path = '/get', target = 'a', follow_redirects = 3, headers = { Cookie = 'c=1' } },
    { name = 'post', path = '/post', target = 'a', method = 'POST', body = 'the body', headers = { Content-Type = 'text/plain' }, follow_redirects = 3 },
]
";

fn ran(text: &str, settings: &[(&str, &str)]) -> Ran {
    let ran = run(text, 11, settings);
    assert_eq!(ran.violations, [""; 0]);
    ran
}

/// Requests that the server received, as text, with the exchange that their ids name.
fn received(ran: &Ran) -> Vec<(String, u8, TargetId)> {
    let text = |request: &z6_sim::TruthRequest| {
        let text = String::from_utf8_lossy(&ran.truth.texts[request.text]).into_owned();
        (text, request.id.unwrap().exchange, request.target)
    };
    ran.truth.list.iter().map(text).collect()
}

fn kinds(ran: &Ran) -> Vec<&str> {
    ran.metrics.errors.by_kind.0.iter().map(|(kind, _)| kind.name()).collect()
}

#[test]
fn redirects_are_exchanges_of_one_request() {
    let ran = ran(TWO, &[("redirects", "0.4")]);
    let requests = &ran.metrics.requests;
    assert_eq!((requests.planned, requests.sent, requests.on_wire), (160, 160, 160));
    assert_eq!(requests.succeeded + requests.failed, 160);
    assert!(requests.exchanges > 200, "{}", requests.exchanges);
    assert_eq!(requests.exchanges, ran.truth.requests());
    assert!(requests.succeeded > 120 && kinds(&ran) == ["too_many_redirects"]);
    let received = received(&ran);
    for exchange in 0..=3 {
        assert!(received.iter().any(|(_, seen, _)| *seen == exchange), "exchange {exchange}");
    }
    assert!(received.iter().any(|(_, _, target)| *target == TargetId(1)), "the other target");
}

#[test]
fn a_loop_ends_after_as_many_redirects_as_are_followed() {
    let ran = ran(TWO, &[("redirects", "1")]);
    assert_eq!((ran.metrics.requests.failed, kinds(&ran)), (160, vec!["too_many_redirects"]));
    assert_eq!(ran.metrics.requests.exchanges, 4 * 160);
    let same = ran.truth.list.iter().filter(|request| {
        let leads = request.answer.as_ref().and_then(|answer| answer.leads.as_ref());
        matches!(leads, Some(Leads::To { path, .. }) if path == "/base/get")
    });
    assert!(same.count() > 10, "the same place again");
}

#[test]
fn method_body_and_fields_go_along_or_stay_behind() {
    let ran = ran(TWO, &[("redirects", "0.5")]);
    let received = received(&ran);
    let later: Vec<_> = received.iter().filter(|(_, exchange, _)| *exchange > 0).collect();
    let posts = later.iter().filter(|(text, ..)| text.starts_with("POST "));
    assert!(posts.clone().count() > 5, "307 and 308 keep the method");
    for (text, ..) in posts {
        assert!(text.ends_with("\r\n\r\nthe body") && text.contains("Content-Type"), "{text}");
    }
    let gets = later.iter().filter(|(text, ..)| text.starts_with("GET "));
    for (text, _, target) in gets {
        assert!(text.ends_with("\r\n\r\n") && !text.contains("Content-Type"), "{text}");
        assert!(*target == TargetId(0) || !text.contains("Cookie"), "{text}");
    }
    assert!(later.iter().any(|(text, ..)| text.contains("Cookie: c=1")));
}

#[test]
fn a_request_that_follows_none_takes_the_redirect_as_its_response() {
    let text = TWO.replace("follow_redirects = 3", "follow_redirects = 0");
    let ran = ran(&text, &[("redirects", "0.5")]);
    let requests = &ran.metrics.requests;
    assert_eq!((requests.succeeded, requests.exchanges), (160, 160));
    let redirects = requests.by_status.0.iter().filter(|(status, _)| status.starts_with('3'));
    assert_eq!(redirects.clone().count(), 5, "301, 302, 303, 307, 308");
}

#[test]
fn a_redirect_to_nowhere_fails_its_request() {
    let ran = ran(TWO, &[("fault.bad_redirect", "0.3")]);
    let mut kinds = kinds(&ran);
    kinds.sort_unstable();
    assert_eq!(kinds, ["bad_location", "redirect_refused"]);
    assert!(ran.metrics.requests.succeeded > 80);
}
