//! Options and commands of wrk, oha, vegeta, k6, Gatling and Artillery that a user may try, and what does
//! the same here. Only words that Z6 refuses are looked up.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use crate::args::Cli;
use crate::bench_args;

/// Words and what to do instead.
type Entry = (&'static [&'static str], &'static str);

const SCENARIO: &str = "for one URL write `z6 bench URL`; otherwise the URL, the load and its duration are in a scenario: see `z6 run --help` and docs/SCENARIO.md";
const MORE: &str = "one line cannot say that, a scenario can: `--scenario` prints one to start from (docs/SCENARIO.md)";

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
    (&["--proxy", "-x"], "write `proxy = \"http://host:port\"` in [target] of the scenario, or `proxy = \"environment\"`"),
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
    (&["--html"], "the page is report.html in the results directory; `z6 report LOG --output FILE` writes it anew"),
    (&["--dry-run"], "write `z6 validate SCENARIO`, or `z6 plan SCENARIO` for every request of it"),
    (&["--json"], "`analyze`, `diff` and `plan` have `--format json`; `run`, `simulate`, `bench` and `merge` have `--json`"),
    (&["--markdown"], "write `--format markdown`, or `--summary-format markdown` with a run"),
];

/// Options of `z6 bench`: what one line of wrk, hey, oha, bombardier, ab, h2load and vegeta may have.
#[rustfmt::skip]
const BENCH: &[Entry] = &[
    (&["-t"], "threads, as of wrk and h2load, are `--workers N`; a timeout, as of hey and bombardier, is `--timeout TIME`; a time limit, as of ab, is `--duration TIME`"),
    (&["-q"], "oha's -q is of the whole run: write `--rate N`; hey's is of each of its -c workers: write `--rate` with the product of -q and -c"),
    (&["-b"], "a body, as of bombardier, is `--body TEXT`"),
    (&["-D"], "a body file, as of hey and oha, is `--body-file FILE`; a duration, as of h2load, is `--duration TIME`"),
    (&["-f", "-p"], "the body, as of bombardier and ab, is `--body-file FILE`; streams of a connection, as of oha, are `--streams N`"),
    (&["-s"], "a script, as of wrk, is written as a scenario: `--scenario` prints one to start from; a timeout, as of ab, is `--timeout TIME`"),
    (&["-l", "-L", "--latency", "--latencies", "--latency-correction", "--percentiles"], "nothing to write: percentiles are always reported, of response times since the planned instant"),
    (&["-a"], "write `--user USER:PASSWORD`"),
    (&["-A"], "credentials, as of ab and oha, are `--user USER:PASSWORD`; a media type, as of hey, is `--header 'Accept: ..'`"),
    (&["-T"], "a media type, as of hey, ab and oha, is `--header 'Content-Type: ..'`; a timeout, as of wrk, is `--timeout TIME`"),
    (&["--content-type"], "write `--header 'Content-Type: ..'`"),
    (&["-C", "--cookie"], "write `--header 'Cookie: ..'`"),
    (&["--host", "--vhost"], "write `--header 'Host: ..'`"),
    (&["-i", "--head"], "write `--method HEAD`"),
    (&["-g", "-e", "--print"], "write `--csv` for one line per second; `z6 export` writes one per request"),
    (&["-o", "--out", "--format", "--output-format"], "write `--json`, `--csv`, `--html FILE` or `--output DIR`"),
    (&["-j"], "write `--json`"),
    (&["--h2", "--h2c"], "write `--http2`"),
    (&["--vus", "--users", "--clients", "--concurrency", "--max-connections"], "write `--connections N`"),
    (&["--threads", "--cpus", "--max-workers"], "write `--workers N`"),
    (&["--time", "--length"], "write `--duration TIME`"),
    (&["--iterations", "--number", "--count"], "write `--requests N`"),
    (&["--rps", "--burst-rate"], "write `--rate N`"),
    (&["--disable-compression"], "nothing to write: no encoding is asked for unless `--header 'Accept-Encoding: ..'` says so"),
    (&["--disable-redirects"], "nothing to write: redirects are not followed unless a scenario says so"),
    (&["--redirects", "--max-redirects"], MORE),
    (&["-x", "--proxy"], "write `proxy` in [target] of a scenario; `--scenario` prints one to start from"),
    (&["--connect-to", "--resolve", "--unix-socket", "--cert", "--key", "--cacert", "--targets", "--rand-regex-url", "--urls-from-file", "--warm-up-time", "--base-uri"], MORE),
    (&["--no-tui", "--no-progress"], "write `--no-live`"),
    (&["--stats"], "nothing to write: statistics are in the summary, and `--json` has them all"),
    (&["--script"], "a script, as of wrk, is written as a scenario: `--scenario` prints one to start from"),
    (&["--url"], "write the URL alone"),
    (&["--http3"], "Z6 speaks HTTP/1.1 and HTTP/2: write `--http2`, or nothing"),
    (&["-I"], "write `--method HEAD`"),
    (&["--request"], "write `--method METHOD`"),
    (&["--accept"], "write `--header 'Accept: ..'`"),
    (&["--compressed"], "write `--header 'Accept-Encoding: gzip'`"),
    (&["--redirect", "--location", "--connect-timeout", "-F", "--ipv4", "--ipv6", "--warmup", "--max-concurrent-streams"], MORE),
];

