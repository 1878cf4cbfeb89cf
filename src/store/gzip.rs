//! One gzip member, inflated in one shot into a buffer that is used again.

use std::ffi::c_void;
use std::ptr::NonNull;

use libdeflate_sys as sys;

use super::error::{Flaw, Rule};

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
    /// - Errors: not gzip; CRC or length wrong; anything after the member; more than `limit` bytes.
    /// - The length in the trailer is believed only as far as deflate can compress (1032 to 1).
    pub fn gunzip(&mut self, member: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<(), Flaw> {
        let flaw = |rule| Err(Flaw::whole(rule));
        if !member.starts_with(&[0x1f, 0x8b]) {
            return flaw(Rule::NotGzip(kind(member)));
        }
        let Some(trailer) = member.last_chunk::<4>().filter(|_| member.len() >= 18) else {
            return flaw(Rule::BadGzip);
        };
        let promised = u64::from(u32::from_le_bytes(*trailer));
        if promised > limit {
            return flaw(Rule::TooLarge(limit));
        }
        if promised > (member.len() as u64).saturating_mul(1032) {
            return flaw(Rule::WrongLength);
        }
        out.clear();
        out.resize(promised as usize, 0);
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
            sys::libdeflate_result_LIBDEFLATE_SUCCESS if consumed != member.len() => {
                flaw(Rule::AfterGzip)
            }
            sys::libdeflate_result_LIBDEFLATE_SUCCESS if produced == out.len() => Ok(()),
            sys::libdeflate_result_LIBDEFLATE_BAD_DATA => flaw(Rule::BadGzip),
            _ => flaw(Rule::WrongLength),
        }
    }
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
