//! Routes with their descriptions.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, Route, delete, get, patch, post, put};
use http::Method;
use tower::{Layer, Service};

use super::Operation;
use crate::state::App;

/// Describes an operation.
pub type Describe = fn() -> Operation;

/// Routes of the management API: each is registered with what the document says about it.
#[derive(Default)]
pub struct Routes {
    router: Router<App>,
    described: Vec<(Method, &'static str, Describe)>,
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {$(
        #[doc = concat!("A `", stringify!($method), "` route.")]
        pub fn $name<H, T>(self, path: &'static str, handler: H, describe: Describe) -> Self
        where
            H: Handler<T, App>,
            T: 'static,
        {
            self.route(Method::$method, path, $name(handler), describe)
        }
    )*};
}

impl Routes {
    methods! {
        get GET;
        post POST;
        put PUT;
        patch PATCH;
        delete DELETE;
    }

    fn route(mut self, method: Method, path: &'static str, handler: MethodRouter<App>, describe: Describe) -> Self {
        self.described.push((method, path, describe));
        Self { router: self.router.route(path, handler), ..self }
    }

    /// Adds other routes.
    pub fn merge(mut self, other: Self) -> Self {
        self.described.extend(other.described);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// Puts a layer around the routes so far.
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self { router: self.router.layer(layer), ..self }
    }

    /// What the routes are.
    pub fn described(&self) -> &[(Method, &'static str, Describe)] {
        &self.described
    }

    /// The routes alone.
    pub fn into_router(self) -> Router<App> {
        self.router
    }
}
