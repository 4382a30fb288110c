//! docs/SCENARIO.md and docs/LIMITS.md say what the parser does: every key with its type, default
//! and range, no key that does not exist, and examples that load.

use z6_extract::JsonPath;
use z6_http::template::ValueId;
use z6_scenario::expression::Check;
use z6_scenario::load::limits;
use z6_scenario::simulation;
use z6_scenario::{Files, KeyReference, Limits, Overrides, Scenario, reference};

const SCENARIO: &str = include_str!("../../../docs/SCENARIO.md");
const LIMITS: &str = include_str!("../../../docs/LIMITS.md");

/// A row of a table that begins with a key, with the headings above it.
struct Row {
    heading: String,
    subheading: String,
    text: String,
}

fn rows(text: &str) -> Vec<Row> {
    let (mut heading, mut subheading) = (String::new(), String::new());
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_owned();
            subheading.clear();
        } else if let Some(title) = line.strip_prefix("### ") {
            subheading = title.to_owned();
        } else if line.starts_with("| `") {
            let (heading, subheading) = (heading.clone(), subheading.clone());
            rows.push(Row { heading, subheading, text: line.to_owned() });
        }
    }
    rows
}

fn fits(row: &Row, key: &KeyReference) -> bool {
    let variant = format!("\"{}\"", key.variant);
    row.heading.contains(&format!("`{}`", key.table))
        && (key.variant.is_empty() || row.subheading.contains(&variant))
}

#[test]
fn every_key_is_described_as_it_is_read() {
    let rows = rows(SCENARIO);
    for key in reference() {
        if key.table == "the top level" {
            let heading = format!("`{}`", key.kind);
            assert!(rows.iter().any(|row| row.heading.contains(&heading)), "no heading {heading}");
            continue;
        }
        let start = format!("| `{}` | {} | {} | {} | ", key.name, key.kind, key.default, key.range);
        let found = rows.iter().any(|row| fits(row, &key) && row.text.starts_with(&start));
        assert!(found, "docs/SCENARIO.md lacks, under {} {}:\n{start}", key.table, key.variant);
    }
}

#[test]
fn no_key_is_described_that_is_not_read() {
    let keys = reference();
    let tables: Vec<&str> = keys.iter().map(|key| key.table).collect();
    for row in rows(SCENARIO) {
        if !tables.iter().any(|table| row.heading.contains(&format!("`{table}`"))) {
            continue;
        }
        let name = row.text.trim_start_matches("| `").split('`').next().unwrap();
        let known = keys.iter().any(|key| key.name == name && fits(&row, key));
        assert!(known, "under {}: {}", row.heading, row.text);
    }
}

#[test]
fn every_movable_limit_is_listed() {
    let rows = rows(LIMITS);
    for key in reference().iter().filter(|key| key.table == "[limits]") {
        let start = format!("| `{}` | {} | {} | ", key.name, key.default, key.range);
        let row = rows.iter().find(|row| row.text.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("docs/LIMITS.md lacks {start}"));
        assert!(row.heading.contains("`[limits]`"), "{}", row.heading);
        assert_eq!(row.text.matches(" | ").count(), 4, "{}", row.text);
    }
}

