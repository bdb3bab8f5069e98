//! Schemas of bodies. What is read and what is written have schemas of their own, since serde treats defaults and left out
//! members differently in the two directions.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::SchemaOf;

const AT: &str = "#/components/schemas/";

/// The schemas of one document.
pub struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    pub fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|s| {
                s.definitions_path = "/components/schemas".into();
                s.meta_schema = None;
            })
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of a body that handlers read. Its named types are told from those that are written by their names.
    pub fn read(&mut self, of: SchemaOf) -> Value {
        let mut schema = of(&mut self.read).to_value();
        rename(&mut schema);
        schema
    }

    /// The schema of a body that handlers write.
    pub fn written(&mut self, of: SchemaOf) -> Value {
        of(&mut self.written).to_value()
    }

    /// All named types.
    pub fn components(mut self) -> Map<String, Value> {
        let mut all = self.written.take_definitions(true);
        for (name, mut schema) in self.read.take_definitions(true) {
            rename(&mut schema);
            all.insert(read_name(&name), schema);
        }
        all
    }
}

/// Types that handlers read are called `…Input`.
fn read_name(name: &str) -> String {
    if name.ends_with("Input") { name.to_owned() } else { format!("{name}Input") }
}

fn rename(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(target) if name == "$ref" => {
                        if let Some(named) = target.strip_prefix(AT) {
                            *target = format!("{AT}{}", read_name(named));
                        }
                    }
                    other => rename(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => {}
    }
}

/// Follows references.
pub fn resolve<'a>(components: &'a Map<String, Value>, schema: &'a Value) -> &'a Value {
    let named = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix(AT));
    match named.and_then(|name| components.get(name)) {
        Some(found) => resolve(components, found),
        None => schema,
    }
}

/// The schema of a merge patch (RFC 7396) of objects of `schema`: nothing is required, and `null` clears.
pub fn patch_of(components: &Map<String, Value>, schema: &Value) -> Value {
    let object = resolve(components, schema);
    let members = object.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let members: Map<String, Value> = members.into_iter().map(|(name, member)| (name, nullable(member))).collect();
    json!({ "type": "object", "properties": members })
}

fn nullable(member: Value) -> Value {
    match member.get("type") {
        Some(Value::String(kind)) => {
            let kinds = json!([kind, "null"]);
            let mut member = member;
            member["type"] = kinds;
            member
        }
        Some(_) => member,
        None => json!({ "anyOf": [member, { "type": "null" }] }),
    }
}
