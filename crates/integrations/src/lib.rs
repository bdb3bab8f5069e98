//! The outside world: pictures that come in, requests, letters and syslog messages that go out, what a browser says of itself.
//! Directories will live here too.

pub mod device;
pub mod fetch;
pub mod images;
pub mod initials;
pub mod mail;
pub mod qr;
mod svg;
pub mod syslog;
