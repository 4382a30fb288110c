//! What a page says of a run besides its figures: all of it is in the header of the log.

use z6_events::LogHeader;

/// The facts of a run, as its log has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Text of the scenario, its URLs without user information.
    pub scenario: String,
    /// Keys and values that replaced those of the scenario.
    pub overrides: Vec<(String, String)>,
    /// Limits in force.
    pub limits: Vec<(String, u64)>,
    /// The machine.
    pub host: Vec<(String, String)>,
    /// How this Z6 was built.
    pub build: Vec<(String, String)>,
    /// Version of the engine.
    pub engine_version: String,
    /// Name and addresses of each target.
    pub addresses: Vec<(String, Vec<String>)>,
}

impl Facts {
    /// The facts in a header. `targets` are the names of the scenario's targets, in its order.
    #[must_use]
    pub fn from_header(header: &LogHeader, targets: &[String]) -> Facts {
        let overrides = header.overrides.iter().map(|(key, value)| match key.as_str() {
            "target" => (key.clone(), z6_scenario::without_userinfo(value)),
            _ => (key.clone(), value.clone()),
        });
        let addresses = header.addresses.iter().map(|target| {
            let name = targets.get(target.target.index()).cloned().unwrap_or_default();
            (name, target.addresses.clone())
        });
        Facts {
            scenario: without_credentials(&header.scenario_text),
            overrides: overrides.collect(),
            limits: header.limits.clone(),
            host: header.host.clone(),
            build: header.build.clone(),
            engine_version: header.engine_version.clone(),
            addresses: addresses.collect(),
        }
    }
}

/// A text whose URLs have no user information.
fn without_credentials(text: &str) -> String {
    // A URL ends with its quotes, at the latest.
    let pieces = text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    pieces.map(z6_scenario::without_userinfo).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_a_scenario_lose_their_credentials() {
        let text = "a = [\"http://u:p,1@h/x\",'https://v:q@g:1'] # http://w@f\nb = 'c@d'\n";
        let shown = "a = [\"http://h/x\",'https://g:1'] # http://f\nb = 'c@d'\n";
        assert_eq!(without_credentials(text), shown);
    }
}
