//! The contract of the kinds of compute and monitoring, through the real SDK: absent, create, none, change, update,
//! none, drift, repair, delete, absent. Objects that are not the stack's are refused.

use super::compute_support::*;
use aws_sdk_ssm::types::ParameterType;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use gameday::{
    aws::Aws,
    engine::{Class, Graph, Input, Inputs, Key, Known, Ref},
    error::Help as _,
    resources::{
        alarm::{Alarm, Comparison, Measure, Missing},
        auto_scaling_group::{AutoScalingGroup, SpotMix},
        dashboard::Dashboard,
        instance_profile::InstanceProfile,
        internet_gateway::InternetGateway,
        launch_template::{LaunchTemplate, UserData},
        listener::Listener,
        load_balancer::LoadBalancer,
        log_group::LogGroup,
        parameter::Parameter,
        role::Role,
        scaling_policy::{Metric, ScalingPolicy},
        security_group::SecurityGroup,
        subnet::Subnet,
        target_group::TargetGroup,
        vpc::Vpc,
    },
};
use serde_json::{Value, json};

type Test = Result<(), Box<dyn std::error::Error>>;

fn role(w: &World, g: &mut Graph, objects: &[&str]) -> Ref<Role> {
    role_with(w, g, objects, &[])
}

fn role_with(w: &World, g: &mut Graph, objects: &[&str], repositories: &[&str]) -> Ref<Role> {
    let parameter = g.add(
        "app-password",
        Parameter { aws: w.aws.clone(), path: "/gameday/demo/app-password".into(), existing: false, reveal: false },
    );
    let group = g.add("app", LogGroup { aws: w.aws.clone(), path: "/gameday/demo/app".into(), days: 3 });
    let all = |arns: &[&str]| arns.iter().map(|arn| arn.to_string()).collect();
    let (objects, repositories) = (all(objects), all(repositories));
    g.add(
        "instance",
        Role { parameters: vec![parameter], log_groups: vec![group], objects, repositories, ..bare_role(&w.aws) },
    )
}

/// Returns a role without any rights.
fn bare_role(aws: &Aws) -> Role {
    Role {
        aws: aws.clone(),
        parameters: vec![],
        master: None,
        log_groups: vec![],
        objects: vec![],
        repositories: vec![],
        keys: vec![],
        keys_via: vec![],
        sessions: false,
        policies: vec![],
        boundary: None,
        path: "/".into(),
        profile: "demo-instance".into(),
    }
}

