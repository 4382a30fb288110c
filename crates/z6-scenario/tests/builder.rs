//! Scenarios written in code: every key of the format can be set, what is set is what is loaded, and
//! findings name the method that they are about.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use toml_edit::{DocumentMut, Item, TableLike};
use z6_scenario::simulation::Simulation;
use z6_scenario::values::Per;
use z6_scenario::*;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The least that can run.
fn small() -> ScenarioBuilder {
    Scenario::builder()
        .iterations(3)
        .target(TargetBuilder::new("http://localhost:8080"))
        .request(RequestBuilder::new("a", "/a"))
}

struct OneFile;

impl Files for OneFile {
    fn read(&self, path: &str, _max_bytes: u64) -> Result<Vec<u8>, String> {
        Ok(match path {
            "body.json" => b"{}".to_vec(),
            "users.txt" => b"a@x.example,1\nb@x.example,2\n".to_vec(),
            "users.csv" => b"email\na@x.example\n".to_vec(),
            other => panic!("{other}"),
        })
    }
}

/// Scenarios that set every key of the format between them.
fn everything() -> Vec<ScenarioBuilder> {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let mut world = Simulation::default();
    for (key, value) in [
        ("connect", "1ms"),
        ("latency", "uniform:1ms..2ms"),
        ("bandwidth_bytes_per_second", "1000000"),
        ("service", "bimodal:1ms,50ms,0.01"),
        ("servers", "3"),
        ("statuses", "404=0.1,503=0.05"),
        ("statuses_after", "1s"),
        ("body_bytes", "0..4096"),
        ("chunked", "0.5"),
        ("redirects", "0.25"),
        ("keep_alive_requests", "100"),
        ("keep_alive_idle", "2s"),
        ("max_concurrent_streams", "10"),
        ("alpn_h2", "0.5"),
    ] {
        world.set(key, value).unwrap();
    }
    let faults: Vec<String> = Simulation::keys().filter(|key| key.contains("fault.")).collect();
    for fault in &faults {
        world.set(fault, "0.001").unwrap();
    }
    let full = Scenario::builder()
        .name("All keys")
        .description("a \"quoted\" text")
        .version("1.2")
        .author("me")
        .tag("one")
        .tag("two")
        .duration(Duration::from_millis(1_500))
        .iterations(7)
        .vus(4)
        .seed(42)
        .workers(Workers::Fixed(2))
        .warmup(MS)
        .graceful_stop(SECOND)
        .follow_redirects(3)
        .arrival_stamps(ArrivalStamps::On)
        .target(target("first").weight(1.0 / 3.0))
        .target(target("second").weight(2.0))
        .request(
            RequestBuilder::new("read", "/items?q=\"ä\"")
                .header("Accept", "*/*")
                .header("X-Quote", "\"\\")
                .tag("area", "items")
                .timeout(SECOND)
                .target("first")
                .expect_status(200)
                .expect_status(404)
                .follow_redirects(1)
                .extract("ids", ExtractBuilder::json("$[*]").all()),
        )
        .request(RequestBuilder::new("write", "/items").method("POST").body("line\n\"two\"\u{7f}"))
        .request(RequestBuilder::new("send", "/items").method("PUT").body_file("body.json"))
        .think_time(Duration::from_micros(1_500))
        .pacing(MS, SECOND)
        .named_sequence(
            "first",
            [
                StepBuilder::new("read")
                    .repeat(2)
                    .on_failure(OnFailure::StopVu)
                    .group("in")
                    .think_time(MS),
                StepBuilder::sequence("second").only_if("last.failed"),
                StepBuilder::new("read").repeat_while("last.status == 200", 3).pause(MS),
                StepBuilder::new("read").repeat_until("vu > 3", 3),
                StepBuilder::new("write").for_each("ids", "id", 3),
                StepBuilder::choose([
                    (1, StepBuilder::new("write")),
                    (3, StepBuilder::new("read")),
                ]),
            ],
        )
        .named_sequence("second", [StepBuilder::new("read")])
        .start("first")
        .renew("first", [401, 403], Some(SECOND))
        .end("second")
        .setup("second", SECOND)
        .teardown("second", 2 * SECOND)
        .empty_iteration(7 * MS)
        .on_failure(OnFailure::EndIteration)
        .step("read", 2)
        .step("write", 1)
        .add_step(StepBuilder::sequence("second").repeat(2).only_if("iteration == 1"))
        .add_step(StepBuilder::sequence("second").repeat_while("last.failed", 2))
        .add_step(StepBuilder::new("read").repeat_until("last.status == 200", 2).pause(MS))
        .add_step(StepBuilder::new("write").for_each("ids", "own", 2).pause(MS))
        .add_step(StepBuilder::choose([(2, StepBuilder::sequence("second"))]).repeat_between(1, 2))
        .add_step(
            StepBuilder::new("send")
                .repeat_between(1, 3)
                .on_failure(OnFailure::StopRun)
                .group("x")
                .think_time(MS),
        )
        .latency_max(Quantile::P50, MS)
        .latency_max(Quantile::P75, MS)
        .latency_max(Quantile::P90, MS)
        .latency_max(Quantile::P95, MS)
        .latency_max(Quantile::P99, MS)
        .latency_max(Quantile::P999, MS)
        .latency_max(Quantile::P9999, MS)
        .error_rate_max(0.01)
        .success_rate_min(0.99)
        .rps_min(1.5)
        .status_4xx_max_rate(0.1)
        .status_5xx_max_rate(0.0)
        .lateness_p99_max(2 * MS)
        .require_trustworthy(true)
        .limits(&limits(|all| {
            all.max_request_body_bytes += 1;
            all.max_vus += 1;
            all.max_response_head_bytes += 1;
            all.max_response_fields += 1;
            all.max_interim_responses += 1;
            all.max_chunk_extension_bytes += 1;
            all.max_trailer_bytes += 1;
            all.max_continuations += 1;
            all.max_control_frames += 1;
            all.max_settings += 1;
            all.max_pending_acks += 1;
            all.max_tiny_data_frames += 1;
            all.max_data_bytes += 1;
            all.max_data_rows += 1;
            all.max_value_bytes += 1;
            all.max_logged_value_bytes = 1;
            all.max_vu_state_bytes += 1;
            all.first_answer_seconds += 1;
            all.max_state_bytes += 1;
            all.max_kept_bytes += 1;
            all.max_kept_body_bytes += 1;
            all.max_event_log_bytes += 1;
            all.max_attachment_bytes += 1;
            all.max_histogram_bytes += 1;
            all.max_connecting += 1;
            all.max_log_queue += 1;
            all.first_answer_seconds += 1;
        }))
        .simulation(&world);
    let scheduled = |schedule| small().duration(5 * SECOND).schedule(schedule);
    let mut goal = GoalBuilder::new()
        .part("name == 'a'")
        .window_seconds(1)
        .min_requests(2)
        .after(MS)
        .stop(true)
        .mean_latency_max(MS)
        .longest_latency_max(MS)
        .error_rate_max(0.1)
        .success_rate_min(0.9)
        .rps_min(1.0)
        .status_4xx_max_rate(0.1)
        .status_5xx_max_rate(0.1)
        .checks_success_rate_min(0.5)
        .percentile_max(LatencyPercentile::from_digits("975").unwrap(), MS);
    for quantile in Quantile::ALL {
        goal = goal.latency_max(quantile, MS);
    }
    let goals = small()
        .duration(5 * SECOND)
        .goal("all of them", goal)
        .goal("trust", GoalBuilder::new().require_trustworthy(true).stop(true))
        .mean_latency_max(MS)
        .longest_latency_max(MS)
        .checks_success_rate_min(0.5);
    let weighted = Scenario::builder()
        .iterations(1)
        .target(TargetBuilder::new("http://h").resolve("127.0.0.1"))
        .request(RequestBuilder::new("often", "/").weight(2.5))
        .request(RequestBuilder::new("seldom", "/"));
    vec![
        full,
        goals,
        weighted,
        values(),
        Scenario::builder()
            .requests_in_all(50)
            .vus(3)
            .target(TargetBuilder::new("http://h").proxy("environment"))
            .request(RequestBuilder::new("a", "/")),
        small().think_time_random(MS, 2 * MS).workers(Workers::Auto),
        small().think_time_exponential(MS, SECOND),
        scheduled(ScheduleBuilder::constant(3)),
        scheduled(ScheduleBuilder::ramp(0, 9, SECOND).hold(SECOND)),
        scheduled(ScheduleBuilder::spike(1, 9, SECOND, SECOND)),
        scheduled(ScheduleBuilder::steps([(1, SECOND), (4, 2 * SECOND)])),
        scheduled(ScheduleBuilder::rate(0.5).poisson().max_in_flight(7)),
        scheduled(
            ScheduleBuilder::ramp_rate(0.0, 99.5, SECOND).hold(SECOND).poisson().max_in_flight(7),
        ),
        scheduled(
            ScheduleBuilder::rate_steps([(0.25, SECOND), (4.0, SECOND)]).poisson().max_in_flight(7),
        ),
        scheduled(
            ScheduleBuilder::stages([(3, SECOND, Shape::Linear), (1, SECOND, Shape::Jump)])
                .start_vus(2),
        ),
        scheduled(
            ScheduleBuilder::rate_stages([(3.0, SECOND, Shape::Linear), (1.5, MS, Shape::Jump)])
                .start_per_second(0.5)
                .poisson()
                .max_in_flight(7),
        ),
        populations(),
    ]
}

