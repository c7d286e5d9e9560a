//! Whoever makes events: container after container, and what became of each request.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use harness::pair::IMAGE;
use harness::{Address, Answer, Connection, Docker, pace};
use serde_json::json;

use harness::dice::Dice;

/// Time for both daemons to be back.
const BACK_LIMIT: Duration = Duration::from_secs(60);

/// An event that a request asks for: what happens, and to whom.
pub(crate) type Deed = (&'static str, String);

/// What one driver knows.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Acknowledged: there is exactly one such event.
    pub(crate) sure: Vec<Deed>,
    /// The answer never came, or was that something failed: there is at most one.
    pub(crate) unclear: Vec<Deed>,
}

/// What drivers and killer know of each other.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Events that were acknowledged.
    pub(crate) events: AtomicUsize,
    /// There were enough of them.
    pub(crate) over: AtomicBool,
}

/// The answer to a request did not come, or was no.
#[derive(Debug)]
struct Unclear;

#[derive(Debug)]
pub(crate) struct Driver<'a> {
    pub(crate) number: usize,
    pub(crate) address: &'a Address,
    pub(crate) progress: &'a Progress,
    pub(crate) dice: Dice,
    pub(crate) account: Account,
}

impl Driver<'_> {
    /// One container after the other, until there were enough.
    pub(crate) fn drive(mut self) -> Account {
        let mut made = 0;
        while !self.progress.over.load(Ordering::Relaxed) {
            made += 1;
            let name = format!("d{}-{made}", self.number);
            if self.life(&name).is_err() {
                // Whatever is left of this container is cleared away at the end.
                self.wait_for_both();
            }
        }
        self.account
    }

    fn life(&mut self, name: &str) -> Result<(), Unclear> {
        match self.dice.below(8) {
            0 => self.short_life(name),
            1 => self.killed_life(name),
            _ => self.quiet_life(name),
        }
    }

    /// Nothing runs: this is what makes events fast.
    fn quiet_life(&mut self, name: &str) -> Result<(), Unclear> {
        self.create(name, "exit 0")?;
        let mut name = name.to_owned();
        for time in 0..self.dice.below(5) {
            let new = format!("{name}.{time}");
            self.post(&format!("/containers/{name}/rename?name={new}"), "rename", &new)?;
            name = new;
        }
        self.remove(&name)
    }

    fn short_life(&mut self, name: &str) -> Result<(), Unclear> {
        self.create(name, "exit 3")?;
        self.post(&format!("/containers/{name}/start"), "start", name)?;
        self.wait_for_its_end(name)?;
        self.remove(name)
    }

    fn killed_life(&mut self, name: &str) -> Result<(), Unclear> {
        self.create(name, "exec sleep 100000")?;
        self.post(&format!("/containers/{name}/start"), "start", name)?;
        self.post(&format!("/containers/{name}/kill"), "kill", name)?;
        self.wait_for_its_end(name)?;
        self.remove(name)
    }

    fn create(&mut self, name: &str, script: &str) -> Result<(), Unclear> {
        let body = json!({ "Image": IMAGE, "Cmd": ["/bin/sh", "-c", script] }).to_string();
        let path = format!("/containers/create?name={name}");
        let body = Some(("application/json", body.as_bytes()));
        self.act("POST", &path, body, ("create", name.to_owned()))
    }

    fn post(&mut self, path: &str, action: &'static str, name: &str) -> Result<(), Unclear> {
        self.act("POST", path, None, (action, name.to_owned()))
    }

    fn wait_for_its_end(&mut self, name: &str) -> Result<(), Unclear> {
        self.post(&format!("/containers/{name}/wait"), "die", name)
    }

    fn remove(&mut self, name: &str) -> Result<(), Unclear> {
        let path = format!("/containers/{name}?force=1");
        self.act("DELETE", &path, None, ("destroy", name.to_owned()))
    }

    fn act(
        &mut self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
        deed: Deed,
    ) -> Result<(), Unclear> {
        let answer = Connection::open(self.address).and_then(|mut to| to.ask(method, path, body));
        match answer {
            Ok(Answer {
                status: 200..=299, ..
            }) => {
                self.account.sure.push(deed);
                self.progress.events.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // Every request is one that can be done: it is the daemons' turn to say yes.
            Ok(answer) if answer.status < 500 => panic!("{method} {path}: {answer}"),
            _ => {
                self.account.unclear.push(deed);
                Err(Unclear)
            }
        }
    }

    fn wait_for_both(&self) {
        pace::until("both daemons are back", BACK_LIMIT, || {
            let answer = Connection::open(self.address).and_then(|mut to| to.ask("GET", "/info", None));
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        });
    }
}

/// Removes every container that is left, whatever it does.
pub(crate) fn clear_away(docker: &Docker) -> Account {
    let mut account = Account::default();
    let list = docker.get("/containers/json?all=1").expect(200).json();
    for container in list.as_array().unwrap() {
        let name = container["Names"][0].as_str().unwrap().trim_start_matches('/');
        docker.delete(&format!("/containers/{name}?force=1")).expect(204);
        account.sure.push(("destroy", name.to_owned()));
    }
    account
}
