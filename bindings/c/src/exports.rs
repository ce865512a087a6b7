//! The functions that C calls. Each checks its [pointers](crate::pointers), then calls the library.
#![allow(unsafe_code)]

use crate::{
    handles::{SpkverEmbedding, SpkverListener, SpkverStore, SpkverVerifier, SpkverVoiceprint},
    outcome::{SpkverOperatingPoint, SpkverState, SpkverVerification},
    pointers::{all, array, chosen, free, give, handle, handle_mut, output, text},
    status::{self, Failure, SpkverStatus, status_of},
};
use spkver_core::{
    Listener, OperatingPoint, ReadOptions, Recording, SpeakerName, Store, Utterance, Verifier,
    storage::{file_name, secret::Secret},
    verifier::Analysis,
};
use std::{
    ffi::{c_char, c_void},
    path::Path,
    ptr::null_mut,
    sync::Arc,
};

/// Called for each speaker in a store: `name` is valid during the call, `context` as the caller gave it.
pub type SpkverVisit =
    Option<unsafe extern "C" fn(name: *const c_char, num_recordings: usize, context: *mut c_void)>;

/// The version of this library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn spkver_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What went wrong in the last call of this thread that failed: the fact and the remedy. Valid until
/// another call of this thread fails. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn spkver_last_message() -> *const c_char {
    status::last_message()
}

/// The stable name of a status, such as "too_little_speech", as the program's JSON has it. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn spkver_status_name(status: i32) -> *const c_char {
    status::name(status).as_ptr()
}

/// Makes a verifier of the model that is part of this library.
///
/// # Safety
/// `verifier` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_verifier_embedded(
    verifier: *mut *mut SpkverVerifier,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let verifier = unsafe { output(verifier, null_mut()) };
    status_of(|| give(verifier?, SpkverVerifier(Verifier::embedded()?.into())))
}

/// Makes a verifier of a model file.
///
/// # Safety
/// `path` is NULL or a text; `verifier` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_verifier_load(
    path: *const c_char,
    verifier: *mut *mut SpkverVerifier,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (path, verifier) = unsafe { (text(path, "path"), output(verifier, null_mut())) };
    status_of(|| give(verifier?, SpkverVerifier(Verifier::load(path?)?.into())))
}

/// Frees a verifier.
///
/// # Safety
/// `verifier` is NULL or a verifier, which is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_verifier_free(verifier: *mut SpkverVerifier) {
    // SAFETY: the caller keeps to the section above.
    unsafe { free(verifier) }
}

/// Embeds an audio file: WAV, and what else this library was built to read. Of a recording of more than
/// three minutes an excerpt is used.
///
/// # Safety
/// `verifier` is NULL or a verifier; `path` is NULL or a text; `embedding` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_embed_file(
    verifier: *const SpkverVerifier,
    path: *const c_char,
    embedding: *mut *mut SpkverEmbedding,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (verifier, path) = unsafe { (handle(verifier, "verifier"), text(path, "path")) };
    // SAFETY: as above.
    let embedding = unsafe { output(embedding, null_mut()) };
    status_of(|| {
        let path = Path::new(path?);
        let recording = Recording::open(path, &ReadOptions::default())?;
        let heard = embed(&verifier?.0, &file_name(path), &recording)?;
        give(embedding?, heard)
    })
}

/// Embeds samples: mono, nominally from -1 to 1, at 8000 to 192000 Hz.
///
/// # Safety
/// `verifier` is NULL or a verifier; `samples` is NULL or the first of `num_samples` samples; `embedding` is
/// NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_embed_samples(
    verifier: *const SpkverVerifier,
    samples: *const f32,
    num_samples: usize,
    rate_hz: u32,
    embedding: *mut *mut SpkverEmbedding,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (verifier, samples) = unsafe {
        (
            handle(verifier, "verifier"),
            array(samples, num_samples, "samples"),
        )
    };
    // SAFETY: as above.
    let embedding = unsafe { output(embedding, null_mut()) };
    status_of(|| {
        let recording = Recording::from_samples(samples?.to_vec(), rate_hz)?;
        give(embedding?, embed(&verifier?.0, "samples", &recording)?)
    })
}

/// The numbers of an embedding, valid until it is freed; `num_values` is set to how many there are. They
/// identify the speaker, so keep them as safe as a voiceprint. NULL for NULL.
///
/// # Safety
/// `embedding` is NULL or an embedding; `num_values` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_embedding_values(
    embedding: *const SpkverEmbedding,
    num_values: *mut usize,
) -> *const f32 {
    // SAFETY: the caller keeps to the section above.
    let (embedding, num_values) =
        unsafe { (handle(embedding, "embedding"), output(num_values, 0)) };
    let Ok(embedding) = embedding else {
        return std::ptr::null();
    };
    let values = embedding.0.embedding.values();
    if let Ok(num_values) = num_values {
        *num_values = values.len();
    }
    values.as_ptr()
}

