//! Rows and values that a plan gives: whose they are, for how long, and that no two workers disagree.

use std::collections::{BTreeMap, BTreeSet};

use z6_events::{Partition, Population, RequestId, VariableId, WorkerId};
use z6_extract::rows::{Format, Limits, Reader};
use z6_http::template::ValueId;

use super::*;
use crate::journey::{RandomValue, Rendering, Repeat, SequenceStep};
use crate::model::Schedule;
use crate::plan::sample::scenario;
use crate::random::Weights;
use crate::values::{MadeBy, Order};

fn table(rows: usize) -> Arc<Table> {
    let mut text = "email,hits\n".to_owned();
    (0..rows).for_each(|row| text += &format!("user{row}@x.example,{row}\n"));
    let mut reader = Reader::new(Format::Csv, Limits::default());
    reader.push(text.as_bytes()).unwrap();
    Arc::new(reader.finish().unwrap())
}

fn file(name: &str, rows: usize, per: Per) -> DataFile {
    DataFile {
        name: name.to_owned(),
        file: format!("{name}.csv"),
        table: table(rows),
        per,
        order: Order::Sequential,
        is_unique: false,
        on_end: OnEnd::Repeat,
        weight: None,
        secret: Vec::new(),
        is_attached: true,
        original: crate::journey::OriginalFile::default(),
    }
}

/// Each request reads these values.
fn reading(scenario: &mut Scenario, request: usize, reads: &[ValueSource]) {
    let first = scenario.values.sources.len();
    scenario.values.sources.extend(reads);
    let find = |name: &str| name.len().checked_sub(1).map(|_| ValueId(0));
    let path = z6_http::template::Template::compile("/", z6_http::template::TextKind::Target, find);
    scenario.requests[request].rendering = Some(Box::new(Rendering {
        path: path.unwrap(),
        headers: Vec::new(),
        body: None,
        auth: None,
        reads: (first..first + reads.len()).map(|id| ValueId(id as u16)).collect(),
        needs: Vec::new(),
    }));
}

const fn column(data: u16) -> ValueSource {
    ValueSource::Column { data, column: 0 }
}

/// `steps`: request and repeats; 4 VUs.
fn journey(steps: &[(u16, u32)], data: Vec<DataFile>) -> Scenario {
    let mut scenario = scenario();
    scenario.populations[0].schedule = Schedule::Constant { vus: 4 };
    let step = |&(request, times): &(u16, u32)| SequenceStep {
        request: RequestId(request),
        repeat: Repeat::times(times),
        on_failure: None,
        think_time: None,
    };
    scenario.populations[0].flow.steps = steps.iter().map(step).collect();
    scenario.values.data = data;
    scenario
}

fn rows(plan: &Plan, data: u16, actor: u64, steps: std::ops::Range<u64>) -> Vec<Option<u64>> {
    steps.map(|step| plan.row(data, Actor(actor), Step(step))).collect()
}

#[test]
fn a_row_belongs_to_a_vu_an_iteration_or_a_place_that_uses_it() {
    let data = [("a", Per::Vu), ("b", Per::Iteration), ("c", Per::Step)];
    let data = data.map(|(name, per)| file(name, 1_000, per)).to_vec();
    let mut scenario = journey(&[(0, 1), (1, 2), (2, 1)], data);
    reading(&mut scenario, 1, &[column(2)]);
    reading(&mut scenario, 2, &[column(0), column(1), column(2)]);
    let plan = Plan::new(&scenario, 1);
    assert_eq!(rows(&plan, 0, 3, 0..8), [Some(3); 8]);
    assert_eq!(rows(&plan, 1, 3, 0..5), [3, 3, 3, 3, 7].map(Some));
    // Three of four places use the file: the second iteration begins with the fourth use of four VUs.
    let expected = [None, Some(3), Some(7), Some(11), None, Some(15), Some(19), Some(23)];
    assert_eq!(rows(&plan, 2, 3, 0..8), expected);
    assert_eq!(plan.row(9, Actor(0), Step(0)), None, "no such file");
}

