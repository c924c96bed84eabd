// What every page gains with JavaScript: fresh figures, a running countdown, the
// log as it grows. Nothing here is needed for an action; see package web.

document.documentElement.classList.add("scripted");

// Parts marked data-live are fetched again and replaced. Their page says how
// often (data-refresh, seconds); the banners come along on every page.
const every = Number(document.querySelector("[data-refresh]")?.dataset.refresh ?? 10);

async function refresh() {
  if (document.hidden) return;
  // The banners of a page that must not be asked for again come from Setup.
  const from = document.querySelector("[data-refresh]") ? location.href : "/setup";
  let answer;
  try {
    answer = await fetch(from, { headers: { "X-Sluice-Background": "1" }, redirect: "manual" });
  } catch {
    return; // the appliance restarts or is out of reach
  }
  if (answer.status === 401) {
    location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search));
    return;
  }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    // What is being used stays as it is until it is left.
    if (!other || part.contains(document.activeElement) || other.innerHTML === part.innerHTML) continue;
    part.replaceChildren(...document.importNode(other, true).childNodes);
  }
  startCountdowns();
}

let deadlines = new Map();

function startCountdowns() {
  deadlines = new Map();
  for (const el of document.querySelectorAll("[data-countdown]")) {
    deadlines.set(el, Date.now() + Number(el.dataset.countdown) * 1000);
  }
}

function tick() {
  for (const [el, deadline] of deadlines) {
    const left = Math.max(0, Math.round((deadline - Date.now()) / 1000));
    el.textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    if (left === 0) {
      deadlines.delete(el);
      setTimeout(refresh, 1500);
    }
  }
}

if (document.getElementById("banners")) {
  startCountdowns();
  setInterval(tick, 500);
  setInterval(refresh, every * 1000);
}

// The log follows its unit by server-sent events.
const log = document.getElementById("log");
if (log) {
  const box = document.getElementById("follow");
  const state = document.getElementById("followstate");
  let source;
  log.scrollTop = log.scrollHeight;

  function follow() {
    // Each connection, also one made again, begins with lines that are shown already.
    let seen = new Set();
    source = new EventSource("/api/v1/logs/" + encodeURIComponent(log.dataset.unit) + "/follow");
    source.onopen = () => {
      state.textContent = "live";
      seen = new Set(log.textContent.trimEnd().split("\n").slice(-50));
    };
    source.onerror = () => { state.textContent = "waiting for the connection"; };
    source.onmessage = (event) => {
      if (seen.has(event.data)) return;
      const atEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
      log.append(event.data + "\n");
      while (log.childNodes.length > 5000) log.firstChild.remove();
      if (atEnd) log.scrollTop = log.scrollHeight;
    };
  }
  box.addEventListener("change", () => {
    source?.close();
    state.textContent = "";
    if (box.checked) follow();
  });
  follow();
  document.querySelector("#logform select").addEventListener("change", (event) => event.target.form.submit());
}
