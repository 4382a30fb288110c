//! Options and commands of wrk, oha, vegeta, k6, Gatling and Artillery that a user may try, and what does
//! the same here. Only words that Z6 refuses are looked up.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Words and what to do instead.
type Entry = (&'static [&'static str], &'static str);

const SCENARIO: &str = "the URL, the load and its duration are in a scenario: see `z6 run --help` and docs/SCENARIO.md";

#[rustfmt::skip]
const OPTIONS: &[Entry] = &[
    (&["--rate", "--rps", "--qps", "-q", "-R"], "write [schedule] with `type = \"rate\"` and `per_second` in the scenario"),
    (&["--vu", "--users", "--concurrency", "--connections", "-c", "-u", "--clients"], "write `--vus N`, or `max_connections` in [target]"),
    (&["--threads", "-t", "--cpus", "-p", "--parallel"], "write `--workers N`"),
    (&["--time", "-z", "-d", "--length"], "write `--duration TIME`"),
    (&["--iterations", "-i", "-n", "--requests", "--count", "--number"], "write `iterations` in [runtime] of the scenario"),
    (&["--stage", "--stages", "-s", "--ramp-up"], "write [schedule] with `type = \"steps\"` or `type = \"ramp\"` in the scenario"),
    (&["--url", "--base-url", "--host", "--endpoint"], "write `--target URL`; paths are in [[requests]] of the scenario"),
    (&["--targets", "--urls-from-file"], "write each request as [[requests]] in the scenario, at most 65,535 of them"),
    (&["--header", "-H"], "write `headers` in [[requests]] of the scenario"),
    (&["--method", "-m", "-X"], "write `method` in [[requests]] of the scenario"),
    (&["--body", "--data", "-b", "--body-file", "-D"], "write `body` or `body_file` in [[requests]] of the scenario"),
    (&["--insecure", "-k", "--insecure-skip-tls-verify", "--skip-verify"], "write `verify_cert = false` in [target] of the scenario"),
    (&["--http2", "--h2", "--h2c"], "write `--http-version http2`, or `http2-prior-knowledge` for h2c"),
    (&["--timeout"], "write `timeout_ms` in [[requests]] of the scenario"),
    (&["--max-redirects", "--redirects", "--redirect", "-r"], "write `follow_redirects` in [runtime] of the scenario"),
    (&["--keepalive", "--disable-keepalive", "--no-connection-reuse"], "write `connection_reuse` in [target] of the scenario"),
    (&["--proxy", "-x"], "there are no proxies: write `connect_to` in [target] of the scenario to connect elsewhere"),
    (&["--connect-to", "--resolve", "--resolvers", "--unix-socket"], "write `connect_to` or `resolve` in [target] of the scenario"),
    (&["--cert", "--key", "--cacert", "--root-certs"], "write `client_cert` and `client_key`, or `ca_bundle`, in [target] of the scenario"),
    (&["--script", "-e", "--env", "--config", "--tag"], "there are no scripts: the scenario says what is sent, and `--param NAME=VALUE` sets its parameters"),
    (&["--out", "-o", "--summary-export", "--results-folder", "--output-file"], "write `--output DIR`; `--json` and `--csv` print to standard output"),
    (&["--latency", "--latencies", "--percentiles"], "percentiles are always reported; `z6 analyze --percentiles` chooses them"),
    (&["--warmup", "--warm-up"], "write `warmup_seconds` in [runtime] of the scenario"),
    (&["--no-tui", "--no-progress"], "write `--no-live`"),
    (&["--no-colour"], "write `--no-color`"),
    (&["--prng-seed", "--rand-seed", "--random-seed"], "write `--seed N`"),
    (&["--threshold", "--thresholds"], "write [assertions] in the scenario"),
];

#[rustfmt::skip]
const COMMANDS: &[Entry] = &[
    (&["man", "manual", "docs"], "`z6 help` and `z6 help COMMAND` are the manual; docs/CLI.md has it in full"),
    (&["merge", "combine"], "logs are not merged: `z6 diff` compares several runs of each side"),
    (&["attack", "start", "execute", "bench", "load", "quick", "test"], "write `z6 run SCENARIO`"),
    (&["summary", "inspect", "stats"], "write `z6 analyze LOG`"),
    (&["plot", "graph", "chart", "html"], "write `z6 report LOG`: a page with charts"),
    (&["compare"], "write `z6 diff A B`"),
    (&["encode", "dump", "convert"], "write `z6 export LOG`"),
    (&["check", "lint", "verify"], "write `z6 validate SCENARIO`, or `z6 analyze LOG --verify` for a log"),
    (&["record", "new", "init", "archive", "cloud", "login", "run-fargate"], "there is no such command: a scenario is one file, written by hand; `examples` has some"),
    (&["server", "target", "echo"], "write `z6 serve`"),
    (&["sim", "dry-run"], "write `z6 simulate SCENARIO`"),
    (&["completions", "complete"], "write `z6 completion SHELL`"),
];

