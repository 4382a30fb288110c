//! A random scenario from a seed, within the bounds of a swarm case.
//!
//! Draws the load first; then what one step may take follows from it, so that most cases get their
//! requests done in time and some do not.

use z6_events::Actor;
use z6_scenario::schedule::{ArrivalSchedule, VuSchedule};
use z6_scenario::{
    Arrivals, ConnectionReuse, HttpVersion, Model, Placement, RateStage, RateStep, Schedule, Shape,
    ThinkTime, VuStage, VuStep,
};

use super::dice::Dice;
use super::journey;
use super::phases;
use super::populations;
use super::sketch::{HttpSketch, RequestSketch, Sketch, TargetSketch};
use super::world::{self, Pace};
use super::{ACTORS_MAX, REQUESTS_MAX};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const MICRO: u64 = 1_000_000;

/// Weights, in millionths: the smallest there is among them.
const WEIGHTS: [u64; 6] = [1, 500_000, MICRO, MICRO, 1_333_333, 4 * MICRO];

/// Fields of requests: some are dropped if a redirect leads to another origin or removes the body.
const HEADERS: [(&str, &str); 4] = [
    ("X-Extra", "some value of a field"),
    ("Content-Type", "text/plain"),
    ("Authorization", "Bearer token"),
    ("Cookie", "a=b; c=d"),
];

/// The scenario of `seed`.
pub(super) fn sketch(seed: u64) -> Sketch {
    let mut dice = Dice::new(seed, 0);
    let length_ns = dice.skewed(400 * MS, 20 * SECOND);
    let wanted = dice.between(200, 700);
    let open = dice.chance(45);
    let mut sketch = frame(&mut dice, seed);
    draw_requests(&mut dice, &mut sketch);
    journey::draw(&mut Dice::new(seed, 2), &mut sketch, open);
    journey::draw_flow(&mut Dice::new(seed, 3), &mut sketch);
    journey::draw_end(&mut Dice::new(seed, 4), &mut sketch, open);
    sketch.workers = dice.pick(&[1, 1, 1, 2, 3]);
    let pace = if open {
        draw_open(&mut dice, &mut sketch, length_ns, wanted)
    } else {
        draw_closed(&mut dice, &mut sketch, length_ns, wanted)
    };
    if let Some(journey) = &mut sketch.journey {
        // The load may have left room for fewer steps.
        journey.flow.truncate(sketch.sequence.len());
    }
    draw_targets(&mut dice, &mut sketch, pace);
    draw_lives(&mut Dice::new(seed, 3), &mut sketch, length_ns);
    let mut http2 = Dice::new(seed, 5);
    let speaks_http2 = draw_http2(&mut http2, &mut sketch);
    phases::draw(&mut Dice::new(seed, 6), &mut sketch);
    populations::draw(&mut Dice::new(seed, 8), &mut sketch, length_ns);
    draw_timeouts(&mut dice, &mut sketch, pace);
    draw_ends(&mut dice, &mut sketch, length_ns);
    populations::draw_goals(&mut Dice::new(seed, 9), &mut sketch);
    sketch.simulation = world::draw(&mut Dice::new(seed, 1), pace);
    if speaks_http2 {
        world::draw_http2(&mut http2, &mut sketch.simulation, pace);
        let connections = &mut Dice::new(seed, 7);
        world::draw_http2_connections(connections, &mut sketch.simulation, pace);
    }
    sketch
}

/// A scenario that says nothing yet.
fn frame(dice: &mut Dice, seed: u64) -> Sketch {
    let mut limits = Vec::new();
    if dice.chance(20) {
        limits.push(("max_response_head_bytes", dice.skewed(256, 4_096)));
    }
    if dice.chance(15) {
        limits.push(("max_interim_responses", dice.between(0, 8)));
    }
    if dice.chance(15) {
        limits.push(("max_connecting", dice.between(1, 4)));
    }
    if dice.chance(10) {
        limits.push(("max_log_queue", dice.between(2, 4)));
    }
    let assertions = match dice.between(0, 3) {
        0 => vec![("p99_latency_ms", "50"), ("error_rate_max", "0.05")],
        1 => vec![("success_rate_min", "0.5"), ("rps_min", "10"), ("p50_latency_ms", "5.5")],
        _ => Vec::new(),
    };
    Sketch {
        // Scenario files hold seeds of 63 bits.
        seed: seed >> 1,
        duration_ns: None,
        iterations: None,
        warmup_ns: 0,
        grace_ns: 0,
        workers: 1,
        targets: Vec::new(),
        requests: Vec::new(),
        schedule: Schedule::Constant { vus: 1 },
        think: ThinkTime::None,
        pacing_ms: None,
        sequence: Vec::new(),
        journey: None,
        phases: None,
        populations: None,
        limits,
        assertions,
        goals: Vec::new(),
        simulation: z6_scenario::simulation::Simulation::default(),
    }
}

