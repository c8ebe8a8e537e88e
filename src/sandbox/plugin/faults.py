"""Faults on demand, which a client must survive on a bad day. Off unless a test asks for them.

POST /_gameday/faults accepts these keys, all optional; `done` of the answer counts their effects:

    seed                                  the seed of the random numbers
    throttle, error500, drop, lost_answer chances from 0 to 1: refused, failed, cut before and after the effect
    hide_fresh_seconds                    how long describes lack new objects (AWS's time), and balancers, RDS and
                                          ElastiCache lack new subnets and groups
    list_gone                             the tagging API keeps listing deleted objects
    delay                                 seconds added to each call
    gather                                each call waits until no other arrived for this many seconds, so that calls
                                          sent together are answered together, however slowly the caller sends
    only                                  a pattern of `service:Operation` that limits all of the above and `hold_after`
    after_n_calls, max_faults             the calls before the first fault, and the largest number of faults
    hold_after                            this many calls take effect, and later ones wait until the faults change;
                                          with hold_counts_changes, only changing calls count
    deny                                  patterns of actions that are not authorized
    expire_after                          this many calls are answered, then the credentials have expired
    region                                "closed": the region is not enabled in this account
    refuse                                [{on, code, message, status, where: {parameter: value}, after, times}];
                                          `times` -1 has no end
"""

import random
import re
import threading
import time

from .clock import CLOCK
from .rules import Refusal, partition

# Retried by the SDKs, in each service's own words [AWS 12.3].
THROTTLED = {
    "ec2": ("RequestLimitExceeded", 503),
    "efs": ("ThrottlingException", 429),
    "ssm": ("ThrottlingException", 400),
    "logs": ("ThrottlingException", 400),
    "resourcegroupstaggingapi": ("ThrottledException", 400),
}
JSON_DENIED = "AccessDeniedException"

# Lists that may lack a new object for a while [AWS 4.7]: operation -> (list, id).
FRESH = {
    ("ec2", "DescribeVpcs"): ("Vpcs", "VpcId", "VpcIds", "InvalidVpcID.NotFound"),
    ("ec2", "DescribeSubnets"): ("Subnets", "SubnetId", "SubnetIds", "InvalidSubnetID.NotFound"),
    ("ec2", "DescribeSecurityGroups"): ("SecurityGroups", "GroupId", "GroupIds", "InvalidGroup.NotFound"),
    ("ec2", "DescribeInternetGateways"): (
        "InternetGateways",
        "InternetGatewayId",
        "InternetGatewayIds",
        "InvalidInternetGatewayID.NotFound",
    ),
    ("iam", "ListInstanceProfiles"): ("InstanceProfiles", "InstanceProfileName", None, None),
    ("iam", "GetInstanceProfile"): ("InstanceProfile", "InstanceProfileName", "InstanceProfileName", "NoSuchEntity"),
}


class Held(Exception):
    """Signal that the call has to wait, without any effect, until the faults change."""


class Cut(Exception):
    """Signal that the connection breaks without an answer."""

    def __init__(self, reason):
        self.reason = reason


