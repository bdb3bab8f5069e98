//! One test per security case, its number in the name (`case_001_…`), on the engine that `TEST_ENGINE` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]

mod a_redirects;
mod a_registration;
mod b_codes;
mod c_grants;
mod c_tokens;
mod d_codes;
mod d_device_login;
mod e_others_passkeys;
mod e_webauthn;
mod f_browser_oidc;
mod f_sessions;
mod forge;
mod g_admin;
mod g_directory;
mod g_roles;
mod g_signup;
mod h_scim;
mod i_import;
mod i_uploads;
mod j_proxy;
mod k_input;
mod l_failure;
