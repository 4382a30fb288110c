//! Tests on the fields of a request: as parsed, and made ready for a scenario so that each answer takes
//! a few instructions and no memory.

use std::cmp::Ordering;
use std::ops::Range;

use z6_events::{ErrorKind, Irregularities, Irregularity, Protocol, VariableId};
use z6_metrics::RequestRow;
use z6_scenario::expression::{
    Comparison, ExpressionError, ExpressionErrorKind, NumberSet, TextSet, compare_numbers,
};
use z6_scenario::{Request, Scenario};

use super::field::{Field, FieldKind, NumberField, TextField};
use crate::values::{Held, RowValues};

/// A test on one field. `negated` turns the answer round, also that about a missing value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Number {
        of: NumberField,
        set: NumberSet,
        negated: bool,
    },
    Text {
        of: TextField,
        set: TextSet,
        negated: bool,
    },
    /// Indices into the names of outcomes.
    Outcome {
        outcomes: Vec<usize>,
        negated: bool,
    },
    ErrorKind {
        kinds: Vec<ErrorKind>,
        missing: bool,
        negated: bool,
    },
    /// At least one of these kinds, or none at all.
    Irregularity {
        kinds: Irregularities,
        missing: bool,
        negated: bool,
    },
    /// One of these, or on no connection.
    Protocol {
        protocols: Vec<Protocol>,
        missing: bool,
        negated: bool,
    },
    /// None: not on any connection.
    Reused {
        wanted: Option<bool>,
        negated: bool,
    },
    /// At least one of these checks failed, or none at all.
    FailedCheck {
        set: TextSet,
        missing: bool,
        negated: bool,
    },
    /// The row of the data file of this name.
    Row {
        data: Named,
        set: NumberSet,
        negated: bool,
    },
    /// The value of the variable of this name.
    Variable {
        name: Named,
        set: ValueSet,
        negated: bool,
    },
    /// The request has this tag with one of these values, or does not have it.
    Tag {
        name: String,
        set: TextSet,
        missing: bool,
        negated: bool,
    },
}

/// A name, and the place in the filter where it is asked about.
pub(super) type Named = (String, Range<usize>);

/// Which values of a variable pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ValueSet {
    /// One of these texts or numbers, or none at all.
    OneOf { texts: Vec<String>, numbers: Vec<String>, missing: bool },
    /// A number that compares like this.
    Ordered(Comparison, String),
    /// A text with this part.
    Contains(String),
}

impl ValueSet {
    const fn nothing() -> ValueSet {
        ValueSet::OneOf { texts: Vec::new(), numbers: Vec::new(), missing: false }
    }

    /// The value is missing.
    pub(super) const fn missing() -> ValueSet {
        ValueSet::OneOf { texts: Vec::new(), numbers: Vec::new(), missing: true }
    }

    pub(super) fn one_text(text: &str) -> ValueSet {
        let texts = vec![text.to_owned()];
        ValueSet::OneOf { texts, numbers: Vec::new(), missing: false }
    }

    pub(super) fn one_number(number: String) -> ValueSet {
        ValueSet::OneOf { texts: Vec::new(), numbers: vec![number], missing: false }
    }

    /// Either of two sets of single values.
    fn or(self, other: ValueSet) -> ValueSet {
        match (self, other) {
            (
                ValueSet::OneOf { mut texts, mut numbers, missing },
                ValueSet::OneOf { texts: more, numbers: more_numbers, missing: also },
            ) => {
                texts.extend(more);
                numbers.extend(more_numbers);
                ValueSet::OneOf { texts, numbers, missing: missing || also }
            }
            (first, _) => first,
        }
    }

    fn has(&self, held: Held<'_>) -> bool {
        let Held::Clear(bytes) = held else {
            return matches!(self, ValueSet::OneOf { missing: true, .. });
        };
        let order = |number: &str| compare_numbers(bytes, number.as_bytes());
        match self {
            ValueSet::OneOf { texts, numbers, .. } => {
                texts.iter().any(|text| text.as_bytes() == bytes)
                    || numbers.iter().any(|number| order(number) == Some(Ordering::Equal))
            }
            ValueSet::Ordered(comparison, number) => {
                order(number).is_some_and(|order| match comparison {
                    Comparison::Less => order == Ordering::Less,
                    Comparison::AtMost => order != Ordering::Greater,
                    Comparison::Greater => order == Ordering::Greater,
                    Comparison::AtLeast => order != Ordering::Less,
                    Comparison::Equal => order == Ordering::Equal,
                    Comparison::NotEqual => order != Ordering::Equal,
                })
            }
            ValueSet::Contains(part) => {
                part.is_empty() || bytes.windows(part.len()).any(|window| window == part.as_bytes())
            }
        }
    }
}

