//! Which of a package's compiled files its loader would try on a machine.

use super::facts::{Binary, Kind};
use super::fit::{Misfit, fit};
use super::inspect::ends_in;
use super::judge::{chosen, is_for_electron};
use crate::target::Target;

/// The files to load; or why there are none, when there are some for others. Nothing at all for a
/// package without addons.
///
/// What was built on the machine comes before what was brought along. Files that are for this system
/// and this line of Node, and only ask for too much, are among them: the loader shall tell.
pub fn loading<'a>(binaries: &'a [Binary], target: &Target) -> Result<Vec<&'a Binary>, Misfit> {
    let addons = binaries.iter().filter(|binary| {
        let named = ends_in(&binary.path, "node");
        (binary.kind == Kind::Addon || named) && !is_for_electron(&binary.path)
    });
    let addons: Vec<&Binary> = addons.collect();
    let built = addons
        .iter()
        .filter(|addon| addon.path.starts_with("build/"));
    let built: Vec<&Binary> = built.copied().collect();
    if !built.is_empty() {
        return Ok(built);
    }
    // How new a libc it asks for is the loader's affair, and must not hide what else speaks against it.
    let mut anywhere = target.clone();
    if let Some(libc) = &mut anywhere.libc {
        libc.version = None;
    }
    let mut nearest = None;
    let mut fitting: Vec<&Binary> = Vec::new();
    for addon in &addons {
        match fit(addon, &anywhere) {
            Err(misfit) if is_far(&misfit) => nearest = nearest.max(Some(misfit)),
            _ => fitting.push(addon),
        }
    }
    if let Some(chosen) = chosen(&addons, target)
        && fitting.contains(&chosen)
    {
        fitting.retain(|addon| *addon == chosen || !addon.path.starts_with("prebuilds/"));
    }
    match nearest {
        Some(misfit) if fitting.is_empty() => Err(misfit),
        _ => Ok(fitting),
    }
}

/// No loader would try it here: it is for another system, processor, libc or line of Node.
fn is_far(misfit: &Misfit) -> bool {
    use Misfit::{Cpu, Libc, ModuleVersion, Os};
    matches!(misfit, Os(_) | Cpu(_) | Libc(_) | ModuleVersion { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::facts::{Format, NodeApi, Slice};

    fn addon(path: &str, cpu: &str, node: NodeApi) -> Binary {
        Binary {
            path: path.to_owned(),
            size: 1,
            format: Format::Elf,
            kind: Kind::Addon,
            slices: vec![Slice {
                os: Some("linux".to_owned()),
                cpu: Some(cpu.to_owned()),
                node,
                glibc: Some((2, 38)),
                ..Slice::default()
            }],
        }
    }

    fn paths(binaries: &[Binary]) -> Result<Vec<&str>, Misfit> {
        let target = "linux-x64-glibc2.28-node20".parse().unwrap();
        let files = loading(binaries, &target)?;
        Ok(files.into_iter().map(|file| &*file.path).collect())
    }

    #[test]
    fn the_one_that_would_be_taken_is_loaded() {
        let any = NodeApi::NodeApi(None);
        let brought = [
            addon("prebuilds/linux-arm64/node.napi.node", "arm64", any),
            addon("prebuilds/linux-x64/node.napi.musl.node", "x64", any),
            addon("prebuilds/linux-x64/node.napi.glibc.node", "x64", any),
        ];
        assert_eq!(
            paths(&brought).unwrap(),
            ["prebuilds/linux-x64/node.napi.glibc.node"]
        );
        let mut built = brought.to_vec();
        built.push(addon("build/Release/x.node", "x64", any));
        assert_eq!(paths(&built).unwrap(), ["build/Release/x.node"]);
        assert_eq!(paths(&brought[..1]), Err(Misfit::Cpu("arm64".to_owned())));
        assert_eq!(paths(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn names_of_ones_own_are_told_apart_by_what_the_files_say() {
        let files = [
            addon(
                "prebuilds/linux-x64/node-108.node",
                "x64",
                NodeApi::Abi(Some(108)),
            ),
            addon(
                "prebuilds/linux-x64/node-115.node",
                "x64",
                NodeApi::Abi(Some(115)),
            ),
        ];
        assert_eq!(
            paths(&files).unwrap(),
            ["prebuilds/linux-x64/node-115.node"]
        );
    }
}
