//! JSON values against the parts of JSON Schema that the schema of metrics.json uses. A keyword that is not known
//! here is a fault, so that nothing passes unread.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use serde_json::Value;

/// docs/metrics.schema.json.
pub fn metrics_schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What in `value` the schema does not allow.
pub fn faults(root: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(root, root, value, "", &mut faults);
    faults
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        if schema == &Value::Bool(false) {
            faults.push(format!("{at}: nothing is allowed"));
        }
        return;
    };
    for (keyword, rule) in keywords {
        let fault = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => None,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                check(root, target, value, at, faults);
                None
            }
            "type" => {
                let types: Vec<&str> = match rule {
                    Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
                    rule => rule.as_str().into_iter().collect(),
                };
                (!types.iter().any(|name| is_of(name, value))).then(|| format!("not {types:?}"))
            }
            "minimum" => {
                let is_less = value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap());
                is_less.then(|| format!("less than {rule}"))
            }
            "maximum" => {
                let is_more = value.as_f64().is_some_and(|number| number > rule.as_f64().unwrap());
                is_more.then(|| format!("more than {rule}"))
            }
            "const" => (value != rule).then(|| format!("not {rule}")),
            "enum" => (!rule.as_array().unwrap().contains(value)).then(|| format!("not in {rule}")),
            "minItems" | "maxItems" => {
                let length = value.as_array().map_or(0, Vec::len) as u64;
                let bound = rule.as_u64().unwrap();
                let is_kept = if keyword == "minItems" { length >= bound } else { length <= bound };
                (value.is_array() && !is_kept).then(|| format!("{length} items"))
            }
            "anyOf" | "oneOf" => {
                let fits = |one: &&Value| {
                    let mut inner = Vec::new();
                    check(root, one, value, at, &mut inner);
                    inner.is_empty()
                };
                let fitting = rule.as_array().unwrap().iter().filter(fits).count();
                let is_kept = if keyword == "anyOf" { fitting > 0 } else { fitting == 1 };
                (!is_kept).then(|| format!("{fitting} of {keyword} fit"))
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}/{place}"), faults);
                }
                None
            }
            "required" => {
                let names = rule.as_array().unwrap().iter().filter_map(Value::as_str);
                let missing: Vec<&str> = match value.as_object() {
                    Some(object) => names.filter(|name| !object.contains_key(*name)).collect(),
                    None => Vec::new(),
                };
                (!missing.is_empty()).then(|| format!("without {missing:?}"))
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        check(root, rule, member, &format!("{at}/{name}"), faults);
                    }
                }
                None
            }
            "additionalProperties" => {
                let known = keywords.get("properties").and_then(Value::as_object);
                for (name, member) in value.as_object().into_iter().flatten() {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        check(root, rule, member, &format!("{at}/{name}"), faults);
                    }
                }
                None
            }
            other => Some(format!("unknown keyword {other}")),
        };
        faults.extend(fault.map(|fault| format!("{at}: {fault}")));
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("no type is called {other}"),
    }
}
