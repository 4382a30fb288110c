//! The event log of Z6: events, their encoding, and the file they are written to.
//!
//! This crate is pure: it turns events into bytes and bytes into events. It knows no clock, file, socket,
//! thread, scenario or engine.
//!
//! Reading order: [`ids`] (ticks and small numbers), `arrival` (when responses arrived), [`limits`] (the bounds of the format), `partition` (which
//! actors a worker has), `loops` (event loops of several logs), [`error_kind`] (why requests fail), [`irregularity`] (what responses break), [`codes`] (closed
//! sets of reasons), [`protocol`] (what connections speak), [`event`] (the vocabulary), [`text`] (events as lines), `printable` (text from elsewhere as it is shown). Then the
//! encoding: `varint` (numbers), `predict`
//! (what a record leaves out), `fused` (`sent` and `done`), `value` and [`codec`] (all records), [`block`].
//! Then the file: [`digest`], [`header`], [`attachment`], [`block_header`], [`footer`],
//! [`assembler`] writing and [`reader`] reading, [`walk`](fn@walk) from a file to its events, `shards` from the files of one run. Beside them `slots` (a table by slot number) and [`exchange`],
//! which joins an end with its beginning, `shard_stop` and `start_clock` (names among the totals of a footer).
//! docs/EVENT_LOG.md describes the bytes.
#![forbid(unsafe_code)]

mod arrival;
pub mod codes;
pub mod error;
pub mod error_kind;
pub mod event;
pub mod ids;
pub mod irregularity;
pub mod limits;
mod loops;
mod partition;
mod phase;
mod printable;
pub mod protocol;
pub mod text;
mod tls_words;

pub mod block;
pub mod codec;
mod fused;
mod predict;
pub mod register;
mod value;
mod varint;

pub mod assembler;
pub mod attachment;
pub mod block_header;
pub mod digest;
pub mod footer;
pub mod header;
pub mod reader;
mod source;
mod wire;

#[doc(hidden)]
pub mod canary;
pub mod exchange;
#[doc(hidden)]
pub mod forge;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod shard_stop;
mod shards;
mod slots;
mod start_clock;
mod walk;

pub use arrival::ArrivalStamp;
pub use assembler::LogAssembler;
pub use attachment::Attachment;
pub use block::{BLOCK_BUFFER_BYTES, BlockBuilder, BlockDecoder, EventCounts, Events, SealedBlock};
pub use block_header::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, Phase};
pub use codes::{
    CloseCause, NeverSentReason, NoteKind, ReleaseCause, ResendCause, StopReason, StoppedBy,
};
pub use digest::LogDigest;
pub use error::{BlockFull, DecodeError, LogError, PairingError, TearReason};
pub use error_kind::{ErrorGroup, ErrorKind, STALE_IDLE_NS};
pub use event::{
    ByteRange, Cause, Event, EventClass, Failure, LoggedValue, NextHop, PlannedRequest, Response,
    Sample,
};
pub use exchange::{
    ConnectionEnd, ConnectionFacts, ExchangeTable, Observed, Outcome, RequestEnded, SentFacts,
};
pub use footer::{Footer, FooterFacts};
pub use header::{Driver, FORMAT_VERSION, LogHeader, Model, NO_ARRIVAL_STAMPS, TargetAddresses};
pub use ids::{
    Actor, ConnectionSlot, ExchangeSlot, Population, RequestId, Step, TargetId, Tick, VariableId,
    WorkerId,
};
pub use irregularity::{Irregularities, Irregularity, is_server_error};
pub use loops::Loops;
pub use partition::{Partition, Shard};
pub use phase::{FirstFailure, PhaseTally};
pub use printable::{is_hidden, json_string, printable, printable_json, printable_lines};
pub use protocol::{ConnectedAs, Http2Sample, Protocol, TlsNegotiated};
pub use reader::{BlockView, Ending, LogReader};
pub use shard_stop::ShardStop;
pub use shards::{
    EventSource, MergeStep, MergedReader, Misfit, RunMark, is_same_run, misfits, run_receipt,
};
pub use slots::SlotTable;
pub use start_clock::{start_clock, start_clock_totals};
pub use text::{EventLine, event_name};
pub use value::MAX_VALUE_BYTES;
pub use walk::{BlockEnd, DecodedBlock, Visitor, WalkError, walk};
