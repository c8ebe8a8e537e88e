"""RDS's offer: engine versions, instance classes, families. Data from [AWS 1.1] and [AWS 1.2]."""

MYSQL = {
    "8.4": ["8.4.3", "8.4.4", "8.4.5", "8.4.6", "8.4.7", "8.4.8", "8.4.9", "8.4.10", "8.4.11"],
    "8.0": ["8.0.40", "8.0.41", "8.0.42", "8.0.43", "8.0.44", "8.0.45", "8.0.46", "8.0.46-rds.20260624"],
}
DEFAULT = {"8.4": "8.4.8", "8.0": "8.0.46"}
# [AWS 1.1]: standard support of 8.0 ended 2026-07-31.
OUT_OF_SUPPORT = {"8.0"}
# [AWS 1.2]: db.t2 cannot be created for MySQL any more.
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
    *("postgres14", "postgres15", "postgres16", "postgres17"),
]


def major(version):
    return ".".join(version.split(".")[:2])


def full(version):
    """Return the version for a request, or None if there is none."""
    if not version:
        return DEFAULT["8.4"]
    if version in DEFAULT:
        return DEFAULT[version]
    return version if version in MYSQL.get(major(version), ()) else None
