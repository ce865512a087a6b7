// The page in a real Chromium that hears a file as its microphone: driven by clicks and keys.
//
// PLAYWRIGHT and AXE are the folders of the packages playwright-core and axe-core; SCREENSHOTS is where the
// screenshots go.

import assert from "node:assert/strict";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { program, run } from "./program.mjs";
import { RATE_HZ, samples, voices, writeJoined } from "./recording.mjs";

const { chromium } = (await import(join(process.env.PLAYWRIGHT, "index.js"))).default;
const axe = readFileSync(join(process.env.AXE, "axe.min.js"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "spkver-page-"));
const screenshots = process.env.SCREENSHOTS ?? join(folder, "screenshots");
mkdirSync(screenshots, { recursive: true });
const words = "correct horse battery";

const root = fileURLToPath(new URL("../../../web/", import.meta.url));
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".wasm": "application/wasm" };
const server = createServer((request, response) => {
  const path = join(root, request.url === "/" ? "index.html" : request.url);
  if (!existsSync(path)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[extname(path)] });
  createReadStream(path).pipe(response);
}).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const address = `http://localhost:${server.address().port}/`;
after(() => server.close());

/** Recordings of a speaker one after the other, as the microphone hears them. */
function microphone(...names) {
  const path = join(folder, `${names.join("+")}.wav`);
  if (!existsSync(path)) writeJoined(path, names);
  return path;
}

