//! The difference between what is wanted and what is found, and the change that it leads to.
use serde::Serialize;
use serde_json::Value;

/// The fields in which two specs differ, by path, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Diff(pub Vec<Field>);

/// One field in which two specs differ.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Field {
    /// The names of the field and of those around it, with dots between them.
    pub path: String,
    /// The found value, if the field exists there.
    pub found: Option<Value>,
    /// The wanted value, if the field exists there.
    pub want: Option<Value>,
}

impl Field {
    /// True if this is the named field of the spec, or one inside it.
    pub fn is(&self, field: &str) -> bool {
        self.path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl Diff {
    /// Compares two specs as they serialise.
    pub fn between(found: &impl Serialize, want: &impl Serialize) -> Self {
        let value = |v: Result<Value, _>| v.expect("specs serialise");
        let (found, want) = (value(serde_json::to_value(found)), value(serde_json::to_value(want)));
        let mut fields = Vec::new();
        compare(String::new(), Some(found), Some(want), &mut fields);
        fields.sort_by(|a, b| a.path.cmp(&b.path));
        Self(fields)
    }

    /// True if nothing differs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if this field, or one inside it, differs.
    pub fn touches(&self, field: &str) -> bool {
        self.0.iter().any(|f| f.is(field))
    }

    /// True if nothing outside these fields differs.
    pub fn only(&self, fields: &[&str]) -> bool {
        self.0.iter().all(|f| fields.iter().any(|x| Diff(vec![f.clone()]).touches(x)))
    }

    /// Returns the paths of the fields that differ.
    pub fn paths(&self) -> Vec<String> {
        self.0.iter().map(|f| f.path.clone()).collect()
    }
}

/// Compares two values.
///
/// Objects are compared key by key. Everything else is one value: a set of rules, and an object that as a whole is new,
/// gone or not known yet.
fn compare(path: String, found: Option<Value>, want: Option<Value>, fields: &mut Vec<Field>) {
    match (found, want) {
        (Some(Value::Object(mut found)), Some(Value::Object(want))) => {
            let under = |k: &str| if path.is_empty() { k.to_owned() } else { format!("{path}.{k}") };
            for (k, v) in want {
                compare(under(&k), found.remove(&k), Some(v), fields);
            }
            for (k, v) in found {
                compare(under(&k), Some(v), None, fields);
            }
        }
        (found, want) if found == want => {}
        (found, want) => fields.push(Field { path, found, want }),
    }
}

/// The change that a walk makes, or would make, to one step.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The object is as wanted.
    None,
    /// The object does not exist and is created.
    Create {
        /// The spec to create.
        spec: Value,
    },
    /// The object is changed in place.
    Update {
        /// The fields that are changed.
        diff: Diff,
    },
    /// The object is deleted and created again. AWS cannot change it in place, and nothing is lost, or the user has
    /// agreed.
    Replace {
        /// The fields that differ.
        diff: Diff,
        /// The loss, if there is one: `the data in it`.
        #[serde(skip_serializing_if = "Option::is_none")]
        loses: Option<&'static str>,
    },
    /// Nothing is done: AWS cannot change the object in place, and replacing it would lose something.
    Refuse {
        /// The fields that differ.
        diff: Diff,
        /// The way out.
        help: String,
    },
    /// The object is the stack's but no longer in the stack file, and is deleted.
    Delete {
        /// AWS's own id or name of the object.
        id: String,
    },
}

impl Change {
    /// Returns the word for the change, in views and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Replace { .. } => "replace",
            Self::Refuse { .. } => "refuse",
            Self::Delete { .. } => "delete",
        }
    }

    /// True if there is nothing to do.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Returns the fields that differ, if the object exists.
    pub fn diff(&self) -> Option<&Diff> {
        match self {
            Self::Update { diff } | Self::Replace { diff, .. } | Self::Refuse { diff, .. } => Some(diff),
            _ => None,
        }
    }
}
