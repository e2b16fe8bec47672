// A certified OpenID provider (oidc-provider) with one client, whoever logs in by any name.
//
//   node provider.mjs FOLDER_OF_NODE_MODULES SETTINGS     says its issuer on stdout

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [folder, given] = process.argv.slice(2);
const settings = JSON.parse(given);
const require = createRequire(`${folder}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const audience = settings.audience;

const provider = new Provider(issuer, {
  clients: settings.clients,
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["name", "roles"], email: ["email", "email_verified"] },
  scopes: ["openid", "profile", "email", "read", "write"],
  conformIdTokenClaims: false,
  ttl: { ClientCredentials: settings.token_s ?? 60 },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: "read write",
        audience,
        accessTokenFormat: "jwt",
        accessTokenTTL: settings.token_s ?? 60,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: `${id} the tester`,
      email: `${id}@example.org`,
      email_verified: true,
      roles: ["tester"],
    }),
  }),
});
server.on("request", provider.callback());
process.stdin.on("end", () => process.exit(0)).resume();
console.log(issuer);
