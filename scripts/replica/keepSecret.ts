import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/** Puts a secret into a file of vars such as `.dev.vars`, in place of one of that name. Nobody else can read the file after that. */
export function keepLocalSecret(file: string, name: string, json: object): void {
  const kept = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const others = kept.filter((line) => !new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(line));
  while (others.at(-1) === "") others.pop();
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, [...others, `${name}=${quoted(json)}`, ""].join("\n"), { mode: 0o600 });
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
}

/** As text in quotes within which everything is what it is; in JSON any character can be written without a quote. */
function quoted(json: object): string {
  return `'${JSON.stringify(json).replaceAll("'", "\\u0027")}'`;
}

/** Makes it a secret of the deployed Worker. It goes to wrangler's standard input: what is in a command line, others can see. */
export function keepRemoteSecret(name: string, json: object): void {
  const { status } = spawnSync("wrangler", ["secret", "put", name], {
    input: JSON.stringify(json),
    stdio: ["pipe", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`wrangler could not keep the secret ${name}: the lines above may say why.`);
}
