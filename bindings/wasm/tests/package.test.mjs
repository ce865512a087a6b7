// The package in Node: its answers are those of the program.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { Backup, Listener, Verifier, Voiceprint, initSync } from "../pkg/spkver.js";
import { program, run } from "./program.mjs";
import { RATE_HZ, samples, voices } from "./recording.mjs";

initSync({ module: readFileSync(new URL("../pkg/spkver_bg.wasm", import.meta.url)) });
const verifier = new Verifier();
const hear = (name) => verifier.hear(samples(name), RATE_HZ, `${name}.wav`);
const needsProgram = { skip: program ? false : "SKIPPED: no program to compare with (SPKVER)" };
const all = readdirSync(voices).filter((file) => file.endsWith(".wav")).map((file) => file.slice(0, -4));

test("each pair of recordings has the score of the program", needsProgram, () => {
  const anna = hear("anna-1");
  let largest = 0;
  for (const name of all) {
    const own = verifier.compare(anna, hear(name));
    // The kernel that WebAssembly has, too.
    const theirs = run("compare", `${voices}anna-1.wav`, `${voices}${name}.wav`, "--kernel", "wide4");
    assert.equal(own.decision, theirs.decision, name);
    assert.equal(own.reason?.code ?? null, theirs.reason, name);
    if (own.decision !== "inconclusive") {
      assert.equal(own.kind, theirs.kind, name);
      largest = Math.max(largest, Math.abs(own.llr - theirs.llr));
    }
  }
  console.log(`largest difference of an LLR: ${largest}`);
  assert.ok(largest < 1e-3, `LLRs differ by ${largest}`);
});

test("a voiceprint of several recordings has the score of the program", needsProgram, () => {
  const store = join(mkdtempSync(join(tmpdir(), "spkver-")), "store");
  const files = [1, 2, 3].map((i) => `${voices}boris-${i}.wav`);
  run("enroll", "boris", ...files, "--store", store, "--kernel", "wide4");
  let boris = verifier.enroll("boris", hear("boris-1"));
  for (const i of [2, 3]) boris = verifier.add(boris, hear(`boris-${i}`));
  for (const name of ["boris-4", "anna-1", "david-1"]) {
    const theirs = run("verify", "boris", `${voices}${name}.wav`, "--store", store, "--kernel", "wide4");
    const own = verifier.verify(boris, hear(name));
    assert.equal(own.decision, theirs.decision, name);
    assert.ok(Math.abs(own.llr - theirs.llr) < 1e-3, `${name}: ${own.llr}, ${theirs.llr}`);
    assert.ok(Math.abs(own.expected.false_accept.rate - theirs.expected.false_accept.rate) < 1e-9, name);
  }
});

test("a voiceprint comes back from its bytes", () => {
  const anna = verifier.enroll("Anna Ångström", hear("anna-1"));
  const again = Voiceprint.fromBytes(anna.toBytes());
  assert.equal(again.name, "Anna Ångström");
  assert.equal(again.model, verifier.model);
  assert.deepEqual(again.utterances, anna.utterances);
  const other = hear("anna-2");
  assert.equal(verifier.verify(again, other).llr, verifier.verify(anna, other).llr);
  assert.throws(() => Voiceprint.fromBytes(new Uint8Array(10)), { code: "voiceprint" });
  const text = new TextDecoder().decode(anna.toBytes());
  const empty = text.replace(/"utterances":\[.*\]/, '"utterances":[]');
  assert.throws(() => Voiceprint.fromBytes(new TextEncoder().encode(empty)), /no recordings/);
});

test("a listener hears what the whole recording holds", () => {
  const recording = samples("chloe-1");
  const listener = new Listener(verifier, RATE_HZ);
  listener.against(verifier.enroll("chloe", hear("chloe-2")));
  let state;
  let looks = 0;
  for (let at = 0; at < recording.length; at += 1000) {
    state = listener.push(recording.subarray(at, at + 1000));
    looks += state.is_new;
  }
  // It stops looking once the answer is clear.
  assert.ok(looks >= 1 && state.decision === "accept", `${looks} looks, ${state.decision}`);
  assert.ok(state.llr > 0 && Math.abs(state.seconds - recording.length / RATE_HZ) < 1e-3);
  const finished = listener.finish("chloe-1.wav");
  assert.deepEqual(finished.embedding, hear("chloe-1").embedding);
});

