//! A request that was tried, as a command for curl: what is sent, and where it goes.

use std::fmt::Write as _;
use std::path::Path;

use z6::TrialSent as Sent;
use z6_events::printable;
use z6_scenario::{ConnectTo, Host, Target};

use super::trial::split;

/// Bytes of a body that a shell is given as an argument; Linux takes 128 KiB, and each may take four.
const ARGUMENT_BYTES_MAX: usize = 30_000;

/// What curl asks the environment for; a scenario does that only if it says so.
const PROXY_VARIABLES: [&str; 5] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Options for connections as a target has them, each with a space before it. Files are in `folder`, and what is
/// secret of a proxy is hidden if asked to.
pub(super) fn connection(target: &Target, folder: &Path, origin: &str, hides: bool) -> String {
    let mut options = String::new();
    let mut add = |option: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = write!(options, " {option} {}", quoted(value.as_bytes()));
    };
    match &target.connect_to {
        ConnectTo::BaseUrl => {}
        ConnectTo::Addresses(all) => {
            let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
            let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
            let port = format!(":{}", target.base_url.port);
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            let name = if has_port { authority.to_owned() } else { authority.to_owned() + &port };
            add("--resolve", &format!("{name}:{}", all.join(",")));
        }
        ConnectTo::Host { host, port } => {
            let host = match host {
                Host::Name(name) => name.clone(),
                Host::V4(address) => address.to_string(),
                Host::V6(address) => format!("[{address}]"),
            };
            add("--connect-to", &format!("::{host}:{port}"));
        }
        ConnectTo::Unix(path) => add("--unix-socket", path),
    }
    if let Some(proxy) = target.via() {
        add("-x", &proxy.to_string());
        // Without a tunnel the field is among those of the request.
        if let Some(credentials) = proxy.credentials.as_ref().filter(|_| target.is_tls()) {
            let shown = if hides { "\u{2039}proxy\u{203a}" } else { credentials.authorization() };
            add("--proxy-header", &format!("Proxy-Authorization: {shown}"));
        }
    } else if PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some()) {
        add("--noproxy", "*");
    }
    if let Some(address) = target.source_addresses.first() {
        add("--interface", &address.to_string());
    }
    if !target.is_tls() {
        return options;
    }
    let tls = &target.tls;
    let files =
        [("--cacert", &tls.ca_bundle), ("--cert", &tls.client_cert), ("--key", &tls.client_key)];
    for (option, file) in files {
        if let Some(file) = file {
            add(option, &folder.join(file).to_string_lossy());
        }
    }
    if !tls.verify_cert {
        options.push_str(" -k");
    }
    options
}

/// The request as a line for a shell, with these options for its connection.
pub(super) fn command(sent: &Sent, connection: &str) -> String {
    let (head, body) = split(&sent.bytes);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    // An argument is no place for NUL, nor for much.
    let is_piped = body.contains(&0) || body.len() > ARGUMENT_BYTES_MAX;
    let mut line = if is_piped {
        format!("printf -- {} | curl -i", printed(body))
    } else {
        "curl -i".to_owned()
    };
    line.push_str(connection);
    let is_plain = sent.origin.starts_with("http:");
    match (first.next(), is_plain) {
        (Some("HTTP/2"), true) => line.push_str(" --http2-prior-knowledge"),
        (Some("HTTP/2"), false) => line.push_str(" --http2"),
        (_, true) => {}
        (_, false) => line.push_str(" --http1.1"),
    }
    let fields = lines.filter(|line| !line.is_empty());
    let fields = fields.map(|field| (field, field.split_once(':').unwrap_or((field, ""))));
    let has = |other: &str| fields.clone().any(|(_, (name, _))| name.eq_ignore_ascii_case(other));
    let has_body = !body.is_empty() || has("Content-Length") && method != "HEAD";
    match (method, has_body) {
        ("HEAD", _) => line.push_str(" --head"),
        ("GET", false) => {}
        _ => line += &format!(" -X {}", quoted(method.as_bytes())),
    }
    let authority = sent.origin.split_once("://").map_or("", |(_, authority)| authority);
    for (field, (name, value)) in fields.clone() {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        // curl finds these by itself.
        let is_own = ["Content-Length", "Transfer-Encoding", "Connection"].into_iter().any(is)
            || (is("Host") && value.trim() == authority);
        if !is_own {
            // With a colon it would remove the field.
            let word = if value.trim().is_empty() { format!("{name};") } else { field.to_owned() };
            line += &format!(" -H {}", quoted(word.as_bytes()));
        }
    }
    if has_body && !has("Content-Type") {
        line.push_str(" -H 'Content-Type:'");
    }
    match body {
        _ if is_piped => line.push_str(" --data-binary @-"),
        [] if has_body => line.push_str(" --data-binary ''"),
        [] => {}
        // Otherwise it would be the name of a file.
        [b'@', ..] => line += &format!(" --data-raw {}", quoted(body)),
        _ => line += &format!(" --data-binary {}", quoted(body)),
    }
    if target.contains("/.") {
        line.push_str(" --path-as-is");
    }
    if target.contains(['[', ']', '{', '}']) {
        line.push_str(" --globoff");
    }
    if target == "*" {
        return line + " --request-target '*' " + &quoted(format!("{}/", sent.origin).as_bytes());
    }
    // What goes to a proxy is a whole URL.
    let origin = if target.starts_with('/') { &*sent.origin } else { "" };
    line + " " + &quoted(format!("{origin}{target}").as_bytes())
}

