"""RDS's offer: engine versions, instance classes, families. Data from [AWS 1.1], [AWS 1.2] and [AWS 8.1]."""

# Engine -> series -> versions, the oldest first.
ENGINES = {
    "mysql": {
        "8.0": ["8.0.40", "8.0.41", "8.0.42", "8.0.43", "8.0.44", "8.0.45", "8.0.46", "8.0.46-rds.20260624"],
        "8.4": ["8.4.3", "8.4.4", "8.4.5", "8.4.6", "8.4.7", "8.4.8", "8.4.9", "8.4.10", "8.4.11"],
    },
    "postgres": {
        "14": [f"14.{minor}" for minor in range(18, 25)],
        "15": [f"15.{minor}" for minor in range(13, 20)],
        "16": [f"16.{minor}" for minor in range(9, 16)],
        "17": [f"17.{minor}" for minor in range(5, 12)],
        "18": ["18.1", "18.2", "18.3", "18.4", "18.6"],
    },
}
# Engine -> series -> the version that a request for the series gets.
DEFAULT = {
    "mysql": {"8.4": "8.4.8", "8.0": "8.0.46"},
    "postgres": {"14": "14.19", "15": "15.14", "16": "16.10", "17": "17.6", "18": "18.1"},
}
# Engine -> the series of a request without a version.
USUAL = {"mysql": "8.4", "postgres": "17"}
# [AWS 1.1]: standard support of 8.0 ended 2026-07-31.
OUT_OF_SUPPORT = {"8.0"}
DESCRIPTION = {"mysql": ("MySQL Community Edition", "MySQL"), "postgres": ("PostgreSQL", "PostgreSQL")}
LICENSE = {"mysql": "general-public-license", "postgres": "postgresql-license"}
# Names that a master user cannot have [AWS 8.1].
RESERVED = {"mysql": {"rdsadmin", "root_rds"}, "postgres": {"admin", "rdsadmin"}}
# The longest password of a master user.
PASSWORD = {"mysql": 41, "postgres": 128}
# [AWS 1.2]: db.t2 cannot be created for MySQL any more; [AWS 8.1]: no t2 with PostgreSQL.
CLASSES = [
    *(f"db.t3.{size}" for size in ("micro", "small", "medium", "large", "xlarge", "2xlarge")),
    *(f"db.t4g.{size}" for size in ("micro", "small", "medium", "large", "xlarge", "2xlarge")),
    *(f"db.m5.{size}" for size in ("large", "xlarge", "2xlarge")),
    *(f"db.m6g.{size}" for size in ("large", "xlarge", "2xlarge")),
    *(f"db.m7g.{size}" for size in ("large", "xlarge", "2xlarge")),
    *(f"db.r6g.{size}" for size in ("large", "xlarge", "2xlarge")),
]
FAMILIES = [
    *("mysql5.7", "mysql8.0", "mysql8.4", "mariadb10.6", "mariadb10.11", "mariadb11.4"),
    *("postgres14", "postgres15", "postgres16", "postgres17", "postgres18"),
]


def major(engine, version):
    """Return the series of a version: two numbers with MySQL, one with PostgreSQL."""
    return ".".join(version.split(".")[: 1 if engine == "postgres" else 2])


def full(engine, version):
    """Return the version for a request, or None if there is none."""
    if not version:
        return DEFAULT[engine][USUAL[engine]]
    if version in DEFAULT[engine]:
        return DEFAULT[engine][version]
    return version if version in ENGINES[engine].get(major(engine, version), ()) else None
