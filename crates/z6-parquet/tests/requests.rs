//! A log as Parquet, read back by the library and by DuckDB: the same as its CSV.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use z6_analysis::Filter;
use z6_analysis::analyze::Selection;
use z6_analysis::export::{RowFormat, export_requests};
use z6_events::LogReader;
use z6_parquet::export_parquet;
use z6_scenario::Scenario;
use z6_sim::{NoObserver, SimSpec, simulate};

/// Values of all kinds, failures, checks, tags, two populations.
const SCENARIO: &str = "
runtime = { duration_seconds = 20, graceful_stop_seconds = 0.1 }
target.base_url = 'http://shop.example'
random.n = { type = 'integer', min = 1, max = 9 }
requests = [
    { name = 'list', path = '/list', tags = { area = 'shop', kind = 'read' }, extract.id = { json = '$.id', required = false }, checks.small = { that = 'body_bytes < 1000', fails = false } },
    { name = 'read', path = '/read/{{n}}', expect_status = [200] },
]
sequences = [{ name = 'both', steps = [{ request = 'list' }, { request = 'read' }] }]
[[populations]]
name = 'people'
sequence = 'both'
schedule = { type = 'constant', vus = 20 }
think_time = { type = 'constant', duration_ms = 40 }
tags = { who = 'human' }
[[populations]]
name = 'machines'
sequence = 'both'
schedule = { type = 'rate', per_second = 1500, max_in_flight = 1500 }
[simulation]
service = 'exponential:3ms'
statuses = { 503 = 0.02 }
body_bytes = '0..2000'
[simulation.faults]
no_answer = 0.001
reset_in_body = 0.01
irregular = 0.02
";

/// The log of a simulated run, and its scenario.
fn simulated() -> (Vec<u8>, Scenario) {
    let scenario = Scenario::from_toml(SCENARIO).unwrap();
    let end = simulate(&SimSpec::new(Arc::new(scenario.clone()), 7, 2), NoObserver, Vec::new());
    (end.unwrap().log, scenario)
}

fn csv((log, scenario): &(Vec<u8>, Scenario), selection: &Selection) -> Vec<Vec<String>> {
    let mut reader = LogReader::new(&log[..]).unwrap();
    let mut out = Vec::new();
    export_requests(&mut reader, scenario, selection, RowFormat::RawCsv, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn parquet((log, scenario): &(Vec<u8>, Scenario), selection: &Selection) -> (Vec<u8>, u64) {
    let mut reader = LogReader::new(&log[..]).unwrap();
    let mut out = Vec::new();
    let exported = export_parquet(&mut reader, scenario, selection, &mut out).unwrap();
    (out, exported.written)
}

/// A cell as the CSV has it.
fn text(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::ULong(number) => number.to_string(),
        Field::Str(text) => text.clone(),
        Field::Bool(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_cell_is_that_of_the_csv_and_the_times_follow_from_it() {
    let run = simulated();
    let (file, written) = parquet(&run, &Selection::default());
    let csv = csv(&run, &Selection::default());
    assert!(written > 65_536, "several row groups: {written}");
    assert_eq!(written, csv.len() as u64 - 1);
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
    assert!(reader.metadata().num_row_groups() > 1);
    let (mut seen, mut bounds) = (0, 0);
    for (row, line) in reader.get_row_iter(None).unwrap().zip(&csv[1..]) {
        let row = row.unwrap();
        let cells: BTreeMap<&str, String> =
            row.get_column_iter().map(|(name, field)| (name.as_str(), text(field))).collect();
        for (name, expected) in csv[0].iter().zip(line) {
            assert_eq!(cells.get(name.as_str()), Some(expected), "{name} of row {seen}");
        }
        let at = |name: &str| cells[name].parse::<u64>().ok();
        let since = |from: &str, to: &str| Some(at(to)? - at(from)?);
        if cells["outcome"] == "succeeded" {
            assert_eq!(at("response_ns"), since("planned_ns", "done_ns"));
            assert_eq!(at("service_ns"), since("sent_ns", "done_ns"));
            assert_eq!(cells["lower_bound"], "false");
        }
        bounds += u64::from(cells["lower_bound"] == "true");
        seen += 1;
    }
    assert_eq!(seen, written);
    assert!(bounds > 0, "a request without an answer");
}

#[test]
fn a_filter_selects_rows_and_a_run_without_any_is_a_file_without_rows() {
    let run = simulated();
    let mut selection = Selection::default();
    for (filter, some) in [("status == 503", true), ("status == 599", false)] {
        selection.filter = Some(Filter::parse(filter).unwrap());
        let (file, written) = parquet(&run, &selection);
        assert_eq!(written, csv(&run, &selection).len() as u64 - 1);
        assert_eq!(written > 0, some, "{filter}");
        let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows() as u64, written);
    }
}

/// DuckDB gives the counts and quantiles that sorting the CSV gives, and answers what docs/PARQUET.md asks. Only where
/// Python has duckdb.
#[test]
fn duckdb_counts_and_sorts_as_the_csv_does() {
    let python = |code: &str| Command::new("python3").args(["-c", code]).output();
    if !python("import duckdb").is_ok_and(|output| output.status.success()) {
        return z6_testing::skip("python3 has no duckdb");
    }
    let run = simulated();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests.parquet");
    std::fs::write(&path, parquet(&run, &Selection::default()).0).unwrap();
    let code = format!(
        "import duckdb\n\
         for row in duckdb.sql(\"\"\"SELECT name, population, count(*), \
         quantile_disc(response_ns, 0.5), quantile_disc(response_ns, 0.99), max(response_ns) \
         FROM '{}' WHERE outcome = 'succeeded' GROUP BY ALL ORDER BY ALL\"\"\").fetchall():\n    \
         print(*row, sep=',')",
        path.display()
    );
    let output = python(&code).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let csv = csv(&run, &Selection::default());
    let place = |name: &str| csv[0].iter().position(|column| column == name).unwrap();
    let [name, population, outcome, planned, done] =
        ["name", "population", "outcome", "planned_ns", "done_ns"].map(place);
    let mut times: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for line in csv[1..].iter().filter(|line| line[outcome] == "succeeded") {
        let ns = |place: usize| line[place].parse::<u64>().unwrap();
        let group = (line[name].as_str(), line[population].as_str());
        times.entry(group).or_default().push(ns(done) - ns(planned));
    }
    let expected = times.iter_mut().map(|((name, population), all)| {
        all.sort_unstable();
        // The value whose rank is the share of all, rounded up.
        let rank = |percent: usize| all[(all.len() * percent).div_ceil(100) - 1];
        let last = all[all.len() - 1];
        format!("{name},{population},{},{},{},{last}\n", all.len(), rank(50), rank(99))
    });
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected.collect::<String>());

    for name in ["before", "after"] {
        std::fs::copy(&path, folder.path().join(name).with_extension("parquet")).unwrap();
    }
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PARQUET.md"));
    let guide = guide.unwrap();
    let queries: Vec<&str> =
        guide.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(queries.len(), 6);
    for query in queries {
        let code = format!("import duckdb\nassert duckdb.sql(\"\"\"{query}\"\"\").fetchall()");
        let output = Command::new("python3")
            .args(["-c", &code])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{query}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
