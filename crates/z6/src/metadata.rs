//! metadata.json: the facts about a run that are not figures. docs/CLI.md lists its keys.

use serde_json::{Map, Value, json};
#[cfg(any(feature = "run", feature = "simulate"))]
use z6_events::ErrorKind;
use z6_events::{Driver, LogHeader, StoppedBy};
use z6_metrics::report::json_document;
use z6_scenario::Scenario;

#[cfg(feature = "builtin")]
use crate::builtin::BuiltinReport;
use crate::error::full_message;
use crate::finished::Finished;
#[cfg(any(feature = "run", feature = "simulate"))]
use crate::finished::attempt_words;
use crate::run::hex;
use crate::run_log::{Merged, MergedShard};
#[cfg(feature = "simulate")]
use crate::simulated::SimulationReport;
use crate::time::{rfc3339_utc, wall_ns};

/// The version of the names in metadata.json.
const SCHEMA_VERSION: u32 = 1;

/// The text of metadata.json, keys in alphabetical order.
pub(crate) fn json(finished: &Finished, scenario_source: &str) -> String {
    let header = &finished.header;
    // A simulated run knows no clock: its files are the same each time.
    let ended_at = match header.driver {
        Driver::Reactor => rfc3339_utc(wall_ns()),
        Driver::Simulation => String::new(),
    };
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "z6_version": env!("CARGO_PKG_VERSION"),
        "engine_version": header.engine_version,
        "scenario": { "name": finished.scenario.name(), "source": scenario_source },
        "overrides": overrides(header),
        "seed": header.seed,
        "seed_drawn": finished.seed_drawn,
        "workers": header.workers,
        "shard": finished.metrics.run.shard.map(|shard| shard.to_string()),
        "plan_digest": hex(&header.plan_digest),
        "started_at": rfc3339_utc(header.wall_epoch_ns),
        "ended_at": ended_at,
        "stopped_by": finished.stopped_by.name(),
        "assertions_passed": assertions_passed(finished),
        "no_target": no_target(finished),
        "panic": finished.panic,
        "log": log(finished),
        "addresses": addresses(&finished.scenario, header),
        "builtin": builtin(finished),
        "simulation": simulation(finished),
        "limits": limits(header),
        "host": pairs(&header.host),
        "build": pairs(&header.build),
    });
    json_document(&value)
}

/// The text of metadata.json of a run whose shards were merged.
pub(crate) fn of_merge(merged: &Merged) -> String {
    let Some(first) = merged.shards.first().map(|shard| &shard.header) else {
        return json_document(&Value::Null);
    };
    let run = &merged.metrics.run;
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "z6_version": env!("CARGO_PKG_VERSION"),
        "engine_version": first.engine_version,
        "scenario": { "name": merged.scenario.name(), "source": Value::Null },
        "overrides": overrides(first),
        "seed": first.seed,
        "workers": run.workers,
        "plan_digest": hex(&first.plan_digest),
        "started_at": run.started_at,
        "stopped_by": run.stopped_by.map(StoppedBy::name),
        "assertions_passed": merged.metrics.assertions_passed(),
        "receipt": merged.receipt.map(|receipt| receipt.to_string()),
        "missing_shards": merged.missing,
        "shards": merged.shards.iter().map(|shard| merged_shard(merged, shard)).collect::<Vec<_>>(),
        "limits": limits(first),
    });
    json_document(&value)
}

fn merged_shard(merged: &Merged, shard: &MergedShard) -> Value {
    let header = &shard.header;
    let digest = shard.ending.digest();
    json!({
        "shard": header.shard,
        "of": header.shards,
        "workers": header.workers,
        "started_at": rfc3339_utc(header.wall_epoch_ns),
        "log": {
            "path": shard.path.display().to_string(),
            "format_version": header.format_version,
            "complete": digest.is_some(),
            "bytes": shard.log_bytes,
            "digest": digest.map(|digest| digest.to_string()),
        },
        "addresses": addresses(&merged.scenario, header),
        "host": pairs(&header.host),
        "build": pairs(&header.build),
    })
}

