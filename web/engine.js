// The worker that computes. worker.js appends this text to that of pkg/spkver.js, whose classes it uses
// by their names. Each message is {id, operation, args}; the answer {id, result} or {id, error}.
//
// Voiceprints come and go as bytes, so a worker that is ended takes nothing with it.

let verifier;
/** The recording that is being made: {listener, claimed, decides, wanted}. */
let live;
/** What the page may still ask about: recordings by the names that it gave them. */
const recordings = new Map();

function keep(key, heard) {
  recordings.get(key)?.free();
  recordings.set(key, heard);
  return { reason: heard.reason ?? null, quality: heard.quality };
}

function facts(voiceprint) {
  const { name, model, utterances } = voiceprint;
  const bytes = voiceprint.toBytes();
  voiceprint.free();
  return { name, model, utterances, bytes };
}

function withVoiceprint(bytes, use) {
  const voiceprint = Voiceprint.fromBytes(bytes);
  try {
    return use(voiceprint);
  } finally {
    voiceprint.free();
  }
}

const operations = {
  start({ module }) {
    initSync({ module });
    verifier = new Verifier();
    return verifier.model;
  },

  // The microphone. With a voiceprint, a state has an answer once the score is clear enough; of a model that
  // cannot tell, once there are `wanted` seconds of speech.
  listen({ rateHz, voiceprint, wanted }) {
    operations.discard();
    const listener = new Listener(verifier, rateHz);
    const claimed = voiceprint && Voiceprint.fromBytes(voiceprint);
    live = { listener, claimed, decides: claimed && listener.against(claimed), wanted };
  },
  push({ samples }) {
    // Blocks may still be on their way when the recording has ended.
    if (!live) return null;
    const { listener, claimed, decides, wanted } = live;
    const state = listener.push(samples);
    if (!claimed || !state.is_new) return state;
    if (state.decision) return { ...state, answer: listener.answer() };
    // A decision that takes three times as long may never come.
    const enough = decides ? 3 * wanted : wanted;
    if (state.llr === null || state.speech_seconds < enough) return state;
    const heard = listener.heard();
    const answer = verifier.verify(claimed, heard);
    heard.free();
    return { ...state, answer };
  },
  finish({ key, label }) {
    const { listener, claimed } = live;
    live = undefined;
    claimed?.free();
    return keep(key, listener.finish(label));
  },
  discard() {
    live?.listener.free();
    live?.claimed?.free();
    live = undefined;
  },

  // Files.
  hear({ key, label, samples, rateHz }) {
    recordings.get(key)?.free();
    recordings.delete(key);
    return keep(key, verifier.hear(samples, rateHz, label));
  },
  compare({ a, b }) {
    return verifier.compare(recordings.get(a), recordings.get(b));
  },

  // Voiceprints.
  enroll({ name, key, voiceprint }) {
    const recording = recordings.get(key);
    return facts(
      voiceprint
        ? withVoiceprint(voiceprint, (known) => verifier.add(known, recording))
        : verifier.enroll(name, recording),
    );
  },
  verify({ voiceprint, key }) {
    return withVoiceprint(voiceprint, (claimed) => verifier.verify(claimed, recordings.get(key)));
  },
  read({ voiceprint }) {
    return facts(Voiceprint.fromBytes(voiceprint));
  },
  seal({ voiceprints, words }) {
    const backup = new Backup();
    for (const bytes of voiceprints) withVoiceprint(bytes, (voiceprint) => backup.add(voiceprint));
    return backup.seal(words);
  },
  open({ bytes, words }) {
    return Backup.open(bytes, words).map(facts);
  },
};

self.onmessage = ({ data: { id, operation, args } }) => {
  try {
    self.postMessage({ id, result: operations[operation](args) });
  } catch (error) {
    self.postMessage({ id, error: { message: String(error.message ?? error), code: error.code ?? "failed" } });
  }
};
