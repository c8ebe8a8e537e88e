//! The managed part of a distribution's configuration, read and written.
//!
//! The cache key is given with the distribution itself. CloudFront calls that legacy and keeps it, and a cache policy
//! would be a second object: without tags, and only 20 of them in an account.
use super::{
    distribution::Distribution,
    origin_header::{self, Values},
    parameter::Parameter,
    prelude::*,
};
use aws_sdk_cloudfront::types::{
    AllowedMethods, CachedMethods, CookiePreference, CustomErrorResponse, CustomErrorResponses, CustomHeaders,
    CustomOriginConfig, DefaultCacheBehavior, DistributionConfig, DistributionConfigWithTags, DistributionSummary,
    ForwardedValues, Headers, ItemSelection, Method, Origin, OriginCustomHeader, OriginProtocolPolicy, Origins,
    PriceClass, QueryStringCacheKeys, ViewerProtocolPolicy,
};
use aws_smithy_types::error::operation::BuildError;
use std::collections::BTreeMap;

/// The managed fields of a distribution.
#[derive(Serialize)]
pub struct Spec {
    /// The text by which the distribution is found.
    comment: String,
    enabled: bool,
    /// The DNS name of the balancer.
    origin: Known<String>,
    /// How CloudFront asks it.
    asks: String,
    /// The header by which the balancer recognises it.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Known<Values>>,
    /// Whether requests without TLS are answered.
    viewers: String,
    methods: Vec<String>,
    cached_methods: Vec<String>,
    /// The query parameters in the cache key: `*` for all, none if the query is not passed on.
    query: Vec<String>,
    headers: Vec<String>,
    cookies: String,
    min_ttl: Option<i64>,
    default_ttl: Option<i64>,
    max_ttl: Option<i64>,
    /// Seconds for which an error is kept, by HTTP status.
    error_ttl: BTreeMap<i32, i64>,
    compress: bool,
    price_class: String,
    /// Policies that would take the place of the cache key above.
    policies: Vec<String>,
}

/// The name of the one origin within the distribution.
const ORIGIN: &str = "balancer";
const ALL: &str = "*";
const METHODS: [Method; 7] =
    [Method::Delete, Method::Get, Method::Head, Method::Options, Method::Patch, Method::Post, Method::Put];
const CACHED: [Method; 2] = [Method::Get, Method::Head];
/// The errors that pass by themselves. CloudFront keeps each for 10 s unless told otherwise [AWS C1], and instances that
/// boot or scale would look broken for that long.
const ERRORS: [i32; 5] = [404, 500, 502, 503, 504];
const ERROR_TTL: i64 = 1;
const NONE: &str = "none";

impl Spec {
    /// Returns the wanted spec.
    pub(super) fn wanted(it: &Distribution, inputs: &Inputs) -> Self {
        let ttl = Some(i64::from(it.ttl));
        Self {
            comment: it.comment.clone(),
            enabled: true,
            origin: inputs.read(&it.balancer, |b| b.dns_name.clone()),
            header: it.header.as_ref().map(|parameter| Values::wanted(inputs, parameter)),
            asks: asks(OriginProtocolPolicy::HttpOnly.as_str(), 80),
            viewers: ViewerProtocolPolicy::AllowAll.as_str().into(),
            methods: words(&METHODS),
            cached_methods: words(&CACHED),
            query: sorted(it.query.clone()),
            headers: sorted(it.headers.clone()),
            cookies: NONE.into(),
            min_ttl: Some(0),
            default_ttl: ttl,
            max_ttl: ttl,
            error_ttl: ERRORS.map(|code| (code, ERROR_TTL)).into(),
            compress: true,
            price_class: it.price_class.clone(),
            policies: vec![],
        }
    }

