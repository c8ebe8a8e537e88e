//! What booting instances say of themselves.
use crate::{
    diagnose::{Draft, Fix, UP, View},
    parts,
    shell::command,
    snapshot::Beacon,
};

/// Returns what an instance that boots says of itself. What it says of a store is told at the store's hop.
pub(super) fn finding(view: &View<'_>, b: &Beacon) -> Option<Draft> {
    if parts::LIST.iter().flat_map(|p| p.stores).any(|store| store.stage == b.stage) {
        return None;
    }
    let rule = match b.stage.as_str() {
        "packages" => "boot-packages",
        "secrets" => "boot-secrets",
        "fetch" => "boot-fetch",
        "config" => "boot-config",
        "service" => "boot-service",
        _ => "boot-stage",
    };
    Some(stage(view, b, rule))
}

/// Returns a stage of the boot as a finding.
pub(crate) fn stage(view: &View<'_>, b: &Beacon, rule: &'static str) -> Draft {
    let id = b.instance.as_deref().unwrap_or("an instance");
    let at = match (b.step, b.of) {
        (Some(step), Some(of)) => format!("{} ({step} of {of})", b.stage),
        _ => b.stage.clone(),
    };
    let seconds = b.seconds.map_or(String::new(), |s| format!(", {s} s after it began"));
    let slow = b.seconds.is_some_and(|s| s as i64 > i64::from(view.s.expected.grace_seconds));
    match &b.error {
        Some(error) => {
            let failed = b.status.as_deref() == Some("failed");
            let retries = if failed { "it needs help" } else { "it tries again" };
            let (cause, fix) = words(view, rule, &b.stage);
            Draft::new(rule, cause, format!("{id}, stage {at}{seconds}; {retries}: {error}"), fix).trying_if(!failed)
        }
        // What an instance tells anybody is the stage; the cause is in its log, and that on its console from the first line.
        None if matches!(b.status.as_deref(), Some("failed" | "retrying")) => {
            let failed = b.status.as_deref() == Some("failed");
            let retries = if failed { "it needs help" } else { "it tries again" };
            let (cause, _) = words(view, rule, &b.stage);
            let log = match &b.instance {
                Some(id) => command!("gameday logs --console --instance {}", id),
                None => "gameday logs --console".to_owned(),
            };
            Draft::new(rule, cause, format!("{id}, stage {at}{seconds}; {retries}: its log says why"), log)
                .trying_if(!failed)
        }
        None if slow => Draft::new(
            "boot-stuck",
            format!("the boot hangs in the stage {}", b.stage),
            format!("{id}, stage {at}{seconds}: longer than the {} s of grace", view.s.expected.grace_seconds),
            match &b.instance {
                Some(id) => command!("gameday logs --instance {}", id),
                None => "gameday logs".to_owned(),
            },
        )
        .trying(),
        None => Draft::new(
            "booting",
            "instances are booting",
            format!("{id}, stage {at}{seconds}"),
            "gameday status --watch",
        )
        .waiting(),
    }
    .weak_if(view.serves())
}

fn words(view: &View<'_>, rule: &str, stage: &str) -> (String, Fix) {
    let service = &view.s.whose.service;
    let (cause, fix): (&str, Fix) = match rule {
        "boot-packages" => ("packages cannot be installed at boot", UP.into()),
        "boot-secrets" => ("the instance cannot read its passwords", UP.into()),
        "boot-fetch" => (
            "the service's binary cannot be fetched",
            (UP, format!("after correcting source or sha256 under [service.{service}]")).into(),
        ),
        "boot-config" => ("the service's configuration cannot be written", "gameday render --check".into()),
        "boot-service" => ("the service does not start, or keeps ending", "gameday logs --since 10m".into()),
        _ => return (format!("the boot fails in the stage {stage}"), "gameday logs --since 10m".into()),
    };
    (cause.into(), fix)
}
