"""Somebody changes one thing by hand: `plan` shows exactly that, `up` repairs exactly that, and touches nothing else.

A row: what is done, what the plan must show, and all the changing calls of the repair. "[AWS Gn]" is the row of
the catalogue of what game-days inject, in docs/aws-facts.md.
"""

import json
from collections import Counter

import pytest
from conftest import LONG, STACK, count, differences

ROWS = []


def row(shows, calls, name=None):
    def add(act):
        ROWS.append((name or act.__name__, act, shows, calls))
        return act

    return add


def rows(key, service, operation, repaired_with, **changes):
    """One row for each parameter of one modifying call: path -> what it is changed to."""
    for path, params in changes.items():
        path = path.replace("__", ".")

        def act(w, params=params):
            params = params(w) if callable(params) else params
            getattr(getattr(w, service), operation)(**IDS[key](w), **params)

        ROWS.append((f"{key} {path}", act, {key: ("update", [path])}, repaired_with))


def of_step(items, step):
    return next(i for i in items if {"Key": "gameday:step", "Value": step} in i.get("Tags", []))


def vpc(w):
    return of_step(w.ec2.describe_vpcs()["Vpcs"], "vpc/main")["VpcId"]


def subnet(w, name):
    return of_step(w.ec2.describe_subnets()["Subnets"], f"subnet/{name}")["SubnetId"]


def group(w, name):
    return of_step(w.ec2.describe_security_groups()["SecurityGroups"], f"security-group/{name}")["GroupId"]


def table(w, name):
    return of_step(w.ec2.describe_route_tables()["RouteTables"], f"route-table/{name}")


def balancer(w):
    return w.elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]


def listener(w):
    return w.elbv2.describe_listeners(LoadBalancerArn=balancer(w))["Listeners"][0]["ListenerArn"]


def targets(w):
    return w.elbv2.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]


def protect(w):
    w.elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=balancer(w), Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}])


def file_system(w):
    return w.efs.describe_file_systems()["FileSystems"][0]["FileSystemId"]


def alarm(w, name):
    keep = ("AlarmName", "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods",
            "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData", "AlarmDescription")
    found = w.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    return {k: v for k, v in found.items() if k in keep}


IDS = {
    "database/main": lambda w: {"DBInstanceIdentifier": "billing-main", "ApplyImmediately": True},
    "cache/main": lambda w: {"ReplicationGroupId": "billing-main", "ApplyImmediately": True},
    "auto-scaling-group/api": lambda w: {"AutoScalingGroupName": "billing-api"},
    "target-group/api": lambda w: {"TargetGroupArn": targets(w)},
}

# The network.


@row({"vpc/main": ("update", ["dns_hostnames"])}, {"ec2:ModifyVpcAttribute": 1})
def dns_hostnames_off(w):
    w.ec2.modify_vpc_attribute(VpcId=vpc(w), EnableDnsHostnames={"Value": False})


@row({"vpc/main": ("update", ["dns_support"])}, {"ec2:ModifyVpcAttribute": 1})
def dns_support_off(w):
    w.ec2.modify_vpc_attribute(VpcId=vpc(w), EnableDnsSupport={"Value": False})


@row({"subnet/public-a": ("update", ["public_addresses"])}, {"ec2:ModifySubnetAttribute": 1})
def public_addresses_off(w):
    w.ec2.modify_subnet_attribute(SubnetId=subnet(w, "public-a"), MapPublicIpOnLaunch={"Value": False})


