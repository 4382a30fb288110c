//! Several populations in a generated scenario, the period of iterations, and goals that stop the run: what is drawn,
//! and the text of it. Knows nothing of the world.

use z6_scenario::schedule::{ArrivalSchedule, VuSchedule};
use z6_scenario::{
    Arrivals, ConnectionReuse, Model, RateStep, Schedule, Shape, ThinkTime, VuStage, VuStep,
};

use super::dice::Dice;
use super::draw::{thin, think};
use super::sketch::Sketch;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const MICRO: u64 = 1_000_000;

/// Requests of the first population, at most.
const FIRST_REQUESTS_MAX: u64 = 800;
/// Requests of each other one, at most.
const OTHER_REQUESTS_MAX: u64 = 250;
/// VUs of the first population that are alive at once, at most.
const FIRST_VUS_MAX: u64 = 25;
/// Requests beside the iterations of a VU, at most: a login and what it does at its end.
const REQUESTS_ASIDE_MAX: u64 = 6;

/// What sets populations apart, the first one included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PopulationsSketch {
    pub(super) first: Window,
    /// Those after the first.
    pub(super) others: Vec<PopulationSketch>,
    pub(super) has_tags: bool,
}

/// When a population is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    pub(super) start_after_ns: u64,
    pub(super) duration_ns: Option<u64>,
}

/// A population after the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PopulationSketch {
    pub(super) window: Window,
    pub(super) schedule: Schedule,
    pub(super) think: ThinkTime,
    /// The period of its iterations, milliseconds.
    pub(super) pacing_ms: Option<Range>,
    /// How many steps of the sequence it takes, from the first; 0 without a sequence.
    pub(super) steps: usize,
    pub(super) cookies: Option<&'static str>,
}

/// From and to, equal if there is nothing to draw.
pub(super) type Range = (u64, u64);

/// A goal with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoalSketch {
    /// What its requests have in common.
    pub(super) filter: Option<String>,
    bound: &'static str,
    pub(super) window_seconds: Option<u64>,
    min_requests: u64,
    after_seconds: u64,
    pub(super) stops: bool,
}

/// Draws more populations beside the one that is there: in one of four cases. To be called when the load and the
/// targets are drawn; the number of iterations has no bound afterwards.
pub(super) fn draw(dice: &mut Dice, sketch: &mut Sketch, length_ns: u64) {
    let is_closed = sketch.model() == Model::Closed;
    if is_closed && dice.chance(20) {
        let period_ns = length_ns / dice.between(2, 40);
        sketch.pacing_ms = Some(range(dice, period_ns));
    }
    if !dice.chance(25) {
        return;
    }
    sketch.iterations = None;
    sketch.duration_ns.get_or_insert(length_ns);
    let end_ns = sketch.end_ns().unwrap_or(length_ns);
    let has_login = sketch.journey.as_ref().is_some_and(|journey| journey.login.is_some());
    let steps = sketch.steps_per_iteration();
    // Each step may have a login before it.
    let sent = steps * (1 + u64::from(has_login));
    if is_closed {
        let most = (FIRST_VUS_MAX, FIRST_REQUESTS_MAX);
        let period_ns = bounded_period(&mut sketch.schedule, end_ns, sent, most);
        (sketch.pacing_ms, sketch.think) = slowed(dice, period_ns, steps, sketch.think);
    } else {
        while arrivals(&sketch.schedule, end_ns, sketch.seed) * steps > FIRST_REQUESTS_MAX {
            thin(&mut sketch.schedule);
        }
    }
    let others =
        (0..dice.pick(&[1, 1, 2, 2, 3, 5])).map(|_| other(dice, sketch, end_ns, has_login));
    let others = others.collect();
    let first = if dice.chance(30) { window(dice, end_ns) } else { Window::default() };
    sketch.populations = Some(PopulationsSketch { first, others, has_tags: dice.chance(50) });
    share_targets(dice, sketch);
}

/// When a population is there, of a run of this length.
fn window(dice: &mut Dice, end_ns: u64) -> Window {
    let start_after_ns = if dice.chance(50) { dice.between(0, end_ns / 2) } else { 0 };
    let duration_ns = dice.chance(40).then(|| dice.between((end_ns / 4).max(1), end_ns));
    Window { start_after_ns, duration_ns }
}

/// A period of about this length; often drawn anew for each iteration.
fn range(dice: &mut Dice, period_ns: u64) -> Range {
    let ms = (period_ns / MS).max(1);
    if dice.chance(50) { (ms, ms) } else { (ms, ms * dice.between(1, 3)) }
}

