//! Scenarios of every kind, and a network on which everything goes wrong now and then.

use z6_events::{ErrorKind, PlannedRequest, TargetId, Tick};
use z6_vu::memory::{Answer, Dial, Network};

use super::MS;

/// A network that misbehaves by numbers drawn from its own seed.
pub(crate) struct Wild {
    pub(crate) state: u64,
    pub(crate) trouble: u64,
}

impl Wild {
    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % below
    }
}

impl Network for Wild {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        let after_ns = self.draw(3 * MS);
        match self.draw(100) {
            roll if roll < self.trouble => Dial::Fails(after_ns, ErrorKind::ConnectionRefused),
            roll if roll < self.trouble * 2 => Dial::Silence,
            _ => Dial::Ready(after_ns),
        }
    }

    fn answer(&mut self, _at: Tick, _ask: &PlannedRequest) -> Answer {
        let after_ns = self.draw(30 * MS);
        match self.draw(100) {
            roll if roll < self.trouble => Answer::Fails(after_ns, ErrorKind::ConnectionReset),
            roll if roll < self.trouble * 2 => Answer::Silence,
            roll if roll < self.trouble * 3 => {
                Answer::Status { after_ns, status: 503, reusable: self.draw(2) == 0 }
            }
            _ => Answer::Status { after_ns, status: 200, reusable: self.draw(10) > 0 },
        }
    }
}

/// The same, and two of five answers are redirects to either target.
pub(crate) struct Redirecting(pub(crate) Wild);

impl Network for Redirecting {
    fn dial(&mut self, at: Tick, target: TargetId) -> Dial {
        self.0.dial(at, target)
    }

    fn answer(&mut self, at: Tick, request: &PlannedRequest) -> Answer {
        if self.0.draw(5) > 1 {
            return self.0.answer(at, request);
        }
        let target = TargetId(self.0.draw(2) as u16);
        let (after_ns, reusable) = (self.0.draw(9 * MS), self.0.draw(4) > 0);
        Answer::Redirect { after_ns, target, reusable }
    }
}

pub(crate) const SCHEDULES: [&str; 9] = [
    "type = 'constant'\nvus = 6",
    "type = 'ramp'\nstart_vus = 1\nend_vus = 9\nramp_duration_seconds = 0.5\nhold_duration_seconds = 0.3",
    "type = 'ramp'\nstart_vus = 9\nend_vus = 3\nramp_duration_seconds = 0.6\nhold_duration_seconds = 0.1",
    "type = 'spike'\nbaseline_vus = 3\nspike_vus = 8\nspike_start_seconds = 0.2\nspike_duration_seconds = 0.3",
    "type = 'rate'\nper_second = 300\nmax_in_flight = 7",
    "type = 'rate'\nper_second = 400\narrivals = 'poisson'",
    "type = 'ramp_rate'\nstart_per_second = 10\nend_per_second = 500\nramp_duration_seconds = 0.8\nhold_duration_seconds = 0.1",
    "type = 'rate_steps'\nsteps = [{per_second = 50, duration_seconds = 0.3}, {per_second = 600, duration_seconds = 0.2}]",
    "type = 'steps'\nsteps = [{vus = 4, duration_seconds = 0.2}, {vus = 3, duration_seconds = 0.3}, {vus = 7, duration_seconds = 0.4}]",
];
pub(crate) const THINKS: [&str; 4] = [
    "",
    "[think_time]\ntype = 'constant'\nduration_ms = 3",
    "[think_time]\ntype = 'random'\nmin_ms = 0\nmax_ms = 20",
    "[think_time]\ntype = 'exponential'\nmean_ms = 5\nmax_ms = 50",
];
pub(crate) const REUSES: [&str; 4] = ["per_vu", "shared", "iteration", "none"];
pub(crate) const SEQUENCE: &str = "[sequence]\ntype = 'ordered'\n[[sequence.steps]]\nrequest = 'a'\n\
                        [[sequence.steps]]\nrequest = 'b'\nrepeat = 2\n";

/// A scenario of two requests and two targets.
pub(crate) fn text(
    schedule: usize,
    think: usize,
    reuse: usize,
    sequence: bool,
    iterations: u64,
) -> String {
    // Arrivals own no connection.
    let is_open = SCHEDULES[schedule].contains("rate");
    let reuse = if is_open && reuse == 0 { 1 } else { reuse };
    let iterations = if is_open { iterations * 20 } else { iterations };
    let limit = if iterations > 0 { format!("iterations = {iterations}\n") } else { String::new() };
    let target = |name: &str, port: u16| {
        format!(
            "[[targets]]\nname = '{name}'\nbase_url = 'http://127.0.0.1:{port}'\nmax_connections = 9\n\
             connection_reuse = '{}'\nconnection_timeout_ms = 20\nidle_timeout_ms = 8\n\
             reconnect_delay_ms = 10\nmax_requests_per_connection = 7\n{}",
            REUSES[reuse],
            if port == 8002 { "retry_stale = true\nmax_connection_age_ms = 40\n" } else { "" }
        )
    };
    format!(
        "[runtime]\nduration_seconds = 1\n{limit}graceful_stop_seconds = 0.02\n{}{}\
         [[requests]]\nname = 'a'\npath = '/a'\ntimeout_ms = 25\n\
         [[requests]]\nname = 'b'\npath = '/b'\ntimeout_ms = 28\n\
         [schedule]\n{}\n{}\n{}",
        target("one", 8001),
        target("two", 8002),
        SCHEDULES[schedule],
        THINKS[think],
        if sequence { SEQUENCE } else { "" },
    )
}
