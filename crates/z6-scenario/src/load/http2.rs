//! `http_version` and `[target.http2]`, and the header fields that HTTP/2 does not have.

use z6_events::TargetId;

use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::reader::{At, Context, Section};
use super::value::Pair;
use crate::model::{
    BaseUrl, ConnectionReuse, Http2Settings, HttpVersion, Placement, RunModel, Scheme, Target,
};

const FLAG: &str = "--http-version";

/// Reads both. `replaced`: the version of the command line.
pub(crate) fn http2(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: Option<&BaseUrl>,
    (model, reuse): (Option<RunModel>, ConnectionReuse),
    replaced: Option<HttpVersion>,
) -> (HttpVersion, Http2Settings) {
    let written = section.text("http_version").and_then(HttpVersion::from_word);
    let version = replaced.or(written).unwrap_or_default();
    let at = if replaced.is_some() { At::Flag(FLAG) } else { section.at("http_version") };
    if let Some(url) = url {
        check_scheme(cx, &at, version, url.scheme);
    }
    let is_out_of_place = version == HttpVersion::Http1 && replaced.is_none();
    if is_out_of_place && section.has("http2") && !section.is_bad("http_version") {
        let message = "`http2` says how HTTP/2 is used, and `http_version` is `http1.1`";
        let hint = "write `http_version = \"http2\"`, \"http2-prior-knowledge\" or \"auto\", or \
                    remove `http2`";
        cx.error(codes::CONFLICT, section.key_span("http2"), message, hint);
    }
    let section = section.section(cx, "http2");
    if version != HttpVersion::Http1 {
        check_reuse(cx, &section, reuse);
    }
    (version, settings(&section, model))
}

fn check_scheme(cx: &mut Context<'_>, at: &At, version: HttpVersion, scheme: Scheme) {
    if version != HttpVersion::Http2 {
        return;
    }
    if scheme == Scheme::Http {
        let message = "`http2` is agreed on in the TLS handshake, and the base URL is http";
        let hint = "write \"http2-prior-knowledge\" for HTTP/2 in plain text, or `https://` in \
                    `base_url`";
        cx.fault(at, codes::CONFLICT, message, hint);
    }
    if scheme == Scheme::Builtin {
        let message = "`http2` is agreed on in the TLS handshake, and the built-in target is asked \
                       without TLS";
        let hint = "write `tls = true`, or \"http2-prior-knowledge\" for HTTP/2 in plain text";
        cx.fault(at, codes::CONFLICT, message, hint);
    }
}

fn settings(section: &Section<'_>, model: Option<RunModel>) -> Http2Settings {
    let number = |name| section.number_u32(name).unwrap_or(0);
    let placement = match (section.text("placement"), model) {
        (Some("fill"), _) | (None, Some(RunModel::Open)) => Placement::Fill,
        _ => Placement::Spread,
    };
    Http2Settings {
        streams: number("streams"),
        placement,
        resend_refused: u8::try_from(number("resend_refused")).unwrap_or(u8::MAX),
        stream_window_bytes: number("stream_window_bytes"),
        connection_window_bytes: number("connection_window_bytes"),
        header_table_bytes: number("header_table_bytes"),
        index_headers: section.flag("index_headers").unwrap_or(true),
    }
}

/// Several streams are of use only where several VUs or arrivals share connections.
fn check_reuse(cx: &mut Context<'_>, section: &Section<'_>, reuse: ConnectionReuse) {
    let is_alone = matches!(reuse, ConnectionReuse::PerVu | ConnectionReuse::Iteration);
    if is_alone && section.written("streams").is_some_and(|streams| streams > 1) {
        let message = "`streams` has no effect: each VU keeps its own connection and has one \
                       request at a time";
        let warning = Diagnostic::warning(codes::NO_EFFECT, section.key_span("streams"), message);
        cx.findings.push(warning.hint("write `connection_reuse = \"shared\"`"));
    }
}

/// Reports the header fields of a request that it cannot be sent with, or not to all its targets
/// (RFC 9113 section 8.2.2).
pub(crate) fn check_headers(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    targets: &[Target],
    named: Option<TargetId>,
) {
    let own = named.and_then(|id| targets.get(id.index()));
    let candidates = || own.map_or(targets, std::slice::from_ref).iter();
    let Some(target) = candidates().find(|target| target.may_speak_http2()) else { return };
    let only = candidates().find(|target| target.may_speak_http2() && !target.may_speak_http1());
    for pair in section.pairs("headers") {
        let Some(fault) = fault(pair) else { continue };
        match only {
            Some(target) => {
                let message =
                    format!("header {} {fault}, and {} speaks it", pair.name, quoted(&target.name));
                let hint =
                    "remove it (RFC 9113 section 8.2.2), or write `http_version = \"http1.1\"`";
                cx.error(codes::BAD_HEADER, pair.name_span.clone(), message, hint);
            }
            None => {
                let message = format!(
                    "header {} {fault}: it is left out where {} speaks HTTP/2",
                    pair.name,
                    quoted(&target.name)
                );
                let span = pair.name_span.clone();
                let warning = Diagnostic::warning(codes::NO_EFFECT, span, message);
                cx.findings.push(warning.hint("remove it, or write `http_version = \"http1.1\"`"));
            }
        }
    }
}

/// Why HTTP/2 has no such field, if it has none.
fn fault(pair: &Pair<'_>) -> Option<&'static str> {
    const OF_A_CONNECTION: [&str; 4] = ["connection", "keep-alive", "proxy-connection", "upgrade"];
    if OF_A_CONNECTION.iter().any(|name| pair.name.eq_ignore_ascii_case(name)) {
        return Some("does not exist in HTTP/2");
    }
    let is_other_te =
        pair.name.eq_ignore_ascii_case("te") && !pair.value.trim().eq_ignore_ascii_case("trailers");
    is_other_te.then_some("can only be \"trailers\" in HTTP/2")
}
