// Reads the API with the session's cookie. An expired session leads back to the sign-in page.

const ROOT = "/api/v1";

export class ApiError extends Error {}

export async function get(path, query = {}) {
  const wanted = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const answer = await fetch(`${ROOT}${path}?${new URLSearchParams(wanted)}`, { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/signin");
  if (!answer.ok) throw new ApiError(await whatFailed(answer));
  return answer.json();
}

async function whatFailed(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? `HTTP ${answer.status}`;
}

/** Every item of a list, part after part. */
export async function all(path, query = {}) {
  const items = [];
  let cursor = null;
  do {
    const part = await get(path, { ...query, limit: 1000, cursor });
    items.push(...part.items);
    cursor = part.next;
  } while (cursor !== null);
  return items;
}
