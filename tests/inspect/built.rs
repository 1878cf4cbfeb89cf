//! Claims about small binaries.

use heatseal::platforms::facts::{Format, Kind, NodeApi};
use heatseal::target::LibcFamily;

use super::apple::{self, MachO, universal};
use super::elf::{self, Elf};
use super::folder::{Folder, binary, slice};
use super::windows::{self, Pe};

const LIBRARY: u16 = 3;
const EXECUTABLE: u16 = 2;
const GLIBC: &[&str] = &["libstdc++.so.6", "libc.so.6"];

fn addon() -> Elf<'static> {
    Elf {
        machine: elf::X64,
        kind: LIBRARY,
        needs: GLIBC,
        versions: &[("libc.so.6", "GLIBC_2.2.5", 0)],
        imports: &[("malloc", 1), ("napi_create_function", 0)],
        exports: &["napi_register_module_v1"],
        ..Elf::default()
    }
}

#[test]
fn an_addon_of_node_api_tells_its_version_by_the_newest_function_it_imports() {
    let file = binary("build/Release/x.node", &addon().build());
    assert_eq!((file.format, file.kind), (Format::Elf, Kind::Addon));
    let slice = &file.slices[0];
    assert_eq!(slice.os.as_deref(), Some("linux"));
    assert_eq!(slice.cpu.as_deref(), Some("x64"));
    assert_eq!(slice.needs, GLIBC);
    assert_eq!(slice.node, NodeApi::NodeApi(Some(1)));
    for (function, version) in [
        ("napi_get_uv_event_loop", 2),
        ("napi_call_threadsafe_function", 4),
        ("napi_set_instance_data", 6),
        ("node_api_symbol_for", 9),
        ("node_api_create_property_key_utf16", 10),
    ] {
        let imports = [("napi_create_function", 0), (function, 0)];
        let imports = imports.as_slice();
        let file = Elf { imports, ..addon() }.build();
        assert_eq!(
            slice_of(&file).node,
            NodeApi::NodeApi(Some(version)),
            "{function}"
        );
    }
}

fn slice_of(file: &[u8]) -> heatseal::platforms::facts::Slice {
    slice("x.node", file)
}

#[test]
fn an_addon_of_node_api_may_say_its_version_by_a_function_of_its_own() {
    let exports = &[
        "napi_register_module_v1",
        "node_api_module_get_api_version_v1",
    ];
    let x64 = Elf {
        exports,
        code: b"\xf3\x0f\x1e\xfa\x55\x48\x89\xe5\xb8\x08\0\0\0\x5d\xc3",
        ..addon()
    };
    assert_eq!(slice_of(&x64.build()).node, NodeApi::NodeApi(Some(8)));
    let arm64 = Elf {
        machine: elf::ARM64,
        code: b"\x20\x01\x80\x52\xc0\x03\x5f\xd6", // mov w0, #9; ret
        ..x64
    };
    assert_eq!(slice_of(&arm64.build()).node, NodeApi::NodeApi(Some(9)));
}

#[test]
fn an_addon_of_v8_is_bound_to_one_version_of_nodes_modules() {
    let v8 = Elf {
        imports: &[
            ("_ZN2v87Isolate10GetCurrentEv", 0),
            ("node_module_register", 0),
        ],
        exports: &[],
        module: Some(115),
        ..addon()
    };
    let file = binary("x.node", &v8.build());
    assert_eq!(file.kind, Kind::Addon);
    assert_eq!(file.slices[0].node, NodeApi::Abi(Some(115)));
    let told_by_name = Elf {
        exports: &["node_register_module_v108"],
        module: None,
        ..v8.clone()
    };
    assert_eq!(
        slice_of(&told_by_name.build()).node,
        NodeApi::Abi(Some(108))
    );
    let untold = Elf { module: None, ..v8 };
    assert_eq!(slice_of(&untold.build()).node, NodeApi::Abi(None));
    let both = Elf {
        imports: &[
            ("napi_create_function", 0),
            ("_ZN4node19GetCurrentEventLoopEPN2v87IsolateE", 0),
        ],
        ..addon()
    };
    assert_eq!(slice_of(&both.build()).node, NodeApi::Abi(None));
}

#[test]
fn the_highest_glibc_is_told_with_a_symbol_that_asks_for_it() {
    let newer = Elf {
        versions: &[
            ("libc.so.6", "GLIBC_2.2.5", 0),
            ("libm.so.6", "GLIBC_2.38", 0),
            ("libc.so.6", "GLIBC_2.9", 0),
            ("libstdc++.so.6", "GLIBCXX_3.4.9", 0),
            ("libstdc++.so.6", "GLIBCXX_3.4.29", 0),
            ("libstdc++.so.6", "CXXABI_1.3.13", 0),
            ("libc.so.6", "GLIBC_PRIVATE", 0),
        ],
        imports: &[("malloc", 1), ("fmod", 2), ("napi_throw", 0)],
        ..addon()
    };
    let slice = slice_of(&newer.build());
    assert_eq!(slice.libc, Some(LibcFamily::Glibc));
    assert_eq!(slice.glibc, Some((2, 38)));
    assert_eq!(slice.glibc_symbol.as_deref(), Some("fmod"));
    assert_eq!(slice.glibcxx, Some(vec![3, 4, 29]));
    assert_eq!(slice.cxxabi, Some(vec![1, 3, 13]));
}