#[test]
fn an_arrival_takes_the_row_of_its_number() {
    let data = vec![file("b", 1_000, Per::Iteration), file("c", 1_000, Per::Step)];
    let mut scenario = journey(&[(0, 1), (1, 2)], data);
    let arrivals = crate::Arrivals::Poisson;
    scenario.populations[0].schedule =
        Schedule::Rate { per_second_micro: 1_000_000, arrivals, max_in_flight: 1 };
    reading(&mut scenario, 1, &[column(0), column(1)]);
    let plan = Plan::new(&scenario, 1);
    assert_eq!(rows(&plan, 0, 30, 0..3), [Some(30); 3]);
    assert_eq!(rows(&plan, 1, 30, 0..3), [None, Some(60), Some(61)]);
}

#[test]
fn outside_of_iterations_only_a_row_per_vu_is_seen() {
    let data = vec![file("a", 9, Per::Vu), file("b", 9, Per::Iteration), file("c", 9, Per::Step)];
    let mut scenario = journey(&[(1, 1)], data);
    let request = RequestId(0);
    let login =
        SequenceStep { request, repeat: Repeat::times(1), on_failure: None, think_time: None };
    scenario.populations[0].flow.start = vec![login];
    reading(&mut scenario, 0, &[column(0), column(1), column(2)]);
    reading(&mut scenario, 1, &[column(0), column(1), column(2)]);
    let plan = Plan::new(&scenario, 1);
    let of = |step| [0, 1, 2].map(|data| plan.row(data, Actor(2), Step(step)));
    assert_eq!(of(0), [Some(2), None, None]);
    assert_eq!(of(1), [Some(2), Some(2), Some(2)]);
    assert_eq!(of(2), [Some(2), Some(6), Some(6)]);
}

#[test]
fn requests_drawn_by_weight_have_one_place() {
    let mut scenario = journey(&[], vec![file("c", 100, Per::Step)]);
    (0..4).for_each(|request| reading(&mut scenario, request, &[column(0)]));
    assert_eq!(rows(&Plan::new(&scenario, 1), 0, 1, 0..3), [1, 5, 9].map(Some));
}

#[test]
fn the_same_rows_and_values_for_any_number_of_workers() {
    let mut users = file("users", 500, Per::Iteration);
    users.order = Order::Shuffled;
    let mut terms = file("terms", 500, Per::Step);
    terms.order = Order::Random(Some(Weights::new(0..500)));
    let mut scenario = journey(&[(0, 1), (1, 3)], vec![users, terms]);
    scenario.populations[0].schedule = Schedule::Constant { vus: 21 };
    let by = MadeBy::Uuid;
    scenario.values.random = vec![RandomValue { name: "id".to_owned(), by, per: Per::Step }];
    reading(&mut scenario, 0, &[column(0), ValueSource::Random(0)]);
    reading(&mut scenario, 1, &[column(0), column(1)]);
    let ask = |workers: u16| {
        let mut seen = BTreeMap::new();
        for worker in (0..workers).map(WorkerId) {
            let (plan, partition) =
                (Plan::new(&scenario, 5), Partition::unsharded(worker, workers));
            for actor in (0..21).map(Actor).filter(|a| partition.owns(Population(0), *a)) {
                for step in (0..40).map(Step) {
                    let mut text = Vec::new();
                    for source in [column(0), column(1), ValueSource::Random(0)] {
                        plan.write_planned(source, actor, step, Tick(9), &mut text);
                    }
                    seen.insert((actor, step), text);
                }
            }
        }
        seen
    };
    let one = ask(1);
    assert_eq!(one.len(), 840);
    assert_eq!([ask(2), ask(7)], [one.clone(), one]);
}

