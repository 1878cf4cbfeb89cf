//! The part of YAML that locks are written in: maps, lists and scalars, without anchors and tags.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::item::{Builder, Data, Flaw, Item};

/// The last document of the text: pnpm writes one about itself before the project's.
///
/// Aliases, anchors and tags are refused: no lock has them, and a few lines of aliases can stand
/// for more than fits into memory.
pub fn parse(text: &str) -> Result<Item, Flaw> {
    let mut document = None;
    let mut builder = Builder::default();
    let mut line = 1;
    // What is missing at the end is missed beyond it.
    let last = text.lines().count().max(1);
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| Flaw::new(error.marker().line().min(last), error.info()))?;
        line = span.start.line();
        match event {
            Event::DocumentStart(_) => builder = Builder::default(),
            Event::DocumentEnd => {
                document = Some(std::mem::take(&mut builder).finish(line)?);
            }
            Event::Scalar(text, style, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    return Err(unusual(line));
                }
                let plain = style == ScalarStyle::Plain;
                let data = match &*text {
                    "" | "~" | "null" if plain => Data::Null,
                    text => Data::Text(text.to_owned()),
                };
                builder.scalar(line, data)?;
            }
            Event::SequenceStart(0, None) => builder.begin(line, Data::List(Vec::new()))?,
            Event::MappingStart(0, None) => builder.begin(line, Data::Map(Vec::new()))?,
            Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err(unusual(line));
            }
            Event::SequenceEnd | Event::MappingEnd => builder.end(line)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
    }
    document.ok_or_else(|| Flaw::new(line, "there is nothing in it"))
}

fn unusual(line: usize) -> Flaw {
    Flaw::new(line, "anchors, aliases and tags have no place in a lock")
}