@row({"route-table/public": ("update", ["default_route"])}, {"ec2:CreateRoute": 1})
def default_route_deleted(w):  # [AWS G18]
    w.ec2.delete_route(RouteTableId=table(w, "public")["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")


@row({"route-table/public": ("update", ["other_routes"])}, {"ec2:DeleteRoute": 2})
def half_the_internet_led_astray(w):
    at, interfaces = table(w, "public"), w.ec2.describe_network_interfaces()["NetworkInterfaces"]
    interface = next(i for i in interfaces if i["VpcId"] == at["VpcId"])["NetworkInterfaceId"]
    for half in ("0.0.0.0/1", "128.0.0.0/1"):
        w.ec2.create_route(
            RouteTableId=at["RouteTableId"], DestinationCidrBlock=half, NetworkInterfaceId=interface)


@row({"route-table/private": ("update", ["other_routes"])}, {"ec2:DeleteRoute": 1})
def a_way_out_of_the_private_subnets(w):
    gateway = of_step(w.ec2.describe_internet_gateways()["InternetGateways"], "internet-gateway/main")
    w.ec2.create_route(RouteTableId=table(w, "private")["RouteTableId"], DestinationCidrBlock="203.0.113.0/24",
                       GatewayId=gateway["InternetGatewayId"])


@row({"route-table/public": ("update", ["subnets"])}, {"ec2:AssociateRouteTable": 1})
def subnet_taken_from_its_table(w):
    first = next(a for a in table(w, "public")["Associations"] if a.get("SubnetId"))
    w.ec2.disassociate_route_table(AssociationId=first["RouteTableAssociationId"])


@row({"vpc-endpoint/s3": ("update", ["route_tables"])}, {"ec2:ModifyVpcEndpoint": 1})
def endpoint_taken_from_its_table(w):
    endpoint = w.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]
    w.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], RemoveRouteTableIds=endpoint["RouteTableIds"])


@row({"vpc-endpoint/s3": ("update", ["policy"])}, {"ec2:ModifyVpcEndpoint": 1})
def endpoint_lets_nobody_through(w):
    endpoint = w.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["VpcEndpointId"]
    policy = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}
    w.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps(policy))


def rules_of(w, name, egress):
    found = w.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group(w, name)]}])
    return [r["SecurityGroupRuleId"] for r in found["SecurityGroupRules"] if r["IsEgress"] == egress]


