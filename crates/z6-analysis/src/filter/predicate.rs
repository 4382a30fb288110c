//! Tests on the fields of a request: as parsed, and made ready for a scenario so that each answer takes
//! a few instructions and no memory.

use std::ops::Range;

use z6_events::{ErrorKind, Irregularities, Irregularity, Protocol};
use z6_metrics::RequestRow;
use z6_scenario::expression::{
    Comparison, Decimal, ExpressionError, ExpressionErrorKind, meant, nearest,
};
use z6_scenario::{Request, Scenario};

use super::field::{Field, FieldKind, NumberField, Scale, TextField};

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
    /// The request has this tag with one of these values, or does not have it.
    Tag {
        name: String,
        set: TextSet,
        missing: bool,
        negated: bool,
    },
}

/// Which values pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NumberSet {
    /// Both ends included; empty if they cross.
    Range(u64, u64),
    /// Some, sorted; and perhaps that there is none.
    OneOf { values: Vec<u64>, missing: bool },
}

/// Which names pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextSet {
    /// One of these names, each with its place in the filter.
    OneOf(Vec<(String, Range<usize>)>),
    Contains(String),
}

/// No value is in this one.
const NOTHING: NumberSet = NumberSet::Range(1, 0);

impl NumberSet {
    /// The whole numbers that compare like this with a decimal number, in units of the row.
    pub(super) fn from_comparison(
        comparison: Comparison,
        number: Decimal,
        scale: Scale,
    ) -> NumberSet {
        // Both fit: at most 28 digits, times at most 10^9.
        let scaled = number.digits * scale.factor();
        let unit = 10_u128.pow(number.decimals);
        let (floor, ceiling) = (scaled / unit, scaled.div_ceil(unit));
        let from = |least: u128| match u64::try_from(least) {
            Ok(least) => NumberSet::Range(least, u64::MAX),
            Err(_) => NOTHING,
        };
        let to = |most: u128| NumberSet::Range(0, u64::try_from(most).unwrap_or(u64::MAX));
        match comparison {
            Comparison::Equal | Comparison::NotEqual => match u64::try_from(floor) {
                Ok(value) if floor == ceiling => NumberSet::Range(value, value),
                Ok(_) | Err(_) => NOTHING,
            },
            Comparison::Greater => from(floor + 1),
            Comparison::AtLeast => from(ceiling),
            Comparison::AtMost => to(floor),
            Comparison::Less if ceiling == 0 => NOTHING,
            Comparison::Less => to(ceiling - 1),
        }
    }

    #[inline]
    fn has(&self, value: Option<u64>) -> bool {
        match (self, value) {
            (NumberSet::Range(..), None) => false,
            (NumberSet::Range(low, high), Some(value)) => (*low..=*high).contains(&value),
            (NumberSet::OneOf { missing, .. }, None) => *missing,
            (NumberSet::OneOf { values, .. }, Some(value)) => values.binary_search(&value).is_ok(),
        }
    }

    /// The value is missing.
    pub(super) const fn missing() -> NumberSet {
        NumberSet::OneOf { values: Vec::new(), missing: true }
    }

