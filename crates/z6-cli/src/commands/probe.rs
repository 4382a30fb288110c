//! `z6 probe`: one request, and every frame or line that is sent and received.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use z6_events::{CloseCause, TlsNegotiated, printable};
use z6_metrics::report::units::{count, duration};
use z6_proto_http2::frame::{FrameHeader, FrameKind, flag};
use z6_proto_http2::{Trace, Traced, setting_name};
use z6_scenario::{RequestBuilder, Scenario, TargetBuilder};
use z6_vu::reactor::trial::{Outcome, ProbeSpec, Probed, probe};
use z6_vu::session::Given;

use crate::args::ProbeArgs;
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::one_liner::Url;

/// Bytes of content that are shown of each direction unless `--whole` is given.
const CONTENT_BYTES_SHOWN: usize = 4096;
/// Bytes of lines about the frames of each direction that are shown unless `--whole` is given.
const LINE_BYTES_SHOWN: usize = 64 << 10;
/// Bytes of a line of content.
const LINE_BYTES: usize = 64;
/// Fields whose values are shown only with `--show-secrets`.
const SECRET_FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// How long the connection stays open after the exchange.
const STAY_NS: u64 = 200_000_000;

pub(super) fn probe_url(args: &ProbeArgs) -> anyhow::Result<Exit> {
    let scenario = scenario(args)?;
    let spec = ProbeSpec {
        scenario: Arc::new(scenario),
        given: Given::default(),
        folder: ".".into(),
        stay_ns: STAY_NS,
    };
    let mut printer = Printer::new(args);
    let end = probe(&spec, &mut |moment| printer.print(&moment)).map_err(z6::Error::from)?;
    printer.flush_lines();
    if let Some(error) = printer.failed {
        return Err(error.into());
    }
    Ok(if end.is_success() { Exit::Success } else { Exit::TrialFailed })
}

fn scenario(args: &ProbeArgs) -> Result<Scenario, UsageError> {
    let url = Url::split(&args.url)?;
    let version = match (args.http2, url.is_plain_http()) {
        (false, _) => "http1.1",
        (true, true) => "http2-prior-knowledge",
        (true, false) => "http2",
    };
    let base = match &url.userinfo {
        Some(userinfo) => url.base.replacen("://", &format!("://{userinfo}@"), 1),
        None => url.base.clone(),
    };
    let timeout = Duration::from_nanos(args.timeout);
    let mut target = TargetBuilder::new(base)
        .http_version(version)
        .connection_timeout(timeout)
        .tls_timeout(timeout);
    if args.insecure && !url.is_plain_http() {
        target = target.verify_cert(false);
    }
    if let Some(path) = &args.ca_bundle {
        target = target.ca_bundle(path);
    }
    let default = if args.body.is_some() { "POST" } else { "GET" };
    let mut request = RequestBuilder::new("probe", &url.path)
        .method(args.method.as_deref().unwrap_or(default))
        .templates(false)
        .timeout(timeout);
    for header in &args.header {
        request = request.header(&header.name, &header.value);
    }
    if let Some(body) = &args.body {
        request = request.body(body);
    }
    let built = Scenario::builder().iterations(1).target(target).request(request).build();
    built.map_err(|error| {
        // The text that it points into is not the user's.
        let words: Vec<String> =
            error.diagnostics().list.iter().map(|found| found.message.clone()).collect();
        UsageError(words.join("; "))
    })
}

/// Writes what happens, a mark before each line: `>` sent, `<` received, `*` about the connection.
struct Printer<'a> {
    args: &'a ProbeArgs,
    is_http2: bool,
    sent: Side,
    received: Side,
    failed: Option<std::io::Error>,
}

