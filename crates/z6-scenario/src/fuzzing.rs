//! The bodies of the fuzz targets, run by unit tests over the committed corpora too.

use z6_events::Actor;
use z6_extract::Response;
use z6_http::ContentError;
use z6_http::template::{Value, ValueId, Values};

use crate::expression::{Body, Check, Outcome, Unreadable};
use crate::journey::Rendering;
use crate::load::{Files, Overrides, base_url};
use crate::model::{BaseUrl, Host, Scenario, Scheme};
use crate::plan::Plan;

/// Answers every name with a few bytes, and with rows if it ends as the name of a data file does.
struct AnyFile;

impl Files for AnyFile {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        let mut bytes = match path.rsplit_once('.') {
            Some((_, "csv")) => b"email,password\na,1\nb,2\n".to_vec(),
            Some((_, "tsv")) => b"term\thits\na\t1\nb\t0.5\n".to_vec(),
            Some((_, "jsonl")) => b"{\"id\":1,\"name\":null}\n".to_vec(),
            _ => path.as_bytes().to_vec(),
        };
        bytes.truncate(usize::try_from(max_bytes).unwrap_or(usize::MAX));
        Ok(bytes)
    }
}

/// Loads `data` as a scenario. Whatever it is: findings point into the text and can be shown, and
/// what loads can be described, is within its limits, and loads the same again.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let findings = match Scenario::load(text, &AnyFile, &Overrides::default()) {
        Ok(loaded) => {
            check_scenario(&loaded.scenario);
            let again = Scenario::load(text, &AnyFile, &Overrides::default());
            assert_eq!(again.as_ref(), Ok(&loaded), "loads the same again");
            assert!(!loaded.warnings.has_errors(), "warnings hold no errors");
            loaded.warnings
        }
        Err(findings) => {
            assert!(findings.has_errors(), "a refusal names an error");
            findings
        }
    };
    for finding in &findings.list {
        assert!(!finding.message.chars().any(char::is_control), "messages are one line");
        if let Some(span) = &finding.span {
            assert!(text.get(span.clone()).is_some(), "{span:?} is a range of the text");
        }
    }
    let _ = findings.render("scenario.toml", text, false);
}

/// What is filled in has values that there are.
fn check_rendering(scenario: &Scenario, rendering: &Rendering) {
    let values = rendering.headers.iter().flat_map(|(_, value)| value.values());
    for id in rendering.path.values().chain(values) {
        assert!(rendering.reads.binary_search(&id).is_ok(), "each value is read");
        let source = scenario.values.source(id);
        assert!(source.is_some_and(|source| !scenario.values.name_of(source).is_empty()));
    }
    let variables = scenario.values.variables.len();
    assert!(rendering.needs.iter().all(|variable| usize::from(variable.0) < variables));
    assert!(rendering.path.pieces().all(|piece| piece.bytes().all(|byte| byte.is_ascii_graphic())));
}

fn check_scenario(scenario: &Scenario) {
    assert!(!scenario.requests.is_empty(), "there is a request");
    assert!(!scenario.targets.is_empty(), "there is a target");
    for data in &scenario.values.data {
        assert!(data.table.row_count() > 0, "there is a row");
        let projected = crate::projected_table(&data.projected(&[], 0, &|_| [0; 16]));
        let rows = projected.map(|table| table.row_count());
        assert_eq!(rows, Some(data.table.row_count()), "a log keeps the number of rows");
    }
    for (index, request) in scenario.requests.iter().enumerate() {
        assert!(request.weight_micro > 0, "weights are more than 0");
        if let Some(rendering) = &request.rendering {
            check_rendering(scenario, rendering);
        }
        let fields = request.headers.iter().flat_map(|(name, value)| [name, value]);
        for text in fields.chain([&request.method, &request.path]) {
            assert!(!text.bytes().any(|byte| byte < 0x20 || byte == 0x7f), "no control bytes");
        }
        let id = z6_events::RequestId(u16::try_from(index).unwrap_or(u16::MAX));
        let target = scenario.request_target(id, z6_events::TargetId(0));
        assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "{target}");
    }
    assert!(!scenario.describe().rows.is_empty(), "there is something to say");
    let mut simulation = crate::Simulation::default();
    for (key, value) in scenario.simulation.settings() {
        assert_eq!(simulation.set(&key, &value), Ok(()), "{key} = {value}");
    }
    assert_eq!(simulation, scenario.simulation, "settings come back");
    let _ = scenario.check_workers(7);
    check_plan(scenario);
}

