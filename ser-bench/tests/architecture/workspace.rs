//! The workspace's packages, as Cargo knows them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) is_published: bool,
    /// The root file of the library.
    pub(crate) library: Option<PathBuf>,
    /// The root files of all targets: libraries, programs, examples, tests and benchmarks.
    pub(crate) targets: Vec<PathBuf>,
    /// The packages in Cargo.toml, those for tests and builds among them.
    pub(crate) dependencies: Vec<String>,
}

/// Asks Cargo, so that a new crate or target is checked without a change here.
pub(crate) fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages: Vec<Package> = list(&metadata["packages"]).iter().map(package).collect();
    assert!(packages.len() > 1, "the workspace has {} packages", packages.len());
    packages
}

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn package(value: &Value) -> Package {
    let file = |target: &Value| PathBuf::from(text(&target["src_path"]));
    let is_library = |target: &&Value| list(&target["kind"]).iter().any(|kind| kind == "lib");
    let targets = list(&value["targets"]);
    Package {
        name: text(&value["name"]).into(),
        // Without `publish` in Cargo.toml it is null, with `publish = false` an empty list.
        is_published: value["publish"].is_null(),
        library: targets.iter().find(is_library).map(file),
        targets: targets.iter().map(file).collect(),
        dependencies: list(&value["dependencies"]).iter().map(|it| text(&it["name"]).into()).collect(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
