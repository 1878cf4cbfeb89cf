//! `/`-separated absolute paths and locations, as plain text.

/// `folder/node_modules/name`.
pub fn child(folder: &str, name: &str) -> String {
    let slash = if folder.ends_with('/') { "" } else { "/" };
    format!("{folder}{slash}node_modules/{name}")
}

/// The folder above; `None` above the top.
pub fn parent(path: &str) -> Option<&str> {
    let at = path.rfind('/')?;
    match (at, path.len()) {
        (0, 1) => None,
        (0, _) => Some("/"),
        _ => Some(&path[..at]),
    }
}

/// Does `path` lie below `folder`?
pub fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/') || folder.ends_with('/') && !rest.is_empty())
}

/// The way from folder `from` to `to`; empty when they are the same.
pub fn relative(from: &str, to: &str) -> String {
    if let Some(rest) = to.strip_prefix(from) {
        if rest.is_empty() {
            return String::new();
        }
        if let Some(rest) = rest.strip_prefix('/') {
            return rest.to_owned();
        }
    }
    let split = |path: &str| -> Vec<String> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let (from, to) = (split(from), split(to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - shared);
    let down = to[shared..].iter().map(String::as_str);
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// `path` seen from `folder`, with `.` and `..` worked out.
pub fn join(folder: &str, path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// npm's name for a folder: its last part, with the scope above it.
pub fn name_from_folder(path: &str) -> String {
    let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
    let base = parts.next().unwrap_or_default();
    match parts.next() {
        Some(scope) if scope.starts_with('@') => format!("{scope}/{base}"),
        _ => base.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_ways_go_up_and_down() {
        assert_eq!(relative("/p", "/p"), "");
        assert_eq!(relative("/p", "/p/node_modules/a"), "node_modules/a");
        assert_eq!(relative("/p/q", "/p/ext"), "../ext");
        assert_eq!(relative("/p", "/pq"), "../pq");
        assert_eq!(relative("/p/node_modules/@s", "/p/w"), "../../w");
    }

    #[test]
    fn a_folder_is_named_with_its_scope() {
        assert_eq!(name_from_folder("/p/node_modules/@s/x"), "@s/x");
        assert_eq!(name_from_folder("/p/x"), "x");
    }
}
