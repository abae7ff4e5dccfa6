//! What one call costs the switchboard without the clock, so that a busy machine does not distort it: allocations per call, heap of a
//! call that waits and of one that talks. `cargo bench --bench cost -- 2000` only plays 2,000 calls; under `valgrind --tool=callgrind
//! --toggle-collect='*cost::played*'` it gives instructions per call. The peers' share (a few `format!`) is in the instructions and
//! allocations.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a bench stops by panicking"
)]

#[path = "../tests/sim/text.rs"]
mod text;
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use world::World;

/// Counts bytes that are allocated now, and allocations.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe; this one only counts and passes on")]
// SAFETY: every method passes its arguments to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_add(size, Ordering::Relaxed);
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn bytes() -> usize {
    BYTES.load(Ordering::Relaxed)
}

fn allocations() -> usize {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// The calls that are measured.
#[inline(never)]
fn played(world: &mut World, calls: usize) {
    for _ in 0..calls {
        world.call();
    }
}

/// Bytes of heap per call that waits, or that talks if there are enough operators, once the transactions have ended.
fn heap_of(calls: u16, operators: u16) -> usize {
    let mut world = World::new(operators, calls + operators + 1);
    // Tables have their capacity after the first calls.
    played(&mut world, 3);
    let talks = operators > 1;
    if !talks {
        world.waiting();
        world.answer();
    }
    world.rest();
    world.forget();
    let (before, old) = (bytes(), world.switchboard.gauges().calls);
    for _ in 0..calls {
        world.waiting();
        if talks {
            world.answer();
        }
    }
    world.rest();
    world.forget();
    assert_eq!(world.switchboard.gauges().calls, old + usize::from(calls));
    (bytes() - before) / usize::from(calls)
}

fn main() {
    let calls = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let mut world = World::new(1, 100);
    played(&mut world, 200);
    let (outputs, before) = (world.outputs, allocations());
    played(&mut world, calls.unwrap_or(1_000));
    let played = calls.unwrap_or(1_000);
    println!("{} outputs per call", (world.outputs - outputs) / played as u64);
    println!("{} allocations per call, of which the peers have some", (allocations() - before) / played);
    if calls.is_none() {
        println!("{} bytes of heap per talking call", heap_of(400, 400));
        println!("{} bytes of heap per waiting call", heap_of(400, 1));
    }
}
