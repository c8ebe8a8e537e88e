//! A launch template: the description of an instance.
//!
//! Every change creates a numbered version, which becomes the default.
use super::prelude::*;
use super::user_data::{Shown, sha256};
use super::{instance_profile::InstanceProfile, security_group::SecurityGroup};

pub use super::user_data::UserData;
use aws_sdk_ec2::types::{
    CreditSpecificationRequest, InstanceType, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceMetadataTagsState,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, LaunchTemplateTagSpecificationRequest,
    LaunchTemplateVersion, LaunchTemplatesMonitoringRequest, RequestLaunchTemplateData, ResourceType,
    ResponseLaunchTemplateData,
};

/// The wanted launch template.
pub struct LaunchTemplate {
    pub aws: Aws,
    /// The AMI's id.
    pub image: String,
    pub instance_type: String,
    /// Alternative instance types for the group.
    pub other_types: Vec<String>,
    /// The name of an existing EC2 key pair.
    pub key_pair: Option<String>,
    pub groups: Vec<Ref<SecurityGroup>>,
    /// True if instances ask for a public address, false if they refuse one, `None` to follow the subnet.
    ///
    /// The subnet's setting is reliable only if the subnet belongs to the stack.
    pub public_address: Option<bool>,
    pub profile: Option<Ref<InstanceProfile>>,
    /// Renders the script of an instance's first boot.
    pub user_data: Input<UserData>,
    /// The `Name` tag of the instances.
    pub instance_name: String,
    /// The `Name` tag of their volumes.
    pub volume_name: String,
    /// The hop limit of the metadata service: 2 for containers.
    pub hop_limit: i32,
}

/// The managed fields of a launch template.
#[derive(Serialize)]
pub struct Spec {
    image: String,
    instance_type: String,
    key_pair: Option<String>,
    groups: Known<Vec<String>>,
    public_address: Option<bool>,
    profile: Option<Known<String>>,
    user_data: Known<Shown>,
    instance_name: String,
    volume_name: String,
    /// True if instances and their volumes get the stack's tags.
    tags_instances: bool,
    hop_limit: i32,
    imds_tokens: String,
    /// The metadata service, and whether it shows tags.
    ///
    /// An account's defaults can disable the service and show tags. With tags shown, EC2 refuses every launch with a
    /// tag key that has a blank or `/`.
    imds: String,
    imds_tags: String,
    /// True for metrics every minute.
    monitoring: bool,
    cpu_credits: Option<String>,
    /// The author of the default version.
    made_by: String,
}

/// The values of a launch template that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
    /// The number of the default version.
    pub version: i64,
}

/// The prefix of the description of a version that gameday has created.
pub(crate) const OURS: &str = "gameday ";

