//! What goes where: locations checked, tarballs counted once, bins given to their claimants.

use rustc_hash::{FxHashMap, FxHashSet};

use super::bins::{self, Bin, Remark};
use super::{LinkError, Wanted, WantedPackage};
use crate::name::PackageName;

/// The whole work, decided before the disk is touched.
pub(super) struct Plan<'w> {
    /// Folders with a `node_modules` of their own: `""` for the project, `packages/w`.
    pub homes: Vec<Home>,
    pub slots: Vec<Slot<'w>>,
    pub places: Vec<Place<'w>>,
    pub links: Vec<Link>,
    /// Locations that must have come with the packages around them.
    pub bundled: Vec<Bundled>,
    /// What the user should know of bins.
    pub remarks: Vec<Remark>,
}

pub(super) struct Home {
    pub folder: String,
    /// Does anything go there? If not, an existing `node_modules` is only emptied.
    pub wanted: bool,
    /// The folder of a `file:` dependency: what else lies in its `node_modules` stays.
    pub shared: bool,
}

/// One tarball, however many places it goes to.
pub(super) struct Slot<'w> {
    pub package: &'w WantedPackage,
    pub places: Vec<usize>,
}

/// One package folder.
pub(super) struct Place<'w> {
    pub package: &'w WantedPackage,
    pub slot: usize,
    pub home: usize,
    /// Below the home's `node_modules`: `a/node_modules/b`.
    pub path: String,
    pub bins: Vec<Bin>,
    /// Files that commands lead to by way of a link to this package.
    pub commands: Vec<String>,
    /// Files that are executable without a link in `.bin`.
    pub tools: Vec<String>,
    /// Locations inside this package that others fill, relative to it.
    pub nested: Vec<String>,
    /// Other packages come inside its tarball.
    pub bundles: bool,
}

/// What a file of a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    File,
    /// A bin without a link of its own.
    Tool,
    Bin,
}

impl Purpose {
    /// The mode in the tree of a file that has `mode` in the store.
    pub fn mode(self, mode: u32, umask: u32) -> u32 {
        match self {
            Self::File => mode,
            Self::Tool => mode | (0o111 & !umask),
            Self::Bin => 0o777 & !umask,
        }
    }
}

impl Place<'_> {
    pub fn purpose_of(&self, path: &str) -> Purpose {
        let is_bin = self.bins.iter().any(|bin| bin.target == path);
        if is_bin || self.commands.iter().any(|command| command == path) {
            Purpose::Bin
        } else if self.tools.iter().any(|tool| tool == path) {
            Purpose::Tool
        } else {
            Purpose::File
        }
    }
}

pub(super) struct Link {
    pub home: usize,
    pub path: String,
    /// Text of the symbolic link.
    pub text: String,
    /// The folder it leads to, relative to the project.
    pub target: String,
    pub bins: Vec<Bin>,
}

pub(super) struct Bundled {
    pub home: usize,
    pub path: String,
    pub bins: Vec<Bin>,
}

/// A lock key, taken apart.
pub(super) struct Location<'a> {
    pub folder: &'a str,
    pub path: &'a str,
}

impl<'w> Plan<'w> {
    pub fn of(wanted: &'w Wanted) -> Result<Self, LinkError> {
        let mut plan = Self {
            homes: vec![Home {
                folder: String::new(),
                wanted: false,
                shared: false,
            }],
            slots: Vec::new(),
            places: Vec::new(),
            links: Vec::new(),
            bundled: Vec::new(),
            remarks: Vec::new(),
        };
        for folder in &wanted.workspaces {
            check_folder(folder, folder)?;
            plan.home(folder);
        }
        check_shape(wanted)?;
        let (mut bins, remarks) = bins::claim(wanted)?;
        plan.remarks = remarks;
        plan.add_packages(wanted, &mut bins)?;
        for link in &wanted.links {
            let location = Location::parse(&link.location)?;
            let home = plan.wanted_home(location.folder);
            let bins = bins.remove(link.location.as_str()).unwrap_or_default();
            plan.links.push(Link {
                home,
                path: location.path.to_owned(),
                text: relative(&link.location, &link.target),
                target: link.target.clone(),
                bins,
            });
        }
        Ok(plan)
    }

    fn add_packages(
        &mut self,
        wanted: &'w Wanted,
        bins: &mut FxHashMap<&'w str, Vec<Bin>>,
    ) -> Result<(), LinkError> {
        let mut slots: FxHashMap<String, usize> = FxHashMap::default();
        let mut nested = nested(wanted);
        let mut commands: FxHashMap<&str, Vec<String>> = FxHashMap::default();
        for link in wanted
            .links
            .iter()
            .filter(|link| is_installed(&link.target))
        {
            let bins = bins.get(link.location.as_str()).into_iter().flatten();
            let targets = bins.map(|bin| bin.target.clone());
            commands.entry(&link.target).or_default().extend(targets);
        }
        let bundled = wanted.packages.iter().filter(|package| package.bundled);
        let bundlers: FxHashSet<&str> = bundled.flat_map(|one| above(&one.location)).collect();
        for package in &wanted.packages {
            let location = Location::parse(&package.location)?;
            let home = self.wanted_home(location.folder);
            let path = location.path.to_owned();
            let bins = bins.remove(package.location.as_str()).unwrap_or_default();
            if package.bundled {
                self.bundled.push(Bundled { home, path, bins });
                continue;
            }
            let slot = *slots.entry(tarball_key(package)).or_insert_with(|| {
                self.slots.push(Slot {
                    package,
                    places: Vec::new(),
                });
                self.slots.len() - 1
            });
            if let Some(slot) = self.slots.get_mut(slot) {
                slot.places.push(self.places.len());
            }
            self.places.push(Place {
                package,
                slot,
                home,
                path,
                tools: bins::unclaimed(package, &bins)?,
                bins,
                commands: commands
                    .get(package.location.as_str())
                    .cloned()
                    .unwrap_or_default(),
                nested: nested.remove(package.location.as_str()).unwrap_or_default(),
                bundles: bundlers.contains(package.location.as_str()),
            });
        }
        Ok(())
    }