for _name in ("alb", "app", "db", "cache", "files"):  # [AWS G13] [AWS G14] [AWS G15]

    # A group without any rule is one without this step.
    @row({f"security-group-rules/{_name}": ("update", ["rules"]) if _name in ("alb", "app") else ("create", [])},
         {"ec2:AuthorizeSecurityGroupIngress": 1}, f"{_name}: ingress removed")
    def _(w, name=_name):
        rules = rules_of(w, name, False)[:1]
        w.ec2.revoke_security_group_ingress(GroupId=group(w, name), SecurityGroupRuleIds=rules)

    @row({f"security-group-rules/{_name}": ("update", ["rules"])},
         {"ec2:RevokeSecurityGroupIngress": 1}, f"{_name}: 22 and 3306 from anywhere")
    def _(w, name=_name):
        for port in (22, 3306):
            w.ec2.authorize_security_group_ingress(
                GroupId=group(w, name), IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0")


for _name in ("alb", "app"):

    @row({f"security-group-rules/{_name}": ("update", ["rules"])},
         {"ec2:AuthorizeSecurityGroupEgress": 1}, f"{_name}: egress removed")
    def _(w, name=_name):
        w.ec2.revoke_security_group_egress(GroupId=group(w, name), SecurityGroupRuleIds=rules_of(w, name, True))


# What comes with the VPC.


def default_acl(w):
    return of_step(w.ec2.describe_network_acls()["NetworkAcls"], "default-network-acl/main")


def default_group(w):
    return of_step(w.ec2.describe_security_groups()["SecurityGroups"], "default-security-group/main")


def main_table(w):
    return of_step(w.ec2.describe_route_tables()["RouteTables"], "main-route-table/main")


def entry(w, number, action, egress=False, protocol="-1", cidr="0.0.0.0/0", change="create", **more):
    getattr(w.ec2, f"{change}_network_acl_entry")(
        NetworkAclId=default_acl(w)["NetworkAclId"], RuleNumber=number, RuleAction=action, Egress=egress,
        Protocol=protocol, CidrBlock=cidr, **more)


ACL, GROUP, MAIN = "default-network-acl/main", "default-security-group/main", "main-route-table/main"
DHCP = "dhcp-options/main"


@row({ACL: ("update", ["entries"])}, {"ec2:DeleteNetworkAclEntry": 2})
def acl_denies_everything(w):
    entry(w, 1, "deny")
    entry(w, 1, "deny", egress=True)


@row({ACL: ("update", ["entries"])}, {"ec2:CreateNetworkAclEntry": 1})
def acl_lets_nothing_in(w):
    w.ec2.delete_network_acl_entry(NetworkAclId=default_acl(w)["NetworkAclId"], RuleNumber=100, Egress=False)


@row({ACL: ("update", ["entries"])}, {"ec2:ReplaceNetworkAclEntry": 1})
def acl_lets_only_a_neighbour_in(w):
    entry(w, 100, "allow", cidr="10.9.0.0/16", change="replace")


@row({ACL: ("update", ["entries"])}, {"ec2:ReplaceNetworkAclEntry": 1, "ec2:DeleteNetworkAclEntry": 2})
def acl_of_somebody_with_ideas(w):
    entry(w, 100, "deny", egress=True, change="replace")
    entry(w, 50, "deny", protocol="6", PortRange={"From": 80, "To": 80})
    entry(w, 60, "allow", protocol="17", cidr="192.0.2.0/24", PortRange={"From": 1, "To": 65535})


@row({ACL: ("update", ["subnets"])}, {"ec2:ReplaceNetworkAclAssociation": 1})
def a_subnet_follows_somebody_elses_acl(w):
    ours = default_acl(w)
    other = w.ec2.create_network_acl(VpcId=ours["VpcId"])["NetworkAcl"]["NetworkAclId"]
    wanted = next(a for a in ours["Associations"] if a["SubnetId"] == subnet(w, "public-a"))
    w.ec2.replace_network_acl_association(AssociationId=wanted["NetworkAclAssociationId"], NetworkAclId=other)
    w.after_repair(lambda: w.ec2.delete_network_acl(NetworkAclId=other))


@row({GROUP: ("update", ["rules"])}, {"ec2:RevokeSecurityGroupIngress": 1})
def default_group_lets_everybody_in(w):
    at = default_group(w)["GroupId"]
    for port in (22, 3306):
        w.ec2.authorize_security_group_ingress(
            GroupId=at, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0")


@row({GROUP: ("update", ["rules"])}, {"ec2:RevokeSecurityGroupIngress": 1, "ec2:RevokeSecurityGroupEgress": 1})
def default_group_is_as_aws_made_it(w):
    at = default_group(w)["GroupId"]
    w.ec2.authorize_security_group_ingress(
        GroupId=at, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": at}]}])
    w.ec2.authorize_security_group_egress(
        GroupId=at, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])


@row({MAIN: ("update", ["routes"])}, {"ec2:DeleteRoute": 2})
def main_table_leads_out(w):
    gateway = of_step(w.ec2.describe_internet_gateways()["InternetGateways"], "internet-gateway/main")
    for to in ("0.0.0.0/0", "203.0.113.0/24"):
        w.ec2.create_route(RouteTableId=main_table(w)["RouteTableId"], DestinationCidrBlock=to,
                           GatewayId=gateway["InternetGatewayId"])


def make_main(w, other):
    association = next(a for a in main_table(w)["Associations"] if a["Main"])["RouteTableAssociationId"]
    w.ec2.replace_route_table_association(AssociationId=association, RouteTableId=other)


@row({MAIN: ("update", ["main"])}, {"ec2:ReplaceRouteTableAssociation": 1})
def the_public_table_is_the_main_one(w):
    make_main(w, table(w, "public")["RouteTableId"])


@row({MAIN: ("update", ["main"])}, {"ec2:ReplaceRouteTableAssociation": 1})
def somebody_elses_table_is_the_main_one(w):
    other = w.ec2.create_route_table(VpcId=vpc(w))["RouteTable"]["RouteTableId"]
    make_main(w, other)
    w.after_repair(lambda: w.ec2.delete_route_table(RouteTableId=other))


@row({MAIN: ("create", [])}, {"ec2:CreateRouteTable": 1, "ec2:ReplaceRouteTableAssociation": 1})
def the_main_table_of_aws_is_deleted(w):
    was = main_table(w)["RouteTableId"]
    make_main(w, table(w, "private")["RouteTableId"])
    w.ec2.delete_route_table(RouteTableId=was)


def told(w, **options):
    options = [{"Key": k.replace("_", "-"), "Values": v} for k, v in options.items()]
    made = w.ec2.create_dhcp_options(DhcpConfigurations=options)["DhcpOptions"]["DhcpOptionsId"]
    w.ec2.associate_dhcp_options(VpcId=vpc(w), DhcpOptionsId=made)
    w.after_repair(lambda: w.ec2.delete_dhcp_options(DhcpOptionsId=made))


@row({DHCP: ("update", ["options.domain-name", "options.domain-name-servers"])}, {"ec2:AssociateDhcpOptions": 1})
def another_name_server(w):
    told(w, domain_name_servers=["10.0.0.9"])


@row({DHCP: ("update", ["options.ntp-servers"])}, {"ec2:AssociateDhcpOptions": 1})
def another_clock(w):
    told(w, domain_name_servers=["AmazonProvidedDNS"], domain_name=["ec2.internal"], ntp_servers=["192.0.2.1"])


@row({DHCP: ("update", ["options.domain-name", "options.domain-name-servers"])}, {"ec2:AssociateDhcpOptions": 1})
def no_options_at_all(w):
    w.ec2.associate_dhcp_options(VpcId=vpc(w), DhcpOptionsId="default")


# The database.

rows("database/main", "rds", "modify_db_instance", {"rds:ModifyDBInstance": 1},
     **{"class": {"DBInstanceClass": "db.t3.small"}, "multi_az": {"MultiAZ": True},
        "public": {"PubliclyAccessible": True},
        "groups": lambda w: {"VpcSecurityGroupIds": [group(w, "app")]}})


@row({"database/main": ("update", ["running"])}, {"rds:StartDBInstance": 1})
def database_stopped(w):  # [AWS G27]
    w.rds.stop_db_instance(DBInstanceIdentifier="billing-main")


@row({"db-parameter-group/main": ("update", ["parameters.require_secure_transport"])},
     {"rds:ModifyDBParameterGroup": 1})
def parameter_changed(w):
    name = next(g["DBParameterGroupName"] for g in w.rds.describe_db_parameter_groups()["DBParameterGroups"]
                if g["DBParameterGroupName"].startswith("billing"))
    w.rds.modify_db_parameter_group(DBParameterGroupName=name, Parameters=[
        {"ParameterName": "require_secure_transport", "ParameterValue": "1", "ApplyMethod": "immediate"}])


# The cache and the files.

rows("cache/main", "elasticache", "modify_replication_group", {"elasticache:ModifyReplicationGroup": 1},
     **{"class": {"CacheNodeType": "cache.t3.small"},
        "groups": lambda w: {"SecurityGroupIds": [group(w, "app")]}})


@row({"file-system/main": ("update", ["throughput"])}, {"efs:UpdateFileSystem": 1})
def throughput_changed(w):
    w.efs.update_file_system(FileSystemId=file_system(w), ThroughputMode="bursting")


@row({"mount-target/a": ("update", ["groups"])}, {"efs:ModifyMountTargetSecurityGroups": 1})
def mount_target_groups_swapped(w):  # [AWS G16]
    found = w.efs.describe_mount_targets(FileSystemId=file_system(w))["MountTargets"]
    first = next(m for m in found if m["AvailabilityZoneName"].endswith("a"))
    w.efs.modify_mount_target_security_groups(MountTargetId=first["MountTargetId"], SecurityGroups=[group(w, "app")])


# Launch and fleet.


def a_second_later(w):
    """AWS tells when a parameter was set to the second."""
    w.control("POST", "advance?seconds=1")


def delete_parameter(w, name):
    w.note_secrets()
    a_second_later(w)
    w.ssm.delete_parameter(Name=f"/gameday/billing/{name}")


@row({"parameter/db-master-password": ("create", []), "database/main": ("update", ["password_set"])}, None)
def master_password_lost(w):
    delete_parameter(w, "db-master-password")


@row({"parameter/db-app-password": ("create", []), "launch-template/api": ("update", ["user_data"])}, None)
def app_password_lost(w):
    delete_parameter(w, "db-app-password")


@row({"database/main": ("update", ["password_set"])}, {"rds:ModifyDBInstance": 1, "rds:AddTagsToResource": 1})
def master_password_changed(w):
    w.note_secrets()
    a_second_later(w)
    w.ssm.put_parameter(Name="/gameday/billing/db-master-password", Value="Another1Password2", Overwrite=True)


@row({"launch-template/api": ("update", ["instance_type", "made_by"])}, None)
def default_version_is_somebody_elses(w):  # [AWS G22]
    name = w.ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateName"]
    made = w.ec2.create_launch_template_version(
        LaunchTemplateName=name, SourceVersion="$Latest", LaunchTemplateData={"InstanceType": "t3.large"})
    version = made["LaunchTemplateVersion"]["VersionNumber"]
    w.ec2.modify_launch_template(LaunchTemplateName=name, DefaultVersion=str(version))


rows("auto-scaling-group/api", "autoscaling", "update_auto_scaling_group", {"autoscaling:UpdateAutoScalingGroup": 1},
     max={"MaxSize": 3}, grace={"HealthCheckGracePeriod": 1}, warmup={"DefaultInstanceWarmup": 300},
     health_check={"HealthCheckType": "EC2"},
     maintenance={"InstanceMaintenancePolicy": {"MinHealthyPercentage": 50, "MaxHealthyPercentage": 100}},
     subnets=lambda w: {"VPCZoneIdentifier": subnet(w, "public-a")})  # [AWS G7]


@row({"auto-scaling-group/api": ("update", ["desired", "max", "min"])}, {"autoscaling:UpdateAutoScalingGroup": 1})
def sizes_zeroed(w):  # [AWS G5]
    w.autoscaling.update_auto_scaling_group(AutoScalingGroupName="billing-api", MinSize=0, MaxSize=0, DesiredCapacity=0)


@row({"auto-scaling-group/api": ("update", ["suspended"])}, {"autoscaling:ResumeProcesses": 1})
def processes_suspended(w):  # [AWS G4]
    w.autoscaling.suspend_processes(AutoScalingGroupName="billing-api", ScalingProcesses=["Launch", "HealthCheck"])


@row({"auto-scaling-group/api": ("update", ["targets"])}, {"autoscaling:AttachLoadBalancerTargetGroups": 1})
def fleet_detached_from_its_targets(w):
    w.autoscaling.detach_load_balancer_target_groups(
        AutoScalingGroupName="billing-api", TargetGroupARNs=[targets(w)])


@row({"scaling-policy/api-requests": ("create", [])}, {"autoscaling:PutScalingPolicy": 1})
def scaling_policy_deleted(w):
    w.autoscaling.delete_policy(AutoScalingGroupName="billing-api", PolicyName="billing-api-requests")


@row({"scaling-policy/api-requests": ("update", ["target"])}, {"autoscaling:PutScalingPolicy": 1})
def scaling_target_changed(w):
    policy = w.autoscaling.describe_policies()["ScalingPolicies"][0]
    settings = {**policy["TargetTrackingConfiguration"], "TargetValue": 1000.0}
    w.autoscaling.put_scaling_policy(
        AutoScalingGroupName="billing-api", PolicyName=policy["PolicyName"], PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration=settings)


# The balancer.

rows("target-group/api", "elbv2", "modify_target_group", {"elbv2:ModifyTargetGroup": 1},  # [AWS G11]
     health__port={"HealthCheckPort": "9999"}, health__protocol={"HealthCheckProtocol": "HTTPS"},
     health__path={"HealthCheckPath": "/wrong"}, health__codes={"Matcher": {"HttpCode": "204"}},
     health__interval={"HealthCheckIntervalSeconds": 60}, health__timeout={"HealthCheckTimeoutSeconds": 2},
     health__healthy={"HealthyThresholdCount": 9}, health__unhealthy={"UnhealthyThresholdCount": 9})
rows("target-group/api", "elbv2", "modify_target_group_attributes", {"elbv2:ModifyTargetGroupAttributes": 1},
     algorithm={"Attributes": [{"Key": "load_balancing.algorithm.type", "Value": "round_robin"}]},
     deregistration_delay={"Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "300"}]},
     stickiness={"Attributes": [{"Key": "stickiness.enabled", "Value": "true"},
                                {"Key": "stickiness.type", "Value": "lb_cookie"}]})


@row({"load-balancer/main": ("update", ["idle_timeout"])}, {"elbv2:ModifyLoadBalancerAttributes": 1})
def idle_timeout_changed(w):
    w.elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=balancer(w), Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "1"}])


