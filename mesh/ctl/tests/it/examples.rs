//! Every example of every help text is run, with the files of `examples/` around it and a mesh of
//! its own behind it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::mesh::{Mesh, said};

const ORDER_HOST: u8 = 12;
const PATIENCE: Duration = Duration::from_secs(30);

/// A run folder that is named by a number has a gateway, and this mesh has none.
const UNNUMBERED: &str = "this";

/// Folders of examples are shallow.
const DEPTH_MAX: usize = 3;

#[tokio::test]
async fn every_example_of_every_help_text_runs() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    mesh.announce(&[("order", "order", ORDER_HOST)]);
    let place = place(&mesh);
    let mut examples = Vec::new();
    collect(Vec::new(), &mut examples).await;
    assert!(examples.len() > 30, "{examples:#?}");
    for example in examples {
        let line = here(&example, &mesh);
        let mut command = shell(&line, &mesh, place.path());
        if example.starts_with("meshctl forward") {
            listens(command, &example).await;
            continue;
        }
        command.stdin(Stdio::null());
        let said = said(command).await;
        // The candidate is there to change something.
        let expected = i32::from(example.contains("replay"));
        assert_eq!(said.code, expected, "{example}\n{}\n{}", said.out, said.err);
        let is_redirected = example.contains(" > ") || example.contains(" --out ");
        assert!(is_redirected || !said.out.is_empty(), "{example}");
    }
}

/// The examples of a command and of those below it, in the order in which they are shown.
async fn collect(command: Vec<String>, examples: &mut Vec<String>) {
    let mut help = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    help.args(&command).arg("--help");
    let help = said(help).await.expect(0).out;
    examples.extend(examples_of(&help));
    for below in commands_of(&help) {
        let mut path = command.clone();
        path.push(below);
        Box::pin(collect(path, examples)).await;
    }
}

/// Lines that begin with `meshctl`, continued ones as one, without what is said beside them.
fn examples_of(help: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = help.lines();
    while let Some(line) = lines.next() {
        let Some(line) = line.strip_prefix("  meshctl ") else {
            continue;
        };
        let mut example = format!("meshctl {line}");
        while let Some(begun) = example.strip_suffix('\\') {
            let more = lines.next().unwrap_or_default();
            example = format!("{} {}", begun.trim_end(), more.trim_start());
        }
        // What stands behind three blanks says what it is for.
        let command = example.split("   ").next().unwrap_or_default();
        examples.push(command.to_owned());
    }
    examples
}

fn commands_of(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            // Deeper lines go on with a description.
            let line = line
                .strip_prefix("  ")
                .filter(|line| !line.starts_with(' '))?;
            line.split_whitespace().next()
        });
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// A folder with the files that examples speak of.
fn place(mesh: &Mesh) -> TempDir {
    let place = TempDir::new().unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&manifest.join("examples"), place.path(), DEPTH_MAX);
    let descriptors = place.path().join("gateway-envoy");
    fs::create_dir(&descriptors).unwrap();
    let shop = manifest.join("../../gateway-envoy/shop.binpb");
    fs::copy(shop, descriptors.join("shop.binpb")).unwrap();
    let instances = place.path().join(".local/run");
    fs::create_dir_all(&instances).unwrap();
    for instance in ["0", UNNUMBERED] {
        std::os::unix::fs::symlink(mesh.run.path(), instances.join(instance)).unwrap();
    }
    let root = mesh.path("mesh/root-cert.pem");
    fs::copy(root, place.path().join("chain.pem")).unwrap();
    place
}

fn copy(from: &Path, to: &Path, depth: usize) {
    assert!(depth > 0, "{} is deeper than examples are", from.display());
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, depth - 1);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The example with the addresses of this mesh, free ports, and no file outside of its folder.
fn here(example: &str, mesh: &Mesh) -> String {
    let order = mesh.grpc(ORDER_HOST).to_string();
    example
        .replace("127.77.0.12:50051", &order)
        .replace("127.0.0.1:9000", "127.0.0.1:0")
        .replace("127.0.0.1:9001", "127.0.0.1:0")
        .replace("/tmp/debug", "debug")
        .replace(".local/run/7", &format!(".local/run/{UNNUMBERED}"))
}

fn shell(line: &str, mesh: &Mesh, place: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_meshctl"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    // What tells the place of the mesh.
    let own = mesh.meshctl(&[]);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("exec {line}")])
        .env_clear()
        .current_dir(place)
        .kill_on_drop(true);
    for (name, value) in own.as_std().get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("PATH", path);
    command
}

/// It runs until it is ended, and says where it listens.
async fn listens(mut command: Command, example: &str) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line());
    let line = line.await.expect("it says something").unwrap();
    let line = line.unwrap_or_default();
    assert!(line.starts_with("listening on "), "{example}: {line}");
}
