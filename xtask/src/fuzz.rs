//! The list of fuzz targets, and their runs: a few seconds each as a check, or minutes, or so many executions.
//!
//! Needs cargo-fuzz and a nightly toolchain. The corpora committed beside each crate's tests are
//! read as seeds and never written; new inputs go to `fuzz/grown`, which git ignores. `fuzz/corpus` links to the
//! seeds, for `cargo fuzz run`.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};

use crate::command::{Invocation, nightly_cargo};
use crate::runner::Outcome;
use crate::workspace;

/// The run of one target in `fuzz-smoke`. With the seed, every machine tries the same inputs in the same order, so
/// that the check judges the commit; the search with new seeds is `fuzz --minutes`.
const SMOKE_FLAGS: &[&str] = &["-max_total_time=5", "-seed=6"];

/// Where `fuzz-smoke` keeps new inputs; it begins without any.
const SMOKE_GROWN: &str = "target/fuzz-smoke";

/// An input that takes longer than this is a finding, seconds.
const INPUT_SECONDS_MAX: u64 = 10;

/// A target that needs more memory than this has a finding, MiB: what libFuzzer allows, and for targets over
/// whole logs.
const MEMORY_MIB_MAX: u64 = 2_048;
const LOG_MEMORY_MIB_MAX: u64 = 256;

/// A target and the folder of its seeds.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) seeds: &'static str,
    pub(crate) memory_mib_max: u64,
}

impl Target {
    const fn new(name: &'static str, seeds: &'static str) -> Target {
        Target { name, seeds, memory_mib_max: MEMORY_MIB_MAX }
    }

    /// A target over whole logs.
    const fn of_logs(name: &'static str) -> Target {
        let seeds = "crates/z6-analysis/tests/corpus/log";
        Target { name, seeds, memory_mib_max: LOG_MEMORY_MIB_MAX }
    }
}

pub(crate) const TARGETS: &[Target] = &[
    Target::new("response_decoder", "crates/z6-proto-http1/tests/corpus/response_decoder"),
    Target::new("chunked", "crates/z6-proto-http1/tests/corpus/chunked"),
    Target::new("content", "crates/z6-http/tests/corpus/content"),
    Target::new("template", "crates/z6-http/tests/corpus/template"),
    Target::new("location", "crates/z6-http/tests/corpus/location"),
    Target::new("connection", "crates/z6-proto-http1/tests/corpus/connection"),
    Target::new("request_reader", "crates/z6-proto-http1/tests/corpus/request_reader"),
    Target::new("request_encoder", "crates/z6-proto-http1/tests/corpus/request_encoder"),
    Target::new("h2_connection", "crates/z6-proto-http2/tests/corpus/h2_connection"),
    Target::new("h2_frames", "crates/z6-proto-http2/tests/corpus/h2_frames"),
    Target::new("h2_template", "crates/z6-vu/tests/corpus/h2_template"),
    Target::new("h2_versus_h1", "crates/z6-vu/tests/corpus/h2_versus_h1"),
    Target::new("hpack_decoder", "crates/z6-proto-http2/tests/corpus/hpack_decoder"),
    Target::new("hpack_round_trip", "crates/z6-proto-http2/tests/corpus/hpack_round_trip"),
    Target::new("huffman", "crates/z6-proto-http2/tests/corpus/huffman"),
    Target::new("json_path", "crates/z6-extract/tests/corpus/json_path"),
    Target::new("cookies", "crates/z6-extract/tests/corpus/cookies"),
    Target::new("rows", "crates/z6-extract/tests/corpus/rows"),
    Target::new("html", "crates/z6-extract/tests/corpus/html"),
    Target::new("log_reader", "crates/z6-events/tests/corpus/log_reader"),
    Target::new("block_decoder", "crates/z6-events/tests/corpus/block_decoder"),
    Target::new("scenario", "crates/z6-scenario/tests/corpus/scenario"),
    Target::new("base_url", "crates/z6-scenario/tests/corpus/base_url"),
    Target::new("durations", "crates/z6-scenario/tests/corpus/durations"),
    Target::new("overrides", "crates/z6-scenario/tests/corpus/overrides"),
    Target::new("simulation", "crates/z6-scenario/tests/corpus/simulation"),
    Target::new("percentiles", "crates/z6-analysis/tests/corpus/percentiles"),
    Target::new("target_reader", "crates/z6-target/tests/corpus/target_reader"),
    Target::new("shard_reports", "crates/z6-metrics/tests/corpus/shard_reports"),
    Target::new("check", "crates/z6-scenario/tests/corpus/check"),
    Target::new("filter", "crates/z6-analysis/tests/corpus/filter"),
    Target::of_logs("analyze"),
    Target::of_logs("diff"),
    Target::of_logs("export"),
    Target::of_logs("verify"),
    Target::of_logs("fold"),
    Target::of_logs("page"),
    Target { seeds: "crates/z6-analysis/tests/corpus/shards", ..Target::of_logs("shards") },
    Target { seeds: "crates/z6-vu/tests/corpus/replay", ..Target::of_logs("replay") },
];

