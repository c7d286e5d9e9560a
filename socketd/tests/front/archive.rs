//! Files out of a container and into it.

use std::os::unix::net::UnixStream;

use http_body_util::BodyExt;
use wire::files::{ContainerPath, PathStat, WriteArchive};
use wire::request::{ContainerRef, Nothing};
use wire::{RefusalCode, Request, Response};

use crate::client::{Served, ask, entry, request, send};
use crate::stand_in::{SOON, StandIn, Verdict, refuse, summary};

/// More than the kernel buffers, and no multiple of anything.
fn tar() -> Vec<u8> {
    (0..1_000_003_u32).map(|byte| (byte % 127) as u8).collect()
}

fn done() -> Response {
    Response::Done(Nothing {})
}

/// Answers every archive through a pipe, or through a socket.
fn packing(stand_in: &StandIn, socket: bool, verdict: Response) {
    stand_in.script(move |request, peer| match request {
        Request::ReadArchive(_) | Request::Export(_) => {
            if socket {
                let (far, near) = UnixStream::pair().unwrap();
                peer.send_tar(far, near.into(), &tar(), &verdict);
            } else {
                let (near, far) = std::io::pipe().unwrap();
                peer.send_tar(far, near.into(), &tar(), &verdict);
            }
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
}

#[tokio::test]
async fn a_tar_comes_out_byte_for_byte() {
    for (path, kind, socket, asked) in [
        (
            "/v1.45/containers/c/archive?path=%2Fetc",
            "application/x-tar",
            false,
            Request::ReadArchive(ContainerPath {
                reference: "c".to_owned(),
                path: "/etc".to_owned(),
            }),
        ),
        (
            "/containers/c/export",
            "application/octet-stream",
            true,
            Request::Export(ContainerRef {
                reference: "c".to_owned(),
            }),
        ),
    ] {
        let stand_in = StandIn::running();
        packing(&stand_in, socket, done());
        let (entry, _teller) = entry(&stand_in);
        let reply = ask(&entry, "GET", path).await;
        assert_eq!(reply.status.as_u16(), 200, "{path}");
        assert_eq!(reply.headers["content-type"], kind);
        assert!(reply.body.as_bytes() == tar(), "{path}: {}", reply.body.len());
        let stat = reply.headers.get("x-docker-container-path-stat");
        assert_eq!(stat.is_some(), path.contains("archive"), "{path}");
        stand_in.world(|world| assert_eq!(world.asked, [asked]));
    }
}

#[tokio::test]
async fn a_tar_that_was_cut_short_breaks_off() {
    let stand_in = StandIn::running();
    packing(&stand_in, false, refuse(RefusalCode::RuntimeFailed, ""));
    let (entry, _teller) = entry(&stand_in);
    for path in ["/containers/c/export", "/containers/c/archive?path=/"] {
        let answer = entry
            .answer(&crate::client::trusted(), request("GET", path, ""))
            .await;
        assert_eq!(answer.status().as_u16(), 200);
        assert!(answer.into_body().collect().await.is_err(), "{path}");
    }
    // As a client of the socket sees it: no last chunk.
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write("GET /containers/c/export HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert!(!raw.end().await.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_before_a_byte() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::ReadArchive(asked) | Request::StatPath(asked) => {
            peer.answer(&refuse(RefusalCode::NoSuchPath, &asked.path));
            Verdict::Answered
        }
        Request::Export(asked) => {
            peer.answer(&refuse(RefusalCode::NoSuchContainer, &asked.reference));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let check = async |method: &str, path: &str, status: u16, message: &str| {
        let reply = ask(&entry, method, path).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        // Answers to HEAD have no body.
        if method == "GET" {
            assert_eq!(reply.message(), message, "{path}");
        }
    };
    let nothing = "Could not find the file /nosuch in container web";
    for method in ["GET", "HEAD"] {
        check(method, "/containers/web/archive?path=/nosuch", 404, nothing).await;
        let unnamed = "bad parameter: pathcannot be empty";
        check(method, "/containers/web/archive", 400, unnamed).await;
    }
    check("GET", "/containers/no/export", 404, "No such container: no").await;
}

#[tokio::test]
async fn a_path_is_described_in_the_header() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::StatPath(_) => {
            peer.answer(&Response::PathStat(PathStat {
                name: "etc".to_owned(),
                mode: 0o040_755,
                ..PathStat::default()
            }));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "HEAD", "/containers/c/archive?path=/etc").await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, ""));
    // {"name":"etc","size":0,"mode":2147484141,"mtime":"0001-01-01T00:00:00Z","linkTarget":""}
    assert_eq!(
        reply.headers["x-docker-container-path-stat"],
        "eyJuYW1lIjoiZXRjIiwic2l6ZSI6MCwibW9kZSI6MjE0NzQ4NDE0MSwibXRpbWUiOiIwMDAxLTAxLTAxVDAwOjAwOjAwWiIsImxpbmtUYXJnZXQiOiIifQ=="
    );
}

/// Takes every tar that is put in; what was read is kept in the world.
fn unpacking(stand_in: &StandIn) {
    stand_in.script(|request, peer| match request {
        Request::WriteArchive(write) => {
            let (bytes, end) = peer.receive_tar();
            let whole = end.is_ok() && bytes == tar();
            peer.answer(&match (whole, write.path.as_str()) {
                (true, "/file") => refuse(RefusalCode::NotADirectory, "/file"),
                (true, "/sealed") => refuse(RefusalCode::ReadOnly, "/sealed"),
                (true, _) => done(),
                (false, _) => refuse(RefusalCode::InvalidArchive, ""),
            });
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
}

#[tokio::test]
async fn a_tar_goes_in_byte_for_byte() {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "c")]);
    unpacking(&stand_in);
    let (entry, _teller) = entry(&stand_in);
    for (query, keep_kinds) in [
        ("path=/tmp", false),
        ("path=/tmp&noOverwriteDirNonDir=true", true),
        ("path=/tmp&copyUIDGID=true", false),
    ] {
        stand_in.world(|world| world.asked.clear());
        let path = format!("/containers/c/archive?{query}");
        let reply = send(&entry, request("PUT", &path, tar())).await;
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, ""), "{query}");
        let expected = Request::WriteArchive(WriteArchive {
            reference: "c".to_owned(),
            path: "/tmp".to_owned(),
            keep_kinds,
            keep_owners: true,
        });
        stand_in.world(|world| assert_eq!(world.asked.last(), Some(&expected), "{query}"));
    }
    for (path, status, message) in [
        ("/file", 400, "extraction point is not a directory"),
        ("/sealed", 403, "container rootfs is marked read-only"),
        ("", 400, "bad parameter: pathcannot be empty"),
    ] {
        let path = format!("/containers/c/archive?path={path}");
        let reply = send(&entry, request("PUT", &path, tar())).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.body);
        assert_eq!(reply.message(), message);
    }
}

#[tokio::test]
async fn an_upload_into_a_container_that_breaks_off_does_not_look_whole() {
    let stand_in = StandIn::running();
    let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
    stand_in.script(move |request, peer| match request {
        Request::WriteArchive(_) => {
            ends.send(peer.receive_tar().1).unwrap();
            Verdict::Close
        }
        _ => Verdict::Pass,
    });
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(
        "PUT /containers/c/archive?path=/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf a tar",
    )
    .await;
    stand_in.until(|world| !world.asked.is_empty()).await;
    drop(raw);
    let end = tokio::time::timeout(SOON, ended.recv()).await.unwrap();
    assert_eq!(end, Some(Err(nix::errno::Errno::ECONNRESET as i32)));
}
