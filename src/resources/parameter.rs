//! A generated secret: a SecureString in the SSM Parameter Store.
use super::prelude::*;
use crate::aws::partition;
use aws_sdk_ssm::types::{
    Parameter as AwsParameter, ParameterMetadata, ParameterStringFilter, ParameterTier, ParameterType,
    ResourceTypeForTagging,
};
use aws_smithy_types::DateTime;
use rand::{RngExt, distr::Alphanumeric};

/// The wanted parameter.
pub struct Parameter {
    pub aws: Aws,
    /// The full name, such as `/gameday/STACK/db-master-password`.
    pub path: String,
    /// True for an existing parameter to use instead.
    pub existing: bool,
    /// True if other steps need the value itself, because the instances cannot read it.
    pub reveal: bool,
}

/// The managed fields of a parameter. The value is left out, so that nobody sees it.
#[derive(Serialize)]
pub struct Spec {
    name: String,
    r#type: String,
}

/// The values of a parameter that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
    pub arn: String,
    /// The time of the last change, by which a copy of the value is recognised as outdated.
    pub set: String,
    /// The value, if `reveal` is set.
    pub value: Option<Secret>,
}

impl Resource for Parameter {
    const KIND: &'static str = "parameter";
    const FIXED: &'static [&'static str] = &["type"];
    const ACTIONS: &'static [&'static str] = &[
        "ssm:DescribeParameters",
        "ssm:ListTagsForResource",
        "ssm:GetParameter",
        "ssm:PutParameter",
        "ssm:DeleteParameter",
        "ssm:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, _: &Inputs) -> Spec {
        Spec { name: self.path.clone(), r#type: ParameterType::SecureString.as_str().into() }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let all = match self.siblings().await {
            Err(e) if self.existing && e.class() == Some(Class::Denied) => return self.by_name().await,
            all => all?,
        };
        let Some(p) = all.iter().find(|p| p.name() == Some(&self.path)) else { return Ok(None) };
        let tags = if self.existing { Some(Tags::new()) } else { self.tags(cx, p).await? };
        let Some(tags) = tags else { return Ok(None) };
        let (arn, value) = match self.details(p).await {
            // The parameter was just deleted and is still listed.
            Err(e) if e.class() == Some(Class::NotFound) => return Ok(None),
            details => details?,
        };
        Ok(Some(Found {
            id: self.path.clone(),
            spec: Spec { name: self.path.clone(), r#type: p.r#type().map(|t| t.as_str()).unwrap_or_default().into() },
            output: Some(Output { name: self.path.clone(), arn, set: set(p.last_modified_date()), value }),
            phase: Phase::Ready,
            tags,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        // Only letters and digits, because INI quotes and a DSN must hold it [AWS 1.3].
        let value: String = rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect();
        self.aws
            .ssm
            .put_parameter()
            .name(&want.name)
            .r#type(ParameterType::from(want.r#type.as_str()))
            .tier(ParameterTier::Standard)
            .description(format!("made by gameday for {} of stack {}", cx.key, cx.env.stack))
            .value(value)
            .overwrite(false)
            .set_tags(Some(tags::ssm::to(&cx.tags())))
            .send()
            .await
            .during("PutParameter")?;
        Ok(())
    }

    /// Does nothing: only the tags can change.
    async fn update(&self, _: &Cx<'_>, _: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.ssm.delete_parameter().name(&found.id).send().await.or_gone("DeleteParameter")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        self.aws
            .ssm
            .add_tags_to_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(&found.id)
            .set_tags(Some(tags::ssm::to(tags)))
            .send()
            .await
            .during("AddTagsToResource")?;
        Ok(())
    }
}

impl Parameter {
    /// Lists the parameter and its siblings: one call shows the whole folder of a stack.
    async fn siblings(&self) -> Result<std::rc::Rc<Vec<ParameterMetadata>>> {
        let filter = ParameterStringFilter::builder();
        let filter = match self.path.rsplit_once('/') {
            Some((folder, _)) if !folder.is_empty() => filter.key("Path").option("OneLevel").values(folder),
            _ => filter.key("Name").option("Equals").values(&self.path),
        };
        let filter = filter.build().map_err(|e| Error::other(e.to_string(), ""))?;
        let what = format!("parameters {:?}", filter.values());
        self.aws
            .reads
            .get(what, async || {
                let call = self.aws.ssm.describe_parameters().parameter_filters(filter).max_results(50);
                let pages: Result<Vec<_>, _> = call.into_paginator().send().try_collect().await;
                let pages = pages.during("DescribeParameters")?;
                Ok(pages.into_iter().flat_map(|p| p.parameters.unwrap_or_default()).collect())
            })
            .await
    }

    /// Finds an existing parameter by its name, in an account that does not allow listing.
    ///
    /// If reading is denied too, the name is trusted unless the value is needed, because the instances read it
    /// themselves.
    async fn by_name(&self) -> Result<Option<Found<Self>>> {
        let read = async { Ok((self.metadata().await?, self.value().await?)) };
        let (kind, arn, set, value) = match read.await {
            Ok((p, value)) => {
                let kind = p.r#type().map(|t| t.as_str().to_owned());
                (kind.unwrap_or_default(), p.arn().unwrap_or_default().into(), set(p.last_modified_date()), value)
            }
            Err(Error::Aws(e)) if e.class == Class::NotFound => return Ok(None),
            Err(Error::Aws(e)) if e.class == Class::Denied && !self.reveal => {
                let (region, name) = (&self.aws.region, self.path.trim_start_matches('/'));
                let arn = format!("arn:{}:ssm:{region}:*:parameter/{name}", partition(region));
                (String::new(), arn, String::new(), None)
            }
            Err(e) => return Err(e),
        };
        Ok(Some(Found {
            id: self.path.clone(),
            spec: Spec { name: self.path.clone(), r#type: kind },
            output: Some(Output { name: self.path.clone(), arn, set, value }),
            phase: Phase::Ready,
            tags: Tags::new(),
        }))
    }

    /// Returns the parameter without its value.
    async fn metadata(&self) -> Result<AwsParameter> {
        let call = async || self.aws.ssm.get_parameter().name(&self.path).send().await.during("GetParameter");
        let answer = self.aws.reads.get(format!("parameter {}", self.path), call).await?;
        Ok(answer.parameter().cloned().unwrap_or_else(|| AwsParameter::builder().build()))
    }

    /// Returns the value, if `reveal` is set.
    async fn value(&self) -> Result<Option<Secret>> {
        if !self.reveal {
            return Ok(None);
        }
        let what = format!("value of parameter {}", self.path);
        let value = self.aws.reads.get(what, async || self.aws.secret(&self.path).await).await?;
        Ok(Some(value.as_ref().clone()))
    }

    /// Returns the ARN, and the value if `reveal` is set.
    async fn details(&self, listed: &ParameterMetadata) -> Result<(String, Option<Secret>)> {
        // The list usually has the ARN. Otherwise the parameter metadata has it.
        let arn = match listed.arn() {
            Some(arn) => arn.into(),
            None => self.metadata().await?.arn().unwrap_or_default().into(),
        };
        Ok((arn, self.value().await?))
    }

    async fn tags(&self, cx: &Cx<'_>, listed: &ParameterMetadata) -> Result<Option<Tags>> {
        if let Some(arn) = listed.arn()
            && let Some(tags) = tags::at_a_look(&self.aws, cx, arn).await?
        {
            return Ok(Some(tags));
        }
        let call = self.aws.ssm.list_tags_for_resource();
        let call = call.resource_type(ResourceTypeForTagging::Parameter).resource_id(&self.path);
        let list = async || match call.send().await.during("ListTagsForResource") {
            // The parameter was just deleted. SSM has a special code for this call.
            Err(Error::Aws(e)) if e.code.as_deref() == Some("InvalidResourceId") => Ok(None),
            answer => Ok(Some(answer?)),
        };
        let answer = self.aws.reads.get(format!("tags of parameter {}", self.path), list).await?;
        Ok(answer.as_ref().as_ref().map(|a| tags::ssm::from(a.tag_list())))
    }
}

/// Returns the time of the last change, to the second.
fn set(at: Option<&DateTime>) -> String {
    let at = at.and_then(|at| jiff::Timestamp::from_second(at.secs()).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}
