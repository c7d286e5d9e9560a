//! TLS: who is let in, what is renewed, and that everything which streams does so here too.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::getegid;
use socketd::certs::Set;
use socketd::config::{Place, TlsFiles};
use socketd::front::{CertificateError, Certificates, Planned};
use socketd::limits::{HANDSHAKE_MAX, WRITE_STALL_MAX};
use socketd::policy::browser::Allowed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ProtocolVersion, SupportedProtocolVersion};
use wire::Action;
use wire::log::Stream::Error;

use crate::attach::{attach, heard, with_input};
use crate::client::{Raw, Served};
use crate::keys::{Caller, Files, expired_set, set};
use crate::logs::with_log;
use crate::stand_in::StandIn;

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n";

static ONLY_TLS12: [&SupportedProtocolVersion; 1] = [&TLS12];
static ONLY_TLS13: [&SupportedProtocolVersion; 1] = [&TLS13];

/// A front with TLS before a stand-in.
struct Secure {
    served: Served,
    certificates: Arc<Certificates>,
}

impl Secure {
    async fn new(stand_in: &StandIn, files: TlsFiles) -> Self {
        let listen = Place::Tls(SocketAddr::from(([127, 0, 0, 1], 0)), files);
        let planned = Planned::of(&listen, getegid()).unwrap();
        let certificates = Arc::clone(planned.certificates().unwrap());
        let served = Served::planned(&planned, stand_in, Allowed::default()).await;
        Self { served, certificates }
    }

    async fn tcp(&self) -> TcpStream {
        match &self.served.place {
            Place::Tls(address, _) => TcpStream::connect(address).await.unwrap(),
            other => panic!("{other} is not TLS"),
        }
    }

    async fn connect(&self, set: &Set) -> Raw {
        Raw::over(Caller::of(set).call(self.tcp().await).await.unwrap())
    }

    /// What a client hears that pings once. In TLS 1.3 it learns of a refusal only when it reads.
    async fn ping(&self, caller: &Caller<'_>) -> io::Result<String> {
        let mut stream = caller.call(self.tcp().await).await?;
        stream.write_all(PING.as_bytes()).await?;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await?;
        Ok(String::from_utf8_lossy(&first).into_owned())
    }

