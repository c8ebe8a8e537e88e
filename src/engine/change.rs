//! Comparing what is wanted with what is found.
use serde::Serialize;
use serde_json::Value;

/// The fields in which two specs differ, by path, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Diff(pub Vec<Field>);

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Field {
    pub path: String,
    pub found: Option<Value>,
    pub want: Option<Value>,
}

impl Field {
    /// Whether it is this field of the spec, or one inside it.
    pub fn is(&self, field: &str) -> bool {
        self.path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl Diff {
    pub fn between(found: &impl Serialize, want: &impl Serialize) -> Self {
        let value = |v: Result<Value, _>| v.expect("specs serialise");
        let (found, want) = (value(serde_json::to_value(found)), value(serde_json::to_value(want)));
        let mut fields = Vec::new();
        compare(String::new(), Some(found), Some(want), &mut fields);
        fields.sort_by(|a, b| a.path.cmp(&b.path));
        Self(fields)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this field, or one inside it, differs.
    pub fn touches(&self, field: &str) -> bool {
        self.0.iter().any(|f| f.is(field))
    }

    /// Whether nothing outside these fields differs.
    pub fn only(&self, fields: &[&str]) -> bool {
        self.0.iter().all(|f| fields.iter().any(|x| Diff(vec![f.clone()]).touches(x)))
    }

    pub fn paths(&self) -> Vec<String> {
        self.0.iter().map(|f| f.path.clone()).collect()
    }
}

/// Two objects are compared key by key; everything else is one value: a set of rules, and an object that is as a whole
/// new, gone or not known yet.
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

/// What `up` would do, or did, to one step.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    None,
    Create {
        spec: Value,
    },
    Update {
        diff: Diff,
    },
    /// Deleted and made again: AWS cannot change it in place, and nothing is lost by it (or it was insisted on).
    Replace {
        diff: Diff,
        /// What is lost by that.
        #[serde(skip_serializing_if = "Option::is_none")]
        loses: Option<&'static str>,
    },
    /// AWS cannot change it in place, and replacing it would lose something.
    Refuse {
        diff: Diff,
        help: String,
    },
    /// Ours, but no longer in the stack file.
    Delete {
        id: String,
    },
}

impl Change {
    /// The word for it in views and JSON.
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
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
    pub fn diff(&self) -> Option<&Diff> {
        match self {
            Self::Update { diff } | Self::Replace { diff, .. } | Self::Refuse { diff, .. } => Some(diff),
            _ => None,
        }
    }
}
