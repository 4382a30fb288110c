//! What build servers are told: JUnit files, Markdown, annotations, the schema of metrics.json, and the files
//! of a package.
#![allow(clippy::unwrap_used)]

mod common;

use common::schema::{faults, metrics_schema};
use common::{Folder, SHORT, figure, files, outcome};
use z6_testing::{Leash, find};

/// A hostile name, an assertion that holds and one that fails.
const GATED: &str = "
[metadata]
name = 'a|b </testsuite><script>`x`</script> @me ::error::x'

[runtime]
iterations = 20
prng_seed = 7

[target]
base_url = 'builtin'

[[requests]]
name = 'x|y'
path = '/status/500'

[[requests]]
name = '[z](http://evil.example)'
path = '/hello'

[assertions]
p99_latency_ms = 60000
error_rate_max = 0.01
";

#[test]
fn a_junit_file_has_a_case_for_each_assertion_with_its_line() {
    let folder = Folder::new(GATED);
    let line = ["run", "s.toml", "--output", "out", "--junit", "junit.xml"];
    folder.run(&line).expect(1);
    let xml = folder.read("junit.xml");
    assert_eq!(xml.matches("<testcase ").count(), 4, "{xml}");
    assert_eq!(xml.matches("<failure ").count(), 1, "{xml}");
    let at = GATED.lines().position(|line| line.starts_with("error_rate_max")).unwrap() + 1;
    let failed = xml.split("<testcase ").find(|case| case.contains("<failure ")).unwrap();
    for part in ["name=\"error_rate_max\"", "file=\"s.toml\"", &format!("line=\"{at}\"")] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    assert!(failed.contains("expected &lt;= 1 %, actual "), "{failed}");
    assert!(xml.contains("95 % interval "), "{xml}");
    assert!(!xml.contains("<script>") && xml.contains("&lt;script&gt;"), "{xml}");
    let refused = folder.run(&["run", "s.toml", "--output", "again", "--junit", "junit.xml"]);
    assert!(refused.stderr.contains("junit.xml exists"), "{refused:?}");
    assert_eq!(refused.code, Some(2));
    assert!(!folder.path("again").exists());
}

#[test]
fn a_junit_file_is_never_empty_and_tells_what_ended_the_run() {
    let folder = Folder::new(SHORT);
    folder.run(&["simulate", "s.toml", "--output", "a", "--junit", "a.xml"]).expect(0);
    let xml = folder.read("a.xml");
    assert!(xml.contains("name=\"generator\"") && xml.contains("name=\"complete\""), "{xml}");
    assert!(!xml.contains("<failure "), "{xml}");
    let dead =
        ["run", "s.toml", "--target", "http://127.0.0.1:1", "--output", "b", "--junit", "b.xml"];
    folder.run(&dead).expect(3);
    let xml = folder.read("b.xml");
    let case = xml.split("<testcase ").find(|case| case.contains("<failure ")).unwrap();
    assert!(case.starts_with("name=\"complete\""), "{xml}");
    let many = ["simulate", "s.toml", "--runs", "2", "--junit", "c.xml"];
    assert!(folder.run(&many).expect(2).stderr.contains("leave out `--runs`"));
}

#[test]
fn github_is_told_in_commands_of_one_line() {
    let folder = Folder::new(GATED);
    let line = ["run", "s.toml", "--output", "out", "--ci", "github"];
    let mut command = folder.z6(&line);
    let run = outcome(command.env("GITHUB_STEP_SUMMARY", folder.path("step.md"))).expect(1);
    let at = GATED.lines().position(|line| line.starts_with("error_rate_max")).unwrap() + 1;
    let wanted =
        format!("::error file=s.toml,line={at},col=18,title=assertion failed%3A error_rate_max::");
    let commands: Vec<&str> =
        run.stderr.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(commands.len(), 1, "{}", run.stderr);
    assert!(commands[0].starts_with(&wanted), "{}", commands[0]);
    assert!(commands[0].ends_with(" %25") || commands[0].contains(" %25,"), "{}", commands[0]);
    let page = folder.read("step.md");
    assert!(page.starts_with("## <code>a&#124;b "), "{page}");
    let mut command = folder.z6(&["run", "s.toml", "--output", "again", "--ci", "github"]);
    let run = outcome(command.env_remove("GITHUB_STEP_SUMMARY")).expect(1);
    assert!(run.stderr.contains("GITHUB_STEP_SUMMARY is not set"), "{}", run.stderr);
}

#[test]
fn github_is_told_of_each_finding() {
    let folder = Folder::new("[runtime]\niterations = 0\n\"a,b:c%\\n::error::x\" = 1\n");
    let run = folder.run(&["validate", "s.toml", "--ci", "github"]).expect(2);
    let commands: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("::")).collect();
    assert!(commands.len() >= 2, "{}", run.stderr);
    assert!(commands.iter().all(|line| line.starts_with("::error file=s.toml,")), "{commands:?}");
    assert!(commands.iter().any(|line| line.contains("line=2,")), "{commands:?}");
    let run = folder.run(&["run", "s.toml", "--ci", "github"]).expect(2);
    assert!(run.stderr.contains("\n::error file=s.toml,line="), "{}", run.stderr);
}