/// Without the sanitizer, and built once for all steps of `ci`: no target has unsafe code of its own, and an
/// assertion needs none.
pub(crate) const UNSANITIZED: &[&str] = &["--sanitizer", "none"];

/// The step of `ci`.
///
/// # Errors
/// If a target does not build or finds something; if the tools are missing, only if
/// `Z6_REQUIRE_FUZZ` is set.
pub(crate) fn smoke() -> Result<Outcome> {
    if let Some(missing) = missing_tool() {
        if std::env::var_os("Z6_REQUIRE_FUZZ").is_some() {
            bail!("{missing}, and Z6_REQUIRE_FUZZ is set");
        }
        return Ok(Outcome::Skipped(missing));
    }
    let build = ["fuzz", "build", "--fuzz-dir", "fuzz"].as_slice();
    nightly_cargo(&[build, UNSANITIZED].concat()).run()?;
    let grown = workspace::root().join(SMOKE_GROWN);
    if grown.exists() {
        std::fs::remove_dir_all(&grown)
            .with_context(|| format!("cannot remove {}", grown.display()))?;
    }
    for (target, words) in TARGETS.iter().zip(on_each_core(TARGETS, smoke_one)) {
        println!("{:<18} {}", target.name, words?);
    }
    Ok(Outcome::Passed)
}

/// What `run` gives for each target, in their order; as many at once as there are cores.
fn on_each_core<T: Send>(targets: &[Target], run: impl Fn(&Target) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let one_after_another = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(target) = targets.get(place) else { return done };
            done.push((place, run(target)));
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(one_after_another)).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    all.sort_unstable_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, found)| found).collect()
}

/// How long a target is fuzzed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Minutes(u64),
    /// So many executions, without sanitizers, which make each of them several times slower.
    Runs(u64),
}

impl Length {
    fn flag(self) -> String {
        match self {
            Length::Minutes(minutes) => format!("-max_total_time={}", minutes * 60),
            Length::Runs(runs) => format!("-runs={runs}"),
        }
    }

    const fn options(self) -> &'static [&'static str] {
        match self {
            Length::Minutes(_) => &[],
            Length::Runs(_) => UNSANITIZED,
        }
    }
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Length::Minutes(minutes) => write!(f, "{minutes} min"),
            Length::Runs(runs) => write!(f, "{runs} executions"),
        }
    }
}

/// `fuzz --minutes M [TARGET..]` or `fuzz --runs N [TARGET..]`; returns whether nothing was found.
///
/// # Errors
/// If the arguments are wrong, or the tools are missing.
pub(crate) fn long(arguments: &[String]) -> Result<bool> {
    let (length, chosen) = parse(arguments)?;
    if let Some(missing) = missing_tool() {
        bail!("{missing}");
    }
    let mut failed = Vec::new();
    for target in chosen {
        println!("\n==== {} for {length}", target.name);
        let run = invocation(target, "fuzz/grown", length.options(), &[&length.flag()])?.run();
        if let Err(error) = run {
            println!("---- {error:#}");
            failed.push(target.name);
        }
    }
    match failed.as_slice() {
        [] => println!("\nnothing was found"),
        names => println!("\nfailed: {}; inputs are in fuzz/artifacts", names.join(", ")),
    }
    Ok(failed.is_empty())
}

fn parse(arguments: &[String]) -> Result<(Length, Vec<&'static Target>)> {
    let all = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    let usage = || {
        let all = all();
        format!("usage: cargo xtask fuzz (--minutes M | --runs N) [TARGET..]\ntargets: {all}")
    };
    let place = arguments.iter().position(|word| word.starts_with("--")).with_context(usage)?;
    let number = arguments.get(place + 1).and_then(|word| word.parse().ok());
    let number: u64 = number.filter(|number| *number > 0).with_context(usage)?;
    let length = match arguments[place].as_str() {
        "--minutes" => Length::Minutes(number),
        "--runs" => Length::Runs(number),
        _ => bail!(usage()),
    };
    let names: Vec<&String> = arguments[..place].iter().chain(&arguments[place + 2..]).collect();
    if names.is_empty() {
        return Ok((length, TARGETS.iter().collect()));
    }
    let of_name = |name: &&String| TARGETS.iter().find(|target| target.name == **name);
    let chosen = names.iter().map(of_name).collect::<Option<Vec<_>>>();
    Ok((length, chosen.with_context(usage)?))
}

/// The tool that is not installed, in words.
pub(crate) fn missing_tool() -> Option<String> {
    if !nightly_cargo(&["--version"]).succeeds() {
        return Some("no nightly toolchain (rustup toolchain install nightly)".to_owned());
    }
    if !nightly_cargo(&["fuzz", "--version"]).succeeds() {
        return Some("no cargo-fuzz (cargo install cargo-fuzz)".to_owned());
    }
    None
}

