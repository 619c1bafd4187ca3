//! The rules on little trees, so that they cannot pass because they see nothing.

use std::fs;

use tempfile::TempDir;

use super::rules::{self, Levels};
use super::source::Source;
use super::workspace::Package;

/// Files with their contents, the first of them the root.
type Files<'a> = &'a [(&'a str, &'a str)];

fn write(files: Files<'_>) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// What a rule says of the files, without the temporary folder in it.
fn violations(files: Files<'_>, rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    let folder = write(files);
    let prefix = format!("{}/", folder.path().display());
    let found = rule(&Source::read(&folder.path().join(files[0].0)));
    found.into_iter().map(|text| text.replace(&prefix, "")).collect()
}

fn circles(files: Files<'_>) -> Vec<String> {
    violations(files, rules::circles)
}

#[test]
fn a_circle_through_the_reexports_of_the_root_is_found_with_its_lines() {
    let found = circles(&[
        ("lib.rs", "mod song; mod mood; pub use mood::Mood; pub use song::{Song as Track};"),
        ("song.rs", "//! A song.\n\nuse std::fmt;\nuse crate::Mood;\npub struct Song(Mood);"),
        ("mood.rs", "use crate::{\n    Track,\n};\npub enum Mood { Calm }\nfn f(_: Track) {}"),
    ]);
    assert_eq!(found, ["circle of mood, song:\n  mood.rs:2 uses song.rs\n  song.rs:4 uses mood.rs"]);
}

#[test]
fn a_circle_through_the_facade_of_a_folder_is_found() {
    let found = circles(&[
        ("lib.rs", "mod layers; mod models;"),
        ("layers/mod.rs", "mod dense; pub use dense::*;"),
        ("layers/dense.rs", "use crate::models::Model; pub struct Dense(Model);"),
        ("models.rs", "mod model; pub use self::model::Model;"),
        ("models/model.rs", "use crate::layers::Dense; pub struct Model(Box<Dense>);"),
    ]);
    let expected = "circle of layers, models:\n  layers/dense.rs:1 uses models/model.rs\n  models/model.rs:1 uses layers/dense.rs";
    assert_eq!(found, [expected]);
}

#[test]
fn a_facade_hides_no_item_of_a_third_file() {
    let tree = |weights| {
        circles(&[
            ("lib.rs", "mod weights; mod training;"),
            ("training/mod.rs", "pub use crate::weights::Weights;"),
            ("weights.rs", weights),
        ])
    };
    // The item is its own, whatever way it takes.
    assert!(tree("pub struct Weights; fn f(_: crate::training::Weights) {}").is_empty());
    assert_eq!(tree("pub struct Weights; fn f() { crate::training::run() }").len(), 1);
}

#[test]
fn a_circle_through_paths_in_code_is_found() {
    for code in [
        "fn f() { crate::b::g() }",
        "fn f(x: &dyn super::b::B) {}",
        "fn f() -> Vec<self::super::b::B> { todo!() }",
        "fn f() { println!(\"{}\", crate::b::g()) }",
        "fn f() { let x = <crate::b::B as Clone>::clone; }",
        "fn f() { use crate::b::g; g() }",
        "use crate::b; fn f() { b::g() }",
        "use crate::b::{self as other}; fn f() { other::g() }",
        "use super::*; fn f() { b::g() }",
        "macro_rules! m { () => { $crate::b::g() }; }",
        "mod inner { fn f() { super::super::b::g() } }",
        "#[cfg(feature = \"x\")] fn f() { crate::b::g() }",
        "#[cfg(not(test))] fn f() { crate::b::g() }",
        "#[cfg(any(test, feature = \"x\"))] fn f() { crate::b::g() }",
    ] {
        let found = circles(&[
            ("main.rs", "mod a; mod b; fn main() {}"),
            ("a.rs", code),
            ("b.rs", "use crate::a; pub struct B; pub fn g() { a::f() }"),
        ]);
        assert_eq!(found.len(), 1, "{code}");
    }
}

/// The search through globs ends soon, however many stand in a module.
#[test]
fn a_circle_beside_globs_of_other_crates_is_found() {
    let found = circles(&[
        ("main.rs", "mod a; mod b; fn main() {}"),
        (
            "a.rs",
            "use c::*; use d::*; use e::*; use h::*; use i::*; use super::b::*; pub fn f() { g(); k(); l() }",
        ),
        ("b.rs", "use crate::a; pub fn g() { a::f() }"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn what_is_no_use_makes_no_arrow() {
    for code in [
        "//! See [`B`](crate::b::B).\n/// As [`crate::b::g`].\npub fn f() {}",
        "#[cfg(test)] mod tests { use crate::b::B; } pub fn f() {}",
        "#[cfg(test)] use crate::b::{B}; pub fn f() {}",
        "#[cfg(all(test, unix))] mod tests { use crate::b::B; } pub fn f() {}",
        "#[cfg(test)] #[allow(dead_code)] fn t() { crate::b::g() } pub fn f() {}",
        "pub fn f() { \"crate::b::g\"; /* crate::b::g */ }",
        "pub fn f(x: X) { x.b; y::b::g() }",
        "pub fn f() { <X as Y>::b::g() }",
    ] {
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", code),
            ("b.rs", "use crate::a::f; pub struct B; pub fn g() { f() }"),
        ]);
        assert!(found.is_empty(), "{code}: {found:?}");
    }
}

#[test]
fn a_module_and_its_children_are_one_room_but_siblings_are_not() {
    let tree = |one| {
        circles(&[
            ("lib.rs", "mod plan; pub struct Error;"),
            ("plan/mod.rs", "mod one; mod two; pub use one::One; pub struct Plan(One, two::Two);"),
            ("plan/one.rs", one),
            ("plan/two/mod.rs", "mod inner; use super::One; pub struct Two(One);"),
            ("plan/two/inner.rs", "use crate::{Error, plan::Plan}; use super::Two; fn f(_: Two) {}"),
        ])
    };
    assert!(tree("use super::Plan; pub struct One(Box<Plan>);").is_empty());
    let found = tree("use super::two::Two; pub struct One(Box<Two>);");
    assert_eq!(
        found,
        ["circle of one, two:\n  plan/one.rs:1 uses plan/two/mod.rs\n  plan/two/mod.rs:1 uses plan/one.rs"]
    );
}

#[test]
fn a_long_circle_is_told_once_and_without_its_neighbours() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c; mod ground; mod top;"),
        ("a.rs", "use crate::{b, ground};"),
        ("b.rs", "use crate::c;"),
        ("c.rs", "use crate::a;"),
        ("ground.rs", ""),
        ("top.rs", "use crate::a;"),
    ]);
    assert_eq!(found, ["circle of a, b, c:\n  a.rs:1 uses b.rs\n  b.rs:1 uses c.rs\n  c.rs:1 uses a.rs"]);
}

