"""Importing a service's module registers its rules."""

from . import (  # noqa: F401
    asg_policies,
    asg_refresh,
    autoscaling,
    cloudwatch,
    ec2_groups,
    ec2_instances,
    ec2_network,
    ec2_templates,
    efs,
    elasticache,
    elasticache_groups,
    elasticache_nodes,
    elbv2,
    iam,
    quotas,
    rds,
    rds_groups,
    regions,
    ssm,
    tagging,
)
