//! What can be known of a real run before it begins, and where in the scenario a fault stands that shows
//! only at the start. `z6 validate` and `z6 run` say the same in the same words, because both come from here.
//!
//! Knows neither how scenarios are read nor how runs start.

use std::net::UdpSocket;
use std::sync::Arc;

use z6_scenario::load::place;
use z6_scenario::{Diagnostic, Diagnostics, Scenario, Workers};
use z6_vu::reactor::{self, StartError};

use crate::error::{Error, full_message};
use crate::run::Run;

impl Run {
    /// Checks everything that [`start`](Run::start) would refuse, as far as it can be known without the
    /// network: files of certificates and keys are read, no name is resolved, nothing is sent. Returns
    /// warnings: those about the scenario, and what keeps the run from starting on this machine only.
    ///
    /// # Errors
    /// [`Error::Scenario`] with all findings.
    pub fn check(&self) -> Result<Diagnostics, Error> {
        let scenario = Arc::new(self.final_scenario()?);
        let mut findings = self.warnings().clone();
        let mut workers = match scenario.runtime.workers {
            Workers::Fixed(workers) => workers,
            Workers::Auto => reactor::cores(),
        };
        if let Err(shares) = scenario.check_workers(workers) {
            findings.list.extend(shares.list.into_iter().map(only_here));
            workers = 1;
        }
        let folder = self.source().folder();
        let found = reactor::check(&scenario, workers, folder);
        findings.list.extend(found.iter().map(|error| match finding(&scenario, error) {
            Some(finding) => finding,
            None => only_here(Diagnostic::error("machine", None, full_message(error))),
        }));
        findings.list.extend(foreign_sources(&scenario));
        #[cfg(feature = "simulate")]
        findings.list.extend(unmet(&scenario));
        match findings.has_errors() {
            true => Err(self.source().error(findings)),
            false => Ok(findings),
        }
    }
}

/// The error of a start, with its place if the scenario is to blame.
pub(crate) fn at_its_place(name: &str, scenario: &Scenario, error: Error) -> Error {
    let Error::Start(start) = &error else { return error };
    let Some(finding) = finding(scenario, start) else { return error };
    let diagnostics = Diagnostics { list: vec![finding] };
    Error::Scenario { name: name.to_owned(), text: scenario.text.clone(), diagnostics }
}

/// What a start refuses, as a finding about the scenario; none if the scenario is not to blame.
fn finding(scenario: &Scenario, error: &StartError) -> Option<Diagnostic> {
    match error {
        StartError::Tls { target, source } => {
            let entry = scenario.targets.iter().position(|known| known.name == *target)?;
            let key = |key| {
                ["target", "targets"]
                    .iter()
                    .find_map(|table| place(&scenario.text, table, entry, Some(key)))
            };
            let span = source.key().and_then(key).or_else(|| key("base_url"));
            let finding = Diagnostic::error("bad_tls", span, full_message(source));
            Some(match source.key() {
                Some(_) => finding.hint("paths are relative to the scenario file"),
                None => finding,
            })
        }
        StartError::Prepare(error) => {
            let span = place(&scenario.text, "requests", 0, None);
            Some(Diagnostic::error("bad_request", span, error.to_string()))
        }
        StartError::Resolve(_)
        | StartError::Tunnel { .. }
        | StartError::NoBuiltin { .. }
        | StartError::Descriptors { .. }
        | StartError::Meeting(_)
        | StartError::Log(_)
        | StartError::System(_) => None,
    }
}

/// A finding that may not hold on another machine.
fn only_here(finding: Diagnostic) -> Diagnostic {
    Diagnostic { severity: z6_scenario::Severity::Warning, ..finding }
}

/// A warning for each extraction and check that no simulated response satisfies.
#[cfg(feature = "simulate")]
fn unmet(scenario: &Arc<Scenario>) -> Vec<Diagnostic> {
    let unmet = z6_sim::unmet(scenario, scenario.runtime.prng_seed.unwrap_or_default());
    let warning = |unmet: z6_sim::Unmet| {
        let request = scenario.requests.iter().position(|known| known.name == unmet.request);
        let table = match unmet.part {
            z6_sim::UnmetPart::Extract(_) => "extract",
            z6_sim::UnmetPart::Check(_) => "checks",
        };
        let at = |key| place(&scenario.text, "requests", request?, key);
        let span = at(Some(table)).or_else(|| at(None));
        let message = format!("no response of `z6 simulate` satisfies {unmet}");
        let hint = "a real run is not affected; SIMULATION.md says what simulated responses are";
        Diagnostic::warning("unmet_in_simulation", span, message).hint(hint)
    };
    unmet.into_iter().map(warning).collect()
}

/// A warning for each source address that is not one of this machine.
fn foreign_sources(scenario: &Scenario) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (entry, target) in scenario.targets.iter().enumerate() {
        for address in &target.source_addresses {
            let Err(error) = UdpSocket::bind((*address, 0)) else { continue };
            let at = |table| place(&scenario.text, table, entry, Some("source_addresses"));
            let message = format!("source address {address} cannot be used here: {error}");
            let span = at("target").or_else(|| at("targets"));
            found.push(Diagnostic::warning("machine", span, message));
        }
    }
    found
}
