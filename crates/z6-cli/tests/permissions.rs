//! What a run leaves behind can be read by others only if its scenario can.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use common::{Folder, files, outcome};

const SCENARIO: &str = "
runtime.iterations = 1
runtime.prng_seed = 7
target.base_url = 'builtin'
requests = [{ name = 'r', path = '/echo', method = 'POST', body_file = 'body' }]
";

fn mode(path: &Path) -> u32 {
    metadata(path).unwrap().permissions().mode() & 0o777
}

/// A folder with the scenario and its body, with these permissions.
fn folder(scenario: u32, body: u32) -> Folder {
    let folder = Folder::new(SCENARIO);
    std::fs::write(folder.path("body"), "secret").unwrap();
    set_permissions(folder.path("s.toml"), Permissions::from_mode(scenario)).unwrap();
    set_permissions(folder.path("body"), Permissions::from_mode(body)).unwrap();
    folder
}

#[track_caller]
fn assert_modes(folder: &Folder, of_directory: u32, of_files: u32) {
    let directory = folder.path("out");
    assert_eq!(mode(&directory), of_directory);
    let names = files(&directory);
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        assert_eq!(mode(&directory.join(&name)), of_files, "{name}");
    }
}

#[test]
fn results_of_a_private_scenario_are_private() {
    for (scenario, body) in [(0o600, 0o644), (0o640, 0o644), (0o644, 0o600)] {
        for command in ["run", "simulate"] {
            let folder = folder(scenario, body);
            folder.run(&[command, "s.toml", "--output", "out"]).expect(0);
            assert_modes(&folder, 0o700, 0o600);
        }
    }
}

#[test]
fn results_of_other_scenarios_have_the_usual_permissions() {
    let folder = folder(0o644, 0o644);
    let usual = folder.path("usual");
    std::fs::create_dir(&usual).unwrap();
    std::fs::write(usual.join("file"), "").unwrap();
    folder.run(&["run", "s.toml", "--output", "out"]).expect(0);
    assert_modes(&folder, mode(&usual), mode(&usual.join("file")));
}

#[test]
fn results_of_standard_input_are_private() {
    let folder = folder(0o644, 0o644);
    let mut command = folder.z6(&["run", "-", "--output", "out"]);
    command.stdin(Stdio::from(std::fs::File::open(folder.path("s.toml")).unwrap()));
    outcome(&mut command).expect(0);
    assert_modes(&folder, 0o700, 0o600);
}

#[test]
fn a_directory_of_the_user_keeps_its_permissions() {
    let folder = folder(0o600, 0o644);
    std::fs::create_dir(folder.path("out")).unwrap();
    let usual = mode(&folder.path("out"));
    folder.run(&["simulate", "s.toml", "--output", "out"]).expect(0);
    assert_modes(&folder, usual, 0o600);
}
