"""CloudFront: distributions with versions, on the clock. moto takes any version and deletes enabled ones."""

import copy
import datetime

from .clock import CLOCK
from .rules import NUMBERS, Refusal, instead, on_reset, partition

# Seconds until all places know a change [AWS C1].
DEPLOY = 240
# CloudFront belongs to no region; this one lists its tags.
REGION = "us-east-1"

DISTRIBUTIONS = {}
# References of distributions that were ever created. model: "a value that you already sent in a previous request".
REFERENCES = set()
ERRORS = {400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}


@on_reset
def _reset():
    DISTRIBUTIONS.clear()
    REFERENCES.clear()


class Distribution:
    def __init__(self, call, config, tags):
        self.id = "E" + NUMBERS.letters(13).upper()
        self.arn = f"arn:{partition(call.region)}:cloudfront::{call.account}:distribution/{self.id}"
        self.domain = f"d{NUMBERS.letters(13)}.cloudfront.net"
        self.tags = tags
        self.change(config)

    def change(self, config):
        self.config = config
        self.version = "E" + NUMBERS.letters(13).upper()
        self.changed = CLOCK.seen()
        self.status, version = "InProgress", self.version

        def deployed():
            if self.version == version:
                self.status = "Deployed"

        CLOCK.after(DEPLOY, deployed)

    @property
    def modified(self):
        return datetime.datetime.fromtimestamp(self.changed, datetime.timezone.utc)

    def described(self):
        return {
            "Id": self.id,
            "ARN": self.arn,
            "Status": self.status,
            "LastModifiedTime": self.modified,
            "InProgressInvalidationBatches": 0,
            "DomainName": self.domain,
            "ActiveTrustedSigners": {"Enabled": False, "Quantity": 0},
            "ActiveTrustedKeyGroups": {"Enabled": False, "Quantity": 0},
            "DistributionConfig": copy.deepcopy(self.config),
        }

    def summary(self):
        shown = {k: v for k, v in self.config.items() if k in SHOWN}
        return {
            "Id": self.id,
            "ARN": self.arn,
            "Status": self.status,
            "LastModifiedTime": self.modified,
            "DomainName": self.domain,
            "Staging": False,
            **copy.deepcopy(shown),
        }


# The members of a configuration that a list shows, too.
SHOWN = {
    *("Aliases", "Origins", "OriginGroups", "DefaultCacheBehavior", "CacheBehaviors", "CustomErrorResponses"),
    *("Comment", "PriceClass", "Enabled", "ViewerCertificate", "Restrictions", "WebACLId", "HttpVersion"),
    "IsIPV6Enabled",
}


