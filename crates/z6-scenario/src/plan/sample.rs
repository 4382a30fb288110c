//! A scenario for the tests of the plan, built in code: four weighted requests, two weighted
//! targets, random think time, a ramp.

use std::net::Ipv4Addr;

use z6_events::TargetId;

use crate::journey::{Flow, Reading, ValueTable};
use crate::model::*;

/// The sample.
pub(super) fn scenario() -> Scenario {
    let mut requests = vec![
        request("list_users", "GET", "/users?page=1", 5_000_000),
        request("get_user", "GET", "/users/123", 3_000_000),
        request("create_user", "POST", "/users", 1_500_000),
        request("delete_user", "DELETE", "/users/123", 500_000),
    ];
    requests[2].headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("X-A".into(), "1".into()),
    ];
    requests[2].body = Some(Body { bytes: br#"{"name": "Test"}"#.to_vec(), file: None });
    requests[3].target = Some(TargetId(1));
    Scenario {
        text: String::new(),
        metadata: Metadata { name: "Sample".to_owned(), ..Metadata::default() },
        runtime: Runtime {
            duration_ns: Some(30 * NS_PER_SECOND),
            iterations: None,
            prng_seed: Some(12_345),
            workers: Workers::Fixed(1),
            warmup_ns: 0,
            graceful_stop_ns: 5 * NS_PER_SECOND,
        },
        targets: vec![target("blue", 2_000_000), target("green", 1_000_000)],
        requests,
        schedule: Schedule::Ramp {
            start_vus: 5,
            end_vus: 50,
            ramp_ns: 10 * NS_PER_SECOND,
            hold_ns: 20 * NS_PER_SECOND,
        },
        think_time: ThinkTime::Random { min_ns: 5 * NS_PER_MS, max_ns: 20 * NS_PER_MS },
        flow: Flow::default(),
        values: ValueTable::default(),
        cookies: None,
        assertions: Vec::new(),
        limits: Limits::default(),
        simulation: crate::Simulation::default(),
    }
}

fn request(name: &str, method: &str, path: &str, weight_micro: u64) -> Request {
    Request {
        name: name.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
        timeout_ns: 30 * NS_PER_SECOND,
        weight_micro,
        target: None,
        expect_status: Vec::new(),
        follow_redirects: 0,
        rendering: None,
        reading: Reading::default(),
    }
}

fn target(name: &str, weight_micro: u64) -> Target {
    Target {
        name: name.to_owned(),
        base_url: BaseUrl {
            scheme: Scheme::Http,
            host: Host::V4(Ipv4Addr::LOCALHOST),
            port: 8080,
            path_prefix: String::new(),
            credentials: None,
            text: "http://127.0.0.1:8080".to_owned(),
        },
        connect_to: crate::ConnectTo::BaseUrl,
        weight_micro,
        tls: TlsSettings {
            verify_cert: true,
            ca_bundle: None,
            client_cert: None,
            client_key: None,
            server_name: None,
            resumption: true,
        },
        max_connections: 50,
        connection_reuse: ConnectionReuse::PerVu,
        connection_timeout_ns: 10 * NS_PER_SECOND,
        tls_timeout_ns: 10 * NS_PER_SECOND,
        dns_timeout_ns: 5 * NS_PER_SECOND,
        idle_timeout_ns: 60 * NS_PER_SECOND,
        max_requests_per_connection: None,
        reconnect_delay_ns: 100 * NS_PER_MS,
        source_addresses: Vec::new(),
        request_id_header: None,
    }
}
