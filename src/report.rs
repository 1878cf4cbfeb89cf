//! Facts about work under way: no prose, no colours, no widths.

use std::sync::Mutex;

use crate::name::PackageId;

/// Something that happened. Rooms emit; only `cli` decides how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packument was asked for (from the network or the cache).
    PackumentWanted { name: String },
    /// A packument is there; `bytes` is 0 when it came from the cache.
    PackumentReady { name: String, bytes: u64 },
    /// A package found its place in the ideal tree.
    NodePlaced { location: String },
    /// Work on `total` packages begins.
    PackagesWanted { total: u64 },
    /// A tarball is verified and in the store; `bytes` is 0 when it was there already.
    TarballStored { id: PackageId, bytes: u64 },
    /// A package is in its final folder of the staged tree.
    PackageLinked { location: String },
    /// A lifecycle script starts.
    ScriptStarted { id: PackageId, event: String },
    /// Something the user should know, though the work goes on. `code` is npm's where npm has one.
    Warning { code: &'static str, message: String },
}

/// Where facts go.
pub trait Reporter: Send + Sync {
    fn emit(&self, event: Event);
}

/// Forgets everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn emit(&self, _: Event) {}
}

/// Keeps everything, for tests and for summaries.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(
            &mut *self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

impl Reporter for Recorder {
    fn emit(&self, event: Event) {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(event);
    }
}
