import { TallymanError } from '../../lib/errors';

/** Parses one of Kafka's 64-bit offsets. Above 2^53, a number could not distinguish two of them. */
export function parseOffset(text: string): number {
  const offset = Number(text);
  if (!Number.isSafeInteger(offset)) {
    throw new TallymanError('BAD_OFFSET', `Kafka returned the offset "${text}".`, { offset: text });
  }
  return offset;
}
