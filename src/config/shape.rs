//! The walk over the text along the JSON schema: syntax, names, types, ranges.
//!
//! It keeps sound values, so that the rules can still judge the rest, and remembers all positions.
use crate::check::{Issue, Issues};
use crate::place::{Map, Place};
use crate::suggest::{nearest, quoted};
use serde_json::{Map as Object, Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// The most entries of a list or table. Each is compared with the others, and AWS allows far fewer.
const ENTRIES: usize = 1000;

type Node<'a> = Spanned<DeValue<'a>>;

pub(crate) struct Walk<'s> {
    root: &'s Value,
    pub map: Map,
    pub issues: Issues,
}

impl<'s> Walk<'s> {
    pub(crate) fn new(root: &'s Value) -> Self {
        Self { root, map: Map::default(), issues: Issues::default() }
    }

    pub(crate) fn document(&mut self, table: &Spanned<DeTable<'_>>) -> Value {
        self.map.values.insert(Place::default(), 0..0);
        self.table(&Place::default(), self.root, table.get_ref())
    }

    /// Returns the value as JSON, or nothing if it was reported and a default replaces it.
    fn value(&mut self, place: &Place, schema: &Value, node: &Node<'_>) -> Option<Value> {
        self.map.values.insert(place.clone(), node.span());
        let sound = self.typed(place, schema, node);
        if sound.is_none() {
            self.map.unsound.insert(place.clone());
        }
        sound
    }

    fn typed(&mut self, place: &Place, schema: &Value, node: &Node<'_>) -> Option<Value> {
        let variants = variants(schema);
        let wanted = if variants.is_empty() { schema["type"].as_str().unwrap_or_default() } else { "string" };
        match (wanted, node.get_ref()) {
            ("string", DeValue::String(text)) if variants.is_empty() => Some(text.as_ref().into()),
            ("string", DeValue::String(text)) => self.variant(place, schema, &variants, text),
            ("boolean", DeValue::Boolean(yes)) => Some((*yes).into()),
            ("integer", DeValue::Integer(number)) => {
                let whole = whole(number);
                (self.in_range(place, schema, whole as f64)).then(|| i64::try_from(whole).ok().map(Value::from))?
            }
            ("number", DeValue::Integer(number)) => {
                let value = whole(number) as f64;
                self.in_range(place, schema, value).then(|| Number::from_f64(value).map(Value::Number))?
            }
            ("number", DeValue::Float(number)) => {
                let value: f64 = number.as_str().replace('_', "").parse().unwrap_or(f64::NAN);
                if !value.is_finite() {
                    self.wrong_type(place, schema, node);
                    return None;
                }
                self.in_range(place, schema, value).then(|| Number::from_f64(value).map(Value::Number))?
            }
            ("array", DeValue::Array(list)) if list.len() > ENTRIES => self.too_many(place, list.len()),
            ("object", DeValue::Table(table)) if table.len() > ENTRIES => self.too_many(place, table.len()),
            ("array", DeValue::Array(list)) => {
                let of_item = &schema["items"];
                let items = list.iter().enumerate();
                // An unsound item affects only itself: the rules skip it by its place.
                let sound =
                    |(i, item)| self.value(&place.item(i), of_item, item).unwrap_or_else(|| placeholder(of_item));
                Some(items.map(sound).collect())
            }
            ("object", DeValue::Table(table)) => Some(self.table(place, schema, table)),
            _ => {
                self.wrong_type(place, schema, node);
                None
            }
        }
    }

