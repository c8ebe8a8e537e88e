"""Certificates, and the listeners that show them."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def pem(name="billing.gameday.internal"):
    """Return a certificate that is signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    certificate = certificate.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=90))
    certificate = certificate.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    signed = certificate.sign(key, hashes.SHA256())
    return {
        "Certificate": signed.public_bytes(serialization.Encoding.PEM),
        "PrivateKey": key.private_bytes(serialization.Encoding.PEM, *plain),
    }


def imported(aws):
    tags = [{"Key": "gameday:stack", "Value": "billing"}]
    return aws.acm.import_certificate(**pem(), Tags=tags)["CertificateArn"]


def https(aws, balancer, certificates, **more):
    action = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    return aws.elbv2.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTPS",
        Port=443,
        DefaultActions=action,
        Certificates=[{"CertificateArn": arn} for arn in certificates],
        **more,
    )["Listeners"][0]["ListenerArn"]


def test_a_listener_shows_what_is_issued_only(aws):
    vpc, subnets, _ = aws.network()
    balancer = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"]
    requested = aws.acm.request_certificate(DomainName="app.example.com", ValidationMethod="DNS")["CertificateArn"]
    with aws.refuses("ValidationError"):
        https(aws, balancer, [])
    with aws.refuses("CertificateNotFound"):
        https(aws, balancer, [requested[:-1] + "x"])
    with aws.refuses("UnsupportedCertificate"):
        https(aws, balancer, [requested])
    https(aws, balancer, [imported(aws)])


def test_a_new_one_is_not_known_at_once(aws):
    vpc, subnets, _ = aws.network()
    balancer = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"]
    arn = imported(aws)
    aws.control("POST", "faults", {"hide_fresh_seconds": 5})
    with aws.refuses("CertificateNotFound"):
        https(aws, balancer, [arn])
    aws.advance(6)
    https(aws, balancer, [arn])


def test_one_in_use_stays(aws):
    vpc, subnets, _ = aws.network()
    balancer = aws.balancer(subnets, [aws.group(vpc)])["LoadBalancerArn"]
    arn = imported(aws)
    used_by = lambda: aws.acm.describe_certificate(CertificateArn=arn)["Certificate"]["InUseBy"]
    assert used_by() == []
    listener = https(aws, balancer, [arn])
    assert used_by() == [balancer]
    with aws.refuses("ResourceInUseException"):
        aws.acm.delete_certificate(CertificateArn=arn)
    aws.elbv2.delete_listener(ListenerArn=listener)
    assert used_by() == []
    aws.acm.delete_certificate(CertificateArn=arn)
    with aws.refuses("ResourceNotFoundException"):
        aws.acm.delete_certificate(CertificateArn=arn)


def test_a_renewed_one_keeps_arn_and_tags(aws):
    arn = imported(aws)
    serial = lambda: aws.acm.get_certificate(CertificateArn=arn)["Certificate"]
    before = serial()
    with aws.refuses("ValidationException"):
        aws.acm.import_certificate(**pem(), CertificateArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert aws.acm.import_certificate(**pem(), CertificateArn=arn)["CertificateArn"] == arn
    assert serial() != before
    tags = aws.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
    assert tags == [{"Key": "gameday:stack", "Value": "billing"}]


def test_only_rsa_keys_are_listed_unless_others_are_asked_for(aws):
    arn = imported(aws)
    listed = lambda **asked: [c["CertificateArn"] for c in aws.acm.list_certificates(**asked)["CertificateSummaryList"]]
    assert listed() == []
    assert listed(Includes={"keyTypes": ["EC_prime256v1"]}) == [arn]
