//! Who a node is: the same over every start.

use std::fmt;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::kept;
use crate::limits::{NODE_TEXT_MAX, PASSWORD_MAX, PASSWORD_MIN};
use crate::proto::Hello;

/// The file in the state directory.
const FILE: &str = "identity.json";

/// Length of that file, in bytes. Stops one that is none from being read.
const FILE_MAX: u64 = 16 << 10;

/// What a proof begins with, so that no signature of this key says anything else.
const PURPOSE: &[u8] = b"socketd-fleet node v1\0";

/// Letters of a node's id, and of a password.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Who a node is.
pub struct Identity {
    node_id: String,
    key: Ed25519KeyPair,
    password: String,
    salt: Vec<u8>,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    node_id: String,
    /// The key's seed, in base64.
    key: String,
    password: String,
    /// What goes before the password when it is hashed, in base64.
    salt: String,
}

/// What the owner wants it to be, rather than what was made.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Its id.
    pub node_id: Option<String>,
    /// What opens its containers.
    pub password: Option<String>,
}

impl Identity {
    /// The one that is kept in `dir`, with these wishes; a new one where there is none.
    ///
    /// # Errors
    /// The directory takes nothing, what is there is none, or what is wished for cannot be.
    pub fn keep(dir: &Path, wishes: &Wishes) -> io::Result<Self> {
        let new = || serde_json::to_string_pretty(&Kept::new()?).map_err(io::Error::other);
        let text = kept::keep(dir, FILE, FILE_MAX, new)?;
        // Its error may quote what is in the file, which is nobody's business.
        let kept = serde_json::from_slice(&text).map_err(|_| {
            let path = dir.join(FILE);
            let text = format!("{} is no identity; remove it for a new one", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        });
        Self::of(kept?, wishes)
    }

    fn of(kept: Kept, wishes: &Wishes) -> io::Result<Self> {
        let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
        let damaged = |_| wrong("the identity's key is damaged; remove the file for a new one");
        let seed = STANDARD.decode(&kept.key).map_err(damaged)?;
        let key = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| wrong("the identity's key is damaged; remove the file for a new one"))?;
        let node_id = wishes.node_id.clone().unwrap_or(kept.node_id);
        if !is_node_id(&node_id) {
            return Err(wrong(
                "a node's id is at most 64 letters, digits, `-`, `_` and `.`",
            ));
        }
        let password = wishes.password.clone().unwrap_or(kept.password);
        if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&password.len()) {
            return Err(wrong("a node's password has from 16 to 256 characters"));
        }
        Ok(Self {
            node_id,
            key,
            password,
            salt: STANDARD.decode(&kept.salt).map_err(damaged)?,
        })
    }

    /// Its id.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// Ed25519.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// What opens its containers: its owner's business alone.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// What a coordinator is told of the password: the salt, and SHA-256 over both.
    pub fn password_hash(&self) -> (Vec<u8>, Vec<u8>) {
        let mut hash = Sha256::new();
        hash.update(&self.salt);
        hash.update(self.password.as_bytes());
        (self.salt.clone(), hash.finalize().to_vec())
    }

    /// The signature that proves it.
    pub(crate) fn sign(&self, nonce: &[u8], hello: &Hello) -> Vec<u8> {
        self.key.sign(&signed(nonce, hello)).as_ref().to_vec()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("node_id", &self.node_id)
            .finish_non_exhaustive()
    }
}

/// What a node signs: that it comes now, as this process, with this key.
pub(crate) fn signed(nonce: &[u8], hello: &Hello) -> Vec<u8> {
    // All but the id have one length only, which is checked before: nothing can be taken for something else.
    [
        PURPOSE,
        nonce,
        hello.node_id.as_bytes(),
        &hello.instance,
        &hello.public_key,
    ]
    .concat()
}

/// Whether a text can be a node's id: it stands in paths and logs.
pub(crate) fn is_node_id(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let has_any = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    has_any && text.len() <= 64 && text.bytes().all(is_letter)
}

/// Whether a text can be what a node says of itself.
pub(crate) fn is_text(text: &str) -> bool {
    text.len() <= NODE_TEXT_MAX && !text.chars().any(char::is_control)
}