/// Cells of a table in Markdown.
fn cells(line: &str) -> usize {
    line.matches('|').count() - 1
}

#[test]
fn markdown_keeps_its_tables_whatever_names_say() {
    let folder = Folder::new(GATED);
    let line = ["run", "s.toml", "--output", "out", "--summary-format", "markdown"];
    let page = folder.run(&line).expect(1).stdout;
    let tables: Vec<&str> = page.split("\n\n").filter(|part| part.starts_with("| ")).collect();
    assert_eq!(tables.len(), 4, "{page}");
    for table in tables {
        let columns: Vec<usize> = table.lines().map(cells).collect();
        assert!(columns.iter().all(|count| *count == columns[0]), "{table}");
    }
    for inert in ["<script", "@me", "](", "`"] {
        assert!(!page.contains(inert), "{inert}: {page}");
    }
    assert!(page.contains("**failed**"), "{page}");
    let with = |service: &str, out: &str| {
        let line =
            ["simulate", "s.toml", "--seed", "1", "--service", service, "--output", out, "--quiet"];
        folder.run(&line).expect(0);
    };
    with("1ms", "fast");
    with("2ms", "slow");
    let page =
        folder.run(&["diff", "fast", "slow", "--format", "markdown", "--inconclusive", "pass"]);
    let table = page.stdout.split("\n\n").find(|part| part.starts_with("| ")).unwrap();
    assert!(table.lines().all(|line| cells(line) == 7), "{table}");
}

#[test]
fn the_files_of_a_package_are_those_of_this_program() {
    let folder = Folder::new("");
    folder.run(&["dist-files", "dist"]).expect(0);
    assert_eq!(
        files(&folder.path("dist")),
        ["completions", "grafana.json", "man", "metrics.schema.json"]
    );
    assert_eq!(files(&folder.path("dist/completions")).len(), 5);
    let pages = files(&folder.path("dist/man"));
    for page in ["z6.1", "z6-run.1", "z6-bench.1", "z6-diff.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    assert!(folder.read("dist/man/z6-bench.1").contains("fail\\-above"));
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.schema.json");
    let committed = std::fs::read_to_string(committed).unwrap();
    let made = folder.read("dist/metrics.schema.json");
    assert_eq!(made, committed, "`z6 dist-files DIR` makes metrics.schema.json for docs");
    let help = folder.run(&["--help"]).expect(0);
    assert!(!help.stdout.contains("dist-files"), "{}", help.stdout);
}

/// Runs that have between them every part of metrics.json.
fn various(folder: &Folder) -> Vec<String> {
    let examples = z6_testing::journeys::examples();
    let path = |name: &str| examples.join(name).display().to_string();
    let quick = path("quickstart.toml");
    let simulated = path("simulate.toml");
    let lines: [&[&str]; 4] = [
        &["simulate", &quick, "--duration", "2s"],
        &["simulate", &simulated, "--fault", "reset_in_body=0.2", "--fault", "connect_refused=0.3"],
        &["simulate", "s.toml"],
        &["run", "s.toml"],
    ];
    let run = |(place, line): (usize, &&[&str])| {
        let out = format!("run{place}");
        folder.run(&[*line, &["--output", &out, "--json", "--quiet"][..]].concat()).stdout
    };
    lines.iter().enumerate().map(run).collect()
}

#[test]
fn metrics_follow_their_schema() {
    let folder = Folder::new(GATED);
    let schema = metrics_schema();
    let all = various(&folder);
    for json in &all {
        let found = faults(&schema, &serde_json::from_str(json).unwrap());
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(all.iter().any(|json| json.contains("\"failed_by_kind\"")));
    let mut wrong: serde_json::Value = serde_json::from_str(&all[0]).unwrap();
    wrong["requests"]["sent"] = "many".into();
    wrong["run"].as_object_mut().unwrap().remove("seed");
    assert_eq!(faults(&schema, &wrong).len(), 2);
    assert_eq!(figure(&all[2], "/requests/planned"), 20);
}

/// The same by a validator of others.
#[test]
fn metrics_follow_their_schema_as_python_reads_it() {
    let folder = Folder::new(GATED);
    let Some(python) = find("python3") else { return };
    let program = python.display().to_string();
    let mut probe = folder.command(&program, Leash::default());
    if !outcome(probe.args(["-c", "import jsonschema"])).is_success() {
        return z6_testing::skip("python3 has no jsonschema");
    }
    std::fs::write(folder.path("schema.json"), serde_json::to_string(&metrics_schema()).unwrap())
        .unwrap();
    for (place, json) in various(&folder).iter().enumerate() {
        std::fs::write(folder.path(&format!("{place}.json")), json).unwrap();
    }
    let script = "import json, glob, jsonschema\n\
        check = jsonschema.Draft202012Validator(json.load(open('schema.json')))\n\
        check.check_schema(check.schema)\n\
        for name in glob.glob('[0-9].json'): check.validate(json.load(open(name)))";
    let mut command = folder.command(&program, Leash::default());
    let run = outcome(command.args(["-c", script]));
    assert!(run.is_success(), "{}", run.stderr);
}
