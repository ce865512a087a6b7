// Loads everything, forbids every further request, then brings the sections to life.

import { Busy } from "./busy.js";
import { compare } from "./compare.js";
import { enroll } from "./enroll.js";
import { Microphone } from "./microphone.js";
import { Speakers } from "./speakers.js";
import { Vault } from "./vault.js";
import { verify } from "./verify.js";
import { voiceprints } from "./voiceprints.js";
import { Engines } from "./worker.js";

const ready = document.querySelector("#ready");

try {
  const [engines, microphone, vault] = await Promise.all([Engines.load(), Microphone.prepare(), Vault.open()]);
  forbidRequests();
  const engine = await engines.start();
  const speakers = new Speakers(vault, engine);
  const busy = new Busy();
  const page = { engines, engine, microphone, vault, speakers, busy };
  enroll(page);
  verify(page);
  compare(page);
  await voiceprints(page);
  busy.free();
  document.querySelector("#model").textContent = `Model ${engine.model.slice(0, 12)}`;
  ready.textContent = "Ready. From now on the browser refuses this page every request.";
  ready.classList.add("ready");
} catch (error) {
  ready.textContent = `The page could not be loaded: ${error.message}`;
  ready.classList.add("bad");
}

/** A policy that is added can only forbid more. Workers from blobs get it, too. */
function forbidRequests() {
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = "default-src 'none'; script-src 'wasm-unsafe-eval'; worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'";
  document.head.append(policy);
}
