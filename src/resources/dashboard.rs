//! A CloudWatch dashboard.
use super::cloudwatch::{cloudwatch_tags, tag_cloudwatch};
use super::prelude::*;
use serde_json::Value;

/// The wanted dashboard.
pub struct Dashboard {
    pub aws: Aws,
    /// The dashboard's widgets.
    pub body: Input<Value>,
}

/// The managed fields of a dashboard.
#[derive(Serialize)]
pub struct Spec {
    body: Known<Value>,
}

/// The values of a dashboard that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
}

impl Resource for Dashboard {
    const KIND: &'static str = "dashboard";
    const DISPOSABLE: bool = true;
    // "GetDashboard can return an access denied error for up to 24 hours after you enable the Region" (API reference).
    const EXTRA: Option<&'static str> = Some(
        "the service is served without it. In a region that this account enabled within the last day it passes by itself: \
         run the same command again tomorrow; else `gameday policy` prints what is missing, or set `mode = \"off\"` under \
         [monitoring]",
    );
    const ACTIONS: &'static [&'static str] = &[
        "cloudwatch:GetDashboard",
        "cloudwatch:ListTagsForResource",
        "cloudwatch:PutDashboard",
        "cloudwatch:TagResource",
        "cloudwatch:DeleteDashboards",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { body: self.body.read(inputs) }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let seen = listing::dashboard(&self.aws, &name).await?;
        let Some(seen) = &*seen else { return Ok(None) };
        let arn = seen.dashboard_arn().unwrap_or_default();
        let body = seen.dashboard_body().unwrap_or_default();
        Ok(Some(Found {
            spec: Spec { body: Known::Now(serde_json::from_str(body).unwrap_or_else(|_| body.into())) },
            output: Some(Output { name }),
            phase: Phase::Ready,
            tags: cloudwatch_tags(&self.aws, cx, arn).await?,
            id: arn.into(),
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .cloudwatch
            .put_dashboard()
            .dashboard_name(cx.name())
            .dashboard_body(want.body.get()?.to_string())
            // AWS ignores these tags unless the dashboard is new; `tag` writes them to existing ones.
            .set_tags(Some(tags::cloudwatch::to(&cx.tags())))
            .send()
            .await
            .during("PutDashboard")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        self.create(cx, want).await
    }

    async fn delete(&self, cx: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        let call = self.aws.cloudwatch.delete_dashboards().dashboard_names(cx.name());
        call.send().await.or_gone("DeleteDashboards")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_cloudwatch(&self.aws, &found.id, tags).await
    }
}
