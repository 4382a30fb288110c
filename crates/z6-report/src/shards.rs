//! The shards of a run whose logs were read together: a table of them, at most 100 rows, and the rate and
//! lateness of six. Those with doubts come first.

use maud::{Markup, html};
use z6_metrics::report::units::{count, plural};
use z6_metrics::{Doubt, Metrics, ShardFigures, ShardsFigures, Verdict};

use crate::charts::{per_second, tenths};
use crate::scale::{Latencies, Linear, Mark, Time};
use crate::svg::{Chart, Key, ORANGE, RED, Unit, WIDTH, line};
use crate::tables::table;
use crate::text::{TABLE_ROWS, shown};

/// Shards whose rate and lateness are drawn.
const DRAWN: usize = 6;
/// Height of a chart, tenths of a pixel.
const HEIGHT: u64 = 700;
/// Height of a text beside a mark, with its gap.
const TEXT: u64 = 150;

/// How many there are and how many were read, in a few words; nothing for one log.
pub(crate) fn about(metrics: &Metrics) -> Option<String> {
    let shards = metrics.run.shards.as_ref()?;
    let all = plural(u64::from(shards.count), "shard");
    let merged = shards.merged.len() as u64;
    Some(if shards.missing.is_empty() { all } else { format!("{merged} of {all}") })
}

/// The table.
pub(crate) fn shards(metrics: &Metrics) -> Markup {
    let Some(shards) = &metrics.run.shards else { return html! {} };
    let rows = chosen(shards, TABLE_ROWS);
    let body = html! {
        @for (index, one) in rows {
            tr data-i=(index) {
                th scope="row" data-f="shard" data-v=(one.shard) { (one.shard) }
                td data-f="workers" data-v=(one.workers) { (one.workers) }
                @for (field, value) in [
                    ("planned", one.planned), ("sent", one.sent), ("succeeded", one.succeeded), ("failed", one.failed),
                ] {
                    td data-f=(field) data-v=(value) { (count(value)) }
                }
                td { (shown(&one.started_at)) }
                td { (end(one)) }
                td { (verdict(one)) }
            }
        }
        @for shard in shards.missing.iter().take(TABLE_ROWS) {
            tr { th scope="row" { (shard) } td colspan="8" { "missing" } }
        }
    };
    let headings = [
        "Shard",
        "Workers",
        "Planned",
        "Sent",
        "Succeeded",
        "Failed",
        "Started",
        "Ended by",
        "Generator",
    ];
    table("By shard", Some("/run/shards/merged"), &headings, &body)
}

/// All, or those that are degraded and the first others, in their order.
fn chosen(shards: &ShardsFigures, most: usize) -> Vec<(usize, &ShardFigures)> {
    let mut all: Vec<(usize, &ShardFigures)> = shards.merged.iter().enumerate().collect();
    all.sort_by_key(|(index, one)| (one.verdict == Verdict::Trustworthy, *index));
    all.truncate(most);
    all.sort_by_key(|(index, _)| *index);
    all
}

/// Rate and lateness of some shards, each on the same axes; nothing for one log.
pub(crate) fn pace(metrics: &Metrics) -> Option<Markup> {
    let shards = metrics.run.shards.as_ref()?;
    let drawn = chosen(shards, DRAWN);
    let columns =
        || drawn.iter().flat_map(|(_, one)| one.pace.columns().iter().map(move |it| (one, it)));
    let most = columns().map(|(one, (sent, _))| per_second(*sent, one.pace.column_ns())).max()?;
    let rate = Linear::up_to(most.max(10), HEIGHT);
    let late = columns().map(|(_, (_, late))| *late).filter(|late| *late > 0);
    let late = Latencies::around(late, HEIGHT);
    let time = Time::of(metrics.grid.iter(), WIDTH);
    let chart = |label: String, inner: Markup, key: Key| Chart {
        label,
        height: HEIGHT,
        x: time.marks(),
        y: Vec::new(),
        unit: Unit::Linear { top: rate.top, unit: "/s" },
        time_ns: Some(time.end_ns),
        inner: vec![inner],
        keys: vec![key],
    };
    let middle = |one: &ShardFigures, index: usize| {
        let length = one.pace.column_ns();
        time.at(index as u64 * length + length / 2)
    };
    Some(html! {
        @for (_, one) in &drawn {
            @let sent = one.pace.columns().iter().enumerate().map(|(index, (sent, _))| {
                Some((middle(one, index), rate.at(per_second(*sent, one.pace.column_ns()))))
            });
            @let lateness = one.pace.columns().iter().enumerate().map(|(index, (_, ns))| {
                (*ns > 0).then(|| (middle(one, index), late.at(*ns)))
            });
            (Chart {
                y: apart(rate.marks(tenths)),
                ..chart(
                    format!("Shard {}: requests sent per second over the run", one.shard),
                    line(sent, HEIGHT, ORANGE, "sent"),
                    Key::line(ORANGE, format!("shard {}, sent", one.shard)),
                )
            }.markup())
            (Chart {
                y: apart(late.marks()),
                unit: Unit::Latency { lowest: late.lowest, highest: late.highest },
                ..chart(
                    format!("Shard {}: largest lateness of a send over the run", one.shard),
                    line(lateness, HEIGHT, RED, "lateness, max"),
                    Key::line(RED, format!("shard {}, lateness, max", one.shard)),
                )
            }.markup())
        }
    })
}

/// Marks that leave room for their texts.
fn apart(marks: Vec<Mark>) -> Vec<Mark> {
    let mut kept: Vec<Mark> = Vec::new();
    for mark in marks {
        if kept.last().is_none_or(|last| mark.at >= last.at + TEXT) {
            kept.push(mark);
        }
    }
    kept
}

fn end(one: &ShardFigures) -> String {
    one.stopped_by.map_or_else(|| "not known".to_owned(), |by| by.name().replace('_', " "))
}

fn verdict(one: &ShardFigures) -> String {
    let kinds: Vec<&str> = one.doubts.iter().map(Doubt::kind).collect();
    match kinds.as_slice() {
        [] => one.verdict.name().to_owned(),
        kinds => format!("{}: {}", one.verdict.name(), kinds.join(", ").replace('_', " ")),
    }
}
