//! Claims about how well-known packages get their native code: manifests as they were published, cut
//! to what counts.

use heatseal::platforms::facts::{Declared, Download, Kind, Recipe};
use serde_json::{Value, json};

use super::elf::{self, Elf};
use super::folder::Folder;

const CHOOSES: &str = "const name = `@x/y-${process.platform}-${process.arch}`; require(name)";

fn recipes(folder: &Folder) -> Vec<Recipe> {
    folder.facts().recipes
}

fn of(manifest: Value) -> Vec<Recipe> {
    recipes(&Folder::with(manifest))
}

fn addon() -> Vec<u8> {
    Elf {
        machine: elf::X64,
        kind: 3,
        needs: &["libc.so.6"],
        versions: &[("libc.so.6", "GLIBC_2.14", 0)],
        imports: &[("memcpy", 1), ("napi_throw", 0)],
        ..Elf::default()
    }
    .build()
}

fn custom(event: &str, signs: &[&str]) -> Recipe {
    Recipe::Custom {
        event: event.to_owned(),
        signs: signs.iter().map(|sign| (*sign).to_owned()).collect(),
    }
}

fn download(url: &str, napi_versions: &[u32], falls_back_to_build: bool) -> Download {
    Download {
        url: url.to_owned(),
        napi_versions: napi_versions.to_vec(),
        falls_back_to_build,
    }
}

#[test]
fn bcrypt_bufferutil_and_argon2_pick_one_of_their_prebuilt_files() {
    let dependencies = json!({"node-addon-api": "^8.3.0", "node-gyp-build": "^4.8.4"});
    for script in ["node-gyp-build", "cross-env ZERO_AR_DATE=1 node-gyp-build"] {
        let manifest =
            json!({"name": "bcrypt", "scripts": {"install": script}, "dependencies": dependencies});
        let folder = Folder::with(manifest)
            .and("binding.gyp", "{}")
            .and("prebuilds/linux-x64/bcrypt.glibc.node", addon());
        let facts = folder.facts();
        assert_eq!(facts.recipes, [Recipe::NodeGypBuild]);
        assert_eq!(facts.binaries[0].kind, Kind::Addon);
        assert_eq!(facts.scripts, [("install".to_owned(), script.to_owned())]);
    }
}

#[test]
fn better_sqlite3_downloads_by_abi_and_falls_back_to_a_build() {
    let manifest = json!({
        "name": "better-sqlite3",
        "version": "12.2.0",
        "repository": {"type": "git", "url": "git://github.com/WiseLibs/better-sqlite3.git"},
        "scripts": {"install": "prebuild-install || node-gyp rebuild --release"},
    });
    let url = "https://github.com/WiseLibs/better-sqlite3/releases/download/v12.2.0/better-sqlite3-v12.2.0-node-v{abi}-{platform}{libc}-{arch}.tar.gz";
    assert_eq!(
        of(manifest),
        [
            Recipe::PrebuildInstall(download(url, &[], true)),
            Recipe::NodeGyp
        ]
    );
}

#[test]
fn sqlite3_and_canvas_3_download_by_node_api_version() {
    let manifest = json!({
        "name": "sqlite3",
        "version": "5.1.7",
        "repository": {"url": "git+https://github.com/TryGhost/node-sqlite3.git"},
        "binary": {"napi_versions": [3, 6]},
        "scripts": {"install": "prebuild-install -r napi || node-gyp rebuild"},
    });
    let url = "https://github.com/TryGhost/node-sqlite3/releases/download/v5.1.7/sqlite3-v5.1.7-napi-v{abi}-{platform}{libc}-{arch}.tar.gz";
    assert_eq!(
        of(manifest),
        [
            Recipe::PrebuildInstall(download(url, &[3, 6], true)),
            Recipe::NodeGyp
        ]
    );
}

#[test]
fn canvas_2_downloads_as_its_binary_field_says() {
    let manifest = json!({
        "name": "canvas",
        "version": "2.11.2",
        "binary": {
            "module_name": "canvas",
            "module_path": "build/Release",
            "host": "https://github.com/Automattic/node-canvas/releases/download/",
            "remote_path": "v{version}",
            "package_name": "{module_name}-v{version}-{node_abi}-{platform}-{libc}-{arch}.tar.gz",
        },
        "scripts": {"install": "node-pre-gyp install --fallback-to-build --update-binary"},
    });
    let url = "https://github.com/Automattic/node-canvas/releases/download/v2.11.2/canvas-v2.11.2-{node_abi}-{platform}-{libc}-{arch}.tar.gz";
    assert_eq!(
        of(manifest),
        [
            Recipe::NodePreGyp(download(url, &[], true)),
            Recipe::NodeGyp
        ]
    );
}

