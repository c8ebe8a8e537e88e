//! The image of the instances: which one, and whether an instance of it can boot, as far as its description says.
use super::{names::name_in_account, templates, unseen};
use crate::{
    aws::{Aws, error::AwsResult, listing},
    config::{Config, Service, ServiceScope},
    error::{Class, Error, Result},
    record,
};
use aws_sdk_ec2::types::{ArchitectureValues, DeviceType, Image, ImageState, LaunchTemplateVersion, PlatformValues};
use futures::future::{join_all, try_join_all};
use std::collections::BTreeMap;

/// The newest Amazon Linux 2023 for x86-64 [AWS 4.1].
const NEWEST_AMAZON_LINUX: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// Checks the images that the stack file names, and returns remarks.
///
/// Doubts are remarks, and so is an image that the account does not let us look at.
pub(super) async fn check(aws: &Aws, config: &Config) -> Result<Vec<String>> {
    let given = config.services().filter_map(|service| Some((service.table, service.table.image.as_ref()?)));
    let looks = given.map(|(service, id)| look_at(aws, service, id));
    let words = try_join_all(looks).await?;
    Ok(words.into_iter().flatten().collect())
}

async fn look_at(aws: &Aws, service: &Service, id: &str) -> Result<Option<String>> {
    let call = aws.ec2.describe_images().image_ids(id).include_deprecated(true).include_disabled(true);
    let found = match call.send().await.or_absent("DescribeImages") {
        Ok(found) => found.and_then(|answer| answer.images?.into_iter().next()),
        // This check only reports earlier what the launch itself would report.
        Err(e) => return Ok(Some(format!("image {id}: not looked at, {e}"))),
    };
    let Some(image) = found else {
        return Err(Error::other(
            format!("there is no image {id} in {}, or it is not shared with this account", aws.region),
            "an image has another id in every region; leave `image` out for the newest Amazon Linux 2023",
        ));
    };
    judge(&image, service.user_data.is_some(), jiff::Timestamp::now())
}

/// The record's word for images that the stack has used.
pub const USED: &str = "image";

/// True if the image in a launch template can be trusted with the stack's role.
///
/// Either the stack file once named the image, or it is Amazon's own Linux. Anybody who is allowed to add a version to
/// a template can write any image into it.
pub(crate) async fn is_trusted(aws: &Aws, config: &Config, id: &str) -> Result<bool> {
    let Some(record) = record::seen(aws, &config.name).await else { return is_of_amazon(aws, id).await };
    Ok(record.has_used(USED, id) || is_of_amazon(aws, id).await?)
}

/// The start of the names of Amazon's images, of which the newest is the default [AWS 4.1].
const AMAZON_LINUX: &str = "al2023-ami-";

