"""Scaling policies, with the alarms that target tracking creates on AWS but not in moto."""

from moto.cloudwatch.models import cloudwatch_backends

from .asg_fleet import GROUPS, find, groups_of, reconcile
from .rules import NUMBERS, Refusal, instead, page, partition

FIELDS = (
    *("PolicyType", "AdjustmentType", "MinAdjustmentMagnitude", "ScalingAdjustment", "Cooldown", "StepAdjustments"),
    *("MetricAggregationType", "EstimatedInstanceWarmup", "TargetTrackingConfiguration", "Enabled"),
    "PredictiveScalingConfiguration",
)


def _check(group, config):
    metric = (config.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
    label = (config.get("PredefinedMetricSpecification") or {}).get("ResourceLabel")
    if metric == "ALBRequestCountPerTarget":
        # model ResourceLabel: "You can't specify a resource label unless the target group is attached to the
        # Auto Scaling group"; format app/name/id/targetgroup/name/id.
        if not label:
            raise Refusal("ValidationError", "A resource label is required for the metric ALBRequestCountPerTarget")
        parts = label.split("/")
        tail = "/".join(parts[3:])
        if len(parts) != 6 or parts[0] != "app" or not any(arn.endswith(f":{tail}") for arn in group.target_groups):
            message = (
                "The load balancer target group with resource label {0} is not attached to the Auto Scaling group."
            )
            raise Refusal("ValidationError", message.format(label))
        from moto.elbv2.models import elbv2_backends

        balancers = elbv2_backends[group.account][group.region].load_balancers.values()
        if not any(b.arn.endswith("loadbalancer/" + "/".join(parts[:3])) for b in balancers):
            raise Refusal("ValidationError", f"The load balancer of the resource label {label} does not exist.")
    elif label:
        raise Refusal("ValidationError", f"A resource label is not allowed for the metric {metric}")


@instead("autoscaling", "PutScalingPolicy")
def put(call):
    group, name = find(call, call.get("AutoScalingGroupName")), call.get("PolicyName")
    config = call.get("TargetTrackingConfiguration") or {}
    kind = call.get("PolicyType") or "SimpleScaling"
    if kind == "TargetTrackingScaling":
        if not config:
            raise Refusal(
                "ValidationError", "TargetTrackingConfiguration is required for TargetTrackingScaling policies"
            )
        _check(group, config)
    policy = group.policies.get(name)
    if policy is None:
        arn = (
            f"arn:{partition(group.region)}:autoscaling:{group.region}:{group.account}:scalingPolicy:{NUMBERS.uuid()}"
            f":autoScalingGroupName/{group.name}:policyName/{name}"
        )
        policy = {"PolicyName": name, "PolicyARN": arn, "AutoScalingGroupName": group.name, "Alarms": []}
    else:
        _drop_alarms(group, policy)
    policy = {k: policy[k] for k in ("PolicyName", "PolicyARN", "AutoScalingGroupName")}
    policy.update({"Enabled": True, **{k: call.params[k] for k in FIELDS if call.get(k) is not None}})
    policy["PolicyType"] = kind
    if kind == "TargetTrackingScaling":
        config.setdefault("DisableScaleIn", False)
    policy["Alarms"] = _alarms(group, policy, config) if kind == "TargetTrackingScaling" else []
    group.policies[name] = policy
    return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}