impl Test {
    /// The test that `field` is the word of this index.
    pub(super) fn word(field: &Field, index: usize, negated: bool) -> Test {
        if field.kind == FieldKind::Outcome {
            return Test::Outcome { outcomes: vec![index], negated };
        }
        if field.kind == FieldKind::Irregularity {
            let kinds = Irregularity::ALL.get(index).copied().map(Irregularities::from);
            return Test::Irregularity {
                kinds: kinds.unwrap_or_default(),
                missing: false,
                negated,
            };
        }
        if field.kind == FieldKind::Protocol {
            let protocols = Protocol::ALL.get(index).copied().into_iter().collect();
            return Test::Protocol { protocols, missing: false, negated };
        }
        let kinds = ErrorKind::ALL.get(index).copied().into_iter().collect();
        Test::ErrorKind { kinds, missing: false, negated }
    }

    /// The test that no word passes.
    pub(super) fn no_word(field: &Field) -> Test {
        if field.kind == FieldKind::Variable {
            let name = (field.name.clone().into_owned(), 0..0);
            return Test::Variable { name, set: ValueSet::nothing(), negated: false };
        }
        if field.kind == FieldKind::Outcome {
            return Test::Outcome { outcomes: Vec::new(), negated: false };
        }
        if field.kind == FieldKind::Irregularity {
            let kinds = Irregularities::NONE;
            return Test::Irregularity { kinds, missing: false, negated: false };
        }
        if field.kind == FieldKind::Protocol {
            return Test::Protocol { protocols: Vec::new(), missing: false, negated: false };
        }
        Test::ErrorKind { kinds: Vec::new(), missing: false, negated: false }
    }

    /// Either of two tests, each that one field equals something. Tests of different fields stay
    /// apart: the first one holds.
    pub(super) fn or(self, other: Test) -> Test {
        match (self, other) {
            (Test::Number { of, set, negated }, Test::Number { set: more, .. }) => {
                Test::Number { of, set: set.or(more), negated }
            }
            (
                Test::Text { of, set: TextSet::OneOf(mut names), negated },
                Test::Text { set: TextSet::OneOf(more), .. },
            ) => {
                names.extend(more);
                Test::Text { of, set: TextSet::OneOf(names), negated }
            }
            (Test::Outcome { mut outcomes, negated }, Test::Outcome { outcomes: more, .. }) => {
                outcomes.extend(more);
                Test::Outcome { outcomes, negated }
            }
            (
                Test::ErrorKind { mut kinds, missing, negated },
                Test::ErrorKind { kinds: more, missing: also, .. },
            ) => {
                kinds.extend(more);
                Test::ErrorKind { kinds, missing: missing || also, negated }
            }
            (
                Test::Irregularity { kinds, missing, negated },
                Test::Irregularity { kinds: more, missing: also, .. },
            ) => {
                let kinds = kinds.union(more);
                Test::Irregularity { kinds, missing: missing || also, negated }
            }
            (
                Test::Protocol { mut protocols, missing, negated },
                Test::Protocol { protocols: more, missing: also, .. },
            ) => {
                protocols.extend(more);
                Test::Protocol { protocols, missing: missing || also, negated }
            }
            (
                Test::FailedCheck { set: TextSet::OneOf(mut names), missing, negated },
                Test::FailedCheck { set: TextSet::OneOf(more), missing: also, .. },
            ) => {
                names.extend(more);
                let missing = missing || also;
                Test::FailedCheck { set: TextSet::OneOf(names), missing, negated }
            }
            (Test::Row { data, set, negated }, Test::Row { set: more, .. }) => {
                Test::Row { data, set: set.or(more), negated }
            }
            (Test::Variable { name, set, negated }, Test::Variable { set: more, .. }) => {
                Test::Variable { name, set: set.or(more), negated }
            }
            (
                Test::Tag { name, set: TextSet::OneOf(mut values), missing, negated },
                Test::Tag { set: TextSet::OneOf(more), missing: also, .. },
            ) => {
                values.extend(more);
                let (set, missing) = (TextSet::OneOf(values), missing || also);
                Test::Tag { name, set, missing, negated }
            }
            (first, _) => first,
        }
    }