    fn table(&mut self, place: &Place, schema: &Value, table: &DeTable<'_>) -> Value {
        let empty = Object::new();
        let known = schema["properties"].as_object().unwrap_or(&empty);
        // In a table with free keys (`tags`, `service`) all values have one schema.
        let free = schema["additionalProperties"].is_object().then(|| &schema["additionalProperties"]);
        let mut sound = Object::new();
        let mut meant: Vec<String> = vec![];
        if let Some(element) = free
            && self.unnamed(place, element, table)
        {
            return sound.into();
        }
        for (key, node) in table {
            let name: &str = key.get_ref();
            let here = place.key(name);
            self.map.keys.insert(here.clone(), key.span());
            match known.get(name).or(free) {
                Some(schema) => {
                    if let Some(value) = self.value(&here, schema, node) {
                        sound.insert(name.into(), value);
                    }
                }
                None => {
                    self.map.values.insert(here.clone(), node.span());
                    meant.extend(self.unknown(place, &here, known, name));
                }
            }
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !sound.contains_key(required) {
                let here = place.key(required);
                // A misspelt key is one mistake.
                if self.map.unsound.insert(here.clone()) && !meant.iter().any(|m| m == required) {
                    self.missing(place, &here, required, &known[required]);
                }
                // The placeholder lets the rules judge the rest.
                sound.insert(required.into(), placeholder(&known[required]));
            }
        }
        sound.into()
    }

    /// Reports `[service]` with the keys of a service in it as one mistake, not one for each key.
    fn unnamed(&mut self, place: &Place, element: &Value, table: &DeTable<'_>) -> bool {
        let is_field = |key: &str| element["properties"].get(key).is_some();
        let Some((key, _)) = table.iter().find(|(key, node)| is_field(key.get_ref()) && !node.get_ref().is_table())
        else {
            return false;
        };
        let here = place.key(key.get_ref());
        self.map.values.insert(here.clone(), key.span());
        self.issues.push(
            Issue::error(
                "service_unnamed",
                place.clone(),
                format!("the {place} has no name"),
                "the name is missing here",
                format!("write `[{place}.api]` instead of `[{place}]`"),
            )
            .with(here, format!("this belongs to one {place}")),
        );
        self.map.unsound.insert(place.clone());
        true
    }

    /// Reports an unknown key and returns the key that was most likely meant.
    fn unknown(&mut self, parent: &Place, here: &Place, known: &Object<String, Value>, name: &str) -> Option<String> {
        let table = match parent.parent() {
            None => "the stack file".to_owned(),
            Some(_) => format!("`[{parent}]`"),
        };
        let other_word = aliases(name).iter().find(|alias| known.contains_key(**alias));
        let near = nearest(name, known.keys().map(String::as_str)).map(ToOwned::to_owned);
        let meant = other_word.map(|word| (*word).to_owned()).or(near.clone());
        let help = if let Some(meant) = other_word {
            format!("here it is called `{meant}`")
        } else if let Some(home) = self.home_of(name) {
            format!("`{name}` belongs to {home}: a key belongs to the last `[table]` above it")
        } else if let Some(meant) = near {
            format!("did you mean `{meant}`?")
        } else {
            format!("the keys of {table} are {}", quoted(known.keys().map(String::as_str)))
        };
        self.issues.push(
            Issue::error("unknown_key", here.clone(), format!("`{name}` is not a key of {table}"), "unknown key", help)
                .on_key(),
        );
        meant
    }

    /// Returns the table that has such a key, if the key is under the wrong header.
    fn home_of(&self, name: &str) -> Option<String> {
        let root = self.root["properties"].as_object()?;
        if root.contains_key(name) {
            return Some(match root[name]["type"] == "object" {
                true => format!("the top level, as `[{name}]`"),
                false => "the top of the file, before the first `[table]`".into(),
            });
        }
        let mut homes = root.iter().filter_map(|(table, schema)| {
            let inside = schema["properties"].get(name).map(|_| format!("`[{table}]`"));
            inside
                .or_else(|| schema["additionalProperties"]["properties"].get(name).map(|_| format!("`[{table}.NAME]`")))
        });
        let home = homes.next()?;
        homes.next().is_none().then_some(home)
    }

