//! Tests the page of the web demo in a real Chromium. Without `chromedriver` the tests are skipped, or fail if `REQUIRE_CHROMIUM` is set.
//! If `WEB_SCREENSHOTS` names a folder, they save pictures of the page there. If `AXE` names axe-core's `axe.min.js`, they check the page's
//! accessibility with its rules. The ignored test measures time and needs an optimised program on an idle machine.

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
