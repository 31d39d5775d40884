/** @returns what a share of the values does not exceed: 0.99 asks for p99, and 1 for the most */
export function quantiles(values: readonly number[]): (share: number) => number {
  const sorted = [...values].sort((a, b) => a - b);
  return (share) => sorted[Math.ceil(share * sorted.length) - 1]!;
}
