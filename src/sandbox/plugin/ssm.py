"""Systems Manager's parameters."""

from datetime import timedelta

from moto.ssm.models import ssm_backends

from .clock import CLOCK
from .rules import Refusal, after, before, partition


@before("ssm", "PutParameter")
def within_its_tier(call):
    # model Value: "Standard parameters have a value limit of 4 KB. Advanced parameters have a value limit of 8 KB.";
    # moto takes any length.
    size = len((call.get("Value") or "").encode())
    if size > 8192:
        message = "Advanced tier parameters support a maximum parameter value of 8192 characters."
        raise Refusal("ValidationException", message)
    if size > 4096 and call.get("Tier") in (None, "Standard"):
        message = "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger " \
            "parameter value, upgrade the parameter to use the advanced-parameter tier."
        raise Refusal("ValidationException", message)


@after("ssm", "PutParameter")
def set_now(call, answer):
    """Set the time: moto takes this machine's, which cannot be advanced."""
    newest = ssm_backends[call.account][call.region].get_parameter(call.get("Name"))
    if newest is not None:
        newest.last_modified_date += timedelta(seconds=CLOCK.advanced)
    return answer


@after("ssm", "DescribeParameters")
def with_arn(call, answer):
    # model ParameterMetadata: "ARN: The Amazon Resource Name (ARN) of the parameter"; moto leaves it out here, though
    # not in GetParameter.
    for parameter in answer.get("Parameters", []):
        name = parameter["Name"].removeprefix("/")
        parameter.setdefault("ARN", f"arn:{partition(call.region)}:ssm:{call.region}:{call.account}:parameter/{name}")
    return answer