class Faults:
    def __init__(self):
        self.changed = threading.Condition()
        self.set({})

    def set(self, rules):
        known = {
            *("seed", "throttle", "error500", "lost_answer", "drop", "hide_fresh_seconds", "delay", "gather"),
            *("only", "after_n_calls", "max_faults", "deny", "refuse"),
            *("list_gone", "hold_after", "hold_counts_changes", "expire_after", "region"),
        }
        unknown = set(rules) - known
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        self.rules = rules
        self.listed = {}
        self.only = re.compile(rules.get("only", ""))
        self.dice = random.Random(rules.get("seed", 0))
        self.calls = self.passed = 0
        self.seen = self.wave = 0
        kinds = ("throttle", "error500", "lost_answer", "drop", "deny", "hidden", "held", "refuse", "expired", "closed", "gone", "slow")
        self.done = dict.fromkeys(kinds, 0)
        self.refusals = [dict(r) for r in rules.get("refuse", ())]
        with self.changed:
            self.changed.notify_all()

    def applies(self, call):
        return bool(self.rules) and bool(self.only.search(f"{call.service}:{call.operation}"))

    def pause(self, call):
        """Slow a call down. It ends with its rule, so that nothing takes effect long after its caller died."""
        rules = self.rules
        if not self.applies(call):
            return
        if rules.get("delay"):
            with self.changed:
                self.done["slow"] += 1
                self.changed.wait_for(lambda: self.rules is not rules, float(rules["delay"]))
        if rules.get("gather"):
            with self.changed:
                self.arrived, wave = time.monotonic(), self.wave
                while self.rules is rules and self.wave == wave:
                    left = self.arrived + float(rules["gather"]) - time.monotonic()
                    if left <= 0:
                        self.wave += 1
                        self.changed.notify_all()
                    else:
                        self.changed.wait(left)

    def hold(self, call):
        """Check first: after a number of calls everything stops, as if the caller's process did."""
        if "hold_after" not in self.rules or not self.applies(call):
            return
        if self.passed >= int(self.rules["hold_after"]):
            self.done["held"] += 1
            raise Held
        self.passed += call.mutating or not self.rules.get("hold_counts_changes")

    def wait(self, rules):
        """Wait until the faults change; held callers are cut off then."""
        with self.changed:
            self.changed.wait_for(lambda: self.rules is not rules)

    def met(self, call):
        """Apply faults before the call has any effect."""
        self.seen += 1
        if "expire_after" in self.rules and self.seen > int(self.rules["expire_after"]):
            self.done["expired"] += 1
            raise _expired(call)
        if self.rules.get("region") == "closed":
            self.done["closed"] += 1
            raise _closed(call)
        for refusal in self.refusals:
            if refusal.get("times", 1) != 0 and _is_meant(refusal, call):
                if refusal.get("after", 0) > 0:
                    refusal["after"] -= 1
                    continue
                refusal["times"] = refusal.get("times", 1) - 1  # -1: for ever
                self.done["refuse"] += 1
                raise Refusal(refusal["code"], refusal.get("message", ""), int(refusal.get("status", 400)))
        for pattern in self.rules.get("deny", ()):
            if re.fullmatch(pattern.replace("*", ".*"), f"{call.service}:{call.operation}"):
                self.done["deny"] += 1
                raise denied(call)
        if not self.applies(call):
            return
        self.calls += 1
        if self.calls <= int(self.rules.get("after_n_calls", 0)):
            return
        if self._strikes("drop"):
            raise Cut("drop")
        if self._strikes("throttle"):
            code, status = THROTTLED.get(call.service, ("Throttling", 400))
            raise Refusal(code, "Rate exceeded", status)
        if self._strikes("error500"):
            raise Refusal("InternalFailure" if call.service != "ec2" else "InternalError", "An error has occurred", 500)

    def answered(self, call):
        """Apply faults after the call had its effect."""
        if self.applies(call) and self.calls > int(self.rules.get("after_n_calls", 0)) and self._strikes("lost_answer"):
            raise Cut("lost_answer")

    def _strikes(self, kind):
        chance = float(self.rules.get(kind, 0))
        limit = self.rules.get("max_faults")
        if chance <= 0 or (limit is not None and sum(n for kind, n in self.done.items() if kind != "slow") >= limit):
            return False
        struck = self.dice.random() < chance
        self.done[kind] += struck
        return struck

    def and_what_is_gone(self, found):
        """Return resources by ARN, including deleted ones that were listed before (aws-cli issue 4173)."""
        if not self.rules.get("list_gone"):
            return found
        self.listed.update(found)
        self.done["gone"] += len(self.listed) > len(found)
        return list(self.listed.items())

    def is_fresh(self, call, id):
        """Return True if this service does not yet know an object of another service (counted once hidden)."""
        seconds = float(self.rules.get("hide_fresh_seconds", 0))
        fresh = bool(seconds) and self.applies(call) and BORN.get(id, 0) > CLOCK.now() - seconds
        self.done["hidden"] += fresh
        return fresh

    def hides(self, call):
        return bool(self.rules.get("hide_fresh_seconds")) and (call.service, call.operation) in FRESH

    def hide(self, call, result):
        if not self.hides(call):
            return result
        items, id_name, asked_name, missing = FRESH[(call.service, call.operation)]
        horizon = CLOCK.now() - float(self.rules["hide_fresh_seconds"])

        def fresh(item):
            return BORN.get(item[id_name], 0) > horizon

        hidden = [i for i in (result[items] if isinstance(result[items], list) else [result[items]]) if fresh(i)]
        if not hidden:
            return result
        self.done["hidden"] += 1
        if asked_name and call.get(asked_name):
            raise Refusal(
                missing, f"The ID '{hidden[0][id_name]}' does not exist", 404 if call.service == "iam" else 400
            )
        return {**result, items: [i for i in result[items] if i not in hidden]}


# The creation time of each object that can be hidden, in emulated time.
BORN = {}
FAULTS = Faults()


def _is_meant(refusal, call):
    if not re.fullmatch(refusal["on"].replace("*", ".*"), f"{call.service}:{call.operation}"):
        return False
    return all(str(call.get(name)) == str(value) for name, value in refusal.get("where", {}).items())


def _expired(call):
    """Refuse expired credentials in each service's words [AWS 4.4] [AWS V3].

    EC2 says RequestExpired, the JSON services say ExpiredTokenException.
    """
    if call.service == "ec2":
        return Refusal("RequestExpired", "Request has expired.", 400)
    if call.protocol in ("json", "rest-json"):
        return Refusal("ExpiredTokenException", "The security token included in the request is expired", 400)
    return Refusal("ExpiredToken", "The security token included in the request is expired", 403)


def _closed(call):
    """Refuse a region that the account has not enabled, in each service's words [AWS V4].

    EC2 says AuthFailure, STS and the query services InvalidClientTokenId, the JSON services
    UnrecognizedClientException.
    """
    if call.service == "ec2":
        return Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    if call.protocol in ("json", "rest-json"):
        return Refusal("UnrecognizedClientException", "The security token included in the request is invalid.", 400)
    return Refusal("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


def denied(call):
    action = f"{call.service}:{call.operation}"
    who = f"arn:{partition(call.region)}:sts::{call.account}:assumed-role/sandbox/gameday"
    if call.service == "ec2":
        message = (
            f"You are not authorized to perform this operation. User: {who} is not authorized to perform: {action}"
        )
        return Refusal("UnauthorizedOperation", message, 403)
    json = call.protocol in ("json", "rest-json") and call.service != "cloudwatch"
    code = JSON_DENIED if json else "AccessDenied"
    return Refusal(code, f"User: {who} is not authorized to perform: {action}", 403 if code == "AccessDenied" else 400)
