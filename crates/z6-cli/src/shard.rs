//! `--shard`: which part of a run this process has, as the user or the scheduler says it.
//!
//! Owns the variables of schedulers. Knows neither runs nor scenarios.

use std::env;
use std::time::{Duration, SystemTime};

use z6::Barrier;
use z6_events::Shard;
use z6_events::limits::MAX_SHARDS;

use crate::exit::UsageError;

/// The value of `--shard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardArg {
    /// `2/4`.
    Fixed(Shard),
    /// `auto`, or `auto/4` where the scheduler does not say how many there are.
    Auto(Option<u16>),
}

/// Parses the value of `--shard`.
pub(crate) fn parse(text: &str) -> Result<ShardArg, String> {
    let of = |text: &str| match text.parse() {
        Ok(of @ 1..=MAX_SHARDS) => Ok(of),
        Ok(_) | Err(_) => Err(format!("a run has 1 to {MAX_SHARDS} shards")),
    };
    match text.split_once('/') {
        None if text == "auto" => Ok(ShardArg::Auto(None)),
        Some(("auto", shards)) => Ok(ShardArg::Auto(Some(of(shards)?))),
        Some((index, shards)) if index.bytes().all(|byte| byte.is_ascii_digit()) => {
            numbered(index.parse().ok(), of(shards)?).map(ShardArg::Fixed)
        }
        None | Some(_) => {
            Err("expected I/N such as 0/4, or `auto`, or `auto/N` if the scheduler does not say how many".to_owned())
        }
    }
}

/// Shard `index` of `of`; no index is one with too many digits.
fn numbered(index: Option<u64>, of: u16) -> Result<Shard, String> {
    let shard = index.and_then(|index| Shard::new(u16::try_from(index).ok()?, of));
    shard.ok_or_else(|| {
        format!("counting starts at 0: the shards of {of} are 0/{of} to {}/{of}", of - 1)
    })
}

/// An instant further ahead than this is a mistake: 24 h.
const START_AHEAD_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Parses the value of `--start-at`: RFC 3339.
pub(crate) fn instant(text: &str) -> Result<SystemTime, String> {
    let instant: jiff::Timestamp = text.parse().map_err(|_| {
        "expected a date, a time and its zone, such as 2026-11-26T15:00:00Z".to_owned()
    })?;
    let instant = SystemTime::from(instant);
    match instant.duration_since(SystemTime::now()) {
        Ok(ahead) if ahead > START_AHEAD_MAX => Err(format!(
            "it is more than 24 h ahead; now it is {}",
            jiff::Timestamp::now().strftime("%FT%TZ")
        )),
        Ok(_) | Err(_) => Ok(instant),
    }
}

/// Parses the value of `--barrier`.
pub(crate) fn barrier(text: &str) -> Result<Barrier, String> {
    let Some(address) = text.strip_prefix("tcp://") else {
        return match text.contains("://") || text.is_empty() {
            true => Err("expected a folder, or tcp://HOST:PORT".to_owned()),
            false => Ok(Barrier::Folder(text.into())),
        };
    };
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
    port.ok_or("expected tcp://HOST:PORT, such as tcp://10.0.0.5:7600")?;
    Ok(Barrier::Tcp(address.to_owned()))
}

/// How a scheduler tells a task its number.
struct Scheduler {
    /// The variable with the number.
    index: &'static str,
    /// The variable with the number of the first task, or that number.
    first: First,
    /// The variable that says how far the numbers of two tasks are apart.
    step: Option<&'static str>,
    /// The variable that says how many tasks there are.
    count: Option<&'static str>,
}

