//! A site generator that renders Markdown to HTML.

use std::fmt::Write;

use pulldown_cmark::{html, Options, Parser};

use super::Kept;
use crate::job::Job;
use crate::latency::timed_piece;
use crate::rng::Rng;

const DOCUMENTS: usize = 8;
const SECTIONS: usize = 60;
const KEPT: usize = 16;
const WORDS: [&str; 12] =
    ["memory", "page", "*thread*", "a", "`free`", "list", "of", "**block**", "the", "[cache](#c)", "and", "~~class~~"];

pub fn run(job: &Job) -> u64 {
    let mut rng = Rng::new(job.seed);
    let documents: Vec<String> = (0..DOCUMENTS).map(|_| document(&mut rng)).collect();
    let mut kept = Kept::new(KEPT);
    job.timed(|| {
        for number in 0..job.ops {
            let text = &documents[number as usize % DOCUMENTS];
            kept.push(timed_piece(job.sampling, || render(text)));
        }
    });
    drop(kept);
    job.ops
}

fn render(text: &str) -> String {
    let mut page = String::new();
    html::push_html(&mut page, Parser::new_ext(text, Options::all()));
    page
}

fn document(rng: &mut Rng) -> String {
    let mut text = String::new();
    for section in 0..SECTIONS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "## Section {section}\n\n{}\n", sentence(rng, 60));
        for item in 0..rng.within(2, 6) {
            let _ = writeln!(text, "{}- {item}: {}", "  ".repeat(item % 3), sentence(rng, 8));
        }
        let _ = writeln!(text, "\n| key | value |\n| --- | --- |\n| {} | {} |\n", sentence(rng, 3), sentence(rng, 3));
        let _ = writeln!(text, "```rust\nlet x = {section};\n```\n\n> {}\n", sentence(rng, 20));
    }
    text
}

fn sentence(rng: &mut Rng, words: usize) -> String {
    let mut text = String::new();
    for _ in 0..words {
        text.push_str(WORDS[rng.below(WORDS.len())]);
        text.push(' ');
    }
    text
}
