#[global_allocator]
static G: hakmem_alloc::Hakmem = hakmem_alloc::Hakmem::new();
use std::hint::black_box;
#[inline(never)]
fn boxes(n: u64) {
    for i in 0..n {
        black_box(Box::new(black_box(i)));
    }
}
#[inline(never)]
fn runs(n: u64) {
    let mut v: Vec<Option<Box<[u64; 4]>>> = (0..100).map(|_| None).collect();
    for _ in 0..n / 100 {
        for s in v.iter_mut() {
            *s = Some(Box::new([1; 4]));
        }
        for s in v.iter_mut().rev() {
            *s = None;
        }
    }
    black_box(&v);
}
fn mixed(n: u64, slots: usize) {
    let mut s = 88172645463325252u64;
    let mut v: Vec<Vec<u8>> = (0..slots).map(|_| Vec::new()).collect();
    for _ in 0..n {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        let k = (s % slots as u64) as usize;
        if v[k].capacity() != 0 {
            v[k] = Vec::new();
        } else {
            let z = 16 + (s >> 32) as usize % 1025;
            let mut b: Vec<u8> = Vec::with_capacity(z);
            unsafe {
                b.as_mut_ptr().write(1);
                b.as_mut_ptr().add(z - 1).write(1);
            }
            v[k] = b;
        }
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: u64 = a[2].parse().unwrap();
    let t = std::time::Instant::now();
    match a[1].as_str() {
        "box" => boxes(n),
        "runs" => runs(n),
        m => mixed(n, m.parse().unwrap()),
    };
    let d = t.elapsed().as_secs_f64();
    eprintln!("{} {:.1} Mops", a[1], n as f64 / d / 1e6);
}
