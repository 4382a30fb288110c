//! The log-writer thread: seals blocks, writes them at once, and lets an observer see each event,
//! decoded from the bytes that were written.
//! Knows nothing of files: [`LogFile`] does.

use crossbeam_channel::{Receiver, Sender};
use z6_events::{FooterFacts, LogAssembler, LogDigest, LogHeader, Phase, SealedBlock, StoppedBy};
use z6_scenario::PROJECTION_PREFIX;

use super::beginning::{Beginning, ForLog, Totals};
use super::meeting::Outbox;
use super::shared::Notice;
use crate::log_file::{LogError, LogFile, LogTarget};
use crate::observer::{Observer, ReadBack};
use crate::run_end::{LOG_RESERVE_BYTES_PER_WORKER, RunEnd};

/// A file the scenario names, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// Its path as written in the scenario.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// What the writer leaves behind.
pub(super) struct WriterEnd<O> {
    pub(super) observer: O,
    pub(super) end: RunEnd,
    /// The receipt; none if the log has no footer.
    pub(super) digest: Option<LogDigest>,
    pub(super) bytes: u64,
}

/// A log being written.
pub(super) struct LogWriter<O> {
    output: LogFile,
    assembler: LogAssembler,
    read_back: ReadBack,
    observer: O,
    full: Receiver<SealedBlock>,
    empty: Vec<Sender<Vec<u8>>>,
    /// Workers of the run itself.
    workers: usize,
    notices: Sender<Notice>,
    limit_bytes: u64,
    /// How much further it may go in tear-down.
    teardown_bytes: u64,
    limit_told: Option<Phase>,
    stop_told: bool,
    answer_told: Option<Phase>,
    /// Said before the first block of the run itself, or where there is none before the end.
    beginning: Receiver<Beginning>,
    /// None unless what this shard sees is judged over all shards.
    outbox: Option<Outbox>,
    /// None until the run itself begins.
    totals: Option<Totals>,
    /// Why it does not, once that is known.
    not_begun: Option<StoppedBy>,
}

/// What the writer is given.
pub(super) struct WriterParts<O> {
    pub(super) observer: O,
    pub(super) full: Receiver<SealedBlock>,
    pub(super) empty: Vec<Sender<Vec<u8>>>,
    pub(super) notices: Sender<Notice>,
    pub(super) limit_bytes: u64,
    /// Tear-down follows, and has to fit as well.
    pub(super) has_teardown: bool,
    /// How the run itself begins, sent before its workers do.
    pub(super) beginning: Receiver<Beginning>,
}

impl<O: Observer> LogWriter<O> {
    /// Creates the file and writes the header and what is attached.
    pub(super) fn begin(
        target: &LogTarget,
        header: &LogHeader,
        attached: &[AttachedFile],
        attached_bytes_max: u64,
        parts: WriterParts<O>,
    ) -> Result<LogWriter<O>, LogError> {
        let mut output = LogFile::create(target)?;
        let (mut assembler, bytes) = LogAssembler::new(header)?;
        output.write(&bytes)?;
        let mut stored_bytes = 0u64;
        for file in attached {
            let length = file.content.len() as u64;
            // How many rows a data file has is always there: replay draws by it.
            let stored = file.name.starts_with(PROJECTION_PREFIX)
                || stored_bytes + length <= attached_bytes_max;
            stored_bytes += if stored { length } else { 0 };
            output.write(&assembler.attachment(&file.name, &file.content, stored)?)?;
        }
        let teardown_bytes = if parts.has_teardown { 2 * LOG_RESERVE_BYTES_PER_WORKER } else { 0 };
        let reserve = LOG_RESERVE_BYTES_PER_WORKER * u64::from(header.workers) + teardown_bytes;
        Ok(LogWriter {
            output,
            assembler,
            read_back: ReadBack::new(header),
            observer: parts.observer,
            full: parts.full,
            empty: parts.empty,
            workers: usize::from(header.workers),
            notices: parts.notices,
            limit_bytes: parts.limit_bytes.saturating_sub(reserve),
            teardown_bytes: teardown_bytes / 2,
            limit_told: None,
            stop_told: false,
            answer_told: None,
            beginning: parts.beginning,
            outbox: None,
            totals: None,
            not_begun: None,
        })
    }

    /// Writes until all workers have hung up, then the footer. `whole` says whether every worker
    /// ended normally: only then does the log get a footer.
    pub(super) fn run(mut self, whole: impl FnOnce() -> bool) -> WriterEnd<O> {
        self.output.keep();
        let mut failed = false;
        while let Ok(mut block) = self.full.recv() {
            if !failed && let Err(error) = self.take(&mut block) {
                failed = true;
                self.tell(Notice::LogFailed(error));
            }
            let place = self.place(&block);
            // A worker that has ended needs no more buffers.
            if let Some(empty) = self.empty.get(place) {
                let _ = empty.try_send(block.into_buffer());
            }
        }
        self.finish(!failed && whole())
    }

    /// Where the buffers of a worker go back to.
    fn place(&self, block: &SealedBlock) -> usize {
        match block.phase() {
            Phase::Main => block.worker().index(),
            Phase::SetUp => self.workers,
            Phase::TearDown | Phase::Unknown(_) => self.empty.len().saturating_sub(1),
        }
    }

