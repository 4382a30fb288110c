//! The pool of one target: who waits, what is free, and which address comes next.

use std::collections::VecDeque;

use super::load::LoadLists;
use crate::engine::settings::{Placement, TargetSettings};
use crate::engine::timers::Lane;
use crate::engine::vu::VuSlot;

/// Waiters, free connections, counts and addresses of one target.
#[derive(Debug, Clone)]
pub(super) struct TargetPool {
    pub(super) waiters: VecDeque<VuSlot>,
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

    pub(super) fn waiting(&self) -> u64 {
        self.waiters.len() as u64
    }
}
