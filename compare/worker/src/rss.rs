//! Resident memory, read without allocating: an open file, `pread`, and a buffer on the stack.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Short enough to see a wave of allocations, long enough that reading costs the workload nothing.
const INTERVAL: Duration = Duration::from_millis(2);

/// Reads the process's resident bytes from a file of procfs that stays open.
struct Statm(File);

impl Statm {
    fn open() -> Option<Self> {
        File::open("/proc/self/statm").ok().map(Self)
    }

    fn resident(&self) -> Option<u64> {
        let mut buffer = [0u8; 128];
        let length = self.0.read_at(&mut buffer, 0).ok()?;
        let pages = std::str::from_utf8(&buffer[..length]).ok()?.split_ascii_whitespace().nth(1)?;
        Some(pages.parse::<u64>().ok()? * page_size())
    }
}

/// Resident bytes now. The kernel counts exactly only when it walks the mappings (`smaps_rollup`); where it does not
/// offer that, the quick count may be off by some hundred KiB.
pub fn now() -> Option<u64> {
    let rollup = File::open("/proc/self/smaps_rollup").ok().and_then(|file| kib_field(&file, "Rss:"));
    rollup.or_else(|| Statm::open()?.resident())
}

/// Of it, what is no unchanged page of a file: those the kernel keeps for all, and maps as many of as suits it.
pub fn anonymous() -> Option<u64> {
    kib_field(&File::open("/proc/self/smaps_rollup").ok()?, "Anonymous:")
}

/// The most that was ever resident, as the kernel kept it.
pub fn peak() -> Option<u64> {
    kib_field(&File::open("/proc/self/status").ok()?, "VmHWM:")
}

fn kib_field(file: &File, name: &str) -> Option<u64> {
    let mut buffer = [0u8; 4096];
    let length = file.read_at(&mut buffer, 0).ok()?;
    let text = std::str::from_utf8(&buffer[..length]).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn page_size() -> u64 {
    // SAFETY: `sysconf` has no precondition.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// A thread that reads resident memory every few milliseconds until it is stopped.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Memory>,
}

/// What a watch saw.
pub struct Memory {
    pub peak: u64,
    /// Weighted by time, since a loaded machine stretches the intervals.
    pub average: f64,
}

impl Watch {
    /// None where the system has no procfs.
    pub fn start() -> Option<Self> {
        let statm = Statm::open()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || watch(&statm, &stopped)).ok()?;
        Some(Self { stop, thread })
    }

    pub fn stop(self) -> Memory {
        // Relaxed: the flag carries no data, and joining orders everything else.
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(Memory { peak: 0, average: f64::NAN })
    }
}

fn watch(statm: &Statm, stop: &AtomicBool) -> Memory {
    let begin = Instant::now();
    let mut last = begin;
    let mut previous = statm.resident().unwrap_or(0) as f64;
    let (mut peak, mut integral) = (previous, 0.0);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(INTERVAL);
        let now = Instant::now();
        let resident = statm.resident().unwrap_or(0) as f64;
        integral += (previous + resident) / 2.0 * (now - last).as_secs_f64();
        peak = peak.max(resident);
        (previous, last) = (resident, now);
    }
    let length = (last - begin).as_secs_f64();
    Memory { peak: peak as u64, average: if length > 0.0 { integral / length } else { previous } }
}
