//! What the simulated server answers so that a scenario goes on: the smallest response that gives each
//! extraction a value and satisfies each check of its request.
//!
//! A response is made up from what is wanted of it and then read as the product reads one, so that it is
//! known, and not hoped, which extractions find something and which checks hold. Some cannot be
//! satisfied; [`unmet`] says which. Values depend on the seed, the actor and the step alone. Knows no
//! connections, no time, and no faults but those of content.
//!
//! Reading order: `wish` (what is wanted of one value), `goal` (from checks to wishes), `draft` (all
//! values of a response), this file (the response, read), `dry` (what is known before a run).

mod draft;
mod dry;
mod goal;
mod wish;

use std::sync::Arc;

use z6_events::{Phase, PlannedRequest, RequestId, VariableId};
use z6_extract::sample::Sampler;
use z6_extract::{Kind, List, Program, Response, Scratch, Select, Source};
use z6_http::template::{Filled, Template, Value, ValueId, Values};
use z6_scenario::expression::{Body, CheckScratch, Outcome, Term, Test};
use z6_scenario::random::{Domain, Generator, Label};
use z6_scenario::values::DrawnPosition;
use z6_scenario::{ExtractFrom, Request, Scenario, ValueSource, ValueTable};
use z6_vu::session::KnownValues;

use crate::spec::phase_bits;
use draft::{Content, Draft};
use goal::{Goal, Wanted, ways};
use wish::{Style, Wish};

pub(crate) use dry::missed;
pub use dry::{Unmet, UnmetPart, unmet};

/// Values of responses; the actor is the actor, with its population in the upper byte.
const RESPONSE: Label = Label::named(b"sim resp");
/// Drafts that are made of one response, at most.
const DRAFTS_MAX: usize = 24;

/// What a value of a response is, as the server meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeantValue {
    /// This text or JSON literal.
    Is {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether it is a text.
        is_text: bool,
    },
    /// There is none.
    Missing,
    /// It is computed from the whole.
    Unknown,
}

/// What the server means by a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meant {
    /// What each extraction of the request is to find.
    pub values: Vec<MeantValue>,
    /// The checks that are to fail, by bit.
    pub failed_checks: u64,
}

impl Meant {
    /// How many extractions and checks are not satisfied.
    pub(crate) fn misses(&self) -> usize {
        let missing = self.values.iter().filter(|value| **value == MeantValue::Missing).count();
        missing + self.failed_checks.count_ones() as usize
    }
}

/// How a response is framed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Framing {
    pub(crate) is_head: bool,
    pub(crate) is_chunked: bool,
    pub(crate) is_last: bool,
    /// Frames say it, not fields.
    pub(crate) is_http2: bool,
}

impl Framing {
    /// The fields that say so, of a body of so many bytes.
    pub(crate) fn fields(self, status: u16, bytes: usize) -> Vec<(String, Vec<u8>)> {
        let mut fields = Vec::new();
        let mut push = |name: &str, value: &str| fields.push((name.to_owned(), value.into()));
        if self.is_chunked && self.has_body(status) {
            if !self.is_http2 {
                push("Transfer-Encoding", "chunked");
            }
        } else if status != 204 && status != 304 {
            push("Content-Length", &bytes.to_string());
        }
        if self.is_last && !self.is_http2 {
            push("Connection", "close");
        }
        fields
    }

    /// Whether a body is sent.
    pub(crate) const fn has_body(self, status: u16) -> bool {
        !(self.is_head || status == 204 || status == 304)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) request: &'a PlannedRequest,
    pub(crate) values: &'a KnownValues,
    /// The URL that it was sent to.
    pub(crate) url: &'a str,
    /// The status that was drawn, if one was.
    pub(crate) status: Option<u16>,
    pub(crate) framing: Framing,
    pub(crate) spoilt: Option<Spoilt>,
}

/// What is wrong about a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// One extraction finds nothing.
    Value,
    /// One check does not hold.
    Check,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// None: nothing of it is read.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) meant: Meant,
    /// Its status is one that the request expects.
    is_expected: bool,
}

