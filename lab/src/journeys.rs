//! `cargo lab journeys`: the journeys of the examples at length, against the built-in target and against the
//! shop in Python: all requests succeed, and the server has counted what was sent.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use z6_testing::Shop;
use z6_testing::journeys::{Course, Journey, SECRET, examples};

use crate::bench::process::Folder;
use crate::built;
use crate::options::Options;

const VUS: u32 = 20;

/// `journeys [--iterations N] [--workers W]`; whether both sides agree and nothing failed.
///
/// # Errors
/// If the options are wrong, or something does not run.
pub(crate) fn journeys(arguments: &[String]) -> Result<bool> {
    let options = Options::parse(arguments, &["iterations", "workers"], &[])?;
    let iterations: u32 = options.value("iterations", 10_000)?;
    let course = Course {
        vus: VUS,
        iterations: iterations.div_ceil(VUS),
        workers: options.value("workers", 2)?,
        seed: 1,
        target: Some("builtin"),
    };
    let z6 = built::z6()?;
    let folder = Folder::new()?;
    println!("journey           server        sent  received  failed");
    let mut is_good = true;
    for journey in Journey::ALL {
        for server in ["built-in", "shop"] {
            let place = folder.path().join(format!("{server}-{}", journey.file()));
            fs::create_dir(&place)?;
            let counts = measure(&z6, journey, server, &course, &place)?;
            let [sent, received, failed] = counts;
            println!("{:<16}  {server:<8}  {sent:>8}  {received:>8}  {failed:>6}", journey.file());
            is_good &= sent == received && failed == 0;
        }
    }
    Ok(is_good)
}

/// Requests that were sent, that the server received, and that failed.
fn measure(
    z6: &Path,
    journey: Journey,
    server: &str,
    course: &Course<'_>,
    place: &Path,
) -> Result<[u64; 3]> {
    let users = examples().join("users.csv");
    let options = ["--client-secret", SECRET, "--users", &users.to_string_lossy()];
    let shop = match server {
        "shop" => Some(Shop::start(place, &options)?.context("there is no python3")?),
        _ => None,
    };
    let url = shop.as_ref().map(|shop| shop.url().to_owned());
    let course = Course { target: url.as_deref().or(course.target), ..*course };
    let ran = journey.run(z6, place, &course, &[])?;
    if !ran.output.status.success() {
        bail!("{}: {}", journey.file(), ran.stderr());
    }
    let metrics = ran.json("metrics.json")?;
    let requests = |name: &str| metrics["requests"][name].as_u64().unwrap_or_default();
    let received = match shop {
        Some(shop) => shop.end()?.len() as u64,
        None => ran.json("metadata.json")?["builtin"]["requests"].as_u64().unwrap_or_default(),
    };
    Ok([requests("sent"), received, requests("failed")])
}
