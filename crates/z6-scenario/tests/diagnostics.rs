//! Each tests/diagnostics/NAME.toml is loaded and shown; what comes out is NAME.txt.
//! With Z6_BLESS=1 the texts are written instead of compared.
//!
//! A first line `# overrides: --vus 5 --target URL` sets overrides; `body_file` finds the files
//! `small.json` (2 bytes) and `big.bin` (more than its limit), and `[[data]]` some of its own.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
#![allow(clippy::disallowed_methods, reason = "this test reads and writes its own data files")]

use std::fs;
use std::path::{Path, PathBuf};

use z6_scenario::{Files, Overrides, Scenario, parse_seconds};

struct TestFiles;

impl Files for TestFiles {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        match path {
            "small.json" => Ok(b"{}".to_vec()),
            "users.csv" => Ok(b"email,password\na@x.example,1\nb@x.example,2\n".to_vec()),
            "names.csv" => Ok(b"userId,First Name\n1,Ann\n".to_vec()),
            "ragged.csv" => Ok(b"a,b\n1,2\n3\n".to_vec()),
            "latin.csv" => Ok(b"a\nb\n\xfcber\n".to_vec()),
            "bare.csv" => Ok(b"a,b\n".to_vec()),
            "big.bin" => Ok(vec![b'x'; usize::try_from(max_bytes).unwrap() + 1]),
            _ => Err("No such file or directory".to_owned()),
        }
    }
}

fn overrides(text: &str) -> Overrides {
    let mut overrides = Overrides::default();
    let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("# overrides: ")) else {
        return overrides;
    };
    let words: Vec<&str> = line.split(' ').collect();
    for pair in words.chunks(2) {
        match pair[0] {
            "--seed" => overrides.seed = Some(pair[1].parse().unwrap()),
            "--duration" => overrides.duration_ns = Some(parse_seconds(pair[1]).unwrap()),
            "--vus" => overrides.vus = Some(pair[1].parse().unwrap()),
            "--workers" => {
                overrides.workers = Some(z6_scenario::Workers::Fixed(pair[1].parse().unwrap()));
            }
            "--target" => overrides.target = Some(pair[1].to_owned()),
            "--http-version" => {
                overrides.http_version = z6_scenario::HttpVersion::from_word(pair[1]);
            }
            "--param" => {
                let (name, value) = pair[1].split_once('=').unwrap();
                overrides.params.push((name.to_owned(), value.to_owned()));
            }
            "--set" => {
                let (key, value) = pair[1].split_once('=').unwrap();
                overrides.simulation.push((key.to_owned(), value.to_owned()));
            }
            other => panic!("unknown override {other}"),
        }
    }
    overrides
}

fn show(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    match Scenario::load(&text, &TestFiles, &overrides(&text)) {
        Ok(loaded) => format!("{}loads\n", loaded.warnings.render(name, &text, false)),
        Err(findings) => findings.render(name, &text, false),
    }
}

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut cases: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    cases
}

#[test]
fn findings_read_as_expected() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let bless = std::env::var_os("Z6_BLESS").is_some();
    let mut failed = Vec::new();
    for case in cases {
        let shown = show(&case);
        let expected_path = case.with_extension("txt");
        if bless {
            fs::write(&expected_path, &shown).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if shown != expected {
            failed.push(format!("{}\nexpected:\n{expected}\nfound:\n{shown}", case.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn every_text_has_its_case() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("toml").exists(), "{}", path.display());
    }
}