fn populations() -> ScenarioBuilder {
    let closed = PopulationBuilder::new("people", ScheduleBuilder::constant(3))
        .sequence("all")
        .start("all")
        .renew("all", [401], Some(SECOND))
        .end("all")
        .empty_iteration(8 * MS)
        .on_failure(OnFailure::EndIteration)
        .think_time_exponential(MS, SECOND)
        .pacing(SECOND, 2 * SECOND)
        .cookies(Scope::Vu)
        .tag("kind", "human")
        .start_after(SECOND)
        .duration(2 * SECOND);
    let open = PopulationBuilder::new("machines", ScheduleBuilder::rate(5.0)).think_time(MS);
    Scenario::builder()
        .duration(9 * SECOND)
        .target(TargetBuilder::new("http://h"))
        .request(RequestBuilder::new("a", "/"))
        .named_sequence("all", [StepBuilder::new("a")])
        .population(closed)
        .population(open)
}

/// Every key of values.
fn values() -> ScenarioBuilder {
    let keys = AwsSigV4Builder::new("id", "{{secret.key}}", "eu-central-1", "s3");
    small()
        .parameter("shop", ParameterBuilder::new().default_value("1").env("SHOP").kind("integer"))
        .secret_from_env("key", "KEY")
        .secret_from_file("other", "key.txt")
        .data(
            DataBuilder::new("users", "users.txt")
                .format("csv")
                .column("email")
                .column("hits")
                .per(Per::Vu)
                .random(Some("hits"))
                .secret("email")
                .attach(false),
        )
        .data(DataBuilder::new("terms", "users.csv").shuffled().unique(true).on_end(OnEnd::StopVu))
        .random("quantity", RandomBuilder::integer(-1, 5).per(Per::Iteration))
        .random("price", RandomBuilder::decimal(-0.5, 2.25, 2))
        .random("sku", RandomBuilder::choice([("A", 1), ("B", 2)]))
        .random("code", RandomBuilder::text(2, 4, "ab"))
        .random("digits", RandomBuilder::hex(8))
        .random("id", RandomBuilder::uuid())
        .random("person", RandomBuilder::name())
        .random("mail", RandomBuilder::email())
        .random("note", RandomBuilder::words(1, 3))
        .cookies(Scope::Vu)
        .log_values_as_digests()
        .request(
            RequestBuilder::new("values", "/{{param.shop}}/{{id}}")
                .method("POST")
                .query("q", "{{users.email}}")
                .json("quantity", "{{quantity}}")
                .bearer("{{secret.key}}")
                .extract("a", ExtractBuilder::json("$.a").regex("(.)").last().secret(true))
                .extract("b", ExtractBuilder::html("a").attribute("href").random().always())
                .extract("c", ExtractBuilder::header("A").default("none").scope(Scope::Vu))
                .extract("d", ExtractBuilder::trailer("A").required(false))
                .extract("e", ExtractBuilder::cookie("a").nth(1))
                .extract("all", ExtractBuilder::json("$[*]").all())
                .extract("f", ExtractBuilder::pattern("a(.)"))
                .extract("g", ExtractBuilder::between("a", "b"))
                .extract("h", ExtractBuilder::body())
                .extract("i", ExtractBuilder::status())
                .extract("j", ExtractBuilder::url())
                .extract("k", ExtractBuilder::sha256())
                .extract("l", ExtractBuilder::value("{{quantity}}"))
                .check("found", "status == 200")
                .check_only("small", "body_bytes < 100"),
        )
        .request(
            RequestBuilder::new("form", "/")
                .method("POST")
                .form("a", "b")
                .templates(false)
                .basic("a", "b"),
        )
        .request(
            RequestBuilder::new("parts", "/")
                .method("POST")
                .part("text", PartBuilder::text("{{id}}").content_type("text/plain"))
                .part("file", PartBuilder::file("users.csv").filename("a.csv"))
                .aws_sigv4(keys.session_token("token")),
        )
}