fn draw_requests(dice: &mut Dice, sketch: &mut Sketch) {
    let targets = dice.pick(&[1, 1, 1, 2, 3]);
    let large = dice.chance(25);
    for _ in 0..dice.between(1, 5) {
        sketch.requests.push(request(dice, targets, large));
    }
    if dice.chance(45) {
        for _ in 0..dice.between(1, 4) {
            let which = dice.between(0, sketch.requests.len() as u64 - 1) as usize;
            sketch.sequence.push((which, dice.pick(&[1, 1, 2, 3])));
        }
    }
    const URLS: [&str; 3] =
        ["http://one.example:8080", "http://[2001:db8::2]/base/", "http://192.0.2.3:81/v1"];
    for url in URLS.into_iter().take(targets) {
        sketch.targets.push(target(dice, url));
    }
}

fn request(dice: &mut Dice, targets: usize, large: bool) -> RequestSketch {
    let method = dice.pick(&["GET", "GET", "GET", "POST", "PUT", "HEAD", "DELETE", "PATCH"]);
    let body_bytes = match method {
        "POST" | "PUT" | "PATCH" if large => dice.skewed(1_000, 60_000),
        "POST" | "PUT" | "PATCH" => dice.skewed(1, 600) - 1,
        _ => 0,
    };
    let expect_status = match dice.between(0, 9) {
        0 => vec![200, 503],
        1 => vec![404],
        _ => Vec::new(),
    };
    RequestSketch {
        method,
        path: dice.pick(&["/", "/a/b?c=d", "/with%20space", "/long/path/of/some/length/to/it"]),
        header: dice.chance(40).then(|| dice.pick(&HEADERS)),
        body_bytes: body_bytes as usize,
        timeout_ns: SECOND,
        weight_micro: dice.pick(&WEIGHTS),
        target: (targets > 1 && dice.chance(40))
            .then(|| dice.between(0, targets as u64 - 1) as usize),
        expect_status,
        follow_redirects: if dice.chance(50) { dice.between(1, 4) as u8 } else { 0 },
    }
}

fn target(dice: &mut Dice, base_url: &'static str) -> TargetSketch {
    const REUSES: [Option<ConnectionReuse>; 6] = [
        None,
        None,
        Some(ConnectionReuse::PerVu),
        Some(ConnectionReuse::Shared),
        Some(ConnectionReuse::Iteration),
        Some(ConnectionReuse::None),
    ];
    TargetSketch {
        base_url,
        weight_micro: dice.pick(&WEIGHTS),
        reuse: dice.pick(&REUSES),
        max_connections: None,
        connection_timeout_ns: SECOND,
        idle_timeout_ns: None,
        max_requests: dice.chance(25).then(|| dice.skewed(1, 40)),
        max_age_ns: None,
        retry_stale: false,
        has_proxy: false,
        reconnect_delay_ns: dice.pick(&[0, MS, 10 * MS, 100 * MS]),
        // Mostly there, so that the server can tell requests apart by what it receives.
        id_header: dice.chance(80),
        http: HttpSketch::default(),
    }
}

