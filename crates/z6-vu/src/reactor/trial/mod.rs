//! One actor, one iteration, one request after the other: to see what a scenario sends and receives.
//!
//! A third driver of [`crate::session`], without engine and log: it takes the steps of the plan in order,
//! without think time, and tells what is sent and received as a person may see it. What would decide a
//! run is decided by the same rules: what follows a failure, what is missing, where redirects lead. A
//! renewal is not done: it belongs to runs that are longer. Reading order: `moment` (what is told), this
//! file, `view` (responses to be shown), `speaks` (the session of either version), `wire` (one connection),
//! `probe` (one exchange, byte by byte).
#![expect(clippy::disallowed_methods, reason = "reads the clock")]

mod moment;
mod probe;
mod speaks;
mod view;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use z6_events::{
    Actor, ErrorKind, ExchangeSlot, LoggedValue, Phase, PlannedRequest, Population, RequestId,
    Step, TargetId, Tick, VariableId,
};
use z6_proto_http1::{KeptResponse, Limits};
use z6_scenario::{Condition, OnFailure, Plan, Region, Request, Scenario, Scope, Target, Way};

use self::speaks::{Speaks, Versions};
use self::view::View;
use self::wire::{Got, Route, Unopened, Wire, after};
use super::clock;
use super::error::StartError;
use super::socket::Source;
use super::start::{BuiltinTarget, addresses, authority, named, tunnel_request};
use super::tls_config::{self, TlsTarget};
use super::transport::Address;
use crate::engine::{Decide, Input, LastRequest};
use crate::prepare::{Prepared, RunSetup};
use crate::session::{Came, Given, Output, Requests, RunValues, ShownResponse};
use crate::templates::response_limits;

pub use probe::{ProbeEnd, ProbeSpec, Probed, probe};

pub use moment::{
    CheckResult, Ended, FoundValue, Moment, Outcome, Sent, ShownValue, TrialEnd, TrialPlace,
};

/// The one exchange at a time.
const SLOT: ExchangeSlot = ExchangeSlot(0);

/// What is tried.
#[derive(Debug, Clone)]
pub struct TrialSpec {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The seed in force.
    pub seed: u64,
    /// The kind of users.
    pub population: Population,
    /// The VU or arrival of it.
    pub actor: Actor,
    /// Which of its iterations, from 0. What it does once before the first comes before it.
    pub iteration: u64,
    /// Where the built-in target listens, if the scenario uses it.
    pub builtin: Option<BuiltinTarget>,
    /// Secrets.
    pub given: Given,
    /// Where relative paths of certificates and keys start.
    pub folder: PathBuf,
    /// Whether secrets are shown.
    pub shows_secrets: bool,
}

/// Does it: `tell` is given what happens, as it happens.
///
/// # Errors
/// [`StartError`] for whatever keeps it from starting; nothing was sent then.
pub fn try_out(spec: &TrialSpec, tell: &mut dyn FnMut(Moment)) -> Result<TrialEnd, StartError> {
    let addresses = addresses(&spec.scenario, spec.builtin.as_ref())?;
    let setup = RunSetup { addresses: named(&addresses), ..RunSetup::new(spec.seed, 1) };
    let main = Prepared::new(&spec.scenario, setup)?;
    let mut all = TrialEnd { succeeded: 0, failed: 0, not_sent: 0 };
    let mut values = RunValues::default();
    let mut begins = true;
    for phase in [Phase::SetUp, Phase::Main, Phase::TearDown] {
        let (spec, prepared) = match (phase, main.of_phase(phase)?) {
            (Phase::Main, _) => (spec.clone(), main.clone()),
            (_, None) => continue,
            (_, Some(aside)) => {
                let (scenario, actor) = (Arc::clone(aside.scenario()), aside.actor_of_phase());
                let population = Population(0);
                (TrialSpec { scenario, population, actor, iteration: 0, ..spec.clone() }, aside)
            }
        };
        if phase == Phase::Main && !begins {
            continue;
        }
        let (end, left) = try_phase(&spec, &prepared, &addresses, values.clone(), tell)?;
        if phase == Phase::SetUp {
            begins = end.failed == 0 && end.not_sent == 0;
            values = left;
        }
        all.succeeded += end.succeeded;
        all.failed += end.failed;
        all.not_sent += end.not_sent;
    }
    Ok(all)
}

