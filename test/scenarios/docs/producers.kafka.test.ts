import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { installation, needKcat } from '../../kit/tallyman';
import { codeBlocks } from '../../kit/code-blocks';
import { documentedTotals } from '../../kit/usage/documented-totals';

const run = promisify(execFile);

async function totalsAfter(publish: (env: NodeJS.ProcessEnv) => Promise<unknown>): Promise<object> {
  const tallyman = installation();
  await tallyman.ok('init');
  await publish({ ...process.env, ...tallyman.env });
  await tallyman.ok('consume', '--until-caught-up');
  return (await tallyman.json<{ totals: object }>('totals', 'acme')).totals;
}

test('the program for Node.js publishes what the page says', async () => {
  const [program] = codeBlocks('producers.md', 'js');
  const publish = (env: NodeJS.ProcessEnv): Promise<unknown> =>
    run(process.execPath, ['--eval', program!], { env });
  await expect(totalsAfter(publish)).resolves.toEqual(documentedTotals);
});

test('the script for kcat publishes what the page says', async () => {
  await needKcat();
  const [script] = codeBlocks('producers.md', 'sh');
  const publish = (env: NodeJS.ProcessEnv): Promise<unknown> => run('sh', ['-euc', script!], { env });
  await expect(totalsAfter(publish)).resolves.toEqual(documentedTotals);
});
