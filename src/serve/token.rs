//! Bearer tokens: who a client is, what it may do, and whether it may see scores. The file of
//! tokens has one JSON object per line, and stores only hashes of the tokens:
//!
//! ```text
//! {"name": "front-desk", "blake3": "5f…", "rights": ["verify", "identify"], "scores": false}
//! ```
//!
//! A token has 256 random bits, so a fast hash is enough to protect it.

use super::{tries::Key, verb::Verb};
use crate::{
    Error, Result,
    remedy::Remedy,
    storage::{Readers, secret::new_key_text, write_whole_with},
};
use blake3::Hash;
use std::{collections::HashSet, fs, io, io::Write, net::IpAddr, path::Path, sync::Arc};
use zeroize::Zeroizing;

/// The tokens of a service.
pub struct Tokens(Vec<Token>);

struct Token {
    hash: Hash,
    client: Client,
}

/// Who sent a request.
#[derive(Clone)]
pub struct Client {
    /// Name of the token; none if the service has no tokens.
    pub name: Option<Arc<str>>,
    /// The key under which the client's tries are counted.
    pub key: Key,
    /// Whether the client may see scores.
    pub sees_scores: bool,
    rights: Arc<[Verb]>,
}

/// A line of the file.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    blake3: String,
    rights: Vec<Verb>,
    #[serde(default)]
    scores: bool,
}

impl Client {
    /// A client on this machine, of a service without tokens: it may do everything.
    pub fn local(address: IpAddr) -> Self {
        Client {
            name: None,
            key: Key::Client(*blake3::hash(address.to_string().as_bytes()).as_bytes()),
            sees_scores: true,
            rights: Verb::ALL.into(),
        }
    }

    /// Whether the client has the right to `verb`.
    pub fn may(&self, verb: Verb) -> bool {
        self.rights.contains(&verb)
    }
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for a bad line, and for a name or a token that occurs twice.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
        let mut tokens: Vec<Token> = vec![];
        let mut names = HashSet::new();
        for (line, text) in text.lines().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            let bad = |fact: String| Error::list(path, line + 1, fact, Remedy::TokenLine);
            let entry: Entry = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
            let hash = Hash::from_hex(&entry.blake3);
            let hash = hash.map_err(|e| bad(format!("blake3 is not a hash: {e}")))?;
            if tokens.iter().any(|token| token.hash == hash) {
                return Err(bad("this token exists already".into()));
            }
            if !names.insert(entry.name.clone()) {
                return Err(bad(format!("{:?} exists already", entry.name)));
            }
            tokens.push(Token {
                hash,
                client: Client {
                    key: Key::Client(*blake3::hash(entry.name.as_bytes()).as_bytes()),
                    name: Some(entry.name.into()),
                    sees_scores: entry.scores,
                    rights: entry.rights.into(),
                },
            });
        }
        if tokens.is_empty() {
            return Err(Error::refused(
                format!("{}: no tokens", path.display()),
                Remedy::NewToken,
            ));
        }
        Ok(Tokens(tokens))
    }

    /// The client with this token. Every token takes the same time: hashes are compared in constant
    /// time, and all of them are compared.
    pub fn client(&self, token: &str) -> Option<&Client> {
        let hash = blake3::hash(token.as_bytes());
        let mut found = None;
        for token in &self.0 {
            if token.hash == hash {
                found = Some(&token.client);
            }
        }
        found
    }
}

/// Adds an entry to the file, and creates the file if it does not exist. Returns the token, which
/// is stored nowhere.
///
/// # Errors
/// [`Error::Usage`] for a name that is already in the file; as [`Tokens::read`]; [`Error::Io`].
pub fn add(path: &Path, name: &str, rights: &[Verb], scores: bool) -> Result<Zeroizing<String>> {
    let mut text = match fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|e| Error::io(path, "read", e))?,
    };
    if !text.trim().is_empty() {
        let tokens = Tokens::read(path)?;
        let mut names = tokens.0.iter().filter_map(|t| t.client.name.as_deref());
        if names.any(|other| other == name) {
            return Err(Error::Usage(format!(
                "{}: {name:?} has a token already; take its line out, or give another name",
                path.display()
            )));
        }
    }
    let token = new_key_text()?;
    let token = Zeroizing::new(token.trim().to_string());
    let entry = Entry {
        name: name.into(),
        blake3: blake3::hash(token.as_bytes()).to_hex().to_string(),
        rights: rights.to_vec(),
        scores,
    };
    if !(text.is_empty() || text.ends_with('\n')) {
        text.push('\n');
    }
    let entry = serde_json::to_string(&entry).map_err(|e| Error::Usage(e.to_string()))?;
    text += &entry;
    text.push('\n');
    write_whole_with(path, Readers::Owner, |file| {
        file.write_all(text.as_bytes())
            .map_err(|e| Error::io(path, "write", e))
    })?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_and_has_its_own_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let desk = add(&path, "desk", &[Verb::Verify], false).unwrap();
        let admin = add(&path, "admin", &Verb::ALL, true).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains(desk.as_str()), "{text}");
        let tokens = Tokens::read(&path).unwrap();
        let client = tokens.client(&desk).unwrap();
        assert_eq!(client.name.as_deref(), Some("desk"));
        assert!(client.may(Verb::Verify) && !client.may(Verb::Enroll) && !client.sees_scores);
        let client = tokens.client(&admin).unwrap();
        assert!(client.may(Verb::Metrics) && client.sees_scores);
        for wrong in ["", "desk", &admin[1..], &admin.to_uppercase()] {
            assert!(tokens.client(wrong).is_none(), "{wrong}");
        }
        let again = add(&path, "desk", &[Verb::List], false);
        assert!(
            again
                .unwrap_err()
                .to_string()
                .contains("has a token already")
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        add(&path, "desk", &[Verb::Verify], false).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        for bad in [
            "{}",
            "no JSON",
            &good.replace("verify", "rule the world"),
            &good.replace("\"blake3\":\"", "\"blake3\":\"zz"),
            &good.replace("scores", "score"),
            &good.replace("desk", "other"),
            &good,
        ] {
            fs::write(&path, format!("{good}{bad}")).unwrap();
            let error = Tokens::read(&path).err().unwrap().to_string();
            assert!(error.contains("tokens:2: "), "{error}");
        }
        fs::write(&path, "\n\n").unwrap();
        assert!(Tokens::read(&path).is_err());
    }
}
