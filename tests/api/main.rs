//! The REST API through a listening server, on the engine that `TEST_ENGINE` names; files mirror the URL tree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]

mod api_keys;
mod apis;
mod audit_logs;
mod authorized_clients;
mod setup;
mod users;
mod users_me;
