"""The events of ElastiCache: what happened to caches in the last days."""

from datetime import UTC, datetime, timedelta

from .clock import CLOCK
from .rules import instead, on_reset, page

EVENTS = []


@on_reset
def forget():
    EVENTS.clear()


def tell(region, kind, name, message):
    """Note what happened to an object of a source type of AWS's: cache-cluster, replication-group."""
    at = datetime.fromtimestamp(CLOCK.seen(), UTC)
    EVENTS.append((region, {"SourceIdentifier": name, "SourceType": kind, "Message": message, "Date": at}))


@instead("elasticache", "DescribeEvents")
def events(call):
    # model DescribeEvents: the last hour, unless Duration says how many minutes.
    since = datetime.fromtimestamp(CLOCK.seen(), UTC) - timedelta(minutes=int(call.get("Duration") or 60))
    found = [
        event
        for region, event in reversed(EVENTS)
        if region == call.region
        and event["Date"] >= since
        and call.get("SourceIdentifier") in (None, event["SourceIdentifier"])
        and call.get("SourceType") in (None, event["SourceType"])
    ]
    shown, marker = page(call, found, "MaxRecords", "Marker")
    return {"Events": shown, "Marker": marker}
