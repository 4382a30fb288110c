//! The simulated server answers so that scenarios go on: extractions find values, checks hold, and what
//! cannot be satisfied is said. All checkers watch.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use support::{Ran, run, spec};
use z6_scenario::simulation::FaultKind;

/// One request with these keys, and one that uses the variable `v`, if there is one.
fn scenario(keys: &str) -> String {
    let uses = if keys.contains("extract.v ") {
        "[[requests]]\nname = 'use'\npath = '/use/{{v}}'\nheaders = { 'X-V' = 'is {{v}}' }\n\
         checks.same = 'json(\"$.v\") == v && header(\"X-W\") == \"{{v}}\" && text() ~ \"<{{v}}>\"'\n"
    } else {
        ""
    };
    let steps = if uses.is_empty() { "" } else { ", { request = 'use' }" };
    format!(
        "runtime = {{ iterations = 4, vus = 2 }}\n\
         target.base_url = 'http://simulated.invalid'\n\
         [random]\nn = {{ type = 'integer', min = 1, max = 9 }}\n\
         ref = {{ type = 'uuid', per = 'iteration' }}\n\
         [[requests]]\nname = 'ask'\npath = '/ask?n={{{{n}}}}'\n{keys}\n{uses}\
         [sequence]\nsteps = [{{ request = 'ask' }}{steps}]\n"
    )
}

fn ran(text: &str, settings: &[(&str, &str)]) -> Ran {
    let ran = run(text, 7, settings);
    assert_eq!(ran.violations, [""; 0], "{text}");
    ran
}

const SATISFIED: &[&str] = &[
    // JSON.
    "extract.v = { json = '$.id' }",
    "extract.v = { json = '$.items[3].id' }",
    "extract.v = { json = '$.items[*].id', select = 'last' }",
    "extract.v = { json = '$.items[*].id', select = 2 }",
    "extract.v = { json = '$.items[*].id', select = 'random' }",
    "extract.w = { json = '$.items[*].id', select = 'all' }",
    "extract.v = { json = '$.items[?@.kind == \"a b\" && @.n >= 5].id' }",
    "extract.v = { json = '$..deep.id' }",
    "extract.v = { json = '$.link', regex = '/orders/([0-9]+)$' }",
    "extract.v = { json = '$.token', secret = true }",
    "checks.c = 'json(\"$.a\") == 5 && json(\"$.b.c\") == \"x\\\"y\" && json(\"$.d\") == true'",
    "checks.c = 'json(\"$.n\") == n && json(\"$.ref\") == \"ref {{ref}}\" && json(\"$.vu\") == vu'",
    "checks.c = 'json(\"$.n\") > 5 && json(\"$.n\") <= 6.5 && json(\"$.n\") != 6.5'",
    "checks.c = 'json(\"$.n\") > n && json(\"$.n\") != none'",
    "checks.c = 'json(\"$.error\") == none && json(\"$.ok\") != none'",
    "checks.c = 'json(\"$.a\") in [\"x\", \"y\"] && !(json(\"$.a\") == \"x\")'",
    "checks.c = 'json(\"$.a\") matches \"^[A-Z]{3}-[0-9]+$\" && json(\"$.a\") ~ \"Q\"'",
    "checks.c = 'json(\"$.a\") == json(\"$.b\") && json(\"$.b\") > 3 && json(\"$.c\") < json(\"$.a\")'",
    "checks.c = 'json(\"$.code\") == status && status in [201, 202]'",
    "checks.c = 'json(\"$.a\") == 1 && text() ~ \"hello {{ref}}\"'",
    "checks.c = '(status == 999 || json(\"$.a\") == 1) && (json(\"$.a\") == 2 || json(\"$.b\") == 2)'",
    "checks.c = '!(json(\"$.a\") < 3 || json(\"$.a\") > 3)'",
    // Texts and pages.
    "extract.v = { regex = 'id=\"([0-9a-f]{8})\"' }",
    "extract.v = { regex = '^begin (\\w+) end$' }",
    "extract.v = { regex = 'n=([0-9]+)', select = 2 }",
    "extract.v = { between = ['<i>', '</i>'] }",
    "extract.v = { between = ['[', ']'], select = 1 }",
    "extract.v = { html = 'form#f input[name=\"csrf\"]', attribute = 'value' }",
    "extract.v = { html = 'ul > li:nth-child(2) a.x' }",
    "extract.v = { html = 'a', attribute = 'href', regex = 'id=([0-9]+)' }",
    "extract.v = { body = true }\nchecks.c = 'body == \"word{{n}}\"'",
    "checks.c = 'body ~ \"a\" && body ~ \"b {{ref}}\" && body matches \"c[0-9]{2}d\"'",
    "checks.c = 'body_bytes == 1000 && body ~ \"a\"'",
    "checks.c = 'body_bytes > 10 && body_bytes < 20'",
    "checks.c = 'body_bytes == 0'",
    "extract.v = { sha256 = true }",
    "extract.v = { value = 'x{{n}}' }",
    "extract.v = { status = true }",
    // Heads.
    "extract.v = { header = 'X-Request-Id' }",
    "extract.v = { header = 'Location', regex = '^(?:https?://[^/]+)?/(?:orders)/([^/?]+)$' }\nexpect_status = [201]",
    "extract.v = { cookie = 'session' }",
    "checks.c = 'header(\"Content-Type\") ~ \"application/json\" && header(\"ETag\") matches \"^W/\"'",
    "checks.c = 'header(\"Location\") ~ \"/account\"'\nexpect_status = [302, 303]",
    "checks.c = 'cookie(\"a\") == \"1{{n}}\" && header(\"X-N\") == \"{{n}}\"'",
    "checks.c = 'header(\"X-Gone\") == none && header(\"content-length\") != none'",
    "checks.c = 'status == 204'",
    "checks.c = 'status >= 400'\nexpect_status = [200, 404]",
    "checks.c = 'trailer(\"X-Sum\") matches \"[0-9]{4}\"'",
    "checks.c = 'header(\"Transfer-Encoding\") == none'\nmethod = 'HEAD'",
];

