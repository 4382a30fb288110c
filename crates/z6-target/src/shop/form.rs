//! What a request says: parameters of its query, fields of a form or a JSON object, cookies.
//!
//! Owns these grammars; must not know which names a route asks for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Call, Problem};
use crate::query;

/// Most fields of a form.
const MAX_FIELDS: usize = 64;

/// The first parameter `name` of a query, decoded as HTML forms are encoded.
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, Problem> {
    let found = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    found.map(decode).transpose()
}

fn decode(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = query::decode(&spaced).map_err(|bad| Problem::new(400, bad.to_string()))?;
    Ok(decoded.into_owned())
}

/// The body's fields by name: those of a form, or the texts of a JSON object. Of fields with one name
/// the last counts.
pub(super) fn fields(call: &Call) -> Result<BTreeMap<String, String>, Problem> {
    match media_type(call).as_deref() {
        Some("application/x-www-form-urlencoded") => form(call.body.bytes()),
        Some("application/json") => Ok(texts(json_object(call)?)),
        _ => Err(Problem::new(
            415,
            "the Content-Type must be application/json or application/x-www-form-urlencoded",
        )),
    }
}

fn form(bytes: &[u8]) -> Result<BTreeMap<String, String>, Problem> {
    let not_text = |_| Problem::new(400, "the form is not UTF-8");
    let text = std::str::from_utf8(bytes).map_err(not_text)?;
    let mut fields = BTreeMap::new();
    for (count, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if count == MAX_FIELDS {
            let text = format!("the form has more than {MAX_FIELDS} fields");
            return Err(Problem::new(400, text));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        fields.insert(decode(name)?, decode(value)?);
    }
    Ok(fields)
}

/// The members that are texts; others stay unread.
fn texts(object: Map<String, Value>) -> BTreeMap<String, String> {
    let text = |(name, value)| match value {
        Value::String(text) => Some((name, text)),
        _ => None,
    };
    object.into_iter().filter_map(text).collect()
}

/// The body as a JSON object.
pub(super) fn json_object(call: &Call) -> Result<Map<String, Value>, Problem> {
    if media_type(call).as_deref() != Some("application/json") {
        return Err(Problem::new(415, "the Content-Type must be application/json"));
    }
    match serde_json::from_slice(call.body.bytes()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::new(400, "the body is not a JSON object")),
        Err(error) => Err(Problem::new(400, format!("the body is not JSON: {error}"))),
    }
}

/// The media type of the body in lower case, without parameters.
fn media_type(call: &Call) -> Option<String> {
    let field = call.content_type.as_deref()?;
    Some(field.split(';').next()?.trim().to_ascii_lowercase())
}

/// The value of the first cookie `name` (RFC 6265 section 4.2.1).
pub(super) fn cookie<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.cookie.as_deref()?.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_as_forms_are() {
        let query = "a=1&q=red+shoes%2B%C3%A9&q=2&empty";
        assert_eq!(parameter(query, "q"), Ok(Some("red shoes+é".to_owned())));
        assert_eq!(parameter(query, "empty"), Ok(Some(String::new())));
        assert_eq!(parameter(query, "b"), Ok(None));
        assert_eq!(parameter("q=%f", "q").expect_err("malformed").status, 400);
    }

    #[test]
    fn forms_are_bounded() {
        let pairs = |count: usize| "a=b&".repeat(count).into_bytes();
        assert_eq!(form(&pairs(MAX_FIELDS)).expect("read").len(), 1);
        assert_eq!(form(&pairs(MAX_FIELDS + 1)).expect_err("too many").status, 400);
        assert_eq!(form(b"a=\xff").expect_err("not text").status, 400);
    }
}
