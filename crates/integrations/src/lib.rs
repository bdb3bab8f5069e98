//! The outside world: pictures that come in, what a browser says of itself. Mail, directories and fetched documents
//! will live here too.

pub mod device;
pub mod images;
mod svg;
