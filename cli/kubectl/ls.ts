import type { Command } from 'commander';
import type { CheckpointQuery, ListedCheckpoint } from '../../kube/checkpoints.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../errors.ts';
import { callOf, explainCommand } from '../help.ts';
import { flag, optional } from '../options.ts';
import { renderTable, tableWidths } from '../table.ts';
import { checkpointColumns } from './columns.ts';
import { follow } from './following.ts';
import { type Order, sortKey, USUAL } from './order.ts';
import { encodeList, encodeObject, type Format, formatOption } from './output.ts';
import { selectorOptions } from './selectors.ts';
import { type Session, sessionOptions } from './session.ts';

const EXPLANATION = `
Lists the archives of all nodes as the aggregated API shows them: whose memory each holds, where it is, what governs it
and what its node's plan says of it now. A node that does not answer is named in a warning; the others are shown.

VERDICT  keep             no policy asks for its deletion now
         delete (RULE)    it goes at the next pass, by that rule: kubectl checkpoint explain NAME says why
         pinned           it is held: kubectl checkpoint unpin NAME lets it go again
         tainted          it has bytes behind its end marker, possibly another tenant's memory

Without -o, --sort-by takes a column (name, namespace, pod, node, size, age, policy, verdict) or a field.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const open = sessionOptions(command);
  const selectors = selectorOptions(command);
  const order = optional(
    command,
    '--sort-by <key>',
    'order: name, namespace, pod, node, size, age, policy, verdict, or a field as .status.sizeBytes',
    sortKey,
  );
  const watch = flag(command, '-w, --watch', 'go on, and print what changes until interrupted');
  const format = formatOption(command);
  const call = callOf(command);
  explainCommand(command, EXPLANATION, [
    [`${call} -n shop`, 'lists the archives of a namespace'],
    [`${call} -A --sort-by size`, 'lists those of all namespaces, the largest first'],
    [
      `${call} -A --field-selector spec.nodeName=worker-1 -o wide`,
      'lists those of a node, with file and reason',
    ],
    [`${call} -A -l checkpoint.criu.org/pinned=true -o name`, 'lists those that are pinned'],
    [`${call} -n shop --watch`, 'shows what comes and goes'],
  ]);
  return (context) =>
    open(context, (session) => {
      const query = { namespace: session.namespace, ...selectors() };
      const shown: Shown = { session, query, format: format(), order: order() ?? USUAL };
      return watch() ? listAndWatch(shown) : list(shown);
    });
}

interface Shown {
  readonly session: Session;
  readonly query: CheckpointQuery;
  readonly format: Format;
  readonly order: Order;
}

async function list({ session, query, format, order }: Shown): Promise<number> {
  const { items } = await session.checkpoints.list(query, session.warn);
  const sorted = [...items].sort(order);
  const { out, err } = session.context;
  const encoded = encodeList(sorted, format);
  if (encoded !== null) out.write(encoded);
  else if (sorted.length > 0) out.write(renderTable(columnsOf(session, format), sorted, out));
  else
    err.write(
      `No checkpoints found${session.namespace === null ? '' : ` in ${session.namespace} namespace`}.\n`,
    );
  return EXIT.done;
}

async function listAndWatch({ session, query, format, order }: Shown): Promise<number> {
  const { out } = session.context;
  const stop = session.context.untilStopped();
  let widths: readonly number[] = [];
  const started = (items: readonly ListedCheckpoint[]) => {
    const sorted = [...items].sort(order);
    const columns = columnsOf(session, format);
    widths = tableWidths(columns, sorted);
    const each = sorted.map((item) => encodeObject(item, format));
    out.write(each.every((text) => text !== null) && each.length > 0 ? each.join('') : tableOf(sorted));
  };
  const tableOf = (sorted: readonly ListedCheckpoint[]) =>
    format === 'table' || format === 'wide' ? renderTable(columnsOf(session, format), sorted, out) : '';
  for await (const { type, checkpoint } of follow(session, query, stop, started)) {
    const encoded = encodeObject(checkpoint, format);
    if (encoded !== null) {
      if (type !== 'DELETED' || format !== 'name') out.write(encoded);
      continue;
    }
    const shown: ListedCheckpoint =
      type === 'DELETED'
        ? { ...checkpoint, verdict: { action: 'delete', rule: 'gone', reason: 'it is gone' } }
        : checkpoint;
    const columns = columnsOf(session, format);
    out.write(renderTable(columns, [shown], out, { widths }));
  }
  return EXIT.done;
}

function columnsOf({ namespace, context }: Session, format: Format) {
  return checkpointColumns({
    withNamespace: namespace === null,
    isWide: format === 'wide',
    now: context.now(),
  });
}