/// What one request needs of its responses.
#[derive(Debug)]
struct Recipe {
    scratches: Vec<Option<Scratch>>,
    /// By extraction and population.
    drawn: Vec<Vec<DrawnPosition>>,
    styles: Vec<Style>,
    checks: Vec<CheckScratch>,
    /// Patterns: of extractions, then those of each check from `first_patterns` on.
    samplers: Vec<Sampler>,
    first_patterns: Vec<usize>,
    reads_body: bool,
    reads_json: bool,
}

/// Responses to all requests of a scenario.
#[derive(Debug)]
pub(crate) struct Answers {
    scenario: Arc<Scenario>,
    /// By request; none where nothing is read.
    recipes: Vec<Option<Recipe>>,
    domain: Domain,
}

/// What a draft is to be different in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    Extract(usize),
    Check(usize),
}

impl Answers {
    /// Of one phase of a run.
    pub(crate) fn new(scenario: &Arc<Scenario>, seed: u64, phase: Phase) -> Answers {
        let recipe = |request: &Request| {
            (!request.reading.is_empty()).then(|| Recipe::new(scenario, request, seed))
        };
        Answers {
            recipes: scenario.requests.iter().map(recipe).collect(),
            scenario: Arc::clone(scenario),
            domain: Domain::new(seed ^ phase_bits(phase), RESPONSE),
        }
    }

    /// Whether a request expects a status.
    pub(crate) fn expects(&self, request: RequestId, status: u16) -> bool {
        self.scenario.request(request).expects(status)
    }

    /// The status that a request expects of a response of which nothing is read.
    pub(crate) fn expected_status(&self, request: RequestId) -> u16 {
        let request = self.scenario.request(request);
        let mut others = request.expect_status.iter().copied().filter(|status| *status >= 200);
        if request.expects(200) { 200 } else { others.next().unwrap_or(200) }
    }

    /// The response to a request; none if nothing is read of it, or it cannot be spoilt like this.
    pub(crate) fn answer(&mut self, question: &Question<'_>) -> Option<Answer> {
        let PlannedRequest { population, actor, step, request, .. } = *question.request;
        let who = actor.0 ^ u64::from(population.0) << 56;
        let mut draws = self.domain.generator(who, step.0);
        let recipe = self.recipes.get_mut(request.index())?.as_mut()?;
        let about = self.scenario.request(request);
        let mut maker = Maker { about, recipe, question };
        let without = match question.spoilt {
            None => Without::Nothing,
            Some(Spoilt::Value) => Without::Extract(one(about.reading.extracts.len(), &mut draws)?),
            Some(Spoilt::Check) => Without::Check(one(about.reading.checks.len(), &mut draws)?),
        };
        let answer = maker.best(without, &draws);
        let is_spoilt = match without {
            Without::Nothing => true,
            Without::Extract(index) => answer.meant.values[index] == MeantValue::Missing,
            Without::Check(index) => answer.meant.failed_checks & 1 << index != 0,
        };
        is_spoilt.then_some(answer)
    }
}

/// One of so many; none of none.
fn one(count: usize, draws: &mut Generator) -> Option<usize> {
    let last = count.checked_sub(1)? as u64;
    usize::try_from(draws.uniform(0, last)).ok()
}

/// The number of the sampler of a pattern that was just added.
fn add(pattern: &z6_extract::Pattern, samplers: &mut Vec<Sampler>) {
    // Without one it finds nothing, which the reading of the response shows.
    samplers.extend(Sampler::new(pattern));
}