    fn missing(&mut self, parent: &Place, here: &Place, name: &str, schema: &Value) {
        let table = match parent.parent() {
            None => "the stack file".to_owned(),
            Some(_) => format!("`[{parent}]`"),
        };
        let what = schema["description"].as_str().unwrap_or_default();
        let example = match name {
            "name" => "name = \"billing\"",
            "source" => "source = \"https://example-bucket.s3.amazonaws.com/server\"",
            _ => "",
        };
        let (top, reason) = match parent.parent() {
            None => (" at the top of the file", "`name` has to be given"),
            Some(_) => ("", "`source` has to be given here"),
        };
        self.issues.push(Issue::error(
            "missing_key",
            here.clone(),
            format!("{table} has no `{name}`"),
            reason,
            format!("add `{example}`{top}. {what}"),
        ));
    }

    fn variant(&mut self, place: &Place, schema: &Value, variants: &[&str], text: &str) -> Option<Value> {
        if variants.contains(&text) {
            return Some(text.into());
        }
        let help = match nearest(text, variants.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => schema["description"].as_str().unwrap_or_default().to_owned(),
        };
        let reason = format!("not one of {}", quoted(variants.iter().copied()));
        self.issues.push(Issue::error(
            "unknown_value",
            place.clone(),
            format!("`{place}` cannot be {text:?}"),
            reason,
            help,
        ));
        None
    }

    fn too_many(&mut self, place: &Place, entries: usize) -> Option<Value> {
        self.issues.push(Issue::error(
            "too_many",
            place.clone(),
            format!("`{place}` has {entries} entries"),
            format!("{ENTRIES} at most"),
            "AWS allows far fewer: keep those that are needed",
        ));
        None
    }

    fn in_range(&mut self, place: &Place, schema: &Value, value: f64) -> bool {
        let low = schema["minimum"].as_f64().unwrap_or(f64::MIN);
        let most = match schema["format"].as_str() {
            Some("uint16") => f64::from(u16::MAX),
            Some("uint32") => f64::from(u32::MAX),
            _ => f64::MAX,
        };
        let high = schema["maximum"].as_f64().unwrap_or(most);
        if (low..=high).contains(&value) {
            return true;
        }
        let help = match schema["maximum"].as_f64() {
            Some(high) => format!("give a number from {low} to {high}"),
            None => format!("give a number of at least {low}"),
        };
        let side = if value < low { "too small" } else { "too large" };
        let reason = schema["x-reason"].as_str().unwrap_or(side);
        self.issues.push(Issue::error("out_of_range", place.clone(), format!("`{place}` is {side}"), reason, help));
        false
    }

    fn wrong_type(&mut self, place: &Place, schema: &Value, node: &Node<'_>) {
        let wanted = if variants(schema).is_empty() { schema["type"].as_str().unwrap_or("") } else { "string" };
        let got = match node.get_ref() {
            DeValue::String(_) => "a text in quotes",
            DeValue::Integer(_) => "a number",
            DeValue::Float(number) if number.as_str().contains(['n', 'i']) => "not a real number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true/false",
            DeValue::Datetime(_) => "a date or time without quotes",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let need = match wanted {
            "string" => "a text in quotes",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "array" => "a list in [ ]",
            "object" => "a table",
            _ => "something else",
        };
        let help = match (wanted, node.get_ref()) {
            ("string", DeValue::Datetime(text)) => format!("put it in quotes: \"{text}\""),
            ("string", DeValue::Integer(text)) => format!("put it in quotes: \"{text}\""),
            ("string", DeValue::Float(text)) => format!("put it in quotes: \"{text}\""),
            ("string", DeValue::Boolean(text)) => match variants(schema).contains(&"off") {
                true => format!("write {}", if *text { "\"create\"" } else { "\"off\"" }),
                false => format!("put it in quotes: \"{text}\""),
            },
            ("integer" | "number", DeValue::String(text)) if text.parse::<f64>().is_ok() => {
                format!("write it without quotes: {text}")
            }
            ("integer", DeValue::Float(text)) => match text.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => format!("round it: {}", value.round()),
                _ => "give a whole number".into(),
            },
            ("boolean", DeValue::String(text)) if matches!(&**text, "true" | "false") => {
                format!("write it without quotes: {text}")
            }
            ("array", DeValue::String(text)) => format!("write a list: [\"{text}\"]"),
            ("object", DeValue::Array(_)) if place.parent().is_some() && !place.is_item() => {
                let name = if schema["additionalProperties"].is_object() { ".api" } else { "" };
                format!("write the header with single brackets: `[{place}{name}]`")
            }
            ("object", _) if place.is_item() => "write a table on one line: { path = \"/admin/*\" }".into(),
            ("object", _) => format!("write a table: `[{place}]` and its keys below"),
            _ => format!("give {need}"),
        };
        self.issues.push(Issue::error(
            "wrong_type",
            place.clone(),
            format!("`{place}` has to be {need}"),
            format!("this is {got}"),
            help,
        ));
    }
}

