//! The outside world: pictures that come in, requests and syslog messages that go out, what a browser says of itself. Mail and directories
//! will live here too.

pub mod device;
pub mod fetch;
pub mod images;
pub mod initials;
pub mod qr;
mod svg;
pub mod syslog;
