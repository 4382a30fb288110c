//! `[target]` and `[[targets]]`: where requests go and how connections are kept.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Files;
use super::auth::AuthSection;
use super::base_url::{self, is_host_name};
use super::codes;
use super::connect_to::connect_to;
use super::diagnostic::{Diagnostic, quoted};
use super::fields::is_token;
use super::http2;
use super::limits::{MAX_SOURCE_ADDRESSES, MAX_TARGETS, defaults};
use super::names::check_name;
use super::overrides::Overrides;
use super::proxy::proxy;
use super::reader::{At, Context, Section};
use crate::model::{
    BaseUrl, ConnectionReuse, Host, HttpVersion, MICRO, RunModel, Scheme, Target, TlsSettings,
};
use crate::reach::ConnectTo;

/// What connections depend on of the schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) model: RunModel,
    /// The most VUs alive at once, of each population at its own peak; 0 without VUs.
    pub(crate) peak_vus: u32,
}

/// Reads `[target]` or `[[targets]]`. `load`: none if the schedule is not known.
///
/// Returns with each how it asks for `auth`, if it does.
pub(crate) fn targets<'a>(
    cx: &mut Context<'_>,
    root: &Section<'a>,
    load: Option<&(Load, At)>,
    overrides: &Overrides,
    files: &dyn Files,
) -> (Vec<Target>, Vec<Option<AuthSection<'a>>>) {
    let (one, several) = (root.has("target"), root.has("targets"));
    if one && several {
        let hint = "keep `[target]` for one target, `[[targets]]` for several";
        let message = "`[target]` and `[[targets]]` cannot be combined";
        cx.error(codes::CONFLICT, root.key_span("targets"), message, hint);
    }
    if !one && !several {
        let finding = Diagnostic::error(codes::MISSING_KEY, None, "there is no `[target]`");
        let hint = "write `[target]` with `base_url = \"http://localhost:8080\"`";
        cx.findings.push(finding.hint(hint));
    }
    if several && overrides.target.is_some() {
        let message = "does not fit a scenario with `[[targets]]`";
        let hint = "it replaces the `base_url` of the one `[target]`";
        cx.fault(&At::Flag("--target"), codes::OVERRIDE, message, hint);
    }
    let (mut targets, mut auths) = (Vec::new(), Vec::new());
    if one {
        let section = root.section(cx, "target");
        let replaced = overrides.target.as_deref().filter(|_| !several);
        targets.push(target(cx, &section, load, (replaced, overrides.http_version), files));
        auths.push(AuthSection::open(cx, &section));
    }
    if several {
        list(cx, root, load, (overrides.http_version, files), (&mut targets, &mut auths));
    }
    (targets, auths)
}

fn list<'a>(
    cx: &mut Context<'_>,
    root: &Section<'a>,
    load: Option<&(Load, At)>,
    (version, files): (Option<HttpVersion>, &dyn Files),
    (targets, auths): (&mut Vec<Target>, &mut Vec<Option<AuthSection<'a>>>),
) {
    let sections = root.sections(cx, "targets", MAX_TARGETS);
    if sections.is_empty() {
        let message = "`[[targets]]` has no entry";
        cx.error(codes::MISSING_KEY, root.span("targets"), message, "write at least one");
    }
    let mut names = BTreeMap::new();
    for section in &sections {
        check_name(cx, section, &mut names, "target");
        let mut target = target(cx, section, load, (None, version), files);
        target.name = section.owned("name").unwrap_or_default();
        target.weight_micro = section.number("weight").unwrap_or(MICRO);
        targets.push(target);
        auths.push(AuthSection::open(cx, section));
    }
}

fn target(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    load: Option<&(Load, At)>,
    (replaced, version): (Option<&str>, Option<HttpVersion>),
    files: &dyn Files,
) -> Target {
    let (mut base_url, url_at) = url(cx, section, replaced);
    if let Some(url) = base_url.as_mut().filter(|url| url.scheme == Scheme::Builtin)
        && section.flag("tls") == Some(true)
    {
        url.scheme = Scheme::BuiltinTls;
    }
    let tls = tls(cx, section, base_url.as_ref(), &url_at);
    let connect_to = connect_to(cx, section, base_url.as_ref());
    let source_addresses = source_addresses(cx, section, base_url.as_ref(), &connect_to);
    let connection_reuse = reuse(cx, section, load);
    let model = load.map(|(load, _)| load.model);
    let (http_version, http2) =
        http2::http2(cx, section, base_url.as_ref(), (model, connection_reuse), version);
    let streams = match (http_version, connection_reuse) {
        (HttpVersion::Http2 | HttpVersion::Http2PriorKnowledge, ConnectionReuse::Shared) => {
            http2.streams
        }
        _ => 1,
    };
    let proxy = proxy(cx, section, files, base_url.as_ref(), http_version);
    let number = |name| section.number(name).unwrap_or(0);
    Target {
        name: "target".to_owned(),
        base_url: base_url.unwrap_or_else(placeholder),
        connect_to,
        proxy,
        weight_micro: MICRO,
        tls,
        max_connections: max_connections(cx, section, load, connection_reuse, streams),
        http_version,
        http2,
        connection_reuse,
        connection_timeout_ns: number("connection_timeout_ms"),
        tls_timeout_ns: number("tls_timeout_ms"),
        dns_timeout_ns: number("dns_timeout_ms"),
        idle_timeout_ns: number("idle_timeout_ms"),
        max_requests_per_connection: section.written("max_requests_per_connection"),
        max_connection_age_ns: section.written("max_connection_age_ms"),
        retry_stale: section.flag("retry_stale").unwrap_or(false),
        reconnect_delay_ns: number("reconnect_delay_ms"),
        source_addresses,
        request_id_header: request_id_header(cx, section),
    }
}

