//! Queueing truth: simulated runs in the open model against the formulas of the textbooks (Kleinrock,
//! *Queueing Systems* 1, 1975: M/M/1, M/M/c 3.2 and 3.5; M/D/1 by Pollaczek and Khinchin, 5.6), and one in the
//! closed model against the interactive response time law.
#![allow(clippy::unwrap_used)]

use z6::{Finished, Run};

/// Arrivals per second, for 600 s, in a world where only the server takes time.
fn open(per_second: u32, service: &str, servers: u32) -> Finished {
    let text = format!(
        "runtime = {{ duration_seconds = 600, warmup_seconds = 5, prng_seed = 1 }}\n\
         target.base_url = 'http://queue'\n\
         requests = [{{ name = 'a', path = '/' }}]\n\
         schedule = {{ type = 'rate', per_second = {per_second}, arrivals = 'poisson' }}\n\
         simulation = {{ connect = '0', latency = '0', service = '{service}', servers = {servers} }}"
    );
    Run::from_toml(&text).unwrap().simulate().start().unwrap().wait().unwrap()
}

#[track_caller]
fn assert_mean_response(finished: &Finished, expected_ns: f64) {
    assert_eq!(finished.metrics.requests.failed, 0);
    let mean_ns = finished.metrics.latency.response_ns.mean.unwrap() as f64;
    let off = mean_ns / expected_ns - 1.0;
    assert!(off.abs() < 0.02, "mean {mean_ns} ns, expected {expected_ns} ns: off by {off:.4}");
}

#[test]
fn one_server_with_exponential_service_is_m_m_1() {
    // s / (1 - rho), rho = 0.5.
    assert_mean_response(&open(500, "exponential:1ms", 1), 2e6);
}

#[test]
fn one_server_with_constant_service_is_m_d_1() {
    // s + rho s / (2 (1 - rho)), rho = 0.5.
    assert_mean_response(&open(500, "constant:1ms", 1), 1.5e6);
}

#[test]
fn four_servers_with_exponential_service_are_m_m_4() {
    // Offered load 3.2; Erlang's C is 0.596; s + C s / (c (1 - rho)).
    let offered = 3.2_f64;
    let below: f64 = 1.0 + offered + offered.powi(2) / 2.0 + offered.powi(3) / 6.0;
    let at = offered.powi(4) / 24.0 / (1.0 - 0.8);
    let expected = 5e6 + at / (below + at) * 5e6 / (4.0 * (1.0 - 0.8));
    assert_mean_response(&open(640, "exponential:5ms", 4), expected);
}

#[test]
fn virtual_users_obey_the_interactive_response_time_law() {
    // R = N / X - Z for N users who think Z between requests, X requests per second in all.
    let text = "runtime = { duration_seconds = 600, warmup_seconds = 5, vus = 40, prng_seed = 1 }\n\
         target.base_url = 'http://queue'\n\
         requests = [{ name = 'a', path = '/' }]\n\
         think_time = { type = 'exponential', mean_ms = 50, max_ms = 60000 }\n\
         simulation = { connect = '0', latency = '0', service = 'exponential:2ms', servers = 1 }";
    let finished = Run::from_toml(text).unwrap().simulate().start().unwrap().wait().unwrap();
    let per_second = finished.metrics.throughput.completed_rps.unwrap();
    assert_mean_response(&finished, (40.0 / per_second - 0.05) * 1e9);
}
