//! A file without a name that holds what a small archive becomes: read through a map, its pages let
//! go of as soon as they were used.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use memmap2::{Mmap, UncheckedAdvice};
use rustix::fs::{Mode, OFlags};

use super::error::{Flaw, Rule};

/// What an archive becomes: in memory, or in a file.
#[derive(Debug, Default)]
pub(super) struct Content {
    memory: Vec<u8>,
    map: Option<Mmap>,
    /// Where such a file may be made.
    folder: Option<PathBuf>,
}

impl Content {
    pub fn below(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            ..Self::default()
        }
    }

    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&self.memory)
    }

    /// The buffer, which counts from now on.
    pub fn memory(&mut self) -> &mut Vec<u8> {
        self.map = None;
        &mut self.memory
    }

    /// Inflates the gzip `member`, which promises `promised` bytes, into a file; `false` where none
    /// can be made.
    pub fn spill(&mut self, member: &[u8], promised: u64) -> Result<bool, Flaw> {
        let Some(folder) = &self.folder else {
            return Ok(false);
        };
        match gunzip(member, promised, folder) {
            Ok(map) => {
                self.map = Some(map);
                self.memory = Vec::new();
                Ok(true)
            }
            Err(Failure::Flaw(flaw)) => Err(flaw),
            Err(Failure::Disk) => Ok(false),
        }
    }

    pub fn is_spilled(&self) -> bool {
        self.map.is_some()
    }

    /// Takes a file's pages out of memory; they come back when they are read again.
    pub fn let_go(&self) {
        if let Some(map) = &self.map {
            // SAFETY: the map is shared with its file and only read: its content stays the same.
            let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }
}

/// Why nothing was spilled.
enum Failure {
    Flaw(Flaw),
    /// The folder takes no such file, or no more bytes.
    Disk,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Disk
    }
}

fn gunzip(member: &[u8], promised: u64, folder: &Path) -> Result<Mmap, Failure> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o600));
    let mut file = File::from(file.map_err(io::Error::from)?);
    let flaw = |rule| Err(Failure::Flaw(Flaw::whole(rule)));
    let mut inflated = GzDecoder::new(member);
    let mut piece = vec![0; PIECE];
    let mut written = 0;
    loop {
        let Ok(read) = inflated.read(&mut piece) else {
            return flaw(Rule::BadGzip);
        };
        written += read as u64;
        if written > promised {
            return flaw(Rule::WrongLength);
        }
        if read == 0 {
            break;
        }
        file.write_all(&piece[..read])?;
    }
    if written != promised {
        return flaw(Rule::WrongLength);
    }
    if inflated.into_inner().iter().any(|byte| *byte != 0) {
        return flaw(Rule::AfterGzip);
    }
    // SAFETY: nobody else can open the file, and it is not written any more.
    Ok(unsafe { Mmap::map(&file) }?)
}

/// Bytes that are read before they are let go of.
const PIECE: usize = 1 << 20;
