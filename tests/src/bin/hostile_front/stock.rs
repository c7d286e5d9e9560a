//! What frames are made from: golden ones of both versions, and requests that are aimed.

use std::fs;
use std::path::Path;

use wire::record::Value;
use wire::{ContainerId, HEADER_BYTES, Header, ImageId, Opcode, Request};

/// What there is to begin with.
#[derive(Debug)]
pub(crate) struct Stock {
    /// Whole frames, good ones: requests, answers, and those of version 1.
    pub(crate) frames: Vec<Vec<u8>>,
    /// The requests among them.
    pub(crate) requests: Vec<Request>,
}

impl Stock {
    /// Reads the golden folder.
    ///
    /// # Panics
    /// When it is not there, or an opcode has no golden frame.
    pub(crate) fn read(golden: &Path) -> Self {
        let mut frames = Vec::new();
        for version in ["v1", "v2"] {
            for entry in fs::read_dir(golden.join(version)).expect("golden frames") {
                let path = entry.expect("readable").path();
                if path.extension().is_some_and(|kind| kind != "py") {
                    frames.push(fs::read(path).expect("readable"));
                }
            }
        }
        let requests: Vec<Request> = frames.iter().filter_map(|frame| request_of(frame)).collect();
        for opcode in Opcode::ALL {
            assert!(
                requests.iter().any(|request| request.opcode() == *opcode),
                "{opcode:?} has no golden frame"
            );
        }
        Self { frames, requests }
    }

    /// The good requests, each frame once more with its target replaced by one that is there.
    pub(crate) fn aimed(&self, container: &str, exec: &str, image: ImageId) -> Vec<Request> {
        let mut requests = self.requests.clone();
        requests
            .iter_mut()
            .for_each(|request| aim(request, container, exec, image));
        // Containers are made elsewhere; images of them would fill the disk of a run of hours.
        requests.retain(|request| !matches!(request, Request::Create(_)));
        requests
    }
}

fn request_of(frame: &[u8]) -> Option<Request> {
    let (header, payload) = frame.split_first_chunk::<HEADER_BYTES>()?;
    let header = Header::parse(header, wire::limits::REQUEST_BYTES_MAX).ok()?;
    Request::decode(Opcode::from_number(header.kind)?, payload).ok()
}

fn aim(request: &mut Request, container: &str, exec: &str, image: ImageId) {
    let (container, exec) = (container.to_owned(), exec.to_owned());
    match request {
        Request::InspectContainer(ask)
        | Request::ListProcesses(ask)
        | Request::ReadStats(ask)
        | Request::ListChanges(ask)
        | Request::Start(ask)
        | Request::Pause(ask)
        | Request::Unpause(ask)
        | Request::Attach(ask)
        | Request::OpenInput(ask)
        | Request::Export(ask) => ask.reference = container,
        Request::Wait(ask) => ask.reference = container,
        Request::OpenLog(ask) => ask.reference = container,
        Request::Stop(ask) | Request::Restart(ask) => {
            ask.reference = container;
            ask.timeout_s = Some(0);
        }
        Request::Kill(ask) => ask.reference = container,
        Request::Rename(ask) => ask.reference = container,
        Request::Update(ask) => ask.reference = container,
        Request::CreateExec(ask) => ask.reference = container,
        Request::Resize(ask) => ask.reference = container,
        Request::StatPath(ask) | Request::ReadArchive(ask) => ask.reference = container,
        Request::WriteArchive(ask) => ask.reference = container,
        Request::InspectExec(ask) => ask.id = exec,
        Request::StartExec(ask) => ask.id = exec,
        Request::HangUpExec(ask) => ask.id = exec,
        Request::TagImage(ask) => ask.image_id = image,
        _ => {}
    }
}

/// A frame with this opcode and payload, whatever they are.
pub(crate) fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Header {
        kind,
        flow: wire::frame::Flow::Last,
        length: u32::try_from(payload.len()).unwrap(),
    }
    .to_bytes()
    .to_vec();
    frame.extend_from_slice(payload);
    frame
}

/// The frame of a request.
///
/// # Panics
/// When it does not fit one.
pub(crate) fn frame_of(request: &Request) -> Vec<u8> {
    let mut frame = Vec::new();
    request.append_to(&mut frame).expect("it fits");
    frame
}

/// A payload that says it has so many items in its first list, and has none.
pub(crate) fn promise(count: u32) -> Vec<u8> {
    let mut payload = ContainerId::default().encode();
    payload.splice(0..4, count.to_le_bytes());
    payload
}
