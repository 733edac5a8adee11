//! The allocator that this worker was built with, as the program's global one.

#[cfg(feature = "hakmem")]
mod chosen {
    #[global_allocator]
    static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();
    pub const NAME: &str = "hakmem";
}

#[cfg(any(feature = "mimalloc3", feature = "mimalloc2"))]
mod chosen {
    #[global_allocator]
    static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
    pub const NAME: &str = if cfg!(feature = "mimalloc2") { "mimalloc2" } else { "mimalloc3" };
}

#[cfg(feature = "jemalloc")]
mod chosen {
    #[global_allocator]
    static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
    pub const NAME: &str = "jemalloc";
}

#[cfg(feature = "snmalloc")]
mod chosen {
    #[global_allocator]
    static GLOBAL: snmalloc_rs::SnMalloc = snmalloc_rs::SnMalloc;
    pub const NAME: &str = "snmalloc";
}

#[cfg(feature = "rpmalloc")]
mod chosen {
    #[global_allocator]
    static GLOBAL: rpmalloc::RpMalloc = rpmalloc::RpMalloc;
    pub const NAME: &str = "rpmalloc";
}

#[cfg(feature = "tcmalloc")]
mod chosen {
    #[global_allocator]
    static GLOBAL: tcmalloc_better::TCMalloc = tcmalloc_better::TCMalloc;
    pub const NAME: &str = "tcmalloc";
}

#[cfg(not(any(
    feature = "hakmem",
    feature = "mimalloc3",
    feature = "mimalloc2",
    feature = "jemalloc",
    feature = "snmalloc",
    feature = "rpmalloc",
    feature = "tcmalloc"
)))]
mod chosen {
    #[global_allocator]
    static GLOBAL: std::alloc::System = std::alloc::System;
    pub const NAME: &str = "system";
}

pub use chosen::NAME;