    async fn check(&self, caller: &Caller<'_>, expected: Result<(), &str>) {
        match (self.ping(caller).await, expected) {
            (Ok(answer), Ok(())) => assert_eq!(answer, "HTTP/1.1 200"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}, not {part}"),
            (got, expected) => panic!("{got:?}, not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn both_versions_are_spoken_and_http_1_inside() {
    let (stand_in, set) = (StandIn::running(), set());
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    for (versions, number) in [
        (&ONLY_TLS12, ProtocolVersion::TLSv1_2),
        (&ONLY_TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let caller = Caller {
            versions,
            protocols: &[b"h2", b"http/1.1"],
            ..Caller::of(&set)
        };
        let stream = caller.call(secure.tcp().await).await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(number));
        assert_eq!(session.alpn_protocol(), Some(b"http/1.1".as_slice()));
        let mut raw = Raw::over(stream);
        for _ in 0..2 {
            raw.write(PING).await;
            raw.expect("200 OK").await;
            raw.expect("\r\n\r\nOK").await;
        }
    }
    let only_2 = Caller {
        protocols: &[b"h2"],
        ..Caller::of(&set)
    };
    secure.check(&only_2, Err("NoApplicationProtocol")).await;
}

#[tokio::test]
async fn only_clients_of_our_authority_are_let_in() {
    let (stand_in, set, other, expired) = (StandIn::running(), set(), set(), expired_set());
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let showing = |shows| Caller {
        shows,
        ..Caller::of(&set)
    };
    secure.check(&showing(Some(&set.client)), Ok(())).await;
    secure.check(&showing(None), Err("CertificateRequired")).await;
    secure
        .check(&showing(Some(&other.client)), Err("UnknownCA"))
        .await;
    // The certificate of a server is none of a client.
    secure.check(&showing(Some(&set.server)), Err("")).await;
    // Nor does an authority's own let anybody in that it did not sign.
    secure.check(&showing(Some(&other.ca)), Err("")).await;
    assert!(stand_in.world(|world| world.asked.is_empty()));

    files.put(&expired);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let late = Caller {
        trusts: &expired.ca,
        shows: Some(&expired.client),
        ..Caller::of(&set)
    };
    secure.check(&late, Err("certificate expired")).await;
}

#[tokio::test]
async fn an_expired_client_is_refused() {
    let (stand_in, set, expired) = (StandIn::running(), set(), expired_set());
    let files = Files::of(&set);
    // The server's own is in time; the authority that clients are held against is not what expires first.
    files.write("ca.pem", &expired.ca.certificate, 0o644);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let caller = Caller {
        shows: Some(&expired.client),
        ..Caller::of(&set)
    };
    secure.check(&caller, Err("CertificateExpired")).await;
}

#[tokio::test]
async fn clients_know_us_by_our_names_and_our_authority() {
    let (stand_in, set, other) = (StandIn::running(), set(), set());
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let calling = |calls| Caller {
        calls,
        ..Caller::of(&set)
    };
    for name in ["localhost", "127.0.0.1", "::1", "phone.lan"] {
        secure.check(&calling(name), Ok(())).await;
    }
    secure
        .check(&calling("evil.example"), Err("not valid for name"))
        .await;
    let distrusting = Caller {
        trusts: &other.ca,
        ..Caller::of(&set)
    };
    secure.check(&distrusting, Err("")).await;
}

#[tokio::test]
async fn a_listener_may_ask_for_no_certificate() {
    let (stand_in, set) = (StandIn::running(), set());
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.server()).await;
    let caller = Caller {
        shows: None,
        ..Caller::of(&set)
    };
    secure.check(&caller, Ok(())).await;
    secure.check(&Caller::of(&set), Ok(())).await;
}

#[tokio::test]
async fn renewed_certificates_serve_from_then_on_and_nobody_is_cut_off() {
    let (stand_in, old, new) = (StandIn::running(), set(), set());
    let files = Files::of(&old);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let mut from_before = secure.connect(&old).await;
    from_before.write(PING).await;
    from_before.expect("200 OK").await;

    // Nothing that is broken takes the place of what works.
    files.write("server-key.pem", &new.server.key, 0o600);
    let error = secure.certificates.read_again().unwrap_err();
    assert!(matches!(error, CertificateError::Unusable(..)), "{error}");
    secure.check(&Caller::of(&old), Ok(())).await;

    files.put(&new);
    secure.certificates.read_again().unwrap();
    secure.check(&Caller::of(&new), Ok(())).await;
    let of_before = Caller {
        trusts: &new.ca,
        ..Caller::of(&old)
    };
    secure.check(&of_before, Err("UnknownCA")).await;
    from_before.write(PING).await;
    from_before.expect("200 OK").await;
}

/// Whether the front says no more, its end included, until a paused clock has moved on.
async fn silent_for(stream: &mut TcpStream, time: Duration) -> bool {
    tokio::time::timeout(time, stream.read(&mut [0])).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_deadline() {
    let (stand_in, set) = (StandIn::running(), set());
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    for begin in [
        b"".as_slice(),
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut stream = secure.tcp().await;
        stream.write_all(begin).await.unwrap();
        assert!(
            silent_for(&mut stream, HANDSHAKE_MAX - Duration::from_secs(1)).await,
            "{begin:?}"
        );
        assert!(
            !silent_for(&mut stream, Duration::from_secs(2)).await,
            "{begin:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_left() {
    let (stand_in, log) = with_log();
    let set = set();
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let line = "x".repeat(16_000) + "\n";
    // More than sockets and records hold.
    let all = 1_500 * line.len();
    for _ in 0..1_500 {
        log.say(&line);
    }
    let mut stream = Caller::of(&set).call(secure.tcp().await).await.unwrap();
    stream
        .write_all(b"GET /containers/c/logs?stdout=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    // From here on nobody but this client is waited for, and a paused clock moves when nothing else can.
    tokio::time::pause();
    let _ = tokio::time::timeout(
        WRITE_STALL_MAX + Duration::from_secs(5),
        std::future::pending::<()>(),
    )
    .await;
    let mut seen = Vec::new();
    let end = stream.read_to_end(&mut seen).await;
    assert!(end.is_err(), "cut off, and not ended");
    assert!(seen.len() < all, "{} of {all}", seen.len());
}

#[tokio::test]
async fn what_is_no_tls_is_refused() {
    let (stand_in, set) = (StandIn::running(), set());
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let mut raw = Raw::over(secure.tcp().await);
    raw.write(PING).await;
    let answer = raw.end().await;
    assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{answer}");
    assert!(
        answer.ends_with("Client sent an HTTP request to an HTTPS server.\n"),
        "{answer}"
    );
    let mut raw = Raw::over(secure.tcp().await);
    raw.write("no handshake at all").await;
    assert!(!raw.end().await.contains("HTTP"));
}

#[tokio::test]
async fn pages_are_kept_out_of_tls_as_well() {
    let (stand_in, set) = (StandIn::running(), set());
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.server()).await;
    let mut raw = secure.connect(&set).await;
    raw.write("GET /_ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await;
    raw.expect("403 Forbidden").await;
}

#[tokio::test]
async fn an_attachment_has_both_directions_and_reads_on_when_its_input_ends() {
    let (stand_in, log) = with_log();
    let input = with_input(&stand_in, &log, false);
    let set = set();
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let mut raw = secure.connect(&set).await;
    raw.write(&attach("stream=1&stdin=1&stdout=1&stderr=1")).await;
    let head = raw.expect("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    raw.write("typed").await;
    raw.end_writing().await;
    assert_eq!(heard(input).await, b"typed");
    log.write(Error, b"oops\n");
    log.say("hello\n");
    raw.expect("oops\n").await;
    raw.expect("hello\n").await;
    // More than one record of TLS holds, and more than sockets hold.
    let large = "x".repeat(16_000) + "\n";
    for _ in 0..100 {
        log.say(&large);
    }
    for _ in 0..100 {
        let seen = raw.expect(&large).await;
        assert_eq!(seen.chars().count(), large.len() + 8);
    }
    log.end();
    raw.end().await;
}

#[tokio::test]
async fn websockets_logs_and_events_flow() {
    let (stand_in, log) = with_log();
    let input = with_input(&stand_in, &log, false);
    let set = set();
    let files = Files::of(&set);
    let secure = Secure::new(&stand_in, files.verify()).await;
    let mut websocket = secure.connect(&set).await;
    websocket
        .write(
            "GET /containers/c/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    websocket.expect("\r\n\r\n").await;
    let mut logs = secure.connect(&set).await;
    logs.write("GET /containers/c/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    logs.expect("\r\n\r\n").await;
    let mut events = secure.connect(&set).await;
    events
        .write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    events.expect("\r\n\r\n").await;
    for line in ["one\n", "two\n"] {
        log.say(line);
        websocket.expect(line).await;
        logs.expect(line).await;
    }
    websocket.write_bytes(b"\x82\x83\0\0\0\0in\n").await;
    websocket.write_bytes(b"\x88\x80\0\0\0\0").await;
    assert_eq!(heard(input).await, b"in\n");
    stand_in.happen(Action::Start, "c");
    events.expect("\"start\"").await;
    secure.served.end().await;
    // The end of an answer is told, not only the end of the connection.
    assert!(events.end().await.ends_with("0\r\n\r\n"));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let set = set();
    let files = Files::of(&set);
    let check = |tls: TlsFiles, sentence: &str| {
        let error = Certificates::read(&tls, getegid()).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}, not {sentence}");
        assert!(!error.contains("BEGIN"), "{error}");
    };
    Certificates::read(&files.verify(), getegid()).unwrap();
    let other = |name: &str| files.path(name);
    let with_key = |name: &str| TlsFiles {
        key: other(name),
        ..files.verify()
    };
    check(with_key("none"), "none: No such file");
    for (mode, name) in [(0o644, "world.pem"), (0o620, "writable.pem"), (0o601, "odd.pem")] {
        files.write(name, &set.server.key, mode);
        check(with_key(name), "others can read or change");
    }
    // A group reads it that is the process's; what another group reads is refused.
    files.write("group.pem", &set.server.key, 0o640);
    Certificates::read(&with_key("group.pem"), getegid()).unwrap();
    let error = Certificates::read(&with_key("group.pem"), 4711.into()).unwrap_err();
    assert!(error.to_string().contains("chgrp 4711 and chmod 0640"), "{error}");
    files.write("cut.pem", &set.server.key[..90], 0o600);
    check(with_key("cut.pem"), "cut.pem holds no private key");
    files.write("other.pem", &crate::keys::set().server.key, 0o600);
    check(with_key("other.pem"), "server-cert.pem cannot be used");
    check(
        TlsFiles {
            cert: other("server-key.pem"),
            ..files.verify()
        },
        "server-key.pem holds no certificate",
    );
    let with_ca = |name: &str| TlsFiles {
        ca: Some(other(name)),
        ..files.verify()
    };
    files.write(
        "junk.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        0o644,
    );
    check(
        with_ca("junk.pem"),
        "junk.pem holds no certificate of an authority",
    );
    check(with_ca("."), "is not a file");
    nix::unistd::mkfifo(&other("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    check(with_ca("pipe"), "pipe is not a file");
    files.write("long.pem", &"#".repeat(1024 * 1024 + 1), 0o644);
    check(with_ca("long.pem"), "is not a file of at most 1048576 bytes");
}
