//! JSON with comments and trailing commas, as bun writes its lock.

use super::item::{Builder, Data, Flaw, Item};

/// Parses the text.
///
/// - Errors: what JSON does not allow either, but for comments and a comma before a bracket's end.
pub fn parse(text: &str) -> Result<Item, Flaw> {
    let mut reader = Reader {
        rest: text.strip_prefix('\u{FEFF}').unwrap_or(text),
        line: 1,
    };
    let mut builder = Builder::default();
    let mut open = Vec::new();
    loop {
        reader.value(&mut builder, &mut open)?;
        // After a value: a comma and the next one, or the ends of what is open.
        loop {
            reader.skip()?;
            let Some(end) = open.last().copied() else {
                return reader.end(builder);
            };
            let comma = reader.take(',');
            reader.skip()?;
            if reader.take(end) {
                open.pop();
                builder.end(reader.line)?;
            } else if comma {
                break;
            } else {
                return Err(reader.unexpected());
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    /// Reads a value, or the beginnings of those it is nested in, down to the first scalar or
    /// empty bracket. In a map its key comes first.
    fn value(&mut self, builder: &mut Builder, open: &mut Vec<char>) -> Result<(), Flaw> {
        loop {
            self.skip()?;
            if open.last() == Some(&'}') {
                let key = self.string()?;
                builder.scalar(self.line, Data::Text(key))?;
                self.skip()?;
                if !self.take(':') {
                    return Err(self.unexpected());
                }
                self.skip()?;
            }
            let (data, end) = match self.rest.chars().next() {
                Some('{') => (Data::Map(Vec::new()), '}'),
                Some('[') => (Data::List(Vec::new()), ']'),
                Some('"') => {
                    let text = self.string()?;
                    return builder.scalar(self.line, Data::Text(text));
                }
                _ => return self.word(builder),
            };
            self.advance(1);
            builder.begin(self.line, data)?;
            self.skip()?;
            if self.take(end) {
                return builder.end(self.line);
            }
            open.push(end);
        }
    }

    /// `true`, `false`, `null` or a number.
    fn word(&mut self, builder: &mut Builder) -> Result<(), Flaw> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let length = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let word = &self.rest[..length];
        let data = match serde_json::from_str(word) {
            Ok(serde_json::Value::Null) => Data::Null,
            Ok(_) => Data::Text(word.to_owned()),
            Err(_) => return Err(self.unexpected()),
        };
        self.advance(length);
        builder.scalar(self.line, data)
    }

    fn string(&mut self) -> Result<String, Flaw> {
        let mut escaped = false;
        let mut chars = self.rest.char_indices();
        if chars.next().is_none_or(|(_, c)| c != '"') {
            return Err(self.unexpected());
        }
        let end = chars.find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes || *c == '\n'
        });
        let length = end.map_or(self.rest.len(), |(at, _)| at + 1);
        let text = serde_json::from_str(&self.rest[..length])
            .map_err(|_| Flaw::new(self.line, "a text is not closed, or has a wrong escape"))?;
        self.advance(length);
        Ok(text)
    }

    /// White space and comments.
    fn skip(&mut self) -> Result<(), Flaw> {
        loop {
            let blank = self.rest.find(|c: char| !" \t\r\n".contains(c));
            self.advance(blank.unwrap_or(self.rest.len()));
            if self.rest.starts_with("//") {
                self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let Some(end) = self.rest.find("*/") else {
                    return Err(Flaw::new(self.line, "a comment is not closed"));
                };
                self.advance(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.rest.starts_with(wanted);
        if there {
            self.advance(wanted.len_utf8());
        }
        there
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += memchr::memchr_iter(b'\n', passed.as_bytes()).count();
        self.rest = rest;
    }

    fn unexpected(&self) -> Flaw {
        let reason = match self.rest.chars().next() {
            Some(found) => format!("{found:?} has no place here"),
            None => "the text ends too early".to_owned(),
        };
        Flaw::new(self.line, reason)
    }

    fn end(&self, builder: Builder) -> Result<Item, Flaw> {
        if self.rest.is_empty() {
            builder.finish(self.line)
        } else {
            Err(self.unexpected())
        }
    }
}
