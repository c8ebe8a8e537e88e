"""Launch templates whose later versions work, with SourceVersion and pages.

moto does not decode UserData of versions >= 2 (every launch from them crashes), ignores SourceVersion, and puts
the template's own tags into the data of version 1.
"""

import base64
import copy
import json

from moto.core.utils import utcnow
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.utils import convert_tag_spec, parse_user_data

from .ec2_network import backend
from .rules import Refusal, instead, page, partition


def described(call, template):
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.create_time,
        "CreatedBy": f"arn:{partition(call.region)}:iam::{call.account}:root",
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "Tags": [{"Key": t["key"], "Value": t["value"]} for t in template.get_tags()],
    }


def described_version(call, template, version):
    data = dict(version.data)
    if data.get("UserData"):
        # As it was sent, since moto's own type stores it decoded.
        data["UserData"] = getattr(version, "sent_user_data", None) or str(data["UserData"])
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": version.number,
        "VersionDescription": version.description,
        "CreateTime": version.create_time,
        "CreatedBy": f"arn:{partition(call.region)}:iam::{call.account}:root",
        "DefaultVersion": template.is_default(version),
        "LaunchTemplateData": data,
    }


def find(call):
    """Return the template by id or by name. The codes are EC2's own (they are not in the model)."""
    ec2, name, template_id = backend(call), call.get("LaunchTemplateName"), call.get("LaunchTemplateId")
    if template_id:
        template = ec2.launch_templates.get(template_id)
        if template is None:
            message = f"The specified launch template, with template ID {template_id}, does not exist."
            raise Refusal("InvalidLaunchTemplateId.NotFound", message)
        return template
    template = ec2.launch_templates.get(ec2.launch_template_name_to_ids.get(name))
    if template is None:
        message = f"The specified launch template, with template name {name}, does not exist."
        raise Refusal("InvalidLaunchTemplateName.NotFoundException", message)
    return template


