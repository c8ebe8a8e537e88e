"""What people do by hand in the console, each with what `plan` must say about it: the step, the kind of change, and the
paths in the step that differ (none for what has to be made again; `policy.*` for whatever is under `policy`). `follow`
are steps that read from it: what they will be is not known until it stands again."""

import base64
import datetime
import json

from names import own

ROWS = []
MAKERS = {}


def drift(step, change, *paths, follow=(), listed=True):
    def wrap(maker):
        name = maker.__name__.replace("_", "-")
        row = {"name": name, "step": step, "change": change, "paths": sorted(paths), "follow": follow}
        ROWS.append((row, listed))
        MAKERS[name] = maker
        return maker

    return wrap


class Stack:
    """Finds the objects of a stack by their tags."""

    def __init__(self, account, stack, service, slot):
        self.account, self.stack, self.service, self.slot = account, stack, service, slot

    def id(self, kind, step):
        [found] = [i for i, o in self.account[kind].items()
                   if o["tags"].get("gameday:stack") == self.stack and o["tags"].get("gameday:step") == step]
        return found

    def own(self, kind, step, what=""):
        """What the service has of its own."""
        return self.id(kind, own(step, what, self.service))


def listed(service, slot, names=None):
    """The rows of a service: those with these names, or all that any stack has."""
    def fill(key):
        return key.replace("SERVICE", service).replace("SLOT", slot)

    rows = [row for row, usual in ROWS if (row["name"] in names if names else usual)]
    assert not names or len(rows) == len(names), set(names) - {row["name"] for row in rows}
    return [row | {"step": fill(row["step"]), "follow": [fill(f) for f in row["follow"]]} for row in rows]


def make(c, account, name, stack, service, slot):
    MAKERS[name](c, Stack(account, stack, service, slot))


def permission(port, **peer):
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}]


@drift(own("security-group-rules", service="SERVICE"), "update", "rules")
def egress_removed(c, s):
    rules = c.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [s.own("security_groups", "security-group")]}])
    [database] = [r["SecurityGroupRuleId"] for r in rules["SecurityGroupRules"] if r["IsEgress"] and r["FromPort"] in (3306, 5432)]
    c.ec2.revoke_security_group_egress(GroupId=s.own("security_groups", "security-group"), SecurityGroupRuleIds=[database])


@drift(own("security-group-rules", service="SERVICE"), "update", "rules")
def ssh_opened_to_the_world(c, s):
    group = s.own("security_groups", "security-group")
    c.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission(22, IpRanges=[{"CidrIp": "0.0.0.0/0"}]))


@drift("security-group-rules/db", "update", "rules")
def database_opened_to_ipv6(c, s):
    group = s.id("security_groups", "security-group/db")
    c.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission(3306, Ipv6Ranges=[{"CidrIpv6": "::/0"}]))


@drift("route-table/public", "update", "default_route")
def route_deleted(c, s):
    c.ec2.delete_route(RouteTableId=s.id("route_tables", "route-table/public"), DestinationCidrBlock="0.0.0.0/0")


@drift("route-table/private", "update", "default_route")
def data_given_a_way_out(c, s):
    table, gateway = s.id("route_tables", "route-table/private"), s.id("internet_gateways", "internet-gateway/main")
    c.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)


@drift("route-table/public", "update", "subnets")
def subnet_taken_off_its_table(c, s):
    table = s.account["route_tables"][s.id("route_tables", "route-table/public")]
    c.ec2.disassociate_route_table(AssociationId=table["Associations"][0]["RouteTableAssociationId"])


@drift("default-network-acl/main", "update", "entries")
def everything_denied_by_the_acl(c, s):
    acl = s.id("network_acls", "default-network-acl/main")
    for egress in (False, True):
        c.ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=1, Protocol="-1", RuleAction="deny", Egress=egress,
                                       CidrBlock="0.0.0.0/0")


@drift("default-security-group/main", "update", "rules")
def default_group_opened(c, s):
    group = s.id("security_groups", "default-security-group/main")
    c.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission(22, IpRanges=[{"CidrIp": "0.0.0.0/0"}]))


