//! The data cases as others read them: httparse (heads) and hyper's client (all of a response), over the
//! same bytes. `tests/readings` lists where they differ from Z6, and why; the lists are exact.
//!
//! ```text
//! reason KEY WORDS              why readings differ
//! CASE | THEIR READING | KEY    a case that they read so, and we do not
//! ```

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::{Case, End, cases};
use hyper::Request;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::rt::{Read, ReadBufCursor, Write};
use z6_proto_http1::{Limits, ResponseDecoder};

/// Differences by case: what they read, and the key of the reason.
fn table(text: &str) -> BTreeMap<String, (String, String)> {
    let mut reasons = BTreeSet::new();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(reason) = line.strip_prefix("reason ") {
            let (key, words) = reason.split_once(' ').unwrap();
            assert!(!words.is_empty() && reasons.insert(key), "{line}");
            continue;
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        let [case, reading, key] = cells[..] else { panic!("{line}") };
        assert!(reasons.contains(key), "no such reason: {line}");
        rows.insert(case.to_owned(), (reading.to_owned(), key.to_owned()));
    }
    let used: BTreeSet<&str> = rows.values().map(|(_, key)| key.as_str()).collect();
    assert_eq!(used, reasons, "each reason explains something");
    rows
}

/// Compares readings with the list: each difference is on it, and nothing else is.
fn compare(list: &str, readings: impl Iterator<Item = (String, String, String)>) {
    let mut listed = table(list);
    let mut wrong = Vec::new();
    for (case, ours, theirs) in readings {
        match listed.remove(&case) {
            None if ours == theirs => {}
            Some((reading, _)) if reading == theirs && ours != theirs => {}
            Some(_) => wrong.push(format!("listed, but ours is {ours}: {case} | {theirs}")),
            None => wrong.push(format!("not listed, ours is {ours}: {case} | {theirs} | ")),
        }
    }
    wrong.extend(listed.into_keys().map(|case| format!("no such case: {case}")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Cases whose outcome depends on nothing but the bytes of a response.
fn plain_cases() -> impl Iterator<Item = Case> {
    let is_plain = |case: &Case| {
        case.limits == Limits::default() && !case.earlier && !case.upgrade && case.unsent == 0
    };
    cases().into_iter().filter(is_plain)
}

fn our_head(case: &Case) -> String {
    let mut decoder = ResponseDecoder::new(Limits::default());
    // As if for HEAD: what follows the head plays no part.
    decoder.reset(true);
    match (decoder.decode(&case.input), decoder.status()) {
        (Err(_), _) => "refused".to_owned(),
        (Ok(_), Some(status)) => status.to_string(),
        (Ok(_), None) => "waiting".to_owned(),
    }
}

fn httparse_head(case: &Case) -> String {
    let mut rest = &case.input[..];
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut fields);
        match response.parse(rest) {
            Err(_) => return "refused".to_owned(),
            Ok(httparse::Status::Partial) => return "waiting".to_owned(),
            Ok(httparse::Status::Complete(length)) => match response.code.unwrap() {
                100 | 102..=199 => rest = &rest[length..],
                status => return status.to_string(),
            },
        }
    }
}

#[test]
fn httparse_reads_the_same_heads_but_for_the_list() {
    let readings =
        plain_cases().map(|case| (case.name.clone(), our_head(&case), httparse_head(&case)));
    compare(include_str!("readings/httparse.txt"), readings);
}

/// What we make of a case, in the words of [`hyper_reading`].
fn our_reading(case: &Case) -> String {
    let words: Vec<&str> = case.out.split(' ').collect();
    match words[..] {
        ["failed", ..] => "refused".to_owned(),
        [status, "body", bytes, "wire", _, reuse, ..] => {
            let reuse = if case.end == End::Open { reuse } else { "ended" };
            format!("{status} body {bytes} {reuse}")
        }
        _ => case.out.clone(),
    }
}

/// A connection in memory: the response is there once the request's head is written.
struct Wire {
    input: Vec<u8>,
    at: usize,
    end: End,
    written: Vec<u8>,
    reader: Option<Waker>,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.input[self.at..];
        let is_asked = self.written.ends_with(b"\r\n\r\n");
        if is_asked && !left.is_empty() {
            let length = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..length]);
            self.at += length;
            return Poll::Ready(Ok(()));
        }
        match self.end {
            End::Eof if is_asked => Poll::Ready(Ok(())),
            End::Reset if is_asked => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            End::Open | End::Eof | End::Reset => {
                self.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        self.reader.take().iter().for_each(Waker::wake_by_ref);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct NoBody;

impl Body for NoBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// Whether anything has asked to be polled again.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How far a body has come.
enum Progress {
    Head,
    Body { status: u16, body: Incoming, bytes: usize },
    Complete { status: u16, bytes: usize },
}

fn hyper_reading(case: &Case) -> String {
    let (input, end) = (case.input.clone(), case.end);
    let wire = Wire { input, at: 0, end, written: Vec::new(), reader: None };
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let context = &mut Context::from_waker(&waker);
    let Poll::Ready(Ok((mut sender, connection))) = pin!(handshake(wire)).poll(context) else {
        return "no connection".to_owned();
    };
    let request = Request::builder().method(case.method.as_str()).uri("/").header("Host", "h");
    let mut response = pin!(sender.send_request(request.body(NoBody).unwrap()));
    let mut connection = pin!(connection);
    let (mut progress, mut is_closed) = (Progress::Head, false);
    // Nothing happens except what is polled here: without a poll, nothing more comes.
    while flag.0.swap(false, Ordering::SeqCst) {
        is_closed = is_closed || connection.as_mut().poll(context).is_ready();
        match advance(progress, &mut response, context) {
            Some(next) => progress = next,
            None => return "refused".to_owned(),
        }
    }
    match progress {
        Progress::Head | Progress::Body { .. } => "waiting".to_owned(),
        Progress::Complete { status, bytes } => {
            let reuse = match (case.end, is_closed) {
                (End::Eof | End::Reset, _) => "ended",
                (End::Open, true) => "closing",
                (End::Open, false) => "reusable",
            };
            format!("{status} body {bytes} {reuse}")
        }
    }
}

/// Polls for the next part of a response until there is none; `None` if it failed.
fn advance(
    mut progress: Progress,
    response: &mut Pin<&mut impl Future<Output = hyper::Result<hyper::Response<Incoming>>>>,
    context: &mut Context<'_>,
) -> Option<Progress> {
    if let Progress::Head = progress {
        let Poll::Ready(head) = response.as_mut().poll(context) else { return Some(progress) };
        let head = head.ok()?;
        let status = head.status().as_u16();
        progress = Progress::Body { status, body: head.into_body(), bytes: 0 };
    }
    while let Progress::Body { status, ref mut body, ref mut bytes } = progress {
        match Pin::new(body).poll_frame(context) {
            Poll::Pending => break,
            Poll::Ready(Some(frame)) => {
                *bytes += frame.ok()?.data_ref().map_or(0, Bytes::len);
            }
            Poll::Ready(None) => progress = Progress::Complete { status, bytes: *bytes },
        }
    }
    Some(progress)
}

#[test]
fn hyper_reads_the_same_responses_but_for_the_list() {
    let readings =
        plain_cases().map(|case| (case.name.clone(), our_reading(&case), hyper_reading(&case)));
    compare(include_str!("readings/hyper.txt"), readings);
}

/// Most cases are read by all three.
#[test]
fn few_cases_are_left_out() {
    assert!(plain_cases().count() * 10 > cases().len() * 9);
}