    /// Returns the spec of a distribution as it is listed.
    #[expect(deprecated, reason = "see the head of this file")]
    pub(super) fn of(d: &DistributionSummary, cx: &Cx<'_>, parameter: Option<&Ref<Parameter>>) -> Self {
        let origins = d.origins().map(|o| o.items()).unwrap_or_default();
        let names = sorted(origins.iter().map(|o| o.domain_name().to_owned()).collect());
        let http = origins.first().and_then(|o| o.custom_origin_config());
        let behavior = d.default_cache_behavior();
        let methods = behavior.and_then(|b| b.allowed_methods());
        let values = behavior.and_then(|b| b.forwarded_values());
        let keys = values.and_then(|v| v.query_string_cache_keys()).map(|k| k.items().to_vec()).unwrap_or_default();
        let policies = behavior.map(|b| [b.cache_policy_id(), b.origin_request_policy_id()]);
        let errors = d.custom_error_responses().map(|e| e.items()).unwrap_or_default();
        Self {
            comment: d.comment().into(),
            enabled: d.enabled(),
            origin: Known::Now(names.join(", ")),
            asks: http.map(|h| asks(h.origin_protocol_policy().as_str(), h.http_port())).unwrap_or_default(),
            header: Values::found(header(d), cx, parameter),
            viewers: behavior.map_or("", |b| b.viewer_protocol_policy().as_str()).into(),
            methods: words(methods.map(|m| m.items()).unwrap_or_default()),
            cached_methods: words(methods.and_then(|m| m.cached_methods()).map(|m| m.items()).unwrap_or_default()),
            query: match values {
                Some(v) if v.query_string() && keys.is_empty() => vec![ALL.into()],
                Some(v) if v.query_string() => sorted(keys),
                _ => vec![],
            },
            headers: sorted(values.and_then(|v| v.headers()).map(|h| h.items().to_vec()).unwrap_or_default()),
            cookies: values.and_then(|v| v.cookies()).map_or(NONE, |c| c.forward().as_str()).into(),
            min_ttl: behavior.and_then(|b| b.min_ttl()),
            default_ttl: behavior.and_then(|b| b.default_ttl()),
            max_ttl: behavior.and_then(|b| b.max_ttl()),
            error_ttl: errors.iter().filter_map(|e| Some((e.error_code(), e.error_caching_min_ttl()?))).collect(),
            compress: behavior.and_then(|b| b.compress()).unwrap_or_default(),
            price_class: d.price_class().as_str().into(),
            policies: policies.into_iter().flatten().flatten().map(Into::into).collect(),
        }
    }

    /// Returns the name of the balancer, once it is known.
    pub(super) fn origin(&self) -> Result<String> {
        self.origin.get().cloned()
    }

    /// Returns the configuration of a new distribution, with its tags.
    pub(super) fn tagged(&self, reference: &str, tags: Tags) -> Result<DistributionConfigWithTags> {
        let (origin, header) = (self.origin()?, self.header_values()?);
        let build = || {
            let config = DistributionConfig::builder()
                .caller_reference(reference)
                .comment(&self.comment)
                .enabled(self.enabled)
                .origins(self.origins(&origin, &header)?)
                .default_cache_behavior(self.behavior(None)?)
                .custom_error_responses(self.errors()?)
                .price_class(PriceClass::from(self.price_class.as_str()))
                .build()?;
            Ok::<_, BuildError>(config)
        };
        let config = build().expect("all required fields are set");
        Ok(DistributionConfigWithTags::builder().distribution_config(config).tags(tags::cloudfront::to(&tags)).build())
    }

    /// Returns a configuration with the managed fields as wanted, and all others as they are.
    pub(super) fn applied_to(&self, mut config: DistributionConfig) -> Result<DistributionConfig> {
        let (origin, header) = (self.origin()?, self.header_values()?);
        let now = config.default_cache_behavior.take();
        let build = || Ok::<_, BuildError>((self.origins(&origin, &header)?, self.behavior(now)?, self.errors()?));
        let (origins, behavior, errors) = build().expect("all required fields are set");
        config.comment = self.comment.clone();
        config.enabled = self.enabled;
        config.origins = Some(origins);
        config.default_cache_behavior = Some(behavior);
        config.custom_error_responses = Some(errors);
        config.price_class = Some(PriceClass::from(self.price_class.as_str()));
        Ok(config)
    }