/// The same error with the right suggestion, where a word of another tool caused it.
pub(crate) fn explain(mut error: clap::Error) -> clap::Error {
    let (kind, table, wrong) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, OPTIONS, ContextKind::SuggestedArg),
        ErrorKind::InvalidSubcommand => {
            (ContextKind::InvalidSubcommand, COMMANDS, ContextKind::SuggestedSubcommand)
        }
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(kind) else { return error };
    let Some(hint) = hint(table, word) else { return error };
    error.remove(wrong);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

fn hint(table: &[Entry], word: &str) -> Option<&'static str> {
    if is_url(word) {
        return Some(SCENARIO);
    }
    let word = word.split('=').next().unwrap_or(word);
    table.iter().find(|(words, _)| words.contains(&word)).map(|(_, hint)| *hint)
}

/// Whether a user took a scenario for a URL.
pub(crate) fn is_url(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Cli;

    fn message(arguments: &[&str]) -> String {
        let arguments = ["z6"].iter().chain(arguments);
        explain(Cli::try_parse_from(arguments).unwrap_err()).to_string()
    }

    #[test]
    fn every_word_is_unknown_and_leads_somewhere() {
        for (words, hint) in OPTIONS {
            for word in *words {
                let text = message(&["replay", "log", word]);
                assert!(text.contains(&format!("unexpected argument '{word}'")), "{word}: {text}");
                assert!(text.contains(&format!("tip: {hint}")), "{word}: {text}");
                assert_eq!(text.matches("tip:").count(), 1, "{word}: {text}");
            }
        }
        for (words, hint) in COMMANDS {
            for word in *words {
                let text = message(&[word]);
                assert!(text.contains(&format!("unrecognized subcommand '{word}'")), "{text}");
                assert!(text.contains(&format!("tip: {hint}")), "{word}: {text}");
                assert_eq!(text.matches("tip:").count(), 1, "{word}: {text}");
            }
        }
    }

    #[test]
    fn words_of_other_tools_lead_to_the_right_option() {
        for (arguments, wanted) in [
            (&["run", "s.toml", "--rate", "5"][..], "`type = \"rate\"`"),
            (&["run", "s.toml", "--rate=5"], "`type = \"rate\"`"),
            (&["run", "s.toml", "-c", "5"], "`--vus N`"),
            (&["run", "s.toml", "-z", "5s"], "`--duration TIME`"),
            (&["run", "s.toml", "--iterations", "5"], "`iterations` in [runtime]"),
            (&["run", "s.toml", "--insecure"], "`verify_cert = false`"),
            (&["run", "s.toml", "--http2"], "--http-version http2"),
            (&["run", "s.toml", "-H", "A: b"], "`headers` in [[requests]]"),
            (&["run", "s.toml", "--threshold", "5"], "[assertions]"),
            (&["man"], "`z6 help`"),
            (&["merge", "a", "b"], "`z6 diff`"),
            (&["attack"], "`z6 run SCENARIO`"),
            (&["https://example.com/"], "docs/SCENARIO.md"),
        ] {
            let text = message(arguments);
            assert!(text.contains("tip: "), "{arguments:?}: {text}");
            assert!(text.contains(wanted), "{arguments:?}: {text}");
        }
        // A slip of the pen keeps clap's suggestion.
        assert!(message(&["run", "s.toml", "--duratoin", "5"]).contains("'--duration'"));
    }

    #[test]
    fn every_option_and_command_that_is_named_exists() {
        let cli = Cli::command();
        let commands: Vec<&clap::Command> = cli.get_subcommands().collect();
        let options: Vec<String> = commands
            .iter()
            .flat_map(|command| command.get_arguments())
            .chain(cli.get_arguments())
            .filter_map(|argument| argument.get_long().map(|name| format!("--{name}")))
            .collect();
        for (_, hint) in OPTIONS.iter().chain(COMMANDS) {
            for code in hint.split('`').skip(1).step_by(2) {
                let words: Vec<&str> = code.split(' ').collect();
                for option in words.iter().filter(|word| word.starts_with("--")) {
                    assert!(options.iter().any(|known| known == option), "{hint}");
                }
                if let ["z6", command, ..] = words.as_slice() {
                    let is_known = commands.iter().any(|known| known.get_name() == *command);
                    assert!(is_known || *command == "help", "{hint}");
                }
            }
        }
    }
}
