//! Statements: SQL written once, in the common dialect, with `$1` placeholders.

use std::sync::OnceLock;

/// A statement of this crate. Only [`statements!`](crate::statements) makes one, and it registers what it
/// makes, so the test that prepares every statement on both engines misses none.
#[derive(Debug)]
pub struct Statement {
    name: &'static str,
    sql: &'static str,
    sqlite: OnceLock<String>,
}

impl Statement {
    #[doc(hidden)]
    pub const fn registered(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, sqlite: OnceLock::new() }
    }

    /// The constant's name, for messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The SQL as PostgreSQL takes it.
    pub fn sql(&self) -> &'static str {
        self.sql
    }

    /// The SQL as SQLite takes it.
    pub(crate) fn sqlite(&self) -> &str {
        self.sqlite.get_or_init(|| numbered(self.sql))
    }
}

/// SQLite numbers `$1` by order of appearance; `?1` means what PostgreSQL means by `$1`. Our SQL has no `$`
/// in literals.
pub(crate) fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

/// Declares the statements of a module: `statements! { FIND = "SELECT …"; }`. Each becomes a
/// static [`Statement`] that nothing else can make, and all of them the module's `STATEMENTS`.
#[macro_export]
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* static $name: $crate::Statement = $crate::Statement::registered(stringify!($name), $sql);)*
        /// Every statement of this module.
        pub(crate) static STATEMENTS: &[&$crate::Statement] = &[$(&$name),*];
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn placeholders_keep_their_numbers() {
        assert_eq!(super::numbered("SELECT $2 WHERE a = $1"), "SELECT ?2 WHERE a = ?1");
    }
}
