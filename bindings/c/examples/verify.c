/*
 * Enrolls a speaker from WAV files, keeps the voiceprint in a store, and verifies recordings: a file, and
 * samples as a microphone at 48 kHz gives them.
 *
 *     verify RECORDINGS STORE
 *
 * RECORDINGS is a folder with anna-1.wav, anna-2.wav, anna-3.wav, boris-1.wav and silence.wav; STORE is
 * the file to keep voiceprints in.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spkver.h"

/* Prints what went wrong, and ends the program. */
static void check(SpkverStatus status)
{
    if (status == SPKVER_STATUS_OK)
        return;
    fprintf(stderr, "%s: %s\n", spkver_status_name(status), spkver_last_message());
    exit(1);
}

static char *path_of(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 6;
    char *path = malloc(size);
    if (path == NULL)
        exit(1);
    snprintf(path, size, "%s/%s.wav", folder, name);
    return path;
}

/* Stands in for a microphone: a WAV file of 16 bits at 16 kHz, each sample three times. */
static float *microphone(const char *path, size_t *num_samples)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        exit(1);
    size_t count = ((size_t)ftell(file) - 44) / 2;
    unsigned char *bytes = malloc(2 * count);
    float *samples = malloc(3 * count * sizeof *samples);
    if (bytes == NULL || samples == NULL || fseek(file, 44, SEEK_SET) != 0
        || fread(bytes, 2, count, file) != count)
        exit(1);
    fclose(file);
    for (size_t i = 0; i < 3 * count; i++) {
        const unsigned char *b = bytes + 2 * (i / 3);
        int value = b[0] | b[1] << 8;
        samples[i] = (float)(value < 32768 ? value : value - 65536) / 32768.0f;
    }
    free(bytes);
    *num_samples = 3 * count;
    return samples;
}

static SpkverEmbedding *embed_file(const SpkverVerifier *verifier, const char *folder, const char *name)
{
    SpkverEmbedding *embedding;
    char *path = path_of(folder, name);
    check(spkver_embed_file(verifier, path, &embedding));
    free(path);
    return embedding;
}

static void say(const char *name, SpkverVerification answer)
{
    const char *decision = answer.decision == SPKVER_DECISION_ACCEPT ? "accept" : "reject";
    /* Nine digits tell every float from every other. */
    printf("%s: %s, LLR %.9g\n", name, decision, answer.llr);
}

static void print_speaker(const char *name, size_t num_recordings, void *context)
{
    printf("%s%s: %zu recordings\n", (const char *)context, name, num_recordings);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: verify RECORDINGS STORE\n");
        return 2;
    }
    const char *folder = argv[1];
    SpkverVerifier *verifier;
    check(spkver_verifier_embedded(&verifier));

    /* Enroll two recordings of Anna. */
    SpkverEmbedding *enrolled[2];
    enrolled[0] = embed_file(verifier, folder, "anna-1");
    enrolled[1] = embed_file(verifier, folder, "anna-2");
    SpkverStore *store;
    check(spkver_store_open(argv[2], NULL, &store));
    check(spkver_store_enroll(store, verifier, "Anna", (const SpkverEmbedding *const *)enrolled, 2));
    char indent[] = "enrolled ";
    check(spkver_store_list(store, print_speaker, indent));

    /* Is this file of Anna? At the threshold of equal priors and costs. */
    SpkverVoiceprint *anna;
    SpkverVerification answer;
    SpkverEmbedding *test = embed_file(verifier, folder, "anna-3");
    check(spkver_store_get(store, "Anna", &anna));
    check(spkver_verify(verifier, anna, test, NULL, &answer));
    say("anna-3", answer);
    spkver_embedding_free(test);

    /* Are these samples? One claim in ten is a lie, and a false accept costs ten times a false reject. */
    SpkverOperatingPoint point;
    check(spkver_operating_point(0.9, 1.0, 10.0, &point));
    size_t num_samples;
    char *path = path_of(folder, "boris-1");
    float *samples = microphone(path, &num_samples);
    free(path);
    check(spkver_embed_samples(verifier, samples, num_samples, 48000, &test));
    check(spkver_verify(verifier, anna, test, &point, &answer));
    say("boris-1", answer);
    spkver_embedding_free(test);

    /* The same samples in blocks of 20 ms, as they come: the listener scores what it has heard so far. */
    SpkverListener *listener;
    SpkverState state = {0};
    check(spkver_listener_new(verifier, 48000, anna, &listener));
    for (size_t at = 0; at + 960 <= num_samples; at += 960)
        check(spkver_listener_push(listener, samples + at, 960, &state));
    check(spkver_listener_finish(listener, &test));
    printf("boris-1: %.1f s heard, LLR %+.1f at the last look\n", state.seconds, state.llr);
    spkver_embedding_free(test);
    spkver_listener_free(listener);
    free(samples);

    /* Two recordings without a voiceprint. */
    check(spkver_compare(verifier, enrolled[0], enrolled[1], NULL, &answer));
    say("anna-1 ~ anna-2", answer);

    /* A recording that allows no answer: ask for another one. */
    path = path_of(folder, "silence");
    SpkverStatus status = spkver_embed_file(verifier, path, &test);
    free(path);
    if (status >= 100)
        printf("silence: %s: %s\n", spkver_status_name(status), spkver_last_message());
    spkver_embedding_free(test); /* NULL */

    check(spkver_store_remove(store, "Anna"));
    spkver_voiceprint_free(anna);
    spkver_store_free(store);
    spkver_embedding_free(enrolled[0]);
    spkver_embedding_free(enrolled[1]);
    spkver_verifier_free(verifier);
    return 0;
}
