use wire::container::{Exit, Health, HealthStatus};
use wire::network::NetworkInfo;
use wire::spec::{Mount, NetworkMode, Pair, Port};
use wire::{ContainerId, Image, Info, NetworkId};

use super::*;
use crate::docker::query::Query;

const SECOND: u64 = 1_000_000_000;

fn networks() -> Networks {
    Networks::new(&Info {
        host_id: "00".repeat(32),
        ..Info::default()
    })
}

fn images() -> ImageIndex {
    let image = |byte: u8, tag: &str| Image {
        id: ImageId([byte; 32]),
        tags: vec![tag.to_owned()],
        ..Image::default()
    };
    ImageIndex::new(vec![image(1, "bb:latest"), image(2, "other:1")])
}

fn port(container_port: u16, protocol: &str) -> Port {
    Port {
        container_port,
        protocol: protocol.into(),
        ..Port::default()
    }
}

/// Newest first: `new` was never started, `web` runs, `job` ended with 3, `lost` ended unseen.
fn containers() -> Vec<Prepared> {
    let base = |byte: u8, name: &str, seconds: u64, status: Status| {
        let mut summary = Summary {
            id: ContainerId([byte; 32]),
            name: name.into(),
            created_at: Time(seconds * SECOND),
            image_id: ImageId([1; 32]),
            network_mode: NetworkMode::None,
            ..Summary::default()
        };
        summary.state.status = status;
        if status != Status::Created {
            summary.state.started_at = Time(seconds * SECOND);
        }
        summary
    };
    let mut web = base(0xb2, "web", 300, Status::Running);
    web.state.health = Some(Health {
        status: HealthStatus::Healthy,
        ..Health::default()
    });
    web.labels = vec![Pair::new("team", "a")];
    web.network_mode = NetworkMode::Bridge;
    web.exposed = vec![port(80, "tcp"), port(53, "udp")];
    web.published = vec![port(8080, "tcp")];
    web.mounts = vec![Mount {
        kind: MountKind::Bind,
        source: "/etc".into(),
        target: "/mnt".into(),
        ..Mount::default()
    }];
    let mut job = base(0xb1, "job", 200, Status::Exited);
    job.image_id = ImageId([2; 32]);
    job.state.exit = Some(Exit {
        code: 3,
        ..Exit::default()
    });
    let mut lost = base(0xa1, "lost", 100, Status::Exited);
    lost.state.exit = Some(Exit {
        unknown: true,
        ..Exit::default()
    });
    [base(0xc3, "new", 400, Status::Created), web, job, lost]
        .into_iter()
        .map(|summary| Prepared::new(summary, None, &networks(), &images()))
        .collect()
}

fn names(selected: &[&Prepared]) -> Vec<String> {
    selected.iter().map(|one| one.summary().name.clone()).collect()
}

fn selected(query: &str) -> Result<Vec<String>, ApiError> {
    let query = ListQuery::parse(&Query::parse(Some(query)))?;
    select(&containers(), &query, &images(), &networks()).map(|selected| names(&selected))
}

#[track_caller]
fn check(query: &str, expected: &[&str]) {
    assert_eq!(selected(query).unwrap(), expected, "{query}");
}

/// With `all=1`.
#[track_caller]
fn check_filter(filters: &str, expected: &[&str]) {
    check(&format!("all=1&filters={filters}"), expected);
}