/// Null for a shard, which judges none.
fn assertions_passed(finished: &Finished) -> Option<bool> {
    finished.metrics.run.shard.is_none().then(|| finished.assertions_passed())
}

fn log(finished: &Finished) -> Value {
    json!({
        "format_version": finished.header.format_version,
        "complete": finished.digest.is_some(),
        "bytes": finished.log_bytes,
        "digest": finished.digest.map(|digest| digest.to_string()),
        "error": finished.log_error.as_ref().map(|error| full_message(error)),
    })
}

fn no_target(finished: &Finished) -> Value {
    #[cfg(feature = "run")]
    if let Some(failure) = &finished.no_target {
        let address = failure.address.to_string();
        return attempt(Some(&address), failure.error, failure.errno, &failure.note);
    }
    #[cfg(feature = "simulate")]
    if let Some(simulation) = &finished.simulation
        && finished.stopped_by == StoppedBy::NoTarget
    {
        return attempt(None, simulation.no_target, 0, "");
    }
    Value::Null
}

#[cfg(any(feature = "run", feature = "simulate"))]
fn attempt(address: Option<&str>, error: Option<ErrorKind>, errno: u64, note: &str) -> Value {
    json!({
        "address": address,
        "error_kind": error.map(ErrorKind::name),
        "errno": errno,
        "reason": attempt_words(error, errno, note),
    })
}

#[cfg(feature = "builtin")]
fn builtin(finished: &Finished) -> Value {
    let of_report = |report: &BuiltinReport| {
        json!({
            "address": report.address.to_string(),
            "requests": report.stats.requests,
            "responses": report.stats.responses,
            "connections": report.stats.accepted,
            "error": report.error.as_ref().map(|error| full_message(error)),
        })
    };
    finished.builtin.as_ref().map_or(Value::Null, of_report)
}

#[cfg(feature = "simulate")]
fn simulation(finished: &Finished) -> Value {
    let of_report = |report: &SimulationReport| {
        let fault = |(kind, times): &(z6_scenario::simulation::FaultKind, u64)| {
            (kind.name().to_owned(), json!(times))
        };
        json!({
            "settings": pairs(&finished.scenario.simulation.settings()),
            "requests": report.requests,
            "responses": report.responses,
            "faults": report.faults.iter().map(fault).collect::<Map<String, Value>>(),
            "violations": report.violations,
            "unmet": report.unmet,
        })
    };
    finished.simulation.as_ref().map_or(Value::Null, of_report)
}

/// What a feature that is off would say.
#[cfg(not(feature = "builtin"))]
fn builtin(_: &Finished) -> Value {
    Value::Null
}

#[cfg(not(feature = "simulate"))]
fn simulation(_: &Finished) -> Value {
    Value::Null
}

/// Per target, by name: the addresses resolved.
fn addresses(scenario: &Scenario, header: &LogHeader) -> Value {
    let of_target = |target: &z6_events::TargetAddresses| {
        let name = scenario.target(target.target).name.clone();
        (name, json!(target.addresses))
    };
    Value::Object(header.addresses.iter().map(of_target).collect())
}

fn limits(header: &LogHeader) -> Value {
    Value::Object(header.limits.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}

/// As given, without a password.
fn overrides(header: &LogHeader) -> Value {
    let shown = header.overrides.iter().map(|(key, value)| match key.as_str() {
        "target" => (key.clone(), z6_scenario::without_userinfo(value)),
        _ => (key.clone(), value.clone()),
    });
    pairs(&shown.collect::<Vec<_>>())
}

fn pairs(pairs: &[(String, String)]) -> Value {
    let pairs: Map<String, Value> =
        pairs.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    Value::Object(pairs)
}