#[rustfmt::skip]
const COMMANDS: &[Entry] = &[
    (&["man", "manual", "docs"], "`z6 help` and `z6 help COMMAND` are the manual; docs/CLI.md has it in full"),
    (&["combine", "join"], "write `z6 merge LOG..`: the shards of a run become one"),
    (&["attack", "load", "quick", "test", "benchmark"], "write `z6 bench URL` for one URL, or `z6 run SCENARIO`"),
    (&["start", "execute"], "write `z6 run SCENARIO`"),
    (&["summary", "inspect", "stats", "show", "info"], "write `z6 analyze LOG`"),
    (&["plot", "graph", "chart", "html"], "write `z6 report LOG`: a page with charts"),
    (&["compare"], "write `z6 diff A B`"),
    (&["encode", "dump", "convert"], "write `z6 export LOG`"),
    (&["check", "lint", "verify"], "write `z6 validate SCENARIO`, or `z6 analyze LOG --verify` for a log"),
    (&["record", "new", "init", "archive", "cloud", "login", "run-fargate"], "there is no such command: a scenario is one file, written by hand; `examples` has some"),
    (&["server", "target", "echo"], "write `z6 serve`"),
    (&["sim", "dry-run"], "write `z6 simulate SCENARIO`"),
    (&["completions", "complete"], "write `z6 completion SHELL`"),
];

/// Parses arguments. Where a word of another tool causes an error, it has the right suggestion.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments = bench_args::with_command(arguments.collect());
    let is_bench = bench_args::is_bench(&arguments);
    if let Some(text) = is_bench.then(|| single_dash(&arguments)).flatten() {
        return Err(Cli::command().error(ErrorKind::UnknownArgument, text));
    }
    Cli::try_parse_from(arguments).map_err(|error| explain(error, is_bench))
}

/// What to write instead of a long option behind one dash, as vegeta and hey have them: clap would read
/// `-rate=50` as `-r ate=50`.
fn single_dash(arguments: &[OsString]) -> Option<String> {
    let command = Cli::command();
    let bench = command.find_subcommand(bench_args::NAME)?;
    let has_option = |word: &str| {
        bench.get_arguments().any(|argument| {
            let aliases = argument.get_visible_aliases().unwrap_or_default();
            argument.get_long().into_iter().chain(aliases).any(|name| name == word)
        })
    };
    let given = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    given.filter_map(|argument| argument.to_str()).find_map(|argument| {
        let word = argument.strip_prefix('-')?.split('=').next()?;
        if word.len() < 2 || word.starts_with('-') {
            return None;
        }
        let found = format!("unexpected argument '{argument}' found");
        if has_option(word) {
            return Some(format!("{found}: write `--{word}`, with two dashes"));
        }
        Some(format!("{found}: {}", hint(BENCH, &format!("--{word}"))?))
    })
}

/// The same error with the right suggestion.
fn explain(mut error: clap::Error, is_bench: bool) -> clap::Error {
    let options = if is_bench { BENCH } else { OPTIONS };
    let (kind, table, wrong) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, options, ContextKind::SuggestedArg),
        ErrorKind::InvalidValue if is_bench && is_missing_rate(&error) => {
            let hint = "ab's `-r` is not needed: a failed request never ends the run";
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
            return error;
        }
        ErrorKind::InvalidSubcommand => {
            (ContextKind::InvalidSubcommand, COMMANDS, ContextKind::SuggestedSubcommand)
        }
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(kind) else { return error };
    let hint = match hint(table, word) {
        None if kind == ContextKind::InvalidSubcommand => command_left_out(word),
        hint => hint.map(str::to_owned),
    };
    let Some(hint) = hint else { return error };
    error.remove(wrong);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

