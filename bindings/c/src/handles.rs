//! What the opaque handles hold.

use spkver_core::{Listener, Utterance, Verifier, Voiceprint};
use std::sync::Arc;

/// A model that is ready to embed, enroll, verify and compare.
pub struct SpkverVerifier(pub Arc<Verifier>);

/// What identifies the speaker of one recording. Zeroed when freed.
pub struct SpkverEmbedding(pub Utterance);

/// An enrolled speaker. Zeroed when freed.
pub struct SpkverVoiceprint(pub Arc<Voiceprint>);

/// A file of voiceprints, the same as the program's.
pub struct SpkverStore(pub spkver_core::Store);

/// Hears one speaker while the recording is being made. None when finished.
pub struct SpkverListener(pub Option<Listener>);
