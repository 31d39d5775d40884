import { readFileSync, writeFileSync } from 'node:fs';
import { SETTINGS, type Setting } from '../lib/settings-table';

const PAGE = 'docs/operating/settings.md';

/** The table in `docs/operating/settings.md`, which is made of the table of settings. */
export function settingsTable(): string {
  const all = Object.entries<Setting<unknown>>(SETTINGS);
  const readers = [...new Set(all.flatMap(([, { verbs }]) => verbs))].sort();
  const rows = all.map(([name, { fallback, purpose, verbs, secret }]) => {
    const meaning = secret ? `${purpose}. Secret` : purpose;
    const others = readers.filter((verb) => !verbs.includes(verb));
    const readBy =
      others.length < verbs.length ? ['all but', others.join(', ')] : [[...verbs].sort().join(', ')];
    return `| \`${name}\` | ${fallback ? `\`${fallback}\`` : 'none'} | ${meaning} | ${others.length === 0 ? 'all' : readBy.join(' ')} |\n`;
  });
  return ['| variable | default | meaning | read by |\n', '|---|---|---|---|\n', ...rows].join('');
}

/** The page with its table, the only one that begins with `| variable |`, created again. */
const settingsPage = (page: string): string => page.replace(/^\| variable \|(?:.*\n\|)*.*\n/m, settingsTable);

if (require.main === module) writeFileSync(PAGE, settingsPage(readFileSync(PAGE, 'utf8')));
