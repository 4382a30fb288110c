//! `[random]`: values that are made up.

use super::codes;
use super::decimal::scaled;
use super::diagnostic::quoted;
use super::limits::{MAX_CHOICES, MAX_RANDOM_VALUES};
use super::names::check_value_name;
use super::reader::{Context, Section, Span};
use super::sources::Sources;
use crate::error::ScenarioError;
use crate::journey::RandomValue;
use crate::random::Weights;
use crate::values::{MadeBy, Per};

/// What `alphabet` is by default.
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Reads `[random]`.
pub(crate) fn random(cx: &mut Context<'_>, root: &Section<'_>, sources: &mut Sources) {
    for member in root.members(cx, "random", MAX_RANDOM_VALUES) {
        let span = member.name_span.clone();
        let is_name = check_value_name(cx, member.name, span.as_ref(), "random value");
        let Some(section) = member.open(cx) else { continue };
        let by = made_by(cx, &section);
        if is_name && sources.add_random(cx, member.name, span) {
            sources.table.random.push(RandomValue {
                name: member.name.to_owned(),
                // What is wrong is reported; the name is there, so that its uses are not.
                by: by.unwrap_or(MadeBy::Uuid),
                per: per(&section, Per::Step),
            });
        }
    }
}

/// `per` of data and random values.
pub(crate) fn per(section: &Section<'_>, default: Per) -> Per {
    match section.text("per") {
        Some("vu") => Per::Vu,
        Some("iteration") => Per::Iteration,
        Some("step") => Per::Step,
        _ => default,
    }
}

fn made_by(cx: &mut Context<'_>, section: &Section<'_>) -> Option<MadeBy> {
    let small = |number: u64| u32::try_from(number).ok();
    match section.variant_name()? {
        "integer" => {
            let (min, max) = (section.integer("min")?, section.integer("max")?);
            in_order(cx, section, min <= max)?;
            Some(MadeBy::Integer { min, max })
        }
        "decimal" => {
            let digits = section.number_u32("digits")?;
            let min = decimal(cx, section, "min", digits)?;
            let max = decimal(cx, section, "max", digits)?;
            in_order(cx, section, min <= max)?;
            Some(MadeBy::Decimal { min, max, digits: u8::try_from(digits).ok()? })
        }
        "choice" => choice(cx, section),
        "text" => {
            let (min, max) = section.range("length")?;
            let alphabet: Vec<char> =
                section.text("alphabet").unwrap_or(ALPHABET).chars().collect();
            if alphabet.is_empty() {
                let message = "`alphabet` has no character";
                cx.error(codes::OUT_OF_RANGE, section.span("alphabet"), message, "write some");
                return None;
            }
            Some(MadeBy::Text { min: small(min)?, max: small(max)?, alphabet })
        }
        "hex" => Some(MadeBy::Hex { digits: section.number_u32("length")? }),
        "words" => {
            let (min, max) = section.range("count")?;
            Some(MadeBy::Words { min: small(min)?, max: small(max)? })
        }
        "name" => Some(MadeBy::Name),
        "email" => Some(MadeBy::Email),
        _ => Some(MadeBy::Uuid),
    }
}

fn in_order(cx: &mut Context<'_>, section: &Section<'_>, is_in_order: bool) -> Option<()> {
    if !is_in_order {
        let hint = "both belong to the range";
        cx.error(codes::OUT_OF_RANGE, section.span("min"), "`min` is more than `max`", hint);
    }
    is_in_order.then_some(())
}

/// A number of so many decimals, as a whole number of its last one.
fn decimal(cx: &mut Context<'_>, section: &Section<'_>, key: &str, digits: u32) -> Option<i64> {
    let text = section.decimal(key)?;
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let exact = scaled(text, digits).and_then(|number| {
        let number = i64::try_from(number).map_err(|_| ScenarioError::TooLarge)?;
        Ok(if is_negative { -number } else { number })
    });
    match exact {
        Ok(number) => Some(number),
        Err(error) => {
            let message = format!("{}: {error}", quoted(key));
            let hint = format!("the value has {digits} decimal places: `digits` says how many");
            cx.error(codes::TOO_FINE, section.span(key), message, hint);
            None
        }
    }
}

fn choice(cx: &mut Context<'_>, section: &Section<'_>) -> Option<MadeBy> {
    let from: Vec<String> =
        section.texts("from").iter().map(|(text, _)| text.clone().into_owned()).collect();
    let wrong = |cx: &mut Context<'_>, span: Option<Span>, message: String| {
        let hint = "write `from = [\"a\", \"b\"]`, and one weight for each, not all 0";
        cx.error(codes::OUT_OF_RANGE, span, message, hint);
        None
    };
    if from.is_empty() || from.len() > MAX_CHOICES {
        if section.is_bad("from") || !section.has("from") {
            return None;
        }
        let message = format!("`from` has {} choices, not 1 to {MAX_CHOICES}", from.len());
        return wrong(cx, section.span("from"), message);
    }
    if section.is_bad("weights") {
        return None;
    }
    let weights: Vec<u64> = match section.counts("weights") {
        Some(counts) => counts.iter().map(|(weight, _)| *weight).collect(),
        None => vec![1; from.len()],
    };
    if weights.len() != from.len() {
        let message = format!("{} weights for {} choices", weights.len(), from.len());
        return wrong(cx, section.span("weights"), message);
    }
    if weights.iter().all(|weight| *weight == 0) {
        return wrong(cx, section.span("weights"), "all `weights` are 0".to_owned());
    }
    Some(MadeBy::Choice { from, weights: Weights::new(weights) })
}