/// A target with every key that it may have at once.
fn target(name: &str) -> TargetBuilder {
    TargetBuilder::new("https://shop.example/api")
        .name(name)
        .connect_to("127.0.0.1:9443")
        .http_version("auto")
        .http2(
            Http2Builder::new()
                .streams(10)
                .placement(Placement::Fill)
                .resend_refused(2)
                .stream_window_bytes(1 << 20)
                .connection_window_bytes(1 << 21)
                .header_table_bytes(0)
                .index_headers(false),
        )
        .tls(true)
        .verify_cert(true)
        .ca_bundle("ca.pem")
        .client_cert("client.pem")
        .client_key("client.key")
        .server_name("shop.example")
        .tls_resumption(false)
        .max_connections(40)
        .connection_reuse(ConnectionReuse::Shared)
        .dns_timeout(SECOND)
        .connection_timeout(SECOND)
        .tls_timeout(SECOND)
        .idle_timeout(SECOND)
        .max_requests_per_connection(10)
        .max_connection_age(SECOND)
        .retry_stale(true)
        .reconnect_delay(MS)
        .source_address("127.0.0.2")
        .request_id_header("Z6-Id")
        .bearer("t")
}

/// A key of the format: table, variant, name.
type KeyName = (String, String, String);

/// The keys that a text sets, as the reference names them.
fn keys_of(text: &str) -> BTreeSet<KeyName> {
    let document: DocumentMut = text.parse().unwrap();
    let mut found = BTreeSet::new();
    table_keys("the top level", document.as_table(), &mut found);
    found
}