/// Returns the number, or one beyond every range if it is too long.
fn whole(number: &DeInteger<'_>) -> i128 {
    let digits = number.as_str().replace('_', "");
    let beyond = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(&digits, number.radix()).unwrap_or(beyond)
}

/// Returns a value that fits the schema, for one that does not.
fn placeholder(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required
                .map(|key| (key.to_owned(), placeholder(&schema["properties"][key])))
                .collect::<Object<_, _>>()
                .into()
        }
        Some("array") => vec![Value::Null; 0].into(),
        Some("boolean") => false.into(),
        Some("integer") => (schema["minimum"].as_f64().unwrap_or_default().ceil() as i64).into(),
        Some("number") => schema["minimum"].as_f64().unwrap_or_default().into(),
        _ => variants(schema).first().copied().unwrap_or_default().into(),
    }
}

/// Returns the texts that an enum accepts, empty if the schema is none.
fn variants(schema: &Value) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let one_of = schema["oneOf"].as_array().into_iter().flatten();
    let nested =
        one_of.flat_map(|one| one.get("const").into_iter().chain(one["enum"].as_array().into_iter().flatten()));
    listed.chain(nested).filter_map(Value::as_str).collect()
}

/// Returns the names of a key called so elsewhere (AWS, terraform, habit), which depend on the table.
fn aliases(name: &str) -> &'static [&'static str] {
    match name {
        "instances" | "count" | "size" | "desired_capacity" | "desired_size" => &["desired", "nodes"],
        "min_size" | "minimum" => &["min"],
        "max_size" | "maximum" => &["max"],
        "replicas" | "node_count" | "num_nodes" => &["nodes", "desired"],
        "type" | "instance_class" | "node_type" | "instance_type" | "instance" | "class" => &["class", "instance_type"],
        "engine_version" => &["version"],
        "username" | "app_user" => &["user"],
        "db_name" | "dbname" | "name" | "schema" => &["database"],
        "master" | "master_username" | "admin" => &["master_user"],
        "url" | "binary" | "binary_url" | "artifact" | "package" => &["source"],
        "ami" | "ami_id" | "image_id" => &["image"],
        "vpc_id" | "id" => &["vpc", "file_system"],
        "cidr_block" | "vpc_cidr" => &["cidr"],
        "availability_zones" | "azs" => &["zones"],
        "services" | "app" => &["service"],
        "db" | "rds" | "mysql" | "postgres" | "postgresql" => &["database"],
        "redis" | "elasticache" => &["cache"],
        "efs" => &["files"],
        "vpc" => &["network"],
        "host" | "address" => &["endpoint", "hosts"],
        "nat" | "nat_gateway" | "nat_gateways" | "enable_nat_gateway" | "single_nat_gateway" => &["egress"],
        "public_ip" | "public_address" | "associate_public_ip_address" | "assign_public_ip" => &["instances"],
        "storage" | "allocated_storage" => &["storage_gb"],
        "health" | "health_check" | "healthcheck" | "health_check_path" => &["health_path"],
        "paths" | "path_patterns" => &["routes"],
        "host_header" | "host_headers" | "domains" | "domain" => &["hosts"],
        "environment" => &["env"],
        "key" | "key_name" | "keypair" => &["key_pair"],
        "mount" | "mount_path" | "mount_point" => &["path"],
        _ => &[],
    }
}
