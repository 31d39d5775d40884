import type { ProjectDocument } from '../../../../src/billing/project/project';
import { projectProblems } from '../../../../src/billing/project/project-problems';
import { builtInCatalog } from '../../../kit/built-in-catalog';

const problemsOf = (document: Omit<ProjectDocument, 'project'>): string[] =>
  projectProblems({ project: 'p', ...document }, builtInCatalog);

test.each<[string, Omit<ProjectDocument, 'project'>, string[]]>([
  ['nothing wrong', { plans: [{ plan: 'ship', from: '2026-01-01' }] }, []],
  [
    'an unknown plan, an impossible day, a plan not begun',
    {
      plans: [
        { plan: 'gold', from: '2026-01-01' },
        { plan: 'ship', from: '2026-02-29' },
        { plan: 'ship', from: '2023-12-31' },
      ],
    },
    [
      'plans[1].from: "2026-02-29" is not a valid day: expected YYYY-MM-DD',
      'plans[0].plan: no plan "gold", the catalog has build, ship, scale',
      'plans[2].from: plan "ship" begins on 2024-01-01',
    ],
  ],
  [
    'two plans or taxes from one day',
    {
      plans: [
        { plan: 'ship', from: '2026-01-01' },
        { plan: 'scale', from: '2026-01-01' },
      ],
      profile: {
        taxes: [
          { from: '2026-01-01', name: 'VAT', rate: '0.2' },
          { from: '2026-01-01', name: 'VAT', rate: '0.21' },
        ],
      },
    },
    [
      'plans[1]: there is another row from 2026-01-01',
      'profile.taxes[1]: there is another row from 2026-01-01',
    ],
  ],
  [
    'overrides of what is not there',
    {
      plans: [
        {
          plan: 'scale',
          from: '2026-01-01',
          overrides: {
            allowances: [
              { name: 'Agent session minutes', included: '1' },
              { name: 'Faxes', included: '1' },
              { name: 'Calls', meters: ['session.webrtc', 'agent.events'], included: '1' },
            ],
            rates: [
              { meter: 'fax', per: '1', price: '1' },
              { meter: 'fax', per: '1', price: '2' },
              {
                meter: 'agent.events',
                model: 'm',
                per: '1',
                price: { volume: [{ upTo: '1', amount: '1' }] },
              },
            ],
          },
        },
      ],
    },
    [
      'plans[0].overrides.allowances[1] (Faxes): the catalog has no such allowance, so it needs meters',
      'plans[0].overrides.allowances[2] (Calls).meters: one quantity cannot count minute and event',
      'plans[0].overrides.allowances[2] (Calls).meters: "session.webrtc" is in "WebRTC participant minutes" too',
      'plans[0].overrides.allowances[2] (Calls).meters: "agent.events" is in "Agent observability events" too',
      'plans[0].overrides.rates[0] (fax).meter: no meter "fax"',
      'plans[0].overrides.rates[1] (fax).meter: no meter "fax"',
      'plans[0].overrides.rates[1] (fax): there is another rate for it',
      'plans[0].overrides.rates[2] (agent.events).model: agent.events has no models',
      'plans[0].overrides.rates[2] (agent.events).price.volume[0].upTo: the last tier has no end',
    ],
  ],
])('%s', (_case, document, expected) => {
  expect(problemsOf(document)).toEqual(expected);
});
