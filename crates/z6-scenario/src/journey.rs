//! What requests are made of beyond fixed bytes, and what is read from their responses: the values of a
//! scenario, the texts that they are filled into, and the order of steps.
//!
//! Part of the model: names are numbers here, texts are compiled, defaults are filled in. Parameters are
//! constants and do not occur: they are folded in when the scenario is read. Knows no bytes of secrets,
//! which drivers hold.

use std::ops::Range;
use std::sync::Arc;

use z6_events::{RequestId, VariableId};
use z6_extract::Program;
use z6_extract::rows::Table;
use z6_http::template::{Template, ValueId};

use crate::expression::Check;
#[cfg(doc)]
use crate::expression::LastValue;
use crate::load::limits::defaults;
use crate::model::{Request, ThinkTime};
use crate::plan::{Region, count_places};
use crate::values::{MadeBy, Order, Per};

/// `[sequence]`: what each actor does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Done once by each VU, before its first iteration; empty if there is none.
    pub start: Vec<SequenceStep>,
    /// One iteration; empty if each step is a request drawn by weight.
    pub steps: Vec<SequenceStep>,
    /// What is done again when it has become old.
    pub renew: Option<Renew>,
    /// Done once by each VU, when its iterations, the schedule or the run end it; empty if there is none.
    pub end: Vec<SequenceStep>,
    /// What follows a request that failed, unless its step says otherwise.
    pub on_failure: OnFailure,
    /// The least pause after an iteration that sent nothing, nanoseconds.
    pub empty_iteration_ns: u64,
    /// `group` of steps: those of `start`, `renew` and `end` too.
    pub groups: Vec<StepGroup>,
    /// Steps that belong together, of all lists: of each list in the order of their first steps, and those
    /// around others before those.
    pub blocks: Vec<Block>,
}

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            start: Vec::new(),
            steps: Vec::new(),
            renew: None,
            end: Vec::new(),
            on_failure: OnFailure::default(),
            empty_iteration_ns: defaults::EMPTY_ITERATION_NS,
            groups: Vec::new(),
            blocks: Vec::new(),
        }
    }
}

impl Flow {
    /// Whether a request is ever sent: each, if none is named.
    #[must_use]
    pub fn sends(&self, request: RequestId) -> bool {
        self.steps.is_empty() || self.all_steps().any(|step| step.request == request)
    }

    /// The steps of all parts.
    pub fn all_steps(&self) -> impl Iterator<Item = &SequenceStep> {
        FlowPart::ALL.into_iter().flat_map(|part| self.steps_of(part))
    }

    /// The steps of a part.
    #[must_use]
    pub fn steps_of(&self, part: FlowPart) -> &[SequenceStep] {
        match part {
            FlowPart::Start => &self.start,
            FlowPart::Steps => &self.steps,
            FlowPart::Renew => self.renew.as_ref().map_or(&[][..], |renew| &renew.steps),
            FlowPart::End => &self.end,
        }
    }

    /// Places of a part: what is repeated at its most, and all branches.
    #[must_use]
    pub fn places(&self, part: FlowPart) -> u64 {
        count_places(self.steps_of(part), self.blocks_of(part))
    }

    /// The blocks of a part.
    pub fn blocks_of(&self, part: FlowPart) -> impl Iterator<Item = &Block> + Clone {
        self.blocks.iter().filter(move |block| block.part == part)
    }
}

/// Consecutive steps that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which list of steps they are in.
    pub part: FlowPart,
    /// Their indexes in it; at least one.
    pub steps: Range<usize>,
    /// How they are done.
    pub kind: BlockKind,
}

/// How the steps of a block are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// In order, so many times in a row.
    Repeat(Repeat),
    /// Those of one branch, which is drawn.
    Choose(Vec<Branch>),
    /// In order, if a condition holds.
    If(ConditionId),
    /// In order, again and again as long as a condition holds, which is asked before each pass.
    While(Loop),
    /// In order, again and again until a condition holds, which is asked after each pass. Takes one pass more
    /// of places than it does at most: the first of them is that of the request that fails if the condition
    /// never holds.
    Until(Loop),
    /// In order, once for each item of a list, up to a number of them: its condition is
    /// [`Condition::Item`].
    ForEach(Loop),
}

