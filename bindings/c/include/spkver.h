/*
 * Speaker verification: is this the enrolled speaker? Offline, on CPUs.
 *
 * A verifier turns a recording into an embedding. Embeddings are enrolled as a voiceprint. A voiceprint
 * and the embedding of a test recording give a decision.
 *
 * Functions that can fail return a status: SPKVER_STATUS_OK, or why they give no result. The handle that
 * they would have written is NULL then, and the decision inconclusive. spkver_last_message() says what
 * happened, in words for people. From 100 on the status is a refusal: the call is right, but the recording
 * allows no answer, and another recording may.
 *
 * Texts are UTF-8 and end in NUL. Each handle is freed with its own function; NULL is freed by doing
 * nothing. Verifiers, embeddings and voiceprints may be used by several threads at once, a store by one at
 * a time. Handles do not depend on each other: a verifier may be freed before its embeddings.
 */


#ifndef SPKVER_H
#define SPKVER_H

/* Written by cbindgen from bindings/c/src. Do not edit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * How a call ended. These numbers never change; later versions may have more of them.
 */
typedef enum SpkverStatus {
  /**
   * Done.
   */
  SPKVER_STATUS_OK = 0,
  /**
   * A wrong argument, such as a NULL or a speaker's name of two lines.
   */
  SPKVER_STATUS_USAGE = 1,
  /**
   * An audio file or samples that cannot be used.
   */
  SPKVER_STATUS_AUDIO = 2,
  /**
   * A model file that cannot be used.
   */
  SPKVER_STATUS_MODEL = 3,
  /**
   * A store that is damaged, encrypted with another secret, or of another version.
   */
  SPKVER_STATUS_STORE = 4,
  /**
   * No speaker of this name is in the store.
   */
  SPKVER_STATUS_UNKNOWN_SPEAKER = 5,
  /**
   * The voiceprint or the embedding was made by another model.
   */
  SPKVER_STATUS_MODEL_MISMATCH = 6,
  /**
   * A file does not exist.
   */
  SPKVER_STATUS_NOT_FOUND = 7,
  /**
   * The disk is full.
   */
  SPKVER_STATUS_DISK_FULL = 8,
  /**
   * Another error of the operating system.
   */
  SPKVER_STATUS_IO = 9,
  /**
   * A fault of this library. Please report it.
   */
  SPKVER_STATUS_PANIC = 10,
  /**
   * Refused: no sound.
   */
  SPKVER_STATUS_SILENCE = 100,
  /**
   * Refused: sound, but no speech.
   */
  SPKVER_STATUS_NO_SPEECH = 101,
  /**
   * Refused: less speech than the model needs.
   */
  SPKVER_STATUS_TOO_LITTLE_SPEECH = 102,
  /**
   * Refused: too many samples at full scale.
   */
  SPKVER_STATUS_CLIPPING = 103,
  /**
   * Refused: a narrower band than the model needs.
   */
  SPKVER_STATUS_BAND_LIMITED = 104,
  /**
   * Refused: more noise than the model allows.
   */
  SPKVER_STATUS_NOISY = 105,
  /**
   * Refused: several people speak, in turn or at once.
   */
  SPKVER_STATUS_SEVERAL_VOICES = 106,
  /**
   * Refused: the score is not a finite number.
   */
  SPKVER_STATUS_SCORE_NOT_FINITE = 107,
  /**
   * Refused: what was heard is not clear enough for a decision yet.
   */
  SPKVER_STATUS_UNDECIDED = 108,
} SpkverStatus;

/**
 * The answer to "is this the enrolled speaker?". Only ACCEPT is a yes. INCONCLUSIVE is 0, so memory
 * that was never written is no yes.
 */
typedef enum SpkverDecision {
  /**
   * There is no answer.
   */
  SPKVER_DECISION_INCONCLUSIVE = 0,
  /**
   * Another speaker.
   */
  SPKVER_DECISION_REJECT = 1,
  /**
   * The enrolled speaker.
   */
  SPKVER_DECISION_ACCEPT = 2,
} SpkverDecision;

