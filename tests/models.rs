//! Every atomic operation of the C core is named by a model, by file, function, operation and order, or is a figure with a
//! reason; and nothing is named that is not there. The models themselves run in `scripts/models`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Takes comments, string and character literals out; keeps line ends.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                let mut last = ' ';
                for c in rest.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    if c == '\n' {
                        out.push('\n');
                    }
                    last = c;
                }
                out.push(' ');
            }
            '/' if rest.peek() == Some(&'/') => {
                for c in rest.by_ref() {
                    if c == '\n' {
                        out.push('\n');
                        break;
                    }
                }
            }
            '"' | '\'' => {
                while let Some(inner) = rest.next() {
                    if inner == '\\' {
                        rest.next();
                    } else if inner == c {
                        break;
                    }
                }
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out
}

/// The identifier that ends right before `end`.
fn identifier_before(text: &str, end: usize) -> &str {
    let head = text[..end].trim_end();
    let start = head.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    &head[start..]
}

/// The name of the function that `head`, the text before a brace at the outermost level, declares.
fn function_name(head: &str) -> Option<&str> {
    const NOT_FUNCTIONS: &[&str] = &["_Alignas", "__attribute__", "_Atomic", "_Static_assert"];
    head.match_indices('(')
        .map(|(at, _)| identifier_before(head, at))
        .find(|name| !name.is_empty() && !NOT_FUNCTIONS.contains(name))
}

/// The text between the parenthesis that opens at `open` and its partner.
fn arguments(text: &str, open: usize) -> &str {
    let mut depth = 0;
    for (at, c) in text[open..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return &text[open + 1..open + at];
                }
            }
            _ => {}
        }
    }
    panic!("a call without an end: {}", &text[open..]);
}

/// The atomic calls in `body`, each as "operation orders".
fn operations(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = body[from..].find("atomic_").map(|at| at + from) {
        from = at + "atomic_".len();
        let start_of_word = at == 0 || !body[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let length = body[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len() - from);
        let name = &body[from..from + length];
        if body[..at].ends_with("__") {
            panic!("__atomic_{name}: the core uses <stdatomic.h> only, so that this test sees every site");
        }
        let is_call = body[from + length..].trim_start().starts_with('(');
        if !start_of_word || !is_call || matches!(name, "init" | "is_lock_free") {
            continue; // a type such as atomic_int, or a name of our own such as stat_atomic
        }
        let open = from + length + body[from + length..].find('(').unwrap();
        let operation = match name {
            // These have an order without the suffix.
            "thread_fence" | "signal_fence" => Some(name),
            _ => name.strip_suffix("_explicit"),
        };
        let Some(operation) = operation else {
            found.push(format!("{name} implicit"));
            continue;
        };
        let orders: Vec<&str> = arguments(body, open)
            .split("memory_order_")
            .skip(1)
            .map(|order| order.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap())
            .collect();
        // A call among the arguments brings its own orders; the outer ones come last.
        let own = if operation.starts_with("compare_exchange") { 2 } else { 1 };
        assert!(orders.len() >= own, "an order that is no constant, in: {operation}({})", arguments(body, open));
        found.push(format!("{operation} {}", orders[orders.len() - own..].join("/")));
    }
    found
}

/// All sites of one file: "path function operation orders".
fn sites_of(path: &str, text: &str) -> BTreeSet<String> {
    let text = without_comments(text).replace("\\\n", " ");
    let mut sites = BTreeSet::new();
    let mut code = String::new();
    for line in text.lines() {
        if let Some(directive) = line.trim_start().strip_prefix('#') {
            if let Some(body) = directive.trim_start().strip_prefix("define ") {
                let name = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
                sites.extend(operations(body).iter().map(|operation| format!("{path} {name} {operation}")));
            }
        } else {
            code.push_str(line);
            code.push('\n');
        }
    }
    let (mut depth, mut outer_from, mut body_from) = (0, 0, 0);
    let mut function = None;
    for (at, c) in code.char_indices() {
        match c {
            '{' => {
                if depth == 0 {
                    function = function_name(&code[outer_from..at]);
                    body_from = at;
                }
                depth += 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    let name = function.take().unwrap_or("-");
                    let found = operations(&code[body_from..at]);
                    sites.extend(found.iter().map(|operation| format!("{path} {name} {operation}")));
                    outer_from = at + 1;
                }
            }
            ';' if depth == 0 => outer_from = at + 1,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{path}: braces do not match");
    sites
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)))
        .collect();
    found.sort();
    found
}