/// When a block is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loop {
    /// The condition.
    pub condition: ConditionId,
    /// Passes at most; >= 1.
    pub max: u32,
    /// The pause before each pass but the first, nanoseconds, if the think time is not longer.
    pub pause_ns: u64,
}

/// Index among [`ValueTable::conditions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionId(pub u16);

/// What decides on a pass of a block when its turn has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// An expression holds.
    Check(Check),
    /// A list has an item for the pass, from 0: it becomes the value of another variable, which has none if
    /// there is no such item. The items are those of a JSON array; any other value but `null` is the only item.
    Item {
        /// The list.
        list: ValueId,
        /// Its name, as written.
        list_name: String,
        /// The variable that has the item during the pass.
        item: VariableId,
    },
}

impl Condition {
    /// What it asks, in words of the scenario.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Condition::Check(check) => check.text().to_owned(),
            Condition::Item { list_name, .. } => format!("{list_name} has an item"),
        }
    }

    /// The values that it reads; what it asks of the last request apart.
    pub fn values(&self) -> impl Iterator<Item = ValueId> {
        let (check, list) = match self {
            Condition::Check(check) => (Some(check), None),
            Condition::Item { list, .. } => (None, Some(*list)),
        };
        check.into_iter().flat_map(Check::values).chain(list)
    }

    /// The variable that has an item of a list while it holds.
    #[must_use]
    pub fn item(&self) -> Option<VariableId> {
        match self {
            Condition::Check(_) => None,
            Condition::Item { item, .. } => Some(*item),
        }
    }
}

impl BlockKind {
    /// Passes that have places.
    #[must_use]
    pub fn passes(&self) -> u32 {
        match self {
            BlockKind::Repeat(repeat) => repeat.max,
            BlockKind::Choose(_) | BlockKind::If(_) => 1,
            BlockKind::While(again) | BlockKind::ForEach(again) => again.max,
            BlockKind::Until(again) => again.max.saturating_add(1),
        }
    }

    /// The pause before each pass but the first, nanoseconds.
    #[must_use]
    pub fn pause_ns(&self) -> u64 {
        match self {
            BlockKind::Repeat(_) | BlockKind::Choose(_) | BlockKind::If(_) => 0,
            BlockKind::While(again) | BlockKind::Until(again) | BlockKind::ForEach(again) => {
                again.pause_ns
            }
        }
    }
}

/// One branch of a [`BlockKind::Choose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Its weight, millionths; more than 0.
    pub weight_micro: u64,
    /// How many of the block's steps are its own, after those of the branches before it; at least one.
    pub steps: usize,
}

/// Consecutive steps with the same `group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepGroup {
    /// Its name.
    pub name: String,
    /// Which list of steps they are in.
    pub part: FlowPart,
    /// Their indexes in it.
    pub steps: Range<usize>,
}

/// A list of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowPart {
    /// `start`.
    Start,
    /// `steps`.
    Steps,
    /// Those of `renew`.
    Renew,
    /// `end`.
    End,
}

impl FlowPart {
    /// Each of them, in the order of their numbers.
    pub const ALL: [FlowPart; 4] =
        [FlowPart::Start, FlowPart::Steps, FlowPart::Renew, FlowPart::End];
}

impl From<Region> for FlowPart {
    fn from(region: Region) -> FlowPart {
        match region {
            Region::Start => FlowPart::Start,
            Region::Iteration(_) => FlowPart::Steps,
            Region::Renewal(_) => FlowPart::Renew,
            Region::End => FlowPart::End,
        }
    }
}

impl Flow {
    /// Whether a step has a think time of its own.
    #[must_use]
    pub fn has_think_times(&self) -> bool {
        let mut all = FlowPart::ALL.into_iter().flat_map(|part| self.steps_of(part));
        all.any(|step| step.think_time.is_some())
    }
}

/// One step of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceStep {
    /// The request that is sent.
    pub request: RequestId,
    /// How many times in a row.
    pub repeat: Repeat,
    /// What follows a failure of it; none: as the sequence says.
    pub on_failure: Option<OnFailure>,
    /// The pause after each of its requests; none: that of the population.
    pub think_time: Option<ThinkTime>,
}

/// How many times in a row a step is done: as many places as `max`, of which so many are taken as are
/// drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// Fewest; >= 1.
    pub min: u32,
    /// Most; at least `min`.
    pub max: u32,
}

impl Repeat {
    /// Always so many times.
    #[must_use]
    pub const fn times(times: u32) -> Repeat {
        Repeat { min: times, max: times }
    }
}

