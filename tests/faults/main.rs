//! What failures leave behind: kills, failing system calls, full disks, crowds, damage, bad networks.
//!
//! The short forms run with the other tests. The long ones are ignored, for they take long and need
//! `strace`: they go through the system calls one by one and print how many points they tried.
//! `cargo test --release --test faults -- --ignored --nocapture --test-threads 1`.

mod credentials;
mod crowd;
mod damage;
mod digest;
mod disk;
mod ground;
mod kill;
mod network;
mod power;
mod syscalls;
mod tls;
mod world;