fn table_keys(label: &str, table: &dyn TableLike, found: &mut BTreeSet<KeyName>) {
    let kind = table.get("type").and_then(Item::as_str).unwrap_or("");
    for (name, item) in table.iter() {
        let is_known = |variant: &str| {
            let rows = reference().into_iter();
            rows.filter(|row| row.table == label && row.name == name)
                .any(|row| row.variant == variant)
        };
        if label == "[assertions]"
            && let Some(goal) = item.as_table_like()
        {
            table_keys("[assertions.NAME]", goal, found);
            continue;
        }
        let variant = if is_known(kind) { kind } else { "" };
        found.insert((label.to_owned(), variant.to_owned(), name.to_owned()));
        let single = match label {
            "[simulation]" | "[sequence]" | "[target]" => {
                &format!("[{}.{name}]", label.trim_matches(['[', ']']))
            }
            _ => &format!("[{name}]"),
        };
        let several = match label {
            "[schedule]" | "[sequence]" => format!("[{}.{name}]", &label[..label.len() - 1]) + "]",
            "[[sequences]]" => format!("[[sequences.{name}]]"),
            _ => format!("[[{name}]]"),
        };
        // Both kinds of targets have the table of one.
        let single =
            if label == "[[targets]]" && name == "http2" { "[target.http2]" } else { single };
        let is_table = |label: &str| reference().iter().any(|row| row.table == label);
        // Tables in requests have the name of all that they are in.
        let nested = match label {
            "[[requests]]" => format!("[requests.{name}]"),
            _ => format!("{}.{name}]", label.trim_end_matches(']')),
        };
        let is_nested = nested.starts_with("[requests.") && is_table(&nested);
        if let Some(table) = item.as_table_like().filter(|_| is_nested) {
            named_keys(&nested, table, found);
            continue;
        }
        let is_named = ["[parameters]", "[secrets]", "[random]"].contains(&single);
        if let Some(table) = item.as_table_like().filter(|_| is_named) {
            named_keys(single, table, found);
            continue;
        }
        if let Some(table) = item.as_table_like().filter(|_| is_table(single)) {
            table_keys(single, table, found);
        } else if let Some(tables) = item.as_array_of_tables() {
            tables.iter().for_each(|table| table_keys(&several, table, found));
        } else if let Some(list) = item.as_array().filter(|_| is_table(&several)) {
            let tables = list.iter().filter_map(|value| value.as_inline_table());
            tables.for_each(|table| table_keys(&several, table, found));
        }
    }
}

