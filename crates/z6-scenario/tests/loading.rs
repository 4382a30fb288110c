//! Scenarios that load: each tests/valid/NAME.toml with what is said about it in NAME.txt
//! (written instead of compared with Z6_BLESS=1), and the models they become.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "this test reads and writes its own data files")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use z6_events::{Actor, RequestId, Step, TargetId};
use z6_scenario::*;

struct OneFile;

impl Files for OneFile {
    fn read(&self, path: &str, _max_bytes: u64) -> Result<Vec<u8>, String> {
        Ok(match path {
            "small.json" => b"{}".to_vec(),
            "users.csv" => {
                b"email,password\na@x.example,1\nb@x.example,2\nc@x.example,3\n".to_vec()
            }
            "terms.tsv" => b"shoes\t2\nbags\t0.5\n".to_vec(),
            "photo.jpg" => b"\xff\xd8 z6".to_vec(),
            other => panic!("{other}"),
        })
    }
}

const S: u64 = NS_PER_SECOND;
const MS: u64 = NS_PER_MS;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/valid")
}

fn valid(name: &str) -> Loaded {
    let text = fs::read_to_string(directory().join(name).with_extension("toml")).unwrap();
    Scenario::load(&text, &OneFile, &Overrides::default())
        .unwrap_or_else(|findings| panic!("{}", findings.render(name, &text, false)))
}

