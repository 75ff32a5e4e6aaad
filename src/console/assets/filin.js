// Keeps the page fresh. Without it the page is the same and is reloaded by hand.
"use strict";
const EVERY_MS = 5000;
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

document.getElementById("refresh").hidden = false;
setInterval(() => refresh().catch(() => {}), EVERY_MS);
