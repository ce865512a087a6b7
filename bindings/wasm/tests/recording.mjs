// The recordings in fixtures/voices: mono, 16 bits, 16 kHz.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const RATE_HZ = 16000;

export const voices = fileURLToPath(new URL("../../../fixtures/voices/", import.meta.url));

/** The 16-bit samples of a recording, by its name without ".wav". */
export function samples16(name) {
  const file = readFileSync(`${voices}${name}.wav`);
  let at = 12;
  while (file.toString("latin1", at, at + 4) !== "data") at += 8 + file.readUInt32LE(at + 4);
  const num = file.readUInt32LE(at + 4) / 2;
  return Int16Array.from({ length: num }, (_, i) => file.readInt16LE(at + 8 + 2 * i));
}

/** The samples from −1 to 1. */
export function samples(name) {
  return Float32Array.from(samples16(name), (sample) => sample / 32768);
}

/** Writes recordings one after the other, each followed by half a second of near silence. */
export function writeJoined(path, names) {
  const parts = names.flatMap((name) => [samples16(name), hush(RATE_HZ / 2)]);
  const num = parts.reduce((sum, part) => sum + part.length, 0);
  const file = Buffer.alloc(44 + 2 * num);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(36 + 2 * num, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(1, 22); // channels
  file.writeUInt32LE(RATE_HZ, 24);
  file.writeUInt32LE(2 * RATE_HZ, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(2 * num, 40);
  let at = 44;
  for (const part of parts) for (const sample of part) at = file.writeInt16LE(sample, at);
  writeFileSync(path, file);
}

/** Noise of a few steps, the same in every run. */
function hush(num) {
  let state = 1;
  return Int16Array.from({ length: num }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 16) % 5 - 2;
  });
}
