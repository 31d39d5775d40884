// Keeps a project's page up to date. The page is complete without it. The server sends what has
// changed as text, so nothing is computed here.
'use strict';
(() => {
  const RETRY_MS = 2_000;
  let { stream, state } = document.currentScript.dataset;
  let connection = new AbortController();
  let retry;

  // What has changed where the reader is: it waits until the reader has left.
  const held = new Map();

  async function follow() {
    clearTimeout(retry);
    connection.abort();
    connection = new AbortController();
    const { signal } = connection;
    let waitMs = RETRY_MS;
    try {
      const headers = { accept: 'text/event-stream', 'last-event-id': state };
      const answer = await fetch(stream, { signal, headers, cache: 'no-store' });
      if ([401, 403, 404].includes(answer.status)) return show('ended');
      show(answer.ok ? undefined : answer.status === 429 ? '429' : 'lost');
      if (answer.ok) await readEvents(answer.body.pipeThrough(new TextDecoderStream()).getReader(), signal);
      else waitMs = 1_000 * Number(answer.headers.get('retry-after') ?? 2);
    } catch {
      if (!signal.aborted) show('lost');
    }
    if (!signal.aborted) retry = setTimeout(follow, waitMs);
  }

  async function readEvents(reader, signal) {
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      const events = (text + value).split('\n\n');
      text = events.pop();
      events.forEach(onEvent);
    }
  }

  function onEvent(event) {
    const fields = Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/s, 2)));
    if (fields.event === 'reload') return location.reload();
    if (fields.event !== 'changes') return;
    const { numbers, parts } = JSON.parse(fields.data);
    for (const [id, html] of Object.entries(parts)) put(document.getElementById(id), html);
    for (const [key, html] of Object.entries(numbers)) putNumber(`[data-live="${CSS.escape(key)}"]`, html);
    state = fields.id;
  }

  // The number is in the new text of a part that waits, or on the page.
  function putNumber(selector, html) {
    for (const waiting of held.values()) {
      const found = waiting.content.querySelector(selector);
      if (found !== null) return void (found.innerHTML = html);
    }
    put(document.querySelector(selector), html);
  }

  function put(element, html) {
    const fresh = document.createElement('template');
    fresh.innerHTML = html;
    held.set(element, fresh);
    release();
  }

  function release() {
    for (const [element, fresh] of held) {
      if (element?.isConnected && isInUse(element)) continue;
      held.delete(element);
      if (element?.isConnected) replace(element, fresh.innerHTML);
    }
  }

  function isInUse(element) {
    const selection = getSelection();
    if (element.contains(document.activeElement)) return true;
    return (
      !selection.isCollapsed &&
      [selection.anchorNode, selection.focusNode].some((node) => element.contains(node))
    );
  }

  function replace(element, html) {
    const open = new Set([...element.querySelectorAll('details[open]')].map(({ id }) => id));
    element.innerHTML = html;
    for (const details of element.querySelectorAll('details')) details.open = open.has(details.id);
  }

  function show(problem) {
    for (const text of document.querySelectorAll('#live-status [data-when]'))
      text.hidden = text.dataset.when !== problem;
  }

  // Another chart, without leaving the place on the page.
  document.documentElement.classList.add('scripted');
  document.addEventListener('change', async ({ target }) => {
    const form = target.closest('form.pick');
    if (form === null) return;
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form));
    address.hash = '';
    const answer = await fetch(address, { headers: { accept: 'text/html' } }).catch(() => undefined);
    if (!answer?.ok) return form.submit();
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const chart = document.getElementById('live-chart');
    held.delete(chart);
    replace(chart, fresh.getElementById('live-chart').innerHTML);
    chart.querySelector('select').focus();
    history.replaceState(null, '', address);
    ({ stream, state } = fresh.querySelector('script[data-stream]').dataset);
    for (const part of document.querySelectorAll('[data-part]'))
      if (part !== chart) put(part, fresh.getElementById(part.id).innerHTML);
    void follow();
  });

  document.addEventListener('focusout', () => setTimeout(release));
  document.addEventListener('selectionchange', release);
  // Nobody sees a hidden tab, so nothing is sent to it.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) return void follow();
    clearTimeout(retry);
    connection.abort();
  });
  if (!document.hidden) void follow();
})();