/// One direction.
struct Side {
    mark: char,
    trace: Trace,
    /// Over HTTP/1.1: a line that is not complete.
    line: Vec<u8>,
    /// The head being read is that of an interim response (RFC 9110 section 15.2): another follows.
    is_interim: bool,
    /// The last line is a field whose value is not shown: neither are lines that continue it.
    is_hidden: bool,
    /// The final head is complete.
    is_in_body: bool,
    /// Trailer fields may follow the content.
    is_chunked: bool,
    is_begun: bool,
    content_bytes: usize,
    /// Bytes of lines about frames that were shown, and lines that were not.
    line_bytes: usize,
    hidden_lines: u64,
}

/// Of a line that is not complete, at most so many bytes wait for its end.
const PART_BYTES_MAX: usize = 8 << 10;
/// In place of a value that may be a secret.
const NOT_SHOWN: &str = "(not shown: --show-secrets)";

impl Printer<'_> {
    fn new(args: &ProbeArgs) -> Printer<'_> {
        Printer {
            args,
            is_http2: false,
            sent: Side::new('>', Trace::of_client()),
            received: Side::new('<', Trace::of_server()),
            failed: None,
        }
    }

    fn print(&mut self, moment: &Probed<'_>) {
        let mut out = String::new();
        match moment {
            Probed::Connecting(address) => line(&mut out, '*', &format!("connecting to {address}")),
            Probed::NotConnected { kind, words } => {
                line(&mut out, '*', &format!("FAILED: {}", reason(kind.name(), words)));
            }
            Probed::Connected { is_http2, tls } => {
                self.is_http2 = *is_http2;
                line(&mut out, '*', &connected(*is_http2, tls.as_ref()));
            }
            Probed::Sent(bytes) => self.sent.take(bytes, self.is_http2, self.args, &mut out),
            Probed::Received(bytes) => {
                self.received.take(bytes, self.is_http2, self.args, &mut out);
            }
            Probed::Ended { outcome, elapsed_ns } => {
                self.sent.end_line(self.args, &mut out);
                self.received.end_line(self.args, &mut out);
                let words = match outcome {
                    Outcome::Succeeded { status } => format!("succeeded with {status}"),
                    Outcome::Redirected { status } => format!("redirected with {status}"),
                    Outcome::Failed { kind, words } => {
                        format!("FAILED: {}", reason(kind.name(), words))
                    }
                };
                let more = "the connection stays open for 200 ms";
                line(&mut out, '*', &format!("{words}, {}; {more}", duration(*elapsed_ns)));
            }
            Probed::Closed(cause) => line(
                &mut out,
                '*',
                match cause {
                    CloseCause::ClosedByPeer => "the server closed the connection",
                    CloseCause::ResetByPeer => "the server reset the connection",
                    CloseCause::Unsolicited => {
                        "FAILED: what came after the response breaks the protocol"
                    }
                },
            ),
        }
        self.write(&out);
    }

    fn flush_lines(&mut self) {
        let mut out = String::new();
        self.sent.end_line(self.args, &mut out);
        self.received.end_line(self.args, &mut out);
        for side in [&self.sent, &self.received] {
            let hidden = side.content_bytes.saturating_sub(CONTENT_BYTES_SHOWN);
            if hidden > 0 && !self.args.whole {
                let words =
                    format!("({} bytes of content more: --whole shows them)", count(hidden as u64));
                line(&mut out, side.mark, &words);
            }
            if side.hidden_lines > 0 {
                let words =
                    format!("({} lines more: --whole shows them)", count(side.hidden_lines));
                line(&mut out, side.mark, &words);
            }
        }
        self.write(&out);
    }

    fn write(&mut self, text: &str) {
        if !text.is_empty()
            && let Err(error) = console::results(text)
        {
            self.failed.get_or_insert(error);
        }
    }
}

impl Side {
    fn new(mark: char, trace: Trace) -> Side {
        let line = Vec::new();
        let (content_bytes, line_bytes, hidden_lines) = (0, 0, 0);
        Side {
            mark,
            trace,
            line,
            is_interim: false,
            is_hidden: false,
            is_in_body: false,
            is_chunked: false,
            is_begun: false,
            content_bytes,
            line_bytes,
            hidden_lines,
        }
    }

