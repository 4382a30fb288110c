//! The arguments of `z6 bench`: one URL, and the options that users of other load generators know.
//!
//! Owns their names, how their values are read, and when `z6 URL` means `z6 bench URL`. What they mean is
//! said by [`one_liner`](crate::one_liner).

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::Args;
use z6_scenario::{Workers, parse_duration, parse_seconds, unscaled};

use crate::args::{CiArgs, SummaryFormat, workers};

/// The name of the command.
pub(crate) const NAME: &str = "bench";

/// `z6 bench`.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct BenchArgs {
    /// What is requested, such as http://127.0.0.1:8080/hello.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Connections, each with one request at a time [default: 50]. With `--rate`: how many at most
    /// [default: 1000].
    #[arg(short, long, value_name = "N", value_parser = connections)]
    pub(crate) connections: Option<u32>,
    /// How long requests are sent, such as 30s or 1m [default: 10s, or no limit with `--requests`].
    #[arg(short, long, visible_short_alias = 'z', value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<u64>,
    /// Requests of the whole run.
    #[arg(short = 'n', long, value_name = "N", value_parser = requests)]
    pub(crate) requests: Option<u64>,
    /// Requests per second of the whole run, such as 500 or 0.5, whatever the server does [default: as
    /// many as the connections allow].
    #[arg(
        short, long, visible_short_alias = 'R', visible_alias = "qps", value_name = "N",
        value_parser = rate
    )]
    pub(crate) rate: Option<PerSecond>,
    /// Number of event loops, or `auto` for one per core [default: 1].
    #[arg(short, long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<Workers>,
    /// A header field; may be given several times.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<Header>,
    /// The method [default: GET, or POST with a body].
    #[arg(short, long, visible_short_alias = 'X', value_name = "METHOD", value_parser = method)]
    pub(crate) method: Option<String>,
    /// The body.
    #[arg(
        long, visible_alias = "data", value_name = "TEXT", conflicts_with = "body_file",
        value_parser = body
    )]
    pub(crate) body: Option<String>,
    /// The file that contains the body.
    #[arg(long, value_name = "FILE")]
    pub(crate) body_file: Option<String>,
    /// How long a response may take [default: 30s].
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<u64>,
    /// Open a connection for each request.
    #[arg(long)]
    pub(crate) disable_keepalive: bool,
    /// Speak HTTP/2: at once over http:// (prior knowledge), or as TLS negotiates it.
    #[arg(long)]
    pub(crate) http2: bool,
    /// Requests that each connection carries at once [default: 1].
    #[arg(
        long, value_name = "N", requires = "http2",
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub(crate) streams: Option<u32>,
    /// Accept any certificate.
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// User name and password (`Authorization: Basic`).
    #[arg(short, long, value_name = "USER:PASSWORD", value_parser = user)]
    pub(crate) user: Option<String>,
    /// Seed of all random choices [default: drawn].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(crate) seed: Option<u64>,
    /// Fail (exit code 1) if the response time at quantile 0.99 is longer.
    #[arg(long, value_name = "TIME", value_parser = limit)]
    pub(crate) p99: Option<u64>,
    /// Fail (exit code 1) if more requests than this fail, such as 1% or 0.5%.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub(crate) fail_above: Option<Share>,
    /// Print the same as a scenario file, and send nothing.
    #[arg(long)]
    pub(crate) scenario: bool,
    /// Print metrics.json instead of the summary.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print the time series instead of the summary.
    #[arg(long)]
    pub(crate) csv: bool,
    /// Write the page of the run to this file; it must not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Keep event log and reports in this directory; must be empty or not exist yet [default: nothing is
    /// kept].
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// How the summary is written.
    #[arg(long, value_enum, default_value_t = SummaryFormat::Text, value_name = "FORMAT")]
    pub(crate) summary_format: SummaryFormat,
    #[command(flatten)]
    pub(crate) ci: CiArgs,
    /// Do not show progress.
    #[arg(long)]
    pub(crate) no_live: bool,
    /// Print only errors to standard error.
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print the scenario and the target's addresses before the run.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

const AFTER_HELP: &str = "\
`z6 URL` is `z6 bench URL`. What one line cannot say, a scenario can: `z6 bench URL --scenario > s.toml`, then \
`z6 run s.toml`.";

/// A positive number of requests per second, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PerSecond(pub(crate) String);