@row({"load-balancer/main": ("update", ["groups"])}, {"elbv2:SetSecurityGroups": 1})
def balancer_groups_swapped(w):  # [AWS G16]
    w.elbv2.set_security_groups(LoadBalancerArn=balancer(w), SecurityGroups=[group(w, "db")])


@row({"listener/http": ("update", ["default"])}, {"elbv2:ModifyListener": 1})
def listener_answers_503(w):  # [AWS G9]
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    w.elbv2.modify_listener(ListenerArn=listener(w), DefaultActions=[answer])


@row({"listener/http": ("create", [])}, {"elbv2:CreateListener": 1})
def listener_deleted(w):  # [AWS G9]
    w.elbv2.delete_listener(ListenerArn=listener(w))


# Identity and watching.


@row({"role/instance": ("update", ["others"])}, {"iam:DeleteRolePolicy": 1})
def a_denying_policy_beside_ours(w):  # [AWS G34]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    w.iam.put_role_policy(RoleName="billing-instance-us-east-1", PolicyName="deny", PolicyDocument=json.dumps(policy))


@row({"instance-profile/instance": ("update", ["role"])}, {"iam:AddRoleToInstanceProfile": 1})
def profile_without_its_role(w):  # [AWS G34]
    w.iam.remove_role_from_instance_profile(InstanceProfileName="billing-instance-us-east-1", RoleName="billing-instance-us-east-1")