@drift("main-route-table/main", "update", "routes")
def main_table_given_a_way_out(c, s):
    table, gateway = s.id("route_tables", "main-route-table/main"), s.id("internet_gateways", "internet-gateway/main")
    c.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)


@drift("dhcp-options/main", "update", "options.domain-name", "options.domain-name-servers")
def instances_told_nothing(c, s):
    c.ec2.associate_dhcp_options(VpcId=s.id("vpcs", "vpc/main"), DhcpOptionsId="default")


@drift("subnet/public-a", "update", "public_addresses")
def public_addresses_turned_off(c, s):
    c.ec2.modify_subnet_attribute(SubnetId=s.id("subnets", "subnet/public-a"), MapPublicIpOnLaunch={"Value": False})


@drift("vpc/main", "update", "dns_hostnames")
def dns_hostnames_turned_off(c, s):
    c.ec2.modify_vpc_attribute(VpcId=s.id("vpcs", "vpc/main"), EnableDnsHostnames={"Value": False})


# Not in the list: AWS refuses it while anything in the VPC has a public address.
@drift("internet-gateway/main", "update", "vpc", listed=False)
def gateway_detached(c, s):
    gateway, vpc = s.id("internet_gateways", "internet-gateway/main"), s.id("vpcs", "vpc/main")
    c.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)


@drift("subnet/private-a", "update", "tags.Name")
def name_tag_removed(c, s):
    c.ec2.delete_tags(Resources=[s.id("subnets", "subnet/private-a")], Tags=[{"Key": "Name"}])


@drift("auto-scaling-group/SLOT", "update", "max", "min", "desired")
def fleet_sent_home(c, s):
    name = s.id("auto_scaling_groups", f"auto-scaling-group/{s.slot}")
    c.asg.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, MaxSize=0, DesiredCapacity=0)


@drift("auto-scaling-group/SLOT", "update", "suspended")
def processes_suspended(c, s):
    name = s.id("auto_scaling_groups", f"auto-scaling-group/{s.slot}")
    c.asg.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch", "ReplaceUnhealthy"])


@drift("auto-scaling-group/SLOT", "update", "targets")
def fleet_taken_off_the_balancer(c, s):
    name, target = s.id("auto_scaling_groups", f"auto-scaling-group/{s.slot}"), s.id("target_groups", f"target-group/{s.slot}")
    c.asg.detach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=[target])


@drift("scaling-policy/SLOT-requests", "create")
def scaling_policy_deleted(c, s):
    name = s.id("auto_scaling_groups", f"auto-scaling-group/{s.slot}")
    c.asg.delete_policy(AutoScalingGroupName=name, PolicyName=f"{s.stack}-{s.slot}-requests")


@drift("target-group/SLOT", "update", "health.path")
def health_path_changed(c, s):
    c.elb.modify_target_group(TargetGroupArn=s.id("target_groups", f"target-group/{s.slot}"), HealthCheckPath="/elsewhere")


@drift("target-group/SLOT", "update", "deregistration_delay")
def deregistration_delay_raised(c, s):
    slow = [{"Key": "deregistration_delay.timeout_seconds", "Value": "300"}]
    c.elb.modify_target_group_attributes(TargetGroupArn=s.id("target_groups", f"target-group/{s.slot}"), Attributes=slow)


@drift("listener/http", "create")
def listener_deleted(c, s):
    c.elb.delete_listener(ListenerArn=s.id("listeners", "listener/http"))


@drift("listener/http", "update", "default")
def listener_told_to_say_503(c, s):
    sorry = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}}]
    c.elb.modify_listener(ListenerArn=s.id("listeners", "listener/http"), DefaultActions=sorry)


@drift("listener-rule/redirect-to-https", "create", listed=False)
def redirect_deleted(c, s):
    c.elb.delete_rule(RuleArn=s.id("rules", "listener-rule/redirect-to-https"))


@drift("listener/https", "update", "security_policy", listed=False)
def old_tls_allowed(c, s):
    c.elb.modify_listener(ListenerArn=s.id("listeners", "listener/https"), SslPolicy="ELBSecurityPolicy-2016-08")


