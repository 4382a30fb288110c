//! `proxy`: the HTTP proxy that connections of a target go through, as the scenario or the environment names
//! it. Knows no sockets; asks the environment through [`Files`].

use std::net::IpAddr;

use super::Files;
use super::base_url::{self, UrlFault};
use super::codes;
use super::diagnostic::quoted;
use super::reader::{Context, Section};
use crate::model::{BaseUrl, Host, HttpVersion, Scheme};
use crate::reach::{Proxy, ProxyServer};

/// The word that leaves it to the environment.
const ENVIRONMENT: &str = "environment";
/// What stands in the text of a scenario in place of a user name and password.
const MASK: &str = "***";

/// Reads `proxy` of a target.
pub(crate) fn proxy(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    files: &dyn Files,
    url: Option<&BaseUrl>,
    version: HttpVersion,
) -> Option<Proxy> {
    let text = section.text("proxy")?;
    check_place(cx, section, url, version);
    if text == ENVIRONMENT {
        let via = url.and_then(|url| from_environment(cx, section, files, url));
        return Some(Proxy { via });
    }
    match parse(text) {
        Ok(server) => {
            mask(cx, section, &server);
            Some(Proxy { via: Some(server) })
        }
        Err(fault) => {
            cx.error(
                codes::BAD_URL,
                section.span("proxy"),
                format!("the proxy {}", fault.0),
                fault.1,
            );
            None
        }
    }
}

/// The text that is kept of a scenario does not have the password.
fn mask(cx: &mut Context<'_>, section: &Section<'_>, server: &ProxyServer) {
    if let Some(span) = section.span("proxy").filter(|_| server.credentials.is_some()) {
        let shown = server.to_string().replacen("://", &format!("://{MASK}@"), 1);
        cx.masks.push((span, format!("\"{shown}\"")));
    }
}

