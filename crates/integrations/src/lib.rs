//! The outside world: pictures that come in and where they are kept, requests, letters and syslog messages that go out, what a browser says of itself,
//! directories.

pub mod device;
pub mod fetch;
pub mod file_system;
pub mod files;
pub mod geo;
pub mod images;
pub mod initials;
pub mod ldap;
pub mod mail;
pub mod qr;
pub mod scim;
mod svg;
pub mod syslog;