def _alarms(group, policy, config):
    # [AWS 5]: named TargetTracking-*; three minutes above to grow, fifteen below to shrink.
    made, kinds = [], [("AlarmHigh", "GreaterThanThreshold", 3, 1.0)]
    if not config.get("DisableScaleIn"):
        kinds.append(("AlarmLow", "LessThanThreshold", 15, 0.9))
    spec = config.get("PredefinedMetricSpecification") or {}
    metric = spec.get("PredefinedMetricType")
    names = {
        "ASGAverageCPUUtilization": ("AWS/EC2", "CPUUtilization", "Average"),
        "ASGAverageNetworkIn": ("AWS/EC2", "NetworkIn", "Average"),
        "ASGAverageNetworkOut": ("AWS/EC2", "NetworkOut", "Average"),
        "ALBRequestCountPerTarget": ("AWS/ApplicationELB", "RequestCountPerTarget", "Sum"),
    }
    custom = config.get("CustomizedMetricSpecification") or {}
    namespace, metric_name, statistic = names.get(
        metric,
        (
            custom.get("Namespace", "AWS/EC2"),
            custom.get("MetricName", "CPUUtilization"),
            custom.get("Statistic", "Average"),
        ),
    )
    dimensions = [{"Name": "AutoScalingGroupName", "Value": group.name}]
    if metric == "ALBRequestCountPerTarget":
        dimensions = [{"Name": "TargetGroup", "Value": "/".join(spec["ResourceLabel"].split("/")[3:])}]
    for suffix, comparison, periods, factor in kinds:
        name = f"TargetTracking-{group.name}-{suffix}-{NUMBERS.uuid()}"
        alarm = cloudwatch_backends[group.account][group.region].put_metric_alarm(
            name=name,
            namespace=namespace,
            metric_name=metric_name,
            comparison_operator=comparison,
            evaluation_periods=periods,
            period=60,
            threshold=float(config.get("TargetValue", 0)) * factor,
            statistic=statistic,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy['PolicyARN']}.",
            dimensions=[_dimension(d) for d in dimensions],
            alarm_actions=[policy["PolicyARN"]],
        )
        made.append({"AlarmName": name, "AlarmARN": alarm.alarm_arn})
    return made


def _dimension(dimension):
    return {
        "name": dimension["Name"],
        "value": dimension["Value"],
        "Name": dimension["Name"],
        "Value": dimension["Value"],
    }


def _drop_alarms(group, policy):
    cloudwatch_backends[group.account][group.region].delete_alarms([a["AlarmName"] for a in policy["Alarms"]])


def remove(group, name):
    policy = group.policies.pop(name, None)
    if policy:
        _drop_alarms(group, policy)
    return policy


@instead("autoscaling", "DeletePolicy")
def delete(call):
    wanted = call.get("PolicyName")
    for group in groups_of(call):
        if call.get("AutoScalingGroupName") not in (None, group.name):
            continue
        for name, policy in list(group.policies.items()):
            if wanted in (name, policy["PolicyARN"]):
                remove(group, name)
                return {}
    raise Refusal("ValidationError", f"Scaling policy {wanted} not found")


@instead("autoscaling", "DescribePolicies")
def describe(call):
    name, names, kinds = call.get("AutoScalingGroupName"), call.get("PolicyNames"), call.get("PolicyTypes")
    found = [
        p
        for g in groups_of(call)
        if not name or g.name == name
        for p in g.policies.values()
        if (not names or p["PolicyName"] in names or p["PolicyARN"] in names)
        and (not kinds or p["PolicyType"] in kinds)
    ]
    shown, token = page(call, found, "MaxRecords", default=50)
    return {"ScalingPolicies": shown, "NextToken": token}


@instead("autoscaling", "ExecutePolicy")
def execute(call):
    for group in GROUPS.values():
        policy = group.policies.get(call.get("PolicyName"))
        if policy and group.region == call.region and call.get("AutoScalingGroupName") in (None, group.name):
            step, now = int(policy.get("ScalingAdjustment") or 0), group.desired
            ways = {"ExactCapacity": step, "PercentChangeInCapacity": now + now * step // 100}
            wanted = ways.get(policy.get("AdjustmentType"), now + step)
            group.settings["DesiredCapacity"] = min(max(wanted, group.settings["MinSize"]), group.settings["MaxSize"])
            reconcile(group)
            return {}
    raise Refusal("ValidationError", f"Scaling policy {call.get('PolicyName')} not found")
