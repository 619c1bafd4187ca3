//! Handles Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Returns a flag that Ctrl-C sets from now on, instead of ending the process.
///
/// # Errors
/// If the system does not allow a handler, or if a handler is already set.
pub fn on_ctrl_c() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("Ctrl-C: cannot be handled")?;
    Ok(stop)
}
