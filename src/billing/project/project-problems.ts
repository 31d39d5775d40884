import { inForce, type Catalog } from '../catalog/catalog';
import { meterListProblems, planAmountProblems, priceProblems } from '../catalog/catalog-problems';
import { amountProblems } from '../pricing/currency';
import { isDay } from '../pricing/days';
import { listedKeyOf } from '../pricing/prices-by-day';
import type { Overrides, PlanEntry, ProjectDocument } from './project';
import { isInference, isMeter } from '../../rating/meters';

/**
 * The problems of a project document that matches the schema, given the catalog that it will be
 * billed with.
 */
export function projectProblems(project: ProjectDocument, catalog: Catalog): string[] {
  return [
    ...datingProblems(project.plans, 'plans'),
    ...datingProblems(project.profile?.taxes ?? [], 'profile.taxes'),
    ...datingProblems(project.profile?.phoneNumbers ?? [], 'profile.phoneNumbers'),
    ...currencyProblems(project.profile?.currency, catalog),
    ...amountProblems(project.profile?.budget, 'profile.budget', catalog),
    ...(project.credits ?? []).flatMap(({ amount }, index) =>
      amountProblems(amount, `credits[${index}].amount`, catalog),
    ),
    ...project.plans.flatMap((entry, index) => entryProblems(entry, `plans[${index}]`, catalog)),
  ];
}

function currencyProblems(currency: string | undefined, catalog: Catalog): string[] {
  return currency === undefined || currency === catalog.currency
    ? []
    : [`profile.currency: "${currency}", but the catalog, and so every invoice, is in ${catalog.currency}`];
}

function datingProblems(rows: readonly { readonly from: string }[], path: string): string[] {
  return rows.flatMap(({ from }, index) => [
    ...(isDay(from) ? [] : [`${path}[${index}].from: "${from}" is not a valid day: expected YYYY-MM-DD`]),
    ...(rows.findIndex((row) => row.from === from) < index
      ? [`${path}[${index}]: there is another row from ${from}`]
      : []),
  ]);
}

function entryProblems({ plan, from, overrides }: PlanEntry, path: string, catalog: Catalog): string[] {
  const rows = catalog.plans.get(plan);
  if (rows === undefined)
    return [`${path}.plan: no plan "${plan}", the catalog has ${[...catalog.plans.keys()].join(', ')}`];
  const notYet = isDay(from) && inForce(rows, from) === undefined;
  return [
    ...planAmountProblems(overrides ?? {}, `${path}.overrides`, catalog),
    ...(notYet ? [`${path}.from: plan "${plan}" begins on ${rows[0]!.from}`] : []),
    ...overrideProblems(overrides ?? {}, `${path}.overrides`, catalog, from.slice(0, 7)),
  ];
}

function overrideProblems(
  { allowances = [], rates = [], phoneNumbers = [] }: Overrides,
  path: string,
  catalog: Catalog,
  month: string,
): string[] {
  // An alias stands for its model.
  const listedOf = ({ meter, model }: { meter: string; model?: string | undefined }): string =>
    model === undefined ? meter : listedKeyOf(catalog, `${meter}/${model}`, month);
  return [
    ...allowances.flatMap(({ name, meters }, index) => {
      const allowancePath = `${path}.allowances[${index}] (${name})`;
      if (meters !== undefined) return meterListProblems(meters, `${allowancePath}.meters`);
      return catalog.allowances.has(name)
        ? []
        : [`${allowancePath}: the catalog has no such allowance, so it needs meters`];
    }),
    ...sharedMeterProblems(allowances, path, catalog),
    ...phoneNumbers.flatMap(({ kind }, index) =>
      phoneNumbers.findIndex((one) => one.kind === kind) < index
        ? [`${path}.phoneNumbers[${index}] (${kind}): there is another row for it`]
        : [],
    ),
    ...rates.flatMap(({ meter, model, price }, index) => {
      const ratePath = `${path}.rates[${index}] (${meter})`;
      return [
        ...(isMeter(meter) ? [] : [`${ratePath}.meter: no meter "${meter}"`]),
        ...(rates.findIndex((rate) => listedOf(rate) === listedOf({ meter, model })) < index
          ? [`${ratePath}: there is another rate for it`]
          : []),
        ...(model === undefined || isInference(meter) ? [] : [`${ratePath}.model: ${meter} has no models`]),
        ...priceProblems(price, `${ratePath}.price`),
      ];
    }),
  ];
}

/** If a meter were in two included quantities, it would be undefined which one it uses up. */
function sharedMeterProblems(
  agreed: NonNullable<Overrides['allowances']>,
  path: string,
  catalog: Catalog,
): string[] {
  const metersOf = new Map(
    [...catalog.allowances].map(([name, rows]) => [name, rows.flatMap((row) => row.meters)]),
  );
  for (const { name, meters } of agreed) if (meters !== undefined) metersOf.set(name, [...meters]);
  return agreed.flatMap(({ name, meters = [] }, index) =>
    meters.flatMap((meter) =>
      [...metersOf]
        .filter(([other, shared]) => other !== name && shared.includes(meter))
        .map(([other]) => `${path}.allowances[${index}] (${name}).meters: "${meter}" is in "${other}" too`),
    ),
  );
}