/// What to write where the first word is no command but what a command takes: an address without `http://`, a
/// scenario, a log.
fn command_left_out(word: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~:/?&=%@+,[]-".contains(c);
    if !word.chars().all(is_plain) {
        return None;
    }
    let (host, _) = word.split_once(['/', '?']).unwrap_or((word, ""));
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let has_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
    match Path::new(word).extension().and_then(OsStr::to_str) {
        Some("toml") => Some(format!("write `z6 run {word}`")),
        Some("z6log") => Some(format!("write `z6 analyze {word}`")),
        _ if has_port || host == "localhost" || host.contains('.') => {
            Some(format!("write `z6 http://{word}`, or `https://`"))
        }
        _ => None,
    }
}

/// Whether `-r` is alone, as ab has it.
fn is_missing_rate(error: &clap::Error) -> bool {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    text(ContextKind::InvalidArg).starts_with("--rate")
        && text(ContextKind::InvalidValue).is_empty()
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
    use super::*;

    fn message(arguments: &[&str]) -> String {
        let arguments = ["z6"].iter().chain(arguments);
        parse(arguments.map(Into::into)).unwrap_err().to_string()
    }

    #[test]
    fn a_word_that_a_command_takes_leads_to_the_command() {
        let cases = [
            ("localhost", "z6 http://localhost"),
            ("localhost:8080", "z6 http://localhost:8080"),
            ("app:8080/a?b=c", "z6 http://app:8080/a?b=c"),
            ("example.org/a", "z6 http://example.org/a"),
            ("[::1]:80", "z6 http://[::1]:80"),
            ("examples/quickstart.toml", "z6 run examples/quickstart.toml"),
            ("events.z6log", "z6 analyze events.z6log"),
        ];
        for (word, hint) in cases {
            let text = message(&[word]);
            assert!(text.contains(&format!("tip: write `{hint}`")), "{word}: {text}");
        }
        for word in ["nothing", "a:b", "x\u{1b}.y"] {
            assert!(!message(&[word]).contains("write `z6"), "{word:?}");
        }
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
        for (words, hint) in BENCH {
            for word in *words {
                let text = message(&["bench", "http://a/", word]);
                assert!(text.contains("unexpected argument '"), "{word}: {text}");
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
            (&["combine", "a", "b"], "`z6 merge LOG..`"),
            (&["attack"], "`z6 run SCENARIO`"),
            (&["replay", "a", "https://example.com/"], "`z6 bench URL`"),
            (&["https://example.com/", "--threads=4"], "`--workers N`"),
            (&["-t12", "-c400", "http://a/"], "`--timeout TIME`"),
            (&["http://a/", "-r", "-n", "5"], "ab's `-r`"),
        ] {
            let text = message(arguments);
            assert!(text.contains("tip: "), "{arguments:?}: {text}");
            assert!(text.contains(wanted), "{arguments:?}: {text}");
        }
        // A slip of the pen keeps clap's suggestion.
        assert!(message(&["run", "s.toml", "--duratoin", "5"]).contains("'--duration'"));
    }

    #[test]
    fn long_names_behind_one_dash_are_explained() {
        for (word, wanted) in [
            ("-rate=50", "write `--rate`"),
            ("-duration", "write `--duration`"),
            ("-qps", "write `--qps`"),
            ("-host", "`--header 'Host: ..'`"),
            ("-h2", "write `--http2`"),
            ("-cpus", "`--workers N`"),
            ("-disable-keepalive", "write `--disable-keepalive`"),
            ("-targets=list", "`--scenario`"),
        ] {
            let text = message(&["http://a/", word]);
            assert!(text.contains(wanted), "{word}: {text}");
        }
        for word in ["-c50", "-n200", "--rate=50", "-d10s", "-H"] {
            assert_eq!(single_dash(&[bench_args::NAME.into(), word.into()]), None, "{word}");
        }
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
        for (_, hint) in OPTIONS.iter().chain(BENCH).chain(COMMANDS) {
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
