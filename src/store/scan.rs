//! A first look at a large archive that holds little of it in memory, so that a bomb is refused
//! before there is a buffer for what it becomes.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::Limits;
use super::error::{Flaw, Rule};
use super::header;
use super::tar::BLOCK;

/// Walks the headers of the gzip `member` and refuses what breaks a limit: entries, metadata,
/// package.json, the whole (`largest` bytes). All other rules are for [`super::tar`].
pub(super) fn check(member: &[u8], limits: &Limits, largest: u64) -> Result<(), Flaw> {
    let mut scan = Scan {
        inflated: GzDecoder::new(member),
        left: largest,
        largest,
    };
    let mut entries = 0;
    let mut block = [0; BLOCK];
    while scan.fill(&mut block)? {
        if block.iter().all(|byte| *byte == 0) {
            return scan.rest();
        }
        entries += 1;
        if entries > limits.entries {
            return Err(Flaw::whole(Rule::TooMany(limits.entries)));
        }
        let header = header::parse(&block)?;
        let is_metadata = matches!(header.kind, b'x' | b'g' | b'L' | b'K');
        if is_metadata && header.size > limits.metadata {
            return Err(header.flaw(Rule::MetadataTooLarge(limits.metadata)));
        }
        if header.size > limits.manifest && is_manifest(&header.path()) {
            return Err(Flaw::manifest(Rule::ManifestTooLarge(limits.manifest)));
        }
        scan.skip(header.size)?;
    }
    Ok(())
}

/// `package.json` in the first folder.
fn is_manifest(path: &[u8]) -> bool {
    let folder = path.strip_suffix(b"/package.json");
    folder.is_some_and(|folder| !folder.contains(&b'/'))
}

struct Scan<'a> {
    inflated: GzDecoder<&'a [u8]>,
    /// Bytes that may still come.
    left: u64,
    largest: u64,
}

impl Scan<'_> {
    /// The next block; `false` at the end.
    fn fill(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, Flaw> {
        match self.inflated.read_exact(block) {
            Ok(()) => self.spend(BLOCK as u64).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(_) => Err(Flaw::whole(Rule::BadGzip)),
        }
    }

    fn skip(&mut self, size: u64) -> Result<(), Flaw> {
        let padded = size.checked_next_multiple_of(BLOCK as u64);
        let padded = padded.ok_or_else(|| Flaw::whole(Rule::Truncated))?;
        let most = padded.min(self.left.saturating_add(1));
        let copied = io::copy(&mut self.inflated.by_ref().take(most), &mut io::sink());
        let copied = copied.map_err(|_| Flaw::whole(Rule::BadGzip))?;
        self.spend(copied)
    }

    fn rest(&mut self) -> Result<(), Flaw> {
        let mut more = self.inflated.by_ref().take(self.left + 1);
        let copied = io::copy(&mut more, &mut io::sink());
        self.spend(copied.map_err(|_| Flaw::whole(Rule::BadGzip))?)
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Flaw> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Flaw::whole(Rule::TooLarge(self.largest))),
        }
    }
}
