//! Whatever fits comes back, and whatever comes is refused or read, never a panic.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert_eq, proptest};
use wire::v1::{
    Bind, Container, Event, HEADER_BYTES, Image, Inspect, Lifecycle, NetMode, Opcode, Port, Privileges,
    Protocol, Request, RequestHeader, Response, ResponseHeader, Status, Switches, Variable, events,
};

use crate::golden::{decode_answer, decode_request};

/// A text of at most so many bytes.
fn text(bytes_max: usize) -> impl Strategy<Value = String> {
    vec(
        any::<char>().prop_filter("no NUL", |letter| *letter != '\0'),
        0..12,
    )
    .prop_map(move |letters| {
        let mut text = String::new();
        for letter in letters {
            if text.len() + letter.len_utf8() <= bytes_max {
                text.push(letter);
            }
        }
        text
    })
}

fn port() -> impl Strategy<Value = Port> {
    (any::<[u16; 4]>(), any::<u8>()).prop_map(|([host, host_end, container, container_end], number)| Port {
        host,
        host_end,
        container,
        container_end,
        protocol: Protocol::from_number(number),
    })
}

fn container() -> impl Strategy<Value = Container> {
    let texts = (text(255), text(32), text(1023), text(255), text(15), text(1023));
    let numbers = (any::<i32>(), any::<u8>(), any::<i64>());
    (texts, numbers, vec(port(), 0..=16)).prop_map(
        |((name, uuid, image, hostname, address, init), (pid, net_mode, started_at_s), ports)| Container {
            name,
            uuid,
            image,
            hostname,
            address,
            init,
            pid,
            net_mode: NetMode::from_number(net_mode),
            ports,
            started_at_s,
        },
    )
}

fn switches() -> impl Strategy<Value = Switches> {
    any::<[bool; 11]>().prop_map(|[a, b, c, d, e, f, g, h, i, j, k]| Switches {
        foreground: a,
        volatile_mode: b,
        force_cgroup_v1: c,
        disable_ipv6: d,
        android_storage: e,
        selinux_permissive: f,
        hw_access: g,
        gpu_mode: h,
        termux_x11: i,
        block_nested_ns: j,
        is_img_mount: k,
    })
}

fn inspect() -> impl Strategy<Value = Inspect> {
    let variable = (text(255), text(1023)).prop_map(|(key, value)| Variable { key, value });
    let bind = (text(1023), text(1023), any::<bool>()).prop_map(|(source, destination, read_only)| Bind {
        source,
        destination,
        read_only,
    });
    let lists = (vec(variable, 0..=32), vec(bind, 0..=32));
    let more = (text(1023), text(1023), any::<[i64; 4]>(), any::<i32>());
    let left_out = any::<[u8; 3]>();
    (container(), lists, more, switches(), left_out).prop_map(
        |(container, (env, binds), (rootfs, dns, numbers, privileges), switches, left_out)| Inspect {
            name: container.name,
            uuid: container.uuid,
            rootfs,
            image: container.image,
            hostname: container.hostname,
            address: container.address,
            init: container.init,
            dns,
            pid: container.pid,
            started_at_s: container.started_at_s,
            memory_bytes: numbers[0],
            cpu_quota_us: numbers[1],
            cpu_period_us: numbers[2],
            pids_max: numbers[3],
            privileges: Privileges(privileges),
            net_mode: container.net_mode,
            switches,
            env,
            env_left_out: left_out[0].into(),
            binds,
            binds_left_out: left_out[1].into(),
            ports: container.ports,
            ports_left_out: left_out[2].into(),
        },
    )
}

