//! Reads the modules of a crate: what each defines, imports and names.
//!
//! Works on tokens, so that the arguments of macros count as other code does. Attributes, doc comments and items under
//! `#[cfg(test)]` do not count.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// The names from the crate's root to a module; empty for the root.
pub(crate) type ModulePath = Vec<String>;

/// All modules of one target.
pub(crate) struct Source {
    pub(crate) modules: BTreeMap<ModulePath, Module>,
}

/// A file, or a module inside a file.
#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    /// The items that stand in it.
    pub(crate) defines: HashSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Names and paths in the code.
    pub(crate) mentions: Vec<Mention>,
}

impl Module {
    /// All paths with their lines, those of `use` lines first.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&[String], usize)> {
        let imports = self.imports.iter().map(|import| (&import.path[..], import.line));
        imports.chain(self.mentions.iter().map(|mention| (&mention.path[..], mention.line)))
    }
}

/// One name that a `use` line brings in, or `*`.
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

impl Source {
    /// Reads a target from its root file, with all modules below it.
    pub(crate) fn read(root: &Path) -> Self {
        let mut source = Self { modules: BTreeMap::new() };
        source.read_file(root, Vec::new(), root.parent().unwrap());
        source
    }

    /// Reads a file whose child modules lie in `folder`.
    fn read_file(&mut self, file: &Path, path: ModulePath, folder: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let tokens = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_module(file, path, folder, tokens);
    }

    fn read_module(&mut self, file: &Path, path: ModulePath, folder: &Path, tokens: TokenStream) {
        let mut reader =
            Reader { module: Module { file: file.into(), ..Module::default() }, children: Vec::new() };
        reader.read(tokens, true);
        self.modules.insert(path.clone(), reader.module);
        for Child { name, attribute, body } in reader.children {
            let inner = folder.join(&name);
            let path = [path.clone(), vec![name.clone()]].concat();
            match (body, attribute) {
                (Some(body), _) => self.read_module(file, path, &inner, body),
                (None, Some(attribute)) => {
                    let file = file.parent().unwrap().join(attribute);
                    self.read_file(&file, path, file.parent().unwrap());
                }
                (None, None) => {
                    let own = folder.join(format!("{name}.rs"));
                    let file = if own.exists() { own } else { inner.join("mod.rs") };
                    self.read_file(&file, path, &inner);
                }
            }
        }
    }
}

/// A `mod` line.
struct Child {
    name: String,
    /// The value of `#[path = "…"]`.
    attribute: Option<String>,
    /// The code between the braces; none for a file.
    body: Option<TokenStream>,
}

struct Reader {
    module: Module,
    children: Vec<Child>,
}

/// The keywords that a name of an item follows.
const DEFINING: [&str; 9] =
    ["const", "enum", "fn", "macro_rules", "static", "struct", "trait", "type", "union"];
/// The words that may stand between.
const BETWEEN: [&str; 5] = ["async", "extern", "fn", "mut", "unsafe"];

