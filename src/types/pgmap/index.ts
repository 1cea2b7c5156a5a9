export * from './df.ts';
export * from './digest.ts';
export * from './dump.ts';
export * from './rates.ts';
export {
  dumpPgMapSummary,
  dumpPgStatSummary,
  dumpRecovery,
  pgMapSummaryText,
  pgStatText,
  recoveryTexts,
  statfsUsed,
} from './summary.ts';
