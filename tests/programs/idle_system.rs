//! See `idle.rs`.
mod idle;

fn main() {
    idle::run();
}
