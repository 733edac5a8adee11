//! The builds to compare.

use serde::Serialize;

use crate::variant::{self, Variant};

/// Which switches a build has on. In every arm but the last, what stands in front of the pages is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Arm {
    Switches {
        direct_cache: bool,
        dual_lists: bool,
        branch_hints: bool,
    },
    /// The build that users get, block cache and Rust fast path included.
    Everything,
}

pub const ALL_OFF: Arm = Arm::Switches { direct_cache: false, dual_lists: false, branch_hints: false };
pub const PHASE_1: Arm = Arm::Switches { direct_cache: true, dual_lists: false, branch_hints: false };
pub const PHASE_2: Arm = Arm::Switches { direct_cache: true, dual_lists: true, branch_hints: false };
pub const ALL_ON: Arm = Arm::Switches { direct_cache: true, dual_lists: true, branch_hints: true };

pub fn arms() -> Vec<Arm> {
    let switches = (0..8).map(|bits| Arm::Switches {
        direct_cache: bits & 1 != 0,
        dual_lists: bits & 2 != 0,
        branch_hints: bits & 4 != 0,
    });
    switches.chain([Arm::Everything]).collect()
}

impl Arm {
    pub fn name(self) -> String {
        match self {
            Arm::Everything => "everything on".into(),
            ALL_OFF => "all off".into(),
            Arm::Switches { direct_cache, dual_lists, branch_hints } => {
                let named = [(direct_cache, "direct"), (dual_lists, "lists"), (branch_hints, "hints")];
                named.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<Vec<_>>().join("+")
            }
        }
    }

    fn environment(self) -> Vec<(String, String)> {
        let set = |name: &str, on: bool| (format!("HAKMEM_USE_{name}"), u8::from(on).to_string());
        match self {
            Arm::Switches { direct_cache, dual_lists, branch_hints } => vec![
                set("DIRECT_CACHE", direct_cache),
                set("DUAL_LISTS", dual_lists),
                set("BRANCH_HINTS", branch_hints),
                set("BLOCK_CACHE", false),
                set("RUST_FAST_PATH", false),
            ],
            Arm::Everything => ["DIRECT_CACHE", "DUAL_LISTS", "BRANCH_HINTS", "BLOCK_CACHE", "RUST_FAST_PATH"]
                .map(|name| set(name, true))
                .to_vec(),
        }
    }

    /// The worker of this arm; one that counts is another build, so that counting does not slow the first.
    pub fn variant(self, counting: bool) -> Variant {
        let mut variant = Variant::hakmem().with_feature("counters");
        let file = self.name().replace([' ', '+'], "-");
        variant.name = if counting { format!("phase-{file}-stats") } else { format!("phase-{file}") };
        variant.build_environment = self.environment();
        variant.build_environment.push(("HAKMEM_STATS".into(), u8::from(counting).to_string()));
        variant
    }
}

/// The allocators that the targets name.
pub fn peers() -> Vec<Variant> {
    let named = |variant: &Variant| variant.name.starts_with("mimalloc");
    variant::peers()
        .into_iter()
        .filter(named)
        .map(|mut variant| {
            variant = variant.with_feature("counters");
            variant.name = format!("phase-{}", variant.name);
            variant
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{arms, Arm, ALL_OFF, ALL_ON};

    #[test]
    fn nine_arms_in_directories_of_their_own() {
        let mut names: Vec<String> =
            arms().into_iter().flat_map(|arm| [arm.variant(false).name, arm.variant(true).name]).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 18);
    }

    #[test]
    fn the_front_is_off_in_every_arm_but_the_last() {
        for arm in arms() {
            let set = arm.environment();
            for name in ["HAKMEM_USE_BLOCK_CACHE", "HAKMEM_USE_RUST_FAST_PATH"] {
                let value = &set.iter().find(|(key, _)| key == name).unwrap().1;
                assert_eq!(value == "1", arm == Arm::Everything);
            }
        }
        assert_eq!((ALL_OFF.name().as_str(), ALL_ON.name().as_str()), ("all off", "direct+lists+hints"));
    }
}
