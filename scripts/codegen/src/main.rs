//! Writes the generated code that is committed: messages, clients and servers of every proto in the
//! tree, and the descriptor set that Envoy's transcoder and gRPC reflection read.
//!
//! `scripts/proto.sh` calls it with the folder of the public google protos (`google/api`,
//! `google/rpc`, `google/type`). It is a workspace of its own, so that the protobuf compiler stays
//! out of every ordinary build.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use prost::Message;
use prost_types::FileDescriptorSet;

/// One crate with generated code.
struct Target {
    /// Folder of its protos, the import root.
    protos: &'static str,
    /// Where the generated code goes.
    out: &'static str,
    /// Whether the messages also get proto3 JSON (events do).
    json: bool,
    /// Where the descriptor set goes, if the crate has one.
    descriptors: Option<&'static str>,
    /// Proto path and Rust path of messages that another crate already has.
    externs: &'static [(&'static str, &'static str)],
}

const TARGETS: &[Target] = &[
    Target {
        protos: "proto",
        out: "proto/src/gen",
        json: true,
        descriptors: Some("gateway-envoy/shop.binpb"),
        externs: &[(".google.protobuf", "::pbjson_types")],
    },
    Target {
        protos: "mesh/xds/proto",
        out: "mesh/xds/src/gen",
        json: false,
        descriptors: None,
        externs: &[(".google.protobuf", "::envoy_types::pb::google::protobuf")],
    },
    Target {
        protos: "mesh/examples/echo/proto",
        out: "mesh/examples/echo/src/gen",
        json: false,
        descriptors: None,
        externs: &[],
    },
];

/// Details of an error travel as `Any`: the transcoder can render only what its set describes.
const DETAILS: &[&str] = &["google/rpc/error_details.proto", "google/rpc/status.proto"];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().context("first argument: root of the tree")?);
    let google = PathBuf::from(arguments.next().context("second argument: google protos")?);
    for target in TARGETS {
        if root.join(target.protos).is_dir() {
            generate(&root, &google, target)
                .with_context(|| format!("cannot generate from {}", target.protos))?;
        }
    }
    Ok(())
}

fn generate(root: &Path, google: &Path, target: &Target) -> Result<()> {
    let protos = root.join(target.protos);
    let files = proto_files(&protos, &protos)?;
    let mut compiler = protox::Compiler::new([protos.as_path(), google])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files)?;
    let set = compiler.file_descriptor_set();
    let out = root.join(target.out);
    if out.is_dir() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;

    let mut config = tonic_prost_build::configure()
        .out_dir(&out)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .compile_well_known_types(true)
        .extern_path(".google.api", "::google_api_is_not_generated")
        .extern_path(".google.rpc", "::google_rpc_is_not_generated");
    for (proto, rust) in target.externs {
        config = config.extern_path(*proto, *rust);
    }
    config.compile_fds(generated_only(&set))?;
    if target.json {
        write_json(&set, &out)?;
    }
    if let Some(path) = target.descriptors {
        // Encoded by protox itself: prost's types drop custom options, and with them every path.
        let mut bare = protox::Compiler::new([protos.as_path(), google])?;
        bare.include_imports(true).include_source_info(false);
        bare.open_files(&files)?.open_files(DETAILS)?;
        fs::write(root.join(path), bare.encode_file_descriptor_set())?;
    }
    Ok(())
}

/// Annotations and well-known types come from elsewhere; all else is generated.
fn generated_only(set: &FileDescriptorSet) -> FileDescriptorSet {
    let file = set.file.iter().filter(|file| {
        !file.package().starts_with("google.api") && !file.package().starts_with("google.rpc")
    });
    FileDescriptorSet { file: file.cloned().collect() }
}

fn write_json(set: &FileDescriptorSet, out: &Path) -> Result<()> {
    let generated = generated_only(set).encode_to_vec();
    pbjson_build::Builder::new()
        .register_descriptors(&generated)?
        // A consumer of today must read the event of a publisher that has one field more.
        .ignore_unknown_fields()
        .out_dir(out)
        .extern_path(".google.protobuf", "::pbjson_types")
        .build(&[".shop", ".google.type"])?;
    Ok(())
}

fn proto_files(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(proto_files(root, &path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path.strip_prefix(root)?.to_path_buf());
        }
    }
    found.sort();
    Ok(found)
}
