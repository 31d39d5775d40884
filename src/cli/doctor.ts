import { Command } from 'commander';
import { usageConsumers } from '../../consumers';
import type { Finding } from '../finding';
import { checkTopics } from '../stream/check-topics';
import { checkCursor } from '../stream/offset-chain';
import { topicReplaced } from '../stream/stop-errors';
import { logRanges, topicName } from '../stream/topics';
import { checkRedis } from '../totals/check-redis';
import { readCursors } from '../totals/cursors';
import type { Store } from '../totals/store';
import { readTopicIds } from '../totals/topic-ids';
import { withContext, type Context } from './context';
import { printJson, printLine } from './output';

/** A partition that is behind and whose cursor does not move for so long is called stuck. */
const STUCK_AFTER_MS = 3_000;

export function doctorVerb(): Command {
  return new Command('doctor')
    .description('Check the settings that exactness needs. Exit code 1 if something is wrong.')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { json?: true }) => {
      const findings = await withContext(examine);
      if (options.json) printJson({ findings });
      else printFindings(findings);
      if (findings.some(({ level }) => level === 'error')) process.exitCode = 1;
    });
}

async function examine(context: Context): Promise<Finding[]> {
  const store = await context.store();
  const topics = await checkTopics(context.kafka(), context.config.prefix);
  const missing = topics.some(({ remedy }) => remedy === 'tallyman init');
  return [...(await checkRedis(store)), ...topics, ...(missing ? [] : await checkCursors(context))];
}

async function checkCursors(context: Context): Promise<Finding[]> {
  const { prefix } = context.config;
  const store = await context.store();
  const topics = usageConsumers.map(({ topic }) => topicName(prefix, topic));
  const ranges = await logRanges(context.kafka(), topics);
  const findings: Finding[] = await checkTopicIds(context, store, topics);
  const behind: { topic: string; partition: number; cursor: number; end: number }[] = [];
  for (const [topic, partitions] of ranges) {
    for (const [partition, range] of partitions.entries()) {
      const subject = `${topic}/${partition}`;
      const cursor = (await readCursors(store, partition)).get(topic);
      if (cursor === undefined) {
        const problem = 'Redis holds no cursor: its events are not counted';
        findings.push({
          level: 'error',
          subject,
          problem,
          remedy: 'tallyman init; if Redis was emptied, restore it',
        });
        continue;
      }
      const stop = checkCursor(cursor, range);
      if (stop)
        findings.push({ level: 'error', subject, problem: stop.message, remedy: 'see docs/operating.md' });
      else if (cursor < range.end) behind.push({ topic, partition, cursor, end: range.end });
    }
  }
  if (behind.length > 0) await new Promise((resolve) => setTimeout(resolve, STUCK_AFTER_MS));
  for (const { topic, partition, cursor, end } of behind) {
    if ((await readCursors(store, partition)).get(topic) !== cursor) continue;
    findings.push({
      level: 'warning',
      subject: `${topic}/${partition}`,
      problem: `${end - cursor} events wait, and the cursor stands at ${cursor}`,
      remedy: 'start the consumers (tallyman consume), or look at their logs',
    });
  }
  return findings;
}

async function checkTopicIds(context: Context, store: Store, topics: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  const noted = await readTopicIds(store);
  for (const topic of topics) {
    const id = await context.kafka().topicId(topic);
    const expected = noted.get(topic);
    if (id === undefined) {
      findings.push({
        level: 'warning',
        subject: topic,
        problem: 'Kafka gives it no id: if it is deleted and made anew, nobody may notice',
        remedy: 'Kafka 2.8 or later',
      });
    } else if (expected === undefined) {
      const problem = 'Redis does not say which topic its cursors belong to: consumers refuse to start';
      findings.push({ level: 'error', subject: topic, problem, remedy: 'tallyman init' });
    } else if (id !== expected) {
      const { message } = topicReplaced(topic, expected, id);
      findings.push({ level: 'error', subject: topic, problem: message, remedy: 'see docs/operating.md' });
    }
  }
  return findings;
}

function printFindings(findings: readonly Finding[]): void {
  if (findings.length === 0) {
    printLine('All is well.');
    return;
  }
  for (const { level, subject, problem, remedy } of findings) {
    printLine(`${level === 'error' ? 'ERROR  ' : 'warning'}  ${subject}: ${problem}`);
    printLine(`         -> ${remedy}`);
  }
}
