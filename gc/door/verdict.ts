import type { Asked, Notes } from './asked.ts';
import type { Judge } from './judge.ts';

/**
 * What a request for a checkpoint would be told now, whether or not it would have to wait for its turn. Nothing is
 * reserved or deleted, and the kubelet is not asked: of two who are told `allowed` one may be refused.
 *
 * @returns why it would be let through: `33Mi are expected: its last archive and a tenth more`.
 * @throws Refusal
 */
export async function verdictOn(judge: Judge, asked: Asked, notes: Notes): Promise<string> {
  const { refusal, evict, expected } = judge.judge(asked, await judge.disk());
  notes.estimate = expected;
  if (refusal !== null) throw refusal;
  if (evict.length === 0) return expected.grounds;
  const which = evict.length === 1 ? 'one archive' : `${evict.length} archives`;
  return `${expected.grounds}; ${which} would be deleted for it`;
}
