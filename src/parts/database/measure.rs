//! The CloudWatch metrics of the database.
use crate::{
    parts::metric::{Fires, MetricRow, MetricTable},
    resources::alarm::{Measure, Missing},
};

/// The CPU load in percent.
pub const CPU: MetricRow = MetricRow::new("CPUUtilization", Measure::Average)
    .live("database_cpu")
    .graph("Database", 1)
    .alarm("database-cpu", Fires::Above(80.0), (3, 3), Missing::Missing, "the database's CPU is busy");
/// The open connections.
pub const CONNECTIONS: MetricRow = MetricRow::new("DatabaseConnections", Measure::Maximum)
    .live("database_connections")
    .graph_right("Database", 2)
    .alarm(
        "database-connections",
        Fires::Above(50.0),
        (2, 3),
        Missing::Missing,
        "a micro instance takes about 60 connections with MySQL, and 80 with PostgreSQL",
    );
/// The free storage in bytes.
pub const FREE: MetricRow = MetricRow::new("FreeStorageSpace", Measure::Minimum).live("database_free").alarm(
    "database-storage",
    Fires::Below(2.0 * 1024.0 * 1024.0 * 1024.0),
    (1, 1),
    Missing::Missing,
    "the database has less than 2 GiB left",
);

/// The metrics of the database.
pub const METRICS: MetricTable =
    MetricTable { namespace: "AWS/RDS", dimensions: &["DBInstanceIdentifier"], rows: &[&CPU, &CONNECTIONS, &FREE] };
