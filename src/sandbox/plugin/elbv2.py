"""Load balancers and target groups: provisioning, health that follows the instances, and the refusals of AWS."""

from moto.elbv2.models import FakeLoadBalancer, FakeTargetGroup, elbv2_backends

from . import interfaces
from .clock import CLOCK
from .ec2_instances import FIRST_CHECK, ec2_backends
from .faults import FAULTS
from .rules import NUMBERS, Refusal, after, before, instead, on_reset

# Seconds from [AWS 11]: provisioning; interfaces that outlive the balancer.
ACTIVE, INTERFACES = 165, 45

# (target group, target id) -> its first check is over; draining targets; targets or target groups, by name, that a test
# calls unhealthy.
REGISTERED, DRAINING, UNHEALTHY = {}, {}, set()

# [AWS 6] and model LoadBalancerAttribute: the attributes of a new application balancer.
LB_DEFAULTS = {
    "access_logs.s3.enabled": "false",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600",
    "idle_timeout.timeout_seconds": "60",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http2.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}


@on_reset
def forget():
    REGISTERED.clear()
    DRAINING.clear()
    UNHEALTHY.clear()


def backend(call):
    return elbv2_backends[call.account][call.region]


def _subnet_ids(call):
    return list(call.get("Subnets") or []) + [m["SubnetId"] for m in call.get("SubnetMappings") or []]


def _check_subnets(call, ids):
    ec2 = ec2_backends[call.account][call.region]
    known = {s.id: s for zone in ec2.subnets.values() for s in zone.values()}
    for subnet_id in ids:
        if subnet_id not in known or FAULTS.is_fresh(call, subnet_id):
            raise Refusal("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")
    zones = [known[i].availability_zone for i in ids]
    # model CreateLoadBalancer.Subnets: "You can specify only one subnet per Availability Zone";
    # application balancers: "You must specify subnets from at least two Availability Zones".
    if len(set(zones)) != len(zones):
        raise Refusal(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        )
    if len(zones) < 2:
        raise Refusal("ValidationError", "At least two subnets in two different Availability Zones must be specified")
    return [known[i] for i in ids]


@instead("elbv2", "CreateLoadBalancer")
def same_balancer(call):
    name, ids = call.get("Name", ""), _subnet_ids(call)
    elb = backend(call)
    if len(name) > 32 or name.startswith("internal-"):
        raise Refusal("ValidationError", f"The load balancer name '{name}' is not valid")
    for balancer in elb.load_balancers.values():
        if balancer.name != name:
            continue
        # [AWS 4.3]: "idempotent: multiple calls with the same settings each succeed".
        same = (
            {s.id for s in balancer.subnets} == set(ids)
            and set(balancer.security_groups or []) == set(call.get("SecurityGroups") or balancer.security_groups or [])
            and balancer.scheme == (call.get("Scheme") or "internet-facing")
            and balancer.type == (call.get("Type") or "application")
        )
        if not same:
            message = f"A load balancer with the same name '{name}' exists, but with different settings"
            raise Refusal("DuplicateLoadBalancerName", message)
        return {"LoadBalancers": [_described(balancer)]}
    if (call.get("Type") or "application") == "application":
        subnets = _check_subnets(call, ids)
        ec2 = ec2_backends[call.account][call.region]
        for group in call.get("SecurityGroups") or []:
            if ec2.get_security_group_from_id(group) is None or FAULTS.is_fresh(call, group):
                raise Refusal("InvalidSecurityGroup", f"The security group '{group}' does not exist")
        if (
            (call.get("Scheme") or "internet-facing") == "internet-facing"
            and not any(i.vpc and i.vpc.id == subnets[0].vpc_id for i in ec2.internet_gateways.values())
            and not ec2.vpcs[subnets[0].vpc_id].is_default
        ):
            raise Refusal("InvalidSubnet", f"VPC {subnets[0].vpc_id} has no internet gateway")
    return None