#[test]
fn every_fixed_limit_is_listed() {
    for (name, value) in [
        ("MAX_SCENARIO_BYTES", limits::MAX_SCENARIO_BYTES as u64),
        ("MAX_SCENARIO_ITEMS", limits::MAX_SCENARIO_ITEMS as u64),
        ("MAX_REQUESTS", limits::MAX_REQUESTS as u64),
        ("MAX_BODY_FILES", limits::MAX_BODY_FILES as u64),
        ("MAX_TARGETS", limits::MAX_TARGETS as u64),
        ("MAX_ASSERTIONS", limits::MAX_ASSERTIONS as u64),
        ("MAX_STEPS", limits::MAX_STEPS as u64),
        ("MAX_SEQUENCES", limits::MAX_SEQUENCES as u64),
        ("MAX_BRANCHES", limits::MAX_BRANCHES as u64),
        ("MAX_NESTING", limits::MAX_NESTING as u64),
        ("MAX_PLACES", limits::MAX_PLACES),
        ("MAX_HEADERS", limits::MAX_HEADERS as u64),
        ("MAX_SOURCE_ADDRESSES", limits::MAX_SOURCE_ADDRESSES as u64),
        ("MAX_REDIRECTS", limits::MAX_REDIRECTS),
        ("MAX_RESOLVE_ADDRESSES", limits::MAX_RESOLVE_ADDRESSES as u64),
        ("MAX_NAME_BYTES", limits::MAX_NAME_BYTES as u64),
        ("MAX_BODIES_BYTES", limits::MAX_BODIES_BYTES),
        ("MAX_PARAMETERS", limits::MAX_PARAMETERS as u64),
        ("MAX_PARAMETER_BYTES", limits::MAX_PARAMETER_BYTES as u64),
        ("MAX_DATA_FILES", limits::MAX_DATA_FILES as u64),
        ("MAX_RANDOM_VALUES", limits::MAX_RANDOM_VALUES as u64),
        ("MAX_VARIABLES", limits::MAX_VARIABLES as u64),
        ("MAX_PLACEHOLDER_VALUES", limits::MAX_PLACEHOLDER_VALUES as u64),
        ("MAX_EXTRACTS", limits::MAX_EXTRACTS as u64),
        ("MAX_CHECKS", limits::MAX_CHECKS as u64),
        ("MAX_FIELDS", limits::MAX_FIELDS as u64),
        ("MAX_VALUE_FILES", limits::MAX_VALUE_FILES as u64),
        ("MAX_CHOICES", limits::MAX_CHOICES as u64),
        ("MAX_CHOICE_WEIGHT", limits::MAX_CHOICE_WEIGHT),
        ("MAX_RANDOM_LENGTH", limits::MAX_RANDOM_LENGTH),
        ("MAX_RANDOM_WORDS", limits::MAX_RANDOM_WORDS),
        ("SLOTS_MAX", z6_http::template::SLOTS_MAX as u64),
        ("FILTERS_MAX", z6_http::template::FILTERS_MAX as u64),
        ("MAX_FINDINGS", limits::MAX_FINDINGS as u64),
        ("MAX_DURATION_NS", limits::MAX_DURATION_NS),
        ("MAX_TIMEOUT_NS", limits::MAX_TIMEOUT_NS),
        ("MAX_WORKERS", limits::MAX_WORKERS),
        ("MAX_CONNECTIONS", limits::MAX_CONNECTIONS),
        ("MAX_IN_FLIGHT", limits::MAX_IN_FLIGHT),
        ("MAX_RATE_MICRO", limits::MAX_RATE_MICRO),
        ("MAX_WEIGHT_MICRO", limits::MAX_WEIGHT_MICRO),
        ("MAX_ITERATIONS", limits::MAX_ITERATIONS),
        ("MAX_REPEAT", limits::MAX_REPEAT),
        ("MAX_DELAY_NS", simulation::MAX_DELAY_NS),
        ("MAX_SIGMA_MILLIONTHS", simulation::MAX_SIGMA_MILLIONTHS),
        ("MAX_BANDWIDTH", simulation::MAX_BANDWIDTH),
        ("MAX_SERVERS", u64::from(simulation::MAX_SERVERS)),
        ("MAX_BODY_BYTES", simulation::MAX_BODY_BYTES),
    ] {
        let start = format!("| `{name}` | {value} | ");
        assert!(
            LIMITS.lines().any(|line| line.starts_with(&start)),
            "docs/LIMITS.md lacks {start}"
        );
    }
}

#[test]
fn keys_of_other_tables_have_the_limits_listed() {
    for row in rows(LIMITS).iter().filter(|row| row.heading == "Connections and requests") {
        let cells: Vec<&str> = row.text.split(" | ").collect();
        let name = cells[0].trim_start_matches("| `").trim_end_matches('`');
        let key = reference().into_iter().find(|key| key.name == name);
        let key = key.unwrap_or_else(|| panic!("{name} is no key"));
        assert!(key.range.ends_with(cells[2]), "{name}: {} is not {}", cells[2], key.range);
        let by_model = key.default == "by model";
        assert!(by_model || key.default == cells[1], "{name}: {}", cells[1]);
    }
}

#[test]
fn the_defaults_of_limits_are_those_of_the_model() {
    let text = "runtime.iterations = 1\ntarget.base_url = 'http://h'\n\
                requests = [{ name = 'a', path = '/' }]\nlimits = {}\n";
    assert_eq!(Scenario::from_toml(text).unwrap().limits, Limits::default());
}

struct AnyFile;

impl Files for AnyFile {
    fn read(&self, path: &str, _max_bytes: u64) -> Result<Vec<u8>, String> {
        let is_data = path.ends_with(".csv");
        Ok(if is_data { b"email,password\na@shop.example,1\n".to_vec() } else { Vec::new() })
    }
}

#[test]
fn every_example_loads() {
    let mut seen = 0;
    for block in SCENARIO.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        // An example shows one table: the required rest is added.
        let mut text = String::new();
        for (part, rest) in [
            ("duration_seconds", "runtime.iterations = 1\n"),
            ("base_url", "target.base_url = 'http://localhost'\n"),
            ("[[requests]]", "requests = [{ name = 'root', path = '/' }]\n"),
        ] {
            if !block.contains(part) {
                text += rest;
            }
        }
        text += block;
        let loaded = Scenario::load(&text, &AnyFile, &Overrides::default());
        let loaded = loaded
            .unwrap_or_else(|findings| panic!("{}", findings.render("example", &text, false)));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

/// The indented lines of a section.
fn examples(heading: &str) -> Vec<&'static str> {
    let Some(start) = SCENARIO.find(&format!("\n## {heading}\n")) else {
        panic!("no section {heading}");
    };
    let section = &SCENARIO[start + 1..];
    let end = section.find("\n## ").unwrap_or(section.len());
    section[..end].lines().filter_map(|line| line.strip_prefix("    ")).collect()
}

#[test]
fn conditions_and_paths_of_the_page_compile() {
    let conditions = examples("Conditions");
    let inline = [
        r#"body matches "\\d{3}""#,
        r#"body ~ "{{users.email | html}}""#,
        r#"status == 204 || json("$.id") != none"#,
    ];
    for text in conditions.into_iter().chain(inline) {
        assert!(SCENARIO.contains(text), "{text}");
        let check = Check::compile(text, &mut |_| Some(ValueId(0)));
        check.unwrap_or_else(|error| panic!("{}", error.render(text)));
    }
    let paths = examples("JSON paths");
    assert!(paths.len() > 3);
    for path in paths {
        JsonPath::compile(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}
