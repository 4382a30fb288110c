//! Listings of scenarios with start, renewals, ranges and values; plain ones are in the plan's tests.

use super::*;
use crate::plan::sample::journey;
use crate::values::MadeBy;

#[test]
fn text_shows_regions_rows_and_values() {
    let scenario = journey();
    insta::assert_snapshot!(render_text(&scenario, &Plan::new(&scenario, 3), 2, 9), @r"
        scenario Shop
        seed 3
        model closed, VUs 2, at once 2
        steps per actor 9
        end 30.000000000 s

        actor 0: starts 0.000000000 s
            step  iteration  request      target        think time  values
               0      start  list_users   blue       0.009699437 s  row.users = 0, users.email = a@x.example, users.password = ‹users.password›, secret.client = ‹secret.client›
               1          0  get_user     blue       0.007445739 s
               2          0  get_user     blue       0.016867287 s
               4          0  create_user  blue       0.013223494 s  quantity = 3, token = ‹token›, now.unix_ms = ‹now.unix_ms›
               5          1  get_user     blue       0.013271215 s
               6          1  get_user     blue       0.015071729 s
               8          1  create_user  blue       0.016144781 s  quantity = 4, token = ‹token›, now.unix_ms = ‹now.unix_ms›
        4611686018427387904  renewal 0  list_users   blue       0.006115963 s  row.users = 0, users.email = a@x.example, users.password = ‹users.password›, secret.client = ‹secret.client›

        actor 1: starts 0.000000000 s
            step  iteration  request      target        think time  values
               0      start  list_users   blue       0.017547288 s  row.users = 1, users.email = b@x.example, users.password = ‹users.password›, secret.client = ‹secret.client›
               1          0  get_user     blue       0.005336080 s
               2          0  get_user     blue       0.010705086 s
               4          0  create_user  blue       0.012181561 s  quantity = 4, token = ‹token›, now.unix_ms = ‹now.unix_ms›
               5          1  get_user     blue       0.017026254 s
               6          1  get_user     blue       0.012448563 s
               7          1  get_user     blue       0.009926730 s
               8          1  create_user  blue       0.009263534 s  quantity = 2, token = ‹token›, now.unix_ms = ‹now.unix_ms›
        4611686018427387904  renewal 0  list_users   blue       0.016651339 s  row.users = 1, users.email = b@x.example, users.password = ‹users.password›, secret.client = ‹secret.client›

        plan digest 1575a4728a4d8628c8ebfd02640f6d4d2f664d01aaa1acd36303acd4703ab79d
        ");
}

#[test]
fn json_shows_regions_rows_and_values() {
    let scenario = journey();
    insta::assert_snapshot!(render_json(&scenario, &Plan::new(&scenario, 3), 1, 9), @r#"
        {"scenario":"Shop","seed":3,"model":"closed","end_ns":30000000000,"steps_per_iteration":4,"steps_per_actor":9,"actors":[
        {"actor":0,"start_ns":0,"stop_ns":null,"steps":[{"step":0,"iteration":null,"start":true,"request":"list_users","target":"blue","think_ns":9699437,"values":{"row.users":0,"users.email":"a@x.example","users.password":"‹users.password›","secret.client":"‹secret.client›"}},{"step":1,"iteration":0,"request":"get_user","target":"blue","think_ns":7445739,"values":{}},{"step":2,"iteration":0,"request":"get_user","target":"blue","think_ns":16867287,"values":{}},{"step":4,"iteration":0,"request":"create_user","target":"blue","think_ns":13223494,"values":{"quantity":3,"token":"‹token›","now.unix_ms":"‹now.unix_ms›"}},{"step":5,"iteration":1,"request":"get_user","target":"blue","think_ns":13271215,"values":{}},{"step":6,"iteration":1,"request":"get_user","target":"blue","think_ns":15071729,"values":{}},{"step":8,"iteration":1,"request":"create_user","target":"blue","think_ns":16144781,"values":{"quantity":4,"token":"‹token›","now.unix_ms":"‹now.unix_ms›"}},{"step":4611686018427387904,"iteration":null,"renewal":0,"request":"list_users","target":"blue","think_ns":6115963,"values":{"row.users":0,"users.email":"a@x.example","users.password":"‹users.password›","secret.client":"‹secret.client›"}}]}
        ],"plan_digest":"1575a4728a4d8628c8ebfd02640f6d4d2f664d01aaa1acd36303acd4703ab79d"}
        "#);
}

#[test]
fn the_end_is_listed_last() {
    let mut scenario = journey();
    scenario.populations[0].flow.end = scenario.populations[0].flow.start.clone();
    let plan = Plan::new(&scenario, 3);
    let text = render_text(&scenario, &plan, 1, 9);
    let last = text.lines().rfind(|line| line.contains(" s  row")).unwrap();
    assert!(last.starts_with("9223372036854775808        end  list_users "), "{text}");
    let json = render_json(&scenario, &plan, 1, 9);
    let end =
        "{\"step\":9223372036854775808,\"iteration\":null,\"end\":true,\"request\":\"list_users\"";
    assert!(json.contains(end), "{json}");
}

#[test]
fn set_up_and_tear_down_are_listed_around_the_actors() {
    let scenario = Scenario::from_toml(
        "runtime = { iterations = 1, vus = 2 }
        target.base_url = 'http://a.example'
        requests = [
            { name = 'token', path = '/token', extract.token = { json = '$.token' } },
            { name = 'read', path = '/', headers = { X = '{{run.token}}' } },
        ]
        sequences = [{ name = 'first', steps = [{ request = 'token' }] }, { name = 'last', steps = [{ request = 'read', repeat = 2 }] }]
        setup = { sequence = 'first', timeout_seconds = 5 }
        teardown.sequence = 'last'
        sequence.steps = [{ request = 'read' }]",
    )
    .unwrap();
    let plan = Plan::new(&scenario, 3);
    let text = render_text(&scenario, &plan, 9, 9);
    let order: Vec<&str> = text.lines().filter(|line| line.contains("actor ")).collect();
    let starts = ["set-up actor 0:", "actor 0:", "actor 1:", "tear-down actor 0:"];
    let seen = order.iter().filter(|line| !line.starts_with("steps per")).zip(starts);
    assert!(
        seen.clone().count() == 4 && seen.clone().all(|(line, start)| line.starts_with(start)),
        "{text}"
    );
    assert_eq!(text.matches("  read ").count(), 4, "{text}");
    let json = render_json(&scenario, &plan, 9, 9);
    assert!(json.contains("\"setup\":{\"model\":\"closed\",\"steps_per_iteration\":1"), "{json}");
    assert!(
        json.contains("\"teardown\":{\"model\":\"closed\",\"steps_per_iteration\":2"),
        "{json}"
    );
    let described = scenario.describe().to_string();
    assert!(described.contains("\nset-up      token, once, in 5 s at most\n"), "{described}");
    assert!(described.contains("\ntear-down   2 x read, once, in 60 s at most\n"), "{described}");
}

#[test]
fn no_secret_is_listed() {
    let scenario = journey();
    let plan = Plan::new(&scenario, 3);
    for text in [render_text(&scenario, &plan, 9, 99), render_json(&scenario, &plan, 9, 99)] {
        assert!(!text.contains("geheim") && !text.contains("hidden"), "{text}");
    }
}

#[test]
fn long_and_strange_values_keep_a_line() {
    let mut scenario = journey();
    let by = MadeBy::Choice {
        from: vec!["\u{1b}[31m\n".repeat(40)],
        weights: crate::random::Weights::new([1]),
    };
    scenario.values.random[0].by = by;
    let text = render_text(&scenario, &Plan::new(&scenario, 3), 1, 9);
    assert!(text.lines().all(|line| line.len() < 400 && !line.contains('\u{1b}')), "{text}");
    assert!(text.contains('…'), "{text}");
}
