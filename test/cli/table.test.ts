import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Column, renderTable } from '../../cli/table.ts';

interface Row {
  readonly name: string;
  readonly size: string;
  readonly reason: string;
}
const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'SIZE', cell: ({ size }) => size, right: true },
  { title: 'REASON', cell: ({ reason }) => reason, sentence: true },
];
const ROWS: readonly Row[] = [
  { name: 'checkpoint-a', size: '1Mi', reason: 'is within the limits of the namespace shop and of the pod' },
  { name: 'b', size: '10.5Gi', reason: '' },
];
const at = (width: number | null) =>
  renderTable(COLUMNS, ROWS, { write: () => {}, isTerminal: width !== null, hasColour: false, width });

suite('a table fits its terminal', () => {
  test('without a terminal a row is a line', () => {
    assert.equal(
      at(null),
      [
        'NAME             SIZE   REASON',
        'checkpoint-a      1Mi   is within the limits of the namespace shop and of the pod',
        'b              10.5Gi',
        '',
      ].join('\n'),
    );
  });
  test('a little too narrow: the last column wraps', () => {
    assert.equal(
      at(70),
      [
        'NAME             SIZE   REASON',
        'checkpoint-a      1Mi   is within the limits of the namespace shop and',
        '                        of the pod',
        'b              10.5Gi',
        '',
      ].join('\n'),
    );
  });
  test('narrower: it has lines of its own', () => {
    assert.equal(
      at(40),
      [
        'NAME             SIZE',
        '    REASON',
        'checkpoint-a      1Mi',
        '    is within the limits of the',
        '    namespace shop and of the pod',
        'b              10.5Gi',
        '',
      ].join('\n'),
    );
  });
  test('very narrow: the name has, too', () => {
    assert.equal(
      at(20).split('\n').slice(0, 5).join('\n'),
      'NAME\n      SIZE\n    REASON\ncheckpoint-a\n       1Mi',
    );
  });
});

test('a table without sentences has its names on lines of their own', () => {
  const columns = COLUMNS.slice(0, 2);
  const output = { write: () => {}, isTerminal: true, hasColour: false, width: 20 };
  assert.equal(
    renderTable(columns, ROWS, output),
    'NAME\n      SIZE\ncheckpoint-a\n       1Mi\nb\n    10.5Gi\n',
  );
});

test('100,000 rows take no more than a moment', () => {
  const rows = Array.from({ length: 100_000 }, (_, index) => ({
    name: `checkpoint-pod-${index}`,
    size: '1Mi',
    reason: 'ok',
  }));
  const started = performance.now();
  renderTable(COLUMNS, rows, { write: () => {}, isTerminal: false, hasColour: false, width: null });
  assert.ok(performance.now() - started < 2_000);
});
