//! The findings from the beacons of booting instances.
use crate::{
    diagnose::{Draft, Fix, UP, View},
    parts,
    shell::command,
    snapshot::Beacon,
};

/// Returns the finding for a beacon, unless its stage belongs to a store.
///
/// The hop of the store reports those.
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

/// Returns the finding for the stage of a booting instance.
pub(crate) fn stage(view: &View<'_>, b: &Beacon, rule: &'static str) -> Draft {
    let id = b.instance.as_deref().unwrap_or("an instance");
    let at = match (b.step, b.of) {
        (Some(step), Some(of)) => format!("{} ({step} of {of})", b.stage),
        _ => b.stage.clone(),
    };
    let seconds = b.seconds.map_or(String::new(), |s| format!(", {s} s after it began"));
    let slow = b.seconds.is_some_and(|s| s as i64 > i64::from(view.s.expected.grace_seconds));
    let failed = b.status.as_deref() == Some("failed");
    // A boot that has failed also tries again, but only after a pause.
    let outlook = if failed { "it needs a repair" } else { "it keeps trying" };
    let evidence = |said: &str| format!("{id}, stage {at}{seconds}; {outlook}: {said}");
    match &b.error {
        Some(error) => {
            let (cause, fix) = cause_and_fix(view, rule, &b.stage);
            Draft::new(rule, cause, evidence(error), fix).trying_if(!failed)
        }
        // A beacon that anybody can read contains only the stage. The cause is in the instance's log, which its console
        // shows from the first line.
        None if matches!(b.status.as_deref(), Some("failed" | "retrying")) => {
            let (cause, _) = cause_and_fix(view, rule, &b.stage);
            let log = match &b.instance {
                Some(id) => command!("gameday logs --console --instance {}", id),
                None => "gameday logs --console".to_owned(),
            };
            Draft::new(rule, cause, evidence("its log says why"), log).trying_if(!failed)
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

/// Returns cause and fix for a boot stage that fails.
fn cause_and_fix(view: &View<'_>, rule: &str, stage: &str) -> (String, Fix) {
    let service = &view.s.whose.service;
    let (cause, fix): (&str, Fix) = match rule {
        "boot-packages" => ("packages cannot be installed at boot", UP.into()),
        "boot-secrets" => ("the instance cannot read its passwords", UP.into()),
        "boot-fetch" => (
            "the service's binary cannot be fetched",
            (UP, format!("after correcting source or sha256 under [service.{service}]")).into(),
        ),
        "boot-config" => ("the service's configuration cannot be written", "gameday render --check".into()),
        "boot-service" => ("the service does not start, or keeps exiting", "gameday logs --since 10m".into()),
        _ => return (format!("the boot fails in the stage {stage}"), "gameday logs --since 10m".into()),
    };
    (cause.into(), fix)
}
