//! hakmem's own counters, the only place that knows their form. Other allocators have none here.

/// Counted since the program began; a counter that the build leaves out is `None`.
#[derive(Clone, Copy)]
pub struct Stats {
    pub direct_hits: Option<u64>,
    pub direct_misses: Option<u64>,
    pub atomic_ops: Option<u64>,
    pub local_frees: Option<u64>,
    pub remote_frees: Option<u64>,
}

impl Stats {
    #[cfg(feature = "hakmem")]
    pub fn now() -> Option<Self> {
        let stats = hakmem_alloc::stats();
        Some(Self {
            direct_hits: stats.direct_hits,
            direct_misses: stats.direct_misses,
            atomic_ops: stats.atomic_operations,
            local_frees: stats.local_frees,
            remote_frees: stats.remote_frees,
        })
    }

    #[cfg(not(feature = "hakmem"))]
    pub fn now() -> Option<Self> {
        None
    }

    pub fn since(self, before: Self) -> Self {
        let less = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Self {
            direct_hits: less(self.direct_hits, before.direct_hits),
            direct_misses: less(self.direct_misses, before.direct_misses),
            atomic_ops: less(self.atomic_ops, before.atomic_ops),
            local_frees: less(self.local_frees, before.local_frees),
            remote_frees: less(self.remote_frees, before.remote_frees),
        }
    }
}