/// Bounds iterations of so many steps by their period, or by the think time after each step.
fn slowed(
    dice: &mut Dice,
    period_ns: u64,
    steps: u64,
    drawn: ThinkTime,
) -> (Option<Range>, ThinkTime) {
    if dice.chance(50) {
        return (Some(range(dice, period_ns.div_ceil(MS) * MS)), drawn);
    }
    let min_ns = period_ns.div_ceil(steps);
    let longer = match dice.chance(50) {
        true => ThinkTime::Constant { duration_ns: min_ns },
        false => ThinkTime::Random { min_ns, max_ns: min_ns * dice.between(1, 3) },
    };
    (None, longer)
}

/// Of a schedule of VUs, the least period of iterations of so many requests with which it keeps to its bounds. Takes
/// VUs away where none would.
fn bounded_period(
    schedule: &mut Schedule,
    end_ns: u64,
    sent: u64,
    (vus_max, requests_max): (u64, u64),
) -> u64 {
    loop {
        let started = VuSchedule::new(schedule, Some(end_ns)).vus_started();
        let requests =
            |period_ns: u64| started * ((end_ns / period_ns + 2) * sent + REQUESTS_ASIDE_MAX);
        let mut period_ns = (end_ns / 200).max(MS);
        while requests(period_ns) > requests_max && period_ns < end_ns {
            period_ns = period_ns * 5 / 4;
        }
        if started == 0 {
            *schedule = Schedule::Constant { vus: 1 };
        } else if started <= vus_max && requests(period_ns) <= requests_max || started == 1 {
            return period_ns;
        } else {
            thin(schedule);
        }
    }
}

fn arrivals(schedule: &Schedule, end_ns: u64, seed: u64) -> u64 {
    ArrivalSchedule::new(schedule, Some(end_ns), None).arrivals(seed).count() as u64
}

fn other(dice: &mut Dice, sketch: &Sketch, end_ns: u64, has_login: bool) -> PopulationSketch {
    let taken = dice.between(1, sketch.sequence.len().max(1) as u64) as usize;
    let taken = taken.min(sketch.sequence.len());
    let steps = sketch.sequence.iter().take(taken).map(|(_, repeat)| u64::from(*repeat));
    let steps = steps.sum::<u64>().max(1);
    // Arrivals do not log in.
    let is_open = !has_login && dice.chance(40);
    let drawn = think(dice, end_ns / 100);
    let mut schedule =
        if is_open { rates(dice, end_ns, u64::from(sketch.workers)) } else { vus(dice, end_ns) };
    let (pacing_ms, think) = if is_open {
        while arrivals(&schedule, end_ns, sketch.seed) * steps > OTHER_REQUESTS_MAX {
            thin(&mut schedule);
        }
        (None, drawn)
    } else {
        let most = (u64::MAX, OTHER_REQUESTS_MAX);
        let sent = steps * (1 + u64::from(has_login));
        let period_ns = bounded_period(&mut schedule, end_ns, sent, most);
        slowed(dice, period_ns, steps, drawn)
    };
    let keeps_cookies = sketch.journey.is_some();
    PopulationSketch {
        window: window(dice, end_ns),
        schedule,
        think,
        pacing_ms,
        steps: taken,
        cookies: dice.pick(&[None, Some("vu"), Some("iteration")]).filter(|_| keeps_cookies),
    }
}

/// A few VUs: of five populations beside the first not more than there may be.
fn vus(dice: &mut Dice, end_ns: u64) -> Schedule {
    let some = |dice: &mut Dice| dice.between_u32(1, 5);
    match dice.between(0, 4) {
        0 | 1 => Schedule::Constant { vus: some(dice) },
        2 => {
            let ramp_ns = dice.between(end_ns / 10, end_ns);
            let (start_vus, end_vus) = (dice.between_u32(0, 5), some(dice));
            Schedule::Ramp { start_vus, end_vus, ramp_ns, hold_ns: end_ns - ramp_ns }
        }
        3 => {
            let vus = [some(dice), dice.between_u32(0, 2), some(dice)];
            let stage = |vus| VuStage { vus, duration_ns: end_ns / 3, shape: Shape::Jump };
            Schedule::Stages { start_vus: 0, stages: vus.map(stage).to_vec() }
        }
        _ => {
            let vus = [some(dice), dice.between_u32(0, 2)];
            let steps = vus.map(|vus| VuStep { vus, duration_ns: end_ns / 2 });
            Schedule::Steps { steps: steps.to_vec() }
        }
    }
}

