//! One reading: an archive that is accepted means the same to every reader.
//!
//! Mutated archives, from a fixed seed. `HEATSEAL_READINGS=100000` makes so many and holds those
//! that are accepted against Python's tarfile, GNU tar and npm's node-tar.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use heatseal::name::PackageId;
use heatseal::store::{Bench, Limits, unpack, verify};
use sha1_of::sha1;

use crate::tar::{Entry, MANIFEST, entry, file, folder, gnu, gzip, hardlink, pax, symlink};

/// Path to the content's sha1 and the execute bit.
type Reading = BTreeMap<String, (String, bool)>;

mod sha1_of {
    //! A digest short enough to print.

    use heatseal::integrity::Integrity;

    pub fn sha1(bytes: &[u8]) -> String {
        Integrity::of(bytes).sha512_hex().unwrap()[..40].to_owned()
    }
}

/// xorshift64*: the same numbers on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides.max(1)
    }
}

/// Entries of every kind, in an order of the dice.
fn archive(dice: &mut Dice) -> Vec<u8> {
    let choices: [fn() -> Vec<Entry>; 14] = [
        || vec![file("package/a.js", "a")],
        || vec![file("package/lib/b.js", vec![b'b'; 700]).mode("0000755")],
        || vec![folder("package/lib/")],
        || {
            vec![
                pax(b'x', &[("path", b"package/long/pax.js"), ("mtime", b"1.5")]),
                file("package/p", "p"),
            ]
        },
        || vec![pax(b'x', &[("size", b"3")]), file("package/s", "sss")],
        || vec![gnu(b'L', "package/long/gnu.js"), file("package/g", "g")],
        || vec![pax(b'g', &[("comment", b"c")])],
        || vec![symlink("package/link", "a.js")],
        || vec![hardlink("package/hard", "package/a.js")],
        || {
            vec![
                entry(b'7', "package/seven", "7"),
                entry(0, "package/old", "0"),
            ]
        },
        || vec![file("c.js", "c").prefix("package/pre")],
        || vec![file("package/a.js", "other")],
        || {
            vec![entry(
                b'5',
                "package/d",
                file("package/hidden", "h").bytes(),
            )]
        },
        || {
            vec![
                pax(b'x', &[("path", b"package/x")]),
                gnu(b'L', "package/y"),
                file("package/z", "z"),
            ]
        },
    ];
    let mut tar = file("package/package.json", MANIFEST).bytes();
    for _ in 0..=dice.roll(4) {
        for entry in choices[dice.roll(choices.len())]() {
            tar.extend(entry.bytes());
        }
    }
    match dice.roll(6) {
        0 => {}
        1 => tar.extend([0; 512]),
        _ => tar.extend([0; 1024]),
    }
    tar
}