test("any rate will do", () => {
  // Held samples: twice the rate with the same speech, and some hiss above 8 kHz that nobody hears.
  const anna = samples("anna-1");
  const doubled = Float32Array.from({ length: 2 * anna.length }, (_, i) => anna[i >> 1]);
  const answer = verifier.compare(verifier.hear(doubled, 2 * RATE_HZ), hear("anna-1"));
  assert.equal(answer.decision, "accept");
  assert.throws(() => verifier.hear(doubled, 4000), { code: "audio" });
});

test("what allows no answer is refused with its reason", () => {
  const silence = hear("silence");
  assert.equal(silence.reason.code, "silence");
  assert.equal(silence.embedding, undefined);
  const answer = verifier.compare(hear("anna-1"), silence);
  assert.equal(answer.decision, "inconclusive");
  assert.equal(answer.llr, null);
  assert.equal(verifier.compare(silence, hear("anna-1")).decision, "inconclusive");
  assert.throws(() => verifier.enroll("nobody", silence), { code: "silence" });
  assert.throws(() => verifier.embed(samples("noise"), RATE_HZ), { code: "no_speech" });
  assert.throws(() => verifier.hear(new Float32Array([NaN, 0]), RATE_HZ), { code: "audio" });
  assert.throws(() => verifier.enroll(" ", hear("anna-1")), { code: "usage" });
});

test("the terms move the threshold", () => {
  const [a, b] = [hear("anna-1"), hear("anna-2")];
  assert.equal(verifier.compare(a, b, { threshold: 50 }).decision, "reject");
  const answer = verifier.compare(a, b, { p_target: 0.01, c_fa: 10 });
  assert.ok(Math.abs(answer.threshold - Math.log(990)) < 1e-5);
  assert.throws(() => verifier.compare(a, b, { treshold: 50 }), /treshold/);
  assert.throws(() => verifier.compare(a, b, { p_target: 2 }), { code: "usage" });
});

test("backups go to the program and come from it", needsProgram, () => {
  const folder = mkdtempSync(join(tmpdir(), "spkver-"));
  const [words, ours, theirs] = ["words", "ours.age", "theirs.age"].map((name) => join(folder, name));
  writeFileSync(words, "correct horse\n");
  const backup = new Backup();
  backup.add(verifier.enroll("anna", hear("anna-1")));
  backup.add(verifier.enroll("boris", hear("boris-1")));
  writeFileSync(ours, backup.seal("correct horse"));
  const [from, to] = [1, 2].map((i) => ["--store", join(folder, `store-${i}`)]);
  run("store", "restore", ours, "--backup-passphrase-file", words, ...from);
  const answer = run("verify", "boris", `${voices}boris-2.wav`, ...from);
  assert.equal(answer.decision, "accept");

  run("enroll", "david", `${voices}david-1.wav`, ...to);
  run("store", "backup", theirs, "--backup-passphrase-file", words, ...to);
  const [david] = Backup.open(readFileSync(theirs), "correct horse");
  assert.equal(verifier.verify(david, hear("david-2")).decision, "accept");
  assert.throws(() => Backup.open(readFileSync(theirs), "wrong horse"), { code: "store" });
});

test("how long a second of audio takes", () => {
  const second = samples("anna-1").slice(0, RATE_HZ);
  const cpu = () => process.cpuUsage().user / 1000;
  for (let i = 0; i < 30; i++) verifier.hear(second, RATE_HZ);
  const times = Array.from({ length: 30 }, () => {
    const before = cpu();
    verifier.hear(second, RATE_HZ);
    return cpu() - before;
  });
  console.log(`one second of audio: ${times.sort((a, b) => a - b)[15].toFixed(1)} ms of one core in Node`);
});
