//! Small reads from foreign bytes, each of bounded cost.

/// Names are cut here: who reads a million of them may meet a million overlapping ones.
const LONGEST_NAME: usize = 512;

/// The bytes at `offset` up to a NUL; at most [`LONGEST_NAME`] of them.
pub fn name_at(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    let rest = rest.get(..LONGEST_NAME).unwrap_or(rest);
    let end = memchr::memchr(0, rest).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// As text without control characters, for people.
pub fn printable(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars().filter(|char| !char.is_control()).collect()
}

/// Which bytes lie at an address of the loaded file, and all that follow them in their segment.
pub type At<'a> = dyn Fn(u64) -> Option<&'a [u8]> + 'a;

/// The beginning of a text, at most `most` bytes of it.
pub fn clipped(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Is that the ending of the path's name?
pub fn ends_in(path: &str, extension: &str) -> bool {
    let found = std::path::Path::new(path).extension();
    found.is_some_and(|found| found == extension)
}
