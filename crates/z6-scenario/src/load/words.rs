//! Words that k6, Gatling, wrk, oha, vegeta and Artillery use, and what leads to the same here. What does
//! not exist is said plainly, with what to write instead.
//!
//! Words, not rules: names are compared without case, `_` and `-`. A test holds every key named here
//! against the format.

use super::suggest::plain;

/// Words, the tables in which they are meant so (none: in any), and the hint.
type Entry = (&'static [&'static str], &'static [&'static str], &'static str);

const REQUESTS: &[&str] = &["[[requests]]"];
const SCHEDULE: &[&str] = &["[schedule]", "[[schedule.steps]]"];
const TARGETS: &[&str] = &["[target]", "[[targets]]"];
const STEPS: &[&str] = &["[[sequence.steps]]", "[[sequences.steps]]"];
const SEQUENCES: &[&str] = &["[sequence]", "[[sequence.steps]]", "[[sequences.steps]]"];
const GOALS: &[&str] = &["[assertions]", "[assertions.NAME]"];
const ANY: &[&str] = &[];

/// What `name` leads to in the table of this label.
pub(crate) fn hint(label: &str, name: &str) -> Option<&'static str> {
    let name = plain(name);
    let fits = |(words, tables, _): &&Entry| {
        (tables.is_empty() || tables.contains(&label))
            && words.iter().any(|word| plain(word) == name)
    };
    WORDS.iter().find(fits).map(|(.., hint)| *hint)
}

