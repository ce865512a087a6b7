// The section that lists the voiceprints, keeps them in this browser, and exchanges them with the program.

import { failure, seconds, success } from "./words.js";

export async function voiceprints({ engines, vault, speakers }) {
  const section = document.querySelector("#voiceprints");
  const find = (selector) => section.querySelector(selector);
  const answer = find(".vault-answer");
  const exchanged = find(".exchange-answer");
  /** There are voiceprints that nobody has unlocked. */
  let isLocked = false;

  speakers.addEventListener("change", list);
  list();
  await showVault();

  function list() {
    find(".speakers").replaceChildren(...speakers.all.map(item));
    find(".none").hidden = speakers.all.length > 0 || isLocked;
    find(".export button").disabled = speakers.all.length === 0;
  }

  function item({ name, utterances }) {
    const row = document.createElement("li");
    const who = document.createElement("div");
    who.className = "who";
    const title = document.createElement("b");
    title.textContent = name;
    const fact = document.createElement("span");
    const speech = utterances.reduce((sum, utterance) => sum + utterance.speech_seconds, 0);
    const num = utterances.length === 1 ? "1 recording" : `${utterances.length} recordings`;
    fact.textContent = `${seconds(speech)} of speech in ${num}`;
    who.append(title, fact);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "Delete";
    button.setAttribute("aria-label", `Delete ${name}`);
    button.addEventListener("click", async () => {
      if (await agreed(`Delete the voiceprint of ${name}?`)) {
        await speakers.delete(name);
        find("#voiceprints-title").focus();
      }
    });
    row.append(who, button);
    return row;
  }

  async function showVault() {
    const exists = await vault.exists();
    find(".keep").hidden = exists;
    find(".unlock").hidden = !exists || vault.isOpen;
    find(".kept").hidden = !vault.isOpen;
    isLocked = exists && !vault.isOpen;
    list();
  }

  submitted(find(".keep"), answer, async (form) => {
    const [words, again] = form.querySelectorAll("input");
    if (words.value !== again.value) throw new Error("The two passphrases differ.");
    await vault.create(words.value);
    await speakers.join();
    form.reset();
    await showVault();
    return success("Kept", "Next time, this browser asks for the passphrase. Nobody can recover it.");
  });

  submitted(find(".unlock"), answer, async (form) => {
    if (!(await vault.unlock(form.querySelector("input").value))) {
      throw new Error("This is not the passphrase of these voiceprints.");
    }
    await speakers.join();
    form.reset();
    await showVault();
    return null;
  });

  find(".lock").addEventListener("click", async () => {
    vault.lock();
    speakers.clear();
    answer.replaceChildren();
    await showVault();
    find("#unlock-words").focus();
  });

  for (const button of section.querySelectorAll(".forget")) {
    button.addEventListener("click", async () => {
      if (!(await agreed("Delete all voiceprints in this browser, and their passphrase?"))) return;
      await vault.forget();
      speakers.clear();
      answer.replaceChildren(success("Deleted"));
      await showVault();
      find("#keep-words").focus();
    });
  }

  submitted(find(".export"), exchanged, async (form) => {
    const all = speakers.all.map(({ bytes }) => bytes);
    const file = await engines.once("seal", { voiceprints: all, words: form.querySelector("input").value });
    save(file, "voiceprints.age");
    form.reset();
    const num = all.length === 1 ? "1 voiceprint" : `${all.length} voiceprints`;
    return success("Exported", `${num} in voiceprints.age, encrypted with the passphrase.`);
  });

  const chosen = find("#import-file");
  chosen.addEventListener("change", () => (find(".import button").disabled = chosen.files.length === 0));
  submitted(find(".import"), exchanged, async (form) => {
    const bytes = new Uint8Array(await chosen.files[0].arrayBuffer());
    const found = await engines.once("open", { bytes, words: form.querySelector("#import-words").value });
    for (const speaker of found) await speakers.put(speaker);
    form.reset();
    return success("Imported", found.map(({ name }) => name).join(", "));
  });
}

/** Runs `work` when the form is submitted, and shows its outcome. */
function submitted(form, place, work) {
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = document.createElement("p");
    words.textContent = "Working…";
    place.replaceChildren(words);
    button.disabled = true;
    try {
      const outcome = await work(form);
      place.replaceChildren(...(outcome ? [outcome] : []));
    } catch (error) {
      place.replaceChildren(failure(REFUSALS[error.code] ?? error));
    }
    button.disabled = false;
  });
}

/** Of the library's refusals, those whose advice is for its command line. */
const REFUSALS = {
  store: new Error("The passphrase does not open this file, or it is no backup of spkver."),
};

/** Asks before something is deleted. Each question has a dialog of its own: its answer is to no other one. */
function agreed(question) {
  const dialog = document.querySelector("#ask-template").content.firstElementChild.cloneNode(true);
  dialog.querySelector("p").textContent = question;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

function save(bytes, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
