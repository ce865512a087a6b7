//! Reads the query and the recordings of a request, and hands the work to the workers.

use super::{
    Service, refusal::Refusal, token::Client, tries::Key, upload, verb::Verb, work::Done,
    workers::Place,
};
use crate::{answer::Rules, verifier::SpeakerName};
use axum::{
    body::Body,
    extract::Query,
    http::{Uri, request::Parts},
};
use serde::de::DeserializeOwned;
use std::{num::NonZeroU32, pin::Pin, sync::Arc};
use tokio::time::Sleep;

/// Most recordings of one enrollment.
const MAX_RECORDINGS: usize = 32;
/// Most candidates of one identification.
const MAX_CANDIDATES: usize = 100;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Enroll {
    speaker: String,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    allow_truncated: bool,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    speaker: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Identify {
    #[serde(default = "one")]
    top: usize,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    speaker: String,
    recording: Option<NonZeroU32>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    speaker: Option<String>,
}

fn one() -> usize {
    1
}

impl Service {
    /// Answers a request of a client that has the right to send it.
    pub(super) async fn ask(
        self: &Arc<Self>,
        verb: Verb,
        client: &Client,
        head: Parts,
        body: Body,
        mut place: Place,
    ) -> Result<Done, Refusal> {
        let deadline = tokio::time::sleep(self.limits.timeout);
        tokio::pin!(deadline);
        let upload = |most: usize| self.upload(&head, body, most, &mut place, deadline.as_mut());
        match verb {
            Verb::Enroll => {
                let asked: Enroll = query(&head.uri)?;
                let name = SpeakerName::new(asked.speaker)?;
                let attempt = self.tries.begin(&[key_of(&name), client.key])?;
                let rules = Rules {
                    force: asked.force,
                    strict: asked.strict,
                    replace: asked.replace,
                    allow_truncated: asked.allow_truncated,
                };
                let parts = upload(MAX_RECORDINGS).await?;
                let work = move |service: &Service| service.enroll(name, &rules, &parts, attempt);
                self.work(deadline, place, work).await
            }
            Verb::Verify => {
                let asked: Verify = query(&head.uri)?;
                let name = SpeakerName::new(asked.speaker)?;
                let attempt = self.tries.begin(&[key_of(&name), client.key])?;
                let parts = upload(1).await?;
                let work = move |service: &Service| service.verify(&name, &parts, attempt);
                self.work(deadline, place, work).await
            }
            Verb::Identify => {
                let asked: Identify = query(&head.uri)?;
                let top = asked.top.clamp(1, MAX_CANDIDATES);
                let attempt = self.tries.begin(&[client.key])?;
                let parts = upload(1).await?;
                let work = move |service: &Service| service.identify(top, &parts, attempt);
                self.work(deadline, place, work).await
            }
            Verb::Compare => {
                let Nothing {} = query(&head.uri)?;
                let parts = upload(2).await?;
                let work = move |service: &Service| service.compare(&parts);
                self.work(deadline, place, work).await
            }
            Verb::Delete => {
                let asked: Delete = query(&head.uri)?;
                let name = SpeakerName::new(asked.speaker)?;
                let work = move |service: &Service| service.delete(&name, asked.recording);
                self.work(deadline, place, work).await
            }
            Verb::List => {
                let asked: List = query(&head.uri)?;
                let name = asked.speaker.map(SpeakerName::new).transpose()?;
                let work = move |service: &Service| service.list(name.as_ref());
                self.work(deadline, place, work).await
            }
            // These two are answered elsewhere: metrics at once, a stream over its WebSocket.
            Verb::Metrics | Verb::Stream => Err(Refusal::internal()),
        }
    }

    async fn upload(
        &self,
        head: &Parts,
        body: Body,
        most: usize,
        place: &mut Place,
        deadline: Pin<&mut Sleep>,
    ) -> Result<Vec<upload::Part>, Refusal> {
        let read = upload::read(&head.headers, body, self.limits.max_bytes, most, place);
        tokio::select! {
            biased;
            read = read => read,
            () = deadline => Err(Refusal::too_slow()),
        }
    }

    async fn work(
        self: &Arc<Self>,
        deadline: Pin<&mut Sleep>,
        place: Place,
        work: impl FnOnce(&Service) -> Result<Done, Refusal> + Send + 'static,
    ) -> Result<Done, Refusal> {
        let service = self.clone();
        let work = move || {
            let done = work(&service);
            // Only now is the request's place given back, because its recordings are in memory until
            // here.
            drop(place);
            done
        };
        self.workers.run(deadline, work).await?
    }
}

/// The query of a request.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    let query = Query::<T>::try_from_uri(uri);
    query
        .map(|Query(query)| query)
        .map_err(|e| Refusal::request(e.body_text()))
}

/// The key that counts the tries against a speaker, enrolled or not.
pub(super) fn key_of(name: &SpeakerName) -> Key {
    Key::Speaker(*blake3::hash(name.key().as_bytes()).as_bytes())
}