/// What `printf` of a shell prints as these bytes.
fn printed(bytes: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b'\'' => "'\\''".to_owned(),
        b'%' => "%%".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    format!("'{}'", bytes.iter().map(byte).collect::<String>())
}

/// A word for a POSIX shell, or for bash if it is not printable text.
fn quoted(word: &[u8]) -> String {
    let text = std::str::from_utf8(word).ok().filter(|text| printable(text) == *text);
    match text {
        Some(text) => format!("'{}'", text.replace('\'', "'\\''")),
        None => {
            let byte = |byte: &u8| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", word.iter().map(byte).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted(b"a b"), "'a b'");
        assert_eq!(quoted(b"it's"), "'it'\\''s'");
        assert_eq!(quoted("ü".as_bytes()), "'ü'");
        assert_eq!(quoted(b"a\n'\\\xff"), "$'a\\x0a\\'\\\\\\xff'");
    }

    #[test]
    fn commands_for_curl_send_what_was_sent() {
        let line = |request: &str| {
            let place = z6::TrialPlace {
                phase: z6_events::Phase::Main,
                step: z6_events::Step(0),
                region: z6_scenario::Region::Iteration(0),
                request: z6_events::RequestId(0),
                redirects: 0,
            };
            let (origin, bytes) = ("http://shop.example".to_owned(), request.as_bytes().to_vec());
            command(&Sent { place, target: z6_events::TargetId(0), origin, bytes }, "")
        };
        for (request, expected) in [
            ("GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n", "curl -i 'http://shop.example/a'"),
            (
                "GET http://shop.example/ HTTP/1.1\r\nHost: shop.example\r\n\r\n",
                "curl -i 'http://shop.example/'",
            ),
            (
                "POST / HTTP/1.1\r\nHost: other\r\nE: \r\n\r\n@x",
                "curl -i -X 'POST' -H 'Host: other' -H 'E;' -H 'Content-Type:' --data-raw '@x' \
                 'http://shop.example/'",
            ),
            (
                "OPTIONS * HTTP/1.1\r\n\r\n",
                "curl -i -X 'OPTIONS' --request-target '*' 'http://shop.example/'",
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
                "curl -i -X 'POST' -H 'Content-Type:' --data-binary '' 'http://shop.example/'",
            ),
            (
                "POST / HTTP/1.1\r\nContent-Type: a\r\n\r\na\0'%\\",
                "printf -- 'a\\000'\\''%%\\\\' | curl -i -X 'POST' -H 'Content-Type: a' --data-binary @- \
                 'http://shop.example/'",
            ),
            (
                "GET / HTTP/1.1\r\nContent-Type: a\r\nContent-Length: 0\r\n\r\n",
                "curl -i -X 'GET' -H 'Content-Type: a' --data-binary '' 'http://shop.example/'",
            ),
            (
                "GET /a/../{b} HTTP/1.1\r\n\r\n",
                "curl -i --path-as-is --globoff 'http://shop.example/a/../{b}'",
            ),
        ] {
            assert_eq!(line(request), expected);
        }
    }

    #[test]
    fn connections_are_those_of_the_target() {
        let options = |target: &str, origin: &str| {
            let text = format!(
                "runtime.iterations = 1\n[target]\n{target}\n[[requests]]\nname = 'a'\npath = '/'\n"
            );
            let scenario = z6::Scenario::from_toml(&text).unwrap();
            connection(scenario.target(z6_events::TargetId(0)), Path::new("d"), origin, true)
        };
        for (target, origin, expected) in [
            ("base_url = 'http://a.example'", "http://a.example", ""),
            (
                "base_url = 'http://a.example/x'\nconnect_to = '[::1]:81'",
                "http://a.example",
                " --connect-to '::[::1]:81'",
            ),
            (
                "base_url = 'https://a.example'\nresolve = ['127.0.0.1', '::1']\nverify_cert = false",
                "https://a.example",
                " --resolve 'a.example:443:127.0.0.1,::1' -k",
            ),
            (
                "base_url = 'http://a.example:81'\nproxy = 'http://u:p@127.0.0.1:3128'",
                "http://a.example:81",
                " -x 'http://127.0.0.1:3128'",
            ),
            (
                "base_url = 'https://a.example'\nproxy = 'http://u:p@127.0.0.1:3128'\nca_bundle = 'ca.pem'",
                "https://a.example",
                " -x 'http://127.0.0.1:3128' --proxy-header 'Proxy-Authorization: \u{2039}proxy\u{203a}' \
                 --cacert 'd/ca.pem'",
            ),
            ("base_url = 'unix:/run/a.sock'", "http://localhost", " --unix-socket '/run/a.sock'"),
        ] {
            assert_eq!(options(target, origin), expected, "{target}");
        }
    }
}
