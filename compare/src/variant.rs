//! What can be measured: an allocator, and how its worker is built and run.

use crate::tools::Tool;

/// A worker to build. Its environment decides where it is built: builds that differ in it never share a directory, or
/// each would undo the other's work.
#[derive(Clone)]
pub struct Variant {
    pub name: String,
    pub about: &'static str,
    /// What its worker calls itself.
    pub allocator: &'static str,
    /// The worker's Cargo features.
    pub features: Vec<&'static str>,
    pub build_environment: Vec<(String, String)>,
    pub run_environment: Vec<(&'static str, &'static str)>,
    pub recipe: Recipe,
    pub needs: &'static [Tool],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    Plain,
    CrossLanguageLto,
    ProfileGuided,
}

impl Variant {
    fn plain(name: &str, feature: Option<&'static str>, about: &'static str, needs: &'static [Tool]) -> Self {
        Self {
            name: name.into(),
            about,
            allocator: feature.unwrap_or("system"),
            features: feature.into_iter().collect(),
            build_environment: Vec::new(),
            run_environment: Vec::new(),
            recipe: Recipe::Plain,
            needs,
        }
    }

    pub fn hakmem() -> Self {
        Self::plain("hakmem", Some("hakmem"), "this repository, an ordinary release build", &[Tool::C])
    }

    pub fn with_feature(mut self, feature: &'static str) -> Self {
        self.features.push(feature);
        self
    }

    fn with_recipe(mut self, name: &str, about: &'static str, recipe: Recipe, needs: &'static [Tool]) -> Self {
        (self.name, self.about, self.recipe, self.needs) = (name.into(), about, recipe, needs);
        self
    }
}

/// The peers that "all" stands for.
pub fn peers() -> Vec<Variant> {
    let mut tcmalloc =
        Variant::plain("tcmalloc", Some("tcmalloc"), "Google's, crate tcmalloc-better", &[Tool::C, Tool::Cpp]);
    // glibc takes restartable sequences for itself; without them tcmalloc falls back from caches for each processor to
    // caches for each thread.
    tcmalloc.run_environment.push(("GLIBC_TUNABLES", "glibc.pthread.rseq=0"));
    vec![
        Variant::plain("system", None, "what the C library brings", &[]),
        Variant::plain("mimalloc3", Some("mimalloc3"), "mimalloc 3, crate mimalloc", &[Tool::C]),
        Variant::plain("mimalloc2", Some("mimalloc2"), "mimalloc 2, crate mimalloc with its feature v2", &[Tool::C]),
        Variant::plain("jemalloc", Some("jemalloc"), "crate tikv-jemallocator", &[Tool::C, Tool::Make]),
        Variant::plain("snmalloc", Some("snmalloc"), "crate snmalloc-rs", &[Tool::C, Tool::Cpp, Tool::Cmake]),
        Variant::plain("rpmalloc", Some("rpmalloc"), "crate rpmalloc", &[Tool::C]),
        tcmalloc,
    ]
}

/// hakmem built in special ways; only on request.
pub fn special() -> Vec<Variant> {
    vec![
        Variant::hakmem().with_recipe(
            "hakmem-lto",
            "hakmem with cross-language link-time optimisation",
            Recipe::CrossLanguageLto,
            &[Tool::Clang],
        ),
        Variant::hakmem().with_recipe(
            "hakmem-pgo",
            "hakmem's C core with a profile of its own runs",
            Recipe::ProfileGuided,
            &[Tool::Gcc],
        ),
    ]
}
