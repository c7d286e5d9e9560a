use super::*;

fn guard(own: &str) -> Guard {
    let allowed = Allowed {
        hosts: vec!["Phone.lan".parse().unwrap(), "192.0.2.7".parse().unwrap()],
        origins: vec!["http://portainer.lan:9000".parse().unwrap()],
    };
    Guard::new(own.parse().unwrap(), Arc::new(allowed))
}

#[track_caller]
fn check(own: &str, headers: &[(&'static str, &str)], expected: Result<(), Foreign>) {
    check_target(own, "/_ping", headers, expected);
}

#[track_caller]
fn check_target(own: &str, target: &str, headers: &[(&'static str, &str)], expected: Result<(), Foreign>) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let verdict = guard(own).judge(&target.parse().unwrap(), &map);
    assert_eq!(verdict, expected, "{own} {target} {headers:?}");
}

#[test]
fn programs_are_admitted() {
    let here = "127.0.0.1";
    check(here, &[], Ok(()));
    // As the console of Portainer.
    check(here, &[("host", "")], Ok(()));
    for host in [
        "localhost",
        "LocalHost:2375",
        "localhost.:1",
        "127.0.0.1:2375",
        "127.9.9.9",
        "[::1]:2375",
        "[::1]",
        "[::ffff:127.0.0.1]:1",
        "phone.lan:2375",
        "PHONE.LAN.",
        "192.0.2.7:9",
        "127.0.0.1:",
    ] {
        check(here, &[("host", host)], Ok(()));
    }
    // What a person typed, and what a page of ours would ask.
    check(here, &[("host", "localhost"), ("sec-fetch-site", "none")], Ok(()));
    let own = [
        ("host", "localhost:2375"),
        ("origin", "http://localhost:2375"),
        ("sec-fetch-site", "same-origin"),
    ];
    check(here, &own, Ok(()));
}

#[test]
fn a_name_that_was_made_to_lead_here_is_no_name_of_ours() {
    let here = "127.0.0.1";
    for host in [
        "evil.example:2375",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:2375@localhost",
        "localhost@evil.example",
        "localhost:2375:2375",
        "localhost:port",
        "192.0.2.8",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "[::1",
        "[::1]x",
        "[evil]",
        "::1",
        ":2375",
        ".",
        "local host",
        "l\u{f6}calhost",
        "phone.lan..",
    ] {
        check(here, &[("host", host)], Err(Foreign::Host));
    }
    // One of two that is ours does not excuse the other.
    check(
        here,
        &[("host", "localhost"), ("host", "evil.example")],
        Err(Foreign::Host),
    );
}

#[test]
fn an_absolute_target_is_held_to_the_same() {
    let host = [("host", "localhost")];
    check_target("127.0.0.1", "http://localhost:2375/_ping", &host, Ok(()));
    check_target(
        "127.0.0.1",
        "http://evil.example/_ping",
        &host,
        Err(Foreign::Host),
    );
    check_target(
        "127.0.0.1",
        "http://localhost/",
        &[("host", "evil")],
        Err(Foreign::Host),
    );
}

#[test]
fn a_listener_has_its_own_address_and_one_for_all_has_any() {
    check("192.0.2.9", &[("host", "192.0.2.9:2376")], Ok(()));
    check("192.0.2.9", &[("host", "192.0.2.8:2376")], Err(Foreign::Host));
    check("::ffff:192.0.2.9", &[("host", "192.0.2.9")], Ok(()));
    check("2001:db8::1", &[("host", "[2001:DB8:0::1]:2376")], Ok(()));
    for own in ["0.0.0.0", "::"] {
        check(own, &[("host", "203.0.113.5:2376")], Ok(()));
        check(own, &[("host", "[2001:db8::9]")], Ok(()));
        check(own, &[("host", "evil.example")], Err(Foreign::Host));
    }
}

#[test]
fn pages_of_others_may_not_ask() {
    let here = "127.0.0.1";
    let host = ("host", "127.0.0.1:2375");
    for origin in [
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "http://127.0.0.1:2375.evil.example",
        "http://localhost:2375",
        "file://127.0.0.1:2375",
        "null",
        "",
        "http://",
        "127.0.0.1:2375",
    ] {
        check(here, &[host, ("origin", origin)], Err(Foreign::Origin));
    }
    // Without a name that is ours no page is ours.
    check(here, &[("origin", "http://127.0.0.1:2375")], Err(Foreign::Origin));
    check(here, &[("host", ""), ("origin", "http://")], Err(Foreign::Origin));
    let two = [
        host,
        ("origin", "http://127.0.0.1:2375"),
        ("origin", "http://evil.example"),
    ];
    check(here, &two, Err(Foreign::Origin));
    // A link or an image carries no origin, but says whence it comes.
    for site in ["cross-site", "same-site", "anything"] {
        check(here, &[host, ("sec-fetch-site", site)], Err(Foreign::Site));
    }
}

#[test]
fn pages_that_were_allowed_may_ask() {
    let page = [
        ("host", "127.0.0.1:2375"),
        ("origin", "http://portainer.lan:9000"),
        ("sec-fetch-site", "cross-site"),
    ];
    check("127.0.0.1", &page, Ok(()));
    let rebound = [("host", "evil.example"), ("origin", "http://portainer.lan:9000")];
    check("127.0.0.1", &rebound, Err(Foreign::Host));
}

#[test]
fn names_of_hosts() {
    let check = |text: &str, expected: Option<&str>| {
        let got = text.parse::<HostName>().ok().map(|host| host.to_string());
        assert_eq!(got.as_deref(), expected, "{text}");
    };
    check("Phone.lan", Some("phone.lan"));
    check("phone", Some("phone"));
    check("my_phone-1.lan.", Some("my_phone-1.lan"));
    check("192.0.2.7", Some("192.0.2.7"));
    check("[2001:db8::1]", Some("2001:db8::1"));
    check("2001:db8::1", Some("2001:db8::1"));
    check("::ffff:192.0.2.7", Some("192.0.2.7"));
    for wrong in [
        "",
        ".",
        "phone.lan:2375",
        "http://phone",
        "a b",
        "*.lan",
        "a..b",
        "10.1",
        "12345",
        "ph\u{f6}ne",
    ] {
        check(wrong, None);
    }
    check(&"a".repeat(HOST_NAME_BYTES_MAX + 1), None);
}

#[test]
fn origins() {
    let check = |text: &str, fits: bool| assert_eq!(text.parse::<Origin>().is_ok(), fits, "{text}");
    check("http://portainer.lan:9000", true);
    check("HTTPS://[2001:db8::1]", true);
    for wrong in [
        "",
        "null",
        "portainer.lan",
        "http://",
        "http://a/",
        "http://a:b",
        "ftp://a",
        "*",
    ] {
        check(wrong, false);
    }
}