/**
 * What identifies the speaker of one recording. Zeroed when freed.
 */
typedef struct SpkverEmbedding SpkverEmbedding;

/**
 * Hears one speaker while the recording is being made. None when finished.
 */
typedef struct SpkverListener SpkverListener;

/**
 * A file of voiceprints, the same as the program's.
 */
typedef struct SpkverStore SpkverStore;

/**
 * A model that is ready to embed, enroll, verify and compare.
 */
typedef struct SpkverVerifier SpkverVerifier;

/**
 * An enrolled speaker. Zeroed when freed.
 */
typedef struct SpkverVoiceprint SpkverVoiceprint;

/**
 * When to accept.
 */
typedef struct SpkverOperatingPoint {
  /**
   * Prior probability that the recording is of the enrolled speaker, between 0 and 1.
   */
  double p_target;
  /**
   * Smallest log-likelihood ratio that is accepted.
   */
  float threshold;
} SpkverOperatingPoint;

/**
 * The result of a trial.
 */
typedef struct SpkverVerification {
  /**
   * The decision.
   */
  enum SpkverDecision decision;
  /**
   * Natural-log likelihood ratio of "same speaker" to "different speakers"; NaN if inconclusive.
   */
  float llr;
  /**
   * Probability of "same speaker" at the prior of the operating point; NaN if inconclusive, or if the
   * model was never calibrated.
   */
  double probability;
} SpkverVerification;
/**
 * Before there is an answer, and after a failure.
 */
#define SpkverVerification_NONE (SpkverVerification){ .decision = SpkverDecision_Inconclusive, .llr = f32_NAN, .probability = f64_NAN }

/**
 * Called for each speaker in a store: `name` is valid during the call, `context` as the caller gave it.
 */
typedef void (*SpkverVisit)(const char *name, size_t num_recordings, void *context);

/**
 * What a listener knows after a block of samples.
 */
typedef struct SpkverState {
  /**
   * Seconds of audio so far.
   */
  float seconds;
  /**
   * Seconds of speech, at the last look.
   */
  float speech_seconds;
  /**
   * Log-likelihood ratio against the claimed speaker, at the last look; NaN without one.
   */
  float llr;
  /**
   * ACCEPT or REJECT once the score is clear enough, and then it does not change any more;
   * INCONCLUSIVE until then.
   */
  enum SpkverDecision decision;
  /**
   * Whether this block made the listener take a look.
   */
  bool is_new;
} SpkverState;
/**
 * Before there is one, and after a failure.
 */
#define SpkverState_NONE (SpkverState){ .seconds = 0.0, .speech_seconds = 0.0, .llr = f32_NAN, .decision = SpkverDecision_Inconclusive, .is_new = false }

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of this library, such as "0.1.0".
 */
const char *spkver_version(void);

/**
 * What went wrong in the last call of this thread that failed: the fact and the remedy. Valid until
 * another call of this thread fails. Never NULL.
 */
const char *spkver_last_message(void);

/**
 * The stable name of a status, such as "too_little_speech", as the program's JSON has it. Never NULL.
 */
const char *spkver_status_name(int32_t status);

/**
 * Makes a verifier of the model that is part of this library.
 *
 * # Safety
 * `verifier` is NULL or can be written.
 */
enum SpkverStatus spkver_verifier_embedded(struct SpkverVerifier **verifier);

/**
 * Makes a verifier of a model file.
 *
 * # Safety
 * `path` is NULL or a text; `verifier` is NULL or can be written.
 */
enum SpkverStatus spkver_verifier_load(const char *path, struct SpkverVerifier **verifier);

/**
 * Frees a verifier.
 *
 * # Safety
 * `verifier` is NULL or a verifier, which is not used again.
 */
void spkver_verifier_free(struct SpkverVerifier *verifier);

/**
 * Embeds an audio file: WAV, and what else this library was built to read. Of a recording of more than
 * three minutes an excerpt is used.
 *
 * # Safety
 * `verifier` is NULL or a verifier; `path` is NULL or a text; `embedding` is NULL or can be written.
 */