/// Seconds of speech in the recording of an embedding. 0 for NULL.
///
/// # Safety
/// `embedding` is NULL or an embedding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_embedding_speech_seconds(embedding: *const SpkverEmbedding) -> f32 {
    // SAFETY: the caller keeps to the section above.
    let embedding = unsafe { handle(embedding, "embedding") };
    embedding.map_or(0.0, |embedding| embedding.0.speech_seconds)
}

/// Frees an embedding and overwrites its numbers.
///
/// # Safety
/// `embedding` is NULL or an embedding, which is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_embedding_free(embedding: *mut SpkverEmbedding) {
    // SAFETY: the caller keeps to the section above.
    unsafe { free(embedding) }
}

/// The operating point of least expected cost, from the prior probability that the recording is of the
/// enrolled speaker and the costs of a false reject and of a false accept. To choose the threshold
/// yourself, write the struct yourself.
///
/// # Safety
/// `point` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_operating_point(
    p_target: f64,
    c_miss: f64,
    c_fa: f64,
    point: *mut SpkverOperatingPoint,
) -> SpkverStatus {
    // What a caller that looks at no status gets accepts nobody.
    let nobody = SpkverOperatingPoint {
        p_target: f64::NAN,
        threshold: f32::NAN,
    };
    // SAFETY: the caller keeps to the section above.
    let point = unsafe { output(point, nobody) };
    status_of(|| {
        *point? = OperatingPoint::new(p_target, c_miss, c_fa)?.into();
        Ok(())
    })
}

/// Decides whether two recordings are of one speaker. The order does not change the score. `point` may be
/// NULL: equal priors and costs, so that a log-likelihood ratio of 0 is accepted.
///
/// # Safety
/// `verifier`, `a` and `b` are NULL or handles; `point` is NULL or a point; `verification` is NULL or can
/// be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_compare(
    verifier: *const SpkverVerifier,
    a: *const SpkverEmbedding,
    b: *const SpkverEmbedding,
    point: *const SpkverOperatingPoint,
    verification: *mut SpkverVerification,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (a, b) = unsafe { (handle(a, "a"), handle(b, "b")) };
    // SAFETY: as above.
    let (verifier, point) = unsafe { (handle(verifier, "verifier"), chosen(point)) };
    // SAFETY: as above.
    let verification = unsafe { output(verification, SpkverVerification::NONE) };
    status_of(|| {
        let verifier = &verifier?.0;
        let answer = verifier.compare(&a?.0.embedding, &b?.0.embedding, &point?)?;
        *verification? = SpkverVerification::of(&answer, verifier)?;
        Ok(())
    })
}

/// Makes a voiceprint of one speaker's embeddings, unless some do not sound like the others. The
/// embeddings are copied.
///
/// # Safety
/// `verifier` is NULL or a verifier; `name` is NULL or a text; `embeddings` is NULL or the first of
/// `num_embeddings` pointers that are NULL or embeddings; `voiceprint` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_enroll(
    verifier: *const SpkverVerifier,
    name: *const c_char,
    embeddings: *const *const SpkverEmbedding,
    num_embeddings: usize,
    voiceprint: *mut *mut SpkverVoiceprint,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (verifier, name) = unsafe { (handle(verifier, "verifier"), text(name, "name")) };
    // SAFETY: as above.
    let (embeddings, voiceprint) = unsafe {
        (
            all(embeddings, num_embeddings),
            output(voiceprint, null_mut()),
        )
    };
    status_of(|| {
        let (name, embeddings) = (SpeakerName::new(name?)?, embeddings?);
        let verifier = &verifier?.0;
        for utterance in &embeddings {
            verifier.check_made_here(name.as_str(), utterance.embedding.model())?;
        }
        give(
            voiceprint?,
            SpkverVoiceprint(verifier.enroll(name, embeddings)?.into()),
        )
    })
}

/// How many recordings a voiceprint has. 0 for NULL.
///
/// # Safety
/// `voiceprint` is NULL or a voiceprint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_voiceprint_num_recordings(
    voiceprint: *const SpkverVoiceprint,
) -> usize {
    // SAFETY: the caller keeps to the section above.
    let voiceprint = unsafe { handle(voiceprint, "voiceprint") };
    voiceprint.map_or(0, |voiceprint| voiceprint.0.utterances.len())
}