#[test]
fn every_kind_of_extraction_and_check_is_satisfied() {
    for keys in SATISFIED {
        let text = scenario(keys);
        let ran = ran(&text, &[]);
        let requests = &ran.metrics.requests;
        assert_eq!((requests.failed, requests.never_sent), (0, 0), "{text}");
        assert!(requests.succeeded >= 8, "{text}");
        assert_eq!(ran.unmet, [], "{text}");
        assert_eq!(
            z6_sim::unmet(&Arc::new(z6_scenario::Scenario::from_toml(&text).unwrap()), 7),
            []
        );
    }
}

#[test]
fn the_rest_of_the_world_changes_nothing_of_it() {
    let world = [
        ("chunked", "0.5"),
        ("body_bytes", "0..5000"),
        ("keep_alive_requests", "3"),
        ("fault.trickle", "0.2"),
        ("fault.partial_read", "0.3"),
        ("fault.irregular", "0.2"),
        ("fault.interim_flood", "0.1"),
    ];
    for keys in
        SATISFIED.iter().filter(|keys| !keys.contains("Encoding") && !keys.contains("length"))
    {
        let text = scenario(keys) + "[limits]\nmax_interim_responses = 60\n";
        let ran = ran(&text, &world);
        let requests = &ran.metrics.requests;
        assert_eq!((requests.failed, requests.never_sent), (0, 0), "{text}");
    }
}

/// What cannot be satisfied, and the names of what is not.
const UNMET: &[(&str, &str)] = &[
    ("checks.c = 'json(\"$.a\") == 1 && json(\"$.a\") == 2'", "check `c` of request `ask`"),
    ("checks.c = 'json(\"$.a\") == 1'\nexpect_status = [204]", "check `c` of request `ask`"),
    ("checks.c = 'json(\"$.a\") == 1'\nmethod = 'HEAD'", "check `c` of request `ask`"),
    ("checks.c = 'body == \"x\" && json(\"$.a\") == 1'", "check `c` of request `ask`"),
    ("checks.c = 'header(\"Content-Encoding\") == \"gzip\"'", "check `c` of request `ask`"),
    ("extract.w = { html = 'p:nth-of-type(2)' }", "extract `w` of request `ask`"),
    ("extract.w = { json = '$.a[?length(@.b) == 3].c' }", "extract `w` of request `ask`"),
];

#[test]
fn what_cannot_be_satisfied_is_said() {
    for (keys, what) in UNMET {
        let text = scenario(keys);
        let ran = ran(&text, &[]);
        assert_eq!(ran.metrics.requests.succeeded, 0, "{text}");
        let names: Vec<String> = ran.unmet.iter().map(ToString::to_string).collect();
        assert_eq!(names, [*what], "{text}");
        let before = z6_sim::unmet(&Arc::new(z6_scenario::Scenario::from_toml(&text).unwrap()), 7);
        assert_eq!(before, ran.unmet, "{text}");
    }
}

