import { resourceKey } from '../policy/govern.ts';
import { holding } from '../policy/rules.ts';
import type { PolicyResource, Rule } from '../policy/types.ts';

/** A copy with something changed, whose rules know it as theirs. */
export function revised(
  resource: PolicyResource,
  change: Partial<Omit<PolicyResource, 'rules'>>,
  rules: readonly Rule[] = resource.rules,
): PolicyResource {
  const own: Rule[] = [];
  const copy: PolicyResource = { ...resource, ...change, rules: own };
  for (const rule of rules) own.push({ ...rule, resource: copy });
  return copy;
}

/** As one with errors: it keeps broader policies away from its targets and deletes nothing. */
export function held(resource: PolicyResource): PolicyResource {
  if (!resource.sound) return resource;
  const { pressure: _, ...rest } = resource;
  const spared = { sound: false, tainted: 'Keep', ...(rest.unidentified && { unidentified: {} }) } as const;
  return revised(rest, spared, rest.rules.map(holding));
}

/** Gives a further resource of one name a name of its own, so that both can be there to hold their targets. */
export class UniqueNames {
  readonly #taken = new Set<string>();

  give(resource: PolicyResource): PolicyResource {
    const { reference } = resource;
    let named = resource;
    for (let number = 2; this.#taken.has(resourceKey(named.reference)); number += 1) {
      named = revised(resource, { reference: { ...reference, name: `${reference.name}#${number}` } });
    }
    this.#taken.add(resourceKey(named.reference));
    return named;
  }
}