/// Placeholder if a base URL was rejected; never leaves this module's caller.
fn placeholder() -> BaseUrl {
    BaseUrl {
        scheme: Scheme::Http,
        host: Host::Name(String::new()),
        port: 80,
        path_prefix: String::new(),
        credentials: None,
        text: String::new(),
    }
}

fn url(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    replaced: Option<&str>,
) -> (Option<BaseUrl>, At) {
    let mut url = None;
    if let Some(text) = section.text("base_url") {
        match base_url::parse(text) {
            Ok(parsed) => url = Some(parsed),
            Err(fault) => {
                let message = format!("the base URL {}", fault.message());
                cx.error(codes::BAD_URL, section.span("base_url"), message, fault.hint());
            }
        }
    }
    let Some(text) = replaced else {
        return (url, section.at("base_url"));
    };
    let at = At::Flag("--target");
    match base_url::parse(text) {
        Ok(parsed) => (Some(parsed), at),
        Err(fault) => {
            let message = format!("the base URL {}", fault.message());
            cx.fault(&at, codes::OVERRIDE, message, fault.hint());
            (None, at)
        }
    }
}

const TLS_KEYS: [&str; 6] =
    ["ca_bundle", "client_cert", "client_key", "server_name", "verify_cert", "tls_resumption"];

fn tls(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: Option<&BaseUrl>,
    url_at: &At,
) -> TlsSettings {
    if let Some(url) = url {
        check_tls_scheme(cx, section, url, url_at);
    }
    for name in &TLS_KEYS[..4] {
        let text = section.text(name);
        if text.is_some_and(|text| text.is_empty() || text.chars().any(char::is_control)) {
            let message = format!("{} is empty or has a control character", quoted(name));
            cx.error(codes::BAD_TLS, section.span(name), message, "name a file, or remove the key");
        }
    }
    for (name, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if section.has(name) && !section.has(other) {
            let message = format!("{} needs {}", quoted(name), quoted(other));
            cx.error(codes::BAD_TLS, section.span(name), message, "write both or neither");
        }
    }
    check_trust(cx, section);
    let server_name = section.owned("server_name");
    if let Some(name) = server_name.as_deref().filter(|name| !name.is_empty())
        && !is_host_name(name)
        && name.parse::<IpAddr>().is_err()
    {
        let message = format!("{} is not a host name", quoted(name));
        let hint = "write the name the certificate is for";
        cx.error(codes::BAD_TLS, section.span("server_name"), message, hint);
    }
    TlsSettings {
        verify_cert: section.flag("verify_cert").unwrap_or(true),
        ca_bundle: section.owned("ca_bundle"),
        client_cert: section.owned("client_cert"),
        client_key: section.owned("client_key"),
        server_name,
        resumption: section.flag("tls_resumption").unwrap_or(true),
    }
}

/// Roots to trust are of no use if nothing is verified.
fn check_trust(cx: &mut Context<'_>, section: &Section<'_>) {
    if section.flag("verify_cert") == Some(false) && section.has("ca_bundle") {
        let message = "`ca_bundle` has no effect with `verify_cert = false`";
        let warning = Diagnostic::warning(codes::NO_EFFECT, section.key_span("ca_bundle"), message);
        cx.findings.push(warning.hint("remove one of them"));
    }
}

/// `tls` says what the scheme says, except that it alone decides for the built-in target; TLS settings are of use with https only.
fn check_tls_scheme(cx: &mut Context<'_>, section: &Section<'_>, url: &BaseUrl, url_at: &At) {
    let secure = url.is_tls();
    if let Some(wanted) = section.flag("tls").filter(|wanted| *wanted != secure) {
        let scheme = match url.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Builtin | Scheme::BuiltinTls => "builtin",
        };
        let at = match url_at {
            At::Flag(flag) => At::Flag(flag),
            At::File(_) => section.at("tls"),
        };
        let message = format!("`tls` is {wanted}, but the base URL is {scheme}");
        cx.fault(
            &at,
            codes::CONFLICT,
            message,
            "the scheme decides: remove `tls`, or make them agree",
        );
    }
    for name in TLS_KEYS.iter().filter(|name| !secure && section.has(name)) {
        let message = format!("{} has no effect without https", quoted(name));
        let warning = Diagnostic::warning(codes::NO_EFFECT, section.key_span(name), message);
        cx.findings.push(warning.hint("remove it, or write `https://` in `base_url`"));
    }
}

