//! An allocator that counts, for tests of what allocates nothing.

#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count for each thread.
///
/// ```
/// #[global_allocator]
/// static COUNTING: z6_testing::CountingAllocator = z6_testing::CountingAllocator;
///
/// let before = z6_testing::allocations();
/// drop(Box::new(1));
/// assert_eq!(z6_testing::allocations() - before, 1);
/// ```
#[derive(Debug)]
pub struct CountingAllocator;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has allocated or reallocated, if [`CountingAllocator`] is the allocator.
#[must_use]
pub fn allocations() -> u64 {
    COUNT.with(Cell::get)
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as for the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as for the caller.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