    /// Footer, sync and name if the log is whole.
    fn finish(mut self, is_whole: bool) -> WriterEnd<O> {
        self.learn_beginning();
        let LogWriter { output, assembler, read_back, observer, notices, totals, .. } = self;
        // What is in it goes before the totals are asked for.
        drop(self.outbox);
        let mut end = read_back.into_end();
        if let Some(by) = self.not_begun {
            end.does_not_begin(by);
        }
        let mut bytes = assembler.bytes();
        let mut digest = None;
        if is_whole {
            match finish_file(output, assembler, &end, totals) {
                Ok((footer_bytes, receipt)) => {
                    bytes += footer_bytes;
                    digest = Some(receipt);
                }
                Err(error) => {
                    // The coordinator outlives the writer.
                    let _ = notices.send(Notice::LogFailed(error));
                }
            }
        }
        WriterEnd { observer, end, digest, bytes }
    }

    /// Learns how the run itself begins, if that is known by now.
    fn learn_beginning(&mut self) {
        match self.beginning.try_recv() {
            Ok(Beginning::Settled(ForLog { outbox, totals })) => {
                (self.outbox, self.totals) = (outbox, Some(totals));
            }
            Ok(Beginning::Never(by)) => self.not_begun = Some(by),
            Err(_) => {}
        }
    }

    fn take(&mut self, block: &mut SealedBlock) -> Result<(), LogError> {
        if block.phase() == Phase::Main && self.totals.is_none() {
            self.learn_beginning();
        }
        self.output.write(self.assembler.seal(block))?;
        let shown = self.read_back.show(&self.assembler, block, &mut self.observer);
        shown.map_err(LogError::ReadBack)?;
        let phase = block.phase();
        if self.answer_told != Some(phase) && self.read_back.end().is_answered_in(phase) {
            self.answer_told = Some(phase);
            self.tell(Notice::Answered(phase));
        }
        let more = if phase == Phase::TearDown { self.teardown_bytes } else { 0 };
        if self.assembler.bytes() >= self.limit_bytes + more && self.limit_told != Some(phase) {
            self.limit_told = Some(phase);
            self.tell(Notice::LogFull(phase));
        }
        if let Some(outbox) = &mut self.outbox {
            self.observer.reports(&mut |report| outbox.send(report));
        }
        if !self.stop_told
            && let Some(reason) = self.observer.stop()
        {
            self.stop_told = true;
            self.tell(Notice::Stop(reason));
        }
        Ok(())
    }

    fn tell(&self, notice: Notice) {
        // The coordinator outlives the writer.
        let _ = self.notices.send(notice);
    }
}

fn finish_file(
    mut output: LogFile,
    assembler: LogAssembler,
    end: &RunEnd,
    totals: Option<Totals>,
) -> Result<(u64, LogDigest), LogError> {
    let totals = totals.map(|totals| totals()).unwrap_or_default();
    let facts = FooterFacts { totals, ..end.footer() };
    let (bytes, digest) = assembler.footer(&facts)?;
    output.write(&bytes)?;
    output.complete()?;
    Ok((bytes.len() as u64, digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{bounded, unbounded};
    use std::convert::Infallible;
    use z6_events::{BlockBuilder, Event, Partition, Tick, Visitor, WorkerId};

    struct Count(u64);

    impl Observer for Count {}

    impl Visitor for Count {
        type Error = Infallible;

        fn event(&mut self, _: u64, _: WorkerId, _: Tick, _: &Event) -> Result<(), Infallible> {
            self.0 += 1;
            Ok(())
        }
    }

    /// Runs a writer over `blocks` blocks of one event each on a file that takes no byte. Returns
    /// the notices, what the observer saw, and whether there is a receipt.
    fn write_to(path: &str, blocks: u64) -> (Vec<Notice>, u64, bool) {
        let (full_sender, full) = unbounded();
        let (empty, _returned) = bounded(64);
        let (notices, told) = unbounded();
        let header = LogHeader::default();
        let writer = LogWriter {
            output: LogFile::open_existing(path.as_ref()).unwrap(),
            assembler: LogAssembler::new(&header).unwrap().0,
            read_back: ReadBack::new(&header),
            observer: Count(0),
            full,
            empty: vec![empty],
            workers: 1,
            notices,
            limit_bytes: u64::MAX,
            teardown_bytes: 0,
            limit_told: None,
            stop_told: false,
            answer_told: None,
            beginning: crossbeam_channel::never(),
            outbox: None,
            totals: None,
            not_begun: None,
        };
        for at in 0..blocks {
            let mut builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
            builder.push(Tick(at), &Event::Wake).unwrap();
            full_sender.send(builder.close(Vec::new())).unwrap();
        }
        drop(full_sender);
        let end = writer.run(|| true);
        (told.try_iter().collect(), end.observer.0, end.digest.is_some())
    }

    /// ENOSPC, and EIO as of a disk that breaks: told once, nothing more is written or folded, and
    /// workers get their buffers back until they have ended.
    #[test]
    fn a_file_that_takes_no_byte_is_told_once_and_holds_nobody_up() {
        // Address 0 of this process is not mapped: a write there fails.
        for (path, errno) in [("/dev/full", libc::ENOSPC), ("/proc/self/mem", libc::EIO)] {
            let (told, seen, has_receipt) = write_to(path, 5);
            assert_eq!((told.len(), seen, has_receipt), (1, 0, false), "{told:?}");
            let Notice::LogFailed(LogError::Write { source, .. }) = &told[0] else {
                panic!("{told:?}")
            };
            assert_eq!(source.raw_os_error(), Some(errno), "{path}");
        }
    }

    /// The footer may be what no longer fits.
    #[test]
    fn a_footer_that_cannot_be_written_is_told() {
        let (told, _, has_receipt) = write_to("/dev/full", 0);
        assert!(matches!(told[..], [Notice::LogFailed(LogError::Write { .. })]), "{told:?}");
        assert!(!has_receipt);
    }
}
