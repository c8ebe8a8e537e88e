//! An instance profile, through which EC2 gives a role to an instance.
use super::prelude::*;
use super::role::Role;

/// The wanted instance profile.
pub struct InstanceProfile {
    pub aws: Aws,
    pub role: Option<Ref<Role>>,
    /// The name of an existing profile to use instead.
    pub existing: Option<String>,
    pub path: String,
}

/// The managed fields of an instance profile.
#[derive(Serialize)]
pub struct Spec {
    /// A profile holds at most one role.
    role: Option<Known<String>>,
    path: String,
}

/// The values of an instance profile that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
}

impl Resource for InstanceProfile {
    const KIND: &'static str = "instance-profile";
    const FIXED: &'static [&'static str] = &["path"];
    const LOSES: Option<&'static str> = Some("the rights of the running instances, until they are replaced");
    const ACTIONS: &'static [&'static str] = &[
        "iam:GetInstanceProfile",
        "iam:ListInstanceProfiles",
        "iam:CreateInstanceProfile",
        "iam:AddRoleToInstanceProfile",
        "iam:PassRole",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:DeleteInstanceProfile",
        "iam:TagInstanceProfile",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { role: self.role.as_ref().map(|r| inputs.read(r, |o| o.name.clone())), path: self.path.clone() }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = self.existing.clone().unwrap_or_else(|| cx.name());
        if let Some(found) = self.listed(cx).await {
            return Ok(Some(found));
        }
        let found = |role, path: &str, tags| Found {
            spec: Spec { role, path: path.into() },
            output: Some(Output { name: name.clone() }),
            // EC2 sees the profile up to two minutes later, so steps that refer to it try again [AWS 4.7].
            phase: Phase::Ready,
            tags,
            id: name.clone(),
        };
        match listing::instance_profile(&self.aws, &name).await {
            // An instance needs only the name. EC2 reports if the profile does not exist.
            Err(e) if self.existing.is_some() && e.class() == Some(Class::Denied) => {
                Ok(Some(found(None, &self.path, Tags::new())))
            }
            answer => Ok(answer?.as_ref().as_ref().map(|profile| {
                let role = profile.roles().first().map(|r| Known::Now(r.role_name().into()));
                found(role, profile.path(), tags::global::from(&self.aws, profile.tags()))
            })),
        }
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .iam
            .create_instance_profile()
            .instance_profile_name(cx.name())
            .path(&self.path)
            .set_tags(Some(tags::global::to(&self.aws, cx.tags())))
            .send()
            .await
            .during("CreateInstanceProfile")?;
        cx.note_created(&cx.name());
        self.add(&cx.name(), want).await
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        self.remove(found).await?;
        self.add(&found.id, want).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.remove(found).await?;
        let call = self.aws.iam.delete_instance_profile().instance_profile_name(&found.id);
        call.send().await.or_gone("DeleteInstanceProfile")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let call = self.aws.iam.tag_instance_profile().instance_profile_name(&found.id);
        call.set_tags(Some(tags::iam::to(tags))).send().await.during("TagInstanceProfile").map(drop)
    }
}

impl InstanceProfile {
    /// Returns the profile if a list shows that it holds the role of the step. The list shows no tags.
    async fn listed(&self, cx: &Cx<'_>) -> Option<Found<Self>> {
        let (name, role) = (cx.name(), cx.name_of(self.role.as_ref()?.key()));
        let (profile, held) = listing::listed_profile(&self.aws, &name).await?;
        (held == role).then(|| Found {
            spec: Spec { role: Some(Known::Now(role)), path: profile.path().into() },
            output: Some(Output { name: name.clone() }),
            phase: Phase::Ready,
            tags: cx.inherited(),
            id: name,
        })
    }

    async fn add(&self, profile: &str, want: &Spec) -> Result<()> {
        let Some(role) = &want.role else { return Ok(()) };
        let call = self.aws.iam.add_role_to_instance_profile().instance_profile_name(profile);
        let added = call.role_name(role.get()?).send().await.during("AddRoleToInstanceProfile").map(drop);
        // A profile holds one role. An exhausted quota means that somebody else was faster, so look again which role it
        // is.
        added.map_err(|e| e.reclassify(|class| class == Class::Quota, Class::WrongState))
    }

    async fn remove(&self, found: &Found<Self>) -> Result<()> {
        let Some(role) = &found.spec.role else { return Ok(()) };
        remove_role(&self.aws, &found.id, role.get()?).await
    }
}

/// Removes a role from a profile.
pub(super) async fn remove_role(aws: &Aws, profile: &str, role: &str) -> Result<()> {
    let call = aws.iam.remove_role_from_instance_profile().instance_profile_name(profile).role_name(role);
    call.send().await.or_gone("RemoveRoleFromInstanceProfile")
}
