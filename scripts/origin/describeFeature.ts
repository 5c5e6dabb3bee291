import * as z from "zod";
import type { Catalog, Feature } from "./loadCatalog.ts";
import { Note, type Notes } from "./openNotes.ts";
import { Support, supportByBrowser } from "./summariseSupport.ts";

/** A feature in a list. */
export const Brief = z.object({ id: z.string(), description: z.string().optional() });

/** A feature in full. */
export const Described = Brief.extend({
  mdn_url: z.string().optional(),
  spec_url: z.array(z.string()),
  status: z.object({ experimental: z.boolean(), standard_track: z.boolean(), deprecated: z.boolean() }).optional(),
  support: z.record(z.string(), Support).describe("By browser; a browser that the data says nothing about is left out"),
  notes: z.array(Note).describe("The notes added with add_note, oldest first"),
});

/** The short form of a feature: its id and, where it has one, its description. */
export function briefly({ id, compat }: Feature): z.infer<typeof Brief> {
  return { id, description: compat.description };
}

/** The full form of a feature, with the notes on it. */
export function describeFeature(catalog: Catalog, notes: Notes, feature: Feature): z.infer<typeof Described> {
  const { mdn_url, spec_url, status } = feature.compat;
  return {
    ...briefly(feature),
    mdn_url,
    spec_url: spec_url === undefined ? [] : [spec_url].flat(),
    status: status && {
      experimental: status.experimental,
      standard_track: status.standard_track,
      deprecated: status.deprecated,
    },
    support: supportByBrowser(catalog, feature),
    notes: [...notes.of(feature.id)],
  };
}