#[test]
fn descriptions_read_as_expected() {
    let bless = std::env::var_os("Z6_BLESS").is_some();
    let mut seen = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let loaded = valid(name);
        let mut shown = loaded.scenario.describe().to_string();
        if !loaded.warnings.is_empty() {
            shown += &format!("{}\n", loaded.warnings);
        }
        let expected_path = path.with_extension("txt");
        if bless {
            fs::write(&expected_path, &shown).unwrap();
        }
        assert_eq!(shown, fs::read_to_string(&expected_path).unwrap_or_default(), "{name}");
        seen += 1;
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn defaults_are_those_documented() {
    let scenario = valid("minimal").scenario;
    let expected = Scenario {
        setup: None,
        teardown: None,
        text: scenario.text.clone(),
        metadata: Metadata::default(),
        runtime: Runtime {
            duration_ns: None,
            iterations: Some(1),
            requests: None,
            prng_seed: None,
            workers: Workers::Fixed(1),
            warmup_ns: 0,
            graceful_stop_ns: 5 * S,
            arrival_stamps: ArrivalStamps::Auto,
        },
        targets: vec![Target {
            name: "target".to_owned(),
            base_url: BaseUrl {
                scheme: Scheme::Builtin,
                host: Host::V4(Ipv4Addr::LOCALHOST),
                port: 0,
                path_prefix: String::new(),
                credentials: None,
                text: "builtin".to_owned(),
            },
            connect_to: z6_scenario::ConnectTo::BaseUrl,
            proxy: None,
            weight_micro: MICRO,
            tls: TlsSettings {
                verify_cert: true,
                ca_bundle: None,
                client_cert: None,
                client_key: None,
                server_name: None,
                resumption: true,
            },
            max_connections: 1,
            connection_reuse: ConnectionReuse::PerVu,
            connection_timeout_ns: 10 * S,
            tls_timeout_ns: 10 * S,
            dns_timeout_ns: 5 * S,
            idle_timeout_ns: 90 * S,
            max_requests_per_connection: None,
            max_connection_age_ns: None,
            retry_stale: false,
            http_version: HttpVersion::Http1,
            http2: Http2Settings::default(),
            reconnect_delay_ns: 100 * MS,
            source_addresses: vec![],
            request_id_header: None,
        }],
        requests: vec![Request {
            name: "root".to_owned(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: vec![],
            body: None,
            timeout_ns: 30 * S,
            weight_micro: MICRO,
            target: None,
            expect_status: vec![],
            follow_redirects: 0,
            rendering: None,
            reading: Reading::default(),
            tags: Vec::new(),
        }],
        populations: vec![Users {
            name: String::new(),
            start_after_ns: 0,
            duration_ns: None,
            schedule: Schedule::Constant { vus: 1 },
            pacing: None,
            think_time: ThinkTime::None,
            flow: Flow::default(),
            cookies: None,
            tags: Vec::new(),
        }],
        values: ValueTable::default(),
        files: Vec::new(),
        log: LogSettings::default(),
        assertions: vec![],
        goals: Vec::new(),
        limits: Limits::default(),
        simulation: Simulation::default(),
    };
    assert_eq!(scenario, expected);
    assert_eq!(scenario.name(), "unnamed");
}

#[test]
fn constant_with_vus_in_both_places() {
    let scenario = valid("hello").scenario;
    assert_eq!(scenario.populations[0].schedule, Schedule::Constant { vus: 10 });
    assert_eq!(scenario.runtime.duration_ns, Some(60 * S));
    assert_eq!(scenario.runtime.prng_seed, Some(42));
    assert_eq!(scenario.targets[0].max_connections, 10);
    assert_eq!(scenario.targets[0].base_url.host, Host::Name("localhost".to_owned()));
    assert_eq!(scenario.requests[0].timeout_ns, S);
    let kinds: Vec<_> = scenario.assertions.iter().map(|a| a.kind.name()).collect();
    assert_eq!(kinds, ["p99_latency_ms", "error_rate_max"]);
    assert_eq!(scenario.assertions[1].bound.to_bits(), 0.01_f64.to_bits());
}

#[test]
fn weights_headers_and_order_are_kept() {
    let scenario = valid("ramp_weighted").scenario;
    let weights: Vec<u64> = scenario.requests.iter().map(|request| request.weight_micro).collect();
    assert_eq!(weights, [5_000_000, 1_500_000, 1]);
    let create = &scenario.requests[1];
    let names: Vec<&str> = create.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Content-Type", "X-Client"]);
    assert_eq!(create.expect_status, [201, 202]);
    assert!(create.expects(201) && !create.expects(200));
    assert_eq!(scenario.requests[2].timeout_ns, 2_000_500_000);
    assert_eq!(scenario.targets[0].base_url.path_prefix, "/shop/v1");
    let target = scenario.request_target(RequestId(0), TargetId(0));
    assert_eq!(target, "/shop/v1/items?page=1");
    let ramp = Schedule::Ramp { start_vus: 5, end_vus: 50, ramp_ns: 10 * S, hold_ns: 20 * S };
    assert_eq!(scenario.populations[0].schedule, ramp);
    assert_eq!(
        scenario.populations[0].think_time,
        ThinkTime::Random { min_ns: 5 * MS, max_ns: 20 * MS }
    );
    // In the order of the file.
    assert_eq!(scenario.assertions[0].kind, AssertionKind::RpsMin);
    assert_eq!(scenario.assertions[1].kind, AssertionKind::LatencyMax(Quantile::P50));
}

#[test]
fn sequences_refer_by_index() {
    let scenario = valid("spike_sequence").scenario;
    let step = |request, repeat| SequenceStep {
        request: RequestId(request),
        repeat: Repeat::times(repeat),
        on_failure: None,
        think_time: None,
    };
    assert_eq!(scenario.populations[0].flow.steps, [step(0, 1), step(1, 5), step(2, 1)]);
    assert_eq!(scenario.steps_per_iteration(), 7);
    assert_eq!(scenario.targets[0].max_connections, 100);
    assert_eq!(scenario.populations[0].think_time, ThinkTime::Constant { duration_ns: 50 * MS });
}

#[test]
fn a_flow_has_start_steps_and_renewals() {
    let scenario = valid("journey").scenario;
    let step = |request, min, max, on_failure| SequenceStep {
        request: RequestId(request),
        repeat: Repeat { min, max },
        on_failure,
        think_time: None,
    };
    let login = [step(0, 1, 1, Some(OnFailure::StopVu)), step(1, 2, 2, None)];
    assert_eq!(scenario.populations[0].flow.start, login);
    let steps = [step(2, 1, 4, None), step(3, 1, 1, Some(OnFailure::StopRun))];
    assert_eq!(scenario.populations[0].flow.steps, steps);
    let renew = Renew {
        steps: vec![step(1, 1, 1, None)],
        on_status: vec![401, 403],
        every_ns: Some(3_000 * S),
    };
    assert_eq!(scenario.populations[0].flow.renew, Some(renew));
    assert_eq!(scenario.populations[0].flow.on_failure, OnFailure::EndIteration);
    assert_eq!(scenario.steps_per_iteration(), 5);
    assert_eq!(scenario.populations[0].flow.end, []);
    let ends = valid("conditions").scenario.populations[0].flow.end.clone();
    assert_eq!(ends, [step(0, 1, 1, None), step(1, 1, 1, None)]);
    assert_eq!(valid("populations").scenario.populations[0].flow.end, [step(0, 1, 1, None)]);
}

/// A step says what its requests are followed by, and those of a sequence that say nothing.
#[test]
fn a_step_has_a_think_time_of_its_own() {
    let text = "runtime = { duration_seconds = 1, vus = 1 }\ntarget.base_url = 'http://h'\n\
        think_time = { type = 'constant', duration_ms = 1 }\n\
        requests = [{ name = 'a', path = '/' }, { name = 'b', path = '/' }]\n\
        [[sequences]]\nname = 'both'\nsteps = [{ request = 'a' }, \
        { request = 'b', think_time = { type = 'constant', duration_ms = 0 } }]\n\
        [sequence]\nstart = 'both'\nsteps = [{ request = 'a' }, { request = 'b', repeat = 2, \
        think_time = { type = 'random', min_ms = 20, max_ms = 30 } }, \
        { sequence = 'both', think_time = { type = 'constant', duration_ms = 3 } }]\n";
    let scenario = Scenario::from_toml(text).unwrap();
    let plan = Plan::new(&scenario, 1);
    let think_ms = |step| plan.step(Actor(0), Step(step)).think_ns / MS;
    let all: Vec<u64> = (0..12).map(think_ms).collect();
    let is_drawn = |ms: u64| (20..=30).contains(&ms);
    assert_eq!(all[..3], [1, 0, 1]);
    assert!(is_drawn(all[3]) && is_drawn(all[4]) && is_drawn(all[9]), "{all:?}");
    assert_eq!((all[5], all[6], all[7], all[10]), (3, 0, 1, 3));
    let words = scenario.describe().to_string();
    assert!(words.contains("2 x b (think time 20 ms to 30 ms)"), "{words}");
    let wrong = text.replace("type = 'random'", "type = 'never'");
    assert!(Scenario::from_toml(&wrong).unwrap_err().to_string().contains("never"));
}

#[test]
fn requests_in_all_are_those_of_all_vus_or_arrivals() {
    let load = |schedule: &str| {
        let text = format!(
            "runtime.requests = 10\ntarget.base_url = 'http://h'\n\
             requests = [{{ name = 'a', path = '/' }}]\n{schedule}"
        );
        let runtime = Scenario::from_toml(&text).unwrap().runtime;
        (runtime.requests, runtime.iterations)
    };
    assert_eq!(load("schedule = { type = 'constant', vus = 3 }"), (Some(10), None));
    assert_eq!(load("schedule = { type = 'rate', per_second = 3 }"), (None, Some(10)));
    assert_eq!(load("sequence.steps = [{ request = 'a' }]"), (Some(10), None));
    let steps = "sequence.steps = [{ request = 'a' }, { request = 'a', repeat = 4 }]\n";
    assert_eq!(load(steps), (Some(10), None));
    let open = format!("{steps}schedule = {{ type = 'rate', per_second = 3 }}");
    assert_eq!(load(&open), (None, Some(2)), "iterations of five requests");
}

#[test]
fn requests_authenticate_as_their_target_says_unless_they_say_otherwise() {
    let scenario = Scenario::from_toml(
        "runtime.iterations = 1\nparameters.t = 'abc'\n\
         [[targets]]\nname = 'a'\nbase_url = 'http://a'\nauth = { bearer = '{{param.t}}' }\n\
         [[targets]]\nname = 'b'\nbase_url = 'http://b'\nauth = { bearer = '{{param.t}}' }\n\
         [[requests]]\nname = 'drawn'\npath = '/'\n\
         [[requests]]\nname = 'named'\npath = '/'\ntarget = 'b'\ntemplates = false\n\
         [[requests]]\nname = 'own'\npath = '/'\nauth = { basic = { user = 'u', password = 'p' } }\n\
         [[requests]]\nname = 'header'\npath = '/'\nheaders = { authorization = 'x' }\n",
    )
    .unwrap();
    let of = |request: usize| scenario.requests[request].headers.clone();
    let field = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(of(0), field("Authorization", "Bearer abc"));
    assert_eq!(of(1), field("Authorization", "Bearer abc"), "its own texts alone are no templates");
    assert_eq!(of(2), field("Authorization", "Basic dTpw"));
    assert_eq!(of(3), field("authorization", "x"));
    let signed = "runtime.iterations = 1\n[target]\nbase_url = 'http://a'\n\
         auth.aws_sigv4 = { access_key = 'a', secret_key = 'b', region = 'r', service = 's' }\n\
         [[requests]]\nname = 'a'\npath = '/'\n[[requests]]\nname = 'b'\npath = '/'\n";
    let scenario = Scenario::from_toml(signed).unwrap();
    let is_signed = |request: &Request| {
        let auth = request.rendering.as_ref().and_then(|made| made.auth.as_ref());
        matches!(auth, Some(Auth::AwsSigV4(_)))
    };
    assert!(scenario.requests.iter().all(is_signed));
}

#[test]
fn the_open_model_has_its_own_defaults() {
    let scenario = valid("rate").scenario;
    assert_eq!(scenario.targets[0].connection_reuse, ConnectionReuse::Shared);
    assert_eq!(scenario.targets[0].max_connections, 200);
    let scenario = valid("everything_open").scenario;
    assert_eq!(scenario.targets[0].max_connections, 1_000);
    assert_eq!(scenario.targets[0].connection_reuse, ConnectionReuse::Iteration);
    assert_eq!(scenario.runtime.workers, Workers::Auto);
    assert!(scenario.check_workers(10).is_ok());
    let findings = scenario.check_workers(11).unwrap_err();
    assert_eq!(findings.list[0].code, "worker_share");
    let scenario = valid("ramp_rate").scenario;
    let Schedule::RampRate { arrivals, max_in_flight, .. } = scenario.populations[0].schedule
    else {
        panic!("{:?}", scenario.populations[0].schedule);
    };
    assert_eq!((arrivals, max_in_flight), (Arrivals::Constant, 10_000));
}

#[test]
fn every_value_arrives() {
    let scenario = valid("everything_closed").scenario;
    let runtime = Runtime {
        duration_ns: Some(3_600_000_000_001),
        iterations: Some(1_000),
        requests: None,
        prng_seed: Some(42),
        workers: Workers::Fixed(2),
        warmup_ns: 1_500 * MS,
        graceful_stop_ns: 2_500 * MS,
        arrival_stamps: ArrivalStamps::Auto,
    };
    assert_eq!(scenario.runtime, runtime);
    let api = &scenario.targets[0];
    assert_eq!((api.name.as_str(), api.weight_micro), ("api", 2_500_000));
    assert_eq!((api.base_url.scheme, api.base_url.port), (Scheme::Https, 8443));
    assert!(!api.tls.verify_cert);
    assert_eq!(api.tls.server_name.as_deref(), Some("internal.example"));
    assert_eq!((api.max_connections, api.connection_reuse), (90, ConnectionReuse::Shared));
    let times = [
        api.dns_timeout_ns,
        api.connection_timeout_ns,
        api.tls_timeout_ns,
        api.idle_timeout_ns,
        api.reconnect_delay_ns,
    ];
    assert_eq!(times, [MS, 2 * MS, 3 * MS, 4 * MS, 0]);
    assert_eq!(api.max_requests_per_connection, Some(5));
    assert_eq!(api.source_addresses.len(), 2);
    assert_eq!(api.request_id_header.as_deref(), Some("Z6-Id"));
    assert_eq!(scenario.targets[1].max_connections, 100);
    let upload = &scenario.requests[0];
    assert_eq!(upload.body.as_ref().unwrap().bytes, b"{}");
    assert_eq!(upload.body.as_ref().unwrap().file.as_deref(), Some("small.json"));
    assert_eq!((upload.timeout_ns, upload.target), (1, Some(TargetId(1))));
    assert_eq!(scenario.request_target(RequestId(0), TargetId(0)), "/v2/files/a%20b");
    assert_eq!(scenario.request_target(RequestId(1), TargetId(0)), "*");
    assert_eq!(scenario.requests[1].body, Some(Body { bytes: vec![], file: None }));
    assert_eq!(scenario.assertions.len(), 14);
    assert_eq!(scenario.assertions[0].kind, AssertionKind::RequireTrustworthy);
    assert_eq!(scenario.limits.max_log_queue, 2);
    assert_eq!(scenario.limits.max_event_log_bytes, 1 << 20);
    assert!(!api.tls.resumption);
}

#[test]
fn every_key_is_in_some_valid_scenario() {
    let mut texts = String::new();
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            texts += &fs::read_to_string(path).unwrap();
        }
    }
    for row in reference() {
        let found = texts.lines().any(|line| {
            let line = line.trim_start_matches(['[', ' ']);
            line.strip_prefix(row.name).is_some_and(|rest| rest.starts_with([' ', ']', '.']))
                || line.contains(&format!(".{}]", row.name))
                || line.contains(&format!(".{}.", row.name))
                || [format!("{{ {} = ", row.name), format!(", {} = ", row.name)]
                    .iter()
                    .any(|inline| line.contains(inline))
                || line.starts_with(&format!("{}.", row.name))
        });
        assert!(
            found || row.name == "body_file",
            "no valid scenario has {} {}",
            row.table,
            row.name
        );
    }
}