def usable(call, data):
    """Return the data of a version in a form from which moto can launch."""
    data = copy.deepcopy(data or {})
    sent = data.get("UserData")
    if sent:
        try:
            raw = base64.b64decode(sent, validate=True)
        except ValueError:
            raise Refusal("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
        # model LaunchTemplateData.UserData: limited to 16 KB, before encoding [AWS 4.2].
        if len(raw) > 16 * 1024:
            raise Refusal("InvalidUserData.Malformed", "User data is limited to 16384 bytes")
        data["UserData"] = parse_user_data(sent)
    for group in data.get("SecurityGroupIds") or []:
        if backend(call).get_security_group_from_id(group) is None:
            raise Refusal("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
    return data, sent


@instead("ec2", "CreateLaunchTemplate")
def create(call):
    ec2, name = backend(call), call.get("LaunchTemplateName")
    token, asked = call.get("ClientToken"), json.dumps(call.params, default=str, sort_keys=True)
    if name in ec2.launch_template_name_to_ids:
        template = ec2.launch_templates[ec2.launch_template_name_to_ids[name]]
        # model ClientToken: a repeated request gets the first answer.
        if token and getattr(template, "asked", None) == asked:
            return {"LaunchTemplate": described(call, template)}
        raise Refusal(
            "InvalidLaunchTemplateName.AlreadyExistsException", f"Launch template name already in use: {name}"
        )
    tags = convert_tag_spec(call.get("TagSpecifications") or [])
    data, sent = usable(call, call.get("LaunchTemplateData"))
    template = ec2.create_launch_template(name, call.get("VersionDescription"), data, tags)
    template.asked = asked
    template.versions[0].sent_user_data = sent
    return {"LaunchTemplate": described(call, template)}


@instead("ec2", "CreateLaunchTemplateVersion")
def create_version(call):
    template = find(call)
    token, asked = call.get("ClientToken"), json.dumps(call.params, default=str, sort_keys=True)
    for version in template.versions:
        if token and getattr(version, "asked", None) == asked:
            return {"LaunchTemplateVersion": described_version(call, template, version)}
    data, sent = usable(call, call.get("LaunchTemplateData"))
    if call.get("SourceVersion"):
        # model: "The new version inherits the same launch parameters as the source version, except for
        # parameters that you specify in LaunchTemplateData."
        source = version_of(template, call.get("SourceVersion"))
        data = {**copy.deepcopy(source.data), **data}
        sent = sent or getattr(source, "sent_user_data", None)
    version = template.create_version(data, call.get("VersionDescription"))
    version.asked, version.sent_user_data, version.create_time = asked, sent, utcnow()
    return {"LaunchTemplateVersion": described_version(call, template, version)}


def version_of(template, which):
    if which in (None, "$Default"):
        return template.default_version()
    if which == "$Latest":
        return template.latest_version()
    for version in template.versions:
        if str(version.number) == str(which):
            return version
    message = f"Could not find the specified version {which} for the launch template with ID {template.id}."
    raise Refusal("InvalidLaunchTemplateId.VersionNotFound", message)


@instead("ec2", "DescribeLaunchTemplates")
def describe(call):
    ec2 = backend(call)
    for template_id in call.get("LaunchTemplateIds") or []:
        find_params(call, LaunchTemplateId=template_id)
    for name in call.get("LaunchTemplateNames") or []:
        find_params(call, LaunchTemplateName=name)
    filters = {f["Name"]: f.get("Values") or [] for f in call.get("Filters") or []}
    names, ids = call.get("LaunchTemplateNames"), call.get("LaunchTemplateIds")
    templates = [
        t
        for t in ec2.describe_launch_templates(filters=filters)
        if (not names or t.name in names) and (not ids or t.id in ids)
    ]
    shown, token = page(call, templates, "MaxResults", default=200)
    return {"LaunchTemplates": [described(call, t) for t in shown], "NextToken": token}


def find_params(call, **params):
    asked = copy.copy(call)
    asked.params = params
    return find(asked)


@instead("ec2", "DescribeLaunchTemplateVersions")
def describe_versions(call):
    ec2, wanted = backend(call), call.get("Versions") or []
    if call.get("LaunchTemplateId") or call.get("LaunchTemplateName"):
        template = find(call)
        pairs = [(template, version_of(template, v)) for v in wanted] or [(template, v) for v in template.versions]
    else:
        pairs = [(t, version_of(t, v)) for t in ec2.launch_templates.values() for v in wanted]
    low, high = int(call.get("MinVersion") or 0), int(call.get("MaxVersion") or 10**9)
    pairs = [(t, v) for t, v in pairs if low <= v.number <= high]
    # AWS lists the newest first.
    pairs.sort(key=lambda pair: (pair[0].id, -pair[1].number))
    shown, token = page(call, pairs, "MaxResults", default=200)
    return {"LaunchTemplateVersions": [described_version(call, t, v) for t, v in shown], "NextToken": token}


@instead("ec2", "ModifyLaunchTemplate")
def modify(call):
    template = find(call)
    template.default_version_number = version_of(template, call.get("DefaultVersion")).number
    return {"LaunchTemplate": described(call, template)}


@instead("ec2", "DeleteLaunchTemplate")
def delete(call):
    template, ec2 = find(call), backend(call)
    ec2.launch_templates.pop(template.id)
    ec2.launch_template_name_to_ids.pop(template.name, None)
    return {"LaunchTemplate": described(call, template)}


@instead("ec2", "DeleteLaunchTemplateVersions")
def delete_versions(call):
    template, done, failed = find(call), [], []
    for number in call.get("Versions") or []:
        found = next((v for v in template.versions if str(v.number) == str(number)), None)
        names = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": int(number)}
        if found is None:
            error = {"Code": "launchTemplateVersionDoesNotExist", "Message": "The version does not exist."}
        elif template.is_default(found):
            # model: "You can't delete the default version of a launch template".
            error = {"Code": "unexpectedError", "Message": "The default version cannot be deleted."}
        else:
            # Numbers are never used again, so the list keeps its length.
            template.versions.remove(found)
            template.last_number = max(getattr(template, "last_number", 0), found.number)
            done.append(names)
            continue
        failed.append({**names, "ResponseError": error})
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": done,
        "UnsuccessfullyDeletedLaunchTemplateVersions": failed,
    }


def _create_version(template, data, description):
    # AWS never gives a number twice, even when the newest version was deleted.
    last = max([getattr(template, "last_number", 0), *(v.number for v in template.versions)])
    version = LaunchTemplateVersion(template, last + 1, data, description)
    template.versions.append(version)
    return version


LaunchTemplate.create_version = _create_version
LaunchTemplate.get_version = version_of
LaunchTemplate.default_version = lambda template: next(
    v for v in template.versions if v.number == template.default_version_number
)
