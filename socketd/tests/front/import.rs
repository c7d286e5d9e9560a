//! Uploads: one descriptor beside the request, bytes as they come, and an end that cannot be
//! mistaken.

use wire::{RefusalCode, Request};

use crate::client::{Served, ask, entry, request, send};
use crate::stand_in::{StandIn, Verdict, refuse};

const IMPORT: &str = "/images/create?fromSrc=-&repo=new&tag=latest&message=hello";

#[tokio::test]
async fn an_upload_reaches_the_bridge_byte_for_byte() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    // More than the kernel buffers, and no multiple of anything.
    let tar: Vec<u8> = (0..3_000_001_u32).map(|byte| (byte % 251) as u8).collect();
    let reply = send(&entry, request("POST", IMPORT, tar.clone())).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
    assert!(
        reply.body.contains(&format!("sha256:{}", "03".repeat(32))),
        "{}",
        reply.body
    );
    stand_in.world(|world| {
        assert_eq!(world.uploads.len(), 1);
        let (bytes, end) = &world.uploads[0];
        assert!(*bytes == tar, "{} bytes of {}", bytes.len(), tar.len());
        assert_eq!(*end, Ok(()));
        match world.asked.as_slice() {
            [Request::ImportImage(import)] => assert_eq!(import.tag, "new:latest"),
            other => panic!("{other:?}"),
        }
    });
}

#[tokio::test]
async fn an_upload_that_breaks_off_does_not_look_whole() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&format!(
        "POST {IMPORT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf a tar"
    ))
    .await;
    stand_in.until(|world| !world.asked.is_empty()).await;
    drop(raw);
    stand_in.until(|world| !world.uploads.is_empty()).await;
    stand_in.world(|world| {
        let (bytes, end) = &world.uploads[0];
        assert_eq!(*end, Err(nix::errno::Errno::ECONNRESET as i32));
        assert!(b"half a tar".starts_with(bytes), "{bytes:?}");
    });
}

#[tokio::test]
async fn an_empty_upload_is_a_whole_one() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    send(&entry, request("POST", IMPORT, "")).await;
    stand_in.world(|world| assert_eq!(world.uploads, [(Vec::new(), Ok(()))]));
}

#[tokio::test]
async fn a_bridge_that_has_enough_is_listened_to() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::ImportImage(_) => {
            peer.drop_passed();
            peer.answer(&refuse(RefusalCode::InvalidArchive, "").clone());
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = send(&entry, request("POST", IMPORT, vec![0; 4_000_000])).await;
    assert!(
        reply.status.is_client_error() || reply.status.is_server_error(),
        "{reply:?}"
    );
    assert!(!reply.message().is_empty());
}

#[tokio::test]
async fn what_is_no_import_never_reaches_the_bridge() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "POST", "/images/create?fromSrc=-&repo=UPPER").await;
    assert_eq!(reply.status.as_u16(), 400, "{}", reply.body);
    assert_eq!(
        reply.message(),
        "invalid reference format: repository name must be lowercase"
    );
    let reply = ask(&entry, "POST", "/images/create?fromSrc=http://example.org/x.tar").await;
    assert_eq!(reply.status.as_u16(), 501, "{}", reply.body);
    stand_in.world(|world| assert!(world.asked.is_empty(), "{:?}", world.asked));
}
