//! What CloudWatch measures of a part, as rows: alarms, the dashboard and the live screen are drawn from the same ones.
//!
//! A new metric is one row in the `measure.rs` of its part. If the live screen shows it, the row also has a place in a
//! panel of `output/live`.
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
    /// CloudWatch's name.
    pub name: &'static str,
    pub statistic: Measure,
    /// The key on the live screen and in its JSON. Rows with the same key are added up.
    pub live: Option<&'static str>,
    pub graph: Option<Graph>,
    pub alarm: Option<AlarmRow>,
}

/// The place of a metric on the dashboard.
pub struct Graph {
    /// The widget.
    pub title: &'static str,
    /// The place within the widget.
    pub place: u8,
    /// True if the axis on the right counts, since the numbers are of another size than the first metric's.
    pub right: bool,
}

/// The alarm on a metric, by periods of a minute.
pub struct AlarmRow {
    pub name: &'static str,
    pub fires: Fires,
    /// How many of how many data points have to be over the threshold.
    pub points: (i32, i32),
    /// The treatment of missing data points.
    ///
    /// A count is absent when it is zero, so it must not alarm without data. A missing gauge deserves a look.
    pub missing: Missing,
    /// What it means when the alarm fires.
    pub description: &'static str,
}

/// When an alarm fires.
#[derive(Clone, Copy)]
pub enum Fires {
    Above(f64),
    /// Above a threshold of the stack file.
    AboveOf(fn(&Config) -> f64),
    AtLeast(f64),
    Below(f64),
}

impl Fires {
    /// Returns the comparison and the threshold.
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
    pub const fn new(name: &'static str, statistic: Measure) -> Self {
        Self { name, statistic, live: None, graph: None, alarm: None }
    }

    /// Shows the metric on the live screen and in its JSON, under this key.
    pub const fn live(self, key: &'static str) -> Self {
        Self { live: Some(key), ..self }
    }

    /// Shows the metric on the dashboard.
    pub const fn graph(self, title: &'static str, place: u8) -> Self {
        Self { graph: Some(Graph { title, place, right: false }), ..self }
    }

    /// Shows the metric on the dashboard, by the axis on the right.
    pub const fn graph_right(self, title: &'static str, place: u8) -> Self {
        Self { graph: Some(Graph { title, place, right: true }), ..self }
    }

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
