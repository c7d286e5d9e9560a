use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;

use super::*;
use crate::policy::rights::Role;

const TOKEN: &str = "socketd_0123";

fn access(role: Role) -> Access {
    Access {
        rights: Rights::new(role, &[], &[]),
        scope: None,
    }
}

fn known(name: &str, sign: Sign, role: Role) -> Known {
    Known {
        name: name.to_owned(),
        signs: vec![sign],
        listeners: None,
        access: access(role),
    }
}

fn rules() -> Rules {
    let terms = |id: &str, role, known_only| Terms {
        id: Some(id.to_owned()),
        access: access(role),
        known_only,
    };
    Rules {
        terms: vec![
            terms("open", Role::Operate, false),
            terms("closed", Role::Full, true),
        ],
        callers: vec![
            Known {
                listeners: Some(vec!["closed".to_owned()]),
                ..known("only there", Sign::User(7), Role::Full)
            },
            known("user", Sign::User(7), Role::Read),
            known("group", Sign::Group(70), Role::Full),
            known("laptop", Sign::Subject("CN=laptop".to_owned()), Role::Full),
            known("pinned", Sign::Fingerprint([3; 32]), Role::Read),
            known("token", Sign::Token(token::digest(TOKEN)), Role::Full),
        ],
    }
}

fn unix(uid: u32, gid: u32) -> Peer {
    Peer::Unix { uid, gid }
}

fn tls(subject: &str, fingerprint: u8) -> Peer {
    let shown = ClientCertificate {
        subject: subject.to_owned(),
        fingerprint: [fingerprint; 32],
    };
    Peer::Tls(IpAddr::from([192, 0, 2, 1]), Some(shown))
}

fn bearing(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

#[track_caller]
fn check(listener: usize, peer: Peer, token: Option<&str>, expected: Result<(&str, Role), u16>) {
    let keeper = Arc::new(Keeper::new(rules()));
    let recognition = Recognition::new(keeper, listener, peer);
    let headers = token.map(bearing).unwrap_or_default();
    for _ in 0..2 {
        let got = recognition.caller(&headers);
        let got = got.map(|caller| (caller.name.clone(), caller.access.clone()));
        let expected = expected.map(|(name, role)| (name.to_owned(), access(role)));
        assert_eq!(got.map_err(|error| error.status), expected);
    }
}

#[test]
fn callers_are_recognized_within_their_listener() {
    let (open, closed) = (0, 1);
    check(open, unix(7, 7), None, Ok(("user", Role::Read)));
    check(closed, unix(7, 7), None, Ok(("only there", Role::Full)));
    check(open, unix(8, 70), None, Ok(("group", Role::Operate)));
    check(open, unix(8, 8), None, Ok(("uid 8", Role::Operate)));
    check(closed, unix(8, 8), None, Err(403));
    check(closed, unix(70, 8), None, Err(403));
    check(closed, tls("CN=laptop", 1), None, Ok(("laptop", Role::Full)));
    check(closed, tls("CN=laptop,O=x", 1), None, Err(403));
    check(closed, tls("CN=x", 3), None, Ok(("pinned", Role::Read)));
    check(closed, Peer::Tcp(IpAddr::from([192, 0, 2, 1])), None, Err(403));
    check(
        open,
        Peer::Tcp(IpAddr::from([192, 0, 2, 1])),
        None,
        Ok(("192.0.2.1", Role::Operate)),
    );
    check(
        open,
        tls("CN=y", 1),
        None,
        Ok(("CN=y at 192.0.2.1", Role::Operate)),
    );
    check(2, unix(0, 0), None, Err(403));
}

#[test]
fn tokens() {
    let (open, closed) = (0, 1);
    check(closed, unix(8, 8), Some(TOKEN), Ok(("token", Role::Full)));
    check(open, unix(7, 7), Some(TOKEN), Ok(("token", Role::Operate)));
    check(open, unix(8, 8), Some("socketd_wrong"), Err(403));
    // Somebody else's token says nothing about whoever forwards it.
    check(open, unix(7, 7), Some("eyJhbGciOi"), Ok(("user", Role::Read)));
    check(closed, unix(8, 8), Some("eyJhbGciOi"), Err(403));
}

#[test]
fn wrong_tokens_bar_their_source() {
    let keeper = Arc::new(Keeper::new(rules()));
    let ask = |peer: Peer, token: &str| {
        let recognition = Recognition::new(Arc::clone(&keeper), 0, peer);
        recognition
            .caller(&bearing(token))
            .map(|_| ())
            .map_err(|error| error.status)
    };
    for _ in 0..crate::limits::FAILURES_MAX {
        assert_eq!(ask(unix(8, 8), "socketd_wrong"), Err(403));
    }
    assert_eq!(ask(unix(8, 8), TOKEN), Err(429));
    assert_eq!(ask(unix(9, 9), TOKEN), Ok(()));
}

#[test]
fn rules_are_exchanged_under_a_connection() {
    let keeper = Arc::new(Keeper::new(rules()));
    let recognition = Recognition::new(Arc::clone(&keeper), 1, unix(7, 7));
    assert!(recognition.caller(&HeaderMap::new()).is_ok());
    keeper.exchange(Rules {
        callers: Vec::new(),
        ..rules()
    });
    let refused = recognition.caller(&HeaderMap::new());
    assert_eq!(refused.map_err(|error| error.status), Err(403));
}
