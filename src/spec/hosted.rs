//! Repositories on git hosts that npm knows: their shorthands, and the URLs made from them.
//!
//! Source: `hosted-git-info`'s `from-url.js`, `parse-url.js` and `hosts.js`.

use url::Url;

use super::text::{decode_component, encode_component, is_space};
use crate::npmrc::Generation;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Github,
    Bitbucket,
    Gitlab,
    Gist,
    Sourcehut,
}

/// How a repository was written, and is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Shortcut,
    Https,
    Git,
    Ssh,
}

/// Does a URL end with the `#committish`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committish {
    Kept,
    Dropped,
}

/// A repository on a known host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosted {
    host: Host,
    user: Option<String>,
    auth: Option<String>,
    project: String,
    committish: Option<String>,
    style: Style,
}

/// The schemes that are read as they stand; others are repaired first.
const KNOWN_SCHEMES: [&str; 12] = [
    "git+ssh",
    "ssh",
    "git+https",
    "git",
    "http",
    "https",
    "git+http",
    "github",
    "bitbucket",
    "gitlab",
    "gist",
    "sourcehut",
];

impl Host {
    const ALL: [Self; 5] = [
        Self::Github,
        Self::Bitbucket,
        Self::Gitlab,
        Self::Gist,
        Self::Sourcehut,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Bitbucket => "bitbucket",
            Self::Gitlab => "gitlab",
            Self::Gist => "gist",
            Self::Sourcehut => "sourcehut",
        }
    }

    fn domain(self) -> &'static str {
        match self {
            Self::Github => "github.com",
            Self::Bitbucket => "bitbucket.org",
            Self::Gitlab => "gitlab.com",
            Self::Gist => "gist.github.com",
            Self::Sourcehut => "git.sr.ht",
        }
    }

    fn speaks(self, scheme: &str) -> bool {
        match self {
            Self::Github => {
                ["git", "http", "git+ssh", "git+https", "ssh", "https"].contains(&scheme)
            }
            Self::Gist => ["git", "git+ssh", "git+https", "ssh", "https"].contains(&scheme),
            Self::Bitbucket | Self::Gitlab => {
                ["git+ssh", "git+https", "ssh", "https"].contains(&scheme)
            }
            Self::Sourcehut => ["git+ssh", "https"].contains(&scheme),
        }
    }

    /// User, project and committish of a URL on this host; `None` if it is no repository's.
    fn extract(self, url: &Url) -> Option<(Option<String>, String, String)> {
        let path = url.path().strip_prefix('/').unwrap_or_default();
        let hash = url.fragment().unwrap_or_default();
        if self == Self::Gitlab {
            if url.path()[1..].contains("/-/") || path.contains("/archive.tar.gz") {
                return None;
            }
            let (user, project) = path.rsplit_once('/')?;
            return found(Some(user), project, hash);
        }
        let mut segments = path.split('/');
        let user = segments.next().unwrap_or_default();
        let project = segments.next().unwrap_or_default();
        let third = segments.next().unwrap_or_default();
        match self {
            Self::Github if third == "tree" => {
                // npm spells out the missing branch.
                found(Some(user), project, segments.next().unwrap_or("undefined"))
            }
            Self::Github if !third.is_empty() => None,
            Self::Bitbucket if third == "get" => None,
            Self::Gist if third == "raw" => None,
            Self::Sourcehut if third == "archive" => None,
            Self::Gist if project.is_empty() => found(None, user, hash),
            Self::Gist => found(Some(user).filter(|user| !user.is_empty()), project, hash),
            _ => found(Some(user), project, hash),
        }
    }
}

fn found(
    user: Option<&str>,
    project: &str,
    committish: &str,
) -> Option<(Option<String>, String, String)> {
    let project = project.strip_suffix(".git").unwrap_or(project);
    if user.is_some_and(str::is_empty) || project.is_empty() {
        return None;
    }
    let user = match user {
        Some(user) => Some(decode_component(user)?),
        None => None,
    };
    Some((
        user,
        decode_component(project)?,
        decode_component(committish)?,
    ))
}

