//! An access point: one folder of a file system, used as one fixed user.
use super::file_system::{FileSystem, phase};
use super::prelude::*;
use aws_sdk_efs::types::{AccessPointDescription, CreationInfo, LifeCycleState, PosixUser, RootDirectory, Tag};
use std::rc::Rc;

/// The wanted access point.
pub struct AccessPoint {
    pub aws: Aws,
    pub file_system: Ref<FileSystem>,
    pub uid: u32,
    pub gid: u32,
    /// The folder that becomes the root. It is created for this user if missing.
    pub path: String,
}

/// The managed fields of an access point.
#[derive(Serialize)]
pub struct Spec {
    file_system: Known<String>,
    uid: i64,
    gid: i64,
    path: String,
}

/// The values of an access point that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for AccessPoint {
    const KIND: &'static str = "access-point";
    const OF_PARENT: bool = true;
    // Not disposable: running servers mount it by its id.
    const FIXED: &'static [&'static str] = &["file_system", "uid", "gid", "path"];
    const ACTIONS: &'static [&'static str] = &[
        "elasticfilesystem:DescribeAccessPoints",
        "elasticfilesystem:CreateAccessPoint",
        "elasticfilesystem:DeleteAccessPoint",
        "elasticfilesystem:TagResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            file_system: inputs.read(&self.file_system, |o| o.id.clone()),
            uid: self.uid.into(),
            gid: self.gid.into(),
            path: self.path.clone(),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(5, 1, 5)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(fs) = cx.read(&self.file_system, |o| o.id.clone()).now() else { return Ok(None) };
        let all = self.all(&fs).await?;
        let token = token(cx, &self.spec(&Inputs::default()));
        let has = |a: &AccessPointDescription, key: &str, value: &str| {
            a.tags().iter().any(|t: &Tag| t.key() == key && t.value() == value)
        };
        let mine: Vec<_> = all
            .iter()
            .filter(|a| a.life_cycle_state() != Some(&LifeCycleState::Deleted))
            .filter(|a| {
                has(a, cx.env.keys.stack(), &cx.env.stack) && has(a, cx.env.keys.step(), cx.key.as_str())
                    || a.client_token() == Some(&token)
            })
            .collect();
        let a = match mine[..] {
            [] => return Ok(None),
            [one] => one,
            _ => {
                let ids = mine.iter().filter_map(|a| a.access_point_id().map(Into::into)).collect();
                return Err(Error::Ambiguous { key: cx.key.clone(), ids });
            }
        };
        let id = a.access_point_id().unwrap_or_default().to_owned();
        let user = a.posix_user();
        Ok(Some(Found {
            spec: Spec {
                file_system: Known::Now(fs),
                uid: user.map(|u| u.uid()).unwrap_or_default(),
                gid: user.map(|u| u.gid()).unwrap_or_default(),
                path: a.root_directory().and_then(|r| r.path()).unwrap_or("/").into(),
            },
            output: Some(Output { id: id.clone() }),
            phase: a.life_cycle_state().map_or(Phase::Busy("creating".into()), phase),
            tags: tags::efs::from(a.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let wrong = |e: aws_smithy_types::error::operation::BuildError| Error::other(e.to_string(), "");
        let user = PosixUser::builder().uid(want.uid).gid(want.gid).build().map_err(wrong)?;
        // Without this, mounting fails as long as the folder is missing [AWS 3].
        let new = CreationInfo::builder().owner_uid(want.uid).owner_gid(want.gid).permissions("0755");
        let root = RootDirectory::builder().path(&want.path).creation_info(new.build().map_err(wrong)?).build();
        self.aws
            .efs
            .create_access_point()
            .client_token(token(cx, want))
            .file_system_id(want.file_system.get()?)
            .posix_user(user)
            .root_directory(root)
            .set_tags(Some(tags::efs::to(&cx.tags())))
            .send()
            .await
            .during("CreateAccessPoint")?;
        Ok(())
    }

    /// Does nothing: only the tags can change.
    async fn update(&self, _: &Cx<'_>, _: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.efs.delete_access_point().access_point_id(&found.id).send().await.or_gone("DeleteAccessPoint")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tags::put_efs(&self.aws, &found.id, tags).await
    }
}

impl AccessPoint {
    async fn all(&self, file_system: &str) -> Result<Rc<Vec<AccessPointDescription>>> {
        self.aws
            .reads
            .get(format!("access points of {file_system}"), async || {
                let call = self.aws.efs.describe_access_points().file_system_id(file_system);
                let all: Result<Vec<_>, _> = call.into_paginator().items().send().try_collect().await;
                Ok(all.or_absent("DescribeAccessPoints")?.unwrap_or_default())
            })
            .await
    }
}

/// Returns a client token that depends on the content, since AWS refuses a known token with other content.
fn token(cx: &Cx<'_>, want: &Spec) -> String {
    let user = format!("{}:{}", want.uid, want.gid);
    super::token(&[&cx.env.stack, cx.key.as_str(), &want.file_system.to_string(), &user, &want.path])
}