/// Changes header fields (and seals them again), records, blocks.
fn mutate(dice: &mut Dice, tar: &mut Vec<u8>) {
    const FIELDS: [(usize, usize); 10] = [
        (0, 100),
        (100, 8),
        (108, 8),
        (116, 8),
        (124, 12),
        (136, 12),
        (156, 1),
        (157, 100),
        (257, 8),
        (345, 155),
    ];
    const BYTES: [u8; 20] = *b"01237 \0\x80\xff./x5LKgS\\A-";
    for _ in 0..=dice.roll(3) {
        let blocks = tar.len() / 512;
        let block = dice.roll(blocks) * 512;
        match dice.roll(8) {
            0..=3 => {
                let (start, length) = FIELDS[dice.roll(FIELDS.len())];
                let at = block + start + dice.roll(length.min(14));
                let byte = BYTES[dice.roll(BYTES.len())];
                // npm leaves out files whose owner or time is out of range; nobody else does, and
                // neither do we (row 17).
                tar[at] = if byte >= 0x80 && matches!(start, 108 | 116 | 136) {
                    b'7'
                } else {
                    byte
                };
                if dice.roll(8) > 0 {
                    seal(&mut tar[block..block + 512]);
                }
            }
            4 => {
                let at = dice.roll(tar.len());
                tar[at] = dice.roll(256) as u8;
            }
            5 => {
                let from = dice.roll(blocks) * 512;
                let piece = tar[from..from + 512].to_vec();
                tar.splice(block..block, piece);
            }
            6 => drop(tar.drain(block..block + 512)),
            _ => tar.truncate(dice.roll(tar.len()).max(512)),
        }
        if tar.len() < 512 {
            return;
        }
    }
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// What heatseal makes of a tarball.
fn ours(tarball: &[u8]) -> Option<Reading> {
    let id = PackageId::new("evil", "1.0.0");
    let sha512 = verify(&id, tarball, None).ok()?;
    let mut bench = Bench::default();
    let archive = unpack(&mut bench, &id, tarball, sha512, &Limits::default()).ok()?;
    let mut reading = Reading::new();
    for file in &archive.files {
        let safe = |part: &str| !matches!(part, "" | "." | "..");
        assert!(file.path.split('/').all(safe), "{:?}", file.path);
        let former = reading.insert(file.path.clone(), (sha1(file.bytes), file.executable));
        assert!(former.is_none(), "{:?} twice", file.path);
    }
    Some(reading)
}

/// Another reader: a process that is told a line and answers it with a line of JSON.
pub struct Other {
    name: &'static str,
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Other {
    pub fn start(name: &'static str, program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self {
            name,
            child,
            answers,
        }
    }

    pub fn ask(&mut self, question: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    fn read(&mut self, path: &Path) -> Reading {
        let line = self.ask(&path.display().to_string());
        let files: Vec<(String, String, bool)> = serde_json::from_str::<serde_json::Value>(&line)
            .ok()
            .and_then(|value| {
                let list = value.as_array()?.iter();
                list.map(|file| {
                    Some((
                        file[0].as_str()?.to_owned(),
                        file[1].as_str()?.to_owned(),
                        file[2].as_bool()?,
                    ))
                })
                .collect()
            })
            .unwrap_or_else(|| panic!("{}: {line}", self.name));
        files
            .into_iter()
            .map(|(path, sha1, executable)| {
                let parts: Vec<&str> = path
                    .split('/')
                    .filter(|part| !matches!(*part, "" | "."))
                    .collect();
                let skipped = usize::from(!path.starts_with("./"));
                (
                    parts[skipped.min(parts.len())..].join("/"),
                    (sha1, executable),
                )
            })
            .collect()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

const PYTHON: &str = r#"
import sys, tarfile, hashlib, json
for line in sys.stdin:
    files = []
    try:
        with tarfile.open(line.rstrip("\n"), "r:gz", ignore_zeros=False) as tar:
            for member in tar:
                if member.isreg():
                    data = tar.extractfile(member).read()
                    files.append([member.name, hashlib.sha512(data).hexdigest()[:40], bool(member.mode & 0o111)])
    except Exception as error:
        files.append(["x/" + repr(error), "", False])
    print(json.dumps(files), flush=True)
"#;

const GNU: &str = r#"
import sys, subprocess, hashlib, json, os, shutil, tempfile
for line in sys.stdin:
    files = []
    with tempfile.TemporaryDirectory() as to:
        done = subprocess.run(["tar", "-xzf", line.rstrip("\n"), "-C", to, "--no-same-owner", "--delay-directory-restore"], capture_output=True)
        if done.returncode != 0:
            files.append(["x/" + done.stderr.decode(errors="replace"), "", False])
        for folder, _, names in os.walk(to):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    mode = os.stat(path).st_mode
                    os.chmod(path, 0o600)
                    data = open(path, "rb").read()
                    files.append([os.path.relpath(path, to), hashlib.sha512(data).hexdigest()[:40], bool(mode & 0o111)])
        subprocess.run(["chmod", "-R", "u+rwx", to])
    print(json.dumps(files), flush=True)
"#;

const NODE: &str = r#"
const path = require("path"), crypto = require("crypto"), readline = require("readline");
const root = require("child_process").execSync("npm root -g", {stdio: ["ignore", "pipe", "ignore"]}).toString().trim();
const tar = require(path.join(root, "npm/node_modules/tar"));
const next = async () => {
  for await (const line of readline.createInterface({input: process.stdin})) {
    const files = [];
    try {
      await tar.t({file: line, onReadEntry: entry => {
        if (!["File", "OldFile", "ContiguousFile"].includes(entry.type)) return entry.resume();
        const hash = crypto.createHash("sha512");
        entry.on("data", data => hash.update(data));
        entry.on("end", () => files.push([entry.path, hash.digest("hex").slice(0, 40), !!(entry.mode & 0o111)]));
      }});
    } catch (error) { files.push(["x/" + error, "", false]); }
    process.stdout.write(JSON.stringify(files) + "\n");
  }
};
next();
"#;

#[test]
fn what_is_accepted_has_one_reading() {
    let told = std::env::var("HEATSEAL_READINGS").ok();
    let long = told.is_some();
    let total: usize = told.and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let folder = tempfile::tempdir().unwrap();
    let mut others = Vec::new();
    if long {
        others.push(Other::start("python", "python3", &["-c", PYTHON]));
        others.push(Other::start("GNU tar", "python3", &["-c", GNU]));
        others.push(Other::start("node-tar", "node", &["-e", NODE]));
    }
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let (mut accepted, mut differing) = (0, Vec::new());
    for number in 0..total {
        let mut tar = archive(&mut dice);
        mutate(&mut dice, &mut tar);
        let tarball = gzip(&tar);
        let Some(ours) = ours(&tarball) else { continue };
        accepted += 1;
        let path = folder.path().join("x.tgz");
        if long {
            std::fs::write(&path, &tarball).unwrap();
        }
        for other in &mut others {
            let theirs = other.read(&path);
            if theirs != ours {
                let kept = std::env::temp_dir().join(format!("heatseal-reading-{number}.tgz"));
                std::fs::write(&kept, &tarball).unwrap();
                differing.push(format!(
                    "{} {}: {ours:?}\n  {theirs:?}",
                    other.name,
                    kept.display()
                ));
            }
        }
    }
    eprintln!(
        "{total} mutated archives, {accepted} accepted, {} differences",
        differing.len()
    );
    assert!(
        accepted > total / 20,
        "only {accepted} were accepted: too few to mean something"
    );
    differing.truncate(10);
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
