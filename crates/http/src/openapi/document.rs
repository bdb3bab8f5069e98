//! The document itself (OpenAPI 3.1.1).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pid_core::secret::sha256;
use pid_flows::Code;
use serde_json::{Map, Value, json};

use super::example;
use super::operation::{Access, Body, Columns, Content, Operation};
use super::routes::Describe;
use super::schemas::{Schemas, patch_of};
use crate::api::version::CONTRACT;
use crate::assets::names_etag;
use crate::error::ErrorDto;

/// The document of the routes of this program.
#[derive(Debug)]
pub struct Document {
    /// As a tree.
    pub value: Value,
    text: Bytes,
    tag: String,
}

/// Made when somebody asks for it first: a server that nobody asks doesn't keep it.
static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let value = document(crate::router::management().described());
    let text = serde_json::to_vec(&value).unwrap_or_default();
    let version: String = sha256(&text)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Document { value, text: text.into(), tag: format!("\"{version}\"") }
});

/// The document.
pub fn get() -> &'static Document {
    &DOCUMENT
}

/// `GET /api/openapi.json`.
pub async fn serve(request: HeaderMap) -> Response {
    let document = get();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::ETAG, HeaderValue::from_str(&document.tag).unwrap_or(HeaderValue::from_static("\"0\""))),
    ];
    if names_etag(&request, &document.tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, document.text.clone()).into_response()
}

fn document(described: &[(Method, &'static str, Describe)]) -> Value {
    let mut schemas = Schemas::new();
    let mut written: Vec<(String, String, Operation, Bodies)> = Vec::new();
    for (method, path, describe) in described {
        let operation = describe();
        let bodies = Bodies::of(&operation, &mut schemas);
        written.push((method.as_str().to_ascii_lowercase(), (*path).to_owned(), operation, bodies));
    }
    let error = schemas.written(|g| g.subschema_for::<ErrorDto>());
    let mut components = schemas.components();
    components.values_mut().for_each(without_sources);
    let mut refusals = Refusals { error, named: BTreeMap::new() };
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut tags: Vec<&'static str> = Vec::new();
    for (method, path, operation, bodies) in written {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
        let one = describe_one(&method, &path, &operation, bodies, &components, &mut refusals);
        paths.entry(path).or_default().insert(method, one);
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Pocket ID management API",
            "version": CONTRACT,
            "description": "Users, groups, clients, APIs, keys, settings and the audit log of a Pocket ID server. \
                Lists come in pages; what can be changed by two people at once has an `ETag` that `If-Match` guards. \
                Sign-in for apps (OAuth 2.0, OpenID Connect) is described by `/.well-known/openid-configuration`.",
            "license": { "name": "BSD-2-Clause", "identifier": "BSD-2-Clause" },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "tags": tags.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": refusals.named,
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey", "in": "header", "name": "X-API-Key",
                    "description": "A key made under Settings › API Keys. It may do what its owner may, less its scopes.",
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-access_token",
                    "description": "The cookie of a signed-in browser; named `access_token` where APP_URL is http.",
                },
            },
        },
    })
}

/// The schemas of an operation's bodies.
struct Bodies {
    request: Option<Value>,
    answers: Vec<Option<Value>>,
}

impl Bodies {
    fn of(operation: &Operation, schemas: &mut Schemas) -> Self {
        let request = match operation.body {
            Some(Body::Json(of, _) | Body::Patch(of)) => Some(schemas.read(of)),
            _ => None,
        };
        let answers = operation.answers.iter().map(|(_, content)| match content {
            Content::Json(of) => Some(schemas.written(*of)),
            _ => None,
        });
        Self { request, answers: answers.collect() }
    }
}

fn describe_one(
    method: &str,
    path: &str,
    operation: &Operation,
    bodies: Bodies,
    components: &Map<String, Value>,
    refusals: &mut Refusals,
) -> Value {
    let mut one = Map::new();
    one.insert("operationId".into(), json!(operation.id));
    one.insert("tags".into(), json!([operation.tag]));
    one.insert("summary".into(), json!(operation.summary));
    if !operation.about.is_empty() {
        one.insert("description".into(), json!(operation.about));
    }
    one.insert("x-access".into(), json!(operation.access.as_str()));
    let parameters = parameters(path, operation);
    let request = request(operation, bodies.request, components);
    let sample = sample(method, path, operation, request.as_ref());
    one.insert("parameters".into(), json!(parameters));
    if let Some(request) = request {
        one.insert("requestBody".into(), request);
    }
    one.insert("responses".into(), responses(method, path, operation, bodies.answers, components, refusals));
    one.insert(
        "security".into(),
        match operation.access {
            Access::Public => json!([]),
            Access::Session => json!([{ "session": [] }]),
            _ => json!([{ "apiKey": [] }, { "session": [] }]),
        },
    );
    one.insert("x-codeSamples".into(), json!([{ "lang": "Shell", "label": "curl", "source": sample }]));
    Value::Object(one)
}

