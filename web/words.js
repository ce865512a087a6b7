// Answers and refusals in plain English, and the elements that show them.

const REMEDIES = {
  silence: "Check that the right microphone is on and not muted.",
  no_speech: "Record somebody who speaks.",
  too_little_speech: "Speak for longer.",
  clipping: "It was too loud: turn the microphone down, or keep further away from it.",
  band_limited: "Something between, such as a telephone line, takes away too much of the voice. Record without it.",
  noisy: "Speak closer to the microphone, or in a quieter place.",
  several_voices: "Record one person alone, with no other voice in the background.",
  undecided: "Speak for longer.",
  score_not_finite: "Try another recording.",
};

/** The outcome of a refused recording. */
export function refusal(reason) {
  return outcome("none", "No answer", [sentence(reason.text), REMEDIES[reason.code]]);
}

/** The outcome of anything that failed. */
export function failure(error) {
  return outcome("none", "That did not work", [sentence(error.message)]);
}

/** The outcome of something that is done. */
export function success(title, ...lines) {
  return outcome("yes", title, lines);
}

/** The outcome of a trial: `yes` and `no` are what accept and reject mean here. */
export function decision(answer, { yes, no }) {
  if (answer.decision === "inconclusive") return refusal(answer.reason);
  const accepted = answer.decision === "accept";
  return outcome(accepted ? "yes" : "no", accepted ? `Accepted: ${yes}` : `Rejected: ${no}`, [
    meaning(answer.llr),
    expectation(answer),
  ]);
}

/** What an LLR says. */
export function meaning(llr) {
  const ratio = Math.exp(Math.abs(llr));
  const times = ratio > 1000 ? "more than 1000 times" : ratio < 1.15 ? "about as" : `${rounded(ratio)} times`;
  const which = llr > 0 ? "one speaker than if they are of two" : "two speakers than if they are of one";
  if (times === "about as") {
    return `LLR ${signed(llr)}: the recordings are as likely if they are of one speaker as if they are of two.`;
  }
  return `LLR ${signed(llr)}: the recordings are ${times} more likely if they are of ${which}.`;
}

export function signed(llr) {
  if (llr === 0) return "0";
  return `${llr < 0 ? "−" : "+"}${Math.abs(llr).toFixed(2)}`;
}

export function seconds(number) {
  return `${number.toFixed(1)}\u00a0s`;
}

/** A message of the library as a sentence. */
function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

const KINDS = { clean: "", noise: " in noise", line: " over a narrow band" };

function expectation({ decision, threshold, kind, expected, live }) {
  if (!expected) return null;
  const rule =
    live && decision === "reject"
      ? `The page rejects at once below LLR ${signed(threshold)}.`
      : `The page accepts from LLR ${signed(threshold)} up.`;
  return (
    `${rule} When the model was measured${KINDS[kind] ?? ""}, that accepted ${percent(expected.false_accept)} of ` +
    `the wrong speakers and rejected ${percent(expected.false_reject)} of the right ones.`
  );
}

function percent({ rate, low, high }) {
  const shown = (share) => (share > 0.0005 && share < 0.1 ? (100 * share).toFixed(1) : (100 * share).toFixed(0));
  return `${shown(rate)}\u00a0% (95\u00a0% interval ${shown(low)} to ${shown(high)})`;
}

function rounded(ratio) {
  return ratio < 10 ? ratio.toFixed(1) : String(Number(ratio.toPrecision(2)));
}

function outcome(kind, verdict, lines) {
  const box = document.createElement("div");
  box.className = `outcome ${kind}`;
  const add = (text, name) => {
    const line = document.createElement("p");
    line.textContent = text;
    if (name) line.className = name;
    box.append(line);
  };
  add(verdict, "verdict");
  lines.filter(Boolean).forEach((line) => add(line));
  return box;
}
