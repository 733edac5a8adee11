//! What ends a program, and with which words; what only fails. Each case that ends the process has a process of its own.
#![cfg(not(miri))] // crosses the FFI

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Output;
use std::ptr;

use common::{child_case, run_child};
use hakmem_alloc::{install_crash_handler, usable_size, Hakmem};

#[global_allocator]
static GLOBAL: Hakmem = Hakmem::new();

const RUN: Layout = layout(1 << 20, 16);
const HUGE: Layout = layout(64 << 20, 16);

const fn layout(size: usize, align: usize) -> Layout {
    match Layout::from_size_align(size, align) {
        Ok(layout) => layout,
        Err(_) => panic!("not a layout"),
    }
}

fn allocate(layout: Layout) -> *mut u8 {
    // SAFETY: the size is not zero.
    let block = unsafe { GLOBAL.alloc(layout) };
    assert!(!block.is_null());
    block
}

fn address(number: usize) -> *mut u8 {
    ptr::null_mut::<u8>().wrapping_add(number)
}

/// Says which address the next free is about, and frees it. That is wrong on purpose: the process is to end there.
fn bad_free(block: *mut u8, layout: Layout) {
    println!("address {block:p}");
    // SAFETY: none; hakmem promises to end the process instead.
    unsafe { GLOBAL.dealloc(block, layout) };
}

fn free_twice(layout: Layout) {
    let block = allocate(layout);
    // SAFETY: the block was just allocated.
    unsafe { GLOBAL.dealloc(block, layout) };
    bad_free(block, layout);
}

#[inline(never)]
fn overflow_the_stack(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    overflow_the_stack(depth + 1) + frame[(depth % 64) as usize]
}

fn limit_address_space(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: reads the struct.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

/// Takes memory until there is none, looks whether what it has is whole, gives it back, and takes it again.
fn exhaust() {
    let mut counts = Vec::with_capacity(8);
    for layout in [layout(40 << 20, 4096), layout(1 << 20, 1 << 16), layout(60_000, 8), layout(4000, 8)] {
        for _ in 0..2 {
            let mut blocks: *mut *mut u8 = ptr::null_mut();
            let mut count = 0_usize;
            loop {
                // SAFETY: the size is not zero; a block has room for a link, and is freed with its layout.
                unsafe {
                    let block = GLOBAL.alloc(layout).cast::<*mut u8>();
                    if block.is_null() {
                        break;
                    }
                    block.write(blocks.cast());
                    blocks = block;
                }
                count += 1;
                assert!(count < 1_000_000, "the limit has no effect");
            }
            counts.push(count);
            while !blocks.is_null() {
                // SAFETY: as above.
                unsafe {
                    let next = blocks.read().cast();
                    GLOBAL.dealloc(blocks.cast(), layout);
                    blocks = next;
                }
            }
        }
    }
    println!("counts {counts:?}");
    for pair in counts.chunks(2) {
        assert!(pair[0] > 0 && pair[1] * 4 >= pair[0] * 3, "less is to be had the second time: {counts:?}");
    }
}

/// Address space in use, in bytes: hakmem has reserved what it wants by now.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Mappings of their own are refused here; the arena, whose address space is reserved, goes on.
fn exhaust_mappings() {
    let big = layout(512 << 20, 4096);
    let mut blocks = Vec::new();
    loop {
        // SAFETY: the size is not zero.
        let block = unsafe { GLOBAL.alloc(big) };
        if block.is_null() {
            break;
        }
        blocks.push(block);
        assert!(blocks.len() < 100, "the limit has no effect");
    }
    let small: Vec<Box<[u8]>> = (1..2000).map(|i| vec![7_u8; i * 10].into_boxed_slice()).collect();
    assert!(small.iter().all(|block| block.iter().all(|&byte| byte == 7)));
    assert!(blocks.len() > 1);
    for block in blocks {
        // SAFETY: it has this layout.
        unsafe { GLOBAL.dealloc(block, big) };
    }
    let again = allocate(big);
    // SAFETY: as above.
    unsafe { GLOBAL.dealloc(again, big) };
}

/// What a child process does. In this process nothing.
#[test]
fn child() {
    let Some(case) = child_case() else { return };
    let mut local = [0_u8; 64];
    match case.as_str() {
        "stack" => bad_free(local.as_mut_ptr(), layout(64, 8)),
        // SAFETY: the size is not zero.
        "system" => bad_free(unsafe { System.alloc(layout(64, 8)) }, layout(64, 8)),
        "wild" => bad_free(address(0x1000), layout(64, 8)),
        "wild large" => bad_free(address(0x7000_0000), RUN),
        "inside tiny" => bad_free(allocate(layout(100, 4)).wrapping_add(8), layout(100, 4)),
        "inside medium" => bad_free(allocate(layout(20_000, 8)).wrapping_add(4096), layout(20_000, 8)),
        "inside run" => bad_free(allocate(RUN).wrapping_add(65536), RUN),
        "inside run's first slot" => bad_free(allocate(RUN).wrapping_add(64), RUN),
        "inside huge" => bad_free(allocate(HUGE).wrapping_add(4096), HUGE),
        "run twice" => free_twice(RUN),
        "huge twice" => free_twice(HUGE),
        "aligned huge twice" => free_twice(layout(100, 32 << 20)),
        "other thread's block" => {
            let block = std::thread::spawn(|| allocate(layout(100, 4)) as usize).join().unwrap();
            bad_free(address(block + 4), layout(100, 4));
        }
        "crash segv" => {
            install_crash_handler().unwrap();
            install_crash_handler().unwrap();
            // SAFETY: none; the signal is what is asked for.
            unsafe { address(0x123).write_volatile(1) };
        }
        "crash abort" => {
            install_crash_handler().unwrap();
            std::process::abort();
        }
        "crash bad free" => {
            install_crash_handler().unwrap();
            free_twice(RUN);
        }
        "crash stack" => {
            install_crash_handler().unwrap();
            overflow_the_stack(0);
        }
        "exhaust" => exhaust(),
        "exhaust later" => {
            limit_address_space(address_space() + (4 << 30));
            exhaust_mappings();
        }
        other => panic!("no case {other:?}"),
    }
}

fn run(case: &str) -> Output {
    run_child("child", case)
}

fn printed_address(output: &Output) -> String {
    let text = common::text(&output.stdout);
    let at = text.find("address ").unwrap_or_else(|| panic!("no address in {text:?}")) + "address ".len();
    text[at..].split_whitespace().next().unwrap().to_owned()
}

fn assert_ends_with(case: &str, what: &str) {
    let output = run(case);
    let line = format!("hakmem: {what} free of {}\n", printed_address(&output));
    assert_eq!(common::text(&output.stderr), line, "{case}");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{case}: {}", output.status);
}

#[test]
fn foreign_pointers_end_the_process() {
    for case in ["stack", "system", "wild", "wild large"] {
        assert_ends_with(case, "invalid");
    }
}

#[test]
fn pointers_into_blocks_end_the_process() {
    let cases = ["inside tiny", "inside medium", "inside run", "inside run's first slot", "inside huge"];
    for case in cases.into_iter().chain(["other thread's block"]) {
        assert_ends_with(case, "invalid");
    }
}

#[test]
fn large_blocks_freed_twice_end_the_process() {
    for case in ["run twice", "huge twice", "aligned huge twice"] {
        assert_ends_with(case, "double");
    }
}

fn lines(output: &Output) -> Vec<String> {
    let mut lines: Vec<_> = common::text(&output.stderr).lines().map(str::to_owned).collect();
    lines.retain(|line| line != "hakmem: crash handler installed"); // debug builds say so
    lines
}

#[test]
fn the_crash_handler_prints_a_line_and_lets_the_signal_through() {
    let output = run("crash segv");
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
    let printed = lines(&output);
    assert_eq!(printed.len(), 1, "{printed:?}");
    assert!(printed[0].starts_with("hakmem: crash: SIGSEGV at address 0x123"), "{printed:?}");

    let output = run("crash abort");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let printed = lines(&output);
    assert_eq!(printed.len(), 1, "{printed:?}");
    assert!(printed[0].starts_with("hakmem: crash: SIGABRT"), "{printed:?}");
}

#[test]
fn the_crash_handler_comes_after_the_line_of_a_bad_free() {
    let output = run("crash bad free");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let printed = lines(&output);
    assert_eq!(printed.len(), 2, "{printed:?}");
    assert_eq!(printed[0], format!("hakmem: double free of {}", printed_address(&output)));
    assert!(printed[1].starts_with("hakmem: crash: SIGABRT"), "{printed:?}");
}

#[test]
fn rust_still_reports_a_stack_overflow() {
    let output = run("crash stack");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{}", common::text(&output.stderr));
    let printed = lines(&output);
    let position = |what: &str| printed.iter().position(|line| line.contains(what));
    let ours = position("hakmem: crash: SIGSEGV").unwrap_or_else(|| panic!("{printed:?}"));
    let rusts = position("has overflowed its stack").unwrap_or_else(|| panic!("{printed:?}"));
    assert!(ours < rusts, "{printed:?}");
}

#[test]
fn memory_that_the_system_refuses_is_null_and_comes_back() {
    let mut command = common::child_command("child", "exhaust");
    // SAFETY: setrlimit is safe to call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            limit_address_space(512 << 20);
            Ok(())
        })
    };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}\n{}", common::text(&output.stdout), common::text(&output.stderr));
    let output = run("exhaust later");
    assert!(output.status.success(), "{}\n{}", common::text(&output.stdout), common::text(&output.stderr));
}

