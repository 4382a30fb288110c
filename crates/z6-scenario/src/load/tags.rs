//! `tags`: fixed texts by which figures and goals tell requests and populations apart.

use super::codes;
use super::diagnostic::quoted;
use super::limits::{MAX_TAG_BYTES, MAX_TAGS};
use super::names::is_value_name;
use super::reader::{Context, Section};
use crate::model::{Request, Tag, Users};

/// Reads `tags` of a request or a population.
pub(crate) fn tags(cx: &mut Context<'_>, section: &Section<'_>) -> Vec<Tag> {
    let pairs = section.pairs("tags");
    if let Some(pair) = pairs.get(MAX_TAGS) {
        let message = format!("{} tags are more than {MAX_TAGS}", pairs.len());
        cx.error(codes::TOO_MANY, pair.name_span.clone(), message, "keep those that are asked for");
    }
    let mut tags = Vec::with_capacity(pairs.len().min(MAX_TAGS));
    for pair in pairs.iter().take(MAX_TAGS) {
        if !is_value_name(pair.name) {
            let message = format!("tag name {} cannot stand in an expression", quoted(pair.name));
            let hint = "write lower-case letters, digits and `_`, a letter first, at most 64 bytes";
            cx.error(codes::BAD_NAME, pair.name_span.clone(), message, hint);
        }
        if let Some(fault) = fault(pair.value) {
            let message = format!("the value of the tag {} {fault}", quoted(pair.name));
            let hint = "reports show this value: choose a short word";
            cx.error(codes::BAD_NAME, pair.value_span.clone(), message, hint);
        }
        tags.push(Tag { name: pair.name.to_owned(), value: pair.value.to_owned() });
    }
    tags
}

/// Reports a tag that stands on requests and on populations: which of them counts would be a guess.
pub(crate) fn check_apart(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    requests: &[Request],
    users: &[Users],
) {
    let of_users = users.iter().flat_map(|users| &users.tags);
    let is_on_request = |tag: &&Tag| requests.iter().any(|one| one.tag(&tag.name).is_some());
    if let Some(tag) = of_users.clone().find(is_on_request) {
        let message =
            format!("the tag {} stands on a population and on a request", quoted(&tag.name));
        let hint = "give the tags of populations names of their own";
        cx.error(codes::CONFLICT, root.key_span("populations"), message, hint);
    }
}

/// What is wrong with a value.
fn fault(value: &str) -> Option<&'static str> {
    if value.is_empty() {
        Some("is empty")
    } else if value.len() > MAX_TAG_BYTES {
        Some("is longer than 64 bytes")
    } else if value.chars().any(char::is_control) {
        Some("contains a control character")
    } else if value.trim() != value {
        Some("begins or ends with white space")
    } else if value.contains("{{") {
        Some("has a placeholder, and tags are fixed texts")
    } else {
        None
    }
}