impl Recipe {
    fn new(scenario: &Scenario, request: &Request, seed: u64) -> Recipe {
        let reading = &request.reading;
        let mut samplers = Vec::new();
        let mut recipe = Recipe {
            scratches: Vec::new(),
            drawn: Vec::new(),
            styles: Vec::new(),
            checks: reading.checks.iter().map(|check| check.check.scratch()).collect(),
            samplers: Vec::new(),
            first_patterns: Vec::new(),
            reads_body: reading.checks.iter().any(|check| check.check.reads_body()),
            reads_json: reading.checks.iter().any(|check| check.check.reads_json()),
        };
        for extract in &reading.extracts {
            let program = match &extract.from {
                ExtractFrom::Program(program) => Some(program),
                ExtractFrom::Sha256 | ExtractFrom::Value(_) => None,
            };
            recipe.reads_body |= program.is_some_and(Program::reads_body);
            recipe.reads_body |= matches!(extract.from, ExtractFrom::Sha256);
            recipe.scratches.push(program.map(Program::scratch));
            let variable = scenario.values.variables.get(usize::from(extract.variable.0));
            let name = variable.map_or("", |variable| variable.name.as_str());
            let drawn = DrawnPosition::new(seed, name);
            let all = scenario.populations.iter();
            recipe.drawn.push(all.map(|users| drawn.of_population(&users.name)).collect());
            recipe.styles.push(style(scenario, extract.variable));
        }
        for program in programs(request) {
            if let Source::Pattern(pattern) = program.source() {
                add(pattern, &mut samplers);
            }
            if let Some(pattern) = program.pattern() {
                add(pattern, &mut samplers);
            }
        }
        for check in &reading.checks {
            recipe.first_patterns.push(samplers.len());
            check.check.expression().each(&mut |test| {
                if let Test::Matches { pattern, .. } = test {
                    add(pattern, &mut samplers);
                }
            });
        }
        recipe.samplers = samplers;
        recipe
    }
}

fn programs(request: &Request) -> impl Iterator<Item = &Program> {
    request.reading.extracts.iter().filter_map(|extract| match &extract.from {
        ExtractFrom::Program(program) => Some(program),
        ExtractFrom::Sha256 | ExtractFrom::Value(_) => None,
    })
}

/// What the values of a variable look like: a path where one begins with it.
fn style(scenario: &Scenario, variable: VariableId) -> Style {
    let values: &ValueTable = &scenario.values;
    let paths = scenario.requests.iter().filter_map(|request| request.rendering.as_deref());
    let sources = [ValueSource::Variable(variable), ValueSource::Run(variable)];
    let begins = |path: &Template| {
        let is_it = |id: ValueId| values.source(id).is_some_and(|source| sources.contains(&source));
        let id = path.values().find(|id| is_it(*id));
        id.is_some_and(|id| filled(path, &Probe(id)).is_some_and(|text| text.starts_with(b"probe")))
    };
    if paths.into_iter().any(|rendering| begins(&rendering.path)) {
        Style::Path
    } else if values.is_secret(ValueSource::Variable(variable)) {
        Style::Secret
    } else {
        Style::Number
    }
}

/// A text for one value, and another for all others.
struct Probe(ValueId);

impl Values for Probe {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        Some(Value::text(if id == self.0 { b"probe" } else { b"other" }))
    }
}

fn filled(template: &Template, values: &impl Values) -> Option<Vec<u8>> {
    let (mut filled, mut out) = (Filled::default(), Vec::new());
    let part = template.fill(values, &mut filled).ok()?;
    template.write(&filled, &part, &mut out);
    Some(out)
}

/// Makes one response.
struct Maker<'m> {
    about: &'m Request,
    recipe: &'m mut Recipe,
    question: &'m Question<'m>,
}