fn image() -> impl Strategy<Value = Image> {
    (text(255), text(1023), text(32), any::<bool>(), any::<i64>()).prop_map(
        |(name, path, uuid, running, created_at_s)| Image {
            name,
            path,
            uuid,
            running,
            created_at_s,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let action = text(31).prop_filter("an action", |action| !action.is_empty());
    (0..i64::MAX, action, text(32), text(255)).prop_map(|(time_ns, action, uuid, name)| Event {
        time_ns,
        action,
        uuid,
        name,
    })
}

fn response() -> impl Strategy<Value = (Opcode, Response)> {
    prop_oneof![
        vec(container(), 0..4).prop_map(|all| (Opcode::ListContainers, Response::Containers(all))),
        inspect().prop_map(|all| (Opcode::InspectContainer, Response::Container(Box::new(all)))),
        vec(image(), 0..4).prop_map(|all| (Opcode::ListImages, Response::Images(all))),
        vec(event(), 0..4).prop_map(|all| (Opcode::PollEvents, Response::Events(all))),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let target = || text(255).prop_filter("a target", |target| !target.is_empty());
    let lifecycle =
        || (target(), -1..=i32::MAX).prop_map(|(target, timeout_s)| Lifecycle { target, timeout_s });
    prop_oneof![
        Just(Request::Ping),
        any::<bool>().prop_map(|all| Request::ListContainers { all }),
        target().prop_map(|target| Request::InspectContainer { target }),
        lifecycle().prop_map(Request::StartContainer),
        lifecycle().prop_map(Request::StopContainer),
        lifecycle().prop_map(Request::RestartContainer),
        any::<i64>().prop_map(|since_s| Request::PollEvents { since_s }),
    ]
}

proptest! {
    #[test]
    fn requests_come_back(request in request()) {
        prop_assert_eq!(decode_request(&request.to_frame().unwrap()), Ok(request));
    }

    #[test]
    fn answers_come_back((asked, response) in response()) {
        let frame = response.to_frame().unwrap();
        prop_assert_eq!(decode_answer(asked, &frame), Ok(Ok(response)));
    }

    #[test]
    fn texts_of_any_length_keep_what_fits(name in ".{0,300}") {
        let container = Container { name: name.clone(), ..Container::default() };
        let frame = Response::Containers(vec![container]).to_frame().unwrap();
        let answer = decode_answer(Opcode::ListContainers, &frame).unwrap().unwrap();
        let Response::Containers(read) = answer else { panic!("{answer:?}") };
        let read = read[0].name.as_str();
        let name = name.split('\0').next().unwrap();
        assert!(name.starts_with(read) && read.len() <= 255, "{read:?}");
        // Not one character less than fits.
        let next = name[read.len()..].chars().next();
        assert!(next.is_none_or(|next| read.len() + next.len_utf8() > 255));
    }

    #[test]
    fn any_payload_is_read_or_refused(
        payload in vec(any::<u8>(), 0..3000),
        opcode in 0..Opcode::ALL.len(),
    ) {
        let opcode = Opcode::ALL[opcode];
        let length = u32::try_from(payload.len()).unwrap();
        let _ = Request::decode(RequestHeader { opcode, length }, &payload);
        let _ = Response::decode(opcode, ResponseHeader { status: Status::Ok, length }, &payload);
        let _ = events::scan(&payload).count();
    }

    #[test]
    fn any_record_is_read_or_refused(
        bytes in vec(any::<u8>(), 2817..=2817),
        header in any::<[u8; HEADER_BYTES]>(),
    ) {
        let _ = RequestHeader::parse(&header);
        let _ = ResponseHeader::parse(&header, Opcode::ListContainers);
        let header = ResponseHeader { status: Status::Ok, length: 2817 };
        let _ = Response::decode(Opcode::ListContainers, header, &bytes);
    }
}

#[test]
fn what_is_beyond_the_slots_is_counted() {
    let variable = |n: usize| Variable {
        key: format!("K{n}"),
        value: String::new(),
    };
    let sent = Inspect {
        env: (0..40).map(variable).collect(),
        binds: vec![Bind::default(); 100],
        ports: vec![Port::default(); 32],
        ..Inspect::default()
    };
    let frame = Response::Container(Box::new(sent)).to_frame().unwrap();
    let Ok(Ok(Response::Container(read))) = decode_answer(Opcode::InspectContainer, &frame) else {
        panic!("not read");
    };
    assert_eq!((read.env.len(), read.env_left_out), (32, 8));
    assert_eq!(read.env[31].key, "K31");
    assert_eq!((read.binds.len(), read.binds_left_out), (32, 68));
    assert_eq!((read.ports.len(), read.ports_left_out), (16, 16));
}
