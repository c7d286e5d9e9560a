//! bollard, the client that Rust programs use.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, EventsOptions, InspectContainerOptions, ListContainersOptions, ListImagesOptions,
    ListNetworksOptions, ListVolumesOptions, RemoveContainerOptions, StartContainerOptions,
    StopContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use harness::{Address, Pair};

/// Seconds until a request is given up.
const TIMEOUT_S: u64 = 60;

async fn connect(pair: &Pair) -> Docker {
    let Address::Unix(path) = pair.unix() else {
        panic!("a unix socket was asked for")
    };
    let docker =
        Docker::connect_with_unix(path.to_str().unwrap(), TIMEOUT_S, bollard::API_DEFAULT_VERSION).unwrap();
    docker.negotiate_version().await.unwrap()
}

#[tokio::test]
async fn what_is_there() {
    let pair = Pair::start();
    let docker = connect(&pair).await;
    assert_eq!(docker.ping().await.unwrap(), "OK");
    assert_eq!(
        docker.version().await.unwrap().api_version.as_deref(),
        Some("1.51")
    );
    assert_eq!(docker.info().await.unwrap().images, Some(1));
    let images = docker.list_images(None::<ListImagesOptions>).await.unwrap();
    assert_eq!(images[0].repo_tags, ["bb:latest"]);
    assert_eq!(
        docker
            .list_networks(None::<ListNetworksOptions>)
            .await
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        docker
            .list_volumes(None::<ListVolumesOptions>)
            .await
            .unwrap()
            .volumes,
        Some(Vec::new())
    );
    let missing = docker
        .inspect_container("nosuch", None::<InspectContainerOptions>)
        .await
        .unwrap_err();
    assert!(
        matches!(
            missing,
            bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }
        ),
        "{missing}"
    );
}

#[tokio::test]
async fn a_container_s_life() {
    let pair = Pair::start();
    let docker = connect(&pair).await;
    let filters = HashMap::from([("type".to_owned(), vec!["container".to_owned()])]);
    // The stream connects when it is first read, so it is told when to begin.
    let begin = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let mut events = docker.events(Some(EventsOptions {
        since: Some(format!("{begin:.6}")),
        filters: Some(filters),
        ..EventsOptions::default()
    }));

    let body = ContainerCreateBody {
        image: Some("bb".to_owned()),
        cmd: Some(["/bin/sleep", "100000"].map(str::to_owned).to_vec()),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptions {
        name: Some("web".to_owned()),
        ..CreateContainerOptions::default()
    };
    let id = docker.create_container(Some(options), body).await.unwrap().id;
    docker
        .start_container("web", None::<StartContainerOptions>)
        .await
        .unwrap();
    let listed = docker
        .list_containers(None::<ListContainersOptions>)
        .await
        .unwrap();
    assert_eq!(listed[0].id.as_deref(), Some(id.as_str()));

    let stop = StopContainerOptions {
        t: Some(0),
        ..StopContainerOptions::default()
    };
    docker.stop_container("web", Some(stop)).await.unwrap();
    let waited = docker
        .wait_container("web", None::<WaitContainerOptions>)
        .next()
        .await
        .unwrap();
    // bollard makes an error of an exit code other than zero.
    assert!(
        matches!(
            waited,
            Err(bollard::errors::Error::DockerContainerWaitError { code: 137, .. })
        ),
        "{waited:?}"
    );
    docker
        .remove_container("web", None::<RemoveContainerOptions>)
        .await
        .unwrap();

    // The first process does not hear SIGTERM, so SIGKILL follows.
    let mut actions = Vec::new();
    while actions.last().map(String::as_str) != Some("destroy") {
        actions.push(events.next().await.unwrap().unwrap().action.unwrap());
    }
    assert_eq!(
        actions,
        ["create", "start", "kill", "kill", "die", "stop", "destroy"]
    );
}
