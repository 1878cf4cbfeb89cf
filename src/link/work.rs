//! Threads that pull whole packages: what the store has is linked while the rest is fetched.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::compare::compare;
use super::former::Former;
use super::place::{Carrier, PlaceError, Source};
use super::plan::Plan;
use super::swap::Staging;
use super::{FetchError, LinkError, LinkMode, Means, TarballWant, WantedPackage};
use crate::manifest::Claims;
use crate::report::Event;
use crate::store::{self, Bench, Package, StoreError};

/// Tarballs in memory that wait for a worker: beyond this the network waits.
const WAITING_BYTES: usize = 128 << 20;

/// So often a package that changes under our hands is healed; others may be healing it, too.
const ATTEMPTS: usize = 5;

/// Fills the staged homes. Returns the package of each slot, `None` where the store could not keep it.
pub(super) fn build(
    plan: &Plan<'_>,
    staging: &Staging,
    means: Means<'_>,
) -> Result<Vec<Option<Package>>, LinkError> {
    let total = plan.places.len() as u64;
    means.reporter.emit(Event::PackagesWanted { total });
    let former = Former::of(staging.project(), &plan.homes);
    let crew = Crew {
        plan,
        staging,
        means,
        carrier: Carrier::new(means.mode, former, means.store.umask()),
        slots: plan.slots.iter().map(|_| OnceLock::new()).collect(),
        board: Mutex::default(),
        wake: Condvar::new(),
        unpacked: AtomicU64::new(0),
    };
    crew.probe();
    crew.run();
    let board = crew
        .board
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some((_, error)) = board.failure {
        return Err(error);
    }
    for message in crew.carrier.missing_bins() {
        let code = "EBINMISSING";
        means.reporter.emit(Event::Warning { code, message });
    }
    Ok(crew.slots.into_iter().map(OnceLock::into_inner).collect())
}

/// What is left to do, shared by all threads.
#[derive(Default)]
struct Board {
    /// Places whose package is in the store; the last has the most files.
    ready: Vec<usize>,
    arrived: VecDeque<(usize, Vec<u8>)>,
    waiting_bytes: usize,
    /// Arrived tarballs in the hands of a worker.
    busy: usize,
    /// More tarballs may come.
    open: bool,
    /// Places whose package turned out to be damaged beyond what the store can mend.
    lost: Vec<usize>,
    /// All else is done, and what was lost is fetched anew.
    second_phase: bool,
    /// Slots whose bytes had a wrong hash in the first round.
    wrong: Vec<usize>,
    second_round: bool,
    delivered: Vec<usize>,
    /// The failure of the lowest slot: which one is told does not depend on speed.
    failure: Option<(usize, LinkError)>,
}

enum Task {
    Ready(usize),
    Arrived(usize, Vec<u8>),
}

struct Crew<'a> {
    plan: &'a Plan<'a>,
    staging: &'a Staging,
    means: Means<'a>,
    carrier: Carrier,
    slots: Vec<OnceLock<Package>>,
    board: Mutex<Board>,
    wake: Condvar,
    /// Bytes of all packages so far.
    unpacked: AtomicU64,
}

