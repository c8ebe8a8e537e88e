//! The look at the shared files: the file system and its mount targets.
use crate::{
    aws::{listing, tags},
    config::Mode,
    resources::token,
    snapshot::{Look, Part},
};
use aws_sdk_efs::types::{FileSystemDescription, MountTargetDescription};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// An EFS file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Files {
    pub id: String,
    pub state: String,
    /// True if the file system has lost the stack's tags and was found by its creation token.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untagged: bool,
    pub mount_targets: Vec<MountTarget>,
}

/// A mount target of the file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountTarget {
    pub id: String,
    pub state: String,
    pub zone: String,
    pub subnet: String,
    pub ip: Option<String>,
    pub groups: Vec<String>,
}

/// Finds the file system: by its id, by its creation token, or by its tags.
pub(crate) async fn find(look: &Look<'_>) {
    if look.expected.files == Mode::Off {
        return;
    }
    let found = look.ask(Part::Files, "DescribeFileSystems", async {
        let all = listing::file_systems(look.aws).await?;
        let is_this = |f: &&FileSystemDescription| match &look.expected.file_system {
            Some(id) => f.file_system_id() == id,
            None => tags::efs::from(f.tags()).get(look.whose.keys.stack()) == Some(&look.whose.stack),
        };
        // The step finds its file system by this token, even without tags.
        let token = look.expected.step("file-system").map(|key| token(&[&look.whose.stack, key]));
        let is_its = |f: &&FileSystemDescription| Some(f.creation_token()) == token.as_deref();
        let its = all.iter().find(is_its).map(|f| (f, !is_this(&f)));
        let found = its.or_else(|| Some((all.iter().find(is_this)?, false)));
        Ok(found.map(|(f, untagged)| Files {
            id: f.file_system_id().into(),
            state: f.life_cycle_state().as_str().into(),
            untagged,
            mount_targets: vec![],
        }))
    });
    let found = found.await;
    look.keep(|s| s.files = found);
}

/// Reads the mount targets with their security groups.
pub(crate) async fn follow(look: &Look<'_>) {
    let Some(id) = look.seen(|s| Some(s.files.as_ref()?.id.clone())) else { return };
    let all: Rc<Vec<MountTargetDescription>> =
        look.ask(Part::MountTargets, "DescribeMountTargets", listing::mount_targets(look.aws, &id)).await;
    let groups = all.iter().map(|t| {
        look.ask(Part::MountTargets, "DescribeMountTargetSecurityGroups", async {
            Ok(listing::mount_target_groups(look.aws, &all, t.mount_target_id()).await?.unwrap_or_default())
        })
    });
    let groups = join_all(groups).await;
    let targets = all.iter().cloned().zip(groups).map(|(t, groups)| MountTarget { groups, ..mount_target(t) });
    look.keep(|s| s.files.iter_mut().for_each(|f| f.mount_targets = targets.clone().collect()));
}

fn mount_target(m: MountTargetDescription) -> MountTarget {
    MountTarget {
        id: m.mount_target_id,
        state: m.life_cycle_state.as_str().into(),
        zone: m.availability_zone_name.unwrap_or_default(),
        subnet: m.subnet_id,
        ip: m.ip_address,
        groups: vec![],
    }
}