    /// Returns the value of the header, once it is known. Of several ones, a distribution can send only the first.
    fn header_values(&self) -> Result<Vec<Secret>> {
        let value = |header: &Known<Values>| Ok(header.get()?.all().first().map(|value| (*value).clone()));
        Ok(self.header.as_ref().map(value).transpose()?.flatten().into_iter().collect())
    }

    fn origins(&self, name: &str, header: &[Secret]) -> Result<Origins, BuildError> {
        let one = |value: &Secret| {
            OriginCustomHeader::builder().header_name(origin_header::NAME).header_value(value.reveal()).build()
        };
        let headers = header.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let headers = CustomHeaders::builder().quantity(count(&headers)).set_items(Some(headers)).build()?;
        let http = CustomOriginConfig::builder()
            .http_port(80)
            .https_port(443)
            .origin_protocol_policy(OriginProtocolPolicy::HttpOnly)
            .build()?;
        let origin = Origin::builder().id(ORIGIN).domain_name(name).origin_path("").custom_origin_config(http);
        let origin = origin.custom_headers(headers);
        Origins::builder().quantity(1).items(origin.build()?).build()
    }

    #[expect(deprecated, reason = "see the head of this file")]
    fn behavior(&self, now: Option<DefaultCacheBehavior>) -> Result<DefaultCacheBehavior, BuildError> {
        let has_query = !self.query.is_empty();
        let keys: Vec<String> = self.query.iter().filter(|q| *q != ALL).cloned().collect();
        let keys = QueryStringCacheKeys::builder().quantity(count(&keys)).set_items(Some(keys)).build()?;
        let headers = Headers::builder().quantity(count(&self.headers)).set_items(Some(self.headers.clone()));
        let values = ForwardedValues::builder()
            .query_string(has_query)
            .query_string_cache_keys(keys)
            .headers(headers.build()?)
            .cookies(CookiePreference::builder().forward(ItemSelection::None).build()?)
            .build()?;
        let cached = CachedMethods::builder().quantity(count(&CACHED)).set_items(Some(CACHED.to_vec())).build()?;
        let methods = AllowedMethods::builder().quantity(count(&METHODS)).set_items(Some(METHODS.to_vec()));
        let mut behavior = match now {
            Some(now) => now,
            None => DefaultCacheBehavior::builder()
                .target_origin_id(ORIGIN)
                .viewer_protocol_policy(ViewerProtocolPolicy::AllowAll)
                .build()?,
        };
        behavior.target_origin_id = ORIGIN.into();
        behavior.viewer_protocol_policy = ViewerProtocolPolicy::AllowAll;
        behavior.allowed_methods = Some(methods.cached_methods(cached).build()?);
        behavior.compress = Some(self.compress);
        behavior.cache_policy_id = None;
        behavior.origin_request_policy_id = None;
        behavior.forwarded_values = Some(values);
        behavior.min_ttl = self.min_ttl;
        behavior.default_ttl = self.default_ttl;
        behavior.max_ttl = self.max_ttl;
        Ok(behavior)
    }

    fn errors(&self) -> Result<CustomErrorResponses, BuildError> {
        let one = |(code, ttl): (&i32, &i64)| {
            CustomErrorResponse::builder().error_code(*code).error_caching_min_ttl(*ttl).build()
        };
        let all = self.error_ttl.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        CustomErrorResponses::builder().quantity(count(&all)).set_items(Some(all)).build()
    }
}

/// Returns the values of the header in a distribution as it is listed.
pub(crate) fn header(d: &DistributionSummary) -> impl Iterator<Item = &str> {
    let origins = d.origins().map(|o| o.items()).unwrap_or_default();
    let headers = origins.iter().filter_map(|o| o.custom_headers()).flat_map(|h| h.items());
    headers.filter(|h| origin_header::is_name(h.header_name())).map(|h| h.header_value())
}

fn asks(protocol: &str, port: i32) -> String {
    format!("{protocol}, port {port}")
}

fn words(methods: &[Method]) -> Vec<String> {
    sorted(methods.iter().map(|m| m.as_str().to_owned()).collect())
}

/// Returns the number of items, which CloudFront wants beside each list.
fn count<T>(items: &[T]) -> i32 {
    items.len() as i32
}
