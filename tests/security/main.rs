//! One test per security case, its number in the name (`case_001_…`), on the engine that `TEST_ENGINE` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]
