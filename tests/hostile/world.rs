//! A project between canaries, a registry that sends any bytes, and the program run there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use heatseal::integrity::Integrity;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// What a path is answered with.
#[derive(Clone, Default)]
pub struct Reply {
    pub body: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
    /// The body is sent again and again, with no length told.
    pub endless: bool,
}

type Replies = Arc<Mutex<BTreeMap<String, Reply>>>;

/// A registry of raw answers on a loopback port; its thread ends with the test.
pub struct Server {
    pub url: String,
    replies: Replies,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (replies, asked) = (Replies::default(), Arc::<Mutex<Vec<String>>>::default());
        let (known, heard) = (replies.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, heard) = (known.clone(), heard.clone());
                std::thread::spawn(move || answer(&stream, &known, &heard));
            }
        });
        Self {
            url,
            replies,
            asked,
        }
    }

    pub fn serve(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: &TcpStream, replies: &Replies, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut request = String::new();
        lines
            .read_line(&mut request)
            .ok()
            .filter(|read| *read > 0)?;
        let path = request.split(' ').nth(1)?.to_owned();
        let mut header = String::new();
        while lines.read_line(&mut header).ok()? > 2 {
            header.clear();
        }
        asked.lock().unwrap().push(path.clone());
        let reply = replies.lock().unwrap().get(&path).cloned();
        let status = if reply.is_some() {
            "200 OK"
        } else {
            "404 Not Found"
        };
        let reply = reply.unwrap_or_default();
        let mut head = format!("HTTP/1.1 {status}\r\n");
        for (name, value) in &reply.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let mut stream = stream;
        if reply.endless {
            head.push_str("connection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).ok()?;
            loop {
                stream.write_all(&reply.body).ok()?;
            }
        }
        let _ = write!(head, "content-length: {}\r\n\r\n", reply.body.len());
        // In one piece: two would wait for each other's acknowledgement.
        stream
            .write_all(&[head.as_bytes(), &reply.body].concat())
            .ok()?;
    }
}

/// What a run did.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    /// Largest resident size seen, in KiB.
    pub peak: u64,
}

