"""CloudWatch in Smithy RPC v2 CBOR, byte for byte as the Rust SDK writes it."""

import datetime
import time
import urllib.error
import urllib.request

import cbor2


def _cbor(aws, operation, body):
    request = urllib.request.Request(
        f"{aws.url}/service/GraniteServiceVersion20100801/operation/{operation}",
        method="POST",
        data=cbor2.dumps(body),
        headers={
            "smithy-protocol": "rpc-v2-cbor",
            "content-type": "application/cbor",
            "accept": "application/cbor",
            "x-amzn-query-mode": "true",
            "authorization": f"AWS4-HMAC-SHA256 Credential={aws.key}/20261121/us-east-1/monitoring/aws4_request, SignedHeaders=host, Signature=0",
        },
    )
    try:
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["smithy-protocol"] == "rpc-v2-cbor"
            assert answer.headers["content-type"] == "application/cbor"
            return cbor2.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, cbor2.loads(error.read())


def _alarm(**more):
    return {
        "AlarmName": "5xx",
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "HTTPCode_Target_5XX_Count",
        "Statistic": "Sum",
        "Dimensions": [{"Name": "LoadBalancer", "Value": "app/app/0123456789abcdef"}],
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "Tags": [{"Key": "gameday:stack", "Value": "s"}],
        **more,
    }


def test_alarm_round_trip(aws):
    assert _cbor(aws, "PutMetricAlarm", _alarm()) == {}
    found = _cbor(aws, "DescribeAlarms", {"AlarmNames": ["5xx"]})["MetricAlarms"][0]
    for name, value in _alarm().items():
        if name != "Tags":
            assert found[name] == value, name
    assert isinstance(found["Threshold"], float) and isinstance(found["Period"], int)
    assert isinstance(found["StateUpdatedTimestamp"], datetime.datetime)
    assert found["StateValue"] == "INSUFFICIENT_DATA"
    tags = _cbor(aws, "ListTagsForResource", {"ResourceARN": found["AlarmArn"]})["Tags"]
    assert tags == _alarm()["Tags"]
    _cbor(aws, "DeleteAlarms", {"AlarmNames": ["5xx"]})
    assert _cbor(aws, "DescribeAlarms", {})["MetricAlarms"] == []


def test_upsert_keeps_one_alarm(aws):
    _cbor(aws, "PutMetricAlarm", _alarm())
    _cbor(aws, "PutMetricAlarm", _alarm(Threshold=9.0))
    found = _cbor(aws, "DescribeAlarms", {})["MetricAlarms"]
    assert [a["Threshold"] for a in found] == [9.0]


def test_dashboard(aws):
    body = '{"widgets": []}'
    _cbor(aws, "PutDashboard", {"DashboardName": "app", "DashboardBody": body})
    assert _cbor(aws, "GetDashboard", {"DashboardName": "app"})["DashboardBody"] == body
    assert [d["DashboardName"] for d in _cbor(aws, "ListDashboards", {})["DashboardEntries"]] == ["app"]
    _cbor(aws, "DeleteDashboards", {"DashboardNames": ["app"]})
    status, headers, error = _cbor(aws, "GetDashboard", {"DashboardName": "app"})
    assert status in (400, 404) and error["__type"].startswith("com.amazonaws.cloudwatch#")
    assert headers["x-amzn-query-error"].endswith(";Sender")


