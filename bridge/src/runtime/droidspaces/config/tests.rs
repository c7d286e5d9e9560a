//! Every key, every rule, and what each malformation means.

use proptest::prelude::*;

use super::*;

/// What `text` says beside the default, told by `expected`.
#[track_caller]
fn check(text: &str, expected: impl FnOnce(&mut Config)) {
    let mut config = Config::default();
    expected(&mut config);
    assert_eq!(Config::parse(text.as_bytes()), config, "{text}");
}

#[test]
fn a_whole_file() {
    let text = "\
# a box for films
name=media box
hostname=media
rootfs_path=/data/local/Droidspaces/Containers/media-box/rootfs.img
net_mode=nat
static_nat_ip=172.28.41.7
port_forwards=8096:8096/tcp,5000-5010:5000-5010/udp
upstream_interfaces=wlan0,rmnet*
dns_servers=9.9.9.9,1.1.1.1
enable_gpu_mode=1
memory_limit=1610612736
cpu_quota=200000
cpu_period=100000
pids_limit=2048
privileged=nomask,nocaps
env_file=/data/local/Droidspaces/Containers/media-box/.env
uuid=7c0e5a0b9d1f4c22a6b3e8f41d92ab05
custom_init=/sbin/init
bind_mounts=/data/media:/srv/media:ro,/data/local/tmp:/mnt/tmp
run_at_boot=1
run_at_boot_priority=2
use_sparse_image=1
sparse_image_size_gb=32
";
    let config = Config::parse(text.as_bytes());
    assert_eq!(config.name, "media box");
    assert_eq!(config.hostname, "media");
    assert_eq!(config.net_mode, NetMode::Nat);
    assert_eq!(config.static_nat_ip, Some(Ipv4Addr::new(172, 28, 41, 7)));
    assert_eq!(
        (config.forwards.len(), config.forwards[1].container_last()),
        (2, 5010)
    );
    assert_eq!(config.upstream_interfaces, ["wlan0", "rmnet*"]);
    assert_eq!(config.dns_list().collect::<Vec<_>>(), ["9.9.9.9", "1.1.1.1"]);
    assert_eq!(config.uuid, "7c0e5a0b9d1f4c22a6b3e8f41d92ab05");
    assert_eq!((config.binds.len(), config.binds[0].read_only), (2, true));
    assert_eq!(config.memory_limit, Some(1_610_612_736));
    assert_eq!(
        (config.run_at_boot_priority, config.sparse_image_size_gb),
        (Some(2), Some(32))
    );
    assert!(config.enable_gpu_mode && config.run_at_boot && config.use_sparse_image);
    assert!(config.unknown.is_empty());
    assert_eq!(Config::parse(&render(&config)), config);
}

#[test]
fn texts() {
    check("", |_| {});
    check("name=a b", |config| config.name = "a b".to_owned());
    check("name=a\nname=../b\nname=", |config| config.name = "a".to_owned());
    check("hostname=h\nhostname=i", |config| {
        config.hostname = "i".to_owned()
    });
    check("hostname=h\nhostname=", |_| {});
    check(&format!("hostname={}", "h".repeat(300)), |config| {
        config.hostname = "h".repeat(255)
    });
    check("rootfs_path= /a b ", |config| {
        config.rootfs_path = "/a b".to_owned()
    });
    check("uuid=ABC", |config| config.uuid = "ABC".to_owned());
    check(&format!("uuid={}", "0".repeat(40)), |config| {
        config.uuid = "0".repeat(32)
    });
    check(
        "custom_init=/x\ncustom_init=y\ncustom_init=/z w\ncustom_init=",
        |config| {
            config.custom_init = "/x".to_owned();
        },
    );
    check("env_file=/a/.env\nenv_file=/a/../b", |config| {
        config.env_file = "/a/.env".to_owned()
    });
    check("tx11_extra_flags=-a\nvirgl_extra_flags=-b c", |config| {
        config.tx11_extra_flags = "-a".to_owned();
        config.virgl_extra_flags = "-b c".to_owned();
    });
    check("pidfile=/x", |_| {});
    assert_eq!(Config::parse(b"hostname=a\xffb").hostname, "a\u{fffd}b");
}

