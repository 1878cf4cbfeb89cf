//! Timings of single rooms on made-up packages: `cargo bench --bench parts -- --sample-count 10`.
//!
//! Timings of whole commands on real projects are made elsewhere, from outside.

mod link;
mod lock;
mod packument;
mod range;
mod resolve;
mod unpack;
mod world;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}
