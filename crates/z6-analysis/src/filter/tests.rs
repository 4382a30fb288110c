//! The language by examples: what passes, and what is wrong where.

use z6_events::{
    Actor, ErrorKind, Irregularities, Irregularity, NeverSentReason, PlannedRequest, Population,
    Protocol, RequestId, Step, TargetId, Tick, WorkerId,
};
use z6_metrics::RowOutcome;
use z6_scenario::expression::{
    Check, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, ExpressionErrorKind,
};
use z6_scenario::journey::RequestCheck;
use z6_scenario::{Scenario, Tag};

use super::*;
use crate::values::RowValues;

/// The request `get_user` has the checks "same id" and "is json", `create_user` the latter alone.
fn scenario() -> Scenario {
    let mut scenario = unchecked();
    for (index, names) in [(0, &["same id", "is json"][..]), (1, &["is json"])] {
        scenario.requests[index].reading.checks = names.iter().map(|name| check(name)).collect();
    }
    scenario
}

fn check(name: &str) -> RequestCheck {
    let check = Check::compile("status == 200", &mut |_| None).unwrap();
    RequestCheck { name: name.to_owned(), check, fails: true }
}

fn unchecked() -> Scenario {
    Scenario::from_toml(
        "runtime.duration_seconds = 1\n\
         targets = [{ name = 'api', base_url = 'http://a' }, { name = 'cdn', base_url = 'http://b' }]\n\
         [[requests]]\nname = 'get_user'\npath = '/'\n\
         [[requests]]\nname = 'create_user'\nmethod = 'POST'\npath = '/'\n\
         [[requests]]\nname = 'say \"hi\"'\npath = '/'\n",
    )
    .unwrap()
}

/// A request that was never sent, planned at 1 s.
fn never_sent() -> RequestRow {
    let request = PlannedRequest {
        population: Population(0),
        actor: Actor(7),
        step: Step(3),
        request: RequestId(1),
        target: TargetId(0),
        planned: Tick(1_000_000_000),
    };
    let at = Tick(1_120_500_000);
    RequestRow::from_never_sent(WorkerId(1), at, &request, NeverSentReason::RunEnded)
}

/// A request that timed out: sent 2 ms after its planned instant, and nothing else.
fn timed_out() -> RequestRow {
    let mut row = never_sent();
    row.outcome = RowOutcome::Failed(ErrorKind::RequestTimeout);
    row.sent = Some(Tick(1_002_000_000));
    row.connection = Some(4);
    row.reused = Some(false);
    row.exchanges = 1;
    row.bytes_sent = 100;
    row
}

/// A 503 of `create_user`, first byte 50 ms and done 120.5 ms after the planned instant.
fn failed() -> RequestRow {
    let mut row = timed_out();
    row.outcome = RowOutcome::Failed(ErrorKind::Status5xx);
    row.status = Some(503);
    row.reused = Some(true);
    row.first_byte = Some(Tick(1_050_000_000));
    row.done = Some(Tick(1_120_500_000));
    row.bytes_received = 250;
    row.irregularities =
        Irregularities::from(Irregularity::ObsFold).union(Irregularity::LaterVersion.into());
    row
}

fn passes(filter: &str, row: &RequestRow) -> bool {
    let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{}", error.render(filter)));
    let bound = parsed.bind(&scenario());
    bound
        .unwrap_or_else(|error| panic!("{}", error.render(filter)))
        .matches(row, RowValues::default())
}

/// Asserts the answers for a failed, a timed out and a never sent request.
#[track_caller]
fn answers(filter: &str, expected: [bool; 3]) {
    let rows = [failed(), timed_out(), never_sent()];
    assert_eq!(rows.map(|row| passes(filter, &row)), expected, "{filter}");
}

#[test]
fn the_example_of_the_documentation() {
    let filter = r#"status >= 500 && name == "create_user" && response_ms > 100"#;
    answers(filter, [true, false, false]);
}