#[test]
fn overrides_that_fit_are_applied() {
    let text = fs::read_to_string(directory().join("hello.toml")).unwrap();
    let overrides = Overrides {
        http_version: None,
        arrival_stamps: None,
        seed: Some(u64::MAX),
        duration_ns: Some(2 * S),
        vus: Some(3),
        workers: Some(Workers::Auto),
        target: Some("http://[::1]:9/x".to_owned()),
        params: Vec::new(),
        simulation: vec![("latency".to_owned(), "constant:2ms".to_owned())],
    };
    let scenario = Scenario::load(&text, &NoFiles, &overrides).unwrap().scenario;
    assert_eq!(scenario.text, text);
    assert_eq!(scenario.runtime.prng_seed, Some(u64::MAX));
    assert_eq!(scenario.runtime.duration_ns, Some(2 * S));
    assert_eq!(scenario.populations[0].schedule, Schedule::Constant { vus: 3 });
    assert_eq!(scenario.targets[0].max_connections, 3);
    assert_eq!(scenario.runtime.workers, Workers::Auto);
    assert_eq!(scenario.targets[0].base_url.text, "http://[::1]:9/x");
    assert_eq!(scenario.simulation.setting("latency").as_deref(), Some("constant:2ms"));
    let again = Overrides::from_pairs(overrides.pairs()).unwrap();
    assert_eq!(Scenario::load(&text, &NoFiles, &again).unwrap().scenario, scenario);
}

