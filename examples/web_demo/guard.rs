//! Access rules: requests from this server's own page and from programs are answered, requests from pages of other sites are refused.
//!
//! A page of another site can send requests to this machine. They are recognised by `Sec-Fetch-Site`, or by `Origin` if a browser sends no
//! `Sec-Fetch-Site`. Another site can also let its own name point to the address of this machine (DNS rebinding). This is recognised by
//! `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// The host names for which this server answers.
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// Allows IP addresses such as `1.2.3.4` or `[::1]` and `localhost`, which no other site can use, and these names.
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    fn allow(&self, host: &str) -> bool {
        let name = name_of(host).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || address.parse::<IpAddr>().is_ok() || self.0.contains(&name)
    }
}

/// Returns a host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_v6(host) => name,
        _ => host,
    }
}

fn is_bare_v6(host: &str) -> bool {
    !host.starts_with('[') && host.matches(':').count() > 1
}

/// Passes a request on if the rules allow it, otherwise answers with an error.
pub(crate) async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match refusal(&hosts, request.headers(), request.uri().path()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(hosts: &Hosts, headers: &HeaderMap, path: &str) -> Option<Problem> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // Programs that use HTTP/1.0 send no host. Browsers always send one.
    let host = text(header::HOST);
    if let Some(host) = host.filter(|host| !hosts.allow(host)) {
        return Some(Problem::foreign(format!(
            "request: Host must be an IP address, localhost or a name given by --allow-host, got {host:?}"
        )));
    }
    // Other sites may link to the page. Their scripts must not use the interface.
    if !path.starts_with("/api/") {
        return None;
    }
    if text(HeaderName::from_static("sec-fetch-site")) == Some("cross-site") {
        return Some(Problem::foreign("request: page must be this server's, got one of another site"));
    }
    let origin = text(header::ORIGIN)?;
    let origin_host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let same = host.is_some_and(|host| host.eq_ignore_ascii_case(origin_host));
    (!same && !hosts.0.contains(&name_of(origin_host).to_ascii_lowercase()))
        .then(|| Problem::foreign(format!("request: page must be this server's, got one of {origin:?}")))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn refused(headers: &[(&'static str, &'static str)], path: &str) -> bool {
        let hosts = Hosts::new(&["Mood.example".to_string()]);
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        refusal(&hosts, &headers, path).is_some()
    }

    #[test]
    fn only_own_names_are_answered() {
        for host in ["127.0.0.1:7860", "127.0.0.1", "localhost:1", "[::1]:7860", "[::1]", "mood.example:80"] {
            assert!(!refused(&[("host", host)], "/"), "{host}");
        }
        for host in
            ["evil.example", "evil.example:7860", "localhost.evil.example", "", "[evil", "127.0.0.1.example"]
        {
            assert!(refused(&[("host", host)], "/"), "{host}");
        }
        assert!(!refused(&[], "/api/health"), "HTTP/1.0");
    }

    #[test]
    fn pages_of_other_sites_may_link_but_not_ask() {
        let host = ("host", "127.0.0.1:7860");
        assert!(!refused(&[host, ("sec-fetch-site", "cross-site")], "/"));
        assert!(refused(&[host, ("sec-fetch-site", "cross-site")], "/api/recommend"));
        for (site, refuse) in [("same-origin", false), ("none", false)] {
            assert_eq!(refused(&[host, ("sec-fetch-site", site)], "/api/recommend"), refuse, "{site}");
        }
        assert!(!refused(&[host, ("origin", "http://127.0.0.1:7860")], "/api/recommend"));
        assert!(!refused(&[host, ("origin", "https://mood.example")], "/api/recommend"));
        for origin in ["http://127.0.0.1:9999", "https://evil.example", "null"] {
            assert!(refused(&[host, ("origin", origin)], "/api/recommend"), "{origin}");
        }
    }
}
