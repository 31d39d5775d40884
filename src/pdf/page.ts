/** A4, in points. */
export const PAGE = {
  width: 595.28,
  height: 841.89,
  left: 48,
  right: 547.28,
  top: 48,
  /** Only the footer is below this. */
  bottom: 786,
  foot: 802,
} as const;

export const COLOURS = {
  ink: '#111827',
  quiet: '#6b7280',
  rule: '#e5e7eb',
  panel: '#f3f4f6',
  accent: '#1d4ed8',
} as const;
