//! Request bodies kept in memory, within a budget the whole server shares.
//!
//! Owns the accounting; must not know why a body is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of request bodies that may still be kept, shared by all connections.
#[derive(Debug)]
pub(crate) struct KeepBudget(AtomicUsize);

impl KeepBudget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    fn reserve(&self, bytes: usize) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.is_ok()
    }
}

/// A body, charged to the budget until it is dropped.
#[derive(Debug)]
pub(crate) struct KeptBody {
    bytes: Vec<u8>,
    budget: Arc<KeepBudget>,
}

impl KeptBody {
    pub(crate) fn new(budget: &Arc<KeepBudget>) -> Self {
        Self { bytes: Vec::new(), budget: Arc::clone(budget) }
    }

    /// Appends `data`, or returns false if the budget does not allow it.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        let allowed = self.budget.reserve(data.len());
        if allowed {
            self.bytes.extend_from_slice(data);
        }
        allowed
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for KeptBody {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_budget_and_give_it_back() {
        let budget = KeepBudget::new(10);
        let mut first = KeptBody::new(&budget);
        let mut second = KeptBody::new(&budget);
        assert!(first.append(b"1234567"));
        assert!(!second.append(b"1234"));
        assert!(second.append(b"123"));
        drop(first);
        assert!(second.append(b"4567890"));
        assert_eq!(second.bytes(), b"1234567890");
    }
}
