//! `GET /search`: pages of results that depend on the text searched for alone.

use std::fmt::Write as _;

use super::{Call, JSON, Problem, json_text, made, required};
use crate::draw::{absorb, scale};
use crate::query;
use crate::reply::Reply;

/// Items on a page.
const PAGE_ITEMS: u64 = 10;
/// Any text is found at least this often.
const TOTAL_MIN: u64 = 11;
const TOTAL_MAX: u64 = 50;
const MAX_PAGE: u64 = 1_000_000;
const SKUS: [&str; 3] = ["A-1", "B-2", "C-3"];

pub(super) fn search(call: &Call) -> Result<Reply, Problem> {
    let text = required(call.parameter("q")?.as_ref(), "q")?;
    let page = match call.parameter("page")? {
        None => 1,
        Some(number) => query::decimal(&number, 0)
            .filter(|number| (1..=MAX_PAGE).contains(number))
            .ok_or_else(|| Problem::new(400, "`page` must be a number from 1 to 1000000"))?,
    };
    let drawn = text.bytes().fold(0, |state, byte| absorb(state, u64::from(byte)));
    let total = TOTAL_MIN + scale(absorb(drawn, 0), TOTAL_MAX - TOTAL_MIN + 1);
    let first = (page - 1) * PAGE_ITEMS;
    let mut items = String::new();
    for place in first..(first + PAGE_ITEMS).min(total) {
        let comma = if place == first { "" } else { "," };
        let draw = absorb(drawn, place + 1);
        let (id, cents) = (scale(draw, 1_000_000), draw % 10_000);
        let sku = SKUS[(place % 3) as usize];
        let name = json_text(format_args!("{text} {}", place + 1));
        // Writing to a String cannot fail.
        let _ = write!(
            items,
            "{comma}{{\"id\":{id},\"sku\":\"{sku}\",\"name\":{name},\"price\":{}.{:02}}}",
            cents / 100,
            cents % 100
        );
    }
    let text = json_text(text);
    let body = format!("{{\"q\":{text},\"page\":{page},\"total\":{total},\"items\":[{items}]}}\n");
    Ok(made(200, JSON, String::new(), body))
}