impl Maker<'_> {
    /// The draft of which the least is missed: each check is satisfied in the first way, and one that does
    /// not hold then in its others.
    fn best(&mut self, without: Without, draws: &Generator) -> Answer {
        let about = self.about;
        let all: Vec<Vec<Vec<Goal<'_>>>> = about
            .reading
            .checks
            .iter()
            .enumerate()
            .map(|(i, check)| ways(check.check.expression(), without == Without::Check(i)))
            .collect();
        let mut chosen = vec![0; all.len()];
        let mut best = self.made(without, &all, &chosen, draws);
        let mut drafts = 1;
        for i in 0..all.len() {
            for way in 1..all[i].len() {
                if best.misses(without) == 0 || drafts == DRAFTS_MAX {
                    return best;
                }
                let before = std::mem::replace(&mut chosen[i], way);
                let other = self.made(without, &all, &chosen, draws);
                drafts += 1;
                if other.misses(without) < best.misses(without) {
                    best = other;
                } else {
                    chosen[i] = before;
                }
            }
        }
        best
    }

    fn made(
        &mut self,
        without: Without,
        all: &[Vec<Vec<Goal<'_>>>],
        chosen: &[usize],
        draws: &Generator,
    ) -> Answer {
        let content = self.draft(without, all, chosen, draws.clone());
        self.read(content)
    }

    fn draft(
        &mut self,
        without: Without,
        all: &[Vec<Vec<Goal<'_>>>],
        chosen: &[usize],
        draws: Generator,
    ) -> Content {
        let (about, question) = (self.about, self.question);
        let Recipe { samplers, first_patterns, styles, reads_json, .. } = &mut *self.recipe;
        let mut draft = Draft::new(samplers, draws);
        if *reads_json {
            draft.read_json();
        }
        let mut patterns = 0;
        for (i, (extract, style)) in about.reading.extracts.iter().zip(styles.iter()).enumerate() {
            let ExtractFrom::Program(program) = &extract.from else { continue };
            let own = Patterns::take(program, &mut patterns);
            if without != Without::Extract(i) {
                want_value(&mut draft, program, own, *style);
            } else if matches!(program.source(), Source::Json(_)) {
                draft.read_json();
            }
        }
        for ((check, ways), (way, first)) in
            about.reading.checks.iter().zip(all).zip(chosen.iter().zip(first_patterns.iter()))
        {
            let values = check.check.known(question.values);
            for goal in ways.get(*way).into_iter().flatten() {
                match goal.wanted(&values, |index| first + index) {
                    Wanted::Of(term, wish) => draft.want(term, wish),
                    Wanted::Both(left, comparison, right) => {
                        draft.want_both(left, comparison, right);
                    }
                    Wanted::Nothing => {}
                }
            }
        }
        let expects = |status: u16| {
            // A redirect that is followed is another response.
            about.expects(status)
                && (about.follow_redirects == 0 || !matches!(status, 301..=303 | 307 | 308))
        };
        let preferred = [&[200], about.expect_status.as_slice()].concat();
        draft.finish(question.status, &expects, &preferred)
    }

    /// Reads a response as the product does.
    fn read(&mut self, content: Content) -> Answer {
        let Content { status, mut fields, trailers, body } = content;
        let question = self.question;
        let is_followed = self.about.follow_redirects > 0 && matches!(status, 300..=399);
        if is_followed {
            fields.retain(|(name, _)| !name.eq_ignore_ascii_case("Location"));
        }
        let is_chunked = question.framing.is_chunked || !trailers.is_empty();
        let framing = Framing { is_chunked, ..question.framing };
        let has_body = framing.has_body(status);
        let sent: &[u8] = if has_body { &body } else { &[] };
        let all = [fields.as_slice(), &framing.fields(status, body.len())].concat();
        let sent_trailers: &[(String, Vec<u8>)] = if has_body { &trailers } else { &[] };
        let (all, sent_trailers) = (pairs(&all), pairs(sent_trailers));
        let response = Response {
            status,
            url: question.url.as_bytes(),
            fields: &all,
            trailers: &sent_trailers,
            body: sent,
        };
        let meant = self.meant(&response);
        let body = self.recipe.reads_body.then_some(body);
        let is_expected = self.about.expects(status);
        Answer { status, fields, trailers, body, meant, is_expected }
    }

    fn meant(&mut self, response: &Response<'_>) -> Meant {
        let question = self.question;
        let (actor, step) = (question.request.actor.0, question.request.step.0);
        let population = usize::from(question.request.population.0);
        let Recipe { scratches, drawn, checks, .. } = &mut *self.recipe;
        let extracts = self.about.reading.extracts.iter().zip(scratches).zip(drawn);
        let values = extracts.map(|((extract, scratch), drawn)| match (&extract.from, scratch) {
            (ExtractFrom::Program(program), Some(scratch)) if extract.is_list => {
                let mut list = List::default();
                match program.run_all(response, scratch, &mut list) {
                    Ok(()) if !list.is_empty() => {
                        let mut bytes = Vec::new();
                        list.write_json(&mut bytes);
                        MeantValue::Is { bytes, is_text: false }
                    }
                    Ok(()) | Err(_) => MeantValue::Missing,
                }
            }
            (ExtractFrom::Program(program), Some(scratch)) => {
                let drawn = drawn.get(population).copied();
                let draw = |count| drawn.map_or(0, |drawn| drawn.below(actor, step, count));
                match program.run(response, scratch, draw) {
                    Ok(value) => MeantValue::Is {
                        bytes: value.bytes.to_vec(),
                        is_text: value.kind == Kind::Text,
                    },
                    Err(_) => MeantValue::Missing,
                }
            }
            (ExtractFrom::Value(template), _) => match template.alone() {
                Some(id) => question.values.value(id).map_or(MeantValue::Missing, |value| {
                    MeantValue::Is { bytes: value.bytes.to_vec(), is_text: value.is_text }
                }),
                None => filled(template, question.values)
                    .map_or(MeantValue::Missing, |bytes| MeantValue::Is { bytes, is_text: true }),
            },
            _ => MeantValue::Unknown,
        });
        let values = values.collect();
        let mut failed_checks = 0;
        for (i, (check, scratch)) in self.about.reading.checks.iter().zip(checks).enumerate() {
            let outcome = check.check.test(response, Body::Whole, question.values, scratch);
            failed_checks |= u64::from(outcome != Outcome::Passed) << i;
        }
        Meant { values, failed_checks }
    }
}

/// Fields as a reader has them: without white space around their values.
fn pairs(fields: &[(String, Vec<u8>)]) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.trim_ascii())).collect()
}

