//! What is in a package, and what differs between the contents of two.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::link::mended;
use crate::manifest::Manifest;
use crate::store::{Package, Store};

/// One file of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    pub blake3: [u8; 32],
    /// In bytes, where it is known.
    pub size: Option<u64>,
    pub executable: bool,
}

/// Files by path below the package's folder.
pub type Files = BTreeMap<String, File>;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Added,
    Removed,
    Changed,
}

impl Fate {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    /// The sign in tables.
    pub fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    pub path: String,
    pub fate: Fate,
    /// Bytes on either side, where they are known.
    pub before: Option<u64>,
    pub after: Option<u64>,
    /// It is compiled code.
    pub binary: bool,
}

/// A script, a command or the like that differs; absent on a side where it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextChange {
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What differs inside one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Sorted by path.
    pub files: Vec<FileChange>,
    /// Of the package.json: all scripts, sorted by name.
    pub scripts: Vec<TextChange>,
    /// Commands and the files behind them.
    pub bins: Vec<TextChange>,
}

/// A package whose files can be read.
pub trait Opened {
    fn files(&self) -> &Files;
    fn manifest(&self) -> &Manifest;
    fn read(&self, path: &str) -> Option<Vec<u8>>;
}

/// The files of a stored package, and those of them in which npm may mend line ends.
pub(super) fn stored_files(package: &Package) -> Files {
    let files = package.index().files().map(|file| {
        let facts = File {
            blake3: file.blake3,
            size: Some(file.stamp.size),
            executable: file.stamp.mode & 0o111 != 0,
        };
        (file.path.to_owned(), facts)
    });
    files.collect()
}

/// Paths whose content differs, modes aside: npm makes commands executable as it installs them.
pub fn file_changes(before: &Files, after: &Files) -> Vec<FileChange> {
    let change = |path: &String, fate| FileChange {
        path: path.clone(),
        fate,
        before: before.get(path).and_then(|file| file.size),
        after: after.get(path).and_then(|file| file.size),
        binary: is_named_like_a_binary(path),
    };
    let mut changes: Vec<FileChange> = Vec::new();
    for (path, file) in after {
        match before.get(path) {
            None => changes.push(change(path, Fate::Added)),
            Some(old) if old.blake3 != file.blake3 => changes.push(change(path, Fate::Changed)),
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    changes.extend(gone.map(|path| change(path, Fate::Removed)));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

/// Is this content what npm makes of the stored file when it is a command?
pub(super) fn is_mended(store: &Store, package: &Package, path: &str, found: &[u8; 32]) -> bool {
    let file = package.index().files().find(|file| file.path == path);
    file.is_some_and(|file| file.crlf_shebang)
        && store
            .read(package, path)
            .is_some_and(|bytes| blake3::hash(&mended(bytes)).as_bytes() == found)
}

/// Compares two packages, of which one may not be there.
pub fn compare(before: Option<&dyn Opened>, after: Option<&dyn Opened>) -> Contents {
    let (none, nothing) = (Files::new(), Manifest::default());
    let files =
        |side: Option<&dyn Opened>| side.map_or_else(|| none.clone(), |s| s.files().clone());
    let mut files = file_changes(&files(before), &files(after));
    for change in &mut files {
        let side = if change.fate == Fate::Removed {
            before
        } else {
            after
        };
        let head = || side.and_then(|side| side.read(&change.path));
        change.binary = change.binary
            || (may_be_a_binary(&change.path) && head().is_some_and(|bytes| is_binary(&bytes)));
    }
    let old = before.map_or(&nothing, |side| side.manifest());
    let new = after.map_or(&nothing, |side| side.manifest());
    Contents {
        files,
        scripts: texts(&of(old, "scripts"), &of(new, "scripts")),
        bins: texts(&bins(old), &bins(new)),
    }
}

type Texts = BTreeMap<String, String>;

fn of(manifest: &Manifest, field: &str) -> Texts {
    let members = manifest.object(field).into_iter().flatten();
    let texts =
        members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    texts.collect()
}

fn bins(manifest: &Manifest) -> Texts {
    let bins = manifest.bins();
    bins.map(|(name, path)| (name.to_owned(), path.to_owned()))
        .collect()
}

fn texts(before: &Texts, after: &Texts) -> Vec<TextChange> {
    let names = before.keys().chain(after.keys());
    let mut names: Vec<&String> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    names.sort();
    names.dedup();
    let change = |name: &String| TextChange {
        name: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    names.into_iter().map(change).collect()
}

/// Do these files hold native code? By their names; files that have no ending are looked into.
pub(super) fn is_native(files: &Files, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> bool {
    if files.keys().any(|path| is_named_like_a_binary(path)) {
        return true;
    }
    let suspects = files.iter().filter(|(path, file)| {
        file.executable && may_be_a_binary(path) && file.size.is_none_or(|size| size > SMALLEST)
    });
    let mut contents = suspects.filter_map(|(path, _)| read(path));
    contents.any(|bytes| is_binary(&bytes))
}

/// Smaller executables are scripts.
const SMALLEST: u64 = 16 << 10;

/// Endings of native code; WebAssembly runs anywhere.
fn is_named_like_a_binary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return false;
    };
    let ending = ending.to_ascii_lowercase();
    let is_versioned = ending.bytes().all(|byte| byte.is_ascii_digit()) && stem.contains(".so");
    ["node", "so", "dylib", "dll", "exe"].contains(&ending.as_str()) || is_versioned
}

fn may_be_a_binary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.contains('.')
}

/// ELF, Mach-O or PE by its first bytes.
fn is_binary(bytes: &[u8]) -> bool {
    const MAGIC: [&[u8]; 7] = [
        b"\x7fELF",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
        b"MZ",
    ];
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
}

/// A package of the store.
pub struct Stored<'a> {
    store: &'a Store,
    package: Package,
    files: Files,
    manifest: Manifest,
}

impl<'a> Stored<'a> {
    /// `package` is one that [`Store::find`] gave.
    pub fn open(store: &'a Store, package: Package) -> Self {
        let bytes = store.read(&package, "package.json");
        Self {
            files: stored_files(&package),
            manifest: manifest(bytes.as_deref().unwrap_or_default()),
            package,
            store,
        }
    }
}

impl Opened for Stored<'_> {
    fn files(&self) -> &Files {
        &self.files
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.store.read(&self.package, path)
    }
}

