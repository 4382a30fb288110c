//! Z6 on a terminal: the block of a run, its summary, and `z6 watch` with its keys, in tmux. A test is skipped with a
//! message where tmux is not on the PATH, and fails there if Z6_REQUIRE_SERVERS is set.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::Folder;
use rustix::process::{Pid, Signal, kill_process};

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);

const SHOP: &str = "
metadata.name = 'Shop'
runtime = { duration_seconds = 20, vus = 6, prng_seed = 42 }
target.base_url = 'https://shop.example'
think_time = { type = 'constant', duration_ms = 20 }
requests = [{ name = 'list', path = '/' }, { name = 'basket', path = '/basket' }]
simulation = { service = 'exponential:3ms', statuses = { 503 = 0.01 } }
";

const LIVE: &str = "
metadata.name = 'Live'
runtime = { duration_seconds = 3, vus = 4, prng_seed = 7, workers = 1 }
target.base_url = 'builtin'
think_time = { type = 'constant', duration_ms = 2 }
requests = [{ name = 'hello', path = '/' }]
";

/// A terminal of a size, in a tmux server of its own, which ends with it.
struct Terminal {
    tmux: PathBuf,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Terminal {
    /// Runs `line` of a shell in `place`; afterwards the terminal stays and says `left` with the exit code.
    fn start((columns, rows): (u16, u16), place: &Path, line: &str) -> Option<Terminal> {
        let tmux = z6_testing::find("tmux")?;
        let folder = tempfile::tempdir().unwrap();
        let terminal = Terminal { tmux, socket: folder.path().join("tmux"), _folder: folder };
        let command = format!("{line}; echo left $?; exec cat");
        let size = ["-x".to_owned(), columns.to_string(), "-y".to_owned(), rows.to_string()];
        let started = terminal
            .command(&["-f", "/dev/null", "new-session", "-d"])
            .args(size)
            .arg("-c")
            .arg(place)
            .arg(command)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .output()
            .unwrap();
        assert!(started.status.success(), "{started:?}");
        Some(terminal)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tmux);
        command.arg("-u").arg("-S").arg(&self.socket).args(arguments);
        command
    }