#[test]
fn what_node_pre_gyp_is_not_told_to_build_is_not_built() {
    let binary = json!({"module_name": "b", "module_path": "lib", "host": "https://files.example"});
    let manifest = json!({"name": "@s/b", "version": "1.2.3-rc.1", "binary": binary, "scripts": {"install": "node-pre-gyp install"}});
    let url = "https://files.example/b-v1.2.3-rc.1-{node_abi}-{platform}-{arch}.tar.gz";
    assert_eq!(
        of(manifest),
        [Recipe::NodePreGyp(download(url, &[], false))]
    );
}

#[test]
fn a_download_may_be_named_on_the_command_line_or_by_a_host() {
    let typed = json!({"name": "x", "version": "1.0.0", "scripts": {"install": "prebuild-install -d https://files.example/{name}-{version}-{platform}.tgz --runtime=electron"}});
    let url = "https://files.example/x-1.0.0-{platform}.tgz";
    assert_eq!(
        of(typed),
        [Recipe::PrebuildInstall(download(url, &[], false))]
    );
    let binary = json!({"host": "https://files.example/", "remote_path": "./{version}/"});
    let hosted = json!({"name": "@s/x", "version": "1.0.0", "binary": binary, "scripts": {"install": "prebuild-install"}});
    let url = "https://files.example/1.0.0/x-v1.0.0-node-v{abi}-{platform}{libc}-{arch}.tar.gz";
    assert_eq!(
        of(hosted),
        [Recipe::PrebuildInstall(download(url, &[], false))]
    );
}

#[test]
fn sharp_before_0_33_downloads_two_things() {
    let manifest = json!({
        "name": "sharp",
        "version": "0.32.6",
        "repository": "github:lovell/sharp",
        "config": {"runtime": "napi", "target": 7},
        "binary": {"napi_versions": [7]},
        "author": "https://github.com/lovell/sharp/issues",
        "scripts": {"install": "(node install/libvips && node install/dll-copy && prebuild-install) || (node install/can-compile && node-gyp rebuild && node install/dll-copy)"},
    });
    let folder = Folder::with(manifest).and(
        "install/libvips.js",
        "// see https://docs.example\nhttps.get('https://github.com/lovell/sharp-libvips')",
    );
    let url = "https://github.com/lovell/sharp/releases/download/v0.32.6/sharp-v0.32.6-napi-v{abi}-{platform}{libc}-{arch}.tar.gz";
    assert_eq!(
        recipes(&folder),
        [
            custom("install", &["github.com", "https.get"]),
            Recipe::PrebuildInstall(download(url, &[7], true)),
            Recipe::NodeGyp,
        ]
    );
}

#[test]
fn families_have_a_loader_that_chooses_among_them() {
    for (main, extra) in [
        (
            "lib/main.js",
            json!({"scripts": {"postinstall": "node install.js"}}),
        ),
        ("binding", json!({"napi": {"binaryName": "swc"}})),
    ] {
        let mut manifest = json!({
            "name": "esbuild",
            "main": main,
            "optionalDependencies": {"@esbuild/linux-x64": "1", "@esbuild/darwin-arm64": "1"},
        });
        manifest
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let folder = Folder::with(manifest)
            .and("lib/main.js", "module.exports = require('./inner/choose')")
            .and("lib/inner/choose.js", CHOOSES)
            .and("binding.js", CHOOSES)
            .and("install.js", "fetch(`https://files.example/${name}.tgz`)");
        assert_eq!(recipes(&folder).last(), Some(&Recipe::NapiLoader), "{main}");
    }
    // The same code without a family is about something else.
    let alone = Folder::with(json!({"name": "which"})).and("index.js", CHOOSES);
    assert_eq!(recipes(&alone), []);
}

