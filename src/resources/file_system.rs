//! An EFS file system for the data that all servers share.
use super::prelude::*;
use aws_sdk_efs::types::{FileSystemDescription, LifeCycleState, MountTargetDescription, ThroughputMode};

/// The wanted file system.
pub struct FileSystem {
    pub aws: Aws,
    /// The id of an existing file system to use instead.
    pub existing: Option<String>,
    /// `elastic` or `bursting`.
    pub throughput: String,
    /// True if a new file system is encrypted at rest.
    pub encrypted: bool,
}

/// The managed fields of a file system.
#[derive(Serialize)]
pub struct Spec {
    throughput: String,
    /// Cannot be changed and does not justify a replacement, so an existing file system shows the wanted value.
    encrypted: bool,
}

/// The values of a file system that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for FileSystem {
    const KIND: &'static str = "file-system";
    const LOSES: Option<&'static str> = Some("the files in it");
    const HOLDS_DATA: bool = true;
    const ACTIONS: &'static [&'static str] = &[
        "elasticfilesystem:DescribeFileSystems",
        "elasticfilesystem:DescribeMountTargets",
        "elasticfilesystem:CreateFileSystem",
        "elasticfilesystem:UpdateFileSystem",
        "elasticfilesystem:DeleteFileSystem",
        "elasticfilesystem:TagResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, _: &Inputs) -> Spec {
        Spec { throughput: self.throughput.clone(), encrypted: self.encrypted }
    }
    fn given(&self) -> Option<Output> {
        self.existing.clone().map(|id| Output { id })
    }
    fn typical(&self) -> Typical {
        Typical::secs(5, 5, 6)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(fs) = self.look(cx).await? else { return Ok(None) };
        let state = fs.life_cycle_state();
        if *state == LifeCycleState::Deleted {
            return Ok(None);
        }
        Ok(Some(Found {
            id: fs.file_system_id().into(),
            spec: Spec {
                throughput: fs.throughput_mode().map(|m| m.as_str()).unwrap_or_default().into(),
                encrypted: self.encrypted,
            },
            output: Some(Output { id: fs.file_system_id().into() }),
            phase: phase(state),
            tags: tags::efs::from(fs.tags()),
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .efs
            .create_file_system()
            .creation_token(token(cx))
            .throughput_mode(ThroughputMode::from(want.throughput.as_str()))
            .encrypted(want.encrypted)
            .set_tags(Some(tags::efs::to(&cx.tags())))
            .send()
            .await
            .during("CreateFileSystem")?;
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let call = self.aws.efs.update_file_system().file_system_id(&found.id);
        let call = call.throughput_mode(ThroughputMode::from(want.throughput.as_str()));
        match call.send().await.during("UpdateFileSystem") {
            // This is not the usual throttling, so a retry is useless.
            Err(Error::Aws(e)) if e.code.as_deref() == Some("TooManyRequests") => Err(Error::other(
                format!("{} changed its throughput mode less than a day ago: {}", found.id, e.message),
                "put the old throughput back in gameday.toml, or run the same command again tomorrow",
            )),
            answer => answer.map(drop),
        }
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.efs.delete_file_system().file_system_id(&found.id).send().await.or_gone("DeleteFileSystem")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tags::put_efs(&self.aws, &found.id, tags).await
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let all = listing::mount_targets(&self.aws, &found.id).await?;
        let holder = |m: &MountTargetDescription| Holder {
            what: format!("mount target {} in {}", m.mount_target_id(), m.subnet_id()),
            passes: *m.life_cycle_state() == LifeCycleState::Deleting,
        };
        Ok(all.iter().map(holder).collect())
    }
}

impl FileSystem {
    async fn look(&self, cx: &Cx<'_>) -> Result<Option<FileSystemDescription>> {
        let token = token(cx);
        let is_this = |f: &&FileSystemDescription| match &self.existing {
            Some(id) => f.file_system_id() == id,
            None => f.creation_token() == token,
        };
        Ok(listing::file_systems(&self.aws).await?.iter().find(is_this).cloned())
    }
}

/// Returns a token that is the same on every run, so that a create whose answer was lost is found again.
fn token(cx: &Cx<'_>) -> String {
    super::token(&[&cx.env.stack, cx.key.as_str()])
}

/// Returns the phase of a file system, a mount target or an access point.
pub(super) fn phase(state: &LifeCycleState) -> Phase {
    match state.as_str() {
        "available" => Phase::Ready,
        "deleting" | "deleted" => Phase::Deleting,
        "error" => Phase::Broken("error".into()),
        other => Phase::Busy(other.into()),
    }
}