enum SpkverStatus spkver_embed_file(const struct SpkverVerifier *verifier,
                                    const char *path,
                                    struct SpkverEmbedding **embedding);

/**
 * Embeds samples: mono, nominally from -1 to 1, at 8000 to 192000 Hz.
 *
 * # Safety
 * `verifier` is NULL or a verifier; `samples` is NULL or the first of `num_samples` samples; `embedding` is
 * NULL or can be written.
 */
enum SpkverStatus spkver_embed_samples(const struct SpkverVerifier *verifier,
                                       const float *samples,
                                       size_t num_samples,
                                       uint32_t rate_hz,
                                       struct SpkverEmbedding **embedding);

/**
 * The numbers of an embedding, valid until it is freed; `num_values` is set to how many there are. They
 * identify the speaker, so keep them as safe as a voiceprint. NULL for NULL.
 *
 * # Safety
 * `embedding` is NULL or an embedding; `num_values` is NULL or can be written.
 */
const float *spkver_embedding_values(const struct SpkverEmbedding *embedding,
                                     size_t *num_values);

/**
 * Seconds of speech in the recording of an embedding. 0 for NULL.
 *
 * # Safety
 * `embedding` is NULL or an embedding.
 */
float spkver_embedding_speech_seconds(const struct SpkverEmbedding *embedding);

/**
 * Frees an embedding and overwrites its numbers.
 *
 * # Safety
 * `embedding` is NULL or an embedding, which is not used again.
 */
void spkver_embedding_free(struct SpkverEmbedding *embedding);

/**
 * The operating point of least expected cost, from the prior probability that the recording is of the
 * enrolled speaker and the costs of a false reject and of a false accept. To choose the threshold
 * yourself, write the struct yourself.
 *
 * # Safety
 * `point` is NULL or can be written.
 */
enum SpkverStatus spkver_operating_point(double p_target,
                                         double c_miss,
                                         double c_fa,
                                         struct SpkverOperatingPoint *point);

/**
 * Decides whether two recordings are of one speaker. The order does not change the score. `point` may be
 * NULL: equal priors and costs, so that a log-likelihood ratio of 0 is accepted.
 *
 * # Safety
 * `verifier`, `a` and `b` are NULL or handles; `point` is NULL or a point; `verification` is NULL or can
 * be written.
 */
enum SpkverStatus spkver_compare(const struct SpkverVerifier *verifier,
                                 const struct SpkverEmbedding *a,
                                 const struct SpkverEmbedding *b,
                                 const struct SpkverOperatingPoint *point,
                                 struct SpkverVerification *verification);

/**
 * Makes a voiceprint of one speaker's embeddings, unless some do not sound like the others. The
 * embeddings are copied.
 *
 * # Safety
 * `verifier` is NULL or a verifier; `name` is NULL or a text; `embeddings` is NULL or the first of
 * `num_embeddings` pointers that are NULL or embeddings; `voiceprint` is NULL or can be written.
 */
enum SpkverStatus spkver_enroll(const struct SpkverVerifier *verifier,
                                const char *name,
                                const struct SpkverEmbedding *const *embeddings,
                                size_t num_embeddings,
                                struct SpkverVoiceprint **voiceprint);

/**
 * How many recordings a voiceprint has. 0 for NULL.
 *
 * # Safety
 * `voiceprint` is NULL or a voiceprint.
 */
size_t spkver_voiceprint_num_recordings(const struct SpkverVoiceprint *voiceprint);

/**
 * Frees a voiceprint and overwrites its numbers.
 *
 * # Safety
 * `voiceprint` is NULL or a voiceprint, which is not used again.
 */
void spkver_voiceprint_free(struct SpkverVoiceprint *voiceprint);

/**
 * Decides whether the speaker of `test` is the one of `voiceprint`. `point` as in spkver_compare().
 *
 * # Safety
 * `verifier`, `voiceprint` and `test` are NULL or handles; `point` is NULL or a point; `verification` is
 * NULL or can be written.
 */
enum SpkverStatus spkver_verify(const struct SpkverVerifier *verifier,
                                const struct SpkverVoiceprint *voiceprint,
                                const struct SpkverEmbedding *test,
                                const struct SpkverOperatingPoint *point,
                                struct SpkverVerification *verification);

