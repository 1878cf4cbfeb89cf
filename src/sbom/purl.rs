//! Package URLs of npm packages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a name, a version or a qualifier's value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `pkg:npm/%40scope/name@1.0.0`. A repository or a tarball that no registry has is a qualifier.
///
/// Source: the purl specification and its npm type; `vcs_url` as `npm sbom` has it.
pub fn of(name: &str, version: &str, address: Option<&str>) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let mut purl = match name.split_once('/') {
        Some((scope, name)) => format!("pkg:npm/{}/{}", escaped(scope), escaped(name)),
        None => format!("pkg:npm/{}", escaped(name)),
    };
    if !version.is_empty() {
        purl = format!("{purl}@{}", escaped(version));
    }
    match address {
        Some(address) if address.starts_with("git") || address.contains('#') => {
            format!("{purl}?vcs_url={}", escaped(address))
        }
        Some(address) if address.starts_with("http") && !address.contains("/-/") => {
            format!("{purl}?download_url={}", escaped(address))
        }
        _ => purl,
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn scopes_builds_repositories_and_tarballs_are_encoded() {
        assert_eq!(of("a", "1.0.0", None), "pkg:npm/a@1.0.0");
        assert_eq!(
            of("@s/x.y", "1.0.0-rc.1+b", None),
            "pkg:npm/%40s/x.y@1.0.0-rc.1%2Bb"
        );
        assert_eq!(of("w", "", None), "pkg:npm/w");
        let tarball = "https://registry.example/a/-/a-1.0.0.tgz";
        assert_eq!(of("a", "1.0.0", Some(tarball)), "pkg:npm/a@1.0.0");
        assert_eq!(
            of("a", "1.0.0", Some("git+ssh://git@git.example/a.git#0123")),
            "pkg:npm/a@1.0.0?vcs_url=git%2Bssh%3A%2F%2Fgit%40git.example%2Fa.git%230123"
        );
        assert_eq!(
            of("a", "1.0.0", Some("https://h.example/a.tgz")),
            "pkg:npm/a@1.0.0?download_url=https%3A%2F%2Fh.example%2Fa.tgz"
        );
    }
}