/// A share of 1, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share(pub(crate) String);

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The longest duration, seconds: a day.
const DURATION_MAX_S: u64 = 86_400;
/// The longest timeout, seconds: an hour.
const TIMEOUT_MAX_S: u64 = 3_600;
/// The highest rate, requests per second.
const RATE_MAX: u64 = 10_000_000;

fn time(text: &str, max_seconds: u64) -> Result<u64, String> {
    let ns = parse_duration(text).map_err(|error| error.to_string())?;
    match ns {
        0 => Err("expected more than 0".to_owned()),
        _ if ns > max_seconds * 1_000_000_000 => Err(format!("expected at most {max_seconds}s")),
        _ => Ok(ns),
    }
}

/// Reads `--duration`. hey, oha and curl have another `-d`.
fn duration(text: &str) -> Result<u64, String> {
    let body = "a body is `--body TEXT` or `--body-file FILE`";
    time(text, DURATION_MAX_S).map_err(|error| {
        match text.starts_with(|c: char| c.is_ascii_digit()) {
            true => error,
            false => format!("expected a time such as 10s; {body}"),
        }
    })
}

/// Reads a number as wrk does: 10k are 10,000.
fn number(text: &str, max: u64) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match value {
        _ if !is_number => Err("expected a number, such as 500 or 10k".to_owned()),
        Some(0) => Err("expected at least 1".to_owned()),
        Some(value) if value <= max => Ok(value),
        _ => Err(format!("expected at most {max}")),
    }
}

fn connections(text: &str) -> Result<u32, String> {
    number(text, 1_000_000).map(|number| number as u32)
}

fn requests(text: &str) -> Result<u64, String> {
    number(text, 1_000_000_000_000_000)
}

/// Reads `--body`. curl's `@file` names a file, hey's and oha's does not.
fn body(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(file) if std::path::Path::new(file).is_file() => Err(format!(
            "this would be sent as it stands; the content of the file is `--body-file {file}`"
        )),
        _ => Ok(text.to_owned()),
    }
}

/// Reads `--user`. k6 has another `-u`.
fn user(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Err(format!(
            "expected USER:PASSWORD; VUs, as of k6, are `--connections {text}`; a user name of digits is `{text}:`"
        )),
        false => Ok(text.to_owned()),
    }
}

pub(crate) fn timeout(text: &str) -> Result<u64, String> {
    time(text, TIMEOUT_MAX_S)
}

fn limit(text: &str) -> Result<u64, String> {
    time(text, DURATION_MAX_S)
}

fn rate(text: &str) -> Result<PerSecond, String> {
    let expected = "expected requests per second, such as 500 or 0.5";
    let (plain, unit) = text.split_once('/').unwrap_or((text, "s"));
    if !matches!(unit, "s" | "1s") {
        return Err(format!("{expected}: 30 a minute are 0.5"));
    }
    // Nine digits behind the point fit; a rate has six.
    let value = parse_seconds(plain).map_err(|_| expected.to_owned())?;
    match value {
        0 => Err("0 is no rate: without `--rate`, requests are sent as fast as the server answers"
            .to_owned()),
        _ if value > RATE_MAX * 1_000_000_000 => Err(format!("expected at most {RATE_MAX}")),
        _ if value % 1_000 != 0 => Err("expected at most 6 decimal places".to_owned()),
        _ => Ok(PerSecond(unscaled(value, 9))),
    }
}

fn share(text: &str) -> Result<Share, String> {
    let number = text.strip_suffix('%').ok_or("expected a percentage, such as 1%")?;
    let percent = parse_seconds(number.trim_end()).map_err(|error| error.to_string())?;
    match percent {
        _ if percent > 100_000_000_000 => Err("expected at most 100%".to_owned()),
        _ if percent % 100_000 != 0 => Err("expected at most 4 decimal places".to_owned()),
        _ => Ok(Share(unscaled(percent / 100_000, 6))),
    }
}

pub(crate) fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("expected `NAME: VALUE`")?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err("the name is not one of a header field (RFC 9110 section 5.1)".to_owned());
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err("the value contains a control character".to_owned());
    }
    Ok(Header { name: name.to_owned(), value: value.to_owned() })
}

pub(crate) fn method(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "expected a method; -m {text}, as of h2load, is `--http2 --streams {text}`"
        ));
    }
    match !text.is_empty() && text.bytes().all(is_token_byte) {
        true => Ok(text.to_owned()),
        false => Err("expected a method, such as POST".to_owned()),
    }
}