def _described(balancer):
    from datetime import datetime

    return {
        "LoadBalancerArn": balancer.arn,
        "DNSName": balancer.dns_name,
        "CanonicalHostedZoneId": balancer.canonical_hosted_zone_id,
        "CreatedTime": datetime.fromisoformat(balancer.created_time.replace("Z", "+00:00")),
        "LoadBalancerName": balancer.name,
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc_id,
        "State": {"Code": balancer.state},
        "Type": balancer.type,
        "AvailabilityZones": [{"ZoneName": s.availability_zone, "SubnetId": s.id} for s in balancer.subnets],
        "SecurityGroups": list(balancer.security_groups or []),
        "IpAddressType": balancer.ip_address_type,
    }


@after("elbv2", "CreateLoadBalancer")
def provisioning(call, answer):
    balancer = backend(call).load_balancers[answer["LoadBalancers"][0]["LoadBalancerArn"]]
    if hasattr(balancer, "on_clock"):
        return None
    balancer.on_clock = True
    balancer.scheme = balancer.scheme or "internet-facing"  # model: the default
    # AWS: name, a number, the region; moto's ends in -1 for every balancer.
    balancer.dns_name = f"{balancer.name}-{int(NUMBERS.hex(8), 16)}.{call.region}.elb.amazonaws.com"
    balancer.attrs = {**balancer.attrs, **LB_DEFAULTS}
    # model CreateLoadBalancer.SecurityGroups: the VPC's default group when none is given.
    if not balancer.security_groups and balancer.type == "application":
        ec2 = ec2_backends[call.account][call.region]
        balancer.security_groups = [ec2.get_default_security_group(balancer.vpc_id).id]
    _hold(call, balancer, balancer.subnets)

    def active():
        if balancer.state == "provisioning":
            balancer.state = "active"

    CLOCK.after(ACTIVE, active)
    return {"LoadBalancers": [_described(balancer)]}


def _hold(call, balancer, subnets):
    for subnet in subnets:
        interfaces.hold(
            balancer.arn,
            call.region,
            call.account,
            subnet.id,
            balancer.security_groups or [],
            # [AWS 4.5]
            f"ELB {balancer.arn.partition('loadbalancer/')[2]}",
            "amazon-elb",
            public=balancer.scheme == "internet-facing",
        )


# moto turns a balancer active when it is described; here the clock does.
FakeLoadBalancer.activate = lambda self: None


@before("elbv2", "DeleteLoadBalancer")
def protected(call):
    # model: OperationNotPermitted while deletion protection is on; deleting what is gone succeeds.
    balancer = backend(call).load_balancers.get(call.get("LoadBalancerArn"))
    if balancer is None:
        return
    if str(balancer.attrs.get("deletion_protection.enabled")).lower() == "true":
        message = f"Load balancer '{balancer.arn}' cannot be deleted because deletion protection is enabled"
        raise Refusal("OperationNotPermitted", message)
    for target_group in backend(call).target_groups.values():
        target_group.load_balancer_arns = [a for a in target_group.load_balancer_arns if a != balancer.arn]
    # [AWS 4.5]: the interfaces linger, and keep groups and subnets, after the balancer is gone from the API.
    CLOCK.after(INTERFACES, lambda: interfaces.release(balancer.arn))


@after("elbv2", "SetSecurityGroups")
def regroup(call, answer):
    interfaces.regroup(call.get("LoadBalancerArn"), call.get("SecurityGroups") or [])


@before("elbv2", "SetSubnets")
def two_zones(call):
    _check_subnets(call, _subnet_ids(call))


@after("elbv2", "SetSubnets")
def move(call, answer):
    balancer = backend(call).load_balancers[call.get("LoadBalancerArn")]
    interfaces.release(balancer.arn)
    _hold(call, balancer, balancer.subnets)


@before("elbv2", "CreateListener")
def one_listener_a_port(call):
    # model DuplicateListener: "A listener with the specified port already exists."
    balancer = backend(call).load_balancers.get(call.get("LoadBalancerArn"))
    for listener in balancer.listeners.values() if balancer else ():
        if int(listener.port or 0) == int(call.get("Port") or 0):
            raise Refusal("DuplicateListener", "A listener already exists on this port for this load balancer")