/// The first fitting entry counts.
#[rustfmt::skip]
const WORDS: &[Entry] = &[
    // Where requests go.
    (&["url", "uri", "endpoint", "route"], REQUESTS, "write `path = \"/..\"`: scheme and host are in `base_url` of [target]"),
    (&["url", "host", "endpoint", "base", "address", "root_url", "server"], TARGETS, "write `base_url`"),
    (&["url", "host", "endpoint", "base_url", "urls", "servers"], &["the top level", "[runtime]"], "write `base_url` in [target]"),
    (&["host"], REQUESTS, "write `headers = { Host = \"..\" }`; the address is `base_url` of [target]"),
    (&["request", "http_request"], &["the top level"], "write `[[requests]]` before each request, with `name` and `path`"),
    (&["hosts", "dns_resolvers", "resolvers", "dns"], ANY, "write `resolve` or `connect_to` in [target]; names are resolved by the system otherwise"),
    (&["unix_socket"], ANY, "write `base_url = \"unix:/path\"` or `connect_to` in [target]"),
    (&["proxy", "http_proxy", "https_proxy"], ANY, "write `proxy = \"http://host:port\"` in [target], or `proxy = \"environment\"`"),
    (&["insecure", "insecure_skip_tls_verify", "skip_verify", "reject_unauthorized", "tls_verify", "verify", "ssl_verify"], ANY, "write `verify_cert = false` in [target]"),
    (&["http2", "h2", "h2c", "http_2"], ANY, "write `http_version = \"http2\"` in [target], or \"http2-prior-knowledge\" for h2c"),
    (&["http3", "quic", "grpc", "websocket", "ws"], ANY, "only HTTP/1.1 and HTTP/2 are supported"),
    (&["tls_auth", "cert", "certificate", "client_certificate"], ANY, "write `client_cert` and `client_key` in [target]"),
    (&["ca", "cacert", "ca_cert", "root_certs", "truststore"], ANY, "write `ca_bundle` in [target]"),
    (&["sni"], ANY, "write `server_name` in [target]"),
    (&["tls_version", "tls_cipher_suites"], ANY, "TLS 1.3 and 1.2 are offered, and the server chooses"),
    (&["keepalive", "keep_alive", "disable_keepalive", "no_connection_reuse", "no_vu_connection_reuse", "share_connections", "pool"], ANY, "write `connection_reuse` in [target]: \"per_vu\", \"shared\", \"iteration\" or \"none\""),
    (&["connections", "max_connections", "pipeline"], &["the top level", "[runtime]"], "write `max_connections` in [target], or `vus` in [runtime] for users that each keep one"),
    (&["connections"], TARGETS, "write `max_connections`"),
    (&["local_ips", "laddr", "local_address", "source_ip"], ANY, "write `source_addresses` in [target]"),
    (&["connect_timeout"], ANY, "write `connection_timeout_ms` in [target]"),
    (&["user_agent", "user_agent_header"], ANY, "write `headers = { User-Agent = \"..\" }` in [[requests]]"),
    (&["basic_auth", "username", "password", "user", "credentials", "oauth"], ANY, "write `auth` in [[requests]], such as { basic = { user = \"..\", password = \"..\" } }, or `base_url = \"http://user:password@host\"`"),
    // How much is sent, and for how long.
    (&["duration", "time", "for", "during", "max_duration", "hold_for"], &["[[schedule.steps]]", "[[schedule.stages]]"], "write `duration_seconds`"),
    (&["steps", "step", "request", "requests"], &["[setup]", "[teardown]"], "write `sequence`: the name of one of [[sequences]], which has the steps"),
    (&["ms", "milliseconds"], &["[think_time]"], "write `duration_ms`"),
    (&["duration", "pause", "sleep", "delay", "time"], &["[think_time]"], "write `duration_ms`"),
    (&["duration", "time", "max_duration"], &["[runtime]"], "write `duration_seconds`"),
    (&["duration", "time", "max_duration", "during"], ANY, "write `duration_seconds` in [runtime]"),
    (&["users", "virtual_users", "concurrency", "clients", "vu", "parallel", "max_vusers"], &["[runtime]", "[schedule]", "[[schedule.steps]]"], "write `vus`"),
    (&["vus", "users", "virtual_users", "concurrency", "clients", "at_once_users"], &["[[populations]]"], "write `schedule = { type = \"constant\", vus = 10 }`, or another schedule"),
    (&["iterations", "loops", "requests"], &["[[populations]]"], "the `schedule` of a population says how many users there are, and `duration_seconds` of [runtime] for how long; a number of iterations is for scenarios without populations"),
    (&["vus", "users", "virtual_users", "concurrency", "clients", "at_once_users"], ANY, "write `vus` in [runtime]"),
    (&["threads", "cpus"], &["[runtime]"], "write `workers`"),
    (&["threads", "cpus"], ANY, "write `workers` in [runtime]"),
    (&["seed", "rng_seed", "random_seed"], &["[runtime]"], "write `prng_seed`"),
    (&["seed", "rng_seed", "random_seed"], ANY, "write `prng_seed` in [runtime]"),
    (&["iteration", "loop", "loops", "repeat", "arrival_count"], &["[runtime]"], "write `iterations`"),
    (&["count", "total", "n", "number", "amount", "total_requests", "request_count", "shared_iterations"], &["[runtime]"], "write `requests` for all of the run, or `iterations` of each VU"),
    (&["times", "count", "loop", "loops", "iterations"], STEPS, "write `repeat`: a number, or a list of the least and the greatest"),
    (&["on_error", "on_fail", "exit_on_failure", "abort_on_error", "stop_on_failure", "exit_here_if_failed"], SEQUENCES, "write `on_failure`"),
    (&["before", "once", "setup", "on_start", "login", "init", "first"], &["[sequence]"], "write `start`: the name of one of [[sequences]], which each VU runs once"),
    (&["after", "teardown", "on_stop", "logout", "finally", "last", "finish"], &["[sequence]"], "write `end`: the name of one of [[sequences]], which each VU runs once"),
    (&["refresh", "reauthenticate", "again"], &["[sequence]"], "write `renew`, with `sequence` and `on_status` or `every_seconds`"),
    (&["iterations", "loops"], ANY, "write `iterations` in [runtime]"),
    (&["rate", "rps", "qps", "requests_per_second", "arrival_rate", "constant_users_per_sec", "throughput"], SCHEDULE, "write `per_second`; in [schedule] with `type = \"rate\"`"),
    (&["rate", "rps", "qps", "requests_per_second", "arrival_rate", "constant_users_per_sec", "constant_arrival_rate", "throughput"], ANY, "write [schedule] with `type = \"rate\"` and `per_second`"),
    (&["start_rate"], SCHEDULE, "write `start_per_second`, with `type = \"ramp_rate\"`"),
    (&["ramp_to", "target_rate", "end_rate"], SCHEDULE, "write `end_per_second`, with `type = \"ramp_rate\"`"),
    (&["ramp_up", "rampup", "ramp", "ramp_users", "ramp_up_seconds"], ANY, "write [schedule] with `type = \"ramp\"`, `start_vus`, `end_vus` and `ramp_duration_seconds`"),
    (&["ramp_users_per_sec"], ANY, "write [schedule] with `type = \"ramp_rate\"`, `start_per_second`, `end_per_second` and `ramp_duration_seconds`"),
    (&["time_unit"], ANY, "rates are per second: `per_second = 0.5` is one in two seconds"),
    (&["pre_allocated_vus", "max_vus"], SCHEDULE, "write `max_in_flight`: arrivals have no VUs to allocate"),
    (&["stages", "phases", "inject", "load_profile", "injection_profile"], ANY, "write [schedule] with `type = \"stages\"` and [[schedule.stages]] with `duration_seconds`, and `vus` or `per_second`"),
    (&["target"], &["[[schedule.steps]]", "[[schedule.stages]]"], "write `vus`, or `per_second` for arrivals"),
    (&["executor", "strategy"], ANY, "write `type` in [schedule]"),
    (&["graceful_stop", "graceful_ramp_down", "grace"], ANY, "write `graceful_stop_seconds` in [runtime]"),
    (&["warmup", "warm_up", "warmup_duration", "ramp_up_discard"], ANY, "write `warmup_seconds` in [runtime]"),
    (&["throttle", "reach_rps"], ANY, "there is no throttle: write [schedule] with `type = \"rate\"` for a given rate"),
    (&["sleep", "pause", "think", "think_time_ms", "wait", "wait_time", "delay"], STEPS, "write `think_time = { type = \"constant\", duration_ms = 100 }`"),
    (&["path", "filename", "src"], &["[requests.multipart]"], "write `file`"),
    (&["sleep", "pause", "think", "think_time_ms", "wait", "wait_time", "pacing", "delay"], ANY, "write [think_time] with `type = \"constant\"` and `duration_ms`"),
    // What is sent, and what counts as success.
    (&["scenarios", "scenario", "flow", "steps", "users"], &["the top level"], "write [[requests]] and [sequence] for an order of them; [[populations]] for several kinds of users"),
    (&["scenarios", "populations"], ANY, "write [[populations]] at the top level, each with a `schedule` and a `sequence`"),
    (&["options", "config", "defaults", "protocols", "settings", "general"], &["the top level"], "there is no such table: write [runtime], [target], [schedule] and [[requests]]"),
    (&["payload", "data", "content", "form_data", "form_params"], REQUESTS, "write `body`, `json`, `form` or `multipart`, or `body_file` for a file"),
    (&["header", "params"], REQUESTS, "write `headers = { Accept = \"..\" }`"),
    (&["headers", "header", "default_headers"], ANY, "write `headers` in each of [[requests]]"),
    (&["query_params", "query_string", "qs"], REQUESTS, "write `query = { q = \"a\" }`"),
    (&["http_method", "verb"], REQUESTS, "write `method`"),
    (&["timeout", "request_timeout", "http_timeout"], REQUESTS, "write `timeout_ms`"),
    (&["timeout", "request_timeout", "http_timeout"], ANY, "write `timeout_ms` in [[requests]]"),
    (&["max_redirects", "redirects", "follow", "follow_redirect", "redirect"], &["[[requests]]", "[runtime]"], "write `follow_redirects`"),
    (&["max_redirects", "redirects", "follow_redirect"], ANY, "write `follow_redirects` in [runtime]"),
    (&["status", "expect", "expected_status", "status_code", "success_codes"], REQUESTS, "write `expect_status = [200]`"),
    (&["check", "match", "response_assertion", "asserts"], ANY, "write `checks` in [[requests]], such as { \"has an id\" = 'json(\"$.id\") != none' }"),
    (&["capture", "captures", "save_as", "extractors"], ANY, "write `extract` in [[requests]], such as { id = { json = \"$.id\" } }"),
    (&["data_file", "csv", "feed", "feeder", "feeders", "payload", "dataset"], ANY, "write `[[data]]` with `name` and `file`"),
    (&["variables", "vars", "env", "environment", "params", "constants"], ANY, "write [parameters] for constants, [random] for values that are made up, and `extract` in [[requests]] for values of responses"),
    (&["before_all", "set_up", "setup", "setupOnce"], ANY, "write [setup] with `sequence`: the name of one of [[sequences]], which is run once before the run"),
    (&["after_all", "tear_down", "teardown"], ANY, "write [teardown] with `sequence`: the name of one of [[sequences]], which is run once after the run"),
    (&["script", "exec", "processor", "before_request", "after_response", "plugins"], ANY, "there are no scripts: [[requests]], [sequence] and [think_time] say what is sent"),
    (&["cookie_jar", "jar", "cookie"], ANY, "write [cookies] with `scope = \"iteration\"`"),
    (&["retry", "retries", "max_retries"], ANY, "requests are not repeated: a failure counts as one"),
    (&["compression", "gzip", "accept_encoding", "disable_compression"], ANY, "write `headers = { Accept-Encoding = \"gzip\" }` in [[requests]]; bodies are sent as they are"),
    (&["batch", "group", "transaction", "parallel_requests"], ANY, "a VU sends one request at a time: write [sequence] for an order of them"),
    // What is judged and reported.
    (&["thresholds", "ensure", "slo", "slos", "pass_fail", "goals"], ANY, "write [assertions], such as `p95_latency_ms = 200` or `error_rate_max = 0.01`"),
    (&["max_response_time", "latency_max_ms"], GOALS, "write `max_latency_ms`; it is one request, and `p999_latency_ms` is steadier"),
    (&["avg_latency_ms", "average_latency_ms", "mean_response_time"], GOALS, "write `mean_latency_ms`; it hides the slow requests, and `p99_latency_ms` does not"),
    (&["abort_on_fail", "abort_on_failure", "abort", "delay_abort_eval"], GOALS, "write `stop = true` in [assertions.NAME], and `after_seconds` if it begins later"),
    (&["filter", "scope", "tags", "tag", "requests"], &["[assertions.NAME]"], "write `where`, such as 'tag.area == \"orders\"' or 'name == \"buy\"'"),
    (&["min_latency_ms"], &["[assertions]"], "the minimum says nothing about the target: write `p50_latency_ms`"),
    (&["http_req_duration", "latency_ms", "response_time", "response_time_ms", "p100_latency_ms", "max_latency"], &["[assertions]"], "write a percentile, such as `p95_latency_ms`"),
    (&["http_req_failed", "max_error_rate", "error_rate", "failure_rate", "errors"], &["[assertions]"], "write `error_rate_max`"),
    (&["success_rate", "min_success_rate"], &["[assertions]"], "write `success_rate_min`"),
    (&["min_rps", "rps", "throughput"], &["[assertions]"], "write `rps_min`"),
    (&["output", "results", "report", "reports", "summary", "format", "prometheus"], ANY, "results go to the directory of `--output`, and `z6 export` converts the log"),
];

