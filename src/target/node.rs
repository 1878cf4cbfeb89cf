//! What a version of Node offers to compiled code: its module version and its Node-API.

use semver::Version;

/// `NODE_MODULE_VERSION` of each released line of Node, the newest first.
///
/// Source: `doc/abi_version_registry.json` of nodejs/node, rows of the runtime `node` that are no
/// prereleases; read on 2026-11-28.
const MODULE_VERSIONS: [(u64, u32); 23] = [
    (26, 147),
    (25, 141),
    (24, 137),
    (23, 131),
    (22, 127),
    (21, 120),
    (20, 115),
    (19, 111),
    (18, 108),
    (17, 102),
    (16, 93),
    (15, 88),
    (14, 83),
    (13, 79),
    (12, 72),
    (11, 67),
    (10, 64),
    (9, 59),
    (8, 57),
    (7, 51),
    (6, 48),
    (5, 47),
    (4, 46),
];

/// Major, minor and patch.
type Release = (u64, u64, u64);

/// The first release of each line that has a version of Node-API; the last of a row stands for all
/// later lines.
///
/// Source: the version matrix of `doc/api/n-api.md` of nodejs/node; read on 2026-11-28.
const NODE_APIS: [(u32, &[Release]); 10] = [
    (10, &[(22, 14, 0), (23, 6, 0), (24, 0, 0)]),
    (9, &[(18, 17, 0), (20, 3, 0), (21, 0, 0)]),
    (8, &[(12, 22, 0), (14, 17, 0), (15, 12, 0), (16, 0, 0)]),
    (7, &[(10, 23, 0), (12, 19, 0), (14, 12, 0), (15, 0, 0)]),
    (6, &[(10, 20, 0), (12, 17, 0), (14, 0, 0)]),
    (5, &[(10, 17, 0), (12, 11, 0), (13, 0, 0)]),
    (4, &[(10, 16, 0), (11, 8, 0), (12, 0, 0)]),
    (3, &[(6, 14, 2), (8, 11, 2), (9, 11, 0), (10, 0, 0)]),
    (2, &[(8, 10, 0), (9, 3, 0), (10, 0, 0)]),
    (1, &[(8, 6, 0), (9, 0, 0), (10, 0, 0)]),
];

/// Its `NODE_MODULE_VERSION`; `None` for lines that are not in the table.
pub fn module_version(node: &Version) -> Option<u32> {
    let known = MODULE_VERSIONS.iter().find(|(line, _)| *line == node.major);
    known.map(|(_, version)| *version)
}

/// The line of Node with this `NODE_MODULE_VERSION`.
pub fn line_of_module_version(version: u32) -> Option<u64> {
    let known = MODULE_VERSIONS.iter().find(|(_, known)| *known == version);
    known.map(|(line, _)| *line)
}

/// The highest version of Node-API that it has; `None` where it has none.
pub fn node_api(node: &Version) -> Option<u32> {
    let found = NODE_APIS.iter().find(|(_, firsts)| {
        let last = firsts.len() - 1;
        firsts.iter().enumerate().any(|(place, first)| {
            let has = (node.major, node.minor, node.patch) >= *first;
            has && (place == last || node.major == first.0)
        })
    });
    found.map(|(version, _)| *version)
}

/// The oldest release of the newest lines that have this version of Node-API: what to upgrade to.
pub fn first_with_node_api(version: u32) -> Option<String> {
    let (_, firsts) = NODE_APIS.iter().find(|(known, _)| *known == version)?;
    let shown = firsts.iter().map(|(major, minor, _)| match minor {
        0 => major.to_string(),
        _ => format!("{major}.{minor}"),
    });
    Some(shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn each_node_has_the_module_version_and_node_api_that_it_reports() {
        // `process.versions.modules` and `process.versions.napi` of these releases.
        for (node, modules, napi) in [
            ("6.13.0", Some(48), None),
            ("10.24.1", Some(64), Some(7)),
            ("11.15.0", Some(67), Some(4)),
            ("12.22.12", Some(72), Some(8)),
            ("14.16.1", Some(83), Some(7)),
            ("16.20.2", Some(93), Some(8)),
            ("18.16.1", Some(108), Some(8)),
            ("18.20.8", Some(108), Some(9)),
            ("19.8.1", Some(111), Some(8)),
            ("20.2.0", Some(115), Some(8)),
            ("20.20.2", Some(115), Some(9)),
            ("22.0.0", Some(127), Some(9)),
            ("22.14.0", Some(127), Some(10)),
            ("23.5.0", Some(131), Some(9)),
            ("24.0.0", Some(137), Some(10)),
            ("99.0.0", None, Some(10)),
        ] {
            let node = version(node);
            assert_eq!(module_version(&node), modules, "{node}");
            assert_eq!(node_api(&node), napi, "{node}");
        }
        assert_eq!(line_of_module_version(108), Some(18));
        assert_eq!(line_of_module_version(109), None);
        assert_eq!(first_with_node_api(10).as_deref(), Some("22.14, 23.6, 24"));
    }
}