def filled(config):
    """Return the configuration as CloudFront keeps it: with defaults, and without empty lists."""
    config = _without_empty_lists(copy.deepcopy(config))
    for name, value in (
        ("Aliases", {"Quantity": 0}),
        ("DefaultRootObject", ""),
        ("OriginGroups", {"Quantity": 0}),
        ("CacheBehaviors", {"Quantity": 0}),
        ("CustomErrorResponses", {"Quantity": 0}),
        ("Logging", {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""}),
        ("PriceClass", "PriceClass_All"),
        ("ViewerCertificate", {"CloudFrontDefaultCertificate": True, "MinimumProtocolVersion": "TLSv1"}),
        ("Restrictions", {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}}),
        ("WebACLId", ""),
        ("HttpVersion", "http2"),
        ("IsIPV6Enabled", False),
        ("Staging", False),
    ):
        config.setdefault(name, value)
    for origin in config["Origins"]["Items"]:
        origin.setdefault("OriginPath", "")
        origin.setdefault("CustomHeaders", {"Quantity": 0})
        origin.setdefault("ConnectionAttempts", 3)
        origin.setdefault("ConnectionTimeout", 10)
        origin.setdefault("OriginShield", {"Enabled": False})
        http = origin.get("CustomOriginConfig")
        if http is not None:
            http.setdefault("OriginSslProtocols", {"Quantity": 1, "Items": ["TLSv1.2"]})
            http.setdefault("OriginReadTimeout", 30)
            http.setdefault("OriginKeepaliveTimeout", 5)
    behavior = config["DefaultCacheBehavior"]
    cached = {"Quantity": 2, "Items": ["HEAD", "GET"]}
    behavior.setdefault("TrustedSigners", {"Enabled": False, "Quantity": 0})
    behavior.setdefault("TrustedKeyGroups", {"Enabled": False, "Quantity": 0})
    behavior.setdefault("AllowedMethods", {"Quantity": 2, "Items": ["HEAD", "GET"], "CachedMethods": cached})
    behavior.setdefault("SmoothStreaming", False)
    behavior.setdefault("Compress", False)
    behavior.setdefault("LambdaFunctionAssociations", {"Quantity": 0})
    behavior.setdefault("FunctionAssociations", {"Quantity": 0})
    values = behavior.get("ForwardedValues")
    if values is not None:
        values.setdefault("Headers", {"Quantity": 0})
        values.setdefault("QueryStringCacheKeys", {"Quantity": 0})
        behavior.setdefault("DefaultTTL", 86400)
        behavior.setdefault("MaxTTL", 31536000)
    for error in config["CustomErrorResponses"].get("Items", []):
        error.setdefault("ResponsePagePath", "")
        error.setdefault("ResponseCode", "")
    return config


def _without_empty_lists(value):
    if isinstance(value, dict):
        return {k: _without_empty_lists(v) for k, v in value.items() if not (k == "Items" and v == [])}
    return [_without_empty_lists(v) for v in value] if isinstance(value, list) else value


def check(config):
    _quantities(config)
    if len(config.get("Comment") or "") > 128:
        raise Refusal("InvalidArgument", "The parameter Comment is too long.")
    origins = config["Origins"].get("Items") or []
    if not origins:
        raise Refusal("InvalidArgument", "The parameter Origins is required.")
    behavior = config["DefaultCacheBehavior"]
    if behavior["TargetOriginId"] not in [origin["Id"] for origin in origins]:
        raise Refusal("NoSuchOrigin", "One or more of your origins or origin groups do not exist.", 404)
    values, policy = behavior.get("ForwardedValues"), behavior.get("CachePolicyId")
    if (values is None) == (policy is None):
        words = "cannot be used together with" if values else "is required, or"
        raise Refusal("InvalidArgument", f"The parameter ForwardedValues {words} CachePolicyId.")
    if values is not None:
        low = behavior.get("MinTTL")
        if low is None:
            raise Refusal("InvalidArgument", "The parameter MinTTL is required.")
        usual, high = behavior.get("DefaultTTL", 86400), behavior.get("MaxTTL", 31536000)
        if not low <= usual <= high:
            raise Refusal("InvalidTTLOrder", "The specified TTL order is not valid: MinTTL, DefaultTTL, MaxTTL.")
        if len((values.get("Headers") or {}).get("Items") or []) > 10:
            raise Refusal("TooManyHeadersInForwardedValues", "Too many headers in forwarded values.")
    for error in (config.get("CustomErrorResponses") or {}).get("Items") or []:
        if error["ErrorCode"] not in ERRORS:
            raise Refusal("InvalidErrorCode", f"The error code {error['ErrorCode']} is not valid.")


def _quantities(value):
    if isinstance(value, dict):
        if "Quantity" in value and value["Quantity"] != len(value.get("Items") or []):
            raise Refusal("InconsistentQuantities", "The value of Quantity and the size of Items don't match.")
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            _quantities(part)


def find(call):
    found = DISTRIBUTIONS.get(call.get("Id"))
    if found is None:
        raise Refusal("NoSuchDistribution", "The specified distribution does not exist.", 404)
    return found


