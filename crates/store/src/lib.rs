//! The store: rules run as plain synchronous functions over a transaction, on SQLite or PostgreSQL.

pub mod audit;
pub mod budgets;
pub mod grants;
pub mod instance;
pub mod interactions;
pub mod keys;
pub mod login_codes;
pub mod passkeys;
pub mod sessions;
pub mod settings;
pub mod users;