@drift("listener/https", "create", listed=False)
def https_deleted(c, s):
    c.elb.delete_listener(ListenerArn=s.id("listeners", "listener/https"))


@drift("certificate/self-signed", "update", "names", listed=False)
def certificate_for_another_name(c, s):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other.example.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=90))
    alternative = x509.SubjectAlternativeName([x509.DNSName("other.example.com")])
    made = made.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    c.acm.import_certificate(
        CertificateArn=s.id("certificates", "certificate/self-signed"),
        Certificate=made.public_bytes(serialization.Encoding.PEM),
        PrivateKey=key.private_bytes(serialization.Encoding.PEM, *plain),
    )


@drift("load-balancer/main", "update", "groups")
def balancer_given_another_group(c, s):
    c.elb.set_security_groups(LoadBalancerArn=s.id("load_balancers", "load-balancer/main"),
                              SecurityGroups=[s.id("security_groups", "security-group/db")])


@drift("launch-template/SERVICE", "update", "imds", "imds_tags", "imds_tokens", "instance_type", "made_by", "user_data.*",
       follow=["auto-scaling-group/SLOT"])
def template_replaced(c, s):
    template = s.id("launch_templates", f"launch-template/{s.service}")
    script = base64.b64encode(b"#!/bin/bash\necho hello\n").decode()
    data = {"InstanceType": "t3.large", "UserData": script, "MetadataOptions": {"HttpTokens": "optional"}}
    new = c.ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData=data)
    number = str(new["LaunchTemplateVersion"]["VersionNumber"])
    c.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=number)


@drift(own("role", service="SERVICE"), "update", "policy.*")
def role_widened(c, s):
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    c.iam.put_role_policy(RoleName=s.own("roles", "role"), PolicyName="gameday", PolicyDocument=everything)


@drift(own("role", service="SERVICE"), "update", "attached")
def role_made_administrator(c, s):
    c.iam.attach_role_policy(RoleName=s.own("roles", "role"), PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


@drift(own("instance-profile", service="SERVICE"), "update", "role")
def profile_emptied(c, s):
    profile = s.own("instance_profiles", "instance-profile")
    c.iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=s.own("roles", "role"))


@drift("database/main", "update", "class")
def database_class_changed(c, s):
    c.rds.modify_db_instance(DBInstanceIdentifier=s.id("db_instances", "database/main"), DBInstanceClass="db.t3.medium", ApplyImmediately=True)


@drift("database/main", "update", "public")
def database_made_public(c, s):
    c.rds.modify_db_instance(DBInstanceIdentifier=s.id("db_instances", "database/main"), PubliclyAccessible=True, ApplyImmediately=True)


@drift("db-parameter-group/main", "update", "parameters.require_secure_transport")
def tls_demanded(c, s):
    demand = [{"ParameterName": "require_secure_transport", "ParameterValue": "1", "ApplyMethod": "immediate"}]
    c.rds.modify_db_parameter_group(DBParameterGroupName=s.id("db_parameter_groups", "db-parameter-group/main"), Parameters=demand)


@drift("cache/main", "update", "nodes")
def cache_node_added(c, s):
    group = s.id("replication_groups", "cache/main")
    c.cache.increase_replica_count(ReplicationGroupId=group, NewReplicaCount=1, ApplyImmediately=True)


@drift("mount-target/b", "create", follow=["launch-template/SERVICE", "auto-scaling-group/SLOT"])
def mount_target_deleted(c, s):
    system = s.id("file_systems", "file-system/main")
    [target] = [i for i, t in s.account["mount_targets"].items()
                if t["FileSystemId"] == system and t["AvailabilityZoneName"].endswith("b")]
    c.efs.delete_mount_target(MountTargetId=target)


@drift("alarm/slow", "create", follow=["dashboard/main"])
def alarm_deleted(c, s):
    c.cw.delete_alarms(AlarmNames=[s.id("alarms", "alarm/slow")])


