//! The steps of HTTPS beside the listeners: the certificate, and the rule that redirects port 80.
use crate::{
    config::Config,
    engine::{Key, Ref, Resource as _},
    parts::{Builder, access::Rules, balancer::Route, dns},
    resources::{
        certificate::{Certificate, Source},
        certificate_issued::IssuedCertificate,
        elb::Answer,
        listener::Listener,
        listener_rule::{ListenerRule, Order, Then, WantedRule},
        rule_condition::Condition,
    },
};
use std::{cell::Cell, rc::Rc};

/// The end of the names of rules of the HTTPS listener. Other rules' names end with a number.
pub(crate) const SUFFIX: &str = "-https";

/// The name of the rule that redirects port 80.
const NAME: &str = "redirect-to-https";

/// The priority of the redirect: after the rules that refuse requests, before those of the services.
const REDIRECT: i32 = 99;

/// The certificate of the HTTPS listener.
pub(crate) struct Shown {
    pub certificate: Ref<Certificate>,
    /// The step that waits until a requested one is issued.
    pub issued: Option<Key>,
}

/// Wires the certificate, if the stack file asks for HTTPS, and those that earlier ones requested.
pub(crate) fn wire(b: &mut Builder<'_>) -> Option<Shown> {
    let tls = b.config.balancer.tls.as_ref()?;
    for domain in b.earlier.domains.iter().filter(|domain| tls.domain.as_ref() != Some(domain)) {
        request(b, domain, None);
    }
    if let Some(domain) = &tls.domain {
        return Some(request(b, domain, tls.zone.clone()));
    }
    let certificate = match &tls.certificate {
        Some(arn) => b.add_used("main", Certificate { aws: b.aws(), source: Source::Existing(arn.clone()) }),
        None => {
            // Clients skip the check, so the name only tells whose certificate it is.
            let names = vec![format!("{}.gameday.internal", b.config.name)];
            b.add(SELF_SIGNED, Certificate { aws: b.aws(), source: Source::SelfSigned(names) })
        }
    };
    Some(Shown { certificate, issued: None })
}

/// Wires the certificate of a domain, its proof, and the wait until it is issued.
fn request(b: &mut Builder<'_>, domain: &str, zone: Option<String>) -> Shown {
    // No asterisk can be in a key.
    let name = domain.replace('*', WILDCARD);
    let certificate = b.add(&name, Certificate { aws: b.aws(), source: Source::Requested(domain.into()) });
    let proof = dns::prove(b, &name, domain, zone, &certificate);
    let wait = IssuedCertificate { aws: b.aws(), certificate: certificate.clone(), dropped: Cell::default() };
    let issued = b.add_after(&name, wait, &[&proof]).key().clone();
    Shown { certificate, issued: Some(issued) }
}

/// Returns the domain of a requested certificate, if the step with this key is one.
pub(crate) fn domain_of(key: &str) -> Option<String> {
    let name = key.strip_prefix("certificate/").filter(|name| !matches!(*name, SELF_SIGNED | "main"))?;
    Some(match name.strip_prefix(WILDCARD) {
        Some(rest) => format!("*{rest}"),
        None => name.into(),
    })
}

/// The name of the step of a certificate that gameday makes.
const SELF_SIGNED: &str = "self-signed";

/// What stands for the asterisk of a domain in a key.
const WILDCARD: &str = "_";

/// Returns the rule that redirects port 80, if the stack file asks for it, as others see it.
pub(crate) fn rule(config: &Config) -> Option<WantedRule> {
    let is_wanted = config.balancer.tls.as_ref().is_some_and(|tls| tls.redirect);
    is_wanted.then(|| WantedRule { key: Key::new(ListenerRule::KIND, NAME), order: Order::At(REDIRECT) })
}

/// Wires the redirect of port 80, which begins once HTTPS has a rule for every request.
///
/// The redirect is the last one of `all` rules of port 80.
pub(crate) fn redirect(
    b: &mut Builder<'_>,
    http: &Ref<Listener>,
    all: Rc<[WantedRule]>,
    https: &[Route],
    rules: &Rules,
) {
    if rule(b.config).is_none() {
        return;
    }
    let after: Vec<&Key> = https.iter().flatten().chain([&rules.balancer]).collect();
    let redirect = ListenerRule {
        aws: b.aws(),
        listener: http.clone(),
        conditions: vec![Condition::Path(vec!["/*".into()])],
        header: None,
        then: Then::Answer(Answer::ToHttps),
        enough: 1,
        index: all.len() - 1,
        all,
    };
    b.add_after(NAME, redirect, &after);
}

#[cfg(test)]
mod tests {
    use crate::{
        aws::{Aws, Target},
        engine::Key,
        facts::Facts,
        stack,
    };

    /// A request on port 80 is sent to HTTPS only once every rule that can match it there exists.
    #[tokio::test]
    async fn the_redirect_waits_for_all_that_answers_behind_it() {
        let text = "name = \"billing\"\n[balancer]\nblock = [{ path = \"/a\" }]\n[balancer.tls]\nself_signed = true\n\
                    [service.api]\nsource = \"https://example.com/server\"\nroutes = [\"/b\"]\n";
        let loaded = crate::config::parse("gameday.toml", text).expect("a sound stack file");
        let aws = Aws::connect(&Target { region: loaded.config.region.clone(), ..Target::default() }).await;
        let stack = stack::wire(&loaded, &Facts::offline(&loaded.config), &aws).map_err(|e| e.to_string()).unwrap();
        let of = |key: &str| stack.graph.get(key).unwrap_or_else(|| panic!("{key}")).needs().iter().map(Key::as_str);
        let redirect: Vec<&str> = of("listener-rule/redirect-to-https").collect();
        for key in ["listener/http", "listener-rule/api-1-https", "listener-rule/blocked-requests-1-https"] {
            assert!(redirect.contains(&key), "{redirect:?} lacks {key}");
        }
        assert!(of("listener/https").any(|key| key == "certificate/self-signed"));
    }
}
