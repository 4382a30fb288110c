//! Worlds in which no time passes: which delays are 0, and whether a run can end nevertheless.

use std::fmt;

use z6_events::Tick;
use z6_scenario::{Model, Plan, ThinkTime, Users};

use crate::spec::SimSpec;

/// The delays that are 0, by their names in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZeroDelays(pub Vec<&'static str>);

impl ZeroDelays {
    pub(crate) fn of(spec: &SimSpec) -> ZeroDelays {
        let (scenario, simulation) = (&spec.scenario, &spec.simulation);
        let has_no_delay = |target: &z6_scenario::Target| target.reconnect_delay_ns == 0;
        let delays = [
            ("simulation.connect", simulation.connect.is_zero()),
            ("simulation.latency", simulation.latency.is_zero()),
            ("simulation.service", simulation.service.is_zero()),
            ("think_time", scenario.populations.iter().any(has_no_think_time)),
            ("reconnect_delay_ms", scenario.targets.iter().any(has_no_delay)),
        ];
        ZeroDelays(delays.into_iter().filter(|delay| delay.1).map(|delay| delay.0).collect())
    }
}

impl fmt::Display for ZeroDelays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [others @ .., last] = &self.0[..] else { return f.write_str("no delay is 0") };
        let verb = if others.is_empty() { "is" } else { "are" };
        let and = if others.is_empty() { "" } else { " and " };
        write!(f, "{}{and}{last} {verb} 0", others.join(", "))
    }
}

fn has_no_think_time(users: &Users) -> bool {
    users.think_times().all(|think_time| match think_time {
        ThinkTime::None => true,
        ThinkTime::Constant { duration_ns } => duration_ns == 0,
        ThinkTime::Random { max_ns, .. } => max_ns == 0,
        ThinkTime::Exponential { mean_ns, max_ns } => mean_ns == 0 || max_ns == 0,
    })
}

/// Whether a run is known to stay at its first instant forever: a VU begins there and does any number of
/// iterations, nothing takes time, and nothing goes wrong.
pub(crate) fn never_begins(spec: &SimSpec, plan: &Plan) -> bool {
    let (scenario, simulation) = (&spec.scenario, &spec.simulation);
    let is_stuck = |(users, (_, plan)): (&Users, (_, &Plan))| {
        users.schedule.model() == Model::Closed
            && plan.steps_per_actor().is_none()
            && plan.vu_changes().next().is_some_and(|first| first.at == Tick::ZERO)
            && has_no_think_time(users)
            && users.pacing.is_none()
    };
    scenario.populations.iter().zip(plan.populations()).any(is_stuck)
        && simulation.latency.is_zero()
        && simulation.service.is_zero()
        && simulation.bandwidth_bytes_per_second.is_none()
        && simulation.faults.is_calm()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_that_are_0_are_listed() {
        let text = |names: &[&'static str]| ZeroDelays(names.to_vec()).to_string();
        assert_eq!(text(&["a"]), "a is 0");
        assert_eq!(text(&["a", "b"]), "a and b are 0");
        assert_eq!(text(&["a", "b", "c"]), "a, b and c are 0");
    }
}
