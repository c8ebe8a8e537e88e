//! The end of `gameday bake`: the image, and what it saves.
use super::{Printer, style::*};
use crate::{bake::console::Stage, shell::command};
use serde::Serialize;

/// The output of `bake -o json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Baked {
    pub service: String,
    /// The id of the image.
    pub image: String,
    pub name: String,
    /// The image on which it is based.
    pub base: String,
    /// Seconds since the command began to make it.
    pub seconds: u64,
    /// The stages of the boot that instances launched from the image do not repeat, as long as they took here.
    pub skipped: Vec<Stage>,
    /// Seconds of its boot script after which the service answered on the instance that booted last before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_boot_seconds: Option<u64>,
    /// The stack file into which the image was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
}

/// The output of `bake --prune -o json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Pruned {
    /// The ids of the deleted images.
    pub deleted: Vec<String>,
    pub kept: Vec<Kept>,
}

/// An image that was not deleted.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Kept {
    pub image: String,
    pub name: String,
    pub why: String,
}

pub fn show(out: &Printer, baked: &Baked) {
    if out.json() {
        return out.line(baked);
    }
    out.note(format!("{GOOD}baked{RESET} {} in {}", baked.name, clock(std::time::Duration::from_secs(baked.seconds))));
    out.data(&baked.image);
    if !baked.skipped.is_empty() {
        let stages: Vec<String> = baked.skipped.iter().map(|s| format!("{} {} s", s.name, s.seconds)).collect();
        out.note(format!("instances launched from it do not repeat: {}", stages.join(", ")));
    }
    if let Some(seconds) = baked.last_boot_seconds {
        out.note(format!("until now the service answered {seconds} s after the boot script began"));
    }
    let how = command!("gameday logs --service {} --since 1h --grep 'the service answers'", baked.service);
    out.note(match &baked.written {
        Some(file) => format!("{file} has it: `gameday up` replaces the instances; `{how}` shows how long they take"),
        None => format!(
            "write `image = \"{}\"` under [service.{}], then `gameday up` replaces the instances; `{how}` shows how long \
             they take",
            baked.image, baked.service
        ),
    });
}

pub fn pruned(out: &Printer, pruned: &Pruned) {
    if out.json() {
        return out.line(pruned);
    }
    for kept in &pruned.kept {
        out.data(format!("  {DIM}kept: {} ({}): {}{RESET}", kept.image, kept.name, kept.why));
    }
    out.data(match pruned.deleted.len() {
        0 => "no image was deleted".to_owned(),
        n => format!("{} deleted with the snapshots: {}", count(n, "image"), pruned.deleted.join(", ")),
    });
}
