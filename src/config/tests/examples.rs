//! The examples are right, the commented one shows every key and every default, and the committed
//! schema is the one of the model.
use gameday_config::{Config, Loaded, load, parse, schema};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example(name: &str) -> Loaded {
    match load(&root().join("examples").join(name)) {
        Ok(loaded) => loaded,
        Err(errors) => panic!("{}", errors.render(false, 100)),
    }
}

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join("examples").join(name)).unwrap()
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(root().join("examples")).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    names
}

#[test]
fn every_example_loads_without_a_word() {
    let names = names();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let loaded = example(&name);
        assert!(loaded.warnings.is_empty(), "{}", loaded.render_warnings(false, 100));
        let zones = loaded.config.zones.len().max(2);
        let subnets = loaded.config.subnets(zones).unwrap();
        assert_eq!((subnets.public.len(), subnets.private.len()), (zones, zones), "{name}");
    }
}

#[test]
fn every_example_tells_editors_its_schema() {
    for name in names() {
        assert!(text(&name).starts_with("#:schema ../templates/gameday.schema.json\n"), "{name}");
    }
}

#[test]
fn the_defaults_shown_are_the_defaults() {
    let shown = text("billing-api.toml");
    let uncommented: Vec<_> = shown
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest,
            _ => line,
        })
        .collect();
    assert_ne!(shown, uncommented.join("\n"));
    let all = parse("billing-api.toml", &uncommented.join("\n")).unwrap_or_else(|e| panic!("{}", e.render(false, 100)));
    assert_eq!(all.config, example("billing-api.toml").config);
}

#[test]
fn every_key_is_explained() {
    fn keys(schema: &Value, into: &mut Vec<String>) {
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            into.push(key.clone());
            keys(inner, into);
            keys(&inner["additionalProperties"], into);
        }
    }
    let mut all = Vec::new();
    keys(&schema(), &mut all);
    assert!(all.len() > 60, "{}", all.len());
    let text = text("billing-api.toml");
    let missing: Vec<_> = all
        .iter()
        .filter(|key| {
            !text.contains(&format!("{key} ="))
                && !text.contains(&format!("[{key}"))
                && !text.contains(&format!(".{key}]"))
        })
        .collect();
    assert!(missing.is_empty(), "not in billing-api.toml: {missing:?}");
}

#[test]
fn a_config_survives_serde() {
    for name in names() {
        let config = example(&name).config;
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(serde_json::from_value::<Config>(json).unwrap(), config, "{name}");
    }
}

#[test]
fn the_committed_schema_is_current() {
    let path = root().join("templates/gameday.schema.json");
    let current = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "stale: run UPDATE_SCHEMA=1 cargo test -p gameday-config");
}

#[test]
fn every_key_has_a_description() {
    fn walk(schema: &Value, path: &str) {
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let here = format!("{path}.{key}");
            assert!(inner["description"].is_string(), "{here} has no doc comment");
            walk(inner, &here);
            walk(&inner["additionalProperties"], &here);
        }
    }
    walk(&schema(), "");
}
