//! The web demo's page in a real Chromium: what a user does, sees and hears. Without `chromedriver` the tests are skipped, unless
//! `REQUIRE_CHROMIUM` is set. With `WEB_SCREENSHOTS` set to a folder they leave pictures of the page there.

#![allow(clippy::unwrap_used)] // a test may panic

mod access;
mod browser;
mod faults;
mod refusals;
#[path = "../server.rs"]
mod server;
mod silence;
#[path = "../../../tests/support.rs"]
mod support;
mod visit;
