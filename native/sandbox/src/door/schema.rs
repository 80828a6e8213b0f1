//! The schema files, embedded: the one truth in both languages.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Registry, ValidationError, Validator};
use serde_json::Value;

use super::issue::{Issue, push_index, push_key};

const FILES: [&str; 6] = [
    include_str!("../../../../schemas/terms.schema.json"),
    include_str!("../../../../schemas/job.schema.json"),
    include_str!("../../../../schemas/policy.schema.json"),
    include_str!("../../../../schemas/result.schema.json"),
    include_str!("../../../../schemas/audit.schema.json"),
    include_str!("../../../../schemas/worker-config.schema.json"),
];

/// A kind of document that has a schema, in the order of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    Job,
    Policy,
    Result,
    Audit,
    WorkerConfig,
}

static SCHEMAS: LazyLock<Vec<Value>> = LazyLock::new(|| FILES.iter().map(|text| read(text)).collect());

static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let named = SCHEMAS.iter().map(|schema| (id_of(schema), schema));
    Registry::new().extend(named).and_then(|all| all.prepare()).expect("the embedded schemas refer to each other only")
});

static VALIDATORS: [LazyLock<Validator>; 5] = [
    LazyLock::new(|| validator(Document::Job)),
    LazyLock::new(|| validator(Document::Policy)),
    LazyLock::new(|| validator(Document::Result)),
    LazyLock::new(|| validator(Document::Audit)),
    LazyLock::new(|| validator(Document::WorkerConfig)),
];

impl Document {
    /// The document's file in [`FILES`]; the shared terms come first.
    fn file(self) -> usize {
        1 + self as usize
    }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("an embedded schema is JSON")
}

fn id_of(schema: &Value) -> &str {
    schema["$id"].as_str().expect("an embedded schema has an $id")
}

fn validator(document: Document) -> Validator {
    jsonschema::options()
        .with_registry(&REGISTRY)
        .build(&SCHEMAS[document.file()])
        .expect("an embedded schema is a schema")
}

/// Every issue that the schema finds in a document; missing fields come first, as at the door in TypeScript.
pub fn check(document: Document, value: &Value) -> Vec<Issue> {
    let mut found: Vec<Issue> = VALIDATORS[document as usize].iter_errors(value).flat_map(issues).collect();
    found.sort_by_key(|issue| issue.rule != "required");
    found
}

fn issues(error: ValidationError<'_>) -> Vec<Issue> {
    let place = path_of(error.instance_path());
    let rule = error.kind().keyword().to_owned();
    let below = |name: &str| {
        let mut path = place.clone();
        push_key(&mut path, name);
        path
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![Issue::at(below(property.as_str().unwrap_or_default()), &rule, "must be there")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| Issue::at(below(name), &rule, "is not a field: there is none of this name"))
            .collect(),
        _ => vec![Issue::at(place, &rule, error.masked_with("it").to_string())],
    }
}

fn path_of(location: &Location) -> String {
    let mut path = String::new();
    for segment in location {
        match segment {
            LocationSegment::Property(name) => push_key(&mut path, &name),
            LocationSegment::Index(index) => push_index(&mut path, index),
        }
    }
    path
}

/// Names of the properties that an object schema allows; `pointer` leads to it inside the file.
#[cfg(test)]
pub fn properties(document: Document, pointer: &str) -> Vec<String> {
    let schema = SCHEMAS[document.file()].pointer(pointer).expect("the schema has this place");
    let mut names: Vec<String> = schema["properties"].as_object().expect("an object schema").keys().cloned().collect();
    names.sort();
    names
}
