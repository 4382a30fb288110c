//! Stops across shards: a second connection of each shard to shard 0, open for as long as both run. A shard sends
//! what its observer reports; shard 0 has a [`Judge`] add that up, and tells all shards when an assertion does not
//! hold. Each takes it as it takes any other request to stop.
//!
//! The connection begins with a line of each side, `z6-stop 1 PLAN I/N TOKEN RULES` and `ok` or `no REASON`,
//! where RULES is the digest of what is judged. Then come frames: their length, four bytes little-endian, and as many bytes.
//! Those of a shard are reports. Those of shard 0 begin with a kind: 1 is a stop, followed by how many shards were
//! heard (u16), the number of the assertion (u16) and the second (u64), little-endian; 2 says that shard 0 has ended.
//!
//! No thread here is on the way of a request, and the writer of the log never waits for one.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select, unbounded};
use z6_events::limits::MAX_SHARD_REPORT_BYTES;
use z6_events::{ShardStop, StopReason};
use z6_scenario::NS_PER_SECOND;

use super::super::clock::Clock;
use super::super::shared::Notice;
use crate::observer::Judge;

/// A shard that says nothing for so long is given up, nanoseconds: one that runs reports each second.
const SILENCE_NS_MAX: u64 = 30 * NS_PER_SECOND;
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Reports of this shard that wait to be sent.
const OUTBOX_MAX: usize = 4_096;
/// Reports of other shards that wait to be judged.
const INBOX_MAX: usize = 256;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// Frames of shard 0.
const STOP: u8 = 1;
const OVER: u8 = 2;
const STOP_BYTES: usize = 13;
/// A shard that ran on for so long after it had lost shard 0 says so, seconds.
const ALONE_SECONDS_MIN: u64 = 5;

/// The connections, before the run begins.
pub(in crate::reactor) enum StopLink {
    /// To shard 0.
    Client(TcpStream),
    /// Those of the others, by shard; how many shards there are.
    Server(BTreeMap<u16, TcpStream>, u16),
}

/// A shard that was no longer heard while this one ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostShard {
    /// Which one.
    pub shard: u16,
    /// In which second of the run.
    pub second: u64,
    /// Why, in words, which may come from the system.
    pub reason: String,
}

/// What the connections came to.
#[derive(Debug, Default)]
pub(in crate::reactor) struct StopNews {
    /// Held where one of the others changes.
    lost: Mutex<Vec<LostShard>>,
    told: OnceLock<ShardStop>,
    /// The second at which this shard had ended. From then on nothing changes: the log says what was told.
    closed: OnceLock<u64>,
}

impl StopNews {
    /// The stop that was told, if one was.
    pub(in crate::reactor) fn told(&self) -> Option<ShardStop> {
        self.told.get().copied()
    }

    /// Which shards are no longer heard, in this second of the run or at its end before.
    pub(in crate::reactor) fn lost(&self, seconds: u64) -> Vec<LostShard> {
        let seconds = self.closed.get().map_or(seconds, |closed| seconds.min(*closed));
        let mut lost = self.lock().clone();
        // Shard 0 closes what is open when it ends, about when the others do.
        lost.retain(|lost| lost.shard > 0 || lost.second + ALONE_SECONDS_MIN <= seconds);
        lost
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LostShard>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, clock: Clock) {
        let _lost = self.lock();
        // It may be closed already.
        let _ = self.closed.set(clock.now().0 / NS_PER_SECOND);
    }

    fn lose(&self, shard: u16, clock: Clock, reason: String) {
        let second = clock.now().0 / NS_PER_SECOND;
        let mut lost = self.lock();
        if self.closed.get().is_none() && lost.iter().all(|known| known.shard != shard) {
            lost.push(LostShard { shard, second, reason });
        }
    }

    /// The run is to stop: what was told first counts.
    fn stop(&self, stop: ShardStop, notices: &Sender<Notice>) -> bool {
        let lost = self.lock();
        let is_new = self.closed.get().is_none() && self.told.set(stop).is_ok();
        drop(lost);
        if is_new {
            // A coordinator that is gone has no use for it.
            let _ = notices.send(Notice::Stop(StopReason::Assertion));
        }
        is_new
    }
}

/// What threads here share.
#[derive(Clone)]
struct Common {
    news: Arc<StopNews>,
    notices: Sender<Notice>,
    clock: Clock,
}

/// Where the log writer leaves reports of this shard.
pub(in crate::reactor) struct Outbox {
    to: Option<Sender<Vec<u8>>>,
    common: Common,
}

impl Outbox {
    /// Never waits. A shard whose reports are not taken in time reports no more.
    pub(in crate::reactor) fn send(&mut self, report: Vec<u8>) {
        let Some(to) = &self.to else { return };
        match to.try_send(report) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.to = None;
                self.common.news.lose(0, self.common.clock, "it is too slow".to_owned());
            }
            // The thread that sends has said why.
            Err(TrySendError::Disconnected(_)) => self.to = None,
        }
    }
}

