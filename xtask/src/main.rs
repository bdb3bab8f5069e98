//! Chores: `cargo run -p xtask -- gallery [FOLDER]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod gallery;

use std::process::ExitCode;

const USAGE: &str = "\
cargo run -p xtask -- gallery [FOLDER]

  gallery   pictures of every page in every state, light and dark, wide and narrow, with an index to look through;
            into target/gallery unless FOLDER is given";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["gallery"] => gallery::make("target/gallery".as_ref()),
        ["gallery", folder] if !folder.starts_with('-') => gallery::make(folder.as_ref()),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
