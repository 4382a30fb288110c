//! The scenario that the arguments of `z6 bench` stand for, as TOML.
//!
//! The text is what runs: `--scenario` prints it, and nothing is changed in it afterwards. Passwords and
//! tokens are not in it, but are `[secrets]`.

use std::fmt::Write as _;

use toml_writer::ToTomlValue;
use z6_scenario::{Workers, unscaled};

use crate::bench_args::{BenchArgs, Header};
use crate::exit::UsageError;

/// Connections of the closed model.
const CONNECTIONS: u32 = 50;
/// Duration without `--duration` and `--requests`, ns.
const DURATION_NS: u64 = 10_000_000_000;
/// Most bytes of a name.
const NAME_BYTES_MAX: usize = 200;
/// Header fields whose values are secret, and what their secrets are called.
const SECRET_FIELDS: [(&str, &str); 3] = [
    ("Authorization", "authorization"),
    ("Cookie", "cookie"),
    ("Proxy-Authorization", "proxy_authorization"),
];

/// A scenario, and what it needs besides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OneLiner {
    /// The text.
    pub(crate) toml: String,
    /// Its secrets, by name.
    pub(crate) secrets: Vec<(&'static str, String)>,
    /// What arguments do not do.
    pub(crate) notes: Vec<&'static str>,
}

impl OneLiner {
    /// The variable of the environment that holds a secret when the scenario runs from a file.
    pub(crate) fn variable(secret: &str) -> String {
        format!("Z6_{}", secret.to_ascii_uppercase())
    }
}

/// What the arguments stand for.
///
/// # Errors
/// Arguments that cannot be combined.
pub(crate) fn one_liner(args: &BenchArgs) -> Result<OneLiner, UsageError> {
    let url = Url::split(&args.url)?;
    let credentials = credentials(args, &url)?;
    let mut secrets = Vec::new();
    let headers: Vec<Field> =
        args.header.iter().map(|header| field(header, &mut secrets)).collect();
    refuse_twice(&headers)?;
    let user = credentials.map(|(user, password)| {
        // An empty secret is an error, and an empty password none.
        let value = if password.is_empty() { String::new() } else { placeholder("password") };
        if !password.is_empty() {
            secrets.push(("password", password));
        }
        (user, value)
    });
    // Placeholders of a scenario; here they are text.
    let has_braces = has_braces(args, &url, &headers, user.as_ref().map(|user| user.0.as_str()));
    if has_braces && !secrets.is_empty() {
        return Err(UsageError(
            "`{{` and a secret (`--user`, or a header field such as Authorization) cannot be combined in one \
             line: write a scenario file"
                .to_owned(),
        ));
    }
    // What is in a body file is not known here.
    let is_plain = secrets.is_empty() && (has_braces || args.body_file.is_some());
    let request = RequestText { args, url: &url, headers, user, is_plain };
    let mut toml = Toml::default();
    toml.table("metadata");
    toml.text("name", &name(&format!("{}{}", url.base, url.resource())));
    toml.secrets(&secrets);
    toml.load(args)?;
    toml.target(args, &url);
    toml.request(&request);
    toml.assertions(args);
    Ok(OneLiner { toml: toml.0, secrets, notes: notes(args, &url) })
}

/// Whether a text that is sent contains `{{`.
fn has_braces(args: &BenchArgs, url: &Url, headers: &[Field], user: Option<&str>) -> bool {
    let texts = [Some(url.path.as_str()), args.body.as_deref(), user].into_iter().flatten();
    let values = headers.iter().filter(|field| !field.is_secret).map(|field| field.value.as_str());
    texts.chain(values).any(|text| text.contains("{{"))
}

/// A URL, taken apart where its parts go to different keys. What is wrong with them is found there.
pub(crate) struct Url {
    /// Scheme, host and port.
    pub(crate) base: String,
    /// `user:password`, percent-encoded.
    pub(crate) userinfo: Option<String>,
    /// Path and query.
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn split(text: &str) -> Result<Url, UsageError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(UsageError(format!(
                "`{text}` is not a URL: write `http://{text}`, or `https://{text}`"
            )));
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo.to_owned()), host),
            None => (None, authority),
        };
        // A fragment is never sent.
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Url { base: format!("{scheme}://{host}"), userinfo, path: format!("{slash}{path}") })
    }

    /// The path without the query.
    fn resource(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    pub(crate) fn is_plain_http(&self) -> bool {
        self.base.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"))
    }
}

