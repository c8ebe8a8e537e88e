//! Counts calls, records when something was changed, and reports each call to an observer.
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, SharedInterceptor,
            context::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// One attempt of a call, without what was sent or answered: anybody may see it.
#[derive(Debug)]
pub struct Call<'a> {
    pub service: &'a str,
    pub operation: &'a str,
    pub took: Duration,
    /// The HTTP status. `None` if there was no answer.
    pub status: Option<u16>,
    /// AWS's error code, if the call was refused.
    pub code: Option<String>,
    pub request_id: Option<&'a str>,
}

/// Observes each call.
pub type Observer = fn(&Call<'_>);

/// The calls made so far. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
    observer: Option<Observer>,
}

/// The start of an attempt.
#[derive(Debug)]
struct Start(Instant);

impl Storable for Start {
    type Storer = StoreReplace<Self>;
}

impl Calls {
    /// Starts counting.
    pub(super) fn new(observer: Option<Observer>) -> Self {
        Self(Arc::new(Counts { observer, ..Counts::default() }))
    }

    /// Returns the number of calls that change nothing.
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Relaxed)
    }
    /// Returns the number of calls that may have changed something.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Relaxed)
    }
    /// Returns the interceptor for the configuration of a client.
    pub(super) fn interceptor(&self) -> SharedInterceptor {
        SharedInterceptor::new(self.clone())
    }
}

/// True if an operation only reads, by AWS's naming.
pub fn only_reads(operation: &str) -> bool {
    ["Describe", "Get", "List", "Filter", "Simulate", "Lookup", "Search"].iter().any(|verb| operation.starts_with(verb))
}

/// Returns AWS's error code from the body of a refusal: `<Code>` in XML, `__type` in JSON.
fn code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let xml = || text.split_once("<Code>")?.1.split_once("</Code>").map(|(code, _)| code.to_owned());
    let json = || {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let full = value.get("__type").or_else(|| value.get("code"))?.as_str()?;
        Some(full.rsplit('#').next().unwrap_or(full).to_owned())
    };
    xml().or_else(json)
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }
    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.observer.is_some() {
            cfg.interceptor_state().store_put(Start(Instant::now()));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        cx: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(observer), Some(call)) = (self.0.observer, cfg.load::<Metadata>()) else { return Ok(()) };
        let answer = cx.response();
        let header = |name| answer.and_then(|a| a.headers().get(name));
        observer(&Call {
            service: call.service(),
            operation: call.name(),
            took: cfg.load::<Start>().map_or(Duration::ZERO, |start| start.0.elapsed()),
            status: answer.map(|a| a.status().as_u16()),
            code: answer.filter(|a| !a.status().is_success()).and_then(|a| code(a.body().bytes()?)),
            request_id: header("x-amzn-requestid").or_else(|| header("x-amz-request-id")),
        });
        Ok(())
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let reads = cfg.load::<Metadata>().is_some_and(|m| only_reads(m.name()));
        if reads { &self.0.reads } else { &self.0.writes }.fetch_add(1, Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_code_in_either_form() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error></ErrorResponse>";
        assert_eq!(code(xml.as_bytes()).as_deref(), Some("AccessDenied"));
        let json = r#"{"__type":"com.amazonaws.ssm#ParameterNotFound","message":"no"}"#;
        assert_eq!(code(json.as_bytes()).as_deref(), Some("ParameterNotFound"));
        assert_eq!(code(b"<html>502</html>"), None);
    }
}