/// Whether any target is spoken to in HTTP/2, and how.
fn draw_http2(dice: &mut Dice, sketch: &mut Sketch) -> bool {
    if !dice.chance(33) {
        return false;
    }
    const VERSIONS: [HttpVersion; 5] = [
        HttpVersion::Http2,
        HttpVersion::Http2PriorKnowledge,
        HttpVersion::Http2PriorKnowledge,
        HttpVersion::Auto,
        HttpVersion::Http1,
    ];
    for target in &mut sketch.targets {
        let version = dice.pick(&VERSIONS);
        if version == HttpVersion::Http1 {
            continue;
        }
        if dice.chance(50) {
            // Otherwise a connection carries one request at a time.
            target.reuse = Some(ConnectionReuse::Shared);
        }
        let is_shared = target.reuse == Some(ConnectionReuse::Shared);
        if is_shared {
            // Often few connections, so that each carries several.
            let most = if dice.chance(60) { 4 } else { 60 };
            let drawn = target.max_connections.unwrap_or(most).min(most);
            target.max_connections = Some(drawn.max(u32::from(sketch.workers)));
        }
        // A proxy takes requests in plain text over HTTP/1.1 only.
        target.has_proxy &= version != HttpVersion::Http2PriorKnowledge;
        target.http = HttpSketch {
            version,
            streams: (is_shared && dice.chance(60)).then(|| dice.skewed(1, 40) as u32),
            placement: dice.chance(30).then(|| dice.pick(&[Placement::Fill, Placement::Spread])),
            resend_refused: dice.chance(50).then(|| dice.between(0, 3) as u8),
            stream_window_bytes: dice.chance(30).then(|| dice.between_u32(65_535, 200_000)),
            header_table_bytes: dice.chance(20).then(|| dice.between_u32(0, 300)),
            has_no_index: dice.chance(20),
        };
    }
    for (key, value) in &mut sketch.limits {
        // Each field counts 32 bytes more (RFC 9113 section 6.5.2).
        if *key == "max_response_head_bytes" {
            *value = (*value).max(2_048);
        }
    }
    sketch.targets.iter().any(|target| target.http.version != HttpVersion::Http1)
}

/// How old connections become, and whether requests survive stale ones.
fn draw_lives(dice: &mut Dice, sketch: &mut Sketch, length_ns: u64) {
    for target in &mut sketch.targets {
        target.max_age_ns = dice.chance(20).then(|| dice.skewed(10 * MS, length_ns));
        target.retry_stale = dice.chance(40);
        target.has_proxy = dice.chance(15);
    }
}

/// VUs, iterations and think times.
fn draw_closed(dice: &mut Dice, sketch: &mut Sketch, length_ns: u64, wanted: u64) -> Pace {
    sketch.schedule = vus(dice, length_ns);
    // A VU that the schedule stops still ends its request: all that ever start may be alive at once.
    while VuSchedule::new(&sketch.schedule, Some(length_ns)).vus_started() > u64::from(ACTORS_MAX) {
        thin(&mut sketch.schedule);
    }
    // A linear stage to one VU that is followed by none starts none.
    if VuSchedule::new(&sketch.schedule, Some(length_ns)).vus_started() == 0 {
        sketch.schedule = Schedule::Constant { vus: 1 };
    }
    let cut = dice.chance(25) || matches!(sketch.schedule, Schedule::Constant { .. });
    sketch.duration_ns = cut.then(|| dice.between(length_ns * 3 / 4, length_ns));
    let schedule = VuSchedule::new(&sketch.schedule, sketch.end_ns());
    let lives: Vec<u64> = lives(&schedule, sketch.end_ns().unwrap_or(length_ns));
    let started = lives.len().max(1) as u64;
    while sketch.steps_per_iteration() * started > REQUESTS_MAX && sketch.sequence.len() > 1 {
        sketch.sequence.pop();
    }
    let total_ns = lives.iter().sum::<u64>().max(1);
    let budget_ns = total_ns / wanted;
    sketch.think = think(dice, budget_ns / 2);
    let think_min_ns = match sketch.think {
        ThinkTime::Constant { duration_ns } => duration_ns,
        ThinkTime::Random { min_ns, .. } => min_ns,
        ThinkTime::None | ThinkTime::Exponential { .. } => 0,
    };
    let most = |life: &u64| (life / think_min_ns.max(1)).saturating_add(1);
    let bounded = lives.iter().map(most).fold(0, u64::saturating_add) <= REQUESTS_MAX;
    let has_journey = sketch.journey.is_some();
    if !bounded || dice.chance(50) || has_journey {
        let per_iteration = sketch.steps_per_iteration();
        let usual = (wanted / started / per_iteration).max(1);
        // Where VUs come and go, some end by themselves, and others take their places.
        let comes_and_goes = matches!(
            sketch.schedule,
            Schedule::Steps { .. } | Schedule::Stages { .. } | Schedule::Spike { .. }
        );
        let iterations = match comes_and_goes && dice.chance(50) {
            true => dice.between((usual / 2).max(1), usual),
            false => dice.between(usual, usual * 2),
        };
        // Logins are requests too: one for each VU, and at most one before each other request.
        let all = if has_journey { REQUESTS_MAX / 2 } else { REQUESTS_MAX };
        let most = (all / started / per_iteration).max(1);
        sketch.iterations = Some(iterations.min(most));
    }
    let concurrency = u64::from(schedule.peak_vus());
    Pace {
        requests: wanted,
        connections: started,
        step_ns: (budget_ns / 2).max(1),
        concurrency,
        length_ns,
    }
}

