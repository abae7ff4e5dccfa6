//! What one whole call costs in the switchboard: trunk's INVITE, offer, answer, bridge, both BYEs, as bytes in and out, with
//! facts and media commands; the peers' share (a few `format!`) is in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    clippy::wildcard_enum_match_arm,
    reason = "a bench stops by panicking"
)]

#[path = "../tests/sim/text.rs"]
mod text;
mod world;

use criterion::{Criterion, criterion_group, criterion_main};
use world::World;

fn calls(bench: &mut Criterion) {
    let mut world = World::new(1, 100);
    world.call();
    let before = world.outputs;
    world.call();
    println!("one call has {} outputs", world.outputs - before);
    bench.bench_function("one call through the switchboard", |b| b.iter(|| world.call()));
    assert_eq!(world.switchboard.gauges().calls, 0);
}

criterion_group!(benches, calls);
criterion_main!(benches);
