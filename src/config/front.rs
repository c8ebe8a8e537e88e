//! The way of requests to the load balancer: who is allowed to reach it, and what is before it.
use crate::{Access, Cdn, Config, Scheme, Switch};

/// AWS's prefix list of the addresses from which CloudFront asks the servers behind it.
const CLOUDFRONT: &str = "com.amazonaws.global.cloudfront.origin-facing";
/// The range that lets everybody in.
const ANYWHERE: &str = "0.0.0.0/0";

impl Config {
    /// True if the load balancer has private addresses only.
    pub fn has_internal_balancer(&self) -> bool {
        self.balancer.scheme == Scheme::Internal
    }

    /// Returns who is allowed to reach the load balancer, in a VPC with these ranges.
    pub fn allowed_http(&self, vpc: Vec<String>) -> Vec<String> {
        // Only the VPC and the networks connected to it find a way to a private address. Further ones have to be named.
        let is_usual = self.access.http == Access::default().http;
        if self.has_internal_balancer() && is_usual { vpc } else { self.http_sources() }
    }

    /// Returns the CIDRs and prefix lists that are allowed to reach the load balancer.
    pub fn http_sources(&self) -> Vec<String> {
        let given = self.access.http.iter().cloned();
        if !self.cdn.is_closing() {
            return given.collect();
        }
        std::iter::once(CLOUDFRONT.to_owned()).chain(given.filter(|s| s != ANYWHERE && s != CLOUDFRONT)).collect()
    }

    /// True if the load balancer answers only requests with the header that the stack's own distribution sends.
    ///
    /// A range in `access.http` reaches the load balancer directly, and its requests have no such header.
    pub fn has_origin_header(&self) -> bool {
        self.cdn.is_closing() && self.http_sources() == [CLOUDFRONT]
    }
}

impl Cdn {
    /// True if the load balancer is closed to requests that do not come from CloudFront.
    pub fn is_closing(&self) -> bool {
        self.mode == Switch::Create && self.close_balancer
    }

    /// True if the distribution's name is the address of the stack.
    pub fn is_endpoint(&self) -> bool {
        self.mode == Switch::Create && self.endpoint
    }
}
