//! JSON values, three-way: objects member by member, lists of texts as sets.

use serde_json::{Map, Value};

use crate::collate;

/// Whose value stands where both sides changed the same thing in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    Ours,
    Theirs,
    /// What both had before; nothing where there was nothing.
    Base,
}

impl Stand {
    pub fn of<T>(self, base: T, ours: T, theirs: T) -> T {
        match self {
            Self::Ours => ours,
            Self::Theirs => theirs,
            Self::Base => base,
        }
    }
}

/// Something that both sides changed in different ways.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispute {
    /// Members from the outside in: `dependencies`, `lodash`.
    pub path: Vec<String>,
    pub base: Option<Value>,
    pub ours: Option<Value>,
    pub theirs: Option<Value>,
}

/// A merge under way.
#[derive(Debug, Clone)]
pub struct Three {
    pub stand: Stand,
    pub disputes: Vec<Dispute>,
    path: Vec<String>,
}

impl Three {
    pub fn new(stand: Stand) -> Self {
        Self {
            stand,
            disputes: Vec::new(),
            path: Vec::new(),
        }
    }

    /// The merged object; `at` is where it stands, for disputes.
    pub fn objects(
        &mut self,
        at: &[&str],
        base: &Map<String, Value>,
        ours: &Map<String, Value>,
        theirs: &Map<String, Value>,
    ) -> Map<String, Value> {
        self.path = at.iter().map(|part| (*part).to_owned()).collect();
        self.members(base, ours, theirs)
    }

    fn members(
        &mut self,
        base: &Map<String, Value>,
        ours: &Map<String, Value>,
        theirs: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut merged = Map::new();
        for key in in_order(ours, theirs) {
            self.path.push(key.to_owned());
            let value = self.value(base.get(key), ours.get(key), theirs.get(key));
            self.path.pop();
            if let Some(value) = value {
                merged.insert(key.to_owned(), value);
            }
        }
        merged
    }

    fn value(
        &mut self,
        base: Option<&Value>,
        ours: Option<&Value>,
        theirs: Option<&Value>,
    ) -> Option<Value> {
        if ours == theirs || theirs == base {
            return ours.cloned();
        }
        if ours == base {
            return theirs.cloned();
        }
        let nothing = Map::new();
        match (ours, theirs) {
            (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
                let base = base.and_then(Value::as_object).unwrap_or(&nothing);
                Some(self.members(base, ours, theirs).into())
            }
            (Some(Value::Array(ours)), Some(Value::Array(theirs)))
                if is_set(ours) && is_set(theirs) =>
            {
                let base = base
                    .and_then(Value::as_array)
                    .map_or(&[][..], Vec::as_slice);
                Some(sets(base, ours, theirs).into())
            }
            _ => {
                self.disputes.push(Dispute {
                    path: self.path.clone(),
                    base: base.cloned(),
                    ours: ours.cloned(),
                    theirs: theirs.cloned(),
                });
                self.stand.of(base, ours, theirs).cloned()
            }
        }
    }
}

/// Keys of both: sorted where both are, else theirs that are new behind what they stand behind.
fn in_order<'a>(ours: &'a Map<String, Value>, theirs: &'a Map<String, Value>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = ours.keys().map(String::as_str).collect();
    let mut behind = 0;
    for key in theirs.keys() {
        if let Some(place) = keys.iter().position(|known| known == key) {
            behind = place + 1;
        } else {
            keys.insert(behind, key);
            behind += 1;
        }
    }
    let sorted = |map: &Map<String, Value>| {
        let keys: Vec<&String> = map.keys().collect();
        keys.is_sorted_by(|a, b| collate::compare(a, b).is_le())
    };
    if sorted(ours) && sorted(theirs) {
        keys.sort_by(|a, b| collate::compare(a, b));
    }
    keys
}

fn is_set(list: &[Value]) -> bool {
    let mut items = list.iter().enumerate();
    items.all(|(at, item)| item.is_string() && !list[..at].contains(item))
}

/// What either side added, without what either removed.
fn sets(base: &[Value], ours: &[Value], theirs: &[Value]) -> Vec<Value> {
    let removed =
        |item: &&Value| base.contains(item) && !(ours.contains(item) && theirs.contains(item));
    let new = theirs.iter().filter(|item| !ours.contains(item));
    let all = ours.iter().chain(new);
    all.filter(|item| !removed(item)).cloned().collect()
}
