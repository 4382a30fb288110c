//! Shards on threads of one process, whose judge counts bytes.

use std::net::TcpListener;
use std::sync::atomic::Ordering;

use z6_events::{LogHeader, Shard};

use super::super::super::sys;
use super::super::{Barrier, Meeting, Opening};
use super::*;

/// What `STOPPING` reports in all ask for the end of the run.
const STOPPING: usize = 3;

/// Stops the run once so many reports of `ok` have come; takes no other. Each shard ends with `end`.
#[derive(Default)]
struct Count {
    oks: usize,
    shards: BTreeMap<u16, &'static str>,
    lost: u16,
}

impl Judge for Count {
    fn take(
        &mut self,
        shard: u16,
        report: &[u8],
        _now: u64,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.shards.contains_key(&shard) {
            return Err("it had ended".into());
        }
        match report {
            b"ok" => self.oks += 1,
            b"end" => drop(self.shards.insert(shard, "ended")),
            _ => return Err("it lies".into()),
        }
        Ok(())
    }

    fn lost(&mut self, shard: u16) -> bool {
        let is_new = self.shards.insert(shard, "lost").is_none();
        self.lost += u16::from(is_new);
        is_new
    }

    fn stop(&self) -> ShardStop {
        let told = (self.oks >= STOPPING).then_some((2, 7));
        ShardStop { heard: 3 - self.lost, told }
    }
}

/// A shard that has begun.
struct Running {
    opening: Opening,
    stops: Stops,
    told: Receiver<Notice>,
}

impl Running {
    fn begin(mut opening: Opening) -> Running {
        let (notices, told) = unbounded();
        let clock = Clock::from_start_ns(sys::monotonic_ns());
        let judge = |_| Some(Box::<Count>::default() as Box<dyn Judge>);
        let stops = opening.stop.take().unwrap().begin(notices, clock, judge).unwrap().unwrap();
        Running { opening, stops, told }
    }

    fn report(&mut self, words: &[&str]) {
        words.iter().for_each(|word| self.stops.outbox.send(word.as_bytes().to_vec()));
    }

    #[track_caller]
    fn await_stop(&self) {
        let notice = self.told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(matches!(notice, Notice::Stop(StopReason::Assertion)), "{notice:?}");
    }

    /// The footer's totals of the stop, and who was lost.
    fn end(mut self) -> (Option<ShardStop>, Vec<(u16, String)>) {
        drop(self.stops.outbox);
        let totals = self.opening.at_end(Some(self.stops.end))();
        let lost = self.stops.news.lost(0).into_iter();
        (ShardStop::from_totals(&totals), lost.map(|lost| (lost.shard, lost.reason)).collect())
    }
}

fn meeting(address: &str) -> Meeting {
    let barrier = Some(Barrier::Tcp(address.to_owned()));
    Meeting { barrier, judges: true, wait_max: Duration::from_secs(60), ..Meeting::default() }
}

fn header(index: u16) -> LogHeader {
    let shard = Shard::new(index, 3).unwrap();
    LogHeader { shard: shard.index(), shards: shard.of(), ..LogHeader::default() }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Three shards that have met and begun.
fn three() -> [Running; 3] {
    let address = free_address();
    std::thread::scope(|scope| {
        let address = &address;
        let open = |index| scope.spawn(move || meeting(address).open(&header(index), 0).unwrap());
        [0, 1, 2].map(open).map(|thread| Running::begin(thread.join().unwrap()))
    })
}

#[test]
fn what_all_shards_report_stops_each_of_them() {
    let mut shards = three();
    for shard in &mut shards {
        shard.report(&["ok"]);
    }
    shards.iter().for_each(Running::await_stop);
    let told = Some(ShardStop { heard: 3, told: Some((2, 7)) });
    // Shard 0 ends last, so that the others are heard to their end.
    for mut shard in shards.into_iter().rev() {
        shard.report(&["end"]);
        assert_eq!(shard.end(), (told, Vec::new()));
    }
}

#[test]
fn a_shard_that_lies_or_goes_is_named_judged_without_and_stopped_with_the_others() {
    let [mut first, mut liar, gone] = three();
    liar.report(&["ok", "lie", "ok", "ok", "ok"]);
    let (told, _) = gone.end();
    assert_eq!(told, None);
    while first.stops.news.lost(0).len() < 2 {
        std::thread::yield_now();
    }
    assert!(first.told.is_empty(), "what comes after a lie does not count");
    first.report(&["ok", "ok", "end"]);
    first.await_stop();
    liar.await_stop();
    let (told, mut lost) = first.end();
    assert_eq!(told, Some(ShardStop { heard: 1, told: Some((2, 7)) }));
    lost.sort();
    let words = |shard, reason: &str| (shard, reason.to_owned());
    assert_eq!(lost, [words(1, "it lies"), words(2, "its connection has ended")]);
    assert_eq!(liar.end().0, told);
}

#[test]
fn without_a_stop_the_log_of_shard_0_says_who_was_heard() {
    let shards = three();
    for (index, mut shard) in [0, 1, 2].into_iter().zip(shards).rev() {
        shard.report(&["ok", "end"][usize::from(index > 0)..]);
        let heard = (index == 0).then_some(ShardStop { heard: 3, told: None });
        assert_eq!(shard.end(), (heard, Vec::new()));
    }
}

#[test]
fn shards_with_other_rules_are_refused() {
    let address = free_address();
    std::thread::scope(|scope| {
        let first = meeting(&address);
        let cancelled = Arc::clone(&first.cancelled);
        let first = scope.spawn(move || first.open(&header(0), 0).err().unwrap().to_string());
        let refused = |meeting: Meeting, header: &LogHeader| {
            let error = meeting.open(header, 0).err().unwrap().to_string();
            assert!(error.contains("what stops the run is not the same"), "{error}");
        };
        let other = LogHeader { scenario_text: "other".to_owned(), ..header(1) };
        refused(meeting(&address), &other);
        let overrides = vec![("vus".to_owned(), "1".to_owned())];
        refused(meeting(&address), &LogHeader { overrides, ..header(1) });
        // It has nothing that stops the run.
        refused(Meeting { judges: false, ..meeting(&address) }, &header(1));
        cancelled.store(true, Ordering::Relaxed);
        assert!(first.join().unwrap().contains("stopped while it waited"));
    });
}

/// Both ends of a connection.
fn pair() -> (TcpStream, Frames) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, Frames::new(listener.accept().unwrap().0))
}

