//! The file header: what a run was, before its first event. Knows no file and no scenario format.

use crate::error::LogError;
use crate::ids::{TargetId, WorkerId};
use crate::limits::{MAX_ADDRESSES, MAX_HEADER_BYTES, MAX_LIST_ITEMS, MAX_WORKERS};
use crate::partition::Partition;
use crate::wire::{Fields, put_count, put_text};

/// The first eight bytes of a log. As in PNG, a 7-bit channel, a conversion of line ends and a DOS
/// `type` each change them in their own way.
pub const MAGIC: [u8; 8] = [0x89, b'Z', b'6', b'L', b'\r', b'\n', 0x1A, b'\n'];
/// The format this crate writes.
pub const FORMAT_VERSION: u16 = 2;
/// The lowest format a reader must know to read what this crate writes.
pub const LOWEST_READER_VERSION: u16 = 2;
/// The oldest format that this crate reads.
pub const OLDEST_FORMAT_VERSION: u16 = 2;

/// The fact about the host that says why a log has no arrival stamps though it should have them.
pub const NO_ARRIVAL_STAMPS: &str = "no_arrival_stamps";

/// Flag of the header: `done`, `redirected`, `failed` and `resent` have arrival stamps.
const ARRIVAL_STAMPS: u32 = 1 << 0;
/// The flags that this version knows.
const ALL_FLAGS: u32 = ARRIVAL_STAMPS;
/// Their place in the file.
const FLAGS_AT: std::ops::Range<usize> = 32..36;
/// The place of the number of workers.
const WORKERS_AT: std::ops::Range<usize> = 24..26;

/// Magic, two versions, length of the body.
pub(crate) const PREFIX_BYTES: usize = 16;
pub(crate) const CRC_BYTES: usize = 4;

/// The driver of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Driver {
    /// Real sockets and a real clock.
    #[default]
    Reactor = 1,
    /// The simulated clock, network and server.
    Simulation = 2,
}

impl Driver {
    /// Its name: `run.driver` in metrics.json.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Driver::Reactor => "reactor",
            Driver::Simulation => "simulation",
        }
    }
}

/// The load model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Model {
    /// VUs, each of which waits for its response before it sends the next request.
    Closed = 1,
    /// Arrivals at planned instants.
    Open = 2,
    /// Several populations, of both kinds.
    Mixed = 3,
}

/// The resolved addresses of one target, in the order connections are rotated over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetAddresses {
    /// The target.
    pub target: TargetId,
    /// `ip:port` each (`[ip]:port` for IPv6).
    pub addresses: Vec<String>,
}

/// The header of a log. In a simulated run epochs, addresses, host and build facts are zero or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHeader {
    /// Format of the log.
    pub format_version: u16,
    /// The lowest format a reader must know.
    pub lowest_reader_version: u16,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// Number of workers, at least 1.
    pub workers: u16,
    /// The part of a run spread over processes that this log holds, from 0.
    pub shard: u16,
    /// The number of such parts, at least 1.
    pub shards: u16,
    /// What drives the engine.
    pub driver: Driver,
    /// The load model.
    pub model: Option<Model>,
    /// Whether the log says when responses had arrived.
    pub arrival_stamps: bool,
    /// Wall clock at tick 0, nanoseconds since 1970-01-01T00:00:00Z.
    pub wall_epoch_ns: u64,
    /// Monotonic clock at tick 0, nanoseconds.
    pub monotonic_epoch_ns: u64,
    /// Digest of the plan that scenario and seed fix.
    pub plan_digest: [u8; 32],
    /// Version of the engine that decided.
    pub engine_version: String,
    /// Command-line overrides, in the order given.
    pub overrides: Vec<(String, String)>,
    /// Limits in force, by name.
    pub limits: Vec<(String, u64)>,
    /// Resolved addresses.
    pub addresses: Vec<TargetAddresses>,
    /// Facts about the machine.
    pub host: Vec<(String, String)>,
    /// Facts about the build.
    pub build: Vec<(String, String)>,
    /// State of the wall clock at tick 0, by name. Empty unless the run has several shards or a given start.
    pub clock: Vec<(String, u64)>,
    /// The scenario file, complete and unchanged.
    pub scenario_text: String,
}