const ROLE: &str = "role/instance";

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_role_allows_what_the_instances_do_and_nothing_else() -> Test {
    let w = World::new().await;
    let mut g = Graph::default();
    role(&w, &mut g, &[]);
    w.up(&g, "parameter/app-password").await;
    w.up(&g, "log-group/app").await;
    let made = w.creates(&g, ROLE).await;
    assert_eq!(made.output.as_ref().map(|o| &o["name"]), Some(&json!("demo-instance")));

    // IAM has the policy that was meant.
    let iam = &w.aws.iam;
    let policy = iam.get_role_policy().role_name("demo-instance").policy_name("gameday").send().await?;
    let document = policy.policy_document();
    assert!(document.contains("log-group%3A/gameday/demo/app%3A%2A"), "{document}");
    assert!(!document.contains("s3"), "{document}");

    // The role gets access to one more S3 object.
    let mut more = Graph::default();
    role(&w, &mut more, &["arn:aws:s3:::games/server"]);
    w.look(&more, "parameter/app-password").await;
    w.look(&more, "log-group/app").await;
    w.updates(&more, ROLE, &["policy.Objects"]).await;

    // The role gets access to an image in the account's registry.
    let mut pulls = Graph::default();
    let repository = "arn:aws:ecr:us-east-1:123456789012:repository/games";
    role_with(&w, &mut pulls, &["arn:aws:s3:::games/server"], &[repository]);
    w.look(&pulls, "parameter/app-password").await;
    w.look(&pulls, "log-group/app").await;
    w.updates(&pulls, ROLE, &["policy.Images", "policy.Registry"]).await;
    let policy = iam.get_role_policy().role_name("demo-instance").policy_name("gameday").send().await?;
    assert!(policy.policy_document().contains("repository/games"), "{}", policy.policy_document());
    w.updates(&more, ROLE, &["policy.Images", "policy.Registry"]).await;

    // Changes by hand: a deny statement added, the stack's own policy emptied, administrator rights, another trust
    // policy, a lost tag.
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]});
    iam.put_role_policy()
        .role_name("demo-instance")
        .policy_name("evil")
        .policy_document(deny.to_string())
        .send()
        .await?;
    w.updates(&more, ROLE, &["others"]).await;
    iam.put_role_policy()
        .role_name("demo-instance")
        .policy_name("gameday")
        .policy_document(deny.to_string())
        .send()
        .await?;
    let plan = w.plan(&more, ROLE).await;
    assert!(plan.diff().is_some_and(|d| d.touches("policy.Logs") && d.touches("policy.statement 0")), "{plan:?}");
    assert_eq!(w.up(&more, ROLE).await.word(), "update");
    w.stands(&more, ROLE).await;
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    iam.attach_role_policy().role_name("demo-instance").policy_arn(admin).send().await?;
    w.updates(&more, ROLE, &["attached"]).await;
    let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}});
    iam.update_assume_role_policy().role_name("demo-instance").policy_document(trust.to_string()).send().await?;
    w.updates(&more, ROLE, &["trust"]).await;
    iam.untag_role().role_name("demo-instance").tag_keys("team").send().await?;
    w.updates(&more, ROLE, &["tags.team"]).await;

    // An equal policy in another spelling is no drift.
    let spelled = json!({"Version": "2012-10-17", "Statement": [{"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com"]}}]});
    iam.update_assume_role_policy().role_name("demo-instance").policy_document(spelled.to_string()).send().await?;
    w.stands(&more, ROLE).await;

    // A role without any rights has no policy.
    let mut none = Graph::default();
    none.add("instance", bare_role(&w.aws));
    assert_eq!(w.up(&none, ROLE).await.word(), "update");
    w.stands(&none, ROLE).await;

    iam.attach_role_policy().role_name("demo-instance").policy_arn(admin).send().await?;
    w.goes(&more, ROLE).await;
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_role_has_what_an_organisation_demands() -> Test {
    let w = World::new().await;
    let iam = &w.aws.iam;
    let boundary = "arn:aws:iam::123456789012:policy/Boundary".to_owned();
    let with = |change: &dyn Fn(&mut Role)| {
        let mut role = bare_role(&w.aws);
        change(&mut role);
        let mut g = Graph::default();
        g.add("instance", role);
        g
    };
    let bound = with(&|r| r.boundary = Some(boundary.clone()));
    let seen = async || -> Result<Option<String>, Box<dyn std::error::Error>> {
        let role = iam.get_role().role_name("demo-instance").send().await?.role.ok_or("no role")?;
        Ok(role.permissions_boundary().and_then(|b| b.permissions_boundary_arn()).map(Into::into))
    };
    // The boundary is part of the creating call, because an organisation refuses a role that gets its boundary later.
    w.denies(&["iam:PutRolePermissionsBoundary"]);
    w.creates(&bound, ROLE).await;
    w.denies(&[]);
    assert_eq!(seen().await?, Some(boundary.clone()));

    // The boundary is removed by hand, replaced by hand, changed in the file, removed from the file, and added by
    // somebody else.
    iam.delete_role_permissions_boundary().role_name("demo-instance").send().await?;
    w.updates(&bound, ROLE, &["boundary"]).await;
    let put =
        |arn: &str| iam.put_role_permissions_boundary().role_name("demo-instance").permissions_boundary(arn).send();
    put("arn:aws:iam::aws:policy/PowerUserAccess").await?;
    w.updates(&bound, ROLE, &["boundary"]).await;
    let aws_own = "arn:aws:iam::aws:policy/PowerUserAccess".to_owned();
    w.updates(&with(&|r| r.boundary = Some(aws_own.clone())), ROLE, &["boundary"]).await;
    assert_eq!(seen().await?, Some(aws_own.clone()));
    let free = with(&|_| {});
    w.updates(&free, ROLE, &["boundary"]).await;
    assert_eq!(seen().await?, None);
    put(&boundary).await?;
    w.updates(&free, ROLE, &["boundary"]).await;
    assert_eq!(seen().await?, None);

    // Session Manager needs a statement in the stack's own policy. The managed policy that Quick Setup attaches is then
    // left alone; without `sessions` it is detached.
    let core = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    let sessions = with(&|r| r.sessions = true);
    let attach = async |arn: &str| iam.attach_role_policy().role_name("demo-instance").policy_arn(arn).send().await;
    w.updates(&sessions, ROLE, &["policy.Sessions"]).await;
    attach(core).await?;
    w.stands(&sessions, ROLE).await;
    attach("arn:aws:iam::aws:policy/AdministratorAccess").await?;
    w.updates(&sessions, ROLE, &["attached"]).await;
    let attached = iam.list_attached_role_policies().role_name("demo-instance").send().await?;
    assert_eq!(attached.attached_policies().iter().filter_map(|p| p.policy_arn()).collect::<Vec<_>>(), [core]);
    iam.delete_role_policy().role_name("demo-instance").policy_name("gameday").send().await?;
    w.updates(&sessions, ROLE, &["policy.Sessions"]).await;
    w.updates(&free, ROLE, &["attached", "policy.Sessions"]).await;

    // More managed policies are attached, accepted in any order, and detached with the key. A policy that does not
    // exist is named in the error.
    let agent = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy";
    let two = with(&|r| r.policies = vec![core.into(), agent.into()]);
    w.updates(&two, ROLE, &["attached"]).await;
    w.stands(&with(&|r| r.policies = vec![agent.into(), core.into()]), ROLE).await;
    iam.detach_role_policy().role_name("demo-instance").policy_arn(core).send().await?;
    w.updates(&two, ROLE, &["attached"]).await;
    w.updates(&with(&|r| r.policies = vec![agent.into()]), ROLE, &["attached"]).await;
    let none = with(&|r| r.policies = vec!["arn:aws:iam::123456789012:policy/None".into()]);
    let error = step(&none, ROLE).reconcile(&w.env).await.expect_err("there is no such policy");
    assert!(error.to_string().contains("policy/None does not exist"), "{error}");
    assert!(error.help().is_some_and(|h| h.contains("`policies` under [iam]")), "{error:?}");
    w.up(&free, ROLE).await;

    // KMS keys, through the services that read with them.
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let keys = with(&|r| (r.keys, r.keys_via) = (vec![key.into()], vec!["s3.us-east-1.amazonaws.com".into()]));
    w.updates(&keys, ROLE, &["policy.Keys"]).await;
    let policy = iam.get_role_policy().role_name("demo-instance").policy_name("gameday").send().await?;
    let document = policy.policy_document();
    assert!(document.contains("kms%3AViaService") && document.contains("kms%3ADecrypt"), "{document}");

    // Another path is refused, because IAM cannot move a role. After a deletion the role is created there.
    let elsewhere = with(&|r| r.path = "/event/".into());
    let plan = w.plan(&elsewhere, ROLE).await;
    assert_eq!(plan.word(), "refuse", "{plan:?}");
    w.goes(&elsewhere, ROLE).await;
    w.creates(&elsewhere, ROLE).await;
    let role = iam.get_role().role_name("demo-instance").send().await?.role.ok_or("no role")?;
    assert_eq!(role.arn(), "arn:aws:iam::123456789012:role/event/demo-instance");
    w.goes(&elsewhere, ROLE).await;
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_role_of_the_name_that_is_not_ours_is_left_alone() -> Test {
    let w = World::new().await;
    let mut g = Graph::default();
    role(&w, &mut g, &[]);
    w.up(&g, "parameter/app-password").await;
    w.up(&g, "log-group/app").await;
    w.aws.iam.create_role().role_name("demo-instance").assume_role_policy_document("{}").send().await?;
    w.refuses_what_is_not_ours(&g, ROLE).await;
    Ok(())
}

const PROFILE: &str = "instance-profile/instance";

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn an_instance_profile_holds_the_role() -> Test {
    let w = World::new().await;
    let mut g = Graph::default();
    let role = g.add("instance", bare_role(&w.aws));
    g.add("instance", InstanceProfile { aws: w.aws.clone(), role: Some(role), existing: None, path: "/".into() });
    w.up(&g, ROLE).await;
    w.creates(&g, PROFILE).await;

    let iam = &w.aws.iam;
    iam.remove_role_from_instance_profile()
        .instance_profile_name("demo-instance")
        .role_name("demo-instance")
        .send()
        .await?;
    w.updates(&g, PROFILE, &["role"]).await;
    iam.create_role().role_name("other").assume_role_policy_document("{}").send().await?;
    iam.remove_role_from_instance_profile()
        .instance_profile_name("demo-instance")
        .role_name("demo-instance")
        .send()
        .await?;
    iam.add_role_to_instance_profile().instance_profile_name("demo-instance").role_name("other").send().await?;
    w.updates(&g, PROFILE, &["role"]).await;

    // The deletion of a role that a profile still holds fails with the name of the profile.
    let held = step(&g, ROLE).remove(&w.env).await.expect_err("held");
    assert!(held.to_string().contains("instance profile demo-instance"), "{held}");
    w.goes(&g, PROFILE).await;
    w.goes(&g, ROLE).await;

    // An existing profile is found by its name, whatever its tags are, and never changed.
    iam.create_instance_profile().instance_profile_name("LabInstanceProfile").send().await?;
    let mut used = Graph::default();
    used.add_used(
        "instance",
        InstanceProfile {
            aws: w.aws.clone(),
            role: None,
            existing: Some("LabInstanceProfile".into()),
            path: String::new(),
        },
    );
    assert_eq!(w.look(&used, PROFILE).await.output.map(|o| o["name"].clone()), Some(json!("LabInstanceProfile")));
    w.stands(&used, PROFILE).await;
    // An existing profile can be used without the right to read it; one of the stack's own cannot be made then.
    w.denies(&["iam:GetInstanceProfile"]);
    assert_eq!(w.look(&used, PROFILE).await.output, Some(json!({"name": "LabInstanceProfile"})));
    w.stands(&used, PROFILE).await;
    let denied = step(&g, PROFILE).preview(&w.env).await.expect_err("denied");
    assert_eq!(denied.class(), Some(Class::Denied), "{denied}");
    w.denies(&[]);
    assert!(!w.down(&used, PROFILE).await);

    iam.create_instance_profile().instance_profile_name("demo-instance").send().await?;
    w.up(&g, ROLE).await;
    w.refuses_what_is_not_ours(&g, PROFILE).await;
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_parameter_to_use_needs_no_right_to_list_parameters() -> Test {
    const PARAMETER: &str = "parameter/app-password";
    let w = World::new().await;
    let put = w.aws.ssm.put_parameter().name("/event/app").r#type(ParameterType::SecureString).value("theirs");
    put.send().await?;
    let used = |path: &str, existing, reveal| {
        let mut g = Graph::default();
        let parameter = Parameter { aws: w.aws.clone(), path: path.into(), existing, reveal };
        if existing {
            g.add_used("app-password", parameter)
        } else {
            g.add("app-password", parameter)
        };
        g
    };
    let (theirs, revealed, none) =
        (used("/event/app", true, false), used("/event/app", true, true), used("/event/none", true, false));
    let seen = w.look(&theirs, PARAMETER).await.output;
    assert!(seen.is_some());
    // The parameter is found by its name, and so is its absence.
    w.denies(&["ssm:DescribeParameters"]);
    assert_eq!(w.look(&theirs, PARAMETER).await.output, seen);
    w.stands(&theirs, PARAMETER).await;
    assert!(w.look(&revealed, PARAMETER).await.output.is_some());
    assert_eq!(w.look(&none, PARAMETER).await.phase, None);
    // The instances can be allowed to read what the user is not.
    w.denies(&["ssm:DescribeParameters", "ssm:GetParameter"]);
    let taken = w.look(&theirs, PARAMETER).await.output.ok_or("it is taken as found")?;
    assert_eq!(
        (&taken["name"], &taken["arn"]),
        (&json!("/event/app"), &json!("arn:aws:ssm:us-east-1:*:parameter/event/app"))
    );
    w.stands(&theirs, PARAMETER).await;
    // The right is required if the value is needed here, or if the parameter is the stack's own.
    for g in [revealed, used("/gameday/demo/app", false, false)] {
        let denied = step(&g, PARAMETER).preview(&w.env).await.expect_err("denied");
        assert_eq!(denied.class(), Some(Class::Denied), "{denied}");
    }
    Ok(())
}

const TEMPLATE: &str = "launch-template/web";

/// Returns user data with a password, as it runs and as it is shown.
fn script(version: u32, password: &str) -> UserData {
    let script =
        |password: &str| format!("#!/bin/bash\n# version {version}\nexport MysqlPass='{password}'\n./server\n");
    UserData {
        encoded: Ok(BASE64_STANDARD.encode(script(password))), shown: script("••••••••"), secrets: true
    }
}

fn template(w: &World, g: &mut Graph, instance_type: &str, user_data: fn() -> UserData) -> Ref<LaunchTemplate> {
    g.add("web", bare_template(w, instance_type, user_data))
}

fn bare_template(w: &World, instance_type: &str, user_data: fn() -> UserData) -> LaunchTemplate {
    LaunchTemplate {
        aws: w.aws.clone(),
        image: "ami-12c6146b".into(),
        instance_type: instance_type.into(),
        other_types: vec![],
        key_pair: None,
        groups: vec![],
        public_address: None,
        profile: None,
        user_data: Input::new(move |_| Known::Now(user_data())),
        instance_name: "demo-web".into(),
        volume_name: "demo-web".into(),
        hop_limit: 1,
    }
}

fn version(status: &gameday::engine::Status) -> Option<i64> {
    status.output.as_ref()?["version"].as_i64()
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_launch_template_mints_a_version_for_every_change() -> Test {
    let w = World::new().await;
    let mut g = Graph::default();
    template(&w, &mut g, "t3.micro", || script(1, "hunter2"));
    let plan = w.plan(&g, TEMPLATE).await;
    assert!(!serde_json::to_string(&plan)?.contains("hunter2"), "{plan:?}");
    let made = w.creates(&g, TEMPLATE).await;
    assert_eq!(version(&made), Some(1));
    let ec2 = &w.aws.ec2;
    let versions = async || {
        let all = ec2.describe_launch_template_versions().launch_template_name("demo-web").send().await;
        all.map(|v| v.launch_template_versions.unwrap_or_default())
    };
    let data = versions().await?.remove(0).launch_template_data.unwrap_or_else(|| panic!("no data"));
    assert_eq!(data.metadata_options().and_then(|m| m.http_tokens()).map(|t| t.as_str()), Some("required"));
    let metadata = data.metadata_options().ok_or("no metadata options")?;
    assert_eq!(metadata.http_endpoint().map(|t| t.as_str()), Some("enabled"));
    assert_eq!(metadata.instance_metadata_tags().map(|t| t.as_str()), Some("disabled"));
    assert_eq!(data.credit_specification().and_then(|c| c.cpu_credits()), Some("unlimited"));
    let on: Vec<_> = data.tag_specifications().iter().map(|s| s.resource_type().map(|t| t.as_str())).collect();
    assert_eq!(on, [Some("instance"), Some("volume")]);

    // Another script makes a new version, whose number is not known before.
    let mut second = Graph::default();
    template(&w, &mut second, "t3.micro", || script(2, "hunter2"));
    let diff = w.updates(&second, TEMPLATE, &["user_data.script", "user_data.sha256"]).await;
    assert!(!format!("{diff:?}").contains("hunter2"), "{diff:?}");
    assert_eq!(version(&w.look(&second, TEMPLATE).await), Some(2));

    // A change of only the password shows in the hash, and the password is not shown.
    let mut third = Graph::default();
    template(&w, &mut third, "t3.micro", || script(2, "correct horse"));
    let diff = w.updates(&third, TEMPLATE, &["user_data.sha256"]).await;
    assert!(!format!("{diff:?}").contains("horse"), "{diff:?}");

    // Somebody makes another version, and then the default one.
    let evil = aws_sdk_ec2::types::RequestLaunchTemplateData::builder().image_id("ami-evil").build();
    let made =
        ec2.create_launch_template_version().launch_template_name("demo-web").launch_template_data(evil).send().await?;
    let number = made.launch_template_version().and_then(|v| v.version_number()).unwrap_or_default().to_string();
    w.stands(&third, TEMPLATE).await;
    ec2.modify_launch_template().launch_template_name("demo-web").default_version(number).send().await?;
    let drift = w.look(&third, TEMPLATE).await.drift;
    assert!(
        ["image", "made_by", "user_data", "imds_tokens", "imds_tags", "instance_name", "tags_instances"]
            .iter()
            .all(|f| drift.touches(f)),
        "{drift:?}"
    );
    assert_eq!(w.up(&third, TEMPLATE).await.word(), "update");
    assert_eq!(version(&w.stands(&third, TEMPLATE).await), Some(5));

    // Going back to the first script also makes a new version. A compressed script equals the plain one.
    w.up(&g, TEMPLATE).await;
    assert_eq!(version(&w.stands(&g, TEMPLATE).await), Some(6));
    let mut packed = Graph::default();
    template(&w, &mut packed, "t3.micro", || {
        use std::io::Write;
        let plain = script(1, "hunter2");
        let raw = BASE64_STANDARD.decode(plain.encoded.clone().unwrap_or_default()).unwrap_or_default();
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
        let done = gzip.write_all(&raw).and_then(|()| gzip.finish());
        UserData { encoded: done.map(|z| BASE64_STANDARD.encode(z)).map_err(|e| e.to_string()), ..plain }
    });
    w.stands(&packed, TEMPLATE).await;
    let mut m5 = Graph::default();
    template(&w, &mut m5, "m5.large", || script(1, "hunter2"));
    w.updates(&m5, TEMPLATE, &["cpu_credits", "instance_type"]).await;

    // Different names for instances and volumes, and metadata tags that somebody turned on.
    let named = |instance: &str, volume: &str| {
        let mut template = bare_template(&w, "m5.large", || script(1, "hunter2"));
        (template.instance_name, template.volume_name) = (instance.into(), volume.into());
        let mut g = Graph::default();
        g.add("web", template);
        g
    };
    w.updates(&named("wsi-web-api-asg", "wsi-web-api-asg"), TEMPLATE, &["instance_name", "volume_name"]).await;
    let named = named("wsi-web-api-asg", "wsi-disk");
    w.updates(&named, TEMPLATE, &["volume_name"]).await;
    let newest = versions().await?.into_iter().max_by_key(|v| v.version_number()).ok_or("no version")?;
    let data = newest.launch_template_data.ok_or("no data")?;
    let name = |kind: &str| {
        let mut all =
            data.tag_specifications().iter().filter(|s| s.resource_type().is_some_and(|t| t.as_str() == kind));
        let tags = all.next().map(|s| s.tags()).unwrap_or_default();
        tags.iter().find(|t| t.key() == Some("Name")).and_then(|t| t.value()).map(str::to_owned)
    };
    assert_eq!((name("instance"), name("volume")), (Some("wsi-web-api-asg".into()), Some("wsi-disk".into())));

    w.goes(&g, TEMPLATE).await;
    ec2.create_launch_template()
        .launch_template_name("demo-web")
        .launch_template_data(aws_sdk_ec2::types::RequestLaunchTemplateData::builder().image_id("ami-1").build())
        .send()
        .await?;
    w.refuses_what_is_not_ours(&g, TEMPLATE).await;
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn user_data_that_does_not_render_says_why() -> Test {
    let w = World::new().await;
    let mut g = Graph::default();
    template(&w, &mut g, "t3.micro", || UserData {
        encoded: Err("line 3: no such name".into()),
        shown: String::new(),
        secrets: false,
    });
    let error = step(&g, TEMPLATE).reconcile(&w.env).await.expect_err("does not render");
    assert!(error.to_string().contains("line 3: no such name"), "{error}");
    Ok(())
}

const ALARM: &str = "alarm/slow";

fn alarm(w: &World, g: &mut Graph, name: &str, threshold: f64, statistic: Measure) -> Ref<Alarm> {
    g.add(
        name,
        Alarm {
            aws: w.aws.clone(),
            namespace: "AWS/ApplicationELB".into(),
            metric: "TargetResponseTime".into(),
            dimensions: vec![
                ("LoadBalancer".into(), Input::from("app/demo/1".to_owned())),
                ("AvailabilityZone".into(), Input::from("us-east-1a".to_owned())),
            ],
            statistic,
            period: 60,
            datapoints: 2,
            periods: 3,
            threshold,
            comparison: Comparison::Above,
            missing: Missing::NotBreaching,
            description: "one answer in ten is slow".into(),
            notify: vec!["arn:aws:sns:us-east-1:123456789012:pager".into()],
        },
    )
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn an_alarm_is_kept_as_described() -> Test {
    let w = World::new().await;
    let mut g = Graph::default();
    alarm(&w, &mut g, "slow", 4.0, Measure::Percentile(90));
    w.creates(&g, ALARM).await;
    let mut other = Graph::default();
    alarm(&w, &mut other, "slow", 2.5, Measure::Percentile(90));
    w.updates(&other, ALARM, &["threshold"]).await;
    let mut average = Graph::default();
    alarm(&w, &mut average, "slow", 2.5, Measure::Average);
    w.updates(&average, ALARM, &["statistic"]).await;

    let cloudwatch = &w.aws.cloudwatch;
    cloudwatch.disable_alarm_actions().alarm_names("demo-slow").send().await?;
    w.updates(&average, ALARM, &["enabled"]).await;
    let arn = w.look(&average, ALARM).await.output.and_then(|o| o["arn"].as_str().map(str::to_owned));
    cloudwatch.untag_resource().resource_arn(arn.unwrap_or_default()).tag_keys("team").send().await?;
    w.updates(&average, ALARM, &["tags.team"]).await;
    cloudwatch.delete_alarms().alarm_names("demo-slow").send().await?;
    w.creates(&average, ALARM).await;
    w.goes(&average, ALARM).await;

    // Two calls are enough to look at a dozen alarms.
    let mut many = Graph::default();
    for n in 0..12 {
        alarm(&w, &mut many, &format!("slow-{n}"), 4.0, Measure::Percentile(90));
    }
    w.up_all(&many).await;
    w.aws.reads.set_mode(gameday::aws::reads::Mode::Look);
    w.aws.logs.create_log_group().log_group_name("a-write-ends-what-is-remembered").send().await?;
    let before = w.aws.calls.reads();
    for node in many.nodes() {
        assert_eq!(node.preview(&w.env).await?.word(), "none");
    }
    assert_eq!(w.aws.calls.reads() - before, 2);
    w.aws.reads.set_mode(gameday::aws::reads::Mode::Building { keep: std::time::Duration::ZERO });
    w.down_all(&many).await;

    cloudwatch
        .put_metric_alarm()
        .alarm_name("demo-theirs")
        .namespace("AWS/EC2")
        .metric_name("CPUUtilization")
        .statistic(aws_sdk_cloudwatch::types::Statistic::Sum)
        .period(60)
        .evaluation_periods(1)
        .threshold(1.0)
        .comparison_operator(aws_sdk_cloudwatch::types::ComparisonOperator::LessThanThreshold)
        .send()
        .await?;
    let mut theirs = Graph::default();
    alarm(&w, &mut theirs, "theirs", 4.0, Measure::Percentile(90));
    w.refuses_what_is_not_ours(&theirs, "alarm/theirs").await;
    Ok(())
}

const DASHBOARD: &str = "dashboard/main";

fn dashboard(w: &World, title: &'static str) -> Graph {
    let mut g = Graph::default();
    let alarm = alarm(w, &mut g, "slow", 4.0, Measure::Percentile(90));
    let body = move |inputs: &Inputs| -> Known<Value> {
        inputs.read(&alarm, |a| {
            let properties = json!({"title": title, "alarms": [a.arn]});
            json!({"start": "-PT1H", "widgets": [{"type": "alarm", "width": 24, "height": 3, "properties": properties}]})
        })
    };
    g.add("main", Dashboard { aws: w.aws.clone(), body: Input::new(body) });
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_dashboard_is_kept_as_described() -> Test {
    let w = World::new().await;
    let g = dashboard(&w, "Alarms");
    assert_eq!(step(&g, DASHBOARD).needs(), [Key::new("alarm", "slow")]);
    w.up(&g, ALARM).await;
    let made = w.creates(&g, DASHBOARD).await;
    assert_eq!(made.output, Some(json!({"name": "demo-main"})));
    let other = dashboard(&w, "What burns");
    w.look(&other, ALARM).await;
    w.updates(&other, DASHBOARD, &["body.widgets"]).await;
    let cloudwatch = &w.aws.cloudwatch;
    cloudwatch.put_dashboard().dashboard_name("demo-main").dashboard_body(r#"{"widgets":[]}"#).send().await?;
    w.updates(&other, DASHBOARD, &["body.start", "body.widgets"]).await;
    w.goes(&other, DASHBOARD).await;

    cloudwatch.put_dashboard().dashboard_name("demo-main").dashboard_body(r#"{"widgets":[]}"#).send().await?;
    w.refuses_what_is_not_ours(&g, DASHBOARD).await;
    Ok(())
}

const FLEET: &str = "auto-scaling-group/web";

/// The settings of the fleet that a test changes.
#[derive(Clone)]
struct Fleet {
    size: (i32, i32, i32),
    grace: i32,
    spot: Option<SpotMix>,
    attached: bool,
    profile: bool,
    per_minute: f64,
    script: fn() -> UserData,
}

impl Fleet {
    fn new() -> Self {
        Self {
            size: (2, 2, 4),
            grace: 240,
            spot: None,
            attached: true,
            profile: false,
            per_minute: 45.0,
            script: || script(1, "hunter2"),
        }
    }

    /// Returns a graph with a network, a load balancer, the fleet and what scales and watches it.
    fn graph(&self, w: &World) -> Graph {
        let (mut g, aws) = (Graph::default(), || w.aws.clone());
        let vpc = g.add("main", Vpc { aws: aws(), cidr: "10.0.0.0/16".into(), existing: None });
        let gateway = g.add("main", InternetGateway { aws: aws(), vpc: vpc.clone() });
        let subnets: Vec<_> = ["a", "b"]
            .iter()
            .enumerate()
            .map(|(i, zone)| {
                g.add(
                    &format!("public-{zone}"),
                    Subnet {
                        aws: aws(),
                        vpc: vpc.clone(),
                        cidr: format!("10.0.{i}.0/24"),
                        zone: format!("{REGION}{zone}"),
                        public: true,
                        existing: None,
                    },
                )
            })
            .collect();
        let group = g.add("app", SecurityGroup { aws: aws(), vpc: vpc.clone(), description: "the service".into() });
        let balancer = LoadBalancer {
            aws: aws(),
            internal: false,
            subnets: subnets.clone(),
            groups: vec![group.clone()],
            idle_timeout: 60,
            named: None,
        };
        let balancer = g.add_after("main", balancer, &[gateway.key()]);
        let target = g.add(
            "web",
            TargetGroup {
                aws: aws(),
                vpc,
                port: 80,
                health_path: "/healthcheck".into(),
                health_codes: "200-399".into(),
                health_interval: 10,
            },
        );
        let listener = g.add(
            "http",
            Listener {
                aws: aws(),
                balancer: balancer.clone(),
                target: Some(target.clone()),
                closed: false,
                port: 80,
                certificate: None,
                enough: 1,
            },
        );
        let profile = self.profile.then(|| {
            let role = Role { objects: vec!["arn:aws:s3:::games/*".into()], ..bare_role(&aws()) };
            let role = g.add("instance", role);
            g.add("instance", InstanceProfile { aws: aws(), role: Some(role), existing: None, path: "/".into() })
        });
        let template = g.add(
            "web",
            LaunchTemplate {
                aws: aws(),
                image: "ami-12c6146b".into(),
                instance_type: "t3.micro".into(),
                other_types: vec!["c5.large".into()],
                key_pair: None,
                groups: vec![group],
                public_address: Some(true),
                profile,
                user_data: Input::new({
                    let script = self.script;
                    move |_| Known::Now(script())
                }),
                instance_name: "demo-web".into(),
                volume_name: "demo-web".into(),
                hop_limit: 1,
            },
        );
        let (min, desired, max) = self.size;
        let fleet = g.add(
            "web",
            AutoScalingGroup {
                aws: aws(),
                template,
                subnets,
                targets: self.attached.then(|| target.clone()).into_iter().collect(),
                min,
                desired,
                max,
                grace: self.grace,
                warmup: 60,
                spot: self.spot.clone(),
                instance_type: "t3.micro".into(),
            },
        );
        let metric = Metric::RequestsPerTarget {
            per_minute: self.per_minute,
            balancer: balancer.clone(),
            target: target.clone(),
        };
        let policy = ScalingPolicy { aws: aws(), group: fleet.clone(), metric };
        g.add_after("web-requests", policy, &[listener.key()]);
        g.add("web-cpu", ScalingPolicy { aws: aws(), group: fleet.clone(), metric: Metric::Cpu { percent: 60.0 } });
        let dimensions = [
            ("LoadBalancer", balancer.input(|b| b.metric.clone())),
            ("TargetGroup", target.input(|t| t.metric.clone())),
            ("AutoScalingGroupName", fleet.input(|g| g.name.clone())),
        ];
        g.add(
            "watched",
            Alarm {
                aws: aws(),
                namespace: "demo".into(),
                metric: "anything".into(),
                dimensions: dimensions.map(|(k, v)| (k.into(), v)).into(),
                statistic: Measure::Sum,
                period: 60,
                datapoints: 1,
                periods: 1,
                threshold: 1.0,
                comparison: Comparison::Above,
                missing: Missing::Missing,
                description: String::new(),
                notify: vec![],
            },
        );
        g
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }
}

/// Returns the graph after a look at every step, so that all outputs are known.
async fn seen(w: &World, fleet: &Fleet) -> Graph {
    let g = fleet.graph(w);
    for node in g.nodes() {
        node.observe(&w.env).await.unwrap_or_else(|e| panic!("look at {}: {e}", node.key()));
    }
    g
}

/// Builds all steps before the fleet.
async fn ground(w: &World, g: &Graph) {
    for node in g.nodes().take_while(|n| n.key().as_str() != FLEET) {
        node.reconcile(&w.env).await.unwrap_or_else(|e| panic!("up {}: {e}", node.key()));
    }
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn an_auto_scaling_group_is_kept_as_described() -> Test {
    let w = World::new().await;
    let fleet = Fleet::new();
    let g = fleet.graph(&w);
    ground(&w, &g).await;
    w.creates(&g, FLEET).await;
    let asg = &w.aws.autoscaling;
    let there = async || {
        let all = asg.describe_auto_scaling_groups().auto_scaling_group_names("demo-web").send().await;
        all.map(|g| g.auto_scaling_groups.unwrap_or_default().remove(0))
    };
    let group = there().await?;
    assert_eq!(group.instances().len(), 2);
    let propagated: Vec<_> =
        group.tags().iter().filter(|t| t.propagate_at_launch() == Some(true)).filter_map(|t| t.key()).collect();
    assert_eq!(propagated, ["gameday:stack", "team"]);

    // Other sizes are wanted.
    let more = seen(&w, &fleet.with(|f| (f.size, f.grace) = ((2, 2, 6), 180))).await;
    w.updates(&more, FLEET, &["grace", "max"]).await;
    // A desired capacity that scaling has changed is no drift. A group that somebody set to 0 is.
    asg.set_desired_capacity().auto_scaling_group_name("demo-web").desired_capacity(5).send().await?;
    w.stands(&more, FLEET).await;
    assert_eq!(there().await?.desired_capacity(), Some(5));
    w.updates(&g, FLEET, &["desired", "grace", "max"]).await;
    asg.update_auto_scaling_group()
        .auto_scaling_group_name("demo-web")
        .min_size(0)
        .max_size(0)
        .desired_capacity(0)
        .send()
        .await?;
    w.updates(&g, FLEET, &["desired", "max", "min"]).await;
    assert_eq!(there().await?.desired_capacity(), Some(2));

    // Changes by hand.
    asg.suspend_processes()
        .auto_scaling_group_name("demo-web")
        .scaling_processes("Launch")
        .scaling_processes("HealthCheck")
        .send()
        .await?;
    w.updates(&g, FLEET, &["suspended"]).await;
    let target = there().await?.target_group_arns().to_vec();
    asg.detach_load_balancer_target_groups()
        .auto_scaling_group_name("demo-web")
        .set_target_group_arns(Some(target))
        .send()
        .await?;
    w.updates(&g, FLEET, &["targets"]).await;
    let one = there().await?.vpc_zone_identifier().unwrap_or_default().split(',').next().unwrap_or_default().to_owned();
    asg.update_auto_scaling_group()
        .auto_scaling_group_name("demo-web")
        .vpc_zone_identifier(one)
        .health_check_type("EC2")
        .send()
        .await?;
    w.updates(&g, FLEET, &["health_check", "subnets"]).await;
    let tag = aws_sdk_autoscaling::types::Tag::builder()
        .key("team")
        .resource_id("demo-web")
        .resource_type("auto-scaling-group");
    asg.delete_tags().tags(tag.build()).send().await?;
    w.updates(&g, FLEET, &["tags.team"]).await;
    let detached = seen(&w, &fleet.with(|f| f.attached = false)).await;
    w.updates(&detached, FLEET, &["health_check", "targets"]).await;

    w.goes(&g, FLEET).await;
    w.down_all(&g).await;
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn running_instances_follow_a_new_version() -> Test {
    let w = World::new().await;
    let fleet = Fleet::new();
    let g = fleet.graph(&w);
    ground(&w, &g).await;
    w.up(&g, FLEET).await;
    let asg = &w.aws.autoscaling;
    let refreshes = async || {
        let all = asg.describe_instance_refreshes().auto_scaling_group_name("demo-web").send().await;
        all.map(|r| r.instance_refreshes.unwrap_or_default())
    };

    let second = seen(&w, &fleet.with(|f| f.script = || script(2, "hunter2"))).await;
    let plan = w.plan(&second, "launch-template/web").await;
    assert_eq!(plan.word(), "update");
    let unknown = w.plan(&second, FLEET).await;
    let version = unknown.diff().and_then(|d| d.0.iter().find(|f| f.path == "version")).and_then(|f| f.want.clone());
    assert_eq!(version, Some(json!("(known after launch-template/web)")), "{unknown:?}");
    w.up(&second, "launch-template/web").await;
    w.updates(&second, FLEET, &["version"]).await;
    assert_eq!(refreshes().await?.len(), 1);

    // A run was interrupted between the new version and the refresh. The next one sees the old instances.
    let third = seen(&w, &fleet.with(|f| f.script = || script(3, "hunter2"))).await;
    w.up(&third, "launch-template/web").await;
    let id = w
        .look(&third, "launch-template/web")
        .await
        .output
        .map(|o| (o["id"].as_str().map(str::to_owned), o["version"].to_string()));
    let (id, number) = id.unwrap_or_default();
    let spec = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder()
        .set_launch_template_id(id)
        .version(number)
        .build();
    asg.update_auto_scaling_group().auto_scaling_group_name("demo-web").launch_template(spec).send().await?;
    w.updates(&third, FLEET, &["outdated"]).await;
    assert_eq!(refreshes().await?.len(), 2);
    Ok(())
}

/// The fleet waits for a profile that EC2 does not see yet. A refresh to an outdated version is cancelled first.
#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_fleet_in_time() -> Test {
    let w = World::with_time().await;
    let fleet = Fleet::new().with(|f| f.profile = true);
    let g = fleet.graph(&w);
    w.up_all(&g).await;
    for node in g.nodes() {
        w.stands(&g, node.key().as_str()).await;
    }
    for version in [|| script(2, "hunter2"), || script(3, "hunter2")] as [fn() -> UserData; 2] {
        let next = seen(&w, &fleet.with(|f| f.script = version)).await;
        w.up(&next, "launch-template/web").await;
        assert_eq!(w.up(&next, FLEET).await.word(), "update");
        w.stands(&next, FLEET).await;
    }
    let refreshes = w.aws.autoscaling.describe_instance_refreshes().auto_scaling_group_name("demo-web").send().await?;
    let statuses: Vec<_> =
        refreshes.instance_refreshes().iter().filter_map(|r| r.status()).map(|s| s.as_str()).collect();
    assert_eq!(statuses.last(), Some(&"Cancelled"), "{statuses:?}");
    assert_eq!(statuses.len(), 2, "{statuses:?}");
    w.down_all(&g).await;
    let g = seen(&w, &fleet).await;
    for node in g.nodes() {
        assert_eq!(w.look(&g, node.key().as_str()).await.phase, None, "{} is left", node.key());
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn spot_comes_and_goes() -> Test {
    let w = World::new().await;
    let fleet = Fleet::new();
    let g = fleet.graph(&w);
    ground(&w, &g).await;
    w.up(&g, FLEET).await;
    let mix = SpotMix { base: 2, percent: 0, types: vec!["t3a.micro".into(), "t3.micro".into(), "t2.micro".into()] };
    let spot = seen(&w, &fleet.with(|f| f.spot = Some(mix.clone()))).await;
    let diff = ["capacity_rebalance", "spot"];
    w.updates(&spot, FLEET, &diff).await;
    let fewer = seen(&w, &fleet.with(|f| f.spot = Some(SpotMix { percent: 50, ..mix }))).await;
    w.updates(&fewer, FLEET, &["spot.percent"]).await;
    w.updates(&g, FLEET, &diff).await;
    w.goes(&g, FLEET).await;
    // A group can also start with Spot instances.
    w.creates(&spot, FLEET).await;
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_group_of_the_name_that_is_not_ours_is_left_alone() -> Test {
    let w = World::new().await;
    let g = Fleet::new().graph(&w);
    ground(&w, &g).await;
    let id = w.look(&g, "launch-template/web").await.id;
    let spec = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder()
        .set_launch_template_id(id)
        .version("1")
        .build();
    let subnet = w.look(&g, "subnet/public-a").await.id.unwrap_or_default();
    w.aws
        .autoscaling
        .create_auto_scaling_group()
        .auto_scaling_group_name("demo-web")
        .launch_template(spec)
        .vpc_zone_identifier(subnet)
        .min_size(0)
        .max_size(0)
        .send()
        .await?;
    w.refuses_what_is_not_ours(&g, FLEET).await;
    Ok(())
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn scaling_policies_and_alarms_follow_what_they_refer_to() -> Test {
    let w = World::new().await;
    let fleet = Fleet::new();
    let g = fleet.graph(&w);
    ground(&w, &g).await;
    let requests = "scaling-policy/web-requests";
    assert_eq!(w.look(&g, requests).await.phase, None);
    w.up(&g, FLEET).await;
    w.creates(&g, requests).await;
    w.creates(&g, "scaling-policy/web-cpu").await;
    w.creates(&g, "alarm/watched").await;
    let other = seen(&w, &fleet.with(|f| f.per_minute = 30.0)).await;
    w.updates(&other, requests, &["target"]).await;
    let asg = &w.aws.autoscaling;
    asg.put_scaling_policy()
        .auto_scaling_group_name("demo-web")
        .policy_name("demo-web-requests")
        .policy_type("SimpleScaling")
        .adjustment_type("ExactCapacity")
        .scaling_adjustment(1)
        .send()
        .await?;
    assert_eq!(w.up(&other, requests).await.word(), "update");
    w.stands(&other, requests).await;
    asg.delete_policy().auto_scaling_group_name("demo-web").policy_name("demo-web-requests").send().await?;
    w.creates(&other, requests).await;
    w.goes(&other, requests).await;
    w.down_all(&g).await;
    let left: Vec<_> = seen(&w, &fleet).await.nodes().map(|n| n.key().to_string()).collect();
    assert!(!left.is_empty());
    for status in left {
        assert_eq!(w.look(&g, &status).await.phase, None, "{status} is left");
    }
    Ok(())
}