pub struct World {
    folder: TempDir,
    pub server: Server,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project", "home", "outside/folder"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let world = Self {
            folder,
            server: Server::start(),
        };
        for canary in [
            "outside/secret",
            "outside/folder/inner",
            "home/.profile",
            "secret",
        ] {
            let path = world.path(canary);
            fs::write(&path, format!("canary {canary}")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        }
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn has(&self, name: &str) -> bool {
        self.path("project").join(name).symlink_metadata().is_ok()
    }

    /// The project's package.json: these dependencies.
    #[allow(clippy::needless_pass_by_value)] // callers write `json!` in place
    pub fn wants(&self, dependencies: Value) {
        let manifest = json!({"name": "project", "version": "1.0.0", "dependencies": dependencies});
        self.put("package.json", manifest.to_string());
    }

    pub fn url(&self, name: &str, version: &str) -> String {
        let base = name.rsplit('/').next().unwrap();
        format!("{}/{name}/-/{base}-{version}.tgz", self.server.url)
    }

    /// Serves bytes where the tarball of a package is expected.
    pub fn tarball(&self, name: &str, version: &str, bytes: &[u8]) {
        let path = self.url(name, version)[self.server.url.len()..].to_owned();
        self.server.serve(
            &path,
            Reply {
                body: bytes.to_vec(),
                ..Reply::default()
            },
        );
    }

    /// Serves a document under a package's name.
    pub fn document(&self, name: &str, body: impl AsRef<[u8]>) {
        let path = format!("/{}", name.replace('/', "%2f"));
        self.server.serve(
            &path,
            Reply {
                body: body.as_ref().to_vec(),
                headers: vec![("content-type", "application/json".to_owned())],
                endless: false,
            },
        );
    }

    /// Publishes one version: its packument, whose version has these fields besides the usual
    /// ones, and its tarball.
    pub fn publish(&self, name: &str, version: &str, fields: Value, tarball: &[u8]) {
        self.tarball(name, version, tarball);
        let mut listed = json!({
            "name": name,
            "version": version,
            "dist": {
                "tarball": self.url(name, version),
                "integrity": Integrity::of(tarball).to_string(),
            },
        });
        merge(&mut listed, fields);
        let packument = json!({
            "name": name,
            "dist-tags": {"latest": version},
            "versions": {version: listed},
        });
        self.document(name, packument.to_string());
    }

    /// The lock's entry of a published tarball.
    pub fn entry(&self, name: &str, version: &str, tarball: &[u8]) -> Value {
        json!({
            "version": version,
            "resolved": self.url(name, version),
            "integrity": Integrity::of(tarball).to_string(),
        })
    }

    /// Writes a lock of version 3: the project's entry is made from its package.json.
    pub fn lock(&self, entries: &[(&str, Value)]) {
        let text = fs::read(self.path("project/package.json")).unwrap();
        let root: Value = serde_json::from_slice(&text).unwrap();
        let mut packages = Map::new();
        packages.insert(String::new(), root);
        packages.extend(
            entries
                .iter()
                .map(|(key, entry)| ((*key).to_owned(), entry.clone())),
        );
        let lock = json!({
            "name": "project", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
            "packages": packages,
        });
        self.put("npm-shrinkwrap.json", lock.to_string());
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.watch() {
            Some(record) => {
                let mut command = Command::new("strace");
                let trace = "trace=execve,execveat";
                command.args([
                    "-f",
                    "-qq",
                    "-s",
                    "400",
                    "-e",
                    trace,
                    "-e",
                    "signal=none",
                    "-o",
                ]);
                command.arg(record).arg(program());
                command
            }
            None => Command::new(program()),
        };
        command
            .args(args)
            .current_dir(self.path("project"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("HEATSEAL_STORE_DIR", self.path("store"))
            .env("npm_config_registry", &self.server.url)
            .env("npm_config_fetch_retries", "0")
            .env("CI", "1");
        command
    }

    /// Where what is executed gets recorded, if it is to be.
    fn watch(&self) -> Option<PathBuf> {
        std::env::var_os("HEATSEAL_EXECUTED")?;
        Some(self.path("store.executed"))
    }

    /// Nothing may be executed but the program and the `node` that is asked for its version.
    fn check_executed(&self) -> Result<(), String> {
        let Some(record) = self.watch() else {
            return Ok(());
        };
        let text = fs::read_to_string(&record).unwrap();
        let own = program().display().to_string();
        let allowed = |line: &&str| {
            let asked = line.contains("/node\", [") && line.contains(", \"--version\"]");
            let began = line.contains(&format!("execve(\"{own}\""));
            asked || began || line.contains("execve resumed>")
        };
        if !text.contains(&own) {
            return Err("nothing was recorded".to_owned());
        }
        match text.lines().find(|line| !allowed(line)) {
            Some(line) => Err(format!("executed: {line}")),
            None => Ok(()),
        }
    }

    /// Runs the program and holds the invariants against what it did.
    pub fn run(&self, args: &[&str]) -> Result<Run, String> {
        self.run_it(self.command(args), args)
    }

    /// The same, whatever memory it takes.
    pub fn run_large(&self, args: &[&str]) -> Run {
        measured(self.command(args))
    }

    /// The same after a command of the shell, such as `umask 077`.
    pub fn run_after(&self, prelude: &str, args: &[&str]) -> Result<Run, String> {
        let plain = self.command(args);
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{prelude} && exec \"$0\" \"$@\""))
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(self.path("project"))
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            );
        self.run_it(command, args)
    }

    fn run_it(&self, command: Command, args: &[&str]) -> Result<Run, String> {
        let before = self.foreign();
        let run = measured(command);
        if self.foreign() != before {
            return Err(format!(
                "something outside project and store changed: {run:?}"
            ));
        }
        if std::env::var_os("HEATSEAL_FIGURES").is_some() {
            eprintln!("{args:?}: {:?}, {} MiB", run.took, run.peak >> 10);
        }
        run.check()?;
        self.check_tree()?;
        self.check_executed()?;
        Ok(run)
    }

    /// Everything beside project and store: path to kind, mode and content.
    fn foreign(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut pending = vec![self.folder.path().to_owned()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(&folder).unwrap().flatten() {
                let path = entry.path();
                let below = path.strip_prefix(self.folder.path()).unwrap().to_owned();
                let ours = ["project", "store", "store.executed"];
                if ours.iter().any(|ours| below == Path::new(ours)) {
                    continue;
                }
                let metadata = path.symlink_metadata().unwrap();
                let content = if metadata.is_dir() {
                    pending.push(path);
                    String::new()
                } else {
                    String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned()
                };
                found.insert(below, format!("{:o} {content}", metadata.mode()));
            }
        }
        found
    }

    /// Files have 0644 or 0755, and links are in `.bin` or lead to folders of the project.
    fn check_tree(&self) -> Result<(), String> {
        let project = self.path("project").canonicalize().unwrap();
        let mut pending = vec![project.join("node_modules")];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let metadata = path.symlink_metadata().unwrap();
                let mode = metadata.mode() & 0o7777;
                if metadata.is_dir() {
                    pending.push(path);
                } else if metadata.is_symlink() {
                    let inside = path.canonicalize().is_ok_and(|to| to.starts_with(&project));
                    if !inside {
                        return Err(format!("a link leads out: {}", path.display()));
                    }
                } else if !metadata.is_file() || !matches!(mode, 0o644 | 0o755) {
                    return Err(format!("{} has mode {mode:o}", path.display()));
                }
            }
        }
        Ok(())
    }
}

