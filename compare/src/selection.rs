//! Which workloads and allocators a command line names.

use std::process::ExitCode;

use crate::catalog::{Entry, Kind, CATALOG};
use crate::variant::{self, Variant};

/// All of them for an empty list.
pub fn workloads(names: &[String]) -> Result<Vec<&'static Entry>, String> {
    for name in names {
        if !CATALOG.iter().any(|entry| matches(name, entry.name)) {
            return Err(format!("no workload is called {name:?}; --list names them all"));
        }
    }
    let chosen = |entry: &&Entry| names.is_empty() || names.iter().any(|name| matches(name, entry.name));
    Ok(CATALOG.iter().filter(chosen).collect())
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

/// hakmem, and whatever is named beside it.
pub fn allocators(names: &[String]) -> Result<Vec<Variant>, String> {
    let known: Vec<Variant> = variant::peers().into_iter().chain(variant::special()).collect();
    let mut chosen = vec![Variant::hakmem()];
    for name in names {
        let more: Vec<Variant> = match name.as_str() {
            "all" => variant::peers(),
            "none" | "hakmem" => Vec::new(),
            name => known.iter().filter(|variant| variant.name == name).cloned().collect(),
        };
        if more.is_empty() && !["none", "hakmem"].contains(&name.as_str()) {
            return Err(format!("no allocator is called {name:?}; --list names them all"));
        }
        for variant in more {
            if chosen.iter().all(|known| known.name != variant.name) {
                chosen.push(variant);
            }
        }
    }
    Ok(chosen)
}

pub fn print_lists() -> ExitCode {
    println!("Workloads (--only):");
    for entry in CATALOG {
        let length = match entry.kind {
            Kind::ByTheClock => format!("{} ms", entry.ops),
            Kind::Raw | Kind::Program => format!("{} {}s", entry.ops, entry.unit),
        };
        println!("  {:16} {} ({length})", entry.name, entry.about);
    }
    println!("\nAllocators (--against; hakmem always runs):");
    for variant in variant::peers() {
        println!("  {:16} {}", variant.name, variant.about);
    }
    println!("\nOn request, not part of \"all\":");
    for variant in variant::special() {
        println!("  {:16} {}", variant.name, variant.about);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::{allocators, workloads};

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| String::from(*name)).collect()
    }

    #[test]
    fn a_star_stands_for_a_beginning() {
        let chosen = workloads(&names(&["mixed_*", "box"])).unwrap();
        assert_eq!(chosen.iter().map(|e| e.name).collect::<Vec<_>>(), ["box", "mixed_256", "mixed_8k", "mixed_256k"]);
    }

    #[test]
    fn unknown_names_are_errors() {
        assert!(workloads(&names(&["nothing"])).is_err());
        assert!(allocators(&names(&["nothing"])).is_err());
    }

    #[test]
    fn hakmem_runs_once_and_always() {
        let count = |list: &[&str]| allocators(&names(list)).unwrap().len();
        assert_eq!(count(&["none"]), 1);
        assert_eq!(count(&["hakmem", "system", "system"]), 2);
        assert_eq!(count(&["all", "hakmem-lto"]), 9);
    }
}
