//! Tests of the whole program from outside; see the folders `api`, `oidc`, `security` and `browser`.
