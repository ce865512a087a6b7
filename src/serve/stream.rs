//! Verifies a claim while the speaker talks. A WebSocket takes the audio as it comes. The service sends
//! what it knows after each look at the audio so far, and at the end the answer of `verify`.
//!
//! ```text
//! client  binary: audio ─►                 text: the end of the input ─►
//! service ◄─ text: {"seconds": 1.25, …}    ◄─ text: {"command": "verify", …}, close
//! ```

use super::{
    Service,
    decoding::{self, Decoded},
    disclosure::without_scores,
    question::{key_of, query},
    refusal::Refusal,
    token::Client,
    tries::Try,
    verb::Verb,
    workers::Place,
};
use crate::{
    Error,
    answer::{
        Recording, json_of,
        listened::{End, Listened},
    },
    audio::{RawFormat, ReadOptions},
    scoring::{Decision, Reason, SequentialTest},
    verifier::{Listener, SpeakerName, State, Voiceprint},
};
use axum::{
    extract::{
        FromRequestParts, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::request::Parts,
    response::Response,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{future, path::PathBuf, slice, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::Sender,
    time::{sleep, timeout},
};

/// The subprotocol that is chosen where a client offers some, so that its token is not sent back.
const PROTOCOL: &str = "spkver";

/// Largest message, in bytes. A second of samples at the highest rate is smaller. A format that
/// must be read to its end before it can be decoded may not be larger either.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Sample rate of the listener if a stream ends before its first samples, in Hz. Any rate will do.
const ANY_RATE_HZ: u32 = 16_000;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    speaker: String,
    /// Sample rate of samples without a header, in Hz. They have 16 bits, little endian, one
    /// channel.
    rate: Option<u32>,
    /// Listen to the end, even when the answer is clear.
    #[serde(default)]
    to_end: bool,
}

/// A claim and its audio stream.
struct Stream {
    service: Arc<Service>,
    client: Client,
    voiceprint: Arc<Voiceprint>,
    test: Option<SequentialTest>,
    /// How the audio is read.
    options: ReadOptions,
    /// The try. It is given back if the claim is accepted, or if the stream ends before the first
    /// look.
    attempt: Option<Try>,
    has_looked: bool,
    _place: Place,
}

impl Service {
    /// Upgrades the connection to a WebSocket and begins to listen. Returns the answer to the
    /// upgrade.
    pub(super) async fn stream(
        self: &Arc<Self>,
        client: Client,
        mut head: Parts,
        place: Place,
    ) -> Result<Response, Refusal> {
        let asked: Asked = query(&head.uri)?;
        let name = SpeakerName::new(asked.speaker)?;
        let upgrade = WebSocketUpgrade::from_request_parts(&mut head, &()).await;
        let upgrade = upgrade.map_err(|e| Refusal::request(e.body_text()))?;
        let attempt = self.tries.begin(&[key_of(&name), client.key])?;
        let service = self.clone();
        let find = move || service.voiceprint(&name, attempt);
        let found = self.workers.run(sleep(self.limits.timeout), find).await?;
        let (voiceprint, attempt) = found?;
        let voiceprint = Arc::new(voiceprint);
        let test = self
            .criterion
            .sequential_test(&self.verifier, asked.to_end)?;
        let options = ReadOptions {
            raw: asked.rate.map(RawFormat::s16le).transpose()?,
            max_bytes: Some(MAX_MESSAGE_BYTES as u64),
            ..ReadOptions::default()
        };
        let stream = Stream {
            service: self.clone(),
            client,
            voiceprint,
            test,
            options,
            attempt: Some(attempt),
            has_looked: false,
            _place: place,
        };
        let upgrade = upgrade
            .max_message_size(MAX_MESSAGE_BYTES)
            .protocols([PROTOCOL]);
        Ok(upgrade.on_upgrade(move |socket| stream.serve(socket)))
    }
}

impl Stream {
    async fn serve(mut self, mut socket: WebSocket) {
        let stopping = self.service.stopping.subscribe();
        let longest = Duration::from_secs(self.service.limits.max_seconds.into());
        let longest = longest + self.service.limits.timeout;
        // The time limit holds for pings too: they cannot keep a stream alive for ever.
        let listened = timeout(longest, self.listen(&mut socket)).await;
        let listened = listened.unwrap_or_else(|_| Err(Refusal::too_slow()));
        let (json, decision, code, seconds) = match listened {
            Ok((json, decision, seconds)) => (json, Some(decision), None, seconds),
            Err(refusal) => {
                let json = json!({ "error": refusal.text, "code": refusal.code });
                (json, None, Some(refusal.code), 0.0)
            }
        };
        match (decision, self.attempt.take()) {
            (Some(Decision::Accept), _) | (_, None) => {}
            // A client that breaks off after the first look has used up its try.
            (_, Some(attempt)) if self.has_looked || decision.is_some() => attempt.spend(),
            _ => {}
        }
        let decision = decision.map(|decision| decision.code());
        if let Some(decision) = decision {
            self.service.metrics.decided(Verb::Stream, decision);
        }
        self.service.metrics.heard(seconds);
        (self.service.log)(json!({
            "event": "stream",
            "verb": Verb::Stream,
            "code": code,
            "decision": decision,
            "audio_seconds": (seconds * 100.0).round() / 100.0,
            "client": self.client.name.as_deref(),
        }));
        let patience = self.service.limits.timeout;
        let close = async {
            self.send(&mut socket, json).await?;
            let closed = socket.send(Message::Close(None)).await;
            // Wait until the client has read the answer.
            while let Some(Ok(_)) = socket.recv().await {}
            closed.map_err(|_| broken())
        };
        let _ = timeout(patience, close).await;
        drop(stopping);
    }

    /// Listens until the answer is clear, the limit is reached or the input ends. Returns the
    /// answer.
    async fn listen(&mut self, socket: &mut WebSocket) -> Result<(Value, Decision, f64), Refusal> {
        let (bytes, mut decoded) = decoding::decode(self.options)?;
        let mut bytes = Some(bytes);
        let mut listener = None;
        let mut stopping = self.service.stopping.subscribe();
        let patience = self.service.limits.timeout;
        let end = loop {
            let stopped = async {
                let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
            };
            tokio::select! {
                biased;
                () = stopped => break End::Input,
                decoded = decoded.recv() => match decoded.ok_or_else(Refusal::internal)?? {
                    Decoded::Block { rate_hz, samples } => {
                        let now = match listener.take() {
                            Some(listener) => listener,
                            None => self.listener(rate_hz)?,
                        };
                        let (now, state, is_last) = self.push(now, rate_hz, samples).await?;
                        let reason = now.heard().and_then(|h| h.embedding.as_ref().err());
                        let ended = self.after(state, is_last, reason.map(Reason::code), socket).await?;
                        listener = Some(now);
                        if let Some(end) = ended {
                            break end;
                        }
                    }
                    Decoded::End => break End::Input,
                },
                message = timeout(patience, message(socket, bytes.as_ref())) => {
                    match message.map_err(|_| Refusal::too_slow())? {
                        Some(Ok(Message::Binary(some))) => {
                            let to = bytes.as_ref().expect("messages are read until the input ends");
                            // This does not wait, because there is room. If the decoder has refused the
                            // stream, the error comes as the next block.
                            let _ = to.send(some).await;
                        }
                        Some(Ok(Message::Text(_))) => bytes = None,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(broken()),
                    }
                }
            }
        };
        let listener = listener.map_or_else(|| self.listener(ANY_RATE_HZ), Ok)?;
        self.answer(listener, end).await
    }

    fn listener(&self, rate_hz: u32) -> Result<Listener, Error> {
        let listener = Listener::new(self.service.verifier.clone(), rate_hz)?;
        listener.against(self.voiceprint.clone(), self.test.clone())
    }

    /// Passes the samples to the listener. Also returns whether the limit allows no more.
    async fn push(
        &self,
        mut listener: Listener,
        rate_hz: u32,
        mut samples: Vec<f32>,
    ) -> Result<(Listener, State, bool), Refusal> {
        let heard = f64::from(listener.state().seconds) * f64::from(rate_hz);
        let most = u64::from(self.service.limits.max_seconds) * u64::from(rate_hz);
        let left = most.saturating_sub(heard.round() as u64) as usize;
        let is_last = samples.len() >= left;
        samples.truncate(left);
        let push = move || {
            let state = listener.push(&samples);
            state.map(|state| (listener, state, is_last))
        };
        let patience = sleep(self.service.limits.timeout);
        Ok(self.service.workers.run(patience, push).await??)
    }

    /// Sends the state if it comes from a new look. Returns why listening ends, if it does.
    async fn after(
        &mut self,
        state: State,
        is_last: bool,
        reason: Option<&str>,
        socket: &mut WebSocket,
    ) -> Result<Option<End>, Refusal> {
        if state.is_new {
            self.has_looked = true;
            let json = json!({
                "seconds": json_of(&state.seconds),
                "speech_seconds": json_of(&state.speech_seconds),
                "llr": json_of(&state.llr),
                "reason": reason,
            });
            let sent = timeout(self.service.limits.timeout, self.send(socket, json)).await;
            sent.map_err(|_| Refusal::too_slow())??;
        }
        Ok(match state.decision {
            Some(_) => Some(End::Clear),
            None => is_last.then_some(End::Limit),
        })
    }

    async fn answer(
        &self,
        listener: Listener,
        end: End,
    ) -> Result<(Value, Decision, f64), Refusal> {
        let (service, voiceprint) = (self.service.clone(), self.voiceprint.clone());
        let test = self.test.clone();
        let decide = move || {
            let recording = Recording::new(PathBuf::from("stream"), end.of(listener)?);
            let listened = Listened { recording, end };
            let verifier = &service.verifier;
            let outcome =
                listened.outcome(&voiceprint, test.as_ref(), &service.criterion, verifier)?;
            let recordings = slice::from_ref(&listened.recording);
            let speaker = Some(voiceprint.name.as_str());
            let mut json = outcome.answer("verify", speaker, recordings, verifier);
            json["listened"] = listened.json();
            let decision = outcome.verification.decision;
            Ok::<_, Error>((json, decision, f64::from(listened.seconds())))
        };
        let patience = sleep(self.service.limits.timeout);
        Ok(self.service.workers.run(patience, decide).await??)
    }

    async fn send(&self, socket: &mut WebSocket, json: Value) -> Result<(), Refusal> {
        let json = match self.client.sees_scores {
            true => json,
            false => without_scores(Verb::Stream, json),
        };
        let sent = socket.send(Message::text(json.to_string())).await;
        sent.map_err(|_| broken())
    }
}

/// Waits for the next message, and reads it only when `bytes` has room for its contents. No `bytes`
/// means that the input has ended; then no message is read any more.
async fn message(
    socket: &mut WebSocket,
    bytes: Option<&Sender<Bytes>>,
) -> Option<Result<Message, axum::Error>> {
    match bytes {
        Some(bytes) if bytes.reserve().await.is_ok() => socket.recv().await,
        _ => future::pending().await,
    }
}

fn broken() -> Refusal {
    Refusal::request("the connection broke off")
}
