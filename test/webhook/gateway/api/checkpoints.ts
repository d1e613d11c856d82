import type { ListedArchive } from '../../../../policy/listed-archive.ts';

/** An archive as a door lists it. */
export function listed(more: Partial<ListedArchive> = {}): ListedArchive {
  return {
    name: 'cart-main-ca12000000000001',
    uid: '00000000-0000-8000-8000-000000000001',
    namespace: 'shop',
    pod: 'cart',
    container: 'main',
    file: 'checkpoint-cart_shop-main-2026-11-21T00:00:01Z.tar',
    bytes: 300_000,
    modifiedAt: Date.UTC(2026, 10, 21),
    runtime: 'containerd',
    pinned: false,
    tainted: false,
    policy: 'namespace/shop',
    verdict: { action: 'keep', rule: 'none', reason: 'is within the limits' },
    version: 1_000_000,
    ...more,
  };
}
