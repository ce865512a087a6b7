// The program, whose answers the package must give, too.

import { spawnSync } from "node:child_process";

/** Path of the program; empty where there is none. */
export const program = process.env.SPKVER ?? "";

/** Runs it; what it prints with --json. */
export function run(...args) {
  const ran = spawnSync(program, [...args, "--json"], { encoding: "utf8" });
  if (ran.error) throw ran.error;
  try {
    return JSON.parse(ran.stdout);
  } catch {
    throw new Error(`${program} ${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
  }
}