/// The next frame, or why none comes.
fn whole(frames: &mut Frames, max: usize) -> io::Result<Vec<u8>> {
    loop {
        if let Some(frame) = frames.next(max)? {
            return Ok(frame);
        }
    }
}

#[test]
fn frames_come_as_they_were_sent_however_they_are_cut() {
    let (mut stream, mut frames) = pair();
    let bytes = [&[2, 0, 0, 0][..], b"ab", &[0; 4], &[1, 0, 0, 0], b"c", &[9, 0, 0, 0], b"d"];
    stream.set_nodelay(true).unwrap();
    for byte in bytes.concat() {
        stream.write_all(&[byte]).unwrap();
    }
    for expected in [&b"ab"[..], b"", b"c"] {
        assert_eq!(whole(&mut frames, 9).unwrap(), expected);
    }
    frames.stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(frames.next(9).unwrap(), None, "it is not whole");
    drop(stream);
    assert_eq!(whole(&mut frames, 9).unwrap_err().to_string(), "its connection has ended");
}

#[test]
fn a_shard_is_given_up_if_nothing_whole_comes_from_it() {
    let of_nothing = |_: TcpStream| {};
    // Bytes of a frame that takes more than a minute.
    let of_drops = |mut stream: TcpStream| {
        stream.set_nodelay(true).unwrap();
        stream.write_all(&(MAX_SHARD_REPORT_BYTES as u32).to_le_bytes()).unwrap();
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    for (name, talk) in [("nothing", of_nothing as fn(TcpStream)), ("drops", of_drops)] {
        let (stream, frames) = pair();
        frames.stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let (inbox, reports) = unbounded();
        let clock = Clock::from_start_ns(sys::monotonic_ns());
        let kept = stream.try_clone().unwrap();
        let talker = std::thread::spawn(move || talk(stream));
        take_all(1, frames, &inbox, (clock, NS_PER_SECOND / 100));
        let said = reports.try_iter().collect::<Vec<_>>();
        assert_eq!(said, [(1, Err("it said nothing for 0 s".to_owned()))], "{name}");
        drop(kept);
        talker.join().unwrap();
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_length() {
    let (mut stream, mut frames) = pair();
    stream.write_all(&u32::MAX.to_le_bytes()).unwrap();
    let error = whole(&mut frames, MAX_SHARD_REPORT_BYTES).unwrap_err().to_string();
    assert_eq!(error, "it sends 4294967295 bytes at once");
    assert!(frames.read.len() <= READ_BYTES);
}

#[test]
fn orders_are_read_as_they_were_written_and_in_no_other_length() {
    let stop = ShardStop { heard: 3, told: Some((65_535, u64::MAX - 1)) };
    let frame = stop_frame(&stop).unwrap();
    assert_eq!(frame.len(), STOP_BYTES);
    assert_eq!(order(&frame), Some(Order::Stop(stop)));
    assert_eq!(order(&[OVER]), Some(Order::Over));
    for length in 0..STOP_BYTES {
        assert_eq!(order(&frame[..length]), None);
    }
    assert_eq!(order(&[&frame[..], &[0]].concat()), None);
    assert_eq!(order(&[OVER, 0]), None);
    assert_eq!(order(&[3]), None);
    assert_eq!(stop_frame(&ShardStop { heard: 3, told: None }), None);
}

#[test]
fn a_shard_that_goes_on_alone_says_so_and_one_that_ends_with_shard_0_does_not() {
    let lost = |over, closed, now| {
        let news = StopNews::default();
        let one = LostShard { shard: 0, second: over, reason: "it has ended".to_owned() };
        news.lost.lock().unwrap().push(one);
        if let Some(closed) = closed {
            news.closed.set(closed).unwrap();
        }
        news.lost(now).len()
    };
    assert_eq!(lost(10, None, 14), 0);
    assert_eq!(lost(10, None, 15), 1);
    assert_eq!(lost(10, Some(10), 60), 0, "what came after its end took long");
}