/// Does one phase: how it ended, and what set-up leaves.
fn try_phase(
    spec: &TrialSpec,
    prepared: &Prepared,
    addresses: &[Vec<Address>],
    values: RunValues,
    tell: &mut dyn FnMut(Moment),
) -> Result<(TrialEnd, RunValues), StartError> {
    let scenario = &spec.scenario;
    let tls = tls_config::targets(scenario, &spec.folder, authority(spec.builtin.as_ref()))
        .collect::<Result<_, _>>()?;
    let limits = response_limits(&scenario.limits);
    let mut requests = prepared.requests(&spec.given);
    requests.set_epoch(clock::wall_ns());
    requests.set_run_values(values);
    let mut trial = Trial {
        requests,
        phase: prepared.phase(),
        plan: prepared.plan.of(spec.population).clone(),
        is_set: vec![false; scenario.values.variables.len()],
        is_stopped: false,
        links: BTreeMap::new(),
        start: Instant::now(),
        end: TrialEnd { succeeded: 0, failed: 0, not_sent: 0 },
        last: None,
        addresses: addresses.to_vec(),
        tls,
        tunnels: scenario.targets.iter().map(tunnel_request).collect::<Result<_, _>>()?,
        limits,
        versions: versions(scenario),
        spec,
    };
    trial.run(tell);
    let left = trial.requests.leave(spec.population, spec.actor);
    for (_, link) in trial.links {
        link.session.close(link.wire, &mut trial.requests, &mut |_| ());
    }
    Ok((trial.end, left))
}

struct Trial<'a> {
    spec: &'a TrialSpec,
    phase: Phase,
    plan: Plan,
    requests: Requests,
    addresses: Vec<Vec<Address>>,
    tls: Vec<Option<TlsTarget>>,
    tunnels: Vec<Option<Arc<[u8]>>>,
    limits: Limits,
    /// By target.
    versions: Vec<Versions>,
    /// Variables that have a value.
    is_set: Vec<bool>,
    /// The VU has ended for another reason than its schedule.
    is_stopped: bool,
    /// Open connections, one per target.
    links: BTreeMap<TargetId, Link>,
    start: Instant,
    end: TrialEnd,
    /// How the last request ended.
    last: Option<LastRequest>,
}

struct Link {
    wire: Wire,
    session: Speaks,
}

/// What a session has said of an exchange.
#[derive(Default)]
struct Heard {
    /// A byte of the request was to be written.
    is_sent: bool,
    values: Vec<(VariableId, LoggedValue)>,
    failed_checks: u64,
    last: Option<Last>,
    words: String,
    shown: Option<ShownResponse>,
    elapsed_ns: u64,
    /// The server takes no more on the connection.
    is_leaving: bool,
    /// Bytes that nothing asked for came with the end of the response.
    has_unsolicited: bool,
}

enum Last {
    Done { status: u16, reusable: bool },
    Redirected { status: u16, reusable: bool, target: TargetId },
    Failed { kind: ErrorKind, reusable: bool },
}

impl Heard {
    /// The response is complete.
    fn is_whole(&self) -> bool {
        matches!(self.last, Some(Last::Done { .. } | Last::Redirected { .. }))
    }

    fn take(&mut self, output: Output, requests: &mut Requests) {
        match output {
            // What comes behind the end of the exchange changes nothing about it.
            Output::Input(input) if self.last.is_none() => self.hear(input, requests),
            Output::Input(Input::GoingAway { .. }) => self.is_leaving = true,
            Output::Input(_) => {}
            Output::Closed(_) => {
                self.is_leaving = true;
                let kind = ErrorKind::ClosedBeforeResponse;
                self.last.get_or_insert(Last::Failed { kind, reusable: false });
            }
        }
    }

