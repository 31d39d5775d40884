import { compileSchema, problemOf } from '../src/schema';
import { reject, type Rejection } from './usage-consumer';

/** Makes the check of an event's `data`: undefined for good data, else the rejection with the first problem. */
export function dataCheck(eventType: string): (data: unknown) => Rejection | undefined {
  const validate = compileSchema(`${eventType}.json`, '#/properties/data');
  return (data) => {
    if (validate(data)) return undefined;
    // Where alternatives failed, ajv lists the problems of each: the ones that name a wrong value tell most.
    const errors = (validate.errors ?? []).filter(
      ({ keyword }) => keyword !== 'anyOf' && keyword !== 'oneOf',
    );
    const error =
      errors.find(({ keyword }) => keyword !== 'required' && keyword !== 'type') ??
      errors[0] ??
      validate.errors?.[0];
    return reject('schema_violation', error === undefined ? 'data is not valid' : problemOf(error, 'data'));
  };
}
