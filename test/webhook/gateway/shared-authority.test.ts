import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthority } from '../../cluster/authority.ts';
import { ask, DOOR_NAME, openGateway, startFakeDoor } from './kit.ts';

test('doors of the own authority are known by it, through its rotation', async (t) => {
  const [former, next] = await Promise.all([createAuthority('former'), createAuthority('next')]);
  const issued = former.issue({ name: 'gateway', hosts: ['127.0.0.1'] });
  const door = await startFakeDoor(next.issue({ name: 'door', hosts: [DOOR_NAME] }));
  t.after(() => door.close());
  const open = await openGateway({
    certificate: { ...issued, ca: former.certificate },
    doors: { ca: null, name: DOOR_NAME, port: door.port },
  });
  t.after(() => open.stop());
  const statusWith = async (ca: string) => {
    open.gateway.setCertificate({ ...issued, ca });
    return (await ask(open.gateway.url, former, '/checkpoint/shop/cart/main')).status;
  };
  assert.equal(await statusWith(former.certificate), 502);
  assert.equal(await statusWith(former.certificate + next.certificate), 200);
  assert.equal(await statusWith(next.certificate), 200);
  assert.equal(await statusWith(former.certificate), 502, 'who has left is not trusted any more');
});
