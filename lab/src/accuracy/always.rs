//! What must hold in every run: counts of server and log (A18), and each figure compared with a
//! naive sort of the requests in the log (A20).

use super::bench::{Load, Trial};
use super::check::Check;
use super::ledger::End;
use super::stats::{QUANTILES, quantile};

/// The sums over all runs so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    runs: u64,
    counts_broken: Vec<String>,
    figures: u64,
    ranks_broken: Vec<String>,
    /// Largest relative error of a quantile.
    error_max: f64,
}

impl Tally {
    /// Checks one run.
    pub(super) fn take(&mut self, trial: &Trial, load: &Load) {
        self.runs += 1;
        let label = format!("{} at {}/s", load.path, load.per_second);
        self.counts_broken.extend(counts(trial).map(|words| format!("{label}: {words}")));
        let responses = |censored: bool| {
            trial.ledger.sorted(|request| {
                let counts = request.end == End::Succeeded || request.is_censored();
                let wanted = counts && (!censored || request.is_censored());
                wanted.then(|| request.response_ns())
            })
        };
        let services = trial.ledger.sorted(|request| {
            let counts = request.end == End::Succeeded || request.is_censored();
            counts.then(|| request.service_ns()).flatten()
        });
        self.figures_of(trial, &label, "response_ns", &responses(false));
        self.figures_of(trial, &label, "service_ns", &services);
        let censored = responses(true).len() as u64;
        if censored != trial.count("/latency/response_ns/censored") {
            self.ranks_broken.push(format!("{label}: censored"));
        }
    }

    fn figures_of(&mut self, trial: &Trial, label: &str, latency: &str, sorted: &[u64]) {
        let extremes = [("min", sorted.first()), ("max", sorted.last())];
        for (name, value) in extremes {
            self.figures += 1;
            if trial.latency(latency, name) != value.map(|ns| *ns as f64) {
                self.ranks_broken.push(format!("{label}: {latency} {name}"));
            }
        }
        for (name, ten_thousandths) in QUANTILES {
            self.figures += 1;
            let truth = quantile(sorted, ten_thousandths).map(|ns| ns as f64);
            match (trial.latency(latency, name), truth) {
                (None, None) => {}
                // The highest value of the bucket in which the observation of this rank lies.
                (Some(figure), Some(truth)) if figure >= truth => {
                    self.error_max = self.error_max.max((figure - truth) / truth.max(1.0));
                }
                _ => self.ranks_broken.push(format!("{label}: {latency} {name}")),
            }
        }
    }

    /// Rows A18 and A20.
    pub(super) fn checks(&self) -> Vec<Check> {
        if self.runs == 0 {
            return Vec::new();
        }
        let found = |broken: &[String]| match broken.first() {
            None => "all".to_owned(),
            Some(first) => format!("{} broken, first: {first}", broken.len()),
        };
        let counts = format!("counts of server and log, {} runs", self.runs);
        let ranks = format!("figures against a naive sort, {} figures", self.figures);
        let is_close = self.error_max <= 0.001;
        let worst = format!("{:.4} %", self.error_max * 100.0);
        vec![
            Check::holds(
                "A18",
                counts,
                "all",
                found(&self.counts_broken),
                self.counts_broken.is_empty(),
            ),
            Check::holds(
                "A20",
                ranks,
                "all",
                found(&self.ranks_broken),
                self.ranks_broken.is_empty(),
            ),
            Check::holds("A20", "largest error of a quantile", "<= 0.1 %", worst, is_close),
        ]
    }
}

/// What is wrong with the counts, if anything.
fn counts(trial: &Trial) -> Option<String> {
    let ledger = &trial.ledger;
    let complete = ledger.count(|request| request.complete);
    let on_wire = ledger.count(|request| request.sent.is_some());
    let server = trial.truth.requests;
    let laws = [
        ("planned", ledger.requests.len() as u64, trial.count("/requests/planned")),
        ("on_wire", on_wire, trial.count("/requests/on_wire")),
        (
            "planned = sent + never_sent",
            trial.count("/requests/planned"),
            trial.count("/requests/sent") + trial.count("/requests/never_sent"),
        ),
        (
            "sent = succeeded + failed + in_flight_at_stop",
            trial.count("/requests/sent"),
            trial.count("/requests/succeeded")
                + trial.count("/requests/failed")
                + trial.count("/requests/in_flight_at_stop"),
        ),
    ];
    if let Some((law, left, right)) = laws.into_iter().find(|(_, left, right)| left != right) {
        return Some(format!("{law}: {left} and {right}"));
    }
    let is_between = complete <= server && server <= on_wire;
    // Where nothing failed in transport, both ends meet: complete = on_wire.
    (!is_between).then(|| format!("{complete} complete <= {server} at the server <= {on_wire}"))
}