@row({"alarm/slow": ("update", ["threshold"])}, {"cloudwatch:PutMetricAlarm": 1})
def alarm_threshold_changed(w):
    was = w.cloudwatch.describe_alarms(AlarmNames=["billing-slow"])["MetricAlarms"][0]
    was = {**alarm(w, "billing-slow"), "Threshold": 99.0, "ExtendedStatistic": was["ExtendedStatistic"]}
    w.cloudwatch.put_metric_alarm(**was)


@row({"alarm/elb-5xx": ("create", [])}, {"cloudwatch:PutMetricAlarm": 1})
def alarm_deleted(w):  # [AWS G43]
    w.cloudwatch.delete_alarms(AlarmNames=["billing-elb-5xx"])


@row({"alarm/elb-5xx": ("update", ["enabled"])}, {"cloudwatch:PutMetricAlarm": 1})
def alarm_disabled(w):
    w.cloudwatch.disable_alarm_actions(AlarmNames=["billing-elb-5xx"])


@row({"dashboard/main": ("create", [])}, {"cloudwatch:PutDashboard": 1})
def dashboard_deleted(w):  # [AWS G43]
    w.cloudwatch.delete_dashboards(DashboardNames=["billing-main-us-east-1"])


@row({"dashboard/main": ("update", ["body.periodOverride", "body.start", "body.widgets"])}, {"cloudwatch:PutDashboard": 1})
def dashboard_emptied(w):
    w.cloudwatch.put_dashboard(DashboardName="billing-main-us-east-1", DashboardBody='{"widgets": []}')


