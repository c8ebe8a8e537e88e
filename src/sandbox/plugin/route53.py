"""Route 53: batches that are refused whole, changes that take a while, and certificates that wait for their records."""

from moto.acm.models import acm_backends
from moto.route53.models import route53_backends

from .clock import CLOCK
from .rules import NUMBERS, Refusal, after, before, instead, on_reset, partition

# Seconds from a change until all name servers know it, and until ACM has seen the record of a domain.
IN_SYNC, ISSUED = 38, 60

# The id of a change -> when it is in sync.
CHANGES = {}
on_reset(CHANGES.clear)


def backend(call):
    return route53_backends[call.account][partition(call.region)]


def plain(name):
    """Return a name as Route 53 keeps it: in lower case, with a dot at the end."""
    return name.lower().rstrip(".") + "."


def _value(record):
    """Return what a record says, in a form in which two of them can be compared."""
    alias = record.get("AliasTarget")
    if alias:
        return (alias["HostedZoneId"], plain(alias["DNSName"]), str(alias["EvaluateTargetHealth"]).lower())
    return (str(record.get("TTL")), tuple(sorted(r["Value"] for r in record.get("ResourceRecords") or [])))


def _kept(rrset):
    return {
        "AliasTarget": rrset.alias_target,
        "TTL": rrset.ttl,
        "ResourceRecords": [{"Value": value} for value in rrset.records or []],
    }


@instead("route53", "ChangeResourceRecordSets")
def change(call):
    """Refuse a batch that AWS refuses; moto checks against its journal instead of the zone."""
    zone = backend(call).get_hosted_zone(call.get("HostedZoneId").rpartition("/")[2])
    now = {(plain(r.name), r.type, r.set_identifier): _kept(r) for r in zone.rrsets}
    wrong = []
    for entry in call.get("ChangeBatch")["Changes"]:
        action, record = entry["Action"], entry["ResourceRecordSet"]
        name, kind = plain(record["Name"]), record["Type"]
        what = f"[name='{name}', type='{kind}']"
        if name != plain(zone.name) and not name.endswith("." + plain(zone.name)):
            wrong.append(f"RRSet with DNS name {name} is not permitted in zone {plain(zone.name)}")
            continue
        if bool(record.get("AliasTarget")) == bool(record.get("ResourceRecords")):
            message = "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]]"
            raise Refusal("InvalidInput", message)
        key = (name, kind, record.get("SetIdentifier"))
        there = now.get(key)
        if action == "DELETE":
            if there is None:
                wrong.append(f"Tried to delete resource record set {what} but it was not found")
            elif _value(there) != _value(record):
                values = "but the values provided do not match the current values"
                wrong.append(f"Tried to delete resource record set {what} {values}")
            else:
                del now[key]
            continue
        if action == "CREATE" and there is not None:
            wrong.append(f"Tried to create resource record set {what} but it already exists")
            continue
        beside = {k for n, k, _ in now if n == name and k != kind}
        if beside and "CNAME" in {kind, *beside} or kind == "CNAME" and name == plain(zone.name):
            conflict = "as it conflicts with other records with the same DNS name in zone"
            wrong.append(f"RRSet of type {kind} with DNS name {name} is not permitted {conflict} {plain(zone.name)}")
            continue
        now[key] = record
    if wrong:
        # All of a batch or nothing.
        raise Refusal("InvalidChangeBatch", "[" + ", ".join(wrong) + "]", messages=wrong)
    for entry in call.get("ChangeBatch")["Changes"]:
        record = {**entry["ResourceRecordSet"], "Name": plain(entry["ResourceRecordSet"]["Name"])}
        if record.get("AliasTarget"):
            record["AliasTarget"] = {**record["AliasTarget"], "DNSName": plain(record["AliasTarget"]["DNSName"])}
        if record.get("ResourceRecords"):
            record["ResourceRecords"] = [r["Value"] for r in record["ResourceRecords"]]
        if entry["Action"] == "DELETE":
            zone.delete_rrset(record)
        else:
            zone.upsert_rrset(record)
    change_id = "C" + NUMBERS.letters(13).upper()
    CHANGES[change_id] = CLOCK.when(IN_SYNC)
    return {"ChangeInfo": _described(change_id)}


def _described(change_id):
    import datetime

    status = "INSYNC" if CLOCK.now() >= CHANGES[change_id] else "PENDING"
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    return {"Id": f"/change/{change_id}", "Status": status, "SubmittedAt": at}


@instead("route53", "GetChange")
def get_change(call):
    change_id = call.get("Id").rpartition("/")[2]
    if change_id not in CHANGES:
        raise Refusal("NoSuchChange", f"Could not find resource with ID: {change_id}", 404)
    return {"ChangeInfo": _described(change_id)}


@before("route53", "CreateHostedZone")
def same_reference(call):
    # model HostedZoneAlreadyExists: the zone exists "or the value of CallerReference" was used before.
    if any(z.caller_reference == call.get("CallerReference") for z in backend(call).zones.values()):
        message = f"A hosted zone was already created with the caller reference {call.get('CallerReference')}"
        raise Refusal("HostedZoneAlreadyExists", message, 409)


@after("route53", "ListResourceRecordSets")
def as_kept(call, answer):
    # An asterisk reads back as its code.
    for record in answer["ResourceRecordSets"]:
        record["Name"] = record["Name"].replace("*", "\\052")
    return answer


# Certificates


def has_record(call, certificate):
    """Return True if a public zone of the account has the record of each name."""
    zones = [z for z in backend(call).zones.values() if not z.private_zone]
    records = {(plain(r.name), plain(v)) for z in zones for r in z.rrsets if r.type == "CNAME" for v in r.records or []}
    described = certificate.describe()["Certificate"]
    asked = [o["ResourceRecord"] for o in described["DomainValidationOptions"] if o.get("ResourceRecord")]
    return bool(asked) and all((plain(r["Name"]), plain(r["Value"])) in records for r in asked)


@before("acm", "DescribeCertificate", "ListCertificates")
def issued_once_proven(call):
    for certificate in acm_backends[call.account][call.region]._certificates.values():
        if certificate.status != "PENDING_VALIDATION" or certificate.type != "AMAZON_ISSUED":
            continue
        if not has_record(call, certificate):
            certificate.proven_at = None
        elif getattr(certificate, "proven_at", None) is None:
            certificate.proven_at = CLOCK.when(ISSUED)
        if certificate.proven_at is not None and CLOCK.now() >= certificate.proven_at:
            certificate.status = "ISSUED"