#[test]
fn flags() {
    let keys = [
        "disable_ipv6",
        "enable_hw_access",
        "enable_gpu_mode",
        "enable_android_storage",
        "enable_termux_x11",
        "enable_virgl",
        "enable_pulseaudio",
        "selinux_permissive",
        "allow_userns",
        "volatile_mode",
        "force_cgroupv1",
        "block_nested_ns",
        "foreground",
        "run_at_boot",
        "use_sparse_image",
    ];
    for key in keys {
        check(&format!("{key}=0"), |_| {});
        check(&format!("{key}=1\n{key}=maybe"), |_| {});
        check(&format!("{key}=no\n{key}=YES"), |config| {
            *config.flag(key).expect("it is one") = true;
        });
    }
}

#[test]
fn numbers() {
    for key in [
        "memory_limit",
        "cpu_quota",
        "cpu_period",
        "pids_limit",
        "sparse_image_size_gb",
    ] {
        for (value, expected) in [
            ("5", Some(5)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("0", None),
            ("-1", None),
            ("", None),
            ("5M", None),
            ("0x5", None),
        ] {
            check(&format!("{key}=7\n{key}={value}"), |config| {
                *config.number(key).expect("it is one").0 = expected;
            });
        }
    }
    check("run_at_boot_priority=-3", |config| {
        config.run_at_boot_priority = Some(-3)
    });
    check("run_at_boot_priority=soon", |_| {});
}

#[test]
fn networks() {
    for (word, expected) in [
        ("host", NetMode::Host),
        ("nat", NetMode::Nat),
        ("none", NetMode::None),
        ("gateway", NetMode::Gateway),
        ("delegated-gateway", NetMode::Gateway),
        ("bridge", NetMode::Host),
        ("", NetMode::Host),
    ] {
        check(&format!("net_mode=nat\nnet_mode={word}"), |config| {
            config.net_mode = expected
        });
    }
    for wrong in [
        "172.28.0.1",
        "172.28.1.255",
        "172.28.255.1",
        "172.29.1.1",
        "10.28.1.1",
        "172.28.1",
        "x",
        "",
    ] {
        check(&format!("static_nat_ip={wrong}"), |_| {});
        check(
            &format!("static_nat_ip=172.28.1.254\nstatic_nat_ip={wrong}"),
            |config| {
                config.static_nat_ip = Some(Ipv4Addr::new(172, 28, 1, 254));
            },
        );
    }
    check(
        "upstream_interfaces=wlan0, eth*,,a-name-too-long-\nupstream_interfaces=b",
        |config| {
            config.upstream_interfaces = ["wlan0", "eth*", "b"].map(str::to_owned).to_vec();
        },
    );
    let many = "upstream_interfaces=a,b,c\n".repeat(20);
    assert_eq!(
        Config::parse(many.as_bytes()).upstream_interfaces.len(),
        UPSTREAMS_MAX
    );
    assert_eq!(
        Config::parse(b"port_forwards=1\nport_forwards=2").forwards.len(),
        2
    );
}

#[test]
fn name_servers() {
    fn check(text: &str, expected: &[&str]) {
        let config = Config::parse(format!("dns_servers={text}").as_bytes());
        assert_eq!(config.dns_list().collect::<Vec<_>>(), expected, "{text}");
    }
    check("", &[]);
    check("1.1.1.1", &["1.1.1.1"]);
    check("1.1.1.1,8.8.8.8", &["1.1.1.1", "8.8.8.8"]);
    check(" 1.1.1.1 , \t 8.8.8.8 ,", &["1.1.1.1", "8.8.8.8"]);
    let long = Config::parse(format!("dns_servers={}", "1".repeat(1500)).as_bytes());
    assert_eq!(long.dns_servers.len(), DNS_BYTES_MAX);
}

#[test]
fn gateways() {
    fn check(text: &str, expected: (&str, &str, &str, &str)) {
        let config = Config::parse(text.as_bytes());
        let bridge = config.gateway_bridge();
        let found = (
            config.gateway_container.as_str(),
            config.gateway_net(),
            bridge.as_str(),
            config.gateway_lan_ifname(),
        );
        assert_eq!(found, expected, "{text}");
    }
    check("", ("", "lan", "ds-lan", "eth1"));
    check("gateway_net=dmz", ("", "dmz", "ds-dmz", "eth1"));
    check("gateway_net=dmz\ngateway_bridge=br0", ("", "dmz", "br0", "eth1"));
    check(
        "gateway_net=a-rather-long-name",
        ("", "a-rather-long-name", "ds-a-rather-lon", "eth1"),
    );
    check(
        "gateway_container=gw 1\ngateway_container=a/b",
        ("gw 1", "lan", "ds-lan", "eth1"),
    );
    check(
        "gateway_lan_ifname=interface-of-16b",
        ("", "lan", "ds-lan", "interface-of-16"),
    );
    check(
        "gateway_net=\ngateway_bridge=\ngateway_lan_ifname=",
        ("", "lan", "ds-lan", "eth1"),
    );
}

#[test]
fn walls() {
    let all = Privileged {
        nomask: true,
        nocaps: true,
        noseccomp: true,
        shared: true,
        unfiltered_dev: true,
        full: true,
    };
    check("privileged=full", |config| config.privileged = all);
    check("privileged=full\nprivileged=", |_| {});
    check("privileged=none,FULL, nomask", |config| {
        config.privileged.nomask = true
    });
    for word in WALLS {
        let found = Config::parse(format!("privileged={word}").as_bytes()).privileged;
        assert_eq!(walls_of(&found), [word]);
    }
}

#[test]
fn what_is_unknown_is_kept() {
    check("later=1\n x y = z = w \nlater=2\nName=a\n=v", |config| {
        config.unknown = [
            ("later", "1"),
            ("x y", "z = w"),
            ("later", "2"),
            ("Name", "a"),
            ("", "v"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
    });
}

#[test]
fn more_than_a_file_is_cut() {
    let mut text = b"a=b\n".repeat(FILE_BYTES_MAX / 4);
    text.extend(b"name=x\n");
    let config = Config::parse(&text);
    assert_eq!(
        (config.unknown.len(), config.name.as_str()),
        (FILE_BYTES_MAX / 4, "")
    );
}

const WALLS: [&str; 5] = ["nomask", "nocaps", "noseccomp", "shared", "unfiltered-dev"];

fn walls_of(found: &Privileged) -> Vec<&'static str> {
    if found.full {
        return vec!["full"];
    }
    let set = [
        found.nomask,
        found.nocaps,
        found.noseccomp,
        found.shared,
        found.unfiltered_dev,
    ];
    let named = WALLS.into_iter().zip(set);
    named.filter(|(_, set)| *set).map(|(word, _)| word).collect()
}

/// A file that says the same, with one line for each entry of a list.
fn render(config: &Config) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut copy = config.clone();
    for key in KEYS {
        if let Some(flag) = copy.flag(key) {
            lines.push(format!("{key}={}", u8::from(*flag)));
        } else if let Some((Some(number), _)) = copy.number(key) {
            lines.push(format!("{key}={number}"));
        }
    }
    for (key, value) in [
        ("name", &config.name),
        ("hostname", &config.hostname),
        ("rootfs_path", &config.rootfs_path),
        ("uuid", &config.uuid),
        ("custom_init", &config.custom_init),
        ("env_file", &config.env_file),
        ("tx11_extra_flags", &config.tx11_extra_flags),
        ("virgl_extra_flags", &config.virgl_extra_flags),
        ("gateway_container", &config.gateway_container),
        ("gateway_net", &config.gateway_net),
        ("gateway_bridge", &config.gateway_bridge),
        ("gateway_lan_ifname", &config.gateway_lan_ifname),
        ("dns_servers", &config.dns_servers),
        ("upstream_interfaces", &config.upstream_interfaces.join(",")),
        ("privileged", &walls_of(&config.privileged).join(",")),
    ] {
        lines.push(format!("{key}={value}"));
    }
    let mode = match config.net_mode {
        NetMode::Host => "host",
        NetMode::Nat => "nat",
        NetMode::None => "none",
        NetMode::Gateway => "gateway",
    };
    lines.push(format!("net_mode={mode}"));
    lines.extend(
        config
            .static_nat_ip
            .map(|address| format!("static_nat_ip={address}")),
    );
    lines.extend(config.forwards.iter().map(|forward| {
        let protocol = if forward.protocol == Protocol::Udp {
            "udp"
        } else {
            "tcp"
        };
        let (first, last) = (forward.container_first, forward.container_last());
        format!(
            "port_forwards={}-{}:{first}-{last}/{protocol}",
            forward.host_first, forward.host_last
        )
    }));
    lines.extend(config.binds.iter().map(|bind| {
        let end = if bind.read_only { ":ro" } else { "" };
        format!("bind_mounts={}:{}{end}", bind.source, bind.target)
    }));
    lines.extend(config.unknown.iter().map(|(key, value)| format!("{key}={value}")));
    lines.join("\n").into_bytes()
}

const KEYS: &[&str] = &[
    "name",
    "hostname",
    "rootfs_path",
    "uuid",
    "custom_init",
    "env_file",
    "net_mode",
    "static_nat_ip",
    "port_forwards",
    "upstream_interfaces",
    "gateway_container",
    "gateway_net",
    "gateway_bridge",
    "gateway_lan_ifname",
    "dns_servers",
    "disable_ipv6",
    "bind_mounts",
    "privileged",
    "memory_limit",
    "cpu_quota",
    "cpu_period",
    "pids_limit",
    "enable_hw_access",
    "enable_gpu_mode",
    "enable_android_storage",
    "enable_termux_x11",
    "enable_virgl",
    "enable_pulseaudio",
    "tx11_extra_flags",
    "virgl_extra_flags",
    "selinux_permissive",
    "allow_userns",
    "volatile_mode",
    "force_cgroupv1",
    "block_nested_ns",
    "foreground",
    "pidfile",
    "run_at_boot",
    "run_at_boot_priority",
    "use_sparse_image",
    "sparse_image_size_gb",
];

fn lines() -> impl Strategy<Value = Vec<String>> {
    let key = prop_oneof![
        8 => proptest::sample::select(KEYS).prop_map(str::to_owned),
        1 => "[a-z #=]{0,8}",
    ];
    let value = prop_oneof![
        "[ -~]{0,60}",
        "(/[a-z.]{0,4}){1,3}:(/[a-z.]{0,4}){1,3}(:ro)?(,/a:/b){0,2}",
        "[0-9]{1,5}(-[0-9]{1,5})?(:[0-9]{1,5}(-[0-9]{1,5})?)?(/udp|/tcp)?(,[0-9]{1,3}){0,40}",
        "172\\.28\\.[0-9]{1,3}\\.[0-9]{1,3}",
        "(nomask|nocaps|full|shared|host|nat|none|gateway|1|on|0)(,nocaps)?",
        "[a-zé,* ]{0,300}",
    ];
    proptest::collection::vec(
        (key, value).prop_map(|(key, value)| format!("{key}={value}")),
        0..60,
    )
}

proptest! {
    #[test]
    fn any_bytes_are_a_configuration(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
        let config = Config::parse(&bytes);
        prop_assert!(config.forwards.len() <= 32 && config.upstream_interfaces.len() <= 32);
        prop_assert!(config.name.is_empty() || is_valid_name(&config.name));
        let _ = env::parse(&bytes);
    }

    #[test]
    fn what_was_read_is_read_again(lines in lines()) {
        let config = Config::parse(lines.join("\n").as_bytes());
        prop_assert!(config.uuid.len() <= 32 && config.hostname.len() <= 255);
        prop_assert_eq!(Config::parse(&render(&config)), config);
    }
}