/// User name and password of `--user`, or of the URL.
fn credentials(args: &BenchArgs, url: &Url) -> Result<Option<(String, String)>, UsageError> {
    let (text, is_encoded) = match (&args.user, &url.userinfo) {
        (Some(user), None) => (user, false),
        (None, Some(userinfo)) => (userinfo, true),
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(UsageError(
                "`--user` and a user name in the URL cannot be combined".to_owned(),
            ));
        }
    };
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decoded = |part: &str| match is_encoded {
        false => Ok(part.to_owned()),
        true => percent_encoding::percent_decode_str(part)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| {
                UsageError("the user name or password in the URL is not UTF-8".to_owned())
            }),
    };
    let both = (decoded(user)?, decoded(password)?);
    if [&both.0, &both.1].iter().any(|part| part.chars().any(char::is_control)) {
        let text = "a user name or password contains a control character";
        return Err(UsageError(text.to_owned()));
    }
    Ok(Some(both))
}

/// A header field as the scenario has it.
struct Field {
    name: String,
    value: String,
    is_secret: bool,
}

/// Takes the value of a secret field out.
fn field(header: &Header, secrets: &mut Vec<(&'static str, String)>) -> Field {
    let Header { name, value } = header.clone();
    let secret = SECRET_FIELDS.iter().find(|(field, _)| name.eq_ignore_ascii_case(field));
    match secret.filter(|_| !value.is_empty()) {
        None => Field { name, value, is_secret: false },
        Some((_, secret)) => {
            secrets.push((secret, value));
            Field { name, value: placeholder(secret), is_secret: true }
        }
    }
}

fn placeholder(secret: &str) -> String {
    format!("{{{{secret.{secret}}}}}")
}

fn refuse_twice(headers: &[Field]) -> Result<(), UsageError> {
    for (place, field) in headers.iter().enumerate() {
        if headers[..place].iter().any(|other| other.name.eq_ignore_ascii_case(&field.name)) {
            return Err(UsageError(format!(
                "`--header` has {} twice: write its values in one, with commas between them",
                field.name
            )));
        }
    }
    Ok(())
}

fn notes(args: &BenchArgs, url: &Url) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if args.insecure && url.is_plain_http() {
        notes.push(
            "`-k` accepts any certificate, and http:// has none. If ab's `-k` is meant: connections are \
             kept alive anyway",
        );
    }
    notes
}

/// What a request is written from.
struct RequestText<'a> {
    args: &'a BenchArgs,
    url: &'a Url,
    headers: Vec<Field>,
    /// User name, and password or its placeholder.
    user: Option<(String, String)>,
    /// Whether `{{` is to be sent as it stands.
    is_plain: bool,
}

impl RequestText<'_> {
    fn method(&self) -> &str {
        let has_body = self.args.body.is_some() || self.args.body_file.is_some();
        self.args.method.as_deref().unwrap_or(if has_body { "POST" } else { "GET" })
    }
}

/// A text as a name: one line, of at most so many bytes.
fn name(text: &str) -> String {
    let one_line = text.chars().map(|c| if c.is_control() { '_' } else { c });
    let mut bytes = 0;
    let fits = |c: &char| {
        bytes += c.len_utf8();
        bytes <= NAME_BYTES_MAX
    };
    one_line.take_while(fits).collect()
}

/// A TOML document that grows table by table.
#[derive(Debug, Default)]
struct Toml(String);

