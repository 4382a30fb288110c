//! The JSON Schema of metrics.json, made from the types that it is written from.
//!
//! Knows no figure. What is not written by a derived `Serialize` has its schema here.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::grid::GridFigures;
use crate::metrics::{Metrics, Named};
use crate::report::json_document;
use crate::verdict::Doubt;

/// The schema (JSON Schema 2020-12) as text, with a line feed at the end.
#[must_use]
pub fn metrics_schema() -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    json_document(&generator.into_root_schema_for::<Metrics>())
}

impl<T: JsonSchema, K> JsonSchema for Named<T, K> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

impl JsonSchema for Doubt {
    fn schema_name() -> Cow<'static, str> {
        "Doubt".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Something about the generator that the reader of its figures should know.",
            "type": "object",
            "properties": {
                "kind": { "type": "string" },
                "degrades": { "description": "Whether the verdict is `degraded`.", "type": "boolean" },
                "message": { "type": "string" }
            },
            "required": ["kind", "degrades", "message"]
        })
    }
}

/// Rows of whole numbers, one for each column.
const COUNTS: [&str; 17] = [
    "planned",
    "sent",
    "never_sent",
    "succeeded",
    "failed",
    "in_flight_at_stop",
    "loop_lag_max_ns",
    "loop_pass_max_ns",
    "log_stall_ns",
    "in_flight_integral_ns",
    "in_flight_end",
    "vus_integral_ns",
    "vus_end",
    "connections_integral_ns",
    "connections_end",
    "connections_opened",
    "columns",
];

impl JsonSchema for GridFigures {
    fn schema_name() -> Cow<'static, str> {
        "GridFigures".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let count = json_schema!({ "type": "integer", "minimum": 0 });
        let row = |of: &Schema| json_schema!({ "type": "array", "items": of });
        let pair = json_schema!({ "type": "array", "items": count, "minItems": 2, "maxItems": 2 });
        let maximum = json_schema!({ "type": ["integer", "null"], "minimum": 0 });
        let share = json_schema!({ "type": ["number", "null"], "minimum": 0 });
        let mut properties = serde_json::Map::new();
        let mut add = |name: &str, schema: Schema| {
            properties.insert(name.to_owned(), schema.to_value());
        };
        add("column_ns", count.clone());
        for name in COUNTS {
            add(name, if name == "columns" { count.clone() } else { row(&count) });
        }
        add("bucket_lows_ns", row(&pair));
        for latency in ["response", "service", "lateness"] {
            add(&format!("{latency}_ns"), row(&row(&pair)));
            add(&format!("{latency}_max_ns"), row(&maximum));
        }
        add("cpu_fraction", row(&share));
        add(
            "failed_by_kind",
            json_schema!({ "type": "object", "additionalProperties": row(&count) }),
        );
        let required: Vec<String> = properties.keys().cloned().collect();
        json_schema!({
            "description": "The run in at most 512 columns of equal length: an array for each figure.",
            "type": "object",
            "properties": properties,
            "required": required
        })
    }
}
