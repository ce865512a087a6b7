//! Finds who sends a request: the owner of a token, or a program on this machine.

use super::{Service, refusal::Refusal, token::Client};
use axum::http::{HeaderMap, StatusCode, header};
use std::net::IpAddr;

impl Service {
    /// Who sends the request.
    pub(super) fn client(&self, headers: &HeaderMap, address: IpAddr) -> Result<Client, Refusal> {
        let Some(tokens) = &self.tokens else {
            return match from_a_page(headers) {
                false => Ok(Client::local(address)),
                true => Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "no_pages",
                    "without tokens, this service answers no web pages; start it with a file of tokens",
                )),
            };
        };
        let token = in_authorization(headers).or_else(|| in_protocols(headers));
        let client = token.and_then(|token| tokens.client(token));
        client.cloned().ok_or_else(|| {
            let text = "send a token that this service knows: `Authorization: Bearer …`";
            Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", text)
        })
    }
}

fn in_authorization(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, header::AUTHORIZATION)?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim())
}

/// The token among the subprotocols of a WebSocket, `bearer.TOKEN`. A web page cannot send the header
/// `Authorization` with a WebSocket.
fn in_protocols(headers: &HeaderMap) -> Option<&str> {
    let mut offered = text(headers, header::SEC_WEBSOCKET_PROTOCOL)?.split(',');
    offered.find_map(|protocol| protocol.trim().strip_prefix("bearer."))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a browser sent this request for a web page. A page of any site can make a browser send
/// requests to this machine. Such a request has a header `Origin`, or its `Host` names the site and
/// not this machine.
fn from_a_page(headers: &HeaderMap) -> bool {
    let host = text(headers, header::HOST).map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    });
    let is_local = host.is_none_or(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let address: Result<IpAddr, _> = address.parse();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
    });
    !is_local || headers.contains_key(header::ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_page_of_another_site_is_told_from_a_program() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            pairs.collect::<HeaderMap>()
        };
        for host in [
            "127.0.0.1:8080",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(!from_a_page(&headers(&[("host", host)])), "{host}");
        }
        for host in [
            "evil.example:8080",
            "evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
        ] {
            assert!(from_a_page(&headers(&[("host", host)])), "{host}");
        }
        assert!(from_a_page(&headers(&[
            ("host", "localhost"),
            ("origin", "https://evil.example")
        ])));
        assert!(!from_a_page(&HeaderMap::new()));
    }
}
