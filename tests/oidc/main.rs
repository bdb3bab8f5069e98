//! OpenID Connect as relying parties see it, on the engine that `TEST_ENGINE` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]
