import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Place, TextRing } from '../../webhook/text-ring.ts';

test('the last texts that fit are read as they were written, whatever their characters take', () => {
  const ring = new TextRing(300);
  const written: { readonly text: string; readonly place: Place }[] = [];
  let held = 0;
  for (let index = 0; index < 500; index += 1) {
    const text = `${index} ${['plain', 'Straße', '名前空間', '🗄️'][index % 4]} ${'x'.repeat(index % 37)}`;
    const place = ring.write(text);
    assert.ok(place);
    written.push({ text, place });
    for (const [age, each] of written.toReversed().entries()) {
      const read = ring.read(each.place);
      if (read === null) break;
      assert.equal(read, each.text);
      held = Math.max(held, age + 1);
    }
    assert.equal(ring.read(place), text);
  }
  assert.ok(held >= 4, `only ${held} were held at a time`);
});

test('what others stand in the place of is not read', () => {
  const ring = new TextRing(30);
  const first = ring.write('0123456789');
  assert.ok(first);
  const second = ring.write('abcdefghij');
  assert.ok(second);
  assert.equal(ring.read(first), null);
  assert.equal(ring.read(second), 'abcdefghij');
});

test('a text that might not fit is not written', () => {
  const ring = new TextRing(30);
  assert.equal(ring.write('x'.repeat(11)), null);
  const place = ring.write('');
  assert.ok(place);
  assert.equal(ring.read(place), '');
});
