//! The names of one archive as a tree: what each stands for, and which of them a disk confuses.

use std::collections::HashMap;

use super::error::{Rule, printable};
use super::path;

/// What a path stands for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum What {
    Folder,
    /// The place in the list of files.
    File(usize),
    Link,
}

/// Every part of a path is kept once, however deep it lies: an archive of a few bytes can name
/// folders without end.
pub(super) struct Names {
    /// The package's folder first.
    nodes: Vec<Node>,
    folders: usize,
    /// Bytes of all paths together, as they are kept later on.
    text: usize,
    /// Folders that there may be.
    most: usize,
    /// The folder found last: neighbours in an archive share theirs.
    last: (String, usize),
}

struct Node {
    name: Box<str>,
    above: usize,
    what: What,
    /// By their folded names. The hash is seeded: an archive cannot choose names that collide.
    below: HashMap<Box<str>, usize>,
}

/// Bytes of a path, on average, that an archive may use for each entry that it may have.
const PATH: usize = 320;

impl Names {
    /// For an archive of at most `most` entries.
    pub fn new(most: usize) -> Self {
        let top = Node {
            name: Box::default(),
            above: 0,
            what: What::Folder,
            below: HashMap::new(),
        };
        Self {
            nodes: vec![top],
            folders: 0,
            text: 0,
            most,
            last: (String::new(), 0),
        }
    }

    /// Makes `path` and the folders above it known; what it stood for already.
    pub fn add(&mut self, path: &str, what: What) -> Result<Option<What>, Rule> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder)?;
        let (at, is_new) = self.child(folder, name, what, path.len())?;
        Ok((!is_new).then_some(self.nodes[at].what))
    }

    /// Is there a name that a disk takes for this one?
    pub fn has(&self, path: &str) -> bool {
        let mut at = 0;
        path.split('/').all(|part| {
            let below = &self.nodes[at].below;
            below.get(&*path::fold(part)).is_some_and(|found| {
                at = *found;
                true
            })
        })
    }

    fn folder(&mut self, path: &str) -> Result<usize, Rule> {
        if path == self.last.0 {
            return Ok(self.last.1);
        }
        let (mut at, mut end) = (0, 0);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            end += part.len() + 1;
            at = self.child(at, part, What::Folder, end)?.0;
            match self.nodes[at].what {
                What::Folder => {}
                What::Link => return Err(Rule::ThroughLink),
                What::File(_) => return Err(Rule::FileAndFolder),
            }
        }
        self.last = (path.to_owned(), at);
        Ok(at)
    }

    /// The node `name` of a folder, made if need be; is it new? `length` is that of its whole path.
    fn child(
        &mut self,
        folder: usize,
        name: &str,
        what: What,
        length: usize,
    ) -> Result<(usize, bool), Rule> {
        let key = path::fold(name).into_boxed_str();
        if let Some(&at) = self.nodes[folder].below.get(&key) {
            if *self.nodes[at].name == *name {
                return Ok((at, false));
            }
            return Err(Rule::Twins(printable(self.path(at).as_bytes())));
        }
        self.folders += usize::from(what == What::Folder);
        if self.folders > self.most {
            return Err(Rule::TooManyFolders(self.most));
        }
        self.text += length;
        let most = self.most.saturating_mul(PATH);
        if self.text > most {
            return Err(Rule::LongPaths(most));
        }
        let at = self.nodes.len();
        self.nodes.push(Node {
            name: name.into(),
            above: folder,
            what,
            below: HashMap::new(),
        });
        self.nodes[folder].below.insert(key, at);
        Ok((at, true))
    }

    fn path(&self, mut at: usize) -> String {
        let mut parts = Vec::new();
        while at != 0 {
            parts.push(&*self.nodes[at].name);
            at = self.nodes[at].above;
        }
        parts.reverse();
        parts.join("/")
    }
}
