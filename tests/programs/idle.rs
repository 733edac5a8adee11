//! A program that does next to nothing and prints what it holds: its resident bytes, as the system counts them.

#[path = "../common/resident.rs"]
mod resident;

pub fn run() {
    // What any program does by the time it has read its arguments.
    let arguments: Vec<String> = std::env::args().collect();
    let name = format!("{} {}", arguments.len(), arguments.join(" "));
    let bytes = resident::bytes();
    println!("{bytes}");
    drop(name);
}
