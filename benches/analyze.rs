//! Reading a large log: ten million events of a generated file, folded into all figures, with the
//! peak of this process's memory. Run by `cargo test`, it reads a small one.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench")]

mod traffic;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use z6_analysis::analyze::{AnalyzeOptions, analyze};
use z6_events::{BlockBuilder, Event, LogAssembler, LogHeader, LogReader, Partition, Tick};
use z6_scenario::Scenario;

const EVENTS: u64 = 10_000_000;
const EVENTS_SMOKE: u64 = 20_000;

/// The log of a closed loop, written block by block.
struct Generator {
    out: BufWriter<File>,
    assembler: LogAssembler,
    block: BlockBuilder,
}

impl Generator {
    fn begin(path: &Path, scenario: &Scenario) -> Generator {
        let header = LogHeader {
            seed: 42,
            engine_version: z6_vu::ENGINE_VERSION.to_owned(),
            scenario_text: scenario.text.clone(),
            ..LogHeader::default()
        };
        let (assembler, bytes) = LogAssembler::new(&header).expect("the header fits");
        let mut out = BufWriter::new(File::create(path).expect("a file in the temporary folder"));
        out.write_all(&bytes).expect("room for the header");
        let block = BlockBuilder::new(Partition::WHOLE, Vec::new());
        Generator { out, assembler, block }
    }

    fn push(&mut self, at: Tick, event: &Event) {
        if self.block.push(at, event).is_err() {
            self.close();
            self.block.push(at, event).expect("an empty block has room");
        }
    }

    fn close(&mut self) {
        let mut sealed = self.block.close(Vec::new());
        self.out.write_all(self.assembler.seal(&mut sealed)).expect("room for a block");
    }

    /// Ends the file in the middle of the run, without a footer: what is in flight is censored.
    fn end(mut self) {
        self.close();
        self.out.flush().expect("room for the rest");
    }
}

fn generate(path: &Path, scenario: &Scenario, events: u64) {
    let mut generator = Generator::begin(path, scenario);
    let mut written = 0;
    let mut keep = |at: Tick, event: &Event| {
        generator.push(at, event);
        written += 1;
        written
    };
    let mut traffic = traffic::ClosedLoop::start(scenario, &mut |at, event| {
        keep(at, event);
    });
    let mut so_far = 0;
    while so_far < events {
        traffic.request(&mut |at, event| so_far = keep(at, event));
    }
    generator.end();
}

/// The most memory this process ever had, bytes; none if the system does not say.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1_024)
}

fn main() {
    // `cargo bench` says so; `cargo test` does not.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let events = if is_bench { EVENTS } else { EVENTS_SMOKE };
    let scenario = traffic::scenario();
    let path: PathBuf = std::env::temp_dir().join(format!("z6-bench-{}.z6log", std::process::id()));
    generate(&path, &scenario, events);
    let size = std::fs::metadata(&path).map_or(0, |meta| meta.len());
    let start = Instant::now();
    let file = BufReader::new(File::open(&path).expect("the file that was written"));
    let mut reader = LogReader::new(file).expect("a log");
    let read = analyze(&mut reader, &scenario, |_| String::new(), &AnalyzeOptions::default());
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(&path).expect("the file that was written");
    let sent = read.map(|analyzed| analyzed.metrics.requests.sent);
    let peak =
        peak_bytes().map_or_else(|| "unknown".to_owned(), |b| (b >> 20).to_string() + " MiB");
    println!(
        "{events} events, {size} bytes, requests {sent:?}: {seconds:.3} s, peak memory {peak}"
    );
}
