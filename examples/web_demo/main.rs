//! The whole system as a page in the browser: say something, see your mood, get songs.

fn main() -> std::process::ExitCode {
    // A library, for tests of its parts: `cargo test` builds examples without theirs.
    ser_web_demo::main()
}
