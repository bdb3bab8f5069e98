//! What can go wrong below the rules.

/// An error of the store. Constraint violations are for the rules to map where they occur; the rest are
/// faults whose texts go to the log only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A unique index refused a row. The text is `table_column`, on both engines.
    #[error("unique violation: {constraint}")]
    UniqueViolation {
        /// `table_column`, several columns separated by a comma and a blank.
        constraint: String,
    },
    /// A foreign key refused a row.
    #[error("foreign key violation")]
    ForeignKeyViolation,
    /// A row that must exist does not.
    #[error("no row")]
    NoRow,
    /// The database can't be reached or written now; nothing was done.
    #[error("the database is not available: {reason}")]
    Unavailable {
        /// What it said.
        reason: String,
    },
    /// A text has a NUL in it, which PostgreSQL can't hold; nothing was done.
    #[error("a text contains NUL")]
    NulCharacter,
    /// The transaction lost against another; the engine runs it again before anybody sees this.
    #[error("serialization failure")]
    Conflict,
    /// Anything else: a fault of ours.
    #[error("{0}")]
    Other(String),
}

/// Why a database could not be opened. Each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is a database of another program; it was not touched.
    #[error(
        "{path} is a database of another program{what}. It was left untouched. Set DB_CONNECTION_STRING to another file"
    )]
    Foreign {
        /// The file.
        path: String,
        /// What it is, with a leading blank and brackets, or nothing.
        what: &'static str,
    },
    /// The database is one of Pocket ID, from which one can move in; it was not touched.
    #[error(
        "{source_} is the database of Pocket ID, which this program can replace. Nothing was touched. To move in, choose a \
         new place for the data and run, with the same ENCRYPTION_KEY:\n\n    \
         DB_CONNECTION_STRING={target} pocket-id import --from {source_}\n\n\
         Add --dry-run to see first what would come. Then start with DB_CONNECTION_STRING={target}. The old data stays as it \
         is: to go back, start the old program on it"
    )]
    Upstream {
        /// What was configured.
        source_: String,
        /// A place that could be configured instead.
        target: String,
    },
    /// The schema is newer than this program knows.
    #[error("the database has schema version {found}, this program knows up to {known}. Start a newer version")]
    Newer {
        /// In the database.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// The connection string asks for something that is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// Any other failure to open or migrate.
    #[error("the database can't be opened: {0}")]
    Failed(String),
}
