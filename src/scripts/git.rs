//! Recognises one git repository in the different ways people write it.

/// A repository: `host/path`, lower-case host and no `.git`; and the commit asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    place: String,
    committish: Option<String>,
}

impl Repository {
    /// Reads URLs (`git+ssh://git@host/u/r.git#sha`), `git@host:u/r`, and the shorthands
    /// `github:u/r` and `u/r`. `None` for what is no repository.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, committish) = match text.split_once('#') {
            Some((before, after)) => (before, Some(after.to_owned())),
            None => (text, None),
        };
        let place = shorthand(text)
            .or_else(|| url(text))
            .or_else(|| scp(text))?;
        Some(Self {
            place,
            committish: committish.filter(|commit| !commit.is_empty()),
        })
    }

    /// Does a policy's key mean this locked repository? A key without a commit means any; else
    /// the locked commit has to begin with the key's, never the other way round.
    pub(super) fn covers(&self, locked: &Self) -> bool {
        self.place == locked.place
            && match (&self.committish, &locked.committish) {
                (None, _) => true,
                (Some(key), Some(locked)) => locked.starts_with(key.as_str()),
                (Some(_), None) => false,
            }
    }
}

fn shorthand(text: &str) -> Option<String> {
    let (host, path) = match text.split_once(':') {
        Some(("github", path)) => ("github.com", path),
        Some(("gitlab", path)) => ("gitlab.com", path),
        Some(("bitbucket", path)) => ("bitbucket.org", path),
        Some(_) => return None,
        None => ("github.com", text),
    };
    let (owner, name) = path.split_once('/')?;
    let plain = !owner.is_empty() && !owner.starts_with(['.', '~', '@']) && !name.is_empty();
    (plain && !name.contains('/')).then(|| place(host, path))
}

fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let is_git = matches!(scheme, "git" | "ssh") || scheme.starts_with("git+");
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next().unwrap_or(authority);
    // `git+ssh://git@host:u/r` has no port there: it is the scp form in disguise.
    if let Some((_, port)) = host.split_once(':')
        && !port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let hosted = ["github.com", "gitlab.com", "bitbucket.org"].contains(&host)
        && path.trim_matches('/').split('/').count() == 2;
    (is_git || hosted).then(|| place(host, path))
}

fn scp(text: &str) -> Option<String> {
    let text = text.strip_prefix("git+").unwrap_or(text);
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let (authority, path) = text.split_once(':')?;
    let (_, host) = authority.split_once('@')?;
    (!host.contains('/') && !path.is_empty()).then(|| place(host, path))
}

fn place(host: &str, path: &str) -> String {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    format!("{}/{path}", host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_repository_is_the_same_place() {
        let locked = Repository::parse("git+ssh://git@github.com/u/r.git#abcdef0123").unwrap();
        for key in [
            "u/r",
            "github:u/r",
            "https://github.com/u/r",
            "git+https://github.com/u/r.git#abcdef",
            "git@github.com:u/r.git",
            "git+ssh://git@github.com:u/r.git",
            "git://github.com/u/r",
        ] {
            assert!(Repository::parse(key).unwrap().covers(&locked), "{key}");
        }
        for key in ["u/other", "gitlab:u/r", "u/r#abcdef01234", "u/r#bcd"] {
            assert!(!Repository::parse(key).unwrap().covers(&locked), "{key}");
        }
    }

    #[test]
    fn names_paths_and_tarballs_are_no_repositories() {
        for text in [
            "a",
            "@s/a",
            "./a/b",
            "~/a",
            "https://registry.example/a/-/a-1.0.0.tgz",
        ] {
            assert_eq!(Repository::parse(text), None, "{text}");
        }
    }
}