    /// Makes the test ready for the requests and targets of a scenario.
    pub(super) fn bind(&self, scenario: &Scenario) -> Result<BoundTest, ExpressionError> {
        Ok(match self {
            Test::Number { of, set, negated } => {
                BoundTest::Number { of: *of, set: set.clone(), negated: *negated }
            }
            Test::Text { of, set, negated } => {
                let names = names(*of, scenario);
                let passes = passing(set, *of, &names, *negated)?;
                match of {
                    TextField::Name | TextField::Method => BoundTest::Request(passes),
                    TextField::Target => BoundTest::Target(passes),
                    TextField::Population => BoundTest::Population(passes),
                }
            }
            Test::Outcome { outcomes, negated } => {
                let bits = outcomes.iter().fold(0_u8, |bits, index| bits | 1 << index);
                BoundTest::Outcome { bits: if *negated { !bits } else { bits } }
            }
            Test::ErrorKind { kinds, missing, negated } => {
                let mut passes = Box::new([*negated; 257]);
                for kind in kinds {
                    passes[usize::from(kind.code())] = !negated;
                }
                passes[NO_KIND] = missing != negated;
                BoundTest::ErrorKind(passes)
            }
            Test::Irregularity { kinds, missing, negated } => {
                BoundTest::Irregularity { kinds: *kinds, missing: *missing, negated: *negated }
            }
            Test::Protocol { protocols, missing, negated } => {
                let (protocols, missing) = (protocols.clone(), *missing);
                BoundTest::Protocol { protocols, missing, negated: *negated }
            }
            Test::Reused { wanted, negated } => {
                BoundTest::Reused { wanted: *wanted, negated: *negated }
            }
            Test::FailedCheck { set, missing, negated } => {
                let (checks, missing) = (passing_checks(set, scenario)?, *missing);
                BoundTest::FailedCheck { checks, missing, negated: *negated }
            }
            Test::Row { data: (name, span), set, negated } => {
                let names: Vec<&str> =
                    scenario.values.data.iter().map(|data| data.name.as_str()).collect();
                let data = position(name, span, "data file", &names)?;
                BoundTest::Row { data, set: set.clone(), negated: *negated }
            }
            Test::Variable { name: (name, span), set, negated } => {
                let variables = &scenario.values.variables;
                let names: Vec<&str> = variables.iter().map(|one| one.name.as_str()).collect();
                let id = position(name, span, "variable", &names)?;
                if variables.get(usize::from(id)).is_some_and(|variable| variable.is_secret) {
                    let kind = ExpressionErrorKind::Withheld { name: name.clone() };
                    return Err(ExpressionError::new(kind, span.clone()));
                }
                BoundTest::Variable { id: VariableId(id), set: set.clone(), negated: *negated }
            }
            Test::Tag { name, set, missing, negated } => {
                let passes = passing_tags(set, name, (*missing, *negated), scenario)?;
                BoundTest::Tagged { passes, requests: scenario.requests.len() }
            }
        })
    }
}

/// Index of "no error" behind the codes of all kinds.
const NO_KIND: usize = 256;

/// The text of each request or target.
fn names(of: TextField, scenario: &Scenario) -> Vec<&str> {
    match of {
        TextField::Name => scenario.requests.iter().map(|r| r.name.as_str()).collect(),
        TextField::Method => scenario.requests.iter().map(|r| r.method.as_str()).collect(),
        TextField::Target => scenario.targets.iter().map(|t| t.name.as_str()).collect(),
        TextField::Population => scenario.populations.iter().map(|p| p.name.as_str()).collect(),
    }
}

/// By request: a bit for each of its checks that passes.
fn passing_checks(set: &TextSet, scenario: &Scenario) -> Result<Box<[u64]>, ExpressionError> {
    set.check("check", scenario.requests.iter().flat_map(checks))?;
    let bits = scenario.requests.iter().map(|request| {
        let bits = (0..u64::BITS).zip(checks(request)).filter(|(_, name)| set.has(name));
        bits.fold(0, |bits, (bit, _)| bits | 1 << bit)
    });
    Ok(bits.collect())
}

/// By population and request: whether their tag of this name passes.
fn passing_tags(
    set: &TextSet,
    name: &str,
    (missing, negated): (bool, bool),
    scenario: &Scenario,
) -> Result<Box<[bool]>, ExpressionError> {
    let of_users = scenario.populations.iter().flat_map(|users| &users.tags);
    let tags = scenario.requests.iter().flat_map(|request| &request.tags).chain(of_users);
    set.check_tag(name, tags.map(|tag| (tag.name.as_str(), tag.value.as_str())))?;
    let passes = |value: Option<&str>| value.map_or(missing, |value| set.has(value)) != negated;
    let each = scenario.populations.iter().flat_map(|users| {
        let of = |request: &Request| passes(request.tag(name).or(users.tag(name)));
        scenario.requests.iter().map(of)
    });
    Ok(each.collect())
}