/// The keys of a table, or of all tables in one whose names the scenario chooses.
fn named_keys(label: &str, table: &dyn TableLike, found: &mut BTreeSet<KeyName>) {
    if label.starts_with("[requests.auth") {
        return table_keys(label, table, found);
    }
    for (_, item) in table.iter() {
        match item.as_table_like() {
            Some(table) => table_keys(label, table, found),
            // The one key that a value stands for is set elsewhere too.
            None => assert!(label == "[requests.checks]"),
        }
    }
}

#[test]
fn every_key_of_the_format_can_be_set() {
    let mut found = BTreeSet::new();
    for builder in everything() {
        if let Err(error) = builder.build_with(&OneFile) {
            panic!("{error}\n{}", builder.to_toml());
        }
        found.extend(keys_of(&builder.to_toml()));
    }
    // One builder writes `[target]` and `[[targets]]`, which have the same keys but two.
    let as_list = |(table, variant, name): KeyName| match table.as_str() {
        "[target]" => ("[[targets]]".to_owned(), variant, name),
        _ => (table, variant, name),
    };
    let found: BTreeSet<KeyName> = found.into_iter().map(as_list).collect();
    let all = reference()
        .into_iter()
        .map(|row| as_list((row.table.to_owned(), row.variant.to_owned(), row.name.to_owned())));
    let missing: Vec<_> = all.filter(|key| !found.contains(key)).collect();
    assert!(missing.is_empty(), "no method of a builder sets {missing:?}");
}

#[test]
fn what_is_built_is_what_its_text_says() {
    for builder in everything() {
        let built = builder.build_with(&OneFile).unwrap();
        assert_eq!(built.scenario.text, builder.to_toml());
        let again = Scenario::load(&built.scenario.text, &OneFile, &Overrides::default()).unwrap();
        assert_eq!(again, built);
    }
    let full = everything()[0].build_with(&OneFile).unwrap().scenario;
    assert_eq!(full.metadata.tags, ["one", "two"]);
    assert_eq!(full.requests[1].body.as_ref().unwrap().bytes, "line\n\"two\"\u{7f}".as_bytes());
    assert_eq!(full.requests[0].headers[1], ("X-Quote".to_owned(), "\"\\".to_owned()));
    assert_eq!(full.targets[0].weight_micro, 333_333);
    assert_eq!(full.populations[0].think_time, ThinkTime::Constant { duration_ns: 1_500_000 });
    assert_eq!(full.limits.max_log_queue, Limits::default().max_log_queue + 1);
    assert_eq!(full.simulation.statuses.len(), 2);
    assert_eq!(full.simulation.settings().len(), Simulation::keys().count());
}

