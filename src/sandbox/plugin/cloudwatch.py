"""CloudWatch: the initial state of an alarm, the tags of alarms and dashboards, percentiles."""

import re

from moto.cloudwatch.models import Statistics, cloudwatch_backends

from .rules import Refusal, after, before, instead, partition


def backend(call):
    return cloudwatch_backends[call.account][call.region]


def tags_of(call, arn):
    return backend(call).tagger.get_tag_dict_for_resource(arn)


def set_tags(call, arn, tags):
    tagger = backend(call).tagger
    tagger.delete_all_tags_for_resource(arn)
    tagger.tag_resource(arn, [{"Key": k, "Value": v} for k, v in tags.items()])


def asked_tags(call):
    return {t["Key"]: t.get("Value") or "" for t in call.get("Tags") or []}


@before("cloudwatch", "PutMetricAlarm")
def seen_before(call):
    alarm = backend(call).alarms.get(call.get("AlarmName"))
    call.notes["tags"] = tags_of(call, alarm.alarm_arn) if alarm else None
    # model: Period 10, 20, 30 or a multiple of 60 [AWS 7].
    period = call.get("Period")
    if period is not None and int(period) not in (10, 20, 30) and int(period) % 60:
        raise Refusal("ValidationError", "Period must be 10, 20, 30 or any multiple of 60")
    points, periods = call.get("DatapointsToAlarm"), call.get("EvaluationPeriods")
    if points is not None and int(points) > int(periods or 0):
        raise Refusal("ValidationError", "DatapointsToAlarm must be less than or equal to EvaluationPeriods")


@after("cloudwatch", "PutMetricAlarm")
def insufficient_data(call, answer):
    alarm = backend(call).alarms[call.get("AlarmName")]
    if call.notes["tags"] is None:
        # model PutMetricAlarm: "When this operation creates an alarm, the alarm state is immediately set to
        # INSUFFICIENT_DATA"; moto starts with OK.
        alarm.state_value, alarm.state_reason = "INSUFFICIENT_DATA", "Unchecked: Initial alarm creation"
        set_tags(call, alarm.alarm_arn, asked_tags(call))
    else:
        # model Tags: "If you are using this operation to update an existing alarm, any tags you specify in this
        # parameter are ignored."
        set_tags(call, alarm.alarm_arn, call.notes["tags"])


@before("cloudwatch", "DeleteAlarms")
def tags_go_too(call):
    # moto keeps the tags for the next alarm of the same name.
    for name in call.get("AlarmNames") or []:
        alarm = backend(call).alarms.get(name)
        if alarm:
            backend(call).tagger.delete_all_tags_for_resource(alarm.alarm_arn)


# Dashboards: moto ignores their tags.


def dashboard_arn(call, name):
    # model: dashboards are global, their ARN has no region.
    return f"arn:{partition(call.region)}:cloudwatch::{call.account}:dashboard/{name}"


@before("cloudwatch", "PutDashboard")
def tag_new_dashboard(call):
    # model Tags: "You can use this parameter only when creating a new dashboard."
    name = call.get("DashboardName")
    call.notes["new"] = name not in backend(call).dashboards


@after("cloudwatch", "PutDashboard")
def tagged_dashboard(call, answer):
    if call.notes["new"]:
        set_tags(call, dashboard_arn(call, call.get("DashboardName")), asked_tags(call))


@after("cloudwatch", "DeleteDashboards")
def dashboard_tags_go_too(call, answer):
    for name in call.get("DashboardNames") or []:
        backend(call).tagger.delete_all_tags_for_resource(dashboard_arn(call, name))


@instead("cloudwatch", "TagResource", "UntagResource", "ListTagsForResource")
def dashboard_tags(call):
    arn = call.get("ResourceARN") or ""
    if ":dashboard/" not in arn:
        return None
    if arn.rpartition("/")[2] not in backend(call).dashboards:
        raise Refusal("ResourceNotFoundException", f"Unknown: {arn}", 404)
    tags = tags_of(call, arn)
    if call.operation == "ListTagsForResource":
        return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
    for key in call.get("TagKeys") or []:
        tags.pop(key, None)
    set_tags(call, arn, {**tags, **asked_tags(call)})
    return {}


# Percentiles: moto answers None for them, and fails at that.

of_moto = Statistics.get_statistics_for_type


def statistic(self, stat):
    # CloudWatch statistics definitions: p95 is the value that 95 % of the data are not above. What was sent as a
    # StatisticSet has no percentiles unless it is a single value; here its maximum stands for it.
    percentile = re.fullmatch(r"p(\d{1,2}(?:\.\d{1,10})?|100)", stat)
    values = sorted([*self.metric_single_values_list, *(s.max for s in self.metric_aggregated_list)])
    if not percentile or not values:
        return of_moto(self, stat)
    place = (len(values) - 1) * float(percentile[1]) / 100
    below, above = values[int(place)], values[min(int(place) + 1, len(values) - 1)]
    return below + (above - below) * (place - int(place))


Statistics.get_statistics_for_type = statistic