fn lives(schedule: &VuSchedule, end_ns: u64) -> Vec<u64> {
    let life = |actor: u64| {
        let lifetime = schedule.lifetime(Actor(actor))?;
        let stop = lifetime.stop.map_or(end_ns, |stop| stop.0.min(end_ns));
        Some(stop.saturating_sub(lifetime.start.0))
    };
    (0..schedule.vus_started()).filter_map(life).collect()
}

fn vus(dice: &mut Dice, length_ns: u64) -> Schedule {
    let most = u64::from(ACTORS_MAX);
    let some = |dice: &mut Dice| dice.skewed(1, most) as u32;
    match dice.between(0, 4) {
        0 | 1 => Schedule::Constant { vus: some(dice) },
        2 => {
            let ramp_ns = dice.between(length_ns / 10, length_ns);
            let (mut start_vus, mut end_vus) = (some(dice), some(dice));
            match dice.between(0, 3) {
                0 => start_vus = 0,
                1 => end_vus = 0,
                _ => {}
            }
            Schedule::Ramp { start_vus, end_vus, ramp_ns, hold_ns: length_ns - ramp_ns }
        }
        3 => {
            let start_ns = dice.between(0, length_ns / 2);
            let duration_ns = dice.between(length_ns / 10, length_ns / 2);
            let baseline_vus = some(dice) / dice.between_u32(1, 50);
            Schedule::Spike { baseline_vus, spike_vus: some(dice), start_ns, duration_ns }
        }
        _ => {
            let count = dice.between(2, 6);
            let mut steps = Vec::new();
            for i in 0..count {
                let vus = if i > 0 && dice.chance(15) { 0 } else { some(dice) };
                steps.push(VuStep { vus, duration_ns: length_ns / count });
            }
            if dice.chance(50) {
                let shapes = [Shape::Linear, Shape::Linear, Shape::Jump];
                let stage = |VuStep { vus, duration_ns }| VuStage {
                    vus,
                    duration_ns,
                    shape: dice.pick(&shapes),
                };
                let stages = steps.into_iter().map(stage).collect();
                return Schedule::Stages { start_vus: 0, stages };
            }
            Schedule::Steps { steps }
        }
    }
}

/// A third fewer VUs or arrivals.
pub(super) fn thin(schedule: &mut Schedule) {
    let fewer = |vus: &mut u32| *vus = *vus * 2 / 3;
    let slower = |rate: &mut u64| *rate = *rate * 2 / 3;
    match schedule {
        Schedule::Constant { vus } => fewer(vus),
        Schedule::Ramp { start_vus, end_vus, .. } => {
            fewer(start_vus);
            fewer(end_vus);
        }
        Schedule::Spike { baseline_vus, spike_vus, .. } => {
            fewer(baseline_vus);
            fewer(spike_vus);
        }
        Schedule::Steps { steps } => steps.iter_mut().for_each(|step| fewer(&mut step.vus)),
        Schedule::Stages { start_vus, stages } => {
            fewer(start_vus);
            stages.iter_mut().for_each(|stage| fewer(&mut stage.vus));
        }
        Schedule::Rate { per_second_micro, .. } => slower(per_second_micro),
        Schedule::RampRate { start_per_second_micro, end_per_second_micro, .. } => {
            slower(start_per_second_micro);
            slower(end_per_second_micro);
        }
        Schedule::RateSteps { steps, .. } => {
            steps.iter_mut().for_each(|step| slower(&mut step.per_second_micro));
        }
        Schedule::RateStages { start_per_second_micro, stages, .. } => {
            slower(start_per_second_micro);
            stages.iter_mut().for_each(|stage| slower(&mut stage.per_second_micro));
        }
    }
}

