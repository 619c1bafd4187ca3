//! The lists of public items, `docs/api`: each item has a user outside of its library or a reason in `docs/api/reasons.md`, and no two
//! libraries have types of one name.
//!
//! A user is code: of the programs, benchmarks and other crates, and the snippets of READMEs. A type, function or constant is used where it
//! is imported or named by its path; a method where it is called, in a file that names its type or takes a value of it from another item.

#![allow(clippy::unwrap_used)] // a test may panic

use std::collections::{BTreeMap, BTreeSet};

use api::{Item, LIBRARIES, items, root};
use code::Code;

#[path = "../api/mod.rs"]
mod api;
mod code;

/// The items of a library with what is needed to look for their users.
struct Library {
    krate: String,
    items: Vec<Item>,
}

impl Library {
    fn read(name: &str) -> Self {
        Self { krate: name.replace('-', "_"), items: items(name) }
    }

    /// The names of a type: its own and its aliases.
    fn names<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let aliases = self
            .items
            .iter()
            .filter(move |item| item.kind == "type" && self.mentions(&item.rest, last(path)));
        std::iter::once(path).chain(aliases.map(|item| &*item.path)).map(last)
    }

    /// Whether the code has values of a type: it names the type, or takes it from a function or a field.
    fn has_values(&self, path: &str, code: &Code) -> bool {
        let gives = |item: &&Item| item.owner() != Some(path) && self.mentions(given(item), last(path));
        let takes_from = |item: &Item| match item.owner() {
            Some(owner) => code.has_member(item.name()) || code.has_path(last(owner), item.name()),
            None => item.kind == "fn" && code.imports(&self.krate, item.name()),
        };
        self.names(path).any(|name| code.imports(&self.krate, name))
            || self.items.iter().filter(gives).any(takes_from)
    }

    fn is_used(&self, item: &Item, code: &Code) -> bool {
        let Some(owner) = item.owner() else { return code.imports(&self.krate, item.name()) };
        let by_path = || {
            self.names(owner).any(|name| code.imports(&self.krate, name) && code.has_path(name, item.name()))
        };
        let has_receiver = ["(self", "(&self", "(&mut self"].iter().any(|start| item.rest.starts_with(start));
        by_path() || has_receiver && code.calls(item.name()) && self.has_values(owner, code)
    }

    /// Whether a type stands in another item: it comes with that item.
    fn is_part(&self, item: &Item) -> bool {
        let outside = |other: &&Item| other.path != item.path && other.owner() != Some(&item.path);
        item.is_type()
            && self.items.iter().filter(outside).any(|other| self.mentions(&other.rest, item.name()))
    }

    /// Whether a signature has a type of this library. Some have two paths.
    fn mentions(&self, signature: &str, name: &str) -> bool {
        let mut paths = signature.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        paths.any(|path| path.starts_with(&self.krate) && last(path) == name)
    }
}

/// The type of what a function or a field gives.
fn given(item: &Item) -> &str {
    if item.kind == "fn" { item.rest.split_once(" -> ").map_or("", |(_, result)| result) } else { &item.rest }
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap()
}

#[test]
fn every_public_item_has_a_user_or_a_reason() {
    let files = code::files();
    let mut without = BTreeSet::new();
    for name in LIBRARIES {
        let library = Library::read(name);
        let users: Vec<&Code> =
            files.iter().filter(|(file, _)| code::is_user(file, name)).map(|(_, code)| code).collect();
        let items = library
            .items
            .iter()
            .filter(|item| !item.of_trait && (item.is_type() || item.kind == "fn" || item.kind == "const"));
        let unused = items
            .filter(|item| !library.is_part(item) && !users.iter().any(|code| library.is_used(item, code)));
        without.extend(unused.map(|item| item.path.clone()));
    }
    let reasons = std::fs::read_to_string(root().join("docs/api/reasons.md")).unwrap();
    let rows = reasons.lines().filter(|line| line.starts_with("| `"));
    let given: BTreeSet<String> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2).take_while(|item| item.contains("::")))
        .map(String::from)
        .collect();
    let missing: Vec<&String> = without.difference(&given).collect();
    let needless: Vec<&String> = given.difference(&without).collect();
    assert!(
        missing.is_empty() && needless.is_empty(),
        "docs/api/reasons.md lacks {missing:#?} and need not hold {needless:#?}"
    );
}

#[test]
fn only_code_uses_items() {
    let text = r#"
        //! Calls `reset`, see [`Delta`].
        use ser_features::{Mel, layers};

        fn f(plan: Plan) -> Feature {
            let y = plan.push(plan.rows, "reset()").collect::<Vec<_>>();
            layers::Dense::<f32>::new(Mel { rows, ..Mel::slaney() });
            if rows < limit { return Feature::Mfcc }
            ser_features::delta(ser_features::Window::Hann)
        }
    "#;
    let code = Code::parse(text).unwrap();
    let of_crate = |name: &&str| code.imports("ser_features", name);
    let names = ["Mel", "layers", "Dense", "delta", "Window", "Hann", "Mfcc", "Delta", "Plan", "slaney"];
    assert_eq!(
        names.into_iter().filter(of_crate).collect::<Vec<_>>(),
        ["Mel", "layers", "Dense", "delta", "Window"]
    );
    let called = ["push", "collect", "rows", "reset", "Mel"].into_iter().filter(|name| code.calls(name));
    assert_eq!(called.collect::<Vec<_>>(), ["push", "collect"]);
    assert!(code.has_member("rows") && !code.has_member("limit"));
    assert!(code.has_path("Mel", "slaney") && code.has_path("Dense", "new") && !code.has_path("Mel", "new"));
    assert_eq!(
        code::snippets("Calls.\n```rust,no_run\n# use a;\nb();\n```\n```sh\nc\n```\n"),
        "use a;\nb();\n"
    );
}

#[test]
fn no_two_libraries_have_types_of_one_name() {
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for library in LIBRARIES {
        for item in items(library).iter().filter(|item| item.is_type()) {
            owners.entry(item.name().to_owned()).or_default().insert(library);
        }
    }
    owners.retain(|_, owners| owners.len() > 1);
    assert!(owners.is_empty(), "{owners:#?}");
}