impl Default for LogHeader {
    /// One worker, one shard, the current format, everything else zero or empty.
    fn default() -> LogHeader {
        LogHeader {
            format_version: FORMAT_VERSION,
            lowest_reader_version: LOWEST_READER_VERSION,
            seed: 0,
            workers: 1,
            shard: 0,
            shards: 1,
            driver: Driver::Reactor,
            model: None,
            arrival_stamps: false,
            wall_epoch_ns: 0,
            monotonic_epoch_ns: 0,
            plan_digest: [0; 32],
            engine_version: String::new(),
            overrides: Vec::new(),
            limits: Vec::new(),
            addresses: Vec::new(),
            host: Vec::new(),
            build: Vec::new(),
            clock: Vec::new(),
            scenario_text: String::new(),
        }
    }
}

impl LogHeader {
    /// The part of the run that this log holds; its worker is 0.
    ///
    /// # Panics
    /// If there is no worker, or `shard` is not below `shards`. No header that was read is like that.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        Partition::new(self.shard, self.shards, WorkerId(0), self.workers)
    }

    /// The bytes of the header, with which the file begins.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] past [`MAX_HEADER_BYTES`], 65,536 items in a list, or
    /// [`MAX_ADDRESSES`].
    pub fn encode(&self) -> Result<Vec<u8>, LogError> {
        let mut out = Vec::with_capacity(self.scenario_text.len() + 4096);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.format_version.to_le_bytes());
        out.extend_from_slice(&self.lowest_reader_version.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        self.put_numbers(&mut out);
        put_text(&mut out, &self.engine_version);
        put_pairs(&mut out, &self.overrides)?;
        put_numbers_by_name(&mut out, &self.limits)?;
        let addresses = self.addresses.iter().map(|of_target| of_target.addresses.len()).sum();
        within(addresses, MAX_ADDRESSES)?;
        put_list(&mut out, &self.addresses, |out, of_target| {
            out.extend_from_slice(&of_target.target.0.to_le_bytes());
            put_list(out, &of_target.addresses, |out, address| {
                put_text(out, address);
                Ok(())
            })
        })?;
        put_pairs(&mut out, &self.host)?;
        put_pairs(&mut out, &self.build)?;
        put_numbers_by_name(&mut out, &self.clock)?;
        put_text(&mut out, &self.scenario_text);
        within(out.len() + CRC_BYTES, MAX_HEADER_BYTES)?;
        let body = (out.len() - PREFIX_BYTES) as u32;
        out[PREFIX_BYTES - 4..PREFIX_BYTES].copy_from_slice(&body.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        Ok(out)
    }

    fn put_numbers(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seed.to_le_bytes());
        out.extend_from_slice(&self.workers.to_le_bytes());
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&self.shards.to_le_bytes());
        out.push(self.driver as u8);
        out.push(self.model.map_or(0, |model| model as u8));
        let flags = if self.arrival_stamps { ARRIVAL_STAMPS } else { 0 };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.wall_epoch_ns.to_le_bytes());
        out.extend_from_slice(&self.monotonic_epoch_ns.to_le_bytes());
        out.extend_from_slice(&self.plan_digest);
    }

    /// Reads a whole header, magic to CRC.
    pub(crate) fn decode(bytes: &[u8]) -> Result<LogHeader, LogError> {
        let (covered, crc) = bytes.split_at(bytes.len().saturating_sub(CRC_BYTES));
        if Fields::new(crc).u32() != Some(crc32fast::hash(covered)) {
            return Err(LogError::HeaderDamaged);
        }
        if let Some(flags) = covered.get(FLAGS_AT).and_then(|flags| Fields::new(flags).u32())
            && flags & !ALL_FLAGS != 0
        {
            return Err(LogError::UnknownFlags { flags });
        }
        if let Some(workers) = covered.get(WORKERS_AT).and_then(|bytes| Fields::new(bytes).u16())
            && !(1..=MAX_WORKERS).contains(&u64::from(workers))
        {
            return Err(LogError::Workers { workers });
        }
        let mut fields = Fields::new(covered);
        let header = take_header(&mut fields);
        let offset = fields.taken() as u64;
        let header = header.ok_or(LogError::HeaderMalformed { offset })?;
        // A later format may have more fields behind those known here.
        if header.format_version <= FORMAT_VERSION && !fields.is_empty() {
            return Err(LogError::HeaderMalformed { offset });
        }
        Ok(header)
    }
}