/// By request or target: whether it passes.
fn passing(
    set: &TextSet,
    of: TextField,
    names: &[&str],
    negated: bool,
) -> Result<Box<[bool]>, ExpressionError> {
    let what = match of {
        TextField::Name => "request",
        TextField::Method => "method",
        TextField::Target => "target",
        TextField::Population => "population",
    };
    set.check(what, names.iter().copied())?;
    Ok(names.iter().map(|name| set.has(name) != negated).collect())
}

/// The names of the checks of a request.
fn checks(request: &Request) -> impl Iterator<Item = &str> {
    request.reading.checks.iter().map(|check| check.name.as_str())
}

/// The position of a name among those of the scenario.
fn position(
    name: &str,
    span: &Range<usize>,
    field: &'static str,
    names: &[&str],
) -> Result<u16, ExpressionError> {
    TextSet::OneOf(vec![(name.to_owned(), span.clone())]).check(field, names.iter().copied())?;
    let position = names.iter().position(|known| *known == name).unwrap_or(usize::MAX);
    Ok(u16::try_from(position).unwrap_or(u16::MAX))
}

/// A test with all names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BoundTest {
    Number {
        of: NumberField,
        set: NumberSet,
        negated: bool,
    },
    /// By request.
    Request(Box<[bool]>),
    /// By target.
    Target(Box<[bool]>),
    /// By population.
    Population(Box<[bool]>),
    /// By population and request.
    Tagged {
        passes: Box<[bool]>,
        requests: usize,
    },
    Outcome {
        bits: u8,
    },
    /// By code of the kind; the last for none.
    ErrorKind(Box<[bool; 257]>),
    Irregularity {
        kinds: Irregularities,
        missing: bool,
        negated: bool,
    },
    Protocol {
        protocols: Vec<Protocol>,
        missing: bool,
        negated: bool,
    },
    Reused {
        wanted: Option<bool>,
        negated: bool,
    },
    /// By index of the data file.
    Row {
        data: u16,
        set: NumberSet,
        negated: bool,
    },
    Variable {
        id: VariableId,
        set: ValueSet,
        negated: bool,
    },
    FailedCheck {
        /// By request: a bit for each check that passes.
        checks: Box<[u64]>,
        missing: bool,
        negated: bool,
    },
}

impl BoundTest {
    #[inline]
    pub(super) fn matches(&self, row: &RequestRow, values: RowValues<'_>) -> bool {
        match self {
            BoundTest::Row { data, set, negated } => set.has(values.row(*data)) != *negated,
            BoundTest::Variable { id, set, negated } => set.has(values.variable(*id)) != *negated,
            BoundTest::Number { of, set, negated } => set.has(of.value(row)) != *negated,
            BoundTest::Request(passes) => passes.get(row.request.index()) == Some(&true),
            BoundTest::Target(passes) => passes.get(row.target.index()) == Some(&true),
            BoundTest::Tagged { passes, requests } => {
                let of_users = usize::from(row.population.0) * requests;
                row.request.index() < *requests
                    && passes.get(of_users + row.request.index()) == Some(&true)
            }
            BoundTest::Population(passes) => {
                passes.get(usize::from(row.population.0)) == Some(&true)
            }
            BoundTest::Outcome { bits } => bits >> row.outcome.index() & 1 == 1,
            BoundTest::ErrorKind(passes) => {
                passes[row.outcome.error().map_or(NO_KIND, |kind| usize::from(kind.code()))]
            }
            BoundTest::Irregularity { kinds, missing, negated } => {
                let found = row.irregularities;
                let passes = kinds.meets(found) || *missing && found.is_empty();
                passes != *negated
            }
            BoundTest::Protocol { protocols, missing, negated } => {
                let is_one = |protocol| protocols.contains(&protocol);
                row.protocol.map_or(*missing, is_one) != *negated
            }
            BoundTest::Reused { wanted, negated } => (row.reused == *wanted) != *negated,
            BoundTest::FailedCheck { checks, missing, negated } => {
                let failed = row.failed_checks;
                let wanted = checks.get(row.request.index()).is_some_and(|one| one & failed != 0);
                (wanted || *missing && failed == 0) != *negated
            }
        }
    }
}