#[test]
fn numbers_compare_exactly_in_the_unit_of_the_field() {
    answers("response_ms > 120.4", [true; 3]);
    answers("response_ms > 120.5", [false; 3]);
    answers("response_ms >= 120.5", [true; 3]);
    answers("response_ms == 120.5", [true; 3]);
    answers("response_ms == 120.500_000_1", [false; 3]);
    answers("response_ms < 120.500_000_1", [true; 3]);
    answers("response_ms <= 120.499_999_9", [false; 3]);
    answers("response_ns == 120500000", [true; 3]);
    answers("response_ns > 120_499_999.5 && response_ns < 120_500_000.5", [true; 3]);
    answers("planned_s == 1.0 && planned_ns == 1000000000", [true; 3]);
    answers("planned_s < 0", [false; 3]);
    answers("planned_s >= 99999999999999999999", [false; 3]);
    answers("planned_s < 99999999999999999999", [true; 3]);
    answers("actor == 7 && step == 3 && worker == 1", [true; 3]);
    answers("100 < response_ms && 1.0 == planned_s", [true; 3]);
}

#[test]
fn each_field_is_read() {
    answers("status == 503 && bytes_received == 250", [true, false, false]);
    answers("service_ms == 118.5 && lateness_ms == 2", [true, true, false]);
    answers("service_ns == 118500000 && lateness_ns == 2000000", [true, true, false]);
    answers("first_byte_ms == 48 && first_byte_ns == 48000000", [true, false, false]);
    answers("sent_s == 1.002 && sent_ns == 1002000000", [true, true, false]);
    answers("done_s == 1.1205 && done_ns == 1120500000", [true, false, false]);
    answers("ended_s == 1.1205 && ended_ns == 1120500000", [true; 3]);
    answers("connection == 4 && bytes_sent == 100", [true, true, false]);
    answers("target == \"api\" && method == 'POST'", [true; 3]);
    answers("outcome == failed && error_kind == status_5xx", [true, false, false]);
    answers("outcome == \"never_sent\"", [false, false, true]);
    answers("irregularity == obs_fold && irregularity == later_version", [true, false, false]);
    answers("irregularity in [bare_line_feed, obs_fold]", [true, false, false]);
    answers("irregularity == bare_line_feed", [false; 3]);
    answers("irregularity != obs_fold", [false, true, true]);
    answers("irregularity ~ \"version\"", [true, false, false]);
    answers("reused", [true, false, false]);
    answers("!reused", [false, true, true]);
    answers("reused == false", [false, true, false]);
    answers("reused != true", [false, true, true]);
}

#[test]
fn failed_checks_are_found_by_name() {
    let of_request = |request, failed_checks| {
        let mut row = failed();
        (row.request, row.failed_checks) = (RequestId(request), failed_checks);
        row
    };
    let rows = [of_request(0, 0b01), of_request(0, 0b10), of_request(1, 0b1), of_request(0, 0)];
    for (filter, expected) in [
        ("failed_check == \"same id\"", [true, false, false, false]),
        ("failed_check == 'is json'", [false, true, true, false]),
        ("failed_check != 'is json'", [true, false, false, true]),
        ("failed_check in ['is json', \"same id\"]", [true, true, true, false]),
        ("failed_check in ['same id', none]", [true, false, false, true]),
        ("failed_check ~ \"json\"", [false, true, true, false]),
        ("failed_check contains \"s\"", [true, true, true, false]),
        ("failed_check == none", [false, false, false, true]),
        ("none != failed_check", [true, true, true, false]),
    ] {
        assert_eq!(rows.map(|row| passes(filter, &row)), expected, "{filter}");
    }
}

