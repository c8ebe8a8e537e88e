"""Systems Manager's parameters."""

from .rules import after, partition


@after("ssm", "DescribeParameters")
def with_arn(call, answer):
    # model ParameterMetadata: "ARN: The Amazon Resource Name (ARN) of the parameter"; moto leaves it out here, though
    # not in GetParameter.
    for parameter in answer.get("Parameters", []):
        name = parameter["Name"].removeprefix("/")
        parameter.setdefault("ARN", f"arn:{partition(call.region)}:ssm:{call.region}:{call.account}:parameter/{name}")
    return answer