/// A rate at which some arrivals come.
fn rates(dice: &mut Dice, end_ns: u64, workers: u64) -> Schedule {
    let wanted = u128::from(dice.between(5, 150)) * u128::from(MICRO) * u128::from(SECOND);
    // Fits: at most 150 in a millisecond.
    let per_second_micro = (wanted / u128::from(end_ns)).max(1) as u64;
    let arrivals = dice.pick(&[Arrivals::Constant, Arrivals::Poisson]);
    let max_in_flight = dice.between(workers, workers + 20) as u32;
    match dice.between(0, 2) {
        0 => Schedule::Rate { per_second_micro, arrivals, max_in_flight },
        1 => Schedule::RampRate {
            start_per_second_micro: per_second_micro * 2,
            end_per_second_micro: 0,
            ramp_ns: end_ns / 2,
            hold_ns: end_ns / 2,
            arrivals,
            max_in_flight,
        },
        _ => {
            let rates = [per_second_micro, 0, per_second_micro * 2];
            let steps = rates
                .map(|per_second_micro| RateStep { per_second_micro, duration_ns: end_ns / 3 });
            Schedule::RateSteps { steps: steps.to_vec(), arrivals, max_in_flight }
        }
    }
}

/// Connections for all of them.
fn share_targets(dice: &mut Dice, sketch: &mut Sketch) {
    let has_arrivals = sketch.has_arrivals();
    for target in &mut sketch.targets {
        if has_arrivals && target.reuse == Some(ConnectionReuse::PerVu) {
            target.reuse = None;
        }
        let is_owned = match target.reuse {
            None => !has_arrivals,
            Some(reuse) => reuse == ConnectionReuse::PerVu,
        };
        let few = target.max_connections.filter(|_| dice.chance(50));
        // More than VUs that ever start, and arrivals that may be alive.
        let all = 5 * super::ACTORS_MAX;
        target.max_connections = few.filter(|_| !is_owned).or(Some(all));
    }
}

/// Draws goals with a name: in one of five cases. To be called last.
pub(super) fn draw_goals(dice: &mut Dice, sketch: &mut Sketch) {
    if !dice.chance(20) {
        return;
    }
    // A run that only iterations end may be over at any time.
    let measured_ns = sketch.end_ns().map_or(0, |end_ns| end_ns.saturating_sub(sketch.warmup_ns));
    const BOUNDS: [&str; 6] = [
        "error_rate_max = 0.1",
        "success_rate_min = 0.5",
        "p95_latency_ms = 20",
        "mean_latency_ms = 5.5",
        "status_5xx_max_rate = 0.05",
        "rps_min = 20",
    ];
    let sent = sketch.sequence.first().map_or(0, |(request, _)| *request);
    for _ in 0..dice.between(1, 3) {
        let filter = match dice.between(0, 4) {
            0 if sketch.populations.is_some() => Some("population == \"p1\"".to_owned()),
            1 if sketch.populations.as_ref().is_some_and(|all| all.has_tags) => {
                Some("tag.kind == \"odd\"".to_owned())
            }
            2 => Some(format!("name == \"r{sent}\"")),
            3 => {
                let method = sketch.requests[sent].method;
                Some(format!("method == \"{method}\" || status >= 500"))
            }
            _ => None,
        };
        // It ends before the run does, the second of the warm-up and that of the end apart.
        let room = measured_ns / SECOND;
        let after = dice.pick(&[0, 0, 1, 3]);
        let after = if after + 2 <= room { after } else { 0 };
        let window_seconds = (room > after + 1 && dice.chance(75))
            .then(|| dice.between(1, (room - after - 1).min(4)));
        sketch.goals.push(GoalSketch {
            filter,
            bound: dice.pick(&BOUNDS),
            window_seconds,
            min_requests: dice.pick(&[1, 1, 10, 60]),
            after_seconds: after,
            stops: window_seconds.is_some() && dice.chance(60),
        });
    }
}

impl PopulationsSketch {
    /// The number of populations.
    pub(super) fn count(&self) -> usize {
        self.others.len() + 1
    }
}

impl PopulationSketch {
    /// Closed or open.
    pub(super) fn model(&self) -> Model {
        self.schedule.model()
    }
}

impl GoalSketch {
    /// Its table, the `index`-th.
    pub(super) fn table(&self, index: usize) -> String {
        let GoalSketch { filter, bound, window_seconds, min_requests, after_seconds, stops } = self;
        let mut text = format!("\n[assertions.g{index}]\n{bound}\nmin_requests = {min_requests}\n");
        if let Some(filter) = filter {
            text += &format!("where = '{filter}'\n");
        }
        if let Some(seconds) = window_seconds {
            text += &format!("window_seconds = {seconds}\n");
        }
        if *after_seconds > 0 {
            text += &format!("after_seconds = {after_seconds}\n");
        }
        if *stops {
            text += "stop = true\n";
        }
        text
    }
}
