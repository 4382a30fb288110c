//! What was read from responses: checks that failed, values that were missing. Knows nothing of latencies.

use z6_events::{LoggedValue, RequestId, VariableId};
use z6_scenario::Scenario;

use crate::metrics::{CheckFigures, ExtractionFigures, Named};

/// One request that reads its responses.
#[derive(Debug, Clone)]
struct Read {
    /// Complete responses to it.
    answered: u64,
    /// By check: its name, and how often it failed.
    checks: Vec<(String, u64)>,
    /// By extraction: its variable, and how often it found something and nothing.
    extractions: Vec<(VariableId, ExtractionFigures)>,
}

/// What was read from the responses of a run.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    /// By request.
    requests: Vec<Read>,
    /// Names of the variables.
    variables: Vec<String>,
}

impl Reads {
    /// None if the scenario reads nothing.
    pub(crate) fn new(scenario: &Scenario) -> Option<Reads> {
        let read = |request: &z6_scenario::Request| Read {
            answered: 0,
            checks: request.reading.checks.iter().map(|check| (check.name.clone(), 0)).collect(),
            extractions: request
                .reading
                .extracts
                .iter()
                .map(|extract| (extract.variable, ExtractionFigures::default()))
                .collect(),
        };
        let reads = scenario.requests.iter().any(|request| !request.reading.is_empty());
        reads.then(|| Reads {
            requests: scenario.requests.iter().map(read).collect(),
            variables: scenario.values.variables.iter().map(|one| one.name.clone()).collect(),
        })
    }

    /// A request has its complete response.
    #[cold]
    #[inline(never)]
    pub(crate) fn answered(&mut self, request: RequestId) {
        if let Some(read) = self.requests.get_mut(request.index()) {
            read.answered += 1;
        }
    }

    /// An extraction was done on the response to a request.
    pub(crate) fn value(&mut self, request: RequestId, variable: VariableId, value: LoggedValue) {
        let read = self.requests.get_mut(request.index());
        let mut extractions = read.into_iter().flat_map(|read| &mut read.extractions);
        if let Some((_, figures)) = extractions.find(|(of, _)| *of == variable) {
            match value {
                LoggedValue::Missing => figures.missing += 1,
                LoggedValue::Clear(_) | LoggedValue::Digest { .. } | LoggedValue::Withheld => {
                    figures.found += 1;
                }
            }
        }
    }

    /// Checks on the response to a request failed.
    pub(crate) fn checks_failed(&mut self, request: RequestId, failed: u64) {
        let read = self.requests.get_mut(request.index());
        let checks = read.into_iter().flat_map(|read| &mut read.checks).take(64);
        for (bit, (_, count)) in checks.enumerate() {
            *count += failed >> bit & 1;
        }
    }

    /// `checks`: of each request, given their names.
    pub(crate) fn check_figures(&self, names: &[(String, String)]) -> Named<Named<CheckFigures>> {
        let figures = |read: &Read| {
            let one = |(name, failed): &(String, u64)| {
                let passed = read.answered.saturating_sub(*failed);
                (name.clone(), CheckFigures { passed, failed: *failed })
            };
            Named(read.checks.iter().map(one).collect())
        };
        self.figures(names, |read| !read.checks.is_empty(), figures)
    }

    /// `extractions`: of each request, given their names.
    pub(crate) fn extraction_figures(
        &self,
        names: &[(String, String)],
    ) -> Named<Named<ExtractionFigures>> {
        let figures = |read: &Read| {
            let one = |(variable, figures): &(VariableId, ExtractionFigures)| {
                let name = self.variables.get(usize::from(variable.0));
                (name.cloned().unwrap_or_default(), *figures)
            };
            Named(read.extractions.iter().map(one).collect())
        };
        self.figures(names, |read| !read.extractions.is_empty(), figures)
    }

    fn figures<T>(
        &self,
        names: &[(String, String)],
        has_any: impl Fn(&Read) -> bool,
        figures: impl Fn(&Read) -> Named<T>,
    ) -> Named<Named<T>> {
        let named = self.requests.iter().zip(names).filter(|(read, _)| has_any(read));
        Named(named.map(|(read, (name, _))| (name.clone(), figures(read))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = "[runtime]\nduration_seconds = 1\nvus = 1\n\
        [target]\nbase_url = 'http://127.0.0.1:1'\n\
        [[requests]]\nname = 'plain'\npath = '/'\n\
        [[requests]]\nname = 'login'\npath = '/'\n\
        extract.token = { header = 'X' }\nextract.id = { header = 'Y' }\n\
        checks.'ok' = 'status == 200'\nchecks.'short' = 'body_bytes < 9'\n";

    #[test]
    fn passed_is_what_did_not_fail_of_what_was_answered() {
        let scenario = Scenario::from_toml(SCENARIO).unwrap();
        let mut reads = Reads::new(&scenario).unwrap();
        let (plain, login) = (RequestId(0), RequestId(1));
        for failed in [0, 0b10, 0b11] {
            if failed != 0 {
                reads.checks_failed(login, failed);
            }
            reads.answered(login);
            reads.answered(plain);
        }
        let ids: Vec<VariableId> =
            scenario.requests[1].reading.extracts.iter().map(|one| one.variable).collect();
        reads.value(login, ids[0], LoggedValue::Withheld);
        reads.value(login, ids[1], LoggedValue::Missing);
        let names = [("plain".to_owned(), String::new()), ("login".to_owned(), String::new())];
        let checks = reads.check_figures(&names);
        assert_eq!(checks.0.len(), 1, "a request without checks has no entry");
        let of = |name: &str| checks.get("login").and_then(|checks| checks.get(name)).copied();
        assert_eq!(of("ok"), Some(CheckFigures { passed: 2, failed: 1 }));
        assert_eq!(of("short"), Some(CheckFigures { passed: 1, failed: 2 }));
        let extractions = reads.extraction_figures(&names);
        let of = |name: &str| extractions.get("login").and_then(|one| one.get(name)).copied();
        assert_eq!(of("token"), Some(ExtractionFigures { found: 1, missing: 0 }));
        assert_eq!(of("id"), Some(ExtractionFigures { found: 0, missing: 1 }));
    }

    #[test]
    fn a_scenario_that_reads_nothing_has_no_figures() {
        let scenario = Scenario::from_toml(SCENARIO.split("extract").next().unwrap()).unwrap();
        assert!(Reads::new(&scenario).is_none());
    }
}
