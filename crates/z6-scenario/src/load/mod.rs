//! TOML text to [`Scenario`], with every error at once.
//!
//! The format is a table of keys (`keys`), read by one reader (`reader`, `value`); each section
//! adds the rules that span keys. Knows no file system, clock or terminal.

mod assigned;
mod auth;
pub(crate) mod base_url;
mod bodies;
mod check;
mod codes;
mod connect_to;
mod data;
mod decimal;
mod diagnostic;
mod fields;
mod goals;
mod http2;
mod keys;
pub mod limits;
mod names;
mod overrides;
mod parameters;
mod place;
mod populations;
mod proxy;
mod random;
mod reader;
mod reading;
mod recovery;
mod reference;
mod render;
mod requests;
mod runtime;
mod schedule;
mod secrets;
mod sending;
mod sequence;
mod setting;
mod simulation;
mod size;
mod sources;
pub(crate) mod suggest;
mod tags;
mod targets;
mod text;
mod userinfo;
mod value;
mod words;
mod written;

use std::ops::ControlFlow;
use std::sync::Arc;

use toml_edit::Document;
use z6_extract::rows::Table;

pub use decimal::{parse_seconds, unscaled};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use overrides::Overrides;
pub use place::place;
pub use reference::{KeyReference, reference};
pub use render::line_column;

pub(crate) use decimal::scaled;
pub(crate) use suggest::listed;

use crate::journey::Scope;
use crate::model::{LogSettings, LogValues, Scenario, Schedule, Users, run_model};
use bodies::Store;
use reader::{At, Context, Section};
use requests::Surroundings;
use sources::Sources;
use targets::Load;

/// Where files that a scenario names come from: the driver's file system, or a map in tests.
pub trait Files {
    /// The content of the file at `path`, as written in the scenario, of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// What went wrong, in words for a person.
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String>;

    /// Gives the content of the file at `path` to `take`, piece by piece, each with the length of the whole
    /// file, until it breaks. A file of more than `max_bytes` is an error.
    ///
    /// # Errors
    /// What went wrong, in words for a person.
    fn pieces(&self, path: &str, max_bytes: u64, take: &mut TakePiece<'_>) -> Result<(), String> {
        let bytes = self.read(path, max_bytes)?;
        let _ = take(bytes.len() as u64, &bytes);
        Ok(())
    }

    /// The rows of the entry of `[[data]]` of this name, if they were read before: then the file that it
    /// names is not read.
    fn table(&self, _data: &str) -> Option<Arc<Table>> {
        None
    }

    /// A variable of the environment, for parameters.
    fn environment(&self, _name: &str) -> Option<String> {
        None
    }
}

/// Takes a piece of a file, with the length of all of it.
pub type TakePiece<'t> = dyn FnMut(u64, &[u8]) -> ControlFlow<()> + 't;

/// A [`Files`] that has no files.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &str, _max_bytes: u64) -> Result<Vec<u8>, String> {
        Err("files are not available here".to_owned())
    }
}

/// A scenario that can run, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The validated scenario.
    pub scenario: Scenario,
    /// What was found; no errors among it.
    pub warnings: Diagnostics,
    /// `[parameters]`: names and the values in force, which [`Overrides::params`] repeats.
    pub parameters: Vec<(String, String)>,
}

impl Scenario {
    /// Reads a scenario with everything it names, changed by `overrides`.
    ///
    /// # Errors
    /// Every error and warning there is, in the order of the text. Findings about an override have
    /// the code `override` and no place.
    pub fn load(
        text: &str,
        files: &dyn Files,
        overrides: &Overrides,
    ) -> Result<Loaded, Diagnostics> {
        let mut cx = Context::new(text);
        if text.len() > limits::MAX_SCENARIO_BYTES {
            let message = format!("a scenario of {} bytes is more than 10 MB", text.len());
            cx.error(codes::TOO_MANY, None, message, "move bodies to files: `body_file`");
            return Err(cx.findings.finish());
        }
        if let Some(offset) = size::surplus(text) {
            let max = limits::MAX_SCENARIO_ITEMS;
            let message = format!("the scenario has more than {max} keys, values and tables");
            let hint = "`MAX_SCENARIO_ITEMS` cannot be raised: list fewer requests";
            cx.error(codes::TOO_MANY, Some(offset..offset + 1), message, hint);
            return Err(cx.findings.finish());
        }
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => return Err(recovery::explain(text, &error, files, overrides)),
        };
        let scenario = build(&mut cx, &document, files, overrides);
        let parameters = cx.parameters.pairs();
        let findings = cx.findings.finish();
        if findings.has_errors() {
            return Err(findings);
        }
        Ok(Loaded { scenario, warnings: findings, parameters })
    }

    /// Reads a scenario that names no files, as it is. Warnings are not returned.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    ///
    /// ```
    /// let scenario = z6_scenario::Scenario::from_toml(
    ///     "runtime.duration_seconds = 5\n\
    ///      target.base_url = 'http://localhost:8080'\n\
    ///      [[requests]]\n\
    ///      name = 'root'\n\
    ///      path = '/'\n",
    /// )?;
    /// assert_eq!(scenario.requests[0].method, "GET");
    /// # Ok::<(), z6_scenario::Diagnostics>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Scenario, Diagnostics> {
        Scenario::load(text, &NoFiles, &Overrides::default()).map(|loaded| loaded.scenario)
    }
}

