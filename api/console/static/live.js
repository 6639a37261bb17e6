// The live stream. The browser reconnects by itself and resumes; after a refusal we try again, ever more slowly.

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** Follows the stream: `on.latest(event)`, `on.up()`, `on.down()`, `on.missed()` when events between are lost. */
export function follow(on) {
  let waitMs = FIRST_WAIT_MS;

  function connect() {
    const source = new EventSource("/api/v1/stream?events=latest");
    source.addEventListener("open", () => {
      waitMs = FIRST_WAIT_MS;
      on.up();
    });
    source.addEventListener("latest", (event) => on.latest(JSON.parse(event.data)));
    source.addEventListener("reset", () => on.missed());
    source.addEventListener("error", () => {
      on.down();
      if (source.readyState === EventSource.CLOSED) again();
    });
  }

  function again() {
    setTimeout(connect, waitMs);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }

  connect();
}