    /// What is on the screen; with `history` also what has scrolled away.
    fn text(&self, history: bool) -> String {
        let mut command = self.command(&["capture-pane", "-p"]);
        if history {
            command.args(["-S", "-"]);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// Waits for a screen like this.
    fn until(&self, is_there: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        loop {
            let text = self.text(false);
            if is_there(&text) {
                return text;
            }
            assert!(since.elapsed() < PATIENCE, "{text}");
            std::thread::yield_now();
        }
    }

    fn press(&self, key: &str) {
        assert!(self.command(&["send-keys", key]).status().unwrap().success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

fn z6() -> &'static str {
    env!("CARGO_BIN_EXE_z6")
}

#[test]
fn a_finished_run_is_watched_and_keys_turn_pages() {
    let folder = Folder::new(SHOP);
    folder.run(&["simulate", "s.toml", "--output", "out"]).expect(0);
    for size in [(80, 24), (120, 40)] {
        let line = format!("{} watch out", z6());
        let Some(terminal) = Terminal::start(size, &folder.path("."), &line) else { return };
        let screen = terminal.until(|text| text.contains("q leave") && text.contains("basket"));
        insta::assert_snapshot!(format!("watch_{}x{}", size.0, size.1), screen);
        terminal.press("e");
        terminal.until(|text| text.contains("status 5"));
        terminal.press("g");
        terminal.until(|text| text.contains("lateness of requests"));
        terminal.press("?");
        terminal.until(|text| text.contains("freezes the screen"));
        terminal.press("s");
        terminal.until(|text| text.contains("service, last 10 s"));
        terminal.press("+");
        terminal.until(|text| text.contains("service, last 20 s"));
        terminal.press("r");
        terminal.until(|text| text.contains("request (service)"));
        terminal.press("Space");
        terminal.until(|text| text.contains("frozen"));
        terminal.press("q");
        let left = terminal.until(|text| text.contains("left 0"));
        assert!(!left.contains("q leave"), "the terminal is as it was: {left}");
    }
}

/// As when a window is closed or a connection to another machine is lost.
#[test]
fn a_watch_ends_with_its_terminal() {
    let folder = Folder::new(SHOP);
    folder.run(&["simulate", "s.toml", "--output", "out"]).expect(0);
    // A pipe that only the watching process holds open: it is at its end when that is gone.
    let line = format!("mkfifo alive; sh -c 'echo $$ >pid; exec {} watch out 9>alive'", z6());
    let Some(terminal) = Terminal::start((80, 24), &folder.path("."), &line) else { return };
    let alive = folder.path("alive");
    let (sender, gone) = std::sync::mpsc::channel();
    let mut pipe = loop {
        // Opening it waits for the one who writes.
        match std::fs::File::open(&alive) {
            Ok(pipe) => break pipe,
            Err(_) => std::thread::yield_now(),
        }
    };
    std::thread::spawn(move || sender.send(std::io::copy(&mut pipe, &mut std::io::sink()).is_ok()));
    terminal.until(|text| text.contains("q leave"));
    drop(terminal);
    let is_gone = gone.recv_timeout(PATIENCE).is_ok_and(|is_at_end| is_at_end);
    if !is_gone {
        let id = folder.read("pid").trim().parse().unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
    }
    assert!(is_gone, "it goes on without a terminal");
}

#[test]
fn shards_are_watched_as_one_run_and_those_that_are_missing_are_named() {
    let folder = Folder::new(SHOP);
    for shard in ["0/3", "1/3", "2/3"] {
        let output = format!("out/{}", &shard[..1]);
        folder.run(&["simulate", "s.toml", "--shard", shard, "--output", &output]).expect(0);
    }
    for (logs, words) in [
        ("out", "3 of 3 shards"),
        ("out/0 out/2", "1 of 3 shards is missing, shard 1: all figures"),
    ] {
        let line = format!("{} watch {logs}", z6());
        let Some(terminal) = Terminal::start((100, 30), &folder.path("."), &line) else { return };
        let screen = terminal.until(|text| text.contains("q leave") && text.contains(words));
        assert!(screen.contains("Shop  ended: duration"), "{screen}");
        terminal.press("q");
        terminal.until(|text| text.contains("left 0"));
    }
}

#[test]
fn a_run_has_a_block_that_goes_and_a_summary_that_stays() {
    for (size, more) in [((80, 24), ""), ((120, 40), ""), ((80, 24), " --live=line")] {
        let folder = Folder::new(LIVE);
        let line = format!("echo before; {} run s.toml --output out{more}", z6());
        let Some(terminal) = Terminal::start(size, &folder.path("."), &line) else { return };
        if more.is_empty() {
            let live = terminal.until(|text| text.contains("sent ") && text.contains(" s left"));
            for words in ["before", "seed 7, 1 worker", "Live  running", "response, last 10 s"] {
                assert!(live.contains(words), "{words}: {live}");
            }
            let block = live.lines().skip_while(|line| !line.starts_with("Live  running"));
            assert!(block.filter(|line| !line.is_empty()).count() <= 12, "{live}");
        } else {
            terminal.until(|text| text.contains("responses/s"));
        }
        terminal.until(|text| text.contains("left 0"));
        let all = terminal.text(true);
        for words in ["before", "\nLive\n", "not judged", "request", "receipt", "results  out"] {
            assert!(all.contains(words), "{words}: {all}");
        }
        assert!(!all.contains(" s left"), "the block is gone: {all}");
        let lines = all.lines().filter(|line| line.chars().count() > usize::from(size.0));
        assert_eq!(lines.count(), 0, "{all}");
    }
}

#[test]
fn a_run_is_watched_from_another_terminal() {
    let folder = Folder::new(&LIVE.replace("duration_seconds = 3", "duration_seconds = 5"));
    let line = format!("{} run s.toml --output out >run.txt 2>&1 & {} watch out", z6(), z6());
    let Some(terminal) = Terminal::start((80, 24), &folder.path("."), &line) else { return };
    terminal.until(|text| text.contains("Live  running") && text.contains("s left"));
    terminal.until(|text| text.contains("Live  ended: duration"));
    terminal.press("q");
    terminal.until(|text| text.contains("left 0"));
}