/// `renew`: a sequence that is done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renew {
    /// What is done.
    pub steps: Vec<SequenceStep>,
    /// Before the next request after a response with one of these statuses; sorted, without doubles.
    pub on_status: Vec<u16>,
    /// Before the next request that is planned so long after the last renewal (or `start`) began,
    /// nanoseconds.
    pub every_ns: Option<u64>,
}

/// What follows a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The next step.
    #[default]
    Continue,
    /// The next iteration.
    EndIteration,
    /// Nothing: the VU or arrival ends.
    StopVu,
    /// Nothing: the run ends.
    StopRun,
}

/// The values of a scenario; empty if it uses none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValueTable {
    /// What each [`ValueId`] of a template stands for.
    pub sources: Vec<ValueSource>,
    /// `[secrets]`.
    pub secrets: Vec<Secret>,
    /// `[[data]]`.
    pub data: Vec<DataFile>,
    /// `[random]`.
    pub random: Vec<RandomValue>,
    /// What responses give, by [`VariableId`].
    pub variables: Vec<Variable>,
    /// `if`, `while`, `until` and `foreach` of steps, by [`ConditionId`].
    pub conditions: Vec<Condition>,
    /// Names of checks that conditions ask about, by number ([`LastValue::Check`]).
    pub check_names: Vec<String>,
}

impl ValueTable {
    /// What a value of a template stands for.
    #[must_use]
    pub fn source(&self, id: ValueId) -> Option<ValueSource> {
        self.sources.get(usize::from(id.0)).copied()
    }

    /// Whether no byte of a value may reach a file, a terminal or a message.
    #[must_use]
    pub fn is_secret(&self, source: ValueSource) -> bool {
        match source {
            ValueSource::Secret(_) => true,
            ValueSource::Column { data, column } => {
                let data = self.data.get(usize::from(data));
                data.is_some_and(|data| data.is_secret(column))
            }
            ValueSource::Variable(VariableId(id)) | ValueSource::Run(VariableId(id)) => {
                self.variables.get(usize::from(id)).is_some_and(|variable| variable.is_secret)
            }
            ValueSource::Random(_)
            | ValueSource::Vu
            | ValueSource::Iteration
            | ValueSource::Step
            | ValueSource::NowUnixMs
            | ValueSource::NowRfc3339 => false,
        }
    }
}

impl ValueTable {
    /// What a template calls a value; empty if there is no such thing.
    #[must_use]
    pub fn name_of(&self, source: ValueSource) -> String {
        fn named<T>(all: &[T], index: u16, name: impl Fn(&T) -> &str) -> String {
            all.get(usize::from(index)).map_or_else(String::new, |thing| name(thing).to_owned())
        }
        match source {
            ValueSource::Secret(index) => {
                format!("secret.{}", named(&self.secrets, index, |secret| &secret.name))
            }
            ValueSource::Column { data, column } => {
                let Some(data) = self.data.get(usize::from(data)) else { return String::new() };
                let column = data.table.columns().nth(column as usize).unwrap_or("");
                format!("{}.{column}", data.name)
            }
            ValueSource::Random(index) => named(&self.random, index, |value| &value.name),
            ValueSource::Variable(VariableId(id)) => named(&self.variables, id, |v| &v.name),
            ValueSource::Run(VariableId(id)) => {
                format!("run.{}", named(&self.variables, id, |v| &v.name))
            }
            ValueSource::Vu => "vu".to_owned(),
            ValueSource::Iteration => "iteration".to_owned(),
            ValueSource::Step => "step".to_owned(),
            ValueSource::NowUnixMs => "now.unix_ms".to_owned(),
            ValueSource::NowRfc3339 => "now.rfc3339".to_owned(),
        }
    }