    fn hear(&mut self, input: Input, requests: &mut Requests) {
        match input {
            Input::Value { variable, value, .. } => self.values.push((variable, value)),
            Input::ChecksFailed { failed, .. } => self.failed_checks = failed,
            Input::GoingAway { .. } => self.is_leaving = true,
            Input::Done { response, .. } => {
                let (status, reusable) = (response.status, response.reusable);
                self.last = Some(Last::Done { status, reusable });
                self.has_unsolicited |= response.unsolicited;
            }
            Input::Redirected { response, next, .. } => {
                let (status, reusable) = (response.status, response.reusable);
                self.last = Some(Last::Redirected { status, reusable, target: next.target });
                self.has_unsolicited |= response.unsolicited;
            }
            Input::Failed { failure, .. } => {
                let (kind, reusable) = (failure.error, failure.reusable);
                self.last = Some(Last::Failed { kind, reusable });
            }
            _ => {}
        }
        if self.last.is_some()
            && let Some(note) = requests.take_note()
        {
            self.words = String::from_utf8_lossy(&note.text).into_owned();
        }
    }
}

impl Trial<'_> {
    fn run(&mut self, tell: &mut dyn FnMut(Moment)) {
        let actor = self.spec.actor;
        let start = self.plan.place(actor, Step(0)).region;
        if start == Region::Start && !self.part(Step(0), tell) {
            return;
        }
        self.begin_iteration();
        self.part(self.plan.iteration_start(self.spec.iteration), tell);
        if let Some(end) = self.plan.end_start().filter(|_| !self.is_stopped) {
            self.begin_iteration();
            self.part(end, tell);
        }
    }

    /// Does a part of the VU's life that begins at this step; whether it came to its end.
    fn part(&mut self, start: Step, tell: &mut dyn FnMut(Moment)) -> bool {
        let actor = self.spec.actor;
        let mut way = self.plan.enter(actor, start);
        let mut asked = None;
        loop {
            way = match way {
                Way::Step { step, pause_ns } => {
                    std::thread::sleep(Duration::from_nanos(pause_ns));
                    if !self.step(step, tell) {
                        return false;
                    }
                    self.plan.go_on(actor, step)
                }
                Way::Ask(question) => {
                    asked = Some(question);
                    let holds = self.requests.decide(&Decide {
                        population: self.spec.population,
                        actor,
                        step: question.step,
                        condition: question.condition,
                        planned: self.now(),
                        last: self.last,
                    });
                    let conditions = &self.spec.scenario.values.conditions;
                    let condition = conditions.get(usize::from(question.condition.0));
                    if let Some(VariableId(item)) = condition.and_then(Condition::item) {
                        self.is_set[usize::from(item)] = holds;
                    }
                    self.plan.answered(actor, &question, holds)
                }
                Way::Limit { step } => {
                    let planned = self.plan.step(actor, step);
                    let region = self.plan.place(actor, step).region;
                    let place = self.place(step, region, planned.request);
                    let why = "the condition of its `until` does not hold after the last pass";
                    self.end.not_sent += 1;
                    self.last = Some(LastRequest { response: None, has_failed: true });
                    tell(Moment::NotSent { place, why: why.to_owned() });
                    match asked {
                        Some(question) if self.goes_on(step) => {
                            self.plan.answered(actor, &question, true)
                        }
                        _ => return false,
                    }
                }
                Way::End => return true,
            };
        }
    }

    fn place(&self, step: Step, region: Region, request: RequestId) -> TrialPlace {
        TrialPlace { phase: self.phase, step, region, request, redirects: 0 }
    }

    /// What lives for an iteration is gone.
    fn begin_iteration(&mut self) {
        for (is_set, variable) in self.is_set.iter_mut().zip(&self.spec.scenario.values.variables) {
            *is_set &= variable.scope == Scope::Vu;
        }
    }

    /// Sends one request and what it is redirected to; whether the next one follows.
    fn step(&mut self, step: Step, tell: &mut dyn FnMut(Moment)) -> bool {
        let spec = self.spec;
        let planned = self.plan.step(spec.actor, step);
        let region = self.plan.place(spec.actor, step).region;
        let place = self.place(step, region, planned.request);
        let about = spec.scenario.request(planned.request);
        if let Some(why) = self.obstacle(step, about) {
            self.is_stopped |= self.plan.exhausted(spec.actor, step).is_some();
            self.end.not_sent += 1;
            tell(Moment::NotSent { place, why });
            return false;
        }
        let request = PlannedRequest {
            population: self.spec.population,
            actor: spec.actor,
            step,
            request: planned.request,
            target: planned.target,
            planned: self.now(),
        };
        let (mut target, mut attempt) = (planned.target, 0);
        loop {
            let place = TrialPlace { redirects: attempt, ..place };
            let heard = self.exchange(&request, target, place, tell);
            // One that is not sent leaves what its response would give as it was.
            for extract in about.reading.extracts.iter().filter(|_| heard.is_sent) {
                self.is_set[usize::from(extract.variable.0)] = false;
            }
            let redirected = match &heard.last {
                Some(Last::Redirected { target, .. }) => Some(*target),
                _ => None,
            };
            let failed_checks = heard.failed_checks;
            let done = match &heard.last {
                Some(Last::Done { status, .. }) => Some(*status),
                _ => None,
            };
            let ended = self.ended(about, &request, place, heard);
            let is_failure = matches!(ended.outcome, Outcome::Failed { .. });
            if redirected.is_none() {
                let response = done.map(|status| (planned.request, status, failed_checks));
                self.last = Some(LastRequest { response, has_failed: is_failure });
            }
            tell(Moment::Ended(ended));
            match redirected {
                Some(next) => (target, attempt) = (next, attempt.saturating_add(1)),
                None if is_failure => {
                    self.end.failed += 1;
                    return self.goes_on(step);
                }
                None => {
                    self.end.succeeded += 1;
                    return true;
                }
            }
        }
    }

    /// Whether the next step follows the failure of this one.
    fn goes_on(&mut self, step: Step) -> bool {
        let after = self.plan.on_failure(self.plan.place(self.spec.actor, step));
        self.is_stopped |= matches!(after, OnFailure::StopVu | OnFailure::StopRun);
        after == OnFailure::Continue
    }

    /// Why a request cannot be sent, in words.
    fn obstacle(&self, step: Step, about: &Request) -> Option<String> {
        if self.plan.exhausted(self.spec.actor, step).is_some() {
            return Some("its data has no row left".to_owned());
        }
        let needs = &about.rendering.as_ref()?.needs;
        let missing = needs.iter().find(|VariableId(id)| !self.is_set[usize::from(*id)])?;
        let variable = self.spec.scenario.values.variables.get(usize::from(missing.0))?;
        Some(format!("`{}` has no value", variable.name))
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Sends a request and reads its response.
    fn exchange(
        &mut self,
        request: &PlannedRequest,
        target: TargetId,
        place: TrialPlace,
        tell: &mut dyn FnMut(Moment),
    ) -> Heard {
        let mut link = match self.links.remove(&target) {
            Some(link) if !link.session.is_peer_closed() => link,
            _ => match self.open(target) {
                Ok(link) => link,
                Err(Unopened { cause, words }) => {
                    let last = Some(Last::Failed { kind: cause.error, reusable: false });
                    return Heard { last, words, ..Heard::default() };
                }
            },
        };
        let started = link.session.start(SLOT, *request, place.redirects, &mut self.requests);
        let bytes = match started {
            Ok(bytes) => bytes,
            Err(input) => {
                let mut heard = Heard::default();
                heard.hear(input, &mut self.requests);
                self.links.insert(target, link);
                return heard;
            }
        };
        let scenario = &self.spec.scenario;
        let shown = match self.spec.shows_secrets {
            true => bytes.clone(),
            false => self.requests.shown_request(scenario, request, place.redirects, &bytes),
        };
        let origin = origin(scenario, target, self.addresses[target.index()].first());
        tell(Moment::Sent(Sent { place, target, origin, bytes: shown }));
        let heard = Heard { is_sent: true, ..self.carry(&mut link, request, &bytes) };
        let is_reusable = match &heard.last {
            Some(
                Last::Done { reusable, .. }
                | Last::Redirected { reusable, .. }
                | Last::Failed { reusable, .. },
            ) => *reusable,
            None => false,
        };
        if is_reusable && !heard.is_leaving {
            self.links.insert(target, link);
        } else {
            link.session.close(link.wire, &mut self.requests, &mut |_| ());
        }
        heard
    }

    fn open(&self, target: TargetId) -> Result<Link, Unopened> {
        let settings = self.spec.scenario.target(target);
        let tls = self.tls[target.index()].as_ref();
        let mut last = None;
        for address in &self.addresses[target.index()] {
            let tunnel = self.tunnels[target.index()].as_ref();
            let wire = Wire::open(&route(settings, address, tls, tunnel));
            let versions = &self.versions[target.index()];
            let opened = wire.and_then(|wire| {
                let session = versions.open(&wire, &self.requests)?;
                Ok(Link { wire, session })
            });
            match opened {
                Ok(link) => return Ok(link),
                Err(unopened) => last = Some(unopened),
            }
        }
        // Every target has an address.
        Err(last
            .unwrap_or_else(|| z6_events::Cause { error: ErrorKind::DnsFailed, detail: 0 }.into()))
    }

    /// Writes what there is to write and reads until the exchange has ended.
    fn carry(&mut self, link: &mut Link, request: &PlannedRequest, sent: &[u8]) -> Heard {
        let about = self.spec.scenario.request(request.request);
        let deadline = after(about.timeout_ns);
        let start = Instant::now();
        let mut heard = Heard::default();
        let mut view = View::new(self.limits, sent);
        while heard.last.is_none() {
            link.session.write(&mut link.wire, &self.requests, &mut |_| ());
            self.read(link, request, &mut view, &mut heard);
            if heard.last.is_none() && !link.wire.wait(deadline) {
                link.session.cancel(SLOT, &mut self.requests);
                heard.last =
                    Some(Last::Failed { kind: ErrorKind::RequestTimeout, reusable: false });
            }
        }
        heard.elapsed_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if heard.shown.is_none() {
            match link.session.shown(false) {
                Some(came) => self.show(request, &came, &mut heard),
                None => self.show_raw(request, &view, false, &mut heard),
            }
        }
        heard
    }

    /// Reads what is there.
    fn read(
        &mut self,
        link: &mut Link,
        request: &PlannedRequest,
        view: &mut View,
        heard: &mut Heard,
    ) {
        while heard.last.is_none() {
            let at = self.now();
            match link.wire.read() {
                Got::Bytes(length) => {
                    let bytes = link.wire.bytes(length).to_vec();
                    link.session.received(
                        &bytes,
                        at,
                        &mut self.requests,
                        &mut |output, requests| {
                            heard.take(output, requests);
                        },
                    );
                    match link.session.shown(true) {
                        Some(came) if heard.is_whole() => self.show(request, &came, heard),
                        None if view.received(&bytes) => {
                            self.show_kept(request, view, &bytes, heard);
                        }
                        Some(_) | None => {}
                    }
                    // What has to be answered is.
                    link.session.write(&mut link.wire, &self.requests, &mut |_| ());
                }
                Got::End(end) => {
                    let is_over = end != crate::session::End::WouldBlock;
                    while heard.last.is_none() {
                        let output = link.session.ended(end, at, &mut self.requests);
                        let Some(output) = output else { break };
                        heard.take(output, &mut self.requests);
                    }
                    if is_over && link.session.shown(true).is_none() && view.ended() {
                        self.show_kept(request, view, &[], heard);
                    }
                    return;
                }
            }
        }
    }

    /// Makes what is shown of a whole response, whose last bytes are in `input`.
    fn show_kept(
        &mut self,
        request: &PlannedRequest,
        view: &View,
        input: &[u8],
        heard: &mut Heard,
    ) {
        // What came together with an error is none.
        let is_whole = heard.is_whole();
        match view.kept(input).filter(|kept| kept.body.is_some()) {
            Some(kept) => {
                let interim = view::interim(&view.raw);
                self.show(request, &Came { interim, kept, is_whole, is_cut: false }, heard);
            }
            None => self.show_raw(request, view, is_whole, heard),
        }
    }

    /// The same from the bytes that came, of which no more than a limit are kept.
    fn show_raw(
        &mut self,
        request: &PlannedRequest,
        view: &View,
        is_whole: bool,
        heard: &mut Heard,
    ) {
        let (head, body) = view::parts(&view.raw);
        let kept = KeptResponse { head, trailers: &[], body: Some(&body) };
        self.show(request, &Came { interim: &[], kept, is_whole, is_cut: view.is_cut }, heard);
    }

    /// The same from head and body.
    fn show(&mut self, request: &PlannedRequest, came: &Came<'_>, heard: &mut Heard) {
        let missing = |(id, value): &(VariableId, LoggedValue)| {
            matches!(value, LoggedValue::Missing).then_some(*id)
        };
        let missing: Vec<VariableId> = heard.values.iter().filter_map(missing).collect();
        heard.shown = Some(match self.spec.shows_secrets {
            true => came.unhidden(),
            false => self.requests.shown_response(&self.spec.scenario, request, came, &missing),
        });
    }

    /// What there is to tell of an exchange.
    fn ended(
        &mut self,
        about: &Request,
        request: &PlannedRequest,
        place: TrialPlace,
        heard: Heard,
    ) -> Ended {
        let is_whole = matches!(heard.last, Some(Last::Done { .. }));
        let values = heard.values.iter().map(|(id, value)| self.found(request, *id, value));
        let values: Vec<FoundValue> = values.collect();
        let checks = about.reading.checks.iter().enumerate().filter(|_| is_whole);
        let checks: Vec<CheckResult> = checks
            .map(|(i, check)| CheckResult {
                name: check.name.clone(),
                passed: heard.failed_checks & (1_u64.checked_shl(i as u32).unwrap_or(0)) == 0,
            })
            .collect();
        self.note_values(about, &heard);
        let outcome = outcome(about, &heard, &self.spec.scenario);
        let nothing = ShownResponse { body: Some(Vec::new()), ..ShownResponse::default() };
        let ShownResponse { head, body, trailers, is_whole, is_cut } =
            heard.shown.unwrap_or(nothing);
        let elapsed_ns = heard.elapsed_ns;
        Ended { place, head, body, trailers, is_whole, is_cut, values, checks, outcome, elapsed_ns }
    }

    fn found(
        &mut self,
        request: &PlannedRequest,
        id: VariableId,
        value: &LoggedValue,
    ) -> FoundValue {
        let variable = self.spec.scenario.values.variables.get(usize::from(id.0));
        let name = variable.map(|variable| variable.name.clone()).unwrap_or_default();
        let is_secret = variable.is_some_and(|variable| variable.is_secret);
        let about = self.spec.scenario.request(request.request);
        let is_found = *value != LoggedValue::Missing || has_default(about, id);
        let value = match (value, self.requests.variable(request, id).filter(|_| is_found)) {
            (_, None) => None,
            (value, Some(_))
                if (is_secret || *value == LoggedValue::Withheld) && !self.spec.shows_secrets =>
            {
                Some(ShownValue::Secret)
            }
            (_, Some((bytes, true))) => Some(ShownValue::Text(bytes)),
            (_, Some((bytes, false))) => Some(ShownValue::Literal(bytes)),
        };
        FoundValue { name, value }
    }

    /// Which variables have a value now.
    fn note_values(&mut self, about: &Request, heard: &Heard) {
        for (id, value) in &heard.values {
            self.is_set[usize::from(id.0)] =
                has_default(about, *id) || !matches!(value, LoggedValue::Missing);
        }
    }
}

