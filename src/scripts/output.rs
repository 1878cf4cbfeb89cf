//! Keeps the end of what a script prints, fit to be shown in a terminal.

/// Bytes kept of a script's output; the rest is read and forgotten.
const KEPT: usize = 16 * 1024;
/// Lines of it that an error quotes.
const LINES: usize = 40;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// Something was dropped, so the first line may be half a line.
    cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Twice the size before anything moves: each byte moves at most once.
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
            self.cut = true;
        }
    }

    /// The last lines, without colours and other control characters.
    pub(super) fn text(&self) -> String {
        let text = plain(&String::from_utf8_lossy(&self.bytes));
        let mut lines: Vec<&str> = text.trim().lines().map(overwritten).collect();
        if self.cut && lines.len() > 1 {
            lines.remove(0);
        }
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// What remains visible of a line that returns to its start, as progress bars do.
fn overwritten(line: &str) -> &str {
    let line = line.trim_end();
    line.rsplit('\r').next().unwrap_or(line)
}

/// Without escape sequences (`ESC [ … letter`, `ESC ] … BEL`) and control characters.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => _ = chars.find(|c| ('@'..='~').contains(c)),
                Some(']') => _ = chars.find(|c| matches!(c, '\u{7}' | '\u{9c}')),
                _ => {}
            },
            '\n' | '\r' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// The end of a hint: nothing, or the output below it.
pub(super) fn quoted(output: &str) -> String {
    if output.is_empty() {
        return String::new();
    }
    format!("; its output ends:\n{output}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_forty_lines_of_much_output_are_kept() {
        let mut tail = Tail::default();
        for line in 0..200_000 {
            tail.push(format!("line {line}\n").as_bytes());
        }
        let text = tail.text();
        assert!(tail.bytes.len() <= 2 * KEPT);
        assert_eq!(text.lines().count(), LINES);
        assert_eq!(text.lines().last(), Some("line 199999"));
    }

    #[test]
    fn one_endless_line_is_cut_to_what_is_kept() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 1024]);
        }
        assert!(tail.text().len() <= 2 * KEPT);
    }

    #[test]
    fn output_cannot_steer_the_terminal_it_is_quoted_in() {
        let mut tail = Tail::default();
        tail.push(b"\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07x\n10%\r100%\r\nend\n");
        assert_eq!(tail.text(), "red x\n100%\nend");
    }
}
