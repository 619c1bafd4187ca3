//! Reads the lists of public items, `docs/api`.

use std::path::{Path, PathBuf};

pub(crate) const LIBRARIES: [&str; 4] = ["ser-features", "ser-data", "ser-models", "mood-recommender"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A line of a list: an item, a field or a variant.
pub(crate) struct Item {
    /// `struct`, `enum`, `trait`, `type`, `fn` or `const`; empty for fields and variants.
    pub(crate) kind: String,
    /// The path without parameters, such as `ser_data::Corpus::ids`.
    pub(crate) path: String,
    /// The parameters of a type, and what follows the path: the types that the item is made of.
    pub(crate) rest: String,
    /// Whether it stands there because the type implements a trait.
    pub(crate) of_trait: bool,
}

impl Item {
    /// None for implementations and modules.
    fn parse(line: &str) -> Option<Self> {
        let line = match line.strip_prefix("#[") {
            Some(rest) => rest.split_once("] ")?.1,
            None => line,
        };
        let rest = line.strip_prefix("pub ")?;
        let kinds = ["struct", "enum", "trait", "type", "fn", "const"];
        let kind = kinds.into_iter().find(|kind| rest.starts_with(&format!("{kind} "))).unwrap_or_default();
        let rest = rest[kind.len()..].trim_start();
        let (mut path, mut depth, mut before, mut end) = (String::new(), 0, ' ', rest.len());
        for (at, c) in rest.char_indices() {
            match c {
                '<' => depth += 1,
                '>' if before != '-' => depth -= 1,
                _ if depth > 0 => {}
                _ if c.is_alphanumeric() || c == '_' => path.push(c),
                ':' if !rest[at..].starts_with(": ") => path.push(c),
                _ => {
                    end = at;
                    break;
                }
            }
            before = c;
        }
        if !path.contains("::") {
            return None;
        }
        let parameters = if kind == "fn" { "" } else { &rest[..end] };
        let generic = parameters.find('<').map_or("", |at| &parameters[at..]);
        Some(Self {
            kind: kind.to_owned(),
            path,
            rest: format!("{generic}{}", &rest[end..]),
            of_trait: false,
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap()
    }

    /// The path of the type that a method, a field or a variant belongs to.
    pub(crate) fn owner(&self) -> Option<&str> {
        let (owner, _) = self.path.rsplit_once("::")?;
        owner.rsplit("::").next()?.starts_with(char::is_uppercase).then_some(owner)
    }

    /// Whether it is a type or a trait.
    pub(crate) fn is_type(&self) -> bool {
        ["struct", "enum", "trait", "type"].contains(&&*self.kind) && self.owner().is_none()
    }
}

/// The items of a library.
pub(crate) fn items(library: &str) -> Vec<Item> {
    let file = root().join("docs/api").join(library).with_extension("txt");
    let list = std::fs::read_to_string(file).unwrap();
    let krate = library.replace('-', "_") + "::";
    let mut of_trait = false;
    let mut items = Vec::new();
    for line in list.lines() {
        if line.starts_with("impl") {
            of_trait = line.contains(" for ");
        } else if let Some(item) = Item::parse(line).filter(|item| item.path.starts_with(&krate)) {
            of_trait &= item.owner().is_some();
            items.push(Item { of_trait, ..item });
        }
    }
    items
}