@drift("alarm/slow", "update", "threshold")
def alarm_deafened(c, s):
    alarm = s.account["alarms"][s.id("alarms", "alarm/slow")]
    keep = ("AlarmName", "AlarmDescription", "MetricName", "Namespace", "ExtendedStatistic", "Dimensions", "Period",
            "EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator", "TreatMissingData")
    c.cw.put_metric_alarm(Threshold=400.0, **{k: alarm[k] for k in keep})


@drift("dashboard/main", "update", "body.*")
def dashboard_emptied(c, s):
    text = {"type": "text", "x": 0, "y": 0, "width": 3, "height": 3, "properties": {"markdown": "hello"}}
    c.cw.put_dashboard(DashboardName=s.id("dashboards", "dashboard/main"), DashboardBody=json.dumps({"widgets": [text]}))


@drift(own("log-group", "app", "SERVICE"), "update", "days")
def logs_kept_for_a_day(c, s):
    c.logs.put_retention_policy(logGroupName=s.own("log_groups", "log-group", "app"), retentionInDays=1)


@drift(own("log-group", "boot", "SERVICE"), "create",
       follow=[own("role", service="SERVICE"), "launch-template/SERVICE", "auto-scaling-group/SLOT"])
def log_group_deleted(c, s):
    c.logs.delete_log_group(logGroupName=s.own("log_groups", "log-group", "boot"))


@drift("vpc-endpoint/s3", "update", "route_tables")
def endpoint_taken_off_its_table(c, s):
    c.ec2.modify_vpc_endpoint(VpcEndpointId=s.id("vpc_endpoints", "vpc-endpoint/s3"),
                              RemoveRouteTableIds=[s.id("route_tables", "route-table/public")])


# Of stacks with a distribution.


def change_distribution(c, s, change):
    found = s.id("distributions", "distribution/main")
    now = c.edge.get_distribution_config(Id=found)
    change(now["DistributionConfig"])
    c.edge.update_distribution(Id=found, IfMatch=now["ETag"], DistributionConfig=now["DistributionConfig"])


def change_record(c, action, kind, **record):
    """Change the record of a type in the one zone of the account."""
    [zone] = c.names.list_hosted_zones()["HostedZones"]
    listed = c.names.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    [found] = [r for r in listed if r["Type"] == kind]
    change = {"Action": action, "ResourceRecordSet": {**found, **record}}
    c.names.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": [change]})


@drift("dns-record/app.example.com", "create", listed=False)
def record_deleted(c, s):
    change_record(c, "DELETE", "A")


@drift("dns-record/app.example.com", "update", "target", listed=False)
def record_sent_elsewhere(c, s):
    to = {"HostedZoneId": "Z35SXDOTRQ7X7K", "EvaluateTargetHealth": False}
    change_record(c, "UPSERT", "A", AliasTarget={**to, "DNSName": "old-1.us-east-1.elb.amazonaws.com"})


@drift("dns-record/_proof.app.example.com", "create", listed=False)
def proof_deleted(c, s):
    change_record(c, "DELETE", "CNAME")


@drift("distribution/main", "update", "enabled", listed=False)
def distribution_disabled(c, s):
    change_distribution(c, s, lambda config: config.update(Enabled=False))


@drift("distribution/main", "update", "origin", listed=False)
def distribution_sent_elsewhere(c, s):
    change_distribution(c, s, lambda config: config["Origins"]["Items"][0].update(DomainName="elsewhere.example.com"))


@drift("distribution/main", "update", "policies", "query", "default_ttl", "max_ttl", "min_ttl", listed=False)
def distribution_given_a_policy(c, s):
    def change(config):
        behavior = config["DefaultCacheBehavior"]
        for name in ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL"):
            del behavior[name]
        behavior["CachePolicyId"] = "658327ea-f89d-4fab-a63d-7e88639e58f6"

    change_distribution(c, s, change)


@drift("distribution/main", "update", "tags.Name", listed=False)
def distribution_stripped_of_its_name(c, s):
    arn = s.account["distributions"][s.id("distributions", "distribution/main")]["ARN"]
    c.edge.untag_resource(Resource=arn, TagKeys={"Items": ["Name"]})