#[test]
fn an_override_may_be_what_ends_the_run() {
    let text = "target.base_url = 'http://h'\nrequests = [{ name = 'a', path = '/' }]\n";
    assert!(Scenario::from_toml(text).is_err());
    let overrides = Overrides { duration_ns: Some(S), ..Overrides::default() };
    assert!(Scenario::load(text, &NoFiles, &overrides).is_ok());
}

#[test]
fn a_spare_worker_needs_no_share() {
    let text = "runtime = { iterations = 1, vus = 1, workers = 8 }\ntarget.base_url = 'http://h'\n\
                requests = [{ name = 'a', path = '/' }]\n";
    let scenario = Scenario::from_toml(text).unwrap();
    assert_eq!(scenario.targets[0].max_connections, 1);
    // Each rise starts new VUs, so that worker 1 has some too.
    let text = "target.base_url = 'http://h'\nrequests = [{ name = 'a', path = '/' }]\n\
                [schedule]\ntype = 'steps'\nsteps = [{ vus = 1, duration_seconds = 1 },\n\
                { vus = 0, duration_seconds = 1 }, { vus = 1, duration_seconds = 1 }]\n";
    let findings = Scenario::from_toml(text).unwrap().check_workers(2).unwrap_err();
    assert_eq!(findings.list[0].code, "worker_share");
}