    /// Of sets with one value at most: their values, and whether a missing one passes.
    fn listed(self) -> (Vec<u64>, bool) {
        match self {
            NumberSet::Range(low, high) => {
                ((low == high).then_some(low).into_iter().collect(), false)
            }
            NumberSet::OneOf { values, missing } => (values, missing),
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
                let ((mut values, missing), (more, also)) = (set.listed(), more.listed());
                values.extend(more);
                values.sort_unstable();
                values.dedup();
                let set = NumberSet::OneOf { values, missing: missing || also };
                Test::Number { of, set, negated }
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
                let passes = set.passes(*of, &names, *negated)?;
                match of {
                    TextField::Name | TextField::Method => BoundTest::Request(passes),
                    TextField::Target => BoundTest::Target(passes),
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
                let (checks, missing) = (set.checks(scenario)?, *missing);
                BoundTest::FailedCheck { checks, missing, negated: *negated }
            }
            Test::Tag { name, set, missing, negated } => {
                BoundTest::Request(set.tagged(name, *missing, *negated, scenario)?)
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
    }
}

impl TextSet {
    /// By request: a bit for each of its checks that passes.
    fn checks(&self, scenario: &Scenario) -> Result<Box<[u64]>, ExpressionError> {
        if let TextSet::OneOf(wanted) = self {
            let names: Vec<&str> = scenario.requests.iter().flat_map(checks).collect();
            are_known(wanted, "check", &names)?;
        }
        let passes = |name: &str| match self {
            TextSet::OneOf(wanted) => wanted.iter().any(|(wanted, _)| wanted == name),
            TextSet::Contains(part) => name.contains(part),
        };
        let bits = scenario.requests.iter().map(|request| {
            let bits = (0..u64::BITS).zip(checks(request)).filter(|(_, name)| passes(name));
            bits.fold(0, |bits, (bit, _)| bits | 1 << bit)
        });
        Ok(bits.collect())
    }

    /// By request: whether its tag of this name passes.
    fn tagged(
        &self,
        name: &str,
        missing: bool,
        negated: bool,
        scenario: &Scenario,
    ) -> Result<Box<[bool]>, ExpressionError> {
        let tags: Vec<Option<&str>> =
            scenario.requests.iter().map(|request| request.tag(name)).collect();
        if let TextSet::OneOf(wanted) = self {
            let known: Vec<&str> = tags.iter().copied().flatten().collect();
            if let (true, Some((_, span))) = (known.is_empty(), wanted.first()) {
                let all = scenario.requests.iter().flat_map(|request| &request.tags);
                let names: Vec<&str> = all.map(|tag| tag.name.as_str()).collect();
                are_known(&[(name.to_owned(), span.clone())], "tag", &names)?;
            }
            are_known(wanted, "tag value", &known)?;
        }
        let passes = |value: &str| match self {
            TextSet::OneOf(wanted) => wanted.iter().any(|(wanted, _)| wanted == value),
            TextSet::Contains(part) => value.contains(part),
        };
        Ok(tags.iter().map(|tag| tag.map_or(missing, passes) != negated).collect())
    }

    /// By request or target: whether it passes.
    fn passes(
        &self,
        of: TextField,
        names: &[&str],
        negated: bool,
    ) -> Result<Box<[bool]>, ExpressionError> {
        let wanted = match self {
            TextSet::Contains(part) => {
                return Ok(names.iter().map(|name| name.contains(part) != negated).collect());
            }
            TextSet::OneOf(wanted) => wanted,
        };
        let field = match of {
            TextField::Name => "request",
            TextField::Method => "method",
            TextField::Target => "target",
        };
        are_known(wanted, field, names)?;
        let is_wanted = |name: &&str| wanted.iter().any(|(wanted, _)| wanted == name);
        Ok(names.iter().map(|name| is_wanted(name) != negated).collect())
    }
}

/// The names of the checks of a request.
fn checks(request: &Request) -> impl Iterator<Item = &str> {
    request.reading.checks.iter().map(|check| check.name.as_str())
}

/// That the scenario has each of these names.
fn are_known(
    wanted: &[(String, Range<usize>)],
    field: &'static str,
    names: &[&str],
) -> Result<(), ExpressionError> {
    let unknown = wanted.iter().find(|(name, _)| !names.contains(&name.as_str()));
    let Some((name, span)) = unknown else { return Ok(()) };
    let kind = ExpressionErrorKind::UnknownName { field, name: name.clone() };
    let near = || nearest(name, names.iter().copied()).map(meant);
    Err(ExpressionError::new(kind, span.clone()).or_hint(near))
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
    FailedCheck {
        /// By request: a bit for each check that passes.
        checks: Box<[u64]>,
        missing: bool,
        negated: bool,
    },
}

impl BoundTest {
    #[inline]
    pub(super) fn matches(&self, row: &RequestRow) -> bool {
        match self {
            BoundTest::Number { of, set, negated } => set.has(of.value(row)) != *negated,
            BoundTest::Request(passes) => passes.get(row.request.index()) == Some(&true),
            BoundTest::Target(passes) => passes.get(row.target.index()) == Some(&true),
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
