// An application with a SCIM 2.0 server by other hands, `scimmy` with `scimmy-routers`: it judges what it is sent by its
// own reading of RFC 7643 and 7644. Told line by line what to do, as the other programs here; what it keeps stays in memory.
import { createInterface } from "node:readline";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

// What there is, by kind and id. Ids count up, as those of many applications do.
const kept = { User: new Map(), Group: new Map() };
let next = 1;
let rules = {};

function stored(kind, id) {
  const found = kept[kind].get(id);
  if (!found) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
  return found;
}

// Versions count only where the application offers them (RFC 7644 §3.14).
function checkVersion(found, request) {
  const wanted = request?.header("if-match");
  if (rules.etags && wanted && wanted !== found.meta.version) throw new SCIMMY.Types.Error(412, null, "it has changed");
}

function meta(kind, before) {
  const version = Number(before?.version?.match(/\d+/)?.[0] ?? 0) + 1;
  const now = new Date();
  return { resourceType: kind, created: before?.created ?? now, lastModified: now, ...(rules.etags ? { version: `W/"${version}"` } : {}) };
}

function put(kind, id, data) {
  const name = kind === "User" ? "userName" : "displayName";
  if (rules.suffix && kind === "User" && !data.userName.endsWith(rules.suffix)) data = { ...JSON.parse(JSON.stringify(data)), userName: data.userName + rules.suffix };
  const key = String(data[name]).toLowerCase();
  for (const other of kept[kind].values()) {
    if (!rules.twins && other.id !== id && String(other[name]).toLowerCase() === key) throw new SCIMMY.Types.Error(409, "uniqueness", `${key} is taken`);
  }
  for (const { value } of data.members ?? []) {
    if (!kept.User.has(value)) throw new SCIMMY.Types.Error(400, "invalidValue", `nobody is called ${value}`);
  }
  const resource = { ...JSON.parse(JSON.stringify(data)), id, meta: meta(kind, kept[kind].get(id)?.meta) };
  if (rules.lowerCase && kind === "User") resource.userName = resource.userName.toLowerCase();
  if (rules.dropsIds) delete resource.externalId;
  kept[kind].set(id, resource);
  return resource;
}

for (const kind of ["User", "Group"]) {
  SCIMMY.Resources.declare(SCIMMY.Resources[kind], {
    ingress: (resource, data, request) => {
      if (resource.id) checkVersion(stored(kind, resource.id), request);
      return put(kind, resource.id ?? String(next++), data);
    },
    egress: (resource) => (resource.id ? stored(kind, resource.id) : [...kept[kind].values()]),
    degress: (resource, request) => {
      checkVersion(stored(kind, resource.id), request);
      kept[kind].delete(resource.id);
      for (const group of kept.Group.values()) group.members = group.members?.filter(({ value }) => value !== resource.id);
    },
  });
}

const app = express();
app.use("/scim/v2", new SCIMMYRouters({
  type: "bearer",
  handler: (request) => {
    if (request.header("authorization") !== `Bearer ${rules.token}`) throw new Error("who are you?");
    return "app";
  },
  context: (request) => request,
}));

const actions = {
  // Listens; gives the port. `etags`: resources have versions. `lowerCase`: user names are kept in lower case.
  // `dropsIds`: `externalId` is not kept. `suffix`: user names get it. `twins`: several may have one name.
  start: (given) => new Promise((resolve) => {
    rules = given;
    const server = app.listen(0, "127.0.0.1", () => resolve(server.address().port));
  }),
  rules: (given) => Object.assign(rules, given),
  users: () => [...kept.User.values()],
  groups: () => [...kept.Group.values()],
  // Does something behind everybody's back: as the application's own people would.
  put: ({ kind, resource }) => put(kind, resource.id ?? String(next++), resource),
  remove: ({ kind, id }) => kept[kind].delete(id),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: (await actions[action](given)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
