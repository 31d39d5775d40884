import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { installation, needKcat } from '../../kit/tallyman';
import { codeBlocks } from '../../kit/code-blocks';

const run = promisify(execFile);

/** What the page promises of each program. */
const counted = {
  'session.webrtc': '120',
  'transfer.downstream': '80000000',
  'agent.session': '300',
  'inference.llm.input/openai/gpt-4.1-mini': '200',
  'inference.llm.cached_input/openai/gpt-4.1-mini': '1000',
  'inference.llm.output/openai/gpt-4.1-mini': '80',
};

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
  await expect(totalsAfter(publish)).resolves.toEqual(counted);
});

test('the script for kcat publishes what the page says', async () => {
  await needKcat();
  const [script] = codeBlocks('producers.md', 'sh');
  const publish = (env: NodeJS.ProcessEnv): Promise<unknown> => run('sh', ['-euc', script!], { env });
  await expect(totalsAfter(publish)).resolves.toEqual(counted);
});
