//! `connect_to` and `resolve`: where connections go instead of the base URL's host and port.

use std::net::IpAddr;

use super::base_url::{parse_authority, unix_path};
use super::codes;
use super::diagnostic::quoted;
use super::limits::MAX_RESOLVE_ADDRESSES;
use super::reader::{Context, Section};
use crate::model::{BaseUrl, Host};
use crate::reach::ConnectTo;

/// Reads `connect_to` and `resolve` of a target.
pub(crate) fn connect_to(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: Option<&BaseUrl>,
) -> ConnectTo {
    let of_url = url.and_then(|url| unix_path(&url.text)).and_then(Result::ok);
    let key = ["connect_to", "resolve"].into_iter().find(|key| section.has(key));
    if let Some(key) = key {
        check_place(cx, section, url, of_url.is_some(), key);
    }
    if let Some(path) = of_url {
        return ConnectTo::Unix(path.to_owned());
    }
    if let Some(text) = section.text("connect_to") {
        return place(cx, section, url, text);
    }
    let addresses = addresses(cx, section);
    if addresses.is_empty() { ConnectTo::BaseUrl } else { ConnectTo::Addresses(addresses) }
}

/// Reports what says twice, or against another key, where connections go.
fn check_place(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: Option<&BaseUrl>,
    is_unix_url: bool,
    key: &'static str,
) {
    let is_builtin = url.is_some_and(BaseUrl::is_builtin);
    let is_literal = url.is_some_and(|url| !matches!(url.host, Host::Name(_)));
    let (message, hint) = if section.has("connect_to") && section.has("resolve") {
        ("`connect_to` and `resolve` cannot be combined", "keep one")
    } else if is_builtin {
        ("the built-in target is where it is", "remove the key, or write another `base_url`")
    } else if is_unix_url {
        ("the base URL is a socket already", "remove the key, or write `http://` in `base_url`")
    } else if key == "resolve" && is_literal {
        ("`resolve` needs a host name in `base_url`", "write `connect_to` instead")
    } else {
        return;
    };
    cx.error(codes::CONFLICT, section.key_span(key), message, hint);
}

fn place(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: Option<&BaseUrl>,
    text: &str,
) -> ConnectTo {
    let parsed = match unix_path(text) {
        Some(path) => path.map(|path| ConnectTo::Unix(path.to_owned())),
        None => {
            let default_port = url.map_or(80, |url| url.port);
            parse_authority(text, default_port).map(|(host, port)| ConnectTo::Host { host, port })
        }
    };
    parsed.unwrap_or_else(|fault| {
        let message = format!("`connect_to` {}", fault.message());
        let hint = "write `host`, `host:port`, `[::1]:8080` or `unix:/path`";
        cx.error(codes::BAD_ADDRESS, section.span("connect_to"), message, hint);
        ConnectTo::BaseUrl
    })
}

fn addresses(cx: &mut Context<'_>, section: &Section<'_>) -> Vec<IpAddr> {
    let texts = section.texts("resolve");
    if section.has("resolve") && !section.is_bad("resolve") && texts.is_empty() {
        let hint = "write at least one, such as \"192.0.2.7\", or remove the key";
        cx.error(codes::MISSING_KEY, section.span("resolve"), "`resolve` has no address", hint);
    }
    if texts.len() > MAX_RESOLVE_ADDRESSES {
        let message = format!("`resolve` has more than {MAX_RESOLVE_ADDRESSES} entries");
        cx.error(codes::TOO_MANY, section.span("resolve"), message, "name fewer");
    }
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (text, span) in texts.iter().take(MAX_RESOLVE_ADDRESSES) {
        let fault = match text.parse::<IpAddr>() {
            Err(_) => "is not an IP address",
            Ok(address) if addresses.contains(&address) => "is given twice",
            Ok(address) => {
                addresses.push(address);
                continue;
            }
        };
        let message = format!("address {} {fault}", quoted(text));
        let hint = "write addresses such as \"192.0.2.7\" or \"2001:db8::7\"";
        cx.error(codes::BAD_ADDRESS, span.clone(), message, hint);
    }
    addresses
}
