//! The program `pocket-id` as a child process: how it starts, what it says, how it ends, and what it keeps when it is
//! killed. On the engine that `TEST_ENGINE` names, where the engine matters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test may stop with a panic")]

mod backup;
mod commands;
mod configuration;
mod declared;
mod doctor;
mod each_write;
mod encryption_key;
mod export;
mod faults;
mod files;
mod first_start;
mod import;
mod kill;
mod mail;
mod network;
mod otlp;
mod outbox;
mod packages;
mod pooler;
mod program;
mod progress;
mod rolling;
mod setup_code;
mod signals;
