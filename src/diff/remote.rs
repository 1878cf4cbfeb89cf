//! Environments on other machines, read through the user's own `ssh`.
//!
//! A POSIX shell there is given one script on its standard input: it writes the files that may be
//! wanted, each with its size, tells its system, and for an installed tree lets a heatseal that is
//! there describe the disk. Nothing is written there, nothing that was typed becomes an option.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::contents::manifest;
use super::environment::{Environment, Material};
use super::revision::last_line;
use super::view::View;
use super::{DiffError, snapshot};
use crate::foreign;
use crate::limits::Limits;
use crate::lock;
use crate::target::Target;

/// `ssh://[user@]host[:port]/path`; `/~/path` is below the home folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// As typed.
    pub address: String,
    /// `user@host` or `host`.
    host: String,
    port: Option<u16>,
    path: String,
}

const HIDDEN_LOCK: &str = "node_modules/.package-lock.json";

/// What a machine sent.
#[derive(Debug, Default)]
struct Sent {
    /// Names relative to the folder that was asked for; `.` is what was asked for itself.
    files: Vec<(String, Vec<u8>)>,
    target: Option<Target>,
    /// What a heatseal there said of the disk.
    tree: Vec<u8>,
}

impl Remote {
    pub fn parse(address: &str) -> Result<Self, DiffError> {
        let flawed = |reason| DiffError::Address {
            address: address.to_owned(),
            reason,
        };
        let rest = address.strip_prefix("ssh://").unwrap_or(address);
        let (authority, path) = rest
            .split_once('/')
            .ok_or_else(|| flawed("it names no path"))?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => {
                let port = port.parse().map_err(|_| flawed("its port is no number"))?;
                (host, Some(port))
            }
            _ => (authority, None),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:[]".contains(c);
        if host.is_empty() || host.starts_with(['-', '@']) || !host.chars().all(is_plain) {
            return Err(flawed("its host is no name of a machine"));
        }
        if path.chars().any(char::is_control) {
            return Err(flawed("its path has control characters"));
        }
        let path = match path.strip_prefix("~/") {
            Some(below) => format!("./{below}"),
            None => format!("/{path}"),
        };
        let trimmed = path.trim_end_matches('/');
        Ok(Self {
            address: address.to_owned(),
            host: host.replace(['[', ']'], ""),
            port,
            path: if trimmed.is_empty() { "/" } else { trimmed }.to_owned(),
        })
    }

    /// The lock there; of an installed tree what a heatseal there sees, else what npm noted.
    pub fn read(&self, installed: bool) -> Result<Environment, DiffError> {
        let project = self.path.strip_suffix("/node_modules");
        let installed = installed || project.is_some();
        let folder = project.unwrap_or(&self.path);
        let sent = self.ask(folder, installed)?;
        if installed
            && snapshot::is_one(&sent.tree)
            && let Ok(tree) = snapshot::read(&self.address, &sent.tree)
        {
            return Ok(tree);
        }
        let target = sent.target.clone();
        let environment = Environment::of_material(self.material(&sent, installed)?)?;
        Ok(Environment {
            target: target.filter(|_| installed),
            view: View::default(),
            ..environment
        })
    }

    fn material(&self, sent: &Sent, installed: bool) -> Result<Material, DiffError> {
        let find = |name: &str| {
            let file = sent.files.iter().find(|(sent, _)| sent == name);
            file.filter(|(_, bytes)| !bytes.is_empty())
        };
        let names = lock::FILE_NAMES.iter().chain(&foreign::FILE_NAMES);
        let lock = if installed {
            find(HIDDEN_LOCK)
        } else {
            find(".").or_else(|| names.copied().find_map(find))
        };
        let (name, bytes) = lock.ok_or_else(|| DiffError::NoLockThere {
            place: self.address.clone(),
        })?;
        let shown = if name == "." {
            self.path.clone()
        } else {
            format!("{}:{}/{name}", self.host, self.path)
        };
        let manifest = find("package.json").map(|(_, bytes)| (String::new(), manifest(bytes)));
        Ok(Material {
            label: self.address.clone(),
            file: shown,
            bytes: bytes.clone(),
            manifests: manifest.into_iter().collect(),
        })
    }

    fn ask(&self, folder: &str, installed: bool) -> Result<Sent, DiffError> {
        let failed = |reason: String| DiffError::Ssh {
            address: self.address.clone(),
            reason,
        };
        let mut command = Command::new("ssh");
        command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]);
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        command.args(["--", &self.host, "sh"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(DiffError::NoSsh)?;
        let (input, script) = (child.stdin.take(), script(folder, installed));
        let writer = std::thread::spawn(move || {
            // The other side may have ended; then its answer tells why.
            input.map(|mut input| input.write_all(script.as_bytes()))
        });
        let errors = child.stderr.take();
        let errors = std::thread::spawn(move || {
            let mut said = Vec::new();
            let limited = errors.map(|errors| errors.take(64 << 10));
            let _ = limited.map(|mut errors| errors.read_to_end(&mut said));
            said
        });
        let mut answer = Vec::new();
        let most = Limits::default().lock * 2;
        if let Some(output) = child.stdout.take() {
            let read = output.take(most).read_to_end(&mut answer);
            read.map_err(|error| failed(error.to_string()))?;
        }
        if answer.len() as u64 == most {
            let _ = child.kill();
        }
        let status = child.wait().map_err(DiffError::NoSsh)?;
        let _ = writer.join();
        let said = errors.join().unwrap_or_default();
        if !status.success() {
            return Err(failed(last_line(&said)));
        }
        sent(&answer).ok_or_else(|| failed("its answer is not what was asked for".to_owned()))
    }
}

