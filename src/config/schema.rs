//! The JSON schema of `gameday.toml`, derived from the model.
//!
//! Editors use it for completion and checks, and `shape` checks names and types by it. So both always agree with the
//! structs.
use crate::Config;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Returns the JSON schema of `gameday.toml`, in draft 7, which editors' TOML plugins support.
pub fn schema() -> Value {
    // Inlined, so that no consumer has to follow references.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    without_null(&mut schema);
    schema["title"] = "gameday.toml".into();
    schema
}

/// Removes null, which TOML lacks: an optional key is simply not required.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("default").is_some_and(Value::is_null) {
                object.shift_remove("default");
            }
            if let Some(Value::Object(defaults)) = object.get_mut("default") {
                defaults.retain(|_, value| !value.is_null());
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = &types[..] {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(any)) = object.get("anyOf") {
                let rest: Vec<_> = any.iter().filter(|one| one["type"] != "null").cloned().collect();
                if let [Value::Object(only)] = &rest[..] {
                    let only = only.clone();
                    object.shift_remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}