impl Crew<'_> {
    /// Finds out what the store has, whole; the rest is fetched.
    fn probe(&self) {
        let next = AtomicUsize::new(0);
        in_parallel(|| {
            while let Some(at) = take(&next, self.plan.slots.len()) {
                if let Err(error) = self.probe_slot(at) {
                    self.fail(at, error);
                }
            }
        });
        let mut board = self.lock();
        let mut ready: Vec<(usize, usize)> = Vec::new();
        for (slot, package) in self.plan.slots.iter().zip(&self.slots) {
            if let Some(package) = package.get() {
                ready.extend(
                    slot.places
                        .iter()
                        .map(|place| (package.index().len(), *place)),
                );
            }
        }
        ready.sort_unstable();
        board.ready = ready.into_iter().map(|(_, place)| place).collect();
        board.open = true;
    }

    fn probe_slot(&self, at: usize) -> Result<(), LinkError> {
        let store = self.means.store;
        let wanted = self.plan.slots[at].package;
        let Some(package) = store.find(wanted.integrity.as_ref(), wanted.source.as_deref()) else {
            return Ok(());
        };
        package.check_identity(&wanted.id)?;
        for (wanted, claims) in self.claimed(at) {
            store.check_claims(&package, &wanted.id, claims)?;
        }
        let intact = store
            .open_package(&package)
            .is_ok_and(|folder| package.is_intact(folder.as_fd()));
        let package = if intact {
            Some(package)
        } else {
            store.heal(package.sha512())
        };
        if let Some(package) = package {
            self.count(wanted, package.unpacked())?;
            self.means.reporter.emit(Event::TarballStored {
                id: wanted.id.clone(),
                bytes: 0,
            });
            let _ = self.slots[at].set(package);
        }
        Ok(())
    }

    fn run(&self) {
        let missing: Vec<usize> = (0..self.slots.len())
            .filter(|at| self.slots[*at].get().is_none())
            .collect();
        self.run_with(&missing);
        let lost = {
            let mut board = self.lock();
            board.second_phase = true;
            let slots: BTreeSet<usize> = board
                .lost
                .iter()
                .filter_map(|place| Some(self.plan.places.get(*place)?.slot))
                .collect();
            Vec::from_iter(slots)
        };
        if !lost.is_empty() {
            self.lock().open = true;
            self.run_with(&lost);
        }
    }

    fn run_with(&self, missing: &[usize]) {
        if missing.is_empty() || self.lock().failure.is_some() {
            self.lock().open = false;
            return in_parallel(|| self.work());
        }
        std::thread::scope(|scope| {
            scope.spawn(|| self.fetch(missing));
            in_parallel(|| self.work());
        });
    }

    /// On the network's thread: all that is missing, then once more what came with a wrong hash.
    fn fetch(&self, missing: &[usize]) {
        self.fetch_round(missing, false);
        let wrong = {
            let board = self.lock();
            let settled = self.wake.wait_while(board, |board| {
                board.failure.is_none() && (board.busy > 0 || !board.arrived.is_empty())
            });
            std::mem::take(&mut settled.unwrap_or_else(PoisonError::into_inner).wrong)
        };
        if !wrong.is_empty() {
            self.fetch_round(&wrong, true);
        }
        self.lock().open = false;
        self.wake.notify_all();
    }

    fn fetch_round(&self, slots: &[usize], again: bool) {
        let wants: Vec<TarballWant> = slots
            .iter()
            .map(|slot| want(*slot, self.plan.slots[*slot].package, again))
            .collect();
        let mut board = self.lock();
        board.delivered.clear();
        board.second_round = again;
        drop(board);
        self.means
            .fetch
            .fetch(&wants, &|slot, outcome| self.deliver(slot, outcome));
        let board = self.lock();
        let missed = slots
            .iter()
            .find(|slot| !board.delivered.contains(slot))
            .copied();
        let over = board.failure.is_some();
        drop(board);
        if let (Some(slot), false) = (missed, over) {
            let id = self.plan.slots[slot].package.id.clone();
            self.fail(slot, LinkError::Undelivered(id));
        }
    }

    fn deliver(&self, slot: usize, outcome: Result<Vec<u8>, FetchError>) -> ControlFlow<()> {
        let bytes = match outcome {
            Ok(bytes) => bytes,
            Err(error) => {
                self.fail(slot, error.into());
                return ControlFlow::Break(());
            }
        };
        let board = self.wake.wait_while(self.lock(), |board| {
            board.failure.is_none() && board.waiting_bytes > WAITING_BYTES
        });
        let mut board = board.unwrap_or_else(PoisonError::into_inner);
        if board.failure.is_some() {
            return ControlFlow::Break(());
        }
        board.delivered.push(slot);
        board.waiting_bytes += bytes.len();
        board.arrived.push_back((slot, bytes));
        drop(board);
        self.wake.notify_all();
        ControlFlow::Continue(())
    }

    fn work(&self) {
        let mut bench = self.means.store.bench();
        while let Some(task) = self.next() {
            match task {
                Task::Ready(place) => {
                    if let Err(error) = self.place_stored(place, false) {
                        self.fail(place, error);
                    }
                }
                Task::Arrived(slot, tarball) => {
                    let done = self.take_in(&mut bench, slot, &tarball);
                    self.lock().busy -= 1;
                    if let Err(error) = done {
                        self.fail(slot, error);
                    }
                    self.wake.notify_all();
                }
            }
        }
    }

    fn next(&self) -> Option<Task> {
        let mut board = self.lock();
        loop {
            if board.failure.is_some() {
                return None;
            }
            if let Some((slot, tarball)) = board.arrived.pop_front() {
                board.waiting_bytes -= tarball.len();
                board.busy += 1;
                return Some(Task::Arrived(slot, tarball));
            }
            if let Some(place) = board.ready.pop() {
                return Some(Task::Ready(place));
            }
            if !board.open {
                return None;
            }
            board = self
                .wake
                .wait(board)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Verifies, keeps and links a tarball that just came.
    fn take_in(&self, bench: &mut Bench, slot: usize, tarball: &[u8]) -> Result<(), LinkError> {
        let store = self.means.store;
        let wanted = self.plan.slots[slot].package;
        let expected = wanted.integrity.as_ref();
        let sha512 = match store::verify(&wanted.id, tarball, expected) {
            Err(error) if !error.is_final() && self.first_wrong(slot) => return Ok(()),
            verdict => verdict.map_err(|error| self.compare(slot, tarball, error))?,
        };
        let archive = store::unpack(bench, &wanted.id, tarball, sha512, store.limits())?;
        for (wanted, claims) in self.claimed(slot) {
            store::check_claims(&wanted.id, claims, &archive.claims)?;
        }
        let unpacked = archive.files.iter().map(|file| file.bytes.len() as u64);
        self.count(wanted, unpacked.sum())?;
        for note in &archive.notes {
            let message = format!("{}: {note}", wanted.id);
            let code = "TAR_ENTRY_INFO";
            self.means.reporter.emit(Event::Warning { code, message });
        }
        let kept = match store.keep(&archive, tarball, expected) {
            Ok(package) => {
                if let Some(source) = &wanted.source {
                    store.remember(source, package.sha512());
                }
                if let Some(look_into) = self.means.look_into {
                    look_into(&archive);
                }
                let _ = self.slots[slot].set(package);
                true
            }
            Err(StoreError::ReadOnly(..)) => false,
            Err(error) => return Err(error.into()),
        };
        self.means.reporter.emit(Event::TarballStored {
            id: wanted.id.clone(),
            bytes: tarball.len() as u64,
        });
        let copies = self.means.mode == LinkMode::Copy && !archive.is_spilled();
        let (places, again) = self.awaiting(slot);
        for place in places {
            if copies || !kept {
                self.place(place, &Source::Unpacked(&archive), again)?
                    .map_err(|error| self.explain(place, error))?;
                self.placed(place);
            } else {
                self.place_stored(place, again)?;
            }
        }
        Ok(())
    }

    /// The places that a fetched tarball is for, and whether files of a first attempt lie there.
    fn awaiting(&self, slot: usize) -> (Vec<usize>, bool) {
        let all = &self.plan.slots[slot].places;
        let board = self.lock();
        if !board.second_phase {
            return (all.clone(), false);
        }
        let lost = all.iter().filter(|place| board.lost.contains(place));
        (lost.copied().collect(), true)
    }

    /// Adds to a wrong hash what is known of the files.
    fn compare(&self, slot: usize, tarball: &[u8], mut error: StoreError) -> StoreError {
        if let StoreError::Integrity { id, comparison, .. } = &mut error {
            let places = self.plan.slots[slot].places.iter();
            let places: Vec<_> = places.map(|place| &self.plan.places[*place]).collect();
            let project = self.staging.project();
            let told = compare(project, self.means.store, id, tarball, &places);
            *comparison = told.map(Into::into);
        }
        error
    }

    /// The packages of a slot's places whose claims are to be held against the tarball's.
    fn claimed(&self, slot: usize) -> impl Iterator<Item = (&WantedPackage, &Claims)> {
        let places = self.plan.slots.get(slot).map(|slot| &slot.places);
        let places = places.into_iter().flatten();
        places.filter_map(|place| {
            let package = self.plan.places.get(*place)?.package;
            Some((package, package.claims.as_ref()?))
        })
    }

    /// Adds a package's bytes to what the whole install may have.
    fn count(&self, package: &WantedPackage, bytes: u64) -> Result<(), LinkError> {
        let limit = self.means.store.limits().install;
        let before = self.unpacked.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > limit {
            let id = package.id.clone();
            return Err(StoreError::InstallTooLarge { id, limit }.into());
        }
        Ok(())
    }

    /// Notes a wrong hash for the second round; `false` when this was the second.
    fn first_wrong(&self, slot: usize) -> bool {
        let mut board = self.lock();
        if !board.second_round {
            board.wrong.push(slot);
        }
        !board.second_round
    }

    /// Where the store cannot mend what is damaged, the place waits for the second phase.
    fn place_stored(&self, place: usize, again: bool) -> Result<(), LinkError> {
        let wanted = &self.plan.places[place];
        let package = self.slot_of(place).and_then(OnceLock::get);
        let package = package.ok_or_else(|| LinkError::Unstable(wanted.package.id.clone()))?;
        let mut outcome = self.place_from(place, package, again)?;
        for _ in 0..ATTEMPTS {
            if !matches!(outcome, Err(PlaceError::Unstable)) {
                break;
            }
            let Some(healed) = self.means.store.heal(package.sha512()) else {
                break;
            };
            outcome = self.place_from(place, &healed, true)?;
        }
        if matches!(outcome, Err(PlaceError::Unstable)) {
            let mut board = self.lock();
            if !board.second_phase {
                board.lost.push(place);
                return Ok(());
            }
        }
        outcome.map_err(|error| self.explain(place, error))?;
        self.placed(place);
        Ok(())
    }

    fn place_from(
        &self,
        place: usize,
        package: &Package,
        again: bool,
    ) -> Result<Result<(), PlaceError>, LinkError> {
        match self.means.store.open_package(package) {
            Ok(folder) => self.place(place, &Source::Stored(package, folder.as_fd()), again),
            Err(_) => Ok(Err(PlaceError::Unstable)),
        }
    }

    fn place(
        &self,
        place: usize,
        source: &Source<'_>,
        again: bool,
    ) -> Result<Result<(), PlaceError>, LinkError> {
        let wanted = &self.plan.places[place];
        let home = self.staging.home(wanted.home)?;
        Ok(self.carrier.place(home, wanted, source, again))
    }

    fn placed(&self, place: usize) {
        let location = self.plan.places[place].package.location.clone();
        self.means.reporter.emit(Event::PackageLinked { location });
    }

    fn explain(&self, place: usize, error: PlaceError) -> LinkError {
        let package = self.plan.places[place].package;
        match error {
            PlaceError::Unstable => LinkError::Unstable(package.id.clone()),
            PlaceError::Disk(action, path, source) => LinkError::Disk {
                action,
                path: self.staging.project().join("node_modules").join(path),
                source,
            },
        }
    }

    fn slot_of(&self, place: usize) -> Option<&OnceLock<Package>> {
        let at = self.plan.places.get(place)?.slot;
        self.slots.get(at)
    }

    fn fail(&self, order: usize, error: LinkError) {
        let mut board = self.lock();
        if board
            .failure
            .as_ref()
            .is_none_or(|(known, _)| order < *known)
        {
            board.failure = Some((order, error));
        }
        drop(board);
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn want(slot: usize, package: &WantedPackage, again: bool) -> TarballWant {
    TarballWant {
        slot,
        id: package.id.clone(),
        url: package.url.clone(),
        integrity: package.integrity.clone(),
        again,
    }
}

/// The next number below `end`.
pub(super) fn take(next: &AtomicUsize, end: usize) -> Option<usize> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    (at < end).then_some(at)
}

/// Runs `work` on this thread and on one more for each further core, up to eight.
pub(super) fn in_parallel(work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(8) {
            scope.spawn(&work);
        }
        work();
    });
}