@row({"log-group/boot": ("update", ["days"])}, {"logs:PutRetentionPolicy": 1})
def logs_kept_for_ever(w):
    names = [g["logGroupName"] for g in w.logs.describe_log_groups()["logGroups"]]
    w.logs.delete_retention_policy(logGroupName=next(n for n in names if n.endswith("boot")))


# Objects deleted.


@row({"cache/main": ("create", [])}, None)
def cache_deleted(w):  # [AWS G32]
    w.elasticache.delete_replication_group(ReplicationGroupId="billing-main")


@row({"file-system/main": ("update", ["tags.gameday:step"])}, {"efs:TagResource": 1})
def step_tag_removed_from_the_file_system(w):
    w.efs.untag_resource(ResourceId=file_system(w), TagKeys=["gameday:step"])


REPAIRED = []


@pytest.mark.skipif(not LONG, reason="one by one in the long form")
@pytest.mark.parametrize("name, act, shows, calls", ROWS, ids=[r[0] for r in ROWS])
def test_each_drift_is_shown_and_repaired(standing, whole, name, act, shows, calls):
    standing.run("up", "--yes")  # also after a row that failed
    act(standing)
    standing.changes_made()
    plan = standing.plan()
    # Where no calls are given, others follow: alarms, user data and dashboard name what is made again.
    assert plan == shows if calls is not None else shows.items() <= plan.items(), plan
    assert standing.changes_made() == {}, "plan changes nothing"
    standing.up()
    made = standing.changes_made()
    standing.clear_away()
    if calls is not None:
        assert made == calls
    assert standing.plan() == {}
    assert differences(standing.inventory(), whole) == []
    REPAIRED.append(name)


