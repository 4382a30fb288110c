//! The same scenario and seed give the same log, on every machine and in every build; and with any number
//! of workers the same work.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use support::{run, run_spec, spec};
use z6_analysis::{AnalyzeError, RequestJoin};
use z6_events::{Actor, LogReader, Step, Tick, Visitor, walk};

const SHOP: &str = "
runtime = { duration_seconds = 4, warmup_seconds = 1, graceful_stop_seconds = 2 }
target = { base_url = 'http://shop.invalid', max_connections = 30, request_id_header = 'Z6-Id' }
schedule = { type = 'ramp_rate', start_per_second = 20, end_per_second = 200, ramp_duration_seconds = 3, hold_duration_seconds = 1, arrivals = 'poisson', max_in_flight = 60 }
requests = [
    { name = 'list', path = '/items', weight = 3, timeout_ms = 400 },
    { name = 'buy', method = 'POST', path = '/buy', body = 'one of each', timeout_ms = 400 },
]
";

const BROWSE: &str = "
runtime = { duration_seconds = 4, graceful_stop_seconds = 1 }
target = { base_url = 'http://shop.invalid', connection_reuse = 'shared', max_connections = 6 }
schedule = { type = 'steps', steps = [{ vus = 4, duration_seconds = 1 }, { vus = 12, duration_seconds = 2 }, { vus = 3, duration_seconds = 1 }] }
think_time = { type = 'exponential', mean_ms = 20, max_ms = 200 }
requests = [{ name = 'list', path = '/items' }, { name = 'one', path = '/items/1', timeout_ms = 300 }]
sequence = { type = 'ordered', steps = [{ request = 'list' }, { request = 'one', repeat = 3 }] }
";

/// Responses are read: what they are is drawn, too.
const ORDERS: &str = "
runtime = { iterations = 20, vus = 6, graceful_stop_seconds = 1 }
target.base_url = 'http://shop.invalid'
think_time = { type = 'exponential', mean_ms = 20, max_ms = 200 }
cookies.scope = 'vu'
random = { n = { type = 'integer', min = 1, max = 9 }, ref = { type = 'uuid', per = 'iteration' } }
sequences = [{ name = 'sign_in', steps = [{ request = 'login' }] }]
requests = [
    { name = 'login', path = '/login', extract = { token = { html = 'input[name=csrf]', attribute = 'value', secret = true }, sid = { cookie = 'sid' } } },
    { name = 'create', method = 'POST', path = '/orders', json = { n = '{{n}}' }, auth = { bearer = '{{token}}' }, expect_status = [201], extract = { id = { json = '$.id' }, place = { header = 'Location', regex = '^/orders/([0-9a-z]+)$' } } },
    { name = 'read', path = '/orders/{{id}}', checks = { same = 'json(\"$.id\") == id && json(\"$.ref\") == \"{{ref}}\" && header(\"X-Place\") ~ \"{{place}}\"' } },
]
[sequence]
start = 'sign_in'
renew = { sequence = 'sign_in', on_status = [401] }
on_failure = 'end_iteration'
steps = [{ request = 'create' }, { request = 'read', repeat = [1, 3] }]
";

/// What goes wrong with it.
const FORGETFUL: [(&str, &str); 4] = [
    ("fault.missing_value", "0.05"),
    ("fault.check_failed", "0.05"),
    ("fault.expired_token", "0.05"),
    ("chunked", "0.5"),
];

/// A world in which much goes wrong.
const WILD: [(&str, &str); 14] = [
    ("latency", "log_normal:1ms,0.5"),
    ("service", "bimodal:2ms,60ms,0.05"),
    ("servers", "8"),
    ("chunked", "0.5"),
    ("body_bytes", "0..9000"),
    ("statuses", "404=0.02,503=0.05"),
    ("keep_alive_requests", "40"),
    ("fault.connect_refused", "0.05"),
    ("fault.reset_in_body", "0.01"),
    ("fault.no_answer", "0.01"),
    ("fault.partial_read", "0.1"),
    ("fault.would_block", "0.1"),
    ("fault.server_stall", "0.05"),
    ("fault.late_timer", "0.1"),
];

fn digest(text: &str, workers: u16, settings: &[(&str, &str)]) -> String {
    let mut spec = spec(text, 2026, settings);
    spec.workers = workers;
    let ran = run_spec(&spec);
    assert_eq!(ran.violations, [""; 0]);
    ran.digest.unwrap().to_string()
}

/// Golden values: they change with the log's format, the engine's version, the derivation and the
/// simulator, and with nothing else.
#[test]
fn digests_are_those_of_every_machine() {
    let digests = [
        digest(SHOP, 1, &[]),
        digest(SHOP, 3, &[]),
        digest(SHOP, 1, &WILD),
        digest(BROWSE, 1, &[]),
        digest(BROWSE, 3, &WILD),
        digest(ORDERS, 1, &[]),
        digest(ORDERS, 3, &FORGETFUL),
    ];
    let golden = include_str!("golden.txt");
    assert_eq!(digests.join("\n"), golden.trim_end());
}

#[test]
fn twice_the_same_is_the_same_to_the_last_byte() {
    assert_eq!(run(BROWSE, 3, &WILD).log, run(BROWSE, 3, &WILD).log);
    assert_ne!(run(BROWSE, 3, &WILD).log, run(BROWSE, 4, &WILD).log);
}

/// What P1 promises: request, target and, of first steps, the planned instant.
#[derive(Default)]
struct Work(BTreeMap<(Actor, Step), (u32, u16, Option<Tick>)>);

struct Gather(RequestJoin, Work);

impl Visitor for Gather {
    type Error = AnalyzeError;

    fn event(
        &mut self,
        _: u64,
        worker: z6_events::WorkerId,
        at: Tick,
        event: &z6_events::Event,
    ) -> Result<(), AnalyzeError> {
        if let Some(row) = self.0.event(worker, at, event)? {
            let planned = (row.step == Step(0)).then_some(row.planned);
            let what = (u32::from(row.request.0), row.target.0, planned);
            self.1.0.insert((row.actor, row.step), what);
        }
        Ok(())
    }
}

fn work(text: &str, workers: u16, settings: &[(&str, &str)]) -> Work {
    let mut spec = spec(text, 5, settings);
    spec.workers = workers;
    let ran = run_spec(&spec);
    let mut gather = Gather(RequestJoin::new(&spec.scenario, workers), Work::default());
    walk(&mut LogReader::new(&ran.log[..]).unwrap(), &mut gather).unwrap();
    gather.1
}

#[test]
fn the_same_seed_plans_the_same_work_whatever_workers_and_world() {
    for text in [SHOP, BROWSE] {
        let base = work(text, 1, &[]);
        assert!(base.0.len() > 200, "{}", base.0.len());
        for (workers, settings) in [(3, &[][..]), (1, &WILD[..]), (3, &WILD[..])] {
            let other = work(text, workers, settings);
            let mut shared = 0;
            for (key, what) in &other.0 {
                // How many steps a VU comes to is up to the world; which they are is not.
                if let Some(same) = base.0.get(key) {
                    assert_eq!(same, what, "{key:?}");
                    shared += 1;
                }
            }
            assert!(shared > 100, "{shared}");
            let first = |work: &Work| work.0.keys().filter(|(_, step)| *step == Step(0)).count();
            assert_eq!(first(&base), first(&other));
        }
    }
}