def _of_version(call):
    found = find(call)
    if not call.get("IfMatch"):
        raise Refusal("InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
    if call.get("IfMatch") != found.version:
        raise Refusal("PreconditionFailed", "The request failed because it didn't meet the preconditions.", 412)
    return found


def _create(call, config, tags):
    if config["CallerReference"] in REFERENCES:
        message = "The caller reference that you are using to create a distribution is associated with another one."
        raise Refusal("DistributionAlreadyExists", message, 409)
    check(config)
    if len(DISTRIBUTIONS) >= 200:  # [AWS C1]
        raise Refusal("TooManyDistributions", "Your request would exceed the number of distributions allowed.")
    REFERENCES.add(config["CallerReference"])
    made = Distribution(call, filled(config), tags)
    DISTRIBUTIONS[made.id] = made
    location = f"https://cloudfront.amazonaws.com/2020-05-31/distribution/{made.id}"
    return {"Distribution": made.described(), "Location": location, "ETag": made.version}


@instead("cloudfront", "CreateDistribution")
def create(call):
    return _create(call, call.get("DistributionConfig"), {})


@instead("cloudfront", "CreateDistributionWithTags")
def create_with_tags(call):
    both = call.get("DistributionConfigWithTags")
    return _create(call, both["DistributionConfig"], tags_of(both.get("Tags")))


@instead("cloudfront", "GetDistribution")
def get(call):
    return {"Distribution": find(call).described(), "ETag": find(call).version}


@instead("cloudfront", "GetDistributionConfig")
def get_config(call):
    return {"DistributionConfig": copy.deepcopy(find(call).config), "ETag": find(call).version}


@instead("cloudfront", "ListDistributions")
def listed(call):
    every = list(DISTRIBUTIONS.values())
    marker, most = call.get("Marker") or "", int(call.get("MaxItems") or 100)
    start = next((n + 1 for n, d in enumerate(every) if d.id == marker), 0)
    shown = every[start : start + most]
    more = start + most < len(every)
    page = {"Marker": marker, "MaxItems": most, "IsTruncated": more, "Quantity": len(shown)}
    if more:
        page["NextMarker"] = shown[-1].id
    if shown:
        page["Items"] = [d.summary() for d in shown]
    return {"DistributionList": page}


@instead("cloudfront", "UpdateDistribution")
def update(call):
    found, config = _of_version(call), call.get("DistributionConfig")
    if config["CallerReference"] != found.config["CallerReference"]:
        raise Refusal("IllegalUpdate", "The caller reference cannot be changed.")
    check(config)
    found.change(filled(config))
    return {"Distribution": found.described(), "ETag": found.version}


@instead("cloudfront", "DeleteDistribution")
def delete(call):
    found = _of_version(call)
    # [AWS C1]: disabled, and known everywhere to be.
    if found.config["Enabled"] or found.status != "Deployed":
        message = "The distribution you are trying to delete has not been disabled."
        raise Refusal("DistributionNotDisabled", message, 409)
    del DISTRIBUTIONS[found.id]
    return {}


# Tags


def tags_of(tags):
    return {tag["Key"]: tag.get("Value") or "" for tag in (tags or {}).get("Items") or []}


def _tagged(call):
    found = next((d for d in DISTRIBUTIONS.values() if d.arn == call.get("Resource")), None)
    if found is None:
        raise Refusal("NoSuchResource", "The specified resource does not exist.", 404)
    return found


@instead("cloudfront", "ListTagsForResource")
def list_tags(call):
    return {"Tags": {"Items": [{"Key": k, "Value": v} for k, v in _tagged(call).tags.items()]}}


@instead("cloudfront", "TagResource")
def tag(call):
    _tagged(call).tags.update(tags_of(call.get("Tags")))
    return {}


@instead("cloudfront", "UntagResource")
def untag(call):
    found = _tagged(call)
    for key in (call.get("TagKeys") or {}).get("Items") or []:
        found.tags.pop(key, None)
    return {}