#[test]
fn unique_rows_of_100_000_iterations_are_each_given_out_once() {
    for order in [Order::Sequential, Order::Shuffled] {
        let mut users = file("users", 100_000, Per::Iteration);
        (users.order, users.is_unique, users.on_end) = (order, true, OnEnd::StopRun);
        let mut scenario = journey(&[(0, 1), (1, 1)], vec![users]);
        scenario.populations[0].schedule = Schedule::Constant { vus: 40 };
        scenario.runtime.iterations = Some(2_500);
        reading(&mut scenario, 1, &[column(0)]);
        let mut given = vec![false; 100_000];
        for worker in (0..4).map(WorkerId) {
            let (plan, partition) = (Plan::new(&scenario, 5), Partition::unsharded(worker, 4));
            for actor in (0..40).map(Actor).filter(|a| partition.owns(Population(0), *a)) {
                for iteration in 0..2_500 {
                    let step = Step(plan.iteration_start(iteration).0 + 1);
                    assert_eq!(plan.exhausted(actor, step), None);
                    let row = plan.row(0, actor, step).unwrap() as usize;
                    assert!(!std::mem::replace(&mut given[row], true), "row {row} twice");
                }
                let past = Step(plan.iteration_start(2_500).0 + 1);
                assert_eq!(plan.exhausted(actor, past), Some(OnEnd::StopRun));
                assert_eq!(plan.exhausted(actor, Step(past.0 - 1)), None, "it uses no row");
            }
        }
        assert!(given.iter().all(|given| *given));
    }
}

#[test]
fn the_end_of_a_file_does_what_it_says() {
    let end = |is_unique, on_end| {
        let mut users = file("users", 6, Per::Iteration);
        (users.is_unique, users.on_end) = (is_unique, on_end);
        let mut scenario = journey(&[(0, 1)], vec![users]);
        reading(&mut scenario, 0, &[column(0)]);
        let plan = Plan::new(&scenario, 1);
        (plan.exhausted(Actor(1), Step(1)), plan.exhausted(Actor(2), Step(1)))
    };
    assert_eq!(end(false, OnEnd::Repeat), (None, None));
    assert_eq!(end(false, OnEnd::StopVu), (None, Some(OnEnd::StopVu)));
    assert_eq!(end(true, OnEnd::StopVu), (None, Some(OnEnd::StopVu)));
    assert_eq!(end(true, OnEnd::StopRun), (None, Some(OnEnd::StopRun)));

    let mut files = [OnEnd::StopRun, OnEnd::StopVu].map(|on_end| {
        let mut users = file("users", 1, Per::Iteration);
        users.on_end = on_end;
        users
    });
    files[1].name = "others".to_owned();
    let mut scenario = journey(&[(0, 1)], files.to_vec());
    reading(&mut scenario, 0, &[column(0), column(1)]);
    let plan = Plan::new(&scenario, 1);
    assert_eq!(plan.exhausted(Actor(1), Step(0)), Some(OnEnd::StopRun), "the stronger of two");
}

fn written(plan: &Plan, source: ValueSource, actor: u64, step: u64) -> (PlannedValue, String) {
    let mut out = Vec::new();
    let planned = Tick(2_500_000_000);
    let kind = plan.write_planned(source, Actor(actor), Step(step), planned, &mut out);
    (kind, String::from_utf8(out).unwrap())
}