#[test]
fn arrows_upwards_modules_without_a_level_and_levels_without_a_module_are_found() {
    let levels = |levels: Levels, weights: &str| {
        let files = [
            ("lib.rs", "mod layers; mod weights; pub use layers::Dense;"),
            ("layers/mod.rs", "mod dense; mod kernels; pub use dense::Dense; pub struct Shape;"),
            ("layers/dense.rs", "use super::kernels; use crate::weights::Weights; pub struct Dense;"),
            ("layers/kernels.rs", "pub fn add() {}"),
            ("weights.rs", weights),
        ];
        violations(&files, |source| rules::upward_arrows(source, levels))
    };
    let right: Levels = &[&["weights"], &["layers::kernels"], &["layers"]];
    assert!(levels(right, "pub struct Weights;").is_empty());
    let upward = "upward arrow: weights.rs:1 uses layers/dense.rs";
    assert_eq!(levels(right, "use crate::Dense; pub struct Weights(Dense);"), [upward]);
    let upward = "upward arrow: layers/dense.rs:1 uses layers/kernels.rs";
    assert_eq!(levels(&[&["weights"], &["layers"], &["layers::kernels"]], "pub struct Weights;")[0], upward);
    let told = levels(&[&["weigths"], &["layers"]], "");
    assert_eq!(told, ["weigths has a level but is no module", "weights has no level"]);
}

#[test]
fn a_forbidden_crate_is_found_in_code_and_in_the_manifest() {
    let folder = write(&[("lib.rs", "use std::fmt;\nfn f() { ser_data::load() }\n#[cfg(test)] mod tests;")]);
    let package = |dependencies: &[&str]| Package {
        name: "ser-features".into(),
        is_published: true,
        library: None,
        targets: vec![folder.path().join("lib.rs")],
        dependencies: dependencies.iter().map(|name| (*name).into()).collect(),
    };
    assert!(rules::forbidden_crates(&package(&["ndarray"]), &["ser-models"]).is_empty());
    let found = rules::forbidden_crates(&package(&["ndarray", "ser-data"]), &["ser-data"]);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], "Cargo.toml names ser-data");
    assert!(found[1].ends_with("lib.rs:2 uses ser_data"), "{found:?}");
}