fn source_addresses(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: Option<&BaseUrl>,
    connect_to: &ConnectTo,
) -> Vec<IpAddr> {
    let texts = section.texts("source_addresses");
    if section.has("source_addresses") && matches!(connect_to, ConnectTo::Unix(_)) {
        let message = "`source_addresses` have no meaning for a socket of the file system";
        cx.error(codes::CONFLICT, section.key_span("source_addresses"), message, "remove them");
    }
    if texts.len() > MAX_SOURCE_ADDRESSES {
        let message = format!("`source_addresses` has more than {MAX_SOURCE_ADDRESSES} entries");
        cx.error(codes::TOO_MANY, section.span("source_addresses"), message, "name fewer");
    }
    let fits = |address: &IpAddr| match (connect_to, url.map(|url| &url.host)) {
        (ConnectTo::Host { host: Host::V4(_), .. }, _)
        | (ConnectTo::BaseUrl, Some(Host::V4(_))) => address.is_ipv4(),
        (ConnectTo::Host { host: Host::V6(_), .. }, _)
        | (ConnectTo::BaseUrl, Some(Host::V6(_))) => address.is_ipv6(),
        (ConnectTo::Addresses(all), _) => all.iter().all(|to| to.is_ipv4() == address.is_ipv4()),
        (ConnectTo::Host { host: Host::Name(_), .. } | ConnectTo::Unix(_), _)
        | (ConnectTo::BaseUrl, Some(Host::Name(_)) | None) => true,
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (text, span) in texts.iter().take(MAX_SOURCE_ADDRESSES) {
        let fault = match text.parse::<IpAddr>() {
            Err(_) => "is not an IP address",
            Ok(address) if address.is_unspecified() || address.is_multicast() => {
                "is not an address of this machine"
            }
            Ok(address) if addresses.contains(&address) => "is given twice",
            Ok(address) if !fits(&address) => "is not of the same address family as the target",
            Ok(address) => {
                addresses.push(address);
                continue;
            }
        };
        let message = format!("source address {} {fault}", quoted(text));
        let hint = "write addresses of this machine, such as \"192.0.2.7\" or \"2001:db8::7\"";
        cx.error(codes::BAD_ADDRESS, span.clone(), message, hint);
    }
    addresses
}

fn reuse(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    load: Option<&(Load, At)>,
) -> ConnectionReuse {
    let open = load.is_some_and(|(load, _)| load.model.has_arrivals());
    let reuse = match section.text("connection_reuse") {
        Some("per_vu") => ConnectionReuse::PerVu,
        Some("shared") => ConnectionReuse::Shared,
        Some("iteration") => ConnectionReuse::Iteration,
        Some("none") => ConnectionReuse::None,
        _ if open => ConnectionReuse::Shared,
        _ => ConnectionReuse::PerVu,
    };
    if open && reuse == ConnectionReuse::PerVu {
        let message = "`per_vu` needs VUs, and this schedule has arrivals";
        let hint = "write \"shared\", \"iteration\" or \"none\"";
        cx.error(codes::CONFLICT, section.span("connection_reuse"), message, hint);
    }
    reuse
}

fn max_connections(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    load: Option<&(Load, At)>,
    reuse: ConnectionReuse,
    streams: u32,
) -> u32 {
    let written = section.number_u32("max_connections");
    let Some((load, load_at)) = load else {
        return written.unwrap_or(1);
    };
    let default = match load.model {
        RunModel::Closed => load.peak_vus.max(1).div_ceil(streams),
        RunModel::Open => defaults::OPEN_MAX_CONNECTIONS,
        RunModel::Mixed => {
            let vus = load.peak_vus.div_ceil(streams);
            vus.saturating_add(defaults::OPEN_MAX_CONNECTIONS)
        }
    };
    let Some(most) = written else {
        return default;
    };
    if load.model == RunModel::Closed && reuse == ConnectionReuse::PerVu && most < default {
        let message = format!(
            "`max_connections` is {most}, but {default} VUs each keep a connection of their own"
        );
        let hint = format!(
            "write `connection_reuse = \"shared\"`, or `max_connections = {default}` or more"
        );
        let at = match load_at {
            At::Flag(flag) => At::Flag(flag),
            At::File(_) => section.at("max_connections"),
        };
        cx.fault(&at, codes::CONNECTIONS, message, hint);
    }
    most
}

fn request_id_header(cx: &mut Context<'_>, section: &Section<'_>) -> Option<String> {
    let name = section.text("request_id_header")?;
    let fault = if !is_token(name) {
        "is not a header name"
    } else if z6_http::is_reserved_field(name) {
        "has a special meaning"
    } else {
        return Some(name.to_owned());
    };
    let message = format!("`request_id_header` {} {fault}", quoted(name));
    let hint = "write a name of your own, such as \"Z6-Id\"";
    cx.error(codes::BAD_HEADER, section.span("request_id_header"), message, hint);
    None
}
