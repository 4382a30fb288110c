//! When responses had arrived, as docs/MEASUREMENT.md defines it, on the smallest runs that show it.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use z6_events::{
    ArrivalStamp, Driver, ErrorKind, Event, ExchangeTable, Observed, Response, Tick, WorkerId,
};
use z6_metrics::{Doubt, Metrics, PartFold, RequestRow, RunFacts, Verdict};
use z6_scenario::Scenario;

/// The end of the exchange in slot 0, read at `at`, which had arrived at `arrived`.
fn done(at: u64, arrived: u64, failure: Option<ErrorKind>) -> Event {
    let event = done_event(0, at, if failure.is_some() { 500 } else { 200 }, failure);
    let Event::Done { exchange, response, failure } = event else { return event };
    let arrival = ArrivalStamp::new(Tick(arrived), Tick(at));
    Event::Done { exchange, response: Response { arrival, ..response }, failure }
}

fn stamped() -> RunFacts {
    RunFacts { arrival_stamps: true, ..facts(1) }
}

fn metrics(script: &Script, scenario: &Scenario, facts: RunFacts) -> Metrics {
    let mut fold = z6_metrics::Fold::new(scenario, facts);
    for (worker, at, event) in &script.events {
        fold.event(*worker, *at, event).unwrap();
    }
    fold.finish(end_facts()).unwrap()
}

/// Two successes, a failure, one without a stamp, a timeout.
fn script() -> Script {
    let mut script = Script::new();
    script.sent(0, 0, 100 * US).add(0, 900 * US, done(900 * US, 700 * US, None));
    script.sent(0, 900 * US, MS).add(0, 9 * MS, done(9 * MS, 2 * MS, None));
    let failure = Some(ErrorKind::Status5xx);
    script.sent(0, 9 * MS, 9 * MS).add(0, 12 * MS, done(12 * MS, 11 * MS, failure));
    script.success(12 * MS, 12 * MS, 13 * MS);
    script.sent(0, 13 * MS, 13 * MS).add(0, 63 * MS, timed_out(0)).end(3 * S);
    script
}

#[test]
fn arrival_runs_from_sent_and_the_read_lag_from_the_arrival() {
    let metrics = metrics(&script(), &plain(), stamped());
    let arrival = metrics.latency.arrival_ns.as_ref().unwrap();
    assert_eq!((arrival.count, arrival.censored), (2, 1), "successes with a stamp; the timeout");
    assert_eq!(
        (arrival.min, arrival.mean, arrival.max),
        (Some(600 * US), Some(800 * US), Some(50 * MS))
    );
    assert!(arrival.is_lower_bound("max"));
    let lag = metrics.generator.read_lag_ns.as_ref().unwrap();
    assert_eq!((lag.count, lag.censored), (3, 0), "whatever was read, with a stamp");
    assert_eq!((lag.min, lag.max), (Some(200 * US), Some(7 * MS)));
    assert_eq!(metrics.latency.service_ns.min, Some(800 * US), "up to the read");
}

#[test]
fn a_log_without_stamps_has_neither_figure_and_says_why_if_there_is_a_reason() {
    let plain_facts = facts(1);
    let without = metrics(&script(), &plain(), plain_facts.clone());
    assert_eq!(
        (without.latency.arrival_ns.is_some(), without.generator.read_lag_ns.is_some()),
        (false, false)
    );
    let style = z6_metrics::report::Style::plain();
    let text = z6_metrics::report::summary_text(&without, &style);
    let advice = "read lag      not known: --arrival-stamps on measures it in a closed run too";
    assert!(text.contains(advice), "{text}");
    let simulated = RunFacts { driver: Driver::Simulation, ..plain_facts.clone() };
    let text = z6_metrics::report::summary_text(&metrics(&script(), &plain(), simulated), &style);
    assert!(!text.contains("read lag"), "{text}");
    let json = z6_metrics::report::metrics_json(&without);
    assert!(!json.contains("arrival_ns") && !json.contains("read_lag_ns"), "{json}");
    let no_arrival_stamps = "the kernel has none".to_owned();
    let refused = metrics(&script(), &plain(), RunFacts { no_arrival_stamps, ..plain_facts });
    let text = z6_metrics::report::summary_text(&refused, &style);
    assert!(text.contains("read lag      not known: the kernel has none"), "{text}");
}

#[test]
fn late_reads_degrade_where_the_generator_has_time_to_spare() {
    let late = |scenario: &Scenario| {
        let metrics = metrics(&script(), scenario, stamped());
        let find = |doubt: &&Doubt| doubt.kind() == "late_reads";
        let doubt = *metrics.generator.doubts.iter().find(find).unwrap();
        (doubt.to_string(), doubt.degrades(), metrics.generator.verdict)
    };
    let words = "late reads: 1 % of responses were read 7.00 ms or more after they had arrived";
    assert_eq!(late(&plain()), (words.to_owned(), false, Verdict::Trustworthy));
    let thinking = scenario(
        "[runtime]\nduration_seconds = 3\n[think_time]\ntype = \"constant\"\nduration_ms = 1\n",
    );
    assert_eq!(late(&thinking), (words.to_owned(), true, Verdict::Degraded));
}

#[test]
fn a_fold_over_all_rows_has_the_figures_of_the_run() {
    let (script, scenario) = (script(), plain());
    let whole = metrics(&script, &scenario, stamped());
    let mut part = PartFold::new(&scenario, stamped(), None, None);
    let mut table = ExchangeTable::new();
    let connect = [(Tick(0), connect_started(0)), (Tick(0), connected(0, 0))];
    for (at, event) in &connect {
        table.observe(*at, event).unwrap();
    }
    for (worker, at, event) in &script.events {
        part.event(*worker, *at, event).unwrap();
        if let Observed::RequestEnded(ended) = table.observe(*at, event).unwrap() {
            let row = RequestRow::from_end(WorkerId(0), &ended);
            assert_eq!(row.read_lag_ns(), ended.arrival.read_lag_ns());
            part.row(&row).unwrap();
        }
    }
    let (part, ()) = part.finish(end_facts(), |_| ()).unwrap();
    assert_eq!(part.latency, whole.latency);
    assert_eq!(part.generator.read_lag_ns, whole.generator.read_lag_ns);
}
