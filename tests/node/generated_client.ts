// The management API through a client that a stock generator made of the OpenAPI document: types are checked by the
// compiler, and this walk by running it. Arguments: the server's address and an API key.
import { client } from "./api/client.gen";
import * as api from "./api";

const [address, key] = process.argv.slice(2);
client.setConfig({ baseUrl: address, auth: (scheme) => (scheme.in === "cookie" ? undefined : key), throwOnError: false });

function expect(what: string, is: unknown, wanted: unknown) {
  if (is !== wanted) throw new Error(`${what} is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`);
}

/** The body of an answer that must have this status. */
function got<T>(status: number, result: { data?: T; error?: unknown; response?: Response }): NonNullable<T> {
  if (result.response?.status !== status) {
    throw new Error(`${result.response?.url}: ${result.response?.status}: ${JSON.stringify(result.error)}`);
  }
  return result.data as NonNullable<T>;
}

async function walk() {
  expect("the level", got(200, await api.getCurrentVersion()).currentVersion, "2.14.0");

  const group = got(201, await api.createUserGroup({ body: { name: "devs", friendlyName: "Developers" } }));
  const user = got(201, await api.createUser({
    body: { username: "ada", email: "ada@example.com", firstName: "Ada", lastName: "Lovelace", displayName: "Ada" },
  }));
  const withGroups = got(200, await api.setGroupsOfUser({ path: { id: user.id }, body: { userGroupIds: [group.id] } }));
  expect("the group", withGroups.userGroups[0].name, "devs");
  const claims = got(200, await api.setClaimsOfUser({ path: { id: user.id }, body: [{ key: "nextcloud_username", value: "ada" }] }));
  expect("the claim", claims[0].key, "nextcloud_username");

  const read = await api.getUser({ path: { id: user.id } });
  const tag = read.response!.headers.get("etag")!;
  const renamed = await api.updateUser({
    path: { id: user.id }, headers: { "If-Match": tag }, body: { displayName: "Countess", email: null },
  });
  expect("who needs an address", (renamed.error as { code?: string }).code, "validation_failed");
  got(200, await api.updateUser({ path: { id: user.id }, headers: { "If-Match": tag }, body: { displayName: "Countess" } }));
  const late = await api.updateUser({ path: { id: user.id }, headers: { "If-Match": tag }, body: { displayName: "Ada" } });
  expect("an older version", late.response?.status, 412);
  expect("its code", (late.error as { code?: string }).code, "version_mismatch");

  const page = got(200, await api.listUsers({
    query: { search: "ada", "sort[column]": "username", "sort[direction]": "asc", "pagination[limit]": 5 },
  }));
  expect("who is found", page.data.map((u) => u.displayName).join(), "Countess");
  expect("how many", page.pagination.totalItems, 1);

  const made = got(201, await api.createClient({
    body: {
      id: "nextcloud", name: "Nextcloud", callbackURLs: ["https://cloud.example.com/apps/user_oidc/code"],
      isGroupRestricted: true, credentials: { federatedIdentities: [] },
    },
  }));
  expect("restricted", made.isGroupRestricted, true);
  const secret = got(201, await api.createClientSecret({ path: { id: made.id }, body: {} }));
  expect("the secret's beginning", secret.secret!.slice(0, 4), secret.prefix);
  const refused = await api.previewClaims({ path: { id: made.id, user: user.id }, query: { scopes: "openid profile" } });
  expect("who is not allowed", (refused.error as { code?: string }).code, "oidc_access_denied");
  got(200, await api.setAllowedGroupsOfClient({ path: { id: made.id }, body: { userGroupIds: [group.id] } }));
  const preview = got(200, await api.previewClaims({ path: { id: made.id, user: user.id }, query: { scopes: "openid profile" } }));
  expect("the claim's value", (preview.userInfo as Record<string, unknown>).nextcloud_username, "ada");

  const picture = new Blob([Buffer.from(PIXEL, "base64")], { type: "image/png" });
  got(204, await api.setClientLogo({ path: { id: made.id }, body: { file: new File([picture], "logo.png") } }));
  expect("the logo", got(200, await api.getClient({ path: { id: made.id } })).hasLogo, true);

  const resource = got(201, await api.createApi({ body: { name: "Orders", resource: "https://api.example.com" } }));
  const permitted = got(200, await api.setPermissionsOfApi({
    path: { id: resource.id }, body: { permissions: [{ key: "read:orders", name: "Read" }] },
  }));
  const access = got(200, await api.setAccessOfClient({
    path: { id: resource.id, client: made.id },
    body: { userDelegatedPermissionIds: [permitted.permissions[0].id] },
  }));
  expect("access", access.userDelegatedAccess, true);

  const settings = got(200, await api.updateConfiguration({ body: { appName: "Club" } }));
  expect("the name", settings.find((s) => s.key === "appName")?.value, "Club");
  const log = got(200, await api.listAuditLog({ query: { "filters[event]": ["CLIENT_CREATED"] } }));
  expect("entries", log.data.length, 1);

  got(204, await api.deleteClient({ path: { id: made.id } }));
  got(204, await api.deleteApi({ path: { id: resource.id } }));
  got(204, await api.deleteUserGroup({ path: { id: group.id } }));
  got(204, await api.deleteUser({ path: { id: user.id } }));
  const gone = await api.getUser({ path: { id: user.id } });
  expect("who is gone", (gone.error as { code?: string }).code, "user_not_found");
}

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

walk().then(() => console.log("walked"), (error) => {
  console.error(error);
  process.exit(1);
});
