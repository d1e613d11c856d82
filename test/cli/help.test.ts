import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { PLUGIN } from '../../cli/kubectl/program.ts';
import { WARDEN, wholeProgram } from '../../cli/program.ts';
import { generatedDocs } from '../../docs/generate.ts';
import { call, ROOT } from './call.ts';

suite('help', () => {
  for (const program of [WARDEN, PLUGIN]) {
    test(`${program.name} lists every command with what it does`, async () => {
      const { code, out, err } = await call(['--help'], { program });
      assert.deepEqual([code, err], [0, '']);
      for (const { name, summary } of program.commands)
        assert.ok(out.includes(`${name} `) && out.includes(summary), name);
    });

    for (const { name } of program.commands) {
      test(`${program.name} ${name} can be learnt from its help`, async () => {
        const { code, out, err } = await call([name, '--help'], { program });
        assert.deepEqual([code, err], [0, '']);
        assert.ok(out.startsWith(`Usage: ${program.name} ${name} `), out);
        assert.match(
          out,
          new RegExp(`Examples:\n {2}(?:kubectl checkpoint .* xargs )?${program.name} ${name}`),
        );
        assert.deepEqual(await call(['help', name], { program }), { code, out, err });
        const tooWide = out.split('\n').filter((line) => line.length > 150);
        assert.deepEqual(tooWide, []);
      });
    }
  }

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.deepEqual(await call(['--version']), { code: 0, out: `${version}\n`, err: '' });
  });
});

suite('the reference is in step: if not, run node docs/generate.ts', async () => {
  for (const [path, content] of await generatedDocs()) {
    test(path, async () => assert.equal(await readFile(join(ROOT, path), 'utf8'), content));
  }
});

const GUIDES = readdirSync(join(ROOT, 'docs/guide')).map((name) => join('docs/guide', name));

suite('what the documentation calls is there', () => {
  for (const path of ['README.md', ...GUIDES]) {
    test(path, async () => {
      const text = (await readFile(join(ROOT, path), 'utf8')).replaceAll('\\\n', ' ');
      const [warden, plugin] = [await wholeProgram(), await wholeProgram(PLUGIN)];
      const calls = text.matchAll(
        /(?:^(?:\$ )?(?:checkpoint-warden|npm start --)|(kubectl checkpoint)) ([a-z]+)([^|\n`]*)/gm,
      );
      for (const [call, isPlugin, name = '', rest = ''] of calls) {
        const command = (isPlugin ? plugin : warden).commands.find((each) => each.name() === name);
        assert.ok(command, call);
        for (const [option] of rest.matchAll(/--[a-z-]+/g)) {
          assert.ok(
            command.options.some(({ long }) => long === option),
            `${option} in: ${call}`,
          );
        }
      }
      for (const [, link = ''] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
        assert.ok(existsSync(join(ROOT, path, '..', link)), `a link to ${link}`);
      }
    });
  }
});
