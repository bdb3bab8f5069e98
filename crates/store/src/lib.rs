//! The store: rules run as plain synchronous functions over a transaction, on SQLite or PostgreSQL.

pub mod audit;
pub mod budgets;
pub mod instance;
pub mod keys;
pub mod sessions;
pub mod settings;
pub mod users;
