import { Decimal } from './decimal';

/** Currencies whose minor unit does not have the usual two digits (ISO 4217, list one). */
const otherDigits: Readonly<Record<string, number>> = {
  ...{
    BIF: 0,
    CLP: 0,
    DJF: 0,
    GNF: 0,
    ISK: 0,
    JPY: 0,
    KMF: 0,
    KRW: 0,
    PYG: 0,
    RWF: 0,
    UGX: 0,
    UYI: 0,
    VND: 0,
  },
  ...{ VUV: 0, XAF: 0, XOF: 0, XPF: 0 },
  ...{ BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3 },
  ...{ CLF: 4, UYW: 4 },
};

/** Currencies of two digits. A code in neither list is unknown here. */
const twoDigits = new Set(
  (
    'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF ' +
    'CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK ' +
    'HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR ' +
    'MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP ' +
    'SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ' +
    'ZAR ZMW ZWG ZWL'
  ).split(' '),
);

export function isoDigitsOf(currency: string): number | undefined {
  if (Object.hasOwn(otherDigits, currency)) return otherDigits[currency];
  return twoDigits.has(currency) ? 2 : undefined;
}

/** Whether an amount has at most the digits of the currency. Zeros at the end do not count. */
export function hasDigitsOf(amount: string, minorDigits: number): boolean {
  return new Decimal(amount).decimalPlaces() <= minorDigits;
}

/** The problem of an amount that has too many digits. */
export function amountProblems(
  amount: string | undefined,
  path: string,
  { currency, minorDigits }: { readonly currency: string; readonly minorDigits: number },
): string[] {
  if (amount === undefined || hasDigitsOf(amount, minorDigits)) return [];
  const digits = minorDigits === 0 ? 'no digits' : `${minorDigits} digits`;
  return [`${path}: "${amount}" cannot be paid: ${currency} has ${digits} after the decimal point`];
}
