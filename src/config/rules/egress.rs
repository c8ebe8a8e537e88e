//! Instances without public addresses: the services they can reach, and those they need.
use super::Rules;
use crate::check::Issue;
use crate::derived::Cidr;
use crate::place::{Place, at};
use crate::{Egress, Mode, Origin, Run, Service};

pub(super) fn check(rules: &mut Rules<'_>) {
    if !rules.config.has_private_instances() {
        return idle(rules);
    }
    ssh(rules);
    if rules.config.network.mode == Origin::Create && rules.config.network.egress == Egress::Endpoints {
        endpoints(rules);
    }
}

/// Warns about keys for private instances if the instances are public.
fn idle(rules: &mut Rules<'_>) {
    // In an existing network these keys have no effect at all.
    if rules.config.network.mode == Origin::Use {
        return;
    }
    for key in ["egress", "app"] {
        let here = at("network").key(key);
        if rules.map.given(&here) {
            let issue = Issue::error(
                "egress_public",
                here,
                format!("`network.{key}` is for instances without public addresses, but these have public ones"),
                "gameday would give each instance a public address",
                format!("add instances = \"private\" to [network], or delete `{key}`"),
            );
            rules.found.push(issue.on_key().with(at("network.instances"), "public"));
        }
    }
}

fn ssh(rules: &mut Rules<'_>) {
    for (i, text) in rules.config.access.ssh.iter().enumerate() {
        if text.parse::<Cidr>().is_ok_and(|range| range.prefix_len() > 0 && !range.addr().is_private()) {
            let issue = Issue::warning(
                "ssh_private",
                at("access.ssh").item(i),
                "nobody on the internet reaches port 22 of private instances",
                "they have no public address",
                "name the range of a network that is connected to the VPC, or delete the line",
            );
            rules.found.push(issue.with(at("network.instances"), "private"));
        }
    }
}

fn endpoints(rules: &mut Rules<'_>) {
    let config = rules.config;
    let why = &format!("endpoints reach AWS services in {} and nothing else", config.region);
    if config.region.starts_with("cn-") {
        let issue = Issue::error(
            "egress_region",
            at("network.egress"),
            "gameday creates no endpoints in China",
            "AWS's services have other names there, which are untested",
            "set egress = \"nat\"",
        );
        rules.found.push(issue.with(at("region"), "here"));
    }
    for (group, mode, what) in
        [("database", config.database.mode, "the database"), ("cache", config.cache.mode, "the cache")]
    {
        if mode == Mode::Use {
            let issue = Issue::error(
                "egress_used",
                at(group).key("endpoint"),
                format!("the instances cannot reach {what}"),
                format!("it is outside the VPC that gameday creates; {why}"),
                "set egress = \"nat\", or build in its VPC: [network] mode = \"use\"",
            );
            rules.found.push(issue.with(at("network.egress"), "endpoints"));
        }
    }
    for (name, service) in &config.service {
        let place = at("service").key(name);
        source(rules, &place, service, why);
        if service.image.is_some() {
            let issue = Issue::warning(
                "egress_image",
                place.key("image"),
                "this image may be unable to download its packages",
                "only Amazon Linux keeps them in S3, which the endpoints reach",
                "use an image of Amazon Linux, or one that contains everything (MySQL client, EFS helper, AWS CLI, Docker)",
            );
            rules.found.push(issue.with(at("network.egress"), "endpoints"));
        }
    }
}

fn source(rules: &mut Rules<'_>, place: &Place, service: &Service, why: &str) {
    let (source, region) = (service.source.as_str(), rules.config.region.as_str());
    let (is_near, fix) = match service.run {
        Run::Container => (
            is_in_registry(source, region),
            format!("push the image to ECR in {region} and name it there, or set egress = \"nat\""),
        ),
        Run::Binary | Run::Archive => {
            // A text that is no URL is reported by the rules of `source`.
            let is_url = source.starts_with("https://") || source.starts_with("http://");
            let file = source.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            (
                !is_url || is_in_s3(source, region),
                format!(
                    "upload it to a bucket in {region} (`aws s3 cp {file} s3://BUCKET/{file}`) and set source = \
                     \"s3://BUCKET/{file}\", or set egress = \"nat\""
                ),
            )
        }
    };
    if !is_near {
        let what = format!("the instances cannot download {source}");
        let issue = Issue::error("egress_source", place.key("source"), what, why, fix);
        rules.found.push(issue.with(at("network.egress"), "endpoints"));
    }
}

/// True for an ECR image of this region, since an endpoint reaches no other region.
///
/// For example `123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/shop:1`.
fn is_in_registry(image: &str, region: &str) -> bool {
    let registry = image.split('/').next().unwrap_or_default();
    registry.split_once('.').is_some_and(|(_, host)| host == format!("dkr.ecr.{region}.amazonaws.com"))
}

/// True for a URL of S3 that can be in this region: `https://bucket.s3.eu-west-1.amazonaws.com/server`.
fn is_in_s3(url: &str, region: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    // A name without a region can belong to a bucket in any region.
    let ends = ["s3.amazonaws.com".to_owned()]
        .into_iter()
        .chain([".", "-", ".dualstack."].map(|sign| format!("s3{sign}{region}.amazonaws.com")));
    ends.into_iter().any(|end| host == end || host.ends_with(&format!(".{end}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_s3_of_the_region_is_near() {
        for (url, near) in [
            ("https://bucket.s3.eu-west-1.amazonaws.com/server", true),
            ("https://s3.eu-west-1.amazonaws.com/bucket/server", true),
            ("https://bucket.s3-eu-west-1.amazonaws.com/server?versionId=1", true),
            ("https://bucket.s3.dualstack.eu-west-1.amazonaws.com/server", true),
            ("https://Bucket.S3.amazonaws.com:443/server", true),
            ("https://bucket.s3.eu-west-2.amazonaws.com/server", false),
            ("https://bucket.s3-website.eu-west-1.amazonaws.com/server", false),
            ("https://s3.eu-west-1.amazonaws.com.example.com/server", false),
            ("https://evils3.amazonaws.com/server", false),
            ("https://github.com/team/app/releases/download/1/server", false),
        ] {
            assert_eq!(is_in_s3(url, "eu-west-1"), near, "{url}");
        }
    }

    #[test]
    fn only_a_private_registry_of_the_region_is_near() {
        for (image, near) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1", true),
            ("123456789012.dkr.ecr.eu-west-2.amazonaws.com/shop:1", false),
            ("public.ecr.aws/docker/library/httpd:2.4", false),
            ("httpd:2.4", false),
        ] {
            assert_eq!(is_in_registry(image, "eu-west-1"), near, "{image}");
        }
    }
}
