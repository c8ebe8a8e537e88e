"""Route 53: zones, records, and the certificates that wait for them."""

ZONE_OF_BALANCERS = "Z35SXDOTRQ7X7K"


def zone(aws, name="example.com", reference="one"):
    return aws.route53.create_hosted_zone(Name=name, CallerReference=reference)["HostedZone"]["Id"]


def alias(name, target="app-1.us-east-1.elb.amazonaws.com"):
    to = {"HostedZoneId": ZONE_OF_BALANCERS, "DNSName": target, "EvaluateTargetHealth": False}
    return {"Name": name, "Type": "A", "AliasTarget": to}


def cname(name, value):
    return {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": value}]}


def change(aws, zone_id, *changes):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return aws.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)["ChangeInfo"]


def records(aws, zone_id, kind):
    listed = aws.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    return [r for r in listed if r["Type"] == kind]


def test_a_record_reads_back_in_lower_case_with_its_dots(aws):
    zone_id = zone(aws)
    change(aws, zone_id, ("CREATE", alias("App.example.com", "App-1.us-east-1.elb.amazonaws.com")))
    change(aws, zone_id, ("CREATE", alias("*.example.com")))
    [app, any_name] = sorted(records(aws, zone_id, "A"), key=lambda r: r["Name"], reverse=True)
    assert app["Name"] == "app.example.com."
    assert app["AliasTarget"]["DNSName"] == "app-1.us-east-1.elb.amazonaws.com."
    assert any_name["Name"] == "\\052.example.com."


def test_what_exists_is_not_created_again(aws):
    zone_id = zone(aws)
    change(aws, zone_id, ("CREATE", alias("app.example.com")))
    with aws.refuses("InvalidChangeBatch"):
        change(aws, zone_id, ("CREATE", alias("app.example.com")))
    change(aws, zone_id, ("UPSERT", alias("app.example.com", "other.example.com")))
    with aws.refuses("HostedZoneAlreadyExists"):
        zone(aws, "example.org")


def test_only_what_a_record_says_deletes_it(aws):
    zone_id = zone(aws)
    change(aws, zone_id, ("CREATE", alias("app.example.com")))
    with aws.refuses("InvalidChangeBatch"):
        change(aws, zone_id, ("DELETE", alias("app.example.com", "other.example.com")))
    with aws.refuses("InvalidChangeBatch"):
        change(aws, zone_id, ("DELETE", alias("www.example.com")))
    change(aws, zone_id, ("DELETE", alias("APP.example.com.")))
    assert records(aws, zone_id, "A") == []


def test_a_cname_is_alone_under_its_name(aws):
    zone_id = zone(aws)
    change(aws, zone_id, ("CREATE", alias("app.example.com")))
    with aws.refuses("InvalidChangeBatch"):
        change(aws, zone_id, ("CREATE", cname("app.example.com", "other.example.com")))
    change(aws, zone_id, ("CREATE", cname("www.example.com", "app.example.com")))
    with aws.refuses("InvalidChangeBatch"):
        change(aws, zone_id, ("CREATE", alias("www.example.com")))
    with aws.refuses("InvalidChangeBatch"):
        change(aws, zone_id, ("CREATE", alias("app.example.org")))


def test_a_batch_is_all_or_nothing(aws):
    zone_id = zone(aws)
    with aws.refuses("InvalidChangeBatch"):
        change(aws, zone_id, ("CREATE", alias("a.example.com")), ("DELETE", alias("b.example.com")))
    assert records(aws, zone_id, "A") == []


def test_a_change_takes_a_while(aws):
    aws.pace("real")
    made = change(aws, zone(aws), ("CREATE", alias("app.example.com")))
    status = lambda: aws.route53.get_change(Id=made["Id"])["ChangeInfo"]["Status"]
    assert made["Status"] == "PENDING" and status() == "PENDING"
    aws.advance(39)
    assert status() == "INSYNC"
    with aws.refuses("NoSuchChange"):
        aws.route53.get_change(Id="C0000000000000")


def test_a_certificate_is_issued_once_its_record_exists(aws):
    aws.pace("real")
    zone_id = zone(aws)
    arn = aws.acm.request_certificate(DomainName="app.example.com", ValidationMethod="DNS")["CertificateArn"]
    described = lambda: aws.acm.describe_certificate(CertificateArn=arn)["Certificate"]
    aws.advance(3600)
    assert described()["Status"] == "PENDING_VALIDATION"
    [option] = described()["DomainValidationOptions"]
    asked = option["ResourceRecord"]
    change(aws, zone_id, ("CREATE", cname(asked["Name"], "other.acm-validations.aws.")))
    aws.advance(3600)
    assert described()["Status"] == "PENDING_VALIDATION", "the record says something else"
    change(aws, zone_id, ("UPSERT", cname(asked["Name"], asked["Value"])))
    assert described()["Status"] == "PENDING_VALIDATION"
    aws.advance(61)
    assert described()["Status"] == "ISSUED"


def test_the_model_is_checked(aws):
    zone_id = zone(aws)
    with aws.refuses("InvalidInput"):
        change(aws, zone_id, ("CREATE", {"Name": "app.example.com", "Type": "A"}))
    with aws.refuses("InvalidInput"):
        change(aws, zone_id, ("CREATE", {**cname("www.example.com", "app.example.com"), "Type": "NAME"}))
    with aws.refuses("ValidationException"):
        aws.acm.request_certificate(DomainName="app_1.example.com", ValidationMethod="DNS")