/// Reads all sections. The result is valid only if no error was found.
fn build<'a>(
    cx: &mut Context<'_>,
    document: &'a Document<&'a str>,
    files: &dyn Files,
    overrides: &Overrides,
) -> Scenario {
    let root = Section::open(cx, &keys::ROOT, document.as_table(), None);
    cx.parameters = parameters::parameters(cx, &root, files, overrides);
    let section = root.section(cx, "limits");
    let limits = runtime::limits(&section);
    let section = root.section(cx, "metadata");
    let metadata = runtime::metadata(cx, &section);
    let runtime_section = root.section(cx, "runtime");
    let mut runtime = runtime::runtime(cx, &runtime_section, overrides);
    runtime.has_end |= root.is_bad("runtime");
    let mut drafts = populations::populations(cx, &root, &runtime_section, overrides, &limits);
    let has_populations = root.has("populations");
    let mut known = drafts.iter().all(|draft| draft.is_known);
    let mut load_at = drafts.first().map(|draft| draft.at.clone());
    let mut users: Vec<Users> = drafts.iter_mut().map(|draft| draft.users.clone()).collect();
    if !has_populations {
        let section = root.section(cx, "schedule");
        let draft = schedule::schedule(cx, &section, &runtime, overrides, &limits);
        known = draft.is_some();
        load_at = draft.as_ref().map(|draft| draft.at.clone());
        users.push(Users::new(draft.map_or(Schedule::Constant { vus: 1 }, |draft| draft.schedule)));
    }
    let ends = users.iter().map(Users::own_end_ns).collect::<Option<Vec<u64>>>();
    let length_ns = ends.and_then(|ends| ends.into_iter().max()).filter(|_| known);
    runtime::check_end(cx, &runtime, known, length_ns, runtime_section.heading.clone());
    populations::check_begins(cx, &drafts, &runtime);
    let end_ns = runtime.runtime.duration_ns.or(length_ns);
    let peak_vus = users.iter().fold(0u32, |sum, users| sum.saturating_add(users.peak_vus(end_ns)));
    let load =
        load_at.filter(|_| known).map(|at| (Load { model: run_model(&users), peak_vus }, at));
    let (targets, auths) = targets::targets(cx, &root, load.as_ref(), overrides, files);
    let mut sources = Sources::default();
    secrets::secrets(cx, &root, &mut sources);
    data::data(cx, &root, files, &limits, &mut sources);
    random::random(cx, &root, &mut sources);
    if !has_populations {
        users[0].cookies = match root.section(cx, "cookies").text("scope") {
            Some("vu") => Some(Scope::Vu),
            Some("iteration") => Some(Scope::Iteration),
            _ => None,
        };
    }
    let log = LogSettings {
        values: match root.section(cx, "log").text("values") {
            Some("digest") => LogValues::Digest,
            _ => LogValues::Clear,
        },
    };
    let mut store = Store::default();
    let around = Surroundings {
        files,
        limits: &limits,
        targets: &targets,
        auths: &auths,
        document: document.as_table(),
        named_targets: root.has("targets"),
        has_sequence: root.has("sequence")
            || !drafts.is_empty() && drafts.iter().all(|draft| draft.section.has("sequence")),
        keeps_cookies: users.iter().any(|users| users.cookies.is_some()),
        follow_redirects: runtime_section.number("follow_redirects").unwrap_or(0),
    };
    let requests = requests::requests(cx, &root, &around, (&mut sources, &mut store));
    tags::check_apart(cx, &root, &requests, &users);
    let (flows, phases) = if has_populations {
        let sections: Vec<_> = drafts
            .into_iter()
            .map(|draft| (draft.section, draft.is_known.then(|| draft.users.schedule.model())))
            .collect();
        sequence::flows(cx, &root, &requests, &sections, &mut sources)
    } else {
        let model = known.then(|| users[0].schedule.model());
        let (flow, phases) = sequence::flow(cx, &root, &requests, model, &mut sources);
        (vec![flow], phases)
    };
    reading::settle_variables(cx, &mut sources, &requests, &flows);
    let Sources { table, uses, lists, .. } = &sources;
    assigned::check(cx, (&flows, &phases), &requests, table, uses, lists);
    for (users, flow) in users.iter_mut().zip(flows) {
        users.flow = flow;
    }
    if let [only] = users.as_mut_slice()
        && !has_populations
    {
        if known {
            let runtime = &mut runtime.runtime;
            let schedule = &only.schedule;
            runtime::requests(cx, &runtime_section, runtime, schedule, (&only.flow, &requests));
        }
        let section = root.section(cx, "think_time");
        only.think_time = runtime::think_time(cx, &section);
        let section = root.section(cx, "pacing");
        let model = known.then(|| only.schedule.model());
        only.pacing = runtime::pacing(cx, &section, root.key_span("pacing"), model);
    }
    let around = goals::Surroundings {
        requests: &requests,
        targets: &targets,
        populations: &users,
        warmup_ns: runtime.runtime.warmup_ns,
        length_ns: runtime.runtime.duration_ns.or(length_ns),
    };
    let section = root.section(cx, "assertions");
    let (assertions, goals) = goals::assertions(cx, &section, &around);
    let section = root.section(cx, "simulation");
    let simulation = simulation::simulation(cx, &section, overrides);
    let workers_at: At = runtime.workers_at.clone();
    let scenario = Scenario {
        text: cx.masked(),
        metadata,
        runtime: runtime.runtime,
        targets,
        requests,
        populations: users,
        setup: phases.setup,
        teardown: phases.teardown,
        values: sources.table,
        files: store.files,
        log,
        assertions,
        goals,
        limits,
        simulation,
    };
    if known {
        check::fixed_workers(cx, &scenario, &workers_at);
        check::warmup(cx, &scenario, runtime_section.span("warmup_seconds"));
        check::unique_rows(cx, &scenario, &sources.data_at);
    }
    scenario
}
