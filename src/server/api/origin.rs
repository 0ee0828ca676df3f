//! The scheme and host by which callers reach the server, for links.
//!
//! The published clients follow only absolute URLs. The scheme is that of the server and the host
//! that of the request; behind-proxy mode takes both from the proxy's headers. A host that a caller
//! makes up appears only in the response to that caller.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use std::convert::Infallible;
use std::sync::Arc;

/// What terminates TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Origin {
    /// Nothing: plain HTTP.
    Http,
    /// The server.
    Https,
    /// A proxy, which sends `X-Forwarded-Proto` and `X-Forwarded-Host`.
    Proxy,
}

impl Origin {
    /// Returns the base of links, such as `https://hooks.example.com`. It is empty if the host is
    /// unknown, so that links are relative.
    fn base(self, headers: &HeaderMap) -> String {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        // Parsed, so that no header can put a path, a blank or a quote into a link.
        let host = |name: &str| header(name)?.parse::<Authority>().ok();
        let own = || host("host");
        let (scheme, host) = match self {
            Self::Http => ("http", own()),
            Self::Https => ("https", own()),
            // A proxy that says nothing terminates TLS: that is what the mode is for.
            Self::Proxy => {
                // Only in this mode: otherwise a caller could choose the scheme and host of its links.
                let plain = header("x-forwarded-proto").is_some_and(|proto| proto == "http");
                (if plain { "http" } else { "https" }, host("x-forwarded-host").or_else(own))
            }
        };
        // Without a host, as in HTTP/1.0, a relative link is the best that can be said.
        host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
    }
}

/// The base of the links in a response.
pub(super) struct Base(pub(super) String);

impl FromRequestParts<Arc<super::Api>> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        api: &Arc<super::Api>,
    ) -> Result<Self, Infallible> {
        Ok(Self(api.origin.base(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn trusts_proxy_headers_only_in_proxy_mode() {
        let headers: HeaderMap = [
            ("host", "inside:8080"),
            ("x-forwarded-host", "hooks.example.com"),
            ("x-forwarded-proto", "https"),
        ]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .into_iter()
        .collect();
        assert_eq!(Origin::Http.base(&headers), "http://inside:8080");
        assert_eq!(Origin::Https.base(&headers), "https://inside:8080");
        assert_eq!(Origin::Proxy.base(&headers), "https://hooks.example.com");
        let mut strange = HeaderMap::new();
        assert_eq!(Origin::Http.base(&strange), "");
        strange.insert("host", HeaderValue::from_static("a b/\"c"));
        assert_eq!(Origin::Http.base(&strange), "");
    }
}
