// The program, whose answers the package must give, too.

import { spawnSync } from "node:child_process";

/** Path of the program; empty where there is none. */
export const program = process.env.SPKVER ?? "";

/** Runs it; what it prints with --json. */
export function run(...args) {
  const ran = spawnSync(program, [...args, "--json"], { encoding: "utf8" });
  if (ran.error) throw ran.error;
  // Accepted, rejected, inconclusive; anything else has failed.
  if (![0, 1, 3].includes(ran.status) || !ran.stdout.startsWith("{")) {
    throw new Error(`${program} ${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
  }
  return JSON.parse(ran.stdout);
}
