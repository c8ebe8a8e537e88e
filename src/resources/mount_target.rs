//! A mount target: the address of a file system in one zone.
use super::prelude::*;
use super::{
    file_system::{FileSystem, phase},
    security_group::SecurityGroup,
    subnet::Subnet,
};
use aws_sdk_efs::types::{LifeCycleState, MountTargetDescription};

/// The wanted mount target.
pub struct MountTarget {
    pub aws: Aws,
    pub file_system: Ref<FileSystem>,
    pub subnet: Ref<Subnet>,
    pub groups: Vec<Ref<SecurityGroup>>,
    /// The zone. A file system has at most one mount target per zone.
    pub zone: String,
    /// True for the mount target of an existing file system.
    pub existing: bool,
}

/// The managed fields of a mount target.
#[derive(Serialize)]
pub struct Spec {
    file_system: Known<String>,
    zone: String,
    subnet: Known<String>,
    groups: Known<Vec<String>>,
}

/// The values of a mount target that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
    pub zone: String,
    pub ip: String,
}

impl Resource for MountTarget {
    const KIND: &'static str = "mount-target";
    const OF_PARENT: bool = true;
    const FIXED: &'static [&'static str] = &["subnet"];
    const PATIENCE: Duration = Duration::from_secs(1800);
    // EFS creates the interfaces with the caller's permissions [AWS 3].
    const ACTIONS: &'static [&'static str] = &[
        "elasticfilesystem:DescribeMountTargets",
        "elasticfilesystem:DescribeMountTargetSecurityGroups",
        "elasticfilesystem:CreateMountTarget",
        "elasticfilesystem:ModifyMountTargetSecurityGroups",
        "elasticfilesystem:DeleteMountTarget",
        "ec2:DescribeSubnets",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeNetworkInterfaceAttribute",
        "ec2:CreateNetworkInterface",
        "ec2:ModifyNetworkInterfaceAttribute",
        "ec2:DeleteNetworkInterface",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            file_system: inputs.read(&self.file_system, |o| o.id.clone()),
            zone: self.zone.clone(),
            subnet: inputs.read(&self.subnet, |o| o.id.clone()),
            groups: inputs.read_all(&self.groups, |o| o.id.clone()).map(sorted),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(85, 2, 40)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(fs) = cx.read(&self.file_system, |o| o.id.clone()).now() else { return Ok(None) };
        let all = listing::mount_targets(&self.aws, &fs).await?;
        let here = |m: &&MountTargetDescription| {
            m.availability_zone_name() == Some(&self.zone) && *m.life_cycle_state() != LifeCycleState::Deleted
        };
        let Some(m) = all.iter().find(here) else { return Ok(None) };
        let id = m.mount_target_id();
        let groups = if self.existing { Some(vec![]) } else { self.groups_of(id, &all).await? };
        let Some(groups) = groups else { return Ok(None) };
        Ok(Some(Found {
            id: id.into(),
            spec: Spec {
                file_system: Known::Now(fs),
                zone: self.zone.clone(),
                subnet: Known::Now(m.subnet_id().into()),
                groups: Known::Now(sorted(groups)),
            },
            output: m.ip_address().map(|ip| Output { id: id.into(), zone: self.zone.clone(), ip: ip.into() }),
            phase: phase(m.life_cycle_state()),
            // Mount targets have no tags. Their file system belongs to the stack.
            tags: cx.inherited(),
        }))
    }

    /// Creates it without a client token, since each zone has at most one (`MountTargetConflict`).
    async fn create(&self, _: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .efs
            .create_mount_target()
            .file_system_id(want.file_system.get()?)
            .subnet_id(want.subnet.get()?)
            .set_security_groups(Some(want.groups.get()?.clone()))
            .send()
            .await
            .during("CreateMountTarget")?;
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let call = self.aws.efs.modify_mount_target_security_groups().mount_target_id(&found.id);
        let call = call.set_security_groups(Some(want.groups.get()?.clone()));
        call.send().await.during("ModifyMountTargetSecurityGroups").map(drop)
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.efs.delete_mount_target().mount_target_id(&found.id).send().await.or_gone("DeleteMountTarget")
    }
}

impl MountTarget {
    /// Returns the security groups, `None` if the mount target is gone.
    async fn groups_of(&self, id: &str, all: &[MountTargetDescription]) -> Result<Option<Vec<String>>> {
        match listing::mount_target_groups(&self.aws, all, id).await {
            // During creation and deletion AWS does not show the groups. A later look will.
            Err(e) if e.class() == Some(Class::WrongState) => Ok(Some(vec![])),
            answer => answer,
        }
    }
}