    /// The columns of a data file that templates name and that are not secret, rising: what may stand in a
    /// log.
    #[must_use]
    pub fn open_columns(&self, data: u16) -> Vec<u32> {
        let is_secret = |column: u32| {
            self.data.get(usize::from(data)).is_none_or(|file| file.is_secret(column))
        };
        let column = |source: &ValueSource| match source {
            ValueSource::Column { data: file, column } if *file == data => Some(*column),
            _ => None,
        };
        let weight = self.data.get(usize::from(data)).and_then(|file| file.weight);
        let mut columns: Vec<u32> = self.sources.iter().filter_map(column).chain(weight).collect();
        columns.retain(|column| !is_secret(*column));
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

/// Where a value comes from when a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueSource {
    /// `secret.NAME`: index in [`ValueTable::secrets`].
    Secret(u16),
    /// `DATA.COLUMN`: a field of the row that the plan gives.
    Column {
        /// Index in [`ValueTable::data`].
        data: u16,
        /// Index among the columns of its table.
        column: u32,
    },
    /// A value of `[random]`: index in [`ValueTable::random`].
    Random(u16),
    /// What was extracted from an earlier response.
    Variable(VariableId),
    /// `run.NAME`: the value that the variable had at the end of set-up.
    Run(VariableId),
    /// `vu`: the number of the VU or arrival.
    Vu,
    /// `iteration`: its number in the life of the VU, from 0.
    Iteration,
    /// `step`: the number of the step in the life of the VU.
    Step,
    /// `now.unix_ms`: the planned instant, milliseconds since 1970-01-01 UTC.
    NowUnixMs,
    /// `now.rfc3339`: the planned instant as a date and time in UTC with milliseconds (RFC 3339).
    NowRfc3339,
}

/// One entry of `[secrets]`. Its bytes are read by who drives a real run, and are no part of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name, without `secret.`.
    pub name: String,
    /// Where its bytes come from.
    pub from: SecretSource,
}

/// Where the bytes of a secret come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Environment(String),
    /// A file, as written; one line end behind its content is not part of the secret.
    File(String),
}

/// One entry of `[[data]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Its name.
    pub name: String,
    /// The file, as written.
    pub file: String,
    /// Its content; shared by all that hold the scenario.
    pub table: Arc<Table>,
    /// Whose a row is.
    pub per: Per,
    /// In which order rows are given out, with the weights if a column has them.
    pub order: Order,
    /// No row is given out twice.
    pub is_unique: bool,
    /// What happens when unique rows are used up.
    pub on_end: OnEnd,
    /// The column that `order` has its weights from.
    pub weight: Option<u32>,
    /// Columns that are secret; sorted.
    pub secret: Vec<u32>,
    /// Whether columns that are used and not secret go into the log.
    pub is_attached: bool,
    /// The file that was read.
    pub original: OriginalFile,
}

/// A data file as it was read; nothing if its rows came from a log.
///
/// It is no part of what a scenario is: all of them are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct OriginalFile(pub Option<FileFacts>);

/// What is known of a file beyond its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// Its length, bytes.
    pub length: u64,
    /// Its SHA-256. A log holds it under a key only: it would tell whether a guess of a short file is right.
    pub sha256: [u8; 32],
}

impl PartialEq for OriginalFile {
    fn eq(&self, _: &OriginalFile) -> bool {
        true
    }
}

impl DataFile {
    /// Whether a column is secret.
    #[must_use]
    pub fn is_secret(&self, column: u32) -> bool {
        self.secret.binary_search(&column).is_ok()
    }
}

/// What happens when a file has no row left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEnd {
    /// The file begins again.
    Repeat,
    /// The VU that needs a row ends.
    StopVu,
    /// The run ends.
    StopRun,
}

/// One entry of `[random]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomValue {
    /// Its name.
    pub name: String,
    /// How it is made up.
    pub by: MadeBy,
    /// For how long it stays the same.
    pub per: Per,
}

/// A name that extractions give values to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// For how long it keeps its value.
    pub scope: Scope,
    /// The log withholds its values.
    pub is_secret: bool,
}

/// For how long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// To the end of the iteration.
    Iteration,
    /// As long as the VU lives.
    Vu,
}

/// What is filled in for each sending of a request. Method, target and names of header fields are fixed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// Path and query, for the place of [`Request::path`](crate::Request::path).
    pub path: Template,
    /// Header fields in their order, for the place of [`Request::headers`](crate::Request::headers).
    pub headers: Vec<(String, Template)>,
    /// The parts of the body, one behind the other; none if there is no body.
    pub body: Option<Vec<BodyPart>>,
    /// What is computed over the rest, or made from several values.
    pub auth: Option<Auth>,
    /// All values that are read, each once, rising.
    pub reads: Vec<ValueId>,
    /// Those variables among them without which the request cannot be sent (they have no `default`
    /// filter), rising.
    pub needs: Vec<VariableId>,
}