/// A package.json; an empty one when it cannot be read.
pub(super) fn manifest(bytes: &[u8]) -> Manifest {
    let value = crate::json::parse(bytes).map_or(Value::Null, |document| document.value);
    Manifest::from_registry(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        let file = |text: &str| File {
            blake3: *blake3::hash(text.as_bytes()).as_bytes(),
            size: Some(text.len() as u64),
            executable: false,
        };
        let list = list.iter();
        list.map(|(path, text)| ((*path).to_owned(), file(text)))
            .collect()
    }

    struct Folder(Files, Manifest, BTreeMap<String, Vec<u8>>);

    impl Opened for Folder {
        fn files(&self) -> &Files {
            &self.0
        }

        fn manifest(&self) -> &Manifest {
            &self.1
        }

        fn read(&self, path: &str) -> Option<Vec<u8>> {
            self.2.get(path).cloned()
        }
    }

    fn folder(list: &[(&str, &str)], manifest: Value) -> Folder {
        let bytes = list.iter();
        let bytes = bytes.map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Folder(
            files(list),
            Manifest::from_registry(manifest),
            bytes.collect(),
        )
    }

    #[test]
    fn every_file_that_differs_is_told_once() {
        let before = files(&[("a.js", "1"), ("b.js", "2"), ("same.js", "s")]);
        let after = files(&[("a.js", "11"), ("c.node", "3"), ("same.js", "s")]);
        let told: Vec<String> = file_changes(&before, &after)
            .iter()
            .map(|change| format!("{} {} {}", change.fate.sign(), change.path, change.binary))
            .collect();
        assert_eq!(told, ["~ a.js false", "- b.js false", "+ c.node true"]);
    }

    #[test]
    fn new_scripts_commands_and_binaries_are_found() {
        let before = folder(
            &[("cli.js", "x")],
            serde_json::json!({"name": "p", "bin": {"p": "cli.js"}}),
        );
        let after = folder(
            &[("cli.js", "x"), ("tool", "\x7fELF…"), ("plain", "text")],
            serde_json::json!({"name": "p", "bin": {"p": "cli.js", "q": "tool"}, "scripts": {"postinstall": "node x"}}),
        );
        let contents = compare(Some(&before), Some(&after));
        let binaries = contents.files.iter().filter(|change| change.binary);
        assert_eq!(
            binaries
                .map(|change| change.path.as_str())
                .collect::<Vec<_>>(),
            ["tool"]
        );
        assert_eq!(contents.scripts[0].after.as_deref(), Some("node x"));
        assert_eq!(contents.bins.len(), 1);
        assert_eq!(contents.bins[0].name, "q");
    }

    #[test]
    fn shared_libraries_are_known_by_their_names() {
        for (path, is) in [
            ("build/Release/x.node", true),
            ("lib/libvips.so.42", true),
            ("x.dll", true),
            ("x.wasm", false),
            ("notes.10", false),
        ] {
            assert_eq!(is_named_like_a_binary(path), is, "{path}");
        }
    }
}