impl Answer {
    /// How much is not as it is wanted.
    fn misses(&self, without: Without) -> usize {
        let misses = self.meant.misses() + usize::from(!self.is_expected);
        let is_missed = match without {
            Without::Nothing => return misses,
            Without::Extract(index) => self.meant.values[index] == MeantValue::Missing,
            Without::Check(index) => self.meant.failed_checks >> index & 1 != 0,
        };
        if is_missed { misses - 1 } else { misses + 1_000 }
    }
}

/// The patterns of one extraction, by number.
#[derive(Debug, Clone, Copy, Default)]
struct Patterns {
    of_source: Option<usize>,
    inner: Option<usize>,
}

impl Patterns {
    /// Those of the next program, as they were added.
    fn take(program: &Program, next: &mut usize) -> Patterns {
        let mut take = |is_there: bool| {
            let index = *next;
            *next += usize::from(is_there);
            is_there.then_some(index)
        };
        let of_source = take(matches!(program.source(), Source::Pattern(_)));
        Patterns { of_source, inner: take(program.pattern().is_some()) }
    }
}

/// Wants the value of one extraction.
fn want_value(draft: &mut Draft<'_>, program: &Program, patterns: Patterns, style: Style) {
    let nth = match program.selected() {
        Select::Nth(position) => position,
        Select::First | Select::Last | Select::Drawn => 0,
    };
    let copies = nth + 1;
    let wishes = match patterns.inner {
        Some(pattern) => vec![Wish::Found(pattern)],
        None => vec![Wish::There(style)],
    };
    match program.source() {
        Source::Json(path) => draft.extract_json(path, wishes, nth),
        Source::Pattern(_) => {
            if let Some(pattern) = patterns.of_source {
                draft.extract_pattern(pattern, patterns.inner, copies);
            }
        }
        Source::Between(between) => draft.extract_between(between, &wishes, copies),
        Source::Html(html) => draft.extract_html(html, &wishes, copies),
        Source::Header(name) => {
            let is_location = name.eq_ignore_ascii_case("Location") && patterns.inner.is_none();
            let wishes = if is_location { vec![Wish::There(Style::Path)] } else { wishes };
            draft.extract(&Term::Header(name.clone()), wishes, copies);
        }
        Source::Trailer(name) => draft.extract(&Term::Trailer(name.clone()), wishes, copies),
        Source::Cookie(name) => draft.extract(&Term::Cookie(name.clone()), wishes, copies),
        Source::Body => {
            draft.extract(&Term::Body, patterns.inner.map(Wish::Found).into_iter().collect(), 1);
        }
        Source::Status => {
            draft.extract(&Term::Status, patterns.inner.map(Wish::Found).into_iter().collect(), 1);
        }
        _ => {}
    }
}
