// Keeps the page fresh: at once when an alert changes, and now and then. Without it the page is the same and is reloaded by hand.
"use strict";
const EVERY_MS = 15000;
const live = document.getElementById("live");
const pause = document.getElementById("pause");

async function refresh() {
  if (document.hidden || pause.checked || live.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (!fresh || fresh.innerHTML === live.innerHTML) return;
  const open = new Set([...live.querySelectorAll("details[open]")].map((d) => d.id));
  live.replaceChildren(...fresh.childNodes);
  for (const d of live.querySelectorAll("details")) d.open = open.has(d.id);
}

// A page in the background listens to nothing: browsers allow few connections to a place.
let stream;
function listen() {
  if (document.hidden) {
    stream?.close();
    stream = undefined;
    return;
  }
  refresh().catch(() => {});
  stream ??= new EventSource("/v1/alerts/stream?limit=50");
  for (const name of ["alert", "gone"]) stream.addEventListener(name, () => refresh().catch(() => {}));
}

document.getElementById("refresh").hidden = false;
document.addEventListener("visibilitychange", listen);
listen();
setInterval(() => refresh().catch(() => {}), EVERY_MS);
