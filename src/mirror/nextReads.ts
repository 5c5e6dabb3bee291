/** How many resources are read for one page. */
const AT_MOST = 20;

/** The resources that are read next, and the one after which there are more; `undefined` where these are the last. */
export interface NextReads {
  uris: readonly string[];
  after: string | undefined;
}

/**
 * What is read next of a page of a list, after those up to `after`. Where that is not on the page any more, all are read
 * again: that some come twice says that the list has changed.
 */
export function nextReads(uris: readonly string[], after: string | undefined): NextReads {
  const from = after === undefined ? 0 : uris.indexOf(after) + 1;
  const some = uris.slice(from, from + AT_MOST);
  return { uris: some, after: from + AT_MOST < uris.length ? some.at(-1) : undefined };
}
