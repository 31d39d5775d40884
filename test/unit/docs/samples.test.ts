import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeBlocks } from '../../kit/code-blocks';

const SAMPLES = join(__dirname, '../../../src/web/gateway/samples');

test.each([
  ['sh', 'sh'],
  ['js', 'js'],
  ['python', 'py'],
  ['go', 'go'],
])('the page of producers shows the program of the OpenAPI document for %s', (language, ending) => {
  const source = readFileSync(join(SAMPLES, `post-events.${ending}`), 'utf8');
  expect(codeBlocks('producers.md', language)).toContain(source);
});