impl Resource for LaunchTemplate {
    const KIND: &'static str = "launch-template";
    const MINTS: bool = true;
    const ACTIONS: &'static [&'static str] = &[
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:CreateLaunchTemplate",
        "ec2:CreateLaunchTemplateVersion",
        "ec2:ModifyLaunchTemplate",
        "ec2:DeleteLaunchTemplate",
        "ec2:CreateTags",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            image: self.image.clone(),
            instance_type: self.instance_type.clone(),
            key_pair: self.key_pair.clone(),
            groups: inputs.read_all(&self.groups, |g| g.id.clone()).map(sorted),
            public_address: self.public_address,
            profile: self.profile.as_ref().map(|p| inputs.read(p, |o| o.name.clone())),
            user_data: self.user_data.read(inputs).map(Shown::from),
            instance_name: self.instance_name.clone(),
            volume_name: self.volume_name.clone(),
            tags_instances: true,
            hop_limit: self.hop_limit,
            imds_tokens: "required".into(),
            imds: "enabled".into(),
            imds_tags: "disabled".into(),
            monitoring: true,
            // Without credits a T instance falls to a tenth of its speed [AWS 4.2]. For other types EC2 refuses this
            // setting.
            cpu_credits: self.types().all(is_burstable).then(|| "unlimited".into()),
            made_by: "gameday".into(),
        }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let versions = listing::template_versions(&self.aws, &name).await?;
        let Some(version) = versions.iter().find(|v| v.default_version() == Some(true)) else { return Ok(None) };
        let id = version.launch_template_id().unwrap_or_default().to_owned();
        let Some(tags) = self.tags(cx, &id).await? else { return Ok(None) };
        Ok(Some(Found {
            spec: self.seen(cx, version),
            output: Some(Output { id: id.clone(), version: version.version_number().unwrap_or_default() }),
            phase: Phase::Ready,
            tags,
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let data = self.data(cx, want)?;
        // The name is unique. A client token could return a template that was deleted since.
        self.aws
            .ec2
            .create_launch_template()
            .launch_template_name(cx.name())
            .version_description(description(want)?)
            .launch_template_data(data)
            .tag_specifications(tags::on_create(ResourceType::LaunchTemplate, &cx.tags()))
            .send()
            .await
            .during("CreateLaunchTemplate")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let before = found.output.as_ref().map_or(0, |o| o.version);
        let tags = format!("{:?} {}", self.tags_of(cx, &self.instance_name), self.volume_name);
        let token = super::token(&[&found.id, &before.to_string(), &content(want)?, &tags]);
        // The whole data is sent, because a change of the version before could keep settings of others. The same token
        // returns the same version if the answer was lost.
        let made = self
            .aws
            .ec2
            .create_launch_template_version()
            .launch_template_id(&found.id)
            .client_token(token)
            .version_description(description(want)?)
            .launch_template_data(self.data(cx, want)?)
            .send()
            .await
            .during("CreateLaunchTemplateVersion")?;
        let number = made.launch_template_version().and_then(|v| v.version_number()).map(|n| n.to_string());
        let number = expect_id(number.as_deref(), "CreateLaunchTemplateVersion")?;
        let call = self.aws.ec2.modify_launch_template().launch_template_id(&found.id);
        call.default_version(number).send().await.during("ModifyLaunchTemplate").map(drop)
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.ec2.delete_launch_template().launch_template_id(&found.id);
        call.send().await.or_gone("DeleteLaunchTemplate")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }
}

impl LaunchTemplate {
    fn types(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.instance_type).chain(&self.other_types).map(String::as_str)
    }

    /// Returns the tags, which the versions do not show. `None` if the template is gone.
    async fn tags(&self, cx: &Cx<'_>, id: &str) -> Result<Option<Tags>> {
        if self.aws.reads.is_look() {
            let all = tags::of_stack(&self.aws, &cx.env.stack).await?;
            let arn = all.keys().find(|arn| arn.ends_with(&format!(":launch-template/{id}")));
            if let Some(arn) = arn
                && let Some(tags) = tags::listed(&self.aws, cx, arn).await?
            {
                return Ok(Some(tags));
            }
        }
        let call = async || {
            let call = self.aws.ec2.describe_launch_templates().launch_template_ids(id).send().await;
            Ok(call.or_absent("DescribeLaunchTemplates")?.and_then(|t| t.launch_templates).unwrap_or_default())
        };
        let templates = self.aws.reads.get(format!("launch template {id}"), call).await?;
        Ok(templates.first().map(|t| tags::ec2::from(t.tags())))
    }

    /// Returns the complete data of a version.
    fn data(&self, cx: &Cx<'_>, want: &Spec) -> Result<RequestLaunchTemplateData> {
        let profile = match &want.profile {
            Some(name) => Some(name.get()?),
            None => None,
        };
        let user_data = self.user_data.read(&Inputs::default());
        let encoded = user_data.get()?.encoded.as_ref().map_err(|why| {
            Error::other(format!("the user data cannot be rendered: {why}"), "`gameday render` shows it")
        })?;
        let on = |kind, name: &str| {
            LaunchTemplateTagSpecificationRequest::builder()
                .resource_type(kind)
                .set_tags(Some(tags::ec2::to(&self.tags_of(cx, name))))
                .build()
        };
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_tokens(LaunchTemplateHttpTokensState::from(want.imds_tokens.as_str()))
            .http_put_response_hop_limit(want.hop_limit)
            .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::from(want.imds.as_str()))
            .instance_metadata_tags(LaunchTemplateInstanceMetadataTagsState::from(want.imds_tags.as_str()))
            .build();
        // Security groups can be given in one place only: at the interface, if one is described.
        let groups = want.groups.get()?.clone();
        let card = |groups: Vec<String>, public| {
            LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
                .device_index(0)
                .associate_public_ip_address(public)
                .delete_on_termination(true)
                .set_groups(Some(groups))
                .build()
        };
        let (groups, card) = match want.public_address {
            Some(public) => (None, Some(card(groups, public))),
            None => (Some(groups), None),
        };
        let credits = want.cpu_credits.as_ref().map(|c| CreditSpecificationRequest::builder().cpu_credits(c).build());
        Ok(RequestLaunchTemplateData::builder()
            .image_id(&want.image)
            .instance_type(InstanceType::from(want.instance_type.as_str()))
            .set_key_name(want.key_pair.clone())
            .set_security_group_ids(groups)
            .set_network_interfaces(card.map(|c| vec![c]))
            .set_iam_instance_profile(
                profile.map(|name| LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build()),
            )
            .user_data(encoded)
            .metadata_options(metadata)
            .monitoring(LaunchTemplatesMonitoringRequest::builder().enabled(want.monitoring).build())
            .set_credit_specification(credits)
            .tag_specifications(on(ResourceType::Instance, &want.instance_name))
            .tag_specifications(on(ResourceType::Volume, &want.volume_name))
            .build())
    }

    /// Returns the stack's tags with a name, for objects that are no step.
    fn tags_of(&self, cx: &Cx<'_>, name: &str) -> Tags {
        let mut tags = cx.tags();
        tags.remove(cx.env.keys.step());
        tags.insert("Name".into(), name.into());
        tags
    }

    fn seen(&self, cx: &Cx<'_>, version: &LaunchTemplateVersion) -> Spec {
        let none = ResponseLaunchTemplateData::builder().build();
        let data = version.launch_template_data().unwrap_or(&none);
        let tags_on = |kind: ResourceType| {
            let mut all = data.tag_specifications().iter().filter(|s| s.resource_type() == Some(&kind));
            all.next().map(|s| tags::ec2::from(s.tags())).unwrap_or_default()
        };
        let (on_instance, on_volume) = (tags_on(ResourceType::Instance), tags_on(ResourceType::Volume));
        let metadata = data.metadata_options();
        let card = data.network_interfaces().first();
        Spec {
            image: data.image_id().unwrap_or_default().into(),
            instance_type: data.instance_type().map(|t| t.as_str().into()).unwrap_or_default(),
            key_pair: data.key_name().map(Into::into),
            groups: Known::Now(sorted(match card {
                Some(c) => c.groups().to_vec(),
                None => data.security_group_ids().to_vec(),
            })),
            public_address: card.and_then(|c| c.associate_public_ip_address()),
            profile: data.iam_instance_profile().and_then(|p| p.name()).map(|n| Known::Now(n.into())),
            user_data: Known::Now(Shown::seen(
                data.user_data().unwrap_or_default(),
                self.user_data.read(&Inputs::default()).now(),
            )),
            instance_name: on_instance.get("Name").cloned().unwrap_or_default(),
            volume_name: on_volume.get("Name").cloned().unwrap_or_default(),
            tags_instances: [&on_instance, &on_volume]
                .iter()
                .all(|has| self.tags_of(cx, "").iter().all(|(k, v)| k == "Name" || has.get(k) == Some(v))),
            hop_limit: metadata.and_then(|m| m.http_put_response_hop_limit()).unwrap_or(1),
            imds_tokens: metadata.and_then(|m| m.http_tokens()).map_or("optional", |t| t.as_str()).into(),
            imds: metadata.and_then(|m| m.http_endpoint()).map_or("as the account", |t| t.as_str()).into(),
            imds_tags: metadata
                .and_then(|m| m.instance_metadata_tags())
                .map_or("as the account", |t| t.as_str())
                .into(),
            monitoring: data.monitoring().and_then(|m| m.enabled()).unwrap_or_default(),
            cpu_credits: data.credit_specification().and_then(|c| c.cpu_credits()).map(Into::into),
            made_by: match version.version_description() {
                Some(d) if d.starts_with(OURS) => "gameday".into(),
                _ => version.created_by().unwrap_or("somebody else").into(),
            },
        }
    }
}

fn is_burstable(instance_type: &str) -> bool {
    instance_type.split('.').next().is_some_and(|f| matches!(f, "t2" | "t3" | "t3a" | "t4g"))
}

/// Returns the description of a version. It identifies the versions made by gameday.
fn description(want: &Spec) -> Result<String> {
    Ok(format!("{OURS}sha256:{}", &content(want)?[..16]))
}

fn content(want: &Spec) -> Result<String> {
    let json = serde_json::to_string(want);
    Ok(sha256(json.map_err(|e| Error::other(format!("cannot write the launch template: {e}"), ""))?))
}