#[test]
fn versions_that_the_loader_does_without_do_not_count() {
    let weak = Elf {
        versions: &[
            ("libc.so.6", "GLIBC_2.17", 0),
            ("libc.so.6", "GLIBC_2.40", 2),
        ],
        ..addon()
    };
    assert_eq!(slice_of(&weak.build()).glibc, Some((2, 17)));
}

#[test]
fn packed_relocations_need_the_glibc_that_reads_them() {
    let packed = Elf {
        versions: &[
            ("libc.so.6", "GLIBC_2.17", 0),
            ("libc.so.6", "GLIBC_ABI_DT_RELR", 0),
        ],
        ..addon()
    };
    assert_eq!(slice_of(&packed.build()).glibc, Some((2, 36)));
}

#[test]
fn musl_is_told_by_its_library_or_loader_and_not_mistaken_for_glibc() {
    let alpine = Elf {
        needs: &["libstdc++.so.6", "libc.musl-x86_64.so.1"],
        versions: &[],
        imports: &[("napi_throw", 0)],
        ..addon()
    };
    let plain = Elf {
        needs: &["libgcc_s.so.1", "libc.so"],
        // GCC's own library uses glibc's names on every system.
        versions: &[("libgcc_s.so.1", "GLIBC_2.0", 0)],
        imports: &[("__deregister_frame_info", 1), ("napi_throw", 0)],
        ..addon()
    };
    let executable = Elf {
        kind: EXECUTABLE,
        interpreter: Some("/lib/ld-musl-x86_64.so.1"),
        needs: &["libc.so.6"],
        versions: &[],
        imports: &[("malloc", 0)],
        exports: &[],
        ..addon()
    };
    for file in [alpine, plain, executable] {
        let slice = slice_of(&file.build());
        assert_eq!((slice.libc, slice.glibc), (Some(LibcFamily::Musl), None));
    }
}

#[test]
fn the_name_of_glibcs_library_alone_proves_nothing() {
    let bare = Elf {
        needs: &["libc.so.6"],
        versions: &[],
        ..addon()
    };
    assert_eq!(slice_of(&bare.build()).libc, None);
    let fortified = Elf {
        imports: &[("__memcpy_chk", 0), ("napi_throw", 0)],
        ..bare
    };
    assert_eq!(slice_of(&fortified.build()).libc, Some(LibcFamily::Glibc));
}

#[test]
fn a_static_executable_needs_no_libc() {
    let tool = Elf {
        machine: elf::ARM64,
        kind: EXECUTABLE,
        ..Elf::default()
    };
    let file = binary("bin/tool", &tool.build());
    assert_eq!(file.kind, Kind::Executable);
    let slice = &file.slices[0];
    assert_eq!(
        (slice.os.as_deref(), slice.cpu.as_deref()),
        (Some("linux"), Some("arm64"))
    );
    assert_eq!((slice.libc, slice.needs.len()), (None, 0));
}

#[test]
fn an_executable_that_can_be_anywhere_is_no_library() {
    let tool = Elf {
        interpreter: Some("/lib64/ld-linux-x86-64.so.2"),
        exports: &["napi_create_function"],
        pie: true,
        ..addon()
    };
    let file = binary("bin/node", &tool.build());
    assert_eq!(file.kind, Kind::Executable);
    assert_eq!(file.slices[0].node, NodeApi::None);
    assert_eq!(file.slices[0].libc, Some(LibcFamily::Glibc));
}

#[test]
fn other_systems_than_linux_are_told_by_brand_loader_or_library() {
    let tool = Elf {
        machine: elf::X64,
        kind: EXECUTABLE,
        ..Elf::default()
    };
    for (file, os) in [
        (
            Elf {
                os_abi: 9,
                ..tool.clone()
            },
            "freebsd",
        ),
        (
            Elf {
                os_abi: 12,
                ..tool.clone()
            },
            "openbsd",
        ),
        (
            Elf {
                interpreter: Some("/system/bin/linker64"),
                ..tool.clone()
            },
            "android",
        ),
        (
            Elf {
                interpreter: Some("/usr/lib/amd64/ld.so.1"),
                ..tool.clone()
            },
            "sunos",
        ),
        (
            Elf {
                needs: &["libc.so.1"],
                ..tool
            },
            "sunos",
        ),
    ] {
        let slice = slice_of(&file.build());
        assert_eq!(slice.os.as_deref(), Some(os));
        assert_eq!(slice.libc, None);
    }
}

fn mac(cpu: u32, macos: (u32, u32)) -> MachO<'static> {
    MachO {
        cpu,
        kind: 8,
        needs: &["/usr/lib/libSystem.B.dylib"],
        macos,
        imports: &["napi_add_finalizer"],
        exports: &["napi_register_module_v1"],
        code: b"",
    }
}

