//! A CloudWatch alarm on one metric.
use super::cloudwatch::{cloudwatch_tags, tag_cloudwatch};
use super::prelude::*;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic};
use std::collections::BTreeMap;

pub struct Alarm {
    pub aws: Aws,
    pub namespace: String,
    pub metric: String,
    pub dimensions: Vec<(String, Input<String>)>,
    /// `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or a percentile: `p90`.
    pub statistic: String,
    /// Seconds of one data point.
    pub period: i32,
    /// How many data points over the threshold make it fire …
    pub evaluate: i32,
    /// … of how many.
    pub of: i32,
    pub threshold: f64,
    /// `GreaterThanThreshold`, `GreaterThanOrEqualToThreshold`, `LessThanThreshold`, …
    pub comparison: String,
    /// What a missing data point is: `breaching`, `notBreaching`, `ignore` or `missing`.
    pub missing: String,
    pub description: String,
    /// ARNs of SNS topics, 5 at the most.
    pub notify: Vec<String>,
}

#[derive(Serialize)]
pub struct Spec {
    namespace: String,
    metric: String,
    dimensions: BTreeMap<String, Known<String>>,
    statistic: String,
    period: i32,
    evaluate: i32,
    of: i32,
    threshold: f64,
    comparison: String,
    missing: String,
    description: String,
    notify: Vec<String>,
    /// Whether it does anything when it fires.
    enabled: bool,
}

#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
    pub arn: String,
}

impl Resource for Alarm {
    const KIND: &'static str = "alarm";
    const DISPOSABLE: bool = true;
    const EXTRA: Option<&'static str> = Some(
        "the service is served without it: `gameday policy` prints what is missing, or set `mode = \"off\"` under \
         [monitoring]",
    );
    const ACTIONS: &'static [&'static str] = &[
        "cloudwatch:DescribeAlarms",
        "cloudwatch:ListTagsForResource",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:DeleteAlarms",
        "tag:GetResources",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            namespace: self.namespace.clone(),
            metric: self.metric.clone(),
            dimensions: self.dimensions.iter().map(|(name, d)| (name.clone(), d.read(inputs))).collect(),
            statistic: self.statistic.clone(),
            period: self.period,
            evaluate: self.evaluate,
            of: self.of,
            threshold: self.threshold,
            comparison: self.comparison.clone(),
            missing: self.missing.clone(),
            description: self.description.clone(),
            notify: sorted(self.notify.clone()),
            enabled: true,
        }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let (name, prefix) = (cx.name(), format!("{}-", cx.env.stack));
        // One call for all of the stack's; a prescribed name may begin otherwise.
        let prefix = if name.starts_with(&prefix) { prefix } else { name.clone() };
        let alarms = listing::alarms(&self.aws, &prefix).await?;
        let Some(alarm) = alarms.iter().find(|a| a.alarm_name() == Some(&name)) else { return Ok(None) };
        let arn = alarm.alarm_arn().unwrap_or_default();
        Ok(Some(Found {
            spec: seen(alarm),
            output: Some(Output { name: name.clone(), arn: arn.into() }),
            phase: Phase::Ready,
            tags: cloudwatch_tags(&self.aws, cx, arn).await?,
            id: name,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let dimension =
            |(name, value): (&String, &Known<String>)| Ok(Dimension::builder().name(name).value(value.get()?).build());
        let call = self
            .aws
            .cloudwatch
            .put_metric_alarm()
            .alarm_name(cx.name())
            .alarm_description(&want.description)
            .namespace(&want.namespace)
            .metric_name(&want.metric)
            .set_dimensions(Some(want.dimensions.iter().map(dimension).collect::<Result<_>>()?))
            .period(want.period)
            .datapoints_to_alarm(want.evaluate)
            .evaluation_periods(want.of)
            .threshold(want.threshold)
            .comparison_operator(ComparisonOperator::from(want.comparison.as_str()))
            .treat_missing_data(&want.missing)
            .set_alarm_actions(Some(want.notify.clone()))
            .actions_enabled(want.enabled)
            // Only heard when the alarm is new; `tag` is for the others.
            .set_tags(Some(tags::cloudwatch::to(&cx.tags())));
        let call = match want.statistic.as_str() {
            plain @ ("Sum" | "Average" | "Minimum" | "Maximum" | "SampleCount") => {
                call.statistic(Statistic::from(plain))
            }
            percentile => call.extended_statistic(percentile),
        };
        call.send().await.during("PutMetricAlarm").map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        self.create(cx, want).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.cloudwatch.delete_alarms().alarm_names(&found.id).send().await.or_gone("DeleteAlarms")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let arn = found.output.as_ref().map(|o| o.arn.as_str()).unwrap_or_default();
        tag_cloudwatch(&self.aws, arn, tags).await
    }
}

fn seen(alarm: &MetricAlarm) -> Spec {
    let of = alarm.evaluation_periods().unwrap_or_default();
    let dimensions = alarm.dimensions().iter();
    Spec {
        namespace: alarm.namespace().unwrap_or_default().into(),
        metric: alarm.metric_name().unwrap_or_default().into(),
        dimensions: dimensions.filter_map(|d| Some((d.name()?.into(), Known::Now(d.value()?.into())))).collect(),
        statistic: alarm.statistic().map(|s| s.as_str()).or(alarm.extended_statistic()).unwrap_or_default().into(),
        period: alarm.period().unwrap_or_default(),
        evaluate: alarm.datapoints_to_alarm().unwrap_or(of),
        of,
        threshold: alarm.threshold().unwrap_or_default(),
        comparison: alarm.comparison_operator().map(|c| c.as_str()).unwrap_or_default().into(),
        missing: alarm.treat_missing_data().unwrap_or("missing").into(),
        description: alarm.alarm_description().unwrap_or_default().into(),
        notify: sorted(alarm.alarm_actions().to_vec()),
        enabled: alarm.actions_enabled().unwrap_or(true),
    }
}
