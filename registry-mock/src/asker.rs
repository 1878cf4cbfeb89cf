//! Asks npm's own code many questions in one long-lived process: a hundred times faster than starting npm.
//!
//! `asker.cjs` loads Arborist out of the npm installation. The answers are npm's as long as its
//! command line does nothing else that matters to a lock; [`npm::ask`](crate::npm::ask) is the
//! judge where there is doubt.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::MockError;
use crate::npm::{Answer, ENDLESS};
use crate::scenario::Scenario;

/// The longest honest answer to a small question takes a fraction of this.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running npm that answers questions.
pub struct Asker {
    npm: PathBuf,
    folder: tempfile::TempDir,
    worker: Option<Worker>,
}

struct Worker {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be in an endless loop; nobody waits for its last words.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Asker {
    /// `npm` is the folder of an npm installation.
    pub fn new(npm: &Path) -> Result<Self, MockError> {
        let place = std::env::temp_dir();
        let folder = tempfile::tempdir().map_err(MockError::at("create a folder in", &place))?;
        let script = folder.path().join("asker.cjs");
        fs::write(&script, include_str!("asker.cjs")).map_err(MockError::at("write", &script))?;
        Ok(Self {
            npm: npm.to_owned(),
            folder,
            worker: None,
        })
    }

    /// What npm makes of the project as it is: the lock's bytes, or its code and message.
    ///
    /// `home` is for caches and settings, empty at first; `command` is npm's, such as `install`
    /// and flags. [`ENDLESS`] is the code when npm does not come to an end.
    pub fn ask(
        &mut self,
        scenario: &Scenario,
        [project, registry, home]: [&Path; 3],
        command: &[String],
    ) -> Result<(Answer, String), MockError> {
        let fixed = ["--package-lock-only", "--ignore-scripts", "--no-audit"];
        let fixed = fixed.iter().chain(&["--no-fund", "--fetch-retries=0"]);
        let command: Vec<&str> = command
            .iter()
            .map(String::as_str)
            .chain(fixed.copied())
            .collect();
        let question = json!({
            "project": project,
            "home": home,
            "packuments": scenario.registry.packuments(),
            "files": files(registry)?,
            "command": command,
        });
        let Some(reply) = self.exchange(&question)? else {
            self.worker = None;
            return Ok((Answer::Error(ENDLESS.to_owned()), String::new()));
        };
        if reply["gone"] == true {
            self.worker = None;
        }
        let text = |field: &str| reply[field].as_str().unwrap_or_default().to_owned();
        if reply["lock"].is_string() {
            return Ok((Answer::Lock(text("lock").into_bytes()), String::new()));
        }
        Ok((Answer::Error(text("code")), text("message")))
    }

    /// `None` when no answer came.
    fn exchange(&mut self, question: &Value) -> Result<Option<Value>, MockError> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.start()?,
        };
        let worker = self.worker.insert(worker);
        let failed = |source| MockError::Run {
            program: "node".to_owned(),
            source,
        };
        if let Some(stdin) = &mut worker.child.stdin {
            writeln!(stdin, "{question}").map_err(failed)?;
        }
        match worker.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(serde_json::from_str(&line).ok()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    fn start(&self) -> Result<Worker, MockError> {
        let failed = |source| MockError::Run {
            program: "node".to_owned(),
            source,
        };
        let mut child = Command::new("node")
            .arg(self.folder.path().join("asker.cjs"))
            .arg(&self.npm)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Worker { child, lines })
    }
}

/// The registry folder's tarballs, by their path in an address.
fn files(registry: &Path) -> Result<BTreeMap<String, PathBuf>, MockError> {
    let mut found = BTreeMap::new();
    let mut pending = vec![registry.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).map_err(MockError::at("read", &folder))? {
            let path = entry.map_err(MockError::at("read", &folder))?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "tgz") {
                let below = path.strip_prefix(registry).unwrap_or(&path);
                found.insert(below.to_string_lossy().into_owned(), path.clone());
            }
        }
    }
    Ok(found)
}

/// The folder of the npm on PATH, if there is one.
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let npm = std::env::split_paths(&path)
        .map(|folder| folder.join("npm"))
        .find(|npm| npm.is_file())?;
    let program = fs::canonicalize(npm).ok()?;
    let folder = program.parent()?.parent()?;
    folder
        .join("node_modules/@npmcli/arborist")
        .is_dir()
        .then(|| folder.to_owned())
}