proptest! {
    #[test]
    fn texts_and_numbers_come_back_as_they_were_given(
        text in any::<String>(),
        body in any::<String>(),
        duration_ns in 1..86_400_000_000_000_u64,
        timeout_ns in 1..3_600_000_000_000_u64,
        iterations in 1..1_000_000_u64,
        weight_micro in 1..1_000_000_000_u64,
        share in 0.0..1.0_f64,
        p99_ns in 1..1_000_000_000_u64,
        hold_ns in 0..1_000_000_000_000_u64,
    ) {
        let builder = Scenario::builder()
            .description(&text)
            .iterations(iterations)
            .duration(Duration::from_nanos(duration_ns))
            .target(TargetBuilder::new("http://localhost"))
            .request(
                RequestBuilder::new("a", "/")
                    .method("POST")
                    .body(&body)
                    .templates(false)
                    .weight(weight_micro as f64 / 1e6)
                    .timeout(Duration::from_nanos(timeout_ns)),
            )
            .schedule(
                ScheduleBuilder::ramp(1, 2, Duration::from_nanos(timeout_ns))
                    .hold(Duration::from_nanos(hold_ns)),
            )
            .error_rate_max(share)
            .latency_max(Quantile::P99, Duration::from_nanos(p99_ns));
        let scenario = builder.build().unwrap();
        prop_assert_eq!(Scenario::from_toml(&builder.to_toml()), Ok(scenario.clone()));
        prop_assert_eq!(&scenario.metadata.description, &text);
        prop_assert_eq!(scenario.runtime.iterations, Some(iterations));
        prop_assert_eq!(scenario.runtime.duration_ns, Some(duration_ns));
        let request = &scenario.requests[0];
        let sent = request.body.as_ref().map_or(&b""[..], |body| &body.bytes);
        prop_assert_eq!(sent, body.as_bytes());
        prop_assert_eq!((request.weight_micro, request.timeout_ns), (weight_micro, timeout_ns));
        let schedule =
            Schedule::Ramp { start_vus: 1, end_vus: 2, ramp_ns: timeout_ns, hold_ns };
        prop_assert_eq!(&scenario.populations[0].schedule, &schedule);
        prop_assert_eq!(scenario.assertions[0].bound, share);
        prop_assert_eq!(scenario.assertions[1].bound, p99_ns as f64 / 1e6);
    }
}

#[test]
fn findings_name_the_method_they_are_about() {
    let error = small()
        .request(RequestBuilder::new("slow", "/").timeout(Duration::from_secs(9_999)).weight(0.0))
        .schedule(ScheduleBuilder::constant(2).hold(SECOND))
        .error_rate_max(1.5)
        .step("fast", 1)
        .build()
        .unwrap_err();
    let text = error.to_string();
    for expected in [
        "RequestBuilder::timeout (`slow`): ",
        "RequestBuilder::weight (`slow`): ",
        "ScheduleBuilder::hold: ",
        "ScenarioBuilder::error_rate_max: ",
        "ScenarioBuilder::step: ",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(error.diagnostics().has_errors());
    assert!(error.toml().contains("name = \"slow\""));
}

#[test]
fn what_no_method_set_is_told_without_one() {
    let error = Scenario::builder().build().unwrap_err().to_string();
    assert!(error.starts_with("this scenario cannot be run:\n  "), "{error}");
    assert!(error.contains("target") && error.contains("requests"), "{error}");
}

#[test]
fn a_later_call_replaces_an_earlier_one() {
    let scenario =
        small().vus(1).vus(2).think_time(MS).think_time_random(MS, SECOND).build().unwrap();
    assert_eq!(scenario.populations[0].schedule, Schedule::Constant { vus: 2 });
    assert!(matches!(scenario.populations[0].think_time, ThinkTime::Random { .. }));
}
