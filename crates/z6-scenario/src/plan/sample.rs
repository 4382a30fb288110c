//! Scenarios for the tests of the plan, built in code: four weighted requests, two weighted targets,
//! random think time, a ramp; and one with start, renewals, a range and values.

use std::net::Ipv4Addr;

use z6_events::{RequestId, TargetId, VariableId};
use z6_extract::rows::{Format, Limits as RowLimits, Reader};
use z6_http::template::{Template, TextKind, ValueId};

use crate::journey::*;
use crate::model::*;
use crate::values::{MadeBy, Order, Per};

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
            requests: None,
            prng_seed: Some(12_345),
            workers: Workers::Fixed(1),
            warmup_ns: 0,
            graceful_stop_ns: 5 * NS_PER_SECOND,
            arrival_stamps: crate::model::ArrivalStamps::Auto,
        },
        setup: None,
        teardown: None,
        targets: vec![target("blue", 2_000_000), target("green", 1_000_000)],
        requests,
        populations: vec![Users {
            name: String::new(),
            start_after_ns: 0,
            duration_ns: None,
            schedule: Schedule::Ramp {
                start_vus: 5,
                end_vus: 50,
                ramp_ns: 10 * NS_PER_SECOND,
                hold_ns: 20 * NS_PER_SECOND,
            },
            pacing: None,
            think_time: ThinkTime::Random { min_ns: 5 * NS_PER_MS, max_ns: 20 * NS_PER_MS },
            flow: Flow::default(),
            cookies: None,
            tags: Vec::new(),
        }],
        values: ValueTable::default(),
        files: Vec::new(),
        log: crate::model::LogSettings::default(),
        assertions: Vec::new(),
        goals: Vec::new(),
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
        tags: Vec::new(),
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
        proxy: None,
        weight_micro,
        http_version: HttpVersion::Http1,
        http2: Http2Settings::default(),
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
        max_connection_age_ns: None,
        retry_stale: false,
        reconnect_delay_ns: 100 * NS_PER_MS,
        source_addresses: Vec::new(),
        request_id_header: None,
    }
}

/// A login with a user of a file at the start, then one to three of a request and one with values, for two
/// VUs.
pub(super) fn journey() -> Scenario {
    let mut scenario = scenario();
    scenario.metadata.name = "Shop".to_owned();
    scenario.populations[0].schedule = Schedule::Constant { vus: 2 };
    scenario.runtime.iterations = Some(2);
    scenario.targets.truncate(1);
    let step = |request, min, max| SequenceStep {
        request: RequestId(request),
        repeat: Repeat { min, max },
        on_failure: None,
        think_time: None,
    };
    scenario.populations[0].flow.start = vec![step(0, 1, 1)];
    scenario.populations[0].flow.steps = vec![step(1, 1, 3), step(2, 1, 1)];
    let renew = Renew { steps: vec![step(0, 1, 1)], on_status: vec![401], every_ns: None };
    scenario.populations[0].flow.renew = Some(renew);
    let mut reader = Reader::new(Format::Csv, RowLimits::default());
    reader.push("email,password\na@x.example,geheim\nb@x.example,hidden\n".as_bytes()).unwrap();
    scenario.values = ValueTable {
        sources: vec![
            ValueSource::Column { data: 0, column: 0 },
            ValueSource::Column { data: 0, column: 1 },
            ValueSource::Random(0),
            ValueSource::Variable(VariableId(0)),
            ValueSource::NowUnixMs,
            ValueSource::Secret(0),
        ],
        secrets: vec![Secret {
            name: "client".to_owned(),
            from: SecretSource::Environment("X".to_owned()),
        }],
        data: vec![DataFile {
            name: "users".to_owned(),
            file: "users.csv".to_owned(),
            table: std::sync::Arc::new(reader.finish().unwrap()),
            per: Per::Vu,
            order: Order::Sequential,
            is_unique: true,
            on_end: OnEnd::StopRun,
            weight: None,
            secret: vec![1],
            is_attached: true,
            original: crate::journey::OriginalFile::default(),
        }],
        random: vec![RandomValue {
            name: "quantity".to_owned(),
            by: MadeBy::Integer { min: 1, max: 5 },
            per: Per::Step,
        }],
        variables: vec![Variable { name: "token".to_owned(), scope: Scope::Vu, is_secret: false }],
        ..ValueTable::default()
    };
    let mut reads = |request: usize, reads: &[u16]| {
        let path = Template::compile("/", TextKind::Target, |_| None).unwrap();
        let reads = reads.iter().map(|id| ValueId(*id)).collect();
        let (headers, body, auth, needs) = (Vec::new(), None, None, Vec::new());
        let rendering = Rendering { path, headers, body, auth, reads, needs };
        scenario.requests[request].rendering = Some(Box::new(rendering));
    };
    reads(0, &[0, 1, 5]);
    reads(2, &[2, 3, 4]);
    scenario
}
