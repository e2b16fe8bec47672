// Makes a component of a module in JavaScript or TypeScript:
//
//   node componentize.mjs SOURCE WIT OUTPUT [--engine starlingmonkey|quickjs]
//
// The packages are those of package.json beside this folder; they are installed when one is missing.
// TypeScript is checked by the tsconfig.json of the folder that this runs in, and then stripped of
// its types. All that a module imports becomes a part of it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(join(root, "package.json"));

function run(program, ...args) {
  const done = spawnSync(program, args, { stdio: "inherit" });
  if (done.error) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
}

function install() {
  console.error("installing the packages of package.json, which takes a while once");
  run("npm", "install", "--prefix", root, "--no-audit", "--no-fund");
}

async function load(name) {
  try {
    return await import(name);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    install();
    return await import(name);
  }
}

function checkTypes() {
  const manifest = require.resolve("typescript/package.json");
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  run(process.execPath, join(dirname(manifest), bin.tsc), "--noEmit", "--project", "tsconfig.json");
}

const engines = {
  // Large, with fetch, timers and a console.
  starlingmonkey: async (code, witPath) => {
    const { componentize } = await load("@bytecodealliance/componentize-js");
    return (await componentize(code, { witPath })).component;
  },
  // Small and built in a second or two; the language alone, with numbers for 64-bit integers.
  quickjs: async (code, witPath) => {
    const { componentize } = await load("componentize-qjs");
    return (await componentize({ jsSource: code, witPath, sync: true, optSize: true })).component;
  },
};

const [source, witPath, output, , engine = "starlingmonkey"] = process.argv.slice(2);
const { rolldown } = await load("rolldown");
if (source.endsWith(".ts") && existsSync("tsconfig.json")) checkTypes();
// Names with a colon are interfaces of the component.
const bundle = await rolldown({ input: source, external: /^[a-z0-9-]+:/ });
const made = await bundle.generate({ format: "esm" });
const component = await engines[engine](made.output[0].code, witPath);
mkdirSync(dirname(output), { recursive: true });
writeFileSync(output, component);
