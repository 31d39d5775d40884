// node -r <this file>: a process whose wall clock is wrong by MOVE_CLOCK_MS, from
// MOVE_CLOCK_AFTER_MS after its start on. Monotonic clocks (performance.now, process.hrtime) and
// timers stay right, as they do on a machine whose clock is set.
const offsetMs = Number(process.env.MOVE_CLOCK_MS ?? 0);
const afterMs = Number(process.env.MOVE_CLOCK_AFTER_MS ?? 0);
const RightDate = Date;
const now = () => RightDate.now() + (performance.now() >= afterMs ? offsetMs : 0);

globalThis.Date = new Proxy(RightDate, {
  construct: (target, words, newTarget) =>
    Reflect.construct(target, words.length === 0 ? [now()] : words, newTarget),
  apply: () => new RightDate(now()).toString(),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
});