/// The program that is tried, `HEATSEAL_PROGRAM` for another build of it.
fn program() -> PathBuf {
    let own = || env!("CARGO_BIN_EXE_heatseal").into();
    std::env::var_os("HEATSEAL_PROGRAM").map_or_else(own, PathBuf::from)
}

/// As promised; a build without optimisations on a busy machine gets more.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 5 });

impl Run {
    fn check(&self) -> Result<(), String> {
        const MOST_KIB: u64 = 160 * 1024; // 96 MiB over what a debug build needs for nothing
        let output = format!("{}{}", self.stdout, self.stderr);
        if output.chars().any(|c| c.is_control() && c != '\n') {
            return Err(format!("control characters in {output:?}"));
        }
        if output.len() > 64 << 10 {
            return Err(format!("{} bytes of output", output.len()));
        }
        if let Some(long) = output.lines().find(|line| line.len() > 400) {
            return Err(format!("{} bytes in one line: {long}", long.len()));
        }
        if output.contains("panicked") || self.code < 0 {
            return Err(format!("it crashed: {output}"));
        }
        if self.took > LONGEST {
            return Err(format!("it took {:?}: {output}", self.took));
        }
        if self.peak > MOST_KIB {
            return Err(format!("it needed {} MiB: {output}", self.peak >> 10));
        }
        Ok(())
    }
}

/// Runs a command to its end and watches its memory.
fn measured(mut command: Command) -> Run {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let own = fs::read_link("/proc/self/exe").unwrap();
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = std::io::Read::read_to_end(&mut pipe, &mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let mut peak = 0;
    let code = loop {
        // Until its exec is over the child has the memory of this process, and its name.
        let begun = fs::read_link(process.join("exe")).is_ok_and(|exe| exe != own);
        let text = begun.then(|| fs::read_to_string(process.join("status")).ok());
        let text = text.flatten().unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let high = high.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(high.unwrap_or(0));
        if let Some(done) = child.try_wait().unwrap() {
            break done.code().unwrap_or(-1);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    Run {
        code,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
        took: start.elapsed(),
        peak,
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match (into.get_mut(&key), &value) {
                    (Some(known @ Value::Object(_)), Value::Object(_)) => merge(known, value),
                    _ => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}