/// Rates, and how many may be alive.
fn draw_open(dice: &mut Dice, sketch: &mut Sketch, length_ns: u64, wanted: u64) -> Pace {
    while sketch.steps_per_iteration() > 8 {
        sketch.sequence.pop();
    }
    let per_iteration = sketch.steps_per_iteration();
    let arrivals = (wanted / per_iteration).max(1);
    let rate = u128::from(arrivals) * u128::from(MICRO) * u128::from(SECOND);
    let rate_micro = (rate / u128::from(length_ns)) as u64;
    let low = dice.chance(20);
    let least = u64::from(sketch.workers);
    let max_in_flight =
        if low { dice.between(least, 5) } else { dice.between(10, u64::from(ACTORS_MAX)) } as u32;
    sketch.schedule = rates(dice, length_ns, rate_micro.max(1), max_in_flight);
    let own = z6_scenario::schedule::own_length_ns(&sketch.schedule).is_some();
    if !own || dice.chance(25) {
        sketch.duration_ns = Some(dice.between(length_ns * 3 / 4, length_ns));
    }
    let schedule = ArrivalSchedule::new(&sketch.schedule, sketch.end_ns(), None);
    let planned = schedule.arrivals(sketch.seed).count() as u64;
    if planned * per_iteration > REQUESTS_MAX || dice.chance(25) {
        sketch.iterations = Some((REQUESTS_MAX / per_iteration).min(planned.max(1)));
    }
    // Little's law: what an arrival may take so that about this many are alive.
    let load_percent = dice.pick(&[10, 30, 60, 60, 150]);
    let alive = u64::from(max_in_flight) * load_percent;
    let life_ns = (length_ns / arrivals).saturating_mul(alive) / 100;
    let budget_ns = (life_ns / per_iteration).clamp(1_000, length_ns / 4);
    sketch.think = think(dice, budget_ns / 2);
    let step_ns = budget_ns / 2;
    let concurrency = u64::from(max_in_flight);
    Pace { requests: wanted, connections: arrivals.min(40), step_ns, concurrency, length_ns }
}

fn rates(dice: &mut Dice, length_ns: u64, rate_micro: u64, max_in_flight: u32) -> Schedule {
    let arrivals = dice.pick(&[Arrivals::Constant, Arrivals::Poisson]);
    match dice.between(0, 3) {
        0 | 1 => Schedule::Rate { per_second_micro: rate_micro, arrivals, max_in_flight },
        2 => {
            let ramp_ns = dice.between(length_ns / 10, length_ns);
            let low = rate_micro * dice.between(0, 8) / 10;
            let (start_per_second_micro, end_per_second_micro) = match dice.chance(50) {
                true => (low, rate_micro * 2 - low),
                false => (rate_micro * 2 - low, low),
            };
            Schedule::RampRate {
                start_per_second_micro,
                end_per_second_micro,
                ramp_ns,
                hold_ns: length_ns - ramp_ns,
                arrivals,
                max_in_flight,
            }
        }
        _ => {
            let count = dice.between(2, 6);
            let mut steps = Vec::new();
            for i in 0..count {
                let idle = i > 0 && dice.chance(15);
                let percent = if idle { 0 } else { dice.between(40, 180) };
                let per_second_micro = (rate_micro * percent / 100).max(u64::from(!idle));
                steps.push(RateStep { per_second_micro, duration_ns: length_ns / count });
            }
            if dice.chance(50) {
                let shapes = [Shape::Linear, Shape::Linear, Shape::Jump];
                let stage = |RateStep { per_second_micro, duration_ns }| RateStage {
                    per_second_micro,
                    duration_ns,
                    shape: dice.pick(&shapes),
                };
                let stages = steps.into_iter().map(stage).collect();
                let start_per_second_micro = 0;
                return Schedule::RateStages {
                    start_per_second_micro,
                    stages,
                    arrivals,
                    max_in_flight,
                };
            }
            Schedule::RateSteps { steps, arrivals, max_in_flight }
        }
    }
}