fn parameters(path: &str, operation: &Operation) -> Vec<Value> {
    let mut all = Vec::new();
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let about = operation.path.iter().find(|(known, _)| *known == name).map(|(_, about)| *about);
        all.push(json!({
            "name": name, "in": "path", "required": true,
            "description": about.unwrap_or_default(),
            "schema": { "type": "string", "minLength": 1 },
        }));
    }
    for parameter in &operation.query {
        let schema = if parameter.values.is_empty() {
            json!({ "type": "string" })
        } else {
            json!({ "type": "string", "enum": parameter.values })
        };
        all.push(json!({
            "name": parameter.name, "in": "query", "required": parameter.required,
            "description": parameter.about, "schema": schema,
        }));
    }
    if let Some(columns) = operation.columns {
        all.extend(list_parameters(columns));
    }
    if operation.conditional {
        all.push(json!({
            "name": "If-Match", "in": "header", "required": false,
            "description": "The `ETag` that the change was made from; 412 if somebody else has changed it since.",
            "schema": { "type": "string" },
        }));
    }
    all
}

/// The options of a list (api.md §9.1).
fn list_parameters(columns: Columns) -> Vec<Value> {
    let query = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema });
    let mut all = vec![
        query(
            "pagination[page]",
            "The page, from 1; beyond the last: the last.",
            json!({ "type": "integer", "default": 1 }),
        ),
        query("pagination[limit]", "Items on a page, at most 100.", json!({ "type": "integer", "default": 20 })),
    ];
    if !columns.sort.is_empty() {
        all.push(query("sort[column]", "What to sort by.", json!({ "type": "string", "enum": columns.sort })));
        let ways = json!({ "type": "string", "enum": ["asc", "desc"] });
        all.push(query("sort[direction]", "In which direction.", ways));
    }
    if !columns.search.is_empty() {
        let about = format!("Text that must occur in {}.", columns.search);
        all.push(query("search", &about, json!({ "type": "string" })));
    }
    for filter in columns.filters {
        let schema = json!({ "type": "array", "items": { "type": "string" } });
        all.push(query(&format!("filters[{filter}]"), "One of these values; may be given several times.", schema));
    }
    all
}

fn request(operation: &Operation, schema: Option<Value>, components: &Map<String, Value>) -> Option<Value> {
    let json_body = |media: &str, required: bool, schema: Value, example: Value| json!({ "required": required, "content": { media: { "schema": schema, "example": example } } });
    Some(match (operation.body.as_ref()?, schema) {
        (Body::Json(_, required), Some(schema)) => {
            let example = example::of(components, &schema);
            json_body("application/json", *required, schema, example)
        }
        (Body::Patch(_), Some(schema)) => {
            let example = example::of(components, &schema);
            // A patch names what it changes: one member shows that.
            let first =
                example.as_object().and_then(|all| all.iter().find(|(name, value)| *name != "id" && value.is_string()));
            let example = first.map_or(json!({}), |(name, value)| json!({ name: value }));
            json_body("application/merge-patch+json", true, patch_of(components, &schema), example)
        }
        (Body::Credential, _) => {
            let about = "What `navigator.credentials` gave, by its `toJSON()` (WebAuthn L3 §5.1.8, §5.1.9).";
            json_body("application/json", true, json!({ "type": "object", "description": about }), json!({}))
        }
        (Body::Upload, _) => json!({
            "required": true,
            "content": { "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": { "file": {
                        "type": "string", "contentMediaType": "application/octet-stream",
                        "description": "The picture. Its content decides what it is.",
                    } },
                    "required": ["file"],
                },
                "encoding": { "file": { "contentType": "image/png, image/jpeg, image/webp, image/gif, image/svg+xml" } },
            } },
        }),
        (Body::Json(..) | Body::Patch(_), None) => return None,
    })
}