/// Length of the whole header, from its first [`PREFIX_BYTES`] bytes.
pub(crate) fn check_prefix(prefix: &[u8]) -> Result<usize, LogError> {
    check_magic(prefix)?;
    let mut fields = Fields::new(prefix.get(MAGIC.len()..).unwrap_or_default());
    let (Some(version), Some(needs), Some(body)) = (fields.u16(), fields.u16(), fields.u32())
    else {
        return Err(LogError::HeaderTruncated { bytes: prefix.len() as u64 });
    };
    if needs > FORMAT_VERSION {
        return Err(LogError::NewerFormat { version, needs, have: FORMAT_VERSION });
    }
    if version < OLDEST_FORMAT_VERSION {
        return Err(LogError::OlderFormat { version, have: OLDEST_FORMAT_VERSION });
    }
    let whole = PREFIX_BYTES as u64 + u64::from(body) + CRC_BYTES as u64;
    if whole > MAX_HEADER_BYTES as u64 {
        return Err(LogError::TooLarge { bytes: whole, limit: MAX_HEADER_BYTES as u64 });
    }
    Ok(whole as usize)
}

fn check_magic(prefix: &[u8]) -> Result<(), LogError> {
    let length = prefix.len().min(MAGIC.len());
    if prefix[..length] == MAGIC[..length] {
        return Ok(());
    }
    // The first byte may have become one, two or three bytes, and the line ends after it any.
    let spoiled = (1..=3).any(|at| prefix.get(at..at + 3) == Some(&MAGIC[1..4]));
    Err(if spoiled { LogError::TextMode } else { LogError::NotALog })
}

fn take_header(fields: &mut Fields<'_>) -> Option<LogHeader> {
    fields.take(MAGIC.len())?;
    let (format_version, lowest_reader_version) = (fields.u16()?, fields.u16()?);
    fields.u32()?;
    let seed = fields.u64()?;
    let workers = fields.u16()?;
    let shard = fields.u16()?;
    let shards = Some(fields.u16()?).filter(|shards| *shards > shard)?;
    let driver = match fields.u8()? {
        1 => Driver::Reactor,
        2 => Driver::Simulation,
        _ => return None,
    };
    let model = match fields.u8()? {
        0 => None,
        1 => Some(Model::Closed),
        2 => Some(Model::Open),
        3 => Some(Model::Mixed),
        _ => return None,
    };
    let arrival_stamps = fields.u32()? & ARRIVAL_STAMPS != 0;
    let mut addresses_left = MAX_ADDRESSES;
    let mut address = |fields: &mut Fields<'_>| {
        addresses_left = addresses_left.checked_sub(1)?;
        fields.text()
    };
    Some(LogHeader {
        format_version,
        lowest_reader_version,
        seed,
        workers,
        shard,
        shards,
        driver,
        model,
        arrival_stamps,
        wall_epoch_ns: fields.u64()?,
        monotonic_epoch_ns: fields.u64()?,
        plan_digest: fields.bytes32()?,
        engine_version: fields.text()?,
        overrides: fields.list(pair)?,
        limits: fields.list(number_by_name)?,
        addresses: fields.list(|fields| {
            let target = TargetId(fields.u16()?);
            Some(TargetAddresses { target, addresses: fields.list(&mut address)? })
        })?,
        host: fields.list(pair)?,
        build: fields.list(pair)?,
        clock: fields.list(number_by_name)?,
        scenario_text: fields.text()?,
    })
}

fn pair(fields: &mut Fields<'_>) -> Option<(String, String)> {
    Some((fields.text()?, fields.text()?))
}

pub(crate) fn number_by_name(fields: &mut Fields<'_>) -> Option<(String, u64)> {
    Some((fields.text()?, fields.u64()?))
}

pub(crate) fn put_numbers_by_name(
    out: &mut Vec<u8>,
    numbers: &[(String, u64)],
) -> Result<(), LogError> {
    put_list(out, numbers, |out, (name, number)| {
        put_text(out, name);
        out.extend_from_slice(&number.to_le_bytes());
        Ok(())
    })
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[(String, String)]) -> Result<(), LogError> {
    put_list(out, pairs, |out, (key, value)| {
        put_text(out, key);
        put_text(out, value);
        Ok(())
    })
}

/// A u32 count and the items.
fn put_list<T>(
    out: &mut Vec<u8>,
    items: &[T],
    mut put: impl FnMut(&mut Vec<u8>, &T) -> Result<(), LogError>,
) -> Result<(), LogError> {
    within(items.len(), MAX_LIST_ITEMS)?;
    put_count(out, items.len());
    items.iter().try_for_each(|item| put(out, item))
}

/// [`LogError::TooLarge`] unless `size <= limit`.
pub(crate) fn within(size: usize, limit: usize) -> Result<(), LogError> {
    if size > limit {
        return Err(LogError::TooLarge { bytes: size as u64, limit: limit as u64 });
    }
    Ok(())
}