/// Of a token (RFC 9110 section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The arguments with the command's name in front where a URL is given and no command: `z6 URL`,
/// `z6 -c 100 URL`.
pub(crate) fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_global = |argument: &OsString| argument == "--no-color";
    let Some(first) = arguments.iter().skip(1).position(|argument| !is_global(argument)) else {
        return arguments;
    };
    let first = first + 1;
    let rest = &arguments[first..];
    let is_option = rest[0].as_encoded_bytes().first() == Some(&b'-');
    let is_load = LOAD_OPTIONS.iter().any(|option| rest[0].as_encoded_bytes().starts_with(option));
    if is_url(&rest[0]) || is_option && (is_load || rest.iter().any(|argument| is_url(argument))) {
        arguments.insert(first, NAME.into());
    }
    arguments
}

/// No other command begins with these: without a URL, it is the URL that is missing.
const LOAD_OPTIONS: [&[u8]; 3] = [b"-c", b"-n", b"-d"];

/// Whether these are the arguments of this command.
pub(crate) fn is_bench(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).find(|argument| *argument != "--no-color").is_some_and(|a| a == NAME)
}

fn is_url(argument: &OsStr) -> bool {
    argument.to_str().is_some_and(|text| text.contains("://") && !text.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(Into::into).collect()
    }

    #[test]
    fn a_url_without_a_command_is_a_benchmark() {
        for (given, is_one) in [
            (&["z6", "http://a/"][..], true),
            (&["z6", "https://a/", "-c", "5"], true),
            (&["z6", "-c", "5", "http://a/"], true),
            (&["z6", "--no-color", "http://a/"], true),
            (&["z6", "-t12", "-c400", "-d30s", "http://a/"], true),
            (&["z6", "-n", "10", "-c", "2"], true),
            (&["z6", "bench", "http://a/"], true),
            (&["z6", "run", "http://a/"], false),
            (&["z6", "run", "s.toml", "--target", "http://a/"], false),
            (&["z6", "--help"], false),
            (&["z6", "s.toml"], false),
            (&["z6"], false),
        ] {
            let arguments = with_command(os(given));
            assert_eq!(is_bench(&arguments), is_one, "{given:?}: {arguments:?}");
            assert_eq!(with_command(arguments.clone()), arguments);
        }
    }

    #[test]
    fn values_are_read_exactly_or_refused() {
        assert_eq!(rate("0.5"), Ok(PerSecond("0.5".to_owned())));
        assert_eq!(rate("50/1s"), Ok(PerSecond("50".to_owned())));
        assert_eq!(rate("1e3"), Ok(PerSecond("1000".to_owned())));
        for wrong in ["0", "-1", "x", "", "30/m", "0.0000001", "10000001", "nan"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(share("1%"), Ok(Share("0.01".to_owned())));
        assert_eq!(share("0.5 %"), Ok(Share("0.005".to_owned())));
        assert_eq!(share("100%"), Ok(Share("1".to_owned())));
        assert_eq!(share("0%"), Ok(Share("0".to_owned())));
        for wrong in ["1", "0.01", "101%", "%", "0.00001%", "-1%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        let field = header("Accept:text/html").unwrap();
        assert_eq!((field.name.as_str(), field.value.as_str()), ("Accept", "text/html"));
        for wrong in ["Accept", ": x", "a b: c", "a: b\nc: d"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
        assert!(duration("{\"a\": 1}").unwrap_err().contains("--body TEXT"));
        assert!(duration("@file").unwrap_err().contains("--body-file FILE"));
        assert!(!duration("10x").unwrap_err().contains("--body"));
        assert!(duration("25h").is_err() && duration("0").is_err());
        assert_eq!((number("10k", 20_000), number("1M", u64::MAX)), (Ok(10_000), Ok(1_000_000)));
        assert_eq!((connections("1"), requests("7")), (Ok(1), Ok(7)));
        for wrong in ["0", "0k", "k", "", "-1", "+1", "1.5k", "1e3", "1kk", "99999999999999999999"]
        {
            assert!(requests(wrong).is_err(), "{wrong}");
        }
        assert!(connections("1000001").unwrap_err().contains("at most 1000000"));
        assert_eq!(body("@no such file").as_deref(), Ok("@no such file"));
        assert!(body("@Cargo.toml").unwrap_err().contains("`--body-file Cargo.toml`"));
        assert!(user("10").unwrap_err().contains("`--connections 10`"));
        assert!(user("10:").is_ok() && user("ada").is_ok());
        assert!(method("10").unwrap_err().contains("`--http2 --streams 10`"));
        assert!(method("G T").is_err() && method("").is_err());
        assert_eq!(method("POST"), Ok("POST".to_owned()));
    }
}
