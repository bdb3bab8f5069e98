//! What happens around every handler, outermost first: request id and headers, the panic net, client
//! address, limits, cross-site protection.

pub mod client_ip;
pub mod compress;
pub mod csrf;
pub mod headers;
pub mod limit;
