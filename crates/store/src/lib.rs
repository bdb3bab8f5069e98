//! The store: rules run as plain synchronous functions over a transaction, on SQLite or PostgreSQL.
//!
//! SQL is written once, in the dialect that both engines (and distributed engines that speak PostgreSQL)
//! share. One file per table family; only `sqlite` and `postgres` name a driver.

mod db;
mod error;
pub mod lists;
mod migrate;
mod postgres;
mod sqlite;
mod statement;
mod tx;
mod value;

pub use db::{Db, Engine, Options, Target};
pub use error::{OpenError, StoreError};
pub use statement::Statement;
pub use tx::{ReadTx, WriteTx};
pub use value::{FromValue, Row, Value};

/// Declares the table families, so that none can be left out of [`all_statements`].
macro_rules! families {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*

        /// Every registered statement.
        pub fn all_statements() -> Vec<&'static Statement> {
            [$($name::STATEMENTS),*].concat()
        }
    };
}

families! {
    api_keys,
    apis,
    audit,
    audit_stream,
    authorized_clients,
    budgets,
    claims,
    clients,
    device_authorizations,
    email_verifications,
    device_logins,
    expiry,
    files,
    grants,
    groups,
    instance,
    interactions,
    keys,
    leases,
    login_codes,
    outbox,
    passkeys,
    protocol,
    pushed_requests,
    sessions,
    settings,
    sign_out,
    signup_approvals,
    signup_tokens,
    used_tokens,
    users,
}

/// Every list, whose statements are assembled.
pub fn all_lists() -> Vec<&'static lists::ListSpec> {
    vec![
        &users::LIST,
        &groups::LIST,
        &clients::LIST,
        &api_keys::LIST,
        &signup_tokens::LIST,
        &audit::LIST,
        &audit::LIST_OF_USER,
        &audit::SEARCH,
        &audit::NOT_COUNTED,
        &audit::COUNTS,
        &apis::LIST,
        &apis::ASSIGNABLE,
        &apis::CLIENTS,
        &apis::ASSIGNABLE_CLIENTS,
        &authorized_clients::USABLE,
        &authorized_clients::AUTHORIZED,
    ]
}
