//! Memory of this process.

/// Returns the peak memory of this process so far in bytes, or `None` on systems other than Linux, which do not report it.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_memory_holds_what_was_held() {
        let held = std::hint::black_box(vec![1u8; 8 << 20]);
        let peak = peak_memory();
        assert_eq!(peak.is_some(), cfg!(target_os = "linux"));
        assert!(peak.is_none_or(|bytes| bytes > held.len() as u64));
    }
}
