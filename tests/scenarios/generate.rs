//! Makes small registries and projects out of a seed, to try what nobody would think of.

use serde_json::{Map, Value, json};

/// Numbers that look random and are the same every time (`SplitMix64`).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn from(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// True in so many of a hundred cases.
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }
}

const NAMES: [&str; 20] = [
    "a", "b", "c", "d", "e", "@s/f", "g", "h-i", "j.k", "l", "@s/m", "Nn", "o", "p", "q", "@s/r",
    "s", "t", "u", "v",
];
const VERSIONS: [&str; 13] = [
    "1.0.0",
    "1.1.0",
    "2.0.0",
    "1.2.0",
    "3.0.0",
    "2.1.0",
    "1.0.1",
    "2.0.0-beta.1",
    "3.0.0-rc.1",
    "0.1.0",
    "0.2.0",
    "0.1.1",
    "4.0.0",
];
const FLAGS: [&str; 16] = [
    "--legacy-peer-deps",
    "--strict-peer-deps",
    "--force",
    "--prefer-dedupe",
    "--install-strategy=nested",
    "--install-strategy=shallow",
    "--omit=dev",
    "--omit=optional",
    "--omit=peer",
    "--install-links",
    "--lockfile-version=1",
    "--lockfile-version=2",
    "--engine-strict",
    "--before=2020-01-01T00:01:30.000Z",
    "--os=darwin",
    "--omit-lockfile-registry-resolved",
];

/// How much there is of what, in percent.
struct Taste {
    peers: usize,
    optional_peers: usize,
    optionals: usize,
    odd_specs: usize,
    odd_fields: usize,
    bundles: usize,
    dependencies: usize,
    /// Are there requests that no version satisfies?
    impossible: bool,
}

struct Generator {
    random: Random,
    taste: Taste,
    /// Each name with the versions it has.
    world: Vec<(&'static str, Vec<&'static str>)>,
    /// Are there many packages, and many dependencies of the project?
    large: bool,
}

/// A scenario in the form of its file.
pub fn scenario(seed: u64) -> Map<String, Value> {
    let mut random = Random::new(seed);
    let often = |random: &mut Random, percent, much, little| {
        if random.percent(percent) {
            much
        } else {
            little
        }
    };
    let taste = Taste {
        peers: often(&mut random, 60, 35, 5),
        optional_peers: often(&mut random, 30, 35, 10),
        optionals: often(&mut random, 30, 25, 3),
        odd_specs: often(&mut random, 30, 25, 4),
        odd_fields: often(&mut random, 30, 20, 2),
        bundles: often(&mut random, 6, 12, 0),
        dependencies: *random.pick(&[90, 120, 150, 200, 280]),
        impossible: random.percent(10),
    };
    let large = random.percent(20);
    let mut names = NAMES;
    random.shuffle(&mut names);
    let names = &names[..random.from(if large { 8..=20 } else { 2..=10 })];
    let world = names
        .iter()
        .map(|name| {
            let count = random.from(1..=if large { 7 } else { 4 });
            let wide = if random.percent(70) {
                6
            } else {
                VERSIONS.len()
            };
            let mut versions: Vec<&str> =
                (0..count).map(|_| VERSIONS[random.below(wide)]).collect();
            versions.sort_unstable();
            versions.dedup();
            random.shuffle(&mut versions);
            (*name, versions)
        })
        .collect();
    let generator = Generator {
        random,
        taste,
        world,
        large,
    };
    generator.scenario(seed)
}