@drift("distribution/main", "create", follow=["distribution-deployed/main"], listed=False)
def distribution_deleted(c, s):
    change_distribution(c, s, lambda config: config.update(Enabled=False))
    found = s.id("distributions", "distribution/main")
    c.edge.delete_distribution(Id=found, IfMatch=c.edge.get_distribution_config(Id=found)["ETag"])


@drift("security-group-rules/alb", "update", "rules", listed=False)
def balancer_opened_beside_the_distribution(c, s):
    group = s.id("security_groups", "security-group/alb")
    c.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission(80, IpRanges=[{"CidrIp": "0.0.0.0/0"}]))


def set_headers(c, s, *values):
    headers = {"Quantity": len(values), "Items": [{"HeaderName": "x-gameday-origin", "HeaderValue": v} for v in values]}
    change_distribution(c, s, lambda config: config["Origins"]["Items"][0].update(CustomHeaders=headers))


@drift("distribution/main", "update", "header", listed=False)
def distribution_sends_no_header(c, s):
    set_headers(c, s)


@drift("distribution/main", "update", "header", listed=False)
def distribution_sends_another_header(c, s):
    set_headers(c, s, "guessed")


@drift("listener/http", "update", "default", listed=False)
def listener_forwards_without_the_header(c, s):
    group = s.id("target_groups", f"target-group/{s.service}")
    c.elb.modify_listener(ListenerArn=s.id("listeners", "listener/http"),
                          DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])


@drift("listener-rule/cloudfront-requests", "update", "conditions", "header", listed=False)
def rule_asks_for_no_header(c, s):
    c.elb.modify_rule(RuleArn=s.id("rules", "listener-rule/cloudfront-requests"),
                      Conditions=[{"Field": "path-pattern", "Values": ["/*"]}])


@drift("parameter/cdn-header", "create", follow=["distribution/main", "listener-rule/cloudfront-requests"], listed=False)
def header_deleted(c, s):
    c.ssm.delete_parameter(Name=f"/gameday/{s.stack}/cdn-header")


# Of stacks with memcached.


# Root servers list all nodes in their configuration.
@drift("cache-cluster/main", "update", "nodes", follow=["launch-template/root", "auto-scaling-group/root"], listed=False)
def memcached_node_added(c, s):
    zones = {"AZMode": "cross-az", "NewAvailabilityZones": ["us-east-1b"]}
    c.cache.modify_cache_cluster(CacheClusterId=s.id("cache_clusters", "cache-cluster/main"), NumCacheNodes=2,
                                 ApplyImmediately=True, **zones)


@drift("cache-cluster/main", "update", "class", listed=False)
def memcached_class_changed(c, s):
    c.cache.modify_cache_cluster(CacheClusterId=s.id("cache_clusters", "cache-cluster/main"),
                                 CacheNodeType="cache.t3.small", ApplyImmediately=True)


@drift("cache-cluster/main", "update", "groups", listed=False)
def memcached_group_swapped(c, s):
    group = s.id("security_groups", "security-group/db")
    c.cache.modify_cache_cluster(CacheClusterId=s.id("cache_clusters", "cache-cluster/main"), SecurityGroupIds=[group],
                                 ApplyImmediately=True)


@drift("cache-cluster/main", "update", "tags.Name", listed=False)
def memcached_name_removed(c, s):
    arn = s.account["cache_clusters"][s.id("cache_clusters", "cache-cluster/main")]["ARN"]
    c.cache.remove_tags_from_resource(ResourceName=arn, TagKeys=["Name"])


@drift("cache-cluster/main", "create", listed=False)
def memcached_deleted(c, s):
    c.cache.delete_cache_cluster(CacheClusterId=s.id("cache_clusters", "cache-cluster/main"))


# Of stacks with several services, whose rules share a listener.


@drift("listener-rule/SERVICE-1", "create", listed=False)
def route_of_the_service_deleted(c, s):
    c.elb.delete_rule(RuleArn=s.id("rules", f"listener-rule/{s.service}-1"))


