//! The text forms of simulation settings: what users write and what log headers say.
//! One canonical form for each value; others are read too.

use std::fmt;
use z6_events::canary::is_planted;

use super::{
    BodyBytes, Delay, MAX_BODY_BYTES, MAX_DELAY_NS, MAX_SERVERS, MAX_SIGMA_MILLIONTHS, MAX_STREAMS,
    Share, StatusShare,
};
use crate::duration::{self, with_units};
use crate::error::ScenarioError;
use crate::load::{scaled, unscaled};

/// `none`, or a value.
pub(super) fn optional<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, ScenarioError>,
) -> Result<Option<T>, ScenarioError> {
    if text == "none" { Ok(None) } else { read(text).map(Some) }
}

/// A whole number within [min, max].
pub(super) fn count(text: &str, min: u64, max: u64) -> Result<u64, ScenarioError> {
    let number = scaled(text, 0)?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(ScenarioError::SettingRange { min, max })
    }
}

pub(super) fn servers(text: &str) -> Result<u32, ScenarioError> {
    let number = count(text, 1, u64::from(MAX_SERVERS))?;
    u32::try_from(number).map_err(|_| ScenarioError::TooLarge)
}

pub(super) fn streams(text: &str) -> Result<u32, ScenarioError> {
    let number = count(text, 1, u64::from(MAX_STREAMS))?;
    u32::try_from(number).map_err(|_| ScenarioError::TooLarge)
}

/// A decimal from 0 to 1.
pub(super) fn share(text: &str) -> Result<Share, ScenarioError> {
    let millionths = scaled(text, 6)?;
    let millionths = if is_planted("simulation") { millionths % 500_000 } else { millionths };
    let share = u32::try_from(millionths).ok().and_then(Share::from_millionths);
    share.ok_or(ScenarioError::ShareAboveOne)
}

/// A delay of at most an hour, with its units: `1.5ms`. A 0 needs none.
pub(super) fn duration(text: &str) -> Result<u64, ScenarioError> {
    let ns = with_units(text)?;
    if ns > MAX_DELAY_NS { Err(ScenarioError::DelayTooLong) } else { Ok(ns) }
}

/// A distribution: `exponential:2ms`; a duration alone is constant.
pub(super) fn delay(text: &str) -> Result<Delay, ScenarioError> {
    let Some((name, rest)) = text.split_once(':') else {
        return match text.bytes().next() {
            Some(b'0'..=b'9' | b'+' | b'-') => Ok(Delay::Constant { ns: duration(text)? }),
            _ => Err(ScenarioError::DelayForm),
        };
    };
    let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
    match (name, parts.as_slice()) {
        ("constant", [one]) => Ok(Delay::Constant { ns: duration(one)? }),
        ("uniform", [range]) => {
            let (low, high) = range.split_once("..").ok_or(ScenarioError::DelayForm)?;
            let (low_ns, high_ns) = (duration(low)?, duration(high)?);
            if low_ns > high_ns {
                return Err(ScenarioError::RangeBackwards);
            }
            Ok(Delay::Uniform { low_ns, high_ns })
        }
        ("exponential", [mean]) => Ok(Delay::Exponential { mean_ns: duration(mean)? }),
        ("log_normal", [median, sigma]) => {
            let (median_ns, sigma_millionths) = (duration(median)?, scaled(sigma, 6)?);
            if sigma_millionths > MAX_SIGMA_MILLIONTHS {
                return Err(ScenarioError::SigmaTooLarge);
            }
            Ok(Delay::LogNormal { median_ns, sigma_millionths })
        }
        ("bimodal", [usual, tail, tail_share]) => Ok(Delay::Bimodal {
            usual_ns: duration(usual)?,
            tail_ns: duration(tail)?,
            tail: share(tail_share)?,
        }),
        _ => Err(ScenarioError::DelayForm),
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Delay::Constant { ns } => write!(f, "constant:{}", duration::write(ns)),
            Delay::Uniform { low_ns, high_ns } => {
                write!(f, "uniform:{}..{}", duration::write(low_ns), duration::write(high_ns))
            }
            Delay::Exponential { mean_ns } => {
                write!(f, "exponential:{}", duration::write(mean_ns))
            }
            Delay::LogNormal { median_ns, sigma_millionths } => {
                let sigma = unscaled(sigma_millionths, 6);
                write!(f, "log_normal:{},{sigma}", duration::write(median_ns))
            }
            Delay::Bimodal { usual_ns, tail_ns, tail } => {
                let (usual, tail_ns) = (duration::write(usual_ns), duration::write(tail_ns));
                write!(f, "bimodal:{usual},{tail_ns},{tail}")
            }
        }
    }
}

impl fmt::Display for Share {
    /// An exact decimal: `0.01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&unscaled(u64::from(self.0), 6))
    }
}

impl fmt::Display for BodyBytes {
    /// `128`, or `0..4096`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{}..{}", self.min, self.max)
        }
    }
}

/// `128`, or `0..4096`.
pub(super) fn body_bytes(text: &str) -> Result<BodyBytes, ScenarioError> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let min = count(min.trim(), 0, MAX_BODY_BYTES)?;
    let max = count(max.trim(), 0, MAX_BODY_BYTES)?;
    if min > max { Err(ScenarioError::RangeBackwards) } else { Ok(BodyBytes { min, max }) }
}

/// `503=0.1,404=0.01` in any order, or `none`.
pub(super) fn statuses(text: &str) -> Result<Vec<StatusShare>, ScenarioError> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let mut list = Vec::new();
    for entry in text.split(',') {
        let (status, part) = entry.split_once('=').ok_or(ScenarioError::StatusForm)?;
        list.push((status.trim().to_owned(), share(part.trim())?));
    }
    collect_statuses(list)
}

/// Statuses with their shares, checked and put in order; those of no share left out.
pub(crate) fn collect_statuses(
    list: impl IntoIterator<Item = (String, Share)>,
) -> Result<Vec<StatusShare>, ScenarioError> {
    let mut found: Vec<StatusShare> = Vec::new();
    for (text, share) in list {
        let status = match scaled(&text, 0) {
            Ok(number @ 201..=599) => u16::try_from(number).map_err(|_| ScenarioError::TooLarge)?,
            _ => return Err(ScenarioError::Status { text }),
        };
        if found.iter().any(|known| known.status == status) {
            return Err(ScenarioError::RepeatedStatus { status });
        }
        found.push(StatusShare { status, share });
    }
    let sum: u64 = found.iter().map(|entry| u64::from(entry.share.millionths())).sum();
    if sum > u64::from(Share::ONE.millionths()) {
        return Err(ScenarioError::ShareAboveOne);
    }
    found.retain(|entry| !entry.share.is_zero());
    found.sort_by_key(|entry| entry.status);
    Ok(found)
}

pub(super) fn write_statuses(list: &[StatusShare]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    let entries: Vec<String> =
        list.iter().map(|entry| format!("{}={}", entry.status, entry.share)).collect();
    entries.join(",")
}