def test_tags_are_for_new_things_and_go_with_them(aws):
    tags = [{"Key": "gameday:stack", "Value": "s"}]
    listed = lambda arn: _cbor(aws, "ListTagsForResource", {"ResourceARN": arn})["Tags"]
    for put, name, delete, arn in (
        (
            {"DashboardName": "app", "DashboardBody": "{}"},
            "PutDashboard",
            "DeleteDashboards",
            "arn:aws:cloudwatch::123456789012:dashboard/app",
        ),
        (_alarm(), "PutMetricAlarm", "DeleteAlarms", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:5xx"),
    ):
        _cbor(aws, name, {**put, "Tags": tags})
        assert listed(arn) == tags
        _cbor(aws, name, {**put, "Tags": [{"Key": "gameday:stack", "Value": "other"}]})
        assert listed(arn) == tags, "ignored when it exists"
        _cbor(aws, "TagResource", {"ResourceARN": arn, "Tags": [{"Key": "k", "Value": "v"}]})
        _cbor(aws, "UntagResource", {"ResourceARN": arn, "TagKeys": ["gameday:stack"]})
        assert listed(arn) == [{"Key": "k", "Value": "v"}]
        _cbor(aws, delete, {f"{next(iter(put)).removesuffix('s')}s": [next(iter(put.values()))]})
        _cbor(aws, name, {k: v for k, v in put.items() if k != "Tags"})
        assert listed(arn) == []


def test_metrics_are_planted_and_read(aws):
    now = time.time() - time.time() % 60
    data = [
        {"MetricName": "RequestCount", "Value": v, "Timestamp": cbor2.CBORTag(1, now - 60 * n), "Unit": "Count"}
        for n, v in ((1, 3.0), (2, 4.0))
    ]
    _cbor(aws, "PutMetricData", {"Namespace": "App", "MetricData": data})
    query = {
        "Id": "a",
        "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "RequestCount"}, "Period": 60, "Stat": "Sum"},
    }
    asked = {
        "MetricDataQueries": [query],
        "StartTime": cbor2.CBORTag(1, now - 300),
        "EndTime": cbor2.CBORTag(1, now + 60),
    }
    found = _cbor(aws, "GetMetricData", asked)["MetricDataResults"][0]
    assert sorted(found["Values"]) == [3.0, 4.0] and all(isinstance(v, float) for v in found["Values"])
    assert all(isinstance(t, datetime.datetime) for t in found["Timestamps"])


def test_percentiles(aws):
    now = time.time() - time.time() % 60
    at = {"Timestamp": cbor2.CBORTag(1, now - 60), "Unit": "Seconds"}
    data = [{"MetricName": "Time", "Value": float(v), **at} for v in range(1, 102)]
    _cbor(aws, "PutMetricData", {"Namespace": "App", "MetricData": data})
    metric = {"Metric": {"Namespace": "App", "MetricName": "Time"}, "Period": 60}
    queries = [{"Id": s.replace(".", "_"), "MetricStat": {**metric, "Stat": s}} for s in ("p50", "p95", "p99.9", "p100")]
    asked = {
        "MetricDataQueries": queries,
        "StartTime": cbor2.CBORTag(1, now - 300),
        "EndTime": cbor2.CBORTag(1, now + 60),
    }
    found = {r["Id"]: r["Values"] for r in _cbor(aws, "GetMetricData", asked)["MetricDataResults"]}
    assert found["p50"] == [51.0] and found["p95"] == [96.0] and found["p100"] == [101.0]
    assert 100.5 < found["p99_9"][0] < 101


def test_many_alarms_come_in_pages(aws):
    for n in range(12):
        _cbor(aws, "PutMetricAlarm", _alarm(AlarmName=f"a{n:02}"))
    seen, token = [], None
    while True:
        found = _cbor(aws, "DescribeAlarms", {"MaxRecords": 5, **({"NextToken": token} if token else {})})
        seen += [a["AlarmName"] for a in found["MetricAlarms"]]
        token = found.get("NextToken")
        if not token:
            break
    assert seen == [f"a{n:02}" for n in range(12)]


def test_refusals_in_cbor(aws):
    status, headers, error = _cbor(aws, "PutMetricAlarm", _alarm(Period=7))
    assert status == 400 and headers["x-amzn-query-error"] == "ValidationError;Sender" and "Period" in error["message"]


def test_boto3_reads_the_same(aws):
    _cbor(aws, "PutMetricAlarm", _alarm())
    assert aws.cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"] == "5xx"
