//! The CloudWatch metrics of a part, as rows.
//!
//! Alarms, the dashboard and the live screen all read the same rows. A new metric is one row in the `measure.rs` of its
//! part. A metric that the live screen shows also needs a place in a panel of `output/live`.
use crate::{
    config::Config,
    resources::alarm::{Comparison, Measure, Missing},
};

/// The metrics of one part that share a namespace and dimensions.
pub struct MetricTable {
    pub namespace: &'static str,
    pub dimensions: &'static [&'static str],
    pub rows: &'static [&'static MetricRow],
}

impl MetricTable {
    /// Returns the rows that have an alarm.
    pub fn alarms(&self) -> impl Iterator<Item = (&'static MetricRow, &'static AlarmRow)> {
        self.rows.iter().filter_map(|row| Some((*row, row.alarm.as_ref()?)))
    }
}

/// One metric in one statistic.
pub struct MetricRow {
    /// The name of the metric in CloudWatch.
    pub name: &'static str,
    pub statistic: Measure,
    /// The key on the live screen and in its JSON. The values of rows with the same key are added up.
    pub live: Option<&'static str>,
    pub graph: Option<Graph>,
    pub alarm: Option<AlarmRow>,
}

/// The place of a metric on the dashboard.
pub struct Graph {
    /// The title of the widget.
    pub title: &'static str,
    /// The position within the widget.
    pub place: u8,
    /// True if the metric uses the right axis, because its values have another magnitude than the first metric's.
    pub right: bool,
}

/// The alarm on a metric, with periods of one minute.
pub struct AlarmRow {
    pub name: &'static str,
    pub fires: Fires,
    /// The number of data points that have to breach the threshold, and the number of data points that count.
    pub points: (i32, i32),
    /// The treatment of missing data points.
    ///
    /// A count is absent when it is zero, so its alarm must not fire without data. A missing gauge needs attention.
    pub missing: Missing,
    /// The meaning of the alarm, for people.
    pub description: &'static str,
}

/// The condition under which an alarm fires.
#[derive(Clone, Copy)]
pub enum Fires {
    /// Above this threshold.
    Above(f64),
    /// Above a threshold that the stack file sets.
    AboveOf(fn(&Config) -> f64),
    /// At this threshold or above.
    AtLeast(f64),
    /// Below this threshold.
    Below(f64),
}

impl Fires {
    /// Returns the comparison and the threshold for the alarm.
    pub fn when(self, config: &Config) -> (Comparison, f64) {
        match self {
            Self::Above(threshold) => (Comparison::Above, threshold),
            Self::AboveOf(threshold) => (Comparison::Above, threshold(config)),
            Self::AtLeast(threshold) => (Comparison::AtLeast, threshold),
            Self::Below(threshold) => (Comparison::Below, threshold),
        }
    }
}

impl MetricRow {
    /// Returns a row that is shown nowhere and has no alarm.
    pub const fn new(name: &'static str, statistic: Measure) -> Self {
        Self { name, statistic, live: None, graph: None, alarm: None }
    }

    /// Shows the metric on the live screen and in its JSON under this key.
    pub const fn live(self, key: &'static str) -> Self {
        Self { live: Some(key), ..self }
    }

    /// Shows the metric on the dashboard.
    pub const fn graph(self, title: &'static str, place: u8) -> Self {
        Self { graph: Some(Graph { title, place, right: false }), ..self }
    }

    /// Shows the metric on the dashboard, on the right axis.
    pub const fn graph_right(self, title: &'static str, place: u8) -> Self {
        Self { graph: Some(Graph { title, place, right: true }), ..self }
    }

    /// Gives the metric an alarm.
    pub const fn alarm(
        self,
        name: &'static str,
        fires: Fires,
        points: (i32, i32),
        missing: Missing,
        description: &'static str,
    ) -> Self {
        Self { alarm: Some(AlarmRow { name, fires, points, missing, description }), ..self }
    }
}
