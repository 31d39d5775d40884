import { TallymanError } from '../../lib/errors';

/**
 * Reads one of Kafka's 64-bit offsets. Beyond 2^53 a number would no longer tell two of them apart.
 */
export function parseOffset(text: string): number {
  const offset = Number(text);
  if (!Number.isSafeInteger(offset)) {
    throw new TallymanError('BAD_OFFSET', `Kafka gave the offset "${text}".`, { offset: text });
  }
  return offset;
}