enum First {
    Number(u64),
    Variable(&'static str),
}

/// Those that are known, in the order in which messages name them.
const SCHEDULERS: [Scheduler; 6] = [
    // Kubernetes: a Job with `completionMode: Indexed`.
    Scheduler { index: "JOB_COMPLETION_INDEX", first: First::Number(0), step: None, count: None },
    Scheduler {
        index: "SLURM_ARRAY_TASK_ID",
        first: First::Variable("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
        count: Some("SLURM_ARRAY_TASK_COUNT"),
    },
    Scheduler {
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: First::Number(0),
        step: None,
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
    Scheduler {
        index: "CLOUD_RUN_TASK_INDEX",
        first: First::Number(0),
        step: None,
        count: Some("CLOUD_RUN_TASK_COUNT"),
    },
    // GNU parallel.
    Scheduler { index: "PARALLEL_SEQ", first: First::Number(1), step: None, count: None },
    Scheduler { index: "NOMAD_ALLOC_INDEX", first: First::Number(0), step: None, count: None },
];

/// A shard, and the variable its number comes from, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) shard: Shard,
    pub(crate) from: Option<&'static str>,
}

impl ShardArg {
    /// Asks the environment, if it is to be asked.
    ///
    /// # Errors
    /// It does not say which shard this is, or says it twice.
    pub(crate) fn resolve(self) -> Result<Resolved, UsageError> {
        let variable = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
        match self {
            ShardArg::Fixed(shard) => Ok(Resolved { shard, from: None }),
            ShardArg::Auto(of) => from_scheduler(of, &variable).map_err(UsageError),
        }
    }
}

fn from_scheduler(
    given: Option<u16>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, String> {
    let is_set = |one: &&Scheduler| variable(one.index).is_some();
    let mut found = SCHEDULERS.iter().filter(is_set);
    let Some(scheduler) = found.next() else {
        let names = SCHEDULERS.map(|one| one.index).join(", ");
        return Err(format!(
            "`--shard auto` finds no scheduler: none of {names} is set. Say it yourself: `--shard 0/4`"
        ));
    };
    if let Some(other) = found.next() {
        return Err(format!(
            "`--shard auto` finds two schedulers: {} and {} are set. Say it yourself: `--shard 0/4`",
            scheduler.index, other.index
        ));
    }
    let number = |name: &str| -> Result<Option<u64>, String> {
        let Some(text) = variable(name) else { return Ok(None) };
        let bad = |_| format!("{name} is \"{}\", which is no number", z6_events::printable(&text));
        text.trim().parse().map(Some).map_err(bad)
    };
    let said = scheduler.count.map(&number).transpose()?.flatten();
    let of = match (given.map(u64::from), said) {
        (Some(given), Some(said)) if given != said => {
            let name = scheduler.count.unwrap_or_default();
            return Err(format!("`--shard auto/{given}`, but {name} is {said}"));
        }
        (Some(of), _) | (None, Some(of)) => of,
        (None, None) => {
            return Err(format!(
                "{} says which shard this is, and nothing says how many there are: `--shard auto/N`",
                scheduler.index
            ));
        }
    };
    let first = match scheduler.first {
        First::Number(first) => first,
        First::Variable(name) => number(name)?.unwrap_or(0),
    };
    let step = scheduler.step.map(&number).transpose()?.flatten().unwrap_or(1).max(1);
    let place = number(scheduler.index)?.unwrap_or(0);
    let index = place.checked_sub(first).filter(|past| past % step == 0).map(|past| past / step);
    let last = first.saturating_add(of.saturating_sub(1).saturating_mul(step));
    let steps = if step == 1 { String::new() } else { format!(" in steps of {step}") };
    let outside = || {
        format!(
            "{} is {place}, but {of} shards have the numbers from {first} to {last}{steps}",
            scheduler.index
        )
    };
    let of = u16::try_from(of).ok().filter(|of| (1..=MAX_SHARDS).contains(of));
    let of = of.ok_or_else(|| format!("a run has 1 to {MAX_SHARDS} shards"))?;
    let index = index.and_then(|index| u16::try_from(index).ok()).ok_or_else(outside)?;
    let shard = Shard::new(index, of).ok_or_else(outside)?;
    Ok(Resolved { shard, from: Some(scheduler.index) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> Result<Shard, String> {
        match parse(text)? {
            ShardArg::Fixed(shard) => Ok(shard),
            ShardArg::Auto(_) => Err("auto".to_owned()),
        }
    }

    #[test]
    fn shards_count_from_0() {
        assert_eq!(fixed("0/1"), Ok(Shard::WHOLE));
        assert_eq!(fixed("3/4").unwrap().to_string(), "3/4");
        for text in ["4/4", "18446744073709551616/4"] {
            let error = fixed(text).unwrap_err();
            assert_eq!(error, "counting starts at 0: the shards of 4 are 0/4 to 3/4");
        }
        for text in ["", "1", "/4", "1/", "-1/4", "+1/4", "1/4/4", "a/4", "0/0", "0/1025", "auto/0"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("auto"), Ok(ShardArg::Auto(None)));
        assert_eq!(parse("auto/1024"), Ok(ShardArg::Auto(Some(1024))));
    }

    fn auto(given: Option<u16>, set: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let Resolved { shard, from } = from_scheduler(given, &variable)?;
        Ok(format!("{shard} {}", from.unwrap()))
    }

    #[test]
    fn schedulers_say_which_shard_this_is() {
        let ok = |given, set: &[_], expected: &str| {
            assert_eq!(auto(given, set), Ok(expected.to_owned()));
        };
        ok(Some(3), &[("JOB_COMPLETION_INDEX", "2")], "2/3 JOB_COMPLETION_INDEX");
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "14"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ];
        ok(None, &slurm, "2/3 SLURM_ARRAY_TASK_ID");
        let batch = [("AWS_BATCH_JOB_ARRAY_INDEX", "0"), ("AWS_BATCH_JOB_ARRAY_SIZE", "8")];
        ok(None, &batch, "0/8 AWS_BATCH_JOB_ARRAY_INDEX");
        ok(Some(8), &batch, "0/8 AWS_BATCH_JOB_ARRAY_INDEX");
        let cloud_run = [("CLOUD_RUN_TASK_INDEX", "1"), ("CLOUD_RUN_TASK_COUNT", "2")];
        ok(None, &cloud_run, "1/2 CLOUD_RUN_TASK_INDEX");
        ok(Some(4), &[("PARALLEL_SEQ", "4")], "3/4 PARALLEL_SEQ");
        ok(Some(4), &[("NOMAD_ALLOC_INDEX", "3")], "3/4 NOMAD_ALLOC_INDEX");
    }

    #[test]
    fn instants_have_a_zone_and_are_near() {
        assert!(instant("2026-01-01T00:00:00Z").is_ok());
        assert!(instant("2026-01-01T01:00:00+01:00").is_ok());
        for text in ["", "now", "15:00", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"] {
            assert!(instant(text).unwrap_err().contains("and its zone"), "{text}");
        }
        assert!(instant("2999-01-01T00:00:00Z").unwrap_err().contains("more than 24 h ahead"));
    }

    #[test]
    fn a_barrier_is_a_folder_or_an_address() {
        assert_eq!(barrier("/shared/x"), Ok(Barrier::Folder("/shared/x".into())));
        assert_eq!(barrier("tcp://a:7600"), Ok(Barrier::Tcp("a:7600".to_owned())));
        assert_eq!(barrier("tcp://[::1]:7600"), Ok(Barrier::Tcp("[::1]:7600".to_owned())));
        for text in ["", "tcp://", "tcp://a", "tcp://:7600", "tcp://a:0", "tcp://a:x", "http://a:1"]
        {
            assert!(barrier(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_schedulers_leave_open_is_an_error() {
        let error = |given, set: &[_], expected: &str| {
            let error = auto(given, set).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        error(None, &[], "none of JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID,");
        error(None, &[("NOMAD_ALLOC_INDEX", "0")], "`--shard auto/N`");
        error(Some(4), &[("PARALLEL_SEQ", "0")], "PARALLEL_SEQ is 0");
        error(Some(4), &[("PARALLEL_SEQ", "5")], "4 shards have the numbers from 1 to 4");
        error(Some(4), &[("PARALLEL_SEQ", "x\u{1b}[m")], "is \"x\\u{1b}[m\", which is no number");
        let two = [("PARALLEL_SEQ", "1"), ("SLURM_ARRAY_TASK_ID", "1")];
        error(Some(4), &two, "SLURM_ARRAY_TASK_ID and PARALLEL_SEQ are set");
        let batch = [("AWS_BATCH_JOB_ARRAY_INDEX", "0"), ("AWS_BATCH_JOB_ARRAY_SIZE", "8")];
        error(Some(4), &batch, "`--shard auto/4`, but AWS_BATCH_JOB_ARRAY_SIZE is 8");
        let gap = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ];
        error(None, &gap, "SLURM_ARRAY_TASK_ID is 7, but 3 shards have the numbers from 1");
        let many = [("CLOUD_RUN_TASK_INDEX", "1"), ("CLOUD_RUN_TASK_COUNT", "2000")];
        error(None, &many, "1 to 1024 shards");
    }
}