#[test]
fn tags_are_those_of_the_request() {
    let mut scenario = scenario();
    let tag = |name: &str, value: &str| Tag { name: name.to_owned(), value: value.to_owned() };
    scenario.requests[0].tags = vec![tag("area", "orders"), tag("team", "blue")];
    scenario.requests[1].tags = vec![tag("area", "users")];
    let rows = [0, 1, 2].map(|request| {
        let mut row = failed();
        row.request = RequestId(request);
        row
    });
    for (filter, expected) in [
        ("tag.area == 'orders'", [true, false, false]),
        ("tag.area != 'orders'", [false, true, true]),
        ("tag.area in ['orders', \"users\"]", [true, true, false]),
        ("tag.area in ['users', none]", [false, true, true]),
        ("tag.area == none", [false, false, true]),
        ("tag.area ~ 'ers'", [true, true, false]),
        ("tag.team != none && tag.area contains 'ord'", [true, false, false]),
        ("tag.absent == none", [true; 3]),
    ] {
        let filter = Filter::parse(filter).unwrap().bind(&scenario).unwrap();
        assert_eq!(rows.map(|row| filter.matches(&row, RowValues::default())), expected);
    }
    for (filter, message, help) in [
        ("tag.aera == 'orders'", "the scenario has no tag \"aera\"", Some("did you mean `area`?")),
        (
            "tag.area == 'order'",
            "the scenario has no tag value \"order\"",
            Some("did you mean `orders`?"),
        ),
        ("tag.team == 'orders'", "the scenario has no tag value \"orders\"", None),
    ] {
        let error = Filter::parse(filter).unwrap().bind(&scenario).unwrap_err();
        assert_eq!(error.kind.to_string(), message);
        assert_eq!(error.hint.as_deref(), help, "{filter}");
    }
    assert!(Filter::parse("tag.area < 5").is_err() && Filter::parse("tag.area == 5").is_err());
    assert!(Filter::parse("tag == 'x'").is_err() && Filter::parse("tags.area == 'x'").is_err());
}

#[test]
fn a_missing_value_equals_none_and_nothing_else() {
    answers("status == none", [false, true, true]);
    answers("status != none", [true, false, false]);
    answers("status == 503", [true, false, false]);
    answers("status != 503", [false, true, true]);
    answers("!(status == 503)", [false, true, true]);
    answers("status < 600", [true, false, false]);
    answers("status >= 0", [true, false, false]);
    answers("!(status < 600)", [false, true, true]);
    answers("status in [503, none]", [true, true, true]);
    answers("sent_s == none", [false, false, true]);
    answers("error_kind == none", [false, false, true]);
    answers("error_kind in [none, status_5xx]", [true, false, true]);
    answers("irregularity == none", [false, true, true]);
    answers("irregularity in [none, obs_fold]", [true; 3]);
    answers("reused == none", [false, false, true]);
    answers("reused != none", [true, true, false]);
    answers("none == connection", [false, false, true]);
}

