//! `[simulation]` and what the command line changes in it.

use super::overrides::Overrides;
use super::reader::{At, Context, Section};
use super::setting::{self, explain};
use crate::simulation::{FAULT_PREFIX, FaultKind, SETTINGS, Simulation};

/// Reads `[simulation]` with the overrides applied.
pub(crate) fn simulation(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    overrides: &Overrides,
) -> Simulation {
    let mut simulation = Simulation::default();
    let faults = section.section(cx, "faults");
    let of_faults = FaultKind::ALL.iter().map(|kind| (kind.name(), true));
    for (name, is_fault) in SETTINGS.iter().map(|key| (*key, false)).chain(of_faults) {
        let table = if is_fault { &faults } else { section };
        let prefix = if is_fault { FAULT_PREFIX } else { "" };
        if let Some(text) = table.setting(name) {
            let at = table.at(name);
            set(cx, &mut simulation, &format!("{prefix}{name}"), &text, &at);
        }
    }
    for (key, value) in &overrides.simulation {
        set(cx, &mut simulation, key, value, &At::Flag(flag(key)));
    }
    simulation
}

fn set(cx: &mut Context<'_>, simulation: &mut Simulation, key: &str, value: &str, at: &At) {
    if let Err(error) = simulation.set(key, value) {
        let wrong: setting::Wrong = explain(key, value, &error);
        cx.fault(at, wrong.code, wrong.message, wrong.hint);
    }
}

/// The option that sets `key`.
fn flag(key: &str) -> &'static str {
    match key {
        "latency" => "--latency",
        "service" => "--service",
        "servers" => "--servers",
        _ if key.starts_with(FAULT_PREFIX) => "--fault",
        _ => "--set",
    }
}