#[test]
fn a_universal_file_has_a_slice_for_each_processor() {
    let parts = [
        (apple::X64, mac(apple::X64, (10, 15)).build()),
        (apple::ARM64, mac(apple::ARM64, (11, 3)).build()),
    ];
    let file = binary("fsevents.node", &universal(&parts));
    assert_eq!((file.format, file.kind), (Format::MachO, Kind::Addon));
    let told: Vec<_> = file
        .slices
        .iter()
        .map(|slice| (slice.cpu.as_deref(), slice.min_macos, slice.node))
        .collect();
    let node = NodeApi::NodeApi(Some(5));
    assert_eq!(
        told,
        [
            (Some("x64"), Some((10, 15)), node),
            (Some("arm64"), Some((11, 3)), node)
        ]
    );
    assert_eq!(file.slices[0].os.as_deref(), Some("darwin"));
    assert_eq!(file.slices[0].needs, ["/usr/lib/libSystem.B.dylib"]);
}

#[test]
fn a_java_class_is_no_universal_file() {
    let class = b"\xca\xfe\xba\xbe\0\0\0\x34rest of the class";
    let folder = Folder::default().and("A.class", class);
    assert_eq!(folder.facts().binaries, []);
}

#[test]
fn a_windows_addon_imports_node_when_it_is_used_first() {
    let addon = Pe {
        machine: windows::X64,
        library: true,
        imports: &[("KERNEL32.dll", &["Sleep"])],
        delayed: &[(
            "node.exe",
            &["napi_create_function", "napi_create_bigint_int64"],
        )],
        exports: &["napi_register_module_v1"],
        code: b"",
    };
    let file = binary("x.node", &addon.build());
    assert_eq!((file.format, file.kind), (Format::Pe, Kind::Addon));
    let slice = &file.slices[0];
    assert_eq!(
        (slice.os.as_deref(), slice.cpu.as_deref()),
        (Some("win32"), Some("x64"))
    );
    assert_eq!(slice.needs, ["KERNEL32.dll"]);
    assert_eq!(slice.node, NodeApi::NodeApi(Some(6)));
    // Rust's addons look up every function when they start, and tell their version by one.
    let rust = Pe {
        delayed: &[],
        exports: &[
            "napi_register_module_v1",
            "node_api_module_get_api_version_v1",
        ],
        code: b"\xb8\x09\0\0\0\xc3",
        ..addon
    };
    assert_eq!(slice_of(&rust.build()).node, NodeApi::NodeApi(Some(9)));
    let v8 = Pe {
        delayed: &[("node.exe", &["?GetCurrent@Isolate@v8@@SAPEAV12@XZ"])],
        exports: &[],
        ..addon
    };
    assert_eq!(slice_of(&v8.build()).node, NodeApi::Abi(None));
}

#[test]
fn a_windows_program_is_an_executable_and_two_letters_are_none() {
    let program = Pe {
        machine: 0xaa64,
        library: false,
        imports: &[("VCRUNTIME140D.dll", &["memcpy"])],
        delayed: &[],
        exports: &[],
        code: b"",
    };
    let file = binary("tool.exe", &program.build());
    assert_eq!(file.kind, Kind::Executable);
    assert_eq!(file.slices[0].cpu.as_deref(), Some("arm64"));
    assert!(file.slices[0].debug, "Microsoft's debug library is needed");
    let text = Folder::default().and("MZ.txt", "MZ stands for Mark Zbikowski");
    assert_eq!(text.facts().binaries, []);
}

#[test]
fn webassembly_runs_everywhere() {
    let file = binary("x.wasm", b"\0asm\x01\0\0\0");
    assert_eq!((file.format, file.kind), (Format::Wasm, Kind::Wasm));
    assert_eq!(file.slices, []);
}

#[test]
fn what_lies_about_its_platform_is_found_out() {
    let arm = Elf {
        machine: elf::ARM64,
        ..addon()
    };
    let manifest = serde_json::json!({"name": "x-linux-x64-musl", "os": ["linux"], "cpu": ["x64"], "libc": "musl"});
    let facts = Folder::with(manifest)
        .and("x.linux-x64-musl.node", arm.build())
        .facts();
    assert_eq!(facts.declared.cpu, ["x64"]);
    assert_eq!(facts.declared.libc, ["musl"]);
    let slice = &facts.binaries[0].slices[0];
    assert_eq!(slice.cpu.as_deref(), Some("arm64"));
    assert_eq!(slice.libc, Some(LibcFamily::Glibc));
}

#[test]
fn a_file_is_what_its_bytes_are_whatever_its_name() {
    let file = binary("lib/data.json", &addon().build());
    assert_eq!(file.kind, Kind::Addon);
}

#[test]
fn an_addon_that_cannot_be_read_is_told_without_slices() {
    let file = binary("x.node", &addon().build()[..40]);
    assert_eq!((file.format, file.kind), (Format::Elf, Kind::Addon));
    assert_eq!(file.slices, []);
}
