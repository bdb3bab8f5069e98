//! The outside world: pictures that come in. Mail, directories and fetched documents will live here too.

pub mod images;
mod svg;
