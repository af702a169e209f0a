// Signs up, in, refreshes, asks who it is and signs out with @supabase/supabase-js, as a web page
// would; prints what it saw as one line of JSON. Arguments: the gateway's URL and an e-mail address.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [url, email, packages] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(packages, "package.json")));
const { createClient } = require("@supabase/supabase-js");
const ws = require("ws");

const password = "correct horse battery staple";
const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: ws },
};
const client = createClient(url, "anonymous", options);
const seen = {};

const up = await client.auth.signUp({ email, password, options: { data: { name: "Ada" } } });
seen.signedUp = up.data.user?.email;
seen.name = up.data.user?.user_metadata.name;
const again = await client.auth.signUp({ email, password });
seen.again = again.error?.code;
const weak = await client.auth.signUp({ email: `weak-${email}`, password: "short" });
seen.weak = weak.error?.code;
const wrong = await client.auth.signInWithPassword({ email, password: "wrong password" });
seen.wrong = [wrong.error?.code, wrong.error?.status, wrong.error?.message];
const signedIn = await client.auth.signInWithPassword({ email, password });
seen.signedIn = signedIn.data.session?.user.id === up.data.user?.id;
const first = signedIn.data.session;
const refreshed = await client.auth.refreshSession();
seen.refreshed = refreshed.data.session?.refresh_token !== first.refresh_token;
const claims = await client.auth.getClaims();
seen.claims = claims.data?.claims.email;
const user = await client.auth.getUser();
seen.user = user.data.user?.email;
const runs = await fetch(`${url}/v1/runs`, {
  headers: { authorization: `Bearer ${refreshed.data.session.access_token}` },
});
seen.runs = runs.status;
const out = await client.auth.signOut();
seen.signedOut = out.error === null;
const late = await client.auth.getUser(refreshed.data.session.access_token);
seen.late = late.error?.name;
const reuse = await client.auth.refreshSession({ refresh_token: first.refresh_token });
seen.reuse = reuse.error?.code;
console.log(JSON.stringify(seen));