/** Opens the page in a browser that keeps its data in `profile`. Closes it after `use`. */
async function visit(profile, wav, use, options = {}) {
  const context = await chromium.launchPersistentContext(join(folder, profile), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-audio-capture=${wav}`,
    ],
    viewport: { width: 800, height: 900 },
    ...options,
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(60_000);
    const seen = { late: [], errors: [], loaded: false };
    context.on("request", (request) => {
      if (seen.loaded && !request.url().startsWith("blob:")) seen.late.push(request.url());
    });
    page.on("pageerror", (error) => seen.errors.push(error.message));
    page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
    await page.goto(address);
    await page.locator("#ready.ready").waitFor();
    seen.loaded = true;
    await use(page, seen);
    assert.deepEqual(seen.late, [], "requests after loading");
    assert.deepEqual(seen.errors, []);
  } finally {
    await context.close();
  }
}

const text = (page, selector) => page.locator(selector).innerText();

async function enroll(page, name) {
  await page.fill("#enroll-name", name);
  await page.click("#enroll button.main");
  await page.locator("#enroll .milestone", { hasText: "Enough" }).waitFor();
  await page.click("#enroll button.main");
  await page.locator("#enroll .outcome").waitFor();
  assert.match(await text(page, "#enroll .answer"), new RegExp(`^Enrolled: ${name}`));
}

async function verify(page, name) {
  await page.selectOption("#verify-name", name);
  await page.click("#verify button.main");
  await page.locator("#verify .outcome").waitFor();
  return text(page, "#verify .answer");
}

async function unlock(page) {
  await page.fill("#unlock-words", words);
  await page.click(".unlock button[type=submit]");
  await page.locator(".kept").waitFor();
}

const names = ["anna", "boris", "chloe", "david", "edith", "felix", "grace", "henry", "ian", "jack"];

test("speakers are enrolled by clicks and kept under a passphrase", async () => {
  for (const [i, name] of names.entries()) {
    await visit("profile", microphone(`${name}-1`, `${name}-3`), async (page) => {
      if (i === 0) {
        await page.fill("#keep-words", words);
        await page.fill("#keep-again", words);
        await page.click(".keep button");
        await page.locator(".kept").waitFor();
      } else {
        await unlock(page);
      }
      await enroll(page, name);
      assert.equal(await page.locator(".speakers li").count(), i + 1);
    });
  }
});

test("each speaker is accepted and another one is rejected", async () => {
  for (const [i, name] of names.entries()) {
    await visit("profile", microphone(`${name}-2`), async (page) => {
      await unlock(page);
      // The model takes some of these voices for one another, but not these.
      const other = names[(i + 2) % names.length];
      const own = await verify(page, name);
      const strange = await verify(page, other);
      console.log(`${name}: ${own.split("\n")[0]} | ${strange.split("\n")[0]}`);
      assert.match(own, /^Accepted: this sounds like/);
      assert.match(strange, /^Rejected: this does not sound like/);
      assert.match(strange, /LLR −\d/);
    });
  }
});

test("after loading, page and worker can fetch nothing", async () => {
  await visit("empty", microphone("anna-1"), async (page, seen) => {
    const attempt = () => fetch("/index.html").then(() => "fetched", () => "refused");
    assert.equal(await page.evaluate(attempt), "refused");
    for (const worker of page.workers()) assert.equal(await worker.evaluate(attempt), "refused");
    assert.ok(page.workers().length > 0);
    // The browser tells of each attempt.
    assert.ok(seen.errors.every((error) => /Content Security Policy/.test(error)));
    seen.errors.length = 0;
  });
});

test("a wrong passphrase opens nothing, and nothing is stored in the clear", async () => {
  await visit("profile", microphone("anna-1"), async (page) => {
    await page.fill("#unlock-words", "something else");
    await page.click(".unlock button[type=submit]");
    await page.locator(".vault-answer .outcome").waitFor();
    assert.match(await text(page, ".vault-answer"), /not the passphrase/);
    assert.equal(await page.locator(".speakers li").count(), 0);
    const rows = await page.evaluate(
      () =>
        new Promise((resolve) => {
          indexedDB.open("spkver").onsuccess = ({ target: { result } }) => {
            const store = result.transaction("voiceprints").objectStore("voiceprints");
            store.getAll().onsuccess = ({ target }) =>
              resolve(target.result.map(({ body }) => new TextDecoder("latin1").decode(body)));
          };
        }),
    );
    assert.equal(rows.length, names.length);
    for (const row of rows) assert.doesNotMatch(row, /utterances|anna|boris/);
  });
});

test("dropped and chosen files are compared with the score of the program", async () => {
  await visit("empty", microphone("anna-1"), async (page) => {
    const fields = page.locator("#compare input");
    const pairs = [["anna-1", "anna-2"], ["anna-1", "david-1"], ["boris-3", "felix-2"]];
    for (const [a, b] of pairs) {
      for (const [i, name] of [a, b].entries()) {
        await fields.nth(i).setInputFiles(`${voices}${name}.wav`);
        await page.locator("#compare .fact").nth(i).filter({ hasText: `${name}.wav: ` }).filter({ hasText: "of speech" }).waitFor();
      }
      await page.locator("#compare .outcome").waitFor();
      const answer = await text(page, "#compare .answer");
      const same = a.split("-")[0] === b.split("-")[0];
      assert.match(answer, same ? /^Accepted: one speaker/ : /^Rejected: two speakers/);
      if (program) {
        const { llr } = run("compare", `${voices}${a}.wav`, `${voices}${b}.wav`);
        const shown = Number(/LLR ([+−][\d.]+)/.exec(answer)[1].replace("−", "-"));
        assert.ok(Math.abs(shown - llr) < 0.02, `${a}, ${b}: ${shown} instead of ${llr}`);
      }
    }
    const dropped = await page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(["no sound"], "letter.txt"));
      return transfer;
    });
    await page.locator("#compare .drop").nth(1).dispatchEvent("drop", { dataTransfer: dropped });
    await page.locator("#compare .outcome.none").waitFor();
    assert.match(await text(page, "#compare .answer"), /cannot read letter\.txt/);
  });
});

test("silence is refused with its reason", async () => {
  await visit("empty", microphone("silence"), async (page) => {
    await page.fill("#enroll-name", "nobody");
    await page.click("#enroll button.main");
    await page.waitForTimeout(2000);
    await page.click("#enroll button.main");
    await page.locator("#enroll .outcome").waitFor();
    assert.match(await text(page, "#enroll .answer"), /^No answer/);
    assert.equal(await page.locator(".speakers li").count(), 0);
  });
});

test("voiceprints go to the program and come from it", { skip: !program && "SKIPPED: no program" }, async () => {
  const [key, ours, theirs, store] = ["key", "ours.age", "theirs.age", "store"].map((name) => join(folder, name));
  writeFileSync(key, `${words}\n`);
  await visit("profile", microphone("anna-1"), async (page) => {
    await unlock(page);
    await page.click("summary");
    await page.fill("#export-words", words);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(".export button")]);
    await download.saveAs(ours);
    run("store", "restore", ours, "--backup-passphrase-file", key, "--store", store);
    const answer = run("verify", "edith", `${voices}edith-2.wav`, "--store", store);
    assert.equal(answer.decision, "accept");

    run("enroll", "visitor", `${voices}boris-2.wav`, "--store", `${store}-2`);
    run("store", "backup", theirs, "--backup-passphrase-file", key, "--store", `${store}-2`);
    await page.setInputFiles("#import-file", theirs);
    await page.fill("#import-words", words);
    await page.click(".import button");
    await page.locator(".exchange-answer .outcome.yes", { hasText: "Imported" }).waitFor();
    assert.equal(await page.locator(".speakers li").count(), names.length + 1);
  });
});

test("the keyboard alone enrolls, and deletes", async () => {
  await visit("keys", microphone("anna-1", "anna-3"), async (page) => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "enroll-name");
    await page.keyboard.type("anna");
    await page.keyboard.press("Enter");
    await page.locator("#enroll .milestone", { hasText: "Enough" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("#enroll .outcome.yes").waitFor();
    await page.getByRole("button", { name: "Delete anna" }).focus();
    await page.keyboard.press("Enter");
    // The safe button has the focus.
    await page.keyboard.press("Enter");
    assert.equal(await page.locator(".speakers li").count(), 1);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await page.locator(".none").waitFor();
  });
});

test("a deletion confirmed right after one that was declined is carried out", async () => {
  await visit("mind", microphone("anna-1", "anna-3"), async (page) => {
    await enroll(page, "anna");
    await page.evaluate(() => {
      const button = document.querySelector('[aria-label="Delete anna"]');
      button.click();
      document.querySelector("dialog[open] [value=no]").click();
      // Before the first dialog has told that it is closed.
      button.click();
    });
    await page.waitForTimeout(200);
    await page.locator("dialog[open] [value=yes]").click();
    await page.locator(".none").waitFor();
  });
});

test("it looks right, and a screen reader can follow", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await visit(
      "profile",
      microphone("anna-2"),
      async (page) => {
        const shoot = async (state) => {
          for (const width of [360, 800, 1400]) {
            await page.setViewportSize({ width, height: 800 });
            await page.screenshot({ path: join(screenshots, `${state}-${width}-${colorScheme}.png`), fullPage: true });
            const wide = await page.evaluate(() => document.documentElement.scrollWidth);
            assert.ok(wide <= width, `${state}: ${wide} px wide at ${width} px`);
          }
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => axe.run());
          const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
          assert.deepEqual(found, [], `${state}, ${colorScheme}`);
        };
        await shoot("locked");
        await unlock(page);
        await page.selectOption("#verify-name", "david");
        await page.click("#verify button.main");
        await page.locator("#verify .outcome").waitFor();
        await page.locator("#compare input").nth(0).setInputFiles(`${voices}anna-1.wav`);
        await page.locator("#compare input").nth(1).setInputFiles(`${voices}anna-2.wav`);
        await page.locator("#compare .outcome").waitFor();
        await page.click("summary");
        await page.fill("#enroll-name", "grace");
        await page.click("#enroll button.main");
        await page.locator("#enroll .heard", { hasText: "of speech" }).waitFor();
        await shoot("answers");
        await page.click("#enroll .cancel");
        await page.getByRole("button", { name: "Delete anna" }).click();
        await page.screenshot({ path: join(screenshots, `delete-${colorScheme}.png`) });
        await page.getByRole("button", { name: "Keep", exact: true }).click();
      },
      { colorScheme },
    );
  }
  console.log(`screenshots: ${screenshots}`);
});

test("how long a second of audio takes in Chromium", async () => {
  await visit("empty", microphone("anna-1"), async (page) => {
    const [worker] = page.workers();
    const ms = await worker.evaluate((values) => {
      // The page did not ask, so it gets no answer.
      const answer = self.postMessage;
      self.postMessage = () => {};
      const second = Float32Array.from(values);
      const times = Array.from({ length: 60 }, () => {
        const before = performance.now();
        self.onmessage({ data: { id: 0, operation: "hear", args: { key: "time", samples: second, rateHz: 16000 } } });
        return performance.now() - before;
      });
      self.postMessage = answer;
      return times.sort((a, b) => a - b)[5];
    }, [...samples("anna-1").slice(0, RATE_HZ)]);
    console.log(`one second of audio: ${ms.toFixed(1)} ms in Chromium`);
  });
});
