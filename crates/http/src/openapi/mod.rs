//! The OpenAPI document of the management API. Routes are registered together with the function that describes them
//! ([`Routes`]), so no route can be left out; bodies are described by the types that handlers read and write, errors by
//! the codes that rules refuse with, and examples are made from the schemas.

mod document;
mod example;
mod operation;
mod routes;
mod schemas;

pub use document::{Document, get, serve};
pub use operation::{Access, Columns, Operation};
pub use routes::Routes;
