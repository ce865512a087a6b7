//! A claim that is verified while the speaker talks: a WebSocket takes blocks of samples and gives a state
//! after each look, and in the end the answer of `verify`.
//!
//! ```text
//! client  binary: s16le, mono ─►           text: the end of the input ─►
//! service ◄─ text: {"seconds": 1.25, …}    ◄─ text: {"command": "verify", …}, close
//! ```

use super::{
    Service,
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
    audio::s16le,
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
use serde_json::{Value, json};
use std::{path::PathBuf, slice, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// Largest message, in bytes: a second of samples at the highest rate is less.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    speaker: String,
    /// In Hz.
    rate: u32,
    /// Listen to the end, also when the answer is clear.
    #[serde(default)]
    to_end: bool,
}

/// A claim that is listened to.
struct Stream {
    service: Arc<Service>,
    client: Client,
    voiceprint: Arc<Voiceprint>,
    test: Option<SequentialTest>,
    rate_hz: u32,
    /// Counts until it is known to be accepted.
    attempt: Option<Try>,
    has_looked: bool,
    /// The first byte of a sample whose other byte is still to come.
    odd_byte: Option<u8>,
    _place: Place,
}

/// What is to be done after a block.
enum Next {
    Listen,
    End(End),
}

impl Service {
    /// Begins to listen: the answer is that of the upgrade to a WebSocket.
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
        let listener = Listener::new(self.verifier.clone(), asked.rate)?;
        let listener = listener.against(voiceprint.clone(), test.clone())?;
        let stream = Stream {
            service: self.clone(),
            client,
            voiceprint,
            test,
            rate_hz: asked.rate,
            attempt: Some(attempt),
            has_looked: false,
            odd_byte: None,
            _place: place,
        };
        let upgrade = upgrade.max_message_size(MAX_MESSAGE_BYTES);
        Ok(upgrade.on_upgrade(move |socket| stream.serve(socket, listener)))
    }
}

impl Stream {
    async fn serve(mut self, mut socket: WebSocket, listener: Listener) {
        let stopping = self.service.stopping.subscribe();
        let longest = Duration::from_secs(self.service.limits.max_seconds.into());
        let longest = longest + self.service.limits.timeout;
        // Pings do not keep a stream alive for ever.
        let listened = timeout(longest, self.listen(&mut socket, listener)).await;
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
            // To break off is no way to try again.
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
            // Until the client has read it.
            while let Some(Ok(_)) = socket.recv().await {}
            closed.map_err(|_| broken())
        };
        let _ = timeout(patience, close).await;
        drop(stopping);
    }

    /// Listens until the answer is clear, to the limit or to the end; the answer.
    async fn listen(
        &mut self,
        socket: &mut WebSocket,
        listener: Listener,
    ) -> Result<(Value, Decision, f64), Refusal> {
        let mut listener = listener;
        let mut stopping = self.service.stopping.subscribe();
        let patience = self.service.limits.timeout;
        let end = loop {
            let stopped = async {
                let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
            };
            let message = tokio::select! {
                biased;
                () = stopped => break End::Input,
                message = timeout(patience, socket.recv()) => message,
            };
            let next = match message.map_err(|_| Refusal::too_slow())? {
                Some(Ok(Message::Binary(bytes))) => {
                    let (next, state, is_last) = self.push(listener, &bytes).await?;
                    listener = next;
                    let reason = listener.heard().and_then(|h| h.embedding.as_ref().err());
                    let reason = reason.map(Reason::code);
                    self.after(state, is_last, reason, socket).await?
                }
                Some(Ok(Message::Text(_))) => Next::End(End::Input),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Next::Listen,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(broken()),
            };
            match next {
                Next::Listen => {}
                Next::End(end) => break end,
            }
        };
        self.answer(listener, end).await
    }

    /// Has the samples heard; whether they are the last that the limit allows.
    async fn push(
        &mut self,
        mut listener: Listener,
        bytes: &[u8],
    ) -> Result<(Listener, State, bool), Refusal> {
        let mut samples = self.samples(bytes);
        let heard = f64::from(listener.state().seconds) * f64::from(self.rate_hz);
        let most = u64::from(self.service.limits.max_seconds) * u64::from(self.rate_hz);
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

    /// `(num_bytes,)` s16le -> `(num_samples,)` −1 to 1
    fn samples(&mut self, bytes: &[u8]) -> Vec<f32> {
        let first = self.odd_byte.take();
        let mut bytes: Vec<u8> = first.into_iter().chain(bytes.iter().copied()).collect();
        if bytes.len() % 2 == 1 {
            self.odd_byte = bytes.pop();
        }
        s16le(&bytes)
    }

    async fn after(
        &mut self,
        state: State,
        is_last: bool,
        reason: Option<&str>,
        socket: &mut WebSocket,
    ) -> Result<Next, Refusal> {
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
        Ok(match (state.decision, is_last) {
            (Some(_), _) => Next::End(End::Clear),
            (None, true) => Next::End(End::Limit),
            (None, false) => Next::Listen,
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

fn broken() -> Refusal {
    Refusal::request("the connection broke off")
}
