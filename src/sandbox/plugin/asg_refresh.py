"""Instance refreshes, which moto lacks: members are replaced in batches that keep the promised minimum healthy."""

from . import asg_fleet
from .asg_fleet import _now, enlist, find, reconcile, retire, version_wanted
from .asg_fleet import open_refresh as _open
from .autoscaling import _mixed, _template
from .clock import CLOCK
from .ec2_instances import BOOT, FIRST_CHECK, RUNNING
from .rules import NUMBERS, Refusal, instead, page


@instead("autoscaling", "StartInstanceRefresh")
def start(call):
    group = find(call, call.get("AutoScalingGroupName"))
    if _open(group):
        # model InstanceRefreshInProgressFault, code InstanceRefreshInProgress.
        message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."
        raise Refusal("InstanceRefreshInProgress", message)
    preferences = {
        "MinHealthyPercentage": 90,
        "SkipMatching": False,
        "AutoRollback": False,
        **(call.get("Preferences") or {}),
    }
    low, high = int(preferences["MinHealthyPercentage"]), preferences.get("MaxHealthyPercentage")
    if high is not None and (int(high) - low > 100 or int(high) < 100):
        raise Refusal(
            "ValidationError",
            "The difference between MinHealthyPercentage and MaxHealthyPercentage cannot be greater than 100.",
        )
    desired = call.get("DesiredConfiguration")
    before = (group.template, group.mixed)
    if desired:
        template, mixed = (
            _template(call, desired.get("LaunchTemplate")),
            _mixed(call, desired.get("MixedInstancesPolicy")),
        )
        spec = template or mixed["LaunchTemplate"]["LaunchTemplateSpecification"]
        if preferences["AutoRollback"] and str(spec.get("Version", "$Default")).startswith("$"):
            # [AWS 4.1]: auto rollback needs a numbered version.
            raise Refusal(
                "ValidationError", "AutoRollback cannot be used with the $Latest or $Default launch template version."
            )
        after = (template, None) if template else (None, mixed)
    else:
        if preferences["AutoRollback"]:
            raise Refusal("ValidationError", "AutoRollback requires a DesiredConfiguration.")
        after = before
    refresh = {
        "InstanceRefreshId": NUMBERS.uuid(),
        "AutoScalingGroupName": group.name,
        "Status": "Pending",
        "StartTime": _now(),
        "PercentageComplete": 0,
        "InstancesToUpdate": len(group.active),
        "Preferences": preferences,
        "Strategy": call.get("Strategy") or "Rolling",
        "DesiredConfiguration": desired,
        "_before": before,
        "_after": after,
        "_old": [],
        "_total": 0,
    }
    group.refreshes.insert(0, refresh)
    CLOCK.after(5, lambda: _begin(group, refresh))
    return {"InstanceRefreshId": refresh["InstanceRefreshId"]}


def _begin(group, refresh):
    if refresh["Status"] != "Pending":
        return
    refresh["Status"] = "InProgress"
    group.template, group.mixed = refresh["_after"]
    wanted = version_wanted(group)
    skip = str(refresh["Preferences"]["SkipMatching"]).lower() == "true"
    refresh["_old"] = [m for m in group.active if not (skip and m.version is wanted)]
    refresh["_total"] = len(refresh["_old"])
    refresh["InstancesToUpdate"] = refresh["_total"]
    _step(group, refresh)


def _step(group, refresh):
    if refresh["Status"] not in ("InProgress", "RollbackInProgress") or group.deleting:
        return
    refresh["_old"] = [m for m in refresh["_old"] if m in group.members and not m.state.startswith("Terminating")]
    left = len(refresh["_old"])
    done = refresh["_total"] - left
    refresh["PercentageComplete"] = 100 * done // refresh["_total"] if refresh["_total"] else 100
    refresh["InstancesToUpdate"] = left
    if not left:
        refresh["Status"] = "Successful" if refresh["Status"] == "InProgress" else "RollbackSuccessful"
        refresh["EndTime"] = _now()
        return
    preferences = refresh["Preferences"]
    size = group.desired or 1
    batch = max(1, size * (100 - int(preferences["MinHealthyPercentage"])) // 100)
    first = preferences.get("MaxHealthyPercentage")
    leaving = refresh["_old"][:batch]
    if first is not None:
        # model MaxHealthyPercentage: with it new instances start before old ones end.
        group.extra = len(leaving)
        for member in leaving:
            member.leaving = True
        for _ in leaving:
            enlist(group)
    else:
        for member in leaving:
            retire(group, member, "was taken out of service in response to an instance refresh")
        asg_fleet.reconcile(group)
    warmup = preferences.get("InstanceWarmup")
    if warmup is None:
        warmup = group.settings.get("DefaultInstanceWarmup")
    warmup = BOOT + FIRST_CHECK if warmup is None else int(warmup)

    def ready():
        group.extra = 0
        if first is not None and refresh["Status"] in ("InProgress", "RollbackInProgress"):
            for member in leaving:
                if member in group.members:
                    retire(group, member, "was taken out of service in response to an instance refresh")
        _step(group, refresh)

    CLOCK.after(RUNNING + warmup, ready)


@instead("autoscaling", "CancelInstanceRefresh")
def cancel(call):
    group = find(call, call.get("AutoScalingGroupName"))
    refresh = _open(group)
    if refresh is None:
        raise _none(group)
    refresh["Status"] = "Cancelling"

    def cancelled():
        if refresh["Status"] == "Cancelling":
            refresh["Status"], refresh["EndTime"] = "Cancelled", _now()
            reconcile(group)

    CLOCK.after(10, cancelled)
    return {"InstanceRefreshId": refresh["InstanceRefreshId"]}


@instead("autoscaling", "RollbackInstanceRefresh")
def rollback(call):
    group = find(call, call.get("AutoScalingGroupName"))
    refresh = _open(group)
    if refresh is None:
        raise _none(group)
    if not refresh["DesiredConfiguration"]:
        # model IrreversibleInstanceRefreshFault, code IrreversibleInstanceRefresh.
        raise Refusal(
            "IrreversibleInstanceRefresh",
            "The instance refresh has no desired configuration and cannot be rolled back.",
        )
    refresh["RollbackDetails"] = {
        "RollbackReason": "User requested rollback.",
        "RollbackStartTime": _now(),
        "PercentageCompleteOnRollback": refresh["PercentageComplete"],
        "InstancesToUpdateOnRollback": refresh["InstancesToUpdate"],
    }
    group.template, group.mixed = refresh["_before"]
    wanted = version_wanted(group)
    refresh["Status"] = "RollbackInProgress"
    refresh["_old"] = [m for m in group.active if m.version is not wanted]
    refresh["_total"] = len(refresh["_old"])
    CLOCK.after(5, lambda: _step(group, refresh))
    return {"InstanceRefreshId": refresh["InstanceRefreshId"]}


def _none(group):
    # model ActiveInstanceRefreshNotFoundFault, code ActiveInstanceRefreshNotFound.
    return Refusal(
        "ActiveInstanceRefreshNotFound",
        f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}",
    )


@instead("autoscaling", "DescribeInstanceRefreshes")
def describe(call):
    group, ids = find(call, call.get("AutoScalingGroupName")), call.get("InstanceRefreshIds")
    found = [r for r in group.refreshes if not ids or r["InstanceRefreshId"] in ids]
    shown, token = page(call, found, "MaxRecords", default=50)
    clean = [{k: v for k, v in r.items() if not k.startswith("_")} for r in shown]
    return {"InstanceRefreshes": clean, "NextToken": token}
