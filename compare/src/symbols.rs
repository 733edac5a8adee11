//! The size of functions in a program.

use std::path::Path;

use object::{Object, ObjectSymbol};

/// The functions whose size the phases compare: hakmem's hot paths, in whichever of them a build has.
pub const HOT: &[&str] = &[
    "hakmem_malloc",
    "hakmem_alloc_aligned",
    "hakmem_free",
    "hakmem_free_tiny",
    "hakmem_free_not_local",
    "hakmem_tiny_malloc",
    "hakmem_tiny_malloc_direct",
    "hakmem_tiny_malloc_generic",
    "hakmem_tiny_free",
    "hakmem_tiny_free_remote",
    "hakmem_tiny_collect_frees",
];

/// Bytes of the hot functions together, the parts that a compiler split off included; None if none is there.
pub fn hot_size(program: &Path) -> Result<Option<u64>, String> {
    let bytes = std::fs::read(program).map_err(|error| format!("cannot read {}: {error}", program.display()))?;
    let file = object::File::parse(&*bytes).map_err(|error| format!("cannot read {}: {error}", program.display()))?;
    let sizes: Vec<u64> =
        file.symbols().filter(|symbol| symbol.name().is_ok_and(is_hot)).map(|symbol| symbol.size()).collect();
    Ok((!sizes.is_empty()).then(|| sizes.iter().sum()))
}

/// Compilers name what they split off by a suffix after a dot.
fn is_hot(symbol: &str) -> bool {
    HOT.contains(&symbol.split('.').next().unwrap_or(symbol))
}

#[cfg(test)]
mod tests {
    use super::is_hot;

    #[test]
    fn split_parts_count_and_longer_names_do_not() {
        assert!(is_hot("hakmem_free") && is_hot("hakmem_free.cold") && is_hot("hakmem_free.part.0"));
        assert!(!is_hot("hakmem_free_everything"));
    }
}
