//! Commands that a driver has not carried out yet. Knows no engine and no driver.

use std::collections::VecDeque;

use z6_events::{ConnectionSlot, ExchangeSlot};

use super::Command;

/// Commands in the order in which they are to be carried out.
///
/// Carrying one out may give the engine the time, and so lead to commands that take back what others, still
/// waiting, ask for: [`CommandQueue::takes_back`] is asked before a request is begun, and
/// [`CommandQueue::withdraws`] before something is written on a connection.
#[derive(Debug, Default)]
pub struct CommandQueue {
    commands: VecDeque<Command>,
    /// How many of them take something away from the driver.
    withdrawals: usize,
}

impl CommandQueue {
    /// A queue with room for so many.
    #[must_use]
    pub fn with_capacity(commands: usize) -> CommandQueue {
        CommandQueue { commands: VecDeque::with_capacity(commands), withdrawals: 0 }
    }

    /// These come last.
    #[inline]
    pub fn extend(&mut self, commands: &[Command]) {
        self.commands.extend(commands);
        self.withdrawals += commands.iter().filter(|command| command.is_withdrawal()).count();
    }

    /// Takes the next one.
    #[inline]
    pub fn pop(&mut self) -> Option<Command> {
        let command = self.commands.pop_front()?;
        self.withdrawals -= usize::from(command.is_withdrawal());
        Some(command)
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.commands.clear();
        self.withdrawals = 0;
    }

    /// Whether one takes a connection, or what it carries, away.
    #[must_use]
    pub fn withdraws(&self, connection: ConnectionSlot) -> bool {
        self.withdrawals > 0 && self.commands.iter().any(|one| one.withdraws(connection))
    }

    /// Whether one takes back a request that was to be sent on a connection.
    #[inline]
    #[must_use]
    pub fn takes_back(&self, connection: ConnectionSlot, exchange: ExchangeSlot) -> bool {
        let takes_back = |command: &Command| {
            let is_other =
                matches!(*command, Command::Cancel { exchange: of, .. } if of != exchange);
            !is_other && command.withdraws(connection)
        };
        self.withdrawals > 0 && self.commands.iter().any(takes_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectionSlot = ConnectionSlot(1);
    const TWO: ConnectionSlot = ConnectionSlot(2);

    #[test]
    fn what_is_taken_back_is_known_until_it_is_carried_out() {
        let mut queue = CommandQueue::with_capacity(2);
        queue.extend(&[
            Command::Cancel { exchange: ExchangeSlot(7), connection: ONE },
            Command::Close { connection: TWO },
        ]);
        assert!(queue.takes_back(ONE, ExchangeSlot(7)) && queue.withdraws(ONE));
        assert!(!queue.takes_back(ONE, ExchangeSlot(8)), "another stream of the connection");
        assert!(queue.takes_back(TWO, ExchangeSlot(8)) && queue.withdraws(TWO));
        assert!(matches!(queue.pop(), Some(Command::Cancel { .. })));
        assert!(!queue.takes_back(ONE, ExchangeSlot(7)) && !queue.withdraws(ONE));
        queue.clear();
        assert!(!queue.withdraws(TWO) && queue.pop().is_none());
    }
}