    fn take(&mut self, bytes: &[u8], is_http2: bool, args: &ProbeArgs, out: &mut String) {
        if !is_http2 {
            return self.take_lines(bytes, args, out);
        }
        if !std::mem::replace(&mut self.is_begun, true) && self.mark == '>' {
            line(out, self.mark, "connection preface");
        }
        let Side { mark, trace, content_bytes, line_bytes, hidden_lines, .. } = self;
        let mut rest = Vec::new();
        trace.read(bytes, &mut |seen| match seen {
            Traced::Content { bytes, .. } => content(out, *mark, bytes, content_bytes, args),
            Traced::Unreadable(error) => {
                line(out, *mark, &format!("no frames: {error}"));
                rest = bytes.to_vec();
            }
            _ if *line_bytes > LINE_BYTES_SHOWN && !args.whole => *hidden_lines += 1,
            seen => {
                let before = out.len();
                frame(out, *mark, &seen, args);
                *line_bytes += out.len() - before;
            }
        });
        content(out, *mark, &rest, content_bytes, args);
    }

    /// Over HTTP/1.1: lines of the head, and pieces of the body.
    fn take_lines(&mut self, bytes: &[u8], args: &ProbeArgs, out: &mut String) {
        let mut rest = bytes;
        while !self.is_in_body && !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (part, after) = rest.split_at(end);
            self.line.extend_from_slice(part);
            rest = after;
            if self.line.ends_with(b"\n") {
                let is_end = self.line == b"\r\n" || self.line == b"\n";
                self.is_in_body = is_end && !self.is_interim;
                self.end_line(args, out);
            }
        }
        if !self.is_chunked || args.show_secrets {
            return content(out, self.mark, rest, &mut self.content_bytes, args);
        }
        // Fields may follow: one that is not to be shown is not, and a line waits for its end.
        let mut text = std::mem::take(&mut self.line);
        text.extend_from_slice(rest);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if text.len() - whole < PART_BYTES_MAX {
            self.line = text.split_off(whole);
        }
        let (mut start, mut at) = (0, 0);
        for piece in text.split_inclusive(|byte| *byte == b'\n') {
            let name = piece.split(|byte| *byte == b':').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name.trim_ascii());
            if name.len() < piece.len() && is_secret(&name) {
                content(out, self.mark, &text[start..at], &mut self.content_bytes, args);
                line(out, self.mark, &format!("{name}: {NOT_SHOWN}"));
                start = at + piece.len();
            }
            at += piece.len();
        }
        content(out, self.mark, &text[start..], &mut self.content_bytes, args);
    }

    fn end_line(&mut self, args: &ProbeArgs, out: &mut String) {
        let text = std::mem::take(&mut self.line);
        if text.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(text.trim_ascii_end());
        if text.starts_with("HTTP/1.") {
            let status = text.split(' ').nth(1).unwrap_or_default();
            self.is_interim = status.len() == 3 && status.starts_with('1') && status != "101";
        }
        let words = match text.split_once(':') {
            // An obsolete continuation of the line before (RFC 9112 section 5.2).
            _ if text.starts_with([' ', '\t']) && self.is_hidden => format!(" {NOT_SHOWN}"),
            Some((name, value)) if !name.contains(' ') => {
                self.is_hidden = is_secret(name) && !args.show_secrets;
                self.is_chunked |= name.eq_ignore_ascii_case("Transfer-Encoding");
                format!(
                    "{name}:{}{}",
                    if value.starts_with(' ') { " " } else { "" },
                    shown(name, value.trim(), args)
                )
            }
            _ => text.into_owned(),
        };
        line(out, self.mark, &words);
    }
}

fn connected(is_http2: bool, tls: Option<&TlsNegotiated>) -> String {
    let version = if is_http2 { "HTTP/2" } else { "HTTP/1.1" };
    match tls {
        None => format!("connected, speaks {version} in plain text"),
        Some(tls) => {
            let (name, cipher) = (tls.version_name(), tls.cipher_name());
            format!(
                "connected, speaks {version} over {}, {}",
                name.map_or_else(|| format!("TLS {:#06x}", tls.version), str::to_owned),
                cipher.map_or_else(|| format!("cipher suite {:#06x}", tls.cipher), str::to_owned),
            )
        }
    }
}

