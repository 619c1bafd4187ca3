//! Serves a web page that recognises the mood of a voice and recommends songs.

fn main() -> std::process::ExitCode {
    // The code is in a library so that its unit tests run: `cargo test` does not run those of examples.
    ser_web_demo::main()
}
