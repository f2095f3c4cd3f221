// Talk to the service: JSON, a token where it asks for one, and server-sent events read with fetch, for an
// EventSource cannot show a token. All addresses are relative, so that a proxy may serve the page below a path.

export class Refused extends Error {
  constructor(status, detail, errors = []) { super(detail); this.status = status; this.errors = errors; }
}

const shown = () => {
  const token = sessionStorage.getItem("token");
  return token ? { authorization: `Bearer ${token}` } : {};
};

export async function ask(path, { method = "GET", body } = {}) {
  const head = method === "GET" || method === "DELETE" ? {} : { "content-type": "application/json" };
  const sent = method === "GET" || method === "DELETE" ? undefined : JSON.stringify(body ?? {});
  const answer = await fetch(`api${path}`, { method, headers: { ...head, ...shown() }, body: sent });
  if (answer.status === 401 && await token()) return ask(path, { method, body });
  const told = await answer.json().catch(() => ({ detail: answer.statusText }));
  if (!answer.ok) throw new Refused(answer.status, told.detail ?? `the service answered ${answer.status}`, told.errors);
  return told;
}

// Save a file that a link names. A link cannot show a token, so with one the file is fetched here first.
export async function save(event, path, name) {
  if (!sessionStorage.getItem("token")) return;
  event.preventDefault();
  const answer = await fetch(`api${path}`, { headers: shown() });
  if (!answer.ok) throw new Refused(answer.status, `${name} cannot be downloaded: the service answered ${answer.status}`);
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export const at = (...parts) => parts.map((part) => `/${encodeURIComponent(part)}`).join("");

let asking = null;
function token() {
  asking ??= new Promise((settle) => {
    const dialog = document.getElementById("token");
    const field = dialog.querySelector("input");
    dialog.querySelector(".wrong").textContent = sessionStorage.getItem("token") ? "That is not the token." : "";
    field.value = "";
    dialog.addEventListener("close", () => {
      asking = null;
      if (field.value) sessionStorage.setItem("token", field.value.trim());
      settle(Boolean(field.value));
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

// Call `heard(kind, told)` for each event until `signal` aborts; open it again when it breaks.
export async function listen(path, heard, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const head = last === null ? {} : { "last-event-id": last };
      const answer = await fetch(`api${path}`, { headers: { ...head, ...shown() }, signal });
      if (!answer.ok) throw new Refused(answer.status, "");
      heard("open");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const lines = event.split("\n").map((line) => /^(\w+): ?(.*)$/.exec(line)).filter(Boolean);
          const told = Object.fromEntries(lines.map(([, name, text]) => [name, text]));
          if (told.id) last = told.id;
          if (told.data) heard(told.event, JSON.parse(told.data));
          if (told.event === "gone") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
    }
    heard("lost");
    await new Promise((wake) => setTimeout(wake, 2000));
  }
}