/// For the shell there. Quoting: a text in single quotes, each of its own as `'\''`.
fn script(folder: &str, installed: bool) -> String {
    let quoted = format!("'{}'", folder.replace('\'', r"'\''"));
    let names = lock::FILE_NAMES.iter().chain(&foreign::FILE_NAMES);
    let names: Vec<&str> = names
        .copied()
        .chain(["package.json", HIDDEN_LOCK])
        .collect();
    let tree = if installed {
        "if [ -d \"$p/node_modules\" ] && command -v heatseal >/dev/null 2>&1; then\n\
         printf 'tree\\n'\n\
         heatseal -C \"$p\" diff node_modules --snapshot --quiet 2>/dev/null || :\n\
         else printf 'end\\n'; fi\n"
    } else {
        "printf 'end\\n'\n"
    };
    format!(
        "p={quoted}\n\
         send() {{\n\
         [ -f \"$1\" ] || return 0\n\
         printf 'file %s %s\\n' \"$(wc -c < \"$1\" | tr -d ' ')\" \"$2\"\n\
         cat \"$1\" && printf '\\n'\n\
         }}\n\
         printf 'heatseal 1\\n'\n\
         send \"$p\" .\n\
         if [ -d \"$p\" ]; then for f in {names}; do send \"$p/$f\" \"$f\"; done; fi\n\
         libc=glibc\n\
         if ls /lib/ld-musl-* >/dev/null 2>&1; then libc=musl; fi\n\
         printf 'system %s %s %s\\n' \"$(uname -s)\" \"$(uname -m)\" \"$libc\"\n\
         {tree}",
        names = names.join(" "),
    )
}

/// Takes an answer apart; `None` when it is cut short. What a login prints before is skipped.
fn sent(answer: &[u8]) -> Option<Sent> {
    let start = b"heatseal 1\n";
    let begin = memchr::memmem::find(answer, start)?;
    let mut rest = &answer[begin + start.len()..];
    let mut sent = Sent::default();
    loop {
        let end = memchr::memchr(b'\n', rest)?;
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        let mut words = line.splitn(3, ' ');
        match (words.next()?, words.next(), words.next()) {
            ("file", Some(size), Some(name)) => {
                let (bytes, after) = rest.split_at_checked(size.parse().ok()?)?;
                sent.files.push((name.to_owned(), bytes.to_vec()));
                rest = after.strip_prefix(b"\n")?;
            }
            ("system", Some(system), Some(machine)) => sent.target = target(system, machine),
            ("tree", None, None) => {
                sent.tree = rest.to_vec();
                return Some(sent);
            }
            ("end", None, None) => return Some(sent),
            _ => return None,
        }
    }
}

/// What `uname` says, in Node's words. `machine`: processor and C library.
fn target(system: &str, machine: &str) -> Option<Target> {
    let (machine, libc) = machine.split_once(' ')?;
    let system = match system {
        "Linux" => "linux",
        "Darwin" => "darwin",
        "FreeBSD" => "freebsd",
        "SunOS" => "sunos",
        _ => return None,
    };
    let cpu = match machine {
        "x86_64" | "amd64" | "i86pc" => "x64",
        "aarch64" | "arm64" => "arm64",
        "i686" | "i386" => "ia32",
        "armv7l" | "armv6l" => "arm",
        "ppc64le" => "ppc64",
        other => other,
    };
    let libc = if system == "linux" {
        format!("-{libc}")
    } else {
        String::new()
    };
    format!("{system}-{cpu}{libc}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let remote = Remote::parse("ssh://me@host.example:2222/srv/app/").unwrap();
        assert_eq!(
            (remote.host.as_str(), remote.port),
            ("me@host.example", Some(2222))
        );
        assert_eq!(remote.path, "/srv/app");
        assert_eq!(Remote::parse("ssh://h/~/app").unwrap().path, "./app");
        let v6 = Remote::parse("ssh://[::1]/x").unwrap();
        assert_eq!((v6.host.as_str(), v6.port), ("::1", None));
    }

    #[test]
    fn nothing_typed_becomes_an_option_or_a_command() {
        for hostile in [
            "ssh://-oProxyCommand=id/x",
            "ssh://@-h/x",
            "ssh://a b/x",
            "ssh://$(id)/x",
            "ssh://h;id/x",
            "ssh://h",
            "ssh://h:x/y",
            "ssh://h/a\nb",
        ] {
            assert!(Remote::parse(hostile).is_err(), "{hostile}");
        }
        let script = script("/a'b; id", false);
        assert!(script.starts_with("p='/a'\\''b; id'\n"), "{script}");
    }

    #[test]
    fn an_answer_is_cut_at_the_sizes_it_tells() {
        let answer =
            b"Welcome!\nheatseal 1\nfile 3 package.json\n{}\n\nsystem Linux x86_64 musl\nend\n";
        let found = sent(answer).unwrap();
        assert_eq!(found.files, [("package.json".to_owned(), b"{}\n".to_vec())]);
        assert_eq!(found.target.unwrap().to_string(), "linux-x64-musl");
        assert!(sent(b"heatseal 1\nfile 9 x\nab").is_none());
        assert!(sent(b"nothing").is_none());
    }
}
