import { createRestartPolicy } from '../../../../src/ingest/guards/restart-policy';

const MINUTE = 60_000;

it('starts again after a breakdown, also one a day for a year', () => {
  const mayRestart = createRestartPolicy();
  for (let day = 0; day < 365; day += 1) expect(mayRestart(day * 1_440 * MINUTE)).toBe(true);
});

it('gives up when breakdowns follow each other for five minutes', () => {
  const mayRestart = createRestartPolicy();
  const answers = Array.from({ length: 31 }, (_, i) => mayRestart(MINUTE + i * 10_000));
  expect(answers.indexOf(false)).toBe(30);
});

it('starts over after half a minute without trouble', () => {
  const mayRestart = createRestartPolicy();
  for (let nowMs = 0; nowMs < 4 * MINUTE; nowMs += 10_000) mayRestart(nowMs);
  expect(mayRestart(5 * MINUTE)).toBe(true);
  expect(mayRestart(5 * MINUTE + 10_000)).toBe(true);
});