/// A part of a body.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyPart {
    /// Text with placeholders.
    Text(Template),
    /// Bytes of a file.
    Bytes(Arc<[u8]>),
}

/// `auth` of a request, where it is more than a field with a placeholder.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// `basic`: user and password, joined by a colon and encoded in base64 (RFC 7617).
    Basic {
        /// The user.
        user: Template,
        /// The password.
        password: Template,
    },
    /// `aws_sigv4`: AWS Signature Version 4 over the request as it is sent.
    AwsSigV4(Box<AwsSigV4>),
}

/// What AWS Signature Version 4 needs.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsSigV4 {
    /// Access key id.
    pub access_key: Template,
    /// Secret access key.
    pub secret_key: Template,
    /// Session token; none for long-term credentials.
    pub session_token: Option<Template>,
    /// Region, such as `eu-central-1`.
    pub region: Template,
    /// Service, such as `s3`.
    pub service: Template,
}

/// What is read from the responses to a request; empty if nothing is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// In the order of the file.
    pub extracts: Vec<Extract>,
    /// In the order of the file.
    pub checks: Vec<RequestCheck>,
}

impl Reading {
    /// Whether nothing is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.extracts.is_empty() && self.checks.is_empty()
    }

    /// Whether the body is read.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        let extract = |extract: &Extract| match &extract.from {
            ExtractFrom::Program(program) => program.reads_body(),
            ExtractFrom::Sha256 => true,
            ExtractFrom::Value(_) => false,
        };
        self.extracts.iter().any(extract) || self.checks.iter().any(|one| one.check.reads_body())
    }
}

/// One entry of `extract`.
#[derive(Debug, Clone)]
pub struct Extract {
    /// The variable that gets the value.
    pub variable: VariableId,
    /// How it is written in the scenario, in one form: what two extractions are compared by.
    pub text: String,
    /// Where the value comes from.
    pub from: ExtractFrom,
    /// The value where the response has none.
    pub default: Option<Vec<u8>>,
    /// Whether the request fails where the response has none, and there is no default.
    pub is_required: bool,
    /// `when = "always"`: whether it is done after a failure as well.
    pub is_always: bool,
    /// `secret = false`: the value may be logged, even if it is a cookie.
    pub is_clear: bool,
    /// `select = "all"`: the value is a JSON array of all values that there are.
    pub is_list: bool,
}

impl PartialEq for Extract {
    fn eq(&self, other: &Extract) -> bool {
        let key = |e: &Extract| {
            (e.variable, e.text.clone(), e.default.clone(), e.is_required, e.is_always)
        };
        key(self) == key(other)
    }
}

/// Where a value comes from when a response is read.
#[derive(Debug, Clone)]
pub enum ExtractFrom {
    /// Out of the response.
    Program(Program),
    /// The SHA-256 of its body, in hexadecimal.
    Sha256,
    /// A text, filled in with the values of the request that was sent. Of one placeholder: that value, as
    /// it is.
    Value(Template),
}

/// One entry of `checks`.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestCheck {
    /// Its name.
    pub name: String,
    /// The expression.
    pub check: Check,
    /// Whether the request fails with it.
    pub fails: bool,
}

impl Request {
    /// What is filled in when it is sent, and what its extractions are filled in with; some more than once.
    #[must_use]
    pub fn value_sources(&self, values: &ValueTable) -> Vec<ValueSource> {
        let reads = self.rendering.iter().flat_map(|rendering| rendering.reads.iter().copied());
        let extracts = self.reading.extracts.iter().flat_map(|extract| {
            let template = match &extract.from {
                ExtractFrom::Value(template) => Some(template),
                ExtractFrom::Program(_) | ExtractFrom::Sha256 => None,
            };
            template.into_iter().flat_map(Template::values)
        });
        reads.chain(extracts).filter_map(|id| values.source(id)).collect()
    }

    /// The data files that it and its checks use, rising.
    #[must_use]
    pub fn data_files(&self, values: &ValueTable) -> Vec<u16> {
        let checks = self.reading.checks.iter().flat_map(|check| check.check.values());
        let sources = self.value_sources(values).into_iter();
        let file = |source| match source {
            ValueSource::Column { data, .. } => Some(data),
            _ => None,
        };
        let of_checks = checks.filter_map(|id| values.source(id));
        let mut files: Vec<u16> = sources.chain(of_checks).filter_map(file).collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}
