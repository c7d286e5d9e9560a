//! What a browser sends: `Host` on the first line, `Origin` on the second, the target on the third. A foreign
//! name never passes.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri};
use libfuzzer_sys::fuzz_target;
use socketd::policy::browser::{Allowed, Guard};

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    let mut host = None;
    for name in [HOST, ORIGIN] {
        let line = lines.next().unwrap_or_default();
        if let Ok(value) = HeaderValue::from_bytes(line) {
            host = host.or(Some(value.clone()));
            headers.append(name, value);
        }
    }
    let Ok(target) = Uri::try_from(lines.next().unwrap_or(b"/")) else {
        return;
    };
    let guard = Guard::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Arc::new(Allowed::default()));
    if guard.judge(&target, &headers).is_ok()
        && let Some(host) = host
        && let Ok(host) = host.to_str()
    {
        let host = host.to_ascii_lowercase();
        let ours = ["localhost", "127.", "[", "::"].iter().any(|ours| host.starts_with(ours));
        assert!(ours || host.is_empty() || host.starts_with(':'), "{host:?} is let in");
    }
});
