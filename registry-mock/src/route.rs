//! Reads what a request path asks for.

use percent_encoding::percent_decode_str;

/// What a request is about, for counting and for choosing whom a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Packument,
    Tarball,
    Advisory,
    Ping,
    Stats,
    Other,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Packument,
        Self::Tarball,
        Self::Advisory,
        Self::Ping,
        Self::Stats,
        Self::Other,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Packument => "packument",
            Self::Tarball => "tarball",
            Self::Advisory => "advisory",
            Self::Ping => "ping",
            Self::Stats => "stats",
            Self::Other => "other",
        }
    }
}

/// A request path, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Packument { name: String },
    Tarball { name: String, file: String },
    Advisory,
    Ping,
    Stats,
    Unknown,
}

impl Route {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Packument { .. } => Kind::Packument,
            Self::Tarball { .. } => Kind::Tarball,
            Self::Advisory => Kind::Advisory,
            Self::Ping => Kind::Ping,
            Self::Stats => Kind::Stats,
            Self::Unknown => Kind::Other,
        }
    }
}

/// The route of a path such as `/@s%2fx`, `/@s/x` or `/@s/x/-/x-1.0.0.tgz`.
///
/// No route leaves the registry folder: a segment that is empty, `..` or holds a separator makes
/// the path unknown.
pub fn parse(path: &str) -> Route {
    let Ok(path) = percent_decode_str(path).decode_utf8() else {
        return Route::Unknown;
    };
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    if !segments.iter().all(|segment| is_safe(segment)) {
        return Route::Unknown;
    }
    match segments.as_slice() {
        ["-", "ping"] => Route::Ping,
        ["-", "stats"] => Route::Stats,
        ["-", "npm", "v1", "security", ..] => Route::Advisory,
        [scope, rest @ ..] if scope.starts_with('@') => match rest {
            [base] => packument(format!("{scope}/{base}")),
            [base, "-", file] => tarball(format!("{scope}/{base}"), file),
            _ => Route::Unknown,
        },
        [name] if *name != "-" => packument((*name).to_owned()),
        [name, "-", file] => tarball((*name).to_owned(), file),
        _ => Route::Unknown,
    }
}

fn packument(name: String) -> Route {
    Route::Packument { name }
}

fn tarball(name: String, file: &str) -> Route {
    Route::Tarball {
        name,
        file: file.to_owned(),
    }
}

fn is_safe(segment: &str) -> bool {
    !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(['\\', '\0', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_may_be_written_with_a_slash_or_its_escape() {
        let expected = packument("@s/x".to_owned());
        assert_eq!(parse("/@s%2fx"), expected);
        assert_eq!(parse("/@s%2Fx"), expected);
        assert_eq!(parse("/@s/x"), expected);
    }

    #[test]
    fn tarballs_of_plain_and_scoped_names_are_found() {
        assert_eq!(
            parse("/a/-/a-1.0.0.tgz"),
            tarball("a".to_owned(), "a-1.0.0.tgz")
        );
        assert_eq!(
            parse("/@s/x/-/x-1.0.0.tgz"),
            tarball("@s/x".to_owned(), "x-1.0.0.tgz")
        );
    }

    #[test]
    fn no_path_leaves_the_folder() {
        for path in ["/..", "/%2e%2e", "/a/-/..%2f..%2fx", "/@s/..", "/a%00", "/"] {
            assert_eq!(parse(path), Route::Unknown, "{path}");
        }
    }
}
