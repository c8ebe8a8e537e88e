//! The engines of the database: values that follow from the engine and its version alone.
use crate::DatabaseEngine;
use jiff::{
    Zoned,
    civil::{Date, date},
};

/// A series of versions that RDS supports together: MySQL 8.4, PostgreSQL 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The version without its last numbers: `8.4`, `17`.
    pub name: &'static str,
    /// The oldest minor version that RDS still creates.
    pub oldest: u64,
    /// The last day of RDS's standard support. From then on RDS requires its paid extended support.
    pub until: Date,
}

/// The series of MySQL [AWS 1.1].
const MYSQL: &[Series] = &[series("8.0", 0, date(2026, 7, 31)), series("8.4", 0, date(2029, 7, 31))];
/// The series of PostgreSQL [AWS 8.1].
const POSTGRES: &[Series] = &[
    series("14", 18, date(2027, 2, 28)),
    series("15", 13, date(2028, 2, 29)),
    series("16", 9, date(2029, 2, 28)),
    series("17", 5, date(2030, 2, 28)),
    series("18", 0, date(2031, 2, 28)),
];

/// The time before the end of the standard support in which a warning is shown.
const WARNED_DAYS: i32 = 183;

const fn series(name: &'static str, oldest: u64, until: Date) -> Series {
    Series { name, oldest, until }
}

impl Series {
    /// True if the standard support is over.
    pub fn has_ended(&self, today: Date) -> bool {
        today > self.until
    }

    /// True if the standard support ends within half a year.
    pub fn ends_soon(&self, today: Date) -> bool {
        let left = today.until(self.until).map_or(0, |span| span.get_days());
        !self.has_ended(today) && left <= WARNED_DAYS
    }
}

impl DatabaseEngine {
    /// All engines.
    pub const ALL: [Self; 2] = [Self::Mysql, Self::Postgres];

    /// Returns the engine that AWS calls so, or `None` for one that gameday does not create.
    pub fn by_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.word() == word)
    }

    /// Returns AWS's word for the engine.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// Returns what the engine's clients speak, which is its name for people, too.
    pub const fn speaks(self) -> &'static str {
        match self {
            Self::Mysql => "MySQL",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// Returns the port on which the engine's servers listen.
    pub const fn port(self) -> u16 {
        match self {
            Self::Mysql => 3306,
            Self::Postgres => 5432,
        }
    }

    /// Returns the newest series that both gameday and old clients get along with.
    pub const fn usual_version(self) -> &'static str {
        match self {
            Self::Mysql => "8.4",
            Self::Postgres => "17",
        }
    }

    /// Returns the parameters that a new database has unless the stack file gives them other values.
    pub const fn usual_parameters(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // A Go client of 2019 may not support caching_sha2_password [AWS 1.5].
            Self::Mysql => &[("authentication_policy", "*:mysql_native_password"), ("require_secure_transport", "0")],
            // Since 15, RDS refuses clients without TLS unless this is 0 [AWS 8.1].
            Self::Postgres => &[("rds.force_ssl", "0")],
        }
    }

    /// Returns the parameter that decides if clients without TLS are refused.
    pub const fn tls_parameter(self) -> &'static str {
        match self {
            Self::Mysql => "require_secure_transport",
            Self::Postgres => "rds.force_ssl",
        }
    }

    /// Returns the most characters in the name of a database.
    pub(crate) const fn longest_database(self) -> usize {
        match self {
            Self::Mysql => 64,
            Self::Postgres => 63,
        }
    }

    /// Returns the most characters in the name of a user.
    pub(crate) const fn longest_user(self) -> usize {
        match self {
            Self::Mysql => 32,
            Self::Postgres => 63,
        }
    }

    /// Returns the names that databases cannot have.
    pub(crate) const fn reserved_databases(self) -> &'static [&'static str] {
        match self {
            Self::Mysql => &["mysql", "sys", "information_schema", "performance_schema", "innodb"],
            Self::Postgres => &["postgres", "rdsadmin", "template0", "template1"],
        }
    }

    /// Returns the names that master users cannot have, nor any other user.
    pub(crate) const fn reserved_users(self) -> &'static [&'static str] {
        match self {
            Self::Mysql => &[
                "rdsadmin",
                "rdsrepladmin",
                "rdsproxyadmin",
                "rds_superuser_role",
                "mysql",
                "sys",
                "user",
                "public",
                "default",
            ],
            Self::Postgres => &[
                "admin",
                "rdsadmin",
                "rdsrepladmin",
                "rdsproxyadmin",
                "rds_superuser",
                "user",
                "public",
                "default",
                "none",
                "current_user",
                "session_user",
            ],
        }
    }

    /// Returns the series to which a version belongs, by its first numbers: `8.4` for `8.4.6`, `17` for `17.5`.
    ///
    /// AWS changes only the later parts of a version in place.
    pub fn series_of(self, version: &str) -> String {
        let parts = match self {
            Self::Mysql => 2,
            Self::Postgres => 1,
        };
        version.split('.').take(parts).collect::<Vec<_>>().join(".")
    }

    /// Returns the family of parameter groups for a version: `mysql8.4`, `postgres17`.
    pub fn family(self, version: &str) -> String {
        format!("{self}{}", self.series_of(version))
    }

    /// Returns what is known about the series of a version, or `None` if RDS does not create it.
    pub fn series(self, version: &str) -> Option<&'static Series> {
        let name = self.series_of(version);
        self.all_series().iter().find(|series| series.name == name)
    }

    /// Returns the series that RDS creates, the oldest first.
    pub(crate) fn all_series(self) -> &'static [Series] {
        match self {
            Self::Mysql => MYSQL,
            Self::Postgres => POSTGRES,
        }
    }

    /// True if the version is past its standard support. RDS creates it only with extended support, which it bills.
    pub fn is_extended_support(self, version: &str) -> bool {
        self.series(version).is_some_and(|series| series.has_ended(today()))
    }
}

/// Returns today's date, by which support ends.
pub(crate) fn today() -> Date {
    Zoned::now().date()
}

/// Writes AWS's word for the engine.
impl std::fmt::Display for DatabaseEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn support_ends_on_its_last_day() {
        let series = DatabaseEngine::Postgres.series("14.18").unwrap();
        for (today, soon, ended) in [
            (date(2026, 8, 28), false, false),
            (date(2026, 8, 29), true, false),
            (date(2027, 2, 28), true, false),
            (date(2027, 3, 1), false, true),
        ] {
            assert_eq!((series.ends_soon(today), series.has_ended(today)), (soon, ended), "{today}");
        }
    }

    #[test]
    fn a_series_has_one_number_with_postgres_and_two_with_mysql() {
        let (mysql, postgres) = (DatabaseEngine::Mysql, DatabaseEngine::Postgres);
        assert_eq!(
            (mysql.family("8.0.46-rds.20260624"), postgres.family("17.5")),
            ("mysql8.0".into(), "postgres17".into())
        );
        assert_eq!((mysql.family("8.4"), postgres.family("16")), ("mysql8.4".into(), "postgres16".into()));
        assert!(mysql.series("17").is_none() && postgres.series("8.4").is_none());
    }
}
