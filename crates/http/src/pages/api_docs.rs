//! The management API for readers: the OpenAPI document as pages, one per resource. Its texts are English, as the
//! document's.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{Html, Layout, PageError, PageRequest, key, page};
use crate::extract::Path;
use crate::i18n::escape;
use crate::openapi;
use crate::state::App;

/// A resource in the navigation.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Its part of the address.
    pub slug: String,
    /// Its operations.
    pub operations: Vec<OperationView>,
}

/// A parameter, or a member of a body.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Its name.
    pub name: String,
    /// Where it stands, or what type it has.
    pub kind: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it is.
    pub about: String,
    /// The values that there are; none: any.
    pub values: Vec<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct AnswerView {
    /// The HTTP status.
    pub status: String,
    /// What it says.
    pub about: String,
    /// The codes of a refusal.
    pub codes: Vec<String>,
    /// An example, if it is no refusal.
    pub example: String,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct OperationView {
    /// Its name in clients, and its place on the page.
    pub id: String,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// What it does.
    pub summary: String,
    /// More about it.
    pub about: String,
    /// The key of the words that say who may call it.
    pub access: &'static str,
    /// Its parameters.
    pub parameters: Vec<MemberView>,
    /// The members of its body.
    pub members: Vec<MemberView>,
    /// The type of its body; empty: it has none.
    pub body: String,
    /// Its answers.
    pub answers: Vec<AnswerView>,
    /// A call with curl.
    pub sample: String,
}

/// `/docs/api` and the pages below it.
#[derive(Debug, Template)]
#[template(path = "api_docs.html")]
pub struct ApiDocsPage {
    /// What every page needs.
    pub layout: Layout,
    /// `APP_URL`.
    pub origin: String,
    /// All resources.
    pub resources: Vec<Resource>,
    /// The one that is shown in full; none: the overview.
    pub shown: Option<Resource>,
}

/// `GET /docs/api`: for everybody, as the document is.
pub async fn overview(State(app): State<App>, request: PageRequest) -> Response {
    let origin = app.env().app_url.origin.clone();
    page(StatusCode::OK, &ApiDocsPage { layout: request.layout, origin, resources: resources(), shown: None })
}

/// `GET /docs/api/{resource}`.
pub async fn resource(
    State(app): State<App>,
    request: PageRequest,
    Path(slug): Path<String>,
) -> Result<Response, PageError> {
    let origin = app.env().app_url.origin.clone();
    let resources = resources();
    match resources.iter().find(|resource| resource.slug == slug).cloned() {
        Some(shown) => {
            Ok(page(StatusCode::OK, &ApiDocsPage { layout: request.layout, origin, resources, shown: Some(shown) }))
        }
        None => Err(request.unknown()),
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn slug(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn resources() -> Vec<Resource> {
    let document = &openapi::get().value;
    let tags = document["tags"].as_array().into_iter().flatten().map(|tag| text(tag, "name"));
    let mut all: Vec<Resource> =
        tags.map(|name| Resource { slug: slug(&name), name, operations: Vec::new() }).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, one) in methods.as_object().into_iter().flatten() {
            let tag = one["tags"][0].as_str().unwrap_or_default();
            if let Some(resource) = all.iter_mut().find(|resource| resource.name == tag) {
                resource.operations.push(OperationView::new(document, method, path, one));
            }
        }
    }
    let order = |method: &str| ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().position(|known| *known == method);
    for resource in &mut all {
        resource.operations.sort_by(|a, b| a.path.cmp(&b.path).then(order(&a.method).cmp(&order(&b.method))));
    }
    all
}

impl OperationView {
    fn new(document: &Value, method: &str, path: &str, one: &Value) -> Self {
        let parameters = one["parameters"].as_array().into_iter().flatten().map(|parameter| MemberView {
            name: text(parameter, "name"),
            kind: text(parameter, "in"),
            required: parameter["required"] == true,
            about: text(parameter, "description"),
            values: values(document, &parameter["schema"]),
        });
        let content = one["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
        Self {
            id: text(one, "operationId"),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(one, "summary"),
            about: text(one, "description"),
            access: match one["x-access"].as_str() {
                Some("public") => key("api-for-everybody"),
                Some("session") => key("api-for-sessions"),
                Some("user") => key("api-for-users"),
                Some("auditor") => key("api-for-auditors"),
                Some("user-manager") => key("api-for-managers"),
                Some("user-manager-or-auditor") => key("api-for-managers-or-auditors"),
                _ => key("api-for-admins"),
            },
            parameters: parameters.collect(),
            members: content.map(|(_, body)| members(document, &body["schema"])).unwrap_or_default(),
            body: content.map(|(media, _)| media.clone()).unwrap_or_default(),
            answers: answers(document, &one["responses"]),
            sample: text(&one["x-codeSamples"][0], "source"),
        }
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|target| document.pointer(target.strip_prefix('#')?)) {
        Some(found) => resolve(document, found),
        None => schema,
    }
}

fn members(document: &Value, schema: &Value) -> Vec<MemberView> {
    let schema = resolve(document, schema);
    if schema["type"] == "array" {
        return members(document, &schema["items"]);
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let all = schema["properties"].as_object().into_iter().flatten();
    all.map(|(name, member)| MemberView {
        name: name.clone(),
        kind: kind(member),
        required: required.contains(&name.as_str()),
        about: text(member, "description"),
        values: values(document, member),
    })
    .collect()
}

fn values(document: &Value, schema: &Value) -> Vec<String> {
    let schema = resolve(document, schema);
    let one = if schema["type"] == "array" { resolve(document, &schema["items"]) } else { schema };
    let listed = one["enum"].as_array().or_else(|| one["oneOf"].as_array());
    let of = |value: &Value| value.as_str().or_else(|| value["const"].as_str()).map(str::to_owned);
    listed.into_iter().flatten().filter_map(of).collect()
}

/// A member's type in words: `string`, `list of string`, `string or null`, the name of another type.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        return target.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let of = |name: &str| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "string" if schema["format"] == "date-time" => "date-time".to_owned(),
        name => name.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => of(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(of).collect::<Vec<_>>().join(" or "),
        _ => match schema["anyOf"].as_array() {
            Some(choices) => choices.iter().map(kind).collect::<Vec<_>>().join(" or "),
            None => "any".to_owned(),
        },
    }
}

fn answers(document: &Value, responses: &Value) -> Vec<AnswerView> {
    let empty = Map::new();
    let all = responses.as_object().unwrap_or(&empty).iter();
    all.map(|(status, response)| {
        let response = resolve(document, response);
        let body = &response["content"]["application/json"];
        let codes =
            body["examples"].as_object().into_iter().flatten().map(|(code, _)| code.clone()).collect::<Vec<_>>();
        let example = &body["example"];
        AnswerView {
            status: status.clone(),
            about: if codes.is_empty() { text(response, "description") } else { String::new() },
            codes,
            example: if example.is_null() { String::new() } else { format!("{example:#}") },
        }
    })
    .collect()
}

/// The document's prose: what stands between backticks is code.
pub fn prose(text: &str) -> Html {
    let parts = text.split('`').enumerate().map(|(n, part)| {
        let part = escape(part);
        if n % 2 == 1 { format!("<code>{part}</code>") } else { part }
    });
    Html::trusted(parts.collect())
}
