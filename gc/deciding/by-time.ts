import type { DecisionRule } from '../../policy/types.ts';

const BY_TIME: ReadonlySet<DecisionRule> = new Set(['age', 'orphan', 'unidentified']);

/** Whether a deletion by this rule would not be asked for if it were earlier. */
export function goesByTime(rule: DecisionRule): boolean {
  return BY_TIME.has(rule);
}
