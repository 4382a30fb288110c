//! Which connections are read again without a new event: those whose turn was over before their socket
//! was drained, and attempts that failed when they began.

use mio::Token;

/// Connections that wait for another turn, and those whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: Vec<Token>,
    turn: Vec<Token>,
}

impl Turns {
    /// Adds a connection that does not wait yet.
    pub(super) fn wait(&mut self, token: Token) {
        self.waiting.push(token);
    }

    /// Whether a connection waits.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// All that wait now; [`Turns::give_back`] returns the buffer. Those that wait again from here on
    /// have another turn.
    pub(super) fn take(&mut self) -> Vec<Token> {
        std::mem::swap(&mut self.waiting, &mut self.turn);
        std::mem::take(&mut self.turn)
    }

    /// Keeps the buffer for later.
    pub(super) fn give_back(&mut self, mut turn: Vec<Token>) {
        turn.clear();
        self.turn = turn;
    }
}
