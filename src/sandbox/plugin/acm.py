"""Certificates: which a listener takes, and what keeps one from being deleted."""

from moto.acm.models import CertBundle, acm_backends

from . import elbv2
from .clock import CLOCK
from .faults import BORN, FAULTS
from .rules import Refusal, after, before

# ListCertificates without key types, by the API reference: "RSA_1024" and "RSA_2048".
USUAL_KEYS = {"RSA_1024", "RSA_2048"}


def certificates(call):
    return acm_backends[call.account][call.region]._certificates


# moto issues a requested certificate after a minute, whether its domain is proven or not.
CertBundle.check = lambda self: None


@after("acm", "ImportCertificate")
def born(call, answer):
    arn = answer["CertificateArn"]
    # [AWS 6]: one that replaces another keeps its tags; moto drops them.
    if call.get("CertificateArn"):
        certificates(call)[arn].tags.update(call.notes.get("tags", {}))
    else:
        BORN[arn] = CLOCK.now()


@before("acm", "ImportCertificate")
def again(call):
    arn = call.get("CertificateArn")
    if arn and arn in certificates(call):
        if call.get("Tags"):
            raise Refusal("ValidationException", "Tagging is not permitted on re-import.")
        call.notes["tags"] = dict(certificates(call)[arn].tags)


@after("acm", "ListCertificates")
def of_usual_keys(call, answer):
    if not (call.get("Includes") or {}).get("keyTypes"):
        every = answer["CertificateSummaryList"]
        answer["CertificateSummaryList"] = [c for c in every if c["KeyAlgorithm"] in USUAL_KEYS]
    for certificate in answer["CertificateSummaryList"]:
        certificate["InUse"] = bool(users(call, certificate["CertificateArn"]))
    return answer


def users(call, arn):
    """Return the balancers whose listeners show the certificate."""
    balancers = elbv2.backend(call).load_balancers.values()
    return [b.arn for b in balancers if any(arn in listener.certificates for listener in b.listeners.values())]


@after("acm", "DescribeCertificate")
def in_use_by(call, answer):
    # moto names the listener, and keeps it after it is gone.
    answer["Certificate"]["InUseBy"] = users(call, answer["Certificate"]["CertificateArn"])
    return answer


@before("acm", "DeleteCertificate")
def in_use(call):
    arn = call.get("CertificateArn")
    if users(call, arn):
        raise Refusal("ResourceInUseException", f"Certificate {arn} in account {call.account} is in use.")


@before("elbv2", "CreateListener", "ModifyListener")
def shown(call):
    """Refuse HTTPS without a certificate that ACM has issued."""
    listed = call.get("Certificates") or []
    protocol = call.get("Protocol")
    if protocol == "HTTP" and listed:
        raise Refusal("ValidationError", "A certificate cannot be specified for HTTP listeners")
    if protocol == "HTTPS" and not listed and call.operation == "CreateListener":
        raise Refusal("ValidationError", "A certificate must be specified for HTTPS listeners")
    for arn in (c["CertificateArn"] for c in listed):
        if ":acm:" not in arn:
            continue
        certificate = certificates(call).get(arn)
        # [AWS 6]: a new one is unknown for some seconds.
        if certificate is None or FAULTS.is_fresh(call, arn):
            raise Refusal("CertificateNotFound", f"Certificate ARN '{arn}' does not exist")
        if certificate.status != "ISSUED":
            needs = "a fully-qualified domain name, a supported signature, and a supported key size"
            message = f"The certificate '{arn}' must have {needs}."
            raise Refusal("UnsupportedCertificate", message)