@drift("listener-rule/SERVICE-1", "update", "action", listed=False)
def route_sent_to_another_service(c, s):
    [other] = [i for i, g in s.account["target_groups"].items() if g["tags"].get("gameday:stack") == s.stack
               and g["tags"]["gameday:step"] != f"target-group/{s.slot}"]
    c.elb.modify_rule(RuleArn=s.id("rules", f"listener-rule/{s.service}-1"),
                      Actions=[{"Type": "forward", "TargetGroupArn": other}])


@drift("listener-rule/SERVICE-1", "update", "conditions", listed=False)
def route_of_the_service_narrowed(c, s):
    only = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/nowhere"]}}]
    c.elb.modify_rule(RuleArn=s.id("rules", f"listener-rule/{s.service}-1"), Conditions=only)


@drift("security-group-rules/cache", "update", "rules", listed=False)
def cache_closed_to_the_service(c, s):
    service = s.own("security_groups", "security-group")
    cache = s.id("security_groups", "security-group/cache")
    c.ec2.revoke_security_group_ingress(GroupId=cache, IpPermissions=permission(11211, UserIdGroupPairs=[{"GroupId": service}]))


@drift(own("alarm", "healthy-hosts", "SERVICE"), "create", follow=["dashboard/main"], listed=False)
def alarm_of_the_service_deleted(c, s):
    c.cw.delete_alarms(AlarmNames=[s.own("alarms", "alarm", "healthy-hosts")])


# Of stacks with PostgreSQL.


@drift("db-parameter-group/main", "update", "parameters.rds.force_ssl", listed=False)
def tls_demanded_by_postgres(c, s):
    demand = [{"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}]
    c.rds.modify_db_parameter_group(DBParameterGroupName=s.id("db_parameter_groups", "db-parameter-group/main"), Parameters=demand)


# Of stacks that refuse requests.


@drift("listener-rule/blocked-requests-1", "create", listed=False)
def block_deleted(c, s):
    c.elb.delete_rule(RuleArn=s.id("rules", "listener-rule/blocked-requests-1"))


@drift("listener-rule/blocked-requests-2", "update", "action", listed=False)
def block_told_to_say_200(c, s):
    fine = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/plain"}}]
    c.elb.modify_rule(RuleArn=s.id("rules", "listener-rule/blocked-requests-2"), Actions=fine)


@drift("listener-rule/blocked-requests-3", "update", "priority", listed=False)
def block_put_after_the_services(c, s):
    last = {"RuleArn": s.id("rules", "listener-rule/blocked-requests-3"), "Priority": 40000}
    c.elb.set_rule_priorities(RulePriorities=[last])


# Of stacks that scale by CPU, and let SSH in.


@drift("scaling-policy/SLOT-cpu", "update", "target", listed=False)
def cpu_target_raised(c, s):
    name = s.id("auto_scaling_groups", f"auto-scaling-group/{s.slot}")
    metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 95.0}
    c.asg.put_scaling_policy(AutoScalingGroupName=name, PolicyName=f"{s.stack}-{s.slot}-cpu",
                             PolicyType="TargetTrackingScaling", TargetTrackingConfiguration=metric)


@drift(own("security-group-rules", service="SERVICE"), "update", "rules", listed=False)
def ssh_closed(c, s):
    group = s.own("security_groups", "security-group")
    [rules] = [p for p in s.account["security_groups"][group]["IpPermissions"] if p["FromPort"] == 22]
    peers = [{"CidrIp": r["CidrIp"]} for r in rules["IpRanges"]]
    c.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=permission(22, IpRanges=peers))


# Of stacks whose instances have no public addresses.


@drift("nat-gateway/a", "create", follow=["route-table/app-a", "route-table/app-b"], listed=False)
def nat_gateway_deleted(c, s):
    c.ec2.delete_nat_gateway(NatGatewayId=s.id("nat_gateways", "nat-gateway/a"))


@drift("interface-endpoint/ssm", "create", listed=False)
def endpoint_of_a_service_deleted(c, s):
    c.ec2.delete_vpc_endpoints(VpcEndpointIds=[s.id("vpc_endpoints", "interface-endpoint/ssm")])
