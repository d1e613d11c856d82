import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { Container } from '../../../gc/door/container.ts';
import { startOf } from '../../../gc/door/container.ts';
import type { Kubelet } from '../../../gc/door/kubelet.ts';

/** A kubelet, real or not, with a door's way to it. */
export interface KubeletUnderTest {
  readonly kubelet: Kubelet;
  /** The kubelet as somebody who may not create nodes/checkpoint, and as nobody. */
  readonly forbidden: Kubelet;
  readonly unknown: Kubelet;
  /** With an authority that the kubelet's certificate is not of. */
  readonly distrusting: Kubelet;
  /** Runs. */
  readonly running: Container;
  /** In the spec of a pod that is there, and not running. */
  readonly finished: Container;
  /** Where archives appear. */
  readonly directory: string;
}

/** What the door takes for granted of a kubelet. */
export function kubeletContract(name: string, start: () => Promise<KubeletUnderTest>): void {
  const it = (what: string, run: (under: KubeletUnderTest) => Promise<void>) =>
    test(`${name}: ${what}`, async () => run(await start()));

  it('a checkpoint is answered with the path of an archive that is there, named by its start', async (under) => {
    const began = Math.floor(Date.now() / 1_000) * 1_000;
    const outcome = await under.kubelet.checkpoint(under.running, undefined);
    assert.equal(outcome.kind, 'done', JSON.stringify(outcome));
    if (outcome.kind !== 'done') return;
    assert.ok(readdirSync(under.directory).includes(outcome.file));
    const time = startOf(outcome.file) ?? 0;
    assert.ok(time >= began && time <= Date.now(), outcome.file);
  });

  for (const timeout of [0, 1, 300]) {
    it(`takes a timeout of ${timeout}`, async ({ kubelet, running }) => {
      assert.equal((await kubelet.checkpoint(running, timeout)).kind, 'done');
    });
  }

  it('two in one second, one after the other, have one file', async ({ kubelet, running }) => {
    // Several tries: a real checkpoint takes a fifth of a second, and the second may end meanwhile.
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await untilMuchOfASecond();
      const first = await kubelet.checkpoint(running, undefined);
      const second = await kubelet.checkpoint(running, undefined);
      if (first.kind === 'done' && second.kind === 'done' && first.file === second.file) return;
    }
    assert.fail('never one file: has the kubelet learnt to give each its own?');
  });

  it('an unknown pod', async ({ kubelet, running }) => {
    const outcome = await kubelet.checkpoint({ ...running, pod: 'not-there' }, undefined);
    assert.deepEqual(outcome, { kind: 'unknown', text: 'pod does not exist' });
  });

  it('an unknown container', async ({ kubelet, running }) => {
    const outcome = await kubelet.checkpoint({ ...running, container: 'not-there' }, undefined);
    assert.deepEqual(outcome, { kind: 'unknown', text: 'container not-there does not exist' });
  });

  it('a container that does not run', async ({ kubelet, finished }) => {
    assert.equal((await kubelet.checkpoint(finished, undefined)).kind, 'notRunning');
  });

  it('a caller who may not', async ({ forbidden, running }) => {
    const outcome = await forbidden.checkpoint(running, undefined);
    assert.deepEqual([outcome.kind, 'status' in outcome && outcome.status], ['refused', 403]);
  });

  it('a caller whom nobody knows', async ({ unknown, running }) => {
    const outcome = await unknown.checkpoint(running, undefined);
    assert.deepEqual([outcome.kind, 'status' in outcome && outcome.status], ['refused', 401]);
  });

  it('a certificate of somebody else: it is not even asked', async ({ distrusting, running }) => {
    assert.equal((await distrusting.checkpoint(running, undefined)).kind, 'unsent');
  });
}

/** What two checkpoints of a small container take, and some more. */
const ENOUGH_MS = 600;

/** So that what follows has most of a second before it. */
async function untilMuchOfASecond(): Promise<void> {
  const left = 1_000 - (Date.now() % 1_000);
  if (left < ENOUGH_MS) await new Promise((resolve) => setTimeout(resolve, left + 10));
}
