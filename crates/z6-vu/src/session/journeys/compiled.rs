//! What each request of a scenario needs of its values and of its responses, found once.

use z6_events::VariableId;
use z6_extract::Scratch;
use z6_http::field::is_same;
use z6_http::template::{Template, ValueId};
use z6_proto_http1::Keep;
use z6_scenario::expression::CheckScratch;
use z6_scenario::values::DrawnPosition;
use z6_scenario::{
    Auth, BodyPart, ExtractFrom, Rendering, Request, Scenario, ValueSource, ValueTable,
};

/// What one request needs.
#[derive(Debug)]
pub(super) struct Compiled {
    /// What is kept of its responses.
    pub(super) keep: Keep,
    /// The values that it is filled in with.
    pub(super) reads: Vec<ValueId>,
    /// The values that its checks and extractions read.
    pub(super) reads_after: Vec<ValueId>,
    /// Secret columns, which what is extracted may repeat.
    pub(super) secret_columns: Vec<ValueId>,
    /// Both, each once.
    pub(super) loads_after: Vec<ValueId>,
    /// The variables that its responses give, each once.
    pub(super) gives: Vec<VariableId>,
    /// Its own `Cookie` field, among its header fields.
    pub(super) cookie_field: Option<usize>,
    /// Its own `Host` field, if that is filled in.
    pub(super) host_field: Option<usize>,
    /// For each extraction: its memory, and where it draws.
    pub(super) extracts: Vec<(Option<Scratch>, Box<[DrawnPosition]>)>,
    /// For each check.
    pub(super) checks: Vec<CheckScratch>,
    /// Whether a check or an extraction reads the body.
    pub(super) reads_body: bool,
    /// Whether one may read fields.
    pub(super) reads_fields: bool,
}

impl Compiled {
    pub(super) fn new(scenario: &Scenario, request: &Request, seed: u64) -> Compiled {
        let reading = &request.reading;
        let mut reads_after = Vec::new();
        let mut gives = Vec::new();
        let (mut reads_body, mut reads_fields) = (false, false);
        for extract in &reading.extracts {
            gives.push(extract.variable);
            match &extract.from {
                ExtractFrom::Program(program) => {
                    reads_body |= program.reads_body();
                    reads_fields |= !program.reads_body();
                }
                ExtractFrom::Sha256 => reads_body = true,
                ExtractFrom::Value(template) => reads_after.extend(template.values()),
            }
        }
        for check in &reading.checks {
            reads_body |= check.check.reads_body();
            reads_fields |= check.check.reads_fields();
            reads_after.extend(check.check.values());
        }
        let extracts = reading.extracts.iter().map(|extract| {
            let scratch = match &extract.from {
                ExtractFrom::Program(program) => Some(program.scratch()),
                ExtractFrom::Sha256 | ExtractFrom::Value(_) => None,
            };
            let variable = scenario.values.variables.get(usize::from(extract.variable.0));
            let name = variable.map_or("", |variable| variable.name.as_str());
            let drawn = DrawnPosition::new(seed, name);
            let all = scenario.populations.iter();
            (scratch, all.map(|users| drawn.of_population(&users.name)).collect())
        });
        let secret_columns = match reading.extracts.is_empty() {
            true => Vec::new(),
            false => secret_columns(&scenario.values),
        };
        let max = usize::try_from(scenario.limits.max_kept_body_bytes).unwrap_or(usize::MAX);
        let rendering = request.rendering.as_deref();
        let field = |name: &str| {
            let mut headers = rendering.iter().flat_map(|rendering| &rendering.headers);
            headers.position(|(other, _)| is_same(other.as_bytes(), name))
        };
        let is_filled = |index: &usize| {
            let header = rendering.and_then(|rendering| rendering.headers.get(*index));
            header.is_some_and(|(_, template)| !template.is_fixed())
        };
        Compiled {
            keep: Keep {
                fields: !reading.is_empty() || scenario.keeps_cookies(),
                body_bytes_max: reads_body.then_some(max),
            },
            reads: rendering.map(values_of).unwrap_or_default(),
            loads_after: each_once([&reads_after[..], &secret_columns].concat()),
            reads_after: each_once(reads_after),
            secret_columns,
            gives: each_once(gives),
            cookie_field: field("Cookie"),
            host_field: field("Host").filter(is_filled),
            extracts: extracts.collect(),
            checks: reading.checks.iter().map(|check| check.check.scratch()).collect(),
            reads_body,
            reads_fields,
        }
    }
}

/// The columns of data files that placeholders name, and that are secret.
fn secret_columns(values: &ValueTable) -> Vec<ValueId> {
    let is_one = |source: &ValueSource| {
        matches!(source, ValueSource::Column { .. }) && values.is_secret(*source)
    };
    let all = (0..).map(ValueId).zip(&values.sources);
    all.filter(|(_, source)| is_one(source)).map(|(id, _)| id).collect()
}

fn each_once<T: Ord>(mut ids: Vec<T>) -> Vec<T> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The values of all templates of a request.
fn values_of(rendering: &Rendering) -> Vec<ValueId> {
    let Rendering { path, headers, body, auth, .. } = rendering;
    let mut templates: Vec<&Template> = vec![path];
    templates.extend(headers.iter().map(|(_, template)| template));
    templates.extend(body.iter().flatten().filter_map(|part| match part {
        BodyPart::Text(template) => Some(template),
        BodyPart::Bytes(_) => None,
    }));
    match auth {
        Some(Auth::Basic { user, password }) => templates.extend([user, password]),
        Some(Auth::AwsSigV4(aws)) => {
            templates.extend([&aws.access_key, &aws.secret_key, &aws.region, &aws.service]);
            templates.extend(&aws.session_token);
        }
        None => {}
    }
    each_once(templates.into_iter().flat_map(Template::values).collect())
}