/// The end of the connections. To be ended once the outbox is dropped.
pub(in crate::reactor) struct StopEnd {
    news: Arc<StopNews>,
    clock: Clock,
    streams: Vec<TcpStream>,
    /// Ends once the outbox is dropped and empty.
    sender: Option<JoinHandle<Option<ShardStop>>>,
}

impl StopEnd {
    /// Waits until the last report is sent or judged, and closes the connections. What the footer of the log says.
    pub(in crate::reactor) fn end(mut self) -> Option<ShardStop> {
        let judged = self.sender.take().and_then(|thread| thread.join().ok()).flatten();
        self.news.close(self.clock);
        self.news.told().or(judged)
    }
}

impl Drop for StopEnd {
    fn drop(&mut self) {
        self.news.close(self.clock);
        self.streams.iter().for_each(|stream| close(stream, Shutdown::Both));
    }
}

/// A run that begins: where reports go, how it ends, and what is learnt meanwhile.
pub(in crate::reactor) struct Stops {
    pub(in crate::reactor) outbox: Outbox,
    pub(in crate::reactor) end: StopEnd,
    pub(in crate::reactor) news: Arc<StopNews>,
}

impl StopLink {
    /// Begins to report and to judge. `judge` makes what judges, which shard 0 needs.
    pub(in crate::reactor) fn begin(
        self,
        notices: Sender<Notice>,
        clock: Clock,
        judge: impl FnOnce(u16) -> Option<Box<dyn Judge>>,
    ) -> io::Result<Option<Stops>> {
        let news = Arc::<StopNews>::default();
        let common = Common { news: Arc::clone(&news), notices, clock };
        let (outbox, sender, streams) = match self {
            StopLink::Client(stream) => {
                stream.set_read_timeout(None)?;
                let (outbox, reports) = bounded(OUTBOX_MAX);
                let (for_reports, for_stops) = (stream.try_clone()?, stream.try_clone()?);
                let (of_reports, of_stops) = (common.clone(), common.clone());
                spawn("z6-stop", move || attend(for_stops, &of_stops))?;
                let sender = spawn("z6-reports", move || {
                    send_all(&for_reports, &reports, &of_reports);
                    None
                })?;
                (outbox, sender, vec![stream])
            }
            StopLink::Server(streams, shards) => {
                let Some(judge) = judge(shards) else { return Ok(None) };
                let (outbox, own) = unbounded();
                let bench = Bench::new(judge, streams, common.clone())?;
                let (inbox, others) = bounded(INBOX_MAX);
                for (shard, stream) in &bench.streams {
                    let (shard, frames) = (*shard, Frames::new(stream.try_clone()?));
                    let inbox: Sender<FromShard> = inbox.clone();
                    spawn("z6-reports", move || {
                        take_all(shard, frames, &inbox, (clock, SILENCE_NS_MAX));
                    })?;
                }
                // Each connection is closed by the one who judges; this one breaks them off.
                let streams = bench.streams.values().map(TcpStream::try_clone);
                let streams = streams.collect::<io::Result<Vec<_>>>()?;
                bench.miss(shards);
                let sender = spawn("z6-judge", move || Some(bench.sit(&own, &others, inbox)))?;
                (outbox, sender, streams)
            }
        };
        let outbox = Outbox { to: Some(outbox), common };
        let end = StopEnd { news: Arc::clone(&news), clock, streams, sender: Some(sender) };
        Ok(Some(Stops { outbox, end, news }))
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(256 << 10).spawn(body)
}

fn close(stream: &TcpStream, how: Shutdown) {
    // It may be closed already.
    let _ = stream.shutdown(how);
}

fn send(mut stream: &TcpStream, frame: &[u8]) -> io::Result<()> {
    // No report is longer than 72 KiB.
    let mut bytes = (frame.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(frame);
    stream.write_all(&bytes)
}

/// Frames as they come.
struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Frames {
    fn new(stream: TcpStream) -> Frames {
        Frames { stream, read: Vec::new() }
    }

    /// The next frame, of at most `max` bytes; none if what came in the time allowed for a read does not end one.
    fn next(&mut self, max: usize) -> io::Result<Option<Vec<u8>>> {
        if let Some(frame) = self.take(max)? {
            return Ok(Some(frame));
        }
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(io::Error::other("its connection has ended")),
            Ok(read) => {
                self.read.extend_from_slice(&bytes[..read]);
                self.take(max)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The next frame, if all of it was read.
    fn take(&mut self, max: usize) -> io::Result<Option<Vec<u8>>> {
        let Some((length, rest)) = self.read.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > max {
            return Err(io::Error::other(format!("it sends {length} bytes at once")));
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.read.drain(..4 + length);
        Ok(Some(frame))
    }
}

/// Sends the reports of a shard to shard 0.
fn send_all(stream: &TcpStream, reports: &Receiver<Vec<u8>>, common: &Common) {
    for report in reports {
        if let Err(error) = send(stream, &report) {
            common.news.lose(0, common.clock, error.to_string());
            break;
        }
    }
    // What shard 0 says is still heard.
    close(stream, Shutdown::Write);
}

/// Waits for a stop by shard 0.
fn attend(stream: TcpStream, common: &Common) {
    let mut frames = Frames::new(stream);
    let reason = loop {
        match frames.next(STOP_BYTES) {
            Ok(None) => {}
            Ok(Some(frame)) => match order(&frame) {
                Some(Order::Stop(stop)) => {
                    common.news.stop(stop, &common.notices);
                }
                Some(Order::Over) => break "it has ended".to_owned(),
                None => break "it speaks another protocol".to_owned(),
            },
            Err(error) => break error.to_string(),
        }
    };
    common.news.lose(0, common.clock, reason);
}

/// What shard 0 says.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Stop(ShardStop),
    Over,
}

fn order(frame: &[u8]) -> Option<Order> {
    match frame.split_first()? {
        (&STOP, rest) => {
            let (heard, rest) = rest.split_first_chunk()?;
            let (goal, second) = rest.split_first_chunk()?;
            let told =
                Some((u16::from_le_bytes(*goal), u64::from_le_bytes(second.try_into().ok()?)));
            Some(Order::Stop(ShardStop { heard: u16::from_le_bytes(*heard), told }))
        }
        (&OVER, []) => Some(Order::Over),
        _ => None,
    }
}

/// A stop as a frame; none if there is none.
fn stop_frame(stop: &ShardStop) -> Option<Vec<u8>> {
    let (goal, second) = stop.told?;
    let mut frame = vec![STOP];
    frame.extend_from_slice(&stop.heard.to_le_bytes());
    frame.extend_from_slice(&goal.to_le_bytes());
    frame.extend_from_slice(&second.to_le_bytes());
    Some(frame)
}

/// A report of a shard, or why no more come.
type FromShard = (u16, Result<Vec<u8>, String>);

/// Takes the reports of one shard, at shard 0, until it says nothing whole for `silence_ns_max`.
fn take_all(
    shard: u16,
    mut frames: Frames,
    inbox: &Sender<FromShard>,
    (clock, silence_ns_max): (Clock, u64),
) {
    let mut heard = clock.now();
    let reason = loop {
        match frames.next(MAX_SHARD_REPORT_BYTES) {
            Ok(Some(report)) => {
                heard = clock.now();
                if inbox.send((shard, Ok(report))).is_err() {
                    return;
                }
            }
            // Before tick 0 it is always then.
            Ok(None) if clock.now().since(heard) < silence_ns_max => {}
            Ok(None) => break format!("it said nothing for {} s", silence_ns_max / NS_PER_SECOND),
            Err(error) => break error.to_string(),
        }
    };
    // One that no longer judges has no use for it.
    let _ = inbox.send((shard, Err(reason)));
}

/// Shard 0, which judges.
struct Bench {
    judge: Box<dyn Judge>,
    streams: BTreeMap<u16, TcpStream>,
    common: Common,
}

impl Bench {
    fn new(
        judge: Box<dyn Judge>,
        streams: BTreeMap<u16, TcpStream>,
        common: Common,
    ) -> io::Result<Bench> {
        for stream in streams.values() {
            stream.set_read_timeout(Some(LOOK_EVERY))?;
        }
        Ok(Bench { judge, streams, common })
    }

    /// Names the shards whose connection was gone before the start.
    fn miss(&self, shards: u16) {
        for shard in (1..shards).filter(|shard| !self.streams.contains_key(shard)) {
            let reason = "it was not there at the start".to_owned();
            self.common.news.lose(shard, self.common.clock, reason);
        }
    }

    /// Judges until the outbox of this shard is dropped. `_open` keeps the inbox connected.
    fn sit(
        mut self,
        own: &Receiver<Vec<u8>>,
        others: &Receiver<FromShard>,
        _open: Sender<FromShard>,
    ) -> ShardStop {
        for lost in self.common.news.lost(0) {
            self.judge.lost(lost.shard);
        }
        loop {
            let (shard, report) = select! {
                recv(own) -> report => match report {
                    Ok(report) => (0, Ok(report)),
                    Err(_) => break,
                },
                recv(others) -> report => match report {
                    Ok(report) => report,
                    Err(_) => break,
                },
            };
            self.take(shard, report);
            let stop = self.judge.stop();
            if let Some(frame) = stop_frame(&stop)
                && self.common.news.stop(stop, &self.common.notices)
            {
                self.tell(&frame);
            }
        }
        self.tell(&[OVER]);
        self.streams.values().for_each(|stream| close(stream, Shutdown::Write));
        self.judge.stop()
    }

    fn take(&mut self, shard: u16, report: Result<Vec<u8>, String>) {
        let now = self.common.clock.now().0 / NS_PER_SECOND;
        let taken = report.and_then(|report| {
            self.judge.take(shard, &report, now).map_err(|error| error.to_string())
        });
        if let Err(reason) = taken
            && self.judge.lost(shard)
        {
            self.common.news.lose(shard, self.common.clock, reason);
            // It is still told of a stop.
            if let Some(stream) = self.streams.get(&shard) {
                close(stream, Shutdown::Read);
            }
        }
    }

    /// Tells all shards. One that does not take it is told nothing.
    fn tell(&self, frame: &[u8]) {
        for stream in self.streams.values() {
            let _ = send(stream, frame);
        }
    }
}

#[cfg(test)]
mod tests;
