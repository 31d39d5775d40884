// Keeps the page's live parts up to date. The page is complete without it: the server writes every
// part, and they are only fetched again when the usage stream reports a change.
'use strict';
(() => {
  const REFRESH_EVERY_MS = 10_000;
  const LEAST_BETWEEN_MS = 1_000;
  const stream = document.currentScript.dataset.stream;
  const address = new URL(location.href);
  let running = false;
  let again = false;

  async function refresh() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      const answer = await fetch(address, { credentials: 'same-origin', headers: { accept: 'text/html' } });
      if (answer.status === 401) location.reload();
      if (answer.ok) replaceParts(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    } catch {
      // The server is away for a moment: the stream comes back by itself, and then so do the
      // numbers.
    }
    setTimeout(() => {
      running = false;
      if (again) void refresh();
      again = false;
    }, LEAST_BETWEEN_MS);
  }

  function replaceParts(fresh) {
    for (const part of document.querySelectorAll('[data-part]')) {
      const next = fresh.getElementById(part.id);
      if (next === null || next.innerHTML === part.innerHTML) continue;
      const open = [...part.querySelectorAll('details')].map((details) => details.open);
      const focused = part.contains(document.activeElement);
      next.querySelectorAll('details').forEach((details, i) => (details.open = open[i] ?? false));
      // A part that has the keyboard focus is not replaced until the focus leaves it.
      if (!focused) part.replaceChildren(...next.childNodes);
    }
  }

  document.addEventListener('change', ({ target }) => target.closest('form.pick')?.requestSubmit());

  const source = new EventSource(stream);
  source.addEventListener('usage', () => void refresh());
  // The page's statement of its freshness ages, too.
  setInterval(() => document.hidden || void refresh(), REFRESH_EVERY_MS);
})();