def rounds():
    """Rows that have nothing to do with each other, together."""
    waiting = [r for r in ROWS if r[3] is not None]
    while waiting:
        taken, keys = [], set()
        for row in waiting:
            if not keys & set(row[2]):
                taken.append(row)
                keys |= set(row[2])
        waiting = [r for r in waiting if r not in taken]
        yield taken


@pytest.mark.parametrize("together", list(rounds())[: None if LONG else 3], ids=lambda rows: f"{len(rows)} rows")
def test_many_at_once_are_shown_and_repaired(standing, whole, together):
    standing.run("up", "--yes")
    shows, calls = {}, Counter()
    for _, act, shown, made in together:
        act(standing)
        shows.update(shown)
        calls.update(made)
    standing.changes_made()
    assert standing.plan() == shows
    standing.up()
    assert standing.changes_made() == calls
    standing.clear_away()
    assert standing.plan() == {} and differences(standing.inventory(), whole) == []
    REPAIRED.extend(name for name, *_ in together)


def test_the_count(standing):
    count("drifts", repaired=len(REPAIRED))


def test_a_full_database_is_given_more_and_keeps_its_data(world):
    w = world
    w.up()
    resource = w.rds.describe_db_instances()["DBInstances"][0]["DbiResourceId"]
    w.control("POST", "pace?pace=fast")
    w.control("POST", "database", {"name": "billing-main", "status": "storage-full"})
    w.edit(STACK + "[database]\nstorage_gb = 40\n")
    # AWS goes on saying that it is full for a while.
    w.up()
    found = w.rds.describe_db_instances()["DBInstances"][0]
    assert (found["AllocatedStorage"], found["DbiResourceId"]) == (40, resource)
    for status in ("incompatible-parameters", "incompatible-network"):
        w.control("POST", "database", {"name": "billing-main", "status": status})
        run = w.up(code=1)
        assert f"database/main is broken: {status}" in run.text and "its data stays" in run.text, run.text
        assert "--replace" not in run.text
    w.control("POST", "database", {"name": "billing-main", "status": "failed"})
    run = w.up(code=1)
    assert "up --replace database/main" in run.text and "the data in it would be lost" in run.text, run.text