impl Hosted {
    /// Recognises `user/repo`, `github:user/repo`, `git@github.com:user/repo`, URLs.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.contains(['/', ':']) {
            return None; // the usual range
        }
        let url = if is_github_shorthand(text) {
            parse_url(&format!("github:{text}"))?
        } else {
            parse_url(text)?
        };
        let by_name = Host::ALL
            .into_iter()
            .find(|host| host.name() == url.scheme());
        if let Some(host) = by_name {
            return Self::from_shortcut(host, &url);
        }
        let domain = url.host_str().unwrap_or_default();
        let domain = domain.strip_prefix("www.").unwrap_or(domain);
        let host = Host::ALL.into_iter().find(|host| host.domain() == domain)?;
        if !host.speaks(url.scheme()) {
            return None;
        }
        let (user, project, committish) = host.extract(&url)?;
        let style = match url.scheme() {
            "git" => Style::Git,
            "https" | "git+https" => Style::Https,
            _ => Style::Ssh,
        };
        Some(Self {
            host,
            user,
            auth: auth(&url),
            project,
            committish: Some(committish).filter(|committish| !committish.is_empty()),
            style,
        })
    }

    fn from_shortcut(host: Host, url: &Url) -> Option<Self> {
        let path = url.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.split_once('@').map_or(path, |(_, path)| path);
        let (user, project) = match path.rsplit_once('/') {
            Some((user, project)) => (Some(decode_component(user)?), project),
            None => (None, path),
        };
        let mut project = decode_component(project)?;
        if let Some(bare) = project.strip_suffix(".git") {
            project.truncate(bare.len());
        }
        let committish = match url.fragment().filter(|hash| !hash.is_empty()) {
            Some(hash) => Some(decode_component(hash)?),
            None => None,
        };
        Some(Self {
            host,
            user: user.filter(|user| !user.is_empty()),
            auth: None,
            project,
            committish,
            style: Style::Shortcut,
        })
    }

    /// Was there a user or a password in the URL? Then npm stays with https.
    pub fn has_auth(&self) -> bool {
        self.auth.is_some()
    }

    pub fn committish(&self) -> Option<&str> {
        self.committish.as_deref()
    }

    /// The same repository at another commit.
    #[must_use]
    pub fn at(&self, committish: &str) -> Self {
        Self {
            committish: Some(committish.to_owned()),
            ..self.clone()
        }
    }

    /// `git@host:user/project.git`, by which npm tells repositories apart.
    pub fn ssh(&self, committish: Committish) -> String {
        let path = self.path();
        let tail = self.tail(committish);
        format!("git@{}:{path}.git{tail}", self.host.domain())
    }

    /// `ssh://git@host/user/project.git`
    pub fn ssh_url(&self, committish: Committish) -> String {
        let path = self.path();
        let tail = self.tail(committish);
        format!("ssh://git@{}/{path}.git{tail}", self.host.domain())
    }

    /// `https://auth@host/user/project.git`
    pub fn https_url(&self, committish: Committish) -> String {
        let (domain, path) = (self.host.domain(), self.path());
        let tail = self.tail(committish);
        match (self.host, &self.auth) {
            (Host::Sourcehut, _) => format!("https://{domain}/{path}{tail}"),
            (Host::Gist, _) | (_, None) => format!("https://{domain}/{path}.git{tail}"),
            (_, Some(auth)) => format!("https://{auth}@{domain}/{path}.git{tail}"),
        }
    }

    /// `github:user/project`
    pub fn shortcut(&self, committish: Committish) -> String {
        let tail = self.tail(committish);
        format!("{}:{}{tail}", self.host.name(), self.path())
    }

    /// Where the host serves the tree as a tarball.
    pub fn tarball_url(&self) -> String {
        let (domain, path) = (self.host.domain(), self.path());
        let committish = encode_component(self.committish().unwrap_or("HEAD"));
        match self.host {
            Host::Github => format!("https://codeload.{domain}/{path}/tar.gz/{committish}"),
            Host::Gist => format!("https://codeload.github.com/gist/{path}/tar.gz/{committish}"),
            Host::Bitbucket => format!("https://{domain}/{path}/get/{committish}.tar.gz"),
            Host::Sourcehut => format!("https://{domain}/{path}/archive/{committish}.tar.gz"),
            Host::Gitlab => {
                let project = encode_component(&path);
                format!(
                    "https://{domain}/api/v4/projects/{project}/repository/archive.tar.gz?sha={committish}"
                )
            }
        }
    }

    /// What npm clones; a shorthand names no protocol, so there is none yet.
    pub(super) fn fetch_spec(&self) -> Option<String> {
        (self.style != Style::Shortcut).then(|| self.styled(Committish::Dropped))
    }

    /// What npm writes into a manifest.
    pub(super) fn save_spec(&self) -> String {
        let text = self.styled(Committish::Kept);
        match self.style {
            Style::Shortcut | Style::Git => text,
            Style::Https if self.host == Host::Sourcehut => text,
            Style::Https | Style::Ssh => format!("git+{text}"),
        }
    }

    /// The URL that a lock records: ssh, unless that would lose a user or password, or npm 12 was
    /// asked for https.
    pub(super) fn lock_url(&self, generation: Generation) -> String {
        let asked = generation == Generation::Twelve && self.style == Style::Https;
        if self.has_auth() || asked {
            format!("git+{}", self.https_url(Committish::Kept))
        } else {
            format!("git+{}", self.ssh_url(Committish::Kept))
        }
    }

    /// The lock's URL once the commit is known: npm reads its own URL again before it writes it.
    pub(super) fn lock_url_at(&self, sha: &str, generation: Generation) -> String {
        let mut pinned = self.at(sha);
        if matches!(self.host, Host::Gist | Host::Sourcehut) {
            pinned.auth = None; // their https URLs never carried it
        }
        pinned.lock_url(generation)
    }

    fn styled(&self, committish: Committish) -> String {
        match self.style {
            Style::Shortcut => self.shortcut(committish),
            Style::Https => self.https_url(committish),
            Style::Ssh => self.ssh_url(committish),
            Style::Git => {
                let (domain, path) = (self.host.domain(), self.path());
                let auth = match (&self.auth, self.host) {
                    (Some(auth), Host::Github) => format!("{auth}@"),
                    _ => String::new(),
                };
                let tail = self.tail(committish);
                format!("git://{auth}{domain}/{path}.git{tail}")
            }
        }
    }

    /// `user/project`; a gist's user goes unsaid, a missing one is npm's `null`.
    fn path(&self) -> String {
        match self.host {
            Host::Gist => self.project.clone(),
            _ => format!(
                "{}/{}",
                self.user.as_deref().unwrap_or("null"),
                self.project
            ),
        }
    }

    fn tail(&self, committish: Committish) -> String {
        match (committish, &self.committish) {
            (Committish::Kept, Some(text)) if !text.is_empty() => format!("#{text}"),
            _ => String::new(),
        }
    }
}

