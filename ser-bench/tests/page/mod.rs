//! A page of `docs` that a test writes and compares.

use std::path::Path;

/// With `WRITE=1` writes the page; fails if the file `docs/NAME.md` differs from it. The test's program has the page's name.
pub(crate) fn check(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(format!("docs/{name}.md"));
    if std::env::var_os("WRITE").is_some() {
        std::fs::write(&file, page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = page.lines().zip(written.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
    assert!(
        page == written,
        "docs/{name}.md differs from its sources, first at {differs:?}; WRITE=1 cargo test --workspace --test {name} writes it"
    );
}
