//! The body of the scenario fuzz target, run by a unit test over the committed corpus too.

use crate::load::{Files, Overrides};
use crate::model::Scenario;

/// Answers every name with a few bytes.
struct AnyFile;

impl Files for AnyFile {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        let mut bytes = path.as_bytes().to_vec();
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

fn check_scenario(scenario: &Scenario) {
    assert!(!scenario.requests.is_empty(), "there is a request");
    assert!(!scenario.targets.is_empty(), "there is a target");
    for (index, request) in scenario.requests.iter().enumerate() {
        assert!(request.weight_micro > 0, "weights are more than 0");
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
}
