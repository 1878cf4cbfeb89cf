//! Real packages from the registry that npm is configured for, held against readelf, nm and file.
//!
//! `cargo test --test inspect -- --ignored --nocapture`; `HEATSEAL_INSPECT="sharp esbuild@0.25.0"`
//! names others and prints what is found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heatseal::name::PackageId;
use heatseal::platforms::facts::{Binary, Facts, Format, Kind, NodeApi, Slice};
use heatseal::platforms::inspect;
use heatseal::store::{Bench, Limits, read_manifest, unpack, verify};
use heatseal::target::LibcFamily;

const PACKAGES: &str = "bcrypt bufferutil argon2 fsevents @esbuild/linux-x64 @esbuild/linux-arm64 \
    @esbuild/freebsd-x64 @esbuild/win32-x64 @img/sharp-linux-x64 @img/sharp-linuxmusl-x64 \
    @img/sharp-libvips-linux-x64 @parcel/watcher-linux-x64-glibc @parcel/watcher-linux-x64-musl \
    @swc/core-linux-x64-gnu @swc/core-linux-x64-musl @swc/core-darwin-arm64 \
    lightningcss-linux-x64-gnu lightningcss-win32-x64-msvc @lmdb/lmdb-linux-x64@2.8.5 \
    @datadog/pprof@5.3.0 deasync@0.1.29 @rollup/rollup-linux-x64-gnu";

fn output(program: &str, arguments: &[&str], path: &Path) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn pack(spec: &str, folder: &Path) -> PathBuf {
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--pack-destination"])
        .arg(folder)
        .arg(spec);
    let output = npm.output().expect("npm runs");
    assert!(output.status.success(), "{spec}: {output:?}");
    let name = String::from_utf8(output.stdout).unwrap();
    folder.join(name.trim())
}

fn opened(tarball: &[u8], to: &Path) -> Facts {
    let (manifest, _) = read_manifest(tarball).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let text = |key: &str| manifest[key].as_str().unwrap();
    let id = PackageId::new(text("name"), text("version"));
    let sha512 = verify(&id, tarball, None).unwrap();
    let mut bench = Bench::default();
    let archive = unpack(&mut bench, &id, tarball, sha512, &Limits::default()).unwrap();
    for file in &archive.files {
        let path = to.join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.bytes).unwrap();
    }
    inspect::facts(&archive).unwrap()
}

fn print(facts: &Facts) {
    println!("  {:?} {:?}", facts.scripts, facts.declared);
    for recipe in &facts.recipes {
        println!("  {recipe:?}");
    }
    for binary in &facts.binaries {
        println!("  {} {:?} {:?}", binary.path, binary.format, binary.kind);
        for slice in &binary.slices {
            println!("    {slice:?}");
        }
    }
}

#[test]
#[ignore = "needs npm and its registry, readelf, nm and file"]
fn real_packages_are_what_other_tools_say() {
    let named = std::env::var("HEATSEAL_INSPECT").ok();
    let folder = tempfile::tempdir().unwrap();
    let mut held = 0;
    for (at, spec) in named
        .as_deref()
        .unwrap_or(PACKAGES)
        .split_whitespace()
        .enumerate()
    {
        let path = pack(spec, folder.path());
        let to = folder.path().join(at.to_string());
        let facts = opened(&fs::read(&path).unwrap(), &to);
        if named.is_some() {
            println!("{spec}");
            print(&facts);
        }
        for binary in &facts.binaries {
            hold(binary, &to.join(&binary.path));
            held += 1;
        }
        fs::remove_dir_all(&to).unwrap();
        fs::remove_file(&path).unwrap();
    }
    println!("{held} binaries are what other tools say they are");
}

fn hold(binary: &Binary, path: &Path) {
    let shown = format!("{}: {binary:?}", path.display());
    let told = output("file", &["-b"], path);
    let word = match binary.format {
        Format::Elf => "ELF",
        Format::MachO => "Mach-O",
        Format::Pe => "PE32",
        Format::Wasm => "WebAssembly",
    };
    assert!(
        told.contains(word) || binary.kind == Kind::Object,
        "{told}{shown}"
    );
    for slice in &binary.slices {
        let names: &[&str] = match slice.cpu.as_deref() {
            Some("x64") => &["x86-64", "x86_64"],
            Some("ia32") => &["Intel 80386", "Intel i386"],
            Some("arm64") => &["ARM aarch64", "arm64", "Aarch64"],
            Some("arm") => &["ARM"],
            other => panic!("{other:?}: {shown}"),
        };
        assert!(
            names.iter().any(|name| told.contains(name)),
            "{told}{shown}"
        );
    }
    if let ([slice], Format::Elf) = (&*binary.slices, binary.format) {
        assert_eq!(slice.stripped, told.contains(", stripped"), "{told}{shown}");
        hold_elf(slice, path, &shown);
    }
}

/// The versions and libraries that readelf tells, and the symbols of nm.
fn hold_elf(slice: &Slice, path: &Path, shown: &str) {
    let dynamic = output("readelf", &["-dW"], path);
    let needs = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let needs: Vec<&str> = needs
        .filter_map(|line| line.split_once('[')?.1.strip_suffix(']'))
        .collect();
    assert_eq!(slice.needs, needs, "{shown}");
    let symbols = output("nm", &["-D", "--with-symbol-versions"], path);
    let undefined: Vec<&str> = symbols
        .lines()
        .filter_map(|line| {
            line.trim_start()
                .strip_prefix("U ")
                .or(line.trim_start().strip_prefix("w "))
        })
        .collect();
    let versions = output("readelf", &["-VW"], path);
    let mut of_gcc = false;
    let mut asked = BTreeSet::new();
    for line in versions
        .lines()
        .filter(|line| slice.os.as_deref() == Some("linux") && !line.is_empty())
    {
        if let Some((_, file)) = line.split_once("File: ") {
            of_gcc = file.starts_with("libgcc_s");
        } else if let Some((_, rest)) = line.split_once("Name: GLIBC_").filter(|_| !of_gcc) {
            let number = rest.split_whitespace().next().unwrap_or_default();
            let mut parts = number.split('.').map_while(|part| part.parse::<u32>().ok());
            if let (Some(major), Some(minor)) = (parts.next(), parts.next()) {
                asked.insert((major, minor));
            }
        }
    }
    assert_eq!(slice.glibc, asked.last().copied(), "{shown}");
    if let Some(symbol) = &slice.glibc_symbol {
        let of = undefined
            .iter()
            .any(|line| line.starts_with(&format!("{symbol}@GLIBC")));
        assert!(of, "{symbol}: {shown}");
    }
    if slice.libc == Some(LibcFamily::Musl) {
        let loader = output("readelf", &["-lW"], path);
        let is_musl = needs
            .iter()
            .any(|name| name.starts_with("libc.musl-") || *name == "libc.so");
        assert!(is_musl || loader.contains("ld-musl"), "{shown}");
    }
    let imports = |word: &str| undefined.iter().any(|line| line.starts_with(word));
    match slice.node {
        NodeApi::Abi(_) => assert!(
            imports("_ZN2v8")
                || imports("_ZN4node")
                || imports("_ZNK2v8")
                || imports("node_module_register"),
            "{shown}"
        ),
        NodeApi::NodeApi(_) => assert!(
            !imports("_ZN2v8")
                && (imports("napi_") || symbols.contains(" T napi_register_module_v1")),
            "{shown}"
        ),
        NodeApi::None => assert!(!imports("napi_") && !imports("_ZN2v8"), "{shown}"),
    }
}