/// What is taken follows what was taken, in regions whose steps are those that the flow names, and a plan
/// can be listed.
fn check_plan(scenario: &Scenario) {
    let plan = Plan::new(scenario, 7);
    for actor in [0, 1, u64::MAX].map(Actor) {
        let again = [plan.start_again(0), plan.renewal_start(3), plan.end_start()];
        let again = again.into_iter().flatten();
        for first in again.chain([plan.first(actor)]) {
            let mut step = first;
            for _ in 0..50 {
                assert!(plan.is_taken(actor, step), "{step:?} of {actor:?} is taken");
                let request = plan.step(actor, step).request;
                assert!(request.index() < scenario.requests.len(), "{request:?} is there");
                let Some(next) = plan.next(actor, step) else { break };
                assert!(next > step, "{next:?} follows {step:?}");
                step = next;
            }
        }
    }
    let listed = crate::plan::listing::render_text(scenario, &plan, 1, 5);
    assert!(!listed.chars().any(|c| c.is_control() && c != '\n'), "a listing is plain text");
}

/// Values of each kind; the last of them is missing.
struct Few;

const NAMES: [&str; 5] = ["id", "users.email", "param.x", "list", "unset"];

impl Values for Few {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        match id.0 {
            0 => Some(Value::literal(b"12.50")),
            1 => Some(Value::text("caf\u{e9}@example.test".as_bytes())),
            2 => Some(Value::text(b"")),
            3 => Some(Value::literal(br#"[1, {"a": "\u0041"}]"#)),
            _ => None,
        }
    }
}

/// A check on the first line over the body behind it. An error points into the text and can be shown. A
/// check gives the same outcome again, and its negation the opposite one; it reads only what it says.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_check(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let body = data.get(end + 1..).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(&data[..end]) else { return };
    let mut find = |name: &str| {
        let at = NAMES.iter().position(|known| *known == name)?;
        u16::try_from(at).ok().map(ValueId)
    };
    let check = match Check::compile(text, &mut find) {
        Ok(check) => check,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error:?} points into {text:?}");
            assert!(error.render(text).contains('^'));
            return;
        }
    };
    let fields = [(&b"content-type"[..], &b"text/plain"[..]), (b"set-cookie", b"sid=1; Path=/")];
    let response = Response { status: 200, fields: &fields, body, ..Response::default() };
    let mut scratch = check.scratch();
    let outcome = check.test(&response, Body::Whole, &Few, &mut scratch);
    assert_eq!(check.test(&response, Body::Whole, &Few, &mut scratch), outcome, "again");
    // One at a limit cannot be negated.
    if let Ok(negated) = Check::compile(&format!("!({text})"), &mut find) {
        let expected = match outcome {
            Outcome::Passed => Outcome::Failed,
            Outcome::Failed => Outcome::Passed,
            Outcome::Unreadable(why) => Outcome::Unreadable(why),
        };
        let found = negated.test(&response, Body::Whole, &Few, &mut negated.scratch());
        assert_eq!(found, expected, "negated");
    }
    let without = Response { body: b"", ..response };
    for state in [Body::TooLarge, Body::Undecodable(ContentError::Corrupt)] {
        let found = check.test(&without, state, &Few, &mut scratch);
        let is_unread =
            matches!(found, Outcome::Unreadable(Unreadable::TooLarge | Unreadable::Undecodable(_)));
        assert!(found == outcome || is_unread, "an unreadable body changes no answer");
        assert!(check.reads_body() || found == outcome, "the body is read");
    }
    let bare = Response { fields: &[], ..response };
    let found = check.test(&bare, Body::Whole, &Few, &mut scratch);
    assert!(check.reads_fields() || found == outcome, "the fields are read");
    assert!(check.reads_body() || !check.reads_json());
}