/// Frees a voiceprint and overwrites its numbers.
///
/// # Safety
/// `voiceprint` is NULL or a voiceprint, which is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_voiceprint_free(voiceprint: *mut SpkverVoiceprint) {
    // SAFETY: the caller keeps to the section above.
    unsafe { free(voiceprint) }
}

/// Decides whether the speaker of `test` is the one of `voiceprint`. `point` as in spkver_compare().
///
/// # Safety
/// `verifier`, `voiceprint` and `test` are NULL or handles; `point` is NULL or a point; `verification` is
/// NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_verify(
    verifier: *const SpkverVerifier,
    voiceprint: *const SpkverVoiceprint,
    test: *const SpkverEmbedding,
    point: *const SpkverOperatingPoint,
    verification: *mut SpkverVerification,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (voiceprint, test) = unsafe { (handle(voiceprint, "voiceprint"), handle(test, "test")) };
    // SAFETY: as above.
    let (verifier, point) = unsafe { (handle(verifier, "verifier"), chosen(point)) };
    // SAFETY: as above.
    let verification = unsafe { output(verification, SpkverVerification::NONE) };
    status_of(|| {
        let verifier = &verifier?.0;
        let answer = verifier.verify(&voiceprint?.0, &test?.0.embedding, &point?)?;
        *verification? = SpkverVerification::of(&answer, verifier)?;
        Ok(())
    })
}

/// Opens a store, the file of voiceprints that the program keeps, too. Creates it if it does not exist:
/// readable by its owner only, and encrypted if there is a passphrase. `passphrase` is NULL for a store
/// that is not encrypted.
///
/// # Safety
/// `path` and `passphrase` are NULL or texts; `store` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_store_open(
    path: *const c_char,
    passphrase: *const c_char,
    store: *mut *mut SpkverStore,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (path, store) = unsafe { (text(path, "path"), output(store, null_mut())) };
    let words = match passphrase.is_null() {
        true => None,
        // SAFETY: as above.
        false => Some(unsafe { text(passphrase, "passphrase") }),
    };
    status_of(|| {
        let secret = words.transpose()?.map(|words| {
            let wanted = format!(
                "passphrase: expected 1 to {} bytes",
                Secret::MAX_PASSPHRASE_BYTES
            );
            Secret::from_passphrase(words).ok_or_else(|| Failure::usage(wanted))
        });
        let opened = Store::open_or_create(path?.as_ref(), secret.transpose()?.as_ref())?;
        give(store?, SpkverStore(opened))
    })
}

/// Adds embeddings to the voiceprint of a speaker in the store, or creates it: all or none, and none if
/// some do not sound like the others. Embeddings that it has already are left out.
///
/// # Safety
/// `store` and `verifier` are NULL or handles; `name` is NULL or a text; `embeddings` is NULL or the first
/// of `num_embeddings` pointers that are NULL or embeddings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_store_enroll(
    store: *mut SpkverStore,
    verifier: *const SpkverVerifier,
    name: *const c_char,
    embeddings: *const *const SpkverEmbedding,
    num_embeddings: usize,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (store, name) = unsafe { (handle_mut(store, "store"), text(name, "name")) };
    // SAFETY: as above.
    let (verifier, embeddings) = unsafe {
        (
            handle(verifier, "verifier"),
            all(embeddings, num_embeddings),
        )
    };
    status_of(|| {
        let (name, embeddings) = (SpeakerName::new(name?)?, embeddings?);
        let verifier = &verifier?.0;
        for utterance in &embeddings {
            verifier.check_made_here(name.as_str(), utterance.embedding.model())?;
        }
        store?.0.enroll(verifier, &name, embeddings)?;
        Ok(())
    })
}

/// Reads the voiceprint of a speaker.
///
/// # Safety
/// `store` is NULL or a store; `name` is NULL or a text; `voiceprint` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_store_get(
    store: *const SpkverStore,
    name: *const c_char,
    voiceprint: *mut *mut SpkverVoiceprint,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (store, name) = unsafe { (handle(store, "store"), text(name, "name")) };
    // SAFETY: as above.
    let voiceprint = unsafe { output(voiceprint, null_mut()) };
    status_of(|| {
        let found = store?.0.get(&SpeakerName::new(name?)?)?;
        give(voiceprint?, SpkverVoiceprint(found.into()))
    })
}

