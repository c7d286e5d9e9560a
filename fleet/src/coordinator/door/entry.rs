//! Who may come in: whoever has the key of a node that is known, and whoever has a token, once.

use std::time::Duration;

use futures_util::StreamExt as _;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::{Door, Visit};
use crate::coordinator::state;
use crate::coordinator::store::{NodeRecord, StoreError};
use crate::limits::{FAILURES_PERIOD, HELLO};
use crate::node::identity::{is_node_id, is_text, signed};
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{Challenge, FromNode, Hello, Proof, Reason, ToNode};

/// Why a node is not in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// When it may try again.
    pub(super) retry_after: Duration,
}

/// Who is in.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) hello: Hello,
    pub(super) instance: [u8; 16],
    pub(super) record: NodeRecord,
}

pub(super) fn refused(reason: Reason, message: impl Into<String>) -> Refused {
    Refused {
        reason,
        message: message.into(),
        retry_after: Duration::ZERO,
    }
}

/// Hears who it is, and whether that is true. None where the connection is gone, or says nothing.
pub(super) async fn enter(
    visit: &Visit,
    incoming: &mut Streaming<FromNode>,
    orders: &mpsc::Sender<Result<ToNode, Status>>,
) -> Result<Option<Entered>, Refused> {
    let Some(Said::Hello(hello)) = hear(incoming).await? else {
        return Ok(None);
    };
    let key = check(&hello)?;
    if visit.door.failures.is_barred(visit.peer.ip()) {
        return Err(Refused {
            retry_after: FAILURES_PERIOD,
            ..refused(Reason::TooMany, "too many wrong tokens or keys from this address")
        });
    }
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| refused(Reason::Unavailable, error.to_string()))?;
    let challenge = Told::Challenge(Challenge {
        nonce: nonce.to_vec().into(),
    });
    let challenge = ToNode {
        kind: Some(challenge),
    };
    if orders.send(Ok(challenge)).await.is_err() {
        return Ok(None);
    }
    let Some(Said::Proof(proof)) = hear(incoming).await? else {
        return Ok(None);
    };
    let good = UnparsedPublicKey::new(&ED25519, key).verify(&signed(&nonce, &hello), &proof.signature);
    let judged = match good {
        Ok(()) => visit.door.judge(&hello, key, &proof).await,
        Err(_) => Err(refused(Reason::WrongKey, "the signature is not this key's")),
    };
    if let Err(error) = &judged
        && matches!(error.reason, Reason::WrongKey | Reason::NotEnrolled)
    {
        visit.door.failures.count(visit.peer.ip());
    }
    let record = judged?;
    let instance = <[u8; 16]>::try_from(&*hello.instance).unwrap_or_default();
    Ok(Some(Entered {
        hello,
        instance,
        record,
    }))
}

/// The next message that is known; none where there is no more, or not soon.
async fn hear(incoming: &mut Streaming<FromNode>) -> Result<Option<Said>, Refused> {
    let known = async {
        loop {
            match incoming.next().await {
                Some(Ok(FromNode { kind: Some(kind) })) => return Ok(Some(kind)),
                Some(Ok(FromNode { kind: None })) => {}
                Some(Err(status)) => return Err(refused(Reason::Malformed, status.message())),
                None => return Ok(None),
            }
        }
    };
    match timeout(HELLO, known).await {
        Ok(Ok(Some(kind @ (Said::Hello(_) | Said::Proof(_))))) => Ok(Some(kind)),
        Ok(Ok(Some(_))) => Err(refused(Reason::Malformed, "this belongs behind a welcome")),
        Ok(other) => other,
        Err(_late) => Ok(None),
    }
}

