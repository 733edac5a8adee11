//! The processor's own counters, over all threads of the run; all empty where the machine does not give them out.

#[derive(Clone, Copy, Default)]
pub struct Readings {
    pub instructions: Option<u64>,
    pub cache_misses: Option<u64>,
    pub branch_misses: Option<u64>,
}

#[cfg(not(all(feature = "counters", target_os = "linux")))]
pub struct Counters;

#[cfg(not(all(feature = "counters", target_os = "linux")))]
impl Counters {
    pub fn start() -> Self {
        Self
    }

    pub fn stop(&mut self) -> Readings {
        Readings::default()
    }
}

#[cfg(all(feature = "counters", target_os = "linux"))]
pub use hardware::Counters;

#[cfg(all(feature = "counters", target_os = "linux"))]
mod hardware {
    use perf_event::events::Hardware;
    use perf_event::{Builder, Counter};

    use super::Readings;

    /// One counter each instead of a group: the kernel refuses to read groups that new threads inherit.
    pub struct Counters {
        instructions: Option<Counter>,
        cache_misses: Option<Counter>,
        branch_misses: Option<Counter>,
    }

    impl Counters {
        pub fn start() -> Self {
            Self {
                instructions: open(Hardware::INSTRUCTIONS),
                cache_misses: open(Hardware::CACHE_MISSES),
                branch_misses: open(Hardware::BRANCH_MISSES),
            }
        }

        pub fn stop(&mut self) -> Readings {
            Readings {
                instructions: close(&mut self.instructions),
                cache_misses: close(&mut self.cache_misses),
                branch_misses: close(&mut self.branch_misses),
            }
        }
    }

    fn open(event: Hardware) -> Option<Counter> {
        let mut counter = Builder::new(event).inherit(true).build().ok()?;
        counter.enable().ok()?;
        Some(counter)
    }

    fn close(counter: &mut Option<Counter>) -> Option<u64> {
        let counter = counter.as_mut()?;
        counter.disable().ok()?;
        counter.read().ok()
    }
}
