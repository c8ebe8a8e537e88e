"""CloudWatch Logs."""

from .rules import after


@after("logs", "FilterLogEvents")
def of_streams(call, answer):
    # model FilterLogEvents: "Filters the results to include only events from log streams that have names starting with
    # this prefix"; moto overlooks it.
    prefix = call.get("logStreamNamePrefix") or ""
    answer["events"] = [e for e in answer.get("events") or [] if e["logStreamName"].startswith(prefix)]
    return answer