/// User and password as the URL escapes them; ssh URLs have none to keep.
fn auth(url: &Url) -> Option<String> {
    if matches!(url.scheme(), "git+ssh" | "ssh") {
        return None;
    }
    match (url.username(), url.password()) {
        ("", None) => None,
        (user, None) => Some(user.to_owned()),
        (user, Some(password)) => Some(format!("{user}:{password}")),
    }
}

/// `user/repo`, with nothing before a `#` that could mean a path, a scope or a protocol.
fn is_github_shorthand(text: &str) -> bool {
    let before_hash = text.split('#').next().unwrap_or_default();
    let mut slashes = before_hash.match_indices('/');
    let first_slash = slashes.next().map_or(0, |(index, _)| index);
    first_slash > 0
        && slashes.next().is_none()
        && !before_hash.contains(['@', ':'])
        && !before_hash.contains(is_space)
        && !before_hash.ends_with('/')
        && !text.starts_with('.')
}

fn parse_url(text: &str) -> Option<Url> {
    let text = repair_protocol(text);
    Url::parse(&text)
        .or_else(|_| Url::parse(&repair_scp_form(&text)))
        .ok()
}

/// `git:github.com/u/p` gets its slashes, `user:password@host` and `host/x@y` their protocol.
fn repair_protocol(text: &str) -> String {
    let colon = text.find(':');
    let (scheme, after) = match colon {
        Some(colon) => (&text[..colon], &text[colon..]),
        None => ("", text),
    };
    if colon.is_some() && (KNOWN_SCHEMES.contains(&scheme) || after.starts_with("://")) {
        return text.to_owned();
    }
    match (text.find('@'), colon) {
        (Some(at), Some(colon)) if at < colon => text.to_owned(),
        (Some(_), _) => format!("git+ssh://{text}"),
        (None, Some(colon)) => format!("{}//{}", &text[..=colon], &text[colon + 1..]),
        (None, None) => format!("//{text}"),
    }
}

/// `user@host:path` becomes `git+ssh://user@host/path`.
fn repair_scp_form(text: &str) -> String {
    let before_hash = text.split('#').next().unwrap_or_default();
    let colon = before_hash.rfind(':');
    let mut repaired = text.to_owned();
    if let Some(colon) = colon
        && before_hash.rfind('@').is_none_or(|at| at < colon)
    {
        repaired.replace_range(colon..=colon, "/");
    }
    let has_colon = repaired.split('#').next().unwrap_or_default().contains(':');
    if !has_colon && !repaired.contains("//") {
        repaired.insert_str(0, "git+ssh://");
    }
    repaired
}
