//! The web demo's page in a real Chromium: what a user does, sees and hears. Without `chromedriver` the tests are skipped, unless
//! `REQUIRE_CHROMIUM` is set. With `WEB_SCREENSHOTS` set to a folder they leave pictures of the page there; with `AXE` set to axe-core's
//! `axe.min.js` they check the page's accessibility by its rules.
//! The ignored test is a timing, for an optimised program on a machine that does nothing else.

#![allow(clippy::unwrap_used)] // a test may panic

mod accessibility;
mod answers;
mod browser;
mod files;
mod flows;
mod formats;
mod kept;
mod keyboard;
mod list;
mod live;
mod look;
mod media;
mod moments;
mod preferences;
#[path = "../server.rs"]
mod server;
mod silence;
mod speed;
#[path = "../../../tests/support.rs"]
mod support;
mod visit;