/// Whether a hello is one, and the key in it.
fn check(hello: &Hello) -> Result<[u8; 32], Refused> {
    let malformed = |what: &str| refused(Reason::Malformed, format!("{what} is not as it has to be"));
    if !is_node_id(&hello.node_id) {
        return Err(malformed("node_id"));
    }
    if hello.instance.len() != 16 {
        return Err(malformed("instance"));
    }
    let texts = [
        &hello.name,
        &hello.hostname,
        &hello.version,
        &hello.os,
        &hello.arch,
    ];
    if !texts.iter().all(|text| is_text(text)) || hello.name.is_empty() {
        return Err(malformed("a text"));
    }
    let has_password = hello.password_hash.len() == 32 && (8..=64).contains(&hello.password_salt.len());
    let has_none = hello.password_hash.is_empty() && hello.password_salt.is_empty();
    if !has_password && !has_none {
        return Err(malformed("the password's hash"));
    }
    <[u8; 32]>::try_from(&*hello.public_key).map_err(|_| malformed("public_key"))
}

impl Door {
    /// Whether a node that has this key may come in; one that is new is kept.
    async fn judge(&self, hello: &Hello, key: [u8; 32], proof: &Proof) -> Result<NodeRecord, Refused> {
        let unavailable = |error: StoreError| refused(Reason::Unavailable, error.to_string());
        let known = self.registry.node(&hello.node_id).await.map_err(unavailable)?;
        let has_token = !proof.enrolment_token.is_empty();
        match known {
            Some(record) if record.revoked_at.is_none() && record.public_key == key => {
                self.renew(record, hello).await.map_err(unavailable)
            }
            Some(record) if record.revoked_at.is_none() => Err(refused(
                Reason::WrongKey,
                "another key is known for this node_id: revoke that node, or use another node_id",
            )),
            Some(record) if !has_token && record.public_key == key => Err(refused(
                Reason::Revoked,
                "this node was revoked; a new token lets it in again",
            )),
            Some(_) | None if has_token => self.enrol(hello, key, &proof.enrolment_token).await,
            Some(_) => Err(refused(Reason::WrongKey, "another key is known for this node_id")),
            None => Err(refused(
                Reason::NotEnrolled,
                "this node is not enrolled: `socketd-fleet coordinator enrol` makes a token for it",
            )),
        }
    }

    /// What may change without a new enrolment: the password that opens its containers.
    async fn renew(&self, mut record: NodeRecord, hello: &Hello) -> Result<NodeRecord, StoreError> {
        let is_same =
            *record.password_hash == *hello.password_hash && *record.password_salt == *hello.password_salt;
        if !is_same {
            record.password_hash = hello.password_hash.to_vec();
            record.password_salt = hello.password_salt.to_vec();
            self.registry.renew(record.clone()).await?;
        }
        Ok(record)
    }

    async fn enrol(&self, hello: &Hello, key: [u8; 32], token: &str) -> Result<NodeRecord, Refused> {
        let refusal = |error: StoreError| match error {
            StoreError::NoEnrolment => refused(Reason::NotEnrolled, error.to_string()),
            StoreError::NodeExists => refused(Reason::WrongKey, error.to_string()),
            StoreError::Full(..) => refused(Reason::TooMany, error.to_string()),
            _ => refused(Reason::Unavailable, error.to_string()),
        };
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let enrolments = self.registry.enrolments().await.map_err(refusal)?;
        let wished = enrolments
            .into_iter()
            .find(|enrolment| enrolment.token_hash == hash);
        let name = wished.and_then(|enrolment| enrolment.name);
        let record = NodeRecord {
            node_id: hello.node_id.as_str().into(),
            name: name.unwrap_or_else(|| hello.name.as_str().into()),
            public_key: key,
            password_salt: hello.password_salt.to_vec(),
            password_hash: hello.password_hash.to_vec(),
            enrolled_at: state::now(),
            revoked_at: None,
            last_seen: None,
        };
        let enrolled = self.registry.enrol(hash, record.clone(), state::now()).await;
        enrolled.map_err(refusal)?;
        let recorded = self.state.enrolled(&record).await;
        recorded.map_err(|error| refused(Reason::Unavailable, error.to_string()))?;
        tracing::info!(
            node_id = hello.node_id,
            name = &*record.name,
            "a node is enrolled"
        );
        Ok(record)
    }
}
