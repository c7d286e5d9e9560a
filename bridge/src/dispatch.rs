//! Permitted requests to what they do: one arm each.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::container::Exit;
use wire::frame::{self, Flow};
use wire::limits::{CHUNK_BYTES, EVENTS_PER_ANSWER_MAX, POLL_WAIT_MS_MAX};
use wire::record::Value;
use wire::request::{Nothing, PollEvents, Subscribe, Versions, Wait, WaitCondition};
use wire::response::{Capabilities, Containers, Events, Exited, Images, Lagged, Subscribed, Usage};
use wire::{Action, Event, EventKind, Opcode, Refusal, RefusalCode, Request, Response, State, Status, Time};

use crate::ceiling::Ceiling;
use crate::gate::Door;
use crate::limits::EVENT_PAGE_BYTES;
use crate::publish::Subscription;
use crate::session::{Answer, End};
use crate::supervise::is_up;
use crate::{Bridge, gate};

mod files;
mod inside;

/// Does what is asked and answers it.
pub(crate) fn answer(
    bridge: &Bridge,
    door: Door,
    request: Request,
    descriptors: Vec<OwnedFd>,
    answer: &mut Answer<'_>,
) -> Result<(), End> {
    let supervisor = &bridge.supervisor;
    let done = |outcome: Result<(), Refusal>| outcome.map(|()| Response::Done(Nothing {}));
    let outcome = match request {
        Request::Ping(_) => Ok(Response::Pong(Nothing {})),
        Request::Capabilities(versions) => {
            let ceiling = supervisor.ceiling();
            Ok(Response::Capabilities(capabilities(door, ceiling, versions)))
        }
        Request::Info(_) => Ok(Response::Info(Box::new(bridge.info()))),
        Request::ListContainers(newer) => return list_containers(bridge, newer.than, answer),
        Request::ListImages(newer) => return list_images(bridge, newer.than, answer),
        Request::InspectContainer(container) => inspect(bridge, &container.reference),
        Request::PollEvents(ask) => poll_events(bridge, &ask, answer)?,
        Request::Subscribe(ask) => return subscribe(bridge, &ask, answer),
        Request::Wait(wait) => return wait_for(bridge, &wait, answer),
        Request::DiskUsage(_) => return usage(bridge, answer),
        Request::Create(create) => supervisor.create(*create).map(Response::Created),
        Request::Start(container) => done(supervisor.start(&container.reference)),
        Request::Stop(stop) => done(supervisor.stop(&stop)),
        Request::Restart(stop) => done(supervisor.restart(&stop)),
        Request::Kill(kill) => done(supervisor.kill(&kill)),
        Request::Remove(remove) => done(supervisor.remove_asked(&remove)),
        Request::Rename(rename) => done(supervisor.rename(&rename)),
        Request::TagImage(tag) => done(supervisor.tag_image(&tag)),
        Request::RemoveImage(remove) => supervisor.remove_image(&remove).map(Response::ImageRemoved),
        // Of an image that nobody waits for, nobody learns the name.
        Request::ImportImage(_) if answer.is_forsaken() => return Err(End::Finished),
        Request::ImportImage(import) => match descriptors.into_iter().next() {
            Some(tar) => supervisor
                .import_image(&import, tar)
                .map(|image| Response::Imported(Box::new(image))),
            None => Err(no_descriptor()),
        },
        other => return inside::answer(bridge, other, descriptors, answer),
    };
    answer.finish(outcome)
}

fn no_descriptor() -> Refusal {
    Refusal::because(RefusalCode::Malformed, "no descriptor came with the request")
}

fn capabilities(door: Door, ceiling: &Ceiling, versions: Versions) -> Capabilities {
    let spoken = u16::from(frame::VERSION);
    let common = (versions.min..=versions.max).contains(&spoken);
    let permitted = |opcode: &Opcode| gate::permits(door, *opcode) && ceiling.judge_opcode(*opcode).is_ok();
    let all = Opcode::ALL.iter().copied();
    Capabilities {
        version: if common { spoken } else { 0 },
        bridge_version: env!("CARGO_PKG_VERSION").to_owned(),
        opcodes: all.clone().map(Opcode::number).collect(),
        permitted: all.filter(permitted).map(Opcode::number).collect(),
    }
}

/// Sends items in frames of about [`CHUNK_BYTES`]: a list of any length, in little memory.
fn send_chunks<T: Value>(
    items: impl Iterator<Item = T>,
    answer: &mut Answer<'_>,
    frame: impl Fn(Vec<T>) -> Response,
) -> Result<(), End> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += item.encode().len();
        chunk.push(item);
        if bytes >= CHUNK_BYTES {
            answer.send(&frame(std::mem::take(&mut chunk)), Flow::More)?;
            bytes = 0;
        }
    }
    answer.send(&frame(chunk), Flow::Last)
}

/// As [`send_chunks`], or why there is no list.
fn send_list<T: Value>(
    items: Result<Vec<T>, Refusal>,
    answer: &mut Answer<'_>,
    frame: impl Fn(Vec<T>) -> Response,
) -> Result<(), End> {
    match items {
        Ok(items) => send_chunks(items.into_iter(), answer, frame),
        Err(refusal) => answer.finish(Err(refusal)),
    }
}