impl Reader {
    /// Reads the items of a module (`top`), or the code inside one of its groups.
    fn read(&mut self, tokens: TokenStream, top: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut attribute = None;
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            at += match rest {
                [TokenTree::Punct(hash), TokenTree::Group(group), after @ ..]
                    if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
                {
                    attribute = path_attribute(group).or(attribute);
                    2 + if is_for_tests(group) { item_length(after) } else { 0 }
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), after @ ..] if word == "mod" => {
                    let body = match after {
                        [TokenTree::Group(group), ..] => Some(group.stream()),
                        _ => None,
                    };
                    self.children.push(Child { name: name.to_string(), attribute: attribute.take(), body });
                    3
                }
                [TokenTree::Ident(word), after @ ..] if word == "use" && !is_punct(after.first(), '<') => {
                    let end = position_of(after, ';');
                    self.import(&after[..end], &[], word.span().start().line);
                    1 + end
                }
                [TokenTree::Ident(word), ..] => {
                    if top && DEFINING.iter().any(|defining| word == defining) {
                        self.define(&rest[1..]);
                    }
                    let (path, length) = path(rest);
                    let is_field = is_punct(at.checked_sub(1).map(|before| &tokens[before]), '.')
                        && !is_punct(at.checked_sub(2).map(|before| &tokens[before]), '.');
                    let is_keyword = length == 1 && ["crate", "self", "super"].contains(&path[0].as_str());
                    if !is_field && !is_keyword {
                        self.module.mentions.push(Mention { path, line: word.span().start().line });
                    }
                    length
                }
                // The rest of a path whose beginning is a type, such as `<T as Trait>::Output`.
                [TokenTree::Punct(first), TokenTree::Punct(second), TokenTree::Ident(_), ..]
                    if first.as_char() == ':' && second.as_char() == ':' =>
                {
                    2 + path(&rest[2..]).1
                }
                [TokenTree::Group(group), ..] => {
                    self.read(group.stream(), false);
                    1
                }
                _ => 1,
            };
        }
    }

    /// Notes the name of the item whose keyword stood before `tokens`.
    fn define(&mut self, tokens: &[TokenTree]) {
        let name = tokens.iter().find_map(|token| match token {
            TokenTree::Ident(name) if BETWEEN.iter().all(|word| name != word) => Some(name),
            _ => None,
        });
        if let Some(name) = name {
            self.module.defines.insert(name.to_string());
        }
    }

    /// Notes what a use tree below `prefix` brings in.
    fn import(&mut self, tree: &[TokenTree], prefix: &[String], line: usize) {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut tokens = tree.iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = tokens.next().map(TokenTree::to_string);
                }
                TokenTree::Ident(word) => path.push(unraw(word)),
                TokenTree::Punct(star) if star.as_char() == '*' => name = Some("*".into()),
                TokenTree::Group(group) => {
                    let trees: Vec<TokenTree> = group.stream().into_iter().collect();
                    for tree in
                        trees.split(|token| is_punct(Some(token), ',')).filter(|tree| !tree.is_empty())
                    {
                        let line = tree[0].span().start().line;
                        self.import(tree, &path, line);
                    }
                    return;
                }
                _ => {}
            }
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(name) = name.or_else(|| path.last().cloned()) {
            self.module.imports.push(Import { name, path, line });
        }
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn position_of(tokens: &[TokenTree], wanted: char) -> usize {
    tokens.iter().position(|token| is_punct(Some(token), wanted)).unwrap_or(tokens.len())
}

fn unraw(word: &Ident) -> String {
    word.to_string().trim_start_matches("r#").to_string()
}

/// The path at the beginning of `tokens`, and how many tokens it takes.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut length = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(length) {
        path.push(unraw(word));
        length += 1;
        let goes_on = is_punct(tokens.get(length), ':')
            && is_punct(tokens.get(length + 1), ':')
            && matches!(tokens.get(length + 2), Some(TokenTree::Ident(_)));
        if !goes_on {
            break;
        }
        length += 2;
    }
    (path, length)
}

/// The number of tokens up to the end of the item or statement that an attribute belongs to.
fn item_length(tokens: &[TokenTree]) -> usize {
    let is_use = tokens.iter().take(3).any(|token| matches!(token, TokenTree::Ident(word) if word == "use"));
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !is_use,
        _ => is_punct(Some(token), ';'),
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1)
}

/// Whether an attribute is `cfg(test)`, or `cfg(all(…))` with `test` in it.
fn is_for_tests(attribute: &Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    let Some(condition) = text.strip_prefix("cfg(").and_then(|rest| rest.strip_suffix(')')) else {
        return false;
    };
    let all = condition.strip_prefix("all(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(condition);
    all.split(',').any(|part| part == "test")
}

/// The value of `#[path = "…"]`.
fn path_attribute(attribute: &Group) -> Option<String> {
    match &attribute.stream().into_iter().collect::<Vec<_>>()[..] {
        [TokenTree::Ident(word), TokenTree::Punct(_), TokenTree::Literal(value)] if word == "path" => {
            Some(value.to_string().trim_matches('"').to_string())
        }
        _ => None,
    }
}