#[test]
fn each_source_is_written_as_what_it_is() {
    let mut scenario = journey(&[(0, 1), (1, 2)], vec![file("users", 10, Per::Iteration)]);
    reading(&mut scenario, 0, &[column(0)]);
    let by = MadeBy::Integer { min: 5, max: 5 };
    scenario.values.random.push(RandomValue { name: "five".to_owned(), by, per: Per::Vu });
    let mut plan = Plan::new(&scenario, 1);
    plan.set_epoch(1_000_000_000_000_000_000);
    let of = |source| written(&plan, source, 3, 4);
    let text = |text: &str| (PlannedValue::Text, text.to_owned());
    let literal = |text: &str| (PlannedValue::Literal, text.to_owned());
    let none = (PlannedValue::NotPlanned, String::new());
    assert_eq!(of(column(0)), text("user7@x.example"));
    assert_eq!(of(ValueSource::Random(0)), literal("5"));
    assert_eq!(of(ValueSource::Vu), literal("3"));
    assert_eq!(of(ValueSource::Iteration), literal("1"));
    assert_eq!(of(ValueSource::Step), literal("4"));
    assert_eq!(of(ValueSource::NowUnixMs), literal("1000000002500"));
    assert_eq!(of(ValueSource::NowRfc3339), text("2001-09-09T01:46:42.500Z"));
    assert_eq!(of(ValueSource::Secret(0)), none);
    assert_eq!(of(ValueSource::Variable(VariableId(0))), none);
    assert_eq!(of(ValueSource::Column { data: 0, column: 2 }), none);
    assert_eq!(of(ValueSource::Random(1)), none);
}

#[test]
fn a_value_made_up_lasts_as_long_as_it_should() {
    let mut scenario = journey(&[(0, 1), (1, 2)], Vec::new());
    let names = [("a", Per::Vu), ("b", Per::Iteration), ("c", Per::Step)];
    let value =
        |(name, per): (&str, Per)| RandomValue { name: name.to_owned(), by: MadeBy::Uuid, per };
    scenario.values.random = names.map(value).to_vec();
    let plan = Plan::new(&scenario, 1);
    let different = |index| {
        let text = |step| written(&plan, ValueSource::Random(index), 0, step).1;
        (0..9).map(text).collect::<BTreeSet<_>>().len()
    };
    assert_eq!([0, 1, 2].map(different), [1, 3, 9]);
}

#[test]
fn golden_values() {
    let mut shuffled = file("users", 1_000, Per::Iteration);
    shuffled.order = Order::Shuffled;
    let mut drawn = file("terms", 1_000, Per::Step);
    drawn.order = Order::Random(None);
    let mut weighted = file("places", 1_000, Per::Vu);
    weighted.order = Order::Random(Some(Weights::new(0..1_000)));
    let mut scenario = journey(&[(0, 1), (1, 2)], vec![shuffled, drawn, weighted]);
    reading(&mut scenario, 0, &[column(1)]);
    reading(&mut scenario, 1, &[column(0), column(1), column(2)]);
    let by = MadeBy::Hex { digits: 8 };
    scenario.values.random.push(RandomValue { name: "ref".to_owned(), by, per: Per::Iteration });
    let plan = Plan::new(&scenario, 12_345);
    let show = |(actor, step)| {
        let row = |data| plan.row(data, Actor(actor), Step(step)).unwrap();
        let made = written(&plan, ValueSource::Random(0), actor, step).1;
        format!("{} {} {} {made}", row(0), row(1), row(2))
    };
    let shown = [(0, 0), (0, 1), (1, 0), (3, 3), (2, 3_000)].map(show);
    insta::assert_snapshot!(shown.join("\n"), @r"
        301 876 302 773011e3
        301 986 302 773011e3
        605 931 420 60119add
        845 529 633 9038682c
        12 485 961 cf60968c
        ");
}

#[test]
fn a_population_that_uses_no_column_of_a_file_has_no_row_of_it() {
    for per in [Per::Vu, Per::Iteration, Per::Step] {
        let mut scenario = journey(&[(0, 1)], vec![file("few", 8, per)]);
        reading(&mut scenario, 0, &[column(0)]);
        let mut other = scenario.populations[0].clone();
        other.name = "other".to_owned();
        other.flow.steps[0].request = RequestId(1);
        scenario.populations.push(other);
        let plan = Plan::new(&scenario, 1);
        assert!(rows(&plan, 0, 0, 0..3).iter().all(Option::is_some), "{per:?}");
        assert_eq!(rows(plan.of(Population(1)), 0, 0, 0..3), [None; 3], "{per:?}");
    }
}