/**
 * Opens a store, the file of voiceprints that the program keeps, too. Creates it if it does not exist:
 * readable by its owner only, and encrypted if there is a passphrase. `passphrase` is NULL for a store
 * that is not encrypted.
 *
 * # Safety
 * `path` and `passphrase` are NULL or texts; `store` is NULL or can be written.
 */
enum SpkverStatus spkver_store_open(const char *path,
                                    const char *passphrase,
                                    struct SpkverStore **store);

/**
 * Adds embeddings to the voiceprint of a speaker in the store, or creates it: all or none, and none if
 * some do not sound like the others. Embeddings that it has already are left out.
 *
 * # Safety
 * `store` and `verifier` are NULL or handles; `name` is NULL or a text; `embeddings` is NULL or the first
 * of `num_embeddings` pointers that are NULL or embeddings.
 */
enum SpkverStatus spkver_store_enroll(struct SpkverStore *store,
                                      const struct SpkverVerifier *verifier,
                                      const char *name,
                                      const struct SpkverEmbedding *const *embeddings,
                                      size_t num_embeddings);

/**
 * Reads the voiceprint of a speaker.
 *
 * # Safety
 * `store` is NULL or a store; `name` is NULL or a text; `voiceprint` is NULL or can be written.
 */
enum SpkverStatus spkver_store_get(const struct SpkverStore *store,
                                   const char *name,
                                   struct SpkverVoiceprint **voiceprint);

/**
 * Calls `visit` for each speaker, by name. SPKVER_STATUS_STORE after the last one if a voiceprint is
 * damaged. `visit` must return: it may not leave by longjmp() or a C++ exception.
 *
 * # Safety
 * `store` is NULL or a store; `visit` is NULL or can be called with `context`.
 */
enum SpkverStatus spkver_store_list(const struct SpkverStore *store,
                                    SpkverVisit visit,
                                    void *context);

/**
 * Erases the voiceprint of a speaker, so that its bytes do not remain in the file.
 *
 * # Safety
 * `store` is NULL or a store; `name` is NULL or a text.
 */
enum SpkverStatus spkver_store_remove(struct SpkverStore *store, const char *name);

/**
 * Closes a store.
 *
 * # Safety
 * `store` is NULL or a store, which is not used again.
 */
void spkver_store_free(struct SpkverStore *store);

/**
 * Listens to a recording while it is being made: mono, at 8000 to 192000 Hz. `voiceprint` is that of the
 * claimed speaker, or NULL. With it, the listener scores the recording from time to time, and decides as
 * soon as the score is clear enough. Only one thread at a time may use a listener.
 *
 * # Safety
 * `verifier` and `voiceprint` are NULL or handles; `listener` is NULL or can be written.
 */
enum SpkverStatus spkver_listener_new(const struct SpkverVerifier *verifier,
                                      uint32_t rate_hz,
                                      const struct SpkverVoiceprint *voiceprint,
                                      struct SpkverListener **listener);

/**
 * Takes the next samples, nominally from -1 to 1; `state` may be NULL.
 *
 * # Safety
 * `listener` is NULL or a listener; `samples` is NULL or the first of `num_samples` samples; `state` is NULL
 * or can be written.
 */
enum SpkverStatus spkver_listener_push(struct SpkverListener *listener,
                                       const float *samples,
                                       size_t num_samples,
                                       struct SpkverState *state);

/**
 * Ends the recording: its embedding, the same as of a file with these samples. The listener takes no more
 * samples, and is still to be freed.
 *
 * # Safety
 * `listener` is NULL or a listener; `embedding` is NULL or can be written.
 */
enum SpkverStatus spkver_listener_finish(struct SpkverListener *listener,
                                         struct SpkverEmbedding **embedding);

/**
 * Frees a listener, finished or not.
 *
 * # Safety
 * `listener` is NULL or a listener, which is not used again.
 */
void spkver_listener_free(struct SpkverListener *listener);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPKVER_H */