#[test]
fn line_ends_and_marks_of_other_systems_load() {
    let text = fs::read_to_string(directory().join("hello.toml")).unwrap();
    let other = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let mut loaded = Scenario::from_toml(&other).unwrap();
    loaded.text.clone_from(&text);
    assert_eq!(loaded, Scenario::from_toml(&text).unwrap());
}

#[test]
fn sizes_past_their_limit_are_refused() {
    let many = |count: usize| {
        let mut text = "runtime.iterations = 1\ntarget.base_url = 'http://h'\n".to_owned();
        for index in 0..count {
            text += &format!("[[requests]]\nname = 'r{index}'\npath = '/'\n");
        }
        text
    };
    assert_eq!(Scenario::from_toml(&many(2_000)).unwrap().requests.len(), 2_000);
    let findings = Scenario::from_toml(&many(65_536)).unwrap_err();
    assert_eq!((findings.len(), findings.list[0].code), (1, "too_many"));
    let nested = format!("x = [{}]", "[],".repeat(200_000));
    let findings = Scenario::from_toml(&nested).unwrap_err();
    assert_eq!((findings.len(), findings.list[0].code), (1, "too_many"));
    assert!(findings.to_string().contains("400000 keys, values and tables"), "{findings}");
    let mut targets =
        "runtime.iterations = 1\nrequests = [{ name = 'a', path = '/' }]\n".to_owned();
    for index in 0..=100 {
        targets += &format!("[[targets]]\nname = 't{index}'\nbase_url = 'http://h'\n");
    }
    assert_eq!(Scenario::from_toml(&targets).unwrap_err().list[0].code, "too_many");
    let huge = format!("# {}\n", "x".repeat(10_000_000));
    let findings = Scenario::from_toml(&huge).unwrap_err();
    assert_eq!((findings.len(), findings.list[0].code), (1, "too_many"));
}