fn responses(
    method: &str,
    path: &str,
    operation: &Operation,
    answers: Vec<Option<Value>>,
    components: &Map<String, Value>,
    refusals: &mut Refusals,
) -> Value {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for ((status, content), schema) in operation.answers.iter().zip(answers) {
        let mut answer = json!({ "description": said(*status) });
        match (content, schema) {
            (Content::Json(_), Some(schema)) => {
                let example = example::of(components, &schema);
                answer["content"] = json!({ "application/json": { "schema": schema, "example": example } });
            }
            (Content::File(types), _) => {
                let content: Map<String, Value> =
                    types.iter().map(|media| ((*media).to_owned(), json!({ "schema": {} }))).collect();
                answer["content"] = Value::Object(content);
            }
            _ => {}
        }
        if operation.versioned {
            answer["headers"] = json!({ "ETag": {
                "description": "The version, for `If-Match`.", "schema": { "type": "string" },
            } });
        }
        all.insert(status.to_string(), answer);
    }
    if operation.cached {
        all.insert("304".into(), json!({ "description": "Not changed since the `ETag` of `If-None-Match`" }));
    }
    let mut codes = operation.refusals.clone();
    codes.extend(operation.access.refusals());
    if method != "get" {
        codes.push(Code::CrossSiteRequest);
    }
    if path.contains('{') {
        codes.push(Code::NotFound);
    }
    codes.extend([Code::RateLimited, Code::Unavailable]);
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let of = by_status.entry(code.status()).or_default();
        if !of.contains(&code) {
            of.push(code);
        }
    }
    for (status, codes) in by_status {
        all.insert(status.to_string(), refusals.named(status, &codes));
    }
    json!(all)
}

/// Refusals are much the same everywhere, so they are said once each.
struct Refusals {
    error: Value,
    named: BTreeMap<String, Value>,
}

impl Refusals {
    fn named(&mut self, status: u16, codes: &[Code]) -> Value {
        let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let name = format!("{status}.{}", names.join("."));
        let named = json!({ "$ref": format!("#/components/responses/{name}") });
        self.named.entry(name).or_insert_with(|| refusal(status, codes, &self.error));
        named
    }
}

/// Descriptions without the places in our own papers.
fn without_sources(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if name == "description" => {
                        while let Some(start) = text.find(" (api.md").or_else(|| text.find(" (oidc.md")) {
                            let end = text[start..].find(')').map_or(text.len(), |end| start + end + 1);
                            text.replace_range(start..end, "");
                        }
                    }
                    other => without_sources(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_sources),
        _ => {}
    }
}

/// What the success statuses say.
fn said(status: u16) -> &'static str {
    match status {
        201 => "Made",
        202 => "Not yet",
        204 => "Done",
        _ => "OK",
    }
}

fn refusal(status: u16, codes: &[Code], error: &Value) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| {
            let request_id = "5c0e7a52-6f3d-4f4e-9d0c-2a1c2e9b7f10";
            let value = json!({ "error": code.message(), "code": code.as_str(), "request_id": request_id });
            (code.as_str().to_owned(), json!({ "value": value }))
        })
        .collect();
    let schema = json!({ "allOf": [error, { "properties": { "code": { "enum": names } } }] });
    let mut refusal = json!({
        "description": names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        "content": { "application/json": { "schema": schema, "examples": examples } },
    });
    if status == 429 {
        refusal["headers"] = json!({ "Retry-After": {
            "description": "Seconds to wait.", "schema": { "type": "integer" },
        } });
    }
    refusal
}

/// A call with curl.
fn sample(method: &str, path: &str, operation: &Operation, request: Option<&Value>) -> String {
    let mut address = String::from("https://id.example.com");
    for part in path.split('/').skip(1) {
        address.push('/');
        match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => address.push_str(&format!("${}", name.to_ascii_uppercase())),
            None => address.push_str(part),
        }
    }
    let needed: Vec<String> = operation.query.iter().filter(|p| p.required).map(|p| format!("{}=…", p.name)).collect();
    if !needed.is_empty() {
        address.push_str(&format!("?{}", needed.join("&")));
    }
    let mut words = vec!["curl".to_owned()];
    if method != "get" {
        words.push(format!("-X {}", method.to_ascii_uppercase()));
    }
    match operation.access {
        Access::Public => {}
        Access::Session => words.push("-b cookies.txt".to_owned()),
        _ => words.push("-H \"X-API-Key: $KEY\"".to_owned()),
    }
    if operation.of_browser {
        words.push("-b cookies.txt -c cookies.txt".to_owned());
    }
    let content = request.and_then(|r| r["content"].as_object()).and_then(|c| c.iter().next());
    match content {
        Some((media, _)) if media == "multipart/form-data" => words.push("-F file=@picture.png".to_owned()),
        Some((media, body)) => {
            words.push(format!("-H \"Content-Type: {media}\""));
            words.push(format!("-d '{}'", body["example"]));
        }
        None => {}
    }
    words.push(format!("\"{address}\""));
    words.join(" ")
}