#[test]
fn a_network_with_a_name_of_its_own_is_a_filter() {
    let networks = Networks::new(&Info {
        networks: vec![NetworkInfo {
            id: NetworkId([0xa1; 32]),
            name: "pool".into(),
            ..NetworkInfo::default()
        }],
        ..Info::default()
    });
    let mut summary = Summary {
        name: "web".into(),
        network_mode: NetworkMode::Named,
        network: "pool".into(),
        forwarded: true,
        published: vec![port(80, "tcp")],
        ..Summary::default()
    };
    summary.state.started_at = Time(SECOND);
    let all = [Prepared::new(summary, None, &networks, &images())];
    for (filters, expected) in [
        (r#"{"network":["pool"]}"#, 1),
        (r#"{"network":["a1a1"]}"#, 1),
        (r#"{"network":["none"]}"#, 0),
        (r#"{"network":["bridge"]}"#, 0),
        (r#"{"publish":["80"]}"#, 1),
        (r#"{"expose":["80/tcp"]}"#, 1),
        (r#"{"publish":["8096"]}"#, 0),
    ] {
        let text = format!("all=1&filters={filters}");
        let query = ListQuery::parse(&Query::parse(Some(&text))).unwrap();
        let selected = select(&all, &query, &images(), &networks).unwrap();
        assert_eq!(selected.len(), expected, "{filters}");
    }
}

#[test]
fn without_filters_what_runs_or_all_or_the_newest() {
    check("", &["web"]);
    check("all=1", &["new", "web", "job", "lost"]);
    check("limit=2", &["new", "web"]);
    check("limit=99", &["new", "web", "job", "lost"]);
    check("limit=1&filters={\"name\":[\"o\"]}", &["job"]);
}

#[test]
fn names_and_ids_are_patterns() {
    check_filter(r#"{"name":["^/web$"]}"#, &["web"]);
    check_filter(r#"{"name":["^web$"]}"#, &["web"]);
    check_filter(r#"{"name":{"we":true,"jo":true}}"#, &["web", "job"]);
    check_filter(r#"{"name":["x"]}"#, &[]);
    check_filter(r#"{"id":["b1"]}"#, &["job"]);
    check_filter(r#"{"id":["^b"]}"#, &["web", "job"]);
}

#[test]
fn states_and_codes() {
    check(r#"filters={"status":["exited"]}"#, &["job", "lost"]);
    check_filter(r#"{"status":["created","running"]}"#, &["new", "web"]);
    check_filter(r#"{"exited":["3"]}"#, &["job"]);
    check_filter(r#"{"exited":["255"]}"#, &["lost"]);
    check_filter(r#"{"exited":["0"]}"#, &[]);
    check_filter(r#"{"health":["none"]}"#, &["new", "job", "lost"]);
    check_filter(r#"{"health":["healthy"]}"#, &["web"]);
    check_filter(r#"{"health":["starting","unhealthy"]}"#, &[]);
    check_filter(r#"{"is-task":["true"]}"#, &[]);
    check_filter(r#"{"is-task":["false"]}"#, &["new", "web", "job", "lost"]);
    check_filter(r#"{"isolation":["hyperv"]}"#, &[]);
}

#[test]
fn what_a_container_has() {
    check_filter(r#"{"label":["team"]}"#, &["web"]);
    check_filter(r#"{"label":["team=a"]}"#, &["web"]);
    check_filter(r#"{"label":["team=b"]}"#, &[]);
    check_filter(r#"{"ancestor":["bb"]}"#, &["new", "web", "lost"]);
    check_filter(r#"{"ancestor":["other:1","nosuch"]}"#, &["job"]);
    check_filter(r#"{"ancestor":["0202"]}"#, &["job"]);
    check_filter(r#"{"ancestor":["nosuch"]}"#, &[]);
    check_filter(r#"{"volume":["/mnt"]}"#, &["web"]);
    check_filter(r#"{"volume":["/etc"]}"#, &["web"]);
    check_filter(r#"{"volume":["/x"]}"#, &[]);
    check_filter(r#"{"network":["bridge"]}"#, &["web"]);
    check_filter(r#"{"network":["none"]}"#, &["new", "job", "lost"]);
    check_filter(r#"{"network":["5b5b"]}"#, &["web"]);
    check_filter(r#"{"network":["3e3e"]}"#, &["job", "lost"]);
    check_filter(r#"{"network":["nosuch"]}"#, &[]);
}

#[test]
fn ports() {
    check_filter(r#"{"expose":["80"]}"#, &["web"]);
    check_filter(r#"{"expose":["1-100/tcp"]}"#, &["web"]);
    check_filter(r#"{"expose":["53/udp"]}"#, &["web"]);
    check_filter(r#"{"expose":["53"]}"#, &[]);
    check_filter(r#"{"expose":["8080"]}"#, &["web"]);
    check_filter(r#"{"publish":["8080"]}"#, &["web"]);
    check_filter(r#"{"publish":["80"]}"#, &[]);
    check_filter(r#"{"publish":["8000-9000"]}"#, &["web"]);
}

#[test]
fn before_and_since_cut_the_list() {
    check_filter(r#"{"before":["web"]}"#, &["job", "lost"]);
    check_filter(r#"{"since":["job"]}"#, &["new", "web"]);
    check_filter(r#"{"before":["/new"],"since":["lost"]}"#, &["web", "job"]);
    check_filter(r#"{"since":["c3"]}"#, &[]);
    check_filter(r#"{"before":["lost"],"since":["new"]}"#, &[]);
}

#[test]
fn values_that_cannot_be_are_refused() {
    #[track_caller]
    fn check(filters: &str, status: u16, expected: &str) {
        let error = selected(&format!("filters={filters}")).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (status, expected));
    }
    check(r#"{"status":["flying"]}"#, 400, "invalid filter 'status=flying'");
    check(r#"{"health":["ill"]}"#, 400, "invalid filter 'health=ill'");
    check(r#"{"is-task":["x"]}"#, 400, "invalid filter 'is-task=x'");
    check(
        r#"{"exited":["x"]}"#,
        400,
        "invalid filter 'exited=x': strconv.Atoi: parsing \"x\": invalid syntax",
    );
    check(r#"{"before":["nosuch"]}"#, 404, "No such container: nosuch");
    check(
        r#"{"since":["b"]}"#,
        400,
        "multiple IDs found with provided prefix: b",
    );
    check(
        r#"{"publish":["1:2"]}"#,
        400,
        "filter for 'publish' should not contain ':': 1:2",
    );
}

#[test]
fn a_prune_takes_what_ended() {
    #[track_caller]
    fn check(filters: &str, expected: &[&str]) {
        let all = containers();
        let prunable = select_prunable(&all, Some(filters), Time(1000 * SECOND)).unwrap();
        assert_eq!(names(&prunable), expected, "{filters}");
    }
    check("", &["new", "job", "lost"]);
    check(r#"{"until":["250"]}"#, &["job", "lost"]);
    check(r#"{"until":["850s"]}"#, &["lost"]);
    check(r#"{"label":["team"]}"#, &[]);
    check(r#"{"label!":["team"]}"#, &["new", "job", "lost"]);
    let all = containers();
    for (filters, message) in [
        ("{bad", "invalid filter"),
        (r#"{"until":["x"]}"#, "invalid filter 'until=x'"),
        (r#"{"until":["1","2"]}"#, "more than one until filter specified"),
        (r#"{"status":["exited"]}"#, "invalid filter 'status'"),
    ] {
        let error = select_prunable(&all, Some(filters), Time(0)).unwrap_err();
        assert_eq!(error, ApiError::bad_request(message));
    }
}
