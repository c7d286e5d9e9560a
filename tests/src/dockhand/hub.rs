//! What all connections share: who is who, who waits for what, and what was seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};

use super::admission::{Admission, Refusal, Verdict};
use super::calls::Pending;
use super::cut::Cut;
use super::link::{Manner, Order};
use super::options::Options;
use super::seen::{End, Hello, Seen};

/// How long a test waits for what must come.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// How long it waits for what comes twice a minute.
pub(super) const LONG_LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) options: Options,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether it reads what agents say.
    pub(super) reads: watch::Sender<bool>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) admission: Admission,
    links: BTreeMap<u64, Link>,
    /// The connection of each environment.
    environments: BTreeMap<u64, u64>,
    /// By the id of the request or of the terminal.
    pub(super) pending: HashMap<String, Pending>,
    pub(super) seen: Seen,
    pub(super) manner: Manner,
    pub(super) cuts: Vec<Cut>,
    /// Numbers for connections, requests and tokens.
    last: u64,
}

#[derive(Debug)]
struct Link {
    address: String,
    orders: UnboundedSender<Order>,
    /// Ends it at once, whatever is under way.
    gone: Arc<Notify>,
    environment: Option<u64>,
    heard_at: Instant,
}

impl Hub {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            state: State::default().into(),
            changed: Condvar::new(),
            reads: watch::Sender::new(true),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and lets those look who wait.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until there is something to see.
    #[track_caller]
    pub(super) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what}: not within {limit:?}; {:#?}", state.seen);
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    /// A number that nothing else has.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether an agent is connected and welcome.
    pub(super) fn has(&self, environment: u64) -> bool {
        self.environments.contains_key(&environment)
    }

    /// The connection of an environment.
    pub(super) fn link_of(&self, environment: u64) -> Option<u64> {
        self.environments.get(&environment).copied()
    }

    pub(super) fn environment_of(&self, link: u64) -> Option<u64> {
        self.links.get(&link)?.environment
    }

    pub(super) fn open(&mut self, address: String, orders: UnboundedSender<Order>, gone: Arc<Notify>) -> u64 {
        let id = self.number();
        let link = Link {
            address,
            orders,
            gone,
            environment: None,
            heard_at: Instant::now(),
        };
        self.links.insert(id, link);
        id
    }

    pub(super) fn order(&self, link: u64, order: Order) {
        if let Some(link) = self.links.get(&link) {
            // It may be about to end; then there is nobody to tell.
            let _ = link.orders.send(order);
        }
    }

    /// Ends a connection at once, without a close frame.
    pub(super) fn terminate(&self, link: u64) {
        if let Some(link) = self.links.get(&link) {
            link.gone.notify_one();
        }
    }

    /// Tells a connection something, in the manner that is asked for now.
    pub(super) fn say(&mut self, link: u64, message: &Value) {
        let kind = message["type"].as_str().unwrap_or("?");
        let cut = self.cuts.iter_mut().any(|cut| cut.is_due_to_send(kind));
        self.order(link, Order::Say(message.to_string().into_bytes(), self.manner));
        if cut {
            self.cuts.retain(|cut| !cut.is_over());
            self.order(link, Order::Terminate);
        }
    }

    /// A message was heard.
    pub(super) fn touch(&mut self, link: u64) {
        if let Some(link) = self.links.get_mut(&link) {
            link.heard_at = Instant::now();
        }
    }

    /// Decides about a hello.
    pub(super) fn admit(&mut self, link: u64, hello: &Value, options: &Options) {
        let Some(address) = self.links.get(&link).map(|link| link.address.clone()) else {
            return;
        };
        let token = hello["token"].as_str();
        let verdict = self.admission.judge(token, &address, Instant::now(), options);
        let outcome = match verdict {
            Verdict::Welcome(environment) => {
                self.welcome(link, environment);
                "welcome".to_owned()
            }
            Verdict::Refused(refusal) => self.refuse(link, refusal),
        };
        self.seen.hellos.push(Hello {
            at: Instant::now(),
            link,
            hello: hello.clone(),
            outcome,
        });
    }

    fn welcome(&mut self, link: u64, environment: u64) {
        if let Some(before) = self.environments.insert(environment, link) {
            self.reject(before, "Connection replaced by new agent");
            self.terminate(before);
        }
        if let Some(found) = self.links.get_mut(&link) {
            found.environment = Some(environment);
        }
        self.say(
            link,
            &json!({ "type": "welcome", "serverId": "dockhand", "version": "1.0" }),
        );
    }

    fn refuse(&mut self, link: u64, refusal: Refusal) -> String {
        let mut message = json!({ "type": "error", "message": refusal.message });
        if let Some(seconds) = refusal.retry_after {
            message["retryAfter"] = seconds.into();
        }
        self.say(link, &message);
        self.order(link, Order::Close(refusal.code, refusal.reason));
        refusal.message
    }

    /// Whoever waits for an answer over this connection waits no longer.
    fn reject(&mut self, link: u64, why: &str) {
        let gone: Vec<_> = self
            .pending
            .extract_if(|_, pending| pending.link() == link)
            .collect();
        for (_, pending) in gone {
            pending.lose(why);
        }
    }

    /// A connection is over.
    pub(super) fn closed(&mut self, link: u64, how: String) {
        let found = self.links.remove(&link);
        if let Some(environment) = found.and_then(|link| link.environment)
            && self.environments.get(&environment) == Some(&link)
        {
            self.environments.remove(&environment);
        }
        self.reject(link, "Agent disconnected");
        self.seen.ends.push(End { link, how });
    }

    /// Asks every agent whether it is there.
    pub(super) fn ping_all(&mut self) {
        let message = json!({ "type": "ping", "timestamp": now_ms() });
        let links: Vec<u64> = self.environments.values().copied().collect();
        for link in links {
            self.say(link, &message);
        }
    }

    /// Closes what has gone silent; forgets how often the others connected.
    pub(super) fn sweep(&mut self, silence_max: Duration) {
        for (environment, id) in &self.environments {
            let Some(link) = self.links.get(id) else { continue };
            if link.heard_at.elapsed() > silence_max {
                self.order(*id, Order::Close(1001, "Connection timeout"));
            } else {
                self.admission.forget_connects(*environment);
            }
        }
    }
}

/// Now, as the server writes it: in milliseconds.
pub(super) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
