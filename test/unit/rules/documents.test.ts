import { readFileSync } from 'node:fs';
import { sourceFiles } from './layers';

/** Where JSON is parsed, and why not by `parseRecord` or `parseCopy` of src/lib/document.ts. */
const PARSES: Readonly<Record<string, readonly string[]>> = {
  'the one place for stored documents': ['src/lib/document.ts'],
  "the program's own files": ['src/cli/lib/version.ts', 'src/lib/schema.ts', 'src/pdf/font-slices.ts'],
  'input of others, which is judged field by field': [
    'consumers/decode/decode-event.ts',
    'src/cli/verbs/billing/projects/import.ts',
    'src/cli/verbs/usage/publish.ts',
    'src/livekit/map-webhooks.ts',
    'src/livekit/project-of-room.ts',
    'src/livekit/receive-webhooks.ts',
    'src/livekit/verify-signature.ts',
    'src/web/gateway/check-event.ts',
    'src/web/gateway/read-events.ts',
  ],
  'files of whoever runs it, whose problems are all listed at once': [
    'src/installation/catalog-file.ts',
    'src/installation/seller-file.ts',
    'src/livekit/mapping-file.ts',
  ],
  'files that carry a checksum': [
    'src/audit/second-count/sum-store.ts',
    'src/dedup/manifest.ts',
    'src/dedup/tail-file.ts',
    'src/livekit/spool-files.ts',
  ],
  'the page, which reads what its own server sends': ['src/web/static/page.js'],
  'the oracle, which shares no code': ['src/oracle/oracle-reading.ts'],
};

test('the product parses JSON in the listed places only', () => {
  const found = sourceFiles().filter(
    (file) => !file.startsWith('src/dev/') && /\bJSON\.parse\b/.test(readFileSync(file, 'utf8')),
  );
  expect(found.sort()).toEqual(Object.values(PARSES).flat().sort());
});
