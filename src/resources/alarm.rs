//! A CloudWatch alarm on one metric.
use super::cloudwatch::{cloudwatch_tags, tag_cloudwatch};
use super::prelude::*;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic};
use std::collections::BTreeMap;

/// The wanted alarm.
pub struct Alarm {
    pub aws: Aws,
    pub namespace: String,
    pub metric: String,
    pub dimensions: Vec<(String, Input<String>)>,
    pub statistic: Measure,
    /// The length of a data point in seconds.
    pub period: i32,
    /// The number of data points beyond the threshold that trigger the alarm, out of `periods`.
    pub datapoints: i32,
    /// The number of latest data points that are considered.
    pub periods: i32,
    pub threshold: f64,
    pub comparison: Comparison,
    pub missing: Missing,
    pub description: String,
    /// ARNs of SNS topics, at most five.
    pub notify: Vec<String>,
}

/// The statistic of each data point.
#[derive(Clone, Copy, PartialEq)]
pub enum Measure {
    Sum,
    Average,
    Minimum,
    Maximum,
    /// A percentile, from 1 to 99.
    Percentile(u8),
}

/// The side of the threshold on which data points trigger the alarm.
#[derive(Clone, Copy)]
pub enum Comparison {
    Above,
    AtLeast,
    Below,
}

/// The treatment of missing data points.
#[derive(Clone, Copy)]
pub enum Missing {
    /// Missing points count as beyond the threshold.
    Breaching,
    /// Missing points count as within the threshold.
    NotBreaching,
    /// Without any data point, the alarm's state is "insufficient data".
    Missing,
}

/// The alarm in AWS's words, since AWS can show statistics and comparisons that are not ours.
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
    /// True if the alarm notifies when it triggers.
    enabled: bool,
}

/// The values of an alarm that other steps can read.
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
            statistic: self.statistic.text(),
            period: self.period,
            evaluate: self.datapoints,
            of: self.periods,
            threshold: self.threshold,
            comparison: self.comparison.operator().as_str().into(),
            missing: self.missing.text().into(),
            description: self.description.clone(),
            notify: sorted(self.notify.clone()),
            enabled: true,
        }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let (name, prefix) = (cx.name(), format!("{}-", cx.env.stack));
        // One call lists all alarms of the stack. A name prescribed in the stack file can have another prefix.
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
            // AWS ignores these tags unless the alarm is new; `tag` writes them to existing ones.
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
        let arn = found.output.as_ref().map(|o| o.arn.as_str());
        tag_cloudwatch(&self.aws, expect_id(arn, "DescribeAlarms")?, tags).await
    }
}

impl Measure {
    /// Returns the word of AWS, such as `Sum` or `p90`.
    pub fn text(self) -> String {
        let statistic = match self {
            Self::Sum => Statistic::Sum,
            Self::Average => Statistic::Average,
            Self::Minimum => Statistic::Minimum,
            Self::Maximum => Statistic::Maximum,
            Self::Percentile(percent) => return format!("p{percent}"),
        };
        statistic.as_str().into()
    }
}

impl Comparison {
    fn operator(self) -> ComparisonOperator {
        match self {
            Self::Above => ComparisonOperator::GreaterThanThreshold,
            Self::AtLeast => ComparisonOperator::GreaterThanOrEqualToThreshold,
            Self::Below => ComparisonOperator::LessThanThreshold,
        }
    }
}

impl Missing {
    fn text(self) -> &'static str {
        match self {
            Self::Breaching => "breaching",
            Self::NotBreaching => "notBreaching",
            Self::Missing => "missing",
        }
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
