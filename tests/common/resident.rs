//! How much memory the process holds.

/// Resident bytes, counted page by page where the system can: its running figures may be behind by some pages for each
/// processor.
pub fn bytes() -> u64 {
    let kib = find("/proc/self/smaps_rollup", "Rss:").or_else(|| find("/proc/self/status", "VmRSS:"));
    kib.expect("the system has /proc") * 1024
}

fn find(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().trim_end_matches("kB").trim().parse().ok()
}