#[test]
fn sizes_beyond_reason_are_null() {
    const MOST: usize = isize::MAX as usize;
    for layout in [layout(MOST, 1), layout(MOST - 4095, 4096), layout(1 << 62, 1 << 30), layout(1, 1 << 62)] {
        // SAFETY: the sizes are not zero.
        unsafe {
            assert!(GLOBAL.alloc(layout).is_null(), "{layout:?}");
            assert!(GLOBAL.alloc_zeroed(layout).is_null(), "{layout:?}");
        }
    }
    assert!(Vec::<u8>::new().try_reserve(MOST).is_err());
    for old in [layout(100, 8), layout(50_000, 8), RUN, HUGE, layout(5 << 20, 1 << 21)] {
        let block = allocate(old);
        // SAFETY: the block has this layout; the size, rounded up, is no more than isize::MAX.
        unsafe {
            block.add(old.size() - 1).write(42);
            let moved = GLOBAL.realloc(block, old, MOST - 4 * old.align());
            assert!(moved.is_null(), "{old:?}");
            assert_eq!(block.add(old.size() - 1).read(), 42);
            assert!(usable_size(block) >= old.size());
            GLOBAL.dealloc(block, old);
        }
    }
}

/// Address space for alignment is looked for, and not kept.
#[test]
fn great_alignments_work_or_are_null() {
    for shift in 0..40 {
        let layout = layout(3, 1 << shift);
        // SAFETY: the size is not zero; the block is freed with its layout.
        unsafe {
            let block = GLOBAL.alloc_zeroed(layout);
            if !block.is_null() {
                assert_eq!(block as usize % layout.align(), 0, "{layout:?}");
                assert_eq!(block.add(2).read(), 0);
                block.write_bytes(1, 3);
                GLOBAL.dealloc(block, layout);
            }
            assert!(!block.is_null() || shift > 30, "{layout:?}");
        }
    }
}