impl Generator {
    fn scenario(mut self, seed: u64) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("about".to_owned(), json!(format!("generated from {seed}")));
        let flags = self.flags();
        if !flags.is_empty() {
            fields.insert("flags".to_owned(), json!(flags));
        }
        let mut project = Map::new();
        let root = self.root(&mut project);
        let mut packages = Map::new();
        let mut tags = Map::new();
        for (name, versions) in self.world.clone() {
            for version in &versions {
                packages.insert(format!("{name}@{version}"), self.package(name));
            }
            if self.random.percent(15) {
                let tag = *self.random.pick(&["latest", "next", "latest"]);
                let version = *self.random.pick(&versions);
                tags.insert(name.to_owned(), json!({ tag: version }));
            }
        }
        if self.random.percent(55) {
            fields.insert("then".to_owned(), self.then(&root));
        }
        fields.insert("root".to_owned(), Value::Object(root));
        for (key, table) in [("project", project), ("packages", packages), ("tags", tags)] {
            if !table.is_empty() {
                fields.insert(key.to_owned(), Value::Object(table));
            }
        }
        fields
    }

    fn flags(&mut self) -> Vec<&'static str> {
        let count = match self.random.below(100) {
            0..60 => 0,
            60..90 => 1,
            _ => 2,
        };
        let mut flags: Vec<&str> = (0..count).map(|_| *self.random.pick(&FLAGS)).collect();
        flags.sort_unstable();
        flags.dedup_by_key(|flag| flag.split('=').next());
        flags
    }

    fn name(&mut self) -> &'static str {
        self.random.pick(&self.world).0
    }

    /// A version range that some version of `name` probably satisfies.
    fn range(&mut self, name: &str) -> String {
        let versions = self.world.iter().find(|(known, _)| *known == name);
        let version = versions.map_or("1.0.0", |(_, versions)| {
            versions[self.random.below(versions.len())]
        });
        let major = version.split('.').next().unwrap();
        match self.random.below(20) {
            0..6 => format!("^{version}"),
            6..9 => format!("^{major}"),
            9 => format!("~{version}"),
            10 | 11 => version.to_owned(),
            12 => format!(">={version}"),
            13 => format!("<={version}"),
            14 => format!("{major}.x"),
            15 => "*".to_owned(),
            16 => format!("{major} || 2"),
            17 if self.taste.impossible => self.random.pick(&["^1", "^2", "^3"]).to_string(),
            17 => String::new(),
            18 => ">=0".to_owned(),
            _ => format!("^{major} || ^{version}"),
        }
    }

    fn spec(&mut self, name: &str) -> String {
        if !self.random.percent(self.taste.odd_specs) {
            return self.range(name);
        }
        match self.random.below(10) {
            0 | 1 => "latest".to_owned(),
            2 if self.taste.impossible => "next".to_owned(),
            3 | 4 => {
                let other = self.name();
                format!("npm:{other}@{}", self.range(other))
            }
            5 => self
                .random
                .pick(&[">=2.0.0-0", "^3.0.0-0", "<2.0.0-z"])
                .to_string(),
            6 if self.taste.impossible => "9.9.9".to_owned(),
            _ => self.range(name),
        }
    }

    fn count(&mut self, percent: usize) -> usize {
        let count = percent / 100 + usize::from(self.random.percent(percent % 100));
        self.random.from(0..=count * 2)
    }

    /// The four maps of dependencies, of which `development` only counts for projects.
    fn dependencies(&mut self, fields: &mut Map<String, Value>, count: usize, development: usize) {
        for _ in 0..count {
            let name = self.name();
            let spec = self.spec(name);
            let die = self.random.below(100);
            let (peers, optionals) = (self.taste.peers, self.taste.optionals);
            let field = if die < peers {
                if self.random.percent(self.taste.optional_peers) {
                    let meta = table(fields, "peerDependenciesMeta");
                    meta.insert(name.to_owned(), json!({ "optional": true }));
                }
                "peerDependencies"
            } else if die < peers + optionals {
                "optionalDependencies"
            } else if self.random.percent(development) {
                "devDependencies"
            } else {
                "dependencies"
            };
            table(fields, field).insert(name.to_owned(), json!(spec));
        }
    }

    fn package(&mut self, name: &str) -> Value {
        let mut fields = Map::new();
        let count = self.count(self.taste.dependencies);
        self.dependencies(&mut fields, count, 3);
        // A package that is its own peer makes sense to nobody, npm included.
        if let Some(Value::Object(peers)) = fields.get_mut("peerDependencies") {
            peers.shift_remove(name);
        }
        if self.random.percent(self.taste.odd_fields) {
            let (key, value) = match self.random.below(9) {
                0 => ("deprecated", json!("old")),
                1 => ("engines", json!({ "node": ">=99" })),
                2 => ("engines", json!({ "node": ">=10", "npm": "*" })),
                3 => ("os", json!(["win32"])),
                4 => ("os", json!(["!darwin"])),
                5 => ("cpu", json!(["arm64"])),
                6 => ("libc", json!(["musl"])),
                7 => ("scripts", json!({ "install": "true" })),
                _ => ("license", json!("MIT")),
            };
            fields.insert(key.to_owned(), value);
        }
        if self.random.percent(2)
            && let Some(Value::Object(dependencies)) = fields.get("dependencies")
            && let Some(name) = dependencies.keys().next().cloned()
        {
            let spec = self.range(&name);
            fields.insert("acceptDependencies".to_owned(), json!({ name: spec }));
        }
        if self.random.percent(self.taste.bundles) {
            self.bundle(&mut fields);
        }
        Value::Object(fields)
    }

    /// Brings some dependency along, in a version that it may or may not have asked for.
    fn bundle(&mut self, fields: &mut Map<String, Value>) {
        let name = self.name();
        let version = *self.random.pick(&VERSIONS[..4]);
        let mut inner = json!({ "name": name, "version": version });
        let mut files = Map::new();
        if self.random.percent(50) {
            let below = self.name();
            inner["dependencies"] = json!({ below: "*" });
            if self.random.percent(70) {
                let nested = json!({ "name": below, "version": "1.0.0" });
                let place = if self.random.percent(50) {
                    format!("node_modules/{below}/package.json")
                } else {
                    format!("node_modules/{name}/node_modules/{below}/package.json")
                };
                files.insert(place, json!({ "json": nested }));
            }
        }
        let place = format!("node_modules/{name}/package.json");
        files.insert(place, json!({ "json": inner }));
        let spec = self.range(name);
        table(fields, "dependencies").insert(name.to_owned(), json!(spec));
        fields.insert("bundleDependencies".to_owned(), json!([name]));
        fields.insert("files".to_owned(), Value::Object(files));
    }

    fn root(&mut self, project: &mut Map<String, Value>) -> Map<String, Value> {
        let mut root = Map::new();
        if self.random.percent(50) {
            root.insert("name".to_owned(), json!("app"));
            root.insert("version".to_owned(), json!("1.0.0"));
        }
        let peers = std::mem::replace(&mut self.taste.peers, 4);
        let count = self.random.from(1..=if self.large { 12 } else { 6 });
        self.dependencies(&mut root, count, 20);
        self.taste.peers = peers;
        if self.random.percent(15) {
            self.workspaces(&mut root, project);
        }
        if self.random.percent(8) {
            self.folder(&mut root, project);
        }
        if self.random.percent(15) {
            let count = self.random.from(1..=2);
            let overrides = self.overrides(count, 2);
            root.insert("overrides".to_owned(), Value::Object(overrides));
        }
        root
    }

    fn workspaces(&mut self, root: &mut Map<String, Value>, project: &mut Map<String, Value>) {
        let mut patterns = Vec::new();
        for name in ["w", "x", "a"].iter().take(self.random.from(1..=3)) {
            let mut fields = Map::new();
            fields.insert("name".to_owned(), json!(name));
            let version = *self.random.pick(&VERSIONS[..4]);
            fields.insert("version".to_owned(), json!(version));
            let count = self.random.from(0..=if self.large { 6 } else { 3 });
            self.dependencies(&mut fields, count, 20);
            if self.random.percent(30) {
                let sibling = *self.random.pick(&["w", "x", "a"]);
                let spec = *self.random.pick(&["^1", "*", "^2", "1.0.0"]);
                table(&mut fields, "dependencies").insert(sibling.to_owned(), json!(spec));
            }
            patterns.push(format!("packages/{name}"));
            project.insert(
                format!("packages/{name}/package.json"),
                Value::Object(fields),
            );
        }
        root.insert("workspaces".to_owned(), json!(patterns));
    }

    fn folder(&mut self, root: &mut Map<String, Value>, project: &mut Map<String, Value>) {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), json!("folder"));
        fields.insert("version".to_owned(), json!("1.0.0"));
        let count = self.random.from(0..=3);
        self.dependencies(&mut fields, count, 20);
        let place = *self.random.pick(&["lib/folder", "../beside"]);
        project.insert(format!("{place}/package.json"), Value::Object(fields));
        let spec = format!(
            "file:{}{place}",
            if place.starts_with('.') { "" } else { "./" }
        );
        table(root, "dependencies").insert("folder".to_owned(), json!(spec));
    }

    fn overrides(&mut self, count: usize, depth: usize) -> Map<String, Value> {
        let mut overrides = Map::new();
        for _ in 0..count {
            let name = self.name();
            let key = if self.random.percent(30) {
                format!("{name}@{}", self.range(name))
            } else {
                name.to_owned()
            };
            let value = match self.random.below(10) {
                0 => json!(format!("${}", self.name())),
                1..4 if depth > 1 => {
                    let mut nested = self.overrides(1, depth - 1);
                    if self.random.percent(40) {
                        nested.insert(".".to_owned(), json!(self.range(name)));
                    }
                    Value::Object(nested)
                }
                _ => json!(self.range(name)),
            };
            overrides.insert(key, value);
        }
        overrides
    }

    /// What a developer does next: dependencies come, go and change, or are updated.
    fn then(&mut self, root: &Map<String, Value>) -> Value {
        let mut then = Map::new();
        if self.random.percent(70) {
            let mut root = root.clone();
            for _ in 0..self.random.from(1..=2) {
                self.change(&mut root);
            }
            then.insert("root".to_owned(), Value::Object(root));
        }
        match self.random.below(100) {
            0..15 => {
                then.insert("update".to_owned(), json!([]));
            }
            15..45 => {
                let names: Vec<&str> = (0..self.random.from(1..=2)).map(|_| self.name()).collect();
                then.insert("update".to_owned(), json!(names));
            }
            _ => {}
        }
        Value::Object(then)
    }

    fn change(&mut self, root: &mut Map<String, Value>) {
        let fields = ["dependencies", "devDependencies", "optionalDependencies"];
        let there: Vec<(&str, String)> = fields
            .iter()
            .filter_map(|field| Some((*field, root.get(*field)?.as_object()?)))
            .flat_map(|(field, map)| map.keys().map(move |name| (field, name.clone())))
            .filter(|(_, name)| name != "folder")
            .collect();
        if there.is_empty() || self.random.percent(35) {
            let name = self.name();
            let spec = self.spec(name);
            let field = *self.random.pick(&fields);
            table(root, field).insert(name.to_owned(), json!(spec));
            return;
        }
        let (field, name) = self.random.pick(&there).clone();
        match self.random.below(10) {
            0..5 => {
                let spec = self.spec(&name);
                table(root, field).insert(name, json!(spec));
            }
            5..9 => {
                table(root, field).shift_remove(&name);
            }
            _ => {
                let overrides = self.overrides(1, 2);
                root.insert("overrides".to_owned(), Value::Object(overrides));
            }
        }
    }
}

fn table<'a>(fields: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let entry = fields.entry(key).or_insert_with(|| json!({}));
    entry.as_object_mut().expect("only tables are asked for")
}