#[test]
fn findings_are_bounded() {
    let text: String = (0..3_000).map(|index| format!("x{index} = 1\n")).collect();
    let findings = Scenario::from_toml(&text).unwrap_err();
    assert_eq!(findings.len(), 1_001);
    assert!(findings.list[1_000].message.contains("more findings"), "{findings}");
}

struct Empty;

impl Files for Empty {
    fn read(&self, _: &str, _: u64) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }
}

#[test]
fn a_scenario_names_as_many_files_as_a_log_can_carry() {
    let many = |count: usize| {
        let mut text = "runtime.iterations = 1\ntarget.base_url = 'http://h'\n".to_owned();
        for n in 0..count {
            let request =
                format!("name = 'r{n}'\nmethod = 'PUT'\npath = '/'\nbody_file = 'f{n}'\n");
            text += &format!("[[requests]]\n{request}");
        }
        // The same file again is no further one.
        text + "[[requests]]\nname = 'again'\nmethod = 'PUT'\npath = '/'\nbody_file = 'f0'\n"
    };
    let load = |count| Scenario::load(&many(count), &Empty, &Overrides::default());
    load(3_000).unwrap();
    let findings = load(3_001).unwrap_err();
    assert_eq!((findings.len(), findings.list[0].code), (1, "too_many"));
    assert!(findings.list[0].span.is_some());
}

#[test]
fn the_pause_after_an_empty_iteration_has_a_default() {
    let pause = |name, population: usize| {
        valid(name).scenario.populations[population].flow.empty_iteration_ns
    };
    assert_eq!(pause("conditions", 0), 250 * MS);
    assert_eq!(pause("journey", 0), 100 * MS);
    assert_eq!((pause("populations", 0), pause("populations", 1)), (10 * MS, 100 * MS));
}

/// A text of nothing but braces: the first is wrong, and the others are not searched to the end each.
#[test]
fn many_braces_are_read_at_once() {
    for braces in ["{{", "{", "${", "{{a", "{a"] {
        let body = braces.repeat(500_000);
        let text = format!(
            "runtime.iterations = 1\ntarget.base_url = 'http://a'\n\
             requests = [{{ name = 'a', path = '/', method = 'POST', body = '{body}' }}]\n"
        );
        assert_eq!(Scenario::from_toml(&text).is_err(), body.contains("{{"), "{braces}");
    }
}
