import type { RatedEvent } from '../../../src/rating/usage';
import { writeProject } from '../../../src/redis/views/projects';
import type { WebHarness } from './web-harness';

const SELLER = {
  name: 'Example Realtime, Inc.',
  address: ['1 Market Street', 'San Francisco, CA 94105'],
  email: 'accounts@example.com',
  taxId: 'US 98-7654321',
  note: 'Payable within 30 days.',
};

/** A project with a busy month, its profile, and invoices of the months before. */
export async function sampleProject(harness: WebHarness, project: string): Promise<void> {
  await writeProject(harness.store, {
    project,
    plans: [{ plan: 'ship', from: '2026-02-01' }],
    profile: {
      name: 'Acme Voice GmbH',
      address: ['Torstraße 12', '10119 Berlin', 'Germany'],
      email: 'billing@acme.example',
      taxId: 'DE 123 456 789',
      budget: '250.00',
      taxes: [{ from: '2026-01-01', name: 'VAT', rate: '0.19' }],
    },
    credits: [{ month: '2026-07', description: 'Goodwill for the outage of 3 July', amount: '10.00' }],
  });
  for (const month of ['2026-03', '2026-04', '2026-05', '2026-06']) {
    await harness.count(...daysOf(project, month, 28));
    if (month !== '2026-06')
      await harness.issue(project, month, `${project}-000${Number(month.slice(6)) - 2}`);
  }
  await harness.issue(project, '2026-06', `${project}-0004`, SELLER);
  await harness.count(...daysOf(project, '2026-07', 16));
}

/** Each day is a little different, and the same whenever it is asked for. */
function daysOf(project: string, month: string, days: number): Partial<RatedEvent>[] {
  return Array.from({ length: days }, (_, i) => {
    const day = `${month}-${String(i + 1).padStart(2, '0')}`;
    const busy = 6 + ((i * 7) % 5) - (i % 7 > 4 ? 4 : 0);
    const usage = (meter: string, quantity: number, model?: string): RatedEvent['usages'][number] => ({
      ...{ meter: meter as 'agent.session', quantity: String(quantity) },
      ...(model !== undefined && { model }),
    });
    return {
      ...{ project, month, day },
      usages: [
        usage('agent.session', busy * 80 * 60),
        usage('session.webrtc', busy * 640 * 60),
        usage('session.sip.us_local', busy * 3 * 60),
        usage('transfer.downstream', busy * 3_870_000_000),
        usage('inference.stt', busy * 700, 'deepgram/nova-3'),
        usage('inference.llm.input', busy * 210_000, 'openai/gpt-4.1-mini'),
        usage('inference.llm.output', busy * 31_000, 'openai/gpt-4.1-mini'),
        usage('inference.tts', busy * 4_100, 'cartesia/sonic'),
      ],
    };
  });
}
