"use strict";

// Keeps an order's page as the server sees it, and counts the time that is left. Everything works without it.

const live = document.getElementById("live");

// A button that was pressed is not pressed twice.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = "yes";
});
// The browser's history may bring back an old page: it is out of date and its buttons are used up.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

if (live) {
  follow(live);
}

function follow(live) {
  const link = document.getElementById("link");
  const announce = document.getElementById("announce");
  let shown = performance.now(); // when the countdown's start was true

  const show = (html) => {
    const next = document.createElement("template");
    next.innerHTML = html;
    const fresh = next.content.firstElementChild;
    const old = live.firstElementChild;
    if (!fresh || (fresh.dataset.version === old.dataset.version && fresh.dataset.state === old.dataset.state)) {
      return;
    }
    const known = new Set();
    for (const step of old.querySelectorAll("[data-event]")) {
      known.add(step.dataset.event);
      const same = fresh.querySelector(`[data-event="${CSS.escape(step.dataset.event)}"] details`);
      if (same) same.open = step.querySelector("details").open;
    }
    for (const step of fresh.querySelectorAll("[data-event]")) {
      if (!known.has(step.dataset.event)) step.classList.add("new");
    }
    if (fresh.dataset.state !== old.dataset.state) {
      fresh.classList.add("turned");
      announce.textContent = fresh.dataset.announce;
      document.title = fresh.dataset.title;
    }
    const focused = document.activeElement && live.contains(document.activeElement) ? document.activeElement.id : "";
    live.replaceChildren(fresh);
    shown = performance.now();
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const tick = () => {
    const left = document.getElementById("left");
    if (!left) return;
    const seconds = Math.max(0, Math.ceil(Number(left.dataset.left) - (performance.now() - shown) / 1000));
    const two = (n) => String(n).padStart(2, "0");
    left.textContent = `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
    left.classList.toggle("soon", seconds < 60);
  };
  setInterval(tick, 1000);

  const events = new EventSource(live.dataset.events);
  link.hidden = false;
  events.onopen = () => { link.dataset.state = "up"; };
  events.onerror = () => { link.dataset.state = "down"; };
  events.onmessage = (event) => show(event.data);
  window.addEventListener("pagehide", () => events.close());
}