#[cfg(test)]
mod tests {
    use super::super::keys::{self, Table};
    use super::*;

    fn table(label: &str) -> &'static Table {
        keys::ALL.into_iter().find(|table| table.label == label).unwrap()
    }

    /// Words of each tool, where its users would write them, and a word of the hint they get.
    #[test]
    fn words_of_other_tools_lead_to_the_right_key() {
        for (tool, words) in [
            (
                "k6",
                &[
                    ("the top level", "vus", "`vus` in [runtime]"),
                    ("the top level", "duration", "`duration_seconds` in [runtime]"),
                    ("[runtime]", "duration", "`duration_seconds`"),
                    ("[runtime]", "stages", "[[schedule.stages]]"),
                    ("the top level", "thresholds", "[assertions]"),
                    ("the top level", "scenarios", "several kinds of users"),
                    ("[schedule]", "executor", "`type`"),
                    ("[schedule]", "startRate", "`start_per_second`"),
                    ("[schedule]", "timeUnit", "per second"),
                    ("[schedule]", "preAllocatedVUs", "`max_in_flight`"),
                    ("[schedule]", "rate", "`per_second`"),
                    ("[[schedule.steps]]", "target", "`vus`"),
                    ("[target]", "insecureSkipTLSVerify", "`verify_cert = false`"),
                    ("[runtime]", "maxRedirects", "`follow_redirects`"),
                    ("[target]", "noConnectionReuse", "`connection_reuse`"),
                    ("[target]", "tlsAuth", "`client_cert`"),
                    ("[[requests]]", "check", "`checks`"),
                    ("[[requests]]", "params", "`headers"),
                    ("the top level", "options", "[runtime]"),
                    ("[assertions]", "http_req_duration", "`p95_latency_ms`"),
                    ("[assertions]", "http_req_failed", "`error_rate_max`"),
                    ("[runtime]", "setup", "[setup]"),
                    ("the top level", "exec", "no scripts"),
                ][..],
            ),
            (
                "Gatling",
                &[
                    ("[schedule]", "atOnceUsers", "`vus`"),
                    ("[schedule]", "rampUsers", "`end_vus`"),
                    ("[schedule]", "constantUsersPerSec", "`per_second`"),
                    ("[schedule]", "rampUsersPerSec", "`end_per_second`"),
                    ("[[requests]]", "saveAs", "`extract`"),
                    ("the top level", "feeder", "[[data]]"),
                    ("the top level", "pause", "[think_time]"),
                    ("[think_time]", "pause", "`duration_ms`"),
                    ("[runtime]", "maxDuration", "`duration_seconds`"),
                    ("[target]", "shareConnections", "`connection_reuse`"),
                    ("the top level", "warmUp", "`warmup_seconds`"),
                ],
            ),
            (
                "wrk, oha",
                &[
                    ("[runtime]", "connections", "`max_connections`"),
                    ("[runtime]", "threads", "`workers`"),
                    ("[[requests]]", "url", "`path"),
                    ("[target]", "url", "`base_url`"),
                    ("the top level", "url", "`base_url` in [target]"),
                    ("[target]", "insecure", "`verify_cert = false`"),
                    ("[runtime]", "http2", "`http_version = \"http2\"`"),
                    ("[target]", "disable-keepalive", "`connection_reuse`"),
                    ("[target]", "unix_socket", "unix:/path"),
                    ("[runtime]", "qps", "`per_second`"),
                    ("[[requests]]", "timeout", "`timeout_ms`"),
                    ("[[requests]]", "data", "`json`"),
                ],
            ),
            (
                "vegeta",
                &[
                    ("the top level", "rate", "`type = \"rate\"`"),
                    ("[target]", "laddr", "`source_addresses`"),
                    ("[target]", "root-certs", "`ca_bundle`"),
                    ("[target]", "keepalive", "`connection_reuse`"),
                    ("[target]", "resolvers", "`resolve`"),
                    ("[target]", "h2c", "http2-prior-knowledge"),
                    ("[[requests]]", "redirects", "`follow_redirects`"),
                    ("[runtime]", "output", "`--output`"),
                ],
            ),
            (
                "Artillery",
                &[
                    ("the top level", "config", "[runtime]"),
                    ("the top level", "phases", "[[schedule.stages]]"),
                    ("[schedule]", "arrivalRate", "`per_second`"),
                    ("[schedule]", "rampTo", "`end_per_second`"),
                    ("the top level", "flow", "[sequence]"),
                    ("the top level", "think", "[think_time]"),
                    ("the top level", "payload", "[[data]]"),
                    ("[[requests]]", "capture", "`extract`"),
                    ("the top level", "ensure", "[assertions]"),
                    ("the top level", "processor", "no scripts"),
                    ("the top level", "request", "`[[requests]]`"),
                ],
            ),
        ] {
            for (label, word, wanted) in words {
                assert!(table(label).all_keys().all(|key| key.name != *word), "{label} {word}");
                let hint = hint(label, word);
                let found = hint.is_some_and(|hint| hint.contains(wanted));
                assert!(found, "{tool}: {word} in {label}: {hint:?}");
            }
        }
    }

    /// Words in backticks are keys, or begin with one (`verify_cert = false`), or are values.
    #[test]
    fn every_key_and_table_that_is_named_exists() {
        let names: Vec<&str> =
            keys::ALL.iter().flat_map(|table| table.all_keys()).map(|key| key.name).collect();
        let labels: Vec<&str> = keys::ALL.iter().map(|table| table.label).collect();
        for (words, tables, hint) in WORDS {
            assert!(tables.iter().all(|label| labels.contains(label)), "{tables:?}");
            for code in hint.split('`').skip(1).step_by(2) {
                let word = code.split(' ').next().unwrap();
                let is_name = names.contains(&word);
                let is_other =
                    labels.contains(&word) || ["--output", "z6", "Content-Type"].contains(&word);
                assert!(is_name || is_other, "{words:?}: {code}");
            }
            for label in hint.split('[').skip(1).filter_map(|rest| rest.split(']').next()) {
                let known = labels.iter().any(|known| known.trim_matches(['[', ']']) == label);
                assert!(label.is_empty() || label == "200" || known, "{words:?}: [{label}]");
            }
        }
    }
}