fn reason(kind: &str, words: &str) -> String {
    if words.is_empty() { kind.to_owned() } else { format!("{kind}, {words}") }
}

/// A line: what comes from a server is escaped.
fn line(out: &mut String, mark: char, words: &str) {
    out.push_str(format!("{mark} {}", printable(words)).trim_end());
    out.push('\n');
}

fn shown<'a>(name: &str, value: &'a str, args: &ProbeArgs) -> &'a str {
    if is_secret(name) && !args.show_secrets { NOT_SHOWN } else { value }
}

fn is_secret(name: &str) -> bool {
    SECRET_FIELDS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// A frame, or something that it says.
fn frame(out: &mut String, mark: char, seen: &Traced<'_>, args: &ProbeArgs) {
    let words = match *seen {
        Traced::Frame(header) => return line(out, mark, &head_of(&header)),
        Traced::Setting { id, value } => match setting_name(id) {
            Some(name) => format!("  {name} = {value}"),
            None => format!("  setting {id} = {value}"),
        },
        Traced::Field { name, value, .. } => {
            let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            format!("  {name}: {}", shown(&name, &value, args))
        }
        Traced::Reset(code) => format!("  {code}"),
        Traced::GoAway { last, code, debug } => {
            let debug = String::from_utf8_lossy(debug);
            let more = if debug.is_empty() { String::new() } else { format!(": {debug}") };
            format!("  {code}, last stream {last}{more}")
        }
        Traced::Window(bytes) => format!("  {bytes} bytes more"),
        Traced::Payload(bytes) => format!("  {}", bytes.escape_ascii()),
        Traced::Content { .. } | Traced::Unreadable(_) => return,
    };
    line(out, mark, &words);
}

fn head_of(header: &FrameHeader) -> String {
    const DATA: &[(u8, &str)] = &[(flag::END_STREAM, "END_STREAM"), (flag::PADDED, "PADDED")];
    const HEADERS: &[(u8, &str)] = &[
        (flag::END_STREAM, "END_STREAM"),
        (flag::END_HEADERS, "END_HEADERS"),
        (flag::PADDED, "PADDED"),
        (flag::PRIORITY, "PRIORITY"),
    ];
    const BLOCK: &[(u8, &str)] = &[(flag::END_HEADERS, "END_HEADERS"), (flag::PADDED, "PADDED")];
    const ACK: &[(u8, &str)] = &[(flag::ACK, "ACK")];
    let names = match header.kind {
        FrameKind::DATA => DATA,
        FrameKind::HEADERS => HEADERS,
        FrameKind::CONTINUATION | FrameKind::PUSH_PROMISE => BLOCK,
        FrameKind::SETTINGS | FrameKind::PING => ACK,
        _ => &[],
    };
    let mut words = format!(
        "{}, stream {}, {} bytes",
        header.kind,
        header.stream,
        count(u64::from(header.length))
    );
    let mut flags = header.flags;
    for (bit, name) in names.iter().filter(|(bit, _)| header.has(*bit)) {
        flags &= !bit;
        // Writing to a String cannot fail.
        let _ = write!(words, ", {name}");
    }
    if flags != 0 {
        let _ = write!(words, ", flags {flags:#04x}");
    }
    words
}

/// Content, in lines, as far as it is to be shown.
fn content(out: &mut String, mark: char, bytes: &[u8], so_far: &mut usize, args: &ProbeArgs) {
    let room = if args.whole { usize::MAX } else { CONTENT_BYTES_SHOWN.saturating_sub(*so_far) };
    *so_far += bytes.len();
    for piece in bytes[..bytes.len().min(room)].chunks(LINE_BYTES) {
        line(out, mark, &format!("  \"{}\"", piece.escape_ascii()));
    }
}