impl Kept {
    fn new() -> io::Result<Self> {
        let (mut seed, mut salt) = ([0; 32], [0; 16]);
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        Ok(Self {
            node_id: letters(16)?,
            key: STANDARD.encode(seed),
            password: letters(24)?,
            salt: STANDARD.encode(salt),
        })
    }
}

/// Random letters and digits, each as likely as any other.
pub(crate) fn letters(count: usize) -> io::Result<String> {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let mut random = [0; 64];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        // What is over the last whole round would make the first letters likelier.
        let found = random
            .iter()
            .filter_map(|byte| LETTERS.get(usize::from(byte & 63)));
        let room = count - text.len();
        text.extend(found.take(room).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_identity_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("var/node");
        let one = Identity::keep(&dir, &Wishes::default()).unwrap();
        let again = Identity::keep(&dir, &Wishes::default()).unwrap();
        assert_eq!(one.node_id(), again.node_id());
        assert_eq!(one.public_key(), again.public_key());
        assert_eq!(one.password(), again.password());
        assert_eq!(one.password_hash(), again.password_hash());
        assert_eq!((one.node_id().len(), one.password().len()), (16, 24));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join(FILE)), 0o600);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        let shown = format!("{one:?}");
        assert!(!shown.contains(one.password()), "{shown}");
        let other = Identity::keep(&parent.path().join("other"), &Wishes::default()).unwrap();
        assert_ne!(one.node_id(), other.node_id());
        assert_ne!(one.public_key(), other.public_key());
    }

    #[test]
    fn wishes() {
        let dir = tempfile::tempdir().unwrap();
        let check = |node_id: Option<&str>, password: Option<&str>, expected: bool| {
            let wishes = Wishes {
                node_id: node_id.map(str::to_owned),
                password: password.map(str::to_owned),
            };
            let identity = Identity::keep(dir.path(), &wishes);
            assert_eq!(identity.is_ok(), expected, "{node_id:?} {password:?}");
            if let (Ok(identity), Some(node_id)) = (identity, node_id) {
                assert_eq!(identity.node_id(), node_id);
            }
        };
        check(Some("phone-1"), None, true);
        check(Some(""), None, false);
        check(Some(".."), None, false);
        check(Some("a/b"), None, false);
        check(Some(&"x".repeat(65)), None, false);
        check(None, Some("sixteen letters!"), true);
        check(None, Some("fifteen letters"), false);
        check(None, Some(&"x".repeat(257)), false);
    }

    #[test]
    fn what_is_no_identity_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let check = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = Identity::keep(dir.path(), &Wishes::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains("remove"), "{error}");
            assert!(!error.contains("secret"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        };
        check("");
        check("\"secret\"");
        check(r#"{"node_id":"a","key":"secret","password":"x","salt":""}"#);
        check(r#"{"node_id":"a","key":"c2hvcnQ=","password":"secret","salt":""}"#);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(Identity::keep(dir.path(), &Wishes::default()).is_err());
    }

    #[test]
    fn a_proof_is_of_all_that_it_is_about() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::keep(dir.path(), &Wishes::default()).unwrap();
        let hello = Hello {
            node_id: "phone".to_owned(),
            instance: vec![1; 16].into(),
            public_key: identity.public_key().to_vec().into(),
            ..Hello::default()
        };
        let signature = identity.sign(&[2; 32], &hello);
        let check = |nonce: u8, hello: &Hello, expected: bool| {
            let key =
                ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, identity.public_key());
            let is_good = key.verify(&signed(&[nonce; 32], hello), &signature).is_ok();
            assert_eq!(is_good, expected, "{nonce} {hello:?}");
        };
        check(2, &hello, true);
        check(3, &hello, false);
        let mut other = hello.clone();
        other.node_id = "phone2".to_owned();
        check(2, &other, false);
        other = hello.clone();
        other.instance = vec![3; 16].into();
        check(2, &other, false);
        other = hello.clone();
        // A new name is no lie about who it is.
        other.name = "mine".to_owned();
        check(2, &other, true);
    }
}