const SHOP: &str = "
runtime = { iterations = 60, vus = 4 }
target.base_url = 'http://simulated.invalid'
think_time = { type = 'constant', duration_ms = 5 }
requests = [
    { name = 'login', method = 'POST', path = '/login', extract.token = { json = '$.token', secret = true } },
    { name = 'create', method = 'POST', path = '/orders', auth = { bearer = '{{token}}' }, extract.id = { json = '$.id' }, expect_status = [201] },
    { name = 'read', path = '/orders/{{id}}', auth = { bearer = '{{token}}' }, checks.same = 'json(\"$.id\") == id' },
]
sequences = [{ name = 'sign_in', steps = [{ request = 'login' }] }]
[sequence]
start = 'sign_in'
renew = { sequence = 'sign_in', on_status = [401] }
on_failure = 'end_iteration'
steps = [{ request = 'create' }, { request = 'read' }]
";

/// Kinds of failed requests with their numbers.
fn kinds(ran: &Ran) -> Vec<(&str, u64)> {
    ran.metrics.errors.by_kind.0.iter().map(|(kind, count)| (kind.name(), *count)).collect()
}

#[test]
fn faults_of_content_have_their_kinds() {
    for (kind, name) in
        [(FaultKind::MissingValue, "extract_failed"), (FaultKind::CheckFailed, "check_failed")]
    {
        let ran = ran(SHOP, &[(&format!("fault.{}", kind.name()), "0.1")]);
        let injected = ran.injected.get(kind);
        assert!(injected > 5, "{injected}");
        assert_eq!(kinds(&ran), [(name, injected)], "{}", kind.name());
        assert_eq!(ran.unmet, [], "what is spoilt on purpose is not what cannot be satisfied");
    }
    let ran = ran(SHOP, &[("fault.expired_token", "0.1")]);
    let failed: u64 = kinds(&ran).iter().map(|(_, count)| count).sum();
    assert_eq!(failed, ran.injected.get(FaultKind::ExpiredToken));
    let expired = ran.metrics.requests.by_status.0.iter().find(|(status, _)| *status == "401");
    assert_eq!(expired.map(|(_, count)| *count), Some(failed));
    let plain = "
runtime = { iterations = 60, vus = 4 }
target.base_url = 'http://simulated.invalid'
requests = [{ name = 'a', path = '/' }]";
    let all = [("fault.missing_value", "1"), ("fault.check_failed", "1")];
    let ran = self::ran(plain, &all);
    assert_eq!((ran.metrics.requests.succeeded, kinds(&ran)), (240, Vec::new()));
    assert_eq!(ran.injected.get(FaultKind::MissingValue), 0);
}

/// The server says 401, and the VU logs in again before its next request.
#[test]
fn an_expired_token_is_renewed() {
    let ran = ran(SHOP, &[("fault.expired_token", "0.1")]);
    let expired = ran.injected.get(FaultKind::ExpiredToken);
    let logins = ran.metrics.requests.by_name.0.iter().find(|(name, _)| *name == "login").unwrap();
    // Nothing is renewed after the last response of a VU.
    let again = logins.1.sent - 4;
    assert!(again >= expired - 4 && again <= expired, "{again} of {expired}");
}

/// Values are those of the seed, whatever the workers and the network are.
#[test]
fn values_depend_on_seed_actor_and_step_alone() {
    let paths = |workers, settings: &[(&str, &str)]| {
        let mut spec = spec(SHOP, 3, settings);
        spec.workers = workers;
        let ran = support::run_spec(&spec);
        let line =
            |text: &Vec<u8>| String::from_utf8_lossy(text).lines().next().unwrap().to_owned();
        let mut lines: Vec<String> = ran.truth.texts.iter().map(line).collect();
        lines.retain(|line| line.starts_with("GET"));
        lines.sort();
        lines
    };
    let one = paths(1, &[]);
    assert_eq!(one.len(), 240);
    assert_eq!(one, paths(3, &[("latency", "exponential:3ms"), ("chunked", "1")]));
}

/// A check of as many terms as its length allows, which no status satisfies: what is tried for a status must not be
/// tried for each term and each status (that took minutes).
#[test]
fn a_check_of_many_terms_is_answered_at_once() {
    let same = vec!["status==1"; 1_000];
    let above: Vec<String> = (100..1_100).map(|n| format!("status>{n}")).collect();
    for terms in [same.join(" && "), above.join(" && ")] {
        let text = scenario(&format!("checks.x = '{terms}'"));
        let scenario = Arc::new(z6_scenario::Scenario::from_toml(&text).unwrap());
        assert!(z6_sim::unmet(&scenario, 7).len() <= 1);
    }
}