@before("elbv2", "CreateRule", "ModifyRule")
def rule_limits(call):
    # "Quotas for your Application Load Balancers": condition values per rule 5, condition wildcards per rule 5; none can
    # be raised. The words: github.com/aws-cloudformation/cfn-lint/issues/3833.
    values = [v for c in call.get("Conditions") or [] for v in _values(c)]
    wildcards = sum(v.count("*") + v.count("?") for v in values)
    for count, what in ((len(values), "condition values"), (wildcards, "condition wildcards")):
        if count > 5:
            raise Refusal("ValidationError", f"A rule can only have '5' {what}")
    for value in values:
        if len(value) > 128:
            raise Refusal("ValidationError", f"The condition value '{value}' cannot be longer than '128' characters")


def _values(condition):
    """Return all values of one condition, in any form."""
    inner = [v for name, v in condition.items() if name.endswith("Config") and isinstance(v, dict)]
    listed = [*(condition.get("Values") or []), *(v for i in inner for v in i.get("Values") or [])]
    return [str(v.get("Value", "")) if isinstance(v, dict) else str(v) for v in listed]


# Target groups


@instead("elbv2", "CreateTargetGroup")
def same_target_group(call):
    # [AWS 4.3]: same name and settings gives the same group, other settings DuplicateTargetGroupName.
    for group in backend(call).target_groups.values():
        if group.name == call.get("Name"):
            same = (
                str(group.port) == str(call.get("Port"))
                and group.protocol == call.get("Protocol")
                and group.vpc_id == call.get("VpcId")
                and group.target_type == (call.get("TargetType") or "instance")
                and group.health_check_path == (call.get("HealthCheckPath") or "/")
            )
            if not same:
                message = f"A target group with the same name '{group.name}' exists, but with different settings"
                raise Refusal("DuplicateTargetGroupName", message)
            return {"TargetGroups": [_described_group(call, group)]}
    return None


def _described_group(call, group):
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "ProtocolVersion": group.protocol_version,
        "Port": int(group.port),
        "VpcId": group.vpc_id,
        "HealthCheckProtocol": group.health_check_protocol,
        "HealthCheckPort": str(group.health_check_port),
        "HealthCheckEnabled": group.health_check_enabled,
        "HealthCheckIntervalSeconds": int(group.health_check_interval_seconds),
        "HealthCheckTimeoutSeconds": int(group.health_check_timeout_seconds),
        "HealthyThresholdCount": int(group.healthy_threshold_count),
        "UnhealthyThresholdCount": int(group.unhealthy_threshold_count),
        "HealthCheckPath": group.health_check_path,
        "Matcher": group.matcher,
        "LoadBalancerArns": balancers_of(call, group.arn),
        "TargetType": group.target_type,
        "IpAddressType": group.ip_address_type,
    }


def balancers_of(call, arn):
    """Return the balancers whose listeners or rules forward to the target group."""
    found = []
    for balancer in backend(call).load_balancers.values():
        for listener in balancer.listeners.values():
            rules = [listener.default_actions, *(r.actions for r in listener.rules.values())]
            if any(arn in str(getattr(a, "data", a)) for actions in rules for a in actions):
                found.append(balancer.arn)
                break
    return found


@before("elbv2", "DescribeTargetGroups")
def balancers_now(call):
    # moto learns a group's balancers when a listener or rule is created, but not when one is changed.
    if call.get("LoadBalancerArn"):
        for group in backend(call).target_groups.values():
            group.load_balancer_arns = balancers_of(call, group.arn)


@after("elbv2", "DescribeTargetGroups")
def live_balancers(call, answer):
    # moto keeps a balancer in this list after its listener is gone.
    for group in answer["TargetGroups"]:
        group["LoadBalancerArns"] = balancers_of(call, group["TargetGroupArn"])
    return answer


@before("elbv2", "ModifyTargetGroupAttributes")
def one_algorithm(call):
    # [AWS 6]: "You cannot enable both least outstanding requests and slow start mode".
    group = backend(call).target_groups.get(call.get("TargetGroupArn"))
    wanted = dict(group.attributes) if group else {}
    wanted.update({a["Key"]: a.get("Value") for a in call.get("Attributes") or []})
    slow = str(wanted.get("slow_start.duration_seconds", "0")) not in ("0", "None")
    if slow and wanted.get("load_balancing.algorithm.type") == "least_outstanding_requests":
        raise Refusal("InvalidConfigurationRequest", "Slow start and least outstanding requests cannot both be enabled")