    fn wanted_home(&mut self, folder: &str) -> usize {
        let known = self.homes.len();
        let at = self.home(folder);
        self.homes[at].wanted = true;
        // The project and its workspaces have theirs by now.
        self.homes[at].shared |= at >= known;
        at
    }

    fn home(&mut self, folder: &str) -> usize {
        let known = self.homes.iter().position(|home| home.folder == folder);
        known.unwrap_or_else(|| {
            self.homes.push(Home {
                folder: folder.to_owned(),
                wanted: false,
                shared: false,
            });
            self.homes.len() - 1
        })
    }
}

/// Two entries with the same identity and bytes share a slot; same bytes under another name do not.
fn tarball_key(package: &WantedPackage) -> String {
    let source = match (&package.integrity, &package.url) {
        (Some(integrity), _) => integrity.to_string(),
        (None, Some(url)) => url.clone(),
        (None, None) => String::new(),
    };
    format!("{} {source}", package.id)
}

/// For each package, the locations inside its folder that are filled by others.
fn nested(wanted: &Wanted) -> FxHashMap<&str, Vec<String>> {
    let mut nested: FxHashMap<&str, Vec<String>> = FxHashMap::default();
    let packages = wanted.packages.iter().filter(|package| !package.bundled);
    let packages = packages.map(|package| package.location.as_str());
    let links = wanted.links.iter().map(|link| link.location.as_str());
    for location in packages.chain(links) {
        for (at, _) in location.match_indices("/node_modules/") {
            let (outer, inner) = location.split_at(at);
            nested.entry(outer).or_default().push(inner[1..].to_owned());
        }
    }
    nested
}

/// The packages around a location.
fn above(location: &str) -> impl Iterator<Item = &str> {
    let ends = location.match_indices("/node_modules/");
    ends.map(|(at, _)| &location[..at])
}

/// No location twice, and none below a link: its files would land in the link's target.
fn check_shape(wanted: &Wanted) -> Result<(), LinkError> {
    let refuse = |location: &str, why| {
        Err(LinkError::Location {
            location: location.to_owned(),
            why,
        })
    };
    let links: FxHashSet<&str> = wanted
        .links
        .iter()
        .map(|link| link.location.as_str())
        .collect();
    let mut seen = FxHashSet::default();
    let packages = wanted.packages.iter().map(|package| &package.location);
    for location in packages.chain(wanted.links.iter().map(|link| &link.location)) {
        Location::parse(location)?;
        if !seen.insert(location.as_str()) {
            return refuse(location, "it is given twice");
        }
        if above(location).any(|above| links.contains(above)) {
            return refuse(location, "it lies below a link");
        }
    }
    for link in &wanted.links {
        if link.target.starts_with('/') || link.target.contains(['\\', '\0']) {
            return refuse(&link.location, "its link's target is not a relative path");
        }
    }
    Ok(())
}

impl<'a> Location<'a> {
    /// `(FOLDER/)?(node_modules/NAME)(/node_modules/NAME)*`, every NAME a package name, the first but
    /// not the last perhaps `.store/KEY` of the linked strategy.
    pub fn parse(location: &'a str) -> Result<Self, LinkError> {
        let refuse = |why| {
            Err(LinkError::Location {
                location: location.chars().take(200).collect(),
                why,
            })
        };
        let (folder, path) = if let Some(path) = location.strip_prefix("node_modules/") {
            ("", path)
        } else if let Some((folder, path)) = location.split_once("/node_modules/") {
            check_folder(folder, location)?;
            (folder, path)
        } else {
            return refuse("it is not in a node_modules");
        };
        let rest = match path.split_once("/node_modules/") {
            Some((store, rest)) if is_store_folder(store) => rest,
            _ => path,
        };
        for name in rest.split("/node_modules/") {
            if PackageName::parse(name).is_err() {
                return refuse("it contains something that is not a package name");
            }
        }
        Ok(Self { folder, path })
    }
}

/// `.store/name@version-hash`, where the name may have a scope.
fn is_store_folder(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+~@!'()*".contains(c);
    path.strip_prefix(".store/").is_some_and(|key| {
        let (scope, name) = key.split_once('/').unwrap_or(("@", key));
        scope.starts_with('@')
            && !name.starts_with('.')
            && [scope, name].iter().all(|part| part.chars().all(plain))
    })
}

/// Is this the path of something that is installed, and not a folder of the user's?
pub(super) fn is_installed(path: &str) -> bool {
    path.starts_with("node_modules/")
}

/// A folder below the project, in one spelling.
fn check_folder(folder: &str, location: &str) -> Result<(), LinkError> {
    let bad = |part: &str| {
        matches!(part, "" | "." | ".." | "node_modules" | ".git")
            || part.starts_with(super::swap::PREFIX)
            || part.contains(|c: char| c == '\\' || c.is_control())
    };
    if folder.split('/').any(bad) {
        return Err(LinkError::Location {
            location: location.chars().take(200).collect(),
            why: "its workspace is not a plain folder of the project",
        });
    }
    Ok(())
}

/// The text of a link at `location` to `target`, both relative to the project.
pub(super) fn relative(location: &str, target: &str) -> String {
    let from: Vec<&str> = location.split('/').collect();
    let from = &from[..from.len().saturating_sub(1)];
    let to: Vec<&str> = target
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - common);
    let parts: Vec<&str> = up.chain(to[common..].iter().copied()).collect();
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}
