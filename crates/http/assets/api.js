// Calls of the REST API. A failure is an Error with `status`, `code`, `fields` and a sentence for people.
import { word } from "./words.js";

export async function call(method, url, body, headers = {}) {
  // Refusals come in the language of the page.
  const init = { method, headers: { "accept-language": document.documentElement.lang, ...headers }, credentials: "same-origin" };
  if (body instanceof FormData) {
    init.body = body;
  } else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["content-type"] ??= "application/json";
  }
  let response;
  try {
    response = await fetch(url, init);
  } catch {
    document.dispatchEvent(new CustomEvent("unreachable"));
    throw failure(word("network"), 0);
  }
  document.dispatchEvent(new CustomEvent("reached"));
  const text = await response.text();
  let data = null;
  try { data = text ? JSON.parse(text) : null; } catch { /* not JSON: no details */ }
  if (response.ok) return { data, etag: response.headers.get("etag") };
  const error = failure(data?.error || word("unknown"), response.status);
  error.code = data?.code;
  error.fields = data?.details?.fields ?? [];
  error.details = data?.details ?? {};
  if (response.status === 429) {
    error.message = word("rate-limited", { seconds: response.headers.get("retry-after") ?? "" });
  }
  throw error;
}

function failure(message, status) {
  const error = new Error(message);
  error.status = status;
  error.fields = [];
  error.details = {};
  return error;
}

// Only addresses of this site may be navigated to by what a page or its address says; the API's `redirectUrl` may lead
// elsewhere, since the server checked it.
export function go(url) {
  location.assign(url);
}
