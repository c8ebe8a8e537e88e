//! The file that `gameday why --save` writes: one look at a stack, with the request path of each service.
//!
//! Version 1 has one service, and its fields are beside those of the stack.
use super::{Snapshot, VERSION};
use crate::{
    error::{Error, Result},
    hidden, said,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The version of a file with a map of services.
const MANY: u32 = 2;

/// The fields of a snapshot that belong to one service. All others are those of the stack.
const OF_SERVICE: [&str; 14] = [
    "service",
    "expected",
    "target_group",
    "targets",
    "auto_scaling_group",
    "activities",
    "template",
    "profile",
    "instances",
    "alarms",
    "probe",
    "gaps",
    "calls",
    "millis",
];

/// The content of a file of version 2.
#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    /// The fields of each service, by its name.
    services: BTreeMap<String, Map<String, Value>>,
    /// The fields of the stack.
    #[serde(flatten)]
    stack: Map<String, Value>,
}

/// Returns the text of a file with these services of one look, without known secrets.
pub fn save(services: &[Snapshot]) -> String {
    let mut saved = Saved { version: MANY, services: BTreeMap::new(), stack: Map::new() };
    for snapshot in services {
        let Ok(Value::Object(all)) = serde_json::to_value(snapshot) else { continue };
        let (own, stack) = all.into_iter().partition(|(field, _)| OF_SERVICE.contains(&field.as_str()));
        saved.services.insert(snapshot.whose.service.clone(), own);
        saved.stack = stack;
    }
    saved.stack.remove("version");
    let text = serde_json::to_string_pretty(&saved).expect("a look serialises");
    said::json(hidden::known(&text).into_owned()) + "\n"
}

/// Reads a file of any version. A file of a newer one is an error.
pub fn load(text: &str) -> Result<Vec<Snapshot>> {
    /// What tells the versions apart.
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        version: u32,
    }
    let no = |what: String| Error::other(what, "give a file that `gameday why --save FILE` wrote");
    let head: Head = serde_json::from_str(text).map_err(|e| no(format!("this is not a snapshot: {e}")))?;
    match head.version {
        MANY => {}
        0 | VERSION => return Ok(vec![Snapshot::from_json(text)?]),
        newer => {
            return Err(Error::other(
                format!("this snapshot has version {newer}; this gameday reads up to {MANY}"),
                "use the gameday that wrote it, or a newer one",
            ));
        }
    }
    let saved: Saved = serde_json::from_str(text).map_err(|e| no(format!("this is not a snapshot: {e}")))?;
    let one = |own: Map<String, Value>| {
        let mut all = saved.stack.clone();
        all.extend(own);
        all.insert("version".into(), VERSION.into());
        Snapshot::from_json(&Value::Object(all).to_string())
    };
    let services = saved.services.into_values().map(one).collect::<Result<Vec<_>>>()?;
    if services.is_empty() { Err(no("this snapshot has no service".into())) } else { Ok(services) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Whose;

    #[test]
    fn what_is_saved_is_loaded() {
        let v1 = include_str!("../../tests/fixtures/why/unbroken.json");
        let one = load(v1).unwrap();
        assert_eq!(one.len(), 1, "version 1 is read");
        let mut two = one[0].clone();
        two.whose = Whose { service: "web".into(), ..two.whose };
        (two.targets, two.expected.port) = (vec![], 8080);
        let both = vec![one[0].clone(), two];
        let text = save(&both);
        assert_eq!(load(&text).unwrap(), both);
        // What the services share is there once.
        assert_eq!(text.matches("\"route_tables\"").count(), 1);
        assert!(
            load(&text.replacen("\"version\": 2", "\"version\": 3", 1)).unwrap_err().to_string().contains("version 3")
        );
        assert!(load("{\"version\": 2, \"services\": {}}").is_err() && load("{}").is_err());
    }
}