fn list_containers(bridge: &Bridge, than: u64, answer: &mut Answer<'_>) -> Result<(), End> {
    let Some(listing) = bridge.supervisor.inventory().containers_if_newer(than) else {
        return answer.send(&Response::NotModified(Nothing {}), Flow::Last);
    };
    let revision = listing.revision;
    send_chunks(
        listing.items.iter().map(|item| item.as_ref().clone()),
        answer,
        |containers| Response::Containers(Containers { revision, containers }),
    )
}

fn list_images(bridge: &Bridge, than: u64, answer: &mut Answer<'_>) -> Result<(), End> {
    let Some(listing) = bridge.supervisor.inventory().images_if_newer(than) else {
        return answer.send(&Response::NotModified(Nothing {}), Flow::Last);
    };
    let revision = listing.revision;
    send_chunks(
        listing.items.iter().map(|item| item.as_ref().clone()),
        answer,
        |images| Response::Images(Images { revision, images }),
    )
}

fn usage(bridge: &Bridge, answer: &mut Answer<'_>) -> Result<(), End> {
    send_chunks(bridge.supervisor.usage().into_iter(), answer, |containers| {
        Response::Usage(Usage { containers })
    })
}

fn inspect(bridge: &Bridge, reference: &str) -> Result<Response, Refusal> {
    let inventory = bridge.supervisor.inventory();
    let id = inventory.resolve(reference)?;
    let mut container = inventory.with(&id, |unit| unit.container.clone())?;
    container.execs = bridge.supervisor.execs_of(&id);
    Ok(Response::Container(Box::new(container)))
}

/// One page of events after `after`.
fn page(bridge: &Bridge, after: u64, since: Time, count_max: u32) -> Result<Events, Refusal> {
    let count = match count_max {
        0 => EVENTS_PER_ANSWER_MAX,
        asked => asked.min(EVENTS_PER_ANSWER_MAX),
    };
    let count = usize::try_from(count).unwrap_or(1);
    let batch = bridge
        .supervisor
        .ledger()
        .read(after, since, count, EVENT_PAGE_BYTES);
    let batch = batch.map_err(|error| Refusal::because(RefusalCode::Internal, error.to_string()))?;
    Ok(Events {
        events: batch.events,
        first_retained: batch.first_retained,
        last_sequence: batch.last_sequence,
        scanned_to: batch.scanned_to,
    })
}

/// After which event, and from which time on, a poll reads.
fn begin(bridge: &Bridge, ask: &PollEvents) -> Result<(u64, Time), Refusal> {
    if !ask.from_there || ask.since.is_never() {
        return Ok((ask.after, ask.since));
    }
    let place = bridge.supervisor.ledger().position(ask.since);
    let place = place.map_err(|error| Refusal::because(RefusalCode::Internal, error.to_string()))?;
    Ok((place.max(ask.after), Time::NEVER))
}

