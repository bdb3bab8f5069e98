//! Where the bytes of an upload are. Its row is in the database in any case, so an upload comes and goes in the transaction of
//! its cause; what is kept elsewhere is written before that transaction under a name that nobody had, and removed long after.

/// A place beside the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A folder.
    Filesystem,
    /// A bucket of a server that speaks S3.
    S3,
}

impl Place {
    /// Its name, as `FILE_BACKEND` and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filesystem => "filesystem",
            Self::S3 => "s3",
        }
    }

    /// The place of a name; `None` for the database, and for what nobody knows.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Filesystem, Self::S3].into_iter().find(|place| place.as_str() == name)
    }
}

/// Where new uploads go: a place, or (`None`) the database.
pub type Backend = Option<Place>;

/// The name of a backend.
#[must_use]
pub const fn backend_name(backend: Backend) -> &'static str {
    match backend {
        None => "database",
        Some(place) => place.as_str(),
    }
}

/// Bytes that are elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Where.
    pub place: Place,
    /// Their name there. It is never used twice.
    pub key: String,
    /// How many they are.
    pub length: u64,
    /// Their SHA-256, hexadecimal.
    pub sha256: String,
}

/// The bytes of an upload, or where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// In the database.
    Here(Vec<u8>),
    /// Elsewhere.
    There(Placed),
}
