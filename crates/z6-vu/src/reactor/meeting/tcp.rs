//! Shards meet at shard 0 over TCP. Lines of text, each at most [`LINE_MAX`] bytes:
//!
//! | from | line | meaning |
//! |---|---|---|
//! | shard | `z6-barrier 1 PLAN I/N TOKEN` | who it is; PLAN is the plan digest in hexadecimal digits, TOKEN a word of this process |
//! | shard 0 | `ok`, or `no REASON` | whether it is one of the run |
//! | shard | `ping` | asks for the time |
//! | shard 0 | `pong NS` | its wall clock, nanoseconds since 1970 |
//! | shard 0 | `start NS` | the common instant on that clock |
//!
//! Where something is judged over all shards, each has a second connection, which it makes first: `stop`. The token says
//! that both are of one process, if there are two for one shard.
//!
//! The offset of a clock is that of the fastest of some answers, taken to be read half way (Cristian): half
//! the time of that answer bounds its error. The connection stays open, and at the end of the run the offset is
//! measured again.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use z6_events::{Shard, printable};

use super::{LOOK_EVERY, MeetingError, Met, Offset, Party, StopLink, Wait};

/// What the first line of a shard begins with, and that on its second connection.
const HELLO: &str = "z6-barrier 1 ";
const STOP_HELLO: &str = "z6-stop 1 ";
const OTHER_PROTOCOL: &str = "it speaks another protocol";
const OTHER_RULES: &str =
    "what stops the run is not the same: the scenario or its overrides differ";
/// What the line with the common instant begins with.
const START: &str = "start ";
/// Longest line, bytes.
const LINE_MAX: usize = 256;
/// From the last shard's arrival to the common instant, nanoseconds.
const LEAD_NS: u64 = 1_000_000_000;
/// How often a shard asks for the time.
const PINGS: usize = 8;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Connections that shard 0 holds besides those of shards, at most.
const STRANGERS_MAX: usize = 16;

/// An open connection to shard 0, or at shard 0 those of the others.
pub(super) enum Link {
    Client(Lines),
    Server(Arc<Mutex<Guests>>),
}

impl Link {
    /// How far the clock is ahead of that of shard 0 now; none if nothing answers.
    pub(super) fn measure_again(self, party: &Party) -> Option<Offset> {
        match &self {
            // Their answers are given by the threads that attend to them, until this process ends.
            Link::Server(_) => Some(Offset::OF_SHARD_0),
            Link::Client(lines) => measure(&mut lines.again().ok()?, party).ok(),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        match self {
            Link::Client(lines) => lines.close(),
            Link::Server(guests) => lock(guests).there.values().for_each(close),
        }
    }
}

fn close(stream: &TcpStream) {
    // It may be closed already.
    let _ = stream.shutdown(Shutdown::Both);
}

/// Who has come to shard 0.
#[derive(Default)]
pub(super) struct Guests {
    there: BTreeMap<u16, TcpStream>,
    /// The second connections, of shards that are there or about to come, each with its token.
    stops: BTreeMap<u16, (String, TcpStream)>,
    strangers: usize,
}

fn lock(guests: &Mutex<Guests>) -> MutexGuard<'_, Guests> {
    guests.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection, read line by line.
pub(super) struct Lines {
    stream: TcpStream,
    read: Vec<u8>,
    /// The instant, if it came while something else was waited for.
    start: Option<String>,
}

impl Lines {
    fn new(stream: TcpStream) -> io::Result<Lines> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(Lines { stream, read: Vec::new(), start: None })
    }

    /// Another handle on the connection. What was read and not taken stays here.
    fn again(&self) -> io::Result<Lines> {
        Ok(Lines { stream: self.stream.try_clone()?, read: Vec::new(), start: None })
    }

    /// Says that the other side is one of the run. Another handle on the connection.
    fn welcome(&self) -> io::Result<TcpStream> {
        // What is told to be welcome stays so.
        let again = self.stream.try_clone()?;
        (&self.stream).write_all(b"ok\n")?;
        Ok(again)
    }

    fn close(&self) {
        close(&self.stream);
    }

    fn send(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }

    /// The next line; none if none came in the time allowed for a read.
    fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                let line = std::mem::replace(&mut self.read, rest);
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            if self.read.len() > LINE_MAX {
                return Err(io::Error::other("a line is too long"));
            }
            let mut bytes = [0; LINE_MAX];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.read.extend_from_slice(&bytes[..read]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(None),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    /// The next line that is an answer, in time.
    fn answer(&mut self) -> io::Result<String> {
        loop {
            let line = self.next()?.ok_or(io::ErrorKind::TimedOut)?;
            if !line.starts_with(START) {
                return Ok(line);
            }
            self.start = Some(line);
        }
    }
}

pub(super) fn meet(address: &str, party: &Party, wait: &Wait<'_>) -> Result<Met, MeetingError> {
    match party.shard.index() {
        0 => gather(address, party, wait),
        _ => attend(address, party, wait),
    }
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(&address.to_socket_addrs()?.collect::<Vec<_>>()[..])?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Shard 0.
fn gather(address: &str, party: &Party, wait: &Wait<'_>) -> Result<Met, MeetingError> {
    let failed = |source| MeetingError::Listen { address: address.to_owned(), source };
    let listener = listen(address).map_err(failed)?;
    let guests = Arc::new(Mutex::new(Guests::default()));
    // Closes what is open, whatever happens.
    let link = Link::Server(Arc::clone(&guests));
    let others = usize::from(party.shard.of()) - 1;
    while lock(&guests).there.len() < others {
        wait.check()?;
        if wait.is_over() {
            let guests = lock(&guests);
            let is_missing = |index: &u16| !guests.there.contains_key(index);
            let missing = party.named((1..party.shard.of()).filter(is_missing));
            return Err(MeetingError::Missing { missing, seconds: wait.seconds() });
        }
        match listener.accept() {
            Ok((stream, _)) => welcome(stream, party, &guests),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(LOOK_EVERY / 4);
            }
            // A connection that is gone before it was taken, or no descriptor for it now.
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
    let start_ns = party.wall_ns() + LEAD_NS;
    for mut stream in lock(&guests).there.values() {
        // A shard that is gone by now is missed when the logs are read.
        let _ = stream.write_all(format!("{START}{start_ns}\n").as_bytes());
    }
    let stops = std::mem::take(&mut lock(&guests).stops).into_iter();
    let stops = stops.map(|(index, (_, stream))| (index, stream)).collect();
    let stop = party.rules.map(|_| StopLink::Server(stops, party.shard.of()));
    Ok(Met { start_ns, offset: Some(Offset::OF_SHARD_0), link: Some(link), stop })
}

/// Attends to a connection on a thread of its own.
fn welcome(stream: TcpStream, party: &Party, guests: &Arc<Mutex<Guests>>) {
    if lock(guests).strangers >= STRANGERS_MAX {
        return;
    }
    lock(guests).strangers += 1;
    let (party, attended) = (*party, Arc::clone(guests));
    let thread = std::thread::Builder::new().name("z6-barrier".to_owned()).stack_size(128 << 10);
    let spawned = thread.spawn(move || {
        let introduced = introduced(stream, &party, &attended);
        lock(&attended).strangers -= 1;
        // What goes wrong here is the other side's to report.
        let Ok(Some((index, lines))) = introduced else { return };
        let _ = tell_time(lines, &party);
        // A process that takes its place is welcome.
        lock(&attended).there.remove(&index);
    });
    if spawned.is_err() {
        lock(guests).strangers -= 1;
    }
}

/// Finds out who it is. A second connection is put with the others: none.
fn introduced(
    stream: TcpStream,
    party: &Party,
    guests: &Mutex<Guests>,
) -> io::Result<Option<(u16, Lines)>> {
    stream.set_nonblocking(false)?;
    let mut lines = Lines::new(stream)?;
    let hello = lines.answer()?;
    let welcomed = match hello.strip_prefix(STOP_HELLO) {
        Some(rest) => stop_welcomed(rest, party, guests, &lines).map(|()| None),
        None => welcomed(&hello, party, guests, &lines).map(Some),
    };
    match welcomed {
        Ok(index) => Ok(index.map(|index| (index, lines))),
        Err(reason) => {
            lines.send(&format!("no {reason}"))?;
            Err(io::Error::other(reason))
        }
    }
}

/// Takes it in, and tells it so, if it is one of the run; else the reason.
fn welcomed(
    hello: &str,
    party: &Party,
    guests: &Mutex<Guests>,
    lines: &Lines,
) -> Result<u16, String> {
    let rest = hello.strip_prefix(HELLO).ok_or(OTHER_PROTOCOL)?;
    let (shard, token) = guest_of(rest, party)?;
    // It is one of those that are told of the start only once it knows that it is welcome.
    let mut guests = lock(guests);
    if shard.index() == 0 || guests.there.contains_key(&shard.index()) {
        return Err(format!("shard {shard} is there already"));
    }
    if party.rules.is_some() {
        match guests.stops.get(&shard.index()) {
            None => return Err(format!("{OTHER_RULES}, or its version is another")),
            Some((other, _)) if other != token => {
                return Err(format!("another process is shard {shard} too"));
            }
            Some(_) => {}
        }
    }
    let stream = lines.welcome().map_err(|error| error.to_string())?;
    guests.there.insert(shard.index(), stream);
    Ok(shard.index())
}

/// The same for the second connection of a shard, which makes it first.
fn stop_welcomed(
    rest: &str,
    party: &Party,
    guests: &Mutex<Guests>,
    lines: &Lines,
) -> Result<(), String> {
    let (rest, rules) = rest.rsplit_once(' ').ok_or(OTHER_PROTOCOL)?;
    let (shard, token) = guest_of(rest, party)?;
    if party.rules().is_none_or(|own| own != rules) {
        return Err(OTHER_RULES.to_owned());
    }
    let mut guests = lock(guests);
    if shard.index() == 0 || guests.there.contains_key(&shard.index()) {
        return Err(format!("shard {shard} is there already"));
    }
    if !lines.read.is_empty() {
        return Err(OTHER_PROTOCOL.to_owned());
    }
    let stream = lines.welcome().map_err(|error| error.to_string())?;
    guests.stops.insert(shard.index(), (token.to_owned(), stream));
    Ok(())
}

/// Which shard of this run says `PLAN I/N TOKEN`, and its token.
fn guest_of<'t>(text: &'t str, party: &Party) -> Result<(Shard, &'t str), String> {
    let (plan, shard) = text.split_once(' ').ok_or(OTHER_PROTOCOL)?;
    let (shard, token) = shard.split_once(' ').ok_or(OTHER_PROTOCOL)?;
    if plan != party.plan() {
        return Err("it has another plan: scenario, seed or overrides differ".to_owned());
    }
    let (index, of) = shard.split_once('/').ok_or(OTHER_PROTOCOL)?;
    let shard = index.parse().ok().zip(of.parse().ok());
    let shard = shard.and_then(|(index, of)| Shard::new(index, of));
    let shard = shard.filter(|shard| shard.of() == party.shard.of());
    let shard = shard.ok_or_else(|| format!("the run has {} shards", party.shard.of()))?;
    Ok((shard, token))
}

/// Answers a shard that asks for the time, until the connection ends.
fn tell_time(mut lines: Lines, party: &Party) -> io::Result<()> {
    lines.stream.set_read_timeout(None)?;
    while let Some(line) = lines.next()? {
        let now_ns = party.wall_ns();
        if line == "ping" {
            lines.send(&format!("pong {now_ns}"))?;
        }
    }
    Ok(())
}

/// Any other shard.
fn attend(address: &str, party: &Party, wait: &Wait<'_>) -> Result<Met, MeetingError> {
    let mut last = "it does not answer".to_owned();
    let token = format!("{:x}-{:x}", std::process::id(), party.wall_ns());
    loop {
        wait.check()?;
        let no_start = |last| MeetingError::NoStart { seconds: wait.seconds(), last };
        if wait.is_over() {
            return Err(no_start(last));
        }
        match connect_both(address, party, &token) {
            Ok(Ok((mut lines, stop))) => {
                let offset =
                    measure(&mut lines, party).map_err(|error| no_start(error.to_string()))?;
                let start_ns = start(&mut lines, wait)?;
                let link = Some(Link::Client(lines));
                return Ok(Met { start_ns, offset: Some(offset), link, stop });
            }
            Ok(Err(reason)) => return Err(MeetingError::Refused { reason }),
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(LOOK_EVERY * 5);
    }
}

/// The connections that this shard needs; the inner error is the reason of shard 0.
fn connect_both(
    address: &str,
    party: &Party,
    token: &str,
) -> io::Result<Result<(Lines, Option<StopLink>), String>> {
    let who = format!("{} {} {token}", party.plan(), party.shard);
    let mut stop = None;
    if let Some(rules) = party.rules() {
        match connect(address, &format!("{STOP_HELLO}{who} {rules}"))? {
            Ok(lines) => stop = Some(StopLink::Client(lines.stream)),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(connect(address, &format!("{HELLO}{who}"))?.map(|lines| (lines, stop)))
}

/// A connection on which shard 0 has said who may be there; the inner error is its reason.
fn connect(address: &str, hello: &str) -> io::Result<Result<Lines, String>> {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let mut stream = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        stream = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        if stream.is_ok() {
            break;
        }
    }
    let mut lines = Lines::new(stream?)?;
    lines.send(hello)?;
    let answer = lines.answer()?;
    match answer.strip_prefix("no ") {
        Some(reason) => Ok(Err(printable(reason).into_owned())),
        None if answer == "ok" => Ok(Ok(lines)),
        None => Err(io::Error::other("what answers there is no shard")),
    }
}

/// Measures how far this clock is ahead.
fn measure(lines: &mut Lines, party: &Party) -> io::Result<Offset> {
    let mut best: Option<Offset> = None;
    for _ in 0..PINGS {
        let (asked, asked_ns) = (Instant::now(), party.wall_ns());
        lines.send("ping")?;
        let answer = lines.answer()?;
        let round_ns = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let theirs = answer.strip_prefix("pong ").and_then(|ns| ns.parse::<u64>().ok());
        let theirs =
            theirs.ok_or_else(|| io::Error::other("no answer to the question for the time"))?;
        let error_ns = round_ns.div_ceil(2);
        let ns = asked_ns.saturating_add(error_ns).wrapping_sub(theirs).cast_signed();
        if best.is_none_or(|best| error_ns < best.error_ns) {
            best = Some(Offset { ns, error_ns });
        }
    }
    best.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

/// Waits for the common instant.
fn start(lines: &mut Lines, wait: &Wait<'_>) -> Result<u64, MeetingError> {
    let no_start = |last: String| MeetingError::NoStart { seconds: wait.seconds(), last };
    let lost = |error: io::Error| no_start(format!("the connection to it is lost: {error}"));
    lines.stream.set_read_timeout(Some(LOOK_EVERY)).map_err(lost)?;
    loop {
        wait.check()?;
        let line = match lines.start.take() {
            Some(line) => Some(line),
            None => lines.next().map_err(lost)?,
        };
        if let Some(start) = line.as_deref().and_then(|line| line.strip_prefix(START)) {
            lines.stream.set_read_timeout(Some(ANSWER_MAX)).map_err(lost)?;
            return start.parse().map_err(|_| no_start("it speaks another protocol".to_owned()));
        }
        if wait.is_over() {
            return Err(no_start("it waits for others".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What shard 0 answers to a first line.
    fn answer_to(hello: &str, party: &Party, guests: &Mutex<Guests>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut lines = Lines::new(stream).unwrap();
        lines.send(hello).unwrap();
        // An error is what it answers as well.
        let _ = introduced(listener.accept().unwrap().0, party, guests);
        lines.answer().unwrap()
    }

    #[test]
    fn both_connections_of_a_shard_are_of_one_process() {
        let shard = Shard::new(0, 3).unwrap();
        let party = Party { shard, plan_digest: [7; 32], wall_shift_ns: 0, rules: Some([9; 32]) };
        let guests = Mutex::default();
        let (plan, rules) = (party.plan(), party.rules().unwrap());
        let answer = |hello: &str| answer_to(hello, &party, &guests);
        let stop = |token: &str| answer(&format!("{STOP_HELLO}{plan} 1/3 {token} {rules}"));
        let hello = |token: &str| answer(&format!("{HELLO}{plan} 1/3 {token}"));
        assert!(hello("a").starts_with("no what stops the run is not the same"));
        assert_eq!(stop("a"), "ok");
        // A second process that was started as the same shard, or the first one anew.
        assert_eq!(stop("b"), "ok");
        assert_eq!(hello("a"), "no another process is shard 1/3 too");
        assert_eq!(hello("b"), "ok");
        assert_eq!(stop("a"), "no shard 1/3 is there already");
        assert_eq!(lock(&guests).stops[&1].0, "b");
        assert_eq!(answer(&format!("{HELLO}{plan} 2/3")), "no it speaks another protocol");
    }
}