/// A think time of about this mean.
pub(super) fn think(dice: &mut Dice, mean_ns: u64) -> ThinkTime {
    let mean_ns = mean_ns.max(1);
    match dice.between(0, 4) {
        0 | 1 => ThinkTime::Constant { duration_ns: mean_ns },
        2 => {
            let min_ns = mean_ns * dice.between(0, 9) / 10;
            ThinkTime::Random { min_ns, max_ns: 2 * mean_ns - min_ns }
        }
        3 => ThinkTime::Exponential { mean_ns, max_ns: mean_ns * dice.between(1, 5) },
        _ => ThinkTime::None,
    }
}

/// How many connections there may be, and for how long.
fn draw_targets(dice: &mut Dice, sketch: &mut Sketch, pace: Pace) {
    let open = sketch.model() == Model::Open;
    let workers = u64::from(sketch.workers);
    for target in &mut sketch.targets {
        let reuse = target.reuse.unwrap_or(match open {
            true => ConnectionReuse::Shared,
            false => ConnectionReuse::PerVu,
        });
        if open && reuse == ConnectionReuse::PerVu {
            target.reuse = None;
        }
        let owned = reuse == ConnectionReuse::PerVu && !open;
        target.max_connections = if owned {
            let said = pace.concurrency < workers || dice.chance(30);
            said.then_some(pace.concurrency.max(workers) as u32)
        } else if dice.chance(30) {
            Some(dice.between(workers, workers + 4) as u32)
        } else {
            // Without it the open model may have as many attempts as arrivals.
            Some(dice.between(pace.concurrency.max(workers), 60) as u32)
        };
        if dice.chance(30) {
            target.idle_timeout_ns = Some(dice.skewed(MS / 10, pace.step_ns.max(MS) * 4));
        }
        let most = (pace.length_ns / 30).max(2 * MS);
        target.reconnect_delay_ns = target.reconnect_delay_ns.min(pace.length_ns / 50);
        target.connection_timeout_ns = dice.skewed(MS, most);
    }
}

fn draw_timeouts(dice: &mut Dice, sketch: &mut Sketch, pace: Pace) {
    for request in &mut sketch.requests {
        let usual = pace.step_ns.max(MS / 10);
        request.timeout_ns = match dice.between(0, 3) {
            0 => dice.between(usual / 2, usual * 4),
            _ => dice.between(usual * 4, (usual * 40).max(pace.length_ns / 20)),
        };
    }
}

/// Grace, warm-up, and now and then no duration at all.
fn draw_ends(dice: &mut Dice, sketch: &mut Sketch, length_ns: u64) {
    sketch.grace_ns = match dice.between(0, 3) {
        0 => 0,
        1 => dice.skewed(MS, 100 * MS),
        _ => dice.skewed(100 * MS, 5 * SECOND),
    };
    if dice.chance(30) {
        sketch.warmup_ns = dice.between(0, sketch.end_ns().unwrap_or(length_ns) / 2);
    }
    if let (Schedule::Constant { .. }, Some(iterations), true) =
        (&sketch.schedule, sketch.iterations, dice.chance(50))
        && sketch.warmup_ns == 0
        && worst_case_ns(sketch, iterations) < 20 * SECOND
    {
        sketch.duration_ns = None;
    }
}

/// The longest a VU can take for its iterations, if it never waits for somebody else's connection.
fn worst_case_ns(sketch: &Sketch, iterations: u64) -> u64 {
    let shares = |target: &TargetSketch| target.reuse.is_some_and(|r| r != ConnectionReuse::PerVu);
    // A VU waits before it logs in again, after an iteration that sent nothing, and for its period.
    let others = sketch.journey.is_some() || sketch.pacing_ms.is_some();
    if sketch.targets.iter().any(shares) || others {
        return u64::MAX;
    }
    let attempt = |t: &TargetSketch| t.connection_timeout_ns + t.reconnect_delay_ns;
    let think_ns = match sketch.think {
        ThinkTime::None => 0,
        ThinkTime::Constant { duration_ns } => duration_ns,
        ThinkTime::Random { max_ns, .. } | ThinkTime::Exponential { max_ns, .. } => max_ns,
    };
    let timeout = sketch.requests.iter().map(|request| request.timeout_ns).max().unwrap_or(0);
    let connect = sketch.targets.iter().map(attempt).max().unwrap_or(0);
    let steps = iterations.saturating_mul(sketch.steps_per_iteration());
    steps.saturating_mul(timeout + connect + think_ns)
}
