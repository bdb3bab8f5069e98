//! One test per security case, its number in the name (`case_001_…`), on the engine that `TEST_ENGINE` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]

mod a_registration;
mod d_codes;
mod e_others_passkeys;
mod f_sessions;
mod g_admin;
mod i_uploads;
mod j_proxy;
mod k_input;
mod l_failure;