fn sites_in_core() -> BTreeSet<String> {
    let mut sites = BTreeSet::new();
    for path in files(&root().join("csrc/src"), &["c", "h"]) {
        let name = format!("csrc/src/{}", path.file_name().unwrap().to_str().unwrap());
        if name == "csrc/src/delay.h" {
            continue; // defines the operations anew; every order there is its caller's
        }
        sites.extend(sites_of(&name, &fs::read_to_string(&path).unwrap()));
    }
    sites
}

/// What the models say they mirror: site -> the models that name it.
fn sites_in_models() -> BTreeMap<String, Vec<String>> {
    let folder = root().join("tests/models");
    let mut models = files(&folder, &["pml"]);
    models.extend(files(&folder.join("loom/src"), &["rs"]));
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in models {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let line = line.trim_start_matches(['/', '*', '!', ' ']);
            if let Some(site) = line.strip_prefix("site: ") {
                let model = path.file_name().unwrap().to_str().unwrap();
                named.entry(site.trim().to_string()).or_default().push(model.to_string());
            }
        }
    }
    named
}

/// figures.txt: "site -- reason" a line, `#` for comments.
fn figures() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("tests/models/figures.txt")).unwrap();
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (site, reason) = line.split_once(" -- ").unwrap_or_else(|| panic!("no reason: {line}"));
            assert!(reason.trim().len() > 10, "hardly a reason: {line}");
            site.trim().to_string()
        })
        .collect()
}

#[test]
fn every_atomic_of_the_core_has_a_model() {
    let (core, models, figures) = (sites_in_core(), sites_in_models(), figures());
    assert!(core.len() > 50, "the scan found only {} sites", core.len());
    let mut faults = Vec::new();
    for site in &core {
        if !models.contains_key(site) && !figures.contains(site) {
            faults.push(format!("no model names:     {site}"));
        }
    }
    for (site, by) in &models {
        if !core.contains(site) {
            faults.push(format!("not in the core:    {site} (named by {})", by.join(", ")));
        }
        if figures.contains(site) {
            faults.push(format!("model and figure:   {site}"));
        }
    }
    for site in figures.difference(&core) {
        faults.push(format!("not in the core:    {site} (named by figures.txt)"));
    }
    assert!(faults.is_empty(), "a model and the C change in one commit:\n{}", faults.join("\n"));
}

/// delay.h would leave out in silence what it does not define.
#[test]
fn every_operation_of_the_core_can_be_delayed() {
    let text = fs::read_to_string(root().join("csrc/src/delay.h")).unwrap();
    for site in sites_in_core() {
        let operation = site.split(' ').nth(2).unwrap();
        // The fences are for a signal handler; the flag elects who reads an option.
        if !matches!(operation, "signal_fence" | "flag_test_and_set") {
            assert!(text.contains(&format!("#define atomic_{operation}_explicit(")), "delay.h lacks {operation}");
        }
    }
}

#[test]
fn the_scan_sees_what_it_should() {
    let text = r#"
        #define BUMP(x) \
            atomic_fetch_add_explicit(&(x), 1, memory_order_relaxed)
        /* atomic_store_explicit(&no, 1, memory_order_relaxed) */
        typedef struct { _Atomic int field; } s_t;
        static _Atomic int *word(s_t *s) { return &s->field; }
        INLINE bool f(s_t *s, void (*with)(int)) {
            int old = atomic_load_explicit(&s->field, memory_order_acquire);
            while (!atomic_compare_exchange_weak_explicit(&s->field, &old,
                   g(atomic_load_explicit(&x, memory_order_seq_cst)), memory_order_acq_rel,
                   memory_order_relaxed)) { stat_atomic(); }
            return atomic_exchange(word(s), 1);
        }"#;
    let want = [
        "x BUMP fetch_add relaxed",
        "x f compare_exchange_weak acq_rel/relaxed",
        "x f exchange implicit",
        "x f load acquire",
        "x f load seq_cst",
    ];
    assert_eq!(sites_of("x", text).into_iter().collect::<Vec<_>>(), want);
}

/// A few minutes; needs spin and gcc.
#[test]
#[ignore = "takes minutes; scripts/models runs it, and cargo test -- --ignored"]
fn short_models() {
    if Command::new("spin").arg("-V").output().is_err() {
        eprintln!("spin is not installed: not run");
        return;
    }
    let status = Command::new(root().join("scripts/models")).arg("--short").status().unwrap();
    assert!(status.success());
}
