//! Texts, lists and maps as a foreign lock nests them, each with its line.

/// One value of a parsed lock; numbers and booleans are texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// 1-based.
    pub line: usize,
    pub data: Data,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    Null,
    Text(String),
    List(Vec<Item>),
    /// In the file's order; no key is there twice.
    Map(Vec<(String, Item)>),
}

/// What is wrong with a lock, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    pub line: usize,
    pub reason: String,
}

impl Flaw {
    pub fn new(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line,
            reason: reason.into(),
        }
    }
}

/// Levels of lists and maps; real locks have five.
pub const DEEPEST: usize = 32;

/// Puts nested values together from their beginnings and ends, without recursion.
#[derive(Default)]
pub struct Builder {
    /// Open lists and maps; of a map also the key that waits for its value.
    open: Vec<(Item, Option<String>)>,
    done: Option<Item>,
}

impl Builder {
    pub fn begin(&mut self, line: usize, data: Data) -> Result<(), Flaw> {
        if self.open.len() == DEEPEST {
            let reason = format!("nested deeper than {DEEPEST} levels");
            return Err(Flaw::new(line, reason));
        }
        self.open.push((Item { line, data }, None));
        Ok(())
    }

    pub fn end(&mut self, line: usize) -> Result<(), Flaw> {
        match self.open.pop() {
            Some((item, None)) => self.value(item),
            _ => Err(Flaw::new(line, "a key has no value")),
        }
    }

    /// A map's key, where one is due, else a value.
    pub fn scalar(&mut self, line: usize, data: Data) -> Result<(), Flaw> {
        if let Some((map, key @ None)) = self.open.last_mut()
            && let Data::Map(members) = &map.data
        {
            let Data::Text(text) = data else {
                return Err(Flaw::new(line, "a key is not a text"));
            };
            // Equal keys elsewhere in a big map are looked for when it is closed.
            let twin = members.last().is_some_and(|(last, _)| *last == text);
            if twin {
                return Err(Flaw::new(line, format!("{text:?} is written twice")));
            }
            *key = Some(text);
            return Ok(());
        }
        self.value(Item { line, data })
    }

    fn value(&mut self, item: Item) -> Result<(), Flaw> {
        let item = item.without_twins()?;
        match self.open.last_mut() {
            None if self.done.is_some() => {
                Err(Flaw::new(item.line, "the text goes on after its end"))
            }
            None => {
                self.done = Some(item);
                Ok(())
            }
            Some((parent, key)) => match &mut parent.data {
                Data::List(items) => {
                    items.push(item);
                    Ok(())
                }
                Data::Map(members) => {
                    let Some(key) = key.take() else {
                        return Err(Flaw::new(item.line, "a key is not a text"));
                    };
                    members.push((key, item));
                    Ok(())
                }
                _ => Err(Flaw::new(item.line, "a value is where none belongs")),
            },
        }
    }

    pub fn finish(self, last_line: usize) -> Result<Item, Flaw> {
        match self.done {
            Some(item) if self.open.is_empty() => Ok(item),
            _ => Err(Flaw::new(last_line, "the text ends too early")),
        }
    }
}

impl Item {
    fn without_twins(self) -> Result<Self, Flaw> {
        if let Data::Map(members) = &self.data {
            let mut seen = rustc_hash::FxHashSet::default();
            for (key, item) in members {
                if !seen.insert(key) {
                    return Err(Flaw::new(item.line, format!("{key:?} is written twice")));
                }
            }
        }
        Ok(self)
    }

    fn kind(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    fn wrong(&self, place: &str, wanted: &str) -> Flaw {
        let found = self.kind();
        Flaw::new(
            self.line,
            format!("{place} is {found}, where {wanted} belongs"),
        )
    }

    /// The members of a map; nothing at all is an empty one.
    pub fn members(&self, place: &str) -> Result<&[(String, Item)], Flaw> {
        match &self.data {
            Data::Map(members) => Ok(members),
            Data::Null => Ok(&[]),
            _ => Err(self.wrong(place, "a map")),
        }
    }

    pub fn text(&self, place: &str) -> Result<&str, Flaw> {
        match &self.data {
            Data::Text(text) => Ok(text),
            _ => Err(self.wrong(place, "a text")),
        }
    }

    pub fn list(&self, place: &str) -> Result<&[Item], Flaw> {
        match &self.data {
            Data::List(items) => Ok(items),
            _ => Err(self.wrong(place, "a list")),
        }
    }

    /// A list of texts, or a single one.
    pub fn texts(&self, place: &str) -> Result<Vec<String>, Flaw> {
        match &self.data {
            Data::List(items) => items
                .iter()
                .map(|item| item.text(place).map(str::to_owned))
                .collect(),
            _ => Ok(vec![self.text(place)?.to_owned()]),
        }
    }

    /// A map's member that is neither missing nor null.
    pub fn get(&self, key: &str) -> Option<&Item> {
        let Data::Map(members) = &self.data else {
            return None;
        };
        let (_, item) = members.iter().find(|(name, _)| name == key)?;
        (item.data != Data::Null).then_some(item)
    }

    /// A member's text, if there is such a member.
    pub fn text_of(&self, key: &str) -> Result<Option<&str>, Flaw> {
        self.get(key).map(|item| item.text(key)).transpose()
    }

    pub fn members_of(&self, key: &str) -> Result<&[(String, Item)], Flaw> {
        self.get(key).map_or(Ok(&[]), |item| item.members(key))
    }

    pub fn texts_of(&self, key: &str) -> Result<Vec<String>, Flaw> {
        self.get(key).map_or(Ok(Vec::new()), |item| item.texts(key))
    }

    pub fn is_true(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|item| item.data == Data::Text("true".to_owned()))
    }
}
