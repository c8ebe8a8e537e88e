"""How the steps that are a service's own are called, and their objects on AWS. The only place in Python that says so; no other
module of the tests is needed for it."""

SERVICE, STACK, REGION = "api", "billing", "us-east-1"
GLOBAL = {"role", "instance-profile", "dashboard", "distribution"}


def own(kind, what="", service=SERVICE):
    """The key of a step that is a service's own: of an alarm and a log group, `what` is what it is about."""
    name = {
        "security-group": f"app-{service}",
        "security-group-rules": f"app-{service}",
        "role": service,
        "instance-profile": service,
        "log-group": f"{service}-{what}",
        "alarm": f"{service}-{what}",
    }[kind]
    return f"{kind}/{name}"


def group_of(service=SERVICE):
    """What a service's security group is called among those of the stack: the second half of its key."""
    return own("security-group", service=service).split("/")[1]


def name_of(step, stack=STACK, region=REGION):
    """The name that a step's object has on AWS if `[names]` gives it no other."""
    kind, name = step.split("/")
    # A global name has the region in it.
    return f"{stack}-{name}" + (f"-{region}" if kind in GLOBAL else "")


def log_path(what, stack=STACK, service=SERVICE):
    """The path of a log group of a service."""
    return f"/gameday/{stack}/{service}/{what}"