#[test]
fn lists_and_parts_of_texts() {
    answers("status in [500, 502, 503]", [true, false, false]);
    answers("status in [500]", [false; 3]);
    answers("status in [503.0, 503.5]", [true, false, false]);
    answers("name in [\"get_user\", 'create_user']", [true; 3]);
    answers("outcome in [succeeded, in_flight, never_sent]", [false, false, true]);
    answers("name ~ \"user\" && name contains 'create'", [true; 3]);
    answers("name ~ \"User\"", [false; 3]);
    answers("error_kind ~ \"timeout\"", [false, true, false]);
    answers("error_kind contains \"x\"", [true, false, false]);
    answers("outcome ~ \"sent\"", [false, false, true]);
    answers("outcome ~ \"\"", [true; 3]);
    answers(r#"name != "say \"hi\"""#, [true; 3]);
}

#[test]
fn not_binds_tighter_than_and_and_and_than_or() {
    answers("status == 503 || status == none && actor == 8", [true, false, false]);
    answers("(status == 503 || status == none) && actor == 8", [false; 3]);
    answers("!reused && status == none", [false, true, true]);
    answers("!(reused && status == 503)", [false, true, true]);
    answers("!!reused", [true, false, false]);
    answers("  (((actor == 7)))\n&&\treused ", [true, false, false]);
}

/// The rendered errors of filters that are wrong.
fn errors(filters: &[&str]) -> String {
    let error = |filter: &str| {
        let error = match Filter::parse(filter) {
            Ok(parsed) => parsed.bind(&scenario()).expect_err(filter),
            Err(error) => error,
        };
        error.render(filter)
    };
    filters.iter().map(|filter| error(filter)).collect::<Vec<_>>().join("\n")
}

#[test]
fn errors_of_spelling() {
    insta::assert_snapshot!(errors(&[
        "",
        "stats >= 500",
        "colour == 1",
        "outcome == failled",
        "outcome == broken",
        "error_kind == connection_refusd",
        "name == \"create_usr\"",
        "target == \"zzz\"",
        "failed_check == \"is jsn\"",
        "name == \"unclosed",
        r#"name == "a\n""#,
        "response_ms > 100ms",
        "response_ms > -1",
        "actor == 12345678901234567890123456789",
        "actor == 7 # 8",
    ]));
}

#[test]
fn errors_of_grammar() {
    insta::assert_snapshot!(errors(&[
        "status = 500",
        "status >= 500 & reused",
        "status >= 500 and reused",
        "reused | status == 1",
        "(status >= 500",
        "status >= 500)",
        "status >=",
        "status",
        "status && reused",
        "status 500",
        "1 < response_ms < 2",
        "(1 < response_ms < 2)",
        "status in 500",
        "status in [500 502]",
        "status in []",
        "and == 1",
    ]));
}

#[test]
fn errors_of_type() {
    insta::assert_snapshot!(errors(&[
        "status == \"500\"",
        "name == create_user",
        "name < \"b\"",
        "outcome == 5",
        "reused == 1",
        "reused in [true]",
        "status ~ \"5\"",
        "name ~ 5",
        "actor == none",
        "status < none",
        "5 == 5",
        "sent_s > planned_s",
        "status in [actor]",
        "failed_check == 5",
        "failed_check",
        "größer == 1",
    ]));
}

#[test]
fn limits_have_names() {
    let deep = "(".repeat(EXPRESSION_DEPTH_MAX + 1);
    let kind = Filter::parse(&deep).unwrap_err().kind;
    assert_eq!(kind, ExpressionErrorKind::TooDeep { limit: EXPRESSION_DEPTH_MAX });
    let nested =
        format!("{}reused{}", "(".repeat(EXPRESSION_DEPTH_MAX), ")".repeat(EXPRESSION_DEPTH_MAX));
    assert!(Filter::parse(&nested).is_ok());
    let long = " ".repeat(EXPRESSION_BYTES_MAX + 1);
    let kind = Filter::parse(&long).unwrap_err().kind;
    assert_eq!(kind, ExpressionErrorKind::TooLong { what: "filter", limit: EXPRESSION_BYTES_MAX });
    let wide = vec!["reused"; 1_500].join("&&");
    assert!(passes(&wide, &failed()));
}

#[test]
fn a_long_filter_is_shown_around_what_is_wrong() {
    let filter = format!("{}&& stats == 1", "reused ".to_owned() + &"&& reused ".repeat(60));
    let error = Filter::parse(&filter).unwrap_err();
    let shown = error.render(&filter);
    let lines: Vec<&str> = shown.lines().collect();
    let column = lines[2].find('^').unwrap();
    assert_eq!(&lines[1][column..column + 5], "stats");
    assert!(lines[1].chars().count() < 170);
}

#[test]
fn protocols_and_streams() {
    let mut row = failed();
    (row.protocol, row.stream) = (Some(Protocol::Http2), Some(3));
    for (filter, expected) in [
        ("protocol == \"http2\"", true),
        ("protocol == http2", true),
        ("protocol != \"http2\"", false),
        ("protocol in [\"http1.1\", \"http2\"]", true),
        ("protocol contains \"1.1\"", false),
        ("protocol == none", false),
        ("stream > 1 && stream < 5", true),
        ("stream == none", false),
    ] {
        assert_eq!(passes(filter, &row), expected, "{filter}");
    }
    assert!(passes("protocol == none && stream == none", &never_sent()));
    assert!(Filter::parse("protocol == \"http3\"").is_err());
    assert!(Filter::parse("protocol > \"http2\"").is_err());
}
