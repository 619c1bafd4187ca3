//! Resolves imports and paths to arrows between modules.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::source::{Module, ModulePath, Source};

/// One module uses what another one defines.
#[derive(Clone, Copy)]
pub(crate) struct Arrow<'a> {
    pub(crate) from: &'a ModulePath,
    pub(crate) to: &'a ModulePath,
    from_file: &'a Path,
    to_file: &'a Path,
    line: usize,
}

impl fmt::Display for Arrow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} uses {}", self.from_file.display(), self.line, self.to_file.display())
    }
}

/// What a path means.
#[derive(Clone, Copy)]
enum Meaning<'a> {
    Module(&'a ModulePath),
    /// An item of this module, or a part of the item.
    ItemOf(&'a ModulePath),
}

/// How many re-exports may lead to an item. Ends the search where an import names itself.
const REEXPORTS: usize = 16;

impl Source {
    /// All arrows, one for each pair of modules: the first in the file. They lead to the module that defines an item, whatever
    /// modules re-export it.
    pub(crate) fn arrows(&self) -> Vec<Arrow<'_>> {
        let mut arrows = BTreeMap::new();
        for (from, module) in &self.modules {
            for (path, line) in module.paths() {
                let Some(Meaning::Module(to) | Meaning::ItemOf(to)) = self.meaning(from, path, REEXPORTS)
                else {
                    continue;
                };
                let to_file = &self.modules[to].file;
                if to != from {
                    arrows.entry((from, to)).or_insert(Arrow {
                        from,
                        to,
                        from_file: &module.file,
                        to_file,
                        line,
                    });
                }
            }
        }
        arrows.into_values().collect()
    }

    /// The first names of the paths that lead out of this target, with file and line: other crates, keywords and local names.
    pub(crate) fn other_crates(&self) -> impl Iterator<Item = (&str, &Path, usize)> {
        self.modules.iter().flat_map(move |(from, module)| {
            let strange =
                module.paths().filter(move |(path, _)| self.meaning(from, path, REEXPORTS).is_none());
            strange.filter_map(|(path, line)| Some((path.first()?.as_str(), module.file.as_path(), line)))
        })
    }

    /// What `path` means in the module `from`; none for other crates, keywords and local names.
    fn meaning<'a>(&'a self, from: &'a ModulePath, path: &[String], reexports: usize) -> Option<Meaning<'a>> {
        let (first, rest) = path.split_first()?;
        self.rest(self.name(from, first, reexports)?, rest, reexports)
    }

    /// What the rest of a path means after its first names.
    fn rest<'a>(
        &'a self,
        mut meaning: Meaning<'a>,
        rest: &[String],
        reexports: usize,
    ) -> Option<Meaning<'a>> {
        for name in rest {
            let Meaning::Module(module) = meaning else { break };
            meaning = self.name(module, name, reexports).unwrap_or(Meaning::ItemOf(module));
        }
        Some(meaning)
    }

    /// What one name means in a module.
    fn name<'a>(&'a self, module: &'a ModulePath, name: &str, reexports: usize) -> Option<Meaning<'a>> {
        match name {
            "crate" => return self.module(&[]),
            "self" => return Some(Meaning::Module(module)),
            "super" => return self.module(module.split_last()?.1),
            _ => {}
        }
        if let Some(found) = self.named(module, name, reexports) {
            return Some(found);
        }
        let reexports = reexports.checked_sub(1)?;
        let mut globs = self.modules[module].imports.iter().filter(|import| import.name == "*");
        globs.find_map(|import| {
            // A glob that began with a name of another glob would be looked up among all of them, again and again.
            let (first, rest) = import.path.split_first()?;
            let first = match first.as_str() {
                "crate" | "self" | "super" => self.name(module, first, reexports)?,
                _ => self.named(module, first, reexports)?,
            };
            match self.rest(first, rest, reexports)? {
                Meaning::Module(other) if other != module => self.name(other, name, reexports),
                _ => None,
            }
        })
    }

    /// What one name means that a module defines or imports by this name.
    fn named<'a>(&'a self, module: &'a ModulePath, name: &str, reexports: usize) -> Option<Meaning<'a>> {
        if let Some(child) = self.module(&[module.as_slice(), &[name.to_string()]].concat()) {
            return Some(child);
        }
        let Module { defines, imports, .. } = &self.modules[module];
        if defines.contains(name) {
            return Some(Meaning::ItemOf(module));
        }
        let reexports = reexports.checked_sub(1)?;
        let mut same = imports.iter().filter(|import| import.name == name);
        same.find_map(|import| self.meaning(module, &import.path, reexports))
    }

    fn module(&self, path: &[String]) -> Option<Meaning<'_>> {
        self.modules.get_key_value(path).map(|(path, _)| Meaning::Module(path))
    }
}