fn poll_events(
    bridge: &Bridge,
    ask: &PollEvents,
    answer: &Answer<'_>,
) -> Result<Result<Response, Refusal>, End> {
    let (begin, since) = match begin(bridge, ask) {
        Ok(begin) => begin,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let read = |after| page(bridge, after, since, ask.count_max);
    let wait = Duration::from_millis(u64::from(ask.wait_ms.min(POLL_WAIT_MS_MAX)));
    if wait.is_zero() {
        return Ok(read(begin).map(Response::Events));
    }
    // Subscribed before reading, so that nothing falls between the two.
    let subscription = match bridge.supervisor.ledger().publisher().subscribe() {
        Ok(subscription) => subscription,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let deadline = Instant::now() + wait;
    let mut after = begin;
    loop {
        let events = match read(after) {
            Ok(events) => events,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if !events.events.is_empty() || left.is_zero() {
            return Ok(Ok(Response::Events(events)));
        }
        if events.scanned_to < events.last_sequence {
            after = events.scanned_to;
            continue;
        }
        await_news(&subscription, answer, Some(left))?;
        subscription.take();
    }
}

/// Waits until the subscription has something, the time is over, or the peer has gone.
fn await_news(
    subscription: &Subscription,
    answer: &Answer<'_>,
    timeout: Option<Duration>,
) -> Result<(), End> {
    let mut descriptors = [
        PollFd::new(subscription.as_fd(), PollFlags::POLLIN),
        PollFd::new(answer.stream().as_fd(), PollFlags::POLLIN),
    ];
    let timeout = match timeout {
        None => PollTimeout::NONE,
        // Rounded up, so that a wait of under a millisecond does not spin.
        Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
    };
    match poll(&mut descriptors, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(End::Gone(error.into())),
    }
    // Whoever waits has nothing to say: anything from the peer is its end.
    let [_, peer] = descriptors;
    if peer.any().unwrap_or(true) {
        return Err(End::Gone(io::ErrorKind::ConnectionAborted.into()));
    }
    Ok(())
}

/// After which event a subscription begins.
fn subscribed_after(bridge: &Bridge, ask: &Subscribe) -> Result<u64, Refusal> {
    let ledger = bridge.supervisor.ledger();
    if ask.since.is_never() {
        return Ok(ask.after.unwrap_or(ledger.bounds().last_sequence));
    }
    let place = ledger.position(ask.since);
    let place = place.map_err(|error| Refusal::because(RefusalCode::Internal, error.to_string()))?;
    Ok(place.max(ask.after.unwrap_or(0)))
}

/// Past events after where the subscription begins, then every event as it happens, until the peer goes or lags.
fn subscribe(bridge: &Bridge, ask: &Subscribe, answer: &mut Answer<'_>) -> Result<(), End> {
    let ledger = bridge.supervisor.ledger();
    let subscription = match ledger.publisher().subscribe() {
        Ok(subscription) => subscription,
        Err(refusal) => return answer.finish(Err(refusal)),
    };
    let mut last = match subscribed_after(bridge, ask) {
        Ok(last) => last,
        Err(refusal) => return answer.finish(Err(refusal)),
    };
    answer.send(&Response::Subscribed(Subscribed { after: last }), Flow::More)?;
    loop {
        match page(bridge, last, Time::NEVER, 0) {
            Ok(events) if events.events.is_empty() && events.scanned_to >= events.last_sequence => break,
            Ok(events) => {
                last = events.scanned_to;
                answer.send(&Response::Events(events), Flow::More)?;
            }
            Err(refusal) => return answer.finish(Err(refusal)),
        }
    }
    loop {
        let delivery = subscription.take();
        let fresh: Vec<Event> = delivery
            .events
            .iter()
            .map(AsRef::as_ref)
            .filter(|e| e.sequence > last)
            .cloned()
            .collect();
        if let Some(event) = fresh.last() {
            last = event.sequence;
            let events = Events {
                last_sequence: last,
                scanned_to: last,
                events: fresh,
                ..Events::default()
            };
            answer.send(&Response::Events(events), Flow::More)?;
        }
        if delivery.lagged {
            answer.send(&Response::Lagged(Lagged { since: last }), Flow::Last)?;
            return Err(End::Finished);
        }
        await_news(&subscription, answer, None)?;
    }
}

/// Says at once that the wait has begun, then how it ended.
fn wait_for(bridge: &Bridge, wait: &Wait, answer: &mut Answer<'_>) -> Result<(), End> {
    let inventory = bridge.supervisor.inventory();
    if let WaitCondition::Unknown(number) = wait.condition {
        let refusal = Refusal::because(
            RefusalCode::InvalidSpec,
            format!("unknown wait condition {number}"),
        );
        return answer.finish(Err(refusal));
    }
    let begun = bridge
        .supervisor
        .ledger()
        .publisher()
        .subscribe()
        .and_then(|subscription| {
            let id = inventory.resolve(&wait.reference)?;
            let state = inventory.with(&id, |unit| unit.container.state.clone())?;
            Ok((subscription, id, state))
        });
    let (subscription, id, mut state) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return answer.finish(Err(refusal)),
    };
    answer.send(&Response::Waiting(Nothing {}), Flow::More)?;
    let actor = id.to_string();
    let first = state.clone();
    let mut heard: Option<Exit> = None;
    loop {
        let gone = match inventory.with(&id, |unit| unit.container.state.clone()) {
            Ok(now) => {
                state = now;
                false
            }
            Err(_) => true,
        };
        // A run that began and ended between two looks is in the events alone, and so is the end of a container that
        // went with it.
        let delivery = subscription.take();
        let mut ends = delivery.events.iter().filter(|event| is_end(event, &actor));
        if wait.condition == WaitCondition::NextExit
            && let Some(event) = ends.next()
        {
            return answer.finish(Ok(Response::Exited(Exited {
                exit: exit_of(event),
                error: String::new(),
            })));
        }
        heard = ends.next_back().map(|event| exit_of(event)).or(heard);
        if gone || is_over(wait.condition, &first, &state) {
            let exit = heard.filter(|_| gone).or(state.exit);
            let exited = Exited {
                exit: exit.unwrap_or_default(),
                error: state.error,
            };
            return answer.finish(Ok(Response::Exited(exited)));
        }
        await_news(&subscription, answer, None)?;
    }
}

fn is_over(condition: WaitCondition, first: &State, now: &State) -> bool {
    let ended = !is_up(now) && now.status != Status::Restarting;
    match condition {
        WaitCondition::NotRunning => ended,
        WaitCondition::NextExit => ended && now.finished_at != first.finished_at,
        WaitCondition::Removed | WaitCondition::Unknown(_) => false,
    }
}

fn is_end(event: &Event, actor: &str) -> bool {
    event.kind == EventKind::Container && event.action == Action::Die && event.actor == actor
}

fn exit_of(event: &Event) -> Exit {
    use wire::event::attribute;
    let code = event
        .attribute(attribute::EXIT_CODE)
        .and_then(|code| code.parse().ok());
    Exit {
        code: code.unwrap_or(0),
        unknown: code.is_none(),
        oom: event.attribute(attribute::OOM).is_some(),
    }
}
