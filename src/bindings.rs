pub const HAKMEM_TINY_MAX: u32 = 8192;
pub const HAKMEM_MEDIUM_MAX: u32 = 65536;
pub const HAKMEM_LARGE_MAX: u32 = 4194304;
pub const HAKMEM_CLASS_COUNT: u32 = 88;
pub const HAKMEM_CACHE_CLASSES: u32 = 64;
unsafe extern "C" {
    pub fn hakmem_malloc(size: usize) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_free(p: *mut ::core::ffi::c_void);
}
unsafe extern "C" {
    pub fn hakmem_free_sized(p: *mut ::core::ffi::c_void, size: usize);
}
unsafe extern "C" {
    pub fn hakmem_free_aligned_sized(
        p: *mut ::core::ffi::c_void,
        align: usize,
        size: usize,
    );
}
unsafe extern "C" {
    pub fn hakmem_calloc(count: usize, size: usize) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_realloc(
        p: *mut ::core::ffi::c_void,
        size: usize,
    ) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_aligned_alloc(align: usize, size: usize) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_posix_memalign(
        out: *mut *mut ::core::ffi::c_void,
        align: usize,
        size: usize,
    ) -> ::core::ffi::c_int;
}
unsafe extern "C" {
    pub fn hakmem_usable_size(p: *const ::core::ffi::c_void) -> usize;
}
unsafe extern "C" {
    pub fn hakmem_alloc_page_block(size: usize) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_alloc_page_block_zeroed(size: usize) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_alloc_aligned(size: usize, align: usize) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_alloc_aligned_zeroed(
        size: usize,
        align: usize,
    ) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_free_tiny(p: *mut ::core::ffi::c_void, size_class: u32);
}
unsafe extern "C" {
    pub fn hakmem_realloc_aligned(
        p: *mut ::core::ffi::c_void,
        old_size: usize,
        align: usize,
        new_size: usize,
    ) -> *mut ::core::ffi::c_void;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct hakmem_tiny_heap_s {
    _unused: [u8; 0],
}
pub type hakmem_tiny_heap_t = hakmem_tiny_heap_s;
unsafe extern "C" {
    pub fn hakmem_tiny_heap_create() -> *mut hakmem_tiny_heap_t;
}
unsafe extern "C" {
    pub fn hakmem_tiny_heap_destroy(heap: *mut hakmem_tiny_heap_t);
}
unsafe extern "C" {
    pub fn hakmem_tiny_heap_malloc(
        heap: *mut hakmem_tiny_heap_t,
        size: usize,
    ) -> *mut ::core::ffi::c_void;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct hakmem_range_t {
    pub base: usize,
    pub bytes: usize,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of hakmem_range_t"][::core::mem::size_of::<hakmem_range_t>() - 16usize];
    ["Alignment of hakmem_range_t"][::core::mem::align_of::<hakmem_range_t>() - 8usize];
    [
        "Offset of field: hakmem_range_t::base",
    ][::core::mem::offset_of!(hakmem_range_t, base) - 0usize];
    [
        "Offset of field: hakmem_range_t::bytes",
    ][::core::mem::offset_of!(hakmem_range_t, bytes) - 8usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct hakmem_cache_t {
    pub range: hakmem_range_t,
    pub countdown: u32,
    pub tops: [*mut *mut ::core::ffi::c_void; 64usize],
    pub limits: [*mut *mut ::core::ffi::c_void; 64usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of hakmem_cache_t"][::core::mem::size_of::<hakmem_cache_t>() - 1048usize];
    ["Alignment of hakmem_cache_t"][::core::mem::align_of::<hakmem_cache_t>() - 8usize];
    [
        "Offset of field: hakmem_cache_t::range",
    ][::core::mem::offset_of!(hakmem_cache_t, range) - 0usize];
    [
        "Offset of field: hakmem_cache_t::countdown",
    ][::core::mem::offset_of!(hakmem_cache_t, countdown) - 16usize];
    [
        "Offset of field: hakmem_cache_t::tops",
    ][::core::mem::offset_of!(hakmem_cache_t, tops) - 24usize];
    [
        "Offset of field: hakmem_cache_t::limits",
    ][::core::mem::offset_of!(hakmem_cache_t, limits) - 536usize];
};
unsafe extern "C" {
    pub static hakmem_closed_cache: hakmem_cache_t;
}
unsafe extern "C" {
    pub fn hakmem_thread_cache(
        on_exit: ::core::option::Option<unsafe extern "C" fn()>,
    ) -> *mut hakmem_cache_t;
}
unsafe extern "C" {
    pub fn hakmem_cache_tick(
        block: *mut ::core::ffi::c_void,
    ) -> *mut ::core::ffi::c_void;
}
unsafe extern "C" {
    pub fn hakmem_purge();
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct hakmem_stats_t {
    pub live_bytes: u64,
    pub live_blocks: u64,
    pub committed_bytes: u64,
    pub reserved_bytes: u64,
    pub huge_blocks: u64,
    pub large_blocks: u64,
    pub class_blocks: [u64; 88usize],
    pub peak_bytes: u64,
    pub direct_hits: u64,
    pub direct_misses: u64,
    pub local_frees: u64,
    pub remote_frees: u64,
    pub atomic_operations: u64,
    pub pages_made: u64,
    pub pages_retired: u64,
    pub pages_abandoned: u64,
    pub pages_reclaimed: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of hakmem_stats_t"][::core::mem::size_of::<hakmem_stats_t>() - 832usize];
    ["Alignment of hakmem_stats_t"][::core::mem::align_of::<hakmem_stats_t>() - 8usize];
    [
        "Offset of field: hakmem_stats_t::live_bytes",
    ][::core::mem::offset_of!(hakmem_stats_t, live_bytes) - 0usize];
    [
        "Offset of field: hakmem_stats_t::live_blocks",
    ][::core::mem::offset_of!(hakmem_stats_t, live_blocks) - 8usize];
    [
        "Offset of field: hakmem_stats_t::committed_bytes",
    ][::core::mem::offset_of!(hakmem_stats_t, committed_bytes) - 16usize];
    [
        "Offset of field: hakmem_stats_t::reserved_bytes",
    ][::core::mem::offset_of!(hakmem_stats_t, reserved_bytes) - 24usize];
    [
        "Offset of field: hakmem_stats_t::huge_blocks",
    ][::core::mem::offset_of!(hakmem_stats_t, huge_blocks) - 32usize];
    [
        "Offset of field: hakmem_stats_t::large_blocks",
    ][::core::mem::offset_of!(hakmem_stats_t, large_blocks) - 40usize];
    [
        "Offset of field: hakmem_stats_t::class_blocks",
    ][::core::mem::offset_of!(hakmem_stats_t, class_blocks) - 48usize];
    [
        "Offset of field: hakmem_stats_t::peak_bytes",
    ][::core::mem::offset_of!(hakmem_stats_t, peak_bytes) - 752usize];
    [
        "Offset of field: hakmem_stats_t::direct_hits",
    ][::core::mem::offset_of!(hakmem_stats_t, direct_hits) - 760usize];
    [
        "Offset of field: hakmem_stats_t::direct_misses",
    ][::core::mem::offset_of!(hakmem_stats_t, direct_misses) - 768usize];
    [
        "Offset of field: hakmem_stats_t::local_frees",
    ][::core::mem::offset_of!(hakmem_stats_t, local_frees) - 776usize];
    [
        "Offset of field: hakmem_stats_t::remote_frees",
    ][::core::mem::offset_of!(hakmem_stats_t, remote_frees) - 784usize];
    [
        "Offset of field: hakmem_stats_t::atomic_operations",
    ][::core::mem::offset_of!(hakmem_stats_t, atomic_operations) - 792usize];
    [
        "Offset of field: hakmem_stats_t::pages_made",
    ][::core::mem::offset_of!(hakmem_stats_t, pages_made) - 800usize];
    [
        "Offset of field: hakmem_stats_t::pages_retired",
    ][::core::mem::offset_of!(hakmem_stats_t, pages_retired) - 808usize];
    [
        "Offset of field: hakmem_stats_t::pages_abandoned",
    ][::core::mem::offset_of!(hakmem_stats_t, pages_abandoned) - 816usize];
    [
        "Offset of field: hakmem_stats_t::pages_reclaimed",
    ][::core::mem::offset_of!(hakmem_stats_t, pages_reclaimed) - 824usize];
};
unsafe extern "C" {
    pub fn hakmem_stats_get(out: *mut hakmem_stats_t);
}
unsafe extern "C" {
    pub fn hakmem_class_bytes(size_class: u32) -> usize;
}
unsafe extern "C" {
    pub fn hakmem_class_of(size: usize) -> u32;
}
pub type hakmem_failure_hook_t = ::core::option::Option<
    unsafe extern "C" fn(size: usize, align: usize),
>;
unsafe extern "C" {
    pub fn hakmem_set_failure_hook(hook: hakmem_failure_hook_t) -> hakmem_failure_hook_t;
}
unsafe extern "C" {
    pub fn hakmem_install_crash_handler() -> ::core::ffi::c_int;
}
