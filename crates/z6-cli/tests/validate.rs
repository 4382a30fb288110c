//! What can be known before a run is known by `z6 validate`: it refuses what `z6 run` refuses, in the same
//! words.
#![allow(clippy::unwrap_used)]

mod common;

use common::Folder;

const HEAD: &str = "[runtime]\niterations = 1\nprng_seed = 1\n";

fn request(target: &str, keys: &str) -> String {
    format!("{HEAD}[target]\n{target}\n[[requests]]\nname = 'r'\npath = '/'\n{keys}\n")
}

/// A scenario, the first words about it, and the line and column they name.
fn refused() -> Vec<(String, &'static str, &'static str)> {
    let http = |keys: &str| request("base_url = 'http://127.0.0.1:9'", keys);
    let tls = |keys: &str| request(&format!("base_url = 'https://127.0.0.1:9'\n{keys}"), "");
    vec![
        (http("headers = { Host = 'bücher.test' }"), "error[bad_header]", "s.toml:9:20"),
        (http("headers = { Host = 'a', host = 'b' }"), "error[duplicate]", "s.toml:9:25"),
        (http("expect_status = [100]"), "error[out_of_range]", "s.toml:9:18"),
        (http("expect_status = [101]"), "error[out_of_range]", "s.toml:9:18"),
        (http("method = 'POST'\nbody_file = 'none'"), "error[body_file]", "s.toml:10:13"),
        (
            request("base_url = 'http://h'\nrequest_id_header = 'User-Agent'", ""),
            "error[bad_header]",
            "s.toml:6:21",
        ),
        (tls("ca_bundle = 'none.pem'"), "error[bad_tls]", "s.toml:6:13"),
        (tls("ca_bundle = 's.toml'"), "error[bad_tls]", "s.toml:6:13"),
        (tls("client_key = 's.toml'\nclient_cert = 'none.pem'"), "error[bad_tls]", "s.toml:7:15"),
    ]
}

#[test]
fn validate_refuses_what_run_refuses() {
    for (scenario, code, place) in refused() {
        let folder = Folder::new(&scenario);
        let validated = folder.run(&["validate", "s.toml"]).expect(2);
        let run = folder.run(&["run", "s.toml"]).expect(2);
        assert_eq!(validated.stderr, run.stderr, "{scenario}");
        assert!(run.stderr.starts_with(code), "{}", run.stderr);
        assert!(run.stderr.contains(place), "{place}: {}", run.stderr);
        assert_eq!((validated.stdout, run.stdout), (String::new(), String::new()));
        assert!(!folder.path("results").exists());
    }
}

/// A plan and a simulation open no connection: certificates and keys are nothing to them.
#[test]
fn plan_and_simulate_refuse_what_does_not_depend_on_tls() {
    for (scenario, code, _) in refused() {
        let folder = Folder::new(&scenario);
        let wanted = if code == "error[bad_tls]" { 0 } else { 2 };
        for command in ["plan", "simulate"] {
            let outcome = folder.run(&[command, "s.toml"]).expect(wanted);
            assert_eq!(outcome.stderr.starts_with(code), wanted == 2, "{}", outcome.stderr);
        }
    }
}

/// 192.0.2.0/24 is kept for documentation (RFC 5737).
#[test]
fn a_source_address_of_another_machine_is_a_warning() {
    let target = "base_url = 'http://127.0.0.1:9'\nsource_addresses = ['192.0.2.7']";
    let folder = Folder::new(&request(target, ""));
    let validated = folder.run(&["validate", "s.toml"]).expect(0);
    let words = "warning[machine]: source address 192.0.2.7 cannot be used here";
    assert!(validated.stderr.starts_with(words), "{}", validated.stderr);
    assert!(validated.stderr.contains("s.toml:6:20"), "{}", validated.stderr);
}

#[test]
fn a_switch_of_protocols_may_be_expected_by_a_request_that_asks_for_it() {
    let keys = "headers = { Connection = 'upgrade', Upgrade = 'echo' }\nexpect_status = [101]";
    let folder = Folder::new(&request("base_url = 'http://127.0.0.1:9'", keys));
    folder.run(&["validate", "s.toml"]).expect(0);
}

#[test]
fn a_url_in_place_of_a_scenario_is_named() {
    let folder = Folder::new("");
    let run = folder.run(&["run", "https://example.com/"]).expect(2);
    assert!(run.stderr.contains("https://example.com/ is a URL"), "{}", run.stderr);
}
