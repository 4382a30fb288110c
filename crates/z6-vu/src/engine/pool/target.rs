//! The pool of one target: who waits, what is free, and which address comes next.

use std::collections::VecDeque;

use z6_events::Protocol;

use super::load::LoadLists;
use crate::engine::settings::{Placement, TargetSettings};
use crate::engine::timers::Lane;
use crate::engine::vu::VuSlot;

/// Waiters, free connections, counts and addresses of one target.
#[derive(Debug, Clone)]
pub(super) struct TargetPool {
    pub(super) waiters: VecDeque<VuSlot>,
    /// How many of them, from the head, wait because their requests were refused.
    pub(super) refused: usize,
    /// What the next connection is taken to speak: what the last one spoke.
    pub(super) protocol: Protocol,
    /// Shared connections with room, last used first for each load.
    pub(super) free: LoadLists,
    pub(super) connecting: u32,
    pub(super) open: u32,
    /// Next of the target's addresses.
    pub(super) next_address: u16,
    /// Addresses whose last attempt failed; never all of them.
    pub(super) failed_addresses: Vec<bool>,
    pub(super) connect_lane: Lane,
    pub(super) idle_lane: Lane,
    /// Of the timers of ages; none if connections have no greatest age.
    pub(super) age_lane: Option<(Lane, u64)>,
    pub(super) taken: Taken,
}

/// How many requests the peer takes on a connection, as far as it has shown: servers such as nginx take a fixed number
/// (`keepalive_requests`), and what comes after it has to be sent again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// The number on the last connection of which it refused the rest; 0 if there was none.
    last: u64,
    /// Two connections in succession had the same.
    is_known: bool,
}

/// Limits below this are not learned.
const TAKEN_MIN: u64 = 20;

impl Taken {
    /// The peer goes away after so many requests of a connection, and refuses those after them. Small numbers are
    /// too easily the same by chance.
    pub(super) fn saw(&mut self, accepted: u64) {
        if accepted < TAKEN_MIN {
            return;
        }
        self.is_known |= self.last == accepted;
        if !self.is_known {
            self.last = accepted;
        }
    }

    /// How many it takes on each connection, if that is known.
    pub(super) fn most(self) -> u64 {
        if self.is_known { self.last } else { u64::MAX }
    }
}

impl TargetPool {
    /// The address of the next attempt: the one after the last, except for those that failed.
    pub(super) fn take_address(&mut self) -> u16 {
        let count = self.failed_addresses.len() as u16;
        while self.failed_addresses[usize::from(self.next_address)] {
            self.next_address = (self.next_address + 1) % count;
        }
        let address = self.next_address;
        self.next_address = (address + 1) % count;
        address
    }

    /// Notes a failed attempt; true if all addresses have failed now, and all get another chance.
    pub(super) fn address_failed(&mut self, address: u16) -> bool {
        self.failed_addresses[usize::from(address)] = true;
        let all = self.failed_addresses.iter().all(|failed| *failed);
        if all {
            self.failed_addresses.fill(false);
        }
        all
    }

    /// The load of the connection that takes the next request; none if it has to wait.
    pub(super) fn pick(&self, settings: &TargetSettings) -> Option<u32> {
        match settings.streams.placement {
            Placement::Fill => self.free.fullest(),
            // One more connection before a second exchange on one.
            Placement::Spread => self
                .free
                .emptiest()
                .filter(|load| *load == 0 || self.open >= settings.max_connections),
        }
    }

    /// The VU that has waited longest; it waits no more.
    pub(super) fn next_waiter(&mut self) -> Option<VuSlot> {
        self.refused = self.refused.saturating_sub(1);
        self.waiters.pop_front()
    }

    /// Puts a VU at the head of the queue, behind those whose requests were refused.
    pub(super) fn wait_first(&mut self, vu: VuSlot) {
        self.waiters.insert(self.refused, vu);
    }

    /// Puts a VU at the head of the queue, behind those whose requests were refused before.
    pub(super) fn wait_refused(&mut self, vu: VuSlot) {
        self.wait_first(vu);
        self.refused += 1;
    }

    /// Takes a VU out of the middle of the queue.
    pub(super) fn leave_queue(&mut self, vu: VuSlot) {
        let place = self.waiters.iter().position(|waiter| *waiter == vu);
        if place.is_some_and(|place| place < self.refused) {
            self.refused -= 1;
        }
        let removed = place.and_then(|place| self.waiters.remove(place));
        assert_eq!(removed, Some(vu), "a VU waits in the queue of its target");
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiters.len() as u64
    }
}
