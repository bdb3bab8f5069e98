//! The program `pocket-id` as a child process: how it starts, what it says, how it ends, and what it keeps when it is
//! killed. On the engine that `TEST_ENGINE` names, where the engine matters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test may stop with a panic")]

mod commands;
mod configuration;
mod encryption_key;
mod faults;
mod first_start;
mod kill;
mod outbox;
mod program;
mod setup_code;
mod signals;
