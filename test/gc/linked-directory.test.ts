import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { stateDirectoryOf } from '../../gc/assemble.ts';
import { type CollectorOptions, planDirectory, startCollector } from '../../gc/main.ts';
import { nodeFiles } from '../../gc/system/node-files.ts';
import { directoryNames, sameDirectoryAs } from '../../gc/system/same-directory.ts';
import { DEFAULT_DIRECTORY } from '../../policy/schema.ts';
import { FakeLog, FakeSource, policy } from './collector-bench.ts';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'checkpoint-warden-link-')));
after(() => rmSync(scratch, { recursive: true }));
const [real, link, other] = [join(scratch, 'real'), join(scratch, 'link'), join(scratch, 'other')];
mkdirSync(real);
mkdirSync(other);
symlinkSync('real', link);

const WAYS: readonly (readonly [given: string, named: string])[] = [
  [real, link],
  [link, real],
];

describe('a directory and a link to it', () => {
  it('are the same, and nothing else is', () => {
    const isReal = sameDirectoryAs(real, nodeFiles);
    const paths = [real, link, `${link}/../real`, other, scratch, join(scratch, 'missing')];
    assert.deepEqual(paths.map(isReal), [true, true, true, false, false, false]);
    const isMissing = sameDirectoryAs(join(scratch, 'missing'), nodeFiles);
    assert.deepEqual([join(scratch, 'missing'), join(scratch, 'gone'), real].map(isMissing), [
      true,
      false,
      false,
    ]);
  });

  it('a path that may not be looked at is another', () => {
    const files: typeof nodeFiles = {
      ...nodeFiles,
      stat() {
        throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
      },
    };
    assert.deepEqual([real, link].map(sameDirectoryAs(real, files)), [true, false]);
  });

  it('have one name, which the kubelet’s has as well', () => {
    const names = directoryNames(link, nodeFiles);
    assert.deepEqual([real, link, DEFAULT_DIRECTORY, other].map(names), [link, link, link, other]);
  });

  for (const [directory, named] of WAYS) {
    const about = `--directory ${directory.replace(scratch, '')}, a policy for ${named.replace(scratch, '')}`;

    it(`${about}: it acts in the plan`, async () => {
      const spec = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 9 }] };
      const resources = [
        policy({ checkpointDirectory: named, ...spec }),
        policy({ checkpointDirectory: other, ...spec }, { name: 'other' }),
      ];
      const { policies, elsewhere } = await planDirectory({ directory, resources, now: 0 });
      assert.deepEqual(
        [...policies.resources()].map((each) => each.directory),
        [named],
      );
      assert.deepEqual(
        elsewhere.map((each) => each.directory),
        [other],
      );
    });

    it(`${about}: it acts in the collector, which no second one joins by the other path`, async () => {
      const log = new FakeLog();
      const options = (path: string, spec: object): CollectorOptions => ({
        directory: path,
        source: new FakeSource([policy(spec)]),
        pods: null,
        dryRun: false,
        stateDirectory: join(scratch, 'state'),
        log,
      });
      const spec = { checkpointDirectory: named, globalPolicy: { maxCheckpointsPerPod: 1 } };
      const first = await startCollector(options(directory, spec));
      try {
        assert.deepEqual(log.matching(/for another directory|no policy acts/), []);
        await assert.rejects(startCollector(options(named, spec)), /another collector has this directory/);
      } finally {
        await first.stop();
      }
    });
  }

  it('keep their state in one place, and another directory in another', () => {
    assert.equal(stateDirectoryOf('/state', link), stateDirectoryOf('/state', real));
    assert.equal(
      stateDirectoryOf('/state', join(link, 'new')),
      stateDirectoryOf('/state', join(real, 'new')),
    );
    assert.notEqual(stateDirectoryOf('/state', other), stateDirectoryOf('/state', real));
  });
});