/// A base URL, and the authority in it: what is taken can be written again, and is what a naive reader finds.
///
/// # Panics
/// If it is not.
pub fn fuzz_base_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let url = match base_url::parse(text) {
        Ok(url) => url,
        Err(fault) => {
            assert!(!fault.message().chars().any(char::is_control), "{}", fault.message());
            return assert!(!fault.hint().is_empty());
        }
    };
    let is_builtin = matches!(url.scheme, Scheme::Builtin | Scheme::BuiltinTls);
    if is_builtin || text.starts_with("unix:") {
        return;
    }
    assert!(url.port > 0, "{url:?}");
    let prefix = &url.path_prefix;
    assert!(prefix.is_empty() || prefix.starts_with('/') && !prefix.ends_with('/'), "{url:?}");
    assert!(!prefix.contains(['?', '#', '"', '<', '>', '\\']), "{url:?}");
    assert!(!prefix.chars().any(|c| c.is_control() || c.is_whitespace()), "{url:?}");
    let (scheme, usual) = match url.scheme {
        Scheme::Https | Scheme::BuiltinTls => ("https", 443),
        Scheme::Http | Scheme::Builtin => ("http", 80),
    };
    let host = match &url.host {
        Host::V6(address) => format!("[{address}]"),
        Host::V4(address) => address.to_string(),
        Host::Name(name) => {
            assert!(base_url::is_host_name(name), "{url:?}");
            name.clone()
        }
    };
    let again = base_url::parse(&format!("{scheme}://{host}:{}{prefix}", url.port));
    let again = again.unwrap_or_else(|fault| panic!("{url:?}: {}", fault.message()));
    let parts = |url: &BaseUrl| (url.scheme, url.host.clone(), url.port, url.path_prefix.clone());
    assert_eq!(parts(&again), parts(&url));
    // The port is what stands behind the last colon outside brackets, or the usual one.
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let behind = authority.rsplit(['@', ']']).next().unwrap_or_default();
    let port = behind.rsplit_once(':').map_or(Some(usual), |(_, port)| port.parse().ok());
    assert_eq!(Some(url.port), port, "{text}");
}

/// Durations as people write them, as exact numbers of seconds, and as they are written again.
///
/// # Panics
/// If one of them is not what its digits say.
pub fn fuzz_durations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(ns) = crate::parse_seconds(text) {
        let exact = naive_number(text) * 1e9;
        assert!((ns as f64 - exact).abs() <= exact * 1e-9 + 1.0, "{text} is {ns} ns");
    }
    let Ok(ns) = crate::parse_duration(text) else { return };
    if ns == 0 {
        return;
    }
    let has_units = text.trim().ends_with(char::is_alphabetic);
    let sum = if has_units { naive_duration(text.trim()) } else { naive_number(text) * 1e9 };
    assert!((ns as f64 - sum).abs() <= sum * 1e-9 + 1.0, "{text} is {ns} ns, not {sum}");
    let written = crate::duration::write(ns);
    assert_eq!(crate::parse_duration(&written), Ok(ns), "{text} as {written}");
}

/// A decimal number, which may have `_` between its digits.
fn naive_number(text: &str) -> f64 {
    text.trim().replace('_', "").parse().unwrap_or(f64::NAN)
}