async fn is_of_amazon(aws: &Aws, id: &str) -> Result<bool> {
    let call = aws.ec2.describe_images().image_ids(id).owners("amazon").include_deprecated(true).include_disabled(true);
    match call.send().await.or_absent("DescribeImages") {
        Ok(found) => {
            let all = found.and_then(|answer| answer.images).unwrap_or_default();
            let is_linux = |i: &Image| i.name().is_some_and(|name| name.starts_with(AMAZON_LINUX));
            Ok(all.iter().any(|i| i.image_owner_alias() == Some("amazon") && is_linux(i)))
        }
        // Without the right to look an image is not trusted, and Amazon's newest is taken.
        Err(e) if e.class() == Some(Class::Denied) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Judges an image by its description: fails, or returns a remark if there is one.
///
/// `own_script` is true if the boot script is the user's, who knows what the image has.
fn judge(image: &Image, own_script: bool, now: jiff::Timestamp) -> Result<Option<String>> {
    let id = image.image_id().unwrap_or_default();
    let name = image.name().unwrap_or_default();
    let refuse = |why: String, fix: &str| Err(Error::other(format!("image {id} ({name}) {why}"), fix));
    let other = "name an image for Linux on x86-64, or leave `image` out for the newest Amazon Linux 2023";
    if image.state().is_some_and(|s| *s != ImageState::Available) {
        return refuse(format!("is {}, not available", image.state().expect("it is there")), other);
    }
    if image.platform() == Some(&PlatformValues::Windows)
        || image.platform_details().is_some_and(|p| p.starts_with("Windows"))
    {
        return refuse("is Windows; the boot script and the service are for Linux".into(), other);
    }
    if let Some(chip) = image.architecture().filter(|a| **a != ArchitectureValues::X8664) {
        return refuse(format!("is for {chip}; the instance type is x86-64"), other);
    }
    if image.root_device_type() == Some(&DeviceType::InstanceStore) {
        return refuse("has its root on an instance store, from which no instance of this type starts".into(), other);
    }
    if image.ena_support() == Some(false) {
        return refuse("does not know the network card (ENA) of today's instance types".into(), other);
    }
    let deprecated = image.deprecation_time().and_then(|t| t.parse::<jiff::Timestamp>().ok()).filter(|t| *t <= now);
    let old = deprecated
        .map(|t| format!("image {id} ({name}) has been deprecated since {}; it still starts", t.strftime("%Y-%m-%d")));
    if own_script {
        return Ok(old);
    }
    let text = format!("{name} {}", image.description().unwrap_or_default()).to_lowercase();
    let is = |words: &[&str]| words.iter().any(|w| text.contains(w));
    let own = "use Amazon Linux 2023 or Ubuntu 22.04 or later, or give a boot script of your own (`user_data`)";
    // Their systemd (219, 229) supports neither the ports below 1024 nor the count of starts.
    let too_old = [
        "amzn2-",
        "amazon linux 2 ",
        "amzn-ami-",
        "amazon linux ami",
        "rhel-7",
        "centos-7",
        "centos linux 7",
        "ubuntu-trusty",
        "ubuntu-xenial",
        "debian-8",
        "debian-9-",
        "debian-stretch",
    ];
    if is(&too_old) {
        return refuse("is too old: its systemd cannot give the service's user port 80".into(), own);
    }
    if is(&["bottlerocket", "flatcar", "coreos", "talos"]) {
        return refuse("runs containers only: there is no shell for the boot script".into(), own);
    }
    if is(&["suse", "sles", "alpine", "arch-linux", "archlinux", "nixos", "freebsd", "gentoo"]) {
        return refuse("has neither dnf nor apt-get, with which the boot script installs what is missing".into(), own);
    }
    if is(&["al2023", "amazon linux 2023", "ubuntu", "debian"]) {
        return Ok(old);
    }
    let unknown = format!(
        "image {id} ({name}): the boot script needs cloud-init, systemd 235, Python 3, and dnf or apt-get in it"
    );
    Ok(Some(old.unwrap_or(unknown)))
}

/// Returns the image of each service's instances, and why one of them was not seen.
pub(super) async fn images(aws: &Aws, config: &Config) -> Result<(BTreeMap<String, String>, Option<Error>)> {
    let (mut images, mut not_seen) = (BTreeMap::new(), None);
    let looks = config.services().map(async |service| match &service.image {
        Some(id) => (service.name, Ok(id.clone())),
        None => (service.name, image(aws, config, service).await),
    });
    for (service, found) in join_all(looks).await {
        let id = match found {
            Err(e) if unseen(&e) => {
                not_seen = Some(e);
                "(not seen)".to_owned()
            }
            found => found?,
        };
        images.insert(service.to_owned(), id);
    }
    Ok((images, not_seen))
}

/// Returns the image of the existing launch template, or the newest image if there is no template.
///
/// A newer image must not replace the fleet in the middle of an event.
async fn image(aws: &Aws, config: &Config, service: ServiceScope<'_>) -> Result<String> {
    let name = name_in_account(aws, config, &service.key("launch-template")).await;
    let versions = match listing::template_versions(aws, &name).await {
        // The template's own step reports that.
        Err(e) if unseen(&e) => Default::default(),
        other => other?,
    };
    if let Some(id) = trusted(aws, config, &versions).await? {
        return Ok(id);
    }
    if !versions.is_empty()
        && let Some(id) = trusted(aws, config, &listing::all_template_versions(aws, &name).await?).await?
    {
        return Ok(id);
    }
    let found = aws.ssm.get_parameter().name(NEWEST_AMAZON_LINUX).send().await.or_absent("GetParameter")?;
    found.and_then(|p| p.parameter?.value).ok_or_else(|| {
        Error::other(
            format!("the public SSM parameter {NEWEST_AMAZON_LINUX} is not available in {}", aws.region),
            "give an image under [service.NAME]: image = \"ami-…\"",
        )
    })
}

/// Returns the first trusted image of the versions that are said to be ours.
async fn trusted(aws: &Aws, config: &Config, versions: &[LaunchTemplateVersion]) -> Result<Option<String>> {
    for version in templates::said_ours(versions) {
        let image = version.launch_template_data().and_then(|d| d.image_id()).filter(|id| id.starts_with("ami-"));
        if let Some(id) = image
            && is_trusted(aws, config, id).await?
        {
            return Ok(Some(id.into()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> aws_sdk_ec2::types::builders::ImageBuilder {
        let image = Image::builder().image_id("ami-1").name(name).state(ImageState::Available).ena_support(true);
        image.architecture(ArchitectureValues::X8664).root_device_type(DeviceType::Ebs)
    }

    fn said(image: aws_sdk_ec2::types::builders::ImageBuilder, own_script: bool) -> String {
        match judge(&image.build(), own_script, "2026-11-29T10:00:00Z".parse().expect("a moment")) {
            Ok(None) => "fine".into(),
            Ok(Some(word)) => format!("word: {word}"),
            Err(e) => format!("refused: {e}"),
        }
    }

    #[test]
    fn images_that_boot_are_taken_and_others_refused() {
        for name in [
            "al2023-ami-2023.9.20261105.0-kernel-6.1-x86_64",
            "al2023-ami-minimal-2023.9.20261105.0-kernel-6.1-x86_64",
            "al2023-ami-ecs-hvm-2023.0.20261105-kernel-6.1-x86_64",
            "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261101",
            "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261101",
            "debian-12-amd64-20261101-1920",
        ] {
            assert_eq!(said(image(name), false), "fine", "{name}");
        }
        for (name, why) in [
            ("amzn2-ami-hvm-2.0.20260601.0-x86_64-gp2", "too old"),
            ("amzn2-ami-kernel-5.10-hvm-2.0.20260601.0-x86_64-gp2", "too old"),
            ("amzn-ami-hvm-2018.03.0.20230404.0-x86_64-gp2", "too old"),
            ("CentOS-7-2111-20220825_1.x86_64", "too old"),
            ("ubuntu/images/hvm-ssd/ubuntu-xenial-16.04-amd64-server-20210928", "too old"),
            ("bottlerocket-aws-k8s-1.31-x86_64-v1.26.1", "containers only"),
            ("suse-sles-15-sp6-v20261101-hvm-ssd-x86_64", "neither dnf nor apt-get"),
        ] {
            let text = said(image(name), false);
            assert!(text.starts_with("refused: ") && text.contains(why), "{name}: {text}");
            assert_eq!(said(image(name), true), "fine", "with a script of one's own");
        }
        assert!(
            said(image("team-golden-7"), false).contains("word: image ami-1 (team-golden-7): the boot script needs")
        );
        for (odd, why) in [
            (image("x").architecture(ArchitectureValues::Arm64), "is for arm64"),
            (image("x").platform(PlatformValues::Windows), "is Windows"),
            (image("x").state(ImageState::Deregistered), "is deregistered"),
            (image("x").root_device_type(DeviceType::InstanceStore), "instance store"),
            (image("x").ena_support(false), "ENA"),
        ] {
            let text = said(odd, true);
            assert!(text.starts_with("refused: ") && text.contains(why), "{text}");
        }
        let old = image("al2023-ami-2023.1").deprecation_time("2026-01-01T00:00:00.000Z");
        assert!(said(old, false).contains("deprecated since 2026-01-01"));
    }
}