/// What is wrong with a proxy, after "the proxy ", and what to do about it.
struct Fault(String, &'static str);

const HINT: &str =
    "write \"http://host:port\", \"http://user:password@host:port\" or \"environment\"";

fn parse(text: &str) -> Result<ProxyServer, Fault> {
    let of_url = |fault: UrlFault| match fault {
        UrlFault::Userinfo(_) => Fault(fault.message(), fault.hint()),
        _ => Fault(fault.message(), HINT),
    };
    let url = base_url::parse(text).map_err(of_url)?;
    if url.scheme != Scheme::Http || text.starts_with("unix:") {
        return Err(Fault("is no HTTP proxy that is spoken to in plain text".to_owned(), HINT));
    }
    if !url.path_prefix.is_empty() {
        return Err(Fault("has a path".to_owned(), HINT));
    }
    Ok(ProxyServer { host: url.host, port: url.port, credentials: url.credentials })
}

fn check_place(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: Option<&BaseUrl>,
    version: HttpVersion,
) {
    let is_unix = url.is_some_and(|url| url.text.starts_with("unix:"));
    let scheme = url.map(|url| url.scheme);
    let (message, hint) = if url.is_some_and(BaseUrl::is_builtin) || is_unix {
        ("a proxy does not lead to the built-in target or to a socket", "remove `proxy`")
    } else if section.has("connect_to") || section.has("resolve") {
        (
            "`proxy` cannot be combined with `connect_to` or `resolve`: the proxy finds the target",
            "keep one of them",
        )
    } else if scheme == Some(Scheme::Http) && version == HttpVersion::Http2PriorKnowledge {
        (
            "a proxy takes requests in plain text over HTTP/1.1 only",
            "write `http_version = \"http1.1\"`, or `https://` in `base_url`",
        )
    } else {
        return;
    };
    cx.error(codes::CONFLICT, section.key_span("proxy"), message, hint);
}

/// The proxy that the environment names for this target, by the names that curl, Go and Python read:
/// `https_proxy` or `http_proxy`, by the scheme of the target, and `no_proxy`; in small letters first.
fn from_environment(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    files: &dyn Files,
    url: &BaseUrl,
) -> Option<ProxyServer> {
    let names = match url.is_tls() {
        true => ["https_proxy", "HTTPS_PROXY"],
        false => ["http_proxy", "HTTP_PROXY"],
    };
    let (name, value) = variable(files, names)?;
    if let Some((_, exceptions)) = variable(files, ["no_proxy", "NO_PROXY"])
        && is_exempt(&exceptions, &url.host, url.port)
    {
        return None;
    }
    let text = if value.contains("://") { value } else { format!("http://{value}") };
    match parse(&text) {
        Ok(server) => Some(server),
        Err(Fault(message, _)) => {
            let message =
                format!("the proxy of the environment variable {} {message}", quoted(name));
            let hint = "set it to http://host:port, or name the proxy in the scenario";
            cx.error(codes::BAD_URL, section.span("proxy"), message, hint);
            None
        }
    }
}

fn variable(files: &dyn Files, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    let value = |name| files.environment(name).filter(|value| !value.is_empty());
    names.into_iter().find_map(|name| value(name).map(|value| (name, value)))
}

/// Whether `no_proxy` names this host: `*`, a name with all below it, an address, or a network
/// (`10.0.0.0/8`), each with a port if only that one is meant.
fn is_exempt(list: &str, host: &Host, port: u16) -> bool {
    let entries = list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
    entries.into_iter().any(|entry| entry == "*" || names(entry, host, port))
}

fn names(entry: &str, host: &Host, port: u16) -> bool {
    let address = match host {
        Host::Name(name) => return names_domain(entry, name, port),
        Host::V4(address) => IpAddr::V4(*address),
        Host::V6(address) => IpAddr::V6(*address),
    };
    if let Some((network, bits)) = entry.split_once('/') {
        let network = network.parse::<IpAddr>().ok().zip(bits.parse::<u32>().ok());
        return network.is_some_and(|(network, bits)| is_within(address, network, bits));
    }
    if let Ok(named) = entry.parse::<std::net::SocketAddr>() {
        return (named.ip(), named.port()) == (address, port);
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(|named| named == address)
}

fn names_domain(entry: &str, name: &str, port: u16) -> bool {
    let (domain, only) = match entry.rsplit_once(':') {
        Some((domain, only)) => (domain, only.parse::<u16>().ok()),
        None => (entry, Some(port)),
    };
    let plain = |text: &str| text.trim_matches('.').to_ascii_lowercase();
    let (domain, name) = (plain(domain.trim_start_matches('*')), plain(name));
    let is_below = name.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
    only == Some(port) && !domain.is_empty() && (name == domain || is_below)
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let is_same = |a: u128, b: u128, width: u32| {
        bits <= width && (bits == 0 || (a ^ b) >> (width - bits) == 0)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => is_same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => is_same(a.to_bits(), b.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scenario;

    /// A file system with nothing but an environment.
    struct Environment(&'static [(&'static str, &'static str)]);

    impl Files for Environment {
        fn read(&self, path: &str, _max_bytes: u64) -> Result<Vec<u8>, String> {
            Err(format!("no file {path}"))
        }
        fn environment(&self, name: &str) -> Option<String> {
            let found = self.0.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    fn load(
        url: &str,
        keys: &str,
        environment: &'static [(&'static str, &'static str)],
    ) -> Result<Scenario, String> {
        let text = format!(
            "runtime.iterations = 1\n[target]\nbase_url = '{url}'\n{keys}\n\
             [[requests]]\nname = 'r'\npath = '/'\n"
        );
        let loaded = Scenario::load(&text, &Environment(environment), &Default::default());
        loaded
            .map(|loaded| loaded.scenario)
            .map_err(|findings| findings.render("s.toml", &text, false))
    }

    fn via(url: &str, environment: &'static [(&'static str, &'static str)]) -> Option<String> {
        let scenario = load(url, "proxy = 'environment'", environment).unwrap();
        let proxy = scenario.targets[0].proxy.clone().expect("a proxy is asked for");
        proxy.via.map(|server| server.to_string())
    }

    #[test]
    fn the_environment_names_a_proxy_by_scheme() {
        const BOTH: &[(&str, &str)] = &[
            ("http_proxy", "one:81"),
            ("HTTPS_PROXY", "http://two:82/"),
            ("NO_PROXY", "no.example"),
        ];
        assert_eq!(via("http://h", BOTH).as_deref(), Some("http://one:81"));
        assert_eq!(via("https://h", BOTH).as_deref(), Some("http://two:82"));
        assert_eq!(via("https://no.example", BOTH), None);
        assert_eq!(via("http://h", &[("https_proxy", "x:1")]), None);
        assert_eq!(
            via("http://h", &[("http_proxy", ""), ("HTTP_PROXY", "x:1")]).as_deref(),
            Some("http://x:1")
        );
        let wrong = load("http://h", "proxy = 'environment'", &[("http_proxy", "socks5://x:1")]);
        let wrong = wrong.unwrap_err();
        assert!(wrong.contains("`http_proxy`") && wrong.contains("socks5"), "{wrong}");
    }

    #[test]
    fn exceptions_are_names_addresses_and_networks() {
        let name = |text: &str| Host::Name(text.to_owned());
        let four = |text: &str| Host::V4(text.parse().unwrap());
        let six = |text: &str| Host::V6(text.parse().unwrap());
        for (list, host, port, is) in [
            ("*", name("h"), 80, true),
            ("", name("h"), 80, false),
            ("a.example", name("a.example"), 80, true),
            ("a.example", name("b.a.Example"), 80, true),
            (".a.example", name("b.a.example."), 80, true),
            ("*.a.example", name("b.a.example"), 80, true),
            ("a.example", name("ba.example"), 80, false),
            ("x, a.example:81", name("a.example"), 81, true),
            ("a.example:81", name("a.example"), 80, false),
            ("10.0.0.0/8", four("10.9.8.7"), 80, true),
            ("10.0.0.0/8", four("11.0.0.1"), 80, false),
            ("10.0.0.0/99,0.0.0.0/0", four("11.0.0.1"), 80, true),
            ("127.0.0.1", four("127.0.0.1"), 80, true),
            ("127.0.0.1:8080", four("127.0.0.1"), 80, false),
            ("127.0.0.1:8080", four("127.0.0.1"), 8080, true),
            ("::1", six("::1"), 80, true),
            ("[::1]", six("::1"), 80, true),
            ("2001:db8::/32", six("2001:db8:1::"), 80, true),
            ("2001:db8::/32", six("2001:db9::"), 80, false),
            ("10.0.0.0/8", six("::1"), 80, false),
        ] {
            assert_eq!(is_exempt(list, &host, port), is, "{list} {host:?} {port}");
        }
    }

    #[test]
    fn a_proxy_is_a_host_and_port_and_its_password_leaves_the_text() {
        let scenario =
            load("https://h", "proxy = 'http://us%65r:p%40ss@[::1]:3128/' # mine", &[]).unwrap();
        let proxy = scenario.targets[0].proxy.clone().and_then(|proxy| proxy.via).unwrap();
        assert_eq!(proxy.to_string(), "http://[::1]:3128");
        let authorization = proxy.credentials.map(|c| c.authorization().to_owned());
        assert_eq!(authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert!(
            scenario.text.contains("proxy = \"http://***@[::1]:3128\" # mine"),
            "{}",
            scenario.text
        );
        let again = Scenario::from_toml(&scenario.text).unwrap();
        assert_eq!(again.text, scenario.text, "what is masked stays as it is");
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for (url, keys, words) in [
            ("http://h", "proxy = 'h:1'", "has no scheme"),
            ("http://h", "proxy = 'https://h:1'", "no HTTP proxy"),
            ("http://h", "proxy = 'unix:/p'", "no HTTP proxy"),
            ("http://h", "proxy = 'builtin'", "no HTTP proxy"),
            ("http://h", "proxy = 'http://h:1/path'", "has a path"),
            ("http://h", "proxy = 'http://a@b@h:1'", "more than one `@`"),
            ("builtin", "proxy = 'http://h:1'", "built-in"),
            ("unix:/s", "proxy = 'http://h:1'", "socket"),
            ("http://h", "proxy = 'http://h:1'\nconnect_to = 'x'", "cannot be combined"),
            (
                "http://h",
                "proxy = 'http://h:1'\nhttp_version = 'http2-prior-knowledge'",
                "plain text",
            ),
        ] {
            let error = load(url, keys, &[]).unwrap_err();
            assert!(error.contains(words), "{keys}: {error}");
        }
    }
}