/// The sum of numbers with units, nanoseconds.
fn naive_duration(text: &str) -> f64 {
    let mut sum = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(char::is_alphabetic).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let ns = match &behind[..end] {
            "h" => 3.6e12,
            "m" => 6e10,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" => 1e3,
            "ns" => 1.0,
            other => panic!("the unit {other} was taken"),
        };
        sum += naive_number(number) * ns;
        rest = behind[end..].trim_start();
    }
    sum
}

/// Lines `key = value` as the overrides of a log, and behind an empty line a scenario that is loaded with them.
/// Pairs that are taken come back, and a scenario that loads is within its limits and says the same again.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_overrides(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (pairs, scenario) = text.split_once("\n\n").unwrap_or((text, ""));
    let pairs: Vec<(&str, &str)> =
        pairs.lines().map(|line| line.split_once('=').unwrap_or((line, ""))).collect();
    let Ok(overrides) = Overrides::from_pairs(pairs.iter().copied()) else { return };
    let back = overrides.pairs();
    assert_eq!(back.len(), pairs.len(), "each pair is one override");
    for (key, value) in &pairs {
        assert!(back.iter().any(|(k, v)| k == key && v == value), "{key}={value} in {back:?}");
    }
    // In which order parameters were given says nothing.
    let again = Overrides::from_pairs(back.iter().map(|(key, value)| (key, value)));
    assert_eq!(again.map(|again| again.pairs()), Ok(back));
    let Ok(loaded) = Scenario::load(scenario, &AnyFile, &overrides) else { return };
    check_scenario(&loaded.scenario);
    assert!(!loaded.warnings.has_errors(), "warnings hold no errors");
    let runtime = &loaded.scenario.runtime;
    assert!(overrides.seed.is_none_or(|seed| runtime.prng_seed == Some(seed)));
    assert!(overrides.workers.is_none_or(|workers| runtime.workers == workers));
    assert!(overrides.duration_ns.is_none_or(|ns| runtime.duration_ns == Some(ns)));
}

/// Lines `key = value` as settings of the simulated world: what is taken can be written and taken again, and
/// shares are shares.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_simulation(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut simulation = crate::Simulation::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let before = simulation.clone();
        if simulation.set(key, value).is_err() {
            // A setting that is refused changes nothing.
            assert_eq!(simulation, before, "{key} = {value}");
            continue;
        }
        let Some(written) = simulation.setting(key) else { panic!("{key} was taken") };
        assert!(!written.chars().any(char::is_control), "{written:?}");
        let mut again = before;
        assert_eq!(again.set(key, &written), Ok(()), "{key} = {written}");
        assert_eq!(again, simulation, "{key} = {value} is {written}");
        if key.starts_with(crate::simulation::FAULT_PREFIX) {
            let share: f64 = written.parse().unwrap_or(f64::NAN);
            let given: f64 = value.trim().parse().unwrap_or(share);
            assert!(
                (0.0..=1.0).contains(&share) && (share - given).abs() < 1e-6,
                "{key} = {value}"
            );
        }
    }
    let mut again = crate::Simulation::default();
    for (key, value) in simulation.settings() {
        assert_eq!(again.set(&key, &value), Ok(()), "{key} = {value}");
    }
    assert_eq!(again, simulation, "settings come back");
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "reads the corpus")]
#[path = "hostile_tests.rs"]
mod hostile_tests;

#[cfg(test)]
mod tests {
    fn over_corpus(folder: &str, body: fn(&[u8])) {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), folder, body);
    }

    #[test]
    fn check_corpus() {
        over_corpus("check", super::fuzz_check);
    }

    #[test]
    fn base_url_corpus() {
        over_corpus("base_url", super::fuzz_base_url);
    }

    #[test]
    fn durations_corpus() {
        over_corpus("durations", super::fuzz_durations);
    }

    #[test]
    fn overrides_corpus() {
        over_corpus("overrides", super::fuzz_overrides);
    }

    #[test]
    fn simulation_corpus() {
        over_corpus("simulation", super::fuzz_simulation);
    }
}
