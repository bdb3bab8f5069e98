//! The store: rules run as plain synchronous functions over a transaction, on SQLite or PostgreSQL.
//!
//! SQL is written once, in the dialect that both engines (and distributed engines that speak PostgreSQL)
//! share. One file per table family; only `sqlite` and `postgres` name a driver.

pub mod backup;
mod db;
mod error;
pub mod lists;
mod migrate;
mod postgres;
mod postgres_tls;
mod sqlite;
mod statement;
mod turns;
mod tx;
mod value;

pub use db::{Db, Engine, Options, Target};
pub use error::{OpenError, StoreError};
pub use postgres_tls::{Reach, Tls, reach as reach_postgres, tls_without_checks};
pub use statement::Statement;
pub use turns::Waited;
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
    audit_counts,
    audit_stream,
    authorized_clients,
    budgets,
    claims,
    clients,
    declared,
    device_authorizations,
    email_verifications,
    device_logins,
    diagnoses,
    doctor,
    expiry,
    export,
    files,
    forward_auth,
    grants,
    groups,
    import,
    instance,
    interactions,
    keys,
    ldap,
    leases,
    login_codes,
    notices,
    outbox,
    passkeys,
    protocol,
    pushed_requests,
    roles,
    scim,
    sessions,
    settings,
    sign_out,
    signup_approvals,
    signup_tokens,
    used_tokens,
    users,
}

/// The statements that move whole installations in and out: they read whole tables.
pub fn moving_statements() -> Vec<&'static Statement> {
    [import::STATEMENTS, export::STATEMENTS].concat()
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
        &audit_counts::NOT_COUNTED,
        &audit_counts::COUNTS,
        &audit_counts::RANGE_COUNTS,
        &apis::LIST,
        &apis::ASSIGNABLE,
        &apis::CLIENTS,
        &apis::ASSIGNABLE_CLIENTS,
        &authorized_clients::USABLE,
        &authorized_clients::AUTHORIZED,
        &ldap::ENTRIES,
    ]
}
