// preview.js: a change in two steps: a dry run says what would result, and nothing changes before that is confirmed.

import { dialog, notice, table } from "/shared/ui.js";

/**
 * `ask` is a dialog without its act, `read(values)` makes of it what is wanted, `tryOut(wanted)` requests the dry run.
 * `confirm(answer, wanted)` is the second dialog without its act, `send(wanted, answer)` makes the change. True when it was made.
 */
export async function changeInTwoSteps({ ask, read = (given) => given, tryOut, confirm, send, told }) {
  let wanted, would;
  await dialog({
    ...ask, says: [...(ask.says ?? []), "The next step shows what would result. Nothing changes before you confirm it."], label: "Preview",
    act: async (given) => {
      wanted = read(given);
      would = await tryOut(wanted);
    },
  });
  if (!would) return false;
  const done = await dialog({ ...confirm(would, wanted), act: () => send(wanted, would) });
  if (done === undefined) return false;
  notice(typeof told === "function" ? told(would, wanted) : told);
  return true;
}

/** A table of what differs: rows are { name, was, is }. */
export const differences = (rows, empty) => table({
  caption: "What changes", rows: rows.filter(({ was, is }) => was !== is), empty,
  columns: [{ name: "Name", head: true, show: (row) => row.name }, { name: "Now", show: (row) => row.was }, { name: "Then", show: (row) => row.is }],
}).element;
