import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubeletUrl } from '../../cli/values.ts';

for (const [given, url] of [
  ['https://10.1.2.3:10250', 'https://10.1.2.3:10250'],
  ['https://Worker-1/', 'https://worker-1'],
  ['10.1.2.3', 'https://10.1.2.3:10250'],
  ['fd00::1', 'https://[fd00::1]:10250'],
] as const) {
  test(`the kubelet at ${given} is asked at ${url}`, () => assert.equal(kubeletUrl(given), url));
}