#[test]
fn lightningcss_and_parcel_watcher_build_only_when_they_are_told() {
    let optional =
        json!({"@parcel/watcher-linux-x64-glibc": "2", "@parcel/watcher-win32-x64": "2"});
    let manifest = json!({
        "name": "@parcel/watcher",
        "main": "index.js",
        "optionalDependencies": optional,
        "scripts": {"install": "node scripts/build-from-source.js"},
    });
    let folder = Folder::with(manifest)
        .and("index.js", CHOOSES)
        .and("binding.gyp", "{}")
        .and("scripts/build-from-source.js", "if (process.env.npm_config_build_from_source === 'true') require('child_process').spawn('node-gyp', ['rebuild'])");
    assert_eq!(
        recipes(&folder),
        [
            custom("install", &["node-gyp", "child_process", "npm_config_"]),
            Recipe::NapiLoader,
        ]
    );
    let optional = json!({"lightningcss-linux-x64-gnu": "1", "lightningcss-darwin-arm64": "1"});
    let manifest =
        json!({"name": "lightningcss", "main": "node/index.js", "optionalDependencies": optional});
    let folder = Folder::with(manifest).and("node/index.js", CHOOSES);
    assert_eq!(recipes(&folder), [Recipe::NapiLoader]);
}

#[test]
fn node_sass_downloads_and_builds_by_scripts_of_its_own() {
    let manifest = json!({
        "name": "node-sass",
        "scripts": {"install": "node scripts/install.js", "postinstall": "node scripts/build.js"},
    });
    let folder = Folder::with(manifest)
        .and(
            "scripts/install.js",
            "var sass = require('../lib/extensions'); fetch(sass.getBinaryUrl())",
        )
        .and(
            "lib/extensions.js",
            "return ['https://github.com/sass/node-sass/releases/download', 'v' + version]",
        )
        .and(
            "scripts/build.js",
            "spawn(process.execPath, ['node-gyp', 'rebuild'])",
        );
    assert_eq!(
        recipes(&folder),
        [
            custom("install", &["github.com", "fetch("]),
            custom("postinstall", &["node-gyp"]),
        ]
    );
}

#[test]
fn fsevents_ships_what_it_needs_and_says_for_whom() {
    let folder = Folder::with(json!({"name": "fsevents", "os": ["darwin"], "main": "fsevents.js"}));
    let facts = folder.facts();
    assert_eq!(facts.recipes, []);
    let os = vec!["darwin".to_owned()];
    assert_eq!(
        facts.declared,
        Declared {
            os,
            ..Declared::default()
        }
    );
}

#[test]
fn npm_builds_what_has_a_binding_gyp_and_says_nothing_else() {
    let with = |manifest: Value| recipes(&Folder::with(manifest).and("binding.gyp", "{}"));
    assert_eq!(with(json!({"name": "x"})), [Recipe::NodeGyp]);
    assert_eq!(
        with(json!({"name": "x", "scripts": {"postinstall": "echo done"}})),
        [Recipe::NodeGyp]
    );
    assert_eq!(with(json!({"name": "x", "gypfile": false})), []);
    assert_eq!(
        with(json!({"name": "x", "scripts": {"preinstall": "echo no"}})),
        []
    );
}

#[test]
fn cmake_js_neon_and_scripts_behind_npm_run_are_seen() {
    let scripted = |script: &str| {
        of(
            json!({"name": "x", "scripts": {"install": script, "native": "cmake-js compile", "prenative": "node-gyp configure"}}),
        )
    };
    assert_eq!(scripted("npx cmake-js rebuild"), [Recipe::CmakeJs]);
    assert_eq!(scripted("neon build --release"), [Recipe::Neon]);
    assert_eq!(
        scripted("npm run native"),
        [Recipe::NodeGyp, Recipe::CmakeJs]
    );
    // A script that runs itself ends all the same.
    let around = json!({"name": "x", "scripts": {"install": "npm run install2", "install2": "npm run install2"}});
    assert_eq!(of(around), [custom("install", &[])]);
}

#[test]
fn code_on_the_command_line_is_read_too() {
    let manifest = json!({"name": "core-js", "scripts": {"postinstall": "node -e \"try{require('./postinstall')}catch(e){}\""}});
    let folder = Folder::with(manifest).and(
        "postinstall.js",
        "console.log('https://opencollective.com/core-js')",
    );
    assert_eq!(
        recipes(&folder),
        [custom("postinstall", &["opencollective.com"])]
    );
}

#[test]
fn what_is_no_json_or_has_odd_members_is_no_reason_to_fail() {
    for text in [
        "[]",
        "nonsense",
        r#"{"name": 1, "version": [], "scripts": {"install": 3}, "os": {"a": 1}, "binary": "x", "config": 7}"#,
        r#"{"scripts": {"install": "prebuild-install -r"}, "binary": [], "optionalDependencies": []}"#,
        r#"{"scripts": {"install": "node-pre-gyp install; node ../../../etc/passwd; \\"}}"#,
    ] {
        let facts = Folder::default().and("package.json", text).facts();
        assert_eq!(facts.binaries, []);
    }
}
