//! A full screen: raw mode, the alternate screen, keys. What is shown is not its business.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue, style};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// The terminal while it is ours. Dropping it gives it back as it was.
#[derive(Debug)]
pub(crate) struct Screen;

/// What the user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pressed {
    Nothing,
    Key(char),
    /// The terminal has another size.
    Resized,
    /// Ctrl-C, or the terminal is gone.
    Leave,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Standard output or input is not a terminal.
    pub(crate) fn enter() -> io::Result<Screen> {
        enable_raw_mode()?;
        let screen = Screen;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn size(&self) -> io::Result<(usize, usize)> {
        let (columns, rows) = crossterm::terminal::size()?;
        Ok((usize::from(columns.max(1)), usize::from(rows.max(1))))
    }

    /// Shows these lines, which fit.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (row, line) in (0..).zip(lines) {
            queue!(
                out,
                cursor::MoveTo(0, row),
                style::Print(line),
                Clear(ClearType::UntilNewLine)
            )?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }

    /// Waits for a key for at most `timeout`.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn pressed(&mut self, timeout: Duration) -> io::Result<Pressed> {
        if is_gone_within(timeout)? {
            return Ok(Pressed::Leave);
        }
        if !poll(Duration::ZERO)? {
            return Ok(Pressed::Nothing);
        }
        Ok(match read()? {
            Event::Key(key) if key.kind == KeyEventKind::Release => Pressed::Nothing,
            Event::Key(key) => match key.code {
                KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    Pressed::Leave
                }
                KeyCode::Char(key) => Pressed::Key(key),
                KeyCode::Esc => Pressed::Leave,
                _ => Pressed::Nothing,
            },
            Event::Resize(..) => Pressed::Resized,
            _ => Pressed::Nothing,
        })
    }
}

/// Waits until the terminal has something for us, at most `timeout`. Whether it is gone: what reads keys there would
/// read the end of its input for ever.
fn is_gone_within(timeout: Duration) -> io::Result<bool> {
    let stdout = io::stdout();
    let mut terminal = [PollFd::new(&stdout, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
    match rustix::event::poll(&mut terminal, Some(&timeout)) {
        // Another size comes as a signal.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(terminal[0].revents().intersects(gone))
}

impl Drop for Screen {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to give back.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}
