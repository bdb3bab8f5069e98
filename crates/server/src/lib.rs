//! The server as a library: configuration and wiring, for the binary and for tests.

pub mod app;
pub mod cli;
pub mod config;
pub mod declared;
mod encryption_key;
mod listener;
pub mod otlp;
pub mod telemetry;