/// Whether the variable has a value after a response that does not give one.
fn has_default(about: &Request, id: VariableId) -> bool {
    let extracts = about.reading.extracts.iter();
    extracts.filter(|extract| extract.variable == id).any(|extract| extract.default.is_some())
}

/// How a request ended, by the rules of the engine: status, then checks, then extractions.
fn outcome(about: &Request, heard: &Heard, scenario: &Scenario) -> Outcome {
    let failed = |kind, words: String| Outcome::Failed { kind, words };
    let status = match heard.last {
        Some(Last::Failed { kind, .. }) => return failed(kind, heard.words.clone()),
        Some(Last::Redirected { status, .. }) => return Outcome::Redirected { status },
        Some(Last::Done { status, .. }) => status,
        None => return failed(ErrorKind::ClosedBeforeResponse, String::new()),
    };
    if !about.expects(status) {
        let kind = match status {
            _ if !about.expect_status.is_empty() => ErrorKind::UnexpectedStatus,
            400..500 => ErrorKind::Status4xx,
            _ => ErrorKind::Status5xx,
        };
        return failed(kind, format!("status {status}"));
    }
    let checks = about.reading.checks.iter().enumerate();
    let mut broken = checks.filter(|(i, check)| check.fails && heard.failed_checks >> i & 1 == 1);
    if let Some((_, check)) = broken.next() {
        return failed(ErrorKind::CheckFailed, format!("\"{}\"", check.name));
    }
    let is_missing = |id: VariableId| {
        heard.values.iter().any(|(other, value)| *other == id && *value == LoggedValue::Missing)
    };
    let mut extracts = about.reading.extracts.iter();
    let lacking = extracts.find(|extract| {
        extract.is_required && extract.default.is_none() && is_missing(extract.variable)
    });
    match lacking {
        Some(extract) => {
            let variable = scenario.values.variables.get(usize::from(extract.variable.0));
            let name = variable.map_or("", |variable| &variable.name);
            let words = match heard.words.is_empty() {
                true => format!("extract `{name}`"),
                false => heard.words.clone(),
            };
            failed(ErrorKind::ExtractFailed, words)
        }
        None => Outcome::Succeeded { status },
    }
}

/// By target.
fn versions(scenario: &Scenario) -> Vec<Versions> {
    scenario.targets.iter().map(|target| Versions::of(target, &scenario.limits)).collect()
}

/// How a connection to this address is opened.
fn route<'a>(
    target: &Target,
    address: &'a Address,
    tls: Option<&'a TlsTarget>,
    tunnel: Option<&'a Arc<[u8]>>,
) -> Route<'a> {
    let source = target.source_addresses.first();
    Route {
        address,
        source: source.map(|address| Source { address: *address, index: 0 }),
        tls,
        tunnel,
        connect_ns: target.connection_timeout_ns,
        tls_ns: target.tls_timeout_ns,
    }
}

/// Scheme and authority of a target; those of the built-in one are where it listens.
fn origin(scenario: &Scenario, target: TargetId, address: Option<&Address>) -> String {
    let url = &scenario.target(target).base_url;
    let port = match url.port {
        0 => address.and_then(Address::port).unwrap_or(0),
        port => port,
    };
    let scheme = if url.is_tls() { "https" } else { "http" };
    format!("{scheme}://{}", url.authority(port))
}
