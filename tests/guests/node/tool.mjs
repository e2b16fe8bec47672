// Tools of the JavaScript world for tests: a list of requests comes on stdin as JSON, the list of
// their answers goes to stdout. Bytes travel as base64. Packages come from the folder that is named
// as argument.
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const folder = process.argv[2];
const require = createRequire(join(folder, "package.json"));
const jco = await import(require.resolve("@bytecodealliance/jco"));

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (data) => Buffer.from(data).toString("base64");

const requests = {
  // The WIT of a component, as `jco wit` prints it.
  wit: async ({ component }) => await jco.componentWit(bytes(component)),
  // A core module that a world was put into; without one, a dummy that implements the world.
  embed: async ({ core, source, world }) => {
    const binary = core ? bytes(core) : await jco.parse("(module)");
    const options = { binary, witSource: source, world, dummy: !core };
    return text(await jco.componentEmbed(options));
  },
  // A component made of a core module with a world inside.
  new: async ({ core, adapted }) => {
    const adapter = adapted ? await readFile(jco.preview1AdapterReactorPath()) : null;
    const adapters = adapter ? [["wasi_snapshot_preview1", new Uint8Array(adapter)]] : [];
    return text(await jco.componentNew(bytes(core), adapters));
  },
  // A component made of JavaScript, with its engine.
  componentize: async ({ script, source, world }) => {
    const { componentize } = await import(
      join(folder, "node_modules/@bytecodealliance/componentize-js/src/componentize.js")
    );
    const made = await componentize(script, { witWorld: source, worldName: world });
    return text(made.component);
  },
  // What becomes of a module and all that it imports, as the tools of our templates have it made,
  // without comments.
  code: async ({ script }) => {
    const { rolldown } = await import(require.resolve("rolldown"));
    const bundle = await rolldown({ input: script, external: /^[a-z0-9-]+:/ });
    const { output } = await bundle.generate({ format: "esm", minify: true });
    return output[0].code;
  },
  // The same of several modules, whose imports the world in a folder names.
  bundle: async ({ script, wit, world }) => {
    const { rolldown } = await import(require.resolve("rolldown"));
    const bundle = await rolldown({ input: script, external: /^wasi:/ });
    const { output } = await bundle.generate({ format: "esm" });
    const { componentize } = await import(
      join(folder, "node_modules/@bytecodealliance/componentize-js/src/componentize.js")
    );
    const made = await componentize(output[0].code, { witPath: wit, worldName: world });
    return text(made.component);
  },
  // The same with a smaller engine.
  quickjs: async ({ script, wit }) => {
    const { componentize } = await import(require.resolve("componentize-qjs"));
    const options = { jsSource: script, witPath: wit, sync: true, optSize: true };
    return text((await componentize(options)).component);
  },
  // What tools say about the tools that made a binary.
  metadata: async ({ binary }) => await jco.metadataShow(bytes(binary)),
};

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const answers = [];
for (const request of JSON.parse(Buffer.concat(chunks).toString())) {
  try {
    answers.push({ ok: await requests[request.do](request) });
  } catch (error) {
    answers.push({ err: String(error?.payload ?? error) });
  }
}
process.stdout.write(JSON.stringify(answers));
