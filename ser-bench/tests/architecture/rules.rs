//! What arrows must keep to. Each rule returns its violations as texts.

use std::collections::{BTreeMap, BTreeSet};

use super::arrows::Arrow;
use super::source::{ModulePath, Source};
use super::workspace::Package;

/// The rows of modules of a crate, from the ground up. A name stands for a module with all below it, unless a longer name is
/// in the table too.
pub(crate) type Levels = &'static [&'static [&'static str]];

/// The arrows between the rooms of one module, by the names of both.
type Rooms<'a> = BTreeMap<(&'a str, &'a str), Vec<Arrow<'a>>>;

/// The circles of rooms that stand side by side in one module. A room is a module with all below it, so that a module may use
/// its children and they it.
pub(crate) fn circles(source: &Source) -> Vec<String> {
    let mut houses: BTreeMap<&[String], Rooms<'_>> = BTreeMap::new();
    for arrow in source.arrows() {
        let shared = arrow.from.iter().zip(arrow.to).take_while(|(from, to)| from == to).count();
        if let (Some(from), Some(to)) = (arrow.from.get(shared), arrow.to.get(shared)) {
            let rooms = houses.entry(&arrow.from[..shared]).or_default();
            rooms.entry((from, to)).or_default().push(arrow);
        }
    }
    let mut circles = Vec::new();
    for arrows in houses.values() {
        let mut seen = BTreeSet::new();
        for (room, _) in arrows.keys() {
            let reached = reached_from(room, arrows);
            let circle: BTreeSet<&str> =
                reached.into_iter().filter(|other| reached_from(other, arrows).contains(room)).collect();
            if circle.is_empty() || !seen.insert(circle.clone()) {
                continue;
            }
            let mut text = format!("circle of {}:", circle.iter().copied().collect::<Vec<_>>().join(", "));
            let inside = arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
            for arrow in inside.flat_map(|(_, arrows)| arrows) {
                text += &format!("\n  {arrow}");
            }
            circles.push(text);
        }
    }
    circles
}

/// The rooms that arrows lead to from `start`, over other rooms too.
fn reached_from<'a>(start: &'a str, arrows: &Rooms<'a>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![start];
    while let Some(room) = todo.pop() {
        let next = arrows.keys().filter(|(from, _)| *from == room).map(|(_, to)| *to);
        todo.extend(next.filter(|to| reached.insert(*to)));
    }
    reached
}

/// The arrows that lead to a higher level, the modules without a level, and the names in the table that no module has.
pub(crate) fn upward_arrows(source: &Source, levels: Levels) -> Vec<String> {
    let names =
        || levels.iter().enumerate().flat_map(|(level, names)| names.iter().map(move |name| (level, *name)));
    let level = |module: &ModulePath| {
        let path = module.join("::");
        names()
            .filter(|(_, name)| path == *name || path.starts_with(&format!("{name}::")))
            .max_by_key(|(_, name)| name.len())
            .map(|(level, _)| level)
    };
    let mut violations: Vec<String> = names()
        .filter(|(_, name)| !source.modules.keys().any(|module| module.join("::") == *name))
        .map(|(_, name)| format!("{name} has a level but is no module"))
        .collect();
    let unplaced = source.modules.keys().filter(|module| !module.is_empty() && level(module).is_none());
    violations.extend(unplaced.map(|module| format!("{} has no level", module.join("::"))));
    for arrow in source.arrows() {
        if let (Some(from), Some(to)) = (level(arrow.from), level(arrow.to))
            && from < to
        {
            violations.push(format!("upward arrow: {arrow}"));
        }
    }
    violations
}

/// The uses of `forbidden` packages, in Cargo.toml or in the code of any target.
pub(crate) fn forbidden_crates(package: &Package, forbidden: &[&str]) -> Vec<String> {
    let mut violations = Vec::new();
    for name in forbidden {
        if package.dependencies.iter().any(|dependency| dependency == name) {
            violations.push(format!("Cargo.toml names {name}"));
        }
    }
    for target in &package.targets {
        for (name, file, line) in Source::read(target).other_crates() {
            if forbidden.iter().any(|forbidden| forbidden.replace('-', "_") == name) {
                violations.push(format!("{}:{line} uses {name}", file.display()));
            }
        }
    }
    violations
}
