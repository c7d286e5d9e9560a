//! Who is let in: the table of what a hello meets, and nothing else.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use super::options::Options;

/// A token that was made for an environment.
#[derive(Debug, Clone)]
struct Token {
    text: String,
    environment: u64,
    is_active: bool,
}

/// What is remembered of those who came.
#[derive(Debug, Default)]
pub(super) struct Admission {
    tokens: Vec<Token>,
    /// When an address last came with a token that was wrong.
    failures: HashMap<String, Instant>,
    connects: BTreeMap<u64, Connects>,
    /// The next check goes wrong as such.
    pub(super) is_broken: bool,
}

#[derive(Debug, Default)]
struct Connects {
    at: VecDeque<Instant>,
    refused: usize,
}

/// What a hello meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is this environment's agent.
    Welcome(u64),
    Refused(Refusal),
}

/// Why, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) retry_after: Option<u64>,
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

impl Refusal {
    fn verdict(message: &str, code: u16, reason: &'static str) -> Verdict {
        Verdict::Refused(Self {
            message: message.to_owned(),
            retry_after: None,
            code,
            reason,
        })
    }
}

impl Admission {
    /// Makes a token; older ones of the environment are no longer good.
    pub(super) fn make_token(&mut self, environment: u64, text: &str) {
        self.revoke(environment);
        self.tokens.push(Token {
            text: text.to_owned(),
            environment,
            is_active: true,
        });
    }

    /// Its tokens are no longer good.
    pub(super) fn revoke(&mut self, environment: u64) {
        for token in &mut self.tokens {
            token.is_active &= token.environment != environment;
        }
    }

    /// Looks at a token that came from an address.
    pub(super) fn judge(
        &mut self,
        token: Option<&str>,
        address: &str,
        now: Instant,
        options: &Options,
    ) -> Verdict {
        if std::mem::take(&mut self.is_broken) {
            return Refusal::verdict("Authentication failed", 1011, "Auth error");
        }
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            self.failures.insert(address.to_owned(), now);
            return Refusal::verdict("No token provided", 1008, "Missing token");
        };
        let failed = self.failures.get(address);
        if failed.is_some_and(|failed| now.duration_since(*failed) < options.lockout) {
            return Refusal::verdict("Too many failed attempts", 1008, "Rate limited");
        }
        let known = self
            .tokens
            .iter()
            .find(|known| known.is_active && known.text == token);
        let Some(environment) = known.map(|known| known.environment) else {
            self.failures.insert(address.to_owned(), now);
            return Refusal::verdict("Invalid token", 1008, "Invalid token");
        };
        self.count(environment, now, options)
    }

    fn count(&mut self, environment: u64, now: Instant, options: &Options) -> Verdict {
        let connects = self.connects.entry(environment).or_default();
        connects.at.push_back(now);
        while connects
            .at
            .front()
            .is_some_and(|at| now.duration_since(*at) > options.connects_window)
        {
            connects.at.pop_front();
        }
        if connects.at.len() <= options.connects_max {
            return Verdict::Welcome(environment);
        }
        let steps = options.retry_after;
        let seconds = steps[connects.refused.min(steps.len() - 1)];
        connects.refused += 1;
        Verdict::Refused(Refusal {
            message: format!("Reconnection throttled. Retry after {seconds}s."),
            retry_after: Some(seconds),
            code: 1008,
            reason: "Reconnection throttled",
        })
    }

    /// An agent was found alive: its connects are forgotten.
    pub(super) fn forget_connects(&mut self, environment: u64) {
        self.connects.remove(&environment);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ADDRESS: &str = "192.0.2.1";

    fn check(admission: &mut Admission, token: Option<&str>, address: &str, at: Instant, expected: &str) {
        let verdict = admission.judge(token, address, at, &Options::default());
        let found = match verdict {
            Verdict::Welcome(environment) => format!("environment {environment}"),
            Verdict::Refused(refusal) => format!("{} ({})", refusal.message, refusal.reason),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn an_address_is_locked_out_after_a_wrong_token() {
        let (mut admission, begin) = (Admission::default(), Instant::now());
        admission.make_token(1, "good");
        check(&mut admission, Some("good"), ADDRESS, begin, "environment 1");
        check(
            &mut admission,
            Some("bad"),
            ADDRESS,
            begin,
            "Invalid token (Invalid token)",
        );
        let locked = "Too many failed attempts (Rate limited)";
        let last = begin + Duration::from_secs(299);
        check(&mut admission, Some("good"), ADDRESS, begin, locked);
        check(&mut admission, Some("good"), ADDRESS, last, locked);
        check(&mut admission, Some("good"), "192.0.2.2", last, "environment 1");
        let over = begin + Duration::from_secs(300);
        check(&mut admission, Some("good"), ADDRESS, over, "environment 1");
        check(
            &mut admission,
            None,
            ADDRESS,
            over,
            "No token provided (Missing token)",
        );
        check(&mut admission, Some("good"), ADDRESS, over, locked);
    }

    #[test]
    fn tokens_come_and_go() {
        let (mut admission, now) = (Admission::default(), Instant::now());
        admission.make_token(1, "old");
        admission.make_token(2, "other");
        admission.make_token(1, "new");
        let wrong = "Invalid token (Invalid token)";
        check(&mut admission, Some("old"), "192.0.2.1", now, wrong);
        check(&mut admission, Some("new"), "192.0.2.2", now, "environment 1");
        check(&mut admission, Some("other"), "192.0.2.2", now, "environment 2");
        admission.revoke(2);
        check(&mut admission, Some("other"), "192.0.2.3", now, wrong);
        admission.is_broken = true;
        let broken = "Authentication failed (Auth error)";
        check(&mut admission, Some("new"), "192.0.2.4", now, broken);
        check(&mut admission, Some("new"), "192.0.2.4", now, "environment 1");
    }

    #[test]
    fn whoever_connects_too_often_is_told_to_wait_longer_and_longer() {
        let (mut admission, begin) = (Admission::default(), Instant::now());
        admission.make_token(1, "good");
        for _ in 0..10 {
            check(&mut admission, Some("good"), ADDRESS, begin, "environment 1");
        }
        for seconds in [30, 60, 120, 300, 300] {
            let expected =
                format!("Reconnection throttled. Retry after {seconds}s. (Reconnection throttled)");
            check(&mut admission, Some("good"), ADDRESS, begin, &expected);
        }
        let over = begin + Duration::from_secs(121);
        check(&mut admission, Some("good"), ADDRESS, over, "environment 1");
        admission.forget_connects(1);
        for _ in 0..10 {
            check(&mut admission, Some("good"), ADDRESS, over, "environment 1");
        }
    }
}
