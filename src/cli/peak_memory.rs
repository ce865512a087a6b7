//! The line with the peak memory, which `--verbose` prints at the end and `bench` reads.

const LABEL: &str = "peak memory ";

/// The line, if the system reports the memory (Linux).
pub fn line() -> Option<String> {
    Some(format!("{LABEL}{} kB", peak_memory_kb()?))
}

/// The kB that such a line states; none for another line.
pub fn kb_of(line: &str) -> Option<u64> {
    let (_, after) = line.split_once(LABEL)?;
    after.trim().strip_suffix(" kB")?.parse().ok()
}

/// Peak resident memory of this process, if the system reports it (Linux).
fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
