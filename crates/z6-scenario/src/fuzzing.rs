//! The bodies of the fuzz targets, run by unit tests over the committed corpora too.

use z6_events::Actor;
use z6_extract::Response;
use z6_http::ContentError;
use z6_http::template::{Value, ValueId, Values};

use crate::expression::{Body, Check, Outcome, Unreadable};
use crate::journey::Rendering;
use crate::load::{Files, Overrides};
use crate::model::Scenario;
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
        let again = [plan.start_again(0), plan.renewal_start(3)].into_iter().flatten();
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

#[cfg(test)]
mod tests {
    #[test]
    fn check_corpus() {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), "check", super::fuzz_check);
    }
}
