//! Prints the public items of a crate, one a line, from the JSON that rustdoc wrote of it: `list-api FILE.json`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: list-api FILE.json")?;
    // What every type has, or derives, would be three lines of four. `ser-bench/tests/promises.rs` checks what callers rely on.
    let api = public_api::Builder::from_rustdoc_json(file)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    for item in api.items() {
        println!("{item}");
    }
    Ok(())
}