/// Calls `visit` for each speaker, by name. SPKVER_STATUS_STORE after the last one if a voiceprint is
/// damaged. `visit` must return: it may not leave by longjmp() or a C++ exception.
///
/// # Safety
/// `store` is NULL or a store; `visit` is NULL or can be called with `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_store_list(
    store: *const SpkverStore,
    visit: SpkverVisit,
    context: *mut c_void,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let store = unsafe { handle(store, "store") };
    status_of(|| {
        let visit = visit.ok_or_else(|| Failure::usage("visit is NULL"))?;
        let mut listing = store?.0.list()?;
        for speaker in &listing.speakers {
            // A name has no NUL: it is a control character.
            let name = std::ffi::CString::new(&*speaker.name).unwrap_or_default();
            // SAFETY: as above; the name lives until after the call.
            unsafe { visit(name.as_ptr(), speaker.num_utterances, context) };
        }
        match listing.damaged.is_empty() {
            true => Ok(()),
            false => Err(listing.damaged.remove(0).into()),
        }
    })
}

/// Erases the voiceprint of a speaker, so that its bytes do not remain in the file.
///
/// # Safety
/// `store` is NULL or a store; `name` is NULL or a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_store_remove(
    store: *mut SpkverStore,
    name: *const c_char,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (store, name) = unsafe { (handle_mut(store, "store"), text(name, "name")) };
    status_of(|| Ok(store?.0.remove(&SpeakerName::new(name?)?)?))
}

/// Closes a store.
///
/// # Safety
/// `store` is NULL or a store, which is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_store_free(store: *mut SpkverStore) {
    // SAFETY: the caller keeps to the section above.
    unsafe { free(store) }
}

/// Listens to a recording while it is being made: mono, at 8000 to 192000 Hz. `voiceprint` is that of the
/// claimed speaker, or NULL. With it, the listener scores the recording from time to time, and decides as
/// soon as the score is clear enough. Only one thread at a time may use a listener.
///
/// # Safety
/// `verifier` and `voiceprint` are NULL or handles; `listener` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_listener_new(
    verifier: *const SpkverVerifier,
    rate_hz: u32,
    voiceprint: *const SpkverVoiceprint,
    listener: *mut *mut SpkverListener,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (verifier, claimed) = unsafe { (handle(verifier, "verifier"), voiceprint.as_ref()) };
    // SAFETY: as above.
    let to = unsafe { output(listener, null_mut()) };
    status_of(|| {
        let verifier = &verifier?.0;
        let mut listener = Listener::new(Arc::clone(verifier), rate_hz)?;
        if let Some(claimed) = claimed {
            let test = verifier.sequential_test(None, None)?;
            listener = listener.against(Arc::clone(&claimed.0), test)?;
        }
        give(to?, SpkverListener(Some(listener)))
    })
}

/// Takes the next samples, nominally from -1 to 1; `state` may be NULL.
///
/// # Safety
/// `listener` is NULL or a listener; `samples` is NULL or the first of `num_samples` samples; `state` is NULL
/// or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_listener_push(
    listener: *mut SpkverListener,
    samples: *const f32,
    num_samples: usize,
    state: *mut SpkverState,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let (listener, samples) = unsafe {
        (
            handle_mut(listener, "listener"),
            array(samples, num_samples, "samples"),
        )
    };
    // SAFETY: as above.
    let state = unsafe { output(state, SpkverState::NONE) };
    status_of(|| {
        let listener = listener?.0.as_mut().ok_or_else(finished)?;
        let now = listener.push(samples?)?;
        if let Ok(state) = state {
            *state = now.into();
        }
        Ok(())
    })
}

/// Ends the recording: its embedding, the same as of a file with these samples. The listener takes no more
/// samples, and is still to be freed.
///
/// # Safety
/// `listener` is NULL or a listener; `embedding` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_listener_finish(
    listener: *mut SpkverListener,
    embedding: *mut *mut SpkverEmbedding,
) -> SpkverStatus {
    // SAFETY: the caller keeps to the section above.
    let listener = unsafe { handle_mut(listener, "listener") };
    // SAFETY: as above.
    let embedding = unsafe { output(embedding, null_mut()) };
    status_of(|| {
        let listener = listener?.0.take().ok_or_else(finished)?;
        give(embedding?, of_analysis("samples", listener.finish()?)?)
    })
}

/// Frees a listener, finished or not.
///
/// # Safety
/// `listener` is NULL or a listener, which is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spkver_listener_free(listener: *mut SpkverListener) {
    // SAFETY: the caller keeps to the section above.
    unsafe { free(listener) }
}

fn finished() -> Failure {
    Failure::usage("the listener has finished; make another one")
}

fn embed(
    verifier: &Verifier,
    label: &str,
    recording: &Recording,
) -> Result<SpkverEmbedding, Failure> {
    of_analysis(label, verifier.analyze(recording))
}

fn of_analysis(label: &str, analysis: Analysis) -> Result<SpkverEmbedding, Failure> {
    let utterance = Utterance::new(label, analysis.embedding?, &analysis.quality);
    Ok(SpkverEmbedding(utterance))
}
