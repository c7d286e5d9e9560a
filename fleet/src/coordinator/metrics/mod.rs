//! What Prometheus reads: nodes and containers as they are known, and what they use, which is asked for when somebody
//! reads it. Nothing wakes where nobody does.

mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use self::series::Reading;
use super::state::State;
use super::tunnels::{Line, Lines};
use crate::limits;
use crate::proto::{ContainerSample, Samples};

/// What nodes' containers used when they were asked last.
#[derive(Debug, Clone)]
struct Sampled {
    at: Instant,
    samples: Arc<BTreeMap<Box<str>, ContainerSample>>,
}

#[derive(Debug, Default)]
struct Kept {
    sampled: BTreeMap<Box<str>, Sampled>,
    /// Nodes that are asked, and have not answered: nobody is asked twice.
    asked: BTreeSet<Box<str>>,
}

/// What is read, and from where.
#[derive(Debug)]
pub struct Metrics {
    state: Arc<State>,
    lines: Lines,
    kept: Arc<Mutex<Kept>>,
}

/// What Prometheus is to read, as its discovery by HTTP has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// One host with its port.
    pub targets: Vec<String>,
    /// What is known of it.
    pub labels: BTreeMap<&'static str, String>,
}

impl Metrics {
    /// Of these.
    pub fn new(state: Arc<State>, lines: Lines) -> Self {
        Self {
            state,
            lines,
            kept: Arc::default(),
        }
    }

    /// All of it as text, in the OpenMetrics format; of one node, where one is named. Every node that is connected is
    /// asked for what it uses; who is late is there the next time.
    pub async fn render(&self, node_id: Option<&str>) -> String {
        self.sample(node_id).await;
        let nodes = match node_id {
            Some(node_id) => self.state.node(node_id).into_iter().collect(),
            None => self.state.nodes(),
        };
        let mut samples = BTreeMap::new();
        {
            let mut kept = lock(&self.kept);
            kept.sampled
                .retain(|_, sampled| sampled.at.elapsed() <= limits::SAMPLES_KEPT);
            for (node_id, sampled) in &kept.sampled {
                samples.insert(node_id.clone(), Arc::clone(&sampled.samples));
            }
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Reading { nodes, samples }));
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &registry) {
            tracing::warn!(%error, "the metrics cannot be written");
        }
        text
    }

    /// Where Prometheus finds each node's part: behind `host`, which is this coordinator's API as who asks sees it,
    /// with its port.
    pub fn targets(&self, host: &str) -> Vec<Target> {
        let target = |node: &Arc<super::state::NodeView>| Target {
            targets: vec![host.to_owned()],
            labels: BTreeMap::from([
                ("__metrics_path__", format!("/metrics/nodes/{}", node.node_id)),
                ("node", node.node_id.to_string()),
                ("node_name", node.name.to_string()),
            ]),
        };
        self.state.nodes().iter().map(target).collect()
    }

    /// Asks for samples, and waits for them as long as whoever reads can.
    async fn sample(&self, node_id: Option<&str>) {
        let lines: Vec<Line> = match node_id {
            Some(node_id) => self.lines.get(node_id).into_iter().collect(),
            None => self.lines.all(),
        };
        let until = Instant::now() + limits::SAMPLES_WAITED;
        let mut waiting = JoinSet::new();
        for line in lines {
            if !lock(&self.kept).asked.insert(line.node_id().into()) {
                continue;
            }
            // It goes on when nobody waits any more: who is late is there the next time.
            let asking = tokio::spawn(ask(Arc::clone(&self.kept), line, limits::SAMPLES_KEPT));
            waiting.spawn(asking);
        }
        while let Ok(Some(_)) = timeout_at(until, waiting.join_next()).await {}
    }
}

async fn ask(kept: Arc<Mutex<Kept>>, line: Line, within: Duration) {
    let samples = line.sample(within).await;
    keep(&kept, line.node_id(), samples);
}

fn keep(kept: &Mutex<Kept>, node_id: &str, samples: Option<Samples>) {
    let mut kept = lock(kept);
    kept.asked.remove(node_id);
    if let Some(samples) = samples {
        let samples = samples.containers.into_iter().take(limits::NODE_CONTAINERS_MAX);
        let samples = samples
            .map(|sample| (sample.id.as_str().into(), sample))
            .collect();
        let sampled = Sampled {
            at: Instant::now(),
            samples: Arc::new(samples),
        };
        kept.sampled.insert(node_id.into(), sampled);
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::state::tests::Scene;
    use crate::proto;

    async fn metrics() -> (Scene, Metrics) {
        let scene = Scene::new().await;
        scene.connect("n1").await;
        let mut web = Scene::container("c1", "running");
        web.names = vec!["web\"1\n".to_owned()];
        web.restart_count = 3;
        web.started_at_nano = Some(1_500_000_000);
        let db = proto::Container {
            exit_code: 137,
            ..Scene::container("c2", "exited")
        };
        scene.state.snapshot("n1", vec![web, db]).await.unwrap();
        let metrics = Metrics::new(Arc::clone(&scene.state), Lines::default());
        (scene, metrics)
    }

    #[tokio::test]
    async fn what_is_known_and_what_is_used() {
        let (_scene, metrics) = metrics().await;
        let sample = ContainerSample {
            id: "c1".to_owned(),
            cpu_nanoseconds_total: 2_500_000_000,
            memory_bytes: 4096,
            ..ContainerSample::default()
        };
        let samples = Samples {
            number: 1,
            containers: vec![sample],
        };
        keep(&metrics.kept, "n1", Some(samples));
        let text = metrics.render(None).await;
        for line in [
            r#"fleet_node_up{node="n1",node_name="n1"} 1"#,
            r#"fleet_containers{node="n1",node_name="n1",state="running"} 1"#,
            r#"fleet_container_up{node="n1",container="c1",name="web\"1\n"} 1"#,
            r#"fleet_container_up{node="n1",container="c2",name="c2"} 0"#,
            r#"fleet_container_exit_code{node="n1",container="c2",name="c2"} 137"#,
            r#"fleet_container_restarts_total{node="n1",container="c1",name="web\"1\n"} 3.0"#,
            r#"fleet_container_started_seconds{node="n1",container="c1",name="web\"1\n"} 1.5"#,
            r#"fleet_container_cpu_seconds_total{node="n1",container="c1",name="web\"1\n"} 2.5"#,
            r#"fleet_container_memory_bytes{node="n1",container="c1",name="web\"1\n"} 4096"#,
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(
            !text.contains(r#"memory_bytes{node="n1",container="c2""#),
            "{text}"
        );
        // Nothing of one is in what another shows.
        let other = metrics.render(Some("n2")).await;
        assert!(
            other.contains(r#"fleet_node_up{node="n2",node_name="n2"} 0"#) && !other.contains("n1"),
            "{other}"
        );
        assert_eq!(metrics.render(Some("n3")).await, "# EOF\n");
    }

    #[tokio::test]
    async fn targets_are_nodes() {
        let (_scene, metrics) = metrics().await;
        let targets = serde_json::to_value(metrics.targets("fleet.example:3000")).unwrap();
        let expected = ["n1", "n2"].map(|node_id| {
            serde_json::json!({
                "targets": ["fleet.example:3000"],
                "labels": {
                    "__metrics_path__": format!("/metrics/nodes/{node_id}"), "node": node_id, "node_name": node_id,
                },
            })
        });
        assert_eq!(targets, serde_json::json!(expected));
    }
}
