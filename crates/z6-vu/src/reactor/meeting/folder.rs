//! Shards meet in a folder that all of them can write to.
//!
//! Each shard but the first keeps writing a file with a number that it drew and one that rises. Shard 0 counts
//! a shard as there once it saw that file change, so what was left behind by an earlier run counts for nothing.
//! When all are there, shard 0 writes the instant, with the numbers that were drawn: no other process takes it
//! for its own. Each then removes its file, and shard 0 its own last.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use z6_events::Shard;

use super::{LOOK_EVERY, MeetingError, Met, Party, Wait};

/// From the last shard's arrival to the common instant, nanoseconds: folders of a network show a file
/// some seconds late.
const LEAD_NS: u64 = 4_000_000_000;
/// How often a waiting shard shows that it is there.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// The file of a shard that waits.
pub(super) fn ready_path(folder: &Path, party: &Party, index: u16) -> PathBuf {
    folder.join(format!("{}-ready-{index}", stem(party)))
}

/// The file with the instant.
pub(super) fn go_path(folder: &Path, party: &Party) -> PathBuf {
    folder.join(format!("{}-go", stem(party)))
}

/// What the files of one run begin with.
fn stem(party: &Party) -> String {
    format!("z6-{}-{}", &party.plan()[..16], party.shard.of())
}

pub(super) fn meet(folder: &Path, party: &Party, wait: &Wait<'_>) -> Result<Met, MeetingError> {
    let start_ns = match party.shard.index() {
        0 => gather(folder, party, wait)?,
        _ => attend(folder, party, wait)?,
    };
    Ok(Met { start_ns, offset: None, link: None, stop: None })
}

fn failed(path: &Path) -> impl Fn(io::Error) -> MeetingError {
    let path = path.to_owned();
    move |source| MeetingError::Folder { path: path.clone(), source }
}

/// Writes a file that is there whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), MeetingError> {
    let temporary = path.with_extension("tmp");
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    written.map_err(failed(path))
}

fn remove(path: &Path) {
    // Who cleans up is of no importance.
    let _ = fs::remove_file(path);
}

/// What is in a file; none if there is none.
fn read(path: &Path) -> Result<Option<String>, MeetingError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// The two numbers of a waiting shard.
fn shown(text: &str) -> Option<(u64, u64)> {
    let numbers = text.strip_prefix("z6-barrier 1 ")?.trim_end();
    let (drawn, counter) = numbers.split_once(' ')?;
    Some((drawn.parse().ok()?, counter.parse().ok()?))
}

/// What shard 0 has seen of another.
#[derive(Debug, Clone, Default)]
struct Seen {
    last: Option<(u64, u64)>,
    /// Numbers drawn by processes that were there.
    drawn: Vec<u64>,
}

impl Seen {
    /// Returns whether two processes take turns.
    fn look(&mut self, now: (u64, u64)) -> bool {
        let before = self.last.replace(now);
        let is_alive = before.is_some_and(|before| before != now);
        if !is_alive || self.drawn.last() == Some(&now.0) {
            return false;
        }
        let is_back = self.drawn.contains(&now.0);
        self.drawn.push(now.0);
        is_back
    }
}

/// Shard 0.
fn gather(folder: &Path, party: &Party, wait: &Wait<'_>) -> Result<u64, MeetingError> {
    let of = party.shard.of();
    let mut seen = vec![Seen::default(); usize::from(of)];
    let drawn = loop {
        wait.check()?;
        for (index, seen) in (0..of).zip(&mut seen).skip(1) {
            let text = read(&ready_path(folder, party, index))?;
            let is_doubled = text.as_deref().and_then(shown).is_some_and(|now| seen.look(now));
            if is_doubled && let Some(shard) = Shard::new(index, of) {
                return Err(MeetingError::Doubled { shard });
            }
        }
        let there: Vec<u64> = seen.iter().filter_map(|seen| seen.drawn.last().copied()).collect();
        if there.len() + 1 == seen.len() {
            break there;
        }
        if wait.is_over() {
            let is_missing = |index: &u16| *index > 0 && seen[usize::from(*index)].drawn.is_empty();
            let missing = party.named((0..of).filter(is_missing));
            return Err(MeetingError::Missing { missing, seconds: wait.seconds() });
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let start_ns = party.wall_ns() + LEAD_NS;
    let lines = (1..of).zip(drawn).map(|(index, drawn)| format!("{index} {drawn}\n"));
    let go = go_path(folder, party);
    write(&go, &format!("start {start_ns}\n{}", lines.collect::<String>()))?;
    // Until all have read it, or it is of no use any more.
    let is_waiting = || (1..of).any(|index| ready_path(folder, party, index).exists());
    while is_waiting() && party.wall_ns() + LEAD_NS / 8 < start_ns {
        wait.check()?;
        std::thread::sleep(LOOK_EVERY);
    }
    remove(&go);
    Ok(start_ns)
}

/// Any other shard.
fn attend(folder: &Path, party: &Party, wait: &Wait<'_>) -> Result<u64, MeetingError> {
    let ready = ready_path(folder, party, party.shard.index());
    let met = attend_with(folder, party, wait, &ready);
    remove(&ready);
    met
}

fn attend_with(
    folder: &Path,
    party: &Party,
    wait: &Wait<'_>,
    ready: &Path,
) -> Result<u64, MeetingError> {
    let drawn = RandomState::new().build_hasher().finish();
    let own = format!("{} {drawn}", party.shard.index());
    let (mut counter, mut show_at) = (0_u64, Instant::now());
    loop {
        wait.check()?;
        if Instant::now() >= show_at {
            counter += 1;
            write(ready, &format!("z6-barrier 1 {drawn} {counter}\n"))?;
            show_at = Instant::now() + SHOW_EVERY;
        }
        if let Some(go) = read(&go_path(folder, party))?
            && let Some(start_ns) = start_for(&go, &own)
        {
            return Ok(start_ns);
        }
        if wait.is_over() {
            let last = "it may not have started, or not see the same folder".to_owned();
            return Err(MeetingError::NoStart { seconds: wait.seconds(), last });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The instant, if it is meant for the process with this line.
fn start_for(go: &str, own: &str) -> Option<u64> {
    let mut lines = go.lines();
    let start_ns = lines.next()?.strip_prefix("start ")?.parse().ok()?;
    lines.any(|line| line == own).then_some(start_ns)
}