impl Toml {
    fn table(&mut self, name: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.line(&format!("{gap}[{name}]"));
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A key with a number or a word that needs no quotes.
    fn bare(&mut self, key: &str, value: impl std::fmt::Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.bare(key, text(value));
    }

    fn secrets(&mut self, secrets: &[(&'static str, String)]) {
        if secrets.is_empty() {
            return;
        }
        self.table("secrets");
        for (name, _) in secrets {
            self.bare(name, format!("{{ env = {} }}", text(&OneLiner::variable(name))));
        }
    }

    /// How much, how fast and how long.
    fn load(&mut self, args: &BenchArgs) -> Result<(), UsageError> {
        self.table("runtime");
        let duration = args.duration.or(args.requests.is_none().then_some(DURATION_NS));
        if let Some(ns) = duration {
            self.bare("duration_seconds", unscaled(ns, 9));
        }
        if let Some(requests) = args.requests {
            self.bare("requests", requests);
        }
        if args.rate.is_none() {
            self.bare("vus", vus(args)?);
        }
        match args.workers {
            None => {}
            Some(Workers::Auto) => self.text("workers", "auto"),
            Some(Workers::Fixed(workers)) => self.bare("workers", workers),
        }
        if let Some(seed) = args.seed {
            self.bare("prng_seed", seed);
        }
        if let Some(rate) = &args.rate {
            self.table("schedule");
            self.text("type", "rate");
            self.bare("per_second", &rate.0);
        }
        Ok(())
    }

    fn target(&mut self, args: &BenchArgs, url: &Url) {
        self.table("target");
        self.text("base_url", &url.base);
        let is_open = args.rate.is_some();
        if args.http2 {
            let plain = url.is_plain_http();
            self.text("http_version", if plain { "http2-prior-knowledge" } else { "http2" });
        }
        // In the closed model without streams, each VU has a connection of its own.
        match (args.connections, args.streams) {
            (Some(connections), _) if is_open => self.bare("max_connections", connections),
            (given, Some(_)) if !is_open => {
                self.bare("max_connections", given.unwrap_or(CONNECTIONS));
            }
            _ => {}
        }
        if args.disable_keepalive {
            self.text("connection_reuse", "none");
        } else if args.streams.is_some() && !is_open {
            self.text("connection_reuse", "shared");
        }
        if let Some(streams) = args.streams {
            self.bare("http2", format!("{{ streams = {streams} }}"));
        }
        if args.insecure && !url.is_plain_http() {
            self.bare("verify_cert", false);
        }
    }

    fn request(&mut self, request: &RequestText<'_>) {
        let RequestText { args, url, headers, user, is_plain } = request;
        self.table("[requests]");
        self.text("name", &name(&format!("{} {}", request.method(), url.resource())));
        if request.method() != "GET" {
            self.text("method", request.method());
        }
        self.text("path", &url.path);
        if !headers.is_empty() {
            let pairs = headers
                .iter()
                .map(|field| format!("{} = {}", text(&field.name), text(&field.value)));
            let pairs: Vec<String> = pairs.collect();
            self.bare("headers", format!("{{ {} }}", pairs.join(", ")));
        }
        if let Some((user, password)) = user {
            let (user, password) = (text(user), text(password));
            self.bare("auth", format!("{{ basic = {{ user = {user}, password = {password} }} }}"));
        }
        if let Some(body) = &args.body {
            self.text("body", body);
        }
        if let Some(file) = &args.body_file {
            self.text("body_file", file);
        }
        if let Some(ns) = args.timeout {
            self.bare("timeout_ms", unscaled(ns, 6));
        }
        if *is_plain {
            self.bare("templates", false);
        }
    }

    fn assertions(&mut self, args: &BenchArgs) {
        if args.p99.is_none() && args.fail_above.is_none() {
            return;
        }
        self.table("assertions");
        if let Some(ns) = args.p99 {
            self.bare("p99_latency_ms", unscaled(ns, 6));
        }
        if let Some(share) = &args.fail_above {
            self.bare("error_rate_max", &share.0);
        }
    }
}

/// A string of TOML.
fn text(value: &str) -> String {
    value.to_toml_value()
}

/// VUs of the closed model: one for each connection, or for each stream of each.
fn vus(args: &BenchArgs) -> Result<u64, UsageError> {
    let requests = args.requests.unwrap_or(u64::MAX);
    let Some(streams) = args.streams else { return connections(args, requests).map(u64::from) };
    // As h2load's -c and -m.
    let vus = u64::from(args.connections.unwrap_or(CONNECTIONS)) * u64::from(streams);
    if vus > requests {
        return Err(UsageError(format!(
            "{vus} streams on all connections cannot share {requests} requests: write fewer `--connections` or \
             `--streams`, or more `--requests`"
        )));
    }
    Ok(vus)
}

/// Connections of VUs that have one each.
fn connections(args: &BenchArgs, requests: u64) -> Result<u32, UsageError> {
    match args.connections {
        Some(given) if u64::from(given) > requests => Err(UsageError(format!(
            "{given} connections cannot share {requests} requests: write `--connections {requests}`, or more \
             `--requests`"
        ))),
        Some(given) => Ok(given),
        None => Ok(u32::try_from(requests).unwrap_or(u32::MAX).min(CONNECTIONS)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use z6_scenario::{NoFiles, Overrides, Scenario};

    use super::*;
    use crate::args::{Cli, Command};

    fn of(arguments: &[&str]) -> Result<OneLiner, UsageError> {
        let arguments = ["z6", "bench"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap().command {
            Command::Bench(args) => one_liner(&args),
            other => panic!("{other:?}"),
        }
    }

    fn toml(arguments: &[&str]) -> String {
        of(arguments).unwrap().toml
    }

    #[test]
    fn a_url_alone_is_fifty_connections_for_ten_seconds() {
        assert_eq!(
            toml(&["http://localhost:8080/hello?a=1#part"]),
            "[metadata]\nname = \"http://localhost:8080/hello\"\n\n[runtime]\nduration_seconds = 10\nvus = 50\n\n[target]\nbase_url = \"http://localhost:8080\"\n\n\
             [[requests]]\nname = \"GET /hello\"\npath = \"/hello?a=1\"\n"
        );
        assert!(toml(&["http://a?b=1"]).contains("path = \"/?b=1\""));
        assert!(toml(&["https://[::1]:8443"]).contains("base_url = \"https://[::1]:8443\""));
    }

    #[test]
    fn every_scenario_loads() {
        let long = format!("http://a/{}", "ä".repeat(300));
        for arguments in [
            &["http://a/"][..],
            &[&long],
            &["http://a/{{x}}", "--body", "{{", "-H", "X: {{y}}"],
            &["http://a/", "-r", "0.5", "-c", "7", "-w", "auto", "--seed", "3"],
            &["http://a/", "-n", "7", "-d", "1h30m", "-m", "PATCH", "--body", "a\n\"b\"\\\u{1}"],
            &["https://a/", "-k", "--disable-keepalive", "--timeout", "1.5ms", "--p99", "50ms"],
            &["http://u:p%40w@a/", "--fail-above", "1%", "-H", "Cookie: a=b", "-H", "Accept: */*"],
            &["http://a/", "--http2"],
            &["http://a/", "--http2", "--streams", "10", "-c", "7", "-n", "70"],
            &["https://a/", "--http2", "--streams", "10", "-c", "7", "-r", "100"],
            &["http://a/", "-u", "me"],
            &["http://a/", "-u", "me:x:y", "-H", "Proxy-Authorization: Basic abc"],
        ] {
            let text = toml(arguments);
            let loaded = Scenario::load(&text, &NoFiles, &Overrides::default());
            let loaded =
                loaded.unwrap_or_else(|findings| panic!("{}", findings.render("s", &text, false)));
            assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render("s", &text, false));
        }
    }

    #[test]
    fn secrets_are_not_in_the_text() {
        for (arguments, secrets) in [
            (&["http://me:pa%3Ass@a/"][..], vec![("password", "pa:ss")]),
            (&["http://a/", "-u", "me:pa:ss"], vec![("password", "pa:ss")]),
            (&["http://a/", "-u", "me"], vec![]),
            (
                &["http://a/", "-H", "authorization: Bearer tok"],
                vec![("authorization", "Bearer tok")],
            ),
            (
                &["http://a/", "-H", "Cookie: sid=1", "-u", "a:b"],
                vec![("cookie", "sid=1"), ("password", "b")],
            ),
        ] {
            let line = of(arguments).unwrap();
            let found: Vec<(&str, &str)> =
                line.secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(found, secrets, "{arguments:?}");
            for (name, value) in secrets {
                assert!(!line.toml.contains(&format!("\"{value}\"")), "{}", line.toml);
                assert!(line.toml.contains(&format!("{{{{secret.{name}}}}}")), "{}", line.toml);
            }
        }
    }

    #[test]
    fn what_cannot_be_combined_is_refused() {
        for (arguments, words) in [
            (&["localhost:8080"][..], "write `http://localhost:8080`"),
            (&["http://a/", "-n", "5", "-c", "6"], "`--connections 5`"),
            (&["http://a:b@c/", "-u", "a:b"], "`--user`"),
            (&["http://a/", "-H", "A: b", "-H", "a: c"], "twice"),
            (&["http://a/", "--http2", "--streams", "10", "-n", "499"], "500 streams"),
            (&["http://a/{{x}}", "-u", "a:b"], "scenario file"),
            (&["http://a/", "-u", "a:b\u{7}"], "control character"),
        ] {
            let error = of(arguments).unwrap_err().to_string();
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn connections_and_streams_are_those_of_h2load() {
        let text = toml(&["http://a/", "--http2", "--streams", "10", "-c", "7"]);
        let target = "base_url = \"http://a\"\nhttp_version = \"http2-prior-knowledge\"\nmax_connections = 7\n\
                      connection_reuse = \"shared\"\nhttp2 = { streams = 10 }\n";
        assert!(text.contains("vus = 70\n") && text.contains(target), "{text}");
        let text = toml(&["https://a/", "--http2", "-c", "7"]);
        assert!(
            text.contains("vus = 7\n") && text.contains("http_version = \"http2\"\n"),
            "{text}"
        );
    }

    #[test]
    fn few_requests_have_few_connections() {
        assert!(toml(&["http://a/", "-n", "7"]).contains("requests = 7\nvus = 7\n"));
        assert!(toml(&["http://a/", "-n", "700"]).contains("requests = 700\nvus = 50\n"));
        assert!(!toml(&["http://a/", "-n", "7"]).contains("duration_seconds"));
    }

    #[test]
    fn keep_alive_of_ab_is_explained() {
        assert_eq!(of(&["http://a/", "-k"]).unwrap().notes.len(), 1);
        assert!(!toml(&["http://a/", "-k"]).contains("verify_cert"));
        assert_eq!(of(&["https://a/", "-k"]).unwrap().notes.len(), 0);
    }
}
