//! One gzip member, inflated in one shot into a buffer that is used again.

use std::ffi::c_void;
use std::ptr::NonNull;

use libdeflate_sys as sys;

use super::error::{Flaw, Rule};
use super::spill::Content;

/// Owns libdeflate's decompressor; `libdeflater` offers no way to learn where the member ended.
pub(super) struct Inflater(NonNull<sys::libdeflate_decompressor>);

// SAFETY: the decompressor is plain memory without ties to a thread; `&mut self` keeps it exclusive.
unsafe impl Send for Inflater {}

impl Inflater {
    pub fn new() -> Self {
        // SAFETY: no preconditions; a null pointer means no memory.
        let raw = unsafe { sys::libdeflate_alloc_decompressor() };
        Self(NonNull::new(raw).expect("memory for a decompressor"))
    }

    /// Inflates `member` into `out`, whose length becomes that of the content.
    ///
    /// - Errors: not gzip; CRC or length wrong; more after the member than zeros, with which old
    ///   versions of npm filled tarballs up (`nopt@1.0.10`); more than `limit` bytes.
    /// - `look` is asked before a large buffer is made.
    /// - What becomes more than 20 times as large goes to a file, so that it takes no memory.
    /// - The length in the trailer is believed only as far as deflate can compress (1032 to 1).
    pub fn gunzip(
        &mut self,
        member: &[u8],
        limit: u64,
        look: &dyn Fn(&[u8]) -> Result<(), Flaw>,
        out: &mut Content,
    ) -> Result<(), Flaw> {
        let flaw = |rule| Err(Flaw::whole(rule));
        if !member.starts_with(&[0x1f, 0x8b]) {
            return flaw(Rule::NotGzip(kind(member)));
        }
        if member.len() < 18 {
            return flaw(Rule::BadGzip);
        }
        let room = Room { limit, look };
        let whole = self.gunzip_until(member.len(), member, &room, out);
        if whole.is_ok() || !member.ends_with(&[0]) {
            return whole;
        }
        // Zeros that end the length are not to be told from those that follow it: try each.
        let filled = member.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let mut ends = (filled..member.len()).take(5);
        if ends.any(|end| self.gunzip_until(end, member, &room, out).is_ok()) {
            return Ok(());
        }
        whole
    }

    /// Takes the four bytes before `end` for the content's length.
    fn gunzip_until(
        &mut self,
        end: usize,
        member: &[u8],
        room: &Room<'_>,
        content: &mut Content,
    ) -> Result<(), Flaw> {
        let limit = room.limit;
        let flaw = |rule| Err(Flaw::whole(rule));
        let trailer = member.get(..end).and_then(<[u8]>::last_chunk::<4>);
        let promised = u64::from(u32::from_le_bytes(*trailer.unwrap_or(&[0; 4])));
        if promised > (member.len() as u64).saturating_mul(1032) {
            return flaw(Rule::WrongLength);
        }
        if promised > limit {
            return flaw(Rule::TooLarge(limit));
        }
        let swells = promised > SWOLLEN && promised > 20 * member.len() as u64;
        if promised > LARGE || swells {
            (room.look)(member)?;
        }
        if swells && content.spill(member, promised)? {
            return Ok(());
        }
        let out = content.memory();
        if out.capacity() < promised as usize || out.capacity() as u64 > LARGE {
            *out = vec![0; promised as usize]; // fresh pages cost nothing until they are written
        } else {
            out.clear();
            out.resize(promised as usize, 0);
        }
        let (mut consumed, mut produced) = (0, 0);
        // SAFETY: the pointers and lengths describe two live slices that do not overlap; libdeflate
        // reads and writes only inside them, and the counters outlive the call.
        let verdict = unsafe {
            sys::libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                member.as_ptr().cast::<c_void>(),
                member.len(),
                out.as_mut_ptr().cast::<c_void>(),
                out.len(),
                &raw mut consumed,
                &raw mut produced,
            )
        };
        match verdict {
            sys::libdeflate_result_LIBDEFLATE_SUCCESS
                if member.iter().skip(consumed).any(|byte| *byte != 0) =>
            {
                flaw(Rule::AfterGzip)
            }
            sys::libdeflate_result_LIBDEFLATE_SUCCESS if produced == out.len() => Ok(()),
            sys::libdeflate_result_LIBDEFLATE_BAD_DATA => flaw(Rule::BadGzip),
            _ => flaw(Rule::WrongLength),
        }
    }
}

/// Archives that promise to become more than this are looked at before a buffer is made for them.
const LARGE: u64 = 32 << 20;

/// Less than this is kept in memory, however well it was compressed.
const SWOLLEN: u64 = 4 << 20;

/// How large a member may become, and who looks at one that becomes large.
struct Room<'a> {
    limit: u64,
    look: &'a dyn Fn(&[u8]) -> Result<(), Flaw>,
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `libdeflate_alloc_decompressor` and is freed once.
        unsafe { sys::libdeflate_free_decompressor(self.0.as_ptr()) }
    }
}

fn kind(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    match bytes {
        [] => "empty",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        [b'P', b'K', ..] => "zip",
        _ if bytes.get(257..262) == Some(b"ustar") => "a plain tar",
        _ if text.starts_with(b"<") => "a web page",
        _ if text.starts_with(b"{") => "JSON",
        _ => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(text: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Content::default();
        let done = Inflater::new().gunzip(bytes, 1 << 20, &|_| Ok(()), &mut out);
        done.is_ok().then(|| out.bytes().to_vec())
    }

    #[test]
    fn zeros_may_follow_and_nothing_else() {
        for length in [1, 255, 256, 65_536, 65_792] {
            let text = vec![b'x'; length];
            for zeros in [0, 1, 2, 3, 4, 5, 511] {
                let mut bytes = member(&text);
                bytes.extend(vec![0; zeros]);
                assert_eq!(gunzip(&bytes).as_ref(), Some(&text), "{length} + {zeros}");
            }
            for after in [&b"x"[..], &[0, 1], &member(b"more")] {
                assert_eq!(gunzip(&[member(&text).as_slice(), after].concat()), None);
            }
        }
    }

    #[test]
    fn a_wrong_length_or_sum_stays_wrong_before_zeros() {
        let good = member(b"text");
        for at in [good.len() - 8, good.len() - 4, good.len() - 1] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes.extend([0; 9]);
            assert_eq!(gunzip(&bytes), None);
        }
    }
}
