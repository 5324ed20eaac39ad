// api.js: requests to the API with the session's cookie. A failure is an ApiError, whose message is a sentence for people.

export class ApiError extends Error {
  constructor(message, { status = 0, code = "unreachable", requestId = null, details = [] } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.details = details;
  }
}

const sessionEnded = new EventTarget();

/** Calls back when a request was refused because the session has ended. */
export const onSessionEnd = (callback) => sessionEnded.addEventListener("end", callback);

const UNREACHABLE = "The service cannot be reached. Check your connection, and try again.";

async function failure(answer) {
  const requestId = answer.headers.get("X-Request-Id");
  let said = {};
  try {
    said = await answer.json();
  } catch {
    // Not the service's own answer: a proxy's, for example.
  }
  const wait = Number(answer.headers.get("Retry-After"));
  const later = answer.status === 429 && wait > 0 ? ` Try again in ${wait} seconds.` : "";
  return new ApiError((said.error || `The service answered with status ${answer.status}.`) + later, {
    status: answer.status,
    code: said.code || "unknown",
    requestId: said.request_id || requestId,
    details: said.details || [],
  });
}

/**
 * One request; the answer's JSON. `once` is an Idempotency-Key: repeated with it, a POST does nothing twice.
 * `quiet`: a refusal does not count as the end of the session. `anonymous`: without the session.
 */
export async function request(method, path, { body, once, quiet, anonymous, accept, signal } = {}) {
  const headers = { "X-Billing-Console": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (once) headers["Idempotency-Key"] = once;
  if (accept) headers.Accept = accept;
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: anonymous ? "omit" : "same-origin",
      cache: "no-store",
      redirect: "error",
      signal,
    });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new ApiError(UNREACHABLE);
  }
  if (!answer.ok) {
    const refused = await failure(answer);
    if (answer.status === 401 && !quiet) sessionEnded.dispatchEvent(new Event("end"));
    throw refused;
  }
  if (answer.status === 204) return null;
  return accept && accept !== "application/json" ? answer.text() : answer.json();
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, body = {}, options) => request("POST", path, { body, ...options });
export const put = (path, body, options) => request("PUT", path, { body, ...options });
export const patch = (path, body, options) => request("PATCH", path, { body, ...options });
export const remove = (path, options) => request("DELETE", path, options);

/** A path of segments and a query; empty values are left out: address("/api/customers", id, { limit: 5 }). */
export function address(start, ...parts) {
  const query = parts.length && typeof parts.at(-1) === "object" ? parts.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const path = [start, ...parts.map(encodeURIComponent)].join("/");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** A word of one's own for a request that must not be done twice. */
export const newOnce = () => crypto.randomUUID();

/** The caller and the session, or null without a session. */
export async function currentSession() {
  const found = await get("/api/session", { quiet: true });
  return found.session ? found : null;
}

/** Signs in with { api_key } or { link }. */
export const signIn = (credential) => post("/api/session", credential, { quiet: true });

/** The token of a one-time link in the address, which then leaves the address and the history. */
export function takeLink() {
  const found = /^#link=(gbl_[0-9a-f]{64})$/.exec(location.hash);
  if (location.hash.startsWith("#link=")) history.replaceState(null, "", location.pathname);
  return found ? found[1] : null;
}

/** Ends this session, or all of the same key. */
export const signOut = (everywhere) => remove(everywhere ? "/api/sessions" : "/api/session", { quiet: true });

/** A list that comes in pages: `next()` fetches one more and returns its rows; `more` says whether there is another. A page
 * that is empty and has a next one is passed over. */
export function pages(path, query, member) {
  const list = {
    more: true,
    cursor: null,
    async next(options) {
      let rows;
      do {
        const page = await get(address(path, { ...query, cursor: list.cursor }), options);
        list.cursor = page.next_cursor;
        list.more = list.cursor !== null && list.cursor !== undefined;
        rows = page[member];
      } while (rows.length === 0 && list.more);
      return rows;
    },
  };
  return list;
}