/// New inputs go to `grown`, a path from the root of the workspace.
fn invocation(
    target: &Target,
    grown: &str,
    options: &[&str],
    flags: &[&str],
) -> Result<Invocation> {
    let root = workspace::root();
    // libFuzzer writes to the first folder only.
    let grown = root.join(grown).join(target.name);
    std::fs::create_dir_all(&grown).with_context(|| format!("cannot make {}", grown.display()))?;
    let grown = grown.to_str().context("the path of the workspace is not UTF-8")?.to_owned();
    let seeds = root.join(target.seeds);
    let seeds = seeds.to_str().context("the path of the workspace is not UTF-8")?;
    let per_input = format!("-timeout={INPUT_SECONDS_MAX}");
    let run = [&["fuzz", "run", "--fuzz-dir", "fuzz"][..], options].concat();
    let folders = [target.name, &grown, seeds, "--"];
    let memory = format!("-rss_limit_mb={}", target.memory_mib_max);
    let figures = "-print_final_stats=1";
    let cargo =
        nightly_cargo(&[&run[..], &folders, flags, &[&per_input, &memory, figures]].concat());
    // A small quarantine: the peak that libFuzzer prints then is that of the target.
    Ok(cargo.env("ASAN_OPTIONS", "quarantine_size_mb=1"))
}

/// The last line of libFuzzer; if it found something, an error with its whole output.
fn smoke_one(target: &Target) -> Result<String> {
    let output = invocation(target, SMOKE_GROWN, UNSANITIZED, SMOKE_FLAGS)?.output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("{}", words.trim_end());
        bail!("fuzz target {}: {}", target.name, output.status);
    }
    let last = words.lines().rev().find(|line| line.starts_with("Done "));
    last.map(str::to_owned).with_context(|| format!("{}: libFuzzer did not finish", target.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_target_is_built_has_seeds_and_is_one_line() {
        let root = workspace::root();
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        // One more contains all of them.
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len() + 1);
        let all = std::fs::read_to_string(root.join("fuzz/src/lib.rs")).unwrap();
        assert_eq!(all.matches("::fuzzing::fuzz_").count(), TARGETS.len());
        for Target { name, seeds, .. } in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            assert!(
                std::fs::read_dir(root.join(seeds)).unwrap().count() > 0,
                "{name} has no seeds"
            );
            let linked = std::fs::canonicalize(root.join("fuzz/corpus").join(name)).unwrap();
            assert_eq!(linked, std::fs::canonicalize(root.join(seeds)).unwrap(), "{name}");
            assert!(all.contains(&format!("(\"{name}\", ")), "{name}");
            let text = std::fs::read_to_string(root.join(format!("fuzz/fuzz_targets/{name}.rs")));
            let text = text.unwrap();
            assert!(text.contains(&format!("::fuzzing::fuzz_{name}(")), "{text}");
        }
    }

    #[test]
    fn every_target_has_a_bug_to_find() {
        let files = workspace::files(&workspace::root()).unwrap();
        let of_product = |path: &str| path.starts_with("crates/") && path.contains("/src/");
        let files = files.iter().filter(|file| of_product(&file.path));
        let text: Vec<&str> = files.filter_map(|file| file.text()).collect();
        let text = text.concat();
        for Target { name, .. } in TARGETS {
            assert!(text.contains(&format!("is_planted(\"{name}\")")), "{name}");
        }
    }

    #[test]
    fn every_fuzz_body_has_a_target() {
        let files = workspace::files(&workspace::root()).unwrap();
        let bodies = files.iter().filter(|file| file.path.ends_with("/fuzzing.rs"));
        let text: Vec<&str> = bodies.filter_map(|file| file.text()).collect();
        let text = text.concat();
        let starts = text.split("pub fn fuzz_").skip(1);
        let found: BTreeSet<&str> = starts.filter_map(|rest| rest.split('(').next()).collect();
        let expected: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_run_at_once_comes_in_the_order_of_the_targets() {
        let names = on_each_core(TARGETS, |target| target.name);
        assert_eq!(names, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
    }

    #[test]
    fn arguments_choose_length_and_target() {
        let (length, all) = parse(&words("--minutes 3")).unwrap();
        assert_eq!((length, all.len()), (Length::Minutes(3), TARGETS.len()));
        for line in ["--runs 7 chunked rows", "chunked rows --runs 7", "chunked --runs 7 rows"] {
            let (length, some) = parse(&words(line)).unwrap();
            let names: Vec<&str> = some.iter().map(|target| target.name).collect();
            assert_eq!((length, names), (Length::Runs(7), vec!["chunked", "rows"]), "{line}");
        }
        for line in
            ["", "chunked", "--minutes", "--runs 0", "--minutes x", "--hours 1", "--runs 1 nothing"]
        {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
        assert_eq!(Length::Minutes(2).flag(), "-max_total_time=120");
        assert_eq!(Length::Runs(5).flag(), "-runs=5");
    }
}