# Targets


def register(account, region, arn, instance_id, port=None):
    group = elbv2_backends[account][region].target_groups.get(arn)
    if group is not None and instance_id not in group.targets:
        group.targets[instance_id] = {"Id": instance_id, "Port": port or group.port}
        REGISTERED[(arn, instance_id)] = CLOCK.when(FIRST_CHECK)
        DRAINING.pop((arn, instance_id), None)


def deregister(account, region, arn, instance_id):
    group = elbv2_backends[account][region].target_groups.get(arn)
    if group is None or instance_id not in group.targets:
        return 0
    target = group.targets.pop(instance_id)
    delay = int(group.attributes.get("deregistration_delay.timeout_seconds", 300))
    DRAINING[(arn, instance_id)] = target
    # [AWS 6]: shown as draining until the delay has passed.
    CLOCK.after(delay, lambda: DRAINING.pop((arn, instance_id), None))
    return delay


FakeTargetGroup.deregister_terminated_instances = lambda self, ids: None


@instead("elbv2", "RegisterTargets")
def register_targets(call):
    group = _group(call)
    ec2 = ec2_backends[call.account][call.region]
    for target in call.get("Targets") or []:
        if group.target_type == "instance":
            instance = ec2.get_instance_by_id(target["Id"])
            if instance is None or instance.state == "terminated":
                message = f"The following targets are not valid instances: '{target['Id']}'"
                raise Refusal("InvalidTarget", message)
        register(call.account, call.region, group.arn, target["Id"], target.get("Port"))
    return {}


@instead("elbv2", "DeregisterTargets")
def deregister_targets(call):
    for target in call.get("Targets") or []:
        deregister(call.account, call.region, _group(call).arn, target["Id"])
    return {}


def _group(call):
    group = backend(call).target_groups.get(call.get("TargetGroupArn"))
    if group is None:
        raise Refusal("TargetGroupNotFound", "One or more target groups not found")
    return group


def health(account, region, group, target_id, in_use=True):
    """Return (state, reason, description) of one target; model TargetHealth."""
    if (group.arn, target_id) in DRAINING:
        return "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
    if target_id not in group.targets:
        return "unused", "Target.NotRegistered", "Target is not registered to the target group"
    instance = ec2_backends[account][region].get_instance_by_id(target_id) if target_id.startswith("i-") else None
    if target_id.startswith("i-") and (instance is None or instance.state not in ("pending", "running")):
        state = instance.state if instance else "terminated"
        return "unused", "Target.InvalidState", f"Target is in the {state} state"
    if not in_use:
        return "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
    if UNHEALTHY & {target_id, group.name, "*"}:
        return "unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"
    if instance is not None and instance.state == "pending":
        return "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
    # [AWS 6]: "it must pass one health check to be considered healthy"; it listens after its boot.
    booted = getattr(instance, "booted_at", None) or 0
    if CLOCK.now() < max(REGISTERED.get((group.arn, target_id), 0), booted):
        return "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
    return "healthy", None, None


def sick(arn, target_id):
    """Return True if a test makes this target fail its checks."""
    registered = any(key == (arn, target_id) for key in REGISTERED)
    return registered and target_id in UNHEALTHY


@instead("elbv2", "DescribeTargetHealth")
def describe_health(call):
    group = _group(call)
    in_use = bool(balancers_of(call, group.arn))
    draining = {i: t for (arn, i), t in DRAINING.items() if arn == group.arn}
    known = {**draining, **group.targets}
    asked = call.get("Targets") or [{"Id": i} for i in known]
    shown = []
    for target in asked:
        state, reason, why = health(call.account, call.region, group, target["Id"], in_use)
        port = int(target.get("Port") or known.get(target["Id"], {}).get("Port") or group.port)
        entry = {"State": state, **({"Reason": reason, "Description": why} if reason else {})}
        shown.append(
            {"Target": {"Id": target["Id"], "Port": port}, "HealthCheckPort": str(group.port), "TargetHealth": entry}
        )
    return {"TargetHealthDescriptions": shown}
