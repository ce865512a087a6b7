/* Wrong calls, as a program with faults makes them: each has a status, and none writes a handle. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "spkver.h"

static int num_faults = 0;

static void expect(int line, int is_so)
{
    if (!is_so) {
        printf("line %d: %s\n", line, spkver_last_message());
        num_faults++;
    }
}
#define EXPECT(is_so) expect(__LINE__, is_so)
#define SAYS(words) EXPECT(strstr(spkver_last_message(), words) != NULL)

static void visit(const char *name, size_t num_recordings, void *context)
{
    (void)name;
    (void)num_recordings;
    ++*(int *)context;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    SpkverVerifier *verifier = NULL;
    SpkverEmbedding *embedding = (SpkverEmbedding *)1;
    EXPECT(spkver_last_message()[0] == '\0');

    EXPECT(spkver_verifier_embedded(NULL) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_verifier_load("no-such.safetensors", &verifier) == SPKVER_STATUS_NOT_FOUND);
    EXPECT(verifier == NULL);
    SAYS("no-such.safetensors: cannot read");
    EXPECT(spkver_embed_file(verifier, "anna.wav", &embedding) != SPKVER_STATUS_OK);
    EXPECT(embedding == NULL);

    EXPECT(spkver_verifier_embedded(&verifier) == SPKVER_STATUS_OK);
    EXPECT(spkver_embed_file(verifier, NULL, &embedding) == SPKVER_STATUS_USAGE);
    SAYS("path is NULL");
    EXPECT(spkver_embed_file(verifier, "\xff\xfe", &embedding) == SPKVER_STATUS_USAGE);
    SAYS("path is not in UTF-8");
    EXPECT(spkver_embed_file(verifier, argv[1], &embedding) != SPKVER_STATUS_OK);

    /* Samples: too few, of a wrong rate, not finite, silent. */
    static float samples[16000];
    EXPECT(spkver_embed_samples(verifier, NULL, 0, 16000, &embedding) == SPKVER_STATUS_AUDIO);
    EXPECT(spkver_embed_samples(verifier, NULL, 9, 16000, &embedding) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_embed_samples(verifier, samples, 16000, 7, &embedding) == SPKVER_STATUS_AUDIO);
    EXPECT(spkver_embed_samples(verifier, samples, (size_t)-1, 16000, &embedding) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_embed_samples(verifier, samples, 16000, 16000, &embedding) == SPKVER_STATUS_SILENCE);
    EXPECT(strcmp(spkver_status_name(SPKVER_STATUS_SILENCE), "silence") == 0);
    samples[5] = NAN;
    EXPECT(spkver_embed_samples(verifier, samples, 16000, 16000, &embedding) == SPKVER_STATUS_AUDIO);
    EXPECT(embedding == NULL);

    /* A decision that was not made is no accept. */
    char path[4096];
    snprintf(path, sizeof path, "%s/anna-1.wav", argv[1]);
    EXPECT(spkver_embed_file(verifier, path, &embedding) == SPKVER_STATUS_OK);
    SpkverVerification answer;
    memset(&answer, 2, sizeof answer);
    EXPECT(spkver_compare(verifier, embedding, NULL, NULL, &answer) == SPKVER_STATUS_USAGE);
    EXPECT(answer.decision == SPKVER_DECISION_INCONCLUSIVE && isnan(answer.llr));
    SpkverOperatingPoint point;
    EXPECT(spkver_operating_point(1.5, 1.0, 1.0, &point) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_compare(verifier, embedding, embedding, &point, &answer) == SPKVER_STATUS_USAGE);
    EXPECT(answer.decision == SPKVER_DECISION_INCONCLUSIVE);
    EXPECT(spkver_compare(verifier, embedding, embedding, NULL, NULL) == SPKVER_STATUS_USAGE);

    /* Enrollment: of nothing, of NULL, under a name of two lines. */
    SpkverVoiceprint *voiceprint = (SpkverVoiceprint *)1;
    const SpkverEmbedding *both[2] = {embedding, NULL};
    EXPECT(spkver_enroll(verifier, "anna", both, 0, &voiceprint) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_enroll(verifier, "anna", both, 2, &voiceprint) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_enroll(verifier, "an\nna", both, 1, &voiceprint) == SPKVER_STATUS_USAGE);
    EXPECT(voiceprint == NULL && spkver_voiceprint_num_recordings(NULL) == 0);
    EXPECT(spkver_enroll(verifier, "anna", both, 1, &voiceprint) == SPKVER_STATUS_OK);
    EXPECT(spkver_voiceprint_num_recordings(voiceprint) == 1);
    EXPECT(spkver_embedding_speech_seconds(embedding) > 1.0f);
    size_t num_values = 0;
    const float *values = spkver_embedding_values(embedding, &num_values);
    EXPECT(values != NULL && num_values > 10 && isfinite(values[num_values - 1]));
    EXPECT(spkver_embedding_values(NULL, &num_values) == NULL && num_values == 0);

    /* The store: another secret, an unknown speaker, the same recording twice. */
    SpkverStore *store = NULL;
    int num_speakers = 0;
    EXPECT(spkver_store_open(argv[2], NULL, &store) == SPKVER_STATUS_OK);
    EXPECT(spkver_store_remove(store, "nobody") == SPKVER_STATUS_UNKNOWN_SPEAKER);
    EXPECT(spkver_store_enroll(store, verifier, "anna", both, 1) == SPKVER_STATUS_OK);
    EXPECT(spkver_store_enroll(store, verifier, "anna", both, 1) == SPKVER_STATUS_OK);
    EXPECT(spkver_store_list(store, NULL, NULL) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_store_list(store, visit, &num_speakers) == SPKVER_STATUS_OK && num_speakers == 1);
    spkver_voiceprint_free(voiceprint);
    EXPECT(spkver_store_get(store, "anna", &voiceprint) == SPKVER_STATUS_OK);
    EXPECT(spkver_voiceprint_num_recordings(voiceprint) == 1);
    spkver_store_free(store);
    EXPECT(spkver_store_open(argv[2], "a passphrase", &store) == SPKVER_STATUS_STORE);
    EXPECT(store == NULL);

    /* A listener: of a wrong rate, without an end, after its end. */
    SpkverListener *listener = NULL;
    SpkverState state;
    samples[5] = 0;
    EXPECT(spkver_listener_new(verifier, 7, NULL, &listener) == SPKVER_STATUS_AUDIO && listener == NULL);
    EXPECT(spkver_listener_new(verifier, 8000, voiceprint, &listener) == SPKVER_STATUS_OK);
    EXPECT(spkver_listener_push(listener, samples, 16000, &state) == SPKVER_STATUS_OK);
    EXPECT(state.seconds == 2.0f && state.is_new && isnan(state.llr));
    EXPECT(state.decision == SPKVER_DECISION_INCONCLUSIVE);
    EXPECT(spkver_listener_push(listener, samples, 16, NULL) == SPKVER_STATUS_OK);
    SpkverEmbedding *heard = NULL;
    EXPECT(spkver_listener_finish(listener, &heard) == SPKVER_STATUS_SILENCE && heard == NULL);
    EXPECT(spkver_listener_finish(listener, &heard) == SPKVER_STATUS_USAGE);
    EXPECT(spkver_listener_push(listener, samples, 16, &state) == SPKVER_STATUS_USAGE);
    SAYS("has finished");
    spkver_listener_free(listener);

    EXPECT(strcmp(spkver_version(), "0.1.0") == 0);
    spkver_voiceprint_free(voiceprint);
    spkver_embedding_free(embedding);
    spkver_verifier_free(verifier);
    spkver_embedding_free(NULL);
    if (num_faults == 0)
        printf("all as expected\n");
    return num_faults != 0;
}
