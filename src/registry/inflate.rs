//! Gzip bodies to bytes, in one shot and within a limit.

use libdeflater::{DecompressionError, Decompressor};

/// Deflate cannot make more of a byte than this.
const MOST: usize = 1032;

/// Why a body did not inflate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    /// Cut or corrupt: another try may help.
    Broken,
    TooBig,
}

/// Inflates one gzip member. The size in its trailer is a hint that cannot make us reserve more
/// than the input could ever become.
/// `out` is overwritten and given back: a buffer that is used again costs no fresh pages.
pub(super) fn gunzip(body: &[u8], limit: usize, mut out: Vec<u8>) -> Result<Vec<u8>, InflateError> {
    let Some(trailer) = body.last_chunk::<4>().filter(|_| body.len() >= 18) else {
        return Err(InflateError::Broken);
    };
    let told = u32::from_le_bytes(*trailer) as usize;
    let possible = body.len().saturating_mul(MOST);
    let most = possible.min(limit);
    // The end is missing, and something else stands where the size should.
    if told > possible {
        return Err(InflateError::Broken);
    }
    if told > limit {
        return Err(InflateError::TooBig);
    }
    let mut size = told.clamp(1, most.max(1));
    loop {
        if out.capacity() < size {
            // Not `resize`, which would copy what is of no use any more.
            drop(std::mem::take(&mut out));
            out = vec![0; size];
        } else {
            out.resize(size, 0);
        }
        match Decompressor::new().gzip_decompress(body, &mut out) {
            Ok(length) => {
                out.truncate(length);
                return Ok(out);
            }
            Err(DecompressionError::BadData) => return Err(InflateError::Broken),
            Err(DecompressionError::InsufficientSpace) if size >= most => {
                return Err(InflateError::TooBig);
            }
            Err(DecompressionError::InsufficientSpace) => size = size.saturating_mul(2).min(most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_body_inflates_up_to_the_limit_and_no_further() {
        let plain = vec![7; 100_000];
        let body = gzip(&plain);
        assert_eq!(gunzip(&body, 100_000, Vec::new()), Ok(plain));
        assert_eq!(gunzip(&body, 99_999, Vec::new()), Err(InflateError::TooBig));
    }

    #[test]
    fn a_trailer_that_lies_about_the_size_does_no_harm() {
        let mut body = gzip(&vec![7; 100_000]);
        let end = body.len();
        body[end - 4..].copy_from_slice(&5_u32.to_le_bytes());
        assert!(gunzip(&body, 1 << 20, Vec::new()).is_err());
        body[end - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(gunzip(&body, usize::MAX, Vec::new()).is_err());
    }

    #[test]
    fn cut_and_corrupt_bodies_are_broken() {
        let mut body = gzip(&[7; 1000]);
        assert_eq!(
            gunzip(&body[..body.len() - 1], 1 << 20, Vec::new()).map_err(|_| ()),
            Err(())
        );
        body[12] ^= 0xff;
        assert_eq!(
            gunzip(&body, 1 << 20, Vec::new()),
            Err(InflateError::Broken)
        );
        assert_eq!(gunzip(b"", 1 << 20, Vec::new()), Err(InflateError::Broken));
        let mut cut = gzip(&[7; 1000]);
        cut.extend([0xff; 4]);
        assert_eq!(gunzip(&cut, 1 << 20, Vec::new()), Err(InflateError::Broken));
    }
}
