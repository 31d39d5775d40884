import { buildInvoice } from '../../src/billing/invoice/build-invoice';
import type { Invoice, InvoiceLine } from '../../src/billing/invoice/invoice';
import { builtInCatalog } from './built-in-catalog';

/** The worked example of docs/invoices.md, with a seller and a buyer. */
export function workedInvoice(): Invoice {
  return buildInvoice({
    project: 'acme',
    plans: [{ plan: 'ship', from: '2026-01-01' }],
    seller: {
      name: 'Example Realtime Ltd',
      address: ['1 Quay Street', 'Dublin 2', 'Ireland'],
      email: 'billing@example.com',
      taxId: 'IE1234567T',
      note: 'Please pay within 30 days, naming the invoice number.',
    },
    profile: {
      name: 'Acme Voice GmbH',
      address: ['Hauptstrasse 1', '10115 Berlin', 'Germany'],
      email: 'accounts@acme.example',
      taxId: 'DE123456789',
      taxes: [{ from: '2026-01-01', name: 'VAT', rate: '0.21' }],
    },
    credits: [{ month: '2026-07', description: 'Goodwill for the outage of 3 July', amount: '12.00' }],
    month: '2026-07',
    periodStart: '2026-07-01T00:00:00.000Z',
    periodEnd: '2026-08-01T00:00:00.000Z',
    totals: new Map([
      ['agent.session', 372_000n],
      ['session.webrtc', 8_940_000n],
      ['session.sip.us_local', 9_000n],
      ['session.egress.video', 30_000n],
      ['session.egress.audio_only', 12_000n],
      ['transfer.downstream', 251_370_000_000n],
      ['inference.stt/deepgram/nova-3-multilingual', 90_061n],
      ['inference.llm.input/openai/gpt-4.1-mini', 40_000_000n],
      ['inference.llm.cached_input/openai/gpt-4.1-mini', 12_345_678n],
      ['inference.llm.output/openai/gpt-4.1-mini', 3_000_000n],
      ['inference.tts/cartesia/sonic', 912_345n],
      ['2026-06@agent.session', 18_000n],
    ]),
    history: new Map([['2026-06', { totals: new Map([['agent.session', 4_900n * 60n]]) }]]),
    catalog: builtInCatalog,
    number: 'acme-0007',
    issuedAt: '2026-08-01T01:00:00.000Z',
  }).invoice;
}

/** As many lines as asked for, with names that are long, odd or hostile. */
export function longInvoice(lineCount: number): Invoice {
  const models = [
    `a-provider/${'very-long-model-name-'.repeat(5)}v2`,
    'x'.repeat(128),
    '語音/模型-二',
    'نموذج صوتي/١',
    'a\tmodel\u2028with\u0000controls',
    '<b>&amp;</b> (not) \\markup\\',
    '\u{1f600}/emoji',
  ];
  const lines = Array.from({ length: lineCount }, (_, at): InvoiceLine => {
    const model = `${models[at % models.length]!.slice(0, 124)}-${at}`;
    return {
      kind: 'usage',
      meter: 'inference.llm.input',
      model,
      description: `LLM input, ${model}`,
      unit: 'token',
      quantity: at === 0 ? '9223372036854775807' : `${at}000001`,
      included: '0',
      billable: at === 0 ? '9223372036854775807' : `${at}000001`,
      unitPrice: '0.4',
      per: '1000000',
      amount: at === 0 ? '3689348814741.91' : `${at}.40`,
    };
  });
  return { ...workedInvoice(), id: 'acme-2026-07', lines };
}
