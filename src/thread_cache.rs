//! Which block cache is the calling thread's: null never; before a thread has a heap, and after it gave it up, the closed cache,
//! whose bins are empty and full at once.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod of_thread {
    use core::arch::asm;

    use crate::ffi;

    /// C's own variable, a heap's address being its cache's. In assembly, because a thread-local variable of C cannot be named
    /// in stable Rust; and because the way in which Rust reaches its own, across crates, counts as a call: the compiler saves
    /// registers for it, although the linker makes a load of it. Here it is two instructions, of which a loop has one.
    #[inline(always)]
    pub(crate) fn get() -> *mut ffi::hakmem_cache_t {
        let offset: usize;
        let cache: *mut ffi::hakmem_cache_t;
        // SAFETY: the linker fills in where the variable lies in every thread's block (csrc/src/heap.c declares the same access,
        // tls_model("initial-exec")), and reading it is all that is done. `pure`: a thread's stack stays with its thread; see the
        // module `fast`.
        unsafe {
            asm!(
                "mov {}, qword ptr [rip + hakmem_thread_heap@GOTTPOFF]",
                out(reg) offset,
                options(pure, nomem, nostack, preserves_flags)
            );
            asm!(
                "mov {}, qword ptr fs:[{}]",
                out(reg) cache,
                in(reg) offset,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        cache
    }

    /// C gives the thread a heap when it allocates.
    #[inline(always)]
    pub(crate) fn attach() {}
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod of_thread {
    use core::cell::Cell;

    use crate::ffi;

    const CLOSED: *mut ffi::hakmem_cache_t = (&raw const ffi::hakmem_closed_cache).cast_mut();

    std::thread_local! {
        // A copy of C's: a `const` cell without a destructor, which can be read in every phase of a thread's life.
        static CACHE: Cell<*mut ffi::hakmem_cache_t> = const { Cell::new(CLOSED) };
    }

    #[inline(always)]
    pub(crate) fn get() -> *mut ffi::hakmem_cache_t {
        CACHE.get()
    }

    /// C's notice that this thread's heap is given up.
    unsafe extern "C" fn forget() {
        CACHE.set(CLOSED);
    }

    /// Gets this thread's cache from C if it has none here.
    pub(crate) fn attach() {
        if CACHE.get() == CLOSED {
            // SAFETY: may be called from any thread at any time.
            let cache = unsafe { ffi::hakmem_thread_cache(Some(forget)) };
            if !cache.is_null() {
                CACHE.set(cache);
            }
        }
    }
}

pub(crate) use of_thread::{attach, get};
