//! `z6 replay`: verifies that a log's decisions follow from its inputs, or recomputes its figures.
//!
//! The verdict goes to standard output, problems go to standard error.

use std::fmt::Write;

use z6::{BytesPlace, Difference, ReplayOutcome as Outcome};
use z6::{Log, Tick, WorkerId};
use z6_events::{Ending, Event, EventLine};
use z6_metrics::report::metrics_json;
use z6_metrics::report::units::{bytes, count};

use crate::args::ReplayArgs;
use crate::console;
use crate::exit::Exit;
use crate::log_args;

pub(super) fn replay(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let log = log_args::open(&args.log)?;
    let verified = if args.verify { log_args::verify(&log)? } else { Exit::Success };
    let replayed = replay_log(&log, args)?;
    // A violation is more severe than a truncated log.
    Ok(if verified == Exit::Success { replayed } else { verified })
}

fn replay_log(log: &Log, args: &ReplayArgs) -> anyhow::Result<Exit> {
    if args.metrics_only {
        let refolded = log.refold().map_err(z6::Error::from)?;
        console::results(&metrics_json(&refolded.metrics))?;
        return Ok(completeness(log, &refolded.ending, args.recovered));
    }
    let outcome = log.replay().map_err(z6::Error::from)?;
    let workers = log.header().workers;
    match &outcome {
        Outcome::Identical { events, ending } => {
            console::results(&identical(*events, workers, ending))?;
            Ok(completeness(log, ending, args.recovered))
        }
        Outcome::Differs(difference) => {
            console::results(&differs(difference))?;
            Ok(differ(log, "does not follow from its inputs"))
        }
        Outcome::HeaderDiffers(fact) => {
            console::results(&format!("differs in the header: {}\n", fact.name()))?;
            Ok(differ(log, "has a header that contradicts its scenario and seed"))
        }
        Outcome::BytesDiffer(place) => {
            console::results(&bytes_differ(place))?;
            Ok(differ(log, "has bytes that differ from the encoding of its events"))
        }
    }
}

fn differ(log: &Log, how: &str) -> Exit {
    console::error(&format!("{} {how}", log.path().display()));
    Exit::Differs
}

/// Reports whether the end of the log is missing and returns the exit code for it.
fn completeness(log: &Log, ending: &Ending, recovered: bool) -> Exit {
    let Ending::Torn { valid_bytes, lost_bytes, reason } = ending else { return Exit::Success };
    let path = log.path().display();
    let (valid, lost) = (count(*valid_bytes), count(*lost_bytes));
    let text = format!(
        "{path} is truncated ({reason}): {valid} bytes are valid, the {lost} bytes after them are lost"
    );
    if recovered {
        console::warning(&text);
        Exit::Success
    } else {
        console::error(&format!("{text}; use --recovered to accept this"));
        Exit::Usage
    }
}

fn identical(events: u64, workers: u16, ending: &Ending) -> String {
    let rows = |verdict: &str, last: (&str, String)| {
        format!(
            "{verdict}\nevents   {}\nworkers  {workers}\n{:<7}  {}\n",
            count(events),
            last.0,
            last.1
        )
    };
    match ending {
        Ending::Clean { digest, .. } => rows("identical", ("digest", digest.to_string())),
        Ending::Torn { lost_bytes, .. } => {
            let lost = format!("{} lost", bytes(*lost_bytes));
            rows("identical as far as it goes", ("bytes", lost))
        }
    }
}

fn bytes_differ(place: &BytesPlace) -> String {
    match place {
        BytesPlace::Block { number, offset } => {
            format!("differs in the bytes of block {number}, at byte {offset}; its events agree\n")
        }
        BytesPlace::Frame { recorded, derived } => format!(
            "differs in the bytes around the events, which agree\n\
             digest in the log   {recorded}\ndigest derived      {derived}\n"
        ),
    }
}

/// Describes the first difference and the events before it.
fn differs(difference: &Difference) -> String {
    let Difference { kind, worker, event, at, .. } = difference;
    let mut text = format!("differs at event {event}: {}\n", kind.name());
    put(&mut text, format_args!("tick     {at}"));
    put(&mut text, format_args!("worker   {worker}"));
    if let Some(actor) = difference.actor() {
        put(&mut text, format_args!("actor    {actor}"));
    }
    put(&mut text, format_args!("before"));
    for (index, at, event) in &difference.context {
        put(&mut text, format_args!("  {index}: {}", line(*worker, *at, event)));
    }
    put(&mut text, format_args!("in the log"));
    put(&mut text, format_args!("  {}", side(*worker, *at, difference.recorded.as_ref())));
    put(&mut text, format_args!("derived from its inputs"));
    put(&mut text, format_args!("  {}", side(*worker, *at, difference.derived.as_ref())));
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

fn side(worker: WorkerId, at: Tick, event: Option<&Event>) -> String {
    event.map_or_else(|| "nothing".to_owned(), |event| line(worker, at, event))
}

fn line(worker: WorkerId, at: Tick, event: &Event) -> String {
    EventLine { worker, at, event }.to_string()
}
