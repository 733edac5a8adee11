//! See `idle.rs`.
mod idle;

#[global_allocator]
static GLOBAL: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();

fn main() {
    idle::run();
}
